// The chat page.
import { useSignal } from "@preact/signals";
import { render, type VNode } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { readSession, session } from "../lib/api";
import { day } from "../lib/format";
import { mode, singleKeys } from "../lib/prefs";
import { Bones, copyText, Icon, IconButton, Menu, say, SignIn, Spoken, Toast, type IconName } from "../ui";
import { Composer } from "./composer";
import { ToolsDialog } from "./tools";
import { Keys, Rename, Settings, SystemPrompt, type DialogName } from "./dialogs";
import { attach, imagesOf } from "./images";
import { Answer, Question } from "./messages";
import { Sidebar } from "./sidebar";
import { change, conversations, current, drawer, exportOne, fromAddress, open, removeLater, startNew } from "./state";
import { textOf, type Thread } from "./thread";
import { again, stop } from "./turn";

const SUGGESTIONS: [string, IconName, string, (() => void)?][] = [
  ["Explain this chart", "image", "Explain this chart: "],
  ["Compare three options in parallel", "fork", "Compare these three options, each on its own first: ", () => { mode.value = "contemplating"; }],
  ["Check my algebra", "chev", "Check my algebra, line by line:\n"],
];

function Empty({ thread }: { thread: Thread }): VNode {
  return (
    <div class="first">
      <div class="empty"><h2>What are you working on?</h2><p class="dim">Runs on this machine. Nothing leaves it.</p></div>
      <div class="sugg">{SUGGESTIONS.map(([label, icon, text, also]) => (
        <button type="button" key={label} onClick={() => {
          also?.();
          thread.write(text);
          const area = document.getElementById("msg") as HTMLTextAreaElement;
          area.focus();
          setTimeout(() => area.setSelectionRange(text.length, text.length));
        }}><span>{label}</span><Icon name={icon} /></button>
      ))}</div>
    </div>
  );
}

const NEAR_END = 80;

function ThreadView({ thread, editing }: { thread: Thread; editing: { value: string | null } }): VNode {
  const ref = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const below = useSignal(false);
  const path = thread.path();
  const live = thread.live.value;

  const toEnd = (): void => {
    const box = ref.current;
    if (!box) return;
    box.scrollTop = box.scrollHeight;
    atEnd.current = true;
    below.value = false;
  };
  useLayoutEffect(() => {  // another conversation, or a question of mine: to the end
    toEnd();
  }, [thread, thread.loading.value, live]);
  useEffect(() => {  // text grows: follow only when the reader is at the end
    const box = ref.current;
    if (!box) return;
    const follow = (): void => {
      if (atEnd.current) toEnd();
      else if (thread.live.peek()) below.value = true;
    };
    const watch = new ResizeObserver(follow);
    watch.observe(box.firstElementChild ?? box);
    return () => watch.disconnect();
  }, [thread]);

  let lastDay = "";
  return (
    <div class="thread-place">
      <div class="thread" tabIndex={0} role="region" aria-label="Conversation" ref={ref} onScroll={(event) => {
        const box = event.currentTarget;
        atEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;
        if (atEnd.current) below.value = false;
      }}>
        <div class="thread-in">
          {thread.missing.value ? <div class="empty"><h2>There is nothing here</h2><p class="dim">The address is wrong, or it belongs to someone else.</p><button type="button" class="btn sm" onClick={() => startNew()}>New conversation</button></div>
            : thread.loading.value ? <Bones label="Loading conversation" />
            : path.length === 0 ? (thread.id === null && <Empty thread={thread} />)
            : path.map((message, i) => {
              const today = message.role === "user" ? day(message.created_at) : lastDay;
              const mark = today !== lastDay && <p class="day" key={`day-${message.key}`}>{today}</p>;
              lastDay = today;
              return [mark, message.role === "user"
                ? <Question key={message.key} thread={thread} message={message} editing={editing} />
                : <Answer key={message.key} thread={thread} message={message} last={i === path.length - 1} />];
            })}
        </div>
      </div>
      {below.value && <button type="button" class="btn sm new-below" onClick={toEnd}><Icon name="down" />New below</button>}
    </div>
  );
}

