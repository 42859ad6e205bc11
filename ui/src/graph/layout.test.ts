import { describe, expect, it } from "vitest";
import { Random } from "../kit/random";
import { meets, type Point } from "./geometry";
import { type Layout, type LayoutEdge, layoutGraph, type LayoutInput, margin } from "./layout";
import { LayoutClient, type LayoutAnswer, type LayoutQuestion, type Port, Superseded } from "./layoutClient";

function random(seed: number, n: number, direction: "right" | "down"): LayoutInput {
  const r = new Random(seed);
  const nodes = Array.from({ length: n }, (_, i) => ({ id: `n${i}`, width: r.int(120, 200), height: 40 }));
  const edges = nodes.slice(1).flatMap((to, i) =>
    Array.from({ length: r.int(1, 2) }, (_, k) => {
      const from = `n${r.int(Math.max(0, i - 8), i)}`;
      return { id: `${from}-${to.id}-${k}`, from, to: to.id, ...(r.next() < 0.3 ? { label: { width: 50, height: 16 } } : {}) };
    }),
  );
  return { nodes, edges, direction };
}

function inside(l: Layout): void {
  for (const n of l.nodes) {
    expect(n.x).toBeGreaterThanOrEqual(margin);
    expect(n.y).toBeGreaterThanOrEqual(margin);
    expect(n.x + n.width).toBeLessThanOrEqual(l.width);
    expect(n.y + n.height).toBeLessThanOrEqual(l.height);
  }
}

function range<T>(n: number, of: (i: number) => T): T[] {
  return Array.from({ length: n }, (_, i) => of(i));
}

/** Pairs of an edge and a node that it runs through. Between layers an edge is anywhere in the box of its two points. */
function touched(l: Layout): string[] {
  return l.edges.flatMap((e) =>
    e.points.slice(1).flatMap((q, i) => {
      const p = e.points[i] ?? q;
      const [left, right, top, bottom] = [Math.min(p.x, q.x), Math.max(p.x, q.x), Math.min(p.y, q.y), Math.max(p.y, q.y)];
      return l.nodes.filter((n) => left < n.x + n.width && right > n.x && top < n.y + n.height && bottom > n.y).map((n) => `${e.id} ${n.id}`);
    }),
  );
}

/** How often lines of two edges cross, those of straight lines between the points. */
function crossings(l: Layout): number {
  const lines = l.edges.flatMap((e) => e.points.slice(1).map((q, i) => ({ p: e.points[i] ?? q, q, of: e.id })));
  const side = (a: Point, b: Point, c: Point) => Math.sign((b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x));
  let count = 0;
  lines.forEach((a, i) => {
    for (const b of lines.slice(i + 1)) {
      if (a.of !== b.of && side(a.p, a.q, b.p) * side(a.p, a.q, b.q) < 0 && side(b.p, b.q, a.p) * side(b.p, b.q, a.q) < 0) count++;
    }
  });
  return count;
}

