import type { Schema } from "../../api/client";
import { stringify } from "../../api/exact";
import { isRecord } from "../../kit/schema";
import { t } from "../../text/queue";

export type Job = Schema<"Job">;
export type QueueState = Schema<"QueueState">;
export type Group = Schema<"QueueGroup">;
export type Order = Schema<"OrderInput">;

/** A priority in the words of the command line, where it has one: high, normal, low, or the number. before stands before a word. */
export function priorityText(n: number, before = ""): string {
  const word = ({ 2: "high", 5: "normal", 8: "low" } as const)[n];
  return word ? before + t(word) : String(n);
}

/** The attempt that a waiting job comes to after one that failed; 0 = none has. A run that goes on is still in its attempt. */
export function nextAttempt(j: Pick<Job, "attempt" | "error" | "crash_policy">): number {
  const goesOn = j.crash_policy === "resume" && j.error?.code === "interrupted";
  return j.attempt > 0 && j.error && !goesOn ? j.attempt + 1 : 0;
}

/** A row of the board: a job, or the head of a group whose members follow. */
export type Row = { kind: "group"; id: string; group: Group; shown: number } | { kind: "job"; id: string; job: Job; groupId: string | null; last: boolean };

/** The rows of the waiting jobs; members of one group stand below its head. */
export function rowsOf(jobs: readonly Job[], groups: readonly Group[]): Row[] {
  const byId = new Map(groups.map((g) => [g.group_id, g]));
  const out: Row[] = [];
  const heads = new Set<string>();
  jobs.forEach((job, i) => {
    const group = job.group_id ? byId.get(job.group_id) : undefined;
    if (group && !heads.has(group.group_id)) {
      heads.add(group.group_id);
      out.push({ kind: "group", id: group.group_id, group, shown: jobs.filter((j) => j.group_id === group.group_id).length });
    }
    out.push({ kind: "job", id: job.job_id, job, groupId: group?.group_id ?? null, last: jobs[i + 1]?.group_id !== job.group_id });
  });
  return out;
}

/** The groups and the jobs among rows; a group stands for its members. */
export function parts(rows: readonly Row[]): { groups: string[]; jobs: string[] } {
  const groups = rows.filter((r) => r.kind === "group").map((r) => r.id);
  return { groups, jobs: rows.filter((r) => r.kind === "job" && !groups.includes(r.groupId ?? "")).map((r) => r.id) };
}

/** The places from the first to the last of some rows, as they stand. */
export function spanOf(rows: readonly Row[], some: readonly Row[]): string[] {
  const places = rows.filter((r) => inOrder(r, null)).map((r) => r.id);
  const at = some.map((r) => places.indexOf(r.id));
  return places.slice(Math.min(...at), Math.max(...at) + 1);
}

/** The calls that hold or release rows: one for the jobs, and one for the waiting members of each group. */
export function bulkOf(rows: readonly Row[], action: "hold" | "release"): Schema<"BulkInput">[] {
  const { groups, jobs } = parts(rows);
  return [...(jobs.length > 0 ? [{ action, job_ids: jobs }] : []), ...groups.map((group_id) => ({ action, filter: { status: ["QUEUED"], group_id } }))];
}

/** Whether a row has a place in an order. What has begun and waits without a slot has none, nor has a group that runs. */
export const placed = (r: Row) => (r.kind === "group" ? r.group.position !== null : r.groupId !== null || r.job.position !== null);

// Whether a row is of the order that a moved row is in: all places, or the members of one group.
const inOrder = (r: Row, groupId: string | null) => (groupId === null ? (r.kind === "group" || r.groupId === null) && placed(r) : r.kind === "job" && r.groupId === groupId);

const groupOf = (r: Row) => (r.kind === "job" ? r.groupId : null);

/** What moves when ids are to move: in the order of the rows, and only those of the first one's order. */
export function movable(rows: readonly Row[], ids: ReadonlySet<string>): Row[] {
  const all = rows.filter((r) => ids.has(r.id));
  const first = all[0];
  return first ? all.filter((r) => inOrder(r, groupOf(first))) : [];
}

/**
 * The call that puts moving before row number `at` (rows.length = the end). Every
 * way to move, by mouse, key, menu or button, comes here, so all give the same call.
 * null = nothing would change.
 */
export function orderFor(rows: readonly Row[], moving: readonly Row[], at: number, complete: boolean): Order | null {
  const first = moving[0];
  if (!first) return null;
  const groupId = groupOf(first);
  const ids = moving.map((r) => r.id);
  const peers = rows.map((r, i) => ({ r, i })).filter(({ r }) => inOrder(r, groupId));
  const others = peers.filter(({ r }) => !ids.includes(r.id));
  const next = others.find(({ i }) => i >= at);
  const k = next ? others.indexOf(next) : others.length;
  const result = [...others.slice(0, k).map(({ r }) => r.id), ...ids, ...others.slice(k).map(({ r }) => r.id)];
  if (result.every((id, i) => peers[i]?.r.id === id)) return null;
  const what: Order = ids.length === 1 ? { job_id: first.id } : { order: ids };
  if (k === 0) return { ...what, top: true };
  if (next) return { ...what, before: next.r.id };
  const last = others.at(-1);
  return complete || !last ? { ...what, bottom: true } : { ...what, after: last.r.id };
}

