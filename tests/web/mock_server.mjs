// A server that behaves as docs/api.md says, in memory, with the strict headers of the real one. Trouble is ordered by
// `POST /mock/next` (the next turn only) and counted at `GET /mock/state`. Run alone for a look: `node mock_server.mjs 8099`, key `fsk_admin`.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { adminRoutes } from "./mock_admin.mjs";
import { ANSWERS, answerFor, eventsOf, pieces } from "./streams.mjs";

const DIST = join(dirname(fileURLToPath(import.meta.url)), "../../web/dist");
export const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; " +
  "form-action 'self'; require-trusted-types-for 'script'; trusted-types firesteel dompurify";
const KEYS = { fsk_admin: { tenant: "operator", user: "anna", scopes: ["inference", "admin"], consent: true }, fsk_chat: { tenant: "alder-legal", user: "ben", scopes: ["inference"], consent: false } };

class HttpError extends Error {
  constructor(status, code, message, headers = {}) { super(message); Object.assign(this, { status, code, headers }); }
}

export class MockServer {
  constructor({ delayMs = 4 } = {}) {
    this.delayMs = delayMs;
    this.manifest = JSON.parse(readFileSync(join(DIST, "manifest.json"), "utf8"));
    this.files = new Map(this.manifest.files.map((file) => [file.path, file]));
    this.server = createServer((req, res) => this.handle(req, res));
    this.reset();
  }

  reset() {
    this.n = 0;
    this.sessions = new Map();
    this.conversations = new Map();
    this.next = {};
    this.streams = new Map();
    this.questions = new Map();  // that wait for a person, by id
    this.stats = { csp_reports: [], foreign_requests: 0, turns: [], cancelled: 0, closed: 0, feedback: [], choices: [], deleted: [], words: [] };
    this.admin = adminRoutes();
    this.seed();
  }

  seed() {
    const hour = 3600e3, now = Date.now();
    const titles = [["Lab notes, spring term", true, 30], ["Reading list on soil moisture", true, 80], ["Rewrite the intake form, plain words", false, 1], ["Interest on 2,400 over four years", false, 2],
      ["Why does my backup list 0 files", false, 26], ["Unit test for a date parser", false, 30], ["Three openings for a short talk", false, 80], ["Compare two tenancy clauses", false, 100], ["Regular expression for part numbers", false, 400]];
    for (const [title, pinned, hours] of titles) {
      const c = this.create({ tenant: "operator", user: "anna" }, { title });
      Object.assign(c, { pinned, created_at: now - hours * hour, updated_at: now - hours * hour });
      const question = this.message(c, null, "user", [{ type: "text", text: `${title}: how would you begin?` }]);
      Object.assign(this.message(c, question.id, "assistant", [{ type: "text", text: ANSWERS.plain.text }]), { finish_reason: "stop", model: "kindling", mode: "instant", usage: { prompt_tokens: 60, cached_tokens: 0, completion_tokens: 40, first_token_ms: 80, total_ms: 1400 } });
      question.created_at = now - hours * hour;
    }
  }

  id(kind) { return `${kind}_${(++this.n).toString(36).padStart(6, "0")}`; }
  create(owner, { title = "", system = "" }) {
    const c = { id: this.id("cv"), owner, title, system, pinned: false, created_at: Date.now(), updated_at: Date.now(), model: "kindling", messages: [] };
    this.conversations.set(c.id, c);
    return c;
  }
  message(c, parent, role, content) {
    const m = { id: this.id("ms"), parent_id: parent, role, content, created_at: Date.now(), feedback: null };
    c.messages.push(m);
    return m;
  }
  listen(port = 0) { return new Promise((done) => this.server.listen(port, "127.0.0.1", () => done(`http://127.0.0.1:${this.server.address().port}`))); }
  close() { this.server.closeAllConnections(); return new Promise((done) => this.server.close(done)); }

  async handle(req, res) {
    try {
      await this.route(req, res, new URL(req.url, "http://x"));
    } catch (error) {
      if (!(error instanceof HttpError)) console.error(error);
      if (res.headersSent) return void res.destroy();
      this.send(res, error.status ?? 500, { error: { message: error.message, type: "error", code: error.code ?? "internal", param: null } }, error.headers);
    }
  }

  send(res, status, body, headers = {}) {
    const data = body === undefined ? "" : JSON.stringify(body);
    res.writeHead(status, { ...(data ? { "content-type": "application/json" } : {}), "cache-control": "no-store", ...headers });
    res.end(data);
  }

