// Markdown to a tree that a page renders with elements of its own: headings, lists, code,
// tables, quotes, emphasis and links. HTML stays text, links lead to http, https and
// mailto only, images are never loaded: they become a link with their description. The
// common forms of CommonMark and GitHub's tables, without reference links.

/** A part of a line. */
export type Inline =
  | { kind: "text"; text: string }
  | { kind: "code"; text: string }
  | { kind: "strong" | "em" | "strike"; children: Inline[] }
  | { kind: "link"; href: string; image: boolean; children: Inline[] }
  | { kind: "break" };

/** How a column stands. */
export type Align = "left" | "center" | "right" | null;

/** An item of a list; done = it is a task, null = it is none. */
export interface Item {
  done: boolean | null;
  children: Block[];
}

/** A part of a document. */
export type Block =
  | { kind: "heading"; level: number; children: Inline[] }
  | { kind: "paragraph"; children: Inline[] }
  | { kind: "code"; language: string; text: string }
  | { kind: "quote"; children: Block[] }
  | { kind: "list"; start: number | null; items: Item[] }
  | { kind: "table"; align: Align[]; head: Inline[][]; rows: Inline[][][] }
  | { kind: "rule" };

// What is deeper is text: nobody writes it, and pages draw it by recursion.
const deepest = 12;
const longestText = 2_000_000;

/** Parses; never throws. Of a longer text than 2 million characters the rest is left out: cut says so. */
export function parseMarkdown(text: string): { blocks: Block[]; cut: boolean } {
  const cut = text.length > longestText;
  const lines = (cut ? text.slice(0, longestText) : text).replace(/\r\n?/g, "\n").split("\n");
  return { blocks: blocksOf(lines, 0), cut };
}

/** The address if a link may lead there, else null. */
export function safeHref(href: string): string | null {
   
  const clean = href.replace(/[\u0000-\u0020\u007f-\u009f]/g, "");
  return /^(?:https?:\/\/[^/]|mailto:[^?]+)/i.test(clean) ? clean : null;
}

const fence = /^ {0,3}(`{3,}|~{3,})[ \t]*([^`]*)$/;
const heading = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const rule = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const bullet = /^( {0,3})([-*+]|\d{1,9}[.)])(?:([ \t]+)(.*))?$/;
const quote = /^ {0,3}>[ \t]?(.*)$/;
const blank = /^[ \t]*$/;

function blocksOf(lines: readonly string[], depth: number): Block[] {
  const out: Block[] = [];
  let para: string[] = [];
  const flush = () => {
    if (para.length > 0) out.push({ kind: "paragraph", children: inlinesOf(para.map((l) => l.trimStart()).join("\n").trimEnd()) });
    para = [];
  };
  for (let i = 0; i < lines.length; ) {
    const line = lines[i] ?? "";
    const under = /^ {0,3}(=+|-+)[ \t]*$/.exec(line);
    if (blank.test(line)) {
      flush();
      i++;
      continue;
    }
    if (under && para.length > 0) {
      const children = inlinesOf(para.map((l) => l.trim()).join("\n"));
      para = [];
      out.push({ kind: "heading", level: under[1]?.startsWith("=") ? 1 : 2, children });
      i++;
      continue;
    }
    const used = special(lines, i, depth, para.length > 0);
    if (used) {
      flush();
      out.push(used.block);
      i = used.next;
    } else {
      para.push(line);
      i++;
    }
  }
  flush();
  return out;
}

