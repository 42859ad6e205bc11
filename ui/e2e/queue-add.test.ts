// The dialog that adds a job or changes one.
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { board, row } from "./board";
import { axe, changes, errors, Fixture, until } from "./fixture";

let f: Fixture;
beforeAll(async () => {
  f = await Fixture.start();
});
afterAll(() => f?.stop());

const { order, idOf, fresh } = board(() => f);
beforeEach(fresh);

it("adds a job with the form of its type", async () => {
  const page = await f.page("/queue");
  await row(page, "a").waitFor();
  await page.keyboard.press("n");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/^Name/).first().fill("from the form");
  expect(await axe(page)).toEqual([]);
  // One line, shown as the arguments that it is; what is open is said at once and not sent.
  const command = dialog.getByLabel("Command", { exact: true });
  const shown = () => dialog.getByRole("list", { name: "Arguments" }).getByRole("listitem").allTextContents();
  await command.fill(`echo 'a b`);
  await dialog.getByText("A quote is not closed").waitFor();
  const calls = changes(page);
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await until(() => command.evaluate((e) => e === document.activeElement && e.getAttribute("aria-invalid") === "true"), "the focus in the open command");
  expect(calls).toEqual([]);
  await page.keyboard.press("End");
  await page.keyboard.type(`' it\\'s "x  y" ''`);
  const argv = ["echo", "a b", "it's", "x  y", ""];
  await until(async () => JSON.stringify(await shown()) === JSON.stringify(argv), "the arguments");
  expect(await axe(page)).toEqual([]);
  await page.keyboard.press("Enter"); // sends the form
  await until(async () => (await order()).includes("from the form"), "the new job");
  expect((await f.call<{ params: { argv: string[] } }>("GET", `/api/jobs/${await idOf("from the form")}`)).params.argv).toEqual(argv);
  // Also when it is changed, with what has several lines.
  await row(page, "from the form").press(".");
  await page.getByRole("menuitem", { name: "Edit…" }).click();
  await until(async () => (await command.inputValue()) === String.raw`echo 'a b' 'it'\''s' 'x  y' ''`, "the command as a line");
  await command.press("End");
  await page.keyboard.type(" 'one");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("two'");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  expect((await f.call<{ params: { argv: string[] } }>("GET", `/api/jobs/${await idOf("from the form")}`)).params.argv).toEqual([...argv, "one\ntwo"]);
  // Cancel closes it and adds nothing.
  const before = await order();
  await page.keyboard.press("n");
  await command.fill("true");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "detached" });
  expect(await order()).toEqual(before);
  expect(errors(page)).toEqual([]);
});

it("lets choose the workflow of a job", async () => {
  await f.call("POST", "/api/workflows", { kind: "Workflow", workflow_id: "daily", name: "Daily report", nodes: [{ node_id: "a", type: "data", data_type: "set", config: { values: { x: 1 } } }] });
  const page = await f.page("/queue");
  await row(page, "a").waitFor();
  await page.keyboard.press("n");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("From").selectOption("workflow");
  const choice = dialog.getByRole("combobox", { name: "Workflow", exact: true });
  await choice.fill("report");
  await page.getByRole("option", { name: "Daily report" }).click();
  await until(async () => (await choice.inputValue()) === "daily", "the choice");
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await until(async () => (await order()).includes("daily"), "the new job");
  expect(await f.call("GET", `/api/jobs/${await idOf("daily")}`)).toMatchObject({ job_type: "workflow", params: { workflow_id: "daily" } });
});

