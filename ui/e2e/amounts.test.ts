// Each page with nothing, with one of each thing, and with many: 10,000 waiting jobs, and of
// what is added one by one RUNSHEET_E2E_ROWS, 2,000 by default.
import { createServer, type Server as HttpServer } from "node:http";
import type { Page, Request } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { errors, Fixture, until, watch } from "./fixture";

let f: Fixture;
let page: Page;
let silent: HttpServer; // takes what is delivered, and never answers
let asked: string[] = [];
let open = 0; // of the API, and scripts
let hook = "";
const waiting = 10_000;
const total = Number(process.env["RUNSHEET_E2E_ROWS"] ?? 2000);

beforeAll(async () => {
  silent = createServer((req) => req.resume());
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  f = await Fixture.start({ args: ["--workers", "8", "--allow-outbound", receiver()] });
});
afterAll(async () => {
  silent?.closeAllConnections();
  silent?.close();
  await f?.stop();
});

function receiver(): string {
  const a = silent.address();
  return `127.0.0.1:${typeof a === "object" && a ? a.port : 0}`;
}

/** Opens a window that counts what it asks. */
async function fresh(): Promise<void> {
  page = await (await f.context()).newPage();
  watch(page);
  open = 0;
  const counts = (r: Request) => r.method() === "GET" && !r.isNavigationRequest() && r.url().startsWith(f.server.url);
  page.on("request", (r) => {
    if (!counts(r)) return;
    const { pathname } = new URL(r.url());
    if (pathname.startsWith("/api/")) asked.push(pathname);
    open++;
  });
  const ended = (r: Request) => {
    if (counts(r)) open--;
  };
  page.on("requestfinished", ended);
  page.on("requestfailed", ended);
}

const frame = () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));

/** Waits until nothing is asked, and nothing that was answered leads to another question. */
async function rest(): Promise<void> {
  let before = -1;
  let calm = 0; // how often one after another
  await until(async () => {
    await frame();
    calm = open === 0 && asked.length === before ? calm + 1 : 0;
    before = asked.length;
    return calm === 4;
  }, "that the page has asked all it asks");
}

interface Looked {
  /** What is a row. */
  row: string;
  /** There are some from the beginning, or several of one thing. */
  begun?: boolean;
  /** It shows the latest ones only. */
  latest?: boolean;
  /** How many rows the page reads at once, and then at a click; without, it reads on while it is scrolled. */
  part?: number;
  /** There are only some hundred. */
  some?: boolean;
}

const table = "main tbody tr[data-id]";
const pages: Record<string, Looked> = {
  "/runs": { row: "main [role=row][data-id]" },
  "/workflows": { row: table, part: 100, some: true },
  "/workflows/many": { row: table, part: 50, latest: true },
  "/approvals": { row: "main li[data-id]", part: 50 },
  "/schedules": { row: table, part: 100 },
  "/schedules/calendar?view=week": { row: "main [data-calendar] a[data-at]", begun: true },
  "/schedules/calendar?view=month": { row: "main [data-calendar] a[data-at]", begun: true },
  "/schedules/calendar?view=agenda": { row: "main [data-calendar] a[data-at]", begun: true },
  "/templates": { row: table, part: 100 },
  "/directives": { row: table, part: 100, some: true },
  "/webhooks": { row: table, part: 100, some: true },
  "/webhooks/HOOK": { row: table, part: 50 },
  "/system/workers": { row: "main table[aria-label=Locks] tbody tr", part: 100, some: true },
  "/system/secrets": { row: table, part: 100, some: true },
  "/system/users?tab=tokens": { row: table, part: 100, some: true },
  "/system/audit": { row: table, part: 50, begun: true },
  "/queue": { row: "main [data-row]", begun: true },
};

