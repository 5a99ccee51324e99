// Dialogs of the chat page: rename, system prompt and sampling, settings, keys.
import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useRef } from "preact/hooks";
import { session, signOut } from "../lib/api";
import { presets, sampling, singleKeys, streaming, theme } from "../lib/prefs";
import { closeDialog, Dialog, Icon, IconButton, Segments } from "../ui";
import { change, exportAll, importFile } from "./state";
import type { Thread } from "./thread";

export type DialogName = "" | "rename" | "system" | "tools" | "settings" | "keys";
interface Props { close: () => void }

export function Rename({ thread, close }: Props & { thread: Thread }): VNode {
  const title = useSignal(thread.info.value?.title ?? "");
  return (
    <Dialog title="Rename" onClose={close}>
      <form class="stack" onSubmit={(event) => {
        event.preventDefault();
        if (thread.id && title.value.trim()) void change(thread.id, { title: title.value.trim() });
        closeDialog(event);
      }}>
        <label class="field">Title<input class="input" value={title.value} maxLength={200} autofocus onInput={(event) => { title.value = event.currentTarget.value; }} /></label>
        <div class="row"><button type="button" class="btn push" onClick={closeDialog}>Cancel</button><button class="btn main" disabled={!title.value.trim()}>Rename</button></div>
      </form>
    </Dialog>
  );
}

function NumberField({ label, help, value, min, max, step, set }:
  { label: string; help: string; value: number | undefined; min: number; max: number; step: number; set: (value: number | undefined) => void }): VNode {
  return (
    <label class="field">{label}<input class="input num" type="number" min={min} max={max} step={step} placeholder={help} value={value ?? ""}
      onInput={(event) => { const n = event.currentTarget.valueAsNumber; set(Number.isFinite(n) ? Math.min(max, Math.max(min, n)) : undefined); }} /></label>
  );
}

export function SystemPrompt({ thread, close }: Props & { thread: Thread }): VNode {
  const before = thread.system.value;
  const text = useSignal(before);
  const name = useSignal("");
  const chosen = useSignal(sampling.value);
  const set = (field: string) => (value: number | undefined): void => {
    const { [field]: _old, ...rest } = chosen.value as Record<string, number>;
    chosen.value = value === undefined ? rest : { ...rest, [field]: value };
  };
  const save = (event: Event): void => {
    event.preventDefault();
    sampling.value = chosen.value;
    thread.system.value = text.value.trim();
    if (thread.id && text.value.trim() !== before) void change(thread.id, { system: text.value.trim() });
    closeDialog(event);
  };
  return (
    <Dialog title="System prompt" onClose={close} wide>
      <form class="stack" onSubmit={save}>
        <label class="field">Told to the model before this conversation<textarea class="input" rows={7} autofocus value={text.value} placeholder="For example: Answer in plain words and show each step of a calculation."
          onInput={(event) => { text.value = event.currentTarget.value; }} /></label>
        <section class="stack"><h3>Saved prompts</h3>
          {presets.value.length > 0 && <ul class="presets">{presets.value.map((preset) => (
            <li key={preset.name}><button type="button" class="btn quiet sm" onClick={() => { text.value = preset.text; }}>{preset.name}</button>
              <IconButton icon="x" label={`Forget ${preset.name}`} onClick={() => { presets.value = presets.value.filter((other) => other !== preset); }} /></li>
          ))}</ul>}
          <div class="row nowrap"><input class="input" aria-label="Name for the prompt above" placeholder="Name for the prompt above" maxLength={60} value={name.value} onInput={(event) => { name.value = event.currentTarget.value; }} />
            <button type="button" class="btn" disabled={!name.value.trim() || !text.value.trim()} onClick={() => {
              presets.value = [...presets.value.filter((other) => other.name !== name.value.trim()), { name: name.value.trim(), text: text.value.trim() }];
              name.value = "";
            }}>Keep</button></div>
          <p class="small dim">Kept in this browser.</p>
        </section>
        <section class="stack"><h3>Sampling</h3>
          <div class="fields">
            <NumberField label="Temperature" help="as the model says" min={0} max={2} step={0.05} value={chosen.value.temperature} set={set("temperature")} />
            <NumberField label="Top p" help="as the model says" min={0} max={1} step={0.01} value={chosen.value.top_p} set={set("top_p")} />
            <NumberField label="Seed" help="random" min={0} max={4294967295} step={1} value={chosen.value.seed} set={set("seed")} />
            <NumberField label="Longest answer, tokens" help="no limit" min={1} max={1000000} step={1} value={chosen.value.max_tokens} set={set("max_tokens")} />
          </div>
          <p class="small dim">For all conversations in this browser.</p>
        </section>
        <div class="row"><button type="button" class="btn push" onClick={closeDialog}>Cancel</button><button class="btn main">Save</button></div>
      </form>
    </Dialog>
  );
}

