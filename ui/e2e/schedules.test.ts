import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Page } from "playwright-core";
import { clockChanges, dateOf, day } from "./clocks";
import { axe, changes, errors, Fixture, overflow, until } from "./fixture";

interface Nominal {
  nominal_at: string;
  local: string;
  skip: string | null;
  marks: string[];
}
interface Schedule {
  schedule_id: string;
  name: string;
  enabled: boolean;
  skip_next: string[];
  timezone: string;
  trigger: { expression?: string };
  jitter: string | null;
}

let f: Fixture;
beforeAll(async () => {
  f = await Fixture.start();
  await f.call("POST", "/api/job-templates", { name: "report", job_type: "command", params: { argv: ["/bin/true"] } });
});
afterAll(() => f?.stop());

/** A new schedule; one of that name goes first. */
async function add(body: { name: string } & Record<string, unknown>): Promise<Schedule> {
  await remove(body.name);
  return f.call<Schedule>("POST", "/api/schedules", { template_id: "report", ...body });
}

async function remove(name: string): Promise<void> {
  const { items } = await f.call<{ items: Schedule[] }>("GET", "/api/schedules?limit=200");
  for (const s of items) if (s.name === name) await f.call("DELETE", `/api/schedules/${s.schedule_id}`);
}
const shownRows = (page: Page) => page.locator("tr[data-nominal]").evaluateAll((rows) => rows.map((r) => ({ nominal_at: r.getAttribute("data-nominal"), local: r.getAttribute("data-local"), skip: r.getAttribute("data-skip") })));
const ready = (page: Page) => page.locator("[data-preview=ready]").waitFor();
const brief = (list: Nominal[]) => list.map((n) => ({ nominal_at: n.nominal_at, local: n.local, skip: n.skip }));

/** The coming Thanksgiving of New York, the fourth Thursday of November, whose week has not begun; and days around it. */
function thanksgiving(): (plus: number) => string {
  for (let year = new Date().getUTCFullYear(); ; year++) {
    const at = Date.UTC(year, 10, 22 + ((11 - new Date(Date.UTC(year, 10, 1)).getUTCDay()) % 7));
    if (at - 5 * day > Date.now()) return (plus) => dateOf(at + plus * day);
  }
}

// All of one season first, so that the zone differs each time.
const changesIn = (...zones: string[]) => zones.flatMap((zone) => clockChanges(zone).map((c) => ({ zone, ...c }))).sort((a, b) => a.kind.localeCompare(b.kind));

