// A tool wants to act, and waits for a person: what it would do, whose text was read before, and the three answers.
import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { clock } from "../lib/format";
import type { Question } from "../lib/types";
import { Icon } from "../ui";

const pretty = (text: string): string => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

export function Confirm({ question, answer }: { question: Question; answer: (word: "allow" | "deny" | "always") => void }): VNode {
  const id = useId();
  const no = useRef<HTMLButtonElement>(null);
  const now = useSignal(Date.now());
  const said = useSignal(false);
  useEffect(() => {
    // The focus starts on the answer that does nothing, unless somebody is in the middle of something else.
    const here = document.activeElement;
    const busy = here instanceof HTMLTextAreaElement ? here.value !== "" : here instanceof HTMLInputElement || !!document.querySelector("dialog[open]");
    if (!busy) no.current?.focus({ preventScroll: true });
    const timer = setInterval(() => { now.value = Date.now(); }, 1000);
    return () => clearInterval(timer);
  }, []);
  const say = (word: "allow" | "deny" | "always") => (): void => {
    if (said.value) return;
    said.value = true;
    answer(word);
  };
  return (
    <section class="confirm" aria-labelledby={`${id}-what`} aria-describedby={`${id}-why`} data-question={question.id}>
      <div class="notice warn"><Icon name="shield" /><div>
        <p id={`${id}-what`}><strong>Run {question.name}?</strong></p>
        <p id={`${id}-why`}>{question.tainted_by
          ? `The request comes after text from ${question.tainted_by}, which may not be yours and may have asked for this.`
          : "Every call of this tool is put to you."}</p></div></div>
      <pre class="arguments" tabIndex={0} aria-label="Arguments">{pretty(question.arguments)}</pre>
      <div class="row">
        <button type="button" class="btn sm" ref={no} disabled={said.value} onClick={say("deny")}>Do not run</button>
        <button type="button" class="btn sm danger" disabled={said.value} onClick={say("allow")}>Run once</button>
        {question.may_always && <button type="button" class="btn quiet sm" disabled={said.value} onClick={say("always")}>Always in this conversation</button>}
        <span class="small dim num push">Not run in {clock(Math.max(0, question.until - now.value))}</span>
      </div>
    </section>
  );
}
