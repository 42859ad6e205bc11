// What breaks beside the page: the server, the socket, too many tabs.
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { errors, Fixture, Proxy, until, watch } from "./fixture";

let f: Fixture;
beforeAll(async () => {
  f = await Fixture.start();
  await f.call("POST", "/api/queue/pause", {});
});
afterAll(() => f?.stop());

const add = (name: string) => f.call("POST", "/api/jobs", { trigger: "manual", job_type: "command", name, params: { argv: ["true"] } });
const row = (page: Page, name: string) => page.getByRole("listitem", { name, exact: true });

it("has one socket for eight tabs, whoever of them goes", async () => {
  const context = await f.context();
  const open = new Set<object>();
  const tabs: Page[] = [];
  for (let i = 0; i < 8; i++) {
    const page = await context.newPage();
    watch(page);
    page.on("websocket", (ws) => {
      open.add(ws);
      ws.on("close", () => open.delete(ws));
    });
    await page.goto(`${f.server.url}/ui/queue`);
    await page.locator("[data-link=live]").waitFor();
    tabs.push(page);
  }
  expect(open.size).toBe(1);
  await add("for all");
  for (const page of tabs) await row(page, "for all").waitFor();
  // The one that has the socket was the first.
  open.clear();
  await tabs.shift()?.close();
  await until(() => open.size === 1, "another tab takes over");
  await add("after it went");
  for (const page of tabs) await row(page, "after it went").waitFor();
  expect(open.size).toBe(1);
  for (const page of tabs) expect(errors(page)).toEqual([]);
});

it("says that the server is gone, catches up, and that nothing was lost by the restart", async () => {
  const page = await f.page("/queue");
  await page.locator("[data-link=live]").waitFor();
  const kept = (await f.call<{ queued: { items: unknown[] } }>("GET", "/api/queue?limit=200")).queued.items.length;
  await f.server.kill();
  await page.locator("[data-banner=lost]").waitFor();
  await f.server.run();
  await add("while away");
  await page.locator("[data-link=live]").waitFor();
  await row(page, "while away").waitFor();
  await page.locator("[data-banner]").waitFor({ state: "detached" });
  await page.reload();
  await page.locator(`[data-restored='${kept}']`).waitFor();
  expect(await page.locator("[data-interrupted]").count()).toBe(0);
});

it("says which running job a crash has ended, and leads to its run", async () => {
  const page = await f.page("/queue");
  await f.call("POST", "/api/jobs", { trigger: "manual", job_type: "command", name: "cut off", params: { argv: ["sleep", "900"] }, position: 0 });
  await f.call("PATCH", "/api/workers", { count: 1 }); // nothing else is cut off
  await f.call("POST", "/api/queue/resume", {});
  const running = async () => ((await f.call("GET", "/api/queue")) as { running: { name: string }[] }).running.some((r) => r.name === "cut off");
  await until(running, "it runs");
  await f.call("POST", "/api/queue/pause", {});
  await f.server.kill();
  await f.server.run();
  await page.reload();
  await page.locator("[data-interrupted='1'] a").click();
  await page.getByRole("heading", { name: "cut off" }).waitFor();
});

it("notices a socket that is open and silent", async () => {
  const page = await (await f.context()).newPage();
  await page.clock.install();
  await page.goto(`${f.server.url}/ui/queue`);
  await page.locator("[data-link=live]").waitFor();
  f.server.freeze(true);
  try {
    await page.clock.fastForward(31_000);
    await page.clock.fastForward(4_000);
    await page.locator("[data-banner=lost]").waitFor();
  } finally {
    f.server.freeze(false);
  }
  await add("while silent");
  await until(async () => {
    await page.clock.fastForward(5_000);
    return (await page.locator("[data-link=live]").count()) > 0;
  }, "live again");
  await row(page, "while silent").waitFor();
});