it("adds a job with a priority, a time, locks and retries, copies it as a command, and says at which field something is wrong", async () => {
  const page = await f.page("/queue", { timezone: "Europe/Berlin" });
  await row(page, "a").waitFor();
  await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: { writeText: (text: string) => ((window as unknown as { copied: string }).copied = text, Promise.resolve()) } }));
  await page.keyboard.press("n");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/^Name/).first().fill("with more");
  await dialog.getByLabel("Command", { exact: true }).fill("true");
  expect(await dialog.getByLabel("Not before").isVisible()).toBe(false);
  await dialog.getByText("More", { exact: true }).click();
  await dialog.getByLabel(/^Priority/).selectOption({ label: "2 · high" });
  await dialog.getByText("In Europe/Berlin.").waitFor();
  await dialog.getByLabel(/^Not before/).fill("2036-01-31T12:00");
  await dialog.getByLabel(/^Locks/).fill("gpu:0, disk");
  await dialog.getByLabel(/^Attempts in all/).selectOption("3");
  await dialog.getByLabel(/^Delay before the second/).fill("soon");
  await dialog.getByLabel(/^Time limit/).fill("15m");
  await dialog.getByLabel(/^Hold:/).check();
  expect(await axe(page)).toEqual([]);
  const add = dialog.getByRole("button", { name: "Add", exact: true });
  await add.click();
  await until(() => dialog.getByLabel(/^Delay before the second/).evaluate((e) => e === document.activeElement && e.getAttribute("aria-invalid") === "true"), "the focus in the field that the server refused");
  await dialog.getByRole("alert").waitFor();
  await until(async () => (await dialog.getByRole("alert").locator("code").count()) === 0, "a summary without what the field says");
  await dialog.getByLabel(/^Delay before the second/).fill("30s");
  const copied = async (as: string) => {
    await dialog.getByRole("button", { name: "Copy as" }).click();
    await page.evaluate(() => ((window as unknown as { copied: string }).copied = ""));
    await page.getByRole("menuitem", { name: as }).click();
    return (await page.waitForFunction(() => (window as unknown as { copied: string }).copied)).jsonValue();
  };
  const cli = await copied("Command line");
  for (const flag of ["--name 'with more'", "--priority 2", "--run-at 2036-01-31T11:00:00Z", "--lock gpu:0 --lock disk", "--retry 3 --retry-delay 30s", "--timeout 15m", "--hold"]) expect(cli).toContain(flag);
  expect(await copied("curl")).toMatch(/^curl --fail-with-body -sS .*"initial":"30s"/);
  const calls = changes(page);
  await add.click();
  await until(async () => (await order()).includes("with more"), "the new job");
  expect(calls.at(-1)?.body).toEqual({
    trigger: "manual", job_type: "command", name: "with more", params: { argv: ["true"] }, priority: 2, run_at: "2036-01-31T11:00:00Z", timeout: "15m", locks: ["gpu:0", "disk"], retry_policy: { max_attempts: 3, initial: "30s" }, hold: true,
  });
  await row(page, "with more").getByText("Priority high").waitFor();

  // The same when it is changed.
  await row(page, "with more").press(".");
  await page.getByRole("menuitem", { name: "Edit…" }).click();
  await dialog.getByText("More", { exact: true }).click();
  await until(async () => (await dialog.getByLabel(/^Not before/).inputValue()) === "2036-01-31T12:00", "the time in the zone of the page");
  await dialog.getByLabel(/^Priority/).selectOption({ label: "8 · low" });
  await dialog.getByLabel(/^Not before/).fill("");
  await dialog.getByLabel(/^Time limit/).fill("15 minutes");
  await dialog.getByRole("button", { name: "Save" }).click();
  await until(() => dialog.getByLabel(/^Time limit/).evaluate((e) => e === document.activeElement && e.getAttribute("aria-invalid") === "true"), "the focus in the wrong time limit");
  await dialog.getByLabel(/^Time limit/).fill("20m");
  expect(await copied("Command line")).toMatch(/^runsheet job edit job_\S+ --priority 8 --timeout 20m --unset run_at$/);
  await dialog.getByRole("button", { name: "Save" }).click();
  await row(page, "with more").getByText("Priority low").waitFor();
  expect(await f.call("GET", `/api/jobs/${await idOf("with more")}`)).toMatchObject({ priority: 8, run_at: null, timeout: "PT20M", locks: ["disk", "gpu:0"] });
  expect(errors(page)).toEqual([]);
});

it("does not send what is no JSON, goes to the first wrong field, and closes with Back", async () => {
  const page = await f.page("/queue");
  await row(page, "a").waitFor();
  await page.keyboard.press("n");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/^Name/).first().fill("wrong env");
  const add = dialog.getByRole("button", { name: "Add", exact: true });
  await add.click();
  await dialog.getByText("Required").waitFor();
  await until(() => dialog.getByLabel("Command", { exact: true }).evaluate((e) => e === document.activeElement), "the focus in the first wrong field");
  await page.keyboard.type("true");
  const env = dialog.getByLabel(/^Env /);
  await dialog.getByText("More input", { exact: true }).click();
  await env.fill('{"A": oops');
  await dialog.getByText(/Must be valid JSON/).waitFor();
  const sent: string[] = [];
  page.on("request", (r) => r.method() === "POST" && sent.push(r.url()));
  await add.click();
  await until(() => env.evaluate((e) => e === document.activeElement), "the focus in the text that is no JSON");
  await dialog.getByText(/Must be valid JSON/).waitFor();
  expect(sent).toEqual([]);
  await env.fill('{"A": "fine"}');
  await add.click();
  await until(async () => (await order()).includes("wrong env"), "the new job");
  expect((await f.call<{ params: { env: unknown } }>("GET", `/api/jobs/${await idOf("wrong env")}`)).params.env).toEqual({ A: "fine" });
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Add job" }).click();
  await dialog.waitFor();
  await page.goBack();
  await dialog.waitFor({ state: "detached" });
  expect(new URL(page.url()).pathname).toBe("/ui/queue");
  // Closed by Escape or the cross it is gone from the history too.
  for (const close of [() => page.keyboard.press("Escape"), () => dialog.getByRole("button", { name: "Close" }).click()]) {
    await page.getByRole("button", { name: "Add job" }).click();
    await dialog.waitFor();
    await close();
    await dialog.waitFor({ state: "detached" });
    await page.goBack();
    await row(page, "a").waitFor();
    expect(new URL(page.url()).search).toBe("");
    expect(await dialog.count()).toBe(0);
  }
});
