import { expect, it } from "vitest";
import { rowsIn } from "./rows";

it("finds the rows of a view, and some more at both sides", () => {
  expect(rowsIn([100, 200], 100, 10, 1000, 0)).toEqual([0, 10]);
  expect(rowsIn([100, 200], -4900, 10, 1000, 0)).toEqual([500, 510]);
  expect(rowsIn([100, 200], -4900, 10, 1000, 3)).toEqual([497, 513]);
});

it("keeps to the rows that there are", () => {
  expect(rowsIn([100, 200], 500, 10, 1000, 3)).toEqual([0, 0]); // the list begins below
  expect(rowsIn([0, 900], 100, 10, 5, 3)).toEqual([0, 4]);
  expect(rowsIn([0, 900], -20_000, 10, 100, 0)).toEqual([100, 100]); // it has ended above: none of it
  expect(rowsIn([0, 900], 0, 10, 0, 3)).toEqual([0, 0]);
});
