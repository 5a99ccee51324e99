// Marks keywords, numbers, strings and comments in code. One scanner with a word list per family: it reads, it does not understand, and
// what it cannot tell stays plain. Text in, pieces out; never markup.

export interface Piece { text: string; kind: "" | "k" | "m" | "s" | "c" }

interface Language { words: Set<string>; comment: string; strings: string; fold?: boolean }

const set = (text: string): Set<string> => new Set(text.split(" "));
const C_WORDS = "if else for while do switch case default break continue return struct enum union typedef const static void int char float double long short unsigned signed sizeof extern goto volatile bool true false nullptr class public private protected virtual override final template typename namespace using new delete this operator auto constexpr noexcept explicit friend try catch throw co_await co_return concept requires";
const SLASHES = "//[^\\n]*|/\\*[^]*?(?:\\*/|$)";
const HASH = "#[^\\n]*";
const QUOTES = `"(?:\\\\[^]|[^"\\\\\\n])*"?|'(?:\\\\[^]|[^'\\\\\\n])*'?`;

const FAMILIES: Record<string, Language> = {
  python: { words: set("and as assert async await break class continue def del elif else except finally for from global if import in is lambda match case nonlocal not or pass raise return try while with yield None True False self"), comment: HASH, strings: `"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|${QUOTES}` },
  c: { words: set(C_WORDS), comment: SLASHES, strings: QUOTES },
  js: { words: set("async await break case catch class const continue debugger default delete do else export extends finally for from function if import in instanceof interface let new null of return static super switch this throw true false try type typeof undefined var void while yield enum implements as readonly"), comment: SLASHES, strings: `${QUOTES}|\`(?:\\\\[^]|[^\`\\\\])*\`?` },
  java: { words: set("abstract assert boolean break byte case catch char class const continue default do double else enum extends final finally float for if implements import instanceof int interface long new null package private protected public record return short static super switch synchronized this throw throws true false try var void volatile while fun val when object override data companion sealed string namespace using async await"), comment: SLASHES, strings: QUOTES },
  rust: { words: set("as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while"), comment: SLASHES, strings: `"(?:\\\\[^]|[^"\\\\])*"?|'(?:\\\\.|[^'\\\\\\n])'` },
  go: { words: set("break case chan const continue default defer else fallthrough for func go goto if import interface map nil package range return select struct switch true false type var"), comment: SLASHES, strings: `${QUOTES}|\`[^\`]*\`?` },
  shell: { words: set("if then else elif fi for while until do done case esac in function return local export exit set unset echo cd source readonly shift trap"), comment: "(?<![\\w$])#[^\\n]*", strings: `"(?:\\\\[^]|[^"\\\\])*"?|'[^']*'?` },
  sql: { words: set("select from where and or not null is in as on join left right inner outer full group by order having limit offset insert into values update set delete create table index view drop alter add primary key foreign references unique distinct union all case when then else end exists between like with returning begin commit rollback default true false int integer text varchar boolean"), comment: "--[^\\n]*|/\\*[^]*?(?:\\*/|$)", strings: "'(?:''|[^'])*'?", fold: true },
  data: { words: set("true false null yes no"), comment: "(?<!\\S)#[^\\n]*", strings: QUOTES },
  css: { words: set("important media supports import keyframes root"), comment: "/\\*[^]*?(?:\\*/|$)", strings: QUOTES },
};
const ALIASES: Record<string, string> = {
  py: "python", python3: "python", ruby: "python", rb: "python", r: "python", cpp: "c", "c++": "c", cc: "c", h: "c", hpp: "c", cuda: "c", objc: "c", javascript: "js", ts: "js", typescript: "js",
  jsx: "js", tsx: "js", mjs: "js", node: "js", kotlin: "java", cs: "java", csharp: "java", "c#": "java", swift: "java", scala: "java", dart: "java", rs: "rust", golang: "go",
  sh: "shell", bash: "shell", zsh: "shell", console: "shell", dockerfile: "shell", makefile: "shell", json: "data", yaml: "data", yml: "data", toml: "data", ini: "data", scss: "css",
};
const MAX_CHARS = 30_000;
const scanners = new Map<string, RegExp>();

export function highlight(code: string, language: string): Piece[] {
  const name = language.toLowerCase();
  const family = FAMILIES[name] ? name : ALIASES[name];
  if (!family || code.length > MAX_CHARS) return [{ text: code, kind: "" }];
  const { words, comment, strings, fold } = FAMILIES[family]!;
  let scanner = scanners.get(family);
  if (!scanner) {
    scanner = new RegExp(`(?<c>${comment})|(?<s>${strings})|(?<m>\\b(?:0[xX][\\da-fA-F_]+|\\d[\\d_]*(?:\\.\\d+)?(?:[eE][+-]?\\d+)?)\\w*\\b)|(?<w>[A-Za-z_$][\\w$]*)`, "gu");
    scanners.set(family, scanner);
  }
  const out: Piece[] = [];
  const add = (text: string, kind: Piece["kind"]): void => {
    const last = out[out.length - 1];
    if (last && last.kind === kind) last.text += text;
    else if (text) out.push({ text, kind });
  };
  let at = 0;
  for (const match of code.matchAll(scanner)) {
    add(code.slice(at, match.index), "");
    const { c, s, m, w } = match.groups!;
    add(match[0], c !== undefined ? "c" : s !== undefined ? "s" : m !== undefined ? "m" : words.has(fold ? w!.toLowerCase() : w!) ? "k" : "");
    at = match.index + match[0].length;
  }
  add(code.slice(at), "");
  return out;
}
