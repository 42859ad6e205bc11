import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { axe, changes, errors, Fixture, overflow, until } from "./fixture";

let f: Fixture;
beforeAll(async () => {
  f = await Fixture.start();
});
afterAll(() => f?.stop());

interface Run { workflow_run_id: string; job_id: string; status: string; version: number; checkpoint_seq: number; nodes: { node_id: string; status: string }[]; maps: { node_id: string; processed: number; total: number }[] }
interface Frame { type?: string; node_id: string | null; previous_state: string; new_state: string; seq: number }

type Fields = Record<string, unknown>;
const set = (id: string, more: Fields = {}): Fields => ({ node_id: id, type: "data", data_type: "set", config: { values: { x: 1 } }, ...more });
const sleep = (id: string, s: string, more: Fields = {}): Fields => ({ node_id: id, type: "action", action_type: "command", on_crash: "retry", config: { argv: ["sleep", s] }, ...more });
const apply = (id: string, nodes: Fields[], more: Fields = {}) => f.call("POST", "/api/workflows", { kind: "Workflow", workflow_id: id, nodes, ...more });
const start = (id: string, body: Fields = {}) => f.call<Run>("POST", `/api/workflows/${id}/run`, body);
const read = (run: Run) => f.call<Run>("GET", `/api/workflow-runs/${run.workflow_run_id}`);
const ended = (run: Run) => until(async () => ["COMPLETED", "FAILED"].includes((await read(run)).status), "the end of the run");

const twelve = [
  set("prepare", { next: ["extract", "audit"] }),
  sleep("extract", "0.3", { next: "check" }),
  sleep("audit", "0.6", { next: "merge" }),
  { node_id: "check", type: "judgment", config: { expr: "1 < 2" }, next: { true: "load", false: "nothing" } },
  set("nothing", { next: "merge" }),
  { node_id: "load", type: "map", next: "verify", config: { items: "{{0..7}}", nodes: [set("clean"), sleep("upsert", "0.05")] } },
  set("verify", { next: "merge" }),
  set("merge", { join: "any", next: ["index", "notify"] }),
  sleep("index", "0.2", { next: "settle" }),
  set("notify", { next: "settle" }),
  { node_id: "settle", type: "wait", wait_type: "duration", config: { for: "1s" }, next: "finish" },
  set("finish"),
];
const etl = (id: string) => apply(id, twelve);

/** Records each state that a node of the graph shows, and each number of a bar, as the page shows them. */
async function record(page: Page): Promise<void> {
  await page.evaluate(() => {
    const w = window as unknown as { states: [string, string][]; bars: number[] };
    w.states = [];
    w.bars = [];
    const last = new Map<string, string>();
    const look = () => {
      for (const el of document.querySelectorAll<HTMLElement>("[data-node]")) {
        const { node = "", state = "" } = el.dataset;
        if (last.get(node) === state) continue;
        last.set(node, state);
        w.states.push([node, state]);
      }
      const bar = document.querySelector<HTMLElement>("[data-node] [data-processed]")?.dataset["processed"];
      if (bar !== undefined && w.bars.at(-1) !== Number(bar)) w.bars.push(Number(bar));
    };
    look();
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
  });
}
const recorded = (page: Page) =>
  page.evaluate(() => {
    const { states, bars } = window as unknown as { states: [string, string][]; bars: number[] };
    return { states, bars };
  });

/** The log of a run, replayed by its WebSocket from the beginning. */
const replay = (page: Page, run: Run) =>
  page.evaluate(
    ({ id }) =>
      new Promise<Frame[]>((resolve, reject) => {
        const frames: Frame[] = [];
        const ws = new WebSocket(`ws://${location.host}/api/v1/workflows/${id}/subscribe?since=0`);
        const timer = setTimeout(() => reject(new Error("no end of the log")), 60_000);
        ws.onmessage = (m) => {
          const frame = JSON.parse(String(m.data)) as Frame;
          if (!frame.type) frames.push(frame);
          if (frame.type || frame.node_id !== null || frame.new_state !== "COMPLETED") return;
          clearTimeout(timer);
          ws.close();
          resolve(frames);
        };
      }),
    { id: run.workflow_run_id },
  );

