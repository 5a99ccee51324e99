// What the console's pages share: loading with its three ends, the page's head.
import { useSignal, type Signal } from "@preact/signals";
import type { ComponentChildren, VNode } from "preact";
import { useEffect } from "preact/hooks";
import { ApiError, get, offline, reason } from "../lib/api";
import { Bones, Notice } from "../ui";

export interface Loaded<T> { data: Signal<T | null>; problem: Signal<string>; reload: () => Promise<void> }

/** Loads `path` when it changes, and every `everyMs` while the page is visible. What was loaded stays while it is loaded anew. */
export function useLoaded<T>(path: string | null, everyMs = 0): Loaded<T> {
  const data = useSignal<T | null>(null);
  const problem = useSignal("");
  const load = async (signal?: AbortSignal): Promise<void> => {
    if (path === null) return;
    try {
      const got = await get<T>(`/admin${path}`, signal);
      if (signal?.aborted) return;
      data.value = got;
      problem.value = "";
    } catch (error) {
      if (!signal?.aborted && !(error instanceof ApiError && error.offline)) problem.value = reason(error);
    }
  };
  useEffect(() => {
    const stop = new AbortController();
    void load(stop.signal);
    const timer = everyMs > 0 ? setInterval(() => { if (!document.hidden) void load(stop.signal); }, everyMs) : 0;
    return () => { stop.abort(); clearInterval(timer); };
  }, [path, everyMs]);
  return { data, problem, reload: () => load() };
}

export function Waiting({ of, children }: { of: Loaded<unknown>; children?: ComponentChildren }): VNode | null {
  if (of.problem.value) return <Notice tone="bad" icon="alert" title={of.problem.value} alert action={<button type="button" class="btn sm" onClick={() => void of.reload()}>Try again</button>} />;
  if (of.data.value === null) return offline.value ? null : <Bones label="Loading" />;
  return <>{children}</>;
}

export function Head({ title, text, children }: { title: string; text: string; children?: ComponentChildren }): VNode {
  return <div class="page-head"><div><h1 tabIndex={-1}>{title}</h1><p>{text}</p></div>{children && <div class="row push">{children}</div>}</div>;
}

export function Block({ title, text, children, action }: { title: string; text?: string; children: ComponentChildren; action?: ComponentChildren }): VNode {
  return <section class="block"><header><h2>{title}</h2>{text && <p>{text}</p>}{action && <div class="row push">{action}</div>}</header>{children}</section>;
}
