import { describe, expect, it } from "vitest";
import { Random } from "../../kit/random";
import { changeWithin, dateIn, floorWall, knownZone, startOfDay, weekStart, zoneOffset } from "../../kit/zone";
import { bundled, type EntryInput, type CalendarView, daysOf, type Fire, firesByDay, firesOf, heat, linesOf, marketDays, pieces, placeDay, placeFires, placeLabels, placeSessions, type SessionInput, shownUntil, stacked, turn, pastFires } from "./grid";

const zones = ["America/New_York", "Europe/London", "Asia/Seoul", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "America/Havana", "UTC"];
const day = (date: string, zone: string) => {
  const d = daysOf("agenda", date, zone, { weekStart: 1, now: 0, days: 1 })[0];
  if (!d) throw new Error("no day");
  return d;
};

describe("days", () => {
  it.each([
    ["America/New_York", "2026-03-08", 23, 120, 180],
    ["America/New_York", "2026-11-01", 25, 60, 120],
    ["America/New_York", "2026-07-01", 24, null, null],
    ["Europe/London", "2026-03-29", 23, 60, 120],
    ["Europe/London", "2026-10-25", 25, 60, 120],
    ["Asia/Seoul", "2026-03-08", 24, null, null],
    ["Australia/Lord_Howe", "2026-04-05", 24.5, 90, 120],
    ["Australia/Lord_Howe", "2026-10-04", 23.5, 120, 150],
    ["America/Sao_Paulo", "2018-11-04", 23, 0, 60],
    ["America/Sao_Paulo", "2018-02-17", 25, 1380, 1440],
    ["America/Sao_Paulo", "2026-11-01", 24, null, null],
  ])("%s %s has %d hours", (zone, date, hours, from, to) => {
    const d = day(date, zone);
    expect(d.hours).toBe(hours);
    expect(d.change && [d.change.fromMinute, d.change.toMinute]).toEqual(from === null ? null : [from, to]);
    expect(dateIn(d.from, zone)).toBe(date);
    expect(dateIn(d.from - 1, zone) < date).toBe(true);
  });

  it("follow one another in all zones and years", () => {
    const r = new Random(8);
    for (let i = 0; i < 60; i++) {
      const zone = r.pick(zones);
      const date = `${r.int(1990, 2030)}-${String(r.int(1, 12)).padStart(2, "0")}-${String(r.int(1, 28)).padStart(2, "0")}`;
      const view = r.pick<CalendarView>(["agenda", "week", "month"]);
      const days = daysOf(view, date, zone, { weekStart: r.pick([1, 6, 7]), now: 0 });
      expect(days.length % 7).toBe(0);
      expect(days.some((d) => d.date === date)).toBe(true);
      days.slice(1).forEach((d, k) => expect(d.from).toBe(days[k]?.to));
      for (const d of days) expect([0, 22, 23, 23.5, 24, 24.5, 25]).toContain(d.hours);
    }
  });

  it("begin the week as the language does, and mark today and other months", () => {
    expect([weekStart("en-US"), weekStart("en-GB"), weekStart("ko"), weekStart("ko-KR"), weekStart("nonsense-")]).toEqual([7, 1, 7, 7, 1]);
    const month = daysOf("month", "2026-02-14", "Asia/Seoul", { weekStart: 7, now: Date.parse("2026-02-13T16:00:00Z") });
    expect([month[0]?.date, month.length, month.find((d) => d.today)?.date]).toEqual(["2026-02-01", 28, "2026-02-14"]);
    expect(daysOf("month", "2026-03-14", "UTC", { weekStart: 1, now: 0 }).filter((d) => d.outside).map((d) => d.date)).toEqual(["2026-02-23", "2026-02-24", "2026-02-25", "2026-02-26", "2026-02-27", "2026-02-28", "2026-04-01", "2026-04-02", "2026-04-03", "2026-04-04", "2026-04-05"]);
    expect([turn("month", "2026-01-31", 1), turn("month", "2026-03-31", -1), turn("week", "2026-03-31", 1), turn("month", "2026-12-15", 1)]).toEqual(["2026-02-28", "2026-02-28", "2026-04-07", "2027-01-15"]);
  });

  it("know offsets, changes and round times of zones", () => {
    expect([knownZone("Asia/Seoul"), knownZone("Mars/Base")]).toEqual([true, false]);
    expect(zoneOffset(Date.parse("2026-01-01T00:00:00Z"), "Asia/Kathmandu")).toBe(5.75 * 3_600_000);
    expect(startOfDay("2018-11-04", "America/Sao_Paulo")).toBe(Date.parse("2018-11-04T03:00:00Z"));
    expect(changeWithin(Date.parse("2026-03-08T05:00:00Z"), Date.parse("2026-03-09T04:00:00Z"), "America/New_York")).toEqual({ at: Date.parse("2026-03-08T07:00:00Z"), shift: 3_600_000 });
    expect(floorWall(Date.parse("2026-03-08T15:20:00Z"), 6 * 3_600_000, "America/New_York")).toBe(Date.parse("2026-03-08T10:00:00Z"));
  });
});

