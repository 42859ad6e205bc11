import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { codes, forms, reasons } from "../../text/workflows/problems";
import { said, type Problem } from "./problem";

const go = readFileSync(join(import.meta.dirname, "../../../../internal/workflow/rule.go"), "utf8");
// name = rule{"code", "reason", "format", "names"}
const rules = [...go.matchAll(/ = rule\{"(\w+)", "(\w+)", "(?:[^"\\]|\\.)*", "([\w ]*)"\}/g)].map(([, , reason = "", names = ""]) => ({ reason, names: names.split(" ") }));
const listed = (go.match(/var Codes = \[\]string\{([^}]*)\}/)?.[1] ?? "").match(/\w+/g) ?? [];
const hangul = /\p{Script=Hangul}/u;

it("has a Korean sentence for every reason of the server, with its values", () => {
  expect(rules.length).toBeGreaterThan(40);
  expect(Object.keys(reasons).sort()).toEqual(rules.map((r) => r.reason).sort());
  for (const { reason, names } of rules) {
    const text = reasons[reason as keyof typeof reasons];
    expect(text, reason).toMatch(hangul);
    for (const [, name] of text.matchAll(/\{(\w+)\}/g)) expect(names, reason).toContain(name);
    // What the sentence is about, beside what has no name in Korean.
    for (const name of names.filter((n) => n && n !== "what")) expect(text, reason).toContain(`{${name}}`);
  }
});

it("has Korean words for every code of the server", () => {
  expect(listed.length).toBeGreaterThan(25);
  expect(Object.keys(codes).sort()).toEqual([...listed, "yaml"].sort());
  for (const [code, text] of Object.entries(codes)) expect(text, code).toMatch(hangul);
});

it("has Korean words for every form of a value", () => {
  const words = [...go.matchAll(/(?:form\w+ +form = |source\.\w+: )"(\w+)"/g)].map((m) => m[1]);
  expect(words.length).toBeGreaterThan(12);
  for (const w of words) expect(forms).toHaveProperty(w ?? "");
});

it("says a problem in the page's language", () => {
  const p: Problem = { file: "", line: 1, column: 1, node_id: null, code: "wrong_type", reason: "wrong_type", values: { name: "url", wanted: "string", given: "list" }, detail: "url must be a string, not a list", suggestion: null };
  expect(said(p, "en")).toBe("url must be a string, not a list");
  expect(said(p, "ko")).toBe("url은(는) 문자열이어야 하는데 목록입니다");
  expect(said({ ...p, reason: null }, "ko")).toBe("형식이 맞지 않습니다: url must be a string, not a list");
  expect(said({ ...p, code: "of_another_version" as never, reason: "of_it" as never }, "ko")).toBe("url must be a string, not a list");
  expect(said({ ...p, suggestion: "urls" }, "ko")).toMatch(/^url은\(는\) 문자열이어야 하는데 목록입니다\. /);
});
