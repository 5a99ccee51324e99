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

export function Calls({ calls }: { calls: ToolCall[]; /** changes with the calls, which are changed in place */ rev: number }): VNode {
  return (
    <ul class="calls" aria-label="Tools that were used">
      {calls.map((call, i) => (
        <li key={i} class="tool">
          <Icon name={call.failed ? "alert" : call.result === undefined ? "wait" : "check"} />
          <span>{call.name}</span> <code>{cut(asked(call))}</code>
          {call.result !== undefined && <><span>{call.failed ? "failed:" : "="}</span> <code>{cut(call.result)}</code></>}
        </li>
      ))}
    </ul>
  );
}
