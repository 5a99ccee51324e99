// Records of the web app API (docs/api.md), as the server sends them.

export interface Session { tenant: string; user: string; scopes: string[]; csrf: string; consent?: boolean }
export interface Model { id: string; context_length?: number; images?: boolean; modes?: string[] }

export type Mode = "auto" | "instant" | "thinking" | "contemplating";
export type TextPart = { type: "text"; text: string };
export type ImagePart = { type: "image"; data_uri: string; name?: string };
export type Part = TextPart | ImagePart;

export interface Usage {
  prompt_tokens: number; cached_tokens: number; completion_tokens: number; first_token_ms?: number; total_ms?: number;
}
export type Thumb = "up" | "down" | null;
export interface Feedback { thumb: Thumb; reason?: string; correction?: string }

/** Of two answers to one question, the one that was taken; `over` is the other. */
export interface Choice { chosen: string; over: string; tie: boolean; kept: boolean }

/** A tool that was called on the way to an answer; without a result it still runs. */
export interface ToolCall { name: string; arguments: string; result?: string; failed?: boolean; /** of a call that acts: who allowed it, or why it did not run */ consent?: string }

/** A call that waits for a person's word, until `until` (milliseconds since 1970). */
export interface Question { id: string; name: string; arguments: string; tainted_by?: string; may_always: boolean; until: number }
/** One of the server's tools; `automatic`: the model uses it unless told otherwise. */
export interface Tool { name: string; description: string; automatic: boolean; allowed: boolean }

export type LaneState = "wait" | "live" | "done" | "off" | "fail";
export interface Lane { lane: number; title: string; state: LaneState; /** the number by which the answer cites it */ part?: number; text?: string; tokens?: number; elapsed_ms?: number; note?: string; tools?: ToolCall[]; questions?: Question[] }

export interface StoredMessage {
  id: string; parent_id: string | null; role: "user" | "assistant"; content: Part[]; thinking?: string; model?: string; mode?: Mode; why?: string;
  finish_reason?: string | null; usage?: Usage | null; feedback?: Feedback | null; created_at: number; lanes?: Lane[]; tools?: ToolCall[];
}
export interface Conversation { id: string; title: string; pinned: boolean; created_at: number; updated_at: number; model?: string }
export interface FullConversation extends Conversation { system?: string; allowed_tools?: string[]; messages: StoredMessage[] }

export interface Sampling { temperature?: number; top_p?: number; seed?: number }
export interface TurnRequest {
  parent_id: string | null; content?: Part[]; regenerate?: boolean; model: string; mode: Mode; system?: string; sampling: Sampling; max_tokens?: number; tools?: string[]; confirm: true;
}
