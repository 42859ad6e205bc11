// What differs between two texts, line by line, with the words that differ in lines that
// changed; as a unified list with folded equal parts, or side by side. Myers' method
// between lines that stand once in both texts (patience), so that large texts are quick.

/** A line of a comparison. */
export interface DiffLine {
  kind: "same" | "removed" | "added";
  text: string;
  /** Numbers in the two texts, from 1; null = it is not there. */
  before: number | null;
  after: number | null;
  /** Ranges of text that differ from its partner; empty = the whole line, or nothing. */
  words: [number, number][];
}

/** Equal lines that are folded away. */
export interface Fold {
  kind: "fold";
  /** Index of the first of them in the lines that were folded, and how many. */
  at: number;
  count: number;
}

/** A row of the side-by-side view; null = nothing stands there. */
export interface SideRow {
  kind: "pair";
  before: DiffLine | null;
  after: DiffLine | null;
}

// Beyond this many edits a stretch is shown as replaced.
const mostEdits = 1500;

/** Compares two texts; a line end at the end of the text counts for nothing. */
export function diffLines(before: string, after: string): DiffLine[] {
  const a = lines(before);
  const b = lines(after);
  const out: DiffLine[] = [];
  for (const [x, y] of compare(a, b)) {
    const kind = x < 0 ? "added" : y < 0 ? "removed" : "same";
    out.push({ kind, text: (x < 0 ? b[y] : a[x]) ?? "", before: x < 0 ? null : x + 1, after: y < 0 ? null : y + 1, words: [] });
  }
  markWords(out);
  return out;
}

/** Folds equal lines that are farther than `around` from a change, unless that would hide fewer than four. */
export function foldDiff(diff: readonly DiffLine[], around = 3): (DiffLine | Fold)[] {
  const near = new Uint8Array(diff.length);
  diff.forEach((l, i) => {
    if (l.kind !== "same") near.fill(1, Math.max(0, i - around), i + around + 1);
  });
  const out: (DiffLine | Fold)[] = [];
  for (let i = 0; i < diff.length; ) {
    let to = i;
    while (to < diff.length && !near[to]) to++;
    if (to - i >= 4) out.push({ kind: "fold", at: i, count: to - i });
    else out.push(...diff.slice(i, to));
    i = to;
    while (i < diff.length && near[i]) out.push(...diff.slice(i, ++i));
  }
  return out;
}

/** Puts removed lines beside the added ones that took their place. */
export function sideBySide(list: readonly (DiffLine | Fold)[]): (SideRow | Fold)[] {
  const out: (SideRow | Fold)[] = [];
  for (let i = 0; i < list.length; ) {
    const l = list[i];
    if (!l) break;
    if (l.kind === "fold") {
      out.push(l);
      i++;
    } else if (l.kind === "same") {
      out.push({ kind: "pair", before: l, after: l });
      i++;
    } else {
      const removed: DiffLine[] = [];
      const added: DiffLine[] = [];
      for (let m = list[i]; m && (m.kind === "removed" || m.kind === "added"); m = list[++i]) (m.kind === "removed" ? removed : added).push(m);
      for (let k = 0; k < Math.max(removed.length, added.length); k++) out.push({ kind: "pair", before: removed[k] ?? null, after: added[k] ?? null });
    }
  }
  return out;
}

function lines(text: string): string[] {
  if (text === "") return [];
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
}

type Pair = readonly [number, number]; // indices in both; -1 = it is not there

// compare lists what becomes of each item, removed ones before added ones.
function compare(a: readonly string[], b: readonly string[]): Pair[] {
  const out: Pair[] = [];
  const stretch = (aFrom: number, aTo: number, bFrom: number, bTo: number) => {
    let [x, y, p, q] = [aFrom, bFrom, aTo, bTo];
    while (x < p && y < q && a[x] === b[y]) out.push([x++, y++]);
    const tail: Pair[] = [];
    while (p > x && q > y && a[p - 1] === b[q - 1]) tail.push([--p, --q]);
    out.push(...gathered(myers(a, b, x, p, y, q)));
    for (let i = tail.length - 1; i >= 0; i--) out.push(tail[i] as Pair); // within bounds
  };
  let [x, y] = [0, 0];
  for (const [p, q] of anchors(a, b)) {
    stretch(x, p, y, q);
    out.push([p, q]);
    [x, y] = [p + 1, q + 1];
  }
  stretch(x, a.length, y, b.length);
  return out;
}

