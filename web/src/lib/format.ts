// Numbers and times as the pages write them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export const count = (n: number): string => whole.format(n);
export const plural = (n: number, one: string, many = one + "s"): string => `${count(n)} ${n === 1 ? one : many}`;

/** 1,234 or 2.4 M: three figures at most, unit apart. */
export function short(n: number): string {
  const abs = Math.abs(n);
  if (abs >= 1e9) return tenth.format(n / 1e9) + " G";
  if (abs >= 1e6) return tenth.format(n / 1e6) + " M";
  if (abs >= 1e4) return tenth.format(n / 1e3) + " k";
  return abs < 100 ? tenth.format(n) : whole.format(n);
}

export function bytes(n: number): string {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["KB", 1e3]] as const) if (n >= size) return `${tenth.format(n / size)} ${unit}`;
  return `${n} B`;
}

export function duration(ms: number): string {
  if (ms < 1000) return `${whole.format(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s.toFixed(1)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
  return span(s);
}

/** Seconds as the two largest units: 12 d 4 h. */
export function span(s: number): string {
  const d = Math.floor(s / 86400), h = Math.floor((s % 86400) / 3600), m = Math.floor((s % 3600) / 60);
  if (d > 0) return `${d} d ${h} h`;
  if (h > 0) return `${h} h ${m} min`;
  return m > 0 ? `${m} min` : `${Math.floor(s)} s`;
}

export const clock = (ms: number): string => `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`;
export const percent = (part: number, digits = 0): string => `${(part * 100).toFixed(digits)} %`;

const midnight = (t: number): number => new Date(t).setHours(0, 0, 0, 0);
/** Days between two calendar days, by local time. */
export const daysAgo = (t: number, now = Date.now()): number => Math.round((midnight(now) - midnight(t)) / 86400000);

export function day(t: number): string {
  const ago = daysAgo(t);
  if (ago === 0) return "Today";
  if (ago === 1) return "Yesterday";
  return new Date(t).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: ago > 300 ? "numeric" : undefined });
}

export function group(t: number): string {
  const ago = daysAgo(t);
  if (ago <= 0) return "Today";
  if (ago === 1) return "Yesterday";
  return ago < 7 ? "Earlier this week" : ago < 31 ? "Earlier this month" : "Before";
}

export const time = (t: number): string => new Date(t).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
export const date = (t: number): string => new Date(t).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
export const dateTime = (t: number): string => `${new Date(t).toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${time(t)}`;

/** "2 min ago", "in 6 days". */
export function relative(t: number, now = Date.now()): string {
  const s = Math.abs(t - now) / 1000;
  const text = s < 90 ? `${Math.round(s)} s` : s < 5400 ? `${Math.round(s / 60)} min` : s < 129600 ? `${Math.round(s / 3600)} h` : plural(Math.round(s / 86400), "day");
  return t > now ? `in ${text}` : `${text} ago`;
}
