// Which of the server's tools the model may call, chosen once for this browser.
import type { VNode } from "preact";
import { chosenTools } from "../lib/prefs";
import type { Tool } from "../lib/types";
import { closeDialog, Dialog, IconButton } from "../ui";
import { tools } from "./state";

const chosen = (): Tool[] => tools.value.filter((tool) => tool.allowed && !tool.automatic && chosenTools.value.includes(tool.name));

/** Names that a turn sends: what was chosen, with what the model uses by itself. undefined: as the server does when nobody says. */
export function toolNames(): string[] | undefined {
  const more = chosen();
  return more.length === 0 ? undefined : [...tools.value.filter((tool) => tool.automatic), ...more].map((tool) => tool.name);
}

export function ToolsButton({ open }: { open: () => void }): VNode | null {
  if (!tools.value.some((tool) => !tool.automatic)) return null;
  const n = chosen().length;
  return <IconButton icon="tool" label={n > 0 ? `Tools, ${n} chosen` : "Tools"} class={n > 0 ? "quiet on" : "quiet"} onClick={open} />;
}

function Choice({ tool }: { tool: Tool }): VNode {
  const on = tool.automatic || (tool.allowed && chosenTools.value.includes(tool.name));
  return (
    <li><label class="row check top"><input type="checkbox" checked={on} disabled={tool.automatic || !tool.allowed}
      onChange={(event) => { chosenTools.value = event.currentTarget.checked ? [...chosenTools.value, tool.name] : chosenTools.value.filter((name) => name !== tool.name); }} />
      <span><strong>{tool.name}</strong>{tool.automatic && <span class="dim"> used by itself</span>}{!tool.allowed && <span class="dim"> not for this key</span>}
        <br /><span class="small dim">{tool.description}</span></span></label></li>
  );
}

export function ToolsDialog({ close }: { close: () => void }): VNode {
  return (
    <Dialog title="Tools" onClose={close}>
      <div class="stack">
        <p class="small dim">What the model may call on its way to an answer. After text of others was read, a tool that acts asks you first.</p>
        <ul class="plain stack">{tools.value.map((tool) => <Choice tool={tool} key={tool.name} />)}</ul>
        <div class="row"><button type="button" class="btn main push" onClick={closeDialog}>Done</button></div>
      </div>
    </Dialog>
  );
}
