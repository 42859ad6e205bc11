import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { en } from "../../text/schedules/en";
import { ko } from "../../text/schedules/ko";
import { warningText } from "./words";

it("every warning about a schedule has a text in both languages", () => {
  const api = readFileSync(join(import.meta.dirname, "..", "..", "..", "..", "internal", "api", "openapi.yaml"), "utf8");
  const codes = [...(/^ {4}ScheduleWarning:\n[^]*?\n {8}code:\n[^]*?enum:\n((?: +- \w+\n)+)/m.exec(api)?.[1] ?? "").matchAll(/\w+/g)].map(([c]) => `warn_${c}`);
  expect(codes.length).toBeGreaterThan(5);
  expect(Object.keys(en).filter((k) => k.startsWith("warn_")).sort()).toEqual(codes.sort());
  for (const k of codes) expect(ko[k as keyof typeof ko], k).toMatch(/\p{Script=Hangul}/u);
  expect(warningText({ code: "of_a_later_version", detail: "look" })).toBe("look");
  expect(warningText({ code: "trigger_unusable", detail: "it cannot fire: no calendar X" })).toBe("it cannot fire: no calendar X");
});
