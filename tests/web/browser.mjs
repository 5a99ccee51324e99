// Starts Debian's Chromium for the tests. Packages come from web/node_modules; the browser is $FS_CHROMIUM or the system's.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
export const axeSource = () => readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const CHROMIUM = [process.env.FS_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => path && existsSync(path));

export async function launch() {
  const { chromium } = require("playwright-core");
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });
}
