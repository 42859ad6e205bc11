import { afterAll, beforeAll, expect, it } from "vitest";
import { axe, errors, Fixture, leap, overflow, password, watch } from "./fixture";

let f: Fixture;
beforeAll(async () => {
  f = await Fixture.start();
});
afterAll(() => f?.stop());

const paths = ["/queue", "/runs", "/workflows", "/approvals", "/schedules", "/schedules/calendar", "/templates", "/directives", "/webhooks", "/system/workers", "/system/secrets", "/system/users", "/system/audit", "/system/settings", "/welcome"];

it("leads who is not logged in to the login, and back", async () => {
  const page = await f.page("/system/audit", { anonymous: true });
  await page.getByLabel("Name").fill("admin");
  await page.getByLabel("Password").fill(password);
  expect(await axe(page)).toEqual([]);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForURL("**/ui/system/audit");
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.getByRole("button", { name: /Account/ }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await page.waitForURL("**/ui/login**");
  expect(errors(page)).toEqual([]);
});

it("goes to pages by keys, and opens pasted ids", async () => {
  const page = await f.page("/queue");
  await page.locator("[data-link=live]").waitFor();
  await leap(page, ["g", "r"], "/runs");
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog").getByRole("combobox").fill("run_01jh0000000000000000000000");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/ui/runs/run_01jh0000000000000000000000");
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  expect(await axe(page)).toEqual([]);
});

it("can be paused, and says when the connection is lost", async () => {
  const page = await f.page("/runs");
  await page.locator("[data-link=live]").waitFor();
  await page.keyboard.press("p");
  await page.locator("[data-banner=paused]").waitFor();
  await page.keyboard.press("p");
  await page.locator("[data-link=live]").waitFor();
});

for (const theme of ["light", "dark"] as const) {
  for (const width of [1440, 375]) {
    it(`shows every page, ${theme}, ${width} px`, async () => {
      const context = await f.context({ theme, width, height: width === 375 ? 812 : 900 });
      const page = await context.newPage();
      watch(page);
      let asked: string[] = [];
      page.on("request", (r) => {
        if (r.method() === "GET" && new URL(r.url()).pathname.startsWith("/api/")) asked.push(r.url());
      });
      for (const path of paths) {
        asked = [];
        await page.goto(`${f.server.url}/ui${path}`);
        await page.getByRole("heading", { level: 1 }).waitFor();
        await page.waitForLoadState("networkidle");
        expect(asked.filter((url, i) => asked.indexOf(url) !== i), `${path} asks twice`).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe(theme);
        expect(await overflow(page), path).toBeLessThanOrEqual(0);
        expect(await axe(page), path).toEqual([]);
      }
      expect(errors(page)).toEqual([]);
      await context.close();
    });
  }
}

it("speaks Korean to a Korean browser", async () => {
  const page = await f.page("/queue", { locale: "ko-KR" });
  await page.getByRole("link", { name: "대기열", exact: true }).first().waitFor();
  expect(await page.evaluate(() => document.documentElement.lang)).toBe("ko");
  // Who holds a job, and what was refused, are said by codes.
  const { job_id } = await f.call<{ job_id: string }>("POST", "/api/jobs", { job_type: "command", name: "보고서", params: { argv: ["true"] }, hold: true });
  await page.goto(`${f.server.url}/ui/queue?job=${job_id}`);
  await page.locator("[data-because=held]").getByText("admin님이 보류함").waitFor();
  await page.goto(`${f.server.url}/ui/runs/run_01jh0000000000000000000000`);
  await page.getByRole("alert").getByRole("heading", { name: "찾을 수 없음" }).waitFor();
  await page.goto(`${f.server.url}/ui/queue`);
  await page.getByRole("listitem", { name: "보고서", exact: true }).press("c");
  await page.getByText("보고서: 취소했습니다").first().waitFor();
});
