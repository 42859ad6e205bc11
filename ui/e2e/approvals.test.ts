import { afterAll, beforeAll, expect, it } from "vitest";
import type { Page } from "playwright-core";
import { axe, changes, errors, Fixture, overflow, password, until } from "./fixture";

interface Approval {
  approval_id: string;
  status: string;
  expires_at: string;
  decided_by: string;
  decisions: { decided_by: string; approved: boolean; comment: string | null }[];
  round: number;
  content_hash: string;
}

let f: Fixture;
beforeAll(async () => {
  f = await Fixture.start();
  await f.call("POST", "/api/job-templates", { name: "release", job_type: "command", params: { argv: ["/bin/true"] } });
  for (const name of ["ann", "ben"]) await f.user(name, "approver");
  await f.user("vic", "viewer");
  await f.call("POST", "/api/queue/pause", {});
});
afterAll(() => f?.stop());

/** A job that asks, and the request for it. */
async function ask(rules: object = {}): Promise<Approval> {
  const job = await f.call<{ job_id: string }>("POST", "/api/jobs", { template_id: "release", approval: rules });
  const list = await f.call<{ items: Approval[] }>("GET", `/api/approvals?subject_type=job&subject_id=${job.job_id}`);
  const a = list.items[0];
  if (!a) throw new Error("no approval");
  return a;
}

const read = (a: Approval) => f.call<Approval>("GET", `/api/approvals/${a.approval_id}`);

/** A page of somebody else than the administrator, who asks for everything here. */
async function as(name: string, path: string, options: Parameters<Fixture["context"]>[0] = {}): Promise<Page> {
  const page = await f.page(`/login?next=${encodeURIComponent(`/ui${path}`)}`, { ...options, anonymous: true });
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForURL((u) => !u.pathname.endsWith("/login"));
  await page.getByRole("heading", { level: 1 }).waitFor();
  return page;
}

it("lists by expiry and decides in two steps, by keys", async () => {
  const late = await ask({ title: "Late one", expires_in: "PT5H" });
  const soon = await ask({ title: "Soon one", expires_in: "PT1H", require_comment: true });
  const page = await as("ann", "/approvals");
  await page.getByText("Soon one").waitFor();
  const ids = await page.locator("li[data-id]").evaluateAll((all) => all.map((x) => x.getAttribute("data-id")));
  expect(ids.indexOf(soon.approval_id)).toBeLessThan(ids.indexOf(late.approval_id));
  expect(await axe(page)).toEqual([]);
  await page.getByText("Soon one").click();
  const calls = changes(page);
  await page.locator("[data-step=none]").waitFor();
  await page.keyboard.press("Shift+A"); // not armed
  await page.keyboard.press("a");
  await page.locator("[data-step=approve]").waitFor();
  await page.keyboard.press("Shift+A"); // the comment is missing
  await page.getByText("A comment is needed").waitFor();
  expect(calls).toEqual([]);
  await page.getByLabel(/^Comment/).fill("fine");
  await page.getByRole("button", { name: "Confirm approval" }).click();
  await page.locator("[data-standing=decided]").waitFor();
  expect(calls.map((c) => [c.method, c.path, c.body])).toEqual([["POST", `/api/approvals/${soon.approval_id}/approve`, { content_hash: soon.content_hash, comment: "fine" }]]);
  await page.goto(`${f.server.url}/ui/approvals/${late.approval_id}`);
  await page.locator("[data-step=none]").waitFor();
  await page.keyboard.press("a");
  await page.locator("[data-step=approve]").waitFor();
  await page.keyboard.press("Shift+A");
  await page.locator("[data-standing=decided]").getByText("Approved by ann").waitFor();
  expect((await read(late)).status).toBe("APPROVED");
  expect(errors(page)).toEqual([]);
});

it("rejects with a comment", async () => {
  const a = await ask();
  const page = await as("ann", `/approvals/${a.approval_id}`);
  await page.locator("[data-step=none]").waitFor();
  await page.keyboard.press("r");
  await page.getByLabel(/^Comment/).fill("not on a Friday");
  await page.getByRole("button", { name: "Confirm rejection" }).click();
  await page.locator("[data-standing=decided]").getByText("not on a Friday").waitFor();
  expect(await read(a)).toMatchObject({ status: "REJECTED", decisions: [{ decided_by: "ann", approved: false, comment: "not on a Friday" }] });
});