it("shows the states of twelve nodes in the order of the event log", async () => {
  await etl("twelve");
  const run = await start("twelve", { hold: true });
  const page = await f.page(`/workflow-runs/${run.workflow_run_id}`);
  await page.locator("[data-link=live]").waitFor();
  await page.locator("[data-graph][data-ready][data-nodes='12']").waitFor();
  expect(await page.locator("[data-node]").count()).toBe(12);
  // It says why it has not begun.
  await page.locator("[data-banner=waits]").getByText("It waits in the queue: held.").waitFor();
  await record(page);
  await f.call("POST", `/api/jobs/${run.job_id}/release`, {});
  await page.locator("[data-run-state=COMPLETED]").waitFor();
  await ended(run);
  const log = (await replay(page, run)).map((x) => `${x.node_id ?? ""} ${x.previous_state} ${x.new_state}`);
  // Whether the run as a whole waits in between depends on how long the map takes.
  expect(log.filter((l) => / (COMPLETED|SKIPPED)$/.test(l)).map((l) => l.split(" ")[0]).sort()).toEqual(["", ...twelve.map((n) => n["node_id"])].sort());
  // The page's own history is the log, line by line.
  await until(async () => (await page.locator("[data-change]").count()) >= log.length, "the whole history");
  const told = await page.locator("li[data-change]").evaluateAll((all) => all.map((e) => e.getAttribute("data-change") ?? "").reverse());
  expect(told).toEqual(log);
  // What the graph showed of a node is what the log says of it, in its order; two that came at once may be one.
  const { nodes } = await read(run);
  await until(async () => {
    const now = await recorded(page);
    return now.bars.at(-1) === 8 && nodes.every((n) => now.states.findLast(([id]) => id === n.node_id)?.[1] === n.status);
  }, "the last state of each node, and the whole bar");
  const { states, bars } = await recorded(page);
  for (const n of nodes) {
    const shown = states.filter(([id]) => id === n.node_id).map(([, s]) => s);
    const said = ["PENDING", ...log.filter((l) => l.startsWith(`${n.node_id} `)).map((l) => l.split(" ")[2] ?? "")];
    let at = 0;
    for (const s of shown) {
      // Read with the document: a node that only computes is not announced as ready.
      if (s === "READY" && !said.includes(s)) continue;
      const found = said.indexOf(s, at);
      expect(found, `${n.node_id}: ${shown.join(" ")} of ${said.join(" ")}`).toBeGreaterThanOrEqual(0);
      at = found;
    }
  }
  expect(bars).toEqual([...bars].sort((a, b) => a - b));
  await page.locator("[data-edge='check.false -> nothing'][data-taken=false]").waitFor({ state: "attached" });
  await page.locator("[data-edge='check.true -> load'][data-taken=true]").waitFor({ state: "attached" });
  expect(errors(page)).toEqual([]);
});

