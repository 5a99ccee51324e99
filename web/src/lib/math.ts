// A subset of TeX mathematics as a tree of MathML elements: what people and models write in answers. No fonts, no markup strings.
// An unknown command is shown by its name, a formula that does not parse as its source: nothing is guessed.

export interface Node { tag: string; attrs?: Record<string, string>; kids: (Node | string)[] }

const el = (tag: string, kids: (Node | string)[] = [], attrs?: Record<string, string>): Node => (attrs ? { tag, attrs, kids } : { tag, kids });
const row = (kids: Node[]): Node => (kids.length === 1 ? kids[0]! : el("mrow", kids));

const words = (text: string): string[] => text.trim().split(/\s+/);
const table = (text: string): Map<string, string> => new Map(words(text).map((pair) => pair.split("=") as [string, string]));

// Commands that stand for one identifier.
const LETTERS = table(`alpha=α beta=β gamma=γ delta=δ epsilon=ϵ varepsilon=ε zeta=ζ eta=η theta=θ vartheta=ϑ iota=ι kappa=κ lambda=λ mu=μ nu=ν xi=ξ pi=π
  rho=ρ varrho=ϱ sigma=σ varsigma=ς tau=τ upsilon=υ phi=ϕ varphi=φ chi=χ psi=ψ omega=ω Gamma=Γ Delta=Δ Theta=Θ Lambda=Λ Xi=Ξ Pi=Π Sigma=Σ Upsilon=Υ
  Phi=Φ Psi=Ψ Omega=Ω ell=ℓ hbar=ℏ Re=ℜ Im=ℑ aleph=ℵ infty=∞ partial=∂ nabla=∇ emptyset=∅ varnothing=∅ imath=ı jmath=ȷ degree=° top=⊤ bot=⊥`);
// Operators and relations.
const OPERATORS = table(`cdot=⋅ times=× div=÷ pm=± mp=∓ ast=∗ star=⋆ circ=∘ bullet=∙ oplus=⊕ otimes=⊗ leq=≤ le=≤ geq=≥ ge=≥ neq=≠ ne=≠ approx=≈ sim=∼
  simeq=≃ cong=≅ equiv=≡ propto=∝ ll=≪ gg=≫ to=→ rightarrow=→ leftarrow=← Rightarrow=⇒ Leftarrow=⇐ leftrightarrow=↔ Leftrightarrow=⇔ iff=⟺ implies=⟹
  mapsto=↦ longrightarrow=⟶ uparrow=↑ downarrow=↓ in=∈ notin=∉ ni=∋ subset=⊂ subseteq=⊆ supset=⊃ supseteq=⊇ cup=∪ cap=∩ setminus=∖ land=∧ wedge=∧ lor=∨
  vee=∨ neg=¬ lnot=¬ forall=∀ exists=∃ mid=∣ parallel=∥ perp=⟂ angle=∠ ldots=… dots=… cdots=⋯ vdots=⋮ ddots=⋱ prime=′ colon=: lbrace={ rbrace=} langle=⟨
  rangle=⟩ lfloor=⌊ rfloor=⌋ lceil=⌈ rceil=⌉ vert=| Vert=‖ lvert=| rvert=| lVert=‖ rVert=‖ therefore=∴ because=∵ models=⊨ vdash=⊢ backslash=\\`);
const BIG = table("sum=∑ prod=∏ coprod=∐ bigcup=⋃ bigcap=⋂ bigoplus=⨁ bigotimes=⨂ bigvee=⋁ bigwedge=⋀");
const INTEGRALS = table("int=∫ iint=∬ iiint=∭ oint=∮");
const FUNCTIONS = new Set(words(`sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan log ln lg exp det dim ker deg gcd hom arg Pr`));
const LIMITS = new Set(words("lim max min sup inf limsup liminf argmax argmin"));
const ACCENTS = table("hat=^ widehat=^ bar=¯ overline=¯ vec=→ dot=˙ ddot=¨ tilde=~ widetilde=~ check=ˇ overrightarrow=→ overbrace=⏞");
const UNDER = table("underline=_ underbrace=⏟");
const SPACES = table(`,=.167em :=.222em ;=.278em !=-.167em quad=1em qquad=2em`);
const VARIANTS = table("mathbb=double-struck mathbf=bold boldsymbol=bold bm=bold mathcal=script mathscr=script mathfrak=fraktur mathsf=sans-serif mathtt=monospace mathit=italic");
const FENCES: Record<string, [string, string]> = {
  matrix: ["", ""], pmatrix: ["(", ")"], bmatrix: ["[", "]"], Bmatrix: ["{", "}"], vmatrix: ["|", "|"], Vmatrix: ["‖", "‖"], cases: ["{", ""],
  aligned: ["", ""], align: ["", ""], "align*": ["", ""], array: ["", ""], gathered: ["", ""], split: ["", ""], equation: ["", ""], "equation*": ["", ""],
};
const MAX_DEPTH = 60;

