// Releases: the newest rollout with its report card (regressions first), surfaces, gates and what happened, and the registry of variants.
import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { post, reason } from "../lib/api";
import { count, dateTime, percent, plural, time } from "../lib/format";
import { closeDialog, Dialog, Icon, Notice, showToast, Tag, type IconName } from "../ui";
import { Table } from "./chart";
import { Block, Head, useLoaded, Waiting } from "./parts";
import type { Gate, Releases as Data, Rollout, Surface, SuiteLine, Variant } from "./types";

const points = (share: number): string => `${share < 0 ? "−" : share > 0 ? "+" : ""}${Math.abs(100 * share).toFixed(1)}`;
const brief = (digest: string): string => digest.slice(0, 4) + (digest.length > 4 ? ` ${digest.slice(4, 8)}` : "");

const READINGS: Record<SuiteLine["reading"], ["good" | "bad" | "", IconName, string]> = {
  better: ["good", "check", "Better"], worse: ["bad", "x", "Worse"], "no difference": ["", "minus", "No difference"], "not enough evidence": ["", "minus", "Not enough evidence"],
};

/** Differences from -scale to +scale as whiskers; wider ones are cut at the edge. */
function Whisker({ line, scale }: { line: SuiteLine; scale: number }): VNode {
  const x = (share: number): number => 80 + (80 * Math.max(-scale, Math.min(scale, share))) / scale;
  const seen = x(line.candidate - line.champion);
  const kind = line.reading === "better" ? "" : line.reading === "worse" ? "neg" : "flat";
  return (
    <svg viewBox="0 0 160 30" preserveAspectRatio="none" aria-hidden="true"><rect class="tol" x={x(-0.01)} width={x(0.01) - x(-0.01)} y="0" height="30" /><line class="z" x1="80" x2="80" y1="0" y2="30" />
      <line class={`w ${kind}`} x1={x(line.low)} x2={x(line.high)} y1="15" y2="15" /><line class={`p ${kind}`} x1={seen - 0.1} x2={seen + 0.1} y1="10" y2="20" /></svg>
  );
}

function Card({ suites }: { suites: SuiteLine[] }): VNode | null {
  if (suites.length === 0) return null;
  const widest = Math.max(0.04, ...suites.map((line) => Math.max(Math.abs(line.low), Math.abs(line.high))));
  const scale = [0.04, 0.08, 0.16, 0.32, 0.64, 1].find((step) => step >= Math.min(widest, 0.64)) ?? 1;
  const marks = [-scale, -scale / 2, 0, scale / 2, scale].map((mark) => `${mark < 0 ? "−" : mark > 0 ? "+" : ""}${Math.round(Math.abs(mark) * 100)}`);
  return (
    <Block title="Report card" text="Same items, same seeds, both versions. Grey band: differences under 1 point do not matter to us.">
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Paired results">
        <table class="table forest"><caption class="sr-only">Paired difference, candidate minus champion, in points with 95 % intervals. Regressions first.</caption>
          <thead><tr><th scope="col">Slice, regressions first</th><th scope="col" class="n">Pairs</th><th scope="col" class="n">Champion</th><th scope="col" class="n">Candidate</th>
            <th scope="col"><span class="sr-only">Difference</span><span class="scale" aria-hidden="true">{marks.map((mark) => <span key={mark}>{mark}</span>)}</span></th><th scope="col" class="n">Points (95 %)</th><th scope="col">Reading</th></tr></thead>
          <tbody>{suites.map((line) => {
            const [tone, icon, text] = READINGS[line.reading];
            const name = line.slice === "" ? <strong>{line.suite}</strong> : <>{line.slice.replace("=", ": ")}<span class="faint"> of {line.suite}</span></>;
            return (
              <tr key={line.suite + line.slice}><th scope="row">{name}</th><td class="n">{count(line.n)}</td><td class="n">{(100 * line.champion).toFixed(1)}</td><td class="n">{(100 * line.candidate).toFixed(1)}</td>
                <td class="ci"><Whisker line={line} scale={scale} /></td><td class="n">{points(line.candidate - line.champion)}<span class="faint"> ({points(line.low)} to {points(line.high)})</span></td>
                <td><Tag tone={tone} icon={icon}>{text}</Tag></td></tr>
            );
          })}</tbody></table>
      </div>
    </Block>
  );
}

