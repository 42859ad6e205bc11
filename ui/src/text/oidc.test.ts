import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { refusals } from "./oidc";

it("has Korean words for every refusal of a login at the provider", () => {
  const go = readFileSync(join(import.meta.dirname, "../../../internal/fault/codes.go"), "utf8");
  const codes = [...go.matchAll(/\bOIDC\w+ +Code = "(\w+)"/g)].map((m) => m[1] ?? "");
  expect(codes.length).toBeGreaterThan(5);
  expect(Object.keys(refusals).sort()).toEqual(codes.sort());
  for (const [code, text] of Object.entries(refusals)) expect(text, code).toMatch(/\p{Script=Hangul}/u);
});
