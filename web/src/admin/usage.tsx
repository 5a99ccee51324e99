// Usage: tokens by day, model, key or tenant, with the CSV that the server writes.
import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { count, percent, plural, short } from "../lib/format";
import { Bar, Icon, Segments } from "../ui";
import { Columns, Table } from "./chart";
import { Block, Head, useLoaded, Waiting } from "./parts";
import type { Key, Tenant, UsageRow } from "./types";

type Group = "day" | "model" | "key" | "tenant";
const GROUPS: readonly (readonly [Group, string])[] = [["day", "Day"], ["model", "Model"], ["key", "Key"], ["tenant", "Tenant"]];
const DAY = 86400e3;
const iso = (t: number): string => new Date(t).toISOString().slice(0, 10);
const tokens = (row: UsageRow): number => row.prompt_tokens + row.completion_tokens;
const shortDay = (day: string): string => new Date(day + "T12:00:00Z").toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

export function UsageChart({ rows, what }: { rows: UsageRow[]; what: string }): VNode {
  const all = rows.map(tokens);
  const labels = rows.length < 2 ? rows.map((row) => shortDay(row.group)) : [0, 0.25, 0.5, 0.75, 1].map((part) => shortDay(rows[Math.round(part * (rows.length - 1))]!.group));
  return (
    <div>
      <Columns all={all} low={rows.map((row) => row.cached_tokens)} labels={labels} format={short}
        summary={`${what}: ${plural(rows.length, "day")}, ${short(Math.min(...all))} to ${short(Math.max(...all))} tokens a day`} />
      <p class="note">Grey part of a column: prompt tokens served from cache.</p>
    </div>
  );
}

export function Kinds({ total, caption }: { total: UsageRow; caption: string }): VNode {
  const sum = Math.max(1, tokens(total));
  const row = (name: string, n: number): { key: string; cells: string[] } => ({ key: name, cells: [name, short(n), percent(n / sum)] });
  return <Table caption={caption} columns={[{ title: "" }, { title: "Tokens", n: true }, { title: "Share", n: true }]} rows={[
    row("Prompt, computed", total.prompt_tokens - total.cached_tokens), row("Prompt, cached", total.cached_tokens), row("Generated", total.completion_tokens - (total.branch_tokens ?? 0)),
    ...(total.branch_tokens ? [row("Generated in lanes", total.branch_tokens)] : []), { key: "total", cells: ["Total", short(tokens(total)), ""] }]} />;
}

export function Usage(): VNode {
  const group = useSignal<Group>("day");
  const tenant = useSignal("");
  const key = useSignal("");
  const from = useSignal(iso(Date.now() - 27 * DAY));
  const to = useSignal(iso(Date.now()));
  const query = new URLSearchParams({ group: group.value, from: from.value, to: to.value, ...(tenant.value ? { tenant: tenant.value } : {}), ...(key.value ? { key: key.value } : {}) }).toString();
  const loaded = useLoaded<{ data: UsageRow[]; total: UsageRow }>(`/usage?${query}`);
  const tenants = useLoaded<{ data: Tenant[] }>("/tenants");
  const keys = useLoaded<{ data: Key[] }>(tenant.value ? `/keys?tenant=${encodeURIComponent(tenant.value)}` : null);
  const data = loaded.data.value;
  const rows = data?.data ?? [];
  const most = Math.max(1, ...rows.map(tokens));
  return (
    <>
      <Head title="Usage" text="Metered exactly: prompt tokens, those of them served from cache, and generated tokens.">
        <Segments name="group" legend="Group by" value={group.value} options={GROUPS} onChange={(next) => { group.value = next; }} />
        <a class="btn" href={`/firesteel/v1/admin/usage.csv?${query}`} download={`usage-${group.value}.csv`}><Icon name="down" />CSV</a>
      </Head>
      <form class="filters" aria-label="Filter" onSubmit={(event) => event.preventDefault()}>
        <label class="field">Tenant<select class="select" value={tenant.value} onChange={(event) => { key.value = ""; tenant.value = event.currentTarget.value; }}>
          <option value="">All</option>{tenants.data.value?.data.map((one) => <option value={one.id} key={one.id}>{one.name}</option>)}</select></label>
        {tenant.value && <label class="field">Key<select class="select" value={key.value} onChange={(event) => { key.value = event.currentTarget.value; }}>
          <option value="">All</option>{keys.data.value?.data.map((one) => <option value={one.id} key={one.id}>{one.name}</option>)}</select></label>}
        <label class="field">From<input class="input" type="date" required value={from.value} max={to.value} onChange={(event) => { if (event.currentTarget.value) from.value = event.currentTarget.value; }} /></label>
        <label class="field">To<input class="input" type="date" required value={to.value} min={from.value} onChange={(event) => { if (event.currentTarget.value) to.value = event.currentTarget.value; }} /></label>
      </form>
      <Waiting of={loaded}>{data && (rows.length === 0
        ? <div class="block empty"><h2>No usage in this period</h2><p class="dim">Choose a longer one, or another tenant.</p></div>
        : <>
            {group.value === "day" && <Block title="Tokens a day" text={`${short(tokens(data.total))} tokens in ${plural(data.total.requests, "request")}`}>
              <div class="chart-table"><UsageChart rows={rows} what="Tokens a day" /><Kinds total={data.total} caption="Usage by kind" /></div></Block>}
            <Block title={group.value === "day" ? "Each day" : `By ${group.value}`}>
              <Table caption={`Usage by ${group.value}`} hover columns={[{ title: GROUPS.find(([id]) => id === group.value)![1] }, { title: "Requests", n: true }, { title: "Prompt", n: true }, { title: "From cache", n: true }, { title: "Generated", n: true }, { title: "Share" }]}
                rows={(group.value === "day" ? [...rows].reverse() : [...rows].sort((a, b) => tokens(b) - tokens(a))).map((row) => ({ key: row.group, cells: [
                  group.value === "day" ? shortDay(row.group) : row.label ?? row.group, count(row.requests), short(row.prompt_tokens), short(row.cached_tokens), short(row.completion_tokens),
                  <Bar part={tokens(row) / most} label={`${percent(tokens(row) / Math.max(1, tokens(data.total)))} of all tokens`} />] }))} />
            </Block>
          </>)}</Waiting>
    </>
  );
}
