import { expect, it } from "vitest";
import { nextRead } from "./leases";

it("reads instances again before the first lease that was read is over, but not all the time", () => {
  const now = Date.parse("2026-03-01T09:00:00Z");
  const after = (...seconds: number[]) => nextRead(seconds.map((s) => ({ lease_until: new Date(now + s * 1000).toISOString() })), now);
  expect(after()).toBe(10_000);
  expect(after(30, 600)).toBe(10_000);
  expect(after(30, 5)).toBe(2500);
  expect(after(5, 0.2)).toBe(1000);
  expect(after(30, -4)).toBe(1000);
});
