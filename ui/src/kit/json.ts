// JSON as it was written: numbers and texts keep their digits and escapes, whatever
// their size. The text is scanned once into small arrays; a tree shows what is open.
// Nothing here calls itself, so that depth costs nothing.

/** What a value is. */
export type JsonKind = "object" | "array" | "string" | "number" | "true" | "false" | "null";

/** A line of the tree. */
export interface JsonRow {
  /** The value that it shows, or whose end it is. */
  node: number;
  depth: number;
  /** The member's name as it was written, with quotes; null in arrays and at the root. */
  key: string | null;
  kind: JsonKind;
  /** Of an object or array with members: whether they are shown. */
  open: boolean | null;
  /** It is the bracket that ends the node. */
  end: boolean;
  /** The value as it was written; the bracket or brackets of an object or array. */
  text: string;
  /** A comma follows. */
  comma: boolean;
}

/** Where a text stops being JSON. */
export interface JsonProblem {
  at: number;
  /** From 1. */
  line: number;
  column: number;
  code: "unexpected" | "unfinished" | "trailing";
}

const kinds: readonly JsonKind[] = ["object", "array", "string", "number", "true", "false", "null"];
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
 
const stringEnd = /[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y;

// Six numbers for each value, in one array that grows: kind, start, end of its text;
// start and end of its key (-1 = none); index of the parent. The members of a value
// follow it, and next is the first index behind them.
const width = 7;

/** A parsed text. Values are numbered in the order of the text; 0 is the root. */
export class JsonDoc {
  constructor(
    private readonly source: string,
    private readonly data: Int32Array,
    /** Number of values. */
    readonly count: number,
    private readonly sizes: Int32Array,
  ) {}

  private of(node: number, field: number): number {
    return this.data[node * width + field] ?? -1;
  }

  kind(node: number): JsonKind {
    return kinds[this.of(node, 0)] ?? "null";
  }

  /** The value as it was written. */
  raw(node: number): string {
    return this.source.slice(this.of(node, 1), this.of(node, 2));
  }

  /** The name with its quotes, as it was written; null = it has none. */
  key(node: number): string | null {
    const from = this.of(node, 3);
    return from < 0 ? null : this.source.slice(from, this.of(node, 4));
  }

  /** The value that it is a member of, -1 of the root. */
  parent(node: number): number {
    return this.of(node, 5);
  }

  /** Number of its members. */
  size(node: number): number {
    return this.sizes[node] ?? 0;
  }

  /** The first value that is not within it. */
  next(node: number): number {
    return this.of(node, 6);
  }

  /** Its place as a JSON pointer, "" of the root. */
  pointer(node: number): string {
    const parts: string[] = [];
    for (let n = node; this.parent(n) >= 0; n = this.parent(n)) {
      const key = this.key(n);
      if (key !== null) {
        const name = JSON.parse(key) as string; // a string of JSON is a string
        parts.unshift(name.replaceAll("~", "~0").replaceAll("/", "~1"));
        continue;
      }
      let index = 0;
      for (let m = this.parent(n) + 1; m < n; m = this.next(m)) index++;
      parts.unshift(String(index));
    }
    return parts.map((p) => `/${p}`).join("");
  }

  /** Objects and arrays that are open at first: the root, and those less deep than `depth` with at most `members` members. */
  opened(depth = 2, members = 100): Set<number> {
    const out = new Set<number>();
    let n = 0;
    while (n < this.count) {
      const kind = this.kind(n);
      const wide = kind !== "object" && kind !== "array";
      if (!wide && this.size(n) > 0 && (n === 0 || this.size(n) <= members) && this.depth(n) < depth) {
        out.add(n++);
      } else n = Math.max(n + 1, this.next(n));
    }
    return out;
  }

  private depth(node: number): number {
    let d = 0;
    for (let n = this.parent(node); n >= 0; n = this.parent(n)) d++;
    return d;
  }

  /** The lines of the tree with those objects and arrays open; at most `most`, the page says that there are more. */
  rows(open: ReadonlySet<number> | "all", most = 200_000): JsonRow[] {
    const out: JsonRow[] = [];
    const ends: number[] = []; // what is open, innermost last
    const comma = (n: number) => this.parent(n) >= 0 && this.next(n) < this.next(this.parent(n));
    let n = 0;
    while (n < this.count && out.length < most) {
      const kind = this.kind(n);
      const row = { node: n, depth: ends.length, key: this.key(n), kind, end: false };
      if (kind !== "object" && kind !== "array") {
        out.push({ ...row, open: null, text: this.raw(n), comma: comma(n) });
        n++;
      } else if (this.size(n) > 0 && (open === "all" || open.has(n))) {
        out.push({ ...row, open: true, text: kind === "object" ? "{" : "[", comma: false });
        ends.push(n);
        n++;
      } else {
        const text = this.size(n) === 0 ? (kind === "object" ? "{}" : "[]") : kind === "object" ? "{…}" : "[…]";
        out.push({ ...row, open: this.size(n) === 0 ? null : false, text, comma: comma(n) });
        n = this.next(n);
      }
      for (let e = ends.at(-1); e !== undefined && this.next(e) <= n; e = ends.at(-1)) {
        ends.pop();
        const kind = this.kind(e);
        out.push({ node: e, depth: ends.length, key: null, kind, open: true, end: true, text: kind === "object" ? "}" : "]", comma: comma(e) });
      }
    }
    return out;
  }
}

/** Parses a text, or says where it is wrong. */
export function parseJson(text: string): JsonDoc | JsonProblem {
  let data = new Int32Array(width * 256);
  let sizes = new Int32Array(256);
  let count = 0;
  const stack: number[] = [];
  let i = 0;
  const fail = (code: JsonProblem["code"]): JsonProblem => {
    const before = text.slice(0, i);
    const line = before.split("\n").length;
    return { at: i, line, column: i - before.lastIndexOf("\n"), code: code === "unexpected" && i >= text.length ? "unfinished" : code };
  };
  const space = () => {
    for (let c = text.charCodeAt(i); c === 32 || c === 10 || c === 13 || c === 9; c = text.charCodeAt(i)) i++;
  };
  const scanString = (): boolean => {
    stringEnd.lastIndex = i + 1;
    if (text[i] !== '"' || !stringEnd.test(text)) return false;
    i = stringEnd.lastIndex;
    return true;
  };
  const add = (kind: number, from: number, keyFrom: number, keyTo: number): number => {
    if (count === sizes.length) {
      const more = new Int32Array(data.length * 2);
      more.set(data);
      data = more;
      const moreSizes = new Int32Array(sizes.length * 2);
      moreSizes.set(sizes);
      sizes = moreSizes;
    }
    const parent = stack.at(-1) ?? -1;
    data.set([kind, from, i, keyFrom, keyTo, parent, count + 1], count * width);
    if (parent >= 0) sizes[parent] = (sizes[parent] ?? 0) + 1;
    return count++;
  };
  for (;;) {
    space();
    const top = stack.at(-1);
    let keyFrom = -1;
    let keyTo = -1;
    const inObject = top !== undefined && data[top * width] === 0;
    if (inObject) {
      keyFrom = i;
      if (!scanString()) return fail("unexpected");
      keyTo = i;
      space();
      if (text[i] !== ":") return fail("unexpected");
      i++;
      space();
    }
    const from = i;
    const c = text[i];
    let deeper = false;
    if (c === "{" || c === "[") {
      i++;
      const node = add(c === "{" ? 0 : 1, from, keyFrom, keyTo);
      stack.push(node);
      space();
      deeper = text[i] !== (c === "{" ? "}" : "]");
    } else if (c === '"') {
      if (!scanString()) return fail("unexpected");
      add(2, from, keyFrom, keyTo);
    } else {
      number.lastIndex = i;
      const word = ["true", "false", "null"].findIndex((w) => text.startsWith(w, from));
      if (word >= 0) i += ["true", "false", "null"][word]?.length ?? 0;
      else if (number.test(text)) i = number.lastIndex;
      else return fail("unexpected");
      add(word >= 0 ? 4 + word : 3, from, keyFrom, keyTo);
    }
    if (deeper) continue;
    // Behind a value: a comma goes on, brackets end what is open.
    for (;;) {
      space();
      const open = stack.at(-1);
      if (open === undefined) {
        if (i < text.length) return fail("trailing");
        return new JsonDoc(text, data.subarray(0, count * width), count, sizes.subarray(0, count));
      }
      if (text[i] === (data[open * width] === 0 ? "}" : "]")) {
        i++;
        data[open * width + 2] = i;
        data[open * width + 6] = count;
        stack.pop();
        continue;
      }
      if (text[i] !== ",") return fail("unexpected");
      i++;
      break;
    }
  }
}

/** The whole text in lines, indented by two spaces, with all as it was written; null = it is no JSON. */
export function formatJson(text: string): string | null {
  const doc = parseJson(text);
  if (!(doc instanceof JsonDoc)) return null;
  return doc
    .rows("all", Infinity)
    .map((r) => `${"  ".repeat(r.depth)}${r.key === null ? "" : `${r.key}: `}${r.text}${r.comma ? "," : ""}`)
    .join("\n");
}