function Chat(): VNode {
  const thread = current.value;
  const editing = useSignal<string | null>(null);
  const dialog = useSignal<DialogName>("");
  const dragging = useSignal(false);
  const info = thread.info.value;
  const title = info?.title || (thread.id ? "Untitled" : "New conversation");
  const close = (): void => { dialog.value = ""; };

  useEffect(() => { document.title = `${title} · Firesteel`; }, [title]);
  useEffect(() => { editing.value = null; }, [thread]);
  useEffect(() => {
    const keys = (event: KeyboardEvent): void => {
      const now = current.peek();
      const typing = (event.target as HTMLElement).closest?.("input, textarea, select, [contenteditable]");
      const modal = document.querySelector("dialog[open]");
      if (modal) return;
      if (event.key === "Escape" && now.live.peek() && !drawer.peek()) stop(now);
      else if (event.key === "/" && event.ctrlKey) { event.preventDefault(); dialog.value = "keys"; }
      else if (event.key === "/" && !typing && singleKeys.peek() && !event.metaKey && !event.altKey) {
        event.preventDefault();
        if (matchMedia("(max-width: 52rem)").matches) drawer.value = true;
        setTimeout(() => document.getElementById("search")?.focus());
      } else if (event.ctrlKey && event.altKey) altKeys(event, now);
    };
    addEventListener("keydown", keys);
    addEventListener("popstate", fromAddress);
    return () => { removeEventListener("keydown", keys); removeEventListener("popstate", fromAddress); };
  }, []);

  const menu = [
    { icon: "edit" as const, text: "Rename", run: () => { dialog.value = "rename"; } },
    { icon: "pin" as const, text: info?.pinned ? "Unpin" : "Pin", run: () => void change(thread.id!, { pinned: !info?.pinned }) },
    { icon: "down" as const, text: "Export", run: () => void exportOne(thread.id!) },
    { icon: "x" as const, text: "Delete", run: () => removeLater(thread.id!), danger: true },
  ];
  return (
    <div class="chat" onDragOver={(event) => { event.preventDefault(); dragging.value = true; }}
      onDragLeave={(event) => { if (event.relatedTarget === null) dragging.value = false; }}
      onDrop={(event) => { event.preventDefault(); dragging.value = false; void attach(thread, imagesOf(event.dataTransfer)); }}>
      <Sidebar openSettings={() => { drawer.value = false; dialog.value = "settings"; }} />
      <main class={dragging.value ? "chat-main dragging" : "chat-main"} id="main">
        <header class="main-top">
          <button type="button" class="btn quiet icon only-phone" aria-controls="side" aria-expanded={drawer.value} aria-label="Conversations" onClick={() => { drawer.value = true; }}><Icon name="menu" /></button>
          <h1>{title}</h1>
          <button type="button" class="btn quiet sm push not-phone" onClick={() => { dialog.value = "system"; }}>{thread.system.value ? "System prompt, set" : "System prompt"}</button>
          <IconButton icon="pen" label="System prompt" class="quiet only-phone push" onClick={() => { dialog.value = "system"; }} />
          {thread.id && !thread.missing.value && <Menu icon="dots" label="Rename, pin, export, delete" items={menu} />}
          <IconButton icon="plus" label="New conversation" class="quiet only-phone" onClick={() => startNew()} />
        </header>
        <ThreadView thread={thread} editing={editing} />
        <Composer thread={thread} editing={editing} openTools={() => { dialog.value = "tools"; }} />
      </main>
      {dialog.value === "rename" && <Rename thread={thread} close={close} />}
      {dialog.value === "system" && <SystemPrompt thread={thread} close={close} />}
      {dialog.value === "tools" && <ToolsDialog close={close} />}
      {dialog.value === "settings" && <Settings close={close} keys={() => { dialog.value = "keys"; }} />}
      {dialog.value === "keys" && <Keys close={close} />}
    </div>
  );
}

function altKeys(event: KeyboardEvent, thread: Thread): void {
  const path = thread.path();
  const key = event.key.toLowerCase();
  if (key === "n" || event.code === "KeyN") {
    startNew();
    setTimeout(() => document.getElementById("msg")?.focus());
  } else if (key === "arrowup" || key === "arrowdown") {
    const list = [...document.querySelectorAll<HTMLElement>("[data-conv]")].map((row) => row.dataset["conv"]!);
    const at = thread.id ? list.indexOf(thread.id) : -1;
    const to = list[key === "arrowdown" ? at + 1 : Math.max(0, at - 1)];
    if (to && conversations.value) void open(to);
  } else if (key === "c" || event.code === "KeyC") {
    const answer = path.findLast((message) => message.role === "assistant");
    if (answer) void copyText(textOf(answer.content)).then((done) => say(done ? "Copied" : "Not copied"));
  } else if (key === "r" || event.code === "KeyR") {
    const question = path.findLast((message) => message.role === "user");
    if (question) void again(thread, question);
  } else if (key === "a" || event.code === "KeyA") {
    document.querySelector<HTMLElement>("[data-question] button")?.focus();
  } else return;
  event.preventDefault();
}

function App(): VNode {
  const who = session.value;
  return (
    <>
      <a class="skip" href="#main">Skip to content</a>
      {who === undefined ? <main class="sign-in" id="main"><h1 class="sr-only">Firesteel</h1><Bones label="Loading" /></main>
        : who === null ? <SignIn where="The assistant" /> : <Chat />}
      <Toast /><Spoken />
    </>
  );
}

render(<App />, document.getElementById("app")!);
void readSession();