// special reads the block that begins at a line, null = it is a paragraph's.
function special(lines: readonly string[], i: number, depth: number, inPara: boolean): { block: Block; next: number } | null {
  const line = lines[i] ?? "";
  const f = fence.exec(line);
  if (f) return fenced(lines, i, f[1] ?? "", (f[2] ?? "").trim());
  const h = heading.exec(line);
  if (h) return { block: { kind: "heading", level: h[1]?.length ?? 1, children: inlinesOf((h[2] ?? "").replace(/(?:^|[ \t]+)#+[ \t]*$/, "").trim()) }, next: i + 1 };
  if (rule.test(line)) return { block: { kind: "rule" }, next: i + 1 };
  if (/^(?: {4}|\t)/.test(line) && !inPara) return indented(lines, i);
  if (depth >= deepest) return null;
  if (quote.test(line)) {
    const inner: string[] = [];
    let to = i;
    for (let m = quote.exec(line); m; m = quote.exec(lines[++to] ?? "")) inner.push(m[1] ?? "");
    return { block: { kind: "quote", children: blocksOf(inner, depth + 1) }, next: to };
  }
  const b = bullet.exec(line);
  // A paragraph is only interrupted by a list that begins with 1 and has text.
  if (b && !(inPara && (!b[4] || (/\d/.test(b[2] ?? "") && !/^1[.)]$/.test(b[2] ?? ""))))) return list(lines, i, depth);
  return table(lines, i);
}

function fenced(lines: readonly string[], i: number, mark: string, info: string): { block: Block; next: number } {
  const end = new RegExp(`^ {0,3}${mark.startsWith("`") ? "`" : "~"}{${mark.length},}[ \\t]*$`);
  const indent = /^ */.exec(lines[i] ?? "")?.[0].length ?? 0;
  const text: string[] = [];
  let to = i + 1;
  while (to < lines.length && !end.test(lines[to] ?? "")) text.push((lines[to++] ?? "").replace(new RegExp(`^ {0,${indent}}`), ""));
  return { block: { kind: "code", language: /^[\w+#.-]{1,32}/.exec(info)?.[0] ?? "", text: text.join("\n") }, next: to + 1 };
}

function indented(lines: readonly string[], i: number): { block: Block; next: number } {
  let to = i;
  while (to < lines.length && (/^(?: {4}|\t)/.test(lines[to] ?? "") || blank.test(lines[to] ?? ""))) to++;
  const text = lines.slice(i, to).map((l) => l.replace(/^(?: {4}|\t| {1,3}$)/, ""));
  return { block: { kind: "code", language: "", text: text.join("\n").replace(/\n+$/, "") }, next: to };
}

function list(lines: readonly string[], i: number, depth: number): { block: Block; next: number } {
  const first = bullet.exec(lines[i] ?? "");
  const sign = (m: string) => m.at(-1) ?? "";
  const mark = sign(first?.[2] ?? "");
  const start = /\d/.test(first?.[2] ?? "") ? Number.parseInt(first?.[2] ?? "1", 10) : null;
  const items: Item[] = [];
  let at = i;
  for (let m = first; m && sign(m[2] ?? "") === mark && !rule.test(lines[at] ?? ""); m = bullet.exec(lines[at] ?? "")) {
    const gap = m[3] ?? " ";
    const indent = (m[1] ?? "").length + (m[2] ?? "").length + (gap.length > 4 || !m[4] ? 1 : gap.length);
    const inner = [(gap.length > 4 ? gap.slice(1) : "") + (m[4] ?? "")];
    at++;
    for (; at < lines.length; at++) {
      const l = (lines[at] ?? "").replace(/^\t/, "    ");
      const deep = l.length - l.trimStart().length;
      if (blank.test(l)) {
        // Blank lines belong to the item if something indented follows them.
        const next = lines.slice(at).find((x) => !blank.test(x));
        if (next === undefined || next.length - next.trimStart().length < indent) break;
        inner.push("");
      } else if (deep >= indent) inner.push(l.slice(indent));
      else if (lines[at - 1] !== undefined && !blank.test(lines[at - 1] ?? "") && !bullet.test(l) && !fence.test(l) && !heading.test(l) && !quote.test(l) && !rule.test(l)) inner.push(l.trimStart());
      else break;
    }
    const task = /^\[([ xX])\][ \t]+(?=\S)/.exec(inner[0] ?? "");
    if (task) inner[0] = (inner[0] ?? "").slice(task[0].length);
    items.push({ done: task ? task[1] !== " " : null, children: blocksOf(inner, depth + 1) });
    const after = lines.findIndex((x, k) => k >= at && !blank.test(x));
    if (after >= 0 && bullet.test(lines[after] ?? "")) at = after;
  }
  return { block: { kind: "list", start, items }, next: at };
}

function table(lines: readonly string[], i: number): { block: Block; next: number } | null {
  const under = lines[i + 1] ?? "";
  if (!(lines[i] ?? "").includes("|") || !/^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/.test(under)) return null;
  const head = cells(lines[i] ?? "");
  const align = cells(under).map((c): Align => (c.startsWith(":") ? (c.endsWith(":") ? "center" : "left") : c.endsWith(":") ? "right" : null));
  if (head.length !== align.length) return null;
  const rows: Inline[][][] = [];
  let to = i + 2;
  for (; to < lines.length && !blank.test(lines[to] ?? "") && (lines[to] ?? "").includes("|"); to++) {
    const row = cells(lines[to] ?? "");
    rows.push(align.map((_, k) => inlinesOf(row[k] ?? "")));
  }
  return { block: { kind: "table", align, head: head.map((c) => inlinesOf(c)), rows }, next: to };
}

function cells(line: string): string[] {
  const bare = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return bare.split(/(?<!\\)\|/).map((c) => c.trim().replaceAll("\\|", "|"));
}

// A run of text that is being read: what was opened and not yet closed. Marks that are
// never closed stay text.
interface Frame {
  mark: string;
  at: number;
  children: Inline[];
}

const token = /\\([!-/:-@[-`{-~])|(`+)|(\*{1,3}|_{1,3}|~~)|(!?\[)|<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>|((?<![\w/])https?:\/\/[^\s<>"'`*|\]]{1,2000})|( {2,}\n|\\\n)|\]/gi;

function inlinesOf(text: string): Inline[] {
  const root: Frame = { mark: "", at: 0, children: [] };
  const frames: Frame[] = [root];
  const top = () => frames.at(-1) ?? root;
  let missing = 0; // backtick runs up to here have no partner: no second search for each
  const push = (n: Inline) => {
    const list = top().children;
    const last = list.at(-1);
    if (n.kind === "text" && last?.kind === "text") last.text += n.text;
    else if (n.kind !== "text" || n.text !== "") list.push({ ...n });
  };
  const giveUp = (depth: number) => {
    while (frames.length > depth) {
      const f = frames.pop();
      if (!f) return;
      push({ kind: "text", text: f.mark });
      f.children.forEach(push);
    }
  };
  let at = 0;
  token.lastIndex = 0;
  for (let m = next(text, at); m; m = next(text, at)) {
    push({ kind: "text", text: text.slice(at, m.index) });
    at = m.index + m[0].length;
    const [all, escaped, ticks, emphasis, bracket, angle, bare, hard] = m;
    if (escaped !== undefined) push({ kind: "text", text: escaped });
    else if (hard !== undefined) push({ kind: "break" });
    else if (ticks !== undefined) {
      const end = missing & (1 << Math.min(ticks.length, 30)) ? -1 : closing(text, at, ticks.length);
      if (end < 0) {
        missing |= 1 << Math.min(ticks.length, 30);
        push({ kind: "text", text: ticks });
      } else {
        const code = text.slice(at, end).replaceAll("\n", " ");
        push({ kind: "code", text: /^ .*[^ ].* $/.test(code) ? code.slice(1, -1) : code });
        at = end + ticks.length;
      }
    } else if (emphasis !== undefined) {
      const before = text[m.index - 1] ?? " ";
      const after = text[at] ?? " ";
      const within = emphasis.startsWith("_") && /[\p{L}\p{N}]/u.test(before) && /[\p{L}\p{N}]/u.test(after);
      const open = frames.findLastIndex((f) => f.mark === emphasis);
      if (open > 0 && !/\s/.test(before) && !within) {
        giveUp(open + 1);
        const f = frames.pop();
        push(emphasised(emphasis, f?.children ?? []));
      } else if (!/\s/.test(after) && !within && frames.length < deepest) frames.push({ mark: emphasis, at, children: [] });
      else push({ kind: "text", text: emphasis });
    } else if (bracket !== undefined) {
      if (frames.length < deepest) frames.push({ mark: bracket, at, children: [] });
      else push({ kind: "text", text: bracket });
    } else if (angle !== undefined || bare !== undefined) {
      const raw = angle ?? trimmed(bare ?? "");
      if (angle === undefined) at = m.index + raw.length;
      const href = safeHref(raw);
      const label: Inline = { kind: "text", text: raw };
      push(href && !frames.some((f) => f.mark.endsWith("[")) ? { kind: "link", href, image: false, children: [label] } : label);
    } else {
      const open = frames.findLastIndex((f) => f.mark.endsWith("["));
      const target = /^\(\s*(?:<([^<>\n]{0,2000})>|([^\s()<>]{0,2000}(?:\([^\s()<>]{0,500}\)[^\s()<>]{0,500})?))(?:\s+(?:"[^"]{0,500}"|'[^']{0,500}'))?\s*\)/.exec(text.slice(at, at + 4000));
      if (open < 1 || !target) {
        if (open > 0) giveUp(open);
        push({ kind: "text", text: all });
        continue;
      }
      giveUp(open + 1);
      const f = frames.pop();
      at += target[0].length;
      const href = safeHref(target[1] ?? target[2] ?? "");
      const children = f?.children ?? [];
      // What leads to nowhere safe is only its text.
      if (href) push({ kind: "link", href, image: f?.mark === "![", children: children.length > 0 ? children : [{ kind: "text", text: href }] });
      else children.forEach(push);
    }
  }
  push({ kind: "text", text: text.slice(at) });
  giveUp(1);
  return root.children;
}

function next(text: string, at: number): RegExpExecArray | null {
  token.lastIndex = at;
  return token.exec(text);
}

function emphasised(mark: string, children: Inline[]): Inline {
  if (mark === "~~") return { kind: "strike", children };
  if (mark.length === 3) return { kind: "em", children: [{ kind: "strong", children }] };
  return { kind: mark.length === 2 ? "strong" : "em", children };
}

// closing finds the run of exactly n backticks.
function closing(text: string, from: number, n: number): number {
  for (let i = text.indexOf("`", from); i >= 0; ) {
    let to = i;
    while (text[to] === "`") to++;
    if (to - i === n) return i;
    i = text.indexOf("`", to);
  }
  return -1;
}

// trimmed leaves out what belongs to the sentence around a bare address.
function trimmed(url: string): string {
  const bare = url.replace(/[.,;:!?_~]+$/, "");
  return bare.endsWith(")") && !bare.includes("(") ? trimmed(bare.slice(0, -1)) : bare;
}
