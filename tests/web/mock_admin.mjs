// The admin part of the mock server: figures that look like a day of work, made without chance so that pictures can be compared.

import { labelRoutes } from "./mock_labels.mjs";

const DAY = 86400e3;
const quota = (requests_per_minute, tokens_per_day, kv_share_percent) => ({ requests_per_minute, tokens_per_day, concurrency: 8, kv_share_percent });
const wave = (i, period, phase = 0) => Math.sin((i / period) * 2 * Math.PI + phase) + 0.35 * Math.sin(i * 1.7 + phase) + 0.2 * Math.sin(i * 4.1);

export function adminRoutes() {
  const now = Date.now();
  let n = 0;
  const labels = labelRoutes();
  const tenants = [
    { id: "tn_alder", name: "alder-legal", state: "active", created_at: now - 90 * DAY, n_keys: 4, quota: quota(600, 10e6, 30), used: { requests_this_minute: 212, tokens_today: 4.1e6, kv_share_percent: 14 } },
    { id: "tn_birch", name: "birch-finance", state: "active", created_at: now - 80 * DAY, n_keys: 7, quota: quota(600, 20e6, 40), used: { requests_this_minute: 588, tokens_today: 19.4e6, kv_share_percent: 22 } },
    { id: "tn_cedar", name: "cedar-school", state: "active", created_at: now - 40 * DAY, n_keys: 2, quota: quota(300, 2e6, 20), used: { requests_this_minute: 31, tokens_today: 2e6, kv_share_percent: 3 } },
    { id: "tn_op", name: "operator", state: "active", created_at: now - 120 * DAY, n_keys: 1, quota: {}, used: { requests_this_minute: 4, tokens_today: 1e5, kv_share_percent: 2 } },
  ];
  const key = (tenant, name, prefix, scopes, expires, used, revoked = null) => ({ id: `ky_${++n}`, tenant, name, prefix, scopes, models: [], created_at: now - 60 * DAY, expires_at: expires, last_used_at: used, revoked_at: revoked, quota: { tokens_per_day: 2e6 }, consent: true });
  const keys = [
    key("tn_alder", "intake-form, production", "fsk_alder_7Qm2", ["inference", "feedback"], now + 90 * DAY, null),
    key("tn_alder", "intake-form, old", "fsk_alder_k0Pd", ["inference", "feedback"], now + 6 * DAY, now - 60e3),
    key("tn_alder", "nightly summaries", "fsk_alder_M3vy", ["files"], now + 41 * DAY, now - 9 * 3600e3),
    key("tn_alder", "clerk laptop", "fsk_alder_wE8a", ["inference"], now + 20 * DAY, now - 3 * DAY, now - 3600e3),
    key("tn_op", "first admin key", "fsk_operator_A1", ["inference", "admin"], null, now - 5e3),
  ];
  const audit = Array.from({ length: 45 }, (_, i) => ({ seq: 45 - i, t: now - i * 1700e3, tenant: ["alder-legal", "operator", "birch-finance"][i % 3], actor: ["anna", "ben", "first admin key"][i % 3],
    action: ["key.create", "session.create", "tenant.update", "key.revoke", "model.load"][i % 5], object: ["ky_2", "anna", "tn_birch", "ky_4", "kindling"][i % 5], detail: i % 5 === 2 ? "tokens_per_day 10 M to 20 M" : "", hash: (0x3f9c71ab + i * 7919).toString(16).repeat(8).slice(0, 64) }));
  const rows = (group) => {
    const row = (name, scale, label) => ({ group: name, ...(label ? { label } : {}), requests: Math.round(820 * scale), prompt_tokens: Math.round(2.4e6 * scale), cached_tokens: Math.round(1.1e6 * scale), completion_tokens: Math.round(0.9e6 * scale), errors: Math.round(2 * scale) });
    if (group === "day") return Array.from({ length: 28 }, (_, i) => row(new Date(now - (27 - i) * DAY).toISOString().slice(0, 10), [0, 6].includes(new Date(now - (27 - i) * DAY).getUTCDay()) ? 0.3 : 1 + 0.3 * wave(i, 9)));
    if (group === "tenant") return tenants.map((t, i) => row(t.id, [1, 2.2, 0.4, 0.05][i], t.name));
    if (group === "key") return keys.map((k, i) => row(k.id, 1 / (i + 1), k.name));
    return [row("kindling", 3), row("llama-1b", 0.6)];
  };
  const total = (data) => data.reduce((sum, row) => Object.fromEntries(Object.keys(sum).map((field) => [field, field === "group" ? "total" : sum[field] + row[field]])), { group: "total", requests: 0, prompt_tokens: 0, cached_tokens: 0, completion_tokens: 0, errors: 0 });
  const made = (fields) => {
    const one = { ...key(fields.tenant, fields.name, `fsk_${fields.name.slice(0, 4)}_${n}`, fields.scopes, fields.expires_at ?? null, null), quota: fields.quota ?? {}, consent: !!fields.consent, models: fields.models ?? [] };
    keys.unshift(one);
    return { status: 201, body: { ...one, secret: `fsk_example_0only0for0the0mock_${n}` } };
  };
  return (method, path, query, sent) => {
    if (path.startsWith("/label")) return labels.handle(method, path, sent);
    if (path === "/overview") return { body: overview(now, query.get("period") ?? "24h") };
    if (path === "/tenants" && method === "GET") return { body: { data: tenants } };
    if (path === "/tenants") {
      const one = { id: `tn_${++n}`, name: sent.name, state: "active", created_at: Date.now(), n_keys: 0, quota: sent.quota ?? {}, used: { requests_this_minute: 0, tokens_today: 0, kv_share_percent: 0 } };
      tenants.push(one);
      return { status: 201, body: one };
    }
    if (path.startsWith("/tenants/")) {
      const one = tenants.find((t) => path.endsWith("/" + t.id));
      return one && { body: Object.assign(one, sent) };
    }
    if (path === "/keys" && method === "GET") return { body: { data: keys.filter((k) => !query.get("tenant") || k.tenant === query.get("tenant")) } };
    if (path === "/keys") return made({ ...sent, tenant: query.get("tenant") });
    if (path.startsWith("/keys/")) {
      const one = keys.find((k) => k.id === path.split("/")[2]);
      if (!one) return null;
      if (path.endsWith("/rotate")) {
        one.expires_at = Date.now() + (sent.overlap_s ?? 0) * 1000;
        return made(one);
      }
      one.revoked_at = Date.now();
      return { status: 204 };
    }
    if (path === "/usage" || path === "/usage.csv") {
      const data = rows(query.get("group") ?? "day");
      return path === "/usage" ? { body: { data, total: total(data) } } : { csv: "group,requests\n" + data.map((row) => `${row.group},${row.requests}`).join("\n") };
    }
    if (path === "/models") return { body: { data: [
      { id: "kindling", state: "ready", aliases: ["kindling@champion"], context_length: 32768, n_params: 31.2e6, quantisation: "Q8_0", bytes: 33.4e6, digest: "3f9c71ab".repeat(8), licence: "Apache-2.0", device: "cpu, avx512" },
      { id: "llama-1b", state: "loading", context_length: 8192, n_params: 1.24e9, quantisation: "Q4_K_M", bytes: 699e6, digest: "a81e40cc".repeat(8), device: "cpu, avx512", progress: 0.59 }] } };
    if (path === "/audit") {
      const before = Number(query.get("before") ?? Infinity), limit = Number(query.get("limit") ?? 20);
      const found = audit.filter((a) => a.seq < before && (!query.get("tenant") || a.tenant === query.get("tenant")));
      return { body: { data: found.slice(0, limit), has_more: found.length > limit } };
    }
    if (path === "/monitor") return { body: monitor(now, query) };
    if (path === "/releases") return { body: releases(now) };
    const release = path.match(/^\/releases\/([^/]+)\/(promote|rollback)$/);
    if (release && method === "POST") {
      if (release[2] === "promote" && !sent.reason) return { status: 400, body: { error: { message: "reason: it has not passed every gate", code: "invalid_request" } } };
      return { body: { champion: "a".repeat(64), number: release[2] === "promote" ? 15 : 14 } };
    }
    if (path === "/audit/verify") return { body: { ok: true, checked: 45 } };
    if (path === "/system") return { body: { version: "0.1.0", commit: "4652792", started_at: now - 12.17 * DAY, uptime_s: 12.17 * 86400,
      checks: [{ name: "Store", state: "good", detail: "SQLite, 14 MB, integrity checked 2 h ago" }, { name: "Disk", state: "warn", detail: "9 % free, 4.1 GB" }, { name: "Listener", state: "good", detail: "127.0.0.1:8080, loopback only" }],
      config: [{ name: "listen", value: "127.0.0.1:8080", origin: "default" }, { name: "kv_max_bytes", value: "2147483648", origin: "command line" }, { name: "threads", value: "2", origin: "default" }] } };
    return null;
  };
}

