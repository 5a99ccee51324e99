// The chat page in a browser: each flow of the assistant against the mock server.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { answerText, ask, axe, focused, noOverflow, onPage, signIn, turns, useWorld, visible, world } from "./harness.mjs";

useWorld();
const PNG = png(2, 2);

test("sign in: a wrong key is refused with its reason, the right one opens the page and is kept nowhere", () => onPage({ key: null }, async (page) => {
  await axe(page, "on the sign-in page");
  assert.equal(await page.evaluate(() => document.activeElement.type), "password");
  await page.fill("input[type=password]", "fsk_wrong");
  await page.keyboard.press("Enter");
  await visible(page, "This key is not known here.");
  await axe(page, "on the refused sign-in");
  await signIn(page, "fsk_admin");
  assert.equal(await page.evaluate(() => document.cookie), "", "the session cookie is HttpOnly");
  assert.equal(await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]).includes("fsk_")), false);
  assert.equal(await focused(page), "msg");
  await page.click('[aria-label="Settings"]');
  await page.click("text=Sign out");
  await page.waitForSelector("h1:has-text('Sign in')");
  await page.reload();
  await page.waitForSelector("h1:has-text('Sign in')");
}));

test("an answer streams, and markdown, code, table, mathematics, thinking and receipt are rendered", () => onPage({ delayMs: 4 }, async (page) => {
  await axe(page, "on the empty page");
  await ask(page, "Use the slope answer", { wait: false });
  await page.waitForSelector(".ans[aria-busy=true] .prose.live");
  const early = (await answerText(page)).length;
  await page.waitForFunction((n) => document.querySelector(".ans .prose").innerText.length > n + 40, early);
  assert.equal(await page.locator(".ans [aria-live], .thread[aria-live]").count(), 0, "streaming text is no live region");
  await page.waitForSelector(".ans[aria-busy=false] .receipt");
  assert.equal(await page.locator(".ans .prose.live").count(), 0);
  assert.equal(await page.locator(".ans math msqrt mfrac").count(), 1);
  assert.ok(await page.locator(".ans math").count() >= 3, "display and inline formulas");
  assert.equal(await page.evaluate(() => document.querySelector(".ans math").namespaceURI), "http://www.w3.org/1998/Math/MathML");
  assert.ok(await page.evaluate(() => { const box = document.querySelector(".ans .eq math").getBoundingClientRect(); return box.height > 20 && box.width > 100; }), "the formula is laid out");
  assert.deepEqual(await page.locator(".ans .table thead th").allInnerTexts(), ["Force", "Along the slope", "Size"]);
  assert.equal(await page.locator(".ans .table td.n").count(), 4, "a column of figures is set to the right");
  assert.ok(await page.locator(".ans .code .k").count() >= 2);
  assert.ok((await answerText(page)).includes("A price of $5 or $10 is no formula."));
  assert.equal(await page.locator(".ans .prose h3").innerText(), "What would change it");
  assert.equal(await page.locator(".ans .prose a").getAttribute("rel"), "noopener noreferrer");
  await page.click(".ans .code >> text=Copy");
  await visible(page, "Copied");
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^from math import/);
  assert.equal(await page.locator(".think").getAttribute("open"), null, "thinking is folded");
  await page.click(".think summary");
  await visible(page, "Mass cancels");
  await page.click(".receipt summary");
  await visible(page, "263 tokens, 128 from cache");
  assert.equal(await page.locator("h1").innerText(), "Block on a slope");
  assert.match(await page.title(), /Block on a slope/);
  assert.match(page.url(), /\?c=cv_/);
  await axe(page, "on an answer");
  await page.reload();
  await page.waitForSelector(".ans .receipt");
  assert.ok((await answerText(page)).includes("0.97 s"));
}));

test("the screen reader hears whole sentences and the end, not every word", () => onPage({ delayMs: 2 }, async (page) => {
  await page.evaluate(() => {
    window.heard = [];
    new MutationObserver(() => window.heard.push(document.querySelector("[aria-live=polite].sr-only").textContent)).observe(document.querySelector("[aria-live=polite].sr-only"), { childList: true, characterData: true, subtree: true });
  });
  await ask(page, "plain");
  await page.waitForFunction(() => window.heard.some((text) => /Answer complete\.$/.test(text)));
  const heard = await page.evaluate(() => window.heard);
  assert.ok(heard.length <= 4, JSON.stringify(heard));
  assert.match(heard.at(-1), /Alkaline cells lose most/);
}));

