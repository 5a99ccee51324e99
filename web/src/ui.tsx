// Parts that both apps use: icons, buttons, notices, dialogs, menus, the sign-in page.
import { signal, useSignal } from "@preact/signals";
import type { ComponentChildren, VNode } from "preact";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";
import { reason, signIn } from "./lib/api";
import { isDark, switchTheme, theme } from "./lib/prefs";

export type IconName = "menu" | "plus" | "search" | "pin" | "image" | "up" | "stop" | "copy" | "good" | "bad" | "edit" | "redo" | "chev" | "left" | "x" | "check" |
  "clock" | "tool" | "alert" | "info" | "sun" | "gear" | "dots" | "fork" | "pen" | "wait" | "off" | "key" | "down" | "back" | "dot" | "minus" | "shield" | "nowifi" | "camera";

export function Icon({ name, class: extra = "" }: { name: IconName; class?: string }): VNode {
  return <svg class={`i ${extra}`} aria-hidden="true"><use href={`#i-${name}`} /></svg>;
}

export function Logo({ href = "/" }: { href?: string }): VNode {
  return <a class="logo" href={href}><svg aria-hidden="true"><use href="#logo" /></svg>Firesteel</a>;
}

interface IconButtonProps { icon: IconName; label: string; onClick?: (event: MouseEvent) => void; class?: string; pressed?: boolean; disabled?: boolean; title?: string }
export function IconButton({ icon, label, onClick, class: extra = "quiet sm", pressed, disabled, title }: IconButtonProps): VNode {
  return (
    <button type="button" class={`btn icon ${extra}`} aria-label={label} title={title ?? label} aria-pressed={pressed} disabled={disabled} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {  // no clipboard outside a secure context: the old way
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "sr-only";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

export function CopyButton({ text, label, class: extra = "", iconOnly = false }: { text: string | (() => string); label: string; class?: string; iconOnly?: boolean }): VNode {
  const state = useSignal<"" | "Copied" | "Not copied">("");
  const copy = async (): Promise<void> => {
    state.value = (await copyText(typeof text === "string" ? text : text())) ? "Copied" : "Not copied";
    say(state.value);
    setTimeout(() => { state.value = ""; }, 2000);
  };
  const icon = state.value === "Copied" ? "check" : "copy";
  if (iconOnly) return <IconButton icon={icon} label={label} onClick={copy} class={`quiet sm ${extra}`} />;
  return <button type="button" class={`btn quiet sm ${extra}`} onClick={copy}><Icon name={icon} />{state.value || label}</button>;
}

export type Tone = "" | "good" | "warn" | "bad" | "live" | "plain";
export function Notice({ tone = "", icon, title, children, action, alert = false }:
  { tone?: Tone; icon: IconName; title: ComponentChildren; children?: ComponentChildren; action?: ComponentChildren; alert?: boolean }): VNode {
  return (
    <div class={`notice ${tone}`} role={alert ? "alert" : undefined}>
      <Icon name={icon} /><div><p><strong>{title}</strong></p>{children && <p>{children}</p>}</div>{action && <div class="row">{action}</div>}
    </div>
  );
}

export function Tag({ tone = "", icon, children }: { tone?: "" | "good" | "warn" | "bad" | "live" | "steel"; icon?: IconName; children: ComponentChildren }): VNode {
  return <span class={`tag ${tone}`}>{icon && <Icon name={icon} />}{children}</span>;
}

export function Bar({ part, tone = "", label }: { part: number; tone?: string; label: string }): VNode {
  const width = `${Math.max(0, Math.min(100, part * 100)).toFixed(1)}%`;
  return <svg class={`bar ${tone}`} role="img" aria-label={label}><rect class="t" width="100%" height="100%" /><rect class="f" width={width} height="100%" /></svg>;
}

export function Segments<T extends string>({ name, legend, value, options, onChange, class: extra = "" }:
  { name: string; legend: string; value: T; options: readonly (readonly [T, string])[]; onChange: (value: T) => void; class?: string }): VNode {
  return (
    <fieldset class={`seg ${extra}`}><legend class="sr-only">{legend}</legend>
      {options.map(([id, text]) => (
        <label key={id}><input type="radio" name={name} value={id} checked={value === id} onChange={() => onChange(id)} /><span>{text}</span></label>
      ))}
    </fieldset>
  );
}

export function ThemeButton({ class: extra = "quiet sm" }: { class?: string }): VNode {
  void theme.value;
  return <IconButton icon="sun" label={isDark() ? "Switch to light" : "Switch to dark"} class={extra} onClick={switchTheme} />;
}

/** A modal dialog; the browser keeps the focus inside, closes on Esc and gives the focus back. */
export function Dialog({ title, onClose, children, wide = false }: { title: string; onClose: () => void; children: ComponentChildren; wide?: boolean }): VNode {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    ref.current?.showModal();
    const box = ref.current;
    // Closing it has given the focus back; this is for a dialog that goes away in another way.
    return () => { if (before?.isConnected && (document.activeElement === document.body || box?.contains(document.activeElement))) before.focus(); };
  }, []);
  return (
    <dialog ref={ref} class={wide ? "dialog wide" : "dialog"} aria-labelledby={id} onClose={onClose}
      onClick={(event) => { if (event.target === ref.current) ref.current?.close(); }}>
      <div class="dialog-body">
        <header class="row apart"><h2 id={id}>{title}</h2><IconButton icon="x" label="Close" onClick={() => ref.current?.close()} /></header>
        {children}
      </div>
    </dialog>
  );
}
/** Closes the dialog around an element, so that the focus returns before the tree changes. */
export const closeDialog = (event: Event): void => (event.currentTarget as HTMLElement).closest("dialog")?.close();

/** A button that shows more buttons. Arrow keys move, Esc closes and returns. */
export function Menu({ icon, label, items, class: extra = "" }:
  { icon: IconName; label: string; items: { icon: IconName; text: string; run: () => void; danger?: boolean }[]; class?: string }): VNode {
  const open = useSignal(false);
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open.value) return;
    ref.current?.querySelector<HTMLElement>(".menu-items button")?.focus();
    const away = (event: Event): void => { if (!ref.current?.contains(event.target as HTMLElement)) open.value = false; };
    document.addEventListener("pointerdown", away);
    document.addEventListener("focusin", away);
    return () => { document.removeEventListener("pointerdown", away); document.removeEventListener("focusin", away); };
  }, [open.value]);
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Escape" && open.value) {
      open.value = false;
      ref.current?.querySelector<HTMLElement>("button")?.focus();
      event.stopPropagation();
    } else if (open.value && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      const all = [...ref.current!.querySelectorAll<HTMLElement>(".menu-items button")];
      const at = all.indexOf(document.activeElement as HTMLElement);
      all[(at + (event.key === "ArrowDown" ? 1 : all.length - 1)) % all.length]?.focus();
      event.preventDefault();
    }
  };
  return (
    <div class={`menu-box ${extra}`} ref={ref} onKeyDown={keys}>
      <button type="button" class="btn quiet sm icon" aria-label={label} title={label} aria-haspopup="menu" aria-expanded={open.value} onClick={() => { open.value = !open.value; }}><Icon name={icon} /></button>
      {open.value && (
        <div class="menu-items" role="menu" aria-label={label}>
          {items.map((item) => (
            <button type="button" role="menuitem" class={item.danger ? "danger" : ""} key={item.text} onClick={() => {
              open.value = false;
              ref.current?.querySelector<HTMLElement>("button")?.focus();
              item.run();
            }}><Icon name={item.icon} />{item.text}</button>
          ))}
        </div>
      )}
    </div>
  );
}

