// What the tests of the queue's page share: six waiting jobs in a known order, and how a page shows them.
import type { Locator, Page } from "playwright-core";
import { until, type Fixture } from "./fixture";

export interface Queue {
  queued: { items: { job_id: string; name: string; estimated_start_at: string | null }[]; next_cursor: string | null };
  drained_at: string | null;
}

export const nap = (name: string, seconds = "900") => ({ trigger: "manual", job_type: "command", name, params: { argv: ["sleep", seconds] } });
export const row = (page: Page, name: string) => page.getByRole("listitem", { name, exact: true });
/** The names of the rows, from above. */
export const seen = (page: Page) => page.locator("[data-row]").evaluateAll((all) => all.map((e) => [e.getBoundingClientRect().top, e.getAttribute("aria-label") ?? ""] as const).sort((a, b) => a[0] - b[0]).map((e) => e[1]));
/** The offer to take back what a message tells; that of a step before may still be there. */
export const undo = (page: Page, text: string | RegExp) => page.getByRole("listitem").filter({ hasText: text }).getByRole("button", { name: "Undo" });

/** Where something is, once the page has come to rest: a notice that is read late moves what is below it. */
export async function still(it: Locator): Promise<{ x: number; y: number; width: number; height: number }> {
  let box = await it.boundingBox();
  await until(async () => {
    const before = JSON.stringify(box);
    await it.page().waitForLoadState("networkidle");
    await it.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    box = await it.boundingBox();
    return box !== null && JSON.stringify(box) === before;
  }, "the place that stays");
  if (!box) throw new Error("no box");
  return box;
}

/** What the server knows of its queue. */
export function board(f: () => Fixture) {
  const waiting = async () => (await f().call<Queue>("GET", "/api/queue?limit=200")).queued.items;
  /** Cancels what is in these states. */
  const empty = async (...status: string[]) => {
    while ((await f().call<{ more: boolean }>("POST", "/api/jobs/bulk", { action: "cancel", filter: { status } })).more);
  };
  return {
    waiting,
    empty,
    order: async () => (await waiting()).map((j) => j.name),
    idOf: async (name: string) => (await waiting()).find((j) => j.name === name)?.job_id ?? "",
    /** A fresh order of six waiting jobs; nothing starts. */
    fresh: async () => {
      await f().call("POST", "/api/queue/pause", {});
      await f().call("PATCH", "/api/workers", { count: 1 });
      await empty("QUEUED", "RUNNING");
      await until(async () => (await f().call<{ running: unknown[] }>("GET", "/api/queue")).running.length === 0, "nothing runs");
      for (const n of ["a", "b", "c", "d", "e", "f"]) await f().call("POST", "/api/jobs", nap(n));
    },
  };
}
