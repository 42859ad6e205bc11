import { describe, expect, it } from "vitest";
import { Random } from "../../kit/random";
import { jobRows, makeScale, nodeRows, nowAt, place, type Row, ticks, waitKind, xOf, zoomAbout } from "./timeline";

const t0 = Date.parse("2026-03-02T10:00:00Z");
const iso = (s: number) => new Date(t0 + s * 1000).toISOString();
const short = (rows: Row[]) => rows.map((r) => [r.id, ...r.segments.map((s) => `${s.kind}${s.open ? "…" : ""} ${(s.from - t0) / 1000}-${(s.to - t0) / 1000}${s.end ? ` ${s.end}` : ""}`)]);

describe("jobRows", () => {
  it("shows attempts with the delays between them", () => {
    const rows = jobRows(
      [
        { run_id: "r2", attempt: 2, queued_at: iso(30), started_at: iso(40), finished_at: null, active: true, status: null },
        { run_id: "r1", attempt: 1, queued_at: iso(0), started_at: iso(5), finished_at: iso(10), active: false, status: "FAILED", error: { code: "timeout" } },
      ],
      null,
      t0 + 100_000,
    );
    expect(short(rows)).toEqual([
      ["r1", "queued 0-5", "running 5-10 failed"],
      ["r2", "retry_delay 10-30", "queued 30-40", "running… 40-100"],
    ]);
    expect(rows[0]?.segments[1]?.detail).toBe("timeout");
  });

  it("shows what a job waits for, and what was skipped in the queue", () => {
    const r = { run_id: "r1", attempt: 1, queued_at: iso(0), started_at: iso(5), finished_at: iso(10), active: false, status: "FAILED" };
    expect(short(jobRows([r], { code: "retry_delay" }, t0 + 20_000))).toEqual([["r1", "queued 0-5", "running 5-10 failed"], ["waiting", "retry_delay… 10-20"]]);
    expect(short(jobRows([], { code: "lock" }, t0 + 20_000, iso(0)))).toEqual([["waiting", "lock… 0-20"]]);
    expect(short(jobRows([{ ...r, started_at: null, status: "SKIPPED" }], null, t0))).toEqual([["r1", "queued 0-10"]]);
  });

  it("knows the kinds of waits", () => {
    expect([waitKind("parked", "approval"), waitKind("parked", "timer"), waitKind("limit"), waitKind("position"), waitKind("parked")]).toEqual(["approval", "parked", "lock", "queued", "parked"]);
  });
});

describe("nodeRows", () => {
  it("shows retries, waits and what goes on", () => {
    const node = { started_at: null, ended_at: null, attempt: 0 };
    const rows = nodeRows(
      [
        { ...node, node_id: "a", status: "COMPLETED", ready_at: iso(0), started_at: iso(1), ended_at: iso(20), attempt: 2 },
        { ...node, node_id: "ask", type: "approval", status: "WAITING", ready_at: iso(20), started_at: iso(20), attempt: 1, wait: { for: "approval" } },
        { ...node, node_id: "asked", type: "approval", status: "COMPLETED", started_at: iso(20), ended_at: iso(50), attempt: 1 },
        { ...node, node_id: "run", status: "RUNNING", started_at: iso(30), attempt: 1 },
        { ...node, node_id: "later", status: "PENDING" },
        { ...node, node_id: "next", status: "READY", ready_at: iso(55) },
      ],
      [
        { node_id: "a", number: 2, started_at: iso(15), ended_at: iso(20), status: "COMPLETED" },
        { node_id: "a", number: 1, started_at: iso(1), ended_at: iso(5), status: "WAITING", error: { code: "http_503" } },
        { node_id: "ask", number: 1, started_at: iso(20), ended_at: iso(21), status: "WAITING" },
        { node_id: "asked", number: 1, started_at: iso(20), ended_at: iso(21), status: "WAITING" },
      ],
      t0 + 60_000,
    );
    expect(short(rows)).toEqual([
      ["a", "queued 0-1", "running 1-5 failed", "retry_delay 5-15", "running 15-20 ok"],
      ["ask", "running 20-21", "approval… 21-60"],
      ["asked", "running 20-21", "approval 21-50"],
      ["run", "running… 30-60"],
      ["next", "queued… 55-60"],
    ]);
  });

  it("ends an attempt that a crash cut off where the next begins", () => {
    const rows = nodeRows([{ node_id: "a", status: "COMPLETED", started_at: iso(0), ended_at: iso(9), attempt: 2 }], [
      { node_id: "a", number: 1, started_at: iso(0), ended_at: null, status: "RUNNING" },
      { node_id: "a", number: 2, started_at: iso(4), ended_at: iso(9), status: "COMPLETED" },
    ], t0 + 99_000);
    expect(short(rows)).toEqual([["a", "running 0-4", "running 4-9 ok"]]);
  });
});

