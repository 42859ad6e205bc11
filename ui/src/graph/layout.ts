// Where the nodes of a graph stand: layers in one direction, with as few crossings as some
// sweeps find, edges straight where they can be. Pure and deterministic; layout.worker.ts
// runs it beside the page, layoutClient.ts talks to it. Steps: layers.ts, order.ts, across.ts.

import { across } from "./across";
import type { Point, Rect } from "./geometry";
import { layersOf, listsOf, type Work } from "./layers";
import { ordered } from "./order";

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

// Room between edges, and between those that run outside.
const edgeGap = 12;

// An edge bends in each layer that it passes. More bends than these cost more time than
// anyone could follow the lines: the longest edges run outside instead.
const maxBends = 6000;
const maxLanes = 40;

/** Places nodes and leads edges. Edges to unknown nodes and from a node to itself are left out; circles are allowed. */
export function layoutGraph(input: LayoutInput, work: Work = { steps: 0 }): Layout {
  const { nodes, direction } = input;
  const n = nodes.length;
  if (n === 0) return { nodes: [], edges: [], width: 0, height: 0, direction };
  const index = new Map(nodes.map((v, i) => [v.id, i]));
  const kept = input.edges.filter((e) => e.from !== e.to && index.has(e.from) && index.has(e.to));
  const m = kept.length;
  const from = Int32Array.from(kept, (e) => index.get(e.from)!);
  const to = Int32Array.from(kept, (e) => index.get(e.to)!);
  const { layer: rank, turned, count } = layersOf(n, from, to, work);
  const right = direction === "right";
  const along = (v: { width: number; height: number }) => (right ? v.width : v.height);
  const wide = (v: { width: number; height: number }) => (right ? v.height : v.width);

  // Those with a label, and the second between the same nodes, have a bend between the
  // layers, beside their source.
  const pairs = new Set<number>();
  const gapOf = kept.map((e, i) => {
    const pair = from[i]! * n + to[i]!;
    const double = pairs.has(pair);
    pairs.add(pair);
    return double || e.label ? rank[from[i]!]! - turned[i]! : -1;
  });
  const passed = new Int32Array(count + 1); // how many layers, those of bends too, there can be before each
  for (const g of gapOf) if (g >= 0) passed[g + 1] = 1;
  for (let l = 1; l <= count; l++) passed[l]! += 1 + passed[l - 1]!;
  const span = from.map((v, e) => Math.abs(passed[rank[to[e]!]!]! - passed[rank[v]!]!));

  // The shortest edges get their bends first.
  const led = new Uint8Array(m);
  const between = new Float64Array(count).fill(-1); // how long the labels behind each layer are; -1 = none
  let left = maxBends;
  for (const e of listsOf(2 * count, span).list) {
    left -= span[e]! - 1;
    if (left < 0) break;
    led[e] = 1;
    const g = gapOf[e]!;
    if (g >= 0) between[g] = Math.max(between[g]!, along(kept[e]!.label ?? none));
  }

  // Layers of nodes, and between them those of labels.
  const place = new Int32Array(count);
  const lengths: number[] = [];
  const labels: boolean[] = [];
  for (let l = 0; l < count; l++) {
    place[l] = lengths.push(0) - 1;
    labels.push(false);
    if (between[l]! < 0) continue;
    lengths.push(between[l]!);
    labels.push(true);
  }
  const layer = Array.from(rank, (l) => place[l]!);
  const sizes = nodes.map(wide);
  nodes.forEach((v, i) => (lengths[layer[i]!] = Math.max(lengths[layer[i]!]!, along(v))));
  const upper: number[] = [];
  const lower: number[] = [];
  const bends = new Int32Array(m).fill(-1); // the first bend of each edge; the others follow
  const marks = new Int32Array(m).fill(-1); // the bend that is its label
  for (let e = 0; e < m; e++) {
    if (!led[e]) continue;
    const [a, b] = turned[e] ? [to[e]!, from[e]!] : [from[e]!, to[e]!];
    bends[e] = layer.length;
    let last = a;
    for (let l = layer[a]! + 1; l < layer[b]!; l++) {
      const v = layer.push(l) - 1;
      if (gapOf[e]! >= 0 && l === (turned[e] ? layer[b]! - 1 : layer[a]! + 1)) {
        marks[e] = v;
        sizes.push(wide(kept[e]!.label ?? none));
      } else {
        sizes.push(0);
      }
      upper.push(last);
      lower.push(v);
      last = v;
    }
    upper.push(last);
    lower.push(b);
  }
  const bend = Uint8Array.from(layer, (_, v) => (v < n ? 0 : 1));
  const [low, high] = [Int32Array.from(upper), Int32Array.from(lower)];
  let mid: Float64Array = new Float64Array(0);
  let least = Infinity;
  for (const o of ordered({ layer: Int32Array.from(layer), count: lengths.length, upper: low, lower: high }, work)) {
    const x = across(o, Float64Array.from(sizes), bend, input.gap ?? 24, edgeGap);
    work.steps += 8 * layer.length + 4 * upper.length;
    // Few crossings, and edges that do not go far aside.
    const cost = (1 + o.crossings) * (1 + low.reduce((sum, v, i) => sum + Math.abs(x[v]! - x[high[i]!]!), 0));
    if (cost >= least) continue;
    least = cost;
    mid = x;
  }

  // Along the direction, each layer is as long as its longest node.
  const layerGap = input.layerGap ?? 64;
  const begin = new Float64Array(lengths.length);
  for (let l = 1; l < lengths.length; l++) begin[l] = begin[l - 1]! + lengths[l - 1]! + (labels[l] || labels[l - 1] ? layerGap / 2 : layerGap);
  const length = begin.at(-1)! + lengths.at(-1)!;
  const top = mid.reduce((min, c, v) => Math.min(min, c - sizes[v]! / 2), Infinity);
  const rim = mid.reduce((max, c, v) => Math.max(max, c + sizes[v]! / 2), -Infinity);
  const at = (a: number, c: number): Point => {
    const [p, q] = [round(a + margin), round(c - top + margin)];
    return right ? { x: p, y: q } : { x: q, y: p };
  };
  const ends = (v: number): [number, number] => {
    const start = begin[layer[v]!]! + (lengths[layer[v]!]! - along(nodes[v]!)) / 2;
    return [start, start + along(nodes[v]!)];
  };
  const rects = nodes.map((v, i) => ({ id: v.id, ...at(ends(i)[0], mid[i]! - sizes[i]! / 2), width: v.width, height: v.height }));
  const outside = new Int32Array(n); // the last layer that edges outside lead to
  for (let e = 0; e < m; e++) {
    const v = turned[e] ? to[e]! : from[e]!;
    const w = turned[e] ? from[e]! : to[e]!;
    if (!led[e]) outside[v] = Math.max(outside[v]!, rank[w]!);
  }
  const lane = lanesOf(rank, outside);

  const edges = kept.map((e, i): PlacedEdge => {
    const [a, b] = turned[i] ? [to[i]!, from[i]!] : [from[i]!, to[i]!];
    const [la, lb] = [layer[a]!, layer[b]!];
    const points: Point[] = [];
    // Straight through a layer, so that no node is touched; a point in a straight line says nothing.
    const add = (p: Point) => {
      const [q, r] = [points.at(-1), points.at(-2)];
      if (q && q.x === p.x && q.y === p.y) return;
      if (q && r && (right ? q.y === p.y && r.y === p.y : q.x === p.x && r.x === p.x)) points.pop();
      points.push(p);
    };
    const through = (l: number, c: number) => {
      add(at(begin[l]!, c));
      add(at(begin[l]! + lengths[l]!, c));
    };
    add(at(ends(a)[1], mid[a]!));
    add(at(begin[la]! + lengths[la]!, mid[a]!));
    if (led[i]) {
      for (let l = la + 1; l < lb; l++) through(l, mid[bends[i]! + l - la - 1]!);
    } else if (lb - la > 1) {
      const c = rim + (1 + lane[a]!) * edgeGap;
      add(at(begin[la + 1]!, c));
      add(at(begin[lb - 1]! + lengths[lb - 1]!, c));
    }
    add(at(begin[lb]!, mid[b]!));
    add(at(ends(b)[0], mid[b]!));
    const half = points[points.length >> 1]!;
    const mark = marks[i]!;
    const label = !e.label ? null : mark < 0 ? half : at(begin[layer[mark]!]! + lengths[layer[mark]!]! / 2, mid[mark]!);
    return { id: e.id, from: e.from, to: e.to, points: turned[i] ? points.reverse() : points, label };
  });
  const end = at(length + margin, rim + (1 + Math.max(...lane)) * edgeGap + margin);
  return { nodes: rects, edges, width: end.x, height: end.y, direction };
}

// lanesOf gives each node with edges that run outside a lane for them, from the layer in
// which it stands to the last that they lead to. A lane is used again where it has ended.
function lanesOf(begin: Int32Array, end: Int32Array): Int32Array {
  const lane = new Int32Array(begin.length).fill(-1);
  const until: number[] = [];
  for (const v of Array.from(begin.keys()).filter((v) => end[v]! > 0).sort((a, b) => begin[a]! - begin[b]! || a - b)) {
    const free = until.findIndex((l) => l < begin[v]!);
    const i = free >= 0 ? free : until.length < maxLanes ? until.length : v % maxLanes;
    until[i] = Math.max(until[i] ?? 0, end[v]!);
    lane[v] = i;
  }
  return lane;
}

const none = { width: 0, height: 0 };

function round(n: number): number {
  return Math.round(n * 2) / 2;
}
