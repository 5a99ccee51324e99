// Monitoring: what answers were like over days and weeks, one line for each variant, surface or tenant, a table beside each chart, and the
// alerts of that time. A step in which nothing of the kind was seen is a gap.
import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { csv, save } from "../lib/csv";
import { count, dateTime, percent, plural, short } from "../lib/format";
import { Icon, Segments, Tag } from "../ui";
import { Lines, Stroke, Table, type Series } from "./chart";
import { Block, Head, useLoaded, Waiting } from "./parts";
import type { Monitor as Data, MonitorLine } from "./types";

type Period = "24h" | "7d" | "30d" | "90d";
const PERIODS: readonly (readonly [Period, string])[] = [["24h", "24 h"], ["7d", "7 d"], ["30d", "30 d"], ["90d", "90 d"]];
type By = "variant" | "surface" | "tenant";
const BYS: readonly (readonly [By, string])[] = [["variant", "Variant"], ["surface", "Surface"], ["tenant", "Tenant"]];
const PENS: readonly Series["pen"][] = ["c1", "c2", "c4", "c3", "c5"];

interface Figure { metric: string; title: string; text: string; format: (n: number) => string; column: string }
const ms = (n: number): string => (n >= 1000 ? `${(n / 1000).toFixed(n >= 10_000 ? 0 : 1)} s` : n < 10 ? `${Math.round(n * 10) / 10} ms` : `${count(Math.round(n))} ms`);
const share = (n: number): string => percent(n, n > 0 && n < 0.0995 && Math.round(n * 1000) % 10 !== 0 ? 1 : 0);
const index = (n: number): string => n.toFixed(2);
const whole = (n: number): string => (n >= 10_000 ? short(n) : count(Math.round(n)));
const DRIFT = "Population stability index against the week before each step; above 0.25 much has changed.";
const GROUPS: { title: string; figures: Figure[] }[] = [
  { title: "Traffic and latency", figures: [
    { metric: "answers", title: "Answers", text: "In each step", format: whole, column: "In all" },
    { metric: "first_token_p50_ms", title: "First token, p50", text: "Half of the answers began within this time", format: ms, column: "p50" },
    { metric: "first_token_p95_ms", title: "First token, p95", text: "From histograms, not averages of averages", format: ms, column: "p95" },
    { metric: "total_p95_ms", title: "Whole answer, p95", text: "Until the last token", format: ms, column: "p95" }] },
  { title: "Answers", figures: [
    { metric: "error_rate", title: "Errors", text: "Share of answers that failed", format: share, column: "Share" },
    { metric: "refusal_rate", title: "Refusals", text: "Share of answers that say they cannot", format: share, column: "Share" },
    { metric: "cut_rate", title: "Cut off", text: "Share of answers that ended at a limit of length", format: share, column: "Share" },
    { metric: "answer_tokens", title: "Length of answers", text: "Tokens, on average", format: whole, column: "Mean" },
    { metric: "prompt_tokens", title: "Length of prompts", text: "Tokens, on average", format: whole, column: "Mean" }] },
  { title: "Quality", figures: [
    { metric: "feedback_rate", title: "Rated", text: "Share of answers that somebody rated", format: share, column: "Share" },
    { metric: "thumbs_down_rate", title: "Thumbs down", text: "Share of ratings", format: share, column: "Share" },
    { metric: "judge_score", title: "Judge's score", text: "A sample, graded by the base model: 1 excellent, 0 poor", format: index, column: "Mean" },
    { metric: "agreement", title: "Agreement of branches", text: "Share of a vote's samples that said what was answered", format: share, column: "Mean" }] },
  { title: "Drift", figures: [
    { metric: "embedding_drift", title: "Questions, by embedding", text: `A sample. ${DRIFT}`, format: index, column: "Period" },
    { metric: "topic_drift", title: "Questions, by words", text: DRIFT, format: index, column: "Period" },
    { metric: "input_drift", title: "Length of prompts", text: DRIFT, format: index, column: "Period" },
    { metric: "output_drift", title: "Length of answers", text: DRIFT, format: index, column: "Period" }] },
];

const valuesOf = (line: MonitorLine, metric: string, n: number): (number | null)[] => line.values[metric] ?? Array.from({ length: n }, () => null);
const known = (values: (number | null)[]): number[] => values.filter((value): value is number => value !== null);

function Chart({ figure, data }: { figure: Figure; data: Data }): VNode | null {
  const { metric, format } = figure;
  const series = data.lines.map((line, i): Series => ({ name: line.label, pen: PENS[i % PENS.length]!, values: valuesOf(line, metric, data.times.length) }));
  const seen = series.filter((one) => known(one.values as (number | null)[]).length > 0);
  if (seen.length === 0) return null;
  return (
    <Block title={figure.title} text={figure.text}>
      <Lines series={[...seen].reverse()} times={data.times} format={format} what={figure.title} />
      <Table caption={figure.title} columns={[{ title: "" }, { title: figure.column, n: true }, { title: "Last", n: true }, { title: "Lowest", n: true }, { title: "Highest", n: true }]}
        rows={data.lines.map((line, i) => {
          const values = known(series[i]!.values as (number | null)[]);
          const total = line.totals[metric];
          return { key: line.key, cells: [<><Stroke pen={series[i]!.pen} />{line.label}</>, total === null || total === undefined ? "" : format(total),
            ...(values.length ? [format(values.at(-1)!), format(Math.min(...values)), format(Math.max(...values))] : ["", "", ""])] };
        })} />
    </Block>
  );
}

