// What a page knows of a run of a workflow: its document, and the events that came
// behind it. A state never goes back: an older document is refused, and an event that
// the document contains already changes nothing.

import type { Schema } from "../../api/client";
import type { NodeState } from "../../gen/states";
import { nodeStates, nodeTerminal } from "../../gen/states";
import type { LiveEvent } from "../../live/live";

export type RunDocument = Schema<"WorkflowRunDocument">;
export type RunNode = Schema<"WorkflowRunNode">;
export type RunMap = Schema<"WorkflowRunMap">;
export type RunStatus = RunDocument["status"];

/** A change of state, as an event told it. */
export interface Change {
  seq: number;
  /** Number of the step of the run that contains it. */
  step: number;
  at: string;
  type: string;
  /** "" = the run as a whole. */
  node: string;
  from: string;
  to: string;
  reason: string;
  /** Why a node was skipped, for programs; "" = nothing was skipped. */
  code: string;
}

/** Reads an event; null when it is not about a state or the progress of this run. */
export function changeOf(e: LiveEvent, runId: string): Change | null {
  if (e.topic !== "workflow" || e.data["workflow_run_id"] !== runId) return null;
  const d = e.data;
  return { seq: e.seq, step: Number(d["step"] ?? 0), at: e.at, type: e.type, node: d["node_id"] ?? "", from: d["previous_state"] ?? "", to: d["new_state"] ?? "", reason: d["reason"] ?? "", code: d["reason_code"] ?? "" };
}

/** Chooses between two documents of a run: the one that was read of a later step. */
export function newer(old: RunDocument | undefined, next: RunDocument): RunDocument {
  if (!old || old.workflow_run_id !== next.workflow_run_id) return next;
  if (next.checkpoint_seq !== old.checkpoint_seq) return next.checkpoint_seq > old.checkpoint_seq ? forward(old, next) : old;
  return next.updated_at >= old.updated_at ? forward(old, next) : old;
}

// forward keeps the largest number of ended items of a map, unless the map began anew.
function forward(old: RunDocument, next: RunDocument): RunDocument {
  const rounds = new Map(old.nodes.map((n) => [n.node_id, n.round]));
  const before = new Map(old.maps.map((m) => [m.node_id, m]));
  const maps = next.maps.map((m) => {
    const was = before.get(m.node_id);
    const again = rounds.get(m.node_id) !== next.nodes.find((n) => n.node_id === m.node_id)?.round;
    return !was || again || was.total !== m.total || was.processed <= m.processed ? m : { ...m, processed: was.processed, failed: Math.max(was.failed, m.failed) };
  });
  return { ...next, maps };
}

// How many nodes must have ended before each.
function depths(nodes: readonly Pick<RunNode, "node_id" | "after">[]): Map<string, number> {
  const after = new Map(nodes.map((n) => [n.node_id, n.after]));
  const out = new Map<string, number>();
  const of = (id: string): number => {
    const known = out.get(id);
    if (known !== undefined) return known;
    out.set(id, 0);
    const n = Math.max(0, ...(after.get(id) ?? []).map((a) => of(a) + 1));
    out.set(id, n);
    return n;
  };
  for (const n of nodes) of(n.node_id);
  return out;
}

/**
 * The newest first. Events stand in the order of the log. What the document says goes by
 * time; in the same millisecond by the graph, an end behind a begin. Of both, the run's
 * begin is the oldest and its end the newest, though their times are taken apart from
 * those of nodes.
 */
export function newestFirst<T extends { at: string; node: string; from: string; to: string; seq?: number }>(list: readonly T[], nodes: readonly Pick<RunNode, "node_id" | "after">[]): T[] {
  const deep = depths(nodes);
  const rank = (l: T) => (l.node ? 1 : over(l.to) ? 2 : l.from === "PENDING" ? 0 : 1);
  const when = (a: T, b: T) => rank(a) - rank(b) || Date.parse(a.at) - Date.parse(b.at);
  const depth = (l: T) => (l.node ? (deep.get(l.node) ?? 0) : nodes.length);
  const said = list.filter((l) => l.seq === undefined).sort((a, b) => when(a, b) || depth(a) - depth(b) || Number(over(a.to)) - Number(over(b.to)));
  const log = list.filter((l) => l.seq !== undefined).sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0));
  const out: T[] = [];
  for (const e of log) {
    while (said[0] && when(said[0], e) <= 0) out.push(...said.splice(0, 1));
    out.push(e);
  }
  return [...out, ...said].reverse();
}

/** Adds an event to those known; one that was there changes nothing. */
export function addChange(changes: readonly Change[], next: Change): readonly Change[] {
  const last = changes.at(-1);
  return last && next.seq <= last.seq ? changes : [...changes, next];
}

function nodeState(word: string): NodeState | null {
  return nodeStates.find((s) => s === word) ?? null;
}

/** The document with the events that it does not contain yet. */
export function withChanges(doc: RunDocument, changes: readonly Change[]): RunDocument {
  const late = changes.filter((c) => c.step > doc.checkpoint_seq);
  if (late.length === 0) return doc;
  const nodes = new Map(doc.nodes.map((n) => [n.node_id, n]));
  const maps = new Map(doc.maps.map((m) => [m.node_id, m]));
  let { status, started_at, ended_at } = doc;
  let step = doc.checkpoint_seq;
  for (const c of late) {
    step = Math.max(step, c.step);
    if (c.type === "workflow.progress") progress(maps, c);
    else if (c.node === "") {
      status = runStatus(c.to) ?? status;
      started_at ??= c.at;
      if (over(status)) ended_at ??= c.at;
    } else {
      const n = nodes.get(c.node);
      if (n) nodes.set(c.node, moved(n, c));
    }
  }
  return { ...doc, status, started_at, ended_at, checkpoint_seq: step, nodes: doc.nodes.map((n) => nodes.get(n.node_id) ?? n), maps: [...maps.values()] };
}

function moved(n: RunNode, c: Change): RunNode {
  const status = nodeState(c.to);
  if (!status) return n;
  const out: RunNode = { ...n, status };
  if (status === "RUNNING") {
    out.started_at ??= c.at;
    out.wait = null;
    if (c.type === "workflow.node.started") out.attempt = n.attempt + 1;
  }
  if (nodeTerminal.includes(status)) {
    out.ended_at = c.at;
    out.wait = null;
    if (status === "SKIPPED") {
      out.reason = c.reason || n.reason;
      out.reason_code = (c.code || n.reason_code) as RunNode["reason_code"];
    }
  }
  return out;
}

function progress(maps: Map<string, RunMap>, c: Change): void {
  const [done, of] = c.reason.split("/").map(Number);
  const was = maps.get(c.node);
  if (done === undefined || of === undefined || Number.isNaN(done) || Number.isNaN(of)) return;
  const fresh = { node_id: c.node, failed: 0, failed_items: [] };
  maps.set(c.node, { ...(was ?? fresh), total: of, processed: was && was.total === of ? Math.max(was.processed, done) : done });
}

const statuses: readonly RunStatus[] = ["PENDING", "RUNNING", "WAITING", "COMPLETED", "FAILED", "CANCELLED", "SKIPPED"];
function runStatus(word: string): RunStatus | undefined {
  return statuses.find((s) => s === word);
}

/** Whether a run has ended. */
export function over(status: string): boolean {
  return status === "COMPLETED" || status === "FAILED" || status === "CANCELLED" || status === "SKIPPED";
}

/** The nodes from which a run may be repeated: those that were reached. */
export function reached(n: RunNode): boolean {
  return n.status !== "PENDING" && n.status !== "SKIPPED";
}
