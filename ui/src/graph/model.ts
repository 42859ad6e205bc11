// What a page draws of a workflow: nodes and edges out of a definition, what a run has
// made of them, and what differs between two definitions. Pure: no text for people, no
// positions. The edges are those of internal/workflow's Graph.

import type { NodeState } from "../gen/states";

/** A definition as the API gives it: the canonical JSON of a workflow, or an editor's draft. */
export type Definition = Readonly<Record<string, unknown>>;

/** How a thing differs between two definitions. */
export type Change = "same" | "added" | "removed" | "changed";

/** Progress of a map over its items. */
export interface Items {
  /** Items that have ended, well or not. */
  processed: number;
  total: number;
  failed: number;
}

/** What a run has made of a node. */
export interface NodeRun {
  state: NodeState;
  outcome: string | null;
  /** Number of the latest attempt; 0 = none began. */
  attempt: number;
  startedAt: string | null;
  endedAt: string | null;
  /** What it waits for (retry_delay, timer, approval, event, job, decision, lock). */
  waitsFor: string | null;
  waitUntil: string | null;
  /** Why it was skipped, or the message of its failure. */
  reason: string | null;
  /** Why it was skipped, for programs. */
  reasonCode: string | null;
  errorCode: string | null;
  /** It runs again after a restart: what it said was kept in memory only. */
  willBeRecomputed: boolean;
  /** Of a map that has begun. */
  items: Items | null;
}

/** A step of the workflow. */
export interface GraphNode {
  id: string;
  /** As data, action, judgment, map, wait, approval, notification, deploy, rollback, stop, subworkflow. */
  type: string;
  /** As http of data, command of action; "" = the type has none. */
  subtype: string;
  /** Place in the document, from 0. */
  order: number;
  /** Only on_error of the workflow or compensate of a node leads here. */
  handler: boolean;
  /** The condition, "" = none. */
  when: string;
  join: "all" | "any" | "always";
  maxAttempts: number;
  /** A node without a run; with one, PENDING until it is reached. */
  run: NodeRun | null;
  /** The nodes that a map does for each item; null for all others. */
  body: GraphModel | null;
  change: Change;
  /** Fields that differ, with "config." before those of config; empty unless change is changed. */
  fields: string[];
}

/** A way from one node to another. */
export interface GraphEdge {
  /** Unique in the graph, the same for the same edge of another version. */
  id: string;
  from: string;
  to: string;
  /** The outcome on which it is taken; null = every good one. */
  outcome: string | null;
  /** flow; error: on_error of the node leads here; undo: its compensation. */
  kind: "flow" | "error" | "undo";
  /** null = not known yet, or there is no run. */
  taken: boolean | null;
  change: Change;
}

/** A workflow, or the body of a map. */
export interface GraphModel {
  nodes: GraphNode[];
  edges: GraphEdge[];
}

/** A node of a run: of GET /workflow-runs/{id} or of the live snapshot, which names less. */
export interface RunNodeInput {
  node_id: string;
  status: NodeState;
  outcome?: string | null;
  attempt?: number;
  started_at?: string | null;
  ended_at?: string | null;
  reason?: string | null;
  reason_code?: string | null;
  error?: { code: string; message: string } | null;
  error_code?: string | null;
  wait?: { for: string; until: string | null } | null;
  waits_for?: string | null;
  wait_until?: string | null;
  will_be_recomputed?: boolean;
}

/** Progress of a map in a run. */
export interface RunMapInput extends Items {
  node_id: string;
}

/** What is known of a run: `nodes` and `maps` of its document, or `nodes` and `progress` of a snapshot. */
export interface RunInput {
  nodes: readonly RunNodeInput[];
  maps?: readonly RunMapInput[];
}

type Fields = Readonly<Record<string, unknown>>;

// The outcomes on which edges without one are taken, by type; a type that is not here
// takes them on all but error. From the kinds in internal/node.
const plainOutcomes: Readonly<Record<string, readonly string[]>> = {
  approval: ["approved"],
  deploy: ["healthy"],
  map: ["success", "partial"],
  wait: ["fired"],
};

const subtypeFields = ["data_type", "action_type", "wait_type", "channel", "target_type"] as const;

/** Builds the graph of a definition. Edges to nodes that do not exist are left out: drafts have them. */
export function buildGraph(definition: Definition, run: RunInput | null = null): GraphModel {
  return withRun(bodyOf(list(definition["nodes"]), definition["on_error"], record(definition["defaults"])), run);
}