function Steps({ surface }: { surface: Surface }): VNode {
  const icons: Record<string, IconName> = { done: "check", now: "dot", back: "back", held: "wait" };
  const words: Record<string, string> = { back: "went back", held: "undecided", now: "" };
  return (
    <ol class="steps">{surface.steps.map((step, i) => {
      const icon = icons[step.state];
      const name = step.name || `${step.percent} %`;
      return (
        <li key={i} class={step.state === "held" ? "now" : step.state === "next" ? "" : step.state}><b>{icon && <Icon name={icon} />}{name}{step.state === "now" && ", now"}</b>
          <span>{step.state === "now" ? `${count(step.n)} of ${count(step.min)}` : step.state === "next" && step.min > 0 ? `after ${count(step.min)}` : words[step.state] ?? ""}</span></li>
      );
    })}</ol>
  );
}

function Gates({ gates }: { gates: Gate[] }): VNode | null {
  if (gates.length === 0) return null;
  const tag = (gate: Gate): VNode => gate.verdict === "pass" ? <Tag tone="good" icon="check">Pass</Tag> : gate.verdict === "fail" ? <Tag tone="bad" icon="x">Failed</Tag> : <Tag tone="warn" icon="wait">More data</Tag>;
  return (
    <Block title="Gates">
      <Table caption="Gates" columns={[{ title: "Gate" }, { title: "Now", n: true }, { title: "Reading" }]} rows={gates.map((gate) => ({ key: gate.gate + gate.surface, cells: [
        <span class="wrap">{gate.gate.replace(/^(suite|live) /, "").replaceAll("_", " ")}{gate.surface && <span class="faint">, {gate.surface}</span>}<br /><span class="small dim">Needs {gate.needs.replace("-", "−")}{gate.note && `; ${gate.note}`}</span></span>,
        gate.n === 0 ? "" : `${points(gate.difference)} of ${count(gate.n)}`, tag(gate)] }))} />
    </Block>
  );
}

const EVENT_ICONS: Record<string, IconName> = { started: "plus", gate: "shield", step: "up", passed: "check", promoted: "check", rolled_back: "back", blocked: "x", held: "wait", undecided: "wait", ready: "check", cancelled: "off" };

function Happened({ rollout }: { rollout: Rollout }): VNode {
  return (
    <Block title="What happened"><ol class="log">{rollout.events.map((event, i) => (
      <li key={i}><time dateTime={new Date(event.at_us / 1000).toISOString()} title={dateTime(event.at_us / 1000)}>{time(event.at_us / 1000)}</time><Icon name={EVENT_ICONS[event.kind] ?? "dot"} />
        <div><p><strong>{event.kind.replaceAll("_", " ").replace(/^./, (c) => c.toUpperCase())}{event.surface && `, ${event.surface}`}</strong></p><p>{event.text}</p></div></li>
    ))}</ol></Block>
  );
}

const HEADLINES: Record<Rollout["status"], string> = {
  gate: "The gate waits for evidence.", running: "On its way.", ready: "Every gate passed. A person may promote it.", promoted: "Promoted. Everybody is on it.", blocked: "Stopped by the gate.",
  rolled_back: "Rolled back. Everybody is on the champion.", undecided: "Not enough evidence. The champion stays.", cancelled: "Cancelled.",
};

