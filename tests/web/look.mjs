// Takes pictures of the main pages into a folder: `node look.mjs FOLDER [NAME...]`. For looking at, not for comparing by machine.
import { mkdirSync } from "node:fs";
import { launch } from "./browser.mjs";
import { MockServer } from "./mock_server.mjs";

const [folder, ...only] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const server = new MockServer({ delayMs: 0 });
const base = await server.listen();
const browser = await launch();
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

const ask = async (page, text) => {
  await page.fill("#msg", text);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".ans:last-of-type .receipt");
};
const PAGES = {
  signin: { path: "/", key: null },
  empty: { path: "/" },
  chat: { path: "/", async act(page) {
    await ask(page, "From the whiteboard: it starts at rest on the slope. How long does it take to slide the 1.5 m, and how fast is it then?");
    await page.evaluate(() => { document.querySelector(".thread").scrollTop = 0; });
  } },
  chatend: { path: "/", async act(page) {
    await ask(page, "From the whiteboard: it starts at rest on the slope. How long?");
    await ask(page, "And a small solar panel instead? Use lanes.");
    await page.click('[aria-label="Bad answer"] >> nth=-1');
  } },
  streaming: { path: "/", slow: 60, async act(page) {
    await page.fill("#msg", "Use lanes: solar panel or turbine?");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".lane[data-s=live]");
    await page.waitForTimeout(1300);
  } },
  confirm: { path: "/", async act(page) {
    await page.fill("#msg", "Close the ticket that the mail is about");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".confirm");
  } },
  busy: { path: "/", async act(page) {
    server.next = { busy: 30 };
    await page.fill("#msg", "plain question");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".notice");
  } },
  settings: { path: "/", async act(page, phone) {
    if (phone) await page.click('[aria-label="Conversations"]:not(aside)');
    await page.click('[aria-label="Settings"]');
    await page.waitForSelector("dialog[open]");
  } },
  system: { path: "/", async act(page) { await page.click('button:visible:has-text("System prompt"), [aria-label="System prompt"]:visible'); } },
  drawer: { path: "/", phoneOnly: true, async act(page) { await page.click('[aria-label="Conversations"]:not(aside)'); } },
  overview: { path: "/admin/" }, usage: { path: "/admin/usage" }, keys: { path: "/admin/keys" }, models: { path: "/admin/models" }, labels: { path: "/admin/labels", async act(page) { await page.waitForSelector(".cand >> nth=1"); } }, releases: { path: "/admin/releases" }, monitoring: { path: "/admin/monitoring" }, audit: { path: "/admin/audit" }, system_page: { path: "/admin/system" },
  keydialog: { path: "/admin/keys", async act(page) { await page.click("text=New key"); } },
  hostile: { path: "/", async act(page) { await ask(page, "hostile"); } },
  newkey: { path: "/admin/keys", async act(page) {
    await page.click("text=New key");
    await page.fill("dialog input[name=name]", "intake-form");
    await page.click("dialog .btn.main");
    await page.waitForSelector(".secret");
  } },
};

for (const [name, spec] of Object.entries(PAGES)) {
  if (only.length > 0 && !only.includes(name)) continue;
  for (const [size, viewport] of Object.entries(SIZES)) {
    if (spec.phoneOnly && size !== "phone") continue;
    for (const scheme of size === "desktop" ? ["light", "dark"] : [name.length % 2 ? "light" : "dark"]) {
      server.reset();
      server.delayMs = spec.slow ?? 0;
      const context = await browser.newContext({ viewport, colorScheme: scheme, hasTouch: size === "phone", isMobile: size === "phone", deviceScaleFactor: 1 });
      const page = await context.newPage();
      page.on("console", (message) => { if (message.type() === "error" || message.type() === "warning") console.log(name, message.text()); });
      page.on("pageerror", (error) => console.log(name, error));
      await page.goto(base + spec.path);
      if (spec.key !== null) {
        await page.fill("input[type=password]", "fsk_admin");
        await page.click("button:has-text('Sign in')");
        await page.waitForSelector(spec.path.startsWith("/admin") ? ".admin" : ".chat");
        await page.waitForTimeout(300);
      }
      try {
        await spec.act?.(page, size === "phone");
      } catch (error) { console.log(name, size, String(error).slice(0, 300)); }
      await page.waitForTimeout(250);
      await page.screenshot({ path: `${folder}/${name}-${size}-${scheme}.png`, fullPage: spec.path.startsWith("/admin") });
      await context.close();
    }
  }
}
await browser.close();
await server.close();