/** The call that puts back what a call moves, by the neighbours that it has now; null = it cannot be said by one. complete: shown is all that waits. */
export function wayBack(shown: readonly Job[], call: Order, complete: boolean): Order | null {
  const ids = call.order ?? (call.job_id ? [call.job_id] : []);
  const member = shown.find((j) => j.job_id === ids[0])?.group_id ?? null;
  const places = [...new Set(member === null ? shown.map((j) => j.group_id ?? j.job_id) : shown.filter((j) => j.group_id === member).map((j) => j.job_id))];
  const at = ids.map((id) => places.indexOf(id)).sort((a, b) => a - b);
  const [first = -1, last = -1] = [at[0], at.at(-1)];
  if (first < 0) return null;
  // Those that stand apart are put back with all between them.
  const span = places.slice(first, last + 1);
  const what: Order = span.length === 1 ? { job_id: span[0] ?? "" } : { order: span };
  const next = places[last + 1];
  const before = places[first - 1];
  if (span.length > 500) return null;
  if (next) return { ...what, before: next };
  if (complete || member !== null) return { ...what, bottom: true };
  return before ? { ...what, after: before } : null;
}

/** The row before which moving lands when it goes one place up or down, or to an end. */
export function stepFrom(rows: readonly Row[], moving: readonly Row[], step: "up" | "down" | "top" | "bottom"): number {
  const first = moving[0];
  if (!first || step === "top") return 0;
  if (step === "bottom") return rows.length;
  const ids = moving.map((r) => r.id);
  const peers = rows.map((r, i) => ({ r, i })).filter(({ r }) => inOrder(r, groupOf(first)));
  const at = (id: string | undefined) => peers.findIndex(({ r }) => r.id === id);
  if (step === "up") {
    const before = peers.slice(0, Math.max(at(ids[0]), 0)).filter(({ r }) => !ids.includes(r.id)).at(-1);
    return before?.i ?? 0;
  }
  const after = peers.slice(at(ids.at(-1)) + 1).filter(({ r }) => !ids.includes(r.id));
  return after[1]?.i ?? rows.length;
}

// The rows that stay, in the order that moving is in.
function staying(rows: readonly Row[], moving: readonly Row[]): { r: Row; i: number }[] {
  const groupId = moving[0] ? groupOf(moving[0]) : null;
  return rows.map((r, i) => ({ r, i })).filter(({ r }) => inOrder(r, groupId) && !moving.includes(r));
}

/** The position, from 0, that moving gets when it is put before row number at. */
export function placeAt(rows: readonly Row[], moving: readonly Row[], at: number): number {
  return staying(rows, moving).filter(({ i }) => i < at).length;
}

/** The row before which moving is put one position further, or at an end. What stands on either side of its own row is one position. */
export function slotFrom(rows: readonly Row[], moving: readonly Row[], at: number, step: "up" | "down" | "top" | "bottom"): number {
  const others = staying(rows, moving);
  const own = rows.findIndex((r) => r === moving[0]);
  const now = placeAt(rows, moving, at);
  const place = { up: Math.max(0, now - 1), down: Math.min(others.length, now + 1), top: 0, bottom: others.length }[step];
  return place === placeAt(rows, moving, own) ? own : (others[place]?.i ?? rows.length);
}

/** The jobs as they stand after a call, until the server says so. */
export function applyOrder(jobs: readonly Job[], call: Order): Job[] {
  const ids = call.order ?? (call.job_id ? [call.job_id] : []);
  const is = (id: string) => (j: Job) => j.job_id === id || j.group_id === id;
  const moving = ids.flatMap((id) => jobs.filter(is(id)));
  const rest = jobs.filter((j) => !moving.includes(j));
  const member = moving.length === 1 && moving[0]?.group_id && ids[0] === moving[0].job_id ? moving[0].group_id : null;
  let at = rest.length;
  if (call.top) at = member ? rest.findIndex((j) => j.group_id === member) : Math.max(0, rest.findIndex((j) => j.position !== null));
  else if (call.before) at = rest.findIndex(is(call.before));
  else if (call.after) at = rest.findLastIndex(is(call.after)) + 1;
  else if (call.position !== undefined) at = call.position;
  else if (call.bottom && member) at = rest.findLastIndex((j) => j.group_id === member) + 1;
  if (at < 0) return [...jobs];
  const out = [...rest.slice(0, at), ...moving, ...rest.slice(at)];
  // A group is one place.
  let place = -1;
  return out.map((j, i) => {
    if (j.position === null) return j;
    if (!j.group_id || out[i - 1]?.group_id !== j.group_id) place++;
    return { ...j, position: place };
  });
}

/** The call again after somebody else changed the order: the place is said by the neighbour that it had on the screen. */
export function byNeighbour(shown: readonly Job[], call: Order): Order {
  if (call.position === undefined) return call;
  const ids = call.order ?? (call.job_id ? [call.job_id] : []);
  const mine = (j: Job) => ids.includes(j.job_id) || (j.group_id !== null && ids.includes(j.group_id));
  const last = shown.findLastIndex(mine);
  const next = last < 0 ? undefined : shown[last + 1];
  const { position: _, ...what } = call;
  if (next) return { ...what, before: next.group_id ?? next.job_id };
  return { ...what, bottom: true };
}

/** The JSON merge patch (RFC 7396) that makes to from from; null = they are equal. */
export function mergePatch(from: Record<string, unknown>, to: Record<string, unknown>): Record<string, unknown> | null {
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(from)) if (!(key in to)) out[key] = null;
  for (const [key, v] of Object.entries(to)) {
    const old = from[key];
    if (stringify(old) === stringify(v)) continue;
    out[key] = isRecord(old) && isRecord(v) ? mergePatch(old, v) : v;
  }
  return Object.keys(out).length > 0 ? out : null;
}
