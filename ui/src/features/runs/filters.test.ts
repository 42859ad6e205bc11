import { describe, expect, it } from "vitest";
import { barsOf, total } from "./bars";
import { mergePatch, mergeRuns, queryText, stateOf, type Run } from "./data";
import { cliOf, filtered, queryOf, spanOf, type Filters } from "./filters";
import { previewKind } from "./preview";
import { rowsOf } from "./segments";

const none: Filters = { q: "", status: [], type: [], template: "", schedule: "", job: "", workflow: "", label: [], range: "day", from: "", to: "" };
const at = (s: string) => Date.parse(`2026-03-01T${s}Z`);

describe("filters", () => {
  it("begin at a whole bar, and stay while time passes within it", () => {
    const a = spanOf(none, at("12:10:00"));
    expect(a).toEqual(spanOf(none, at("12:59:00")));
    expect(a.bucket).toBe(3_600_000);
    expect((a.from ?? 0) % a.bucket).toBe(0);
  });
  it("zoom into a bar", () => {
    expect(spanOf({ ...none, from: "2026-03-01T10:00:00Z", to: "2026-03-01T11:00:00Z" }, at("12:00:00"))).toEqual({ from: at("10:00:00"), to: at("11:00:00"), bucket: 60_000 });
    expect(spanOf({ ...none, from: "nonsense", to: "x" }, at("12:00:00")).to).toBeNull();
  });
  it("become a query and a command", () => {
    const q = queryOf({ ...none, status: ["FAILED", "bogus"], label: ["a:b", "c:d"], range: "all" }, { from: null, to: null, bucket: 1 });
    expect(q).toEqual({ status: ["FAILED"], label: ["a:b", "c:d"] });
    expect(queryText({ ...q, include: ["x", "y"] })).toBe("status=FAILED&label=a:b&label=c:d&include=x,y");
    expect(cliOf(q)).toBe("runsheet run ls --status FAILED --label a=b --label c=d");
  });
  it("of one job are asked for by its id", () => {
    const f = { ...none, job: "job_1", range: "all" as const };
    const q = queryOf(f, spanOf(f, at("12:00:00")));
    expect(q).toEqual({ job_id: "job_1" });
    expect(cliOf(q)).toBe("runsheet run ls --job job_1");
    expect(filtered(f)).toBe(true);
    expect(filtered(none)).toBe(false);
  });
});

it("bars have no gaps, and join where there is no room", () => {
  const found = [{ at: "2026-03-01T10:00:00Z", active: 0, completed: 2, failed: 1, skipped: 0 }, { at: "2026-03-01T13:00:00Z", active: 1, completed: 0, failed: 0, skipped: 0 }];
  const bars = barsOf(found, 3_600_000, at("09:00:00"), at("14:00:00"), 100);
  expect(bars.map(total)).toEqual([0, 3, 0, 0, 1]);
  expect(barsOf(found, 3_600_000, at("09:00:00"), at("14:00:00"), 2).map(total)).toEqual([3, 1]);
  expect(barsOf([], 3_600_000, null, at("14:00:00"), 10).map(total)).toEqual([0]);
});

it("states of runs have the words of people", () => {
  const r = { active: false, status: "FAILED", error: { code: "cancelled", message: "" }, finished_at: "x", instance_id: null } as const;
  expect(stateOf(r)).toBe("CANCELLED");
  expect(stateOf({ ...r, error: null, active: true, status: null, instance_id: "inst_1" })).toBe("RUNNING");
  expect(stateOf({ ...r, error: null, active: true, status: null, instance_id: null })).toBe("WAITING");
  expect(stateOf({ ...r, error: null, status: null, finished_at: null })).toBe("WAITING");
});

it("the newest answer about a run wins, and the order is that of the starts", () => {
  const r = (run_id: string, started_at: string, name: string) => ({ run_id, started_at, name, queued_at: started_at, finished_at: null }) as Run;
  const merged = mergeRuns([r("b", "2026-03-01T11:00:00Z", "new")], [r("a", "2026-03-01T10:00:00Z", "old"), r("b", "2026-03-01T11:00:00Z", "old"), r("c", "2026-03-01T12:00:00Z", "old")]);
  expect(merged.map((x) => `${x.run_id} ${x.name}`)).toEqual(["c old", "b new", "a old"]);
});

it("a merge patch says what changed only", () => {
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  expect(mergePatch({ a: 1, b: { c: 1, d: 2 }, e: [1] }, { b: { c: 1, d: 3 }, e: [1], f: "x" }, same)).toEqual({ a: null, b: { d: 3 }, f: "x" });
  expect(mergePatch({ a: 1 }, { a: 1 }, same)).toEqual({});
});

it("previews run nothing", () => {
  expect(previewKind("text/html", "x.html")).toBe("text");
  expect(previewKind("text/markdown; charset=utf-8", "x.md")).toBe("markdown");
  expect(previewKind("application/octet-stream", "x.json")).toBe("json");
  expect(previewKind("application/octet-stream", "x.bin")).toBeNull();
  expect(previewKind("image/svg+xml", "x.svg")).toBe("image");
});

describe("rows of a timeline", () => {
  const seg = (kind: "queued" | "held" | "running" | "parked" | "retry_delay", from: string, to: string | null, more: object = {}) => ({ kind, from: `2026-03-01T${from}Z`, to: to && `2026-03-01T${to}Z`, attempt: null, run_id: null, detail: null, ...more });
  const facts = [{ run_id: "r1", attempt: 1, active: false, state: "FAILED", error: { code: "exit_nonzero" } }, { run_id: "r2", attempt: 2, active: true, state: "RUNNING" }];
  it("has one for each attempt, with what came before it", () => {
    const rows = rowsOf({ job_id: "j", complete: true, segments: [seg("queued", "10:00:00", "10:00:05"), seg("running", "10:00:05", "10:00:09", { attempt: 1, run_id: "r1" }), seg("retry_delay", "10:00:09", "10:00:19"), seg("running", "10:00:19", null, { attempt: 2, run_id: "r2" })] }, facts, null, at("10:01:00"));
    expect(rows.map((r) => r.segments.map((s) => `${s.kind} ${s.end ?? "-"} ${s.open}`))).toEqual([["queued - false", "running failed false"], ["retry_delay - false", "running - true"]]);
    expect(rows.map((r) => r.id)).toEqual(["r1", "r2"]);
  });
  it("keeps a run that was parked in its row, and is never shorter than nothing", () => {
    const rows = rowsOf({ job_id: "j", complete: true, segments: [seg("running", "10:00:05", "10:00:09", { attempt: 1, run_id: "r2" }), seg("parked", "10:00:09", "10:00:30", { run_id: "r2", detail: "approval" }), seg("queued", "10:00:30", "10:00:20"), seg("running", "10:00:31", null, { attempt: 1, run_id: "r2" })] }, facts, null, at("10:00:10"));
    expect(rows).toHaveLength(1);
    expect(rows[0]?.segments.map((s) => s.kind)).toEqual(["running", "approval", "running"]);
    for (const s of rows[0]?.segments ?? []) expect(s.to).toBeGreaterThanOrEqual(s.from);
  });
  it("says what the job waits for now", () => {
    const rows = rowsOf({ job_id: "j", complete: true, segments: [seg("queued", "10:00:00", null)] }, [], { code: "lock" }, at("10:00:10"));
    expect(rows[0]?.segments[0]).toMatchObject({ kind: "lock", open: true, to: at("10:00:10") });
  });
});
