// One turn: sends a question (or asks again), reads the stream, and ends in exactly one way: done, stopped, failed or lost.
import { batch, signal } from "@preact/signals";
import { ApiError, get, post, put, reason, request } from "../lib/api";
import { keepDraft, mode, modelId, sampling } from "../lib/prefs";
import { events, type ServerEvent } from "../lib/sse";
import type { Conversation, Feedback, FullConversation, LaneState, Part, Question, ToolCall, TurnRequest, Usage } from "../lib/types";
import { say, showToast } from "../ui";
import { Sentences } from "./sentences";
import { adopt, createConversation, current, model, upsert } from "./state";
import { toolNames } from "./tools";
import { isTemporary, newKey, textOf, type Live, type Message, type Thread } from "./thread";

const PAINT_MS = 50;          // text is shown at most 20 times a second,
const SLOWER_CHARS = 20_000;  // and a very long one less often: all of it is read anew each time
const RETRY_MS = 4000;

/** A new question below `parent` (null: the first). The draft comes back when the server does not take it. */
export async function ask(thread: Thread, parent: string | null, content: Part[]): Promise<boolean> {
  if (thread.live.value) return false;
  const question = thread.add({ id: newKey(), parent_id: parent, role: "user", content, created_at: Date.now() });
  const answer = thread.add(blank(question.id));
  return run(thread, question, answer, { parent_id: parent, content, ...settings(thread) });
}

export async function again(thread: Thread, question: Message): Promise<boolean> {
  if (thread.live.value) return false;
  const answer = thread.add(blank(question.id));
  return run(thread, null, answer, { parent_id: question.id, regenerate: true, ...settings(thread) });
}

const blank = (parent: string): Omit<Message, "key" | "rev"> =>
  ({ id: newKey(), parent_id: parent, role: "assistant", content: [{ type: "text", text: "" }], finish_reason: null, created_at: Date.now(), mode: mode.value, ...(model.value ? { model: model.value.id } : {}) });

function settings(thread: Thread): Omit<TurnRequest, "parent_id"> {
  const { max_tokens, ...rest } = sampling.value;
  const names = toolNames();
  return { model: model.value?.id ?? modelId.value, mode: mode.value, sampling: rest,
    confirm: true, ...(thread.system.value ? { system: thread.system.value } : {}), ...(max_tokens ? { max_tokens } : {}), ...(names ? { tools: names } : {}) };
}

async function run(thread: Thread, question: Message | null, answer: Message, body: TurnRequest): Promise<boolean> {
  const live: Live = { answer, abort: new AbortController(), startedAt: Date.now(), phase: signal("waiting"), progress: signal(null) };
  batch(() => {
    thread.live.value = live;
    thread.problem.value = null;
  });
  say("Sent. Waiting for the answer.");
  try {
    const response = await openStream(thread, live, body);
    if (response) {
      await read(thread, live, question, response);
      return true;
    }
  } catch (error) {
    if (!live.abort.signal.aborted) explain(thread, error);
  } finally {
    thread.live.value = null;
  }
  // Nothing was started: the question goes back into the composer.
  thread.drop(answer);
  if (question) {
    thread.drop(question);
    giveBack(thread, question);
  }
  return false;
}

/** null: cancelled while waiting for a free slot. */
async function openStream(thread: Thread, live: Live, body: TurnRequest): Promise<Response | null> {
  if (!thread.id) {
    const made = await createConversation(thread.system.value);
    if (!made.title) {  // the server names it with the answer; until then, by its question
      made.title = textOf(body.content ?? []).replace(/\s+/g, " ").slice(0, 80);
      thread.unnamed = true;
    }
    thread.id = made.id;
    thread.info.value = made;
    keepDraft(null, "");
    adopt(thread);
    upsert(made, true);
    if (current.value === thread) history.replaceState(null, "", `/?c=${encodeURIComponent(made.id)}`);
  }
  for (;;) {
    try {
      return await request("POST", `/conversations/${thread.id}/turns`, { body, signal: live.abort.signal });
    } catch (error) {
      if (!(error instanceof ApiError) || !error.busy) throw error;
      if (!(await waitForSlot(thread, live, error))) return null;
    }
  }
}

async function waitForSlot(thread: Thread, live: Live, refusal: ApiError): Promise<boolean> {
  const ms = Math.max(1, refusal.retryAfterS ?? 1) * 1000;
  thread.problem.value = { kind: "busy", title: refusal.code === "slow_down" ? "All slots are in use." : refusal.message, detail: "It sends by itself.", at: Date.now() + ms, act: { label: "Cancel", run: () => live.abort.abort() } };
  await sleep(ms, live.abort.signal);
  thread.problem.value = null;
  return !live.abort.signal.aborted;
}

const sleep = (ms: number, stop: AbortSignal): Promise<void> => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  stop.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
});

function giveBack(thread: Thread, question: Message): void {
  const images = question.content.flatMap((part) => (part.type === "image" ? [{ key: newKey(), name: part.name ?? "image", bytes: Math.round(part.data_uri.length * 0.75), uri: part.data_uri }] : []));
  thread.images.value = [...images, ...thread.images.value];
  if (!thread.draft.value) thread.write(textOf(question.content));
}

