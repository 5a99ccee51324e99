// The labelling page: keyboard alone, drafts, undo, flags, gold items; no violation at any size.
import assert from "node:assert/strict";
import { test } from "node:test";
import { axe, noOverflow, onPage, useWorld } from "./harness.mjs";

useWorld();
const at = { path: "/admin/labels" };

test("no violation and nothing too wide, light and dark, desktop and phone", async () => {
  for (const options of [{}, { dark: true }, { phone: true }]) await onPage({ ...at, ...options }, async (page) => {
    await page.waitForSelector(".cand >> nth=1");
    await axe(page, `on /admin/labels ${JSON.stringify(options)}`);
    await noOverflow(page);
    assert.equal(await page.locator("h1").count(), 1);
  });
});

test("a label with the keyboard alone: choose, correct, save; a gold item is told after; Backspace undoes; skip and flag", () => onPage(at, async (page) => {
  await page.waitForSelector(".cand >> nth=1");
  const posts = [];
  page.on("request", (request) => { if (request.method() === "POST" && request.url().includes("/label-tasks/")) posts.push(JSON.parse(request.postData())); });
  await page.keyboard.press("Enter");  // nothing chosen yet: nothing is sent
  await page.keyboard.press("2");
  assert.equal(await page.locator(".choices input").nth(1).isChecked(), true);
  await page.waitForSelector(".cand.on[aria-label='Answer A']");
  await page.keyboard.press("e");
  await page.keyboard.type("360.09 s");  // an s in the text skips nothing
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector(".question")?.textContent.includes("5,000"));
  assert.deepEqual(posts[0], { choice: 2, correction: "360.09 s" });
  await page.keyboard.press("5");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".notice:has-text('gold item')");
  await page.waitForFunction(() => document.querySelector(".question")?.textContent.includes("12 %"));
  await page.keyboard.press("Backspace");
  await page.waitForFunction(() => document.querySelector(".question")?.textContent.includes("5,000"));
  await page.keyboard.press("s");
  await page.waitForFunction(() => document.querySelector(".question")?.textContent.includes("12 %"));
  assert.deepEqual(posts.at(-1), { skip: true });
  await page.keyboard.press("f");
  await page.keyboard.type("names a person");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Nothing to do in this queue");
  assert.deepEqual(posts.at(-1), { flag: "names a person" });
}));

test("a draft survives a reload, and keys can be turned off", () => onPage(at, async (page) => {
  await page.waitForSelector(".cand >> nth=1");
  await page.keyboard.press("4");
  await page.reload();
  await page.waitForSelector(".cand.on[aria-label='Answer B']");
  await page.keyboard.press("?");
  await page.uncheck("dialog input[type=checkbox]");
  await page.keyboard.press("Escape");
  await page.keyboard.press("1");
  assert.equal(await page.locator(".choices input").nth(3).isChecked(), true);
}));
