// Labelling: one task at a time, judged blind, with the keyboard alone if one likes (design: label.html).
import { useComputed, useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { ApiError, post, reason } from "../lib/api";
import { count, plural } from "../lib/format";
import { Markdown } from "../lib/markdown";
import { Bar, Dialog, Icon, Notice, say, Tag } from "../ui";
import { Head, useLoaded, Waiting } from "./parts";
import type { LabelQueue, LabelStats, LabelTask, LabelValue } from "./types";

const CHOICES = ["A much better", "A better", "About equal", "B better", "B much better"] as const;
const KEYS: [string, string][] = [["1 to 5", "choose"], ["Enter", "save and next"], ["S", "skip"], ["F", "flag"], ["E", "corrected answer"], ["T", "tags"], ["R", "rubric"], ["Backspace", "undo"], ["?", "all keys, or turn them off"]];
const KEYS_OFF = "firesteel.label-keys";

const words = (text: string): number => text.split(/\s+/).filter(Boolean).length;
const two = (n: number): string => n.toFixed(2);

export function Labels(): VNode {
  const queues = useLoaded<{ data: LabelQueue[] }>("/labels", 15_000);
  const chosen = useSignal("");
  const list = queues.data.value?.data ?? [];
  const queue = list.find((one) => one.name === chosen.value) ?? list.find((one) => one.open > 0) ?? list[0];
  if (queues.data.value === null || list.length === 0) {
    return (
      <>
        <Head title="Labels" text="People judge answers; what they say becomes data to learn from." />
        <Waiting of={queues}><div class="empty"><p class="dim">No queues yet. Make one with <code>firesteel label create NAME</code>, and fill it with <code>firesteel label collect NAME</code>.</p></div></Waiting>
      </>
    );
  }
  return <Queue key={queue!.name} queue={queue!} queues={list} choose={(name) => { chosen.value = name; }} changed={() => void queues.reload()} />;
}

function Queue({ queue, queues, choose, changed }: { queue: LabelQueue; queues: LabelQueue[]; choose: (name: string) => void; changed: () => void }): VNode {
  const task = useSignal<LabelTask | null | undefined>(undefined);  // null: nothing to do
  const problem = useSignal("");
  const gold = useSignal<{ right: boolean; text: string } | null>(null);
  const stats = useLoaded<LabelStats>(`/labels/${encodeURIComponent(queue.name)}/stats`, 30_000);
  const n_here = useSignal(0);
  const path = `/admin/labels/${encodeURIComponent(queue.name)}`;

  const next = async (): Promise<void> => {
    try {
      task.value = (await post<{ task: LabelTask | null }>(`${path}/next`, {})).task;
      problem.value = "";
    } catch (error) {
      problem.value = reason(error);
    }
  };
  useEffect(() => { void next(); }, []);

  const save = async (value: LabelValue): Promise<boolean> => {
    const of = task.peek();
    if (!of) return false;
    try {
      const done = await post<{ gold?: LabelValue; right?: boolean }>(`/admin/label-tasks/${of.id}`, value);
      gold.value = done.gold ? { right: done.right === true, text: done.gold.choice ? CHOICES[done.gold.choice - 1]! : JSON.stringify(done.gold) } : null;
      n_here.value += value.skip ? 0 : 1;
      say(value.skip ? "Skipped" : value.flag ? "Flagged" : "Saved");
    } catch (error) {
      problem.value = reason(error);
      // Somebody else has it by now: on to the next.
      if (!(error instanceof ApiError && error.status === 409)) return false;
    }
    await next();
    changed();
    void stats.reload();
    return true;
  };
  const undo = async (): Promise<void> => {
    try {
      await post(`${path}/undo`, {});
      n_here.value = Math.max(0, n_here.value - 1);
      gold.value = null;
      say("Undone");
      await next();
      changed();
    } catch (error) {
      problem.value = error instanceof ApiError && error.status === 404 ? "There is nothing to undo within the last ten minutes." : reason(error);
    }
  };
  return (
    <>
      <Head title={queue.title || "Which answer is better?"} text={`Queue “${queue.name}”, most disagreement first. You see answers without model names, sides are shuffled.`}>
        {queues.length > 1 && <label class="row small">Queue<select class="input" value={queue.name} onChange={(event) => choose(event.currentTarget.value)}>{queues.map((one) => <option key={one.name} value={one.name}>{`${one.name} (${one.open} open)`}</option>)}</select></label>}
        {task.value && <Lease until={task.value.lease_until} />}
        {queue.guideline && <Guideline text={queue.guideline} />}
      </Head>
      {problem.value && <Notice tone="bad" icon="alert" title={problem.value} alert action={<button type="button" class="btn sm" onClick={() => void next()}>Try again</button>} />}
      {gold.value && <Notice tone={gold.value.right ? "good" : "warn"} icon={gold.value.right ? "check" : "info"} title={gold.value.right ? "That was a gold item, and you had it right." : `That was a gold item. The answer was: ${gold.value.text}.`} />}
      <div class="side-by">
        <div>{task.value === undefined ? !problem.value && <p class="dim">Loading</p>
          : task.value === null ? <div class="empty"><p><strong>Nothing to do in this queue.</strong></p><p class="dim">All open tasks are done, or others hold them.</p><button type="button" class="btn sm" onClick={() => void next()}>Look again</button> <button type="button" class="btn sm" onClick={() => void undo()}>Undo</button></div>
          : <Task key={task.value.id} task={task.value} queue={queue} save={save} undo={undo} />}</div>
        <Progress queue={queue} stats={stats.data.value} n_here={n_here.value} />
      </div>
    </>
  );
}

function Lease({ until }: { until: number }): VNode {
  const now = useSignal(Date.now());
  useEffect(() => { const timer = setInterval(() => { now.value = Date.now(); }, 1000); return () => clearInterval(timer); }, []);
  const left = Math.max(0, Math.round((until - now.value) / 1000));
  if (left === 0) return <Tag tone="warn" icon="clock">Your time is over; saving may still work</Tag>;
  return <Tag icon="clock">Yours for <span class="num">{`${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`}</span></Tag>;
}

function Guideline({ text }: { text: string }): VNode {
  const open = useSignal(false);
  return <><button type="button" class="btn sm" onClick={() => { open.value = true; }}>Guideline</button>
    {open.value && <Dialog title="Guideline" onClose={() => { open.value = false; }}><div class="prose"><Markdown text={text} /></div></Dialog>}</>;
}

function Task({ task, queue, save, undo }: { task: LabelTask; queue: LabelQueue; save: (value: LabelValue) => Promise<boolean>; undo: () => Promise<void> }): VNode {
  const draft = `firesteel.label.${task.id}`;
  const before = useRef<LabelValue>(readDraft(draft));
  const value = useSignal<LabelValue>(before.current);
  const busy = useSignal(false);
  const flagging = useSignal(false);
  const help = useSignal(false);
  const keys = useSignal(localStorage.getItem(KEYS_OFF) !== "off");
  const correction = useRef<HTMLTextAreaElement>(null);
  const rubric = useRef<HTMLElement>(null);
  const tags = useRef<HTMLFieldSetElement>(null);
  const pairwise = queue.kind === "pairwise";
  const set = (part: Partial<LabelValue>): void => {
    value.value = { ...value.value, ...part };
    sessionStorage.setItem(draft, JSON.stringify(value.value));
  };
  const ready = useComputed(() => {
    const { choice, correction: text, tags: given, scores } = value.value;
    return pairwise ? choice !== undefined : Boolean(text || given?.length || (scores && Object.keys(scores).length > 0));
  });
  const send = async (what: LabelValue): Promise<void> => {
    if (busy.value) return;
    busy.value = true;
    const { correction: text, ...rest } = what;
    if (await save(text ? { ...rest, correction: text } : rest)) sessionStorage.removeItem(draft);
    busy.value = false;
  };
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement;
      const typing = target.matches("textarea, select, input:not([type=radio]):not([type=checkbox])");
      if (typing && event.key === "Escape") { target.blur(); return; }
      if (event.ctrlKey || event.metaKey || event.altKey || typing || flagging.value || help.value || document.querySelector("dialog[open]")) return;
      if (event.key === "?") { help.value = true; event.preventDefault(); return; }
      if (!keys.value) return;
      const onControl = target.matches("button, a, summary");
      if (event.key >= "1" && event.key <= "5" && pairwise) set({ choice: Number(event.key) });
      else if (event.key === "Enter" && !onControl) { if (ready.value) void send(value.value); else say("Choose first"); }
      else if (event.key === "s" || event.key === "S") void send({ skip: true });
      else if (event.key === "f" || event.key === "F") flagging.value = true;
      else if (event.key === "e" || event.key === "E") correction.current?.focus();
      else if (event.key === "r" || event.key === "R") rubric.current?.querySelector<HTMLElement>("select")?.focus();
      else if (event.key === "t" || event.key === "T") tags.current?.querySelector<HTMLElement>("input")?.focus();
      else if (event.key === "Backspace") void undo();
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
  const preferred = value.value.choice === undefined ? "" : value.value.choice < 3 ? "A" : value.value.choice > 3 ? "B" : "";
  const sides = pairwise ? ["A", "B"] : ["A"];
  return (
    <>
      <p class="question">“{task.prompt}”</p>
      <p class="small dim">Here because {task.why}. Kept with consent.</p>
      <div class={pairwise ? "pair" : "pair one"}>
        {task.answers.map((answer, i) => (
          <article key={sides[i]} class={`cand ${preferred === sides[i] ? "on" : ""}`} aria-label={pairwise ? `Answer ${sides[i]}` : "Answer"}>
            <header>{pairwise && <span class="mark">{sides[i]}</span>}<span>{plural(words(answer), "word")}</span></header>
            <div class="prose"><Markdown text={answer} /></div>
          </article>
        ))}
      </div>
      {pairwise && <fieldset class="choices"><legend class="sr-only">Preference</legend>
        {CHOICES.map((text, i) => <label key={text}><input type="radio" name="choice" checked={value.value.choice === i + 1} onChange={() => set({ choice: i + 1 })} /><kbd>{i + 1}</kbd><span>{text}</span></label>)}</fieldset>}
      {queue.rubric.length > 0 && <section class="block" ref={rubric}><header><h2>Rubric</h2><p>{queue.kind === "rubric" ? "0 to 3" : "Optional; 0 to 3 for each answer"}</p></header>
        <ul class="rubric">{queue.rubric.map((criterion) => (
          <li key={criterion.name}><div><h3>{criterion.name}</h3><p>{criterion.help}</p></div>
            {sides.map((side) => <label key={side} class="score"><span class={pairwise ? "" : "sr-only"}>{side}</span><span class="sr-only">{`score for ${criterion.name}`}</span>
              <select class="input" value={String(value.value.scores?.[side]?.[criterion.name] ?? "")} onChange={(event) => {
                const scores = { ...value.value.scores, [side]: { ...value.value.scores?.[side] } };
                if (event.currentTarget.value === "") delete scores[side]![criterion.name];
                else scores[side]![criterion.name] = Number(event.currentTarget.value);
                set({ scores });
              }}><option value="">–</option>{[0, 1, 2, 3].map((n) => <option key={n} value={String(n)}>{n}</option>)}</select></label>)}</li>))}</ul></section>}
      {queue.tags.length > 0 && <fieldset class="row block" ref={tags}><legend class="small dim">Tags</legend>{queue.tags.map((tag) => (
        <label key={tag} class="row small check"><input type="checkbox" checked={value.value.tags?.includes(tag) ?? false} onChange={(event) => {
          const others = (value.value.tags ?? []).filter((one) => one !== tag);
          set({ tags: event.currentTarget.checked ? [...others, tag] : others });
        }} />{tag}</label>))}</fieldset>}
      <label class="field">{pairwise ? "Corrected answer, if neither is right (becomes a training pair with the better one)" : "Corrected answer"}
        <textarea class="input" rows={2} placeholder="E to write, Esc to leave" ref={correction} value={value.value.correction ?? ""} onInput={(event) => set({ correction: event.currentTarget.value })} /></label>
      <div class="row apart block"><span class="small dim">Saved in this tab as you go. Backspace undoes what you saved within ten minutes.</span>
        <div class="row"><button type="button" class="btn" disabled={busy.value} onClick={() => { flagging.value = true; }}>Flag</button><button type="button" class="btn" disabled={busy.value} onClick={() => void send({ skip: true })}>Skip</button>
          <button type="button" class="btn main" disabled={busy.value || !ready.value} onClick={() => void send(value.value)}>Save and next</button></div></div>
      {flagging.value && <Flag close={() => { flagging.value = false; }} send={(flag) => { flagging.value = false; void send({ flag }); }} />}
      {help.value && <Dialog title="Keys" onClose={() => { help.value = false; }}>
        <KeyList /><label class="row small check"><input type="checkbox" checked={keys.value} onChange={(event) => { keys.value = event.currentTarget.checked; localStorage.setItem(KEYS_OFF, keys.value ? "on" : "off"); }} />Single letters and digits do something</label></Dialog>}
    </>
  );
}

function readDraft(key: string): LabelValue {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "{}") as LabelValue;
  } catch {
    return {};
  }
}