async function visit(path: string): Promise<number> {
  asked = [];
  await page.goto(`${f.server.url}/ui${path.replace("HOOK", hook)}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await rest();
  expect(asked.filter((a, i) => asked.indexOf(a) !== i), `what ${path} asks more than once`).toEqual([]);
  expect(await page.locator("main [role=alert]").allTextContents(), path).toEqual([]);
  expect(errors(page), path).toEqual([]);
  return page.locator(pages[path]?.row ?? "").count();
}

async function many(count: number, make: (i: number) => Promise<unknown>): Promise<void> {
  let i = 0;
  await Promise.all(Array.from({ length: 32 }, async () => {
    while (i < count) await make(i++);
  }));
}

const flow = (id: string) => f.call("POST", "/api/workflows?activate=true", { kind: "Workflow", workflow_id: id, nodes: [{ node_id: "a", type: "data", data_type: "set", config: { values: {} } }] });
const params = { argv: ["true"] };
const busy = async () => (await f.call<{ items: { job_type: string }[] }>("GET", "/api/jobs?status=QUEUED,RUNNING&limit=200")).items.some((j) => j.job_type === "workflow");

/** Adds so many of each thing that people meet in great numbers, and at most 300 of the others. */
async function seed(count: number, named: string): Promise<void> {
  const few = Math.min(count, 300);
  await many(count, (i) => f.call("POST", "/api/job-templates", { name: `${named} ${i}`, job_type: "command", params }));
  await many(count, (i) => f.call("POST", "/api/schedules", { name: `${named}-${i}`, template_id: `${named} 0`, cron: "0 12 * * *", timezone: "UTC" }));
  await many(few, (i) => flow(i === 0 && named === "one" ? "many" : `${named}-${i}`));
  await many(few, (i) => f.call("POST", "/api/directives", { name: `${named} ${i}`, system_prompt: "Be brief." }));
  await many(few, (i) => f.call("PUT", `/api/secrets/${named}_${i}`, { value: "x" }));
  await many(few, (i) => f.call("POST", "/api/tokens", { name: `${named} ${i}`, roles: ["viewer"] }));
  await many(few, (i) => f.call("POST", `/api/locks/${named}:${i}/acquire`, { holder: "x", ttl: "1h" }));
  hook ||= (await f.call<{ webhook_id: string }>("POST", "/api/webhooks", { name: "silent", url: `http://${receiver()}/`, events: ["approval.requested"] })).webhook_id;
  if (count > 1) await many(few, (i) => f.call("POST", "/api/webhooks", { name: `${named} ${i}`, url: `http://${receiver()}/${i}`, events: ["approval.expired"] }));
  await many(count, () => f.call("POST", "/api/workflows/many/run", { inputs: {} }));
  await until(async () => !(await busy()), "the end of the runs");
  await many(count, (i) => f.call("POST", "/api/jobs", { name: `${named} asks ${i}`, job_type: "command", params, approval: { title: `${named} ${i}?` } }));
  await f.call("POST", "/api/queue/pause", {});
  const all = count > 1 ? waiting : 1;
  for (let i = 0; i < all; i += 500) await f.call("POST", "/api/job-groups", { name: `${named} ${i}`, mode: "parallel", jobs: Array.from({ length: Math.min(500, all - i) }, (_, k) => ({ name: `${named} waits ${i + k}`, job_type: "command", params })) });
}

const nothing = Object.keys(pages).filter((path) => !/many|HOOK/.test(path)); // those are of a thing

it("shows each page with nothing, and with one of each thing", async () => {
  await fresh();
  for (const path of nothing) {
    const rows = await visit(path);
    if (path !== "/system/audit") expect(rows, path).toBe(0);
  }
  await page.close();
  await seed(1, "one");
  await fresh();
  for (const [path, p] of Object.entries(pages)) {
    const rows = await visit(path);
    if (p.begun) expect(rows, path).toBeGreaterThan(0);
    else expect(rows, path).toBe(1);
  }
  await page.close();
  await f.call("POST", "/api/queue/resume", {});
});

it("shows each page with thousands of rows: few at once, and the last one", async () => {
  await seed(total, "many");
  await fresh();
  for (const [path, p] of Object.entries(pages)) {
    const rows = await visit(path);
    expect(rows, path).toBeGreaterThan(0);
    // Of a month each of 42 days has some.
    if (!p.part) {
      expect(rows, path).toBeLessThan(path.includes("calendar") ? 14 * 60 + 1 : 100);
      continue;
    }
    expect(rows, path).toBe(p.part);
    if (p.latest) continue;
    const more = page.getByRole("button", { name: /^(More|Load more|Show more)$/ });
    await more.click();
    await until(async () => (await page.locator(p.row).count()) === 2 * p.part!, `more of ${path}`);
    await page.locator(p.row).last().scrollIntoViewIfNeeded();
    expect(await page.locator(p.row).evaluateAll((all) => new Set(all.map((e) => e.getAttribute("data-id") ?? e.textContent)).size), `different rows of ${path}`).toBe(2 * p.part);
    if (!p.some) continue;
    // Of some hundred all can be read.
    await until(async () => {
      await rest();
      if ((await more.count()) === 0) return true;
      await more.click();
      return false;
    }, `all of ${path}`);
    expect(await page.locator(p.row).count(), path).toBeGreaterThanOrEqual(300);
  }
  // The page of runs reads on while it is scrolled; queue.test.ts scrolls the queue.
  await visit("/runs");
  const list = page.getByRole("table");
  const height = () => page.evaluate(() => document.documentElement.scrollHeight);
  const complete = async () => (await list.getAttribute("aria-rowcount")) !== "-1";
  while (!(await complete())) {
    const before = await height();
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await until(async () => (await height()) > before || (await complete()), "more runs");
    expect(await page.locator("main [role=row][data-id]").count()).toBeLessThan(100);
  }
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  await page.getByText("These are all runs of the list.").waitFor();
  expect(Number(await list.getAttribute("aria-rowcount"))).toBeGreaterThan(total);
  await page.locator(`main [role=row][aria-rowindex='${await list.getAttribute("aria-rowcount")}']`).waitFor();
  expect(errors(page)).toEqual([]);
}, 900_000);
