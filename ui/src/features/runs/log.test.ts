import { describe, expect, it } from "vitest";
import { Random } from "../../kit/random";
import { compile, follow, followed, LogBuffer, LogSearch, type Matcher } from "./log";

const all = (b: LogBuffer) => Array.from({ length: b.length }, (_, i) => b.at(i));
const matcher = (text: string, regex = false): Matcher => {
  const m = compile({ text, regex });
  if (typeof m !== "function") throw new Error("no matcher");
  return m;
};

describe("LogBuffer", () => {
  it("gives the lines whatever the pieces", () => {
    const r = new Random(2);
    for (let k = 0; k < 60; k++) {
      const lines = Array.from({ length: r.int(1, 400) }, (_, i) => `${i} ${"한x".repeat(r.int(0, 300))}`);
      const text = lines.join("\n") + (r.next() < 0.5 ? "\n" : "");
      const b = new LogBuffer();
      for (let i = 0; i < text.length; ) b.append(text.slice(i, (i += r.int(1, 5000))));
      expect(all(b)).toEqual(lines);
      expect(b.first).toBe(0);
      expect(b.line(lines.length - 1)).toBe(lines.at(-1));
      expect(b.line(lines.length)).toBe("");
    }
  });

  it("shows what carriage returns leave", () => {
    const b = new LogBuffer();
    b.append("10%\r20%\r\u001b[32m30%\r");
    expect(all(b)).toEqual(["\u001b[32m30%\r"]); // the return may yet be the end of the line
    b.append("40%\nwin\r");
    b.append("\nnext\r\n");
    expect(all(b)).toEqual(["\u001b[32m40%", "win", "next"]);
  });

  it("does not keep a million updates of a line", () => {
    const b = new LogBuffer();
    for (let i = 0; i < 100_000; i++) b.append(`\r${i} of 100000`);
    expect(b.length).toBe(1);
    expect(b.size).toBeLessThan(100);
  });

  it("stays within its bound and says what was dropped", () => {
    const b = new LogBuffer({ most: 1_000_000 });
    for (let i = 0; i < 50_000; i++) b.append(`line ${i} ${"x".repeat(40)}\n`);
    expect(b.size).toBeLessThanOrEqual(1_000_000);
    expect(b.size).toBeGreaterThan(800_000);
    expect(b.lostHead).toBe(true);
    expect(b.line(b.first)).toMatch(new RegExp(`^line ${b.first} `));
    expect(b.line(49_999)).toMatch(/^line 49999 /);
    expect(b.line(0)).toBe("");
  });

  it("holds a million lines", () => {
    const b = new LogBuffer();
    const chunk = Array.from({ length: 1000 }, (_, i) => `2026-01-01T00:00:00Z info row ${i}\n`).join("");
    for (let i = 0; i < 1000; i++) b.append(chunk);
    expect(b.length).toBe(1_000_000);
    expect(b.at(999_999)).toContain("row 999");
    expect(b.at(500_500)).toContain("row 500");
  });

  it("loads earlier lines before the first, and drops the end for them", () => {
    const b = new LogBuffer();
    b.append("c\nd\n");
    b.prepend("a\nb\n");
    expect([b.first, b.line(-2), b.line(-1), b.line(0), b.line(1)]).toEqual([-2, "a", "b", "c", "d"]);
    const small = new LogBuffer({ most: 200_000 });
    for (let i = 0; i < 2000; i++) small.append(`${"t".repeat(99)}\n`);
    const first = small.first;
    small.prepend(`${"h".repeat(99)}\n`.repeat(1500));
    expect(small.lostTail).toBe(true);
    expect(small.first).toBe(first - 1500);
    expect(small.size).toBeLessThanOrEqual(200_000);
    expect(small.at(0)).toMatch(/^h/);
    const n = small.length;
    small.append("ignored\n");
    expect(small.length).toBe(n);
    small.clear();
    small.append("new");
    expect([small.lostTail, small.line(0)]).toEqual([false, "new"]);
  });

  it("breaks endless lines, and never a character", () => {
    const b = new LogBuffer({ longest: 5 });
    b.append("abcd😀efgh\nxyz");
    expect(all(b)).toEqual(["abcd", "😀efg", "h", "xyz"]);
    b.append("12345678");
    expect(all(b).slice(3)).toEqual(["xyz12", "34567", "8"]);
  });
});

describe("search", () => {
  it("compiles texts and expressions", () => {
    expect(matcher("a.b")("xA.Bx a.b axb")).toEqual([[1, 4], [6, 9]]);
    expect(matcher("a.b", true)("axb")).toEqual([[0, 3]]);
    expect(matcher("x*", true)("aaa")).toEqual([]);
    expect(compile({ text: "(", regex: true })).toBe("invalid");
    expect(compile({ text: "" })).toBeNull();
    const exact = compile({ text: "Ab", exact: true });
    expect(typeof exact === "function" && exact("ab Ab")).toEqual([[3, 5]]);
  });

  it("finds in steps the same as at once, also what comes later at both ends", () => {
    const r = new Random(3);
    for (let k = 0; k < 80; k++) {
      const b = new LogBuffer();
      const s = new LogSearch(b, matcher("err"));
      const more = () => Array.from({ length: r.int(0, 6) }, () => r.pick(["an err\n", "fine\n", "\u001b[31merr\u001b[0m and err\n"])).join("");
      for (let i = 0; i < 12; i++) {
        const where = r.int(0, 3);
        if (where === 0) b.prepend(more());
        else b.append(where === 1 ? r.pick(["e", "er", "err", "r\n"]) : more());
        s.step(r.int(1, 8));
      }
      for (let i = 0; !s.step(3); i++) expect(i).toBeLessThan(200);
      const whole = new LogSearch(b, matcher("err"));
      expect(whole.step(1e6)).toBe(true);
      expect(s.hits).toEqual(whole.hits);
    }
  });

  it("is bounded", () => {
    const b = new LogBuffer();
    b.append("err\n".repeat(50));
    const s = new LogSearch(b, matcher("err"), 10);
    while (!s.step(7));
    expect([s.hits.length, s.capped]).toEqual([10, true]);
  });
});

describe("follow", () => {
  it("stops when scrolled up and resumes at the end", () => {
    let s = followed;
    s = follow(s, { type: "scrolled", atEnd: false, up: false });
    expect(s.following).toBe(true);
    s = follow(s, { type: "scrolled", atEnd: false, up: true });
    s = follow(s, { type: "appended", lines: 3 });
    s = follow(s, { type: "appended", lines: 2 });
    expect(s).toEqual({ following: false, unseen: 5 });
    s = follow(s, { type: "scrolled", atEnd: false, up: false });
    expect(s.unseen).toBe(5);
    s = follow(s, { type: "scrolled", atEnd: true, up: false });
    expect(s).toEqual(followed);
    s = follow(follow(s, { type: "appended", lines: 9 }), { type: "toggled" });
    expect(s).toEqual({ following: false, unseen: 0 });
    expect(follow(s, { type: "toggled" })).toEqual(followed);
    expect(follow(s, { type: "jumped", toEnd: true })).toEqual(followed);
    expect(follow(followed, { type: "jumped", toEnd: false }).following).toBe(false);
  });
});
