// The calendar of schedules: days of a zone with 23, 24 or 25 hours, where fires and
// market sessions stand in them, holidays, and how many jobs would run at once. Pure;
// places go by the clock of the zone, so that hours of neighbouring days are level.

import { addDays, changeWithin, clockMinutes, dateIn, type DateText, startOfDay, weekday, zoneOffset } from "../../kit/zone";

/** How much is shown. */
export type CalendarView = "agenda" | "week" | "month";

/** A change of clocks within a day. */
export interface ClockChange {
  /** The instant. */
  at: number;
  /** Milliseconds that clocks go forward; negative = back. */
  shift: number;
  /** Place of the hours that are left out, or come twice, in minutes since midnight. */
  fromMinute: number;
  toMinute: number;
}

/** A day of the grid. */
export interface Day {
  date: DateText;
  /** 1 = Monday to 7 = Sunday. */
  weekday: number;
  /** Its instants, [from, to). */
  from: number;
  to: number;
  /** As 23, 24, 25, or 24.5 where clocks move by half an hour. */
  hours: number;
  change: ClockChange | null;
  today: boolean;
  /** Of a month: it belongs to the month before or after. */
  outside: boolean;
}

/** The days of a view around a date: 7 for agenda and week (the agenda begins at the date), whole weeks for a month. */
export function daysOf(view: CalendarView, date: DateText, zone: string, options: { weekStart: number; now: number; days?: number }): Day[] {
  const back = (d: DateText) => addDays(d, -((weekday(d) - options.weekStart + 7) % 7));
  const today = dateIn(options.now, zone);
  if (view === "month") {
    const month = date.slice(0, 7);
    const out: Day[] = [];
    for (let d = back(`${month}-01`); out.length % 7 !== 0 || d.slice(0, 7) <= month; d = addDays(d, 1)) out.push(dayOf(d, zone, today, d.slice(0, 7) !== month));
    return out;
  }
  const first = view === "week" ? back(date) : date;
  return Array.from({ length: options.days ?? 7 }, (_, i) => dayOf(addDays(first, i), zone, today, false));
}

function dayOf(date: DateText, zone: string, today: DateText, outside: boolean): Day {
  const from = startOfDay(date, zone);
  const to = startOfDay(addDays(date, 1), zone);
  return { date, weekday: weekday(date), from, to, hours: (to - from) / 3_600_000, change: clockChange(from, to, zone), today: date === today, outside };
}

// clockChange looks one instant before the day too: clocks may change at midnight.
function clockChange(from: number, to: number, zone: string): ClockChange | null {
  const c = changeWithin(from - 1, to, zone);
  if (!c) return null;
  const minute = (Math.round((clockMinutes(c.at - 1, zone) * 60_000 + 1) / 1000) / 60) % 1440;
  const before = minute === 0 && c.shift < 0 ? 1440 : minute;
  const after = before + c.shift / 60_000;
  return c.shift > 0 ? { ...c, fromMinute: before, toMinute: after } : { ...c, fromMinute: after, toMinute: before };
}

/** The date one view earlier (-1) or later (1). */
export function turn(view: CalendarView, date: DateText, by: 1 | -1): DateText {
  if (view !== "month") return addDays(date, 7 * by);
  const [y = 0, m = 1] = date.split("-").map(Number);
  const next = new Date(Date.UTC(y, m - 1 + by, 1));
  const last = new Date(Date.UTC(y, m + by, 0)).getUTCDate();
  next.setUTCDate(Math.min(Number(date.slice(8)), last));
  return next.toISOString().slice(0, 10);
}

/** A part of a stretch of time within one day, without a change of clocks in it. */
export interface Piece {
  /** Index of the day. */
  day: number;
  from: number;
  to: number;
  /** Parts of the height of a day, from 0 to 1, by the clock. */
  top: number;
  height: number;
  /** It is the second pass of hours that come twice. */
  again: boolean;
}

/** Cuts a stretch of time at midnights and where clocks change. What lies outside of the days is left out. */
export function pieces(days: readonly Day[], from: number, to: number, zone: string): Piece[] {
  const out: Piece[] = [];
  days.forEach((d, day) => {
    const cut = d.change && d.change.at > d.from ? [d.from, d.change.at, d.to] : [d.from, d.to];
    for (let i = 0; i + 1 < cut.length; i++) {
      const a = Math.max(from, cut[i] ?? 0);
      const b = Math.min(to, cut[i + 1] ?? 0);
      if (b < a || (b === a && (from !== to || b === cut[i + 1]))) continue;
      const top = clockMinutes(a, zone) / 1440;
      out.push({ day, from: a, to: b, top, height: Math.min(1 - top, (b - a) / 86_400_000), again: isAgain(d, a) });
    }
  });
  return out;
}