const fire = (at: string, duration = 0, skip: string | null = null): Fire => ({ id: at, schedule: "s", at: Date.parse(at), duration, skip, marks: [] });

describe("fires", () => {
  it("stand by the clock, also where an hour comes twice or never", () => {
    const ny = [day("2026-11-01", "America/New_York")];
    const at = placeFires(ny, [fire("2026-11-01T05:30:00Z"), fire("2026-11-01T06:30:00Z"), fire("2026-11-01T17:00:00Z")], "America/New_York");
    expect(at.map((p) => [p.top * 24, p.again, p.lane])).toEqual([[1.5, false, 0], [1.5, true, 1], [12, false, 0]]);
    const spring = placeFires([day("2026-03-08", "America/New_York")], [fire("2026-03-08T06:30:00Z", 3_600_000)], "America/New_York");
    expect(spring.map((p) => [p.top * 24, p.height * 24, p.continued])).toEqual([[1.5, 0.5, false], [3, 0.5, true]]);
  });

  it("are one where a schedule has many in an hour of the clock", () => {
    const minutes = (from: string, n: number, duration = 0, skip: string | null = null) => Array.from({ length: n }, (_, i) => fire(new Date(Date.parse(from) + i * 60_000).toISOString(), duration, skip));
    const brief = (list: readonly Fire[]) => list.map((f) => [new Date(f.at).toISOString().slice(11, 16), f.count ?? 1, f.duration / 60_000]);
    expect(brief(bundled(minutes("2026-05-01T10:00:00Z", 120), "UTC", 4))).toEqual([["10:00", 60, 59], ["11:00", 60, 59]]);
    expect(brief(bundled(minutes("2026-05-01T10:00:00Z", 60, 300_000), "UTC", 4))).toEqual([["10:00", 60, 60]]);
    expect(brief(bundled(minutes("2026-05-01T10:00:00Z", 4), "UTC", 4))).toHaveLength(4);
    expect(brief(bundled([...minutes("2026-05-01T10:00:00Z", 5), ...minutes("2026-05-01T10:30:00Z", 5, 0, "requested")], "UTC", 4))).toEqual([["10:00", 5, 4], ["10:30", 5, 4]]);
    // Half an hour off, and an hour that comes twice.
    expect(brief(bundled(minutes("2026-05-01T10:15:00Z", 60), "Asia/Kathmandu", 4))).toEqual([["10:15", 60, 59]]);
    expect(brief(bundled(minutes("2026-11-01T05:00:00Z", 120), "America/New_York", 4))).toEqual([["05:00", 60, 59], ["06:00", 60, 59]]);
  });

  it("are known until the first that is not shown", () => {
    const at = (id: string, ...hours: number[]) => hours.map((h) => ({ ...fire(new Date(h * 3_600_000).toISOString()), schedule: id }));
    expect(shownUntil([...at("often", 3, 1, 2), ...at("daily", 0, 24, 48)], new Set(["often"])) / 3_600_000).toBe(4);
    expect(shownUntil([...at("often", 3, 1, 2), ...at("more", 0, 0.5)], new Set(["often", "more"])) / 3_600_000).toBe(1);
    expect(shownUntil(at("daily", 0, 24), new Set())).toBe(Infinity);
  });

  it("have labels that stay by their hours when a schedule fires every quarter of an hour", () => {
    const all = Array.from({ length: 96 }, (_, i) => fire(new Date(Date.parse("2026-05-01T00:00:00Z") + i * 900_000).toISOString()));
    for (const lines of [1, 2]) {
      const placed = placeFires([day("2026-05-01", "UTC")], bundled(all, "UTC", 2), "UTC");
      const at = placeLabels(placed.map((p) => ({ top: p.top * 960, lines })), 16, 40);
      expect(at.map((l) => l.y)).toEqual(Array.from({ length: 24 }, (_, h) => h * 40));
    }
    // Names that would take three lines every half an hour give way; a few at one time stay whole.
    const half = placeLabels(Array.from({ length: 48 }, (_, i) => ({ top: i * 20, lines: 3 })), 16, 40);
    expect(half).toEqual(Array.from({ length: 48 }, (_, i) => ({ y: i * 20, lines: 1 })));
    expect(placeLabels([{ top: 360, lines: 3 }, { top: 363, lines: 3 }, { top: 366, lines: 3 }], 16, 40).map((l) => [l.y, l.lines])).toEqual([[360, 3], [408, 3], [456, 3]]);
  });

  it("of more schedules than an hour has lines do not slide into other hours", () => {
    const hourly = (n: number, hours: number) => Array.from({ length: hours * n }, (_, i) => ({ top: (Math.floor(i / n) + 9) * 40, lines: 1 }));
    for (const [n, hours] of [[3, 9], [3, 15], [5, 4]] as const) {
      const at = placeDay(hourly(n, hours), 16, 40);
      expect(at.map((l) => [l.at, l.more, l.y])).toEqual(Array.from({ length: hours * 2 }, (_, i) => [Math.floor(i / 2) * n + (i % 2), i % 2 ? n - 1 : 0, (Math.floor(i / 2) + 9) * 40 + (i % 2) * 16]));
    }
    // What is crowded only here and there stays whole.
    expect(placeDay(hourly(5, 1), 16, 40).map((l) => [l.at, l.more])).toEqual([0, 1, 2, 3, 4].map((n) => [n, 0]));
    expect(placeDay(hourly(2, 15), 16, 40).every((l) => l.more === 0)).toBe(true);
    expect(placeDay([], 16, 40)).toEqual([]);
  });

  it("cut at midnight, side by side, skipped ones without a bar", () => {
    const days = daysOf("agenda", "2026-05-01", "Asia/Seoul", { weekStart: 7, now: 0, days: 2 });
    const p = placeFires(days, [fire("2026-05-01T14:00:00Z", 2 * 3_600_000), fire("2026-05-01T14:30:00Z"), fire("2026-05-01T03:00:00Z", 3_600_000, "holiday")], "Asia/Seoul");
    expect(p.map((x) => [x.day, x.top * 24, Math.round(x.height * 2400) / 100, x.lane, x.lanes])).toEqual([[0, 12, 0, 0, 1], [0, 23, 1, 0, 2], [1, 0, 1, 0, 1], [0, 23.5, 0, 1, 2]]);
    expect(firesByDay(days, [fire("2026-05-01T15:00:00Z"), fire("2026-05-01T14:59:59Z"), fire("2030-01-01T00:00:00Z")]).map((l) => l.length)).toEqual([1, 1]);
  });

  it("lose no time, in any zone, on any day", () => {
    const r = new Random(12);
    for (let i = 0; i < 200; i++) {
      const zone = r.pick(zones);
      const days = daysOf("week", `${r.int(2015, 2027)}-${r.pick(["03", "04", "10", "11"])}-${String(r.int(1, 28)).padStart(2, "0")}`, zone, { weekStart: 1, now: 0 });
      const start = (days[0]?.from ?? 0) + r.int(0, 6 * 86_400) * 1000;
      const length = r.int(1, 100_000) * 1000;
      const stop = Math.min(start + length, days.at(-1)?.to ?? 0);
      const parts = pieces(days, start, start + length, zone);
      expect(parts.reduce((n, p) => n + p.to - p.from, 0)).toBe(stop - start);
      for (const p of parts) {
        expect(p.top).toBeGreaterThanOrEqual(0);
        expect(p.height).toBeGreaterThan(0);
        expect(p.top + p.height).toBeLessThanOrEqual(1 + 1e-9);
      }
      expect(pieces(days, start, start, zone)).toHaveLength(1);
    }
  });

  it("come from nominal times", () => {
    expect(firesOf("s", [{ nominal_at: "2026-01-01T00:00:00Z", due_at: "2026-01-01T00:01:00Z", skip: null, marks: ["dst_moved"] }], 5)).toEqual([{ id: "s@2026-01-01T00:00:00Z", schedule: "s", at: Date.parse("2026-01-01T00:01:00Z"), duration: 5, skip: null, marks: ["dst_moved"] }]);
  });
});

