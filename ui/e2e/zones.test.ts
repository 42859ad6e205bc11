// The browser's zone and the schedule's: what stands in the page is what clocks show in both.
import { afterAll, beforeAll, expect, it } from "vitest";
import { clockChanges, dateOf, day } from "./clocks";
import { errors, Fixture, until } from "./fixture";

interface Fires { items: { nominal_at: string; local: string; schedule_id: string }[] }

let f: Fixture;
beforeAll(async () => {
  f = await Fixture.start();
});
afterAll(() => f?.stop());

const zones = ["Asia/Seoul", "America/New_York", "Pacific/Chatham", "UTC"];
const changing = ["America/New_York", "Pacific/Chatham"];

/** The days that matter for two zones: clocks of the one go forward, or those of the other back; of both in one zone. */
function daysOf(browser: string, schedule: string): string[] {
  const of = (zone: string, kind: string) => (changing.includes(zone) ? clockChanges(zone).filter((c) => c.kind === kind).map((c) => c.date) : []);
  const dates = [...of(schedule, "spring"), ...of(browser, "autumn")];
  return dates.length > 0 ? dates : of("America/New_York", "spring");
}

const texts = new Map<string, Intl.DateTimeFormat>();
/** What a clock in a zone shows at an instant, as the pages write it. */
function clock(at: string, zone: string): string {
  let text = texts.get(zone);
  if (!text) texts.set(zone, (text = new Intl.DateTimeFormat("en", { weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone })));
  return text.format(Date.parse(at));
}

/** The same as 2027-03-14T03:00. */
function wall(at: string, zone: string): string {
  return new Intl.DateTimeFormat("sv", { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", timeZone: zone }).format(Date.parse(at)).replace(" ", "T");
}

it.each(zones)("shows in a browser of %s when schedules of all zones fire, by both clocks", async (browser) => {
  const page = await f.page("/schedules", { timezone: browser });
  for (const zone of zones) {
    for (const date of daysOf(browser, zone)) {
      const id = (await f.call<{ schedule_id: string }>("POST", "/api/schedules", {
        name: `${browser} ${zone} ${date}`.replace(/[/ ]/g, "-"), job: { job_type: "command", params: { argv: ["true"] } }, timezone: zone, cron: "50 0,1,2,3,12 * * *", start_at: `${dateOf(Date.parse(date) - 2 * day)}T00:00:00Z`,
      })).schedule_id;
      const { items: next } = await f.call<Fires>("GET", `/api/schedules/${id}/next?count=20`);
      expect(next.map((n) => n.local.slice(0, 16)), "the API's local times").toEqual(next.map((n) => wall(n.nominal_at, zone)));

      const differ = next.some((n) => clock(n.nominal_at, zone) !== clock(n.nominal_at, browser));
      const want = next.map((n) => [clock(n.nominal_at, zone), ...(differ ? [clock(n.nominal_at, browser)] : [])]);
      await page.goto(`${f.server.url}/ui/schedules/${id}?edit=1`);
      const rows = page.locator("tr[data-nominal]");
      await until(async () => (await rows.count()) === 20, "20 times in the preview");
      const cells = await rows.evaluateAll((all) => all.map((r) => [...r.querySelectorAll("td")].slice(0, -1).map((td) => (td.querySelector("span") ?? td).textContent)));
      expect(cells).toEqual(want);
      expect((await page.locator("table:has(tr[data-nominal]) th").allTextContents()).slice(0, -1)).toEqual([`Time in ${zone}`, ...(differ ? [`Time in ${browser} (My time)`] : [])]);

      const { items: around } = await f.call<Fires>("GET", `/api/schedule-fires?from=${dateOf(Date.parse(date) - 9 * day)}T00:00:00Z&to=${dateOf(Date.parse(date) + 9 * day)}T00:00:00Z`);
      const fires = around.filter((i) => i.schedule_id === id).map((i) => i.nominal_at);
      for (const shown of new Set([browser, zone])) {
        // The browser's own zone needs not be named.
        await page.goto(`${f.server.url}/ui/schedules/calendar?view=week&date=${date}&mic=-&schedule=${id}${shown === browser ? "" : `&zone=${shown}`}`);
        await page.locator("[data-ready='1']").waitFor();
        const week = await page.locator("[data-day]").evaluateAll((all) => all.map((e) => e.getAttribute("data-day") ?? ""));
        expect(week).toHaveLength(7);
        const due = fires.map((at) => ({ at: new Date(at).toISOString(), wall: wall(at, shown) })).filter((x) => week.includes(x.wall.slice(0, 10)));
        expect(due.length, "fires of that week").toBeGreaterThan(9);
        const standing = () => page.locator("[data-calendar] ul[aria-label] a[data-at]").evaluateAll((all) => all.map((a) => ({ at: a.getAttribute("data-at") ?? "", wall: `${a.closest("ul")?.getAttribute("aria-label")}T${(a.textContent ?? "").slice(0, 5)}` })));
        const sorted = (list: { at: string; wall: string }[]) => list.sort((a, b) => a.at.localeCompare(b.at));
        expect(sorted(await standing()), `the week of ${date} by clocks of ${shown}`).toEqual(sorted(due));
      }
      await f.call("DELETE", `/api/schedules/${id}`);
    }
  }
  expect(errors(page)).toEqual([]);
});
