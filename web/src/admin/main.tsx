// The admin console: one page per address below /admin/, a menu, the sign-in.
import { signal, useSignal } from "@preact/signals";
import { render, type ComponentType, type VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { offline, readSession, session, signOut } from "../lib/api";
import { span } from "../lib/format";
import { Bones, Icon, Logo, Notice, SignIn, Spoken, Tag, ThemeButton, Toast } from "../ui";
import { TenantsAndKeys } from "./keys";
import { Labels } from "./labels";
import { Monitoring } from "./monitor";
import { Overview } from "./overview";
import { useLoaded } from "./parts";
import { Releases } from "./releases";
import { Audit, Models, SystemPage } from "./trust";
import type { System } from "./types";
import { Usage } from "./usage";

interface Page { path: string; name: string; group: "Serve" | "Improve" | "Trust"; view: ComponentType }
const PAGES: Page[] = [
  { path: "", name: "Overview", group: "Serve", view: Overview }, { path: "usage", name: "Usage", group: "Serve", view: Usage },
  { path: "keys", name: "Tenants and keys", group: "Serve", view: TenantsAndKeys }, { path: "models", name: "Models", group: "Serve", view: Models },
  { path: "labels", name: "Labels", group: "Improve", view: Labels },
  { path: "releases", name: "Releases", group: "Improve", view: Releases }, { path: "monitoring", name: "Monitoring", group: "Improve", view: Monitoring },
  { path: "audit", name: "Audit", group: "Trust", view: Audit }, { path: "system", name: "System", group: "Trust", view: SystemPage },
];

const here = (): string => location.pathname.replace(/^\/admin\/?/, "").replace(/\/$/, "");
const path = signal(here());
addEventListener("popstate", () => { path.value = here(); });

function go(event: MouseEvent, to: string): void {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  history.pushState(null, "", `/admin/${to}`);
  path.value = to;
  scrollTo(0, 0);
  // The new page's heading takes the focus, so that a screen reader begins there.
  requestAnimationFrame(() => document.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true }));
}

function Nav({ label, done }: { label: string; done?: () => void }): VNode {
  return (
    <nav class="nav" aria-label={label}>
      {(["Serve", "Improve", "Trust"] as const).map((group) => [<h2 key={group}>{group}</h2>, PAGES.filter((page) => page.group === group).map((page) => (
        <a key={page.path} href={`/admin/${page.path}`} aria-current={path.value === page.path ? "page" : undefined} onClick={(event) => { go(event, page.path); done?.(); }}>{page.name}</a>
      ))])}
    </nav>
  );
}

function Console(): VNode {
  const menu = useRef<HTMLDetailsElement>(null);
  const system = useLoaded<System>("/system", 30_000);
  const open = useSignal(false);
  const page = PAGES.find((one) => one.path === path.value);
  const data = system.data.value;
  const bad = data?.checks.find((check) => check.state === "bad");
  useEffect(() => { document.title = `${page?.name ?? "Nothing here"} · Firesteel`; }, [page]);
  useEffect(() => {
    const close = (event: KeyboardEvent | PointerEvent): void => {
      if (!menu.current?.open || (event instanceof KeyboardEvent ? event.key !== "Escape" : menu.current.contains(event.target as Node))) return;
      menu.current.open = false;
      if (event instanceof KeyboardEvent) menu.current.querySelector("summary")?.focus();
    };
    document.addEventListener("keydown", close);
    document.addEventListener("pointerdown", close);
    return () => { document.removeEventListener("keydown", close); document.removeEventListener("pointerdown", close); };
  }, []);
  return (
    <div class="admin">
      <header class="bar-top">
        <details class="menu" ref={menu} onToggle={(event) => { open.value = event.currentTarget.open; }}><summary class="btn quiet icon" aria-label="Menu"><Icon name="menu" /></summary>
          {open.value && <Nav label="Console, menu" done={() => { if (menu.current) menu.current.open = false; }} />}</details>
        <Logo /><span class="where">Console</span>
        {offline.value ? <span class="push"><Tag tone="bad" icon="nowifi">No answer</Tag></span>
          : data && <span class="push not-phone">{bad ? <Tag tone="bad" icon="alert">{bad.name}</Tag> : <Tag tone="good" icon="check">Ready</Tag>}</span>}
        {data && <span class="small dim not-phone num">Up {span(data.uptime_s)}</span>}
        <ThemeButton class="quiet theme" />
        <button type="button" class="btn quiet sm" onClick={() => void signOut()}>Sign out</button>
      </header>
      <Nav label="Console" />
      <main class="page" id="main">
        {offline.value && <Notice tone="plain" icon="nowifi" title="Firesteel is not running on this machine." alert>What you see is what it said last. Start it with <code>firesteel serve</code>.</Notice>}
        {page ? <page.view /> : <div class="empty"><h1 tabIndex={-1}>There is nothing here</h1><p class="dim">The address is wrong, or it belongs to someone else.</p><a class="btn sm" href="/admin/" onClick={(event) => go(event, "")}>Overview</a></div>}
      </main>
    </div>
  );
}

function App(): VNode {
  const who = session.value;
  return (
    <>
      <a class="skip" href="#main">Skip to content</a>
      {who === undefined ? <main class="sign-in" id="main"><h1 class="sr-only">Console</h1><Bones label="Loading" /></main>
        : who === null ? <SignIn where="The console" />
        : who.scopes.includes("admin") ? <Console />
        : <main class="sign-in" id="main"><div class="empty"><h1>This key may not open the console</h1><p class="dim">It needs the scope admin. Ask the operator, or sign in with another key.</p>
            <span class="row"><a class="btn" href="/">Assistant</a><button type="button" class="btn" onClick={() => void signOut()}>Sign out</button></span></div></main>}
      <Toast /><Spoken />
    </>
  );
}

render(<App />, document.getElementById("app")!);
void readSession();
