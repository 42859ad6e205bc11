// Takes a picture of every page in both themes: make screenshots. The names of the files
// are the pages'; docs/screenshots/README.md shows them.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "vitest";
import { Fixture, password } from "./fixture";

const folder = process.env.SCREENSHOTS ?? join(import.meta.dirname, "..", "..", "docs", "screenshots");
const pause = (ms: number) => new Promise((r) => setTimeout(r, ms));

interface Added { job_id: string }

/** A small firm's evening: jobs that ran, run and wait, a workflow in the middle of its work, schedules, approvals. */
async function fill(f: Fixture): Promise<Record<string, string>> {
  const sh = (script: string) => ["/bin/sh", "-c", script];
  const job = (name: string, script: string, more: object = {}) => f.call<Added>("POST", "/api/jobs", { name, job_type: "command", params: { argv: sh(script) }, ...more });
  for (const [name, description, script] of [["market-report", "Report of the day for customers", "echo report; sleep 0.4"], ["nightly-backup", "Database and files", "sleep 0.7"], ["train-ranker", "Fine-tunes the ranking model", "sleep 600"]] as const) {
    await f.call("POST", "/api/job-templates", { name, description, job_type: "command", params: { argv: sh(script) }, labels: { team: "data" } });
  }
  await f.call("PATCH", "/api/workers", { count: 3 });
  const report = await job("weekly-report", "for i in 1 2 3 4 5 6; do printf '\\033[32mok\\033[0m  section %s written\\n' $i; sleep 0.2; done; printf '# Week 47\\n\\n| symbol | change |\\n|---|---:|\\n| AAPL | 1.2 %% |\\n| MSFT | -0.4 %% |\\n' > \"$RUNSHEET_ARTIFACTS/report.md\"");
  for (const name of ["load-prices", "load-fundamentals", "rebuild-index"]) await job(name, "sleep 0.$((RANDOM % 8 + 1)); echo done");
  await job("export-positions", "echo 'connection refused by broker' >&2; exit 3");
  const flow = readFileSync(join(import.meta.dirname, "screenshots.workflow.yaml"), "utf8");
  const apply = async (text: string) => {
    const res = await fetch(`${f.server.url}/api/workflows?activate=true&message=${encodeURIComponent(text === flow ? "first version" : "load in smaller batches")}`, { method: "POST", headers: { ...f.headers(), "Content-Type": "application/yaml" }, body: text });
    if (!res.ok) throw new Error(await res.text());
  };
  await apply(flow);
  await f.call("POST", "/api/workflows/nightly-etl/run", { inputs: { items: 12 } });
  await apply(flow.replace("checkpoint_every: 10", "checkpoint_every: 5").replace("name: Nightly ETL", "name: Nightly ETL"));
  for (const [name, more] of [["market-report", { template_id: "market-report", cron: "0 9 * * MON-FRI", timezone: "Asia/Seoul", calendar: "XKRX" }], ["nightly-backup", { template_id: "nightly-backup", cron: "30 2 * * *", timezone: "Europe/Berlin", jitter: "PT5M" }], ["before-the-close", { template_id: "market-report", calendar: "XNYS", timezone: "America/New_York", trigger: { type: "EVENT", event: "MARKET_CLOSE", offset: "-PT10M" } }], ["sync-inbox", { template_id: "nightly-backup", trigger: { type: "INTERVAL", interval: "PT6H" }, timezone: "UTC" }]] as const) {
    await f.call("POST", "/api/schedules", { name, ...more });
    await f.call("POST", `/api/schedules/${name}/run-now`, {});
  }
  await pause(6000);
  await f.call("PATCH", "/api/workers", { count: 2 });
  await job("train-ranker", "echo '::progress 640/1000 steps'; sleep 600", { locks: ["gpu:0"] });
  const run = await f.call<{ workflow_run_id: string }>("POST", "/api/workflows/nightly-etl/run", { inputs: { items: 1000, pause: 0.05 } });
  await pause(3000);
  await job("evaluate-ranker", "sleep 60", { locks: ["gpu:0"], priority: 7 });
  await job("translate-news", "sleep 60", { labels: { team: "content" } });
  await f.call("POST", "/api/job-groups", { name: "month-end", mode: "sequential", jobs: [1, 2, 3].map((n) => ({ name: `close-book-${n}`, job_type: "command", params: { argv: sh("sleep 30") } })) });
  await job("rebuild-search", "sleep 60", { run_at: new Date(Date.now() + 5 * 3600e3).toISOString() });
  await job("archive-2019", "sleep 60", { hold: true });
  for (let i = 1; i <= 9; i++) await job(`chapter-${String(i).padStart(2, "0")}`, "sleep 60");
  const asked = await f.call<Added>("POST", "/api/jobs", { template_id: "market-report", approval: { title: "Send the market report to 1,204 customers?", expires_in: "PT40M", min_approvals: 2 } });
  await f.call("POST", "/api/jobs", { template_id: "nightly-backup", approval: { title: "Delete backups of 2019?", expires_in: "PT5H" } });
  await f.call("POST", "/api/users", { name: "ann", password, roles: ["approver"] });
  await f.call("POST", "/api/tokens", { name: "ci", roles: ["operator"], expires_in: "P90D" });
  await f.call("PUT", "/api/secrets/warehouse_password", { value: "not the real one" });
  const hook = await f.call<{ webhook_id: string }>("POST", "/api/webhooks", { url: "https://hooks.example.com/runsheet", events: ["job.run.failed", "approval.requested"] });
  await f.call("POST", "/api/directives", { name: "house-style", text: "Write plainly. Cite sources." }).catch(() => undefined);
  const approvals = await f.call<{ items: { approval_id: string }[] }>("GET", `/api/approvals?subject_type=job&subject_id=${asked.job_id}`);
  const runs = await f.call<{ items: { run_id: string }[] }>("GET", `/api/job-runs?job_id=${report.job_id}`);
  await pause(1500);
  return { run: runs.items[0]?.run_id ?? "", approval: approvals.items[0]?.approval_id ?? "", flow: run.workflow_run_id, hook: hook.webhook_id };
}

