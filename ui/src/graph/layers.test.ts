import { describe, expect, it } from "vitest";
import { Random } from "../kit/random";
import { layersOf, listsOf } from "./layers";
import { type Layered, ordered } from "./order";

interface Edges {
  from: Int32Array;
  to: Int32Array;
}

/** m edges between n nodes, none from a node to itself; forward only, if circles is false. */
function edges(r: Random, n: number, m: number, circles = false): Edges {
  const pairs = Array.from({ length: m }, () => {
    const a = r.int(0, n - 2);
    const b = r.int(a + 1, n - 1);
    return circles && r.next() < 0.5 ? [b, a] : [a, b];
  });
  return { from: Int32Array.from(pairs, ([a]) => a ?? 0), to: Int32Array.from(pairs, ([, b]) => b ?? 0) };
}

const length = (layer: ArrayLike<number>, e: Edges) => e.from.reduce((sum, v, i) => sum + Math.abs((layer[e.to[i] ?? 0] ?? 0) - (layer[v] ?? 0)), 0);

/** The least sum of lengths of any layers, by trying all. */
function shortest(n: number, e: Edges): number {
  const layer = new Array<number>(n).fill(0);
  let least = Infinity;
  const set = (v: number) => {
    if (v === n) {
      if (e.from.every((a, i) => (layer[a] ?? 0) < (layer[e.to[i] ?? 0] ?? 0))) least = Math.min(least, length(layer, e));
      return;
    }
    for (let l = 0; l < n; l++) {
      layer[v] = l;
      set(v + 1);
    }
  };
  set(0);
  return least;
}

describe("listsOf", () => {
  it("lists by index, in order", () => {
    const { start, list } = listsOf(3, Int32Array.of(2, 0, 2, 0, 0));
    expect([...start]).toEqual([0, 3, 3, 5]);
    expect([...list]).toEqual([1, 3, 4, 0, 2]);
  });
});

describe("layersOf", () => {
  it("leads every edge forward, turning none where there is no circle", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const r = new Random(seed);
      const n = r.int(2, 60);
      const e = edges(r, n, r.int(1, 3 * n), seed % 2 === 0);
      const { layer, turned, count } = layersOf(n, e.from, e.to, { steps: 0 });
      e.from.forEach((a, i) => {
        const way = (layer[e.to[i] ?? 0] ?? 0) - (layer[a] ?? 0);
        expect(turned[i] ? -way : way).toBeGreaterThan(0);
      });
      if (seed % 2) expect(turned.includes(1)).toBe(false);
      expect([...new Set(layer)].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    }
  });

  it("has the shortest edges that there can be", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const r = new Random(seed);
      const n = r.int(3, 6);
      const e = edges(r, n, r.int(2, 8));
      expect(length(layersOf(n, e.from, e.to, { steps: 0 }).layer, e), `seed ${seed}`).toBe(shortest(n, e));
    }
  });

  it("turns the edge that leads back to where a circle is entered", () => {
    const { layer, turned } = layersOf(4, Int32Array.of(0, 1, 2, 3), Int32Array.of(1, 2, 3, 1), { steps: 0 });
    expect([...layer]).toEqual([0, 1, 2, 3]);
    expect([...turned]).toEqual([0, 0, 0, 1]);
  });
});

/** Crossings counted pair by pair. */
function crossings(g: Layered, place: ArrayLike<number>): number {
  let count = 0;
  for (let i = 0; i < g.upper.length; i++) {
    for (let j = 0; j < i; j++) {
      const [a, b, c, d] = [g.upper[i] ?? 0, g.lower[i] ?? 0, g.upper[j] ?? 0, g.lower[j] ?? 0];
      if (g.layer[a] === g.layer[c] && ((place[a] ?? 0) - (place[c] ?? 0)) * ((place[b] ?? 0) - (place[d] ?? 0)) < 0) count++;
    }
  }
  return count;
}

describe("ordered", () => {
  it("counts its crossings right, has every vertex once, and lists neighbours in their order", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const r = new Random(seed);
      const count = r.int(2, 8);
      const n = count * r.int(1, 7);
      const layer = Int32Array.from({ length: n }, (_, v) => v % count);
      const segments = Array.from({ length: r.int(1, 3 * n) }, () => {
        const v = r.int(0, n - 1);
        return (v % count) + 1 < count ? [v, r.int(0, n / count - 1) * count + (v % count) + 1] : [];
      }).filter((s) => s.length > 0);
      const g: Layered = { layer, count, upper: Int32Array.from(segments, ([a]) => a ?? 0), lower: Int32Array.from(segments, ([, b]) => b ?? 0) };
      for (const o of ordered(g, { steps: 0 })) {
        expect(o.crossings).toBe(crossings(g, o.place));
        expect([...o.slots].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, v) => v));
        o.slots.forEach((v, i) => expect(i - (o.start[layer[v] ?? 0] ?? 0)).toBe(o.place[v]));
        for (const near of [o.before, o.behind]) {
          for (let v = 0; v < n; v++) {
            const places = Array.from(near.list.slice(near.start[v], near.start[v + 1]), (w) => o.place[w] ?? -1);
            expect(places).toEqual([...places].sort((a, b) => a - b));
          }
        }
      }
    }
  });

  it("finds the order without crossings of a tree whose nodes came mixed", () => {
    const parent = [0, 0, 0, 1, 2, 1, 2, 3, 4, 5, 6, 3, 4];
    const layer = Int32Array.of(0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3);
    const lower = Int32Array.from(parent.slice(1), (_, i) => i + 1);
    const [o] = ordered({ layer, count: 4, upper: Int32Array.from(parent.slice(1)), lower }, { steps: 0 });
    expect(o?.crossings).toBe(0);
  });
});