describe("sessions", () => {
  const session = (date: string, open: string, close: string, more: Partial<SessionInput> = {}): SessionInput => ({ date, open, close, break_start: null, break_end: null, early_close: false, late_open: false, verified: true, reason: null, ...more });

  it("are shaded in the zone of who looks, without breaks", () => {
    const days = daysOf("agenda", "2026-03-09", "Asia/Seoul", { weekStart: 7, now: 0, days: 2 });
    const p = placeSessions(days, [session("2026-03-09", "2026-03-09T13:30:00Z", "2026-03-09T20:00:00Z"), session("2026-03-10", "2026-03-10T00:00:00Z", "2026-03-10T06:00:00Z", { break_start: "2026-03-10T02:30:00Z", break_end: "2026-03-10T03:30:00Z" })], "Asia/Seoul");
    expect(p.map((x) => [x.day, x.top * 24, Math.round(x.height * 240) / 10])).toEqual([[0, 22.5, 1.5], [1, 0, 5], [1, 9, 2.5], [1, 12.5, 2.5]]);
  });

  it("keep labels apart, and within the day", () => {
    const at = (...of: [top: number, height: number][]) => of.map(([top, height]) => ({ top, height }));
    expect(stacked(at([0, 16], [5, 16], [100, 16]), 960)).toEqual([0, 16, 100]);
    expect(stacked(at([0, 48], [5, 32], [60, 16]), 960)).toEqual([0, 48, 80]);
    expect(stacked(at([900, 16], [950, 32], [955, 16]), 960)).toEqual([896, 912, 944]);
    expect(stacked(at([0, 16], [0, 16], [0, 16]), 32)).toEqual([0, 16, 32]);
    expect(stacked([], 960)).toEqual([]);
  });

  it("give a name the lines that it needs", () => {
    expect([linesOf("sync-inbox", 159), linesOf("translate-the-morning-news", 159), linesOf("sync-inbox", 99), linesOf("translate-the-morning-news", 99), linesOf("시장 보고서", 159), linesOf("x".repeat(200), 99)]).toEqual([1, 3, 2, 3, 1, 3]);
  });

  it("tell holidays, half days and weekends apart", () => {
    const days = daysOf("week", "2026-11-25", "America/New_York", { weekStart: 1, now: 0 });
    const on = (d: string, more: Partial<SessionInput> = {}) => session(d, `${d}T14:30:00Z`, `${d}T21:00:00Z`, more);
    const sessions = [on("2026-11-16"), on("2026-11-19"), on("2026-11-20"), on("2026-11-23"), on("2026-11-24"), on("2026-11-25"), on("2026-11-27", { early_close: true, reason: "Day after Thanksgiving" })];
    const range = { from: "2026-11-15", to: "2026-11-28" };
    expect(marketDays(days, sessions, range, { "2026-11-26": "Thanksgiving" }).map((d) => [d.kind, d.name])).toEqual([["open", null], ["open", null], ["open", null], ["holiday", "Thanksgiving"], ["half", "Day after Thanksgiving"], ["weekend", null], ["unknown", null]]);
    expect(marketDays(days, [], { from: "2026-11-23", to: "2026-11-29" }).map((d) => d.kind)).toEqual(["holiday", "holiday", "holiday", "holiday", "holiday", "weekend", "weekend"]);
  });
});