it("is delegated, taken back, and decided by the delegate", async () => {
  const a = await ask({ title: "Handed on" });
  const ann = await as("ann", `/approvals/${a.approval_id}`);
  const hand = async (to: string) => {
    await ann.getByRole("button", { name: "Delegate…" }).click();
    const dialog = ann.getByRole("dialog", { name: "Let another user decide" });
    await dialog.getByLabel("User").fill(to);
    await dialog.getByLabel("Reason").fill("on leave");
    await dialog.getByRole("button", { name: "Delegate", exact: true }).click();
    return dialog;
  };
  const dialog = await hand("vic"); // may look only
  await dialog.getByText("there is no user vic here who may decide approvals").waitFor();
  expect(await axe(ann)).toEqual([]);
  await ann.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await (await hand("ben")).waitFor({ state: "detached" });
  await ann.locator("[data-delegate=ben]").getByText("ann → ben").waitFor();
  await ann.getByText("You let ben decide this.").first().waitFor();
  await ann.getByRole("button", { name: "Take it back" }).click();
  await ann.locator("[data-delegate=ben]").waitFor({ state: "detached" });
  await (await hand("ben")).waitFor({ state: "detached" });
  await ann.locator("[data-delegate=ben]").waitFor();
  const ben = await as("ben", `/approvals/${a.approval_id}`);
  await ben.getByText("on leave").waitFor();
  await ben.getByRole("button", { name: "Approve", exact: true }).click();
  await ben.getByRole("button", { name: "Confirm approval" }).click();
  await ann.locator("[data-standing=decided]").getByText("Approved by ben").waitFor();
  expect(await read(a)).toMatchObject({ status: "APPROVED", decisions: [{ decided_by: "ben", approved: true }] });
});

it("is won by exactly one of two browsers that decide at once", async () => {
  const ann = await as("ann", "/approvals");
  const ben = await as("ben", "/approvals");
  for (let i = 0; i < 5; i++) {
    const a = await ask();
    for (const page of [ann, ben]) {
      await page.goto(`${f.server.url}/ui/approvals/${a.approval_id}`);
      await page.locator("[data-step=none]").waitFor();
    }
    await ann.getByRole("button", { name: "Approve", exact: true }).click();
    await ben.getByRole("button", { name: "Reject", exact: true }).click();
    // Neither call is let through before both are made: the page of one would show the other's decision.
    let sent = 0;
    let go = () => {};
    const held = new Promise<void>((done) => (go = done));
    for (const page of [ann, ben]) {
      await page.route(/\/(approve|reject)$/, async (r) => {
        if (++sent === 2) go();
        await held;
        await r.continue();
      }, { times: 1 });
    }
    const answers: number[] = [];
    const answer = (page: Page) => page.waitForResponse((r) => /\/(approve|reject)$/.test(new URL(r.url()).pathname)).then((r) => answers.push(r.status()));
    await Promise.all([answer(ann), answer(ben), ann.getByRole("button", { name: "Confirm approval" }).click(), ben.getByRole("button", { name: "Confirm rejection" }).click()]);
    expect(answers.sort()).toEqual([200, 409]);
    for (const page of [ann, ben]) await page.locator("[data-standing=decided]").waitFor();
    expect((await read(a)).decisions.length).toBe(1);
  }
});

it("shows the other's decision while it is open", async () => {
  const a = await ask();
  const ann = await as("ann", `/approvals/${a.approval_id}`);
  await ann.locator("[data-step=none]").waitFor();
  await ann.locator("[data-link=live]").waitFor();
  const ben = await as("ben", `/approvals/${a.approval_id}`);
  await ben.getByRole("button", { name: "Reject", exact: true }).click();
  await ben.getByRole("button", { name: "Confirm rejection" }).click();
  await ann.locator("[data-standing=decided]").getByText("Rejected by ben").waitFor();
  expect(await ann.getByRole("button", { name: "Approve", exact: true }).count()).toBe(0);
});

