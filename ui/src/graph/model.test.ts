import { describe, expect, it } from "vitest";
import { addSample, buildGraph, diffGraph, type Definition, type GraphModel, pace, type RunNodeInput, withRun } from "./model";

const edges = (g: GraphModel) => g.edges.map((e) => e.id);
const node = (id: string, more: object = {}) => ({ node_id: id, type: "data", data_type: "set", ...more });
const def = (nodes: object[], more: object = {}): Definition => ({ kind: "Workflow", workflow_id: "w", nodes, ...more });
const ended = (id: string, outcome = "success", more: Partial<RunNodeInput> = {}): RunNodeInput => ({ node_id: id, status: "COMPLETED", outcome, attempt: 1, ...more });

describe("buildGraph", () => {
  it("runs from top to bottom where no node says otherwise", () => {
    expect(edges(buildGraph(def([node("a"), node("b"), node("c")])))).toEqual(["a -> b", "b -> c"]);
  });

  it("leaves handlers and catching nodes out of the row", () => {
    const g = buildGraph(def([node("a", { on_error: "mend", compensate: "undo" }), node("mend"), node("undo"), node("b"), node("alarm")], { on_error: "alarm" }));
    expect(edges(g)).toEqual(["a -> b", "a.error -> mend", "a -> undo (undo)"]);
    expect(g.nodes.filter((n) => n.handler).map((n) => n.id)).toEqual(["undo", "alarm"]);
    expect(g.edges.map((e) => e.kind)).toEqual(["flow", "error", "undo"]);
  });

  it("reads all forms of next and depends_on, each edge once", () => {
    const g = buildGraph(
      def([
        node("a", { next: { good: "b", thin: ["c", "d"] } }),
        node("b", { next: ["c"] }),
        node("c", { depends_on: ["b", "a.thin"] }),
        node("d", { next: "c" }),
      ]),
    );
    expect(edges(g)).toEqual(["a.good -> b", "a.thin -> c", "a.thin -> d", "b -> c", "d -> c"]);
  });

  it("bears drafts: unknown targets, double ids, nonsense", () => {
    const g = buildGraph(def([node("a", { next: ["b", "ghost"] }), node("b"), node("a"), {}, { node_id: 4 }]));
    expect(g.nodes.map((n) => n.id)).toEqual(["a", "b"]);
    expect(edges(g)).toEqual(["a -> b"]);
    expect(buildGraph({})).toEqual({ nodes: [], edges: [] });
    expect(buildGraph({ nodes: "x" }).nodes).toEqual([]);
  });

  it("knows types, retries and the body of a map", () => {
    const g = buildGraph(
      def([{ node_id: "m", type: "map", config: { items: "{{x}}", nodes: [node("i"), { node_id: "j", type: "action", action_type: "api_call", retry: { max_attempts: 4 } }] } }, { node_id: "n", type: "notification", channel: "email", join: "any" }], { defaults: { retry: { max_attempts: 3 } } }),
    );
    expect(g.nodes[0]?.body && edges(g.nodes[0].body)).toEqual(["i -> j"]);
    expect(g.nodes[0]?.body?.nodes.map((n) => [n.subtype, n.maxAttempts])).toEqual([["set", 3], ["api_call", 4]]);
    expect(g.nodes[1]).toMatchObject({ type: "notification", subtype: "email", join: "any", maxAttempts: 3, body: null });
  });
});

