// Subagents of an answer: an ordered list of lanes below a plan, which meet at the joined answer. The same markup for 1 to 16 lanes.
import type { VNode } from "preact";
import { clock, count, plural } from "../lib/format";
import type { Lane, LaneState, Question } from "../lib/types";
import { Icon, type IconName } from "../ui";
import { Calls } from "./calls";
import { Confirm } from "./confirm";

const STATES: Record<LaneState, [IconName, string]> = {
  wait: ["wait", "Waits"], live: ["pen", "Writing"], done: ["check", "Done"], off: ["off", "Cancelled"], fail: ["alert", "Failed"],
};
const letter = (lane: Lane): string => String.fromCharCode(64 + Math.min(26, Math.max(1, lane.lane)));

type Answering = ((question: Question, word: "allow" | "deny" | "always") => void) | undefined;

function LaneItem({ lane, owner, stop, answer }: { lane: Lane; owner: string; stop: ((lane: number) => void) | undefined; answer: Answering }): VNode {
  const [icon, word] = STATES[lane.state] ?? STATES.wait;
  return (
    <li class="lane" id={`${owner}-lane-${lane.lane}`} data-s={lane.state} tabIndex={-1}>
      <span class="mark" aria-hidden="true">{letter(lane)}</span>
      <div>
        <div class="lane-head">
          <h3 class="lane-title"><span class="sr-only">Lane {letter(lane)}: </span>{lane.title}</h3>
          <div class="lane-meta"><span class="st"><Icon name={icon} />{word}</span>
            <span class="num">{lane.tokens === undefined ? "" : `${count(lane.tokens)} tok`}</span>
            <span class="num">{lane.elapsed_ms === undefined ? "" : clock(lane.elapsed_ms)}</span>
            {stop && lane.state === "live" && <button type="button" class="btn quiet sm" aria-label={`Cancel lane ${letter(lane)}`} onClick={() => stop(lane.lane)}>Cancel</button>}</div>
        </div>
        {lane.tools && lane.tools.length > 0 && <Calls calls={lane.tools} rev={lane.tools.length} />}
        {answer && lane.questions?.map((question) => <Confirm key={question.id} question={question} answer={(word) => answer(question, word)} />)}
        {(lane.note || lane.text) && <p class="tail" aria-busy={lane.state === "live"}><span>{lane.note || (lane.text ?? "").slice(-280)}{lane.state === "live" && <span class="caret" />}</span></p>}
      </div>
    </li>
  );
}

function summary(lanes: Lane[]): string {
  const of = (state: LaneState): number => lanes.filter((lane) => lane.state === state).length;
  const parts = ([["done", "done"], ["live", "working"], ["wait", "waiting"], ["off", "cancelled"], ["fail", "failed"]] as const)
    .filter(([state]) => of(state) > 0).map(([state, word]) => `${of(state)} ${word}`);
  return `${plural(lanes.length, "lane")} · ${of("done") === lanes.length ? "all done" : parts.join(", ")}`;
}

/** `folded`: the answer is finished, so the lanes hide behind one line. */
export function Lanes({ lanes, owner, folded, stop, answer }: { lanes: Lane[]; /** changes with the lanes, which are changed in place */ rev: number; owner: string; folded: boolean; stop?: ((lane: number) => void) | undefined; answer?: Answering }): VNode {
  const list = <ol class="lanes">{lanes.map((lane) => <LaneItem key={lane.lane} lane={{ ...lane }} owner={owner} stop={stop} answer={answer} />)}</ol>;
  return (
    <div class="run in-answer">
      <header class="run-head"><span class="node"><Icon name="fork" /></span><p class="run-title">Contemplating</p><p class="sum num">{summary(lanes)}</p></header>
      {folded
        ? <details class="folded"><summary><span class="sr-only">Lanes: </span>{lanes.map((lane) => <span class="mark" aria-hidden="true" data-s={lane.state} key={lane.lane}>{letter(lane)}</span>)}
            <span>{lanes.map((lane) => lane.title).join(", ")}</span><Icon name="chev" class="chev" /></summary>{list}</details>
        : list}
    </div>
  );
}
