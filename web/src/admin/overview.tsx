// Overview: six figures, then latency, work, queue and memory, errors with refusals apart from faults.
import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { csv, save } from "../lib/csv";
import { bytes, count, percent, short } from "../lib/format";
import { Icon, Notice, Segments, Tag } from "../ui";
import { Lines, Stroke, Table, type Series } from "./chart";
import { Block, Head, useLoaded, Waiting } from "./parts";
import type { Overview as Data, Point } from "./types";

type Period = "1h" | "24h" | "7d" | "30d";
const PERIODS: readonly (readonly [Period, string])[] = [["1h", "1 h"], ["24h", "24 h"], ["7d", "7 d"], ["30d", "30 d"]];

const REFUSALS: Record<string, string> = {
  context_length_exceeded: "Prompt longer than the context", insufficient_quota: "Quota exhausted", rate_limited: "Too many requests", overloaded: "All slots in use", invalid_request: "Request not understood",
  invalid_api_key: "Key not known", missing_scope: "Key may not do this", not_found: "Nothing there", unsupported_parameter: "Parameter not supported",
};
const LEFT: Record<string, string> = { client_closed: "Client left", cancelled: "Cancelled by the client" };
const FAULTS: Record<string, string> = { internal: "Internal", engine: "Engine stopped an answer", store_unavailable: "Store not available", timeout: "Timed out" };

function Fig({ name, value, unit, note }: { name: string; value: string; unit: string; note: string }): VNode {
  return <div class="fig"><dt>{name}</dt><dd>{value} <small>{unit}</small></dd><dd class="fig-note">{note}</dd></div>;
}

const column = (points: Point[], field: keyof Point): (number | null)[] => points.map((point) => point[field] ?? null);
const has = (values: (number | null)[]): boolean => values.some((value) => value !== null);

function Percentile({ title, text, points, prefix, now, digits }: { title: string; text: string; points: Point[]; prefix: "ttft" | "itl"; now: { p50: number; p95: number; p99: number }; digits: number }): VNode | null {
  const format = (n: number): string => n.toLocaleString("en", { maximumFractionDigits: digits });
  const all = ([["p50", "c2"], ["p95", "c1"], ["p99", "c3"]] as const).map(([name, pen]): Series => ({ name, pen, values: column(points, `${prefix}_${name}_ms` as keyof Point) }));
  const series = all.filter((one) => has(one.values as (number | null)[]));
  if (series.length === 0) return null;
  return (
    <Block title={title} text={text}>
      <div class="chart-table">
        <Lines series={[...series].reverse()} times={points.map((point) => point.t)} format={format} what={title} />
        <Table caption={title} columns={[{ title: "" }, { title: "Now", n: true }, { title: "Lowest", n: true }, { title: "Peak", n: true }]} rows={all.map(({ name, pen, values }) => {
          const known = values.filter((value): value is number => typeof value === "number");
          return { key: name, cells: [<><Stroke pen={pen} />{name}</>, format(now[name as "p50"]), known.length ? format(Math.min(...known)) : "", known.length ? format(Math.max(...known)) : ""] };
        })} />
      </div>
    </Block>
  );
}

function Single({ title, text, points, field, format, area = false }: { title: string; text: string; points: Point[]; field: keyof Point; format: (n: number) => string; area?: boolean }): VNode | null {
  const values = column(points, field);
  if (!has(values)) return null;
  const known = values.filter((value): value is number => value !== null);
  return (
    <Block title={title} text={text}>
      <Lines series={[{ name: title, pen: "c1", values, area }]} times={points.map((point) => point.t)} format={format} what={title} />
      <Table caption={title} columns={[{ title: "" }, { title: "Last", n: true }, { title: "Lowest", n: true }, { title: "Peak", n: true }]}
        rows={[{ key: field, cells: [<><Stroke pen="c1" />{title}</>, format(known.at(-1)!), format(Math.min(...known)), format(Math.max(...known))] }]} />
    </Block>
  );
}

function Errors({ errors }: { errors: Record<string, number> }): VNode {
  const kind = (code: string): "Fault" | "Refusal" | "Left" => (REFUSALS[code] || /^(invalid_|unsupported_)/.test(code) ? "Refusal" : LEFT[code] ? "Left" : "Fault");
  const order = { Fault: 0, Refusal: 1, Left: 2 };
  const rows = Object.entries(errors).sort(([a, n], [b, m]) => order[kind(a)] - order[kind(b)] || m - n);
  return (
    <Block title="Errors" text="By cause. A refusal that tells the caller what to change is not a fault of ours, so it is listed apart.">
      {rows.length === 0 ? <p class="dim">None in this period.</p> : (
        <Table caption="Errors by cause" columns={[{ title: "Cause" }, { title: "Count", n: true }, { title: "Kind" }, { title: "Code" }]} rows={rows.map(([code, n]) => ({ key: code, cells: [
          REFUSALS[code] ?? LEFT[code] ?? FAULTS[code] ?? code.replaceAll("_", " "), count(n),
          kind(code) === "Fault" ? (n > 0 ? <Tag tone="bad" icon="alert">Fault</Tag> : <Tag icon="minus">Fault</Tag>) : kind(code) === "Refusal" ? <Tag icon="off">Refusal</Tag> : <Tag icon="minus">Client</Tag>, <code>{code}</code>] }))} />
      )}
    </Block>
  );
}

