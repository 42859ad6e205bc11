import { describe, expect, it } from "vitest";
import { Random } from "../kit/random";
import { boundsOf, curvePath, fitView, meets, type Rect, reveal, sight, toGraph, toScreen, walk, zoomAt, zoomBounds } from "./geometry";
import { layoutGraph } from "./layout";

const box = (id: string, x: number, y: number): Rect & { id: string } => ({ id, x, y, width: 100, height: 40 });

describe("paths", () => {
  it("curves level along the direction", () => {
    expect(curvePath([{ x: 0, y: 0 }, { x: 100, y: 50 }], "right")).toBe("M0 0 C50 0 50 50 100 50");
    expect(curvePath([{ x: 0, y: 0 }, { x: 100, y: 50 }], "down")).toBe("M0 0 C0 25 100 25 100 50");
    expect(curvePath([{ x: 0, y: 5 }, { x: 10, y: 5 }], "right")).toBe("M0 5 L10 5");
    expect(curvePath([{ x: 0, y: 5 }], "right")).toBe("");
  });
});

describe("view", () => {
  it("fits and centres", () => {
    const v = fitView({ x: 0, y: 0, width: 2000, height: 100 }, { width: 1048, height: 500 }, 24);
    expect(v.zoom).toBe(0.5);
    expect(toScreen(v, { x: 1000, y: 50 })).toEqual({ x: 524, y: 250 });
    expect(fitView({ x: 0, y: 0, width: 10, height: 10 }, { width: 800, height: 600 }).zoom).toBe(1);
    expect(fitView({ x: 0, y: 0, width: 0, height: 0 }, { width: 0, height: 0 }).zoom).toBeGreaterThan(0);
  });

  it("keeps the point under the pointer while zooming, within bounds", () => {
    const r = new Random(9);
    let v = { x: 0, y: 0, zoom: 1 };
    for (let i = 0; i < 300; i++) {
      const p = { x: r.int(0, 800), y: r.int(0, 600) };
      const before = toGraph(v, p);
      v = zoomAt(v, p, 0.5 + r.next() * 1.5);
      expect(toGraph(v, p).x).toBeCloseTo(before.x, 4);
      expect(toGraph(v, p).y).toBeCloseTo(before.y, 4);
      expect(v.zoom).toBeGreaterThanOrEqual(zoomBounds.min);
      expect(v.zoom).toBeLessThanOrEqual(zoomBounds.max);
    }
  });

  it("reveals with the least move", () => {
    const size = { width: 400, height: 300 };
    const v = { x: 0, y: 0, zoom: 1 };
    expect(reveal(v, box("a", 50, 50), size)).toBe(v);
    expect(reveal(v, box("a", 380, 50), size)).toEqual({ zoom: 1, x: -104, y: 0 });
    expect(reveal(v, box("a", -500, -500), size)).toEqual({ zoom: 1, x: 524, y: 524 });
  });

  it("draws only what is in sight", () => {
    const nodes = [box("a", 0, 0), box("b", 5000, 0)];
    const seen = sight({ x: 0, y: 0, zoom: 1 }, { width: 800, height: 600 });
    expect(nodes.filter((n) => meets(n, seen)).map((n) => n.id)).toEqual(["a"]);
    expect(meets(boundsOf([]), box("z", 10, 10))).toBe(false);
  });
});

describe("walk", () => {
  it("goes to the nearest node of that side, straight ahead first", () => {
    const nodes = [box("a", 0, 100), box("b", 200, 100), box("c", 200, 0), box("d", 400, 100)];
    expect(walk(nodes, "a", "right")?.id).toBe("b");
    expect(walk(nodes, "b", "up")?.id).toBe("c");
    expect(walk(nodes, "c", "left")?.id).toBe("a");
    expect(walk(nodes, "d", "right")).toBeNull();
    expect(walk(nodes, null, "down")?.id).toBe("a");
    expect(walk(nodes, "gone", "down")?.id).toBe("a");
    expect(walk(nodes, "a", "last")?.id).toBe("d");
    expect(walk([], null, "right")).toBeNull();
  });

  it("reaches every node from every other, and no arrow stands still where there is something on its side", () => {
    for (let seed = 1; seed <= 25; seed++) {
      const r = new Random(seed);
      const n = r.int(2, 30);
      const direction = r.pick(["right", "down"] as const);
      const { nodes } = layoutGraph({
        nodes: Array.from({ length: n }, (_, i) => ({ id: `n${i}`, width: 100, height: 40 })),
        edges: Array.from({ length: n }, (_, i) => ({ id: `e${i}`, from: `n${r.int(0, n - 1)}`, to: `n${r.int(0, n - 1)}` })),
        direction,
      });
      for (const start of nodes) {
        const seen = new Set<string>([start.id]);
        const todo = [start.id];
        for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
          for (const step of ["left", "right", "up", "down", "next", "previous"] as const) {
            const to = walk(nodes, id, step, direction);
            if (to && !seen.has(to.id)) {
              seen.add(to.id);
              todo.push(to.id);
            }
          }
        }
        expect(seen.size).toBe(n);
        const right = nodes.some((o) => o.x + o.width / 2 > start.x + start.width / 2);
        expect(walk(nodes, start.id, "right") !== null).toBe(right);
      }
    }
  });
});