it("replaces the actions once it has expired, and locks what was requested again", async () => {
  const a = await ask({ expires_in: "PT2S" });
  const page = await f.page(`/approvals/${a.approval_id}`);
  await page.locator("[data-standing=expired]").waitFor();
  expect(await page.getByRole("button", { name: "Approve", exact: true }).count()).toBe(0);
  await until(async () => (await read(a)).status === "EXPIRED", "expired");
  await page.getByRole("button", { name: "Request again" }).click();
  await page.waitForURL("**/ui/approvals");
  const b = await ask();
  const open = await as("ann", `/approvals/${b.approval_id}`);
  await open.locator("[data-link=live]").waitFor();
  await f.call("POST", `/api/approvals/${b.approval_id}/re-request`, { content_hash: b.content_hash });
  await open.locator("[data-standing=replaced]").waitFor();
  await open.getByRole("link", { name: "Open the newer request" }).click();
  await open.getByText("Request 2").first().waitFor();
  await open.locator("[data-step=none]").waitFor();
});

it("is decided by exactly one of an approval and the expiry that meet", async () => {
  const ann = await as("ann", "/approvals");
  const tries = [true, false].map((late) => ({ late, seconds: 3 }));
  for (const { late, seconds } of tries) {
    const a = await ask({ expires_in: `PT${seconds}S` });
    // The approval leaves the page before the expiry, and arrives after it, or beside it.
    let sent = false;
    let arrived = 0;
    await ann.route(`**/api/approvals/${a.approval_id}/approve`, async (route) => {
      sent = true;
      if (late) await until(async () => (await read(a)).status === "EXPIRED", "that it has expired");
      else await until(async () => Date.now() >= Date.parse((await read(a)).expires_at), "the moment at which it expires");
      const res = await route.fetch();
      arrived = res.status();
      await route.fulfill({ response: res });
    });
    await ann.goto(`${f.server.url}/ui/approvals/${a.approval_id}`);
    const expired = ann.locator("[data-standing=expired]");
    for (const step of ["Approve", "Confirm approval"]) {
      const left = Date.parse(a.expires_at) - Date.now();
      if (left > 0) await ann.getByRole("button", { name: step, exact: true }).click({ timeout: left }).catch(() => undefined);
    }
    await until(async () => sent || (await expired.count()) > 0, "that it is sent, or too late");
    if (!sent) {
      // A busy machine needs longer for the two clicks.
      tries.push({ late, seconds: seconds * 3 });
      continue;
    }
    await until(() => arrived !== 0, "the answer");
    await until(async () => (await read(a)).status !== "PENDING", "that it is decided");
    const end = await read(a);
    expect(late ? [409] : [200, 409]).toContain(arrived);
    expect(end).toMatchObject(arrived === 200 ? { status: "APPROVED", decisions: [{ decided_by: "ann", approved: true }] } : { status: "EXPIRED", decisions: [] });
    await ann.locator(`[data-standing=${arrived === 200 ? "decided" : "expired"}]`).waitFor();
    await ann.unroute(`**/api/approvals/${a.approval_id}/approve`);
  }
});

it("locks when the content has changed while it was open, and shows what", async () => {
  const a = await ask();
  const page = await as("ann", "/approvals");
  let changed = false;
  await page.route(`**/api/approvals/${a.approval_id}`, async (route) => {
    const res = await route.fetch();
    const body = (await res.json()) as Approval & { fields: { name: string; value: string }[] };
    if (changed) Object.assign(body, { content_hash: "sha256:other", fields: body.fields.map((x) => (x.name === "trigger" ? { ...x, value: "changed" } : x)) });
    await route.fulfill({ response: res, json: body });
  });
  await page.goto(`${f.server.url}/ui/approvals/${a.approval_id}`);
  await page.locator("[data-step=none]").waitFor();
  changed = true;
  await page.getByRole("button", { name: "Approve", exact: true }).click();
  await page.route("**/approve", (route) => route.fulfill({ status: 409, contentType: "application/problem+json", json: { type: "/problems/approval_content_changed", code: "approval_content_changed", title: "Approval content changed", status: 409 } }));
  await page.getByRole("button", { name: "Confirm approval" }).click();
  await page.locator("[data-standing=changed]").waitFor();
  await page.locator("[data-field=trigger][data-changed]").waitFor();
  expect(await page.getByRole("button", { name: "Confirm approval" }).isDisabled()).toBe(true);
  await page.getByRole("button", { name: "I have read the changes" }).click();
  await page.locator("[data-standing=changed]").waitFor({ state: "detached" });
});

