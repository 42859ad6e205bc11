import { expect, it } from "vitest";
import { clockRange, clockSeconds, bytes, duration, fromNow, parseDuration, shortId } from "./format";

it("reads durations of ISO 8601", () => {
  expect(parseDuration("PT1H2M3.5S")).toBe(3_723_500);
  expect(parseDuration("P1DT2H")).toBe(93_600_000);
  expect(parseDuration("-PT2S")).toBe(-2000);
  expect(parseDuration("1h")).toBeNull();
});

it("writes durations with two units at most, and none below zero", () => {
  const plain = (ms: number) => duration(ms).replaceAll("\u202f", " ");
  expect([-5, 12, 1400, 61_000, 3_700_000, 90_000_000].map(plain)).toEqual(["0 ms", "12 ms", "1.4 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
});

it("writes bytes with three digits", () => {
  expect([999, 1250, 12_345_678].map((n) => bytes(n).replace("\u202f", " "))).toEqual(["999 B", "1.25 kB", "12.3 MB"]);
});

it("leaves out the middle of long ids only", () => {
  expect(shortId("job_01jh0000000000000000007f3k")).toBe("job_01jh…7f3k");
  expect(shortId("job_1")).toBe("job_1");
});

it("says once what both ends of a span share", () => {
  const now = Date.parse("2026-11-22T10:00:00Z");
  const span = (a: string, b: string) => clockRange(a, b, now, "UTC").replace(/[\u2009\u202f]/g, " ");
  expect(span("2026-11-23T14:33:10Z", "2026-11-23T14:33:50Z")).toBe("Nov 23, 14:33");
  expect(span("2026-11-22T14:33:10Z", "2026-11-22T14:33:50Z")).toBe("14:33");
  expect(span("2026-11-22T14:33:10Z", "2026-11-22T15:10:00Z")).toBe("14:33 – 15:10");
  expect(span("2026-11-23T14:33:10Z", "2026-11-23T15:10:00Z")).toBe("Nov 23, 14:33 – 15:10");
});

it("counts the days that are left, and those that are over", () => {
  const day = 86_400_000;
  expect(fromNow(90 * day - 3000, 0)).toBe("in 90 days");
  expect(fromNow(day + 1, 0)).toBe("in 2 days");
  expect(fromNow(0, 90 * day - 3000)).toBe("89 days ago");
  expect(fromNow(7_100_000, 0)).toBe("in 1 hr.");
});

it("writes the time of day with seconds alike in all languages", () => {
  expect(clockSeconds("2026-03-01T09:05:07.900Z", Date.parse("2026-03-01T12:00:00Z"))).toMatch(/^\d\d:\d\d:07$/);
});
