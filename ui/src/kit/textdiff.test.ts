import { describe, expect, it } from "vitest";
import { Random } from "./random";
import { diffLines, foldDiff, sideBySide } from "./textdiff";

const show = (a: string, b: string) => diffLines(a, b).map((l) => `${{ same: " ", removed: "-", added: "+" }[l.kind]}${l.text}`);

function longest(a: string[], b: string[]): number {
  const t = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) (t[i] as number[])[j] = a[i] === b[j] ? (t[i + 1]?.[j + 1] ?? 0) + 1 : Math.max(t[i + 1]?.[j] ?? 0, t[i]?.[j + 1] ?? 0);
  return t[0]?.[0] ?? 0;
}

describe("diffLines", () => {
  it("finds what changed", () => {
    expect(show("a\nb\nc\n", "a\nx\nc")).toEqual([" a", "-b", "+x", " c"]);
    expect(show("", "a\n")).toEqual(["+a"]);
    expect(show("a", "")).toEqual(["-a"]);
    expect(show("", "")).toEqual([]);
    expect(show("a\n\n", "a\n")).toEqual([" a", "-"]);
  });

  it("gives both texts back, with numbers in order, and is as short as can be", () => {
    const r = new Random(31);
    for (let i = 0; i < 800; i++) {
      const alphabet = "abcdef".slice(0, r.int(1, 6)).split("");
      const text = () => Array.from({ length: r.int(0, 25) }, () => r.pick(alphabet));
      const [a, b] = [text(), text()];
      const d = diffLines(a.map((l) => `${l}\n`).join(""), b.map((l) => `${l}\n`).join(""));
      expect(d.filter((l) => l.kind !== "added").map((l) => l.text)).toEqual(a);
      expect(d.filter((l) => l.kind !== "removed").map((l) => l.text)).toEqual(b);
      expect(d.flatMap((l) => l.before ?? [])).toEqual(a.map((_, k) => k + 1));
      expect(d.flatMap((l) => l.after ?? [])).toEqual(b.map((_, k) => k + 1));
      const unique = (l: string[]) => alphabet.some((c) => l.filter((x) => x === c).length === 1);
      if (!unique(a) || !unique(b)) expect(d.filter((l) => l.kind === "same")).toHaveLength(longest(a, b));
    }
  });

  it("bears texts that share nothing", () => {
    const text = (p: string) => Array.from({ length: 20_000 }, (_, i) => `${p}${i % 7}`).join("\n");
    const diff = diffLines(text("a"), text("b"));
    expect(["added", "removed", "same"].map((k) => diff.filter((l) => l.kind === k).length)).toEqual([20_000, 20_000, 0]);
  });

  it("marks words that changed, not in lines that share little", () => {
    const [before, after] = diffLines("timeout: 15m # 한글", "timeout: 30m # 한글");
    expect([before?.words, after?.words]).toEqual([[[9, 12]], [[9, 12]]]);
    expect(diffLines("alpha beta", "gamma delta").every((l) => l.words.length === 0)).toBe(true);
  });
});

describe("views", () => {
  const a = Array.from({ length: 20 }, (_, i) => `l${i}`);
  const d = diffLines(a.join("\n"), a.map((l, i) => (i === 10 ? "new" : l)).filter((_, i) => i !== 12).join("\n"));

  it("folds what is far from changes", () => {
    expect(foldDiff(d).map((l) => (l.kind === "fold" ? l.count : l.text))).toEqual([7, "l7", "l8", "l9", "l10", "new", "l11", "l12", "l13", "l14", "l15", 4]);
    expect(foldDiff(d, 100)).toEqual(d);
    expect(foldDiff(diffLines("a\nb", "a\nb"))).toHaveLength(2);
  });

  it("stands side by side", () => {
    const rows = sideBySide(foldDiff(d)).map((r) => (r.kind === "fold" ? "…" : `${r.before?.text ?? ""}|${r.after?.text ?? ""}`));
    expect(rows).toEqual(["…", "l7|l7", "l8|l8", "l9|l9", "l10|new", "l11|l11", "l12|", "l13|l13", "l14|l14", "l15|l15", "…"]);
  });
});