// ---------- one polite region, one toast ----------
const spoken = signal("");
/** Says a sentence to a screen reader. */
export function say(text: string): void { spoken.value = spoken.peek() === text ? text + "\u00a0" : text; }
export function Spoken(): VNode { return <div class="sr-only" role="status" aria-live="polite">{spoken}</div>; }

interface ToastState { text: string; action?: string; run?: () => void }
export const toast = signal<ToastState | null>(null);
let toastTimer = 0;
export function showToast(state: ToastState, ms = 5000): void {
  clearTimeout(toastTimer);
  toast.value = state;
  toastTimer = window.setTimeout(() => { toast.value = null; }, ms);
}
export function Toast(): VNode {
  const state = toast.value;
  return (
    <div class="toast-place" role="status">
      {state && (
        <div class="toast"><span>{state.text}</span>
          {state.action && <button type="button" class="btn sm" onClick={() => { toast.value = null; state.run?.(); }}>{state.action}</button>}
        </div>
      )}
    </div>
  );
}

/** Grey lines, shown only when waiting has become noticeable. */
export function Bones({ label }: { label: string }): VNode {
  const shown = useSignal(false);
  useEffect(() => {
    const timer = setTimeout(() => { shown.value = true; }, 200);
    return () => clearTimeout(timer);
  }, []);
  return <div class="bones"><span class="sr-only" role="status">{label}</span>{shown.value && <><div class="bone" /><div class="bone w2" /><div class="bone w3" /></>}</div>;
}

export function SignIn({ where }: { where: string }): VNode {
  const key = useSignal("");
  const problem = useSignal("");
  const busy = useSignal(false);
  const id = useId();
  const submit = async (event: SubmitEvent & { currentTarget: HTMLFormElement }): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget;
    if (busy.value) return;
    busy.value = true;
    problem.value = "";
    try {
      await signIn(key.value.trim());
    } catch (error) {
      problem.value = reason(error);
      form.querySelector("input")?.focus();
    }
    busy.value = false;
  };
  return (
    <main class="sign-in" id="main">
      <form onSubmit={submit}>
        <span class="logo"><svg aria-hidden="true"><use href="#logo" /></svg>Firesteel</span>
        <div><h1>Sign in</h1><p class="dim">{where} asks for a key. It is sent to this server only, and this browser does not keep it.</p></div>
        <label class="field" for={id}>Key</label>
        <input class="input mono" id={id} type="password" autocomplete="current-password" spellcheck={false} required autofocus value={key.value}
          aria-invalid={problem.value !== ""} aria-describedby={`${id}-help`} onInput={(event) => { key.value = event.currentTarget.value; }} />
        {problem.value && <Notice tone="bad" icon="alert" title={problem.value} alert />}
        <button class="btn main" disabled={busy.value}>{busy.value ? "Signing in" : "Sign in"}</button>
        <p class="small dim" id={`${id}-help`}>The first start wrote an admin key to a file that only its owner can read, and printed where. More keys: <code>firesteel key create</code>.</p>
      </form>
      <ThemeButton class="quiet" />
    </main>
  );
}