function explain(thread: Thread, error: unknown): void {
  const kept = "Your draft is kept.";
  if (!(error instanceof ApiError)) thread.problem.value = { kind: "error", title: reason(error), detail: kept };
  else if (error.offline) thread.problem.value = null;  // the page says it as long as it lasts
  else if (error.code === "context_length_exceeded") thread.problem.value = { kind: "too_long", title: error.message, detail: "Remove an attachment, or start a new conversation from a summary. " + kept };
  else if (error.code === "insufficient_quota") thread.problem.value = { kind: "quota", title: error.message, detail: `${kept} Ask the operator for more.` };
  else thread.problem.value = { kind: "error", title: error.message, detail: kept };
  if (thread.problem.value) say(thread.problem.value.title);
}

// ---------- the stream ----------
async function read(thread: Thread, live: Live, question: Message | null, response: Response): Promise<void> {
  const { answer } = live;
  const sentences = new Sentences();
  let text = "", thinking = "", thinkingSince = 0, ended = false, paintTimer = 0;
  const paint = (): void => {
    paintTimer = 0;
    answer.content = [{ type: "text", text }];
    if (thinking) answer.thinking = thinking;
    answer.rev.value++;
  };
  const soon = (): void => { paintTimer ||= window.setTimeout(paint, PAINT_MS * (1 + text.length / SLOWER_CHARS)); };

  const take = ({ event, data }: ServerEvent): void => {
    const fields = JSON.parse(data) as Record<string, unknown>;
    if (event === "start") {
      if (question) thread.rename(question, String(fields["user_message_id"]));
      thread.rename(answer, String(fields["assistant_message_id"]));
      if (question) thread.write(thread.draft.value);  // the sent one is safe now: forget it
      thread.remember();
    } else if (event === "progress") {
      live.progress.value = { done: Number(fields["prompt_tokens_done"]), all: Number(fields["prompt_tokens"]) };
    } else if (event === "delta") {
      const lane = Number(fields["lane"] ?? 0);
      const more = typeof fields["text"] === "string" ? fields["text"] : "";
      if (lane > 0) {
        const to = thread.lane(answer, lane);
        to.text = (to.text ?? "") + more;
      } else {
        const thought = typeof fields["thinking"] === "string" ? fields["thinking"] : "";
        if (thought) {
          thinkingSince ||= Date.now();
          thinking += thought;
          if (live.phase.value === "waiting") live.phase.value = "thinking";
        }
        if (more) {
          if (thinkingSince && !answer.thinkingMs) answer.thinkingMs = Date.now() - thinkingSince;
          if (live.phase.value !== "stopping") live.phase.value = "writing";
          text += more;
          sentences.add(more);
        }
      }
      soon();
    } else if (event === "lane") {
      const lane = thread.lane(answer, Number(fields["lane"]));
      Object.assign(lane, { state: fields["state"] as LaneState }, pick(fields, ["title", "part", "tokens", "elapsed_ms", "note"]));
      soon();
    } else if (event === "tool") {
      const lane = Number(fields["lane"] ?? 0);
      const owner = lane > 0 ? thread.lane(answer, lane) : answer;
      noteCall(owner.tools ??= [], fields);
      soon();
    } else if (event === "confirm") {
      const lane = Number(fields["lane"] ?? 0);
      const owner = lane > 0 ? thread.lane(answer, lane) : answer;
      owner.questions = [...(owner.questions ?? []), { id: String(fields["id"]), name: String(fields["name"] ?? ""), arguments: String(fields["arguments"] ?? ""),
        may_always: fields["may_always"] === true, until: Date.now() + Number(fields["timeout_ms"] ?? 0), ...pick(fields, ["tainted_by"]) }];
      say(`The assistant asks to run ${String(fields["name"])}. Control Alt A goes to the question.`);
      soon();
    } else if (event === "confirmed") {
      dropQuestion(answer, String(fields["id"]));
      if (fields["outcome"] === "timed_out") say("Nobody answered, so it was not run.");
      soon();
    } else if (event === "done") {
      ended = true;
      answer.finish_reason = String(fields["finish_reason"] ?? "stop");
      answer.usage = (fields["usage"] as Usage | undefined) ?? null;
      Object.assign(answer, pick(fields, ["mode", "why"]));
      if (thinkingSince && !answer.thinkingMs) answer.thinkingMs = Date.now() - thinkingSince;
      touch(thread, typeof fields["title"] === "string" ? fields["title"] : undefined);
      sentences.end(answer.finish_reason === "cancelled" ? "Stopped." : "Answer complete.");
    } else if (event === "error") {
      ended = true;
      answer.finish_reason = "error";
      answer.error = String(fields["message"] ?? "The answer failed.");
      sentences.end(answer.error);
    }
  };

  try {
    for await (const event of events(response.body!)) {
      take(event);
      if (ended) break;
    }
  } catch { /* the connection broke: handled below */ }
  clearTimeout(paintTimer);
  if (!ended && live.abort.signal.aborted) {  // stopped by closing the connection
    ended = true;
    answer.finish_reason = "cancelled";
    sentences.end("Stopped.");
  }
  if (!ended) answer.lost = true;
  for (const owner of [answer, ...(answer.lanes ?? [])]) delete owner.questions;  // nobody waits any more
  paint();
  thread.rev.value++;
  if (!ended) {
    sentences.end("Connection lost. What had arrived is kept.");
    void recover(thread);
  }
}

