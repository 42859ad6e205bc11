// A direct request takes the next free slot.
import { afterAll, beforeAll, expect, it } from "vitest";
import { errors, Fixture, until } from "./fixture";

let f: Fixture;
beforeAll(async () => {
  // No language model answers there: where a request stands does not depend on what becomes of it.
  f = await Fixture.start({ env: { RUNSHEET_LLM_URL: "http://127.0.0.1:9", RUNSHEET_LLM_MODEL: "none" } });
});
afterAll(() => f?.stop());

interface Queue { running: { name: string }[]; direct: { run_id: string }[] }
interface Run { run_id: string; started_at: string | null; finished_at: string | null }
const queue = () => f.call<Queue>("GET", "/api/queue");
const add = (name: string, argv: string[]) => f.call<{ job_id: string }>("POST", "/api/jobs", { trigger: "manual", job_type: "command", name, params: { argv } });

it("shows a direct request in its lane while a job runs, and that it ran before the queue", async () => {
  await f.call("PATCH", "/api/workers", { count: 1 });
  const busy = await add("busy", ["sleep", "900"]);
  await until(async () => (await queue()).running.some((r) => r.name === "busy"), "that it runs");
  const next = await add("next", ["true"]);
  const page = await f.page("/queue");
  await page.getByRole("listitem", { name: "next", exact: true }).waitFor();
  await page.locator("[data-link=live]").waitFor();
  expect(await page.locator("[data-direct]").count()).toBe(0);
  const answer = fetch(`${f.server.url}/story/generate`, { method: "POST", headers: { ...f.headers(), "Content-Type": "application/json" }, body: JSON.stringify({ genre: "horror", length: 100 }) }).then((r) => r.status, () => 0);
  const lane = page.locator("[data-direct]");
  await lane.waitFor();
  const run = (await lane.getAttribute("data-direct")) ?? "";
  expect((await queue()).direct.map((d) => d.run_id)).toEqual([run]);
  await lane.getByText("story").waitFor();
  // It interrupts nothing.
  expect((await queue()).running.map((r) => r.name)).toEqual(["busy"]);
  await page.getByRole("listitem", { name: "next", exact: true }).waitFor();
  await f.call("POST", `/api/jobs/${busy.job_id}/cancel`, {});
  expect(await answer).toBeGreaterThanOrEqual(400);
  await lane.waitFor({ state: "detached" });
  await until(async () => (await f.call<{ status: string }>("GET", `/api/jobs/${next.job_id}`)).status === "COMPLETED", "that the queue goes on");
  const direct = await f.call<Run>("GET", `/api/job-runs/${run}`);
  const [after] = (await f.call<{ items: Run[] }>("GET", `/api/job-runs?job_id=${next.job_id}`)).items;
  expect(direct.started_at).not.toBeNull();
  expect(Date.parse(direct.finished_at ?? "")).toBeLessThanOrEqual(Date.parse(after?.started_at ?? ""));
  expect(errors(page)).toEqual([]);
});