test("stop with Esc and with the button: what was written stays, marked as partial", () => onPage({ delayMs: 15 }, async (page) => {
  await ask(page, "long one", { wait: false });
  await page.waitForSelector(".ans .prose.live");
  await page.fill("#msg", "a draft while it writes");
  await page.keyboard.press("Escape");
  await page.waitForSelector("text=/Stopped after \\d+ token/");
  assert.equal(world.server.stats.cancelled, 1);
  assert.equal(await focused(page), "msg");
  assert.equal(await page.inputValue("#msg"), "a draft while it writes");
  assert.ok((await answerText(page)).length > 5);
  await axe(page, "on a stopped answer");
  await page.fill("#msg", "another long one");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".ans[aria-busy=true] .prose.live");
  await page.click(".composer [aria-label=Stop]");
  await page.waitForFunction(() => document.querySelectorAll(".ans .receipt").length === 2);
  assert.equal(world.server.stats.cancelled, 2);
  await page.click("text=Continue >> nth=-1");
  await page.waitForFunction(() => document.querySelectorAll(".ans").length === 3);
  assert.equal(turns().at(-1).content[0].text, "Please continue.");
}));

test("edit and answer again make branches, and the switcher goes between them", () => onPage({}, async (page) => {
  await ask(page, "plain first question");
  await ask(page, "plain second question");
  const first = turns()[0], second = turns()[1];
  assert.equal(first.parent_id, null);
  assert.ok(second.parent_id.startsWith("ms_"));
  await page.hover(".ask >> nth=0");
  await page.click("text=Edit as a branch >> nth=0");
  await page.waitForSelector("[aria-label='Edit the question']");
  await axe(page, "while editing");
  await page.fill("[aria-label='Edit the question']", "slope instead");
  await page.click("text=Send as a branch");
  await page.waitForSelector("text=2 of 2");
  await page.waitForSelector(".ans .receipt");
  assert.equal(turns()[2].parent_id, null);
  assert.equal(await page.locator(".ask").count(), 1, "the new branch has only the edited question");
  await axe(page, "on a branch");
  await page.click("[aria-label='Previous question']");
  await page.waitForSelector("text=plain second question");
  assert.equal(await page.locator(".ask").count(), 2);
  await page.click("[aria-label='Answer again as a new branch'] >> nth=-1");
  await page.waitForSelector("text=Version 2.");
  await page.waitForFunction(() => !document.querySelector(".ans[aria-busy=true]"));
  assert.equal(turns()[3].regenerate, true);
  assert.equal(turns()[3].content, undefined);
  await page.click("[aria-label='Previous answer']");
  assert.ok(!(await answerText(page)).includes("Version 2."));
  await page.reload();
  await page.waitForSelector(".ans .receipt");
  assert.ok(!(await answerText(page)).includes("Version 2."), "the branch that was looked at last is shown");
  await page.click("[aria-label='Next answer']");
  assert.ok((await answerText(page)).includes("Version 2."));
  // Up in an empty composer edits the last question, Esc leaves it.
  await page.focus("#msg");
  await page.keyboard.press("ArrowUp");
  assert.equal(await focused(page), "Edit the question");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("[aria-label='Edit the question']").count(), 0);
}));

test("mode, model, system prompt and sampling go with each turn", () => onPage({}, async (page) => {
  await page.click("text=System prompt");
  await page.waitForSelector("dialog[open]");
  await axe(page, "in the system prompt dialog");
  await page.fill("dialog textarea", "Answer in one line.");
  await page.fill("[aria-label='Name for the prompt above']", "Short");
  await page.click("dialog >> text=Keep");
  await page.waitForSelector("dialog .presets >> text=Short");
  await page.fill("dialog label:has-text('Temperature') input", "0.3");
  await page.fill("dialog label:has-text('Longest answer') input", "99");
  await page.click("dialog .btn.main");
  assert.match(await focused(page), /System prompt/, "the focus returns to the button");
  await page.check("input[value=thinking]");
  await page.selectOption("#model", "kindling");
  await ask(page, "plain");
  const turn = turns()[0];
  assert.deepEqual([turn.mode, turn.model, turn.system, turn.max_tokens, turn.sampling], ["thinking", "kindling", "Answer in one line.", 99, { temperature: 0.3 }]);
  assert.equal([...world.server.conversations.values()].at(-1).system, "Answer in one line.");
  await page.selectOption("#model", "llama-1b");
  await page.check("input[value=instant]");
  assert.equal(await page.locator("[aria-label='Add images']").count(), 0, "this model reads no images");
  await ask(page, "plain again");
  assert.deepEqual([turns()[1].mode, turns()[1].model], ["instant", "llama-1b"]);
  await page.reload();
  await page.waitForSelector(".ans .receipt");
  assert.equal(await page.inputValue("#model"), "llama-1b");
}));