// Letters of the styled alphabets that have code points of their own; browsers other than Firefox know only these.
const HOLES: Record<string, string> = {
  "double-struck:C": "ℂ", "double-struck:H": "ℍ", "double-struck:N": "ℕ", "double-struck:P": "ℙ", "double-struck:Q": "ℚ", "double-struck:R": "ℝ", "double-struck:Z": "ℤ",
  "script:B": "ℬ", "script:E": "ℰ", "script:F": "ℱ", "script:H": "ℋ", "script:I": "ℐ", "script:L": "ℒ", "script:M": "ℳ", "script:R": "ℛ",
  "script:e": "ℯ", "script:g": "ℊ", "script:o": "ℴ", "fraktur:C": "ℭ", "fraktur:H": "ℌ", "fraktur:I": "ℑ", "fraktur:R": "ℜ", "fraktur:Z": "ℨ", "italic:h": "ℎ",
};
const STARTS: Record<string, [number, number, number]> = {  // capital A, small a, digit 0 (0: none)
  bold: [0x1d400, 0x1d41a, 0x1d7ce], italic: [0x1d434, 0x1d44e, 0], script: [0x1d49c, 0x1d4b6, 0], fraktur: [0x1d504, 0x1d51e, 0],
  "double-struck": [0x1d538, 0x1d552, 0x1d7d8], "sans-serif": [0x1d5a0, 0x1d5ba, 0x1d7e2], monospace: [0x1d670, 0x1d68a, 0x1d7f6],
};

function styled(text: string, variant: string): string {
  const starts = STARTS[variant];
  if (!starts) return text;
  return [...text].map((c) => {
    const code = c.codePointAt(0)!;
    if (HOLES[`${variant}:${c}`]) return HOLES[`${variant}:${c}`];
    if (code >= 65 && code <= 90) return String.fromCodePoint(starts[0] + code - 65);
    if (code >= 97 && code <= 122) return String.fromCodePoint(starts[1] + code - 97);
    if (code >= 48 && code <= 57 && starts[2]) return String.fromCodePoint(starts[2] + code - 48);
    return c;
  }).join("");
}

class Parser {
  private at = 0;
  private depth = 0;
  private readonly tokens: string[];

  constructor(source: string) {
    this.tokens = source.match(/\\[a-zA-Z]+\*?|\\[^]|\d+(?:[.,]\d+)*|\s+|[^]/gu) ?? [];
  }

  all(): Node {
    const nodes = this.list(() => false);
    if (this.at < this.tokens.length) throw new SyntaxError(`unexpected ${this.tokens[this.at]}`);
    return row(nodes);
  }

  private skip(): void { while (this.at < this.tokens.length && /^\s/.test(this.tokens[this.at]!)) this.at++; }
  private peek(): string | undefined { this.skip(); return this.tokens[this.at]; }
  private next(): string {
    this.skip();
    const token = this.tokens[this.at++];
    if (token === undefined) throw new SyntaxError("the formula ends too early");
    return token;
  }
  private expect(token: string): void { if (this.next() !== token) throw new SyntaxError(`expected ${token}`); }

  /** Nodes up to a token that `ends` accepts, or a closing token of the caller; that token stays. */
  private list(ends: (token: string) => boolean): Node[] {
    if (++this.depth > MAX_DEPTH) throw new SyntaxError("nested too deep");
    const out: Node[] = [];
    for (let token = this.peek(); token !== undefined; token = this.peek()) {
      if (ends(token) || token === "}" || token === "&" || token === "\\\\" || token === "\\right" || token === "\\end") break;
      const atom = this.atom();
      if (atom) out.push(this.scripts(atom));
    }
    this.depth--;
    return out;
  }

