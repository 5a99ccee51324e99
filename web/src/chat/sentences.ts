// Speaks a streaming answer to a screen reader: whole sentences, at most every five seconds, and the end at once. The visible text is no
// live region, it would be read letter by letter.
import { say } from "../ui";

const EVERY_MS = 5000;

export class Sentences {
  private text = "";
  private spokenTo = 0;
  private last = Date.now();

  add(more: string): void {
    this.text += more;
    if (Date.now() - this.last < EVERY_MS) return;
    const end = Math.max(...[". ", ".\n", "? ", "! ", "\n\n"].map((mark) => this.text.lastIndexOf(mark)));
    if (end < this.spokenTo) return;
    say(plain(this.text.slice(this.spokenTo, end + 1)));
    this.spokenTo = end + 1;
    this.last = Date.now();
  }

  /** The rest, shortened: the reader can go to the answer for all of it. */
  end(verdict: string): void {
    const rest = plain(this.text.slice(this.spokenTo));
    say(rest.length > 400 ? verdict : `${rest} ${verdict}`.trim());
  }
}

const plain = (text: string): string => text.replace(/```[^]*?(```|$)/g, " code. ").replace(/[*_`#|>$\\]/g, "").replace(/\s+/g, " ").trim();