export function Settings({ close, keys }: Props & { keys: () => void }): VNode {
  const file = useRef<HTMLInputElement>(null);
  return (
    <Dialog title="Settings" onClose={close}>
      <div class="stack">
        <div class="row apart"><span>Theme</span><Segments name="theme" legend="Theme" value={theme.value} options={[["system", "System"], ["light", "Light"], ["dark", "Dark"]]} onChange={(to) => { theme.value = to; }} /></div>
        <label class="row check"><input type="checkbox" checked={streaming.value} onChange={(event) => { streaming.value = event.currentTarget.checked; }} /><span>Show answers while they are written</span></label>
        <label class="row check"><input type="checkbox" checked={singleKeys.value} onChange={(event) => { singleKeys.value = event.currentTarget.checked; }} /><span>Single keys: <kbd>/</kbd> searches</span></label>
        <hr />
        <div class="row"><button type="button" class="btn" onClick={() => void exportAll()}><Icon name="down" />Export all</button>
          <button type="button" class="btn" onClick={() => file.current?.click()}><Icon name="up" />Import</button>
          <input ref={file} type="file" accept="application/json,.json" hidden aria-label="File to import" onChange={(event) => {
            const chosen = event.currentTarget.files?.[0];
            if (chosen) void importFile(chosen);
            event.currentTarget.value = "";
          }} />
          <button type="button" class="btn" onClick={keys}>Keys</button><a class="small push" href="/licences.txt" target="_blank" rel="noopener">Licences</a></div>
        <hr />
        <div class="row apart"><span class="small dim">Signed in as {session.value?.user || "a key"} of {session.value?.tenant}</span>
          <span class="row">{session.value?.scopes.includes("admin") && <a class="btn" href="/admin/">Console</a>}<button type="button" class="btn" onClick={() => void signOut()}>Sign out</button></span></div>
      </div>
    </Dialog>
  );
}

const KEYS: [string[], string][] = [
  [["Enter"], "send"], [["Shift", "Enter"], "new line"], [["Esc"], "stop the answer; close what is open"], [["↑"], "in an empty composer: edit the last question"],
  [["/"], "search conversations"], [["Ctrl", "Alt", "N"], "new conversation"], [["Ctrl", "Alt", "↑"], "conversation above"], [["Ctrl", "Alt", "↓"], "conversation below"],
  [["Ctrl", "Alt", "C"], "copy the last answer"], [["Ctrl", "Alt", "R"], "answer the last question again"], [["Ctrl", "Alt", "A"], "to the question whether a tool may run"], [["Delete"], "on a conversation in the list: delete it"], [["Ctrl", "/"], "this list"],
];
export function Keys({ close }: Props): VNode {
  return (
    <Dialog title="Keys" onClose={close}>
      <dl class="key-list">{KEYS.map(([keys, what]) => <div key={what}><dt>{keys.map((key) => <kbd key={key}>{key}</kbd>)}</dt><dd>{what}</dd></div>)}</dl>
    </Dialog>
  );
}