describe("scale", () => {
  it("has no negative widths, whatever the clocks say, and is a way there and back", () => {
    const r = new Random(6);
    const maybe = () => (r.next() < 0.2 ? null : iso(r.int(-50, 500)));
    for (let k = 0; k < 300; k++) {
      const now = t0 + r.int(-100, 600) * 1000;
      const runs = Array.from({ length: r.int(1, 5) }, (_, i) => ({ run_id: `r${i}`, attempt: i + 1, queued_at: iso(r.int(-50, 500)), started_at: maybe(), finished_at: maybe(), active: r.next() < 0.3, status: r.pick(["COMPLETED", "FAILED", null]) }));
      const status = r.pick(["RUNNING", "WAITING", "COMPLETED", "FAILED", "READY"]);
      const rows = [
        ...jobRows(runs, r.next() < 0.5 ? { code: "lock" } : null, now, iso(0)),
        ...nodeRows([{ node_id: "n", status, ready_at: maybe(), started_at: maybe(), ended_at: maybe(), attempt: 1 }], Array.from({ length: r.int(0, 4) }, (_, i) => ({ node_id: "n", number: i + 1, started_at: maybe(), ended_at: maybe(), status: "WAITING" })), now),
      ];
      const scale = makeScale(rows, { width: 600, zoom: r.pick([1, 1, 3, 40]), expand: r.next() < 0.3 });
      let x = 0;
      for (const p of scale.pieces) {
        expect(p.x).toBeCloseTo(x, 6);
        expect(p.width).toBeGreaterThan(0);
        expect(p.to).toBeGreaterThan(p.from);
        x += p.width;
      }
      for (const row of rows) {
        let last = -Infinity;
        for (const s of row.segments) {
          expect(s.to).toBeGreaterThanOrEqual(s.from);
          expect(s.from).toBeGreaterThanOrEqual(last);
          last = s.to;
          const p = place(scale, s);
          expect(p.width).toBeGreaterThanOrEqual(2);
          expect(p.x).toBeGreaterThanOrEqual(0);
          expect(p.x + p.width).toBeLessThanOrEqual(scale.width + 1e-6);
          expect(xOf(scale, s.from)).toBeLessThanOrEqual(xOf(scale, s.to) + 1e-6);
        }
      }
      const marks = ticks(scale, "Europe/London");
      marks.slice(1).forEach((m, i) => expect(m.x - (marks[i]?.x ?? 0)).toBeGreaterThanOrEqual(88));
      expect(marks.every((m) => !scale.pieces.some((p) => p.collapsed && m.at > p.from && m.at < p.to))).toBe(true);
    }
  });

  it("collapses a long wait, and only that", () => {
    const rows = nodeRows([{ node_id: "ask", type: "approval", status: "COMPLETED", started_at: iso(0), ended_at: iso(36_000), attempt: 1 }, { node_id: "b", status: "RUNNING", started_at: iso(36_000), ended_at: null, attempt: 1 }], [{ node_id: "ask", number: 1, started_at: iso(0), ended_at: iso(60), status: "WAITING" }], t0 + 36_060_000);
    const scale = makeScale(rows, { width: 800 });
    expect(scale.pieces.map((p) => p.collapsed)).toEqual([false, true, false]);
    expect(scale.pieces[1]?.width).toBe(28);
    expect(makeScale(rows, { width: 800, expand: true }).pieces).toHaveLength(1);
    expect(nowAt(scale, rows, t0 + 36_060_000)).toBeCloseTo(800, 6);
    expect(nowAt(scale, [], t0)).toBeNull();
    expect(makeScale([], { width: 800 })).toEqual({ pieces: [], width: 0 });
  });

  it("marks round wall times, also over a change of clocks", () => {
    const from = Date.parse("2026-03-08T00:00:00-05:00");
    const rows: Row[] = [{ id: "x", node: null, attempt: 1, segments: [{ kind: "running", from, to: from + 48 * 3_600_000, open: false, end: "ok", attempt: 1, detail: null }] }];
    const scale = makeScale(rows, { width: 1200 });
    const hours = ticks(scale, "America/New_York").map((t) => new Intl.DateTimeFormat("en-GB", { timeZone: "America/New_York", hour: "2-digit", minute: "2-digit", day: "2-digit" }).format(t.at));
    expect(hours).toEqual(["08, 00:00", "08, 06:00", "08, 12:00", "08, 18:00", "09, 00:00", "09, 06:00", "09, 12:00", "09, 18:00", "10, 00:00"]);
    expect(ticks(scale, "America/New_York").map((t) => t.day)).toEqual([true, false, false, false, true, false, false, false, true]);
  });

  it("zooms about the pointer", () => {
    const z = zoomAbout(1, 0, 300, 2, 600);
    expect(z).toEqual({ zoom: 2, scroll: 300 });
    expect(zoomAbout(2, 300, 300, 0.5, 600)).toEqual({ zoom: 1, scroll: 0 });
    expect(zoomAbout(1, 0, 300, 0.1, 600)).toEqual({ zoom: 1, scroll: 0 });
  });
});
