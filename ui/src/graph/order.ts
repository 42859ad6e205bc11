// The order of the nodes within each layer: the fewest crossings that some sweeps find.

import { listsOf, type Work } from "./layers";

/** A graph whose segments all lead from one layer to the next. */
export interface Layered {
  /** The layer of each vertex. */
  layer: Int32Array;
  count: number;
  /** Upper and lower end of each segment. */
  upper: Int32Array;
  lower: Int32Array;
}

/** Layered, with the vertices in their order. Lists as in listsOf. */
export interface Ordered extends Layered {
  /** The vertices of layer l are slots[start[l]] up to, but not, slots[start[l + 1]]. */
  start: Int32Array;
  slots: Int32Array;
  /** The place of each vertex in its layer. */
  place: Int32Array;
  /** The neighbours of each vertex in the layer before and behind, in their order. */
  before: Neighbours;
  behind: Neighbours;
  crossings: number;
  /** Room for the work, which is used again and again. */
  next: Int32Array;
}

/** Neighbours of vertex v: list[start[v]] up to, but not, list[start[v + 1]]. */
export interface Neighbours {
  start: Int32Array;
  list: Int32Array;
}

// The sweeps end after so many steps, and when so many in a row have found nothing better.
const sweeping = 1_500_000;
const patience = 4;
// So many times the fewest crossings the order may have in which the vertices came.
const tolerance = 1.5;

/**
 * Finds an order with few crossings; a second one, if there is one, has not many more and is
 * nearer to how the vertices came: by number, then by the segments that lead to them.
 */
export function ordered(g: Layered, work: Work): Ordered[] {
  const n = g.layer.length;
  const before = neighbours(n, g.lower, g.upper);
  const behind = neighbours(n, g.upper, g.lower);
  const { start, list } = listsOf(g.count, g.layer);
  const slots = visited(g, list, start, behind);
  const o: Ordered = { ...g, start, slots, place: new Int32Array(n), before, behind, crossings: 0, next: new Int32Array(n) };
  for (let l = 0; l < g.count; l++) number(o, l);
  work.steps += 2 * n + g.upper.length;

  const limit = work.steps + sweeping;
  const keys = new Float64Array(n);
  const counts = new Int32Array(n + 1);
  o.crossings = exchange(o, count(o, counts, work), limit, work);
  const first = { ...o, slots: slots.slice() };
  let best = first;
  for (let i = 0, last = 0; last < patience && best.crossings > 0 && work.steps < limit; i++, last++) {
    for (let k = 1; k < g.count; k++) sweep(o, i % 2 ? k : g.count - 1 - k, i % 2 ? before : behind, i % 4 >= 2, keys);
    work.steps += 2 * n + g.upper.length;
    o.crossings = exchange(o, count(o, counts, work), limit, work);
    if (o.crossings >= best.crossings) continue;
    last = -1;
    best = { ...o, slots: slots.slice() };
  }
  return (best === first || first.crossings > best.crossings * tolerance ? [best] : [best, first]).map(finished);
}

// finished gives an order its own places and lists.
function finished(found: Ordered): Ordered {
  const { before, behind } = found;
  const o = { ...found, place: found.place.slice(), before: { ...before, list: before.list.slice() }, behind: { ...behind, list: behind.list.slice() } };
  for (let l = 0; l < o.count; l++) number(o, l);
  for (let l = 0; l < o.count; l++) arrange(o, l);
  return o;
}

function neighbours(n: number, of: Int32Array, other: Int32Array): Neighbours {
  const { start, list } = listsOf(n, of);
  return { start, list: list.map((e) => other[e]!) };
}

// visited gives each layer the order in which a walk along the segments finds its vertices.
function visited(g: Layered, list: Int32Array, start: Int32Array, behind: Neighbours): Int32Array {
  const n = g.layer.length;
  const slots = new Int32Array(n);
  const free = start.slice();
  const next = behind.start.slice();
  const seen = new Uint8Array(n);
  const path = new Int32Array(g.count + 1);
  const enter = (v: number) => {
    seen[v] = 1;
    slots[free[g.layer[v]!]!++] = v;
  };
  for (const s of list) {
    if (seen[s]) continue;
    enter(s);
    path[0] = s;
    for (let depth = 0; depth >= 0; ) {
      const v = path[depth]!;
      if (next[v]! === behind.start[v + 1]!) {
        depth--;
        continue;
      }
      const w = behind.list[next[v]!++]!;
      if (seen[w]) continue;
      enter(w);
      path[++depth] = w;
    }
  }
  return slots;
}