function Flag({ close, send }: { close: () => void; send: (reason: string) => void }): VNode {
  const text = useSignal("");
  return (
    <Dialog title="Flag for review" onClose={close}>
      <form onSubmit={(event) => { event.preventDefault(); if (text.value.trim()) send(text.value.trim()); }}>
        <label class="field">What is wrong with it<input class="input" autofocus value={text.value} onInput={(event) => { text.value = event.currentTarget.value; }} /></label>
        <div class="row"><button type="submit" class="btn main" disabled={!text.value.trim()}>Flag and next</button><button type="button" class="btn" onClick={close}>Cancel</button></div>
      </form>
    </Dialog>
  );
}

function KeyList(): VNode {
  return <ul class="keys">{KEYS.map(([key, does]) => <li key={key}><kbd>{key}</kbd> {does}</li>)}</ul>;
}

function Progress({ queue, stats, n_here }: { queue: LabelQueue; stats: LabelStats | null; n_here: number }): VNode {
  const all = queue.open + queue.done + queue.flagged;
  const me = stats?.labellers.find((one) => one.me);
  const pace = me && me.per_hour > 0 ? me.per_hour : 0;
  return (
    <aside aria-label="Progress and help">
      <div class="stat"><h2>This queue</h2><p class="big">{count(queue.done)} <small>of {count(all)}</small></p><Bar part={all > 0 ? queue.done / all : 0} label={`${queue.done} of ${all} done`} />
        <p>{pace > 0 && queue.open > 0 ? `About ${plural(Math.max(1, Math.round((queue.open / pace) * 60)), "minute")} left at ${Math.round(pace)} an hour. ` : ""}{n_here > 0 ? `${n_here} by you since you came.` : ""}{queue.flagged > 0 ? ` ${queue.flagged} flagged.` : ""}</p></div>
      <div class="stat"><h2>Agreement</h2>{stats?.alpha == null ? <p>Not enough tasks with two labels yet.</p>
        : <><p class="big">{two(stats.alpha)} <small>alpha{stats.alpha_low !== null && stats.alpha_high !== null ? `, ${two(stats.alpha_low)} to ${two(stats.alpha_high)}` : ""}</small></p><Bar part={stats.alpha} label={`Krippendorff alpha ${two(stats.alpha)}`} /></>}
        {me && me.shared > 0 && <p>{`${plural(me.shared, "task")} of yours ${me.shared === 1 ? "was" : "were"} also done by another labeller; you differ on ${me.differs}.`}</p>}</div>
      <div class="stat"><h2>Gold items</h2>{me && me.gold > 0 ? <p class="big">{me.gold_right} <small>of {me.gold} right</small></p> : null}<p>Mixed in, not marked. You learn the answer after you save.</p></div>
      <div class="stat not-phone"><h2>Keys</h2><KeyList /></div>
      <p class="sr-only"><Icon name="info" />Labels are stored under your key.</p>
    </aside>
  );
}
