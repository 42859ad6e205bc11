// Two servers on one database, of which one is lost.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { axe, errors, Fixture, Server, until } from "./fixture";

let f: Fixture;
let other: Server;
const folder = mkdtempSync(join(tmpdir(), "runsheet-e2e-shared-"));

beforeAll(async () => {
  mkdirSync(join(folder, "blobs"));
  const args = ["--lease-ttl", "20s", "--blob-url", `file://${join(folder, "blobs")}`];
  f = await Fixture.start({ db: "postgres", args });
  other = await Server.start({ db: f.server.database, args });
});
afterAll(async () => {
  await other?.stop();
  await f?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Job { job_id: string; status: string; attempt: number; run_id: string | null }
interface Workers { slots: { job_id: string | null; instance_id: string | null }[]; instances: { instance_id: string; pid: number }[] }

const jobNow = (id: string) => f.call<Job>("GET", `/api/jobs/${id}`);
const workers = () => f.call<Workers>("GET", "/api/workers");

async function instanceOf(s: Server): Promise<string> {
  return (await workers()).instances.find((i) => i.pid === s.pid)?.instance_id ?? "";
}

/** A job that runs on that instance: which one takes a job cannot be chosen, so it is added until it is the right one. */
async function jobOn(instance: string, at: Server): Promise<Job> {
  for (;;) {
    const { job_id: id } = await f.call<Job>("POST", "/api/jobs", { job_type: "command", name: "nightly", params: { argv: ["sleep", "600"] }, crash_policy: "retry" }, at);
    let where = "";
    await until(async () => (where = (await workers()).slots.find((s) => s.job_id === id)?.instance_id ?? "") !== "", "the job to start");
    if (where === instance) return jobNow(id);
    await f.call("POST", `/api/jobs/${id}/cancel`);
    await until(async () => (await jobNow(id)).status === "CANCELLED", "the job to end");
  }
}

it("shows a server that was killed as silent while its lease runs out, then that its job is in the queue again, and where", async () => {
  const [here, there] = [await instanceOf(f.server), await instanceOf(other)];
  expect(here).not.toBe("");
  expect(there).not.toBe("");
  const before = await jobOn(there, other);
  expect(before.attempt).toBe(1);
  const page = await f.page("/system/workers");
  const instances = page.getByRole("table", { name: "Instances" });
  await instances.locator(`[data-id=${there}]`).waitFor();
  // What the page says of it, in order: it is silent for seconds only.
  await page.evaluate((id) => {
    const seen: string[] = [];
    new MutationObserver(() => {
      const row = document.querySelector(`[data-id=${id}]`);
      const now = `${!row ? "gone" : row.textContent?.includes("silent") ? "silent" : "alive"}, ${document.querySelector("[data-requeued]") ? "told" : "not told"}`;
      if (seen.at(-1) !== now) seen.push(now);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
    (window as unknown as { seen: string[] }).seen = seen;
  }, there);
  await other.kill();
  await page.locator("[data-requeued='1']").waitFor();
  await instances.locator(`[data-id=${there}]`).waitFor({ state: "detached" });
  // Its job is taken over when its lease and the grace are over: it was shown as silent before.
  const seen = await page.evaluate(() => (window as unknown as { seen: string[] }).seen);
  expect(seen).toContain("silent, not told");
  expect(seen.at(-1)).toBe("gone, told");
  expect(await axe(page)).toEqual([]);
  // The job runs again, on the server that is left.
  await until(async () => (await jobNow(before.job_id)).status === "RUNNING", "the job to run again");
  const again = await jobNow(before.job_id);
  expect(again.attempt).toBe(2);
  expect(again.run_id).not.toBe(before.run_id);
  expect((await workers()).slots.find((s) => s.job_id === before.job_id)?.instance_id).toBe(here);
  expect(await f.call("GET", `/api/job-runs/${before.run_id}`)).toMatchObject({ status: "FAILED", instance_id: there, error: { code: "interrupted" } });
  await page.getByRole("table", { name: "Slots" }).locator(`a[href='/ui/runs/${again.run_id}']`).waitFor();
  // Also after a reload, and it leads to the job.
  await page.reload();
  await page.locator("[data-requeued='1'] a").click();
  await page.waitForURL(`**/ui/queue?job=${before.job_id}`);
  await page.locator("[data-elsewhere=RUNNING]").getByRole("link").click();
  await page.waitForURL(`**/ui/runs/${again.run_id}`);
  await page.getByRole("heading", { name: "nightly" }).waitFor();
  await f.call("POST", `/api/jobs/${before.job_id}/cancel`);
  expect(errors(page)).toEqual([]);
});
