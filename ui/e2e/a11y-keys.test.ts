// The tasks that people have most often, each with the keyboard alone: the page must not see one event of a
// pointer, and the focus goes on by Tab, arrows and shortcuts only.
import type { Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { errors, Fixture, leap, password, until, watch } from "./fixture";

let f: Fixture;
beforeAll(async () => {
  f = await Fixture.start();
  await f.user("ann", "approver");
});
afterAll(() => f?.stop());

interface Job { job_id: string; name: string; status: string }
interface Queue { running: Job[]; queued: { items: Job[] }; paused: boolean; workers: number }
const queue = () => f.call<Queue>("GET", "/api/queue?limit=100");
const order = async () => (await queue()).queued.items.map((j) => j.name).join("");
const add = (name: string, more: object = {}) => f.call<Job>("POST", "/api/jobs", { trigger: "manual", job_type: "command", name, params: { argv: ["sleep", "900"] }, ...more });

beforeEach(async () => {
  await f.call("POST", "/api/queue/pause", {});
  while ((await f.call<{ more: boolean }>("POST", "/api/jobs/bulk", { action: "cancel", filter: { status: ["QUEUED", "RUNNING"] } })).more);
  await until(async () => (await queue()).running.length === 0, "nothing runs");
});

/** A page that counts what pointers do in it, ready for keys. */
async function open(path: string): Promise<Page> {
  const page = await (await f.context()).newPage();
  watch(page);
  await page.addInitScript(() => {
    const w = window as unknown as { pointers: number };
    w.pointers = 0;
    for (const type of ["pointerdown", "mousedown", "touchstart"]) addEventListener(type, () => w.pointers++, true);
  });
  await page.goto(`${f.server.url}/ui${path}`);
  await page.locator("[data-link=live]").waitFor();
  return page;
}

async function byKeysOnly(page: Page): Promise<void> {
  expect(await page.evaluate(() => (window as unknown as { pointers: number }).pointers)).toBe(0);
  expect(errors(page)).toEqual([]);
}

/** What a screen reader would call the element with the focus. */
const focused = (page: Page) =>
  page.evaluate(() => {
    const e = document.activeElement as HTMLElement | null;
    if (!e || e === document.body) return "";
    const by = e.getAttribute("aria-labelledby")?.split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
    return (e.getAttribute("aria-label") ?? by ?? (e as HTMLInputElement).labels?.[0]?.textContent ?? e.textContent ?? "").trim().replace(/\s+/g, " ");
  });

/** Presses a key until the focus is where it is wanted. */
async function to(page: Page, wanted: RegExp, key = "Tab"): Promise<void> {
  const way: string[] = [];
  for (let i = 0; i < 120; i++) {
    const at = await focused(page);
    if (wanted.test(at)) return;
    way.push(at);
    await page.evaluate(() => {
      (window as unknown as { was: Element | null }).was = document.activeElement;
    });
    await page.keyboard.press(key);
    // A list moves the focus when it has drawn, and the next press must find it there.
    await page.waitForFunction(() => document.activeElement !== (window as unknown as { was: Element | null }).was, undefined, { timeout: 2000 }).catch(() => undefined);
  }
  throw new Error(`${key} does not lead to ${String(wanted)}: ${way.join(" | ")}`);
}

async function keys(page: Page, ...all: string[]): Promise<void> {
  for (const k of all) await page.keyboard.press(k);
}

it("moves a job to the top", async () => {
  for (const n of ["a", "b", "c"]) await add(n);
  const page = await open("/runs");
  await leap(page, ["g", "q"], "/queue");
  await page.getByRole("listitem", { name: "c", exact: true }).waitFor();
  await to(page, /^a$/);
  await to(page, /^c$/, "ArrowDown");
  await keys(page, "Alt+Home");
  await until(async () => (await order()) === "cab", "c at the top");
  await until(async () => (await focused(page)) === "c", "the focus at c");
  await byKeysOnly(page);
});

it("finds why a job waits", async () => {
  await add("holds it", { locks: ["gpu:0"] });
  await f.call("POST", "/api/queue/resume", {});
  await until(async () => (await queue()).running.length === 1, "that it runs");
  await add("wants it", { locks: ["gpu:0"] });
  const page = await open("/queue");
  await page.getByRole("listitem", { name: "wants it", exact: true }).waitFor();
  await to(page, /^wants it$/);
  // What is read out with the row says it, and the menu leads on.
  await until(() => page.evaluate(() => {
    const e = document.activeElement;
    const about = (e?.getAttribute("aria-describedby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
    return about.includes("gpu:0") && about.includes("lock");
  }), "the reason in the description of the row");
  await byKeysOnly(page);
});

it("adds a job", async () => {
  const page = await open("/queue");
  await page.getByRole("button", { name: "Add job" }).first().waitFor(); // from now on the board hears keys
  await keys(page, "n");
  await page.getByRole("dialog").waitFor();
  await to(page, /^Name/);
  await page.keyboard.type("typed");
  await to(page, /^Command/);
  await page.keyboard.type("echo 'a b'");
  await to(page, /^More$/);
  await keys(page, "Enter");
  await to(page, /^Priority/);
  await page.keyboard.type("2"); // picks in the list
  await to(page, /^Add$/);
  await keys(page, "Enter");
  await until(async () => (await order()) === "typed", "the job");
  const job = (await queue()).queued.items[0];
  expect(await f.call("GET", `/api/jobs/${job?.job_id ?? ""}`)).toMatchObject({ priority: 2, params: { argv: ["echo", "a b"] } });
  await byKeysOnly(page);
});

it("cancels a job, and takes that back", async () => {
  for (const n of ["a", "b", "c"]) await add(n);
  const page = await open("/queue");
  await page.getByRole("listitem", { name: "b", exact: true }).waitFor();
  // The offer to take it back is there for 8 s: too short for many keys one after another on a busy machine.
  await page.evaluate(() => {
    const set = window.setTimeout.bind(window);
    window.setTimeout = ((f: () => void, ms?: number) => set(f, ms === 8000 ? 60_000 : ms)) as typeof window.setTimeout;
  });
  await to(page, /^a$/);
  await to(page, /^b$/, "ArrowDown");
  await keys(page, "c");
  await until(async () => (await order()) === "ac", "cancelled");
  await page.getByRole("button", { name: "Undo" }).waitFor();
  await to(page, /^Undo$/);
  await keys(page, "Enter");
  await until(async () => (await order()) === "abc", "back at its place");
  await byKeysOnly(page);
});

it("pauses the queue, and resumes it", async () => {
  await f.call("POST", "/api/queue/resume", {});
  const page = await open("/queue");
  await page.getByRole("heading", { level: 1 }).waitFor();
  await to(page, /^Pause$/);
  await keys(page, "Enter");
  await until(async () => (await queue()).paused, "paused");
  await page.locator("[data-paused]").waitFor();
  await to(page, /^Resume$/, "Shift+Tab");
  await keys(page, "Enter");
  await until(async () => !(await queue()).paused, "resumed");
  await page.locator("[data-paused]").waitFor({ state: "detached" }); // the page knows it too
  await keys(page, "Shift+P");
  await until(async () => (await queue()).paused, "paused by its shortcut");
  await byKeysOnly(page);
});

it("changes the number of slots", async () => {
  await f.call("PATCH", "/api/workers", { count: 2 });
  const page = await open("/queue");
  await page.getByRole("heading", { level: 1 }).waitFor();
  await to(page, /^Slots: More/);
  await keys(page, "Enter");
  await until(async () => (await f.call<{ count: number }>("GET", "/api/workers")).count === 3, "3 slots");
  await byKeysOnly(page);
});

it("runs a failed run again", async () => {
  await f.call("POST", "/api/queue/resume", {});
  const job = await add("fails", { params: { argv: ["false"] } });
  await until(async () => (await f.call<Job>("GET", `/api/jobs/${job.job_id}`)).status === "FAILED", "that it failed");
  await f.call("POST", "/api/queue/pause", {});
  const page = await open("/queue");
  await leap(page, ["g", "r"], "/runs");
  await page.getByRole("row").filter({ hasText: "fails" }).waitFor();
  await to(page, /^fails/);
  await keys(page, "Enter");
  await page.waitForURL(/\/runs\/run_/);
  await to(page, /^Retry|^Run again/);
  await keys(page, "Enter");
  await until(async () => (await order()) === "fails", "the new job");
  await byKeysOnly(page);
});

const workflow = (version: string, inputs: object = {}) => ({ kind: "Workflow", workflow_id: "keyed", inputs, nodes: [{ node_id: "one", type: "data", data_type: "set", config: { values: { v: version } } }] });

it("runs a workflow with inputs", async () => {
  await f.call("POST", "/api/workflows", workflow("1", { city: { type: "string", required: true } }));
  const page = await open("/queue");
  await leap(page, ["g", "w"], "/workflows");
  await page.getByRole("link", { name: "keyed" }).first().waitFor();
  await to(page, /^keyed/);
  await keys(page, "Enter");
  await page.waitForURL(/\/workflows\/keyed/);
  await page.getByRole("button", { name: "Run", exact: true }).waitFor();
  await to(page, /^Run$/);
  await keys(page, "Enter");
  await page.getByRole("dialog").waitFor();
  await to(page, /^City/);
  await page.keyboard.type("Seoul");
  await keys(page, "Enter");
  await page.waitForURL(/\/workflow-runs\/|run=/);
  await until(async () => (await f.call<{ items: { workflow_id: string }[] }>("GET", "/api/workflow-runs?workflow_id=keyed")).items.length === 1, "the run");
  await byKeysOnly(page);
});

it("rolls a workflow back", async () => {
  await f.call("POST", "/api/workflows", { ...workflow("1"), workflow_id: "rolled" });
  await f.call("POST", "/api/workflows", { ...workflow("2"), workflow_id: "rolled" });
  const page = await open("/workflows/rolled/versions");
  await page.getByRole("button", { name: "Roll back…" }).waitFor();
  await to(page, /^Roll back…$/);
  await keys(page, "Enter");
  await page.getByRole("dialog").waitFor();
  await to(page, /^Reason/);
  await page.keyboard.type("v2 loses data");
  await to(page, /^Roll back$/);
  // It cannot be pressed before the dialog knows what would change.
  await until(async () => (await page.getByRole("dialog").getByRole("button", { name: "Roll back", exact: true }).getAttribute("aria-disabled")) === null, "that it can be pressed");
  await keys(page, "Enter");
  await until(async () => (await f.call<{ active_version: number }>("GET", "/api/workflows/rolled")).active_version === 1, "version 1");
  await byKeysOnly(page);
});

it("logs in, and decides an approval", async () => {
  const job = await add("asks", { approval: { title: "Asked by keys" } });
  const page = await (await f.context({ anonymous: true })).newPage();
  watch(page);
  await page.addInitScript(() => {
    const w = window as unknown as { pointers: number };
    w.pointers = 0;
    addEventListener("pointerdown", () => w.pointers++, true);
  });
  await page.goto(`${f.server.url}/ui/login?next=/ui/approvals`);
  await page.getByLabel("Password").waitFor();
  await to(page, /^Name/);
  await page.keyboard.type("ann");
  await to(page, /^Password/);
  await page.keyboard.type(password);
  await keys(page, "Enter");
  await page.getByText("Asked by keys").waitFor();
  await to(page, /^Asked by keys/);
  await keys(page, "Enter");
  await page.locator("[data-step=none]").waitFor();
  await keys(page, "a");
  await page.locator("[data-step=approve]").waitFor();
  await keys(page, "Shift+A");
  await until(async () => (await f.call<{ items: { status: string }[] }>("GET", `/api/approvals?subject_type=job&subject_id=${job.job_id}`)).items[0]?.status === "APPROVED", "approved");
  await byKeysOnly(page);
});

it("switches a schedule off and on", async () => {
  await f.call("POST", "/api/job-templates", { name: "keyed", job_type: "command", params: { argv: ["true"] } });
  await f.call("POST", "/api/schedules", { name: "nightly", template_id: "keyed", trigger: { type: "CRON", expression: "0 3 * * *" } });
  const on = async () => (await f.call<{ enabled: boolean }>("GET", "/api/schedules/nightly")).enabled;
  const page = await open("/queue");
  await leap(page, ["g", "s"], "/schedules");
  await page.getByRole("switch").waitFor();
  await to(page, /^nightly: enabled$/);
  expect(await page.evaluate(() => document.activeElement?.getAttribute("role"))).toBe("switch");
  await keys(page, "Space");
  await until(async () => !(await on()), "off");
  await page.getByRole("switch", { name: "nightly: enabled", checked: false }).waitFor(); // the server knew it first
  await keys(page, "Space");
  await until(on, "on again");
  await byKeysOnly(page);
});

it("does through the palette what it names", async () => {
  await f.call("POST", "/api/queue/resume", {});
  await f.call("PATCH", "/api/workers", { count: 2 });
  const page = await open("/runs");
  await page.getByRole("heading", { level: 1 }).waitFor();
  const say = async (text: string, option: string) => {
    await keys(page, "Control+k");
    await page.getByRole("dialog").getByRole("combobox").waitFor();
    await page.keyboard.type(text);
    await page.getByRole("option", { name: option, selected: true }).waitFor();
    await keys(page, "Enter");
  };
  await say("pause queue", "Pause the queue");
  await until(async () => (await queue()).paused, "paused");
  await page.getByText("The queue is paused").first().waitFor();
  await say("resume", "Resume the queue");
  await until(async () => !(await queue()).paused, "resumed");
  await say("slots 4", "Slots: 4");
  await until(async () => (await f.call<{ count: number }>("GET", "/api/workers")).count === 4, "4 slots");
  await say("command line", "Copy this page as a command line");
  await page.getByText("Copied").first().waitFor();
  await say("add a job", "Add a job");
  await page.waitForURL("**/queue?add=1");
  await page.getByRole("dialog").getByRole("heading", { name: "Add a job" }).waitFor();
  await keys(page, "Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await say("new workflow", "New workflow");
  await page.waitForURL("**/workflows?new=1");
  await say("new schedule", "New schedule");
  await page.waitForURL("**/schedules?new=1");
  await say("first steps", "Welcome: first steps");
  await page.waitForURL("**/welcome");
  await say("한국어", "한국어");
  await page.locator("html[lang=ko]").waitFor();
  await byKeysOnly(page);
});

it("opens any id through the palette", async () => {
  const job = await add("found");
  await f.call("POST", "/api/queue/resume", {});
  await until(async () => (await queue()).running.length === 1, "that it runs");
  const run = (await f.call<{ items: { run_id: string }[] }>("GET", `/api/job-runs?job_id=${job.job_id}`)).items[0]?.run_id ?? "";
  const schedule = (await f.call<{ items: { schedule_id: string }[] }>("GET", "/api/schedules")).items[0]?.schedule_id ?? "";
  const page = await open("/queue");
  for (const id of [run, schedule]) {
    expect(id).not.toBe("");
    await keys(page, "Control+k");
    await page.getByRole("dialog").getByRole("combobox").waitFor();
    await page.keyboard.type(id);
    await keys(page, "Enter");
    await page.waitForURL(`**/${id}`);
  }
  await page.getByRole("heading", { level: 1, name: "nightly" }).waitFor();
  await byKeysOnly(page);
});
