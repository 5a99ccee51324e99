#!/usr/bin/env bash
# Runs the official clients of the OpenAI, Anthropic and Ollama APIs against `firesteel serve` on a small model. Exit 0 passed, 1 failed,
# 77 skipped (with one line that says why). FS_BINARY: the program (default: the newest build); FS_SHARED: the folder of test data.
# A server that runs already is used when FIRESTEEL_URL and FIRESTEEL_API_KEY are set.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
skip() { echo "SKIPPED: API clients: $1"; exit 77; }

command -v node >/dev/null || skip "node is not installed (apt-get install nodejs npm)"
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 18 ] || skip "node $(node -v) is older than 18"
if [ ! -d "$here/node_modules/openai" ]; then
  command -v npm >/dev/null || skip "npm is not installed and tests/clients/node_modules is missing"
  (cd "$here" && npm ci --ignore-scripts --no-audit --no-fund >/dev/null 2>&1) || skip "npm ci failed in tests/clients (no package registry?)"
fi

if [ -z "${FIRESTEEL_URL:-}" ]; then
  binary=${FS_BINARY:-$(ls -t "$root"/build/*/firesteel 2>/dev/null | head -n 1 || true)}
  [ -x "$binary" ] || skip "no firesteel program; build one, or set FS_BINARY"
  model=${FS_SHARED:-$root/../shared}/data/models/tinystories-656k/tinystories-656k-f32.gguf
  [ -f "$model" ] || skip "no model at $model (FS_SHARED is the folder of test data)"
  export FS_BINARY=$binary FS_MODEL=$model
fi
options=()
[ "$major" -lt 20 ] || options=(--test-concurrency=1 --test-timeout=120000)
exec node --test "${options[@]}" "$@" "$here"/*.test.mjs
