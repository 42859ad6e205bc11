import { expect, it } from "vitest";
import { pairsOf } from "./pairs";

it("pairs what was before with what is after", () => {
  expect(pairsOf({ from: "1", to: "3" })).toEqual([{ field: "", before: "1", after: "3" }]);
  expect(pairsOf({ roles_from: "viewer", roles_to: "admin" })).toEqual([{ field: "roles", before: "viewer", after: "admin" }]);
  expect(pairsOf({ "before.name": "a", "after.name": "b" })).toEqual([{ field: "name", before: "a", after: "b" }]);
});

it("takes a plain key for a value that was set", () => {
  expect(pairsOf({ max_global: "4" })).toEqual([{ field: "max_global", before: null, after: "4" }]);
});
