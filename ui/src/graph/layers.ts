// Which layer each node of a graph stands in: edges lead from a layer to a later one, and
// are as short as possible in sum. Indices instead of names, typed arrays instead of
// objects: a graph of 500 nodes makes no garbage. All indices are within bounds.

/** Counts inner steps, so that tests can bound the work of any graph. */
export interface Work {
  steps: number;
}

// The search for the shortest edges ends after so many steps; its layers are right before, too.
const shortening = 1_000_000;

/** The layers of n nodes, from 0 without gaps, and the edges that must be turned for all to lead forward. from[i] differs from to[i]. */
export function layersOf(n: number, from: Int32Array, to: Int32Array, work: Work): { layer: Int32Array; turned: Uint8Array; count: number } {
  const turned = turnedOf(n, from, to);
  const tail = from.map((v, e) => (turned[e] ? to[e]! : v));
  const head = to.map((v, e) => (turned[e] ? from[e]! : v));
  const layer = longestPaths(n, tail, head);
  work.steps += n * n + from.length;
  shorten(n, tail, head, layer, work);
  return { layer, turned, count: close(layer) };
}

/** Lists by index: those of i are list[start[i]] up to, but not, list[start[i + 1]]. */
export function listsOf(n: number, key: Int32Array): { start: Int32Array; list: Int32Array } {
  const start = new Int32Array(n + 1);
  for (const k of key) start[k + 1]!++;
  for (let i = 0; i < n; i++) start[i + 1]! += start[i]!;
  const next = start.slice();
  const list = new Int32Array(key.length);
  key.forEach((k, i) => (list[next[k]!++] = i));
  return { start, list };
}

// turnedOf finds few edges without which there is no circle, after Eades, Lin and Smyth: what
// nothing leads to goes to the front, what leads nowhere to the end, and else what leads to
// the most beyond what leads to it; the first of the document among equals.
function turnedOf(n: number, from: Int32Array, to: Int32Array): Uint8Array {
  const outs = listsOf(n, from);
  const ins = listsOf(n, to);
  const out = Int32Array.from({ length: n }, (_, v) => outs.start[v + 1]! - outs.start[v]!);
  const into = Int32Array.from({ length: n }, (_, v) => ins.start[v + 1]! - ins.start[v]!);
  const place = new Int32Array(n).fill(-1);
  const [sources, sinks]: [number[], number[]] = [[], []];
  let [front, back] = [0, n];
  const take = (v: number, at: number) => {
    if (place[v] !== -1) return false;
    place[v] = at;
    for (let i = outs.start[v]!; i < outs.start[v + 1]!; i++) {
      const w = to[outs.list[i]!]!;
      if (--into[w]! === 0) sources.push(w);
    }
    for (let i = ins.start[v]!; i < ins.start[v + 1]!; i++) {
      const w = from[ins.list[i]!]!;
      if (--out[w]! === 0) sinks.push(w);
    }
    return true;
  };
  for (let v = 0; v < n; v++) {
    if (!into[v]) sources.push(v);
    else if (!out[v]) sinks.push(v);
  }
  while (front < back) {
    const source = sources.pop();
    const sink = source === undefined ? sinks.pop() : undefined;
    if (source !== undefined) {
      if (take(source, front)) front++;
    } else if (sink !== undefined) {
      if (take(sink, back - 1)) back--;
    } else {
      let best = -1;
      for (let v = 0; v < n; v++) if (place[v] === -1 && (best < 0 || out[v]! - into[v]! > out[best]! - into[best]!)) best = v;
      take(best, front++);
    }
  }
  return Uint8Array.from(from, (v, e) => (place[v]! > place[to[e]!]! ? 1 : 0));
}

// longestPaths puts each node directly behind the last of those that lead to it.
function longestPaths(n: number, tail: Int32Array, head: Int32Array): Int32Array {
  const layer = new Int32Array(n);
  const out = listsOf(n, tail);
  const open = new Int32Array(n);
  for (const v of head) open[v]!++;
  const queue: number[] = [];
  for (let v = 0; v < n; v++) if (!open[v]) queue.push(v);
  for (const v of queue) {
    for (let i = out.start[v]!; i < out.start[v + 1]!; i++) {
      const w = head[out.list[i]!]!;
      layer[w] = Math.max(layer[w]!, layer[v]! + 1);
      if (--open[w]! === 0) queue.push(w);
    }
  }
  return layer;
}

