import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { fill } from "./catalogue";

it.each([
  ["{x}을(를)", "작업", "작업을"], ["{x}을(를)", "노드", "노드를"], ["{x}이(가)", "김철수", "김철수가"], ["{x}은(는)", "일정", "일정은"], ["{x}과(와)", "승인", "승인과"], ["{x}과(와)", "검사", "검사와"],
  ["{x}(으)로", "대기열", "대기열로"], ["{x}(으)로", "승인", "승인으로"], ["{x}(으)로", "검사", "검사로"], ["{x}(이)라는", "값", "값이라는"], ["{x}(이)라는", "노드", "노드라는"], ["{x}이(여)야", "문자열", "문자열이어야"], ["{x}이(여)야", "정수", "정수여야"],
  ["v{x}(으)로", "1", "v1로"], ["v{x}(으)로", "3", "v3으로"], ["v{x}(으)로", "10", "v10으로"], ["v{x}과(와)", "2", "v2와"], ["{x}을(를)", "“노드”", "“노드”를"],
  // Nobody knows how Latin letters are read: both, as Korean writes it then.
  ["{x}이(가)", "publish", "publish이(가)"], ["{x}을(를)", "", "을(를)"],
])("%s of %s", (text, x, want) => {
  expect(fill(text, { x })).toBe(want);
});

it("follows numbers as they are read", () => {
  expect(fill("{n}은(는) v{n}(으)로", { n: 1234 })).toBe("1,234는 v1,234로");
});

it("keeps what is no place", () => {
  expect(fill("값은(는) {y}을(를)", {})).toBe("값은(는) {y}을(를)");
});

it("no text puts a fixed particle behind a place, or writes a pair in another way", () => {
  for (const f of readdirSync(import.meta.dirname, { recursive: true, withFileTypes: true })) {
    if (!f.isFile() || !f.name.endsWith(".ts") || f.name.endsWith(".test.ts") || f.name === "particles.ts") continue;
    const text = readFileSync(join(f.parentPath, f.name), "utf8");
    expect([...text.matchAll(/\}(?:을|를|이(?!\(여\)야)|가|은|는|과|와|으로|이라|라)(?:\s|는|고|어야)|\}(?:를\(을\)|가\(이\)|는\(은\)|와\(과\))/g)].map((m) => text.slice(m.index - 30, m.index + 12)), f.name).toEqual([]);
  }
});
