// Two answers to one question side by side, and which one its reader takes.
import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { put, reason } from "../lib/api";
import { Markdown } from "../lib/markdown";
import type { Choice } from "../lib/types";
import { closeDialog, Dialog, Notice, say, showToast } from "../ui";
import { isTemporary, isWriting, textOf, type Message, type Thread } from "./thread";

/** The answer beside this one: the one before it, or behind it; only whole ones with a text. */
export function otherAnswer(thread: Thread, message: Message): Message | undefined {
  void thread.rev.value;
  const whole = thread.siblings(message).filter((one) => one === message || (one.role === "assistant" && !isTemporary(one.id) && !isWriting(one) && textOf(one.content)));
  const at = whole.indexOf(message);
  return textOf(message.content) ? whole[at - 1] ?? whole[at + 1] : undefined;
}

export function Compare({ thread, message, note, close }: { thread: Thread; message: Message; note: string; close: () => void }): VNode | null {
  const busy = useSignal(false), problem = useSignal("");
  const other = otherAnswer(thread, message);
  if (!other) return null;
  // In the order in which they were written: the newer one is not always on the same side of the page by chance.
  const pair = thread.siblings(message).indexOf(other) < thread.siblings(message).indexOf(message) ? [other, message] : [message, other];
  const [first, second] = pair as [Message, Message];
  const take = async (event: MouseEvent, chosen: Message, over: Message, tie = false): Promise<void> => {
    const inside = event.currentTarget as HTMLElement;
    busy.value = true;
    problem.value = "";
    try {
      const stored = await put<Choice>(`/messages/${chosen.id}/choice`, { over: over.id, ...(tie ? { tie } : {}) });
      if (!tie) thread.choose(chosen);
      showToast({ text: stored.kept ? "Noted, and kept for improvement." : "Noted." });
      say("Noted.");
      inside.closest("dialog")?.close();
    } catch (error) {
      problem.value = reason(error);
    }
    busy.value = false;
  };
  return (
    <Dialog title="Which answer is better?" wide onClose={close}>
      <div class="pair">{([["First", first, second], ["Second", second, first]] as const).map(([name, one, over]) => (
        <section class="cand" key={one.key} aria-label={`${name} answer`}><header><b>{name}</b>{one.model}</header>
          <div class="prose"><Markdown text={textOf(one.content)} /></div>
          <button type="button" class="btn" disabled={busy.value} onClick={(event) => void take(event, one, over)}>{name} is better</button></section>))}</div>
      {problem.value && <Notice tone="bad" icon="alert" title={problem.value} alert />}
      <p class="small dim">{note}</p>
      <div class="row push"><button type="button" class="btn" onClick={closeDialog}>Cancel</button>
        <button type="button" class="btn" disabled={busy.value} onClick={(event) => void take(event, first, second, true)}>About the same</button></div>
    </Dialog>
  );
}
