import { describe, expect, it } from "vitest";
import { Random } from "../kit/random";
import { meets, type Point } from "./geometry";
import { type Layout, layoutGraph, type LayoutInput, margin } from "./layout";
import { LayoutClient, type LayoutAnswer, type LayoutQuestion, type Port, Superseded } from "./layoutClient";
import { range, shapes } from "./shapes";

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

  const every = range(500, (a) => range(499 - a, (k) => [a, a + 1 + k] as const)).flat();
  it.each([...Object.entries(shapes), ["every edge that there can be", every] as const])("bounds the work: %s", (_, pairs) => {
    for (const label of [undefined, { width: 60, height: 18 }]) {
      const edges = pairs.map(([from, to], i) => ({ id: `e${i}`, from: `n${from}`, to: `n${to}`, ...(label && { label }) }));
      const work = { steps: 0 };
      const l = layoutGraph({ nodes: range(500, (i) => ({ id: `n${i}`, width: 200, height: 54 })), edges, direction: "right" }, work);
      expect(work.steps).toBeLessThan(4_000_000 + 20 * edges.length);
      inside(l);
      expect(l.edges).toHaveLength(edges.length);
      expect(l.edges.reduce((sum, e) => sum + e.points.length, 0)).toBeLessThan(12 * 1000 + 8 * edges.length);
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
