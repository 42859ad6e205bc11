import { createServer, type Server as HttpServer } from "node:http";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { axe, changes, errors, Fixture, overflow, password, Server, until, watch } from "./fixture";

let f: Fixture;
let receiver: HttpServer;
let refuse = false;
const got: string[] = [];

beforeAll(async () => {
  receiver = createServer((req, res) => {
    got.push(String(req.headers["webhook-signature"]));
    req.resume();
    res.writeHead(refuse ? 500 : 204).end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  f = await Fixture.start({ args: ["--allow-outbound", `127.0.0.1:${port()}`] });
});
afterAll(async () => {
  await f?.stop();
  receiver?.close();
});

function port(): number {
  const a = receiver.address();
  return typeof a === "object" && a ? a.port : 0;
}

const dom = (page: Page) => page.evaluate(() => document.documentElement.outerHTML + [...document.querySelectorAll("input,textarea")].map((e) => (e as HTMLInputElement).value).join());

it("shows a new token once, ready for a shell, and revokes it", async () => {
  const page = await f.page("/system/users?tab=tokens");
  await page.getByRole("button", { name: "Create token" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("ci");
  await dialog.getByRole("button", { name: "Create", exact: true }).click();
  const text = await page.locator("[data-once]").innerText();
  const token = /export RUNSHEET_TOKEN=(rst_\S+)/.exec(text)?.[1] ?? "";
  expect(token).not.toBe("");
  const asToken = () => fetch(`${f.server.url}/api/session`, { headers: { Authorization: `Bearer ${token}` } }).then((r) => r.status);
  expect(await asToken()).toBe(200);
  expect(await axe(page)).toEqual([]);
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("row", { name: /ci/ }).waitFor();
  await until(async () => !(await dom(page)).includes(token), "the token leaves the page");
  await page.reload();
  await page.getByRole("row", { name: /ci/ }).waitFor();
  expect(await dom(page)).not.toContain(token);
  await fetch(`${f.server.url}/jobs`, { headers: { Authorization: `Bearer ${token}` } });
  await page.getByRole("button", { name: "Actions of ci" }).click();
  await page.getByRole("menuitem", { name: "Revoke…" }).click();
  await page.getByRole("button", { name: "Revoke the token" }).click();
  await until(async () => (await asToken()) === 401, "the token ends");
  await page.goto(`${f.server.url}/ui/system/settings?tab=config`);
  const called = page.getByRole("region", { name: "Calls of legacy endpoints, 30 days" });
  await called.getByRole("row", { name: /^ci GET \/jobs instead: \/api\/jobs 1 / }).waitFor();
  expect(await axe(page)).toEqual([]);
  expect(errors(page)).toEqual([]);
});

it("makes a user, who may not do what his role lacks, and is told why", async () => {
  const page = await f.page("/system/users?add=1");
  await page.getByRole("dialog").getByLabel("Name", { exact: true }).fill("vera");
  await page.getByLabel(/^Password/).fill(password);
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("row", { name: /vera/ }).waitFor();
  const other = await (await f.context({ anonymous: true })).newPage();
  watch(other);
  await other.goto(`${f.server.url}/ui/system/workers`);
  await other.getByLabel("Name").fill("vera");
  await other.getByLabel("Password").fill(password);
  await other.getByRole("button", { name: "Log in" }).click();
  const drain = other.getByRole("button", { name: "Drain" });
  await drain.waitFor();
  await until(async () => (await drain.getAttribute("aria-disabled")) === "true", "that it cannot be pressed");
  await drain.hover();
  await other.getByText("Your role does not have the right workers:write").first().waitFor();
  await page.getByRole("button", { name: "Actions of vera" }).click();
  await page.getByRole("menuitem", { name: "Disable" }).click();
  await page.locator("[data-state=DISABLED]").waitFor();
  expect(errors(page)).toEqual([]);
});

it("keeps a secret's value out of the page once it is saved", async () => {
  const value = "correct-horse-7781";
  const page = await f.page("/system/secrets?add=1");
  await page.getByRole("dialog").getByLabel("Name").fill("BLOG_TOKEN");
  await page.getByRole("textbox", { name: "Value" }).fill(value);
  await page.getByRole("button", { name: "Add grant" }).click();
  await page.getByLabel("Workflow").fill("blog");
  await page.getByLabel("Kinds of nodes").fill("action/api_call");
  await page.getByLabel(/^Hosts/).fill("blog.example.com");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("row", { name: /BLOG_TOKEN/ }).waitFor();
  await until(async () => !(await dom(page)).includes(value), "the value leaves the page");
  await page.getByText("BLOG_TOKEN").first().click();
  await page.waitForURL("**open=BLOG_TOKEN**");
  await page.getByRole("textbox", { name: "Value" }).fill(`${value}-2`);
  await page.getByRole("button", { name: "Set the value" }).click();
  await page.getByText("BLOG_TOKEN has a new value").waitFor();
  await until(async () => !(await dom(page)).includes(value), "the value leaves the page");
  const read = await f.call<{ value_version: number; grants: { hosts: string[] }[] }>("GET", "/api/secrets/BLOG_TOKEN");
  expect([read.value_version, read.grants[0]?.hosts]).toEqual([2, ["blog.example.com"]]);
  expect(await axe(page)).toEqual([]);
  expect(errors(page)).toEqual([]);
});

it("names the job that holds a lock, and leads to its run", async () => {
  await f.call("POST", "/api/jobs", { job_type: "command", params: { argv: ["/bin/sleep", "600"] }, locks: ["gpu:7"], name: "trainer", top: true });
  const held = () => f.call<{ holders: { run_id: string; job_id: string; job_name: string | null }[] }>("GET", "/api/locks/gpu:7");
  await until(async () => (await held()).holders.length === 1, "the job to take its lock");
  const [holder] = (await held()).holders;
  const page = await f.page("/system/workers");
  const link = page.getByRole("table", { name: "Locks" }).getByRole("link", { name: "trainer" });
  expect(await link.getAttribute("href")).toBe(`/ui/runs/${holder?.run_id}`);
  expect(await link.getAttribute("title")).toBe(holder?.job_id);
  await f.call("POST", `/api/jobs/${holder?.job_id}/cancel`);
  expect(errors(page)).toEqual([]);
});

it("takes a lock away only after its name was typed", async () => {
  await f.call("POST", "/api/locks/gpu:0/acquire", { holder: "train.py", ttl: "1h" });
  await f.call("POST", "/api/jobs", { job_type: "command", params: { argv: ["/bin/true"] }, locks: ["gpu:0"], name: "needs-gpu" }).catch(() => undefined);
  const page = await f.page("/system/workers");
  const sent = changes(page);
  await page.getByRole("button", { name: "Actions of gpu:0" }).click();
  await page.getByRole("menuitem", { name: "Take away…" }).click();
  const take = page.getByRole("button", { name: "Take the lock away" });
  expect(await take.isDisabled()).toBe(true);
  await page.getByLabel("Type gpu:0 to confirm").fill("gpu:1");
  expect(await take.isDisabled()).toBe(true);
  await page.getByLabel("Type gpu:0 to confirm").fill("gpu:0");
  await take.click();
  await page.getByText("gpu:0 was taken away").waitFor();
  expect(sent.map((c) => [c.method, decodeURIComponent(c.path)])).toEqual([["POST", "/api/locks/gpu:0/force-release"]]);
  const lock = await f.call<{ holders: { kind: string }[] }>("GET", "/api/locks/gpu:0").catch(() => ({ holders: [] }));
  // The job that waited for it may hold it now.
  expect(lock.holders.filter((h) => h.kind === "outside")).toEqual([]);
});

it("scales, limits and drains the workers", async () => {
  await f.call("PATCH", "/api/workers", { count: 1 });
  const page = await f.page("/system/workers");
  await page.getByRole("button", { name: "Worker count: More" }).click();
  await until(async () => (await f.call<{ count: number }>("GET", "/api/workers")).count === 2, "two workers");
  await page.getByRole("button", { name: "Add limit" }).click();
  await page.getByLabel("Name").fill("command");
  await page.getByLabel("At most").fill("3");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("meter", { name: "command" }).waitFor();
  await page.getByRole("button", { name: "Drain" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Drain" }).click();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("button", { name: "Drain" }).waitFor();
  expect(errors(page)).toEqual([]);
});

it("shows a webhook's secret once, rotates it with an overlap, and sends again what failed", async () => {
  const page = await f.page("/webhooks?add=1");
  await page.getByRole("dialog").getByLabel("URL").fill(`http://127.0.0.1:${port()}/hook`);
  await page.getByRole("dialog").getByLabel(/^Name/).fill("pager");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  const first = await page.locator("[data-once]").innerText();
  expect(first).toMatch(/whsec_/);
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("link", { name: "pager" }).click();
  await page.waitForURL("**/ui/webhooks/hook_*");
  await page.getByRole("button", { name: "Send test event" }).click();
  await until(() => got.length === 1, "the test event arrives");
  expect(got[0]?.split(" ")).toHaveLength(1);
  await page.getByRole("button", { name: "Actions of pager" }).click();
  await page.getByRole("menuitem", { name: "Rotate secret…" }).click();
  await page.getByRole("button", { name: "Make a new secret" }).click();
  const second = await page.locator("[data-once]").innerText();
  expect(second).not.toBe(first);
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByText("The old secret signs too until").waitFor();
  await until(async () => !(await dom(page)).includes("whsec_"), "the secret leaves the page");
  refuse = true;
  await page.getByRole("button", { name: "Send test event" }).click();
  await until(() => got.length >= 2, "the second event arrives");
  expect(got[1]?.split(" ")).toHaveLength(2);
  refuse = false;
  await page.reload();
  const row = page.getByRole("row", { name: /webhook\.test/ });
  await until(async () => (await row.count()) === 2, "both deliveries are listed");
  await row.last().click();
  await page.getByRole("dialog").getByText("webhook.test").first().waitFor();
  await page.getByRole("button", { name: "Send again" }).click();
  await until(() => got.length >= 3, "it is sent again");
  expect(await axe(page)).toEqual([]);
  expect(errors(page)).toEqual([]);
});

it("filters the audit record by the URL, and checks it", async () => {
  await f.call("POST", "/api/queue/pause", { reason: "audit test" });
  await f.call("POST", "/api/queue/resume");
  const page = await f.page("/system/audit?action=queue.pause&actor=admin&period=day");
  await page.getByRole("row", { name: /queue\.pause/ }).first().waitFor();
  expect(await page.getByRole("row", { name: /queue\.resume/ }).count()).toBe(0);
  await page.getByRole("row", { name: /queue\.pause/ }).first().click();
  await page.getByRole("dialog").getByText("audit test").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Clear filters" }).click();
  await page.getByRole("row", { name: /queue\.resume/ }).first().waitFor();
  await page.goBack();
  await page.waitForURL("**action=queue.pause**");
  await page.getByRole("button", { name: "Verify" }).click();
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await page.getByText(/The record is whole/).waitFor();
  expect(await axe(page)).toEqual([]);
  expect(errors(page)).toEqual([]);
});

it("makes a template from the type's schema, and runs it", async () => {
  const page = await f.page("/templates?add=1");
  await page.getByRole("dialog").getByLabel("Name", { exact: true }).fill("hello");
  await page.getByRole("textbox", { name: "Command" }).fill("/bin/echo");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("row", { name: /hello/ }).waitFor();
  await page.getByRole("button", { name: "Run now: hello" }).click();
  await page.getByRole("dialog").getByLabel(/Name of the job/).fill("hello by hand");
  await page.getByRole("button", { name: "Add job" }).click();
  await page.getByText("hello by hand was queued").waitFor();
  expect(errors(page)).toEqual([]);
});

it("names the fields of a job type in Korean, and leaves those of a template as they were written", async () => {
  const t = await f.call<{ template_id: string }>("POST", "/api/job-templates", { name: "own words", job_type: "command", params: { argv: ["/bin/true"] }, params_schema: { type: "object", properties: { stdin: { type: "string", description: "What is said." } } } });
  const page = await f.page("/queue?add=1", { locale: "ko-KR" });
  const dialog = page.getByRole("dialog");
  await dialog.getByText("따옴표와 백슬래시는 셸과 같습니다.").waitFor();
  await dialog.getByText("추가 입력", { exact: true }).click();
  await dialog.getByText("표준 입력 (stdin)").waitFor();
  await dialog.getByLabel("종류").selectOption(t.template_id);
  await dialog.getByText("What is said.").waitFor();
  expect(await dialog.getByText("표준 입력").count()).toBe(0);
  await f.call("DELETE", `/api/job-templates/${t.template_id}`);
  expect(errors(page)).toEqual([]);
});

it("says in Korean why a login at the provider failed, and why a message did not arrive", async () => {
  const login = await f.page("/login#error=oidc_login_expired", { locale: "ko-KR" });
  await login.getByText("로그인 시간이 지났습니다.").waitFor();
  refuse = true;
  const w = await f.call<{ webhook_id: string }>("POST", "/api/webhooks", { name: "refused", url: `http://127.0.0.1:${port()}/refused`, events: ["*"], max_attempts: 1 });
  await f.call("POST", `/api/webhooks/${w.webhook_id}/test`, {});
  const page = await f.page(`/webhooks/${w.webhook_id}`, { locale: "ko-KR" });
  await page.getByText("수신자가 500으로 답했습니다").first().waitFor();
  expect(await page.getByText("the receiver answered").count()).toBe(0);
  refuse = false;
  await f.call("DELETE", `/api/webhooks/${w.webhook_id}`);
  expect(errors(login).concat(errors(page))).toEqual([]);
});

it("keeps versions of a directive, and shows what changed", async () => {
  const d = await f.call<{ directive_id: string }>("POST", "/api/directives", { name: "careful", system_prompt: "Write plainly.\nBe brief.", allow: { files: ["/srv/**"] } });
  const page = await f.page(`/directives?open=${d.directive_id}&edit=1`);
  await page.getByLabel(/System prompt/).fill("Write plainly.\nBe exact.");
  await page.getByRole("button", { name: "Save as version 2" }).click();
  await page.getByRole("tab", { name: /Versions/ }).click();
  await page.getByText("+ Be exact.").waitFor();
  await page.getByText("- Be brief.").waitFor();
  expect(await axe(page)).toEqual([]);
  expect(errors(page)).toEqual([]);
});

it("says in Korean what is to be said of a crontab, and keeps the reason of the pause in Korean", async () => {
  const page = await f.page("/welcome", { locale: "ko-KR" });
  await page.getByRole("textbox", { name: "Crontab" }).fill("MAILTO=ann\n0 25 * * * /x\n0 1 *\n*/90 3 30 2 * ./x\n30 2 * * * /opt/korean.sh");
  await page.getByRole("button", { name: "미리 보기" }).click();
  for (const text of ["메일을 보내지 않습니다", "3번째 글자: 25는 시에 쓸 수 없는 값입니다", "5개 중 3개", "*/90의 간격이 필드보다 커서", "홈 폴더가 필요해 보입니다", "실행될 시각이 없습니다", "줄바꿈으로 끝나지 않아"]) await page.getByText(text).waitFor();
  // Beside Korean there are commands and names, but no sentence of the server.
  const plan = await f.call<{ items: { warnings: string[]; error: string | null }[] }>("POST", "/api/import/crontab", { text: "0 25 * * * /x\n*/90 3 30 2 * ./x" });
  const said = plan.items.flatMap((l) => [...l.warnings, l.error ?? ""]).filter(Boolean);
  expect(said.length).toBeGreaterThan(3);
  for (const text of said) expect(await page.getByText(text.replace(/^line .*?: /, "")).count(), text).toBe(0);
  await page.getByRole("button", { name: "일정 2개를 일시 정지 상태로 만들기" }).click();
  await page.getByText("일정 2개를 일시 정지 상태로 만들었습니다").waitFor();
  const made = await f.call<{ items: { name: string; schedule_id: string; state_reason: string }[] }>("GET", "/api/schedules?label=source:crontab");
  expect(made.items.map((x) => x.state_reason)).toEqual(Array(2).fill("crontab에서 가져왔습니다. 거기서 이 줄을 지운 뒤 켜세요"));
  for (const x of made.items) await f.call("DELETE", `/api/schedules/${x.schedule_id}`);
});

it("leads from the setup link to a first green run and to all that a new user tries, and takes the demo away", async () => {
  const server = await Server.start();
  try {
    const page = await (await f.context({ anonymous: true })).newPage();
    watch(page);
    await page.goto(await server.setupLink());
    // The rule is known before, a mistake is told at its field, and the code outlives a reload.
    await page.getByText("12 characters or more").waitFor();
    await page.getByLabel("Password", { exact: true }).fill("short");
    await page.getByLabel("Password, again").fill("short");
    await page.getByRole("button", { name: "Create and log in" }).click();
    await page.getByText("Must have at least 12 characters").waitFor();
    await page.reload();
    expect(page.url()).not.toContain("setup=");
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.getByLabel("Password, again").fill(password);
    await page.getByRole("button", { name: "Create and log in" }).click();
    await page.waitForURL("**/ui/welcome");
    await page.getByRole("button", { name: "Run the demo" }).click();
    await page.locator("[data-demo=green]").waitFor();
    await page.getByRole("textbox", { name: "Crontab" }).fill("30 2 * * * /opt/jobs/nightly.sh\nnonsense here");
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByText("unreadable").waitFor();
    await page.getByRole("button", { name: "Make 1 schedule, paused" }).waitFor();
    expect(await axe(page)).toEqual([]);
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    // All that a new user tries is a click away.
    const leads = async (to: string) => {
      // The way back to them is in the menu of the account.
      await page.getByRole("button", { name: /^Account/ }).click();
      await page.getByRole("menuitem", { name: "Welcome: first steps" }).click();
      await page.getByRole("list", { name: "Try it" }).getByRole("link", { name: to }).click();
    };
    await leads("Reorder the queue");
    const lines = () => page.locator("[data-row]").evaluateAll((rows) => rows.map((r) => [r.getBoundingClientRect().top, /^demo-(\d)$/.exec(r.getAttribute("aria-label") ?? "")?.[1]] as const).sort((a, b) => a[0] - b[0]).map((r) => r[1]).join(""));
    await until(async () => (await lines()) === "12345", "the jobs to reorder");
    await page.locator("[data-row][aria-label=demo-5]").press("Alt+Home");
    await until(async () => (await lines()) === "51234", "the last one at the front");
    // Why it waits names the lock and who has it, also where the one is part of the other's name, and leads to the locks.
    const first = page.locator("[data-row][aria-label=demo-1]");
    await first.getByText("lock demo:line is held by demo", { exact: true }).last().waitFor();
    await first.getByRole("link", { name: "demo-1" }).click();
    await page.locator("[data-because=lock]").getByRole("link", { name: "demo:line" }).click();
    await page.waitForURL("**/system/workers");
    // Without the lock they are seen at work one after another, and log what they do.
    await page.getByRole("button", { name: "Actions of demo:line" }).click();
    await page.getByRole("menuitem", { name: "Take away…" }).click();
    await page.getByLabel("Type demo:line to confirm").fill("demo:line");
    await page.getByRole("button", { name: "Take the lock away" }).click();
    await page.getByRole("link", { name: "Queue", exact: true }).first().click();
    await page.locator("[data-running]").getByRole("link", { name: /^demo-\d$/ }).click();
    await page.getByText("step 1 of 2 begins").first().waitFor();
    await leads("Retry a run that failed");
    await page.locator("[data-run-state=FAILED]").waitFor();
    await page.getByRole("button", { name: "Retry…" }).click();
    const again = page.getByRole("dialog", { name: "Retry" });
    await again.locator("[data-preview]").waitFor();
    await again.getByRole("button", { name: "Start the new run" }).click();
    await page.locator("[data-run-state=COMPLETED]").waitFor();
    await leads("Roll a workflow back");
    await page.getByRole("heading", { name: "v1 → v2" }).waitFor();
    await page.locator("h1").focus();
    await page.keyboard.press("Shift+R");
    const back = page.getByRole("dialog", { name: "Roll back to v1" });
    await back.getByLabel("Reason").fill("the sum is wrong");
    await back.getByRole("button", { name: "Roll back", exact: true }).click();
    await page.getByRole("table", { name: "Activation log" }).getByText("the sum is wrong").waitFor();
    await leads("Decide a request");
    await page.getByText("Publish the demo report?").click();
    await page.getByRole("button", { name: "Approve", exact: true }).click();
    await page.getByRole("button", { name: "Confirm approval" }).click();
    await page.locator("[data-standing=decided]").waitFor();
    await page.goto(`${server.url}/ui/welcome`);
    // While a schedule starts part of it, all of it stays, and the dialog names the schedule.
    await page.evaluate(() => fetch("/api/schedules", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name: "hourly", workflow_id: "demo_pipeline", trigger: { type: "INTERVAL", interval: "PT1H" } }) }));
    const sure = page.getByRole("alertdialog");
    await page.getByRole("button", { name: "Remove the demo" }).click();
    await sure.getByRole("button", { name: "Remove the demo" }).click();
    await sure.getByRole("alert").getByText("the schedule hourly").waitFor();
    await page.evaluate(() => fetch("/api/schedules/hourly", { method: "DELETE" }));
    await sure.getByRole("button", { name: "Remove the demo" }).click();
    await page.getByRole("button", { name: "Run the demo" }).waitFor();
    expect(errors(page)).toEqual([]);
  } finally {
    await server.stop();
  }
});