// anchors are items that are once in both, in the longest order that both share.
function anchors(a: readonly string[], b: readonly string[]): Pair[] {
  const places = (list: readonly string[]) => {
    const at = new Map<string, number>();
    list.forEach((s, i) => at.set(s, at.has(s) ? -1 : i));
    return at;
  };
  const inB = places(b);
  const once = [...places(a)].filter(([s, i]) => i >= 0 && (inB.get(s) ?? -1) >= 0).map(([s, i]) => [i, inB.get(s) ?? 0] as const);
  const piles: number[] = []; // index in once of the smallest end of each length
  const back: number[] = [];
  once.forEach(([, j], k) => {
    let low = 0;
    let high = piles.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if ((once[piles[mid] ?? 0]?.[1] ?? 0) < j) low = mid + 1;
      else high = mid;
    }
    back[k] = low > 0 ? (piles[low - 1] ?? -1) : -1;
    piles[low] = k;
  });
  const out: Pair[] = [];
  for (let k = piles.at(-1) ?? -1; k >= 0; k = back[k] ?? -1) out.unshift(once[k] as Pair); // a place in once
  return out;
}

function myers(a: readonly string[], b: readonly string[], aFrom: number, aTo: number, bFrom: number, bTo: number): Pair[] {
  const n = aTo - aFrom;
  const m = bTo - bFrom;
  const replaced = () => [...Array.from({ length: n }, (_, i): Pair => [aFrom + i, -1]), ...Array.from({ length: m }, (_, i): Pair => [-1, bFrom + i])];
  if (n === 0 || m === 0) return replaced();
  const most = Math.min(n + m, mostEdits);
  const v = new Int32Array(2 * most + 3);
  const traces: Int32Array[] = [];
  const get = (k: number) => v[k + most + 1] ?? 0;
  for (let d = 0; d <= most; d++) {
    traces.push(v.slice(most + 1 - d, most + 2 + d));
    for (let k = -d; k <= d; k += 2) {
      let x = k === -d || (k !== d && get(k - 1) < get(k + 1)) ? get(k + 1) : get(k - 1) + 1;
      while (x < n && x - k < m && a[aFrom + x] === b[bFrom + x - k]) x++;
      v[k + most + 1] = x;
      if (x >= n && x - k >= m) return walkBack(traces, d, n, m).map(([p, q]) => [p < 0 ? -1 : aFrom + p, q < 0 ? -1 : bFrom + q]);
    }
  }
  return replaced();
}

function walkBack(traces: readonly Int32Array[], edits: number, n: number, m: number): Pair[] {
  const out: Pair[] = [];
  let [x, y] = [n, m];
  for (let d = edits; d >= 0; d--) {
    const t = traces[d];
    const get = (k: number) => t?.[k + d] ?? -1; // holds the lines -d to d as they were before step d
    const k = x - y;
    const down = k === -d || (k !== d && get(k - 1) < get(k + 1));
    const from = d === 0 ? 0 : down ? get(k + 1) : get(k - 1);
    const fromY = d === 0 ? 0 : from - (down ? k + 1 : k - 1);
    while (x > (d === 0 ? 0 : down ? from : from + 1) && y > (d === 0 ? 0 : down ? fromY + 1 : fromY)) out.push([--x, --y]);
    if (d === 0) break;
    out.push(down ? [-1, --y] : [--x, -1]);
  }
  return out.reverse();
}

// gathered puts what was removed before what was added, between two equal items.
function gathered(list: readonly Pair[]): Pair[] {
  const out: Pair[] = [];
  let added: Pair[] = [];
  for (const p of list) {
    if (p[0] < 0) added.push(p);
    else if (p[1] < 0) out.push(p);
    else {
      out.push(...added, p);
      added = [];
    }
  }
  return [...out, ...added];
}

const word = /[\p{L}\p{N}_]+|\s+|./gu;
const longestLine = 2000;

// markWords compares each removed line with the added one that took its place.
function markWords(diff: DiffLine[]): void {
  for (const row of sideBySide(diff)) {
    if (row.kind === "fold" || !row.before || !row.after || row.before === row.after) continue;
    const { before, after } = row;
    if (before.text.length > longestLine || after.text.length > longestLine) continue;
    const a = before.text.match(word) ?? [];
    const b = after.text.match(word) ?? [];
    const pairs = compare(a, b);
    const alike = pairs.reduce((sum, [x, y]) => sum + (x >= 0 && y >= 0 && a[x]?.trim() ? (a[x]?.length ?? 0) : 0), 0);
    // Lines that share little are two lines, not a changed one.
    if (alike * 3 < Math.max(before.text.trim().length, after.text.trim().length)) continue;
    before.words = ranges(a, new Set(pairs.filter(([x, y]) => x >= 0 && y < 0).map(([x]) => x)));
    after.words = ranges(b, new Set(pairs.filter(([x, y]) => x < 0 && y >= 0).map(([, y]) => y)));
  }
}

function ranges(tokens: readonly string[], changed: ReadonlySet<number>): [number, number][] {
  const out: [number, number][] = [];
  let at = 0;
  tokens.forEach((t, i) => {
    const last = out.at(-1);
    if (changed.has(i)) {
      if (last && last[1] === at) last[1] = at + t.length;
      else out.push([at, at + t.length]);
    }
    at += t.length;
  });
  return out;
}
