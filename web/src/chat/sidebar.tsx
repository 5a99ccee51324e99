// The list of conversations: search, groups by day, pinned first. Under 832 px it is a drawer.
import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { group } from "../lib/format";
import { singleKeys } from "../lib/prefs";
import type { Conversation } from "../lib/types";
import { Bones, Icon, IconButton, Logo, ThemeButton } from "../ui";
import { conversations, current, drawer, hasMore, listProblem, loadList, open, query, removeLater, startNew, threadOf } from "./state";

function groups(list: Conversation[]): [string, Conversation[]][] {
  const out = new Map<string, Conversation[]>();
  for (const one of list.filter((each) => each.pinned)) out.set("Pinned", [...(out.get("Pinned") ?? []), one]);
  for (const one of list.filter((each) => !each.pinned)) out.set(group(one.updated_at), [...(out.get(group(one.updated_at)) ?? []), one]);
  return [...out];
}

function Row({ one }: { one: Conversation }): VNode {
  const here = current.value.id === one.id;
  const working = !!threadOf(one.id)?.live.value;
  return (
    <a class="conv" href={`/?c=${encodeURIComponent(one.id)}`} aria-current={here ? "page" : undefined} data-conv={one.id}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        void open(one.id);
      }}
      onKeyDown={(event) => {
        if (event.key !== "Delete") return;
        event.preventDefault();
        ((event.currentTarget.nextElementSibling ?? event.currentTarget.previousElementSibling) as HTMLElement | null)?.focus();
        removeLater(one.id);
      }}>
      <b>{one.title || "Untitled"}</b>
      {working && <span class="tick"><Icon name="pen" /><span class="sr-only">, working</span></span>}
      {one.pinned && <Icon name="pin" />}
    </a>
  );
}

export function Sidebar({ openSettings }: { openSettings: () => void }): VNode {
  const ref = useRef<HTMLElement>(null);
  const typed = useSignal(query.value);
  const timer = useRef(0);
  const list = conversations.value;

  useLayoutEffect(() => {  // the drawer keeps the focus, closes on Esc, gives the focus back
    if (!drawer.value) return;
    const before = document.activeElement as HTMLElement | null;
    ref.current?.querySelector<HTMLElement>("input, a, button")?.focus();
    const keys = (event: KeyboardEvent): void => {
      if (event.key === "Escape") drawer.value = false;
      if (event.key !== "Tab") return;
      const all = [...ref.current!.querySelectorAll<HTMLElement>("a, button, input")].filter((each) => each.offsetParent !== null);
      const edge = event.shiftKey ? all[0] : all.at(-1);
      if (document.activeElement === edge) {
        event.preventDefault();
        (event.shiftKey ? all.at(-1) : all[0])?.focus();
      }
    };
    document.addEventListener("keydown", keys);
    return () => {
      document.removeEventListener("keydown", keys);
      if (before?.isConnected) before.focus();
    };
  }, [drawer.value]);

  const search = (text: string): void => {
    typed.value = text;
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => {
      query.value = text;
      void loadList();
    }, 200);
  };

  return (
    <>
      {drawer.value && <div class="veil" onClick={() => { drawer.value = false; }} />}
      <aside class={drawer.value ? "side open" : "side"} id="side" aria-label="Conversations" ref={ref}>
        <div class="side-top"><Logo /><IconButton icon="plus" label="New conversation" title="New conversation (Ctrl+Alt+N)" class="quiet" onClick={() => startNew()} /></div>
        <div class="search"><Icon name="search" /><input class="input" id="search" type="search" placeholder="Search" aria-label="Search conversations" value={typed.value}
          onInput={(event) => search(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape" && typed.value) { event.stopPropagation(); search(""); }
            if (event.key === "ArrowDown") { event.preventDefault(); ref.current?.querySelector<HTMLElement>(".conv")?.focus(); }
          }} />{singleKeys.value && !typed.value && <kbd aria-hidden="true">/</kbd>}</div>
        <nav class="convs" aria-label="Conversation list">
          {list === null ? (listProblem.value ? null : <Bones label="Loading conversations" />)
            : list.length === 0 ? <p class="small dim nothing">{query.value ? `Nothing found for “${query.value}”.` : "No conversations yet."}</p>
            : groups(list).map(([name, ones]) => <section key={name}><h2>{name}</h2>{ones.map((one) => <Row key={one.id} one={one} />)}</section>)}
          {listProblem.value && <p class="small nothing">{listProblem.value} <button type="button" class="btn sm" onClick={() => void loadList()}>Try again</button></p>}
          {hasMore.value && <button type="button" class="btn quiet sm" onClick={() => void loadList(true)}>Show older</button>}
        </nav>
        <div class="side-foot"><span>Private, on this machine</span><ThemeButton class="quiet sm push" /><IconButton icon="gear" label="Settings" onClick={openSettings} /></div>
      </aside>
    </>
  );
}
