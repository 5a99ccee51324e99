// Records of the admin API (docs/api.md).

export interface Percentiles { p50: number; p95: number; p99: number }
export interface Point {
  t: number; requests: number | null; tokens: number | null; ttft_p50_ms: number | null; errors: number | null;
  ttft_p95_ms?: number | null; ttft_p99_ms?: number | null; itl_p50_ms?: number | null; itl_p95_ms?: number | null; itl_p99_ms?: number | null;
  n_waiting?: number | null; kv_used_bytes?: number | null;
}
export interface Overview {
  requests_per_s: number; ttft_ms: Percentiles; itl_ms: Percentiles; n_running: number; n_waiting: number; kv_used_bytes: number; kv_max_bytes: number;
  errors: Record<string, number>; series: Point[]; version: string; model: string; uptime_s?: number; ready?: boolean;
}
export interface Quota {
  requests_per_minute?: number | null; tokens_per_minute?: number | null; tokens_per_day?: number | null; concurrency?: number | null; kv_share_percent?: number | null;
  spend_micros_per_month?: number | null;
}
export interface Tenant {
  id: string; name: string; state: "active" | "suspended"; created_at: number; n_keys: number; quota: Quota;
  used: { requests_this_minute: number; tokens_today: number; kv_share_percent: number };
}
export interface Key {
  id: string; tenant: string; name: string; prefix: string; scopes: string[]; models: string[]; created_at: number; expires_at: number | null; last_used_at: number | null;
  revoked_at: number | null; quota?: Quota | null; consent?: boolean; secret?: string;
}
export interface UsageRow { group: string; label?: string; requests: number; prompt_tokens: number; cached_tokens: number; completion_tokens: number; branch_tokens?: number; errors?: number }
export interface AdminModel {
  id: string; state: "ready" | "loading" | "failed" | "off"; aliases?: string[]; context_length: number; n_params: number; quantisation: string; bytes: number; digest: string;
  licence?: string; device?: string; progress?: number;
}
export interface AuditEntry { seq: number; t: number; tenant: string; actor: string; action: string; object: string; detail?: string; hash: string }
export interface System {
  version: string; commit?: string; started_at: number; uptime_s: number; checks: { name: string; state: "good" | "warn" | "bad"; detail: string }[];
  config: { name: string; value: string; origin: string }[];
}

export interface Variant {
  name: string; number: number; digest: string; aliases: string[]; base: string; adapter: string; chat_template: string; system: string; settings: Record<string, unknown>;
  created_us: number; created_by: string; dataset: string; report: string; note: string;
}
export interface SuiteLine { suite: string; slice: string; n: number; champion: number; candidate: number; low: number; high: number; reading: "better" | "worse" | "no difference" | "not enough evidence" }
export interface Gate { gate: string; surface: string; needs: string; verdict: "pass" | "fail" | "not enough evidence"; n: number; difference: number; low: number; high: number; note: string }
export interface Surface {
  name: string; phase: string; reason: string; since_us: number; share: number; answers: number;
  steps: { name: string; percent?: number; state: "done" | "now" | "next" | "back" | "held"; n: number; min: number }[];
}
export interface Rollout {
  id: string; name: string; champion: string; candidate: string; status: "gate" | "running" | "ready" | "promoted" | "blocked" | "rolled_back" | "undecided" | "cancelled"; reason: string;
  created_us: number; updated_us: number; surfaces: Surface[]; gates: Gate[]; suites: SuiteLine[]; events: { at_us: number; kind: string; surface: string; text: string }[];
}
export interface Releases { variants: Variant[]; rollouts: Rollout[]; serves_releases: boolean }
export interface LabelQueue {
  name: string; kind: "pairwise" | "rubric" | "correction" | "tags" | "flag"; title: string; guideline: string; rubric: { name: string; help?: string }[]; tags: string[];
  double_percent: number; lease_s: number; open: number; done: number; flagged: number;
}
export interface LabelTask { id: string; queue: string; prompt: string; answers: string[]; why: string; disagreement: number; asked_at: number | null; lease_until: number }
export interface LabelValue { choice?: number; scores?: Record<string, Record<string, number>>; correction?: string; tags?: string[]; flag?: string; skip?: boolean }
export interface LabelStats {
  alpha: number | null; alpha_low: number | null; alpha_high: number | null; double: number;
  labellers: { labeller: string; me: boolean; labels: number; gold: number; gold_right: number; shared: number; differs: number; median_s: number; per_hour: number; too_fast: boolean }[];
}

export interface MonitorLine { key: string; label: string; n_answers: number; values: Record<string, (number | null)[]>; totals: Record<string, number | null> }
export interface MonitorChoice { key: string; label: string }
export interface Monitor {
  period: string; step_s: number; times: number[]; lines: MonitorLine[]; left_out: number; variants: MonitorChoice[]; surfaces: MonitorChoice[]; tenants: MonitorChoice[];
  alerts: { at: number; rule: string; variant: string; surface: string; tenant: string; value: number; n: number; state: "begins" | "over"; text: string }[];
}
