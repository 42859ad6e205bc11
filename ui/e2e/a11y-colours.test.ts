// With the few colours that a system forces, backgrounds and shades are gone: what they say must be said by words,
// icons, borders and outlines too.
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { axe, errors, Fixture, until } from "./fixture";

let f: Fixture;
beforeAll(async () => {
  f = await Fixture.start();
  const job = (name: string, argv: string[], more: object = {}) => f.call<{ job_id: string }>("POST", "/api/jobs", { trigger: "manual", job_type: "command", name, params: { argv }, ...more });
  const done = [await job("well", ["true"]), await job("badly", ["false"])];
  for (const j of done) await until(async () => ["COMPLETED", "FAILED"].includes((await f.call<{ status: string }>("GET", `/api/jobs/${j.job_id}`)).status), "its end");
  await f.call("POST", "/api/queue/pause", {});
  await job("held", ["true"], { hold: true, priority: 2 });
  await job("asks", ["true"], { approval: {} });
  await f.call("POST", "/api/job-templates", { name: "report", job_type: "command", params: { argv: ["true"] } });
  await f.call("POST", "/api/schedules", { name: "nightly", template_id: "report", trigger: { type: "CRON", expression: "0 3 * * *" } });
  await f.call("POST", "/api/workflows", { kind: "Workflow", workflow_id: "flow", nodes: [{ node_id: "one", type: "data", data_type: "set", config: { values: { x: 1 } } }] });
});
afterAll(() => f?.stop());

/** The stops of Tab whose focus nobody sees, and how many stops there are. */
async function focusStops(page: Page, most: number): Promise<{ stops: number; unseen: string[] }> {
  const unseen: string[] = [];
  let stops = 0;
  for (let i = 0; i < most; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const e = document.activeElement;
      if (!e || e === document.body || e.shadowRoot) return null; // an editor draws its own
      const s = getComputedStyle(e);
      const own = document.activeElement?.matches("[data-again]");
      e.setAttribute("data-again", "");
      return { own, seen: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1, html: e.outerHTML.slice(0, 140) };
    });
    if (!at) continue;
    if (at.own) break;
    stops++;
    if (!at.seen) unseen.push(at.html);
  }
  return { stops, unseen };
}

/** Things to press, fill in or tell apart that have no border, and states without a word and an icon. */
const plain = (page: Page) =>
  page.evaluate(() => {
    const shown = (e: Element) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && e.getBoundingClientRect().width > 1;
    const bordered = (e: Element) => {
      const s = getComputedStyle(e);
      return ["Top", "Right", "Bottom", "Left"].some((side) => s.getPropertyValue(`border-${side.toLowerCase()}-style`) !== "none" && parseFloat(s.getPropertyValue(`border-${side.toLowerCase()}-width`)) >= 1);
    };
    const out: string[] = [];
    for (const e of document.querySelectorAll("button, input:not([type=checkbox]):not([type=radio]), select, textarea, [role=dialog], .chip")) if (shown(e) && !e.closest("[popover]") && !bordered(e)) out.push(`no border: ${e.outerHTML.slice(0, 140)}`);
    for (const e of document.querySelectorAll("[data-state].chip")) if (shown(e) && (!e.querySelector("svg") || !e.textContent?.trim())) out.push(`no icon or word: ${e.outerHTML.slice(0, 140)}`);
    // What is chosen differs from its neighbours by more than a background.
    for (const e of document.querySelectorAll("nav [aria-current=page], [role=tab][aria-selected=true], [aria-pressed=true]")) {
      if (!shown(e)) continue;
      const s = getComputedStyle(e);
      if (s.outlineStyle === "none" && s.textDecorationLine === "none" && parseFloat(s.borderBottomWidth) < 2) out.push(`chosen, but looks like the others: ${e.outerHTML.slice(0, 140)}`);
    }
    // A switch shows where it stands.
    for (const e of document.querySelectorAll("[role=switch] > span")) if (getComputedStyle(e).backgroundColor === getComputedStyle(e.parentElement as Element).backgroundColor && !bordered(e)) out.push(`no thumb: ${e.outerHTML.slice(0, 140)}`);
    return out;
  });

const paths = ["/queue", "/queue?add=1", "/runs", "/workflows", "/workflows/flow", "/approvals", "/schedules", "/schedules?new=1", "/schedules/calendar", "/templates", "/directives", "/webhooks", "/system/workers", "/system/secrets", "/system/users", "/system/audit", "/system/settings", "/welcome"];

for (const theme of ["light", "dark"] as const) {
  it(`says everything without colours of its own, ${theme}`, async () => {
    const page = await f.page("/queue", { theme });
    await page.emulateMedia({ forcedColors: "active", colorScheme: theme, reducedMotion: "reduce" });
    const found: string[] = [];
    for (const path of paths) {
      await page.goto(`${f.server.url}/ui${path}`);
      await page.getByRole("heading", { level: path.includes("?") ? 2 : 1 }).first().waitFor();
      await page.locator(".skeleton").waitFor({ state: "detached" }).catch(() => undefined);
      expect(await page.evaluate(() => matchMedia("(forced-colors: active)").matches)).toBe(true);
      // Contrast is the system's here; axe reads the page's own text colour where the system's is painted.
      for (const x of [...(await plain(page)), ...(await axe(page)).filter((v) => !v.startsWith("color-contrast:"))]) found.push(`${path} ${x}`);
      let unseen: string[] = [];
      await until(async () => { // a form comes after its dialog
        const all = await focusStops(page, 60);
        unseen = all.unseen;
        return all.stops > 3;
      }, `more than three stops at ${path}`);
      for (const x of unseen) found.push(`${path} no focus ring: ${x}`);
    }
    expect([...new Set(found)]).toEqual([]);
    expect(errors(page)).toEqual([]);
  });
}

it("shows where the focus is in a menu and in the palette", async () => {
  const page = await f.page("/queue");
  await page.emulateMedia({ forcedColors: "active" });
  await page.getByRole("listitem", { name: "held" }).press(".");
  const item = page.getByRole("menuitem").first();
  await item.waitFor();
  const outlined = (e: Element) => getComputedStyle(e).outlineStyle !== "none";
  await until(() => item.evaluate((e) => e === document.activeElement), "the focus in the menu");
  expect(await item.evaluate(outlined)).toBe(true);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.getByRole("option").first().waitFor();
  expect(await page.locator("[role=option][aria-selected=true]").first().evaluate(outlined)).toBe(true);
});
