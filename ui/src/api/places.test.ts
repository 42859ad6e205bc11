import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { placeText } from "./places";

it("says what the server says of a place in the words of the page", () => {
  expect(placeText("required", "is required", "ko")).toBe("Required");
  expect(placeText("required", "must be given", "ko")).toBe("Required");
  expect(placeText("unknown", "unknown field", "ko")).toBe("Unknown field");
  expect(placeText("unknown_value", "must be one of skip, latest", "ko")).toBe("Must be one of skip, latest");
  expect(placeText("out_of_range", "must be at least -5", "ko")).toBe("Must be at least -5");
  expect(placeText("out_of_range", "must be at most 9", "ko")).toBe("Must be at most 9");
  expect(placeText("too_short", "must have at least 12 characters", "ko")).toBe("Must have at least 12 characters");
  expect(placeText("too_long", "must have at most 1 character", "ko")).toBe("Must have at most 1 character");
});

it("leaves what it does not know, and English, as it is", () => {
  expect(placeText("out_of_range", "must be from PT0S to P7D", "ko")).toBe("must be from PT0S to P7D");
  expect(placeText("of_its_own", "is odd", "ko")).toBe("is odd");
  expect(placeText("required", "is required", "en")).toBe("is required");
});

it("knows the server's words", () => {
  const go = readFileSync(join(import.meta.dirname, "..", "..", "..", "internal", "api", "strict", "schema.go"), "utf8");
  for (const words of ['"required", "is required"', 'detail := "unknown field"', '"unknown_value", "must be one of "', '"out_of_range", "must be at least "', '"out_of_range", "must be at most "', '"too_short", plural(k.Want, "must have at least %d character")', '"too_long", plural(k.Want, "must have at most %d character")']) expect(go).toContain(words);
});
