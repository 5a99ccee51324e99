// A browser, a mock server, and pages that fail their test on any report of the content security policy, console error, script error or
// request to another origin. `axe` counts accessibility violations; none are excused.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { axeSource, launch } from "./browser.mjs";
import { MockServer } from "./mock_server.mjs";

export const world = { server: null, base: "", browser: null };

export function useWorld() {
  before(async () => {
    world.server = new MockServer();
    world.base = await world.server.listen();
    world.browser = await launch();
  });
  after(async () => {
    await world.browser?.close();
    await world.server?.close();
  });
}

/**
 * Opens a page, signs in (`key: null` does not), runs `act`, and then looks for what must not have happened. `expected` are statuses of
 * failed answers that the test causes; 401 is how a page learns that nobody is signed in.
 */
export async function onPage(options, act) {
  const { path = "/", key = "fsk_admin", phone = false, width = phone ? 390 : 1280, height = phone ? 844 : 800, dark = false, expected = [], delayMs = 1, offline = false } = options;
  const { server, base, browser } = world;
  server.reset();
  server.delayMs = delayMs;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? "dark" : "light", hasTouch: phone, isMobile: phone, reducedMotion: "reduce", permissions: ["clipboard-read", "clipboard-write"], acceptDownloads: true });
  const problems = [];
  const allowed = new Set([401, ...expected]);
  await context.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
  const page = await context.newPage();
  page.setDefaultTimeout(8000);
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    const failed = /Failed to load resource: the server responded with a status of (\d+)/.exec(message.text());
    if (failed && allowed.has(Number(failed[1]))) return;
    if (offline && /net::ERR_/.test(message.text())) return;
    problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`script: ${error.stack}`));
  page.on("request", (request) => { if (!request.url().startsWith(base) && !/^(data|blob):/.test(request.url())) problems.push(`foreign request: ${request.url()}`); });
  try {
    await page.goto(base + path);
    if (key !== null) await signIn(page, key);
    await act(page, context);
    problems.push(...(await page.evaluate(() => window.violations).catch(() => [])).map((text) => `CSP: ${text}`), ...server.stats.csp_reports.map((report) => `CSP report: ${JSON.stringify(report)}`));
  } finally {
    await context.close();
  }
  assert.deepEqual(problems, []);
}

export async function signIn(page, key) {
  await page.fill("input[type=password]", key);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".chat, .admin, h1:has-text('may not')");
}

export async function axe(page, where = "") {
  await page.evaluate(axeSource() + "\n;0");
  const found = await page.evaluate(async () => {
    const result = await window.axe.run(document, { resultTypes: ["violations"] });
    return result.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => `${node.html.slice(0, 160)} ${node.any.map((check) => check.message).join("; ").slice(0, 200)}`).join(" | ")}`);
  });
  assert.deepEqual(found, [], `axe violations ${where}`);
}

/** Sends a question and waits for the end of the answer. */
export async function ask(page, text, { wait = true } = {}) {
  const before = await page.locator(".ans").count();
  await page.fill("#msg", text);
  await page.focus("#msg");
  await page.keyboard.press("Enter");
  if (!wait) return;
  await page.waitForFunction((n) => document.querySelectorAll(".ans").length > n && !document.querySelector(".ans[aria-busy=true]") && document.querySelectorAll(".ans .foot").length > n, before);
}

export const visible = (page, text) => page.waitForSelector(`text=${text}`, { state: "visible" });
export const answerText = (page) => page.locator(".ans").last().locator(".prose").innerText();
export const turns = () => world.server.stats.turns;
/** Nothing is wider than the window. */
export async function noOverflow(page) {
  const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= inner, `the page is ${wide} px wide in a window of ${inner}`);
}
export const focused = (page) => page.evaluate(() => document.activeElement?.id || document.activeElement?.getAttribute("aria-label") || document.activeElement?.textContent?.trim() || document.activeElement?.tagName);
