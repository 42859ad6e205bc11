import { useEffect, useMemo, useRef, useState } from "react";
import type { Size } from "./geometry";
import type { Direction, Layout, LayoutInput } from "./layout";
import { LayoutClient, Superseded } from "./layoutClient";
import type { GraphModel, GraphNode } from "./model";

/** The width of a node: that of a map has room for its numbers. */
export function nodeWidth(n: GraphNode): number {
  return n.type === "map" && n.run ? 248 : 212;
}

/** The height of a node: maps have a bar, and a line of numbers below it. */
export function nodeHeight(n: GraphNode): number {
  return n.type === "map" && n.run ? 90 : 54;
}

/** How the graph gets the most room: the longest way and the widest layer decide. */
export function directionFor(model: GraphModel, room: Size): Direction {
  const depth = new Map<string, number>();
  const into = new Map<string, string[]>();
  for (const e of model.edges) into.set(e.to, into.get(e.to) ?? []).get(e.to)?.push(e.from);
  const path = new Set<string>(); // a node that is on it closes a circle, and counts as nothing
  const at = (id: string): number => {
    const known = depth.get(id);
    if (known !== undefined) return known;
    if (path.has(id)) return 0;
    path.add(id);
    const d = 1 + Math.max(0, ...(into.get(id) ?? []).map(at));
    path.delete(id);
    depth.set(id, d);
    return d;
  };
  const layers = new Map<number, number>();
  for (const n of model.nodes) {
    const d = at(n.id);
    layers.set(d, (layers.get(d) ?? 0) + 1);
  }
  const long = layers.size;
  const wide = Math.max(1, ...layers.values());
  const right = Math.min(room.width / (long * 268), room.height / (wide * 74));
  const down = Math.min(room.width / (wide * 232), room.height / (long * 88));
  return Math.min(right, 1) >= Math.min(down, 1) ? "right" : "down";
}

function inputOf(model: GraphModel, direction: Direction): LayoutInput {
  return {
    direction,
    gap: 20,
    layerGap: direction === "right" ? 56 : 34,
    nodes: model.nodes.map((n) => ({ id: n.id, width: nodeWidth(n), height: nodeHeight(n) })),
    edges: model.edges.map((e) => ({ id: e.id, from: e.from, to: e.to, ...(e.outcome === null ? {} : { label: { width: 12 + e.outcome.length * 7, height: 18 } }) })),
  };
}

/** The layout of a graph, by the worker; asked anew only when what is placed changes. */
export function useLayout(model: GraphModel, direction: Direction | null): { layout: Layout | null; failed: Error | null } {
  const client = useRef<LayoutClient | null>(null);
  const [state, setState] = useState<{ layout: Layout | null; failed: Error | null }>({ layout: null, failed: null });
  const text = useMemo(() => (direction ? JSON.stringify(inputOf(model, direction)) : ""), [model, direction]);
  useEffect(() => {
    if (!text) return;
    client.current ??= new LayoutClient();
    client.current.layout(JSON.parse(text) as LayoutInput).then(
      (layout) => setState({ layout, failed: null }),
      (e: unknown) => !(e instanceof Superseded) && setState({ layout: null, failed: e instanceof Error ? e : new Error(String(e)) }),
    );
  }, [text]);
  useEffect(
    () => () => {
      client.current?.close();
      client.current = null;
    },
    [],
  );
  return state;
}
