// Where a question is written: text, images, mode, model. It works while an answer is being written; only sending waits.
import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { offline } from "../lib/api";
import { bytes, count } from "../lib/format";
import { mode, modelId } from "../lib/prefs";
import type { Mode, Part } from "../lib/types";
import { Icon, IconButton, Notice, Segments } from "../ui";
import { ACCEPT, attach, imagesOf } from "./images";
import { change, model, models } from "./state";
import type { Problem, Thread } from "./thread";
import { ToolsButton } from "./tools";
import { ask, stop } from "./turn";

const MODES: readonly (readonly [Mode, string])[] = [["auto", "Auto"], ["instant", "Instant"], ["thinking", "Thinking"], ["contemplating", "Contemplating"]];

export function Composer({ thread, editing, openTools }: { thread: Thread; editing: { value: string | null }; openTools: () => void }): VNode {
  const ref = useRef<HTMLTextAreaElement>(null);
  const path = thread.path();
  const live = thread.live.value;
  const text = thread.draft.value;
  const images = thread.images.value;
  const usage = path.findLast((message) => message.usage)?.usage;
  const used = usage ? usage.prompt_tokens + usage.completion_tokens : 0;
  const most = model.value?.context_length;
  const why = offline.value ? "Firesteel does not answer" : live ? "An answer is being written" : !text.trim() && images.length === 0 ? "Nothing to send yet" : "";

  useEffect(() => { if (matchMedia("(pointer: fine)").matches) ref.current?.focus(); }, [thread]);
  useEffect(() => {  // browsers without field-sizing
    if (CSS.supports("field-sizing", "content") || !ref.current) return;
    ref.current.rows = Math.min(12, text.split("\n").length);
  }, [text]);

  const send = (): void => {
    if (why) return;
    const parts: Part[] = images.map(({ uri, name }) => ({ type: "image", data_uri: uri, name }));
    if (text.trim()) parts.push({ type: "text", text: text.trim() });
    thread.draft.value = "";
    thread.images.value = [];
    thread.refused.value = null;
    void ask(thread, path.at(-1)?.id ?? null, parts);
    ref.current?.focus();
  };

  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && !text && !live) {
      const last = path.findLast((message) => message.role === "user");
      if (last) {
        event.preventDefault();
        editing.value = last.key;
      }
    }
  };

  const paste = (event: ClipboardEvent): void => {
    const files = imagesOf(event.clipboardData);
    if (files.length === 0) return;
    event.preventDefault();
    void attach(thread, files);
  };

  return (
    <div class="composer">
      <div class="problems">
        {offline.value && <Notice tone="plain" icon="nowifi" title="Firesteel is not running on this machine." alert>You can read and write drafts. Start it with <code>firesteel serve</code>.</Notice>}
        {thread.problem.value && <ProblemNotice problem={thread.problem.value} close={() => { thread.problem.value = null; }} />}
        {thread.refused.value && <Notice tone="bad" icon="image" title={`${thread.refused.value.name} is not attached.`} alert
          action={<button type="button" class="btn sm" onClick={() => { thread.refused.value = null; }}>Dismiss</button>}>{thread.refused.value.why}</Notice>}
      </div>
      <form aria-label="Message" onSubmit={(event) => { event.preventDefault(); send(); }}>
        {images.length > 0 && (
          <div class="atts">{images.map((image) => (
            <span class="att" key={image.key}><img src={image.uri} alt="" /><span>{image.name}<br /><span class="faint num">{bytes(image.bytes)}</span></span>
              <IconButton icon="x" label={`Remove ${image.name}`} onClick={() => { thread.images.value = images.filter((other) => other !== image); ref.current?.focus(); }} /></span>
          ))}</div>
        )}
        <label class="sr-only" for="msg">Message</label>
        <textarea id="msg" ref={ref} rows={1} placeholder="Ask, or paste an image" value={text} onInput={(event) => thread.write(event.currentTarget.value)} onKeyDown={keys} onPaste={paste} />
        <div class="tools">
          <Picker thread={thread} />
          <ToolsButton open={openTools} />
          <Segments name="mode" legend="Mode" value={mode.value} options={MODES.filter(([id]) => model.value?.modes?.includes(id) ?? true)} onChange={(id) => { mode.value = id; }} />
          <label class="sr-only" for="model">Model</label>
          <select class="select push" id="model" value={model.value?.id ?? ""} onChange={(event) => { modelId.value = event.currentTarget.value; }}>
            {models.value.length === 0 && <option value="">No model yet</option>}
            {models.value.map((one) => <option value={one.id} key={one.id}>{one.id}</option>)}
          </select>
          <span class="send-place">
            {live
              ? <button class="btn send stop" type="button" aria-label="Stop" title="Stop (Esc)" onClick={() => { stop(thread); ref.current?.focus(); }}><Icon name="stop" /></button>
              : <button class="btn main send" aria-label="Send" title={why || "Send (Enter)"} aria-disabled={why !== ""}><Icon name="up" /></button>}
          </span>
        </div>
      </form>
      {thread.allowed.value.length > 0 && <p class="row small dim allowed"><Icon name="shield" /><span>Runs without asking in this conversation: {thread.allowed.value.join(", ")}</span>
        <button type="button" class="btn quiet sm" onClick={() => { if (thread.id) void change(thread.id, { allowed_tools: [] }).then(() => { thread.allowed.value = []; ref.current?.focus(); }); }}>Ask again</button></p>}
      <p class="hint"><span>Enter sends, Shift+Enter makes a new line, Esc stops</span>
        {used > 0 && <span class="num">Context {count(used)}{most ? ` of ${count(most)}` : ""} tokens</span>}</p>
    </div>
  );
}