  async route(req, res, url) {
    const path = url.pathname, method = req.method;
    if (path === "/mock/csp") {
      this.stats.csp_reports.push(await body(req));
      return this.send(res, 204);
    }
    if (path === "/mock/state") return this.send(res, 200, this.stats);
    if (path === "/mock/next") { this.next = await body(req); return this.send(res, 204); }
    if (path === "/v1/models") return this.send(res, 200, { object: "list", data: [{ id: "kindling", object: "model", context_length: 32768 }, { id: "llama-1b", object: "model", context_length: 8192, images: false }] });
    if (!path.startsWith("/firesteel/")) return this.file(res, path);
    const sub = path.slice("/firesteel/v1".length);
    if (sub === "/session") return this.session(req, res, method);
    const session = this.who(req);
    if (!session) throw new HttpError(401, "invalid_api_key", "Sign in first.");
    if (method !== "GET" && req.headers["x-firesteel-csrf"] !== session.csrf) throw new HttpError(403, "csrf", "The CSRF token is missing or old.");
    const sent = method === "GET" || method === "DELETE" ? {} : await body(req);
    if (sub.startsWith("/admin/")) {
      if (!session.scopes.includes("admin")) throw new HttpError(403, "missing_scope", "This key may not open the console.");
      const answer = this.admin(method, sub.slice(6), url.searchParams, sent);
      if (!answer) throw new HttpError(404, "not_found", "There is nothing here.");
      if (answer.csv) { res.writeHead(200, { "content-type": "text/csv" }); return res.end(answer.csv); }
      return this.send(res, answer.status ?? 200, answer.body);
    }
    return this.chat(req, res, method, sub, url.searchParams, sent, session);
  }

