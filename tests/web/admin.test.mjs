// The console in a browser: every page, its actions, and what it says when it may not or cannot.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { axe, focused, noOverflow, onPage, signIn, useWorld, visible, world } from "./harness.mjs";

useWorld();

test("every page in light and dark, on a desktop and on a phone: no violation, nothing too wide", async () => {
  for (const options of [{}, { dark: true }, { phone: true }]) await onPage({ path: "/admin/", ...options }, async (page) => {
    for (const name of ["", "usage", "keys", "models", "releases", "monitoring", "audit", "system"]) {
      await page.goto(`${world.base}/admin/${name}`);
      await page.waitForSelector(".page h1");
      await page.waitForSelector(".page table");
      await axe(page, `on /admin/${name} ${JSON.stringify(options)}`);
      await noOverflow(page);
      assert.equal(await page.locator("h1").count(), 1);
    }
  });
});

test("overview: six figures, charts each with a table, gaps stay gaps, CSV of what is shown", () => onPage({ path: "/admin/" }, async (page) => {
  await page.waitForSelector(".figs .fig >> nth=5");
  assert.equal(await page.locator(".plot").count(), await page.locator(".block:has(.plot) table").count());
  for (const plot of await page.locator(".plot").all()) assert.match(await plot.getAttribute("aria-label"), /, now [\d.]/);
  const path = await page.locator(".plot path.c2").first().getAttribute("d");
  assert.equal(path.match(/M/g).length, 2, "one gap, two stretches");
  assert.ok(!/NaN|Infinity/.test(await page.content()));
  const [file] = await Promise.all([page.waitForEvent("download"), page.click("text=CSV")]);
  const rows = readFileSync(await file.path(), "utf8").trim().split("\r\n");
  assert.equal(rows.length, 97);
  assert.match(rows[0], /^t,requests,tokens/);
  await page.check("input[value='7d']");
  await page.waitForSelector(".chart .x span:text-matches('^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)$')");
}));

test("going between pages keeps the document and moves the focus to the heading", () => onPage({ path: "/admin/" }, async (page) => {
  await page.evaluate(() => { window.same = true; });
  await page.click(".admin > .nav >> text=Audit");
  await page.waitForFunction(() => document.activeElement.tagName === "H1" && document.activeElement.textContent === "Audit");
  assert.equal(await page.title(), "Audit · Firesteel");
  await page.goBack();
  await page.waitForSelector("h1:has-text('Overview')");
  assert.equal(await page.evaluate(() => window.same), true);
  await page.goto(`${world.base}/admin/nowhere`);
  await visible(page, "There is nothing here");
  await axe(page, "on an unknown page");
}));

test("keys: made and shown once, rotated with overlap, revoked after a question", () => onPage({ path: "/admin/keys" }, async (page) => {
  await page.click("text=New key");
  await page.waitForSelector("dialog[open]");
  await axe(page, "in the new key dialog");
  await page.fill("dialog input[name=name]", "intake, test");
  for (const scope of ["inference", "files", "feedback", "usage.read"]) await page.uncheck(`dialog input[value='${scope}']`);
  await page.click("dialog >> text=Make key");
  await visible(page, "choose at least one");
  await page.check("dialog input[value=inference]");
  await page.click("dialog >> text=Make key");
  await page.waitForSelector(".secret");
  assert.equal(await focused(page), "once");
  await axe(page, "with the secret");
  const secret = await page.locator(".secret output").innerText();
  await page.click("text=Copy key");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), secret);
  assert.ok(await page.isDisabled(".secret >> text=Done"));
  await page.check("text=I have stored it");
  await page.click(".secret >> text=Done");
  await page.waitForFunction(() => !document.querySelector(".secret"));
  assert.ok(!(await page.content()).includes(secret));
  await page.click("[aria-label='Rotate intake, test']");
  await page.selectOption("dialog select", "86400");
  await axe(page, "in the rotate dialog");
  await page.click("dialog >> text=/^Rotate$/");
  await page.waitForSelector(".secret");
  await page.waitForFunction(() => [...document.querySelectorAll("tbody th")].filter((cell) => cell.textContent === "intake, test").length === 2);
  await page.click("[aria-label='Revoke clerk laptop'], [aria-label='Revoke nightly summaries']");
  await axe(page, "in the revoke dialog");
  await page.click("dialog .btn.danger");
  await visible(page, "nightly summaries is revoked");
  await page.waitForFunction(() => [...document.querySelectorAll("tr")].some((row) => /nightly/.test(row.textContent) && /revoked/.test(row.textContent)));
}));