  private scripts(base: Node): Node {
    let sub: Node | null = null, sup: Node | null = null;
    for (;;) {
      const token = this.peek();
      if (token === "_" && !sub) { this.at++; sub = this.argument(); }
      else if (token === "^" && !sup) { this.at++; sup = this.argument(); }
      else if (token === "'" && !sup) {
        let primes = "";
        while (this.peek() === "'") { this.at++; primes += "′"; }
        sup = el("mo", [primes]);
      } else if (token === "\\limits" || token === "\\nolimits") this.at++;
      else break;
    }
    const [over, under, both] = base.attrs?.["movablelimits"] ? ["mover", "munder", "munderover"] : ["msup", "msub", "msubsup"];
    if (sub && sup) return el(both!, [base, sub, sup]);
    if (sub) return el(under!, [base, sub]);
    return sup ? el(over!, [base, sup]) : base;
  }

  private argument(): Node {
    const token = this.peek();
    if (token === "{") return this.group();
    if (token !== undefined && /^\d{2,}/.test(token)) {  // TeX takes one digit
      this.tokens[this.at] = token.slice(1);
      return el("mn", [token[0]!]);
    }
    return this.atom() ?? el("mrow");
  }

  private group(): Node {
    this.expect("{");
    const nodes = this.list(() => false);
    this.expect("}");
    return nodes.length === 1 ? nodes[0]! : el("mrow", nodes);
  }

  /** The raw text of {...}. */
  private text(): string {
    this.expect("{");
    let out = "", depth = 1;
    for (;;) {
      const token = this.tokens[this.at++];
      if (token === undefined) throw new SyntaxError("text does not end");
      if (token === "{") depth++;
      if (token === "}" && --depth === 0) return out;
      if (token === "{" || token === "}" || token === "$") continue;
      out += token.startsWith("\\") && token.length === 2 ? token[1] : token;
    }
  }

  private atom(): Node | null {
    const token = this.next();
    if (/^\d/.test(token)) return el("mn", [token]);
    if (token === "{") { this.at--; return this.group(); }
    if (token === "}" || token === "&") throw new SyntaxError(`unexpected ${token}`);
    if (token === "~") return el("mspace", [], { width: ".333em" });
    if (token === "^" || token === "_") { this.at--; return el("mrow"); }
    if (token.startsWith("\\")) return this.command(token.slice(1));
    if (/^\p{L}/u.test(token)) return el("mi", [token]);
    if (token === "-") return el("mo", ["−"]);
    if ("()[]|".includes(token)) return el("mo", [token], { stretchy: "false" });
    return el("mo", [token === "*" ? "∗" : token]);
  }

