// Charts: the plot is SVG that stretches with strokes that do not, the labels are HTML, and the table beside it is the legend. Missing data
// is a gap, never zero. Series differ in dash as well as in colour.
import type { ComponentChildren, VNode } from "preact";
import { date, dateTime, time } from "../lib/format";

export interface Series { name: string; pen: "c1" | "c2" | "c3" | "c4" | "c5"; values: (number | null | undefined)[]; area?: boolean }

const W = 600, H = 160;

/** The next of 1, 2, 3, 4, 5, 6, 8, 10 times a power of ten: axes end at a round number. */
export function niceTop(most: number): number {
  if (!(most > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return ([1, 1.2, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= most) ?? 10) * power;
}
const ticks = (top: number): number[] => {
  const n = [3, 4, 2].find((parts) => Number.isInteger((top / parts) / 10 ** Math.floor(Math.log10(top / parts)))) ?? 2;
  return Array.from({ length: n + 1 }, (_, i) => top - (top / n) * i);
};

/** Stretches between gaps, each a list of points. A series of one value lies in the middle. */
function stretches(values: Series["values"], top: number): [number, number][][] {
  const out: [number, number][][] = [];
  let open = false;
  values.forEach((value, i) => {
    if (value === null || value === undefined || !Number.isFinite(value)) { open = false; return; }
    const x = values.length === 1 ? W / 2 : (i / (values.length - 1)) * W;
    if (!open) out.push([]);
    out.at(-1)!.push([x, H - (Math.max(0, value) / top) * H]);
    open = true;
  });
  return out;
}

/** A value alone between gaps is a dot: a line of no length with a round end. */
export function line(values: Series["values"], top: number): string {
  return stretches(values, top).map((points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(" ") + (points.length === 1 ? " h0" : "")).join(" ");
}

/** The same, closed to the axis; each stretch between gaps by itself. */
function area(values: Series["values"], top: number): string {
  return stretches(values, top).filter((points) => points.length > 1)
    .map((points) => `M${points[0]![0].toFixed(1)} ${H} ${points.map(([x, y]) => `L${x.toFixed(1)} ${y.toFixed(1)}`).join(" ")} L${points.at(-1)![0].toFixed(1)} ${H} Z`).join(" ");
}

function Frame({ top, format, labels, summary, children }: { top: number; format: (n: number) => string; labels: string[]; summary: string; children: ComponentChildren }): VNode {
  const marks = ticks(top);
  return (
    <figure class="chart">
      <div class="y" aria-hidden="true">{marks.map((mark) => <span key={mark}>{format(mark)}</span>)}</div>
      <svg class="plot" viewBox={`0 0 ${W} ${H}`} preserveAspectRatio="none" role="img" aria-label={summary}>
        {marks.map((_, i) => <line key={i} class={i === marks.length - 1 ? "axis" : "g"} x1="0" x2={W} y1={(H * i) / (marks.length - 1)} y2={(H * i) / (marks.length - 1)} />)}
        {children}
      </svg>
      <div class="x" aria-hidden="true">{labels.map((label, i) => <span key={i}>{label}</span>)}</div>
    </figure>
  );
}

/** Five labels for a span of time. */
export function timeLabels(from: number, to: number): string[] {
  const hours = (to - from) / 3600e3;
  const format = hours <= 30 ? time : hours <= 24 * 10 ? (t: number) => new Date(t).toLocaleDateString("en-GB", { weekday: "short" }) : (t: number) => date(t).replace(/ \d{4}$/, "");
  return Array.from({ length: 5 }, (_, i) => format(from + ((to - from) * i) / 4));
}

export function Lines({ series, times, format, what }: { series: Series[]; times: number[]; format: (n: number) => string; what: string }): VNode {
  const all = series.flatMap((one) => one.values).filter((value): value is number => typeof value === "number" && Number.isFinite(value));
  const top = niceTop(Math.max(...all, 0));
  const from = times[0] ?? 0, to = times.at(-1) ?? 0;
  const gaps = series.some((one) => one.values.some((value) => value === null || value === undefined));
  const summary = `${what}, ${dateTime(from)} to ${dateTime(to)}: ` + series.map((one) => {
    const known = one.values.filter((value): value is number => typeof value === "number");
    return known.length ? `${one.name} ${format(Math.min(...known))} to ${format(Math.max(...known))}, now ${format(known.at(-1)!)}` : `${one.name} no data`;
  }).join("; ") + (gaps ? "; with gaps" : "");
  return (
    <Frame top={top} format={format} labels={timeLabels(from, to)} summary={summary}>
      {series.map((one) => one.area && <path key={one.name + "a"} class="area" d={area(one.values, top)} />)}
      {series.map((one) => <path key={one.name} class={one.pen} d={line(one.values, top)} />)}
    </Frame>
  );
}

/** Columns in two parts: `low` (grey, at the bottom of the column) is a part of `all`. */
export function Columns({ all, low, labels, format, summary }: { all: number[]; low: number[]; labels: string[]; format: (n: number) => string; summary: string }): VNode {
  const top = niceTop(Math.max(...all, 0));
  const step = W / Math.max(1, all.length), width = Math.min(step * 0.76, W / 10);  // one day alone is a column, too, not a wall
  const y = (value: number): number => H - (value / top) * H;
  return (
    <Frame top={top} format={format} labels={labels} summary={summary}>
      {all.map((value, i) => <rect key={i} class="col" x={(i * step + (step - width) / 2).toFixed(1)} width={width.toFixed(1)} y={y(value).toFixed(1)} height={(H - y(value)).toFixed(1)} />)}
      {low.map((value, i) => <rect key={i} class="col b" x={(i * step + (step - width) / 2).toFixed(1)} width={width.toFixed(1)} y={y(value).toFixed(1)} height={(H - y(value)).toFixed(1)} />)}
    </Frame>
  );
}

/** The stroke of a series, for the table that is the legend. */
export function Stroke({ pen }: { pen: Series["pen"] }): VNode {
  return <svg class="key" viewBox="0 0 22 8" aria-hidden="true"><line class={pen} x1="0" x2="22" y1="4" y2="4" /></svg>;
}

export interface Column { title: string; n?: boolean }
/** A table in a box of its own that scrolls by keyboard. A row's first cell is its header. */
export function Table({ caption, columns, rows, hover = false, selected }: { caption: string; columns: Column[]; rows: { key: string; cells: ComponentChildren[] }[]; hover?: boolean; selected?: string | undefined }): VNode {
  return (
    <div class="scroll-x" tabIndex={0} role="group" aria-label={caption}>
      <table class={hover ? "table hover" : "table"}><caption class="sr-only">{caption}</caption>
        <thead><tr>{columns.map((column, i) => (column.title ? <th scope="col" class={column.n ? "n" : ""} key={i}>{column.title}</th> : <td key={i} />))}</tr></thead>
        <tbody>{rows.map((row) => (
          <tr key={row.key} class={selected === row.key ? "sel" : ""}>{row.cells.map((cell, i) => (i === 0 ? <th scope="row" key={i}>{cell}</th> : <td class={columns[i]?.n ? "n" : ""} key={i}>{cell}</td>))}</tr>
        ))}</tbody>
      </table>
    </div>
  );
}
