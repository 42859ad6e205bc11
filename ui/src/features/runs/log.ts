// A log of up to millions of lines in bounded memory, search in it, and whether the view
// follows its end. Pure; ansi.ts makes a line's spans.

import { looksOf, plain } from "./ansi";

/** Bounds of a buffer; both are counted in characters. */
export interface LogOptions {
  /** All of the text that is kept; 48 Mi if absent. */
  most?: number;
  /** A longer line is broken; 16 Ki if absent. */
  longest?: number;
}

// Lines are kept in blocks of about this many characters: one text, and where its lines
// end. A text for each line would cost several times its length.
const blockSize = 1 << 16;

interface Block {
  text: string;
  // Ends of lines in text; nothing stands between two lines.
  ends: Uint32Array;
}

/**
 * A window onto a log. Lines have keys that they keep: the first line that was appended
 * is 0, and those that are loaded before it are -1, -2, ... What exceeds the bound is
 * dropped from the other end than the one that grows.
 */
export class LogBuffer {
  private blocks: Block[] = [];
  // Number of lines before each block, from the first block on.
  private starts: number[] = [];
  private kept = 0;
  private count = 0;
  private base = 0;
  private pending = "";
  private wet: string[] = [];
  private wetSize = 0;
  private headLost = false;
  private tailLost = false;
  private readonly most: number;
  private readonly longest: number;

  constructor(options: LogOptions = {}) {
    this.most = options.most ?? 48 << 20;
    this.longest = Math.max(1, options.longest ?? 16 << 10);
  }

  /** Key of the first line that is kept. */
  get first(): number {
    return this.base;
  }

  /** Number of lines that are kept, with the last one that has no end yet. */
  get length(): number {
    return this.count + this.wet.length + (this.pending === "" ? 0 : 1);
  }

  /** Characters that are kept. */
  get size(): number {
    return this.kept + this.wetSize + this.pending.length;
  }

  /** Lines before the first one were dropped: loading them again drops the end. */
  get lostHead(): boolean {
    return this.headLost;
  }

  /** The end was dropped while earlier lines were loaded: to follow, clear and load the end. */
  get lostTail(): boolean {
    return this.tailLost;
  }

  /** Appends what the stream gave next, in pieces of any size. Ignored once the end was dropped. */
  append(chunk: string): void {
    if (this.tailLost || chunk === "") return;
    const text = this.pending + chunk;
    let from = 0;
    for (let nl = text.indexOf("\n"); nl >= 0; nl = text.indexOf("\n", from)) {
      this.commit(text.slice(from, nl));
      from = nl + 1;
    }
    this.pending = overwritten(text.slice(from), true);
    while (this.pending.length > this.longest) {
      const cut = whole(this.pending, this.longest);
      this.add(this.pending.slice(0, cut));
      this.pending = this.pending.slice(cut);
    }
    while (this.size > this.most && this.blocks.length > 0) this.dropHead();
  }

  /** Puts earlier text before the first line: "load earlier". It must end with the end of a line. */
  prepend(text: string): void {
    if (text === "") return;
    const lines = (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n").flatMap((l) => this.pieces(overwritten(l, false)));
    const blocks: Block[] = [];
    for (let i = 0; i < lines.length; ) {
      let size = 0;
      let to = i;
      while (to < lines.length && (to === i || size < blockSize)) size += lines[to++]?.length ?? 0;
      blocks.push(block(lines.slice(i, to)));
      i = to;
    }
    this.blocks.unshift(...blocks);
    this.base -= lines.length;
    this.count += lines.length;
    this.kept += blocks.reduce((n, b) => n + b.text.length, 0);
    this.headLost = false;
    this.number();
    while (this.size > this.most && this.blocks.length > 1) this.dropTail();
  }

  /** The raw line with a key; "" for one that is not kept. */
  line(key: number): string {
    return this.at(key - this.base);
  }

  /** The raw line by its place among those that are kept, from 0. */
  at(index: number): string {
    if (index < 0 || index >= this.length) return "";
    if (index >= this.count) return this.wet[index - this.count] ?? this.pending;
    let low = 0;
    let high = this.blocks.length - 1;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if ((this.starts[mid] ?? 0) <= index) low = mid;
      else high = mid - 1;
    }
    const b = this.blocks[low];
    const i = index - (this.starts[low] ?? 0);
    return b ? b.text.slice(i === 0 ? 0 : b.ends[i - 1], b.ends[i]) : "";
  }

  /** Forgets everything; the next line has the key 0. */
  clear(): void {
    this.blocks = [];
    this.starts = [];
    this.wet = [];
    this.pending = "";
    this.kept = this.count = this.base = this.wetSize = 0;
    this.headLost = this.tailLost = false;
  }

  private commit(raw: string): void {
    for (const piece of this.pieces(overwritten(raw, false))) this.add(piece);
  }

  private pieces(line: string): string[] {
    if (line.length <= this.longest) return [line];
    const out: string[] = [];
    for (let i = 0; i < line.length; ) {
      const rest = line.slice(i, i + this.longest);
      const cut = i + this.longest < line.length ? whole(rest, rest.length) : rest.length;
      out.push(rest.slice(0, cut));
      i += cut;
    }
    return out;
  }

  private add(text: string): void {
    this.wet.push(text);
    this.wetSize += text.length;
    if (this.wetSize < blockSize && this.wet.length < blockSize) return;
    this.starts.push(this.count);
    this.blocks.push(block(this.wet));
    this.count += this.wet.length;
    this.kept += this.wetSize;
    this.wet = [];
    this.wetSize = 0;
    while (this.size > this.most && this.blocks.length > 1) this.dropHead();
  }

