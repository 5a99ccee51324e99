// A question, an answer, and what can be done with them.
import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";
import { session } from "../lib/api";
import { count, duration, plural } from "../lib/format";
import { CitingContext, Markdown, type Citing } from "../lib/markdown";
import { streaming } from "../lib/prefs";
import type { Part } from "../lib/types";
import { CopyButton, Icon, IconButton, Notice, say } from "../ui";
import { Calls } from "./calls";
import { Compare, otherAnswer } from "./compare";
import { Confirm } from "./confirm";
import { Lanes } from "./lanes";
import { isTemporary, isWriting, textOf, type Live, type Message, type Thread } from "./thread";
import { again, answerQuestion, ask, giveFeedback, stop, stopLane } from "./turn";

// ---------- branches ----------
function Versions({ thread, message, what }: { thread: Thread; message: Message; what: string }): VNode | null {
  void thread.rev.value;
  const all = thread.siblings(message);
  if (all.length < 2) return null;
  const at = all.indexOf(message);
  const to = (i: number): void => {
    thread.choose(all[i]!);
    say(`${what} ${i + 1} of ${all.length}`);
  };
  return (
    <span class="vers" role="group" aria-label={`Versions of this ${what.toLowerCase()}`}>
      <IconButton icon="left" label={`Previous ${what.toLowerCase()}`} disabled={at === 0 || !!thread.live.value} onClick={() => to(at - 1)} />
      <span class="num">{at + 1} of {all.length}</span>
      <IconButton icon="chev" label={`Next ${what.toLowerCase()}`} disabled={at === all.length - 1 || !!thread.live.value} onClick={() => to(at + 1)} />
    </span>
  );
}

// ---------- question ----------
export function Question({ thread, message, editing }: { thread: Thread; message: Message; editing: { value: string | null } }): VNode {
  void message.rev.value;
  const text = textOf(message.content);
  const images = message.content.filter((part) => part.type === "image");
  const busy = !!thread.live.value;
  return (
    <article class="ask" aria-label="You" data-message={message.id}>
      <h2 class="sr-only">Question</h2>
      {images.map((image, i) => (
        <figure class="pic" key={i}><img src={image.data_uri} alt={image.name ? `Attached image ${image.name}` : "Attached image"} />{image.name && <figcaption><span>{image.name}</span></figcaption>}</figure>
      ))}
      {editing.value === message.key
        ? <Editor thread={thread} message={message} text={text} done={() => { editing.value = null; }} />
        : <>
            {text && <div class="said">{text}</div>}
            <div class="acts">
              {!isTemporary(message.id) && <button type="button" class="btn quiet sm edit" disabled={busy} onClick={() => { editing.value = message.key; }}><Icon name="edit" />Edit as a branch</button>}
              {text && <CopyButton text={text} label="Copy question" iconOnly />}
              <Versions thread={thread} message={message} what="Question" />
            </div>
          </>}
    </article>
  );
}

function Editor({ thread, message, text, done }: { thread: Thread; message: Message; text: string; done: () => void }): VNode {
  const draft = useSignal(text);
  const ref = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    ref.current?.focus();
    ref.current?.setSelectionRange(text.length, text.length);
  }, []);
  const leave = (): void => {
    done();
    setTimeout(() => document.querySelector<HTMLElement>(`[data-message="${CSS.escape(message.id)}"] .edit`)?.focus());
  };
  const send = (): void => {
    if (!draft.value.trim()) return;
    const parts: Part[] = [...message.content.filter((part) => part.type === "image"), { type: "text", text: draft.value.trim() }];
    done();
    document.getElementById("msg")?.focus();
    void ask(thread, message.parent_id, parts);
  };
  return (
    <form class="editor" onSubmit={(event) => { event.preventDefault(); send(); }}>
      <textarea class="input" ref={ref} rows={3} aria-label="Edit the question" value={draft.value} onInput={(event) => { draft.value = event.currentTarget.value; }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
          if (event.key === "Escape") { event.stopPropagation(); leave(); }
        }} />
      <div class="row"><span class="small dim">The old question stays as a branch.</span><button type="button" class="btn sm push" onClick={leave}>Cancel</button><button class="btn sm main">Send as a branch</button></div>
    </form>
  );
}

