// The parts without elements: event stream, mathematics, highlighting, numbers; and that dist was built from these sources, within its budget.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const web = new URL("../../web/", import.meta.url);
const { build } = createRequire(new URL("package.json", web))("esbuild");
const folder = mkdtempSync(join(tmpdir(), "fs-web-"));
after(() => rmSync(folder, { recursive: true }));
async function load(path) {
  const { outputFiles } = await build({ entryPoints: [fileURLToPath(new URL(`src/${path}`, web))], bundle: true, format: "esm", write: false, jsx: "automatic", jsxImportSource: "preact", logLevel: "error" });
  const file = join(folder, path.replace(/\W/g, "_") + ".mjs");
  writeFileSync(file, outputFiles[0].text);
  return import(pathToFileURL(file));
}

test("EventParser: any cut of a stream gives the same events", async () => {
  const { EventParser } = await load("lib/sse.ts");
  const stream = "\ufeff: hello\r\nevent: start\r\ndata: {\"a\":1}\r\n\r\ndata: one\ndata: two\n\n: heartbeat\n\nevent:delta\ndata:  spaced\n\nid: 7\nretry: 3\ndata\n\ndata: ü 漢 🔥\r\rdata: never finished\n";
  const want = [["start", '{"a":1}'], ["message", "one\ntwo"], ["delta", " spaced"], ["message", ""], ["message", "ü 漢 🔥"]];
  const read = (pieces) => {
    const parser = new EventParser();
    return pieces.flatMap((piece) => parser.push(piece)).map(({ event, data }) => [event, data]);
  };
  assert.deepEqual(read([stream]), want);
  for (let at = 0; at <= stream.length; at++) assert.deepEqual(read([stream.slice(0, at), stream.slice(at)]), want, `cut at ${at}`);
  assert.deepEqual(read([...stream]), want);
});

const flat = (node) => (typeof node === "string" ? node : `<${node.tag}>${node.kids.map(flat).join("")}</>`);

test("parseMath: common formulas", async () => {
  const { parseMath } = await load("lib/math.ts");
  const of = (source) => flat(parseMath(source));
  assert.equal(of("x^2"), "<msup><mi>x</><mn>2</></>");
  assert.equal(of("x^23"), "<mrow><msup><mi>x</><mn>2</></><mn>3</></>");
  assert.equal(of("a_i^{n+1}"), "<msubsup><mi>a</><mi>i</><mrow><mi>n</><mo>+</><mn>1</></></>");
  assert.equal(of("\\frac{2d}{a}"), "<mfrac><mrow><mn>2</><mi>d</></><mi>a</></>");
  assert.equal(of("\\sqrt[3]{x}"), "<mroot><mi>x</><mi>3</></>".replace("<mi>3", "<mn>3"));
  assert.equal(of("\\sum_{i=1}^n i"), "<mrow><munderover><mo>∑</><mrow><mi>i</><mo>=</><mn>1</></><mi>n</></><mi>i</></>");
  assert.equal(of("\\text{m/s}"), "<mtext>m/s</>");
  assert.equal(of("f'"), "<msup><mi>f</><mo>′</></>");
  assert.equal(of("\\mathbb{R}"), "<mi>ℝ</>");
  assert.equal(of("\\mathbf{A1}"), "<mrow><mi>𝐀</><mn>𝟏</></>");
  assert.equal(of("\\left(\\frac12\\right)"), "<mrow><mo>(</><mfrac><mn>1</><mn>2</></><mo>)</></>");
  assert.equal(of("\\begin{cases} 0 & x<0 \\\\ 1 & x \\ge 0 \\end{cases}"), "<mrow><mo>{</><mtable><mtr><mtd><mn>0</></><mtd><mrow><mi>x</><mo><</><mn>0</></></></><mtr><mtd><mn>1</></><mtd><mrow><mi>x</><mo>≥</><mn>0</></></></></></>");
  assert.equal(of("\\unknown"), "<mtext>\\unknown</>");
});

test("parseMath: what does not parse is null, and nothing throws", async () => {
  const { parseMath } = await load("lib/math.ts");
  for (const source of ["\\frac{1}{", "{", "}", "\\left(", "\\begin{matrix} a", "\\begin{nope}x\\end{nope}", "\\right)", "&", "x^", "\\sqrt[3", "{".repeat(500), "\\text{", "x".repeat(5000)]) assert.equal(parseMath(source), null, source.slice(0, 40));
  // Every cut and many shuffles of a formula: a tree or null.
  const source = "\\left[\\frac{\\hat{a}_1^{2}}{\\sqrt[n]{b}}\\right] \\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix} \\text{if } x \\neq \\mathcal{L}";
  for (let at = 0; at < source.length; at++) parseMath(source.slice(0, at)), parseMath(source.slice(at));
  let seed = 12345;
  const next = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) / 2 ** 32;
  const tokens = source.match(/\\[a-z]+|[^]/g);
  for (let i = 0; i < 3000; i++) parseMath(Array.from({ length: 1 + Math.floor(next() * 20) }, () => tokens[Math.floor(next() * tokens.length)]).join(""));
});