test("search, rename, pin, open, and delete with undo", () => onPage({}, async (page) => {
  await page.waitForSelector(".conv");
  await page.focus(".thread");
  await page.keyboard.press("/");
  await page.waitForFunction(() => document.activeElement.id === "search");
  await page.keyboard.type("tenancy");
  await page.waitForFunction(() => document.querySelectorAll(".conv").length === 1);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForSelector("h1:has-text('Compare two tenancy clauses')");
  await page.fill("#search", "no such thing");
  await visible(page, "Nothing found");
  await page.fill("#search", "");
  await page.waitForFunction(() => document.querySelectorAll(".conv").length > 5);
  await page.click("[aria-label='Rename, pin, export, delete']");
  await axe(page, "with the menu open");
  await page.click("[role=menuitem]:has-text('Rename')");
  await page.fill("dialog input", "Two clauses <b>");
  await page.keyboard.press("Enter");
  await page.waitForSelector("h1:has-text('Two clauses <b>')");
  await page.click("[aria-label='Rename, pin, export, delete']");
  await page.click("[role=menuitem]:has-text('Pin')");
  await page.waitForSelector("section:has(h2:text-is('Pinned')) .conv:has-text('Two clauses')");
  await page.click("[aria-label='Rename, pin, export, delete']");
  await page.keyboard.press("Escape");
  assert.equal(await focused(page), "Rename, pin, export, delete");
  const n = await page.locator(".conv").count();
  await page.click("[aria-label='Rename, pin, export, delete']");
  await page.click("[role=menuitem]:has-text('Delete')");
  await visible(page, "Conversation deleted");
  await axe(page, "with a toast");
  assert.equal(await page.locator(".conv").count(), n - 1);
  await page.click("text=Undo");
  await page.waitForFunction((want) => document.querySelectorAll(".conv").length === want, n);
  assert.deepEqual(world.server.stats.deleted, []);
  await page.focus(".conv >> nth=2");
  const gone = await page.locator(".conv >> nth=2").getAttribute("data-conv");
  await page.keyboard.press("Delete");
  await page.goto("about:blank");  // leaving the page makes it final
  for (let i = 0; i < 100 && world.server.stats.deleted.length === 0; i++) await new Promise((go) => setTimeout(go, 20));
  assert.deepEqual(world.server.stats.deleted, [gone]);
}));

test("export and import", () => onPage({ expected: [400] }, async (page) => {
  await page.waitForSelector(".conv");
  await page.click("[aria-label=Settings]");
  await axe(page, "in the settings");
  const [all] = await Promise.all([page.waitForEvent("download"), page.click("dialog >> text=Export all")]);
  const data = readFileSync(await all.path(), "utf8");
  assert.equal(JSON.parse(data).format, "firesteel.conversations.v1");
  const before = await page.locator(".conv").count();
  await page.setInputFiles("dialog input[type=file]", { name: "export.json", mimeType: "application/json", buffer: Buffer.from(data) });
  await page.waitForFunction((n) => document.querySelectorAll(".conv").length === 2 * n, before);
  await page.setInputFiles("dialog input[type=file]", { name: "notes.json", mimeType: "application/json", buffer: Buffer.from("not json") });
  await visible(page, "notes.json is not JSON.");
  await page.setInputFiles("dialog input[type=file]", { name: "other.json", mimeType: "application/json", buffer: Buffer.from("{}") });
  await visible(page, "This is not an export of Firesteel.");
}));