// ---------- answer ----------
/** [2] leads to the lane that answered part 2; of a part that was tried twice to the second. */
function citing(message: Message): Citing {
  return (n) => {
    const lane = message.lanes?.filter((one) => one.part === n).pop();
    return lane && { id: `${message.id}-lane-${lane.lane}`, title: lane.title };
  };
}

export function Answer({ thread, message, last }: { thread: Thread; message: Message; last: boolean }): VNode {
  void message.rev.value;
  const live = thread.live.value?.answer === message ? thread.live.value : null;
  const text = textOf(message.content);
  const shown = live && !streaming.value ? "" : text;
  const writing = !!live && isWriting(message);
  return (
    <article class="ans" aria-label="Answer" aria-busy={writing} data-message={message.id}>
      <h2 class="sr-only">Answer</h2>
      {message.thinking && <Thinking message={message} live={!!live && !text} />}
      {message.tools && message.tools.length > 0 && <Calls calls={message.tools} rev={message.rev.value} />}
      {live && message.questions?.map((question) => <Confirm key={question.id} question={question} answer={(word) => answerQuestion(thread, message, question, word)} />)}
      {message.lanes && message.lanes.length > 0 && <Lanes lanes={message.lanes} rev={message.rev.value} owner={message.id} folded={!writing} stop={live && !isTemporary(message.id) ? (lane) => stopLane(message, lane) : undefined}
        answer={live ? (question, word) => answerQuestion(thread, message, question, word) : undefined} />}
      {shown ? <CitingContext.Provider value={citing(message)}><Markdown text={shown} live={writing} /></CitingContext.Provider> : !writing && !message.error && !message.lost && message.finish_reason !== "cancelled" && <p class="dim">The answer is empty.</p>}
      {writing && <Progress thread={thread} live={live} words={text ? text.trim().split(/\s+/).length : 0} />}
      {!writing && <Ending thread={thread} message={message} last={last} />}
      {!writing && <Receipt message={message} />}
      {!writing && <Foot thread={thread} message={message} text={text} />}
    </article>
  );
}

// A message is changed in place and `rev` counts the changes: each part that shows one reads it, or signals would skip the part.
function Thinking({ message, live }: { message: Message; live: boolean }): VNode {
  void message.rev.value;
  const word = live ? "Thinking" : message.thinkingMs ? `Thought for ${duration(message.thinkingMs)}` : "Thought first";
  return (
    <details class="think"><summary><Icon name="chev" class="chev" />{word} <span class="faint num">{plural(message.thinking!.trim().split(/\s+/).length, "word")}</span></summary>
      <div class="thought">{message.thinking}{live && <span class="caret" />}</div></details>
  );
}