function isAgain(d: Day, at: number): boolean {
  const c = d.change;
  return c !== null && c.shift < 0 && at >= c.at && at < c.at - c.shift;
}

/** A time at which a schedule fires, or would. */
export interface Fire {
  id: string;
  schedule: string;
  at: number;
  /** Typical duration in milliseconds, 0 = unknown. */
  duration: number;
  /** Why it does not fire (holiday, non_session, only_in, excluded, calendar_expired, requested); null = it does. */
  skip: string | null;
  /** dst_moved, dst_repeated, session_moved, early_close, unverified. */
  marks: readonly string[];
  /** It is past: the duration is its own. */
  took?: boolean;
  /** It stands for so many of its schedule in one hour, the last of which is at `last`. */
  count?: number;
  last?: number;
}

/** An entry of the history as GET /schedules/{id}/history gives it. */
export interface EntryInput {
  kind: string;
  nominal_at: string;
  due_at: string | null;
  again: number;
  reason: string | null;
  started_at: string | null;
  finished_at: string | null;
}

/** Makes fires of what became of a schedule's nominals until now. */
export function pastFires(schedule: string, items: readonly EntryInput[], from: number, now: number): Fire[] {
  return items.flatMap((e) => {
    const at = Date.parse(e.due_at ?? e.nominal_at);
    if (at < from || at > now) return [];
    const duration = e.started_at && e.finished_at ? Math.max(0, Date.parse(e.finished_at) - Date.parse(e.started_at)) : 0;
    return [{ id: `${schedule}@${e.nominal_at}#${e.again}`, schedule, at, duration, skip: e.kind === "skip" ? (e.reason ?? "missed") : null, marks: [], took: true }];
  });
}

/** A nominal time as GET /schedules/{id}/next and the preview give it. */
export interface NominalInput {
  nominal_at: string;
  due_at?: string | null;
  skip: string | null;
  marks: readonly string[];
}

/** Makes fires of a schedule's nominal times. */
export function firesOf(schedule: string, items: readonly NominalInput[], duration = 0): Fire[] {
  return items.map((n) => ({ id: `${schedule}@${n.nominal_at}`, schedule, at: Date.parse(n.due_at ?? n.nominal_at), duration: Math.max(0, duration), skip: n.skip, marks: n.marks }));
}

/** When the first fire that is not shown is to be expected, of the schedules of which only the first fires are; Infinity = all are shown. */
export function shownUntil(fires: readonly Fire[], cut: ReadonlySet<string>): number {
  const ends = new Map<string, number[]>();
  for (const f of fires) if (cut.has(f.schedule)) ends.set(f.schedule, [...(ends.get(f.schedule) ?? []), f.at]);
  return Math.min(...[...ends.values()].map((all) => {
    const [before = 0, last = before] = all.sort((a, b) => a - b).slice(-2);
    return 2 * last - before;
  }));
}

const hour = 3_600_000;

/** The fires with one in place of more than `most` of a schedule in an hour of the clock, as long as they last within it. */
export function bundled(fires: readonly Fire[], zone: string, most: number): Fire[] {
  const hours = new Map<string, Fire[]>();
  for (const f of fires) {
    const offset = zoneOffset(f.at, zone);
    const key = `${Math.floor((f.at + offset) / hour)} ${offset} ${f.schedule} ${f.skip ?? ""}`;
    const own = hours.get(key);
    if (own) own.push(f);
    else hours.set(key, [f]);
  }
  return [...hours.values()].flatMap((of) => {
    if (of.length <= most) return of;
    const [first, last] = [of.reduce((a, b) => (b.at < a.at ? b : a)), of.reduce((a, b) => (b.at > a.at ? b : a))];
    const left = hour - ((((first.at + zoneOffset(first.at, zone)) % hour) + hour) % hour);
    return [{ ...first, duration: Math.min(left, last.at + last.duration - first.at), marks: [...new Set(of.flatMap((f) => f.marks))], count: of.length, last: last.at }];
  });
}