test("images: pasted, dropped, chosen, refused, removed, sent", () => onPage({}, async (page) => {
  const give = (kind, name, type, data) => page.evaluate(({ kind, name, type, data }) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, { type }));
    const target = kind === "paste" ? document.getElementById("msg") : document.querySelector(".chat");
    target.dispatchEvent(kind === "paste" ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }) : new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }, { kind, name, type, data: data.toString("base64") });
  await give("paste", "pasted.png", "image/png", PNG);
  await page.waitForSelector(".att:has-text('pasted.png')");
  await give("drop", "dropped.png", "image/png", PNG);
  await page.waitForSelector(".att:has-text('dropped.png')");
  await page.setInputFiles("input[type=file][multiple]", { name: "chosen.png", mimeType: "image/png", buffer: PNG });
  await page.waitForSelector(".att:has-text('chosen.png')");
  await axe(page, "with attachments");
  await give("drop", "site-plan.tif", "image/tiff", PNG);
  await visible(page, "site-plan.tif is not attached.");
  await give("drop", "broken.png", "image/png", Buffer.from("no picture"));
  await visible(page, "broken.png is not attached.");
  await axe(page, "with a refused image");
  await page.click("[aria-label='Remove dropped.png']");
  await ask(page, "plain, with images");
  const images = turns()[0].content.filter((part) => part.type === "image");
  assert.deepEqual(images.map((one) => one.name), ["pasted.png", "chosen.png"]);
  assert.ok(images[0].data_uri.startsWith("data:image/png;base64,"));
  assert.equal(await page.locator(".ask .pic img").count(), 2);
  await page.waitForFunction(() => [...document.querySelectorAll(".ask .pic img")].every((img) => img.complete && img.naturalWidth === 2));
  await axe(page, "with images in a question");
}));

test("images: one that is wider than a model can use is made smaller, over white", () => onPage({}, async (page) => {
  await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(3000, 300);
    canvas.getContext("2d");  // transparent
    const transfer = new DataTransfer();
    transfer.items.add(new File([await canvas.convertToBlob({ type: "image/png" })], "wide.png", { type: "image/png" }));
    document.querySelector(".chat").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  });
  await page.waitForSelector(".att:has-text('wide.png')");
  await ask(page, "plain, with a wide image");
  const [image] = turns()[0].content.filter((part) => part.type === "image");
  assert.ok(image.data_uri.startsWith("data:image/jpeg;base64,"));
  const [width, height, red] = await page.evaluate(async (uri) => {
    const bytes = Uint8Array.from(atob(uri.split(",")[1]), (c) => c.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    const pen = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    pen.drawImage(bitmap, 0, 0);
    return [bitmap.width, bitmap.height, pen.getImageData(5, 5, 1, 1).data[0]];
  }, image.data_uri);
  assert.deepEqual([width, height], [2048, 205]);
  assert.equal(red, 255);
}));

test("busy: it says so, waits as long as the server asks, and sends by itself", () => onPage({ expected: [429] }, async (page) => {
  world.server.next = { busy: 1 };
  await ask(page, "plain when busy", { wait: false });
  await visible(page, "All slots are in use.");
  await page.waitForSelector(".ans .receipt");
  assert.equal(turns().length, 2);
  world.server.next = { busy: 60 };
  await ask(page, "plain, cancelled while waiting", { wait: false });
  await visible(page, "All slots are in use.");
  await axe(page, "when busy");
  await page.click(".notice >> text=Cancel");
  await page.waitForFunction(() => document.getElementById("msg").value === "plain, cancelled while waiting");
  assert.equal(await page.locator(".ask").count(), 1);
}));

test("over quota and too long: refused with the numbers, the draft comes back, no retry", () => onPage({ expected: [429, 400] }, async (page) => {
  world.server.next = { quota: true };
  await ask(page, "plain over quota", { wait: false });
  await visible(page, "used its 2 M tokens");
  assert.equal(await page.inputValue("#msg"), "plain over quota");
  await axe(page, "over quota");
  world.server.next = { too_long: true };
  await page.keyboard.press("Enter");
  await visible(page, "2,204 tokens too long");
  assert.equal(await page.inputValue("#msg"), "plain over quota");
  assert.equal(turns().length, 2);
  await page.reload();
  await page.waitForSelector("#msg");
  await page.waitForFunction(() => document.getElementById("msg").value === "plain over quota");
}));

