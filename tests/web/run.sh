#!/usr/bin/env bash
# Runs the tests of the web app: node:test, playwright-core and axe-core against a mock of the server. Exit 0 passed, 1 failed, 77 skipped
# (with one line that says why). Needs Node 18 or newer, Chromium, and the packages of web/ (fetched by `npm ci` when they are missing).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
web=$here/../../web
skip() { echo "SKIPPED: web tests: $1"; exit 77; }

command -v node >/dev/null || skip "node is not installed (apt-get install nodejs npm)"
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 18 ] || skip "node $(node -v) is older than 18"
chromium=${FS_CHROMIUM:-}
for name in chromium chromium-browser google-chrome; do [ -n "$chromium" ] || chromium=$(command -v "$name" || true); done
[ -n "$chromium" ] || skip "no Chromium (apt-get install chromium, or set FS_CHROMIUM)"
export FS_CHROMIUM=$chromium
if [ ! -d "$web/node_modules/playwright-core" ]; then
  command -v npm >/dev/null || skip "npm is not installed and web/node_modules is missing"
  (cd "$web" && npm ci --ignore-scripts --no-audit --no-fund >/dev/null 2>&1) || skip "npm ci failed in web/ (no package registry?)"
fi
options=()
[ "$major" -lt 20 ] || options=(--test-concurrency=1 --test-timeout=600000)
exec node --test "${options[@]}" "$@" "$here"/*.test.mjs
