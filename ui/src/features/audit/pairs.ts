/** A value before and after a change; null: not known, or none. */
export interface Pair {
  field: string;
  before: string | null;
  after: string | null;
}

const befores = ["from", "before", "old", "previous"];
const afters = ["to", "after", "new", "now"];

/**
 * Lays out what an entry says as values before and after. Details come as plain
 * keys: "from" with "to", "x_from" with "x_to", "before.x" with "after.x"; any other
 * key is a value that was set.
 */
export function pairsOf(detail: Readonly<Record<string, string>>): Pair[] {
  const out = new Map<string, Pair>();
  const at = (field: string) => {
    const p = out.get(field) ?? { field, before: null, after: null };
    out.set(field, p);
    return p;
  };
  for (const [key, value] of Object.entries(detail).sort(([a], [b]) => a.localeCompare(b))) {
    const m = /^(?:(.+)[._])?([a-z]+)$/.exec(key);
    const prefixed = /^([a-z]+)\.(.+)$/.exec(key);
    const side = (word: string | undefined) => (word && befores.includes(word) ? "before" : word && afters.includes(word) ? "after" : null);
    const [word, field] = prefixed && side(prefixed[1]) ? [prefixed[1], prefixed[2] ?? ""] : m && side(m[2]) ? [m[2], m[1] ?? ""] : [undefined, key];
    at(field)[side(word) ?? "after"] = value;
  }
  return [...out.values()];
}