/** Puts what a run has made of its nodes into a graph, in place of what it had. */
export function withRun(graph: GraphModel, run: RunInput | null): GraphModel {
  if (!run) return { nodes: graph.nodes.map((n) => ({ ...n, run: null })), edges: graph.edges.map((e) => ({ ...e, taken: null })) };
  const states = new Map(run.nodes.map((n) => [n.node_id, n]));
  const maps = new Map((run.maps ?? []).map((m) => [m.node_id, m]));
  const nodes = graph.nodes.map((n) => ({ ...n, run: nodeRun(states.get(n.id), maps.get(n.id)) }));
  const by = new Map(nodes.map((n) => [n.id, n]));
  const edges = graph.edges.map((e) => ({ ...e, taken: taken(e, by.get(e.from), by.get(e.to), graph.edges) }));
  return { nodes, edges };
}

function nodeRun(n: RunNodeInput | undefined, m: RunMapInput | undefined): NodeRun {
  return {
    state: n?.status ?? "PENDING",
    outcome: n?.outcome || null,
    attempt: n?.attempt ?? 0,
    startedAt: n?.started_at ?? null,
    endedAt: n?.ended_at ?? null,
    waitsFor: n?.wait?.for ?? n?.waits_for ?? null,
    waitUntil: n?.wait?.until ?? n?.wait_until ?? null,
    reason: n?.reason ?? n?.error?.message ?? null,
    reasonCode: n?.reason_code ?? null,
    errorCode: n?.error?.code ?? n?.error_code ?? null,
    willBeRecomputed: n?.will_be_recomputed ?? false,
    items: m ? clampItems(m) : null,
  };
}

// clampItems: numbers of two messages may not fit together; a bar must.
function clampItems(m: Items): Items {
  const total = Math.max(0, m.total);
  const processed = Math.min(Math.max(0, m.processed), total);
  return { total, processed, failed: Math.min(Math.max(0, m.failed), processed) };
}

function taken(e: GraphEdge, from: GraphNode | undefined, to: GraphNode | undefined, all: readonly GraphEdge[]): boolean | null {
  const r = from?.run;
  if (!from || !r) return null;
  if (e.kind === "undo") return to?.run && to.run.state !== "PENDING" && to.run.state !== "SKIPPED" ? true : null;
  if (r.state === "SKIPPED" || r.state === "CANCELLED") return false;
  if (r.state !== "COMPLETED" && r.state !== "FAILED" && r.state !== "COMPENSATED") return null;
  if (e.outcome !== null) return e.outcome === r.outcome;
  if (r.outcome === null) return r.state !== "FAILED";
  // Without an outcome: the good ones. After a failure only on_error: continue goes on,
  // and then the outcome is error although no edge of the node names it.
  if (r.outcome === "error") return !all.some((x) => x.from === e.from && x.kind === "error");
  return plainOutcomes[from.type]?.includes(r.outcome) ?? true;
}

function bodyOf(raw: readonly unknown[], onError: unknown, defaults: Fields): GraphModel {
  const sources: { id: string; at: Fields }[] = [];
  const nodes: GraphNode[] = [];
  for (const item of raw) {
    const at = record(item);
    const id = string(at["node_id"]);
    if (id === "" || nodes.some((n) => n.id === id)) continue;
    sources.push({ id, at });
    nodes.push(node(id, at, nodes.length, defaults));
  }
  const edges = link(sources, nodes, string(onError));
  return { nodes, edges };
}

function node(id: string, at: Fields, order: number, defaults: Fields): GraphNode {
  const config = record(at["config"]);
  const retry = record(at["retry"] ?? defaults["retry"]);
  const join = at["join"];
  return {
    id,
    order,
    type: string(at["type"]),
    subtype: subtypeFields.map((f) => string(at[f])).find((s) => s !== "") ?? "",
    handler: false,
    when: string(at["when"]),
    join: join === "any" || join === "always" ? join : "all",
    maxAttempts: typeof retry["max_attempts"] === "number" ? retry["max_attempts"] : 1,
    run: null,
    body: at["type"] === "map" ? bodyOf(list(config["nodes"]), "", defaults) : null,
    change: "same",
    fields: [],
  };
}

// link makes the edges, and marks the handlers, as internal/workflow's builder does.
function link(sources: readonly { id: string; at: Fields }[], nodes: GraphNode[], onError: string): GraphEdge[] {
  const edges = new Map<string, GraphEdge>();
  const by = new Map(nodes.map((n) => [n.id, n]));
  const into = new Set<string>();
  const add = (from: string, to: string, outcome: string | null, kind: GraphEdge["kind"]) => {
    const id = edgeId(from, to, outcome, kind);
    if (!by.has(from) || !by.has(to) || edges.has(id)) return;
    edges.set(id, { id, from, to, outcome, kind, taken: null, change: "same" });
    if (kind !== "undo") into.add(to);
  };
  let written = false;
  const caught = new Set<string>();
  for (const { id, at } of sources) {
    const next = targets(at["next"]);
    const before = targets(at["depends_on"]);
    written ||= next.length + before.length > 0;
    for (const t of next) add(id, t.node, t.outcome, "flow");
    for (const s of before) {
      const [from = "", outcome] = s.node.split(".");
      add(from, id, outcome || s.outcome, "flow");
    }
  }
  const handle = (id: string) => {
    const n = by.get(id);
    if (n) n.handler = !into.has(id);
  };
  if (onError !== "") handle(onError);
  for (const { at } of sources) {
    const to = catcher(at);
    if (to !== "") caught.add(to);
    if (string(at["compensate"]) !== "") handle(string(at["compensate"]));
  }
  if (!written) {
    const row = nodes.filter((n) => !n.handler && !caught.has(n.id));
    row.forEach((n, i) => {
      const last = row[i - 1];
      if (last) add(last.id, n.id, null, "flow");
    });
  }
  for (const { id, at } of sources) {
    if (catcher(at) !== "") add(id, catcher(at), "error", "error");
    if (string(at["compensate"]) !== "") add(id, string(at["compensate"]), null, "undo");
  }
  return [...edges.values()];
}

