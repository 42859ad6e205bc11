import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { axe, changes, errors, Fixture, overflow, until } from "./fixture";

interface Job { job_id: string; run_id: string | null; status: string }
interface Runs { items: { run_id: string; name: string }[] }

let f: Fixture;
beforeAll(async () => {
  f = await Fixture.start({ args: ["--workers", "3"] });
});
afterAll(() => f?.stop());

const add = (name: string, script: string, more: object = {}) => f.call<Job>("POST", "/api/jobs", { trigger: "manual", job_type: "command", name, params: { argv: ["/bin/sh", "-c", script] }, ...more });
const job = (id: string) => f.call<Job>("GET", `/api/jobs/${id}`);

/** Adds a job and waits for the end; gives its run. */
async function done(name: string, script: string, more: object = {}): Promise<string> {
  const { job_id } = await add(name, script, more);
  await until(async () => !["QUEUED", "RUNNING"].includes((await job(job_id)).status), `the end of ${name}`);
  return (await job(job_id)).run_id ?? "";
}

const log = (page: Page) => page.getByRole("region", { name: "Log of the run" });
const lines = async (page: Page) => Number(await log(page).getAttribute("data-lines"));
const names = (page: Page) => page.locator('[role="row"][data-id] a').allTextContents();

it("lists runs, filters them by the URL, and opens them by keys", async () => {
  await done("good one", "echo fine");
  await done("bad one", "echo first; exit 3");
  const page = await f.page("/runs");
  await page.getByRole("link", { name: "bad one" }).waitFor();
  await until(async () => (await names(page)).join() === "bad one,good one", "both");
  await page.getByText("exit code 3").first().waitFor();

  await page.getByRole("button", { name: "Failed", exact: true }).click();
  await until(async () => (await names(page)).length === 1, "only the failed one");
  expect(new URL(page.url()).searchParams.get("status")).toBe("FAILED");
  await page.goBack();
  await until(async () => (await names(page)).length === 2, "both again");

  await page.locator("[data-bar]").first().click();
  await page.getByRole("button", { name: / to / }).first().waitFor();
  // The second may have begun in the time of the next bar.
  const chosen = new URL(page.url()).searchParams;
  const within = (await f.call<Runs>("GET", `/api/job-runs?started_after=${new Date(Date.parse(chosen.get("from") ?? "") - 1).toISOString()}&started_before=${chosen.get("to") ?? ""}`)).items.map((r) => r.name);
  expect(within).toContain("good one");
  await until(async () => (await names(page)).join() === within.join(), "the runs of that time");

  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "good one" }).waitFor();
  expect(errors(page)).toEqual([]);
});

it("shows a run that begins without being asked, and its end", async () => {
  const page = await f.page("/runs");
  await page.getByRole("link", { name: "good one" }).waitFor();
  const { job_id } = await add("newcomer", "sleep 900");
  await page.locator('[role="row"]', { hasText: "newcomer" }).locator('[data-state="RUNNING"]').waitFor();
  await page.getByRole("link", { name: "newcomer" }).click();
  const calls = changes(page);
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await page.getByRole("button", { name: "Stop it" }).click();
  await page.locator('[data-outcome="CANCELLED"]').waitFor();
  expect(calls.map((c) => c.path)).toEqual([`/api/jobs/${job_id}/cancel`]);
  await page.getByText("Cancelled by admin").waitFor();
});

it("says of a run that ended without output that nothing was written, and no more", async () => {
  const page = await f.page(`/runs/${await done("silent one", "true")}`);
  await page.getByRole("heading", { name: "Nothing was written", exact: true }).waitFor();
  expect(await page.getByText("appears here at once").count()).toBe(0);
});

it("says of the queue how long recent starts waited, not what waits now", async () => {
  const page = await f.page("/queue");
  await page.getByText(/^recent starts waited .+ on average$/).waitFor();
});

it("leads from a run to what repeats it and back, also after a reload", async () => {
  const run = await done("repeated one", "exit 3");
  const page = await f.page(`/runs/${run}`);
  await page.getByRole("heading", { level: 1, name: "repeated one" }).waitFor();
  expect(await page.locator("[data-retried]").count()).toBe(0);
  const ground = () => page.getByRole("button", { name: "Retry", exact: true }).evaluate((b) => getComputedStyle(b).backgroundColor);
  const primary = await ground();
  const again = await f.call<Job>("POST", `/api/job-runs/${run}/retry`, {});
  await until(async () => (await job(again.job_id)).status === "FAILED", "the end of the retry");
  await page.reload();
  await page.locator("dl [data-state=FAILED]").waitFor();
  expect(await ground()).not.toBe(primary);
  await page.locator("[data-retried=run]").click();
  await page.waitForURL(`**/ui/runs/${(await job(again.job_id)).run_id}`);
  await page.locator(`dl a[href$="/ui/runs/${run}"]`).first().click();
  await page.waitForURL(`**/ui/runs/${run}`);
  await page.locator("[data-retried=run]").waitFor();
  expect(errors(page)).toEqual([]);
});

