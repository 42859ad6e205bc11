import { describe, expect, it } from "vitest";
import { readCron, writeCron, type Rhythm } from "./cron";
import { check, emptyDraft, firstTarget, inputOf, mergePatch, patchOf, previewOf } from "./form";
import { isoSpan, spanText } from "./span";

it("starts a new schedule with what there is", () => {
  expect([firstTarget(undefined, [{}]), firstTarget([], undefined), firstTarget([], [{}]), firstTarget([], []), firstTarget([{}], undefined), firstTarget([{}], [{}])]).toEqual([null, null, "workflow", "template", "template", "template"]);
});

describe("the builder", () => {
  const both: [string, Rhythm][] = [
    ["*/15 * * * *", { kind: "minutes", every: 15 }],
    ["* * * * *", { kind: "minutes", every: 1 }],
    ["5 * * * *", { kind: "hourly", minute: 5 }],
    ["30 9 * * *", { kind: "daily", time: "09:30" }],
    ["0 9 * * MON-FRI", { kind: "weekly", days: [1, 2, 3, 4, 5], time: "09:00" }],
    ["0 9 * * MON,WED,SUN", { kind: "weekly", days: [1, 3, 7], time: "09:00" }],
    ["15 23 L * *", { kind: "monthly", day: 0, time: "23:15" }],
    ["15 23 31 * *", { kind: "monthly", day: 31, time: "23:15" }],
  ];
  for (const [text, rhythm] of both) {
    it(`reads and writes ${text}`, () => {
      expect(readCron(text)).toEqual(rhythm);
      expect(writeCron(rhythm)).toBe(text);
    });
  }
  it("reads days by number", () => expect(readCron("0 9 * * 1-5")).toEqual({ kind: "weekly", days: [1, 2, 3, 4, 5], time: "09:00" }));
  it("leaves the rest as text", () => {
    for (const text of ["0 9 13 * FRI", "*/7 * * * *", "0 9 * JAN *", "0 0 9 * * *", "H H * * *", "0 9-17 * * *", "0 0 15W * *", "@daily", "0 25 * * *", "0 9 * * TUE#2"]) expect(readCron(text), text).toBeNull();
  });
});

describe("durations", () => {
  it("go both ways", () => {
    for (const [text, iso] of [["15m", "PT15M"], ["1h 30m", "PT1H30M"], ["-10m", "-PT10M"], ["0s", "PT0S"], ["45s", "PT45S"]] as const) {
      expect(isoSpan(text)).toBe(iso);
      expect(spanText(iso)).toBe(text);
    }
    expect(isoSpan("2d")).toBe("PT48H");
    expect(spanText("PT48H")).toBe("2d");
    expect(isoSpan("PT15M")).toBe("PT15M");
    expect(isoSpan("")).toBe("");
    for (const bad of ["soon", "5", "PT", "1x"]) expect(isoSpan(bad), bad).toBeNull();
  });
});

describe("the draft", () => {
  const base = { ...emptyDraft("Asia/Seoul"), templateId: "report" };
  it("sends only what was said", () => {
    expect(inputOf(base)).toEqual({ trigger: { type: "CRON", expression: "0 9 * * MON-FRI" }, timezone: "Asia/Seoul", template_id: "report" });
    expect(inputOf({ ...base, cron: "0 9 * * *\n0 12 * * *", jitter: "5m", overlap: "queue_all", maxQueued: "3", labels: "team=ops" })).toMatchObject({
      trigger: { type: "CRON", expressions: ["0 9 * * *", "0 12 * * *"] }, jitter: "PT5M", overlap: "queue_all", max_queued: 3, labels: { team: "ops" },
    });
  });
  it("tells a change as a merge patch", () => {
    expect(mergePatch({ a: 1, b: { c: 1, d: 2 }, e: [1] }, { b: { c: 1, d: 3 }, e: [2], f: 1 })).toEqual({ a: null, b: { d: 3 }, e: [2], f: 1 });
    expect(patchOf({ ...base, jitter: "5m" }, { ...base, kind: "INTERVAL", every: "1h" })).toEqual({ jitter: null, trigger: { type: "INTERVAL", interval: "PT1H" } });
    expect(patchOf(base, base)).toEqual({});
  });
  it("is not asked about while it is wrong", () => {
    expect(previewOf({ ...base, kind: "INTERVAL", every: "soon" }, 20)).toBeNull();
    expect(previewOf({ ...base, kind: "ON" }, 20)).toBeNull();
    expect(check({ ...base, kind: "EVENT" })).toEqual({ calendar: "missing" });
    expect(previewOf(base, 20)).toMatchObject({ count: 20, timezone: "Asia/Seoul" });
  });
});