describe("the editor", () => {
  it("shows the server's next 20 fires over changes of clocks in three zones, in a browser of a fourth", async () => {
    const page = await f.page("/schedules?new=1", { timezone: "America/St_Johns" });
    await page.getByText("Exclusions and clock changes").click();
    for (const { zone, date } of changesIn("America/New_York", "Europe/Berlin", "Australia/Lord_Howe")) {
      const start = `${dateOf(Date.parse(date) - 3 * day)}T00:00:00Z`;
      const cron = "*/30 1-2 * * *";
      await page.getByLabel("Cron expression").fill(cron);
      await page.getByLabel("Time zone", { exact: true }).fill(zone);
      await page.getByRole("option", { name: zone, exact: true }).click();
      await page.getByLabel(/^Not before/).fill(start);
      const want = await f.call<{ items: Nominal[] }>("POST", "/api/schedules/preview", { trigger: { type: "CRON", expression: cron }, timezone: zone, start_at: start, count: 20 });
      await until(async () => JSON.stringify(await shownRows(page)) === JSON.stringify(brief(want.items)), `the server's list for ${zone} from ${start}`);
      // What a person reads is the wall time of the schedule's zone, not the browser's.
      const first = await page.locator("tr[data-nominal] td").first().innerText();
      expect(first).toContain(want.items[0]?.local.slice(11, 16));
      expect(new Set(want.items.map((n) => n.local.slice(19))).size, `${zone} ${start}: clocks change`).toBe(2);
    }
    expect(errors(page)).toEqual([]);
  });

  it("makes a schedule with the builder, and changes only what was changed", async () => {
    await remove("built");
    const page = await f.page("/schedules");
    await page.getByRole("button", { name: "New schedule" }).first().click();
    const calls = changes(page);
    await page.getByLabel(/^Name/).fill("built");
    await page.getByRole("button", { name: "New schedule" }).click();
    await page.getByText("Must be given").first().waitFor();
    await page.getByRole("combobox", { name: "Template" }).fill("report");
    await page.getByRole("option", { name: /report/ }).click();
    await page.getByRole("combobox", { name: "Repeats" }).selectOption({ label: "Daily" });
    await page.getByLabel("At", { exact: true }).fill("07:45");
    await until(async () => (await page.getByLabel("Cron expression").inputValue()) === "45 7 * * *", "the expression");
    await ready(page);
    expect(await axe(page)).toEqual([]);
    await page.getByRole("button", { name: "New schedule" }).click();
    await page.getByRole("heading", { level: 1, name: "built" }).waitFor();
    expect(await f.call<Schedule>("GET", "/api/schedules/built")).toMatchObject({ trigger: { expression: "45 7 * * *" }, timezone: "UTC" });
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await page.getByText("Spread and limits").click();
    await page.getByLabel(/^Jitter/).fill("5m");
    await page.getByRole("button", { name: "Save" }).click();
    await page.waitForURL((u) => !u.searchParams.has("edit"));
    expect(calls.filter((c) => c.method === "PATCH").map((c) => c.body)).toEqual([{ jitter: "PT5M" }]);
    expect(await f.call<Schedule>("GET", "/api/schedules/built")).toMatchObject({ jitter: "PT5M", trigger: { expression: "45 7 * * *" } });
  });

  it("marks the half day of XNYS, and leaves its holiday out", async () => {
    const page = await f.page("/schedules?new=1");
    await page.getByText("Market", { exact: true }).click();
    await page.getByLabel(/^Calendar/).fill("XNYS");
    await page.getByRole("option", { name: /XNYS/ }).click();
    await page.getByLabel(/^Offset/).fill("-10m");
    await page.getByText("Exclusions and clock changes").click();
    const thanks = thanksgiving();
    await page.getByLabel(/^Not before/).fill(`${thanks(-1)}T00:00:00Z`);
    const half = page.locator(`tr[data-nominal="${thanks(1)}T17:50:00Z"]`);
    await half.waitFor();
    await half.getByText("Half day").waitFor();
    expect((await shownRows(page)).map((r) => r.nominal_at?.slice(0, 10))).not.toContain(thanks(0));
  });
});