it("follows a log, stops when somebody scrolls up, and goes on at the end", async () => {
  const { job_id } = await add("talker", "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; [ $i -gt 200 ] && sleep 0.05; done");
  await until(async () => (await job(job_id)).run_id !== null, "the start");
  const page = await f.page(`/runs/${(await job(job_id)).run_id}`);
  await until(async () => (await log(page).count()) === 1 && (await lines(page)) > 200, "the first lines");
  const distance = () => log(page).evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight);
  await until(async () => (await distance()) < 4, "the end is seen");
  const at = await lines(page);
  await until(async () => (await lines(page)) > at, "more lines");
  await until(async () => (await distance()) < 60, "that it follows them");

  await log(page).evaluate((e) => e.scrollBy(0, -800));
  await page.getByRole("button", { name: /new line/ }).waitFor();
  const top = await log(page).evaluate((e) => e.scrollTop);
  const then = await lines(page);
  await until(async () => (await lines(page)) > then + 3, "more lines below");
  expect(await log(page).evaluate((e) => e.scrollTop)).toBe(top);
  await page.getByRole("button", { name: /new line/ }).click();
  await until(async () => (await distance()) < 60, "the end again");
  await f.call("POST", `/api/jobs/${job_id}/cancel`, {});
});

it("reads a long log from its end, earlier lines on demand, and finds in it", async () => {
  const run = await done("long", "seq 1 40000 | sed 's/^/row number /'");
  const page = await f.page(`/runs/${run}`);
  await until(async () => (await log(page).count()) === 1 && (await lines(page)) === 5000, "the last lines");
  await log(page).getByText("row number 40000", { exact: true }).waitFor();
  expect(await log(page).locator("[data-key]").count()).toBeLessThan(120);
  await page.getByRole("button", { name: "Load earlier lines" }).click();
  await until(async () => (await lines(page)) === 25_000, "earlier lines");
  await page.getByRole("searchbox", { name: "Search the log" }).fill("number 20000");
  await page.locator("[data-found='1']").waitFor();
  await page.keyboard.press("Enter");
  await log(page).locator("mark").waitFor();
  expect(await log(page).locator("mark").textContent()).toBe("number 20000");
  await page.getByRole("button", { name: "Load earlier lines" }).click();
  await until(async () => (await lines(page)) === 40_000, "all lines");
  await page.getByRole("button", { name: "Load earlier lines" }).waitFor({ state: "detached" });
});

/** Megabytes of the page's scripts that are in use. */
async function heap(page: Page): Promise<number> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable");
  for (let i = 0; i < 2; i++) await cdp.send("HeapProfiler.collectGarbage");
  const { metrics } = await cdp.send("Performance.getMetrics");
  await cdp.detach();
  return (metrics.find((m) => m.name === "JSHeapUsedSize")?.value ?? Infinity) / 1e6;
}

it("holds a log of 1,000,000 lines, as it comes and read back, in 300 MB", async () => {
  const total = 1_000_000;
  const go = join(f.server.folder, "go");
  const { job_id } = await add("million", `echo ready; until [ -e '${go}' ]; do sleep 0.1; done; seq 2 ${total}`);
  await until(async () => (await job(job_id)).run_id !== null, "the start");
  const page = await f.page(`/runs/${(await job(job_id)).run_id}`);
  await log(page).getByText("ready", { exact: true }).waitFor();
  const last = log(page).locator("[data-key] > span:last-child", { hasText: String(total) });
  const holds = async (what: string) => {
    await until(async () => (await lines(page)) === total, `all lines ${what}`, 120_000);
    for (let i = 0; i < 2; i++) {
      await log(page).evaluate((e) => e.scrollTo(0, 0));
      await log(page).getByText("ready", { exact: true }).waitFor();
      await log(page).evaluate((e) => e.scrollTo(0, e.scrollHeight));
      await last.waitFor();
    }
    // Many matches, and one that is far from what is seen.
    await page.getByRole("searchbox", { name: "Search the log" }).fill("7");
    await page.locator("[data-found='10000']").waitFor();
    await page.getByRole("searchbox", { name: "Search the log" }).fill("345678");
    await page.locator("[data-found='1']").waitFor();
    await page.keyboard.press("Enter");
    await log(page).locator("mark").waitFor();
    expect(await log(page).locator("mark").textContent()).toBe("345678");
    expect(await log(page).locator("[data-key]").count()).toBeLessThan(120);
    const used = await heap(page);
    expect(used, `megabytes ${what}`).toBeGreaterThan(total * 5 / 1e6); // what is shown is there
    expect(used, `megabytes ${what}`).toBeLessThan(300);
  };
  writeFileSync(go, "");
  await holds("as they came");
  await until(async () => (await job(job_id)).status === "COMPLETED", "the end");
  await page.reload();
  await last.waitFor();
  const earlier = page.getByRole("button", { name: "Load earlier lines" });
  for (let n = await lines(page); n < total; n = await lines(page)) {
    await earlier.click();
    await until(async () => (await lines(page)) > n, "earlier lines");
  }
  await earlier.waitFor({ state: "detached" });
  await holds("read back");
  expect(errors(page)).toEqual([]);
  await page.close();
}, 600_000);

