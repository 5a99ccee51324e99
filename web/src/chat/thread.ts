// A conversation as the page holds it: a tree of messages, the branch that is shown, the turn that runs. No elements in here.
import { signal, type Signal } from "@preact/signals";
import { draftOf, keepDraft, keepLeaf, leafOf } from "../lib/prefs";
import type { Conversation, FullConversation, Lane, Part, Question, StoredMessage } from "../lib/types";

/** A message with what changes while it is written. `key` stays when the server gives the id. */
export interface Message extends StoredMessage {
  key: string;
  rev: Signal<number>;
  thinkingMs?: number;
  lost?: boolean;
  error?: string;
  questions?: Question[];
}

export interface Live {
  answer: Message;
  abort: AbortController;
  startedAt: number;
  phase: Signal<"waiting" | "thinking" | "writing" | "stopping">;
  progress: Signal<{ done: number; all: number } | null>;
}

export type ProblemKind = "offline" | "lost" | "too_long" | "busy" | "quota" | "error";
export interface Problem { kind: ProblemKind; title: string; detail?: string; /** when it is tried again by itself */ at?: number; act?: { label: string; run: () => void } }

let keys = 0;
/** Keys double as ids until the server names a message; no server id begins with a tilde. */
export const newKey = (): string => `~${++keys}`;
export const isTemporary = (id: string): boolean => id.startsWith("~");

export class Thread {
  readonly key = newKey();
  readonly draft: Signal<string>;
  /** Its title is a stand-in. */
  unnamed = false;
  readonly info = signal<Conversation | null>(null);
  readonly system = signal("");
  /** Tools that may act in this conversation without asking. */
  readonly allowed = signal<string[]>([]);
  readonly rev = signal(0);
  readonly loading = signal(false);
  readonly missing = signal(false);
  readonly live = signal<Live | null>(null);
  readonly problem = signal<Problem | null>(null);
  readonly images = signal<{ key: string; name: string; bytes: number; uri: string }[]>([]);
  readonly refused = signal<{ name: string; why: string } | null>(null);
  private readonly byId = new Map<string, Message>();
  private readonly kids = new Map<string | null, Message[]>();
  private readonly chosen = new Map<string | null, Message>();

  constructor(public id: string | null = null) { this.draft = signal(draftOf(id)); }

  write(draft: string): void {
    this.draft.value = draft;
    keepDraft(this.id, draft);
  }

  add(stored: StoredMessage): Message {
    const message: Message = { ...stored, key: newKey(), rev: signal(0) };
    this.byId.set(message.id, message);
    const siblings = this.kids.get(message.parent_id);
    if (siblings) siblings.push(message);
    else this.kids.set(message.parent_id, [message]);
    this.chosen.set(message.parent_id, message);
    this.rev.value++;
    return message;
  }

  drop(message: Message): void {
    const siblings = this.kids.get(message.parent_id)?.filter((other) => other !== message) ?? [];
    this.kids.set(message.parent_id, siblings);
    this.byId.delete(message.id);
    if (this.chosen.get(message.parent_id) === message) this.chosen.delete(message.parent_id);
    this.rev.value++;
  }

  /** The server has named a message. */
  rename(message: Message, id: string): void {
    if (message.id === id) return;
    this.byId.delete(message.id);
    const below = this.kids.get(message.id);
    const choice = this.chosen.get(message.id);
    this.kids.delete(message.id);
    this.chosen.delete(message.id);
    message.id = id;
    this.byId.set(id, message);
    if (below) {
      for (const kid of below) kid.parent_id = id;
      this.kids.set(id, below);
    }
    if (choice) this.chosen.set(id, choice);
    this.rev.value++;
  }

  find(id: string): Message | undefined { return this.byId.get(id); }
  siblings(message: Message): Message[] { return this.kids.get(message.parent_id) ?? []; }

  /** The messages of the branch that is shown, from the first question on. */
  path(): Message[] {
    void this.rev.value;
    const out: Message[] = [];
    for (let parent: string | null = null; ;) {
      const here: Message[] = this.kids.get(parent) ?? [];
      const next: Message | undefined = this.chosen.get(parent) ?? here[here.length - 1];
      if (!next || out.length > this.byId.size) return out;
      out.push(next);
      parent = next.id;
    }
  }

  choose(message: Message): void {
    this.chosen.set(message.parent_id, message);
    this.rev.value++;
    this.remember();
  }

  remember(): void {
    const last = this.path().at(-1);
    if (this.id && last) keepLeaf(this.id, last.id);
  }

  /** Takes what the server has stored. Messages that are known keep their key, so that the page does not jump. */
  fill(full: FullConversation): void {
    const { messages, system, allowed_tools, ...info } = full;
    this.allowed.value = allowed_tools ?? [];
    this.id = full.id;
    this.info.value = info;
    this.system.value = system ?? "";
    const old = new Map(this.byId);
    this.byId.clear();
    this.kids.clear();
    this.chosen.clear();
    for (const stored of messages) {
      const before = old.get(stored.id);
      const message = this.add(stored);
      if (before) {
        message.key = before.key;
        if (before.thinkingMs) message.thinkingMs = before.thinkingMs;
        if (before.lost) message.lost = true;
      }
    }
    // The branch that was looked at last; without one, the newest.
    for (let at = this.byId.get(leafOf(full.id)); at; at = at.parent_id === null ? undefined : this.byId.get(at.parent_id)) this.chosen.set(at.parent_id, at);
    this.rev.value++;
  }

  lane(answer: Message, n: number): Lane {
    answer.lanes ??= [];
    let lane = answer.lanes.find((other) => other.lane === n);
    if (!lane) answer.lanes.push(lane = { lane: n, title: `Lane ${n}`, state: "live", text: "" });
    return lane;
  }
}

export const textOf = (parts: Part[]): string => parts.filter((part) => part.type === "text").map((part) => part.text).join("\n\n");
export const isWriting = (message: Message): boolean => message.role === "assistant" && message.finish_reason === null && !message.lost && !message.error;