function number(o: Ordered, l: number): void {
  for (let i = o.start[l]!; i < o.start[l + 1]!; i++) o.place[o.slots[i]!] = i - o.start[l]!;
}

// sweep sorts layer l by the mean place of the neighbours; those without stay where they are.
function sweep(o: Ordered, l: number, near: Neighbours, late: boolean, keys: Float64Array): void {
  const { slots, place } = o;
  const free: number[] = [];
  for (let i = o.start[l]!; i < o.start[l + 1]!; i++) {
    const v = slots[i]!;
    const a = near.start[v]!;
    const b = near.start[v + 1]!;
    if (a === b) continue;
    let sum = 0;
    for (let k = a; k < b; k++) sum += place[near.list[k]!]!;
    keys[v] = sum / (b - a);
    free.push(i);
  }
  const moved = free.map((i) => slots[i]!).sort((v, w) => keys[v]! - keys[w]! || (late ? place[w]! - place[v]! : place[v]! - place[w]!));
  moved.forEach((v, i) => (slots[free[i]!] = v));
  number(o, l);
}

// arrange brings the lists of layer l into the order of their neighbours' places.
function arrange(o: Ordered, l: number): void {
  if (l > 0) refill(o, l, l - 1, o.before, o.behind);
  if (l < o.count - 1) refill(o, l, l + 1, o.behind, o.before);
}

// refill goes over the neighbours in their order, and so needs no sorting.
function refill(o: Ordered, l: number, other: number, lists: Neighbours, back: Neighbours): void {
  const { next } = o;
  next.fill(0, 0, o.start[l + 1]! - o.start[l]!);
  for (let i = o.start[other]!; i < o.start[other + 1]!; i++) {
    const w = o.slots[i]!;
    for (let k = back.start[w]!; k < back.start[w + 1]!; k++) {
      const v = back.list[k]!;
      lists.list[lists.start[v]! + next[o.place[v]!]!++] = w;
    }
  }
}

// count is the number of crossings of all segments.
function count(o: Ordered, counts: Int32Array, work: Work): number {
  let crossings = 0;
  for (let l = 0; l < o.count - 1; l++) {
    refill(o, l, l + 1, o.behind, o.before);
    const width = o.start[l + 2]! - o.start[l + 1]!;
    counts.fill(0, 0, width + 1);
    let seen = 0;
    for (let i = o.start[l]!; i < o.start[l + 1]!; i++) {
      const v = o.slots[i]!;
      for (let k = o.behind.start[v]!; k < o.behind.start[v + 1]!; k++) {
        // Each earlier segment that ends further on is crossed.
        const p = o.place[o.behind.list[k]!]! + 1;
        let until = 0;
        for (let j = p; j > 0; j -= j & -j) until += counts[j]!;
        crossings += seen++ - until;
        for (let j = p; j <= width; j += j & -j) counts[j]!++;
      }
    }
    work.steps += seen * (34 - Math.clz32(width));
  }
  return crossings;
}

// exchange changes neighbours of a layer as long as that saves crossings, and returns what is left of them.
function exchange(o: Ordered, crossings: number, limit: number, work: Work): number {
  const { slots, place } = o;
  for (let saved = 1; saved > 0 && work.steps < limit; ) {
    saved = 0;
    work.steps += o.layer.length + 2 * o.upper.length;
    for (let l = 0; l < o.count; l++) {
      arrange(o, l);
      for (let i = o.start[l]!; i < o.start[l + 1]! - 1; i++) {
        const v = slots[i]!;
        const w = slots[i + 1]!;
        const gain = gained(o.before, v, w, place, work) + gained(o.behind, v, w, place, work);
        if (gain <= 0) continue;
        saved += gain;
        slots[i] = w;
        slots[i + 1] = v;
        place[v]!++;
        place[w]!--;
      }
    }
    crossings -= saved;
  }
  return crossings;
}

// gained is how many crossings fewer there are on one side when w stands before v.
function gained(near: Neighbours, v: number, w: number, place: Int32Array, work: Work): number {
  const vEnd = near.start[v + 1]!;
  const wEnd = near.start[w + 1]!;
  let gain = 0;
  let less = near.start[w]!; // of w, those before the one of v, and up to it
  let same = less;
  for (let i = near.start[v]!; i < vEnd; i++) {
    const p = place[near.list[i]!]!;
    while (less < wEnd && place[near.list[less]!]! < p) less++;
    if (same < less) same = less;
    while (same < wEnd && place[near.list[same]!]! === p) same++;
    gain += less - near.start[w]! - (wEnd - same);
  }
  work.steps += 1 + vEnd - near.start[v]! + wEnd - near.start[w]!;
  return gain;
}