test("a failure in the middle is named and the answer can be asked again", () => onPage({}, async (page) => {
  world.server.next = { fail: 5 };
  await ask(page, "plain that fails");
  await visible(page, "out of KV blocks");
  await axe(page, "on a failed answer");
  await page.click("text=Answer again");
  await page.waitForSelector("text=Version 2.");
}));

test("a lost connection keeps what arrived, and comes back by itself", () => onPage({ offline: true, delayMs: 3 }, async (page) => {
  world.server.next = { drop: 8 };
  await ask(page, "plain that is cut off", { wait: false });
  await visible(page, "Connection lost. What had arrived is kept.");
  const kept = await answerText(page);
  assert.ok(kept.length > 10);
  await axe(page, "on a lost connection");
  await page.click("text=Try now");
  await page.waitForFunction(() => !document.querySelector(".notice"));
  await visible(page, "Cut off when the connection was lost");
  assert.ok((await answerText(page)).startsWith(kept));
}));

test("offline: drafts can be written, sending says why not, and it notices when the server is back", () => onPage({ offline: true }, async (page) => {
  await page.waitForSelector(".conv");
  await page.route("**/firesteel/**", (route) => route.abort("connectionrefused"));
  await page.click(".conv >> nth=3");
  await visible(page, "Firesteel is not running on this machine.");
  await page.fill("#msg", "a draft in the dark");
  assert.equal(await page.getAttribute(".send", "aria-disabled"), "true");
  await axe(page, "when offline");
  await page.keyboard.press("Enter");
  assert.equal(turns().length, 0);
  await page.unroute("**/firesteel/**");
  await page.waitForFunction(() => !document.querySelector(".notice"));
  assert.equal(await page.inputValue("#msg"), "a draft in the dark");
}));

test("an old CSRF token is renewed once, and the request repeated", () => onPage({ expected: [403] }, async (page) => {
  for (const session of world.server.sessions.values()) session.csrf = "changed-elsewhere";
  await ask(page, "plain after the token changed");
  assert.equal(turns().length, 1);
}));

test("a hostile answer is text: nothing runs, nothing is loaded", () => onPage({}, async (page) => {
  await ask(page, "hostile");
  const text = await answerText(page);
  assert.ok(text.includes("<script>window.hacked = 1</script>"));
  assert.ok(text.includes("<iframe"));
  assert.ok(text.includes("<i> & A"));
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.locator(".ans :is(script, iframe, img, form), .ans .prose b").count(), 0);
  assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll(".ans a")].map((a) => new URL(a.href).protocol)), ["https:", "https:"].slice(0, await page.locator(".ans a").count()));
  await axe(page, "on a hostile answer");
}));

test("a long answer follows only a reader who is at the end", () => onPage({ delayMs: 3 }, async (page) => {
  await ask(page, "long", { wait: false });
  await page.waitForFunction(() => document.querySelector(".thread").scrollTop > 200);
  await page.evaluate(() => { document.querySelector(".thread").scrollTop = 20; });
  await page.waitForSelector(".new-below");
  const at = await page.evaluate(() => document.querySelector(".thread").scrollTop);
  await page.waitForTimeout(300);
  assert.equal(await page.evaluate(() => document.querySelector(".thread").scrollTop), at);
  await page.click(".new-below");
  await page.waitForFunction(() => { const box = document.querySelector(".thread"); return box.scrollHeight - box.scrollTop - box.clientHeight < 80; });
  await page.keyboard.press("Escape");
  await page.waitForSelector(".ans[aria-busy=false]");
}));

test("lanes of subagents: live, then folded", () => onPage({ delayMs: 6 }, async (page) => {
  await ask(page, "lanes please", { wait: false });
  await page.waitForSelector(".lane[data-s=live]");
  await axe(page, "with lanes at work");
  await page.waitForSelector(".ans .receipt");
  assert.equal(await page.locator(".folded").getAttribute("open"), null);
  await page.click(".folded summary");
  assert.equal(await page.locator(".lane").count(), 3);
  await visible(page, "2 done, 1 cancelled");
  await axe(page, "with finished lanes");
  // References of the joined answer open the lane that they cite; one that cites nothing stays text.
  await page.click(".folded summary");
  assert.equal(await page.locator(".prose a[href*=lane]").count(), 2);
  await page.click("[aria-label^='Part 2']");
  assert.notEqual(await page.locator(".folded").getAttribute("open"), null);
  assert.match(await page.evaluate(() => document.activeElement.textContent), /Charging below/);
  await visible(page, "nobody says more [7]");
}));

