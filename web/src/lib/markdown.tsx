// Markdown as nodes. marked's lexer gives tokens and each token becomes an element here: no markup string is ever built, so there is
// nothing to sanitise, no Trusted Types policy is needed, and while an answer streams only its last block changes. Raw HTML in an answer
// is shown as the text that it is. Images are shown only when they are inside the answer (data:), so that reading it asks nobody for anything.
import { Marked, type Token, type Tokens } from "marked";
import { createContext, h, type ComponentChildren, type VNode } from "preact";
import { memo } from "preact/compat";
import { useContext, useMemo } from "preact/hooks";
import { CopyButton } from "../ui";
import { highlight } from "./highlight";
import { parseMath, type Node } from "./math";

interface MathToken { type: "math"; raw: string; text: string; display: boolean }

const display = { name: "math", level: "block" as const,
  start: (src: string) => src.match(/\$\$|\\\[/)?.index,
  tokenizer(src: string): MathToken | undefined {
    const match = /^ {0,3}(?:\$\$([^]+?)\$\$|\\\[([^]+?)\\\])[ \t]*(?:\n|$)/.exec(src);
    return match ? { type: "math", raw: match[0], text: (match[1] ?? match[2])!.trim(), display: true } : undefined;
  } };
// A dollar opens a formula only before something that is no space, and closes it only after no space and before no digit: prices stay prices.
const inline = { name: "math", level: "inline" as const,
  start: (src: string) => src.match(/\$|\\\(|\\\[/)?.index,
  tokenizer(src: string): MathToken | undefined {
    const match = /^(?:\$\$([^$]+?)\$\$|\\\[([^]+?)\\\]|\\\(([^]+?)\\\)|\$(?![\s\d]+\s)((?:\\[^]|[^\\$\n])*?[^\s\\$])\$(?!\d))/.exec(src);
    if (!match || /^\$\s/.test(src)) return undefined;
    return { type: "math", raw: match[0], text: (match[1] ?? match[2] ?? match[3] ?? match[4])!.trim(), display: !!(match[1] ?? match[2]) };
  } };
const marked = new Marked({ gfm: true }, { extensions: [display, inline] });

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", ndash: "–", mdash: "—", hellip: "…", times: "×", deg: "°", copy: "©", middot: "·", rarr: "→", larr: "←", le: "≤", ge: "≥", ne: "≠", plusmn: "±", minus: "−" };
function decode(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|(\w{2,8}));/g, (all, dec, hex, name) => {
    if (name) return ENTITIES[name] ?? all;
    const code = dec ? Number(dec) : parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000) ? String.fromCodePoint(code) : "\ufffd";
  });
}

function mathNode(node: Node | string): ComponentChildren {
  return typeof node === "string" ? node : h(node.tag, node.attrs ?? null, ...node.kids.map(mathNode));
}

const Formula = memo(({ source, block }: { source: string; block: boolean }) => {
  const tree = parseMath(source);
  if (!tree) return block ? <pre tabIndex={0}><code>{source}</code></pre> : <code>{source}</code>;
  const math = h("math", block ? { display: "block" } : null,
    h("semantics", null, mathNode({ tag: "mrow", kids: [tree] }), h("annotation", { encoding: "application/x-tex" }, source)));
  return block ? <div class="eq" tabIndex={0} role="group" aria-label="Formula">{math}</div> : math;
});

const Code = memo(({ text, lang }: { text: string; lang: string }) => (
  <figure class="code">
    <header><span>{lang || "text"}</span><CopyButton class="push" text={text} label="Copy" /></header>
    <pre tabIndex={0}><code>{highlight(text, lang).map((piece) => (piece.kind ? <span class={piece.kind}>{piece.text}</span> : piece.text))}</code></pre>
  </figure>
));

