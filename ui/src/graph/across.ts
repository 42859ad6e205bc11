// Where the vertices of each layer stand across the direction, after Brandes and Köpf:
// four ways of standing in line with a middle neighbour, and the mean of the middle two.

import type { Neighbours, Ordered } from "./order";

/** The middle of each vertex. bend marks the vertices that are only bends of an edge: they stand closer, and in straight lines. */
export function across(o: Ordered, size: Float64Array, bend: Uint8Array, gap: number, bendGap: number): Float64Array {
  const n = o.layer.length;
  const apart = (v: number, w: number) => (size[v]! + size[w]! + (bend[v] ? bendGap : gap) + (bend[w] ? bendGap : gap)) / 2;
  const [low, high] = straight(o, bend);
  const ways: Float64Array[] = [];
  for (const down of [true, false]) for (const left of [true, false]) ways.push(pack(o, line(o, bend, low, high, down, left), left, apart));

  // All four begin or end where the narrowest does.
  const spans = ways.map((x) => {
    let [min, max] = [Infinity, -Infinity];
    for (let v = 0; v < n; v++) {
      min = Math.min(min, x[v]! - size[v]! / 2);
      max = Math.max(max, x[v]! + size[v]! / 2);
    }
    return { min, max };
  });
  const narrow = spans.reduce((a, b) => (b.max - b.min < a.max - a.min ? b : a));
  const shift = spans.map((s, i) => (i % 2 === 0 ? narrow.min - s.min : narrow.max - s.max));
  const middle = new Float64Array(n);
  for (let v = 0; v < n; v++) {
    let [min, max, sum] = [Infinity, -Infinity, 0];
    for (let i = 0; i < 4; i++) {
      const x = ways[i]![v]! + shift[i]!;
      min = Math.min(min, x);
      max = Math.max(max, x);
      sum += x;
    }
    middle[v] = (sum - min - max) / 2;
  }
  return middle;
}

// straight: a segment to v may only come from a place between low[v] and high[v], else it
// crosses one between two bends, which goes first.
function straight(o: Ordered, bend: Uint8Array): [Int32Array, Int32Array] {
  const low = new Int32Array(o.layer.length).fill(-1);
  const high = new Int32Array(o.layer.length).fill(0x7fffffff);
  const from = (v: number) => {
    const u = bend[v] && o.before.start[v]! < o.before.start[v + 1]! ? o.before.list[o.before.start[v]!]! : -1;
    return u >= 0 && bend[u] ? o.place[u]! : -1;
  };
  for (let l = 1; l < o.count; l++) {
    let most = -1;
    for (let i = o.start[l]!; i < o.start[l + 1]!; i++) {
      low[o.slots[i]!] = most;
      most = Math.max(most, from(o.slots[i]!));
    }
    let least = 0x7fffffff;
    for (let i = o.start[l + 1]! - 1; i >= o.start[l]!; i--) {
      high[o.slots[i]!] = least;
      const p = from(o.slots[i]!);
      if (p >= 0) least = Math.min(least, p);
    }
  }
  return [low, high];
}

interface Lines {
  /** The vertex by which a line is known. */
  root: Int32Array;
  /** The next of the line; behind the last comes the root. */
  next: Int32Array;
}

// line lets vertices stand in line with a middle neighbour of the layer that comes before
// them on the way down or up; lines do not cross.
function line(o: Ordered, bend: Uint8Array, low: Int32Array, high: Int32Array, down: boolean, left: boolean): Lines {
  const n = o.layer.length;
  const root = Int32Array.from({ length: n }, (_, v) => v);
  const next = root.slice();
  const near: Neighbours = down ? o.before : o.behind;
  for (let k = 1; k < o.count; k++) {
    const l = down ? k : o.count - 1 - k;
    const size = o.start[l + 1]! - o.start[l]!;
    let last = left ? -1 : 0x7fffffff;
    for (let i = 0; i < size; i++) {
      const v = o.slots[left ? o.start[l]! + i : o.start[l + 1]! - 1 - i]!;
      const a = near.start[v]!;
      const d = near.start[v + 1]! - a;
      if (d === 0) continue;
      for (let k = 0; k < 2; k++) {
        const u = near.list[a + ((left ? d - 1 + k : d - k) >> 1)]!;
        const p = o.place[u]!;
        if (next[v] !== v || (left ? p <= last : p >= last)) continue;
        const from = o.place[down ? u : v]!;
        const to = down ? v : u;
        if (!(bend[u] && bend[v]) && (from < low[to]! || from > high[to]!)) continue;
        next[u] = v;
        root[v] = root[u]!;
        next[v] = root[v]!;
        last = p;
      }
    }
  }
  return { root, next };
}

// pack moves the lines together from the left, or from the right, and then closes what gaps are left.
function pack(o: Ordered, { root, next }: Lines, left: boolean, apart: (v: number, w: number) => number): Float64Array {
  const n = o.layer.length;
  const beside = new Int32Array(n).fill(-1); // the neighbour away from the side that is packed to
  const open = new Int32Array(n);
  for (let l = 0; l < o.count; l++) {
    for (let i = o.start[l]! + 1; i < o.start[l + 1]!; i++) {
      const v = o.slots[left ? i - 1 : i]!;
      const w = o.slots[left ? i : i - 1]!;
      beside[v] = w;
      open[root[w]!]!++;
    }
  }
  const x = new Float64Array(n);
  const queue: number[] = [];
  for (let v = 0; v < n; v++) if (root[v] === v && !open[v]) queue.push(v);
  for (const r of queue) {
    for (let v = r; ; ) {
      const w = beside[v]!;
      if (w >= 0) {
        const q = root[w]!;
        x[q] = Math.max(x[q]!, x[r]! + apart(v, w));
        if (--open[q]! === 0) queue.push(q);
      }
      v = next[v]!;
      if (v === r) break;
    }
  }
  for (let i = queue.length - 1; i >= 0; i--) {
    const r = queue[i]!;
    let room = Infinity;
    for (let v = r; ; ) {
      const w = beside[v]!;
      if (w >= 0) room = Math.min(room, x[root[w]!]! - apart(v, w));
      v = next[v]!;
      if (v === r) break;
    }
    if (room < Infinity) x[r] = Math.max(x[r]!, room);
  }
  return Float64Array.from({ length: n }, (_, v) => (left ? x[root[v]!]! : -x[root[v]!]!));
}