/** What no step has is named once, with the way to have it. */
function Absent({ data }: { data: Data }): VNode | null {
  const has = (metric: string): boolean => data.lines.some((line) => known(line.values[metric] ?? []).length > 0);
  const absent = GROUPS.flatMap(({ figures }) => figures).filter(({ metric }) => !has(metric));
  if (absent.length === 0) return null;
  return <p class="note">Not seen in this time: {absent.map(({ title }) => title.toLowerCase()).join("; ")}. A judge and embeddings look at the share of answers that <code>[sample]</code> in the file of <code>--monitor</code> says; drift needs a week before it.</p>;
}

function Alerts({ data }: { data: Data }): VNode {
  const place = (one: Data["alerts"][number]): string => [one.variant, one.surface, one.tenant].filter(Boolean).join(", ");
  return (
    <Block title="Alerts" text="Rules of the file that firesteel serve --monitor was given, each beginning and each end">
      {data.alerts.length === 0 ? <p class="dim">None in this time.</p> : (
        <Table caption="Alerts" hover columns={[{ title: "Rule" }, { title: "State" }, { title: "Where" }, { title: "Value", n: true }, { title: "Over", n: true }, { title: "When" }]}
          rows={data.alerts.map((one) => ({ key: `${one.rule} ${one.at} ${place(one)}`, cells: [one.rule,
            one.state === "begins" ? <Tag tone="bad" icon="alert">Began</Tag> : <Tag tone="good" icon="check">Over</Tag>, place(one), one.value.toLocaleString("en", { maximumSignificantDigits: 4 }), count(one.n),
            <span class="nowrap">{dateTime(one.at)}</span>] }))} />)}
    </Block>
  );
}

function Choice({ name, all, options, value, set }: { name: string; all: string; options: { key: string; label: string }[]; value: string; set: (to: string) => void }): VNode {
  return (
    <label class="field">{name}<select class="select" value={value} onChange={(event) => set(event.currentTarget.value)}>
      <option value="">{all}</option>{options.map((one) => <option value={one.key} key={one.key}>{one.label}</option>)}</select></label>
  );
}

export function Monitoring(): VNode {
  const period = useSignal<Period>("7d");
  const by = useSignal<By>("variant");
  const variant = useSignal(""), surface = useSignal(""), tenant = useSignal("");
  const query = new URLSearchParams({ period: period.value, by: by.value, variant: variant.value, surface: surface.value, tenant: tenant.value }).toString();
  const loaded = useLoaded<Data>(`/monitor?${query}`, 60_000);
  const data = loaded.data.value;
  const download = (): void => {
    if (!data) return;
    const metrics = GROUPS.flatMap(({ figures }) => figures.map(({ metric }) => metric));
    save(`monitoring-${period.value}-by-${by.value}.csv`, csv([["time", by.value, ...metrics], ...data.lines.flatMap((line) =>
      data.times.map((time, i) => [new Date(time).toISOString(), line.label, ...metrics.map((metric) => line.values[metric]?.[i] ?? null)]))]));
  };
  return (
    <>
      <Head title="Monitoring" text="What answers were like, over days and weeks. Counts are kept by the hour, later by the day; texts are not.">
        <Segments name="by" legend="A line for each" value={by.value} options={BYS} onChange={(to) => { by.value = to; }} />
        <Segments name="period" legend="Period" value={period.value} options={PERIODS} onChange={(to) => { period.value = to; }} />
        <button type="button" class="btn" disabled={!data || data.lines.length === 0} onClick={download}><Icon name="down" />CSV</button>
      </Head>
      <form class="filters" aria-label="Filter" onSubmit={(event) => event.preventDefault()}>
        <Choice name="Variant" all="All" options={data?.variants ?? []} value={variant.value} set={(to) => { variant.value = to; }} />
        <Choice name="Surface" all="All" options={data?.surfaces ?? []} value={surface.value} set={(to) => { surface.value = to; }} />
        <Choice name="Tenant" all="All" options={data?.tenants ?? []} value={tenant.value} set={(to) => { tenant.value = to; }} />
      </form>
      <Waiting of={loaded}>{data && (data.lines.length === 0
        ? <><div class="block empty"><h2>No answers in this time</h2><p class="dim">Charts fill as answers are given. Choose a longer time, or fewer filters.</p></div><Alerts data={data} /></>
        : <>
            {data.left_out > 0 && <p class="note">The {plural(data.lines.length, by.value)} with most answers; {count(data.left_out)} more are left out.</p>}
            <Alerts data={data} />
            {GROUPS.map(({ title, figures }) => {
              const charts = figures.filter(({ metric }) => data.lines.some((line) => known(line.values[metric] ?? []).length > 0));
              return charts.length > 0 && <section key={title} class="two" aria-label={title}>{charts.map((figure) => <Chart key={figure.metric} figure={figure} data={data} />)}</section>;
            })}
            <Absent data={data} />
          </>)}</Waiting>
    </>
  );
}