function edgeId(from: string, to: string, outcome: string | null, kind: GraphEdge["kind"]): string {
  return `${from}${outcome === null ? "" : `.${outcome}`} -> ${to}${kind === "undo" ? " (undo)" : ""}`;
}

// catcher is the node that on_error leads to, "" = none.
function catcher(at: Fields): string {
  const e = string(at["on_error"]);
  return e === "fail" || e === "continue" ? "" : e;
}

// targets reads b, [b, c], {outcome: b} and {outcome: [b, c]}.
function targets(v: unknown, outcome: string | null = null): { node: string; outcome: string | null }[] {
  if (typeof v === "string") return v === "" ? [] : [{ node: v, outcome }];
  if (Array.isArray(v)) return v.flatMap((x) => targets(x, outcome));
  return Object.entries(record(v)).flatMap(([k, x]) => targets(x, k));
}

/**
 * The graph of both definitions at once: what only `after` has is added, what only
 * `before` has is removed. Removed nodes stand behind the node they stood behind.
 */
export function diffGraph(before: Definition, after: Definition): GraphModel {
  const was = buildGraph(before);
  const is = buildGraph(after);
  const raw = (d: Definition) => new Map(list(d["nodes"]).map((n) => [string(record(n)["node_id"]), record(n)]));
  const old = raw(before);
  const now = raw(after);
  const nodes: GraphNode[] = is.nodes.map((n) => {
    const a = old.get(n.id);
    if (!a) return { ...n, change: "added" };
    const fields = changedFields(a, now.get(n.id) ?? {});
    return fields.length > 0 ? { ...n, change: "changed", fields } : n;
  });
  was.nodes.forEach((n, i) => {
    if (now.has(n.id)) return;
    const at = nodes.findIndex((m) => m.id === was.nodes[i - 1]?.id);
    nodes.splice(at + 1, 0, { ...n, change: "removed" });
  });
  nodes.forEach((n, i) => (n.order = i));
  const had = new Set(was.edges.map((e) => e.id));
  const has = new Set(is.edges.map((e) => e.id));
  const edges: GraphEdge[] = is.edges.map((e) => (had.has(e.id) ? e : { ...e, change: "added" }));
  for (const e of was.edges) if (!has.has(e.id)) edges.push({ ...e, change: "removed" });
  return { nodes, edges };
}

function changedFields(a: Fields, b: Fields): string[] {
  return differing(a, b).flatMap((f) => {
    if (f === "next" || f === "depends_on") return [];
    return f === "config" ? differing(record(a[f]), record(b[f])).map((c) => `config.${c}`) : [f];
  });
}

function differing(a: Fields, b: Fields): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((k) => JSON.stringify(a[k]) !== JSON.stringify(b[k]));
}

/** A moment of a map: how many items had ended. */
export interface Sample {
  /** Milliseconds since 1970. */
  at: number;
  processed: number;
}

/**
 * Adds a moment to those of the last 30 s; the bar must not go back, so fewer items than
 * before (an older message) change nothing. Another round of the map begins a new list.
 */
export function addSample(samples: readonly Sample[], next: Sample, window = 30_000): Sample[] {
  const last = samples.at(-1);
  if (last && (next.processed < last.processed || next.at < last.at)) return [...samples];
  const kept = samples.filter((s) => s.at >= next.at - window);
  return [...kept, next];
}

/** Items per second and the milliseconds that are left, null where nothing can be said. */
export function pace(samples: readonly Sample[], total: number): { perSecond: number; leftMs: number } | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last || last.at <= first.at || last.processed <= first.processed) return null;
  const perSecond = ((last.processed - first.processed) * 1000) / (last.at - first.at);
  return { perSecond, leftMs: (Math.max(0, total - last.processed) / perSecond) * 1000 };
}

function record(v: unknown): Fields {
  return typeof v === "object" && v !== null && !Array.isArray(v) ? (v as Fields) : {};
}

function list(v: unknown): readonly unknown[] {
  return Array.isArray(v) ? v : [];
}

function string(v: unknown): string {
  return typeof v === "string" ? v : "";
}
