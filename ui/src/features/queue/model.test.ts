import { describe, expect, it } from "vitest";
import { applyOrder, bulkOf, byNeighbour, mergePatch, movable, nextAttempt, orderFor, parts, placeAt, placed, rowsOf, slotFrom, spanOf, stepFrom, wayBack, type Group, type Job } from "./model";

const job = (id: string, group: string | null = null) => ({ job_id: id, group_id: group, position: 0 }) as Job;
const group = (id: string) => ({ group_id: id }) as Group;
const jobs = [job("a"), job("b"), job("g1", "G"), job("g2", "G"), job("c"), job("d")];
const rows = rowsOf(jobs, [group("G")]);
const pick = (...ids: string[]) => movable(rows, new Set(ids));
const after = (call: ReturnType<typeof orderFor>) => (call ? applyOrder(jobs, call).map((j) => j.job_id).join(" ") : "");

describe("moves on the board", () => {
  it("shows a group as a head with its members", () => {
    expect(rows.map((r) => r.id)).toEqual(["a", "b", "G", "g1", "g2", "c", "d"]);
  });
  it("gives one call for a drag, a key and a button", () => {
    const drag = orderFor(rows, pick("d"), 5, true);
    expect(drag).toEqual({ job_id: "d", before: "c" });
    expect(orderFor(rows, pick("d"), stepFrom(rows, pick("d"), "up"), true)).toEqual(drag);
  });
  it("passes a whole group in one step", () => {
    expect(orderFor(rows, pick("c"), stepFrom(rows, pick("c"), "up"), true)).toEqual({ job_id: "c", before: "G" });
    expect(orderFor(rows, pick("b"), stepFrom(rows, pick("b"), "down"), true)).toEqual({ job_id: "b", before: "c" });
    // A drop between members is a drop behind the group.
    expect(orderFor(rows, pick("a"), 4, true)).toEqual({ job_id: "a", before: "c" });
  });
  it("moves members inside of their group only", () => {
    expect(orderFor(rows, pick("g2"), 0, true)).toEqual({ job_id: "g2", top: true });
    expect(after(orderFor(rows, pick("g2"), 0, true))).toBe("a b g2 g1 c d");
  });
  it("moves several together", () => {
    expect(orderFor(rows, pick("a", "c"), rows.length, true)).toEqual({ order: ["a", "c"], bottom: true });
    expect(orderFor(rows, pick("a", "c"), rows.length, false)).toEqual({ order: ["a", "c"], after: "d" });
    expect(after(orderFor(rows, pick("a", "c"), rows.length, true))).toBe("b g1 g2 d a c");
    expect(after(orderFor(rows, pick("G"), 0, true))).toBe("g1 g2 a b c d");
  });
  it("makes no call that changes nothing", () => {
    expect(orderFor(rows, pick("a"), 0, true)).toBeNull();
    expect(orderFor(rows, pick("a"), 1, true)).toBeNull();
    expect(orderFor(rows, pick("a"), stepFrom(rows, pick("a"), "up"), true)).toBeNull();
    expect(orderFor(rows, pick("d"), stepFrom(rows, pick("d"), "down"), true)).toBeNull();
  });
});

describe("what has begun and waits without a slot", () => {
  const begun = { ...job("w"), position: null } as Job;
  const with_ = rowsOf([begun, ...["a", "b"].map((id) => job(id))], []);
  it("has no place, and does not move", () => {
    expect(with_.map(placed)).toEqual([false, true, true]);
    expect(movable(with_, new Set(["w"]))).toEqual([]);
    expect(orderFor(with_, movable(with_, new Set(["w"])), 3, true)).toBeNull();
  });
  it("is passed by nothing, and counts for nothing", () => {
    const a = movable(with_, new Set(["a"]));
    expect(orderFor(with_, a, stepFrom(with_, a, "up"), true)).toBeNull();
    expect(orderFor(with_, a, 0, true)).toBeNull();
    const b = movable(with_, new Set(["w", "b"]));
    expect(orderFor(with_, b, 0, true)).toEqual({ job_id: "b", top: true });
    expect(placeAt(with_, b, 0)).toBe(0);
    expect(applyOrder([begun, job("a"), job("b")], { job_id: "b", top: true }).map((j) => [j.job_id, j.position])).toEqual([["w", null], ["b", 0], ["a", 1]]);
  });
});