function Verdict({ rollout, onPromote }: { rollout: Rollout; onPromote: () => void }): VNode {
  const good = rollout.status === "promoted" || rollout.status === "ready";
  const icon: IconName = good ? "check" : rollout.status === "rolled_back" ? "back" : rollout.status === "blocked" ? "x" : "wait";
  const open = ["gate", "running", "ready"].includes(rollout.status);
  const failed = rollout.gates.filter((gate) => gate.verdict === "fail").length, waiting = rollout.gates.filter((gate) => gate.verdict === "not enough evidence").length;
  return (
    <>
      <div class={good ? "verdict good" : "verdict"}><Icon name={icon} /><div><h2>{HEADLINES[rollout.status]}</h2>
        <p>{rollout.reason || (open ? `${plural(rollout.gates.length - failed - waiting, "gate passes", "gates pass")}, ${count(waiting)} need more data.` : "")}</p></div>
        {open && <div class="row"><button type="button" class={rollout.status === "ready" ? "btn main" : "btn"} onClick={onPromote} aria-describedby="whyheld">Promote</button></div>}</div>
      {open && rollout.status !== "ready" && <p class="note" id="whyheld">Promotes itself or opens when every gate has passed. An administrator may override with a written reason, kept in the audit log.</p>}
    </>
  );
}

type Asking = { name: string; what: "promote" | "rollback"; which: string; title: string; needsReason: boolean };

function Ask({ asking, onDone }: { asking: Asking; onDone: (changed: boolean) => void }): VNode {
  const why = useSignal(""), problem = useSignal(""), busy = useSignal(false);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const inside = event.currentTarget as HTMLElement;
    busy.value = true;
    problem.value = "";
    try {
      const now = await post<{ number: number }>(`/admin/releases/${encodeURIComponent(asking.name)}/${asking.what}`, asking.what === "promote" ? { which: asking.which, reason: why.value } : { reason: why.value });
      showToast({ text: `${asking.name} ${now.number} serves everybody now.` });
      onDone(true);
      inside.closest("dialog")?.close();
    } catch (error) {
      problem.value = reason(error);
    }
    busy.value = false;
  };
  return (
    <Dialog title={asking.title} onClose={() => onDone(false)}>
      <form onSubmit={(event) => void submit(event)} class="stack">
        <label class="field" for="release-reason">Reason, kept in the audit log{asking.needsReason ? "" : " (may be empty)"}</label>
        <input class="input" id="release-reason" required={asking.needsReason} maxLength={1000} value={why.value} onInput={(event) => { why.value = event.currentTarget.value; }} />
        {problem.value && <Notice tone="bad" icon="alert" title={problem.value} alert />}
        <div class="row push"><button type="button" class="btn" onClick={closeDialog}>Cancel</button><button class={asking.what === "promote" ? "btn main" : "btn danger"} disabled={busy.value}>{asking.what === "promote" ? "Promote" : "Roll back"}</button></div>
      </form>
    </Dialog>
  );
}

function Registry({ data, rollout }: { data: Data; rollout: Rollout | undefined }): VNode {
  const state = (variant: Variant): VNode => {
    if (variant.aliases.includes("champion")) return <Tag tone="good" icon="check">Serving</Tag>;
    const mine = data.rollouts.find((one) => one.candidate === variant.digest && one.name === variant.name);
    if (mine?.status === "running") return <Tag tone="live" icon="dot">Canary</Tag>;
    if (mine?.status === "blocked") return <Tag tone="bad" icon="x">Stopped by the gate</Tag>;
    if (mine?.status === "rolled_back") return <Tag tone="bad" icon="back">Rolled back</Tag>;
    return variant.aliases.includes("previous") ? <Tag icon="minus">Kept for rollback</Tag> : <Tag icon="minus">Registered</Tag>;
  };
  const shareOf = (variant: Variant): string => {
    const canary = rollout?.status === "running" && rollout.name === variant.name ? Math.max(0, ...rollout.surfaces.map((surface) => surface.share)) : 0;
    if (variant.digest === rollout?.candidate && canary > 0) return percent(canary, 1);
    return variant.aliases.includes("champion") ? percent(1 - canary, 1) : percent(0);
  };
  return (
    <Block title="Variants" text="Base, adapter, template, prompt and settings, each by digest">
      <Table hover caption="Variant registry" columns={[{ title: "Variant" }, { title: "Alias" }, { title: "Base" }, { title: "Adapter" }, { title: "Dataset" }, { title: "Note" }, { title: "Share of users", n: true }, { title: "State" }]}
        rows={data.variants.map((variant) => ({ key: variant.name + variant.number, cells: [`${variant.name} ${variant.number}`, variant.aliases.length ? variant.aliases.map((alias) => <code key={alias}>@{alias} </code>) : "",
          <code>{brief(variant.base)}</code>, variant.adapter ? <code>{brief(variant.adapter)}</code> : "", variant.dataset, variant.note, shareOf(variant), state(variant)] }))} />
    </Block>
  );
}

