// Builds web/dist from web/src: one script and what it shares per app, one style sheet, the pages, and manifest.json, which tells the
// server what there is. The same sources give the same bytes. Run it through `npm run build`, which checks the types first.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, "dist");
const APPS = { chat: { page: "index.html", title: "Firesteel" }, admin: { page: "admin/index.html", title: "Console · Firesteel" } };
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8" };
const sha = (data) => createHash("sha256").update(data).digest("hex");

function walk(folder) {
  return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)]));
}

/** Names the sources, so that a test can tell whether dist was built from them. */
export function sourcesHash() {
  const all = [...walk(join(root, "src")), join(root, "build.mjs"), join(root, "package-lock.json")];
  return sha(all.map((path) => `${relative(root, path).replaceAll("\\", "/")} ${sha(readFileSync(path))}\n`).join(""));
}

async function main() {
  rmSync(dist, { recursive: true, force: true });
  const common = { absWorkingDir: root, outdir: "dist", bundle: true, minify: true, target: ["es2022", "chrome120", "firefox120", "safari17.4"], metafile: true, legalComments: "none", logLevel: "warning",
    entryNames: "assets/[name]-[hash]", chunkNames: "assets/[name]-[hash]", supported: { nesting: true }, charset: "utf8" };
  const apps = await build({ ...common, entryPoints: { chat: "src/chat/main.tsx", admin: "src/admin/main.tsx" }, format: "esm", splitting: true, jsx: "automatic", jsxImportSource: "preact" });
  const theme = await build({ ...common, entryPoints: { theme: "src/theme.ts" }, format: "iife" });
  // The style sheet uses light-dark() and color-mix(): left as they are.
  const css = await build({ ...common, target: ["esnext"], entryPoints: { style: "src/css/index.css" } });
  const address = (path) => "/" + relative("dist", path).replaceAll("\\", "/");
  const output = (result, entry) => Object.entries(result.metafile.outputs).find(([, info]) => info.entryPoint === entry);
  const icon = readFileSync(join(root, "src/pages/icon.svg"));
  const iconPath = `assets/icon-${sha(icon).slice(0, 8)}.svg`;
  writeFileSync(join(dist, iconPath), icon);
  const page = readFileSync(join(root, "src/pages/page.html"), "utf8");
  const sprite = readFileSync(join(root, "src/pages/sprite.svg"), "utf8").trim();
  for (const [name, { page: file, title }] of Object.entries(APPS)) {
    const [script, info] = output(apps, `src/${name}/main.tsx`);
    const preload = info.imports.filter((one) => one.kind === "import-statement").map((one) => `<link rel="modulepreload" href="${address(one.path)}">\n`).join("");
    const fill = { title, icon: "/" + iconPath, theme: address(output(theme, "src/theme.ts")[0]), css: address(output(css, "src/css/index.css")[0]), preload, script: address(script), sprite };
    const target = join(dist, file);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, page.replace(/\{\{(\w+)\}\}/g, (_, key) => fill[key]));
  }
  // The licences of what is bundled ask for this.
  const bundled = ["preact", "@preact/signals", "@preact/signals-core", "marked"];
  const licence = (name) => readdirSync(join(root, "node_modules", name)).find((file) => /^licen[cs]e/i.test(file));
  writeFileSync(join(dist, "licences.txt"), bundled.map((name) => `${name}\n\n${readFileSync(join(root, "node_modules", name, licence(name)), "utf8").trim()}\n`).join("\n\n----\n\n"));
  manifest();
}

function manifest() {
  const files = walk(dist).map((path) => {
    const data = readFileSync(path);
    const file = relative(dist, path).replaceAll("\\", "/");
    const packed = brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: data.length } });
    const useful = packed.length < data.length * 0.9;
    if (useful) writeFileSync(path + ".br", packed);
    return { path: "/" + file.replace(/(^|\/)index\.html$/, "$1"), file, type: TYPES[extname(file)] ?? "application/octet-stream", etag: sha(data).slice(0, 16), bytes: data.length, br_bytes: useful ? packed.length : 0,
      cache: file.startsWith("assets/") ? "immutable" : "no-cache" };
  });
  writeFileSync(join(dist, "manifest.json"), JSON.stringify({ sources: sourcesHash(), files }, null, 1) + "\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