export function Overview(): VNode {
  const period = useSignal<Period>("24h");
  const loaded = useLoaded<Data>(`/overview?period=${period.value}`, 10_000);
  const data = loaded.data.value;
  const points = data?.series ?? [];
  const requests = points.reduce((sum, point) => sum + (point.requests ?? 0), 0);
  const faults = Object.entries(data?.errors ?? {}).filter(([code]) => !REFUSALS[code] && !LEFT[code] && !/^(invalid_|unsupported_)/.test(code)).reduce((sum, [, n]) => sum + n, 0);
  const download = (): void => {
    const fields = [...new Set(points.flatMap((point) => Object.keys(point)))] as (keyof Point)[];
    save(`overview-${period.value}.csv`, csv([fields, ...points.map((point) => fields.map((field) => (field === "t" ? new Date(point.t).toISOString() : point[field])))]));
  };
  return (
    <>
      <Head title="Overview" text="All tenants and surfaces. Percentiles come from histograms, not averages of averages.">
        <Segments name="period" legend="Period" value={period.value} options={PERIODS} onChange={(to) => { period.value = to; }} />
        <button type="button" class="btn" disabled={points.length === 0} onClick={download}><Icon name="down" />CSV</button>
      </Head>
      <Waiting of={loaded}>{data && <>
        <dl class="figs">
          <Fig name="Requests" value={data.requests_per_s.toFixed(1)} unit="/s" note={`${count(data.n_running)} running`} />
          <Fig name="First token, p95" value={count(data.ttft_ms.p95)} unit="ms" note={`p50 ${count(data.ttft_ms.p50)}, p99 ${count(data.ttft_ms.p99)}`} />
          <Fig name="Between tokens, p95" value={data.itl_ms.p95.toFixed(1)} unit="ms" note={`p50 ${data.itl_ms.p50.toFixed(1)}, p99 ${data.itl_ms.p99.toFixed(1)}`} />
          <Fig name="Queue" value={count(data.n_waiting)} unit="waiting" note={data.n_waiting === 0 ? "nobody waits" : "for a free slot"} />
          <Fig name="KV in use" value={(data.kv_max_bytes > 0 ? (100 * data.kv_used_bytes) / data.kv_max_bytes : 0).toFixed(0)} unit="%" note={`${bytes(data.kv_used_bytes)} of ${bytes(data.kv_max_bytes)}`} />
          <Fig name="Faults" value={requests > 0 ? ((100 * faults) / requests).toFixed(2) : "0"} unit="%" note={`${count(faults)} of ${short(requests)} requests`} />
        </dl>
        {data.kv_max_bytes > 0 && data.kv_used_bytes / data.kv_max_bytes > 0.95 && <Notice tone="warn" icon="alert" title={`The KV cache is ${percent(data.kv_used_bytes / data.kv_max_bytes)} full.`}>New requests may wait. Raise its limit, or lower the KV share of a tenant.</Notice>}
        {requests === 0 && points.every((point) => !point.requests)
          ? <div class="block empty"><h2>No requests yet</h2><p class="dim">Charts start with the first one.</p><code>firesteel ask "hello"</code></div>
          : <>
              <Percentile title="Time to first token" text="Milliseconds, from accepted request to first byte of the answer" points={points} prefix="ttft" now={data.ttft_ms} digits={0} />
              <Percentile title="Between tokens" text="Milliseconds, every gap of every stream" points={points} prefix="itl" now={data.itl_ms} digits={1} />
              <div class="two">
                <Single title="Requests" text="In each step of the chart" points={points} field="requests" format={short} />
                <Single title="Tokens" text="Prompt and generated" points={points} field="tokens" format={short} />
                <Single title="Queue" text="Requests waiting for a slot" points={points} field="n_waiting" format={count} area />
                <Single title="KV cache" text={`Of ${bytes(data.kv_max_bytes)}`} points={points} field="kv_used_bytes" format={bytes} area />
              </div>
            </>}
        <Errors errors={data.errors} />
      </>}</Waiting>
    </>
  );
}
