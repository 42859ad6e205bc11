// The timeline of a run: rows of segments that say what it did when, and a scale that
// makes long idle stretches short. Pure; times are milliseconds since 1970. Clocks of
// servers and browsers differ: what would end before it begins has no length.

import { floorWall, zoneOffset } from "../../kit/zone";

/** What goes on during a segment. */
export type SegmentKind = "queued" | "lock" | "running" | "approval" | "retry_delay" | "parked";

/** How the work of a segment ended; null while it goes on, and for waits. */
export type SegmentEnd = "ok" | "failed" | "skipped" | "cancelled" | null;

/** A stretch of a row. */
export interface Segment {
  kind: SegmentKind;
  from: number;
  /** Never before from. */
  to: number;
  /** It goes on: to is now. */
  open: boolean;
  end: SegmentEnd;
  /** Number of the attempt, 0 = before the first. */
  attempt: number;
  /** Parked: what for (timer, event, job, decision). Failed: the code of the error. */
  detail: string | null;
}

/** A row: an attempt of a job, or a node of a workflow. */
export interface Row {
  id: string;
  /** The name of a node; null for the attempt of a job, of which attempt says all. */
  node: string | null;
  attempt: number;
  segments: Segment[];
}

/** The fields of a run of a job that the timeline needs. */
export interface JobRunInput {
  run_id: string;
  attempt: number;
  queued_at: string;
  started_at: string | null;
  finished_at: string | null;
  active: boolean;
  status: string | null;
  error?: { code: string } | null;
}

/** Why a job, or a run of a workflow, waits now: the API's `waiting`. */
export interface WaitingInput {
  code: string;
  for?: string | null;
}

/** The fields of a node of a workflow run. */
export interface NodeInput {
  node_id: string;
  status: string;
  ready_at?: string | null;
  started_at: string | null;
  ended_at: string | null;
  attempt: number;
  type?: string | null;
  wait?: { for: string } | null;
  error?: { code: string } | null;
}

/** The fields of an attempt of a node. */
export interface AttemptInput {
  node_id: string;
  number: number;
  started_at: string | null;
  ended_at: string | null;
  status: string;
  error?: { code: string } | null;
}

const time = (s: string | null | undefined): number | null => {
  const t = s ? Date.parse(s) : NaN;
  return Number.isNaN(t) ? null : t;
};

/** The kind of segment that a wait is: codes of `waiting`, and words of a node's wait. */
export function waitKind(code: string, what: string | null = null): SegmentKind {
  if (code === "parked" && what !== null) return waitKind(what);
  if (code === "lock" || code === "limit") return "lock";
  if (code === "approval" || code === "retry_delay") return code;
  return ["event", "timer", "job", "decision", "parked"].includes(code) ? "parked" : "queued";
}

function endOf(status: string | null): SegmentEnd {
  switch (status) {
    case "COMPLETED":
    case "COMPENSATED":
      return "ok";
    case "FAILED":
      return "failed";
    case "SKIPPED":
      return "skipped";
    case "CANCELLED":
      return "cancelled";
    default:
      return null;
  }
}

// Row under construction: segments follow one another, none begins before the last ends.
class Line {
  readonly segments: Segment[] = [];
  private last = -Infinity;

  add(kind: SegmentKind, from: number, to: number | null, now: number, more: Partial<Segment> = {}): void {
    const start = Math.max(from, this.last);
    const open = to === null;
    const stop = Math.max(start, to ?? now);
    if (stop === start && !open && kind !== "running") return;
    this.segments.push({ kind, from: start, to: stop, open, end: null, attempt: 0, detail: null, ...more });
    this.last = stop;
  }
}

/** One row for each attempt of a job, oldest first; waiting is why it waits now, if it does. */
export function jobRows(runs: readonly JobRunInput[], waiting: WaitingInput | null, now: number, queuedAt: string | null = null): Row[] {
  const sorted = [...runs].sort((a, b) => a.attempt - b.attempt);
  const rows: Row[] = [];
  let before: number | null = null;
  for (const r of sorted) {
    const line = new Line();
    const queued = time(r.queued_at) ?? now;
    const started = time(r.started_at);
    const finished = time(r.finished_at);
    if (before !== null && queued > before) line.add("retry_delay", before, queued, now, { attempt: r.attempt });
    line.add("queued", queued, started ?? finished, now, { attempt: r.attempt });
    if (started !== null) {
      line.add("running", started, r.active ? null : (finished ?? started), now, { attempt: r.attempt, end: r.active ? null : endOf(r.status), detail: r.error?.code ?? null });
    }
    before = finished;
    rows.push({ id: r.run_id, node: null, attempt: r.attempt, segments: line.segments });
  }
  if (waiting && !sorted.some((r) => r.active)) {
    const line = new Line();
    const attempt = (sorted.at(-1)?.attempt ?? 0) + 1;
    line.add(waitKind(waiting.code, waiting.for ?? null), Math.min(now, before ?? time(queuedAt) ?? now), null, now, { attempt, detail: waiting.for ?? null });
    rows.push({ id: "waiting", node: null, attempt, segments: line.segments });
  }
  return rows;
}