function overview(now, period) {
  const hours = { "1h": 1, "24h": 24, "7d": 168, "30d": 720 }[period] ?? 24;
  const points = 96;
  const series = Array.from({ length: points }, (_, i) => {
    const t = now - ((points - 1 - i) / (points - 1)) * hours * 3600e3;
    const peak = Math.exp(-((i - 90) ** 2) / 6);
    if (i > 30 && i < 36) return { t, requests: null, tokens: null, ttft_p50_ms: null, ttft_p95_ms: null, ttft_p99_ms: null, itl_p50_ms: null, itl_p95_ms: null, itl_p99_ms: null, errors: null, n_waiting: null, kv_used_bytes: null };
    return { t, requests: Math.round(380 + 120 * wave(i, 90) + 250 * peak), tokens: Math.round(91000 + 30000 * wave(i, 90)), errors: Math.max(0, Math.round(0.4 * wave(i, 11) + 3 * peak)),
      ttft_p50_ms: 92 + 9 * wave(i, 60) + 60 * peak, ttft_p95_ms: 190 + 18 * wave(i, 60) + 280 * peak, ttft_p99_ms: 280 + 30 * wave(i, 40) + 800 * peak,
      itl_p50_ms: 20.8 + 0.7 * wave(i, 50), itl_p95_ms: 28.4 + 1.3 * wave(i, 30), itl_p99_ms: 36 + 2.2 * wave(i, 20), n_waiting: Math.max(0, Math.round(1 + wave(i, 13) + 12 * peak)), kv_used_bytes: 0.94e9 + 0.12e9 * wave(i, 80) + 0.3e9 * peak };
  });
  return { requests_per_s: 6.4, ttft_ms: { p50: 88, p95: 182, p99: 268 }, itl_ms: { p50: 20.8, p95: 28.4, p99: 36.1 }, n_running: 23, n_waiting: 2, kv_used_bytes: 0.99e9, kv_max_bytes: 2.147e9,
    errors: { context_length_exceeded: 61, insufficient_quota: 38, client_closed: 207, internal: 0 }, series, version: "0.1.0", model: "kindling", uptime_s: 12.17 * 86400, ready: true };
}