describe("withRun", () => {
  const d = def([node("j", { type: "judgment", next: { yes: "a", no: "b" } }), node("a", { next: "c" }), node("b", { next: "c" }), node("c")]);

  it("tells taken, skipped and open edges apart", () => {
    const g = buildGraph(d, { nodes: [ended("j", "yes"), { node_id: "a", status: "RUNNING", attempt: 2, started_at: "2026-01-01T00:00:00Z" }, { node_id: "b", status: "SKIPPED", reason: "nothing led to it" }] });
    expect(g.edges.map((e) => [e.id, e.taken])).toEqual([["j.yes -> a", true], ["j.no -> b", false], ["a -> c", null], ["b -> c", false]]);
    expect(g.nodes.map((n) => n.run?.state)).toEqual(["COMPLETED", "RUNNING", "SKIPPED", "PENDING"]);
    expect(g.nodes[2]?.run?.reason).toBe("nothing led to it");
    expect(withRun(g, null).edges.every((e) => e.taken === null)).toBe(true);
  });

  it("takes an edge without outcome on the good ones of the type only", () => {
    const ask = def([{ node_id: "ask", type: "approval", next: "go" }, node("go")]);
    expect(buildGraph(ask, { nodes: [ended("ask", "approved")] }).edges[0]?.taken).toBe(true);
    expect(buildGraph(ask, { nodes: [ended("ask", "expired")] }).edges[0]?.taken).toBe(false);
  });

  it("goes on after a failure by on_error only", () => {
    const failed: RunNodeInput = { node_id: "a", status: "FAILED", outcome: "error", error: { code: "http_503", message: "busy" } };
    const caught = buildGraph(def([node("a", { on_error: "mend", next: "b" }), node("b"), node("mend")]), { nodes: [failed] });
    expect(caught.edges.map((e) => [e.id, e.taken])).toEqual([["a -> b", false], ["a.error -> mend", true]]);
    expect(caught.nodes[0]?.run).toMatchObject({ errorCode: "http_503", reason: "busy" });
    const goesOn = buildGraph(def([node("a", { on_error: "continue" }), node("b")]), { nodes: [failed] });
    expect(goesOn.edges[0]?.taken).toBe(true);
    const ends = buildGraph(def([node("a"), node("b")]), { nodes: [{ ...failed, outcome: null }] });
    expect(ends.edges[0]?.taken).toBe(false);
  });

  it("reads both the document's and the snapshot's names", () => {
    const w = def([{ node_id: "w", type: "wait" }]);
    const until = "2026-01-01T00:00:00Z";
    const a = buildGraph(w, { nodes: [{ node_id: "w", status: "WAITING", wait: { for: "timer", until } }] }).nodes[0]?.run;
    const b = buildGraph(w, { nodes: [{ node_id: "w", status: "WAITING", waits_for: "timer", wait_until: until }] }).nodes[0]?.run;
    expect(a).toEqual(b);
    expect(a).toMatchObject({ waitsFor: "timer", waitUntil: until });
  });

  it("never lets items exceed their total", () => {
    const m = def([{ node_id: "m", type: "map", config: { nodes: [] } }]);
    const g = buildGraph(m, { nodes: [], maps: [{ node_id: "m", processed: 12, total: 10, failed: 40 }] });
    expect(g.nodes[0]?.run?.items).toEqual({ processed: 10, total: 10, failed: 10 });
  });
});

describe("diffGraph", () => {
  it("has both versions at once", () => {
    const g = diffGraph(def([node("a"), node("b", { config: { url: "x", k: 1 }, timeout: "5m" }), node("gone"), node("c")]), def([node("a"), node("b", { config: { url: "y", k: 1 } }), node("new"), node("c")]));
    expect(g.nodes.map((n) => [n.id, n.change, n.fields])).toEqual([
      ["a", "same", []],
      ["b", "changed", ["config.url", "timeout"]],
      ["gone", "removed", []],
      ["new", "added", []],
      ["c", "same", []],
    ]);
    expect(g.nodes.map((n) => n.order)).toEqual([0, 1, 2, 3, 4]);
    expect(g.edges.map((e) => [e.id, e.change])).toEqual([
      ["a -> b", "same"],
      ["b -> new", "added"],
      ["new -> c", "added"],
      ["b -> gone", "removed"],
      ["gone -> c", "removed"],
    ]);
  });

  it("finds no difference in the same, and edges are no change of a node", () => {
    const d = def([node("a", { next: { x: "b" } }), node("b")]);
    expect(diffGraph(d, d)).toEqual(buildGraph(d));
    const other = diffGraph(d, def([node("a", { next: { y: "b" } }), node("b")]));
    expect(other.nodes.every((n) => n.change === "same")).toBe(true);
    expect(other.edges.map((e) => e.change)).toEqual(["added", "removed"]);
  });

  it("puts what was removed at the beginning first", () => {
    expect(diffGraph(def([node("x"), node("y"), node("a")]), def([node("a")])).nodes.map((n) => n.id)).toEqual(["x", "y", "a"]);
  });
});

describe("pace", () => {
  it("says items per second and what is left", () => {
    let s = addSample([], { at: 0, processed: 0 });
    expect(pace(s, 100)).toBeNull();
    s = addSample(s, { at: 2000, processed: 24 });
    expect(pace(s, 100)).toEqual({ perSecond: 12, leftMs: (76 / 12) * 1000 });
  });

  it("never goes back, and forgets what is old", () => {
    let s = addSample([], { at: 0, processed: 10 });
    s = addSample(s, { at: 1000, processed: 9 });
    expect(s).toHaveLength(1);
    s = addSample(s, { at: 40_000, processed: 20 });
    expect(s).toEqual([{ at: 40_000, processed: 20 }]);
  });
});