test("tenants: chosen, made, changed, suspended", () => onPage({ path: "/admin/keys" }, async (page) => {
  await page.click(".link:has-text('birch-finance')");
  await page.waitForSelector("h2:has-text('birch-finance')");
  await visible(page, "No keys yet");
  await page.click(".page-head .btn");
  await page.fill("dialog input[name=name]", "dogwood");
  await page.fill("dialog input[name=rpm]", "100");
  await page.fill("dialog input[name=kv]", "25");
  await axe(page, "in the tenant dialog");
  await page.click("dialog >> text=Make tenant");
  await page.waitForSelector("h2:has-text('dogwood')");
  await page.waitForSelector("tr.sel:has-text('of 25 %')");
  await page.click("text=Quotas");
  assert.equal(await page.inputValue("dialog input[name=rpm]"), "100");
  await page.check("dialog input[name=suspended]");
  await page.click("dialog .btn.main");
  await page.waitForSelector("tr.sel:has-text('Suspended')");
}));

test("usage: grouped, filtered, and as CSV from the server", () => onPage({ path: "/admin/usage" }, async (page) => {
  await page.waitForSelector(".plot .col");
  assert.equal(await page.locator(".plot .col:not(.b)").count(), 28);
  await page.check("input[value=tenant]");
  await page.waitForSelector("tbody th:has-text('birch-finance')");
  await page.selectOption(".filters select", "tn_alder");
  await page.waitForSelector(".filters label:has-text('Key') select");
  assert.match(await page.getAttribute("a:has-text('CSV')", "href"), /usage\.csv\?group=tenant&from=\d{4}-\d\d-\d\d&to=\d{4}-\d\d-\d\d&tenant=tn_alder/);
  const [file] = await Promise.all([page.waitForEvent("download"), page.click("a:has-text('CSV')")]);
  assert.match(readFileSync(await file.path(), "utf8"), /^group,requests/);
}));

test("audit: older entries, and a verdict on the chain", () => onPage({ path: "/admin/audit" }, async (page) => {
  await page.waitForSelector("tbody tr >> nth=19");
  await page.click("text=Show older");
  await page.waitForSelector("tbody tr >> nth=39");
  await page.click("text=Verify");
  await visible(page, "The log is whole.");
  await axe(page, "with the verdict");
  await page.route("**/audit/verify", (route) => route.fulfill({ json: { ok: false, checked: 12, bad_seq: 13, message: "The hash of entry 13 does not match." } }));
  await page.click("text=Verify");
  await visible(page, "Entry 13 does not fit.");
}));

test("an error of the server is shown with a way on", () => onPage({ path: "/admin/models", expected: [503] }, async (page) => {
  await page.route("**/admin/audit?*", (route) => route.fulfill({ status: 503, json: { error: { message: "The disk is full.", type: "error", code: "store_unavailable", param: null } } }));
  await page.click(".admin > .nav >> text=Audit");
  await visible(page, "The disk is full.");
  await axe(page, "with an error");
  await page.unroute("**/admin/audit?*");
  await page.click("text=Try again");
  await page.waitForSelector("tbody tr");
}));

test("nothing yet: the overview says what fills it", () => onPage({ path: "/admin/system" }, async (page) => {
  await page.route("**/admin/overview?*", (route) => route.fulfill({ json: { requests_per_s: 0, ttft_ms: { p50: 0, p95: 0, p99: 0 }, itl_ms: { p50: 0, p95: 0, p99: 0 }, n_running: 0, n_waiting: 0, kv_used_bytes: 0, kv_max_bytes: 0, errors: {}, series: [], version: "0", model: "kindling" } }));
  await page.click(".admin > .nav >> text=Overview");
  await visible(page, "No requests yet");
  await axe(page, "on an empty overview");
}));