  private dropHead(): void {
    const b = this.blocks.shift();
    if (!b) return;
    this.base += b.ends.length;
    this.count -= b.ends.length;
    this.kept -= b.text.length;
    this.headLost = true;
    this.number();
  }

  private dropTail(): void {
    this.wet = [];
    this.wetSize = 0;
    this.pending = "";
    this.tailLost = true;
    if (this.size <= this.most) return;
    const b = this.blocks.pop();
    if (!b) return;
    this.count -= b.ends.length;
    this.kept -= b.text.length;
    this.number();
  }

  private number(): void {
    let n = 0;
    this.starts = this.blocks.map((b) => {
      const start = n;
      n += b.ends.length;
      return start;
    });
  }
}

function block(lines: readonly string[]): Block {
  const ends = new Uint32Array(lines.length);
  let n = 0;
  lines.forEach((l, i) => (ends[i] = n += l.length));
  return { text: lines.join(""), ends };
}

// whole is a place not after cut that parts no character of two halves.
function whole(text: string, cut: number): number {
  const code = text.charCodeAt(cut - 1);
  return cut > 1 && code >= 0xd800 && code < 0xdc00 ? cut - 1 : cut;
}

// overwritten is what a carriage return leaves of a line: the text behind the last one
// that has text, with the looks that were set before. An open line keeps a return at
// its end, because the next piece may be the end of the line.
function overwritten(line: string, open: boolean): string {
  const end = line.replace(/\r+$/, "");
  const at = end.lastIndexOf("\r");
  const text = at < 0 ? end : looksOf(end.slice(0, at)) + end.slice(at + 1);
  return open && end.length < line.length ? `${text}\r` : text;
}

/** What is looked for. */
export interface Query {
  text: string;
  /** text is a regular expression. */
  regex?: boolean;
  /** Upper and lower case differ. */
  exact?: boolean;
}

/** Finds the matches in a plain line, as ranges in order. */
export type Matcher = (line: string) => [number, number][];

const matchesPerLine = 200;

/** Makes a matcher; null for an empty query, "invalid" for an expression that is none. */
export function compile(q: Query): Matcher | null | "invalid" {
  if (q.text === "") return null;
  const source = q.regex ? q.text : q.text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  let re: RegExp;
  try {
    re = new RegExp(source, q.exact ? "gu" : "giu");
  } catch {
    return "invalid";
  }
  return (line) => {
    const out: [number, number][] = [];
    for (const m of line.matchAll(re)) {
      if (m[0] !== "") out.push([m.index, m.index + m[0].length]);
      if (out.length >= matchesPerLine) break;
    }
    return out;
  };
}

/** A match: the key of its line, and its place in the plain text of it. */
export interface Hit {
  key: number;
  from: number;
  to: number;
}

/**
 * A search that goes on in small steps, so that the page stays quick: call step until it
 * says done, and again after lines were appended or prepended. Hits are in the order of
 * the lines.
 */
export class LogSearch {
  readonly hits: Hit[] = [];
  /** There are more than it keeps. */
  capped = false;
  private low: number | null = null;
  private high = -Infinity;
  private open: number | null = null;

  constructor(
    private readonly log: LogBuffer,
    private readonly match: Matcher,
    private readonly most = 10_000,
  ) {}

  /** Searches at most `lines` lines. done = all that are kept were seen. */
  step(lines = 5_000): boolean {
    const first = this.log.first;
    const end = first + this.log.length;
    let low = Math.min(Math.max(this.low ?? first, first), end);
    // What was the last line when it was seen may have grown.
    let high = Math.max(low, Math.min(this.open ?? this.high, end));
    this.open = null;
    while ((this.hits.at(-1)?.key ?? -Infinity) >= high) this.hits.pop();
    const gone = this.hits.findIndex((h) => h.key >= first);
    this.hits.splice(0, gone < 0 ? this.hits.length : gone); // lines that were dropped
    let left = lines;
    for (; high < end && left > 0; left--) {
      if (high === end - 1) this.open = high;
      this.hits.push(...this.look(high++));
    }
    const before: Hit[][] = [];
    for (; low > first && left > 0; left--) before.push(this.look(--low));
    if (before.length > 0) this.hits.unshift(...before.reverse().flat());
    this.low = low;
    this.high = high;
    if (this.hits.length > this.most) {
      this.hits.length = this.most;
      this.capped = true;
    }
    return high >= end && low <= first;
  }

  private look(key: number): Hit[] {
    return this.match(plain(this.log.line(key))).map(([from, to]) => ({ key, from, to }));
  }
}

/** Whether the view stays at the end of the log. */
export interface Follow {
  following: boolean;
  /** Lines that came while it did not follow. */
  unseen: number;
}

/** What changes it. */
export type FollowEvent =
  | { type: "scrolled"; atEnd: boolean; up: boolean }
  | { type: "appended"; lines: number }
  | { type: "toggled" }
  | { type: "jumped"; toEnd: boolean };

/** It follows from the beginning. */
export const followed: Follow = { following: true, unseen: 0 };

/** The next state: scrolling up stops, arriving at the end resumes; what comes never moves a view that does not follow. */
export function follow(s: Follow, e: FollowEvent): Follow {
  switch (e.type) {
    case "scrolled":
      // While it follows, growth alone leaves the end for a moment: only going up stops.
      if (e.atEnd) return s.following && s.unseen === 0 ? s : followed;
      return s.following && e.up ? { following: false, unseen: 0 } : s;
    case "appended":
      return s.following || e.lines <= 0 ? s : { following: false, unseen: s.unseen + e.lines };
    case "toggled":
      return s.following ? { following: false, unseen: 0 } : followed;
    case "jumped":
      return e.toEnd ? followed : { following: false, unseen: s.unseen };
  }
}