test("one lane can be cancelled, the others go on", () => onPage({ delayMs: 30 }, async (page) => {
  await ask(page, "lanes please", { wait: false });
  await page.waitForSelector(".lane[data-s=live]");
  await page.click("[aria-label='Cancel lane B']");
  await page.waitForSelector(".lane[data-s=off]");
  await page.waitForSelector(".ans .receipt");
  assert.equal(await page.locator(".lane[data-s=live]").count(), 0);
  await visible(page, "Take the panel, with a box around the pack.");
}));

test("tools that were called are shown, also after a reload", () => onPage({ delayMs: 2 }, async (page) => {
  await ask(page, "the sum please");
  assert.match(await page.locator(".calls li").innerText(), /calculator\s+17 \* 23\s*=\s*391/);
  await axe(page, "with a tool's call");
  await page.reload();
  await page.waitForSelector(".calls li");
  assert.equal(await page.locator(".calls li").count(), 1);
}));

test("a tool that acts asks first: no, once, always, too late; by keyboard", () => onPage({ delayMs: 2 }, async (page) => {
  await page.evaluate(() => { window.heard = []; new MutationObserver(() => window.heard.push(document.querySelector("[role=status].sr-only").textContent)).observe(document.querySelector("[role=status].sr-only"), { childList: true, characterData: true, subtree: true }); });
  const words = () => world.server.stats.words;
  const chip = () => page.locator(".ans").last().locator(".tool").innerText();
  const done = async () => { await page.waitForSelector(".ans[aria-busy=false] .foot >> nth=-1"); await page.waitForFunction(() => !document.querySelector(".ans[aria-busy=true]")); };
  // No, with the keyboard alone: the focus starts on the answer that does nothing.
  await ask(page, "close the ticket", { wait: false });
  await page.waitForSelector(".confirm");
  assert.equal(await focused(page), "Do not run");
  assert.match(await page.locator(".confirm").innerText(), /Run tickets\.close\?[^]*mail\.txt[^]*as the mail says[^]*Not run in/);
  assert.ok((await page.evaluate(() => window.heard)).some((text) => /asks to run tickets\.close/.test(text)));
  await visible(page, "Waiting for your word");
  await axe(page, "with a question");
  await page.keyboard.press("Enter");
  await done();
  assert.deepEqual(words(), ["deny"]);
  assert.match(await chip(), /you said no/);
  assert.equal(await page.locator(".confirm").count(), 0);
  assert.equal(await focused(page), "msg");
  // Somebody who is writing is not interrupted, and finds the question by its key.
  await ask(page, "close the ticket", { wait: false });
  await page.fill("#msg", "and then");
  await page.waitForSelector(".confirm");
  assert.equal(await focused(page), "msg");
  await page.keyboard.press("Control+Alt+a");
  assert.equal(await focused(page), "Do not run");
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Run once");
  await page.keyboard.press("Enter");
  await done();
  assert.match(await chip(), /you allowed it/);
  assert.equal(await page.inputValue("#msg"), "and then");
  await page.reload();
  await page.waitForSelector(".ans .tool");
  assert.match(await chip(), /you allowed it/, "it is kept");
  // Always: the next one is not asked about, and the word can be taken back.
  await ask(page, "close the ticket", { wait: false });
  await page.click("text=Always in this conversation");
  await done();
  await visible(page, "Runs without asking in this conversation: tickets.close");
  await axe(page, "with a tool that is allowed");
  await ask(page, "close the ticket");
  assert.match(await chip(), /allowed in this conversation/);
  assert.deepEqual(words(), ["deny", "allow", "always"]);
  await page.click("text=Ask again");
  await page.waitForFunction(() => !document.querySelector(".allowed"));
  // Nobody answers; and Esc stops the answer, and with it the question.
  world.server.next = { patience: 60 };
  await ask(page, "close the ticket");
  assert.match(await chip(), /nobody answered/);
  await ask(page, "close the ticket", { wait: false });
  await page.waitForSelector(".confirm");
  await page.keyboard.press("Escape");
  await done();
  assert.equal(await page.locator(".confirm").count(), 0);
}));