const CALLS_MAX = 32;

/** The same call is told twice: when it begins, and with its result. */
function noteCall(calls: ToolCall[], fields: Record<string, unknown>): void {
  const call: ToolCall = { name: String(fields["name"] ?? ""), arguments: String(fields["arguments"] ?? "") };
  if (fields["result"] === undefined) {
    if (calls.length < CALLS_MAX) calls.push(call);
    return;
  }
  const open = calls.find((other) => other.result === undefined && other.name === call.name && other.arguments === call.arguments);
  if (open) Object.assign(open, { result: String(fields["result"]) }, fields["failed"] === true ? { failed: true } : {}, pick(fields, ["consent"]));
}

function dropQuestion(answer: Message, id: string): void {
  for (const owner of [answer, ...(answer.lanes ?? [])]) {
    if (owner.questions) owner.questions = owner.questions.filter((question) => question.id !== id);
  }
}

const pick = (from: Record<string, unknown>, names: string[]): Record<string, unknown> =>
  Object.fromEntries(names.filter((name) => from[name] !== undefined && from[name] !== null).map((name) => [name, from[name]]));

/** The list shows the conversation first, with its title. */
function touch(thread: Thread, title?: string): void {
  const info = thread.info.value;
  if (!info) return;
  const next: Conversation = { ...info, updated_at: Date.now(), ...(title ? { title } : {}) };
  thread.info.value = next;
  upsert(next, true);
  if (title) thread.unnamed = false;
  if (!title && thread.unnamed) void get<FullConversation>(`/conversations/${info.id}`).then(({ messages: _m, system: _s, ...now }) => upsert(now, true)).catch(() => {});
}

/** After a broken stream: asks for what the server has kept, until somebody answers. */
async function recover(thread: Thread): Promise<void> {
  for (let tries = 0; thread.id; tries++) {
    const now = new AbortController();
    thread.problem.value = { kind: "lost", title: "Connection lost. What had arrived is kept.", detail: "Your draft is kept in this tab.", at: Date.now() + RETRY_MS,
      act: { label: "Try now", run: () => now.abort() } };
    await sleep(RETRY_MS * Math.min(1 + tries, 5), now.signal);
    if (thread.live.value || thread.problem.value?.kind !== "lost") return;
    try {
      thread.fill(await get<FullConversation>(`/conversations/${thread.id}`));
      thread.problem.value = null;
      say("Connected again.");
      return;
    } catch (error) {
      if (error instanceof ApiError && !error.offline && error.status < 500) { thread.problem.value = null; return; }
    }
  }
}

export function stop(thread: Thread): void {
  const live = thread.live.value;
  if (!live || live.phase.value === "stopping") return;
  if (thread.problem.value?.kind === "busy") { live.abort.abort(); return; }
  live.phase.value = "stopping";
  const id = live.answer.id;
  // Before `start` there is no id to cancel: closing the connection does it.
  if (isTemporary(id)) { live.abort.abort(); return; }
  post(`/turns/${id}/cancel`, {}).catch(() => live.abort.abort());
}

/** A person's word about a call that waits. The stream says what came of it. */
export function answerQuestion(thread: Thread, answer: Message, question: Question, word: "allow" | "deny" | "always"): void {
  post(`/confirmations/${question.id}`, { answer: word }).then(() => {
    if (word === "always") thread.allowed.value = [...new Set([...thread.allowed.value, question.name])];
    say(word === "deny" ? `${question.name} does not run.` : `${question.name} runs.`);
  }).catch((error) => {
    // 404: its time was over just now.
    showToast({ text: error instanceof ApiError && error.status === 404 ? `Too late: ${question.name} was not run.` : `Not answered: ${reason(error)}` });
  }).finally(() => {
    dropQuestion(answer, question.id);
    answer.rev.value++;
    document.getElementById("msg")?.focus();
  });
}

/** Ends one lane; the others go on, and the answer is joined without it. */
export function stopLane(answer: Message, lane: number): void {
  post(`/turns/${answer.id}/lanes/${lane}/cancel`, {}).catch((error) => {
    if (!(error instanceof ApiError) || error.status !== 404) showToast({ text: `Not cancelled: ${reason(error)}` });  // 404: it has just ended
  });
}

export async function giveFeedback(message: Message, feedback: Feedback): Promise<void> {
  const before = message.feedback ?? null;
  message.feedback = feedback;
  message.rev.value++;
  try {
    message.feedback = (await put<Feedback | undefined>(`/messages/${message.id}/feedback`, feedback)) ?? feedback;
  } catch (error) {
    message.feedback = before;
    showToast({ text: `Not saved: ${reason(error)}` });
  }
  message.rev.value++;
}