  file(res, path) {
    const wanted = path === "/admin" || path.startsWith("/admin/") ? "/admin/" : path;
    const file = this.files.get(wanted);
    const headers = { "content-security-policy": CSP + "; report-uri /mock/csp", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin" };
    if (!file) { res.writeHead(404, headers); return res.end("There is nothing here."); }
    const packed = file.br_bytes > 0;
    const data = readFileSync(join(DIST, file.file + (packed ? ".br" : "")));
    res.writeHead(200, { ...headers, "content-type": file.type, "cache-control": file.cache === "immutable" ? "public, max-age=31536000, immutable" : "no-cache", etag: `"${file.etag}"`, ...(packed ? { "content-encoding": "br" } : {}) });
    res.end(data);
  }

  who(req) { return this.sessions.get(/(?:^|;\s*)fs_session=([^;]+)/.exec(req.headers.cookie ?? "")?.[1]); }

  async session(req, res, method) {
    if (method === "POST") {
      const known = KEYS[(await body(req)).key];
      if (!known) throw new HttpError(401, "invalid_api_key", "This key is not known here.");
      const token = `s${Math.random().toString(36).slice(2)}`;
      this.sessions.set(token, { ...known, csrf: `c${Math.random().toString(36).slice(2)}` });
      return this.send(res, 200, this.sessions.get(token), { "set-cookie": `fs_session=${token}; HttpOnly; SameSite=Strict; Path=/` });
    }
    const session = this.who(req);
    if (!session) throw new HttpError(401, "invalid_api_key", "Sign in first.");
    if (method === "GET") return this.send(res, 200, session);
    for (const [token, one] of this.sessions) if (one === session) this.sessions.delete(token);
    return this.send(res, 204);
  }

  find(session, id) {
    const c = this.conversations.get(id);
    if (!c || c.owner.tenant !== session.tenant) throw new HttpError(404, "not_found", "There is nothing here.");
    return c;
  }

  async chat(req, res, method, sub, query, sent, session) {
    const head = ({ id, title, pinned, created_at, updated_at, model }) => ({ id, title, pinned, created_at, updated_at, model });
    const full = (c) => ({ ...head(c), system: c.system, ...(c.allowed?.length ? { allowed_tools: c.allowed } : {}), messages: c.messages });
    const mine = [...this.conversations.values()].filter((c) => c.owner.tenant === session.tenant).sort((a, b) => b.updated_at - a.updated_at);
    if (sub === "/conversations" && method === "GET") {
      const q = (query.get("q") ?? "").toLowerCase();
      let found = mine.filter((c) => !q || JSON.stringify([c.title, c.messages.map((m) => m.content)]).toLowerCase().includes(q));
      const before = query.get("before");
      if (before) found = found.slice(found.findIndex((c) => c.id === before) + 1);
      const limit = Number(query.get("limit") ?? 50);
      return this.send(res, 200, { data: found.slice(0, limit).map(head), has_more: found.length > limit });
    }
    if (sub === "/tools") return this.send(res, 200, { data: [{ name: "calculator", description: "Works out an expression exactly", automatic: true, allowed: true },
      { name: "documents", description: "Searches the user's own documents", automatic: false, allowed: true }, { name: "tickets.close", description: "Closes a ticket for good", automatic: false, allowed: session.scopes.includes("admin") }] });
    const asked = /^\/confirmations\/(\w+)$/.exec(sub);
    if (asked) {
      const say = this.questions.get(asked[1]);
      if (!say) throw new HttpError(404, "not_found", "There is nothing here.");
      this.stats.words.push(sent.answer);
      this.questions.delete(asked[1]);
      say(sent.answer);
      return this.send(res, 200, { answer: sent.answer });
    }
    if (sub === "/conversations" && method === "POST") return this.send(res, 201, head(this.create(session, sent)));
    if (sub === "/export") return this.send(res, 200, { format: "firesteel.conversations.v1", conversations: mine.map(full) });
    if (sub === "/import") {
      if (sent.format !== "firesteel.conversations.v1") throw new HttpError(400, "bad_format", "This is not an export of Firesteel.");
      for (const c of sent.conversations) this.create(session, { title: c.title }).messages = c.messages;
      return this.send(res, 200, { imported: sent.conversations.length, skipped: 0 });
    }
    let match = /^\/conversations\/(\w+)$/.exec(sub);
    if (match) {
      const c = this.find(session, match[1]);
      if (method === "DELETE") {
        this.conversations.delete(c.id);
        this.stats.deleted.push(c.id);
        return this.send(res, 204);
      }
      if (method === "PATCH") {
        for (const key of ["title", "pinned", "system"]) if (sent[key] !== undefined) c[key] = sent[key];
        if (sent.allowed_tools) c.allowed = [];
        return this.send(res, 200, head(c));
      }
      return this.send(res, 200, full(c));
    }
    if ((match = /^\/conversations\/(\w+)\/turns$/.exec(sub))) return this.turn(req, res, this.find(session, match[1]), sent);
    if ((match = /^\/turns\/(\w+)\/lanes\/(\d+)\/cancel$/.exec(sub))) {
      const stop = this.streams.get(match[1]);
      if (!stop) throw new HttpError(404, "not_found", "No such lane runs.");
      stop(Number(match[2]));
      return this.send(res, 202, {});
    }
    if ((match = /^\/turns\/(\w+)\/cancel$/.exec(sub))) {
      this.streams.get(match[1])?.();
      this.stats.cancelled++;
      return this.send(res, 202, {});
    }
    if ((match = /^\/messages\/(\w+)\/choice$/.exec(sub))) {
      this.stats.choices.push({ chosen: match[1], ...sent });
      return this.send(res, 200, { chosen: match[1], over: sent.over, tie: !!sent.tie, kept: true });
    }
    if ((match = /^\/messages\/(\w+)\/feedback$/.exec(sub))) {
      const m = mine.flatMap((c) => c.messages).find((one) => one.id === match[1]);
      if (!m) throw new HttpError(404, "not_found", "There is nothing here.");
      m.feedback = sent;
      this.stats.feedback.push(sent);
      return this.send(res, 200, sent);
    }
    throw new HttpError(404, "not_found", "There is nothing here.");
  }

  async turn(req, res, c, sent) {
    const trouble = this.next;
    this.next = {};
    this.stats.turns.push(sent);
    if (trouble.busy) throw new HttpError(429, "slow_down", "all slots are in use; try again", { "retry-after": String(trouble.busy) });
    if (trouble.quota) throw new HttpError(429, "insufficient_quota", "This key has used its 2 M tokens for today. Resets at 00:00 UTC.", { "retry-after": "20000", "x-should-retry": "false" });
    if (trouble.too_long) throw new HttpError(400, "context_length_exceeded", "This is 2,204 tokens too long: 34,972 tokens; kindling reads 32,768.");
    const parent = sent.parent_id === null ? null : c.messages.find((m) => m.id === sent.parent_id);
    if (parent === undefined || (sent.regenerate ? parent?.role !== "user" : parent && parent.role !== "assistant")) throw new HttpError(400, "bad_parent", "parent_id does not fit.");
    const question = sent.regenerate ? parent : this.message(c, sent.parent_id, "user", sent.content);
    const words = question.content.filter((part) => part.type === "text").map((part) => part.text).join(" ");
    const source = answerFor(words);
    const answer = this.message(c, question.id, "assistant", [{ type: "text", text: "" }]);
    Object.assign(answer, { finish_reason: null, model: sent.model, mode: sent.mode === "auto" ? source.mode : sent.mode });
    if (sent.regenerate) source.text = `Version ${c.messages.filter((m) => m.parent_id === question.id).length}. ${source.text}`;
    let stopped = false, gone = false;
    const off = new Map();  // lanes that were cancelled, and whether the page was told
    this.streams.set(answer.id, (lane) => { if (lane) off.set(lane, false); else stopped = true; });
    req.socket.once("close", () => { gone = true; });
    res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" });
    const write = (event, data) => res.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    write("start", { user_message_id: question.id, assistant_message_id: answer.id });
    res.write(": heartbeat\n\n");
    const began = Date.now();
    let text = "", thinking = "", n = 0;
    const acted = [];
    for (const [event, data] of eventsOf(source)) {
      await new Promise((go) => setTimeout(go, trouble.slow ?? this.delayMs));
      if (stopped || gone) break;
      if (data.lane && off.has(data.lane)) {
        if (!off.get(data.lane)) write("lane", { lane: data.lane, title: source.lanes[data.lane - 1].title, state: "off", tokens: 3, elapsed_ms: 900 });
        off.set(data.lane, true);
        continue;
      }
      if (event === "acts") {  // a call that wants a person's word, unless it was given before
        let consent = c.allowed?.includes(data.name) ? "standing" : "";
        if (!consent) {
          const id = this.id("conf"), timeout_ms = trouble.patience ?? 120_000;
          write("confirm", { id, lane: data.lane, name: data.name, arguments: data.arguments, tainted_by: "mail.txt", may_always: true, timeout_ms });
          const word = await new Promise((go) => {
            this.questions.set(id, go);
            setTimeout(go, timeout_ms, "").unref();
            const look = setInterval(() => { if (stopped || gone) { clearInterval(look); go(""); } }, 5);
            look.unref();
          });
          this.questions.delete(id);
          consent = { allow: "allowed", always: "always", deny: "denied" }[word] ?? "timed_out";
          if (consent === "always") (c.allowed ??= []).push(data.name);
          write("confirmed", { id, lane: data.lane, outcome: consent });
        }
        const ran = !["denied", "timed_out"].includes(consent);
        const call = { lane: data.lane, name: data.name, arguments: data.arguments, consent, ...(ran ? { result: "ticket closed" } : { result: "error: not allowed", failed: true }) };
        write("tool", call);
        acted.push(call);
        continue;
      }
      write(event, data);
      if (event === "delta" && data.lane === 0) { text += data.text ?? ""; thinking += data.thinking ?? ""; n++; }
      if (trouble.drop && n >= trouble.drop) { gone = true; res.destroy(); break; }
      if (trouble.fail && n >= trouble.fail) break;
    }
    this.streams.delete(answer.id);
    Object.assign(answer, { content: [{ type: "text", text }], ...(thinking ? { thinking } : {}), finish_reason: stopped || gone ? "cancelled" : trouble.fail ? "error" : "stop",
      usage: { prompt_tokens: 263, cached_tokens: 128, completion_tokens: n, first_token_ms: 92, total_ms: Math.max(93, Date.now() - began) }, why: source.why, ...(source.lanes ? { lanes: source.lanes } : {}), ...(source.tools || acted.length ? { tools: source.tools ?? acted } : {}) });
    c.updated_at = Date.now();
    c.title ||= source.title ?? pieces(words).slice(0, 6).join("");
    if (gone) { this.stats.closed++; return; }
    if (trouble.fail) write("error", { message: "The engine stopped this answer: out of KV blocks.", code: "engine" });
    else write("done", { finish_reason: answer.finish_reason, usage: answer.usage, mode: answer.mode, why: source.why, title: c.title });
    res.end();
  }
}

async function body(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return text ? JSON.parse(text) : {};
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(await new MockServer({ delayMs: 25 }).listen(Number(process.argv[2] ?? 8099)));
}
