// Requests to the server: the CSRF header, errors as values with a code, and "nobody answers" as an error like any other.
import { signal } from "@preact/signals";
import type { Session } from "./types";

export class ApiError extends Error {
  constructor(readonly status: number, readonly code: string, message: string, readonly retryAfterS: number | null = null) { super(message); }
  /** The server is there but full: sending again later helps. */
  get busy(): boolean { return (this.status === 429 || this.status === 503) && this.retryAfterS !== null && !["insufficient_quota", "store_unavailable"].includes(this.code); }
  get offline(): boolean { return this.status === 0; }
}

/** undefined: not known yet. null: signed out. */
export const session = signal<Session | null | undefined>(undefined);
export const offline = signal(false);

const BASE = "/firesteel/v1";

interface Options { body?: unknown; signal?: AbortSignal; keepalive?: boolean }

export async function request(method: string, path: string, options: Options = {}): Promise<Response> {
  const response = await send(method, path, options);
  if (response.ok) return response;
  const error = await toError(response);
  // The session was made anew elsewhere (another tab): its token is read again, once.
  if (error.code === "csrf" && (await readSession())) {
    const again = await send(method, path, options);
    if (again.ok) return again;
    throw await toError(again);
  }
  if (error.status === 401) session.value = null;
  throw error;
}

export async function json<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const response = await request(method, path, options);
  if (response.status === 204) return undefined as T;
  try {
    return (await response.json()) as T;
  } catch {
    throw new ApiError(response.status, "bad_answer", "The server's answer could not be read.");
  }
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => json<T>("GET", path, signal ? { signal } : {});
export const post = <T>(path: string, body: unknown): Promise<T> => json<T>("POST", path, { body });
export const patch = <T>(path: string, body: unknown): Promise<T> => json<T>("PATCH", path, { body });
export const put = <T>(path: string, body: unknown): Promise<T> => json<T>("PUT", path, { body });
export const remove = (path: string, keepalive = false): Promise<void> => json<void>("DELETE", path, { keepalive });

async function send(method: string, path: string, options: Options): Promise<Response> {
  const headers: Record<string, string> = {};
  if (options.body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET" && session.peek()) headers["x-firesteel-csrf"] = session.peek()!.csrf;
  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
  if (options.body !== undefined) init.body = JSON.stringify(options.body);
  if (options.signal) init.signal = options.signal;
  if (options.keepalive) init.keepalive = true;
  try {
    const response = await fetch(path.startsWith("/v1/") ? path : BASE + path, init);
    offline.value = false;
    return response;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    offline.value = true;
    throw new ApiError(0, "offline", "Firesteel is not running on this machine.");
  }
}

async function toError(response: Response): Promise<ApiError> {
  let message = `The server answered ${response.status}.`;
  let code = "";
  try {
    const { error } = (await response.json()) as { error?: { message?: string; code?: string } };
    message = sentence(error?.message) || message;
    code = error?.code || "";
  } catch { /* not ours: the status says enough */ }
  const header = response.headers.get("retry-after");
  const wait = header !== null && response.headers.get("x-should-retry") !== "false" ? Number(header) : NaN;
  return new ApiError(response.status, code, message, Number.isFinite(wait) ? wait : null);
}

/** Answers whether somebody is signed in. Leaves `session` alone when nobody answers. */
export async function readSession(): Promise<boolean> {
  try {
    const response = await send("GET", "/session", {});
    session.value = response.ok ? ((await response.json()) as Session) : null;
  } catch {
    if (session.peek() === undefined) setTimeout(readSession, 2000);
  }
  return !!session.peek();
}

export async function signIn(key: string): Promise<void> {
  const response = await send("POST", "/session", { body: { key } });
  if (!response.ok) throw await toError(response);
  session.value = (await response.json()) as Session;
}

export async function signOut(): Promise<void> {
  await remove("/session").catch(() => {});
  session.value = null;
}

/** The server's messages begin small and end without a full stop, as messages in code do. */
const sentence = (text = ""): string => text && text[0]!.toUpperCase() + text.slice(1) + (/[.!?:]$/.test(text) ? "" : ".");

/** Something to put into a notice. */
export const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));