describe("a row that keys have picked up", () => {
  const plain = rowsOf(["a", "b", "c", "d"].map((id) => job(id)), []);
  const walk = (of: typeof rows, id: string, ...steps: Parameters<typeof slotFrom>[3][]) => {
    const moving = movable(of, new Set([id]));
    const at = steps.reduce((slot, step) => slotFrom(of, moving, slot, step), of.findIndex((r) => r.id === id));
    return { at, place: placeAt(of, moving, at), call: orderFor(of, moving, at, true) };
  };
  it("goes one place with each arrow, and says that place", () => {
    expect(walk(plain, "b")).toEqual({ at: 1, place: 1, call: null });
    expect(walk(plain, "b", "down")).toEqual({ at: 3, place: 2, call: { job_id: "b", before: "d" } });
    expect(walk(plain, "b", "down", "down")).toEqual({ at: 4, place: 3, call: { job_id: "b", bottom: true } });
    expect(walk(plain, "b", "down", "down", "down").place).toBe(3);
    expect(walk(plain, "b", "down", "up")).toEqual({ at: 1, place: 1, call: null });
    expect(walk(plain, "b", "up")).toEqual({ at: 0, place: 0, call: { job_id: "b", top: true } });
    expect(walk(plain, "a", "bottom", "top")).toEqual({ at: 0, place: 0, call: null });
  });
  it("passes a whole group, and stays in its own", () => {
    expect(walk(rows, "b", "down")).toEqual({ at: 5, place: 2, call: { job_id: "b", before: "c" } });
    expect(walk(rows, "c", "up")).toEqual({ at: 2, place: 2, call: { job_id: "c", before: "G" } });
    expect(walk(rows, "g2", "up", "up")).toEqual({ at: 3, place: 0, call: { job_id: "g2", top: true } });
    expect(walk(rows, "g1", "down")).toEqual({ at: 7, place: 1, call: { job_id: "g1", bottom: true } });
  });
});

it("says a place by its neighbour when the order has changed", () => {
  const shown = applyOrder(jobs, { job_id: "d", position: 1 });
  expect(byNeighbour(shown, { job_id: "d", position: 1 })).toEqual({ job_id: "d", before: "b" });
  expect(byNeighbour(applyOrder(jobs, { job_id: "a", position: 1 }), { job_id: "a", position: 1 })).toEqual({ job_id: "a", before: "G" });
  expect(byNeighbour(applyOrder(jobs, { job_id: "a", position: 9 }), { job_id: "a", position: 9 })).toEqual({ job_id: "a", bottom: true });
  expect(byNeighbour(jobs, { job_id: "a", before: "c" })).toEqual({ job_id: "a", before: "c" });
});

it("patches what differs", () => {
  expect(mergePatch({ a: 1, b: { c: 1, d: 2 }, e: [1] }, { a: 1, b: { c: 3 }, e: [1, 2], f: "x" })).toEqual({ b: { c: 3, d: null }, e: [1, 2], f: "x" });
  expect(mergePatch({ a: { b: 1 } }, { a: { b: 1 } })).toBeNull();
});

it("asks for a group in place of its members", () => {
  const chosen = (...ids: string[]) => rows.filter((r) => ids.includes(r.id));
  expect(parts(chosen("a", "G", "g1", "d"))).toEqual({ groups: ["G"], jobs: ["a", "d"] });
  expect(bulkOf(chosen("a", "G", "g1", "d"), "hold")).toEqual([{ action: "hold", job_ids: ["a", "d"] }, { action: "hold", filter: { status: ["QUEUED"], group_id: "G" } }]);
  expect(bulkOf(chosen("G"), "release")).toEqual([{ action: "release", filter: { status: ["QUEUED"], group_id: "G" } }]);
  expect(bulkOf(chosen("g1", "c"), "hold")).toEqual([{ action: "hold", job_ids: ["g1", "c"] }]);
});

it("names the places between rows, so that they can get them back", () => {
  const chosen = (...ids: string[]) => rows.filter((r) => ids.includes(r.id));
  expect(spanOf(rows, chosen("b", "d"))).toEqual(["b", "G", "c", "d"]);
  expect(spanOf(rows, chosen("a"))).toEqual(["a"]);
});

it("counts an attempt only after one that failed", () => {
  const error = (code: string) => ({ code, message: "" }) as Job["error"];
  expect(nextAttempt({ attempt: 0, error: null, crash_policy: "retry" })).toBe(0);
  expect(nextAttempt({ attempt: 1, error: null, crash_policy: "resume" })).toBe(0);
  expect(nextAttempt({ attempt: 1, error: error("interrupted"), crash_policy: "resume" })).toBe(0);
  expect(nextAttempt({ attempt: 1, error: error("interrupted"), crash_policy: "retry" })).toBe(2);
  expect(nextAttempt({ attempt: 2, error: error("exit_code"), crash_policy: "fail" })).toBe(3);
});

it("puts back what was moved", () => {
  const all = jobs.map((j) => j.job_id).join(" ");
  const calls = [{ job_id: "d", top: true }, { job_id: "a", bottom: true }, { job_id: "G", top: true }, { job_id: "g2", top: true }, { order: ["a", "c"], bottom: true }, { order: ["b", "G"], top: true }, { job_id: "b", position: 3 }];
  for (const call of calls) {
    const back = wayBack(jobs, call, true);
    const moved = applyOrder(jobs, call);
    expect(moved.map((j) => j.job_id).join(" "), JSON.stringify(call)).not.toBe(all);
    expect(back && applyOrder(moved, back).map((j) => j.job_id).join(" "), JSON.stringify(back)).toBe(all);
  }
  expect(wayBack(jobs, { job_id: "d", top: true }, false)).toEqual({ job_id: "d", after: "c" });
  expect(wayBack(jobs, { job_id: "gone", top: true }, true)).toBeNull();
});
