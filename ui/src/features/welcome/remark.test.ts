import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { en } from "../../text/welcome/en";
import { ko } from "../../text/welcome/ko";
import { remarkText } from "./remark";

// The API's own document.
const api = readFileSync(join(import.meta.dirname, "..", "..", "..", "..", "internal", "api", "openapi.yaml"), "utf8");
const codes = [...(/^ {4}CrontabRemark:\n[^]*?\n {8}code:\n[^]*?enum:\n((?: +- \w+\n)+)/m.exec(api)?.[1] ?? "").matchAll(/\w+/g)].map(([c]) => c);

it("every code of a remark has a text in both languages, and no text is of another code", () => {
  expect(codes.length).toBeGreaterThan(20);
  const keys = codes.map((c) => `cron_${c}`).sort();
  expect(Object.keys(en).filter((k) => k.startsWith("cron_")).sort()).toEqual(keys);
  for (const k of keys) expect(ko[k as keyof typeof ko], k).toMatch(/\p{Script=Hangul}/u);
});

it("fills in the values, and shows the server's words for an unknown code", () => {
  expect(remarkText({ code: "fields_missing", values: { count: "3" }, text: "x" })).toBe("The time has 3 of 5 fields, or this is no setting");
  expect(remarkText({ code: "value_invalid", values: { item: "24", field: "hour" }, text: "24 is not an hour; write 0 for midnight" })).toBe("24 is not an hour; write 0 for midnight");
  expect(remarkText({ code: "of_a_later_version" as "never_fires", values: {}, text: "something new" })).toBe("something new");
});
