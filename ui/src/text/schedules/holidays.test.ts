import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { holidayName } from "./holidays";

it.each(["kr", "xkrx", "xnys", "xnas"])("each holiday of %s has a Korean name", (mic) => {
  const data = readFileSync(join(import.meta.dirname, "..", "..", "..", "..", "internal", "calendar", "data", `${mic}.cal`), "utf8");
  const names = [...data.matchAll(/^(?!name|source)\w.* "([^"]+)"$/gm)].map((m) => m[1] ?? "");
  expect(names.length).toBeGreaterThan(10);
  for (const name of names) expect(holidayName(name, mic.toUpperCase(), "ko"), name).toMatch(/^[^A-Za-z]*\p{Script=Hangul}/u);
});

it("says what a name is made of, and leaves what it does not know", () => {
  expect(holidayName("Substitute for Chuseok", "XKRX", "ko")).toBe("추석 대체 공휴일");
  expect(holidayName("Substitute for Children's Day and Buddha's Birthday", "XKRX", "ko")).toBe("어린이날 · 부처님오신날 대체 공휴일");
  expect(holidayName("Spring Festival (expected)", "XSHG", "ko")).toBe("춘절 (예상)");
  expect([holidayName("Labor Day", "XKRX", "ko"), holidayName("Labor Day", "XNYS", "ko"), holidayName("Memorial Day", "XNYS", "ko")]).toEqual(["근로자의 날", "노동절", "메모리얼 데이"]);
  expect(holidayName("Diwali Balipratipada", "XBOM", "ko")).toBe("Diwali Balipratipada");
  expect(holidayName("Stocktaking", "OURS", "ko")).toBe("Stocktaking");
  expect(holidayName("Chuseok", "XKRX", "en")).toBe("Chuseok");
});