it("shows colours and no control of a terminal, and digits as they were written", async () => {
  const run = await done("colours", "printf '\\033[31mred\\033[0m plain\\033]0;title\\007\\n'", { params: { argv: ["/bin/sh", "-c", "printf '\\033[31mred\\033[0m plain\\033]0;title\\007\\n'"], env: { N: "1" } } });
  const page = await f.page(`/runs/${run}`);
  await log(page).getByText("red", { exact: true }).waitFor();
  expect(await log(page).locator("[data-key] > span").last().textContent()).toBe("red plain");
  await page.getByRole("tab", { name: "Input" }).click();
  await page.getByRole("region", { name: "Input" }).getByText('"argv"').waitFor();
  expect(new URL(page.url()).searchParams.get("tab")).toBe("input");
});

it("runs again with edited input, and says what is wrong with it", async () => {
  const run = await done("again", "exit 4");
  const page = await f.page(`/runs/${run}`);
  const calls = changes(page);
  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem", { name: /edited input/ }).click();
  const field = page.getByRole("textbox", { name: /Input/ });
  await field.fill("{");
  await page.getByText(/Must be valid JSON/).waitFor();
  expect(await page.getByRole("button", { name: "Put into the queue" }).isDisabled()).toBe(true);
  await field.fill('{"argv": ["/bin/sh", "-c", "exit 0"]}');
  await page.getByText("1 change").waitFor();
  await page.getByRole("button", { name: "Put into the queue" }).click();
  await page.getByText("again is in the queue again").waitFor();
  expect(calls).toEqual([{ method: "POST", path: `/api/job-runs/${run}/retry`, body: { params: { argv: ["/bin/sh", "-c", "exit 0"] } } }]);
  await until(async () => (await f.call<Runs>("GET", "/api/job-runs?q=again")).items.length === 2, "the second run");
});

it("shows attempts in rows, compares runs, and pages through thousands in a few rows", async () => {
  const run = await done("twice", "exit 5", { retry_policy: { max_attempts: 2, backoff: "fixed", initial: "PT1S" } });
  const page = await f.page(`/runs/${run}`);
  await page.getByText("Attempt 2 of 2").first().waitFor();
  // The first attempt is on the timeline once the job has been read too.
  const kinds = () => page.getByRole("region", { name: "Timeline" }).locator("[data-kind]").evaluateAll((all) => all.map((e) => e.getAttribute("data-kind")));
  await until(async () => (await kinds()).filter((k) => k === "running").length === 2, "both attempts");
  expect(await kinds()).toContain("retry_delay");
  await page.keyboard.press("[");
  await page.getByText("Attempt 1 of 2").first().waitFor();
  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem", { name: /Compare/ }).click();
  await page.locator("tr[data-id]").first().click();
  await page.locator("tr[data-differs]").first().waitFor();
  expect(new URL(page.url()).searchParams.get("with")).toBe(run);

  const groups = Array.from({ length: 4 }, (_, g) => g);
  for (const g of groups) await Promise.all(Array.from({ length: 40 }, (_, i) => add(`many ${g}-${i}`, "true")));
  await until(async () => (await f.call<{ items: unknown[] }>("GET", "/api/jobs?status=QUEUED,RUNNING&limit=1")).items.length === 0, "all have run", 180_000);
  const list = await f.page("/runs?q=many");
  await list.locator('[role="row"][data-id]').first().waitFor();
  expect(await list.locator('[role="row"][data-id]').count()).toBeLessThan(80);
  await until(async () => {
    await list.evaluate(() => scrollTo(0, document.body.scrollHeight));
    return (await list.getByText("These are all runs of the list.").count()) > 0;
  }, "the end of the list");
  await until(async () => (await list.getByRole("table").getAttribute("aria-rowcount")) === "161", "all 160 runs");
});

it("fits a phone, in both themes and in Korean, without serious findings", async () => {
  const { items } = await f.call<Runs>("GET", "/api/job-runs?q=twice");
  const run = items[0]?.run_id ?? "";
  for (const path of ["/runs", `/runs/${run}`, `/runs/${run}?tab=events`, "/runs?q=nothing-like-this"]) {
    for (const theme of ["light", "dark"] as const) {
      for (const width of [375, 1440]) {
        const page = await f.page(path, { width, theme, locale: theme === "dark" ? "ko-KR" : "en-US" });
        await page.locator("main h1").waitFor();
        await page.locator('main [role="row"][data-id], main [role="tablist"], main h2').first().waitFor();
        expect(await overflow(page), `${path} ${theme} ${width}`).toBeLessThanOrEqual(0);
        expect(await axe(page), `${path} ${theme} ${width}`).toEqual([]);
        expect(errors(page)).toEqual([]);
        await page.context().close();
      }
    }
  }
});
