// The rhythms that the builder of the editor can show, and the cron expressions that
// they are. Everything else is written as text; the server alone judges it.

/** A time of day, "09:30". */
export type Clock = string;

/** What the builder can express. */
export type Rhythm =
  | { kind: "minutes"; every: number }
  | { kind: "hourly"; minute: number }
  | { kind: "daily"; time: Clock }
  /** 1 = Monday to 7 = Sunday. */
  | { kind: "weekly"; days: readonly number[]; time: Clock }
  /** 0 = the last day. */
  | { kind: "monthly"; day: number; time: Clock };

export type RhythmKind = Rhythm["kind"];

const names = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

function whole(text: string | undefined, min: number, max: number): number | null {
  if (!text || !/^\d{1,2}$/.test(text)) return null;
  const n = Number(text);
  return n >= min && n <= max ? n : null;
}

function clock(minute: string | undefined, hour: string | undefined): Clock | null {
  const m = whole(minute, 0, 59);
  const h = whole(hour, 0, 23);
  return m === null || h === null ? null : `${String(h).padStart(2, "0")}:${String(m).padStart(2, "0")}`;
}

// 1 = Monday to 7 = Sunday; null when it is no list of days and ranges.
function weekdays(text: string): number[] | null {
  const out = new Set<number>();
  for (const part of text.toUpperCase().split(",")) {
    const [from = "", to, more] = part.split("-");
    const day = (s: string) => (names.includes(s) ? names.indexOf(s) + 1 : /^[0-7]$/.test(s) ? Number(s) || 7 : null);
    const a = day(from);
    const b = to === undefined ? a : day(to);
    if (a === null || b === null || more !== undefined || a > b) return null;
    for (let d = a; d <= b; d++) out.add(d);
  }
  return [...out].sort((a, b) => a - b);
}

/** The rhythm of an expression of five fields; null when the builder cannot show it. */
export function readCron(expression: string): Rhythm | null {
  const [minute = "", hour = "", day = "", month = "", week = "", more] = expression.trim().split(/\s+/);
  if (!week || more !== undefined || month !== "*") return null;
  const anyDay = day === "*" && week === "*";
  const step = /^\*\/(\d{1,2})$/.exec(minute)?.[1] ?? (minute === "*" ? "1" : undefined);
  const every = whole(step, 1, 30);
  if (every !== null && hour === "*" && anyDay) return 60 % every === 0 ? { kind: "minutes", every } : null;
  const m = whole(minute, 0, 59);
  if (m !== null && hour === "*" && anyDay) return { kind: "hourly", minute: m };
  const time = clock(minute, hour);
  if (time === null) return null;
  if (anyDay) return { kind: "daily", time };
  if (day === "*") {
    const days = weekdays(week);
    return days ? { kind: "weekly", days, time } : null;
  }
  if (week !== "*") return null;
  if (day.toUpperCase() === "L") return { kind: "monthly", day: 0, time };
  const d = whole(day, 1, 31);
  return d === null ? null : { kind: "monthly", day: d, time };
}

/** The expression of a rhythm. */
export function writeCron(r: Rhythm): string {
  const at = (time: Clock) => {
    const [h = "0", m = "0"] = time.split(":");
    return `${Number(m)} ${Number(h)}`;
  };
  switch (r.kind) {
    case "minutes":
      return r.every === 1 ? "* * * * *" : `*/${r.every} * * * *`;
    case "hourly":
      return `${r.minute} * * * *`;
    case "daily":
      return `${at(r.time)} * * *`;
    case "weekly":
      return `${at(r.time)} * * ${dayList(r.days)}`;
    case "monthly":
      return `${at(r.time)} ${r.day === 0 ? "L" : r.day} * *`;
  }
}

// MON-FRI,SUN: runs of three or more days become ranges.
function dayList(days: readonly number[]): string {
  const sorted = [...new Set(days)].filter((d) => d >= 1 && d <= 7).sort((a, b) => a - b);
  const out: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let j = i;
    while (j + 1 < sorted.length && sorted[j + 1] === (sorted[j] ?? 0) + 1) j++;
    const name = (at: number) => names[(sorted[at] ?? 1) - 1] ?? "MON";
    if (j - i >= 2) out.push(`${name(i)}-${name(j)}`);
    else for (let k = i; k <= j; k++) out.push(name(k));
    i = j + 1;
  }
  return out.length === 0 || out.join() === "MON-SUN" ? "*" : out.join(",");
}
