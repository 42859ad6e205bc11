import { describe, expect, it } from "vitest";
import { formatJson, JsonDoc, parseJson } from "./json";
import { Random } from "./random";

const doc = (text: string): JsonDoc => {
  const d = parseJson(text);
  if (!(d instanceof JsonDoc)) throw new Error(`${d.code} at ${d.at}`);
  return d;
};

function random(r: Random, depth: number): unknown {
  const n = r.int(0, depth > 3 ? 4 : 6);
  if (n === 5) return Array.from({ length: r.int(0, 4) }, () => random(r, depth + 1));
  if (n === 6) return Object.fromEntries(Array.from({ length: r.int(0, 4) }, (_, i) => [r.pick(["a", "한 글", 'q"', "\\", "~/", "\n"]) + i, random(r, depth + 1)]));
  return [r.int(-1e9, 1e9), r.next() * 1e-9, r.pick(['"', "\u0000", "x\\", "😀", ""]), r.pick([true, false]), null][n];
}

describe("json", () => {
  it("keeps numbers and texts as they were written", () => {
    const text = '{"big":123456789012345678901234567890,"dec":1.10,"e":1E+400,"neg":-0,"s":"\\u00e9\\/"}';
    expect(formatJson(text)).toBe('{\n  "big": 123456789012345678901234567890,\n  "dec": 1.10,\n  "e": 1E+400,\n  "neg": -0,\n  "s": "\\u00e9\\/"\n}');
  });

  it("formats as JSON.stringify does, and refuses what JSON.parse refuses", () => {
    const r = new Random(21);
    for (let i = 0; i < 1500; i++) {
      const value = random(r, 0);
      const text = JSON.stringify(value, null, r.pick([0, 3]));
      expect(formatJson(text)).toBe(JSON.stringify(value, null, 2));
      const at = r.int(0, text.length);
      const broken = text.slice(0, at) + r.pick(["", ",", "}", "]", '"', "x", "1", " ", "\\", ":"]) + text.slice(at + r.int(0, 2));
      let valid = true;
      try {
        JSON.parse(broken);
      } catch {
        valid = false;
      }
      expect(formatJson(broken) !== null, broken).toBe(valid);
    }
  });

  it("says where it is wrong", () => {
    expect(parseJson('{\n  "a": 01\n}')).toEqual({ at: 10, line: 2, column: 9, code: "unexpected" });
    expect(parseJson("[1,")).toMatchObject({ code: "unfinished", at: 3 });
    expect(parseJson("1 2")).toMatchObject({ code: "trailing", at: 2 });
    expect(parseJson("")).toMatchObject({ code: "unfinished" });
  });

  it("folds", () => {
    const d = doc('{"a":[1,{"b":2}],"c":{},"d":[]}');
    const show = (open: ReadonlySet<number>) => d.rows(open).map((r) => `${" ".repeat(r.depth)}${r.key ?? ""}${r.text}${r.comma ? "," : ""}`);
    expect(show(new Set())).toEqual(["{…}"]);
    expect(show(d.opened(1))).toEqual(["{", ' "a"[…],', ' "c"{},', ' "d"[]', "}"]);
    expect(show(new Set([0, 1]))).toEqual(["{", ' "a"[', "  1,", "  {…}", " ],", ' "c"{},', ' "d"[]', "}"]);
    expect(d.rows("all").filter((r) => !r.end)).toHaveLength(d.count);
    expect(d.rows("all", 3)).toHaveLength(3);
    expect([...d.opened(9, 1)]).toEqual([0]);
    const b = Array.from({ length: d.count }, (_, n) => d.pointer(n));
    expect(b).toEqual(["", "/a", "/a/0", "/a/1", "/a/1/b", "/c", "/d"]);
    expect(doc('{"~/":1}').pointer(1)).toBe("/~0~1");
  });

  it("bears depth and five megabytes", () => {
    expect(doc("[".repeat(200_000) + "]".repeat(200_000)).count).toBe(200_000);
    const big = `[${Array.from({ length: 100_000 }, (_, i) => `{"id":${i},"name":"row ${i} ${"x".repeat(20)}"}`).join(",")}]`;
    expect(big.length).toBeGreaterThan(5_000_000);
    const d = doc(big);
    expect(d.count).toBe(300_001);
    expect(d.rows(d.opened(1)).length).toBe(100_002);
    expect(doc(`"${"\\n".repeat(2_500_000)}"`).count).toBe(1);
  });
});