test("a key without the scope is told so; the menu works on a phone", async () => {
  await onPage({ path: "/admin/", key: "fsk_chat" }, async (page) => {
    await visible(page, "This key may not open the console");
    await axe(page, "without the scope");
    await page.click("text=Sign out");
    await signIn(page, "fsk_admin");
  });
  await onPage({ path: "/admin/", phone: true }, async (page) => {
    await page.click("summary[aria-label=Menu]");
    await axe(page, "with the menu open");
    await page.click(".menu .nav >> text=Models");
    await page.waitForSelector("h1:has-text('Models')");
    assert.equal(await page.locator(".menu[open]").count(), 0);
  });
});

test("releases: regressions first, gates with what they need, promotion against a gate asks for a reason", () => onPage({ path: "/admin/releases" }, async (page) => {
  await page.waitForSelector(".forest tbody tr >> nth=3");
  assert.match(await page.locator(".forest tbody tr").first().textContent(), /merged cells/);
  assert.equal(await page.locator(".steps").count(), 3);
  assert.match(await page.locator("table:has(caption:text-is('Gates')) tbody tr").first().textContent(), /Failed/);
  await page.click(".verdict .btn");
  await page.click("dialog .btn.main");
  assert.ok(await page.locator("dialog[open]").count(), "an empty reason is not taken");
  await page.fill("#release-reason", "seen by hand");
  await page.click("dialog .btn.main");
  await page.waitForSelector(".toast:has-text('finance 15')");
  await page.click("text=Roll back >> nth=0");
  await page.click("dialog .btn.danger");
  await page.waitForSelector(".toast:has-text('finance 14')");
}));

test("monitoring: a chart with a table beside each figure, gaps, alerts, filters, CSV of what is shown", () => onPage({ path: "/admin/monitoring" }, async (page) => {
  await page.waitForSelector(".plot >> nth=14");
  const blocks = page.locator(".block:has(.plot)");
  assert.equal(await blocks.count(), 16, "every figure that was seen has a chart");
  for (const block of await blocks.all()) assert.equal(await block.locator("table tbody tr").count(), 3, "and a row for each line");
  for (const plot of await page.locator(".plot").all()) assert.match(await plot.getAttribute("aria-label"), /, now [\d.]/);
  const first = await page.locator(".plot path.c2").first().getAttribute("d");
  assert.equal(first.match(/M/g).length, 2, "a night without answers is a gap");
  assert.ok(!/NaN|Infinity|undefined/.test(await page.locator("main").innerText()));
  const judge = blocks.filter({ has: page.locator("h2:text-is(\"Judge's score\")") });
  assert.equal(await judge.locator("tbody tr").nth(2).locator("td").first().textContent(), "", "no value where nobody judged");
  assert.match(await page.locator(".note").last().textContent(), /Not seen in this time: length of answers/);
  const alerts = page.locator("table:has(caption:text-is('Alerts')) tbody tr");
  assert.equal(await alerts.count(), 3);
  assert.match(await alerts.first().textContent(), /Began/);
  const [file] = await Promise.all([page.waitForEvent("download"), page.click("text=CSV")]);
  const rows = readFileSync(await file.path(), "utf8").trim().split("\r\n");
  assert.equal(rows.length, 1 + 3 * 28);
  assert.match(rows[0], /^time,variant,answers,first_token_p50_ms/);
  await page.selectOption("label:has-text('Variant') select", "a0");
  await page.waitForFunction(() => document.querySelectorAll(".block:has(.plot) table")[0]?.querySelectorAll("tbody tr").length === 1);
  await page.selectOption("label:has-text('Variant') select", "");
  await page.check("input[value='surface']");
  await page.waitForFunction(() => document.querySelector(".block:has(.plot) tbody th")?.textContent === "api");
  await page.selectOption("label:has-text('Tenant') select", "tn_alder");
  await page.selectOption("label:has-text('Surface') select", "api");
  await visible(page, "No answers in this time");
}));
