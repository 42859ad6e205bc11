import { expect, it } from "vitest";
import { sentence } from "./sentence";

it("takes the API's sentence in English, and makes one of the trigger in another language", () => {
  expect(sentence({ type: "INTERVAL", interval: "PT30M" }, "said")).toBe("said");
  const of = (g: Parameters<typeof sentence>[0]) => sentence(g, "said", "ko");
  expect(of({ type: "INTERVAL", interval: "PT30M" })).toMatch(/^every 30\s?min$/);
  expect(of({ type: "CRON", expression: "*/15 * * * *" })).toBe("every 15 minutes");
  expect(of({ type: "CRON", expressions: ["30 9 * * *", "0 9 1-7 * 1"] })).toBe("every day at 09:30; 0 9 1-7 * 1");
  expect(of({ type: "EVENT", event: "MARKET_CLOSE", offset: "-PT10M" })).toMatch(/^10\s?min before: /);
  expect(of(undefined)).toBe("said");
});
