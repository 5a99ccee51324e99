// What the chat page knows: the list of conversations, the one that is open, the models. Actions change it and tell the server.
import { batch, computed, effect, signal } from "@preact/signals";
import { ApiError, get, json, offline, patch, post, readSession, reason, remove, session } from "../lib/api";
import { modelId } from "../lib/prefs";
import type { Conversation, FullConversation, Model, Tool } from "../lib/types";
import { say, showToast } from "../ui";
import { Thread } from "./thread";

export const conversations = signal<Conversation[] | null>(null);
export const hasMore = signal(false);
export const query = signal("");
export const listProblem = signal("");
export const models = signal<Model[]>([]);
export const tools = signal<Tool[]>([]);
export const current = signal<Thread>(new Thread());
export const drawer = signal(false);
export const model = computed<Model | undefined>(() => models.value.find((one) => one.id === modelId.value) ?? models.value[0]);

const threads = new Map<string, Thread>();
const deleting = new Map<string, number>();
const PAGE = 40;

/** Threads that are open in memory, so that the list can show which of them work. */
export const threadOf = (id: string): Thread | undefined => threads.get(id);
export const adopt = (thread: Thread): void => { if (thread.id) threads.set(thread.id, thread); };

let listRequest: AbortController | null = null;
export async function loadList(more = false): Promise<void> {
  listRequest?.abort();
  const abort = listRequest = new AbortController();
  const last = more ? conversations.value?.at(-1)?.id ?? "" : "";
  const path = `/conversations?limit=${PAGE}&q=${encodeURIComponent(query.value.trim())}${last ? `&before=${last}` : ""}`;
  try {
    const page = await get<{ data: Conversation[]; has_more: boolean }>(path, abort.signal);
    const data = page.data.filter((one) => !deleting.has(one.id));
    batch(() => {
      conversations.value = more ? [...(conversations.value ?? []), ...data] : data;
      hasMore.value = page.has_more;
      listProblem.value = "";
    });
    if (query.value) say(data.length === 0 ? "Nothing found" : `${data.length} found`);
  } catch (error) {
    if (abort.signal.aborted) return;
    // The last one shown was deleted elsewhere meanwhile: begin again.
    if (more && error instanceof ApiError && error.code === "not_found") return loadList();
    if (!(error instanceof ApiError && error.offline)) listProblem.value = reason(error);
  }
}

export async function loadModels(): Promise<void> {
  try {
    models.value = (await get<{ data: Model[] }>("/v1/models")).data;
  } catch { /* the turn will say it */ }
}

async function loadTools(): Promise<void> {
  try {
    tools.value = (await get<{ data: Tool[] }>("/tools")).data;
  } catch { /* then none are offered */ }
}

/** The list's entry of a conversation, put first when it was changed now. */
export function upsert(conversation: Conversation, first = false): void {
  const list = conversations.value ?? [];
  const known = list.some((one) => one.id === conversation.id);
  if (known && !first) conversations.value = list.map((one) => (one.id === conversation.id ? conversation : one));
  else if (!query.value || known) conversations.value = [conversation, ...list.filter((one) => one.id !== conversation.id)];
  const thread = threads.get(conversation.id);
  if (thread) thread.info.value = conversation;
}

// ---------- navigation ----------
export function fromAddress(): void {
  const id = new URLSearchParams(location.search).get("c");
  if (id) void open(id, false);
  else startNew(false);
}

export function startNew(push = true): void {
  if (push && location.search) history.pushState(null, "", "/");
  if (current.value.id !== null || current.value.rev.value > 0) current.value = new Thread();
  drawer.value = false;
}

export async function open(id: string, push = true): Promise<void> {
  if (push && current.value.id !== id) history.pushState(null, "", `/?c=${encodeURIComponent(id)}`);
  drawer.value = false;
  let thread = threads.get(id);
  if (!thread) {
    thread = new Thread(id);
    threads.set(id, thread);
  }
  current.value = thread;
  if (!thread.live.value) await reload(thread);
}