describe("heat", () => {
  it("counts what runs at once", () => {
    const min = 60_000;
    const h = heat([fire("2026-01-01T00:00:00Z", 10 * min), fire("2026-01-01T00:05:00Z", 10 * min), fire("2026-01-01T00:15:00Z"), fire("2026-01-01T00:06:00Z", min, "holiday")], 1);
    const t = Date.parse("2026-01-01T00:00:00Z");
    expect(h.map((x) => [(x.from - t) / min, (x.to - t) / min, x.jobs, x.over])).toEqual([[0, 5, 1, false], [5, 10, 2, true], [10, 16, 1, false]]);
    expect(heat([], 2)).toEqual([]);
  });
});

describe("pastFires", () => {
  it("shows what ran and what was missed, in the stretch and until now", () => {
    const e = (nominal_at: string, more: Partial<EntryInput> = {}): EntryInput => ({ kind: "run", nominal_at, due_at: null, again: 0, reason: null, started_at: null, finished_at: null, ...more });
    const list = pastFires("s", [
      e("2026-01-01T12:00:00Z"),
      e("2026-01-01T11:00:00Z", { due_at: "2026-01-01T11:00:05Z", started_at: "2026-01-01T11:00:06Z", finished_at: "2026-01-01T11:00:16Z" }),
      e("2026-01-01T10:00:00Z", { kind: "skip", reason: "missed_window" }),
      e("2026-01-01T09:00:00Z"),
    ], Date.parse("2026-01-01T09:30:00Z"), Date.parse("2026-01-01T11:30:00Z"));
    expect(list.map((f) => [new Date(f.at).toISOString(), f.duration, f.skip])).toEqual([["2026-01-01T11:00:05.000Z", 10_000, null], ["2026-01-01T10:00:00.000Z", 0, "missed_window"]]);
    expect(new Set(list.map((f) => f.id)).size).toBe(2);
  });
});