function Picker({ thread }: { thread: Thread }): VNode | null {
  const file = useRef<HTMLInputElement>(null);
  const camera = useRef<HTMLInputElement>(null);
  if (model.value?.images === false) return null;
  const take = (input: HTMLInputElement): void => {
    void attach(thread, [...(input.files ?? [])]).then(() => { input.value = ""; });
  };
  return (
    <>
      <IconButton icon="image" label="Add images" class="quiet" onClick={() => file.current?.click()} />
      <input ref={file} type="file" accept={ACCEPT} multiple hidden aria-label="Images" onChange={(event) => take(event.currentTarget)} />
      <IconButton icon="camera" label="Take a photo" class="quiet only-touch" onClick={() => camera.current?.click()} />
      <input ref={camera} type="file" accept="image/*" capture="environment" hidden aria-label="Photo" onChange={(event) => take(event.currentTarget)} />
    </>
  );
}

function ProblemNotice({ problem, close }: { problem: Problem; close: () => void }): VNode {
  const now = useSignal(Date.now());
  useEffect(() => {
    if (!problem.at) return;
    const timer = setInterval(() => { now.value = Date.now(); }, 500);
    return () => clearInterval(timer);
  }, [problem]);
  const wait = problem.at ? Math.max(0, Math.ceil((problem.at - now.value) / 1000)) : 0;
  const [tone, icon] = ({ busy: ["plain", "clock"], lost: ["warn", "nowifi"], quota: ["warn", "off"], too_long: ["bad", "alert"], offline: ["plain", "nowifi"], error: ["bad", "alert"] } as const)[problem.kind];
  const when = problem.kind === "busy" ? `Trying again in ${wait} s. ` : problem.kind === "lost" ? `Trying again in ${wait} s. ` : "";
  return (
    <Notice tone={tone} icon={icon} title={problem.title} alert={problem.kind !== "busy" && problem.kind !== "lost"} action={problem.act
      ? <button type="button" class="btn sm" onClick={problem.act.run}>{problem.act.label}</button>
      : <button type="button" class="btn sm" onClick={close}>Dismiss</button>}>{when}{problem.detail}</Notice>
  );
}