  private command(name: string): Node | null {
    const letter = LETTERS.get(name);
    if (letter) return el("mi", [letter], /^[Α-Ω∞∅°]$/u.test(letter) ? { mathvariant: "normal" } : undefined);
    const operator = OPERATORS.get(name);
    if (operator) return el("mo", [operator], "{}|‖⟨⟩⌊⌋⌈⌉".includes(operator) ? { stretchy: "false" } : undefined);
    if (BIG.has(name)) return el("mo", [BIG.get(name)!], { largeop: "true", movablelimits: "true" });
    if (INTEGRALS.has(name)) return el("mo", [INTEGRALS.get(name)!], { largeop: "true" });
    if (LIMITS.has(name)) return el("mo", [name.replace("lims", "lim s").replace("limi", "lim i").replace("arg", "arg ")], { movablelimits: "true" });
    if (FUNCTIONS.has(name)) return el("mrow", [el("mi", [name]), el("mo", ["\u2061"])]);
    if (SPACES.has(name)) return el("mspace", [], { width: SPACES.get(name)! });
    if (name === " ") return el("mspace", [], { width: ".25em" });
    if (ACCENTS.has(name)) return el("mover", [this.argument(), el("mo", [ACCENTS.get(name)!])], { accent: "true" });
    if (UNDER.has(name)) return el("munder", [this.argument(), el("mo", [UNDER.get(name)!])]);
    if (VARIANTS.has(name)) return this.variant(VARIANTS.get(name)!);
    if (/^[{}#$%&_]$/.test(name)) return el(/[{}]/.test(name) ? "mo" : "mi", [name], /[{}]/.test(name) ? { stretchy: "false" } : undefined);
    if (name === "|") return el("mo", ["‖"], { stretchy: "false" });
    switch (name) {
      case "frac": case "dfrac": case "tfrac": case "cfrac": return el("mfrac", [this.argument(), this.argument()]);
      case "binom": case "dbinom": case "tbinom":
        return el("mrow", [el("mo", ["("]), el("mfrac", [this.argument(), this.argument()], { linethickness: "0" }), el("mo", [")"])]);
      case "sqrt": {
        if (this.peek() !== "[") return el("msqrt", [this.argument()]);
        this.at++;
        const index = row(this.list((token) => token === "]"));
        this.expect("]");
        return el("mroot", [this.argument(), index]);
      }
      case "text": case "textrm": case "mbox": case "textit": case "textbf": return el("mtext", [this.text()]);
      case "mathrm": case "operatorname": case "operatorname*": return el("mi", [this.text()], { mathvariant: "normal" });
      case "left": return this.fenced();
      case "big": case "Big": case "bigg": case "Bigg": case "bigl": case "bigr": case "Bigl": case "Bigr": case "biggl": case "biggr":
        return el("mo", [this.delimiter()], { minsize: name.startsWith("b") && name[1] === "i" && !name.startsWith("bigg") ? "1.2em" : "1.8em" });
      case "begin": return this.environment();
      case "overset": case "stackrel": { const over = this.argument(); return el("mover", [this.argument(), over]); }
      case "underset": { const under = this.argument(); return el("munder", [this.argument(), under]); }
      case "pmod": return el("mrow", [el("mspace", [], { width: ".4em" }), el("mo", ["("]), el("mi", ["mod"]), el("mspace", [], { width: ".2em" }), this.argument(), el("mo", [")"])]);
      case "bmod": case "mod": return el("mo", ["mod"], { lspace: ".2em", rspace: ".2em" });
      case "boxed": return el("mrow", [this.argument()], { class: "boxed" });
      case "not": { const next = this.argument(); return el(next.tag, [...next.kids, "\u0338"], next.attrs); }
      case "displaystyle": case "textstyle": case "limits": case "nolimits": case "nonumber": case "hline": return null;
      case "tag": case "tag*": return el("mtext", [`  (${this.text()})`]);
      case "label": this.text(); return null;
      default: return el("mtext", ["\\" + name]);
    }
  }

  private variant(variant: string): Node {
    const change = (node: Node): Node =>
      ({ ...node, kids: node.kids.map((kid) => (typeof kid === "string" ? styled(kid, variant) : change(kid))), ...(node.tag === "mi" ? { attrs: { mathvariant: "normal" } } : {}) });
    return change(this.argument());
  }

  private delimiter(): string {
    const token = this.next();
    if (token === ".") return "";
    if (!token.startsWith("\\")) return token;
    const name = token.slice(1);
    return OPERATORS.get(name) ?? (name === "|" ? "‖" : name);
  }

  private fenced(): Node {
    const open = this.delimiter();
    const kids: Node[] = [el("mo", [open], { stretchy: "true", form: "prefix" }), ...this.list(() => false)];
    for (;;) {
      const token = this.next();
      if (token !== "\\right") throw new SyntaxError(`unexpected ${token}`);
      kids.push(el("mo", [this.delimiter()], { stretchy: "true", form: "postfix" }));
      return el("mrow", kids);
    }
  }

  private environment(): Node {
    const name = this.text();
    const fences = FENCES[name];
    if (!fences) throw new SyntaxError(`unknown environment ${name}`);
    if (name === "array" && this.peek() === "{") this.text();
    const rows: Node[] = [];
    let cells: Node[] = [];
    for (;;) {
      cells.push(el("mtd", [row(this.list(() => false))]));
      const token = this.next();
      if (token === "&") continue;
      rows.push(el("mtr", cells));
      cells = [];
      if (token === "\\\\") { if (this.peek() === "\\end") { this.at++; break; } continue; }
      if (token === "\\end") break;
      throw new SyntaxError(`unexpected ${token}`);
    }
    if (this.text() !== name) throw new SyntaxError(`${name} does not end`);
    const kind = name.startsWith("align") || name === "split" ? "aligned" : name === "cases" ? "cases" : "matrix";
    const body = el("mtable", rows, { class: kind, ...(kind === "aligned" ? { displaystyle: "true" } : {}) });
    if (!fences[0] && !fences[1]) return body;
    const mo = (text: string, form: string): Node => el("mo", [text], { stretchy: "true", form });
    return el("mrow", fences[1] ? [mo(fences[0], "prefix"), body, mo(fences[1], "postfix")] : [mo(fences[0], "prefix"), body]);
  }
}

/** null: the source does not parse; show it as it is. */
export function parseMath(source: string): Node | null {
  if (source.length > 4000) return null;
  try {
    return new Parser(source).all();
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
