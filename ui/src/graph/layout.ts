// Where the nodes of a graph stand: layers in one direction, by dagre. Pure and
// deterministic; layout.worker.ts runs it beside the page, layoutClient.ts talks to it.

import { Graph, layout as dagre } from "@dagrejs/dagre";
import type { Point, Rect } from "./geometry";

/** The way in which the graph grows. */
export type Direction = "right" | "down";

/** A node to be placed, with its size in pixels. */
export interface LayoutNode {
  id: string;
  width: number;
  height: number;
}

/** An edge to be led; label is the size of the text at it, if there is one. */
export interface LayoutEdge {
  id: string;
  from: string;
  to: string;
  label?: { width: number; height: number };
}

/** What is to be laid out. Nodes are placed by their order where nothing else decides. */
export interface LayoutInput {
  nodes: readonly LayoutNode[];
  edges: readonly LayoutEdge[];
  direction: Direction;
  /** Pixels between neighbours of a layer; 24 if absent. */
  gap?: number;
  /** Pixels between layers; 64 if absent. */
  layerGap?: number;
}

/** A placed node: x and y are its top left corner. */
export interface PlacedNode extends Rect {
  id: string;
}

/** A led edge, from the side of its source to the side of its target. */
export interface PlacedEdge {
  id: string;
  from: string;
  to: string;
  points: Point[];
  /** Middle of the label, null = it has none. */
  label: Point | null;
}

/** The layout; all lies between 0 and width, height. */
export interface Layout {
  nodes: PlacedNode[];
  edges: PlacedEdge[];
  width: number;
  height: number;
  direction: Direction;
}

/** Room around the graph. */
export const margin = 16;

// Beyond these many nodes the exact ranking, and the search for the fewest crossings,
// cost more than they give.
const exactNodes = 120;
const orderedNodes = 300;

/** Places nodes and leads edges. Edges to unknown nodes and from a node to itself are left out; circles are allowed. */
export function layoutGraph(input: LayoutInput): Layout {
  const g = new Graph({ multigraph: true });
  g.setGraph({
    rankdir: input.direction === "right" ? "LR" : "TB",
    nodesep: input.gap ?? 24,
    ranksep: input.layerGap ?? 64,
    edgesep: 12,
    marginx: margin,
    marginy: margin,
    acyclicer: "greedy",
    ranker: input.nodes.length > exactNodes ? "tight-tree" : "network-simplex",
  });
  g.setDefaultEdgeLabel(() => ({}));
  for (const n of input.nodes) g.setNode(n.id, { width: n.width, height: n.height });
  const kept = input.edges.filter((e) => e.from !== e.to && g.hasNode(e.from) && g.hasNode(e.to));
  for (const e of kept) g.setEdge(e.from, e.to, { width: e.label?.width ?? 0, height: e.label?.height ?? 0, labelpos: "c" }, e.id);
  if (input.nodes.length === 0) return { nodes: [], edges: [], width: 0, height: 0, direction: input.direction };
  dagre(g, { disableOptimalOrderHeuristic: input.nodes.length > orderedNodes });
  const rects = new Map<string, PlacedNode>();
  for (const n of input.nodes) {
    const at = g.node(n.id) as { x: number; y: number };
    rects.set(n.id, { id: n.id, x: round(at.x - n.width / 2), y: round(at.y - n.height / 2), width: n.width, height: n.height });
  }
  const edges = kept.map((e) => {
    const at = g.edge({ v: e.from, w: e.to, name: e.id }) as { points?: Point[]; x?: number; y?: number };
    const from = rects.get(e.from);
    const to = rects.get(e.to);
    const points = (at.points ?? []).map((p) => ({ x: round(p.x), y: round(p.y) }));
    const led = from && to ? ported(points, from, to, input.direction) : points;
    const label = e.label && at.x !== undefined && at.y !== undefined ? { x: round(at.x), y: round(at.y) } : null;
    return { id: e.id, from: e.from, to: e.to, points: led, label };
  });
  return bounded([...rects.values()], edges, input.direction);
}

// ported lets an edge begin and end in the middle of the side that looks along the
// direction; one that runs against it (in a circle) keeps dagre's ends.
function ported(points: Point[], from: Rect, to: Rect, direction: Direction): Point[] {
  const inner = points.slice(1, -1);
  if (direction === "right") {
    if (to.x < from.x + from.width) return points;
    return [{ x: from.x + from.width, y: round(from.y + from.height / 2) }, ...inner, { x: to.x, y: round(to.y + to.height / 2) }];
  }
  if (to.y < from.y + from.height) return points;
  return [{ x: round(from.x + from.width / 2), y: from.y + from.height }, ...inner, { x: round(to.x + to.width / 2), y: to.y }];
}

// bounded moves everything so that it begins at the margin.
function bounded(nodes: PlacedNode[], edges: PlacedEdge[], direction: Direction): Layout {
  const all: Rect[] = [...nodes, ...edges.flatMap((e) => e.points.map((p) => ({ ...p, width: 0, height: 0 })))];
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const r of all) {
    left = Math.min(left, r.x);
    top = Math.min(top, r.y);
    right = Math.max(right, r.x + r.width);
    bottom = Math.max(bottom, r.y + r.height);
  }
  const dx = margin - left;
  const dy = margin - top;
  const move = (p: Point): Point => ({ x: round(p.x + dx), y: round(p.y + dy) });
  return {
    nodes: nodes.map((n) => ({ ...n, ...move(n) })),
    edges: edges.map((e) => ({ ...e, points: e.points.map(move), label: e.label && move(e.label) })),
    width: round(right - left + 2 * margin),
    height: round(bottom - top + 2 * margin),
    direction,
  };
}

function round(n: number): number {
  return Math.round(n * 2) / 2;
}