export function Releases(): VNode {
  const loaded = useLoaded<Data>("/releases", 3000);
  const chosen = useSignal("");
  const asking = useSignal<Asking | null>(null);
  const data = loaded.data.value;
  const rollout = data?.rollouts.find((one) => one.id === chosen.value) ?? data?.rollouts[0];
  const number = (digest: string): number | string => data?.variants.find((variant) => variant.digest === digest)?.number ?? brief(digest);
  const candidate = data?.variants.find((variant) => variant.digest === rollout?.candidate);
  const name = rollout?.name ?? data?.variants[0]?.name;
  return (
    <>
      <Head title={rollout ? `${rollout.name} ${number(rollout.candidate)}` : "Releases"}
        text={rollout ? `Candidate against champion ${number(rollout.champion)}.${candidate?.dataset ? ` From ${candidate.dataset}.` : ""} Begun ${dateTime(rollout.created_us / 1000)}.` : "Which variant answers whom, and how a better one reaches everybody."}>
        {data && data.rollouts.length > 1 && <select class="input" aria-label="Rollout" value={rollout?.id} onChange={(event) => { chosen.value = event.currentTarget.value; }}>
          {data.rollouts.map((one) => <option key={one.id} value={one.id}>{`${one.name} ${number(one.candidate)}, ${one.status.replace("_", " ")}`}</option>)}</select>}
        {name && <button type="button" class="btn danger" onClick={() => { asking.value = { name, what: "rollback", which: "", title: `Roll ${name} back`, needsReason: false }; }}><Icon name="back" />Roll back</button>}
      </Head>
      <Waiting of={loaded}>{data && (data.variants.length === 0
        ? <div class="block empty"><h2>No variants yet</h2><p class="dim">A variant is a model with its adapter, prompt and settings. The first becomes the champion.</p><code>firesteel release create NAME</code></div>
        : <>
            {rollout && <>
              <Verdict rollout={rollout} onPromote={() => { asking.value = { name: rollout.name, what: "promote", which: rollout.candidate, title: `Promote ${rollout.name} ${number(rollout.candidate)}`, needsReason: rollout.status !== "ready" }; }} />
              <Card suites={rollout.suites} />
              <Block title="Rollout" text="Sticky per user. Each step needs its minimum sample and no failed gate; the last needs every gate."><ol class="plan">{rollout.surfaces.map((surface) => (
                <li key={surface.name}><div><h3>{surface.name}</h3><p>{surface.reason || `${plural(surface.answers, "answer")} of ${number(rollout.candidate)}`}</p></div><Steps surface={surface} /></li>))}</ol></Block>
              <div class="two"><Gates gates={rollout.gates} /><Happened rollout={rollout} /></div>
            </>}
            <Registry data={data} rollout={rollout} />
          </>)}</Waiting>
      {asking.value && <Ask asking={asking.value} onDone={(changed) => { asking.value = null; if (changed) void loaded.reload(); }} />}
    </>
  );
}
