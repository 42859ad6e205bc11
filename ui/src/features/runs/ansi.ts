// Escape sequences of terminals in logs: colours and weights become spans, all else is
// taken out, so that a log can change nothing but how its own text looks. Pure.

/** One of the 16 colours of the theme, or a colour of its own as #rrggbb. */
export type Colour = number | string;

/** How a span looks. The page maps colours 0 to 15 to the theme. */
export interface Style {
  fg?: Colour;
  bg?: Colour;
  bold?: boolean;
  dim?: boolean;
  italic?: boolean;
  underline?: boolean;
  inverse?: boolean;
}

/** Text with one look. */
export interface Span {
  text: string;
  style: Style;
  /** Number of the match that it belongs to, undefined = none; see markSpans. */
  match?: number;
}

// CSI; OSC, DCS, SOS, PM and APC with their strings; other escapes; the 8-bit forms; and
// an escape that the end of the line cuts off.
 
const sequence = /(?:\u001b\[|\u009b)([0-?]*)([ -/]*)([@-~])?|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)?|\u001b[ -/]*[0-~]?/g;
// Controls but for the tab, and the marks that turn the direction of what follows.
 
const controls = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** The text alone, as search sees it and as it is copied. */
export function plain(line: string): string {
  return line.replace(sequence, "").replace(controls, "");
}

/** The spans of a line. Each line begins anew, whatever the one before it left open. */
export function spansOf(line: string): Span[] {
  const out: Span[] = [];
  let style: Style = {};
  let at = 0;
  const push = (raw: string) => {
    const text = raw.replace(controls, "");
    const last = out.at(-1);
    if (text === "") return;
    if (last && last.style === style) last.text += text;
    else out.push({ text, style });
  };
  for (const m of line.matchAll(sequence)) {
    push(line.slice(at, m.index));
    at = m.index + m[0].length;
    if (m[3] === "m" && !m[2]) style = sgr(style, m[1] ?? "");
  }
  push(line.slice(at));
  return out;
}

/** The sequences of a text that set looks: what a line that overwrites it takes along. */
export function looksOf(text: string): string {
  let out = "";
  for (const m of text.matchAll(sequence)) if (m[3] === "m" && !m[2]) out = /^[0;:]*$/.test(m[1] ?? "") ? "" : out + m[0];
  return out;
}

// sgr applies "select graphic rendition"; what is not known changes nothing.
function sgr(old: Style, params: string): Style {
  if (!/^[0-9;:]*$/.test(params)) return old;
  const codes = params.split(/[;:]/).map((p) => (p === "" ? 0 : Math.min(Number(p), 65_535)));
  let s: Style = { ...old };
  for (let i = 0; i < codes.length; i++) {
    const c = codes[i] ?? 0;
    if (c === 0) s = {};
    else if (c === 1) s.bold = true;
    else if (c === 2) s.dim = true;
    else if (c === 3) s.italic = true;
    else if (c === 4) s.underline = true;
    else if (c === 7) s.inverse = true;
    else if (c === 22) s = without(s, "bold", "dim");
    else if (c === 23) s = without(s, "italic");
    else if (c === 24) s = without(s, "underline");
    else if (c === 27) s = without(s, "inverse");
    else if (c === 39) s = without(s, "fg");
    else if (c === 49) s = without(s, "bg");
    else if (c >= 30 && c <= 37) s.fg = c - 30;
    else if (c >= 40 && c <= 47) s.bg = c - 40;
    else if (c >= 90 && c <= 97) s.fg = c - 82;
    else if (c >= 100 && c <= 107) s.bg = c - 92;
    else if (c === 38 || c === 48) {
      const [colour, used] = extended(codes, i + 1, params.includes(":"));
      if (colour !== null) s[c === 38 ? "fg" : "bg"] = colour;
      i += used;
    }
  }
  return s;
}

function without(s: Style, ...keys: (keyof Style)[]): Style {
  const out = { ...s };
  for (const k of keys) delete out[k];
  return out;
}

// extended reads 5;n and 2;r;g;b, and with colons 2::r:g:b.
function extended(codes: readonly number[], i: number, colons: boolean): [Colour | null, number] {
  if (codes[i] === 5) {
    const n = codes[i + 1];
    return [n === undefined || n > 255 ? null : palette(n), 2];
  }
  if (codes[i] !== 2) return [null, 0];
  const skip = colons && codes.length - i > 4 ? 1 : 0;
  const rgb = codes.slice(i + 1 + skip, i + 4 + skip);
  if (rgb.length < 3 || rgb.some((v) => v > 255)) return [null, 4 + skip];
  return [hex(rgb), 4 + skip];
}

function palette(n: number): Colour {
  if (n < 16) return n;
  if (n >= 232) return hex([8 + (n - 232) * 10, 8 + (n - 232) * 10, 8 + (n - 232) * 10]);
  const level = (v: number) => (v === 0 ? 0 : 55 + v * 40);
  const c = n - 16;
  return hex([level(Math.floor(c / 36)), level(Math.floor(c / 6) % 6), level(c % 6)]);
}

function hex(rgb: readonly number[]): string {
  return `#${rgb.map((v) => v.toString(16).padStart(2, "0")).join("")}`;
}

/** Cuts spans where matches begin and end; matches are ranges of the plain text, in order. */
export function markSpans(spans: readonly Span[], matches: readonly (readonly [number, number])[]): Span[] {
  if (matches.length === 0) return [...spans];
  const out: Span[] = [];
  let at = 0;
  let k = 0;
  for (const s of spans) {
    let from = 0;
    while (from < s.text.length) {
      while (k < matches.length && (matches[k]?.[1] ?? 0) <= at + from) k++;
      const [start, end] = matches[k] ?? [Infinity, Infinity];
      const within = start <= at + from;
      const to = Math.min(s.text.length, (within ? end : start) - at);
      out.push({ text: s.text.slice(from, to), style: s.style, ...(within ? { match: k } : {}) });
      from = to;
    }
    at += s.text.length;
  }
  return out;
}
