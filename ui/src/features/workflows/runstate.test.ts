import { describe, expect, it } from "vitest";
import { Random } from "../../kit/random";
import { addChange, changeOf, newer, newestFirst, withChanges, type Change, type RunDocument, type RunNode } from "./runstate";

function node(id: string, more: Partial<RunNode> = {}): RunNode {
  return {
    node_id: id, type: "data/set", after: [], handler: false, status: "PENDING", attempt: 0, round: 0, outcome: null, reason: null, reason_code: null, error: null, wait: null, outputs: {}, outputs_omitted: false,
    ephemeral: false, will_be_recomputed: false, ready_at: null, started_at: null, ended_at: null, ...more,
  };
}

function run(more: Partial<RunDocument> = {}): RunDocument {
  return {
    workflow_run_id: "wfrun_1", workflow_id: "w", version: 1, name: "w", status: "PENDING", paused: false, paused_by: null, job_id: "job_1", run_id: null, retry_of: null, labels: {}, priority: 5,
    trigger: "api", created_by: "admin", created_at: "2026-01-01T00:00:00Z", started_at: null, ended_at: null, updated_at: "2026-01-01T00:00:00Z", cancel_requested_at: null, cancelled_by: null,
    inputs: {}, outputs: {}, error: null, handler_error: null, compensation_errors: [], reason: null, phase: "running", progress: { ended: 0, total: 2 }, checkpoint_seq: 0,
    nodes: [node("a"), node("b")], maps: [], ...more,
  } as RunDocument;
}

let seq = 0;
function change(step: number, of: string, to: string, more: Partial<Change> = {}): Change {
  return { seq: ++seq, step, at: `2026-01-01T00:00:${String(step).padStart(2, "0")}Z`, type: `workflow.node.${to === "RUNNING" ? "started" : to.toLowerCase()}`, node: of, from: "", to, reason: "", code: "", ...more };
}

describe("the history", () => {
  const line = (what: string, at: string, seq?: number) => {
    const [node = "", to = "", from = ""] = what.split(" ");
    return { what, at: `2026-01-01T00:00:${at}Z`, node: node === "run" ? "" : node, to, from: from || "RUNNING", ...(seq ? { seq } : {}) };
  };
  const graph = [node("b", { after: ["a"] }), node("a"), node("c", { after: ["b"] })];
  const order = (...list: ReturnType<typeof line>[]) => newestFirst(list, graph).map((l) => l.what);

  it("puts what was read and what came live in one order by time", () => {
    expect(order(line("run RUNNING PENDING", "00"), line("a COMPLETED", "02"), line("run COMPLETED", "05.5"), line("b RUNNING READY", "02.000", 7), line("b COMPLETED", "05", 8)))
      .toEqual(["run COMPLETED", "b COMPLETED", "b RUNNING READY", "a COMPLETED", "run RUNNING PENDING"]);
  });

  it("goes by the graph within one millisecond, whatever the order of the nodes", () => {
    const at = "01.007";
    const want = ["run FAILED", "c FAILED", "c RUNNING READY", "b COMPLETED", "b RUNNING READY", "a COMPLETED", "a RUNNING READY", "run RUNNING PENDING"];
    const r = new Random(3);
    for (let i = 0; i < 50; i++) expect(order(...want.map((w) => line(w, at)).sort(() => r.next() - 0.5))).toEqual(want);
    expect(order(line("a WAITING", at, 5), line("a RUNNING", at, 6), line("a WAITING", at, 7), line("a COMPLETED", at, 8))).toEqual(["a COMPLETED", "a WAITING", "a RUNNING", "a WAITING"]);
  });

  it("keeps the order of the log, whatever times and the graph say", () => {
    expect(order(line("c RUNNING READY", "01.007", 5), line("run RUNNING PENDING", "01.009", 6), line("a COMPLETED", "01.007", 7), line("b RUNNING", "01.006", 8)))
      .toEqual(["b RUNNING", "a COMPLETED", "run RUNNING PENDING", "c RUNNING READY"]);
  });

  it("has the begin of the run at its bottom, though that is noted behind the first node", () => {
    expect(order(line("run RUNNING PENDING", "01.009", 9), line("a RUNNING READY", "01.007"), line("a FAILED", "01.009"), line("run FAILED", "01.009"))).toEqual(["run FAILED", "a FAILED", "a RUNNING READY", "run RUNNING PENDING"]);
  });
});