/** A fire in its day; those that would hide one another stand side by side. */
export interface PlacedFire extends Piece {
  fire: Fire;
  /** From 0, of `lanes`. */
  lane: number;
  lanes: number;
  /** The rest of a bar that began earlier. */
  continued: boolean;
}

/** Where fires stand; least is the part of the day that a fire needs to be seen (a fortieth if absent). */
export function placeFires(days: readonly Day[], fires: readonly Fire[], zone: string, least = 1 / 40): PlacedFire[] {
  const sorted = [...fires].sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
  const placed: PlacedFire[] = sorted.flatMap((fire) =>
    pieces(days, fire.at, fire.at + (fire.skip === null ? fire.duration : 0), zone).map((p) => ({ ...p, fire, lane: 0, lanes: 1, continued: p.from > fire.at })),
  );
  days.forEach((_, day) => lanes(placed.filter((p) => p.day === day), least));
  return placed;
}

// lanes gives each the first free lane, and all that touch one another the same number.
function lanes(list: PlacedFire[], least: number): void {
  list.sort((a, b) => a.top - b.top || b.height - a.height);
  let group: PlacedFire[] = [];
  let ends: number[] = [];
  const close = () => {
    for (const p of group) p.lanes = ends.length;
    group = [];
    ends = [];
  };
  for (const p of list) {
    if (ends.every((e) => e <= p.top)) close();
    const free = ends.findIndex((e) => e <= p.top);
    p.lane = free < 0 ? ends.length : free;
    ends[p.lane] = p.top + Math.max(p.height, least);
    group.push(p);
  }
  close();
}

/** Tops in pixels of labels that want to stand at a top, in order: none hides another, and all end by the bottom if there is room. */
export function stacked(labels: readonly { top: number; height: number }[], bottom: number): number[] {
  let free = -Infinity;
  const tops = labels.map(({ top, height }) => {
    const y = Math.max(top, free);
    free = y + height;
    return y;
  });
  let limit = Math.max(bottom, labels.reduce((sum, l) => sum + l.height, 0));
  for (let i = tops.length - 1; i >= 0; i--) tops[i] = limit = Math.min(tops[i] ?? 0, limit - (labels[i]?.height ?? 0));
  return tops;
}

/** Where labels stand, and in how many lines: where whole names would push one three hours (of hourPx) away from its time, all take fewer. */
export function placeLabels(labels: readonly { top: number; lines: number }[], linePx: number, hourPx: number): { y: number; lines: number }[] {
  for (let most = 3; ; most--) {
    const lines = labels.map((l) => Math.min(l.lines, most));
    const tops = stacked(labels.map((l, i) => ({ top: l.top, height: (lines[i] ?? 1) * linePx })), 24 * hourPx);
    if (most === 1 || tops.every((y, i) => Math.abs(y - (labels[i]?.top ?? 0)) < 3 * hourPx)) return tops.map((y, i) => ({ y, lines: lines[i] ?? 1 }));
  }
}

/** As placeLabels. Where full hours would push a label of another one by more than an hour even if each took one line, each hour keeps as many labels as it has lines, the last of them for `more` labels. */
export function placeDay(labels: readonly { top: number; lines: number }[], linePx: number, hourPx: number): { at: number; more: number; y: number; lines: number }[] {
  const hourOf = (at: number) => Math.floor((labels[at]?.top ?? 0) / hourPx);
  const low = stacked(labels.map((l) => ({ top: l.top, height: linePx })), 24 * hourPx);
  if (!low.some((y, at) => Math.abs(y - (labels[at]?.top ?? 0)) > hourPx && hourOf(at) !== hourOf(at - 1))) return placeLabels(labels, linePx, hourPx).map((l, at) => ({ ...l, at, more: 0 }));
  const most = Math.floor(hourPx / linePx);
  const kept: { at: number; more: number }[] = [];
  for (let from = 0, to = 0; from < labels.length; from = to) {
    while (to < labels.length && hourOf(to) === hourOf(from)) to++;
    for (let at = from; at < to && at < from + most; at++) kept.push({ at, more: at === from + most - 1 && to > at + 1 ? to - at : 0 });
  }
  const places = placeLabels(kept.map((k) => ({ top: labels[k.at]?.top ?? 0, lines: 1 })), linePx, hourPx);
  return kept.map((k, i) => ({ y: 0, lines: 1, ...places[i], ...k }));
}