test("tools are chosen once and go with each turn", () => onPage({}, async (page) => {
  await ask(page, "plain");
  assert.equal(turns().at(-1).tools, undefined);
  assert.equal(turns().at(-1).confirm, true);
  await page.click("[aria-label='Tools']");
  await axe(page, "in the list of tools");
  assert.equal(await page.isDisabled("label:has-text('calculator') input"), true, "what is used by itself is no choice");
  await page.check("label:has-text('documents') input");
  await page.click("dialog >> text=Done");
  assert.equal(await focused(page), "Tools, 1 chosen");
  await ask(page, "plain");
  assert.deepEqual(turns().at(-1).tools, ["calculator", "documents"]);
  await page.reload();
  await ask(page, "plain");
  assert.deepEqual(turns().at(-1).tools, ["calculator", "documents"]);
}));

test("answers can be shown only when they are complete", () => onPage({ delayMs: 6 }, async (page) => {
  await page.click("[aria-label=Settings]");
  await page.uncheck("text=Show answers while they are written");
  await page.keyboard.press("Escape");
  await ask(page, "plain", { wait: false });
  await page.waitForSelector("text=Writing the answer; it is shown when it is complete");
  assert.equal(await page.locator(".ans .prose").count(), 0);
  await page.waitForSelector(".ans .prose");
}));

test("thumbs, a reason, a correction", () => onPage({}, async (page) => {
  await ask(page, "plain");
  await page.click("[aria-label='Bad answer']");
  await visible(page, "Kept for improvement: yes, in this tenant only.");
  await axe(page, "with the reason box");
  await page.click("text=Incomplete");
  await page.waitForFunction(() => !document.querySelector(".feedback"));
  assert.equal(await page.getAttribute("[aria-label='Bad answer']", "aria-pressed"), "true");
  await page.click("text=Correct");
  await axe(page, "with the correction box");
  await page.fill(".feedback textarea", "Use lithium iron cells.");
  await page.click("text=Save correction");
  await page.waitForSelector("text=Corrected");
  assert.deepEqual(world.server.stats.feedback.at(-1), { thumb: "down", reason: "Incomplete", correction: "Use lithium iron cells." });
  await page.click("[aria-label='Bad answer']");
  await page.waitForFunction(() => document.querySelector("[aria-label='Bad answer']").getAttribute("aria-pressed") === "false");
  assert.equal(world.server.stats.feedback.at(-1).thumb, null);
}));

test("by keyboard alone: every control is reached, the ring is seen, dialogs give the focus back", () => onPage({}, async (page) => {
  await ask(page, "plain");
  await page.keyboard.press("Control+/");
  await page.waitForSelector("dialog[open]");
  await axe(page, "in the list of keys");
  await page.keyboard.press("Escape");
  assert.equal(await focused(page), "msg");
  await page.evaluate(() => document.activeElement.blur());
  const seen = new Set();
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press("Tab");
    const [name, ring] = await page.evaluate(() => {
      const at = document.activeElement;
      if (at === document.body) return ["", true];
      const look = (node) => getComputedStyle(node).outlineStyle !== "none";
      const next = at.nextElementSibling;
      return [at.id || at.getAttribute("aria-label") || at.value || at.textContent.trim().slice(0, 40), look(at) || look(at.parentElement) || (next && look(next)) || !!at.closest("form:focus-within")];
    });
    assert.ok(ring, `no focus ring on ${name}`);
    seen.add(name);
  }
  for (const want of ["Skip to content", "New conversation", "search", "Settings", "System prompt", "Rename, pin, export, delete", "Good answer", "Bad answer", "Copy answer", "Answer again as a new branch", "msg", "Add images", "auto", "model", "Send"]) assert.ok([...seen].some((name) => name.startsWith(want)), `${want} is not reached: ${[...seen].join(", ")}`);
  await page.keyboard.press("Control+Alt+n");
  await page.waitForSelector("h1:has-text('New conversation')");
  await page.waitForFunction(() => document.activeElement.id === "msg");
  await page.keyboard.press("Control+Alt+ArrowDown");
  await page.waitForSelector(".conv[aria-current]");
}));