it("takes pictures", async () => {
  mkdirSync(folder, { recursive: true });
  const f = await Fixture.start();
  try {
    const id = await fill(f);
    const pages: [string, string][] = [
      ["queue", "/queue"], ["runs", "/runs"], ["run", `/runs/${id.run}`], ["workflows", "/workflows"], ["workflow", "/workflows/nightly-etl"], ["versions", "/workflows/nightly-etl/versions"],
      ["workflow-run", `/workflow-runs/${id.flow}`], ["schedules", "/schedules"], ["schedule", "/schedules/market-report"], ["calendar", "/schedules/calendar?view=month&mic=XNYS"], ["approvals", "/approvals"],
      ["approval", `/approvals/${id.approval}`], ["templates", "/templates"], ["directives", "/directives"], ["webhooks", "/webhooks"], ["webhook", `/webhooks/${id.hook}`], ["workers", "/system/workers"], ["secrets", "/system/secrets"],
      ["users", "/system/users"], ["audit", "/system/audit"], ["settings", "/system/settings"], ["welcome", "/welcome"],
    ];
    for (const theme of ["light", "dark"] as const) {
      const context = await f.context({ theme, width: 1280, height: 800, timezone: "Europe/Berlin" });
      const page = await context.newPage();
      for (const [name, path] of pages) {
        await page.goto(`${f.server.url}/ui${path}`);
        await page.getByRole("heading", { level: 1 }).waitFor();
        await pause(900);
        await page.screenshot({ path: join(folder, `${name}-${theme}.png`) });
      }
      await context.close();
    }
    const login = await f.page("/login", { anonymous: true, width: 1280, height: 800 });
    await login.getByLabel("Name").waitFor();
    await login.screenshot({ path: join(folder, "login-light.png") });
    writeFileSync(join(folder, "README.md"), `# Pictures of the web pages\n\nTaken by \`make screenshots\` with made-up data.\n${pages.map(([name]) => `\n## ${name}\n\n![${name}, light](${name}-light.png)\n\n![${name}, dark](${name}-dark.png)\n`).join("")}`);
  } finally {
    await f.stop();
  }
}, 300_000);
