// JSON with numbers as they were written: a browser's numbers have 53 bits, the
// server's have more.

/** A number that a browser's number cannot hold, by its text. */
export class Exact {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

export type Json = null | boolean | number | string | Exact | Json[] | { [key: string]: Json };

type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

/** Parses; throws as JSON.parse does. Browsers without access to the source give plain numbers. */
export function parse(text: string): unknown {
  const revive: Reviver = (_key, value, context) => (typeof value === "number" && context?.source !== undefined && !same(value, context.source) ? new Exact(context.source) : value);
  return JSON.parse(text, revive as (this: unknown, key: string, value: unknown) => unknown);
}

// same: whether the text's digits are all in the number.
function same(value: number, source: string): boolean {
  if (Number.isSafeInteger(value) || !Number.isFinite(value)) return Number.isFinite(value);
  return digits(String(value)) === digits(source);
}

function digits(text: string): string {
  const [mantissa = "", exponent = "0"] = text.toLowerCase().replace("-", "").split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const all = (whole + fraction).replace(/^0+/, "");
  const bare = all.replace(/0+$/, "");
  return `${bare}e${Number(exponent) - fraction.length + all.length - bare.length}`;
}

/** Writes, with exact numbers as they were; indent as JSON.stringify. */
export function stringify(value: unknown, indent = 0): string {
  const kept: string[] = [];
  const mark = `\u0001exact:`;
  const text = JSON.stringify(value, (_key, v: unknown) => (v instanceof Exact ? `${mark}${kept.push(v.text) - 1}` : v), indent) ?? "null";
  return kept.length === 0 ? text : text.replace(/"\\u0001exact:(\d+)"/g, (_all, i: string) => kept[Number(i)] ?? "null");
}
