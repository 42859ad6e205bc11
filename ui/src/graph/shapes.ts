// Graphs of as many nodes as a workflow may have, for tests and for measuring.

import { Random } from "../kit/random";

const nodes = 500;

/** Lists of edges, as pairs of indices; from is less than to but in what has circles. */
export const shapes: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  "twenty rows": edges((add) => range(nodes - 20, (i) => (add(i, i + 20), (i + 20) % 7 === 0 && add(i + 1, i + 20)))),
  "a chain": edges((add) => range(nodes - 1, (i) => add(i, i + 1))),
  "a tree of twos": edges((add) => range(nodes - 1, (i) => add(i >> 1, i + 1))),
  "a tree of eights": edges((add) => range(nodes - 1, (i) => add(i >> 3, i + 1))),
  "one to all to one": edges((add) => range(nodes - 2, (i) => (add(0, i + 1), add(i + 1, nodes - 1)))),
  "two random edges to each": edges((add, r) => range(nodes - 1, (i) => (add(r.int(0, i), i + 1), add(r.int(0, i), i + 1)))),
  "three random edges to each": edges((add, r) => range(nodes - 1, (i) => range(3, () => add(r.int(0, i), i + 1)))),
  "fifty full layers": edges((add) => range(nodes - 10, (i) => range(10, (k) => add(i, (Math.floor(i / 10) + 1) * 10 + k)))),
  "5,000 random edges": edges((add, r) => range(5000, () => forward(add, r, 1))),
  "a chain with 4,500 leaps": edges((add, r) => (range(nodes - 1, (i) => add(i, i + 1)), range(4500, () => forward(add, r, 2)))),
  "two full layers": edges((add) => range(250, (a) => range(250, (b) => add(a, 250 + b)))),
  "1,500 edges with circles": edges((add, r) => range(1500, () => add(r.int(0, nodes - 1), r.int(0, nodes - 1)))),
};

function edges(fill: (add: (from: number, to: number) => void, r: Random) => void): [number, number][] {
  const list: [number, number][] = [];
  fill((from, to) => from !== to && list.push([from, to]), new Random(1));
  return list;
}

function forward(add: (from: number, to: number) => void, r: Random, least: number): void {
  const from = r.int(0, nodes - 1 - least);
  add(from, r.int(from + least, nodes - 1));
}

/** of(0), of(1) and so on, n of them. */
export function range<T>(n: number, of: (i: number) => T): T[] {
  return Array.from({ length: n }, (_, i) => of(i));
}
