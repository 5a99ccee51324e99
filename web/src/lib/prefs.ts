// What this browser remembers: settings in localStorage, drafts in sessionStorage (they end with the tab). Never keys, never answers.
// Both may be forbidden by the browser: then everything works and nothing is remembered.
import { effect, signal, type Signal } from "@preact/signals";
import type { Mode, Sampling } from "./types";

function read<T>(store: () => Storage, name: string, fallback: T): T {
  try {
    const text = store().getItem(name);
    return text === null ? fallback : (JSON.parse(text) as T);
  } catch {
    return fallback;
  }
}

function write(store: () => Storage, name: string, value: unknown): void {
  try {
    if (value === null || value === "" || value === undefined) store().removeItem(name);
    else store().setItem(name, JSON.stringify(value));
  } catch { /* full or forbidden */ }
}

function remembered<T>(name: string, fallback: T): Signal<T> {
  const value = signal(read(() => localStorage, name, fallback));
  let first = true;
  effect(() => {
    const now = value.value;
    if (!first) write(() => localStorage, name, now);
    first = false;
  });
  return value;
}

export type Theme = "system" | "light" | "dark";
export const theme = remembered<Theme>("fs.theme", "system");
export const mode = remembered<Mode>("fs.mode", "auto");
export const modelId = remembered<string>("fs.model", "");
export const sampling = remembered<Sampling & { max_tokens?: number }>("fs.sampling", {});
export const chosenTools = remembered<string[]>("fs.tools", []);
export const streaming = remembered<boolean>("fs.streaming", true);
export const singleKeys = remembered<boolean>("fs.keys", true);
export const presets = remembered<{ name: string; text: string }[]>("fs.presets", []);

effect(() => {
  const wanted = theme.value;
  if (wanted === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = wanted;
});

export function isDark(): boolean {
  return theme.value === "dark" || (theme.value === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
}
export function switchTheme(): void { theme.value = isDark() ? "light" : "dark"; }

export const draftOf = (id: string | null): string => read(() => sessionStorage, `fs.draft.${id ?? "new"}`, "");
export const keepDraft = (id: string | null, text: string): void => write(() => sessionStorage, `fs.draft.${id ?? "new"}`, text);

/** The branch that was looked at last: the id of its last message. */
export const leafOf = (id: string): string => read(() => localStorage, `fs.leaf.${id}`, "");
export const keepLeaf = (id: string, leaf: string): void => write(() => localStorage, `fs.leaf.${id}`, leaf);
