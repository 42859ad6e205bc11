// What breaks beside the page: the server, the socket, too many tabs.
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { errors, Fixture, until, watch } from "./fixture";

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
  await f.server.kill();
  await page.locator("[data-banner=lost]").waitFor();
  await f.server.run();
  await add("while away");
  await page.locator("[data-link=live]").waitFor();
  await row(page, "while away").waitFor();
  await page.locator("[data-banner]").waitFor({ state: "detached" });
  await page.reload();
  await page.locator("[data-restored='2']").waitFor();
  expect(await page.locator("[data-interrupted]").count()).toBe(0);
});

it("says which running job a crash has ended, and leads to its run", async () => {
  const page = await f.page("/queue");
  await f.call("POST", "/api/jobs", { trigger: "manual", job_type: "command", name: "cut off", params: { argv: ["sleep", "900"] }, position: 0 });
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
