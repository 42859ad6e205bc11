// Measures how long it takes to lay out and to open graphs of 500 nodes: scripts/ui.sh graph.
// No test: milliseconds are this machine's. docs/ui.md shows them.
import { it } from "vitest";
import { layoutGraph } from "../src/graph/layout";
import { shapes } from "../src/graph/shapes";
import { Fixture } from "./fixture";

interface Times { asked: number; laidOut: number; drawn: number }

const median = (list: number[]) => [...list].sort((a, b) => a - b)[list.length >> 1] ?? 0;
const ms = (n: number | null) => (n === null ? "" : n < 10 ? n.toFixed(1) : n.toFixed(0)).padStart(8);

function inNode(edges: readonly (readonly [number, number])[]): number {
  const input = {
    direction: "right" as const, gap: 20, layerGap: 56,
    nodes: Array.from({ length: 500 }, (_, i) => ({ id: `n${i}`, width: 212, height: 54 })),
    edges: edges.map(([from, to], i) => ({ id: `e${i}`, from: `n${from}`, to: `n${to}` })),
  };
  return median(Array.from({ length: 20 }, () => {
    const begin = performance.now();
    layoutGraph(input);
    return performance.now() - begin;
  }));
}

// Of a fresh page: from the question, by which the worker starts, to its answer, and to the
// frame with the graph.
async function inBrowser(f: Fixture, edges: readonly (readonly [number, number])[], id: string): Promise<{ laidOut: number; drawn: number } | null> {
  const before = Array.from({ length: 500 }, () => new Set<string>());
  for (const [from, to] of edges) {
    if (from > to) return null; // no workflow has circles
    before[to]?.add(`n${from}`);
  }
  const nodes = before.map((ids, i) => ({ node_id: `n${i}`, type: "data", data_type: "set", config: { values: {} }, depends_on: [...ids] }));
  try {
    await f.call("POST", "/api/workflows", { kind: "Workflow", workflow_id: id, nodes });
  } catch (e) {
    if (String(e).includes("413") || String(e).includes("too_large")) return null; // no workflow is that long
    throw e;
  }
  const times: Times[] = [];
  for (let i = 0; i < 5; i++) times.push(await open(f, id));
  return { laidOut: median(times.map((t) => t.laidOut - t.asked)), drawn: median(times.map((t) => t.drawn - t.asked)) };
}

async function open(f: Fixture, id: string): Promise<Times> {
  const context = await f.context({ width: 1440, height: 900 });
  const page = await context.newPage();
  await page.addInitScript(() => {
    const w = window as unknown as { times: Times };
    w.times = { asked: 0, laidOut: 0, drawn: 0 };
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (this: Worker, ...args: unknown[]) {
      w.times.asked = performance.now();
      this.addEventListener("message", () => (w.times.laidOut = performance.now()), { once: true });
      post.apply(this, args as [unknown]);
    };
    const look = () => {
      if (document.querySelector("[data-graph][data-ready]")) w.times.drawn = performance.now();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  await page.goto(`${f.server.url}/ui/workflows/${id}`);
  await page.waitForFunction(() => (window as unknown as { times: Times }).times.drawn > 0);
  const times = await page.evaluate(() => (window as unknown as { times: Times }).times);
  await context.close();
  return times;
}

it("measures graphs", async () => {
  const f = await Fixture.start();
  try {
    console.log("500 nodes: ms to lay out in Node, median of 20; in Chromium, median of 5 fresh pages: until the worker answers, until the graph is drawn");
    let n = 0;
    for (const [name, edges] of Object.entries(shapes)) {
      const node = inNode(edges);
      const t = await inBrowser(f, edges, `shape-${++n}`);
      console.log(`${name.padEnd(28)}${String(edges.length).padStart(7)} edges${ms(node)}${ms(t && t.laidOut)}${ms(t && t.drawn)}`);
    }
  } finally {
    await f.stop();
  }
}, 600_000);
