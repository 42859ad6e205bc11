import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { about, errors } from "../../text/webhooks/errors";
import { errorText } from "./errors";

const go = (...path: string[]) => readFileSync(join(import.meta.dirname, "../../../../internal", ...path), "utf8");

it("has Korean words for every code of a message that did not arrive", () => {
  const codes = [...go("webhook", "delivery.go").matchAll(/\bCode[A-Z]\w* += "(\w+)"/g), ...go("fault", "codes.go").matchAll(/\bTarget\w+ +Code = "(\w+)"/g)].map((m) => m[1]);
  expect(codes.length).toBeGreaterThan(10);
  const words = { ...errors, ...about };
  for (const code of codes) expect(words[code ?? ""], code).toMatch(/\p{Script=Hangul}/u);
});

it("says the answer, or the server's words behind its own", () => {
  const refused = { code: "unexpected_status", message: "the receiver answered 500 Internal Server Error" };
  expect(errorText(refused, 500, "ko")).toBe("수신자가 500으로 답했습니다");
  expect(errorText(refused, 500, "en")).toBe(refused.message);
  expect(errorText(refused, null, "ko")).toBe(refused.message);
  expect(errorText({ code: "target_timeout", message: "a.example did not answer in time" }, null, "ko")).toBe("수신자가 제때 답하지 않았습니다 (a.example did not answer in time)");
  expect(errorText({ code: "of_another_version", message: "it rains" }, null, "ko")).toBe("it rains");
});