test("targets are at least 24 px, on a desktop and on a phone", async () => {
  for (const phone of [false, true]) await onPage({ phone }, async (page) => {
    await ask(page, "slope");
    const small = await page.evaluate(() => [...document.querySelectorAll("button, select, input:not([type=radio]):not([hidden]), textarea, summary, .conv")].filter((each) => each.offsetParent).map((each) => [each.getAttribute("aria-label") || each.textContent.slice(0, 20), each.getBoundingClientRect()]).filter(([, box]) => box.width < 24 || box.height < 24).map(([name, box]) => `${name} ${box.width}x${box.height}`));
    assert.deepEqual(small, []);
  });
});

test("phone: the drawer keeps the focus, nothing is wider than the window", () => onPage({ phone: true }, async (page) => {
  await noOverflow(page);
  await axe(page, "on a phone");
  await page.click("[aria-controls=side]");
  await page.waitForSelector(".side.open");
  await axe(page, "with the drawer open");
  for (let i = 0; i < 30; i++) {
    await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(() => !!document.activeElement.closest(".side")), "the focus left the drawer");
  }
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector(".side.open"));
  assert.equal(await focused(page), "Conversations");
  await page.click("[aria-controls=side]");
  await page.click(".conv >> nth=1");
  await page.waitForFunction(() => !document.querySelector(".side.open"));
  await ask(page, "slope");
  await noOverflow(page);
  await axe(page, "on an answer on a phone");
}));

test("320 px wide (zoom of 400 %) and dark: no sideways scrolling, no violation", () => onPage({ width: 320, height: 640, dark: true }, async (page) => {
  await ask(page, "slope");
  await noOverflow(page);
  await axe(page, "in the dark at 320 px");
}));

test("dark and light: the choice is kept and painted at once", () => onPage({ dark: true }, async (page) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await ask(page, "slope");
  await axe(page, "in the dark");
  await page.click("[aria-label='Switch to light']");
  assert.equal(await page.getAttribute("html", "data-theme"), "light");
  const light = await ground();
  assert.notEqual(light, dark);
  await page.reload();
  assert.equal(await ground(), light);
}));

test("an id that is not there, or not yours, shows the same page", async () => {
  await onPage({ expected: [404], path: "/?c=cv_none" }, async (page) => {
    await visible(page, "There is nothing here");
    await axe(page, "on a missing conversation");
  });
  await onPage({ expected: [404], key: null }, async (page) => {
    const foreign = [...world.server.conversations.keys()][0];
    await signIn(page, "fsk_chat");
    await page.goto(`${world.base}/?c=${foreign}`);
    await visible(page, "There is nothing here");
  });
});

/** The checksum of PNG (ISO 3309). */
function crc32(data) {
  let crc = ~0;
  for (const byte of data) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** A PNG of one colour. */
function png(width, height) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), body.length + 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.concat(Array.from({ length: height }, () => Buffer.concat([Buffer.from([0]), Buffer.alloc(width * 3, 120)])));
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]), chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

test("two answers side by side: one is taken, or both are about the same", async () => {
  for (const options of [{}, { phone: true, dark: true }]) await onPage(options, async (page) => {
    await ask(page, "plain");
    assert.equal(await page.locator(".foot button:has-text('Compare')").count(), 0, "one answer alone is compared with nothing");
    await page.click("[aria-label='Answer again as a new branch']");
    await page.waitForSelector("text=Version 2.");
    await page.click(".foot button:has-text('Compare')");
    await page.waitForSelector("dialog .cand >> nth=1");
    await axe(page, "with two answers side by side");
    await noOverflow(page);
    assert.doesNotMatch(await page.locator("dialog .cand").first().innerText(), /Version 2\./, "in the order in which they were written");
    await page.click("text=First is better");
    await page.waitForSelector(".toast:has-text('kept for improvement')");
    const [choice] = world.server.stats.choices;
    assert.ok(choice.chosen.startsWith("ms_") && choice.over.startsWith("ms_") && choice.chosen !== choice.over);
    await page.waitForFunction(() => !document.querySelector("dialog") && document.body.innerText.includes("1 of 2"));
    await page.click(".foot button:has-text('Compare')");
    await page.click("text=About the same");
    await page.waitForFunction(() => !document.querySelector("dialog"));
    assert.equal(world.server.stats.choices.at(-1).tie, true);
  });
});