it("says why somebody cannot approve, and never decides by opening", async () => {
  const a = await ask();
  const own = await f.page(`/approvals/${a.approval_id}`);
  await own.getByText("You asked for this, so somebody else must approve it: another user with the role approver or admin.").first().waitFor();
  expect(await own.getByRole("link", { name: "Add a user" }).getAttribute("href")).toMatch(/\/ui\/system\/users\?add=1$/);
  // Jobs and templates have their names, not their ids.
  expect(await own.getByRole("link", { name: "release", exact: true }).evaluateAll((all) => all.map((x) => (x.getAttribute("href") ?? "").replace(/_.*/, "_")))).toEqual(["/ui/templates?open=tmpl_", "/ui/queue?job=job_"]);
  await own.keyboard.press("a");
  await own.getByRole("button", { name: "Approve", exact: true }).click({ force: true });
  expect(await own.locator("[data-step=approve]").count()).toBe(0);
  const viewer = await as("vic", `/approvals/${a.approval_id}`);
  await viewer.getByText("Your role may not decide approvals.").first().waitFor();
  for (const path of ["/approve", "/reject", "?approve=1"]) {
    await viewer.goto(`${f.server.url}/ui/approvals/${a.approval_id}${path}`);
    const res = await fetch(`${f.server.url}/api/approvals/${a.approval_id}${path.replace("?approve=1", "/approve")}`);
    expect(res.status).toBeGreaterThanOrEqual(400);
  }
  expect((await read(a)).status).toBe("PENDING");
});

it("works on a phone in both themes", async () => {
  for (const theme of ["light", "dark"] as const) {
    const a = await ask({ title: "Release the new prices to all customers in Europe and the rest of the world?" });
    const page = await as("ben", `/approvals/${a.approval_id}`, { width: 375, height: 812, theme, touch: true });
    await page.locator("[data-step=none]").waitFor();
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    expect(await axe(page)).toEqual([]);
    const box = await page.getByRole("button", { name: "Approve", exact: true }).boundingBox();
    expect(box?.height ?? 0).toBeGreaterThanOrEqual(44);
    expect((box?.y ?? 9999) + (box?.height ?? 0)).toBeLessThanOrEqual(812); // in sight without scrolling
    await page.getByRole("button", { name: "Approve", exact: true }).tap();
    await page.getByRole("button", { name: "Confirm approval" }).tap();
    await page.locator("[data-standing=decided]").waitFor();
    await page.goto(`${f.server.url}/ui/approvals?show=decided`);
    await page.locator("li[data-id]").first().waitFor();
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    expect(await axe(page)).toEqual([]);
  }
});

it("shows the approvals of one run, says when none of it waits, and leads to all", async () => {
  await ask({ title: "Of no run" });
  const run = "wfrun_01jh0000000000000000000000";
  const page = await (await f.context()).newPage();
  const asked: string[] = [];
  page.on("request", (r) => r.url().includes("/api/approvals?") && asked.push(new URL(r.url()).searchParams.get("workflow_run_id") ?? ""));
  await page.goto(`${f.server.url}/ui/approvals?run=${run}`);
  await page.getByRole("heading", { name: "No approval of this run is waiting" }).waitFor();
  expect(new Set(asked)).toEqual(new Set([run]));
  expect(await axe(page)).toEqual([]);
  await page.getByText("Decided", { exact: true }).click();
  await page.getByRole("heading", { name: "Nothing of this run has been decided" }).waitFor();
  await page.getByText("Waiting", { exact: true }).click();
  await page.getByRole("link", { name: "Show all approvals" }).click();
  await page.getByText("Of no run").first().waitFor();
  expect(new URL(page.url()).search).toBe("");
  // An id that is none's leads there, too.
  await page.goto(`${f.server.url}/ui/approvals?run=wfr_none`);
  await page.getByRole("alert").getByRole("link", { name: "Show all approvals" }).click();
  await page.getByText("Of no run").first().waitFor();
});