export async function reload(thread: Thread): Promise<boolean> {
  if (!thread.id) return true;
  if (thread.rev.value === 0) thread.loading.value = true;
  try {
    thread.fill(await get<FullConversation>(`/conversations/${thread.id}`));
    thread.missing.value = false;
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) {
      thread.missing.value = true;
      threads.delete(thread.id);
    } else if (error instanceof ApiError && !error.offline && error.status !== 401) {
      thread.problem.value = { kind: "error", title: error.message, act: { label: "Try again", run: () => { thread.problem.value = null; void reload(thread); } } };
    }
    return false;
  } finally {
    thread.loading.value = false;
  }
}

// ---------- changes ----------
export async function change(id: string, fields: { title?: string; pinned?: boolean; system?: string; allowed_tools?: string[] }): Promise<void> {
  try {
    upsert(await patch<Conversation>(`/conversations/${id}`, fields));
  } catch (error) {
    showToast({ text: reason(error) });
  }
}

const UNDO_MS = 10_000;
/** Deletes after ten seconds in which it can be undone; at once when the page is left. */
export function removeLater(id: string): void {
  const before = conversations.value ?? [];
  const at = before.findIndex((one) => one.id === id);
  conversations.value = before.filter((one) => one.id !== id);
  if (current.value.id === id) startNew();
  deleting.set(id, window.setTimeout(() => void finishDelete(id), UNDO_MS));
  showToast({ text: "Conversation deleted", action: "Undo", run: () => {
    clearTimeout(deleting.get(id));
    deleting.delete(id);
    const list = [...(conversations.value ?? [])];
    if (at >= 0) list.splice(at, 0, before[at]!);
    conversations.value = list;
    say("Conversation is back");
    document.querySelector<HTMLElement>(`[data-conv="${CSS.escape(id)}"]`)?.focus();
  } }, UNDO_MS);
}

async function finishDelete(id: string, keepalive = false): Promise<void> {
  clearTimeout(deleting.get(id));
  try {
    await remove(`/conversations/${id}`, keepalive);
    threads.delete(id);
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) showToast({ text: `Not deleted: ${reason(error)}` });
    void loadList();
  }
  deleting.delete(id);
}
addEventListener("pagehide", () => { for (const id of deleting.keys()) void finishDelete(id, true); });

export function download(name: string, text: string, type = "application/json"): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const today = (): string => new Date().toISOString().slice(0, 10);
export async function exportAll(): Promise<void> {
  try {
    download(`firesteel-${today()}.json`, JSON.stringify(await get("/export"), null, 1));
  } catch (error) {
    showToast({ text: reason(error) });
  }
}
export async function exportOne(id: string): Promise<void> {
  try {
    const conversation = await get<FullConversation>(`/conversations/${id}`);
    const name = conversation.title.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 40) || "conversation";
    download(`${name}.json`, JSON.stringify({ format: "firesteel.conversations.v1", conversations: [conversation] }, null, 1));
  } catch (error) {
    showToast({ text: reason(error) });
  }
}
export async function importFile(file: File): Promise<void> {
  try {
    const document = JSON.parse(await file.text()) as unknown;
    const { imported, skipped } = await post<{ imported: number; skipped: number }>("/import", document);
    showToast({ text: `${imported} imported${skipped ? `, ${skipped} skipped` : ""}` });
    await loadList();
  } catch (error) {
    showToast({ text: error instanceof SyntaxError ? `${file.name} is not JSON.` : reason(error) });
  }
}

export async function createConversation(system: string): Promise<Conversation> {
  return json<Conversation>("POST", "/conversations", { body: system ? { system } : {} });
}

// Signed in (or in as somebody else): everything is read anew. Signed out: nothing stays in memory.
let who = "";
effect(() => {
  const now = session.value ? `${session.value.tenant}/${session.value.user}` : "";
  if (now === who) return;
  who = now;
  threads.clear();
  conversations.value = null;
  if (now) {
    void loadList();
    void loadModels();
    void loadTools();
    fromAddress();
  } else current.value = new Thread();
});

// Nobody answers: ask every three seconds until somebody does.
effect(() => {
  if (!offline.value) return;
  const timer = setInterval(async () => {
    if ((await readSession()) && !offline.value) {
      void loadList();
      if (models.value.length === 0) void loadModels();
      const thread = current.value;
      if (thread.id && !thread.live.value && thread.rev.value === 0) void reload(thread);
    }
  }, 3000);
  return () => clearInterval(timer);
});
