import { describe, expect, it } from "vitest";
import { Random } from "../../kit/random";
import { looksOf, markSpans, plain, spansOf } from "./ansi";

const esc = "\u001b[";

describe("spansOf", () => {
  it("reads colours, weights and resets", () => {
    expect(spansOf(`a${esc}1;31mb${esc}22mc${esc}0md${esc}4me${esc}me`)).toEqual([
      { text: "a", style: {} },
      { text: "b", style: { bold: true, fg: 1 } },
      { text: "c", style: { fg: 1 } },
      { text: "d", style: {} },
      { text: "e", style: { underline: true } },
      { text: "e", style: {} },
    ]);
  });

  it.each([
    ["94", { fg: 12 }],
    ["103", { bg: 11 }],
    ["38;5;196", { fg: "#ff0000" }],
    ["38;5;9", { fg: 9 }],
    ["48;5;255", { bg: "#eeeeee" }],
    ["38;2;1;2;255", { fg: "#0102ff" }],
    ["38:2::1:2:3", { fg: "#010203" }],
    ["38:2:1:2:3", { fg: "#010203" }],
    ["38;5;300", {}],
    ["38;2;1;2", {}],
    ["38;2;999;2;3;1", { bold: true }],
    ["38;5;9;1", { fg: 9, bold: true }],
    ["2;3;7", { dim: true, italic: true, inverse: true }],
    ["31;39;41;49;3;23;4;24;7;27", {}],
    ["?25", {}],
    ["99999999999999999999", {}],
  ])("%s", (params, style) => {
    expect(spansOf(`${esc}${params}mx`)).toEqual([{ text: "x", style }]);
  });

  it("takes everything else out", () => {
    const text = `a${esc}2Kb${esc}?25lc\u001b]8;;javascript:alert(1)\u0007d\u001b]0;title\u001b\\e\u001bPq\u009cf\u001b(Bg\u0007\u0008h\u202ei\u009b31mj\tk${esc}3`;
    expect(plain(text)).toBe("abcdefghij\tk");
    expect(spansOf(text)).toEqual([{ text: "abcdefghi", style: {} }, { text: "j\tk", style: { fg: 1 } }]);
  });

  it("gives the plain text for any line, without controls", () => {
    const r = new Random(11);
    const bits = ["a", "한", "😀", "\u001b", "[", "3", "8", ";", "5", "m", "]", "\u0007", "\u009b", "P", "\\", "K", "\t", "\r", "<b>", ":"];
    for (let i = 0; i < 3000; i++) {
      const line = Array.from({ length: r.int(0, 30) }, () => r.pick(bits)).join("");
      const spans = spansOf(line);
      expect(spans.map((s) => s.text).join("")).toBe(plain(line));
       
      expect(plain(line)).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/);
    }
  });

  it("is quick with hostile lines", () => {
    expect(plain("\u001b[".repeat(100_000))).toBe("");
    expect(plain(`\u001b]${"a".repeat(200_000)}`)).toBe("");
  });
});

it("looksOf keeps what is set since the last reset", () => {
  expect(looksOf(`${esc}31ma${esc}2K${esc}1mb`)).toBe(`${esc}31m${esc}1m`);
  expect(looksOf(`${esc}31ma${esc}0m`)).toBe("");
});

it("markSpans cuts at matches and loses nothing", () => {
  const r = new Random(5);
  expect(markSpans(spansOf(`ab${esc}1mcd`), [[1, 3]])).toEqual([
    { text: "a", style: {} },
    { text: "b", style: {}, match: 0 },
    { text: "c", style: { bold: true }, match: 0 },
    { text: "d", style: { bold: true } },
  ]);
  for (let i = 0; i < 500; i++) {
    const spans = Array.from({ length: r.int(1, 5) }, () => ({ text: "x".repeat(r.int(1, 6)), style: {} }));
    const n = spans.reduce((a, s) => a + s.text.length, 0);
    const matches: [number, number][] = [];
    for (let at = r.int(0, 3); at < n; at += r.int(1, 5)) matches.push([at, (at = Math.min(n, at + r.int(1, 4)))]);
    const out = markSpans(spans, matches);
    expect(out.map((s) => s.text).join("")).toHaveLength(n);
    expect(out.every((s) => s.text !== "")).toBe(true);
    expect(out.reduce((a, s) => a + (s.match === undefined ? 0 : s.text.length), 0)).toBe(matches.reduce((a, [f, t]) => a + t - f, 0));
  }
});