/** Names the phase; numbers change once a second. */
function Progress({ thread, live, words }: { thread: Thread; live: Live; words: number }): VNode {
  const now = useSignal(Date.now());
  const shownWords = useRef(0);
  useEffect(() => {
    const timer = setInterval(() => { now.value = Date.now(); }, 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.floor((now.value - live.startedAt) / 1000);
  const elapsed = useRef(-1);
  if (elapsed.current !== seconds) {
    elapsed.current = seconds;
    shownWords.current = words;
  }
  const progress = live.progress.value;
  const phase = live.phase.value;
  const text = phase === "stopping" ? "Stopping"
    : live.answer.questions?.length || live.answer.lanes?.some((lane) => lane.questions?.length) ? "Waiting for your word"
    : phase === "thinking" ? "Thinking"
    : phase === "writing" ? (streaming.value ? "Writing" : "Writing the answer; it is shown when it is complete")
    : thread.problem.value?.kind === "busy" ? "Waiting for a free slot"
    : live.answer.lanes?.length ? "Lanes are at work"
    : progress && progress.done < progress.all ? `Reading ${count(progress.done)} of ${count(progress.all)} prompt tokens` : "Waiting for the first word";
  return (
    <div class="progress">
      {phase === "waiting" && progress && progress.done < progress.all && <svg class="bar live" role="img" aria-label={`${Math.round((100 * progress.done) / Math.max(1, progress.all))} % of the prompt read`}><rect class="t" width="100%" height="100%" /><rect class="f" width={`${(100 * progress.done) / Math.max(1, progress.all)}%`} height="100%" /></svg>}
      <p class="row small dim num"><button type="button" class="btn sm" onClick={() => stop(thread)} disabled={phase === "stopping"}><Icon name="stop" />Stop</button>
        <span>{text}{seconds >= 1 ? ` · ${seconds} s` : ""}{shownWords.current > 0 && phase === "writing" ? ` · ${plural(shownWords.current, "word")}` : ""}</span></p>
    </div>
  );
}

/** A partial answer never looks complete. */
function Ending({ thread, message, last }: { thread: Thread; message: Message; last: boolean }): VNode | null {
  void message.rev.value;
  const busy = !!thread.live.value;
  const question = message.parent_id === null ? undefined : thread.find(message.parent_id);
  const retry = question && <button type="button" class="btn sm" disabled={busy} onClick={() => void again(thread, question)}>Answer again</button>;
  const go = last && <button type="button" class="btn sm" disabled={busy} onClick={() => void ask(thread, message.id, [{ type: "text", text: "Please continue." }])}>Continue</button>;
  const tokens = message.usage?.completion_tokens;
  if (message.error || message.finish_reason === "error") return <Notice tone="bad" icon="alert" title={message.error ?? "This answer failed."} action={retry} />;
  if (message.lost) return <p class="row small dim"><Icon name="nowifi" /><span>Cut off when the connection was lost</span>{go}{retry}</p>;
  if (message.finish_reason === "cancelled") return <p class="row small dim"><Icon name="off" /><span>Stopped{tokens ? ` after ${plural(tokens, "token")}` : ""}</span>{textOf(message.content) ? go : retry}</p>;
  if (message.finish_reason === "length") return <p class="row small dim"><Icon name="minus" /><span>Ended at the length limit{tokens ? ` of ${plural(tokens, "token")}` : ""}</span>{go}</p>;
  if (message.finish_reason === null && !busy) return <p class="row small dim"><Icon name="wait" /><span>Still being written elsewhere, or cut off</span></p>;
  return null;
}

const MODES: Record<string, string> = { auto: "Auto", instant: "Instant", thinking: "Thinking", contemplating: "Contemplating" };
function Receipt({ message }: { message: Message }): VNode | null {
  void message.rev.value;
  const { usage } = message;
  if (!usage) return null;
  const writingMs = (usage.total_ms ?? 0) - (usage.first_token_ms ?? 0);
  const rate = writingMs > 0 && usage.completion_tokens > 1 ? (usage.completion_tokens - 1) / (writingMs / 1000) : 0;
  return (
    <details class="receipt">
      <summary><Icon name="chev" class="chev" /><span class="why"><b>{message.mode ? `${MODES[message.mode] ?? message.mode}.` : message.model ?? "Answer."}</b> {message.why ?? ""}</span>
        <span class="num">{plural(usage.completion_tokens, "token")}</span>{usage.total_ms !== undefined && <span class="num">{duration(usage.total_ms)}</span>}</summary>
      <dl class="facts ledger">
        {message.model && <><dt>Model</dt><dd>{message.model}</dd></>}
        <dt>Prompt</dt><dd class="num">{plural(usage.prompt_tokens, "token")}, {count(usage.cached_tokens)} from cache</dd>
        <dt>Generated</dt><dd class="num">{plural(usage.completion_tokens, "token")}{rate > 0 ? `, ${rate.toFixed(1)} a second` : ""}</dd>
        {usage.first_token_ms !== undefined && <><dt>First token</dt><dd class="num">after {duration(usage.first_token_ms)}</dd></>}
      </dl>
    </details>
  );
}

// ---------- feedback ----------
const REASONS = { up: ["Correct", "Clear", "Complete"], down: ["Wrong", "Incomplete", "Not what I asked", "Too long", "Unsafe"] };

function Foot({ thread, message, text }: { thread: Thread; message: Message; text: string }): VNode {
  void message.rev.value;
  const box = useSignal<"" | "reason" | "correct">("");
  const comparing = useSignal(false);
  const feedback = message.feedback ?? null;
  const thumb = feedback?.thumb ?? null;
  const question = message.parent_id === null ? undefined : thread.find(message.parent_id);
  const vote = (to: "up" | "down"): void => {
    const next = thumb === to ? null : to;
    box.value = next ? "reason" : "";
    void giveFeedback(message, { ...(feedback?.correction ? { correction: feedback.correction } : {}), thumb: next });
    say(next ? "Noted. You can add a reason." : "Taken back.");
  };
  const named = !isTemporary(message.id);
  return (
    <>
      <div class="foot" role="group" aria-label="Answer actions">
        {named && <>
          <IconButton icon="good" label="Good answer" pressed={thumb === "up"} onClick={() => vote("up")} />
          <IconButton icon="bad" label="Bad answer" pressed={thumb === "down"} onClick={() => vote("down")} />
          <button type="button" class="btn quiet sm correct" aria-expanded={box.value === "correct"} onClick={() => { box.value = box.value === "correct" ? "" : "correct"; }}><Icon name="edit" />{feedback?.correction ? "Corrected" : "Correct"}</button>
          <span class="sep" />
        </>}
        {text && <CopyButton text={text} label="Copy answer" iconOnly />}
        {question && !isTemporary(question.id) && <IconButton icon="redo" label="Answer again as a new branch" disabled={!!thread.live.value} onClick={() => void again(thread, question)} />}
        <Versions thread={thread} message={message} what="Answer" />
        {named && !thread.live.value && otherAnswer(thread, message) && <button type="button" class="btn quiet sm" aria-haspopup="dialog" onClick={() => { comparing.value = true; }}>Compare</button>}
      </div>
      {comparing.value && <Compare thread={thread} message={message} note={kept()} close={() => { comparing.value = false; }} />}
      {box.value === "reason" && thumb && <Reason message={message} thumb={thumb} close={() => { box.value = ""; }} />}
      {box.value === "correct" && <Correct message={message} text={text} close={() => {
        box.value = "";
        document.querySelector<HTMLElement>(`[data-message="${CSS.escape(message.id)}"] .correct`)?.focus();
      }} />}
    </>
  );
}

function kept(): string {
  const consent = session.value?.consent;
  if (consent === true) return "Kept for improvement: yes, in this tenant only.";
  return consent === false ? "Kept for improvement: no. This key does not allow it, so only the thumb is stored." : "Kept for improvement only if the operator allows it for this key.";
}

function Reason({ message, thumb, close }: { message: Message; thumb: "up" | "down"; close: () => void }): VNode {
  const chosen = useSignal(message.feedback?.reason ?? "");
  const id = useId();
  const save = (reason: string): void => {
    void giveFeedback(message, { ...message.feedback, thumb, ...(reason ? { reason } : {}) });
    say("Reason saved.");
    close();
  };
  return (
    <form class="feedback" onSubmit={(event) => { event.preventDefault(); save(chosen.value.trim()); }}
      onKeyDown={(event) => { if (event.key === "Escape") { event.stopPropagation(); close(); } }}>
      <div class="row">{REASONS[thumb].map((text) => <button type="button" class="btn sm" key={text} onClick={() => save(text)}>{text}</button>)}</div>
      <div class="row nowrap"><label class="sr-only" for={id}>Reason in your words</label>
        <input class="input" id={id} placeholder="Or in your words" value={chosen.value} maxLength={500} onInput={(event) => { chosen.value = event.currentTarget.value; }} />
        <button class="btn sm">Save</button><IconButton icon="x" label="No reason" onClick={close} /></div>
      <p class="small dim">{kept()}</p>
    </form>
  );
}

function Correct({ message, text, close }: { message: Message; text: string; close: () => void }): VNode {
  const draft = useSignal(message.feedback?.correction ?? text);
  const ref = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => ref.current?.focus(), []);
  const save = (): void => {
    void giveFeedback(message, { thumb: message.feedback?.thumb ?? "down", ...(message.feedback?.reason ? { reason: message.feedback.reason } : {}), correction: draft.value.trim() });
    say("Correction saved.");
    close();
  };
  return (
    <form class="feedback" onSubmit={(event) => { event.preventDefault(); save(); }} onKeyDown={(event) => { if (event.key === "Escape") { event.stopPropagation(); close(); } }}>
      <label class="field">Better answer<textarea class="input" ref={ref} rows={5} value={draft.value} onInput={(event) => { draft.value = event.currentTarget.value; }} /></label>
      <div class="row"><span class="small dim">{kept()}</span><button type="button" class="btn sm push" onClick={close}>Cancel</button>
        <button class="btn sm main" disabled={!draft.value.trim() || draft.value.trim() === text.trim()}>Save correction</button></div>
    </form>
  );
}