describe("a run's state", () => {
  it("takes events of its own run only", () => {
    const e = { seq: 4, topic: "workflow", type: "workflow.node.started", at: "2026-01-01T00:00:00Z", data: { workflow_run_id: "wfrun_1", node_id: "a", previous_state: "READY", new_state: "RUNNING", step: "3" } };
    expect(changeOf(e, "wfrun_1")).toMatchObject({ step: 3, node: "a", from: "READY", to: "RUNNING" });
    expect(changeOf(e, "wfrun_2")).toBeNull();
    expect(changeOf({ ...e, topic: "job" }, "wfrun_1")).toBeNull();
  });

  it("applies events that its document lacks, and no others", () => {
    const doc = run({ checkpoint_seq: 3, nodes: [node("a", { status: "COMPLETED" }), node("b")] });
    const shown = withChanges(doc, [change(2, "a", "RUNNING"), change(4, "b", "RUNNING")]);
    expect(shown.nodes.map((n) => [n.status, n.attempt])).toEqual([["COMPLETED", 0], ["RUNNING", 1]]);
    expect(shown.checkpoint_seq).toBe(4);
  });

  it("refuses an older document", () => {
    const now = run({ checkpoint_seq: 9 });
    expect(newer(now, run({ checkpoint_seq: 8 }))).toBe(now);
    expect(newer(now, run({ checkpoint_seq: 10 })).checkpoint_seq).toBe(10);
    expect(newer(now, run({ workflow_run_id: "wfrun_2" })).workflow_run_id).toBe("wfrun_2");
  });

  it("lets no bar go back within a round, but in the next one", () => {
    const map = { node_id: "a", total: 10, processed: 7, failed: 1, failed_items: [] };
    const now = run({ checkpoint_seq: 1, maps: [map] });
    const after = (round: number) => newer(now, run({ checkpoint_seq: 2, nodes: [node("a", { round })], maps: [{ ...map, processed: 5, failed: 0 }] })).maps[0]?.processed;
    expect(after(0)).toBe(7);
    expect(after(1)).toBe(5);
  });

  it("never goes back, whatever comes in which order", () => {
    // The truth: a run of steps. The page hears events in order, and reads documents of
    // any earlier step at any time.
    for (let seed = 1; seed <= 200; seed++) {
      const r = new Random(seed);
      const truth: Change[] = [change(1, "a", "RUNNING"), change(2, "a", "COMPLETED"), change(3, "b", "RUNNING"), ...[4, 5, 6].map((s) => change(s, "b", "RUNNING", { type: "workflow.progress", reason: `${s - 3}/3` })), change(7, "b", "COMPLETED")];
      const at = (step: number) => withChanges(run(), truth.filter((c) => c.step <= step));
      let doc = at(r.int(0, 2));
      let heard: readonly Change[] = [];
      let next = 0;
      let before = "";
      for (let i = 0; i < 40; i++) {
        if (r.next() < 0.5 && next < truth.length) heard = addChange(heard, truth[next++] as Change);
        else doc = newer(doc, at(r.int(0, truth[Math.max(0, next - 1)]?.step ?? 0)));
        const shown = withChanges(doc, heard);
        const rank = shown.nodes.map((n) => ["PENDING", "RUNNING", "COMPLETED"].indexOf(n.status)).join("") + (shown.maps[0]?.processed ?? 0);
        expect(rank >= before, `seed ${seed}: ${before} -> ${rank}`).toBe(true);
        before = rank;
      }
    }
  });
});