// A rollout in the middle: one surface on its way, one held, one gone back.
function releases(now) {
  const us = (minutes) => (now - minutes * 60e3) * 1000;
  const digest = (n) => String(n).repeat(8).padEnd(64, "0");
  const variant = (number, aliases, adapter, dataset, note) => ({ name: "finance", number, digest: digest(number), aliases, base: "3f9c71ab".padEnd(32, "0"), adapter, chat_template: "", system: "", settings: {},
    created_us: us(9000), created_by: "operator", dataset, report: "", note });
  const line = (suite, slice, n, champion, candidate, low, high, reading) => ({ suite, slice, n, champion, candidate, low, high, reading });
  const step = (name, percent, state, n = 0, min = 0) => ({ name, percent, state, n, min });
  return { serves_releases: true, variants: [variant(15, ["candidate"], "a81e40cc", "loans@7", "DPO, rank 16"), variant(14, ["champion"], "77d01b42", "loans@6", "SFT, rank 16"), variant(13, ["previous"], "1b42c9f5", "loans@5", "SFT, rank 8")],
    rollouts: [{ id: "ro_1", name: "finance", champion: digest(14), candidate: digest(15), status: "running", reason: "", created_us: us(300), updated_us: us(3),
      surfaces: [
        { name: "web", phase: "canary", reason: "", since_us: us(90), share: 0.05, answers: 2106, steps: [step("Shadow", 0, "done", 6020, 2000), step("", 1, "done"), step("", 5, "now", 902, 1500), step("", 25, "next", 0, 1500), step("All", 0, "next")] },
        { name: "partner:alder", phase: "canary", reason: "", since_us: us(90), share: 0.01, answers: 240, steps: [step("Shadow", 0, "done", 2240, 2000), step("", 1, "held"), step("", 10, "next", 0, 500), step("", 50, "next", 0, 500), step("All", 0, "next")] },
        { name: "terminal", phase: "back", reason: "live slow on terminal: 31.0 % instead of 5.2 % over 612 answers", since_us: us(30), share: 0, answers: 612, steps: [step("", 10, "back"), step("", 25, "next", 0, 500), step("All", 0, "next")] }],
      gates: [
        { gate: "live slow", surface: "terminal", needs: "worse by less than 3.0 points", verdict: "fail", n: 612, difference: 0.258, low: 0.19, high: 0.33, note: "31.0 % instead of 5.2 % over 612 answers" },
        { gate: "live thumbs_down", surface: "web", needs: "worse by less than 2.0 points", verdict: "not enough evidence", n: 902, difference: -0.008, low: -0.06, high: 0.05, note: "" },
        { gate: "suite finance/tables", surface: "", needs: "low end over -3.0 points", verdict: "not enough evidence", n: 118, difference: -0.026, low: -0.059, high: 0.007, note: "about 260 more items like these would settle it" },
        { gate: "suite finance/all", surface: "", needs: "low end over 0", verdict: "pass", n: 2164, difference: 0.022, low: 0.013, high: 0.031, note: "" }],
      suites: [line("finance/all", "topic=tables with merged cells", 118, 0.712, 0.686, -0.059, 0.007, "not enough evidence"), line("finance/all", "topic=long answers", 204, 0.642, 0.637, -0.021, 0.011, "no difference"),
        line("finance/all", "", 2164, 0.689, 0.711, 0.013, 0.031, "better"), line("finance/all", "topic=interest", 612, 0.66, 0.704, 0.026, 0.062, "better")],
      events: [{ at_us: us(30), kind: "rolled_back", surface: "terminal", text: "live slow on terminal: 31.0 % instead of 5.2 % over 612 answers, needs worse by less than 3.0 points" },
        { at_us: us(90), kind: "step", surface: "web", text: "1 % to 5 % after 1204 answers, no gate failed" }, { at_us: us(300), kind: "started", surface: "", text: "finance 15 against champion 14, by operator" }] }] };
}