/** One row for each node that was reached, in the order of the document. */
export function nodeRows(nodes: readonly NodeInput[], attempts: readonly AttemptInput[], now: number): Row[] {
  const by = new Map<string, AttemptInput[]>();
  for (const a of attempts) by.set(a.node_id, [...(by.get(a.node_id) ?? []), a]);
  const rows: Row[] = [];
  for (const n of nodes) {
    const own = (by.get(n.node_id) ?? []).sort((a, b) => a.number - b.number);
    const segments = nodeSegments(n, own.length > 0 ? own : implied(n), now);
    if (segments.length > 0) rows.push({ id: n.node_id, node: n.node_id, attempt: n.attempt, segments });
  }
  return rows;
}

// implied: without its attempts a node's own times are those of its only one.
function implied(n: NodeInput): AttemptInput[] {
  if (!n.started_at) return [];
  return [{ node_id: n.node_id, number: Math.max(1, n.attempt), started_at: n.started_at, ended_at: n.status === "WAITING" ? n.started_at : n.ended_at, status: n.status, error: n.error ?? null }];
}

function nodeSegments(n: NodeInput, attempts: readonly AttemptInput[], now: number): Segment[] {
  const line = new Line();
  const ended = time(n.ended_at);
  const first = attempts[0];
  const ready = time(n.ready_at);
  const begins = time(first?.started_at);
  if (ready !== null) line.add("queued", ready, begins ?? ended, now, { attempt: 0 });
  attempts.forEach((a, i) => {
    const next = time(attempts[i + 1]?.started_at);
    const from = time(a.started_at) ?? time(a.ended_at);
    if (from === null) return;
    // An attempt without an end that is not the last one was cut off with its server.
    const cut = next ?? ended;
    const last = i === attempts.length - 1;
    const live = a.ended_at === null && last && n.status === "RUNNING";
    const to = live ? null : (time(a.ended_at) ?? cut ?? from);
    const failed = a.error ? "failed" : endOf(a.status);
    line.add("running", from, to, now, { attempt: a.number, end: live ? null : failed, detail: a.error?.code ?? null });
    if (live || to === null) return;
    if (!last && next !== null) {
      line.add(a.error ? "retry_delay" : waitOf(n, null), to, next, now, { attempt: a.number });
    } else if (last && n.status === "WAITING") {
      line.add(waitOf(n, n.wait?.for ?? null), to, null, now, { attempt: a.number, detail: n.wait?.for ?? null });
    } else if (last && n.status === "READY") {
      line.add("queued", to, null, now, { attempt: a.number });
    } else if (last && ended !== null && ended > to) {
      line.add(waitOf(n, null), to, ended, now, { attempt: a.number });
    }
  });
  return line.segments;
}

// waitOf: which wait it was is only told while it lasts; later the type of the node says it.
function waitOf(n: NodeInput, what: string | null): SegmentKind {
  if (what !== null) return waitKind(what);
  return n.type === "approval" ? "approval" : "parked";
}

/** A piece of the scale: a stretch of time and the pixels that it has. */
export interface Piece {
  from: number;
  to: number;
  x: number;
  width: number;
  /** Nothing worked: the stretch is shorter than it was. */
  collapsed: boolean;
}

/** The scale; pieces follow one another without gaps. */
export interface Scale {
  pieces: Piece[];
  width: number;
}

/** How a scale is made. */
export interface ScaleOptions {
  /** Pixels that all of it has at zoom 1. */
  width: number;
  /** 1 = all fits; larger is wider. */
  zoom?: number;
  /** Idle stretches are shown as they were. */
  expand?: boolean;
  /** Pixels of a collapsed stretch; 28 if absent. */
  gap?: number;
}

/** Makes the scale of rows. Stretches in which nothing worked, and which are more than an eighth of the whole, are collapsed. */
export function makeScale(rows: readonly Row[], options: ScaleOptions): Scale {
  const all = rows.flatMap((r) => r.segments);
  const first = all[0];
  const room = Math.max(1, options.width) * Math.max(1, options.zoom ?? 1);
  if (!first) return { pieces: [], width: 0 };
  let [from, to] = [first.from, first.to];
  for (const s of all) {
    from = Math.min(from, s.from);
    to = Math.max(to, s.to);
  }
  to = Math.max(to, from + 1);
  const parts = options.expand ? [{ from, to, collapsed: false }] : split(all, from, to);
  const gap = Math.min(options.gap ?? 28, room / (2 * parts.length));
  const idle = parts.filter((p) => p.collapsed).length;
  const worked = parts.reduce((sum, p) => sum + (p.collapsed ? 0 : p.to - p.from), 0);
  const per = (room - idle * gap) / Math.max(1, worked);
  let x = 0;
  const pieces = parts.map((p) => {
    const width = p.collapsed ? gap : (p.to - p.from) * per;
    const piece = { ...p, x, width };
    x += width;
    return piece;
  });
  return { pieces, width: x };
}