test("highlight: the pieces join to the code again", async () => {
  const { highlight } = await load("lib/highlight.ts");
  const code = 'def f(x):  # a "comment"\n    return """doc\nstring""" + f\'{x}\' * 0x1F + 3.5e-2\n';
  for (const language of ["python", "c++", "ts", "sql", "bash", "json", "unknown", ""]) assert.equal(highlight(code, language).map((piece) => piece.text).join(""), code);
  const kinds = highlight(code, "python").filter((piece) => piece.kind).map((piece) => `${piece.kind} ${piece.text}`);
  assert.deepEqual(kinds, ["k def", 'c # a "comment"', "k return", 's """doc\nstring"""', "s '{x}'", "m 0x1F", "m 3.5e-2"]);
});

test("niceTop and the chart's axis", async () => {
  const { line, niceTop } = await load("admin/chart.tsx");
  assert.equal(line([null, 5, null, 1, 2], 10), "M150.0 80.0 h0 M450.0 144.0 L600.0 128.0", "a value alone is a dot");
  assert.equal(line([10], 10), "M300.0 0.0 h0");
  for (const [most, top] of [[0, 1], [1, 1], [1.1, 1.2], [7, 8], [640, 800], [1113, 1200], [99, 100], [0.03, 0.03]]) assert.ok(Math.abs(niceTop(most) - top) < 1e-9, `${most} gives ${niceTop(most)}`);
});

test("csv: quotes, and cells that a spreadsheet would run", async () => {
  const { csv } = await load("lib/csv.ts");
  assert.equal(csv([["a", "b,c", 'say "x"'], [-1, "=1+1", null]]), 'a,"b,c","say ""x"""\r\n-1,\'=1+1,\r\n');
});

test("dist was built from these sources", async () => {
  const { sourcesHash } = await import(new URL("build.mjs", web));
  const manifest = JSON.parse(readFileSync(new URL("dist/manifest.json", web), "utf8"));
  assert.equal(manifest.sources, sourcesHash(), "run `npm run build` in web/ and commit dist");
});

test("dist: within the budget, no address of another host, no inline script or style", () => {
  execFileSync(process.execPath, [fileURLToPath(new URL("size.mjs", web))]);
  const manifest = JSON.parse(readFileSync(new URL("dist/manifest.json", web), "utf8"));
  for (const { file } of manifest.files) {
    const text = readFileSync(new URL(`dist/${file}`, web), "utf8");
    if (file.endsWith(".html")) {
      assert.doesNotMatch(text, /\sstyle=|<style|\son\w+=|<script>|<script [^>]*>[^<]/, file);
      assert.doesNotMatch(text, /(?:src|href)="(?!\/assets\/|#)/, file);
    }
    if (file.endsWith(".css")) assert.ok(!/url\((?!data:)|@import/.test(text), `${file} loads something`);
    if (file.endsWith(".js")) assert.ok(!/\beval\(|new Function\(/.test(text), `${file} turns a string into code`);
  }
});

test("the lock file names no host", () => {
  const lock = readFileSync(new URL("package-lock.json", web), "utf8");
  assert.doesNotMatch(lock, /"resolved"/);
  for (const [name, { integrity }] of Object.entries(JSON.parse(lock).packages)) if (name) assert.match(integrity ?? "", /^sha512-/, name);
  const { dependencies, devDependencies } = JSON.parse(readFileSync(new URL("package.json", web), "utf8"));
  for (const version of Object.values({ ...dependencies, ...devDependencies })) assert.match(version, /^\d+\.\d+\.\d+$/);
});

test("no source turns a string into markup, sets a style attribute, or keeps a key", () => {
  const src = fileURLToPath(new URL("src/", web));
  for (const file of readdirSync(src, { recursive: true })) {
    if (!/\.tsx?$/.test(file)) continue;
    const text = readFileSync(join(src, file), "utf8");
    assert.ok(!/innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySet|createContextualFragment|\sstyle=|\.style\b/.test(text), file);
    assert.ok(!/https?:\/\/(?!www\.w3\.org)/.test(text), `${file} names another host`);
    assert.ok(text.split("\n").length <= 800, `${file} is too long`);
  }
});