it("never takes the bar back when the server is killed in the middle of a map", async () => {
  // From the 21st on the items wait: however long the page takes, it is the middle.
  const go = join(f.server.folder, `go-${Date.now()}`);
  const upsert = sleep("upsert", "", { config: { argv: ["sh", "-c", `[ "$1" -lt 20 ] || until [ -e '${go}' ]; do sleep 0.05; done`, "sh", "{{item}}"] } });
  await apply("long_map", [{ node_id: "load_all", type: "map", config: { items: "{{0..79}}", nodes: [upsert] } }]);
  const run = await start("long_map");
  const page = await f.page(`/workflow-runs/${run.workflow_run_id}`);
  await page.locator("[data-graph][data-ready]").waitFor();
  await record(page);
  await until(async () => (await recorded(page)).bars.some((b) => b >= 15), "some items");
  await f.server.kill();
  await page.locator("[data-banner=lost]").waitFor();
  await f.server.run();
  await page.locator("[data-link=live]").waitFor();
  const banner = page.locator("[data-banner=resumed]");
  await banner.waitFor();
  expect(await banner.textContent()).toMatch(/Resumed at load_all item \d+ after a restart/);
  writeFileSync(go, "");
  await page.locator("[data-run-state=COMPLETED]").waitFor();
  await until(async () => (await recorded(page)).bars.at(-1) === 80, "the whole bar");
  const { bars } = await recorded(page);
  expect(bars).toEqual([...bars].sort((a, b) => a - b));
  // Where the node is in its graph, each frame from the first: what moves cannot be clicked.
  await page.addInitScript(() => {
    const seen = new Set<string>();
    (window as unknown as { places: Set<string> }).places = seen;
    const look = () => {
      const node = document.querySelector("[data-node=load_all]")?.getBoundingClientRect();
      const box = document.querySelector("[data-graph]")?.getBoundingClientRect();
      if (node && box) seen.add(`${Math.round(node.x - box.x)} ${Math.round(node.y - box.y)} ${Math.round(node.width)}`);
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  await page.reload();
  await banner.waitFor();
  expect(await banner.textContent()).toMatch(/Resumed at load_all item \d+ after a restart/);
  // The node at which it went on says it too.
  await page.locator("[data-graph][data-ready]").waitFor();
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  expect(await page.evaluate(() => [...(window as unknown as { places: Set<string> }).places])).toHaveLength(1);
  await page.locator("[data-node=load_all]").click();
  const drawer = page.getByRole("complementary", { name: "load_all", exact: true });
  expect(await drawer.locator("[data-takeover]").textContent()).toMatch(/Resumed at load_all item \d+ after a restart \d/);
  // So do its attempts: those that were lost, and the one that went on.
  const attempts = drawer.getByRole("table", { name: "Attempts" }).locator("tbody tr");
  await attempts.first().waitFor();
  expect(await attempts.first().textContent()).toMatch(/^1Lost.*Its server died/);
  expect(await attempts.first().locator("[data-lost] button").getAttribute("title")).toMatch(/^inst_/);
  expect(await attempts.nth(1).textContent()).toMatch(/^2/);
  await page.keyboard.press("Escape");
  await drawer.waitFor({ state: "detached" });
  // The history has the same line.
  await page.getByRole("tab", { name: "History" }).click();
  expect(await page.locator("li[data-takeover]").textContent()).toMatch(/Resumed at load_all item \d+ after a restart/);
  await page.goto(`${f.server.url}/ui/runs/${(await f.call<{ run_id: string }>("GET", `/api/jobs/${run.job_id}`)).run_id}`);
  await page.locator("[data-workflow-run]").click();
  await page.waitForURL(`**/workflow-runs/${run.workflow_run_id}*`);
});

it("lets the keyboard reach every node, open and leave its drawer", async () => {
  await etl("walk");
  const run = await start("walk");
  await ended(run);
  const page = await f.page(`/workflow-runs/${run.workflow_run_id}`);
  await page.locator("[data-graph][data-ready]").waitFor();
  const focused = () => page.evaluate(() => (document.activeElement as HTMLElement | null)?.dataset["node"] ?? "");
  await page.locator("[data-node][tabindex='0']").focus();
  // By the arrows alone: from each node that was reached, in all four ways.
  const reached = new Set([await focused()]);
  for (const id of reached) {
    for (const key of ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"]) {
      await page.locator(`[data-node='${id}']`).focus();
      await page.keyboard.press(key);
      reached.add(await focused());
    }
  }
  expect([...reached].sort()).toEqual(twelve.map((n) => n["node_id"]).sort());
  // And one after the other.
  await page.keyboard.press("Home");
  const inTurn: string[] = [];
  for (let i = 0; i < 12; i++) {
    inTurn.push(await focused());
    await page.keyboard.press("PageDown");
  }
  expect(new Set(inTurn).size).toBe(12);
  const current = await focused();
  await page.keyboard.press("Enter");
  await page.getByRole("complementary", { name: current, exact: true }).waitFor();
  expect(new URL(page.url()).searchParams.get("node")).toBe(current);
  await page.keyboard.press("Escape");
  await page.getByRole("complementary", { name: current, exact: true }).waitFor({ state: "detached" });
  await page.keyboard.press("v");
  await page.getByRole("table", { name: /Graph of/ }).waitFor();
  await until(async () => (await page.locator("[data-node-row]").count()) === 12, "all nodes in the list");
  await page.keyboard.press("v");
  const zoom = async () => Number((await page.locator("[data-graph]").textContent())?.match(/(\d+)%/)?.[1]);
  await page.locator("[data-graph][data-ready]").waitFor();
  await page.keyboard.press("0");
  let fit = 0;
  await until(async () => fit === (fit = await zoom()), "a zoom that stays");
  await page.keyboard.press("+");
  await until(async () => (await zoom()) > fit, "a closer look");
  await page.keyboard.press("0");
  await until(async () => (await zoom()) === fit, "all of it again");
  expect(errors(page)).toEqual([]);
});

it("rolls back with a reason, and the log says so", async () => {
  await apply("back", [set("a"), set("b")]);
  await apply("back", [set("a", { config: { values: { x: 2 } } }), set("c")]);
  const page = await f.page("/workflows/back/versions");
  await page.getByRole("heading", { name: "v1 → v2" }).waitFor();
  await page.getByRole("tab", { name: "Structure" }).click();
  await page.locator("[data-structure] li").first().waitFor();
  const rows = await page.locator("[data-structure] li").allTextContents();
  expect(rows.some((r) => r.startsWith("added") && r.includes("c"))).toBe(true);
  expect(rows.some((r) => r.startsWith("removed") && r.includes("b"))).toBe(true);
  expect(rows.some((r) => r.startsWith("changed") && r.includes("config"))).toBe(true);
  await page.keyboard.press("d");
  await page.locator("[data-graph][data-ready]").waitFor();
  for (const change of ["added", "removed"]) await until(async () => (await page.locator(`[data-change=${change}]`).count()) === 1, `one node that was ${change}`);
  const made = changes(page);
  await page.locator("h1").focus();
  await page.keyboard.press("Shift+R");
  const dialog = page.getByRole("dialog", { name: "Roll back to v1" });
  await dialog.waitFor();
  const go = dialog.getByRole("button", { name: "Roll back", exact: true });
  expect(await go.getAttribute("aria-disabled")).toBe("true");
  await dialog.getByLabel("Reason").fill("c loses data");
  await until(async () => (await go.getAttribute("aria-disabled")) === null, "that it can be pressed");
  expect(await axe(page)).toEqual([]);
  await go.click();
  await dialog.waitFor({ state: "detached" });
  expect(made.filter((c) => c.path.endsWith("/rollback"))).toEqual([{ method: "POST", path: "/api/workflows/back/rollback", body: { version: 1, running: "keep", reason: "c loses data" } }]);
  await page.getByRole("table", { name: "Activation log" }).getByText("c loses data").waitFor();
  expect((await start("back")).version).toBe(1);
  // No way back is offered to what is newer: that is activated.
  const roll = page.getByRole("main").getByRole("button", { name: "Roll back…" });
  await until(async () => (await roll.getAttribute("aria-disabled")) === "true", "that nothing is older");
  await page.getByRole("button", { name: "Actions of v2" }).click();
  expect(await page.getByRole("menuitem", { name: /^Roll back to it/ }).getAttribute("aria-disabled")).toBe("true");
  await page.getByRole("menuitem", { name: "Activate", exact: true }).click();
  await page.getByRole("dialog", { name: "Activate v2" }).waitFor();
  expect(errors(page)).toEqual([]);
});

it("lets no node roll the same workflow back twice in an hour, and runs that began keep their version", async () => {
  const { count } = await f.call<{ count: number }>("GET", "/api/workers");
  await f.call("PATCH", "/api/workers", { count: count + 1 }); // one works on the old run
  const shop = (s: string) => apply("shop", [sleep("sell", s)]);
  await shop("0.1");
  await shop("900");
  await apply("undo", [{ node_id: "back", type: "rollback", target_type: "workflow", config: { workflow_id: "shop", version: 1, reason: "too many errors" } }]);
  const old = await start("shop");
  await until(async () => (await read(old)).nodes[0]?.status === "RUNNING", "that it runs");
  const active = async () => (await f.call<{ active_version: number }>("GET", "/api/workflows/shop")).active_version;
  const first = await start("undo");
  await ended(first);
  expect([(await read(first)).status, await active()]).toEqual(["COMPLETED", 1]);
  expect((await start("shop")).version).toBe(1);
  expect(await read(old)).toMatchObject({ version: 2, status: "RUNNING" });
  // Somebody makes it the active one again; the guard does not.
  await f.call("POST", "/api/workflows/shop/activate", { version: 2, reason: "try again" });
  const second = await start("undo");
  await ended(second);
  expect([(await read(second)).status, await active()]).toEqual(["FAILED", 2]);
  const page = await f.page(`/workflow-runs/${second.workflow_run_id}`);
  await page.locator("[data-run-state=FAILED]").waitFor();
  await page.getByRole("alert").getByText("rollback_loop").first().waitFor();
  await page.goto(`${f.server.url}/ui/workflows/shop/versions`);
  const log = page.getByRole("table", { name: "Activation log" });
  await log.getByText("too many errors").waitFor();
  expect(await log.getByText("too many errors").count()).toBe(1);
  await page.goto(`${f.server.url}/ui/workflow-runs/${old.workflow_run_id}`);
  await page.locator("[data-run-state=RUNNING]").waitFor();
  await page.getByText("v2", { exact: true }).first().waitFor();
  await f.call("POST", `/api/workflow-runs/${old.workflow_run_id}/cancel`, {});
  await until(async () => (await read(old)).status === "CANCELLED", "its end");
  await f.call("PATCH", "/api/workers", { count });
  expect(errors(page)).toEqual([]);
});

it("gives tags to versions, moves and removes them", async () => {
  await apply("tagged", [set("a")]);
  await apply("tagged", [set("a"), set("b")]);
  const page = await f.page("/workflows/tagged/versions");
  const made = changes(page);
  const row = (n: number) => page.getByRole("row").filter({ has: page.getByRole("button", { name: `v${n}`, exact: true }) });
  const open = async (n: number) => {
    await row(n).getByRole("button", { name: /^Actions/ }).click();
    await page.getByRole("menuitem", { name: "Tags…" }).click();
    const dialog = page.getByRole("dialog", { name: `Tags of v${n}` });
    await dialog.waitFor();
    return dialog;
  };
  let dialog = await open(1);
  expect(await axe(page)).toEqual([]);
  await dialog.getByLabel("New tag").fill("12");
  await dialog.getByRole("button", { name: "Add tag" }).click();
  await dialog.getByText("must not look like the number").first().waitFor();
  await dialog.getByLabel("New tag").fill("stable");
  await page.keyboard.press("Enter");
  await dialog.getByRole("list", { name: "Tags" }).getByText("stable").waitFor();
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await row(1).getByText("stable").waitFor();
  dialog = await open(2);
  await dialog.getByLabel("New tag").fill("stable");
  await dialog.getByText("It names v1 now and moves here").waitFor();
  await dialog.getByRole("button", { name: "Move tag" }).click();
  await page.getByText("stable moved from v1 to v2").first().waitFor();
  await dialog.getByRole("button", { name: "Remove stable" }).click();
  await until(async () => (await dialog.getByRole("list", { name: "Tags" }).count()) === 0, "that the tag is gone");
  expect(made.map((c) => [c.method, c.path, c.body])).toEqual([
    ["PUT", "/api/workflows/tagged/tags/12", { version: 1 }], ["PUT", "/api/workflows/tagged/tags/stable", { version: 1 }],
    ["PUT", "/api/workflows/tagged/tags/stable", { version: 2 }], ["DELETE", "/api/workflows/tagged/tags/stable", null],
  ]);
});

it("leads from a parked job to the approvals of its run", async () => {
  await apply("asking", [{ node_id: "ask", type: "approval", config: { title: "Go on?", expires_in: "4h" }, next: { approved: "done", rejected: "done" } }, set("done")]);
  const [run, other] = [await start("asking"), await start("asking")];
  const waits = async (r: Run) => (await f.call<{ waiting: { for: string | null } | null }>("GET", `/api/jobs/${r.job_id}`)).waiting?.for === "approval";
  await until(async () => (await waits(run)) && (await waits(other)), "both runs to wait");
  const page = await f.page("/approvals");
  await until(async () => (await page.locator("li[data-id]").count()) >= 2, "the approvals of both");
  const only = async () => {
    await page.waitForURL((u) => u.pathname === "/ui/approvals" && u.searchParams.get("run") === run.workflow_run_id);
    await until(async () => (await page.locator("li[data-id]").count()) === 1, "the approval of that run only");
  };
  await page.goto(`${f.server.url}/ui/queue`);
  await page.locator(`[data-row="${run.job_id}"] a[data-parked=approval]:visible`).click();
  await only();
  await page.goto(`${f.server.url}/ui/queue?job=${run.job_id}`);
  await page.locator("[data-because=parked] a[data-parked=approval]").click();
  await only();
  await page.getByRole("button", { name: "Show all approvals" }).click();
  await until(async () => (await page.locator("li[data-id]").count()) >= 2, "all approvals again");
  for (const r of [run, other]) await f.call("POST", `/api/workflow-runs/${r.workflow_run_id}/cancel`, {});
  expect(errors(page)).toEqual([]);
});

it("draws 500 nodes, and keeps in the page only those in sight", async () => {
  const nodes = Array.from({ length: 500 }, (_, i) => set(`n${i}`, { depends_on: i < 20 ? [] : [`n${i - 20}`, ...(i % 7 === 0 ? [`n${i - 19}`] : [])] }));
  await apply("large", nodes);
  const page = await f.page("/workflows/large");
  const graph = page.locator("[data-graph][data-ready][data-nodes='500']");
  await graph.waitFor();
  await page.keyboard.press("0");
  await until(async () => (await page.locator("[data-node]").count()) === 500, "all nodes");
  for (let i = 0; i < 12; i++) await page.keyboard.press("+");
  await until(async () => (await page.locator("[data-node]").count()) < 100, "that the others leave the page");
  expect(await page.locator("[data-node]").count()).toBeGreaterThan(0);
  await page.locator("[data-node][tabindex='0']").focus();
  await page.keyboard.press("End");
  await until(() => page.evaluate(() => /^n\d+$/.test((document.activeElement as HTMLElement | null)?.dataset["node"] ?? "")), "the focus at a node");
  await page.keyboard.press("v");
  await until(async () => (await page.getByRole("row").count()) >= 501, "the list");
  expect(errors(page)).toEqual([]);
});

it("marks what is wrong while a text is edited, and applies what is right", async () => {
  await apply("edited", [set("a"), set("b")]);
  const page = await f.page("/workflows/edited?tab=edit");
  const text = page.getByRole("textbox", { name: "Definition" });
  await text.waitFor();
  await page.locator("[data-valid=true]").waitFor();
  await text.click();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("\noutputs:\nx: '{{outputs.zzz.x}}'");
  await page.locator("[data-valid=false]").waitFor();
  await page.locator("[data-valid=false] li").first().waitFor();
  await page.locator(".cm-lint-marker-error").first().waitFor();
  const apply2 = page.getByRole("button", { name: "Apply" });
  expect(await apply2.getAttribute("aria-disabled")).toBe("true");
  expect(errors(page)).toEqual([]);
  // Chromium itself tells the policy of the style that such an insertion brings.
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText("kind: Workflow\nworkflow_id: edited\nnodes:\n  - {node_id: a, type: data, data_type: set, config: {values: {x: 1}}}\n  - {node_id: z, type: data, data_type: set, config: {values: {x: 1}}}\n");
  await page.locator("[data-valid=true]").waitFor();
  await page.locator("[data-node=z]").waitFor();
  await apply2.click();
  await page.waitForURL((u) => !u.search.includes("edit"));
  await page.locator("[data-node=z]").waitFor();
});

it("says in Korean what is wrong with a text", async () => {
  await apply("korean", [set("a"), set("b")]);
  const page = await f.page("/workflows/korean?tab=edit", { locale: "ko-KR" });
  const text = page.getByRole("textbox", { name: "정의" });
  await text.waitFor();
  await page.locator("[data-valid=true]").waitFor();
  await text.click();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("\non_error: zzz\nmax_parallel: 900\ncolour: red");
  for (const words of ["max_parallel은(는) 1에서 64 사이의 정수여야 합니다", "colour 필드는 여기에 없습니다", "zzz(이)라는 노드가 없습니다"]) await page.getByRole("button", { name: words }).waitFor();
  // Beside Korean there are names, but no sentence of the server.
  const checked = await f.call<{ problems: { detail: string }[] }>("POST", "/api/workflows/validate", { kind: "Workflow", workflow_id: "korean", max_parallel: 900, colour: "red", on_error: "zzz", nodes: [set("a")] });
  expect(checked.problems.length).toBe(3);
  for (const p of checked.problems) expect(await page.getByText(p.detail).count(), p.detail).toBe(0);
  expect(errors(page)).toEqual([]);
});

it("starts a run of a workflow without inputs from its page, also after a reload", async () => {
  await apply("bare", [set("one")]);
  const page = await f.page("/workflows/bare");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("This workflow has no inputs.").waitFor();
  await page.reload();
  await dialog.getByText("This workflow has no inputs.").waitFor();
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await page.waitForURL(/workflow-runs/);
  await page.locator("[data-run-state=COMPLETED]").waitFor();
  // A run without a name of its own is told apart by its id.
  expect(await page.getByRole("navigation", { name: "Where this page is" }).locator("[aria-current=page]").textContent()).toMatch(/^wfrun_.*….{4}$/);
  expect(errors(page)).toEqual([]);
});

it("starts a new schedule with a workflow where there are no templates, and leads to make one", async () => {
  await apply("only-flow", [set("a")]);
  const page = await f.page("/schedules?new=1");
  await page.getByRole("combobox", { name: "Workflow" }).waitFor();
  await page.getByText("Template", { exact: true }).click();
  await page.getByText("No templates yet.").waitFor();
  await page.getByRole("link", { name: "Make one" }).click();
  await page.waitForURL((u) => u.pathname === "/ui/templates" && u.searchParams.get("add") === "1");
  expect(errors(page)).toEqual([]);
});

it("gives the runs of a workflow without inputs the whole width, and their names one line", async () => {
  await apply("wide-flow", [set("a")]);
  await ended(await start("wide-flow", { name: "wide-flow, the run of today" }));
  const page = await f.page("/workflows/wide-flow", { width: 1440, height: 900 });
  const name = page.getByRole("link", { name: "wide-flow, the run of today" });
  await name.waitFor();
  expect(await name.evaluate((a) => a.getClientRects().length)).toBe(1);
  const [table, all] = await Promise.all([page.getByRole("table", { name: "Runs" }), page.getByRole("tablist").first()].map((e) => e.evaluate((x) => x.getBoundingClientRect().width)));
  expect(table).toBeGreaterThan(0.95 * (all ?? 0));
});

it("starts a run from the form of its inputs, pauses, cancels and repeats it", async () => {
  await apply("form", [set("a"), { node_id: "hold", type: "wait", wait_type: "duration", config: { for: "10m" } }, set("z")], { inputs: { n: { type: "integer", required: true, min: 1, max: 5 }, key: { type: "string", secret: true } } });
  const page = await f.page("/workflows/form");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Run form" });
  await dialog.getByLabel("N", { exact: true }).fill("9");
  await dialog.getByLabel(/^key/).fill("hush");
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await dialog.getByText("Must be at most 5").waitFor();
  await dialog.getByLabel("N", { exact: true }).fill("3");
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await page.waitForURL("**/ui/workflow-runs/**");
  await page.locator("[data-node=hold][data-state=WAITING]").waitFor();
  expect(await page.content()).not.toContain("hush");
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.locator("[data-banner=paused-run]").waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.locator("[data-banner=paused-run]").waitFor({ state: "detached" });
  await page.locator("[data-node=hold]").click();
  await page.getByRole("button", { name: "Skip node" }).click();
  const skip = page.getByRole("dialog", { name: "Skip hold?" });
  await skip.getByLabel("Reason").fill("no need to wait");
  await skip.getByRole("button", { name: "Skip node" }).click();
  await page.locator("[data-run-state=COMPLETED]").waitFor();
  expect(await page.getByRole("button", { name: "Retry…" }).getAttribute("class")).not.toContain("bg-accent");
  await page.getByRole("button", { name: "Retry…" }).click();
  const again = page.getByRole("dialog", { name: "Retry" });
  await again.getByLabel("key").fill("hush again");
  await again.locator("[data-preview]").waitFor();
  const old = page.url();
  await again.getByRole("button", { name: "Start the new run" }).click();
  await page.waitForURL((u) => u.href.split("?")[0] !== old.split("?")[0]);
  // Each leads to the other, and the new one says from where it began.
  await page.getByText("repeats a run, from a", { exact: true }).waitFor();
  await page.getByRole("link", { name: "repeats a run" }).click();
  await page.waitForURL((u) => u.href === old.split("?")[0]);
  const retried = page.locator("[data-retried=run]");
  await retried.waitFor();
  const fresh = await retried.getAttribute("href");
  await f.call("POST", `/api/workflow-runs/${fresh?.split("/").at(-1) ?? ""}/cancel`);
  await page.reload();
  await page.locator("[data-state=CANCELLED]").first().waitFor();
  await retried.click();
  await page.waitForURL(`**${fresh ?? ""}`);
  // Another version says so too.
  await apply("form", [set("a"), { node_id: "hold", type: "wait", wait_type: "duration", config: { for: "11m" } }, set("z")], { inputs: { n: { type: "integer", required: true, min: 1, max: 5 }, key: { type: "string", secret: true } } });
  const third = await f.call<Run>("POST", `/api/workflow-runs/${fresh?.split("/").at(-1) ?? ""}/retry`, { version: 2, inputs: { key: "hush" } });
  await page.goto(new URL(`/ui/workflow-runs/${third.workflow_run_id}`, page.url()).href);
  await page.getByText("repeats a run, from what failed, which had version 1", { exact: true }).waitFor();
  expect(errors(page)).toEqual([]);
});

for (const theme of ["light", "dark"] as const) {
  for (const width of [1440, 375]) {
    it(`has nothing to complain of, ${theme}, ${width} px`, async () => {
      await etl("looks");
      const run = await start("looks");
      await ended(run);
      for (const path of ["/workflows", "/workflows?new=1", "/workflows/looks", "/workflows/looks?tab=yaml", "/workflows/looks/versions", `/workflow-runs/${run.workflow_run_id}`, `/workflow-runs/${run.workflow_run_id}?node=load&drawer=items`, `/workflow-runs/${run.workflow_run_id}?tab=steps`]) {
        const page = await f.page(path, { theme, width, height: width === 375 ? 812 : 900 });
        await page.locator("h1").first().waitFor({ state: "attached" });
        await until(async () => (await page.locator("[role=status][aria-label=Loading]").count()) === 0, "the page");
        expect(await overflow(page), path).toBeLessThanOrEqual(0);
        expect(await axe(page), path).toEqual([]);
        expect(errors(page), path).toEqual([]);
        await page.context().close();
      }
    });
  }
}
