// Tools that were called on the way to an answer, one chip each: what was asked, what came back.
import type { VNode } from "preact";
import type { ToolCall } from "../lib/types";
import { Icon } from "../ui";

const SHOWN_CHARS = 200;
const cut = (text: string): string => (text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text);

/** The argument itself where there is only one: "17 * 23". */
function asked(call: ToolCall): string {
  try {
    const values = Object.values(JSON.parse(call.arguments) as Record<string, unknown>);
    if (values.length === 1 && typeof values[0] === "string") return values[0];
  } catch { /* shown as it is */ }
  return call.arguments;
}

/** What a person said to a call that acts. */
const WORDS: Record<string, string> = { allowed: "you allowed it", always: "you allowed it", standing: "allowed in this conversation", planned: "planned before", denied: "you said no", timed_out: "nobody answered", nobody: "nobody to ask" };

export function Calls({ calls }: { calls: ToolCall[]; /** changes with the calls, which are changed in place */ rev: number }): VNode {
  return (
    <ul class="calls" aria-label="Tools that were used">
      {calls.map((call, i) => (
        <li key={i} class="tool">
          <Icon name={call.failed ? "alert" : call.result === undefined ? "wait" : "check"} />
          <span>{call.name}</span>{call.consent && WORDS[call.consent] && <span class="taint"><Icon name="shield" />{WORDS[call.consent]}</span>} <code>{cut(asked(call))}</code>
          {call.result !== undefined && <><span>{call.failed ? "failed:" : "="}</span> <code>{cut(call.result)}</code></>}
        </li>
      ))}
    </ul>
  );
}