function safeLink(href: string): string | null {
  try {
    const url = new URL(decode(href), location.href);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** Where a reference such as [2] leads: the id and title of an element of the page; undefined: nowhere, it stays text. */
export type Citing = (n: number) => { id: string; title: string } | undefined;
export const CitingContext = createContext<Citing>(() => undefined);

/** Opens what hides the element, and goes there. */
function goTo(id: string): void {
  const element = document.getElementById(id);
  for (let box = element?.closest("details"); box; box = box.parentElement?.closest("details")) box.open = true;
  element?.scrollIntoView({ block: "nearest" });
  element?.focus();
}

function Cite({ n }: { n: number }): VNode {
  const to = useContext(CitingContext)(n);
  return to ? <a href={`#${to.id}`} aria-label={`Part ${n}: ${to.title}`} onClick={(event) => { event.preventDefault(); goTo(to.id); }}>[{n}]</a> : <>[{n}]</>;
}

function withCites(text: string): ComponentChildren {
  if (!/\[\d{1,2}\]/.test(text)) return text;
  return text.split(/(\[\d{1,2}\])/).map((piece) => (/^\[\d{1,2}\]$/.test(piece) ? <Cite n={Number(piece.slice(1, -1))} /> : piece));
}

function spans(tokens: Token[] | undefined): ComponentChildren {
  return tokens?.map(span);
}

function span(token: Token): ComponentChildren {
  switch (token.type) {
    case "text": return "tokens" in token && token.tokens ? spans(token.tokens) : withCites(decode(token.text));
    case "escape": return token.text;
    case "strong": return <strong>{spans(token.tokens)}</strong>;
    case "em": return <em>{spans(token.tokens)}</em>;
    case "del": return <del>{spans(token.tokens)}</del>;
    case "codespan": return <code>{token.text}</code>;
    case "br": return <br />;
    case "math": return <Formula source={token.text} block={(token as MathToken).display} />;
    case "link": {
      const href = safeLink(token.href);
      return href ? <a href={href} target="_blank" rel="noopener noreferrer">{spans(token.tokens)}</a> : token.raw;
    }
    case "image": {
      if (/^data:image\/(png|jpeg|gif|webp);base64,/.test(token.href)) return <img src={token.href} alt={token.text} />;
      const href = safeLink(token.href);
      return href ? <a href={href} target="_blank" rel="noopener noreferrer">{`Image: ${token.text || token.href}`}</a> : token.raw;
    }
    case "html": return /^<br\s*\/?>$/i.test(token.raw) ? <br /> : token.raw;
    default: return token.raw;
  }
}

function Table({ token }: { token: Tokens.Table }): VNode {
  const numeric = token.header.map((_, i) => token.align[i] === "right" ||
    (i > 0 && token.rows.length > 0 && token.rows.every((row) => /^[-−+~≈<>≤≥]?\s*[$€£]?\d[\d\s.,]*(?:[%°]|\s?\p{L}{1,3}\/?\p{L}{0,2}[²³]?)?$/u.test(row[i]?.text ?? ""))));
  const heading = (cell: Tokens.TableCell, i: number): VNode =>
    cell.text.trim() ? <th scope="col" class={numeric[i] ? "n" : ""}>{spans(cell.tokens)}</th> : <td />;
  return (
    <div class="scroll-x" tabIndex={0} role="group" aria-label="Table">
      <table class="table">
        <thead><tr>{token.header.map(heading)}</tr></thead>
        <tbody>{token.rows.map((row) => <tr>{row.map((cell, i) => i === 0 && cell.text.trim()
          ? <th scope="row">{spans(cell.tokens)}</th> : <td class={numeric[i] ? "n" : ""}>{spans(cell.tokens)}</td>)}</tr>)}</tbody>
      </table>
    </div>
  );
}

function List({ token }: { token: Tokens.List }): VNode {
  const items = token.items.map((item) => (
    <li class={item.task ? "task" : ""}>
      {item.task && <input type="checkbox" checked={!!item.checked} disabled aria-label={item.checked ? "Done" : "Open"} />}
      {item.tokens.filter((inner) => inner.type !== "checkbox").map((inner) => (inner.type === "text" && !item.loose ? span(inner) : blockOf(inner)))}
    </li>
  ));
  return token.ordered ? <ol start={Number(token.start) || 1}>{items}</ol> : <ul>{items}</ul>;
}

// Headings of an answer sit below its own (hidden) h2 and never skip a level.
function blockOf(token: Token, level = 3): ComponentChildren {
  switch (token.type) {
    case "space": case "def": return null;
    case "paragraph": return <p>{spans(token.tokens)}</p>;
    case "text": return <p>{span(token)}</p>;
    case "heading": return h(`h${level}`, null, spans(token.tokens));
    case "code": return <Code text={token.text} lang={(token.lang ?? "").split(/\s/)[0] ?? ""} />;
    case "blockquote": return <blockquote>{token.tokens?.map((inner) => blockOf(inner))}</blockquote>;
    case "list": return <List token={token as Tokens.List} />;
    case "table": return <Table token={token as Tokens.Table} />;
    case "hr": return <hr />;
    case "math": return <Formula source={token.text} block={true} />;
    case "html": return <p>{token.raw.trim()}</p>;
    default: return <p>{token.raw}</p>;
  }
}

const Block = memo(
  ({ token, level }: { token: Token; level: number; tail: ComponentChildren }) => <>{blockOf(token, level)}</>,
  (a, b) => a.token.raw === b.token.raw && a.level === b.level && a.token.type === b.token.type,
);

/** `live` adds the caret. The parts of a text that has grown keep their nodes, so a selection in them survives. */
export function Markdown({ text, live = false }: { text: string; live?: boolean }): VNode {
  const tokens = useMemo(() => marked.lexer(text).filter((token) => token.type !== "space"), [text]);
  let level = 2;
  return (
    <div class={live ? "prose live" : "prose"}>
      {tokens.map((token, i) => {
        if (token.type === "heading") level = Math.min((token as Tokens.Heading).depth + 2, level + 1, 6);
        return <Block key={i} token={token} level={level} tail={null} />;
      })}
    </div>
  );
}