// shorten is a network simplex: a tree of edges that are as short as can be, in which an
// edge is replaced as long as moving all that hangs at it makes the sum smaller.
function shorten(n: number, tail: Int32Array, head: Int32Array, layer: Int32Array, work: Work): void {
  const m = tail.length;
  const limit = work.steps + shortening;
  const up = new Int32Array(n).fill(-1); // the edge to the node above in the tree
  const root = new Int32Array(n).fill(-1);
  const outs = listsOf(n, tail);
  const ins = listsOf(n, head);
  const slack = (e: number) => layer[head[e]!]! - layer[tail[e]!]! - 1;
  const above = (v: number) => (tail[up[v]!] === v ? head[up[v]!]! : tail[up[v]!]!);

  for (let r = 0; r < n; r++) {
    if (root[r] !== -1) continue;
    const tree = [r];
    root[r] = r;
    for (let done = 0; ; ) {
      for (; done < tree.length; done++) {
        const v = tree[done]!;
        for (const [lists, end] of [[outs, head], [ins, tail]] as const) {
          for (let i = lists.start[v]!; i < lists.start[v + 1]!; i++) {
            const e = lists.list[i]!;
            const w = end[e]!;
            if (root[w] !== -1 || slack(e) > 0) continue;
            root[w] = r;
            up[w] = e;
            tree.push(w);
          }
        }
      }
      // Nothing more is near: the whole tree goes to what is nearest.
      let best = -1;
      for (let e = 0; e < m; e++) {
        if ((root[tail[e]!] === r) !== (root[head[e]!] === r) && (best < 0 || slack(e) < slack(best))) best = e;
      }
      work.steps += m + tree.length;
      if (best < 0) break;
      if (work.steps > limit) return;
      const by = root[tail[best]!] === r ? slack(best) : -slack(best);
      for (const v of tree) layer[v]! += by;
      done = 0;
    }
  }

  const sum = new Int32Array(n); // edges out of, less edges into, what hangs below
  const below = new Int32Array(n);
  const order = new Int32Array(n); // leaves first
  const inside = new Uint8Array(n);
  for (let from = 0; work.steps < limit; ) {
    work.steps += 3 * n + m;
    below.fill(0);
    for (let v = 0; v < n; v++) {
      sum[v] = outs.start[v + 1]! - outs.start[v]! - ins.start[v + 1]! + ins.start[v]!;
      if (up[v] !== -1) below[above(v)]!++;
    }
    let last = 0;
    for (let v = 0; v < n; v++) if (!below[v]) order[last++] = v;
    for (let i = 0; i < last; i++) {
      const v = order[i]!;
      if (up[v] === -1) continue;
      const p = above(v);
      sum[p]! += sum[v]!;
      if (--below[p]! === 0) order[last++] = p;
    }
    let leaving = -1;
    for (let i = 0; i < n && leaving < 0; i++) {
      const v = (from + i) % n;
      if (up[v] !== -1 && (tail[up[v]!] === v ? sum[v]! : -sum[v]!) < 0) leaving = v;
    }
    if (leaving < 0) return settle(layer, root);
    from = leaving + 1;
    for (let i = n - 1; i >= 0; i--) {
      const v = order[i]!;
      inside[v] = v === leaving || (up[v] !== -1 && inside[above(v)]) ? 1 : 0;
    }
    const back = tail[up[leaving]!] === leaving; // what hangs there moves back
    let entering = -1;
    for (let e = 0; e < m; e++) {
      if (inside[tail[e]!] !== (back ? 0 : 1) || inside[head[e]!] !== (back ? 1 : 0)) continue;
      if (entering < 0 || slack(e) < slack(entering)) entering = e;
    }
    const by = back ? -slack(entering) : slack(entering);
    for (let v = 0; v < n; v++) if (inside[v]) layer[v]! += by;
    // It hangs at the new edge now.
    let v = back ? head[entering]! : tail[entering]!;
    for (let e = entering; ; ) {
      const old = up[v]!;
      const p = v === leaving ? -1 : above(v);
      up[v] = e;
      if (p < 0) break;
      e = old;
      v = p;
    }
  }
  settle(layer, root);
}

// settle lets each part of the graph begin at 0.
function settle(layer: Int32Array, root: Int32Array): void {
  const first = new Int32Array(layer.length).fill(0x7fffffff);
  layer.forEach((l, v) => (first[root[v]!] = Math.min(first[root[v]!]!, l)));
  layer.forEach((l, v) => (layer[v] = l - first[root[v]!]!));
}

// close leaves out layers without a node, and returns how many there are.
function close(layer: Int32Array): number {
  const used = [...new Set(layer)].sort((a, b) => a - b);
  const place = new Map(used.map((l, i) => [l, i]));
  layer.forEach((l, v) => (layer[v] = place.get(l)!));
  return used.length;
}