/** How many lines a label takes in a column: time and name in one if they fit, else the name below, in two at most. */
export function linesOf(name: string, width: number): number {
  const letters = (px: number) => Math.max(1, Math.floor(px / 6.4)); // of the small text, which is 12px
  const wide = [...name].reduce((n, c) => n + (c > "\u1100" ? 1.8 : 1), 0);
  return wide + 6 <= letters(width - 26) ? 1 : 1 + Math.min(2, Math.ceil(wide / letters(width - 14)));
}

/** The fires of each day, in order; the agenda and the cells of a month. */
export function firesByDay(days: readonly Day[], fires: readonly Fire[]): Fire[][] {
  const out: Fire[][] = days.map(() => []);
  for (const f of [...fires].sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))) {
    const i = days.findIndex((d) => f.at >= d.from && f.at < d.to);
    out[i]?.push(f);
  }
  return out;
}

/** A session as GET /calendars/{mic}/sessions gives it. */
export interface SessionInput {
  date: DateText;
  open: string;
  close: string;
  break_start: string | null;
  break_end: string | null;
  early_close: boolean;
  late_open: boolean;
  verified: boolean;
  reason: string | null;
}

/** A stretch in which the market is open. */
export interface SessionPiece extends Piece {
  session: DateText;
  early: boolean;
  late: boolean;
  verified: boolean;
}

/** Where sessions stand, without their breaks. */
export function placeSessions(days: readonly Day[], sessions: readonly SessionInput[], zone: string): SessionPiece[] {
  return sessions.flatMap((s) => {
    const open = Date.parse(s.open);
    const close = Date.parse(s.close);
    const parts = s.break_start && s.break_end ? [[open, Date.parse(s.break_start)], [Date.parse(s.break_end), close]] : [[open, close]];
    return parts.flatMap(([a = 0, b = 0]) => (b > a ? pieces(days, a, b, zone) : []).map((p) => ({ ...p, session: s.date, early: s.early_close, late: s.late_open, verified: s.verified })));
  });
}

/** What a calendar says of a date. weekend: it never has sessions on that weekday. */
export interface MarketDay {
  kind: "open" | "half" | "holiday" | "weekend" | "unknown";
  /** Name of the holiday, or why the hours are others; null = not known. */
  name: string | null;
}

/**
 * What a calendar says of each day. range are the first and last date that were asked
 * for: outside of them nothing is known. names are those of closed dates (overrides,
 * skipped fires). Dates are the calendar's own.
 */
export function marketDays(days: readonly Day[], sessions: readonly SessionInput[], range: { from: DateText; to: DateText }, names: Readonly<Record<DateText, string>> = {}): MarketDay[] {
  const by = new Map(sessions.map((s) => [s.date, s]));
  const long = Date.parse(range.to) - Date.parse(range.from) >= 13 * 86_400_000 && sessions.length > 0;
  const usual = new Set(long ? sessions.map((s) => weekday(s.date)) : [1, 2, 3, 4, 5]);
  return days.map(({ date, weekday: w }) => {
    const s = by.get(date);
    if (s) return { kind: s.early_close || s.late_open ? "half" : "open", name: s.reason };
    if (date < range.from || date > range.to) return { kind: "unknown", name: null };
    return { kind: usual.has(w) || names[date] !== undefined ? "holiday" : "weekend", name: names[date] ?? null };
  });
}

/** A stretch with the same number of jobs at once. */
export interface Heat {
  from: number;
  to: number;
  jobs: number;
  /** More than there are workers: some wait. */
  over: boolean;
}

/** How many of the fires' jobs run at once, if each starts when it fires; without stretches of none. least is the length of a job of which nothing is known. */
export function heat(fires: readonly Fire[], workers: number, least = 60_000): Heat[] {
  const edges: [number, number][] = fires.filter((f) => f.skip === null).flatMap((f) => [[f.at, 1], [f.at + Math.max(f.duration, least), -1]] as [number, number][]);
  edges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const out: Heat[] = [];
  let jobs = 0;
  let from = 0;
  for (const [at, by] of edges) {
    if (jobs > 0 && at > from) {
      const last = out.at(-1);
      if (last && last.to === from && last.jobs === jobs) last.to = at;
      else out.push({ from, to: at, jobs, over: jobs > workers });
    }
    jobs += by;
    from = at;
  }
  return out;
}
