// Prints what each page loads, compressed (brotli 11), and fails when a page is over its budget.
import { readFileSync } from "node:fs";

const { files } = JSON.parse(readFileSync(new URL("dist/manifest.json", import.meta.url), "utf8"));
const BUDGET = { script: 80 * 1024, style: 10 * 1024 };
const byPath = new Map(files.map((file) => [file.path, file]));
let over = false;
for (const page of files.filter((file) => file.file.endsWith(".html"))) {
  const html = readFileSync(new URL(`dist/${page.file}`, import.meta.url), "utf8");
  const loads = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+\.(js|css))"/g)];
  const sum = { js: 0, css: 0 };
  const raw = { js: 0, css: 0 };
  for (const [, path, kind] of loads) {
    sum[kind] += byPath.get(path).br_bytes || byPath.get(path).bytes;
    raw[kind] += byPath.get(path).bytes;
  }
  console.log(`${page.path}: script ${sum.js} bytes (${raw.js} uncompressed), style ${sum.css} (${raw.css}), page ${page.br_bytes} (${page.bytes})`);
  if (sum.js > BUDGET.script || sum.css > BUDGET.style) over = true;
}
if (over) {
  console.error(`over the budget of ${BUDGET.script} bytes of script or ${BUDGET.style} of style`);
  process.exit(1);
}