// Three variants over a week: the candidate came on the fourth day, is slower and better; nobody worked in one night; the judge saw only the first two.
function monitor(now, query) {
  const [step_s, n] = { "24h": [3600, 24], "7d": [21600, 28], "30d": [86400, 30], "90d": [259200, 30] }[query.get("period") ?? "7d"];
  const choices = { variants: [["a1", "finance 15"], ["a0", "finance 14"], ["kindling", "kindling"]], surfaces: [["api", "api"], ["web", "web"]], tenants: [["tn_alder", "alder-legal"], ["tn_birch", "birch-finance"]] };
  const by = query.get("by") ?? "variant";
  const wanted = query.get(by) ?? "";
  const shown = choices[`${by}s`].filter(([key]) => !wanted || key === wanted);
  const times = Array.from({ length: n }, (_, i) => Math.floor(now / (step_s * 1000)) * step_s * 1000 - (n - 1 - i) * step_s * 1000);
  const lines = query.get("surface") === "api" && query.get("tenant") ? [] : shown.map(([key, label], k) => {
    const series = (base, swing, more = {}) => times.map((_, i) => (i >= 9 && i < 11) || (k === 0 && by === "variant" && i < n / 2) || (more.from && i < more.from) ? null : Math.max(0, base * (1 + swing * wave(i, 14, k))));
    const values = { answers: series([900, 2400, 140][k], 0.4).map((x) => (x === null ? null : Math.round(x))), first_token_p50_ms: series(90 + 30 * k, 0.1), first_token_p95_ms: series(190 + 60 * k, 0.2), total_p95_ms: series(4200 + 900 * k, 0.2),
      error_rate: series(0.002 + 0.003 * k, 0.9), refusal_rate: series(0.03, 0.4), cut_rate: series(0.05, 0.3), answer_tokens: series(210 - 40 * k, 0.1), prompt_tokens: series(640, 0.2), feedback_rate: series(0.08, 0.2), thumbs_down_rate: series(0.1 + 0.05 * k, 0.3),
      ...(k < 2 ? { judge_score: series(0.71 - 0.05 * k, 0.04) } : {}), agreement: series(0.82, 0.05), embedding_drift: series(0.06, 0.4, { from: 4 }).map((x, i) => (x !== null && i > n - 4 ? x + 0.3 : x)), topic_drift: series(0.09, 0.3, { from: 4 }), input_drift: series(0.05, 0.5, { from: 4 }) };
    const mean = (list) => { const all = list.filter((x) => x !== null); return all.length ? all.reduce((a, b) => a + b, 0) / all.length : null; };
    const totals = Object.fromEntries(Object.entries(values).map(([name, list]) => [name, name === "answers" ? list.reduce((a, b) => a + (b ?? 0), 0) : mean(list)]));
    return { key, label, n_answers: totals.answers, values, totals: { ...totals, output_drift: null } };
  });
  const alert = (hours, rule, state, value, variant, text) => ({ at: now - hours * 3600e3, rule, variant, surface: "web", tenant: "", value, n: 412, state, text });
  return { period: query.get("period") ?? "7d", step_s, times, lines, left_out: by === "tenant" ? 2 : 0, ...Object.fromEntries(Object.entries(choices).map(([name, list]) => [name, list.map(([key, label]) => ({ key, label }))])),
    alerts: by === "tenant" ? [] : [alert(5, "other questions than before", "begins", 0.34, "finance 14", ""), alert(30, "refusals on the web", "over", 0.061, "finance 15", ""), alert(33, "refusals on the web", "begins", 0.142, "finance 15", "")] };
}