describe("layoutGraph", () => {
  it.each(["right", "down"] as const)("lays random graphs out without overlaps, along the direction: %s", (direction) => {
    for (let seed = 1; seed <= 20; seed++) {
      const input = random(seed, 5 + seed * 2, direction);
      const l = layoutGraph(input);
      inside(l);
      l.nodes.forEach((a, i) => l.nodes.slice(i + 1).forEach((b) => expect(meets(a, b), `${a.id} and ${b.id}`).toBe(false)));
      const by = new Map(l.nodes.map((n) => [n.id, n]));
      expect(l.edges).toHaveLength(input.edges.length);
      for (const e of l.edges) {
        const [from, to] = [by.get(e.from), by.get(e.to)];
        if (!from || !to) throw new Error("lost a node");
        if (direction === "right") expect(to.x).toBeGreaterThan(from.x + from.width);
        else expect(to.y).toBeGreaterThan(from.y + from.height);
        const start = direction === "right" ? from.x + from.width : from.y + from.height;
        const first = e.points[0];
        expect(direction === "right" ? first?.x : first?.y).toBeCloseTo(start, 5);
        expect(e.label !== null).toBe(input.edges.find((x) => x.id === e.id)?.label !== undefined);
      }
    }
  });

  it("gives the same for the same, whatever was laid out before", () => {
    const input = random(7, 40, "right");
    const first = layoutGraph(input);
    layoutGraph(random(8, 30, "down"));
    expect(layoutGraph(input)).toEqual(first);
  });

  it("bears circles, loops, lone nodes, double edges and none at all", () => {
    const nodes = ["a", "b", "c", "lone"].map((id) => ({ id, width: 100, height: 40 }));
    const e = (from: string, to: string, k = 0) => ({ id: `${from}${to}${k}`, from, to });
    const l = layoutGraph({ nodes, edges: [e("a", "b"), e("b", "c"), e("c", "a"), e("a", "a"), e("a", "b", 1), e("a", "ghost")], direction: "right" });
    inside(l);
    expect(l.edges.map((x) => x.id)).toEqual(["ab0", "bc0", "ca0", "ab1"]);
    expect(layoutGraph({ nodes: [], edges: [], direction: "down" })).toMatchObject({ nodes: [], width: 0, height: 0 });
  });

  it("leads no edge through a node", () => {
    for (let seed = 1; seed <= 12; seed++) {
      const input = random(seed, 40, seed % 2 ? "right" : "down");
      const l = layoutGraph({ ...input, nodes: input.nodes.map((n, i) => ({ ...n, height: i % 5 ? 40 : 90 })) });
      expect(touched(l)).toEqual([]);
    }
  });

  // The crossings of the same graphs by dagre 3.1.3, which was used before.
  it.each([
    [1, 12, 1], [2, 20, 15], [3, 30, 17], [4, 60, 42], [5, 120, 92], [6, 200, 185], [7, 300, 279], [8, 500, 566],
  ])("crosses not more edges than dagre did: seed %i, %i nodes, %i crossings", (seed, n, dagre) => {
    expect(crossings(layoutGraph(random(seed, n, "right")))).toBeLessThanOrEqual(dagre * 1.2);
  });

  const shapes: [string, number, (add: (from: number, to: number) => void, r: Random) => void][] = [
    ["a chain", 500, (add) => range(499, (i) => add(i, i + 1))],
    ["a chain with 4,500 leaps", 500, (add, r) => { range(499, (i) => add(i, i + 1)); range(4500, () => { const a = r.int(0, 497); add(a, r.int(a + 2, 499)); }); }],
    ["5,000 edges", 500, (add, r) => range(5000, () => { const a = r.int(0, 498); add(a, r.int(a + 1, 499)); })],
    ["1,500 edges with circles", 500, (add, r) => range(1500, () => add(r.int(0, 499), r.int(0, 499)))],
    ["fifty full layers", 500, (add) => range(490, (i) => range(10, (k) => add(i, (Math.floor(i / 10) + 1) * 10 + k)))],
    ["two full layers", 500, (add) => range(250, (a) => range(250, (b) => add(a, 250 + b)))],
    ["one to all to one", 500, (add) => range(498, (i) => { add(0, i + 1); add(i + 1, 499); })],
    ["a tree of eights", 500, (add) => range(499, (i) => add(Math.floor(i / 8), i + 1))],
    ["every edge that there can be", 500, (add) => range(500, (a) => range(499 - a, (k) => add(a, a + 1 + k)))],
  ];
  it.each(shapes)("bounds the work of %s", (_, n, fill) => {
    for (const label of [undefined, { width: 60, height: 18 }]) {
      const edges: LayoutEdge[] = [];
      fill((from, to) => edges.push({ id: `e${edges.length}`, from: `n${from}`, to: `n${to}`, ...(label && { label }) }), new Random(1));
      const work = { steps: 0 };
      const l = layoutGraph({ nodes: range(n, (i) => ({ id: `n${i}`, width: 200, height: 54 })), edges, direction: "right" }, work);
      expect(work.steps).toBeLessThan(10_000_000 + 20 * edges.length);
      inside(l);
      const lost = edges.filter((e) => e.from !== e.to).length - l.edges.length;
      expect(lost).toBe(0);
      expect(l.edges.reduce((sum, e) => sum + e.points.length, 0)).toBeLessThan(12 * 1000 + 8 * edges.length);
      const places = new Set(l.nodes.map((p) => `${p.x} ${p.y}`));
      expect(places.size).toBe(n);
      const sorted = [...l.nodes].sort((a, b) => a.x - b.x || a.y - b.y);
      sorted.forEach((b, i) => {
        const a = sorted[i - 1];
        if (a) expect(a.x === b.x ? b.y - a.y - a.height : b.x - a.x - a.width).toBeGreaterThan(0);
      });
    }
  });
});

class FakePort implements Port {
  onmessage: ((e: MessageEvent<LayoutAnswer>) => void) | null = null;
  onerror: ((e: ErrorEvent) => void) | null = null;
  asked: LayoutQuestion[] = [];
  ended = false;
  postMessage(q: LayoutQuestion): void {
    this.asked.push(q);
  }
  terminate(): void {
    this.ended = true;
  }
  answer(a: LayoutAnswer): void {
    this.onmessage?.({ data: a } as MessageEvent<LayoutAnswer>);
  }
}

describe("LayoutClient", () => {
  const input: LayoutInput = { nodes: [], edges: [], direction: "right" };
  const layout = layoutGraph(input);

  it("answers the newest question only", async () => {
    const port = new FakePort();
    const c = new LayoutClient(() => port);
    const first = c.layout(input);
    const second = c.layout(input);
    await expect(first).rejects.toBeInstanceOf(Superseded);
    port.answer({ id: 1, layout: { ...layout, width: 99 } });
    port.answer({ id: 2, layout });
    expect(await second).toEqual(layout);
    expect(port.asked.map((q) => q.id)).toEqual([1, 2]);
  });

  it("hands errors on, and begins anew after the worker died", async () => {
    const ports: FakePort[] = [];
    const c = new LayoutClient(() => {
      const p = new FakePort();
      ports.push(p);
      return p;
    });
    const one = c.layout(input);
    ports[0]?.answer({ id: 1, error: "too deep" });
    await expect(one).rejects.toThrow("too deep");
    const two = c.layout(input);
    ports[0]?.onerror?.({ message: "" } as ErrorEvent);
    await expect(two).rejects.toThrow("did not start");
    const three = c.layout(input);
    ports[1]?.answer({ id: 3, layout });
    expect(await three).toEqual(layout);
    const four = c.layout(input);
    c.close();
    await expect(four).rejects.toBeInstanceOf(Superseded);
    expect(ports[1]?.ended).toBe(true);
  });
});