function split(all: readonly Segment[], from: number, to: number): { from: number; to: number; collapsed: boolean }[] {
  const busy = all.filter((s) => s.kind === "running" || s.to === s.from).sort((a, b) => a.from - b.from);
  const least = (to - from) / 8;
  const parts: { from: number; to: number; collapsed: boolean }[] = [];
  let at = from;
  let done = from;
  const idle = (a: number, b: number) => {
    if (b - a <= least) return;
    // A rim stays on both sides, so that it is seen what the wait belongs to.
    const rim = (b - a) / 20;
    const start = a === from ? a : a + Math.min(rim, least / 4);
    const stop = b === to ? b : b - Math.min(rim, least / 4);
    if (start > at) parts.push({ from: at, to: start, collapsed: false });
    parts.push({ from: start, to: stop, collapsed: true });
    at = stop;
  };
  for (const s of busy) {
    idle(done, s.from);
    done = Math.max(done, s.to);
  }
  if (busy.length > 0) idle(done, to);
  if (at < to) parts.push({ from: at, to, collapsed: false });
  return parts;
}

/** The pixel of a time; times outside are at the edges. */
export function xOf(scale: Scale, at: number): number {
  for (const p of scale.pieces) {
    if (at < p.from) return p.x;
    if (at <= p.to) return p.x + ((at - p.from) / (p.to - p.from)) * p.width;
  }
  return scale.width;
}

/** Place of a segment in pixels; at least `least` wide, never beyond the scale. */
export function place(scale: Scale, s: { from: number; to: number }, least = 2): { x: number; width: number } {
  const x = Math.min(xOf(scale, s.from), Math.max(0, scale.width - least));
  return { x, width: Math.max(least, xOf(scale, s.to) - x) };
}

/** Zooms about a pixel of the window; gives the zoom and how far the content is scrolled. */
export function zoomAbout(zoom: number, scroll: number, about: number, factor: number, width: number, max = 200): { zoom: number; scroll: number } {
  const next = Math.min(max, Math.max(1, zoom * factor));
  const scrolled = ((scroll + about) / zoom) * next - about;
  return { zoom: next, scroll: Math.min(Math.max(0, scrolled), Math.max(0, width * (next - 1))) };
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, second, 2 * second, 5 * second, 10 * second, 15 * second, 30 * second, minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute, hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, 24 * hour, 48 * hour, 168 * hour];

/** A mark of the axis. */
export interface Tick {
  at: number;
  x: number;
  /** The first of its day in the zone: the page writes the date too. */
  day: boolean;
  /** How fine the marks are, in milliseconds: below 60,000 the page writes seconds. */
  step: number;
}

/** Marks at round wall times of the zone, at least `apart` pixels from one another; none in collapsed stretches. */
export function ticks(scale: Scale, zone: string, apart = 88): Tick[] {
  const out: Tick[] = [];
  const real = scale.pieces.filter((p) => !p.collapsed && p.width > 0);
  const per = real[0] ? (real[0].to - real[0].from) / real[0].width : 0;
  const step = steps.find((s) => s >= per * apart) ?? (steps.at(-1) as number); // the list is not empty
  let date = NaN;
  let last = -Infinity;
  for (const p of real) {
    for (let at = floorWall(p.from, step, zone); at <= p.to; at = nextWall(at, step, zone)) {
      if (at < p.from) continue;
      const x = xOf(scale, at);
      if (x - last < apart) continue;
      const day = Math.floor((at + zoneOffset(at, zone)) / (24 * hour));
      out.push({ at, x, day: day !== date, step });
      date = day;
      last = x;
    }
  }
  return out;
}

// nextWall: where clocks change, the next round time may be nearer or farther.
function nextWall(at: number, step: number, zone: string): number {
  const next = floorWall(at + step + (step > hour ? hour + hour / 2 : 0), step, zone);
  return next > at ? next : at + step;
}

/** The pixel of the "now" line; null where now is not on the scale. */
export function nowAt(scale: Scale, rows: readonly Row[], now: number): number | null {
  return rows.some((r) => r.segments.some((s) => s.open)) ? xOf(scale, now) : null;
}