it("keeps what it shows while a proxy drops or stalls the socket, and has each row once after it", async () => {
  await f.call("POST", "/api/queue/resume", {});
  await until(async () => (await f.call<{ items: unknown[] }>("GET", "/api/jobs?status=QUEUED,RUNNING&limit=1")).items.length === 0, "that nothing waits");
  const proxy = await Proxy.start(f.server);
  try {
    // Two tabs have one socket: what waits, and what ran.
    const context = await f.context();
    await context.clock.install();
    const queue = await context.newPage();
    const runs = await context.newPage();
    for (const [page, path] of [[queue, "/queue"], [runs, "/runs"]] as const) {
      watch(page);
      await page.goto(`${proxy.url}/ui${path}`);
      await page.locator("[data-link=live]").waitFor();
    }
    const lines = (page: Page, attribute: string) => page.locator(`[${attribute}^=job_], [${attribute}^=run_]`).evaluateAll((all, name) => all.map((e) => [e.getBoundingClientRect().top, e.getAttribute(name)] as const).sort((a, b) => a[0] - b[0]).map((e) => e[1]).join(), attribute);
    const shown = async () => [await lines(queue, "data-row"), await lines(runs, "data-id")];
    // What the server has, and in its order.
    const there = async () => [
      (await f.call<{ queued: { items: { job_id: string }[] } }>("GET", "/api/queue?limit=200")).queued.items.map((j) => j.job_id).join(),
      (await f.call<{ items: { run_id: string }[] }>("GET", "/api/job-runs?limit=200")).items.map((r) => r.run_id).join(),
    ];
    const agree = (what: string) => until(async () => JSON.stringify(await shown()) === JSON.stringify(await there()), what);
    const ids: string[] = [];
    const more = async () => {
      for (let i = 0; i < 3; i++) {
        ids.push((await f.call<{ job_id: string }>("POST", "/api/jobs", { job_type: "command", name: `held ${ids.length}`, params: { argv: ["true"] }, hold: true })).job_id);
        await add(`ran ${ids.length}`);
      }
      await until(async () => (await f.call<{ items: unknown[] }>("GET", "/api/jobs?status=RUNNING&limit=1")).items.length === 0 && (await f.call<{ items: unknown[] }>("GET", "/api/jobs?status=QUEUED&limit=100")).items.length <= ids.length, "that they have run");
    };
    await more();
    await agree("the rows at first");
    for (const road of ["drop", "stall"] as const) {
      const before = await shown();
      proxy.set(road);
      if (road === "stall") await context.clock.fastForward(31_000); // no word for longer than a ping takes
      await until(async () => {
        await context.clock.fastForward(1_000);
        return (await queue.locator("[data-banner=lost]").count()) + (await runs.locator("[data-banner=lost]").count()) === 2;
      }, `that both say so: ${road}`);
      expect(await shown(), road).toEqual(before);
      await more();
      await f.call("POST", `/api/jobs/${ids.shift()}/cancel`, {});
      // After 30 s without a socket they ask instead.
      await until(async () => {
        await context.clock.fastForward(5_000);
        return (await queue.locator("[data-banner=polling]").count()) + (await runs.locator("[data-banner=polling]").count()) === 2;
      }, `that both ask: ${road}`);
      await agree(`the rows without a socket: ${road}`);
      expect(proxy.asked).toBeGreaterThan(0);
      await f.call("PUT", "/api/queue/order", { job_id: ids.at(-1), top: true });
      proxy.set("pass");
      await until(async () => {
        await context.clock.fastForward(5_000);
        return (await queue.locator("[data-link=live]").count()) + (await runs.locator("[data-link=live]").count()) === 2;
      }, `live again: ${road}`);
      await agree(`the rows after it: ${road}`);
      await queue.locator("[data-banner]").waitFor({ state: "detached" });
      await more();
      await agree(`the rows that came after it: ${road}`);
    }
    expect(errors(queue).concat(errors(runs))).toEqual([]);
  } finally {
    await proxy.stop();
  }
});
