// Reads an event stream (text/event-stream, WHATWG HTML section 9.2) from a response body. Comments are dropped, `data` lines joined by
// a line feed; an event that the end of the stream cuts off is not delivered, so a caller can tell a broken stream from a finished one.

export interface ServerEvent { event: string; data: string }

export class EventParser {
  private rest = "";
  private event = "";
  private data: string[] = [];
  private first = true;

  /** Takes decoded text in pieces of any size and returns the events that it completes. */
  push(text: string): ServerEvent[] {
    if (this.first && text !== "") {
      if (text.startsWith("\ufeff")) text = text.slice(1);
      this.first = false;
    }
    let pending = this.rest + text;
    // A final CR may be half of CRLF: it waits for the next piece.
    const held = pending.endsWith("\r") ? "\r" : "";
    if (held) pending = pending.slice(0, -1);
    const lines = pending.split(/\r\n|\n|\r/);
    this.rest = (lines.pop() ?? "") + held;
    const out: ServerEvent[] = [];
    for (const line of lines) this.line(line, out);
    return out;
  }

  private line(line: string, out: ServerEvent[]): void {
    if (line === "") {
      if (this.data.length > 0) out.push({ event: this.event || "message", data: this.data.join("\n") });
      this.event = "";
      this.data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") this.event = value;
    else if (field === "data") this.data.push(value);
  }
}

export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