describe("the list", () => {
  it("is sorted by next fire, and switches, skips and runs by keys and buttons", async () => {
    // In an hour and in half a year: neither fires while it is looked at.
    const [soonAt, lateAt] = [new Date(Date.now() + day / 24), new Date(Date.now() + 180 * day)];
    await add({ name: "zz-soon", cron: `${soonAt.getUTCMinutes()} ${soonAt.getUTCHours()} * * *`, timezone: "UTC" });
    await add({ name: "aa-late", cron: `0 0 1 ${lateAt.getUTCMonth() + 1} *`, timezone: "Asia/Seoul" });
    const page = await f.page("/schedules", { timezone: "Asia/Tokyo" });
    await page.getByRole("link", { name: "zz-soon" }).waitFor();
    const names = await page.locator("tbody tr[data-id] a").evaluateAll((all) => all.map((a) => a.textContent));
    expect(names.indexOf("zz-soon")).toBeLessThan(names.indexOf("aa-late"));
    const row = page.locator("tr", { has: page.getByRole("link", { name: "aa-late" }) });
    expect(await row.locator("time").first().innerText()).toMatch(/00:00$/);
    await page.getByText("My time", { exact: true }).click();
    await page.waitForURL("**clock=mine**");
    await row.focus();
    await page.keyboard.press("e");
    await until(async () => !(await f.call<Schedule>("GET", "/api/schedules/aa-late")).enabled, "paused by E");
    await row.getByText("Paused").waitFor();
    const soon = page.locator("tr", { has: page.getByRole("link", { name: "zz-soon" }) });
    await soon.focus();
    await page.keyboard.press("n");
    await page.getByRole("dialog").getByRole("button", { name: "Run now" }).click();
    await until(async () => (await f.call<{ items: unknown[] }>("GET", "/api/schedules/zz-soon/history?source=manual")).items.length === 1, "run by N");
    await soon.getByRole("button", { name: /Actions of/ }).click();
    await page.getByRole("menuitem", { name: "Skip next…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Skip 1" }).click();
    await until(async () => (await f.call<Schedule>("GET", "/api/schedules/zz-soon")).skip_next.length === 1, "skipped");
    await soon.getByText("Skipped by request").filter({ visible: true }).first().waitFor();
    expect(await axe(page)).toEqual([]);
    expect(errors(page)).toEqual([]);
  });

  it("backfills only after a look", async () => {
    const page = await f.page("/schedules/zz-soon");
    await page.getByRole("button", { name: /Actions of/ }).click();
    await page.getByRole("menuitem", { name: "Backfill…" }).click();
    const calls = changes(page);
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("From").fill("2026-01-01T00:00");
    await dialog.getByLabel("To").fill("2026-01-04T00:00");
    await dialog.getByRole("button", { name: "Look" }).click();
    await dialog.getByRole("button", { name: "Run 3" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(calls.filter((c) => c.path.endsWith("/backfill")).map((c) => (c.body as { dry_run: boolean }).dry_run)).toEqual([true, false]);
    await page.getByRole("tab", { name: "History" }).click();
    await page.getByText("Backfill", { exact: true }).first().waitFor();
  });
});

it("keeps a run by hand and one by time of the same second, and shows each once", async () => {
  // It fires each second: whenever somebody runs it by hand, it is in such a second.
  const { schedule_id: id } = await add({ name: "each-second", cron: "* * * * * *", timezone: "UTC", overlap: "allow" });
  interface Entry { nominal_at: string; again: number; source: string; job_id: string; kind: string }
  const history = async () => (await f.call<{ items: Entry[] }>("GET", `/api/schedules/${id}/history?kind=run&limit=200`)).items;
  const byTime = async () => (await history()).filter((e) => e.source === "schedule").length;
  await until(async () => (await byTime()) > 0, "the first by time");
  const page = await f.page(`/schedules/${id}?tab=history&show=run`);
  await page.locator("[role=tabpanel] tr[data-id]").first().waitFor();
  const calls = changes(page);
  for (let i = 1; i <= 2; i++) {
    await page.getByRole("button", { name: "Run now", exact: true }).click();
    // Also who clicks twice wants one run; and others want some at the same moment.
    const others = [1, 2, 3].map(() => f.call("POST", `/api/schedules/${id}/run-now`, {}));
    await Promise.all([page.getByRole("dialog").getByRole("button", { name: "Run now" }).dblclick(), ...others]);
    await page.getByRole("dialog").waitFor({ state: "detached" });
    const before = await byTime();
    await until(async () => (await byTime()) > before + 1, "more by time");
  }
  expect(calls.map((c) => c.path)).toEqual([1, 2].map(() => `/api/schedules/${id}/run-now`));
  await f.call("POST", `/api/schedules/${id}/disable`, {});
  await until(async () => (await f.call<{ items: unknown[] }>("GET", `/api/jobs?schedule_id=${id}&status=QUEUED,RUNNING&limit=1`)).items.length === 0, "the end of all");

  const all = await history();
  const timed = all.filter((e) => e.source === "schedule").map((e) => Date.parse(e.nominal_at)).sort((a, b) => a - b);
  const first = timed[0] ?? 0;
  expect(timed, "by time, each second once").toEqual(timed.map((_, i) => first + i * 1000));
  const byHand = all.filter((e) => e.source === "manual");
  expect(byHand).toHaveLength(8);
  for (const e of byHand) expect(timed, "a run by time in the same second").toContain(Math.floor(Date.parse(e.nominal_at) / 1000) * 1000);
  const runs = (await f.call<{ items: { run_id: string; job_id: string; status: string }[] }>("GET", `/api/job-runs?schedule_id=${id}&limit=200`)).items;
  expect(runs.map((r) => r.job_id).sort()).toEqual(all.map((e) => e.job_id).sort());
  expect(new Set(runs.map((r) => `${r.job_id} ${r.status}`))).toEqual(new Set(all.map((e) => `${e.job_id} COMPLETED`)));

  // The page reads them as they come, page by page.
  const shown = () => page.locator("[role=tabpanel] tr[data-id] a[href*='/runs?job=']").evaluateAll((links) => links.map((a) => new URL((a as HTMLAnchorElement).href).searchParams.get("job")));
  await until(async () => {
    const more = page.getByRole("button", { name: "More", exact: true });
    if (await more.isVisible()) await more.click();
    return JSON.stringify(await shown()) === JSON.stringify(all.map((e) => e.job_id));
  }, "all entries, in order, each once");
  await page.goto(`${f.server.url}/ui/runs?schedule=${id}&range=all`);
  await page.getByText("These are all runs of the list.").waitFor();
  await until(async () => (await page.getByRole("table").getAttribute("aria-rowcount")) === String(runs.length + 1), "all runs, each once");
  expect(errors(page)).toEqual([]);
  await f.call("DELETE", `/api/schedules/${id}`);
});

describe("the calendar", () => {
  it("shows holidays and half days by name, and the fires that the server tells", async () => {
    await add({ name: "at-close", calendar: "XNYS", timezone: "America/New_York", trigger: { type: "EVENT", event: "MARKET_CLOSE", offset: "-PT10M" } });
    await add({ name: "daily-ny", calendar: "XNYS", timezone: "America/New_York", cron: "0 9 * * MON-FRI" });
    const thanks = thanksgiving();
    const page = await f.page(`/schedules/calendar?view=week&date=${thanks(-1)}&zone=America/New_York&mic=XNYS`, { timezone: "Asia/Seoul" });
    await page.locator(`[data-holiday='${thanks(0)}']`).getByText("Thanksgiving").waitFor();
    await page.locator(`[data-half='${thanks(1)}']`).getByText(/13:00/).waitFor();
    await page.locator(`[data-session='${thanks(1)}'][data-early]`).waitFor();
    const from = `${thanks(-4)}T05:00:00.000Z`;
    const to = `${thanks(3)}T05:00:00.000Z`;
    const want = await f.call<{ items: { nominal_at: string; schedule_id: string }[] }>("GET", `/api/schedule-fires?from=${from}&to=${to}`);
    const ids = await Promise.all(["at-close", "daily-ny"].map(async (n) => (await f.call<Schedule>("GET", `/api/schedules/${n}`)).schedule_id));
    const mine = want.items.filter((i) => ids.includes(i.schedule_id));
    expect(mine.length).toBeGreaterThan(8);
    for (const i of mine) await page.locator(`a[href$="${i.schedule_id}"][data-at="${new Date(i.nominal_at).toISOString()}"]`).first().waitFor({ state: "attached" });
    await page.locator("[data-skip=holiday]").first().waitFor({ state: "attached" });
    expect(await axe(page)).toEqual([]);
  });

  it("shows whole names in a week, one below the other, and three days at once on a phone", async () => {
    const names = ["translate-the-morning-news", "nightly-backup", "rebuild-index"];
    const made = await Promise.all(names.map((name, i) => add({ name, cron: `${i * 5} 9 * * *`, timezone: "UTC" })));
    const ours = made.map((s) => `[data-calendar] a[href$="${s.schedule_id}"]`).join(", ");
    for (const width of [1440, 375]) {
      const page = await f.page(`/schedules/calendar?view=week&date=${dateOf(Date.now() + 14 * day)}&zone=UTC&mic=-`, { width, height: 900 });
      await page.locator("[data-ready='1']").waitFor();
      await until(async () => (await page.locator(ours).count()) === 21, "three fires a day");
      // The width of a column is known a moment later.
      await until(async () => (await page.locator(ours).evaluateAll((all) => all.filter((a) => [a, ...a.querySelectorAll("span")].some((e) => !e.ariaHidden && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1) && getComputedStyle(e).display !== "inline")).length)) === 0, `that nothing is cut at ${width} px`);
      const boxes = await page.locator(ours).evaluateAll((all) => all.map((a) => a.getBoundingClientRect()).map((r) => ({ x: Math.round(r.x), top: r.top, bottom: r.bottom })));
      expect(boxes.some((a, i) => boxes.some((b, j) => j !== i && a.x === b.x && a.top < b.bottom - 1 && b.top < a.bottom - 1))).toBe(false);
      const whole = await page.getByRole("region", { name: "Week" }).evaluate((region) => {
        const room = region.getBoundingClientRect();
        return [...region.querySelectorAll("[data-day]")].map((d) => d.getBoundingClientRect()).filter((d) => d.left >= room.left && d.right <= room.right + 16).length;
      });
      expect(whole).toBeGreaterThanOrEqual(width === 375 ? 3 : 7);
      expect(await axe(page)).toEqual([]);
      await page.close();
    }
    for (const s of made) await f.call("DELETE", `/api/schedules/${s.schedule_id}`);
  });

  it("names holidays in Korean", async () => {
    const thanks = thanksgiving()(0);
    const page = await f.page(`/schedules/calendar?view=week&date=${thanks}&zone=America/New_York&mic=XNYS`, { locale: "ko-KR" });
    await page.locator(`[data-holiday='${thanks}']`).getByText("추수감사절").waitFor();
  });

  it("bundles what fires every 5 minutes, so that a week stays readable", async () => {
    const { schedule_id } = await add({ name: "every-5-minutes", cron: "*/5 3 * * *", timezone: "UTC" });
    for (const width of [1440, 375]) {
      const page = await f.page(`/schedules/calendar?view=week&date=${dateOf(Date.now() + 14 * day)}&zone=UTC&mic=-&schedule=${schedule_id}`, { width, height: 900 });
      await page.locator("[data-count='12']").first().waitFor();
      await until(async () => (await page.locator(`[data-calendar] a[href$="${schedule_id}"]`).count()) === 7, `one bundle a day at ${width} px`);
      expect(await page.locator("[data-count]").first().textContent()).toBe("03:00 12 × every-5-minutes");
      expect(await overflow(page)).toBeLessThanOrEqual(0);
      await page.close();
    }
    await f.call("DELETE", `/api/schedules/${schedule_id}`);
  });

  it("says from which day on a schedule fires more often than is shown", async () => {
    const { schedule_id } = await add({ name: "every-quarter", cron: "*/15 * * * *", timezone: "UTC" });
    for (const view of ["week", "month"]) {
      const page = await f.page(`/schedules/calendar?view=${view}&date=${dateOf(Date.now() + 45 * day)}&zone=UTC&mic=-&schedule=${schedule_id}`);
      await page.locator("[data-cut]").first().waitFor();
      // 300 of them: three whole days and an eighth of the fourth.
      const days = await page.locator("[data-calendar] [data-day]").count();
      expect(await page.locator("[data-cut]").count()).toBe(days - 3);
      expect(await page.locator("[data-cut]").first().textContent()).toBe("More, not shown");
      if (view === "week") {
        const off = await page.locator("[data-calendar] li > a[data-at]").evaluateAll((all) => all.map((a) => (a.parentElement?.offsetTop ?? 0) - new Date(a.getAttribute("data-at") ?? "").getUTCHours() * 40));
        expect(off.every((px) => px >= 0 && px < 40)).toBe(true);
      }
      expect(await axe(page)).toEqual([]);
      await page.close();
    }
    await f.call("DELETE", `/api/schedules/${schedule_id}`);
  });

  it("shows a person's own times in the chosen zone", async () => {
    await add({ name: "in-seoul", cron: "0 9 * * *", timezone: "Asia/Seoul" });
    const page = await f.page("/schedules", { timezone: "America/New_York" });
    await page.evaluate(() => localStorage.setItem("runsheet.zone", "Europe/Berlin"));
    await page.goto(`${f.server.url}/ui/schedules/in-seoul`);
    await page.getByText("Time in Europe/Berlin").first().waitFor();
    expect(await page.getByText("America/New_York").count()).toBe(0);
  });

  it("leads from the history to the runs of that job", async () => {
    const { schedule_id } = await add({ name: "by-hand", cron: "0 0 1 1 *", timezone: "UTC" });
    for (let i = 1; i <= 2; i++) {
      await f.call("POST", `/api/schedules/${schedule_id}/run-now`, {});
      await until(async () => (await f.call<{ items: object[] }>("GET", `/api/job-runs?schedule_id=${schedule_id}&status=COMPLETED`)).items.length === i, `the end of run ${i}`);
    }
    const page = await f.page(`/schedules/${schedule_id}?tab=history`);
    await page.locator("[role=tabpanel] a[href*='/runs?job=']").first().click();
    await page.waitForURL((u) => u.pathname === "/ui/runs" && u.searchParams.has("job"));
    await until(async () => (await page.locator("[role=row][data-id]").count()) === 1, "the run of that job only");
    await page.getByRole("button", { name: /^Remove .*job_/ }).click();
    await until(async () => (await page.locator("[role=row][data-id]").count()) > 1, "the runs of others too");
  });

  it("marks the days on which clocks change, and turns by keys", async () => {
    for (const { zone, date, kind } of changesIn("America/New_York", "Europe/Berlin", "Australia/Lord_Howe")) {
      const page = await f.page(`/schedules/calendar?view=week&date=${date}&zone=${zone}&mic=-`, { timezone: "UTC" });
      await page.locator(`[data-day='${date}'] [data-dst=${kind}]`).waitFor();
      await page.keyboard.press("ArrowRight");
      await page.locator(`[data-day='${date}']`).waitFor({ state: "detached" });
      await page.keyboard.press("ArrowLeft");
      await page.locator(`[data-day='${date}'] [data-dst=${kind}]`).waitFor();
      await page.keyboard.press("t");
      await page.waitForURL((u) => !u.searchParams.has("date"));
      await page.close();
    }
  });

  it("overrides a date after showing what that does", async () => {
    const date = thanksgiving()(6); // a Wednesday with a session
    const page = await f.page(`/schedules/calendar?view=month&date=${date}&zone=America/New_York&mic=XNYS`);
    await page.getByRole("button", { name: "Overrides…" }).click();
    const drawer = page.getByRole("dialog");
    await drawer.getByLabel("Date", { exact: true }).fill(date);
    await drawer.getByLabel(/^Name or reason/).fill("Company day");
    await drawer.getByRole("button", { name: "See what changes" }).click();
    await drawer.getByText("Removed").first().waitFor();
    await drawer.getByRole("button", { name: "Save override" }).click();
    await drawer.locator(`[data-override='${date}']`).waitFor();
    await page.keyboard.press("Escape");
    await page.locator(`[data-holiday='${date}']`).getByText("Company day").waitFor();
    await page.getByRole("button", { name: "Overrides…" }).click();
    await page.getByRole("button", { name: `Remove override of ${date}` }).click();
    await page.locator(`[data-override='${date}']`).waitFor({ state: "detached" });
  });
});

it("fits a phone in both themes", async () => {
  for (const theme of ["light", "dark"] as const) {
    const context = await f.context({ width: 375, height: 812, theme, touch: true });
    const page = await context.newPage();
    for (const path of ["/schedules", "/schedules?new=1", "/schedules/daily-ny", "/schedules/daily-ny?tab=history", `/schedules/calendar?date=${thanksgiving()(-1)}&mic=XNYS`, `/schedules/calendar?view=month&date=${thanksgiving()(-1)}&mic=XNYS`, `/schedules/calendar?view=week&date=${thanksgiving()(-1)}&mic=XNYS`]) {
      await page.goto(`${f.server.url}/ui${path}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
      await page.locator("[data-ready='1'], tr[data-id], tr[data-nominal], [data-preview], [role=tabpanel]").first().waitFor();
      expect(await overflow(page), path).toBeLessThanOrEqual(0);
      expect(await axe(page), path).toEqual([]);
    }
    await context.close();
  }
});
