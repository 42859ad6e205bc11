// Starts the real binary with an empty database and a browser that is logged in. After
// each test it closes all windows; of a test that has failed it keeps pictures of them and
// what the servers have printed, says where, and starts servers again that the test has left killed.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server as NetServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load } from "js-yaml";
import { chromium, type Browser, type BrowserContext, type Page, type Request } from "playwright-core";
import { afterEach } from "vitest";

const binary = process.env.RUNSHEET_BIN ?? join(import.meta.dirname, "..", "..", "bin", "runsheet");
const browserPath = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const password = "correct horse battery staple";

/** One call to the API that a page made. */
export interface Call {
  method: string;
  path: string;
  body: unknown;
}

/** How long a page may take for anything: much longer than it does, also beside other work on the machine. */
const patience = 60_000;

const servers = new Set<Server>();
const fixtures = new Set<Fixture>();

afterEach(async ({ task }) => {
  const failed = task.result?.state === "fail";
  if (failed) await keep(`${task.file.name.replace(/^e2e\/|\.test\.ts$/g, "")}: ${task.name}`, task.result?.errors?.map((e) => e.stack ?? e.message).join("\n"));
  for (const f of fixtures) await f.closePages();
  if (failed) for (const s of servers) if (s.pid === 0) await s.run();
});

/** Writes pictures of all windows, and what the servers have printed, to a folder, and says which. */
async function keep(name: string, why = ""): Promise<void> {
  const folder = mkdtempSync(join(process.env.RUNSHEET_E2E_FAILED ?? tmpdir(), `runsheet-e2e-failed-${name.replace(/\W+/g, "-").slice(0, 60)}-`));
  let n = 0;
  for (const s of servers) writeFileSync(join(folder, `server-${++n}.log`), s.output);
  n = 0;
  for (const page of [...fixtures].flatMap((f) => f.browser.contexts()).flatMap((c) => c.pages())) {
    n++;
    writeFileSync(join(folder, `page-${n}.txt`), [page.url(), ...errors(page)].join("\n"));
    await page.screenshot({ path: join(folder, `page-${n}.png`), timeout: 10_000 }).catch((e: unknown) => writeFileSync(join(folder, `page-${n}.txt`), `no picture: ${String(e)}`));
  }
  console.error(`FAILED ${name}\n${why}\nPictures and the server's log are in ${folder}`);
}

/** A port that nothing listens at, below those that the system gives to clients: one of them could take it while the server is down. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const free = await new Promise<boolean>((resolve) => {
      const s = createServer();
      s.once("error", () => resolve(false));
      s.listen(port, "127.0.0.1", () => s.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

async function ended(p: ChildProcess): Promise<void> {
  if (p.exitCode !== null || p.signalCode !== null) return;
  await new Promise<void>((resolve) => p.once("exit", () => resolve()));
}

interface Database {
  /** "" = SQLite in the server's folder. */
  url: string;
  stop: () => Promise<void>;
}

const repository = join(import.meta.dirname, "..", "..");

/** An empty database: SQLite, the PostgreSQL database that RUNSHEET_E2E_DB names, or with "postgres" in it one of a server of our own. */
async function database(engine: string): Promise<Database> {
  if (engine !== "postgres") return { url: engine, stop: async () => undefined };
  const p = spawn("go", ["run", "./internal/testsvc/pg"], { cwd: repository, stdio: ["pipe", "pipe", "inherit"] });
  const url = await new Promise<string>((resolve, reject) => {
    let text = "";
    p.stdout.on("data", (d: Buffer) => {
      text += d.toString();
      if (text.includes("\n")) resolve(text.trim());
    });
    p.once("error", reject);
    p.once("exit", (code) => reject(new Error(`no PostgreSQL: go run ended with ${code}`)));
  });
  return {
    url,
    stop: async () => {
      p.stdin.end();
      await ended(p);
    },
  };
}

export interface ServerOptions {
  /** Further arguments of "runsheet serve". */
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** "postgres", "sqlite" or a URL; RUNSHEET_E2E_DB, else SQLite. */
  db?: string;
}

/** A server under test. */
export class Server {
  private process: ChildProcess | null = null;
  /** All that it has printed. */
  output = "";
  private constructor(readonly port: number, readonly folder: string, private readonly db: Database, private readonly options: ServerOptions) {}

  static async start(options: ServerOptions = {}): Promise<Server> {
    if (!existsSync(binary)) throw new Error(`${binary} is not there: make build`);
    const s = new Server(await freePort(), mkdtempSync(join(tmpdir(), "runsheet-e2e-")), await database((options.db ?? process.env.RUNSHEET_E2E_DB ?? "").replace("sqlite", "")), options);
    servers.add(s);
    try {
      await s.run();
    } catch (e) {
      await keep("start of the server", String(e));
      await s.stop().catch(() => undefined); // e says more
      throw e;
    }
    return s;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The URL of its database; "" = SQLite. For another server on the same one, as the option db. */
  get database(): string {
    return this.db.url;
  }

  /** The process's number; 0 = it does not run. */
  get pid(): number {
    return this.process?.pid ?? 0;
  }

  /** Starts the process; again after kill(). */
  async run(): Promise<void> {
    const args = ["serve", "--listen", `127.0.0.1:${this.port}`, "--data", join(this.folder, "data"), "--allow-command", "*", ...(this.options.args ?? [])];
    const env: Record<string, string> = { PATH: process.env.PATH ?? "", HOME: this.folder };
    if (this.db.url) {
      args.push("--database-url", this.db.url);
      env["RUNSHEET_SECRETS_KEY"] = Buffer.alloc(32, "k").toString("base64"); // only beside SQLite does a server make it itself
    }
    const p = spawn(binary, args, { cwd: this.folder, env: { ...env, ...this.options.env }, stdio: ["ignore", "pipe", "pipe"] });
    this.process = p;
    process.once("exit", () => p.kill("SIGKILL")); // a run that is given up leaves no server behind
    const take = (d: Buffer) => (this.output += d.toString());
    p.stdout?.on("data", take);
    p.stderr?.on("data", take);
    await until(async () => {
      if (p.exitCode !== null) throw new Error(`the server has ended:\n${this.output}`);
      return fetch(`${this.url}/readyz`).then((r) => r.ok, () => false);
    }, "the server to answer");
  }

  /** Freezes the process (SIGSTOP), or lets it go on. Its sockets stay open and say nothing. */
  freeze(on: boolean): void {
    this.process?.kill(on ? "SIGSTOP" : "SIGCONT");
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const p = this.process;
    this.process = null;
    if (!p) return;
    p.kill("SIGKILL");
    await ended(p);
  }

  async stop(): Promise<void> {
    const p = this.process;
    this.process = null;
    servers.delete(this);
    try {
      if (!p) return;
      if (p.exitCode !== null || p.signalCode !== null) throw new Error(`the server has ended by itself:\n${this.output}`);
      p.kill("SIGTERM");
      await until(() => p.exitCode !== null || p.signalCode !== null, "the end of the server");
      if (p.exitCode !== 0) throw new Error(`the server has ended with ${p.exitCode ?? p.signalCode}:\n${this.output}`);
    } finally {
      p?.kill("SIGKILL");
      await this.db.stop();
      rmSync(this.folder, { recursive: true, force: true });
    }
  }

  /** The setup link that it printed. */
  async setupLink(): Promise<string> {
    const link = () => /http:\/\/\S+#setup=\S+/.exec(this.output)?.[0] ?? "";
    await until(() => link() !== "", "the setup link");
    return link();
  }
}

/** What happens to sockets for events: "drop" = none lives; "stall" = they are open, and nothing passes until it is "pass" again. */
type Road = "pass" | "drop" | "stall";

/** Stands between a browser and a server. Only sockets for events can be troubled: all else passes. */
export class Proxy {
  private readonly listener: NetServer;
  private readonly sockets = new Set<Socket>();
  private readonly events = new Set<readonly [Socket, Socket]>();
  private road: Road = "pass";
  /** How many sockets for events were asked for since the last set(). */
  asked = 0;

  private constructor(server: Server) {
    this.listener = createServer((browser) => {
      this.keep(browser);
      browser.once("data", (first) => {
        browser.pause();
        browser.unshift(first);
        const upstream = this.keep(connect(server.port, "127.0.0.1"));
        browser.on("close", () => upstream.destroy());
        upstream.on("close", () => browser.destroy());
        const pair = [browser, upstream] as const;
        if (first.toString("latin1").startsWith("GET /api/events/ws")) {
          this.events.add(pair);
          browser.on("close", () => this.events.delete(pair));
          this.asked++;
          this.lead(pair);
        } else pass(pair);
      });
    });
  }

  static async start(server: Server): Promise<Proxy> {
    const p = new Proxy(server);
    await new Promise<void>((resolve) => p.listener.listen(0, "127.0.0.1", resolve));
    return p;
  }

  get url(): string {
    const a = this.listener.address();
    return `http://127.0.0.1:${typeof a === "object" && a ? a.port : 0}`;
  }

  set(road: Road): void {
    this.road = road;
    this.asked = 0;
    for (const pair of this.events) this.lead(pair);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.listener.close(resolve));
    for (const s of this.sockets) s.destroy();
    await closed;
  }

  private keep(s: Socket): Socket {
    this.sockets.add(s);
    s.on("error", () => s.destroy());
    s.on("close", () => this.sockets.delete(s));
    return s;
  }

  private lead(pair: readonly [Socket, Socket]): void {
    if (this.road === "pass") pass(pair);
    else if (this.road === "drop") pair[0].destroy();
    else {
      pair[0].unpipe(pair[1]);
      pair[1].unpipe(pair[0]);
    }
  }
}

function pass([a, b]: readonly [Socket, Socket]): void {
  a.pipe(b);
  b.pipe(a);
}

/** The operations of the OpenAPI document, as patterns of "GET /api/jobs". */
const documented = Object.entries((load(readFileSync(join(import.meta.dirname, "..", "..", "internal", "api", "openapi.yaml"), "utf8")) as { paths: Record<string, object> }).paths)
  .flatMap(([path, operations]) => Object.keys(operations).map((method) => new RegExp(`^${method.toUpperCase()} ${path.replace(/[.+]/g, "\\$&").replace(/\{[^}]+\}/g, "[^/]+")}$`)));

/** A server, a browser, and an administrator who is logged in. */
export class Fixture {
  private cookie = "";
  /** What pages have asked of the API, as "GET /api/jobs". */
  private readonly asked = new Set<string>();
  private constructor(readonly server: Server, readonly browser: Browser) {}

  static async start(options: ServerOptions = {}): Promise<Fixture> {
    const server = await Server.start(options);
    try {
      const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox", "--disable-dev-shm-usage"], timeout: patience });
      const f = new Fixture(server, browser);
      fixtures.add(f);
      await f.setUp();
      return f;
    } catch (e) {
      await keep("start of the browser", String(e));
      for (const f of fixtures) await f.browser.close();
      await server.stop().catch(() => undefined);
      throw e;
    }
  }

  private async setUp(): Promise<void> {
    const code = decodeURIComponent((await this.server.setupLink()).split("#setup=")[1] ?? "");
    const res = await fetch(`${this.server.url}/api/setup`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ code, name: "admin", password }) });
    if (res.status !== 201) throw new Error(`setup: ${res.status} ${await res.text()}`);
    this.cookie = res.headers.getSetCookie()[0]?.split(";")[0] ?? "";
  }

  async stop(): Promise<void> {
    fixtures.delete(this);
    await this.browser.close();
    await this.server.stop();
    const unknown = [...this.asked].filter((call) => !documented.some((d) => d.test(call)));
    if (unknown.length > 0) throw new Error(`pages asked for what the OpenAPI document does not have: ${unknown.join(", ")}`);
  }

  /** Closes all windows: they share the session, and with it the number of sockets that it may have. */
  async closePages(): Promise<void> {
    // What still waits in a route of a test that has failed is no error of its own.
    for (const page of this.browser.contexts().flatMap((c) => c.pages())) await page.unrouteAll({ behavior: "ignoreErrors" });
    await Promise.all(this.browser.contexts().map((c) => c.close()));
  }

  /** What a request of the administrator has. */
  headers(at = this.server): Record<string, string> {
    return { Cookie: this.cookie, Origin: at.url };
  }

  /** Calls the API as the administrator, of this server or another one on its database. Throws unless it went well. */
  async call<T = unknown>(method: string, path: string, body?: unknown, at = this.server): Promise<T> {
    const res = await fetch(at.url + path, {
      method, headers: { ...this.headers(at), "Content-Type": "application/json" }, ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await res.text();
    if (!res.ok) throw new Error(`${method} ${path}: ${res.status} ${text}`);
    return (text ? JSON.parse(text) : null) as T;
  }

  /** A user with the fixture's password, unless there is one of that name. */
  async user(name: string, ...roles: string[]): Promise<void> {
    const { items } = await this.call<{ items: { name: string }[] }>("GET", "/api/users?limit=200");
    if (!items.some((u) => u.name === name)) await this.call("POST", "/api/users", { name, password, roles });
  }

  /** A window that is logged in, unless anonymous. Errors of the page fail the test through errors(). */
  async context(options: { width?: number; height?: number; theme?: "light" | "dark"; locale?: string; timezone?: string; anonymous?: boolean; touch?: boolean } = {}): Promise<BrowserContext> {
    const c = await this.browser.newContext({
      viewport: { width: options.width ?? 1440, height: options.height ?? 900 }, colorScheme: options.theme ?? "light", locale: options.locale ?? "en-US", timezoneId: options.timezone ?? "UTC",
      reducedMotion: "reduce", hasTouch: options.touch ?? false,
    });
    c.setDefaultTimeout(patience);
    c.on("request", (r) => {
      const path = new URL(r.url()).pathname;
      if (path.startsWith("/api/")) this.asked.add(`${r.method()} ${path}`);
    });
    const [name = "", value = ""] = this.cookie.split("=");
    if (!options.anonymous) await c.addCookies([{ name, value, url: this.server.url, httpOnly: true, sameSite: "Lax" }]);
    return c;
  }

  /** A page at a path such as "/queue", with what went wrong in it. */
  async page(path: string, options: Parameters<Fixture["context"]>[0] = {}): Promise<Page> {
    const page = await (await this.context(options)).newPage();
    watch(page);
    await page.goto(`${this.server.url}/ui${path}`);
    return page;
  }
}

const troubles = new WeakMap<Page, string[]>();

/** Collects errors of a page: exceptions, and everything that the content policy refused. */
export function watch(page: Page): void {
  const list: string[] = [];
  troubles.set(page, list);
  page.on("pageerror", (e) => list.push(String(e)));
  page.on("console", (m) => {
    if (m.type() === "error" && !/Failed to load resource|WebSocket connection/.test(m.text())) list.push(m.text());
  });
}

/** What went wrong in a page so far. */
export function errors(page: Page): string[] {
  return troubles.get(page) ?? [];
}

/** Records the calls that a page makes to change something. */
export function changes(page: Page): Call[] {
  const out: Call[] = [];
  page.on("request", (r: Request) => {
    const u = new URL(r.url());
    if (r.method() !== "GET" && u.pathname.startsWith("/api/")) out.push({ method: r.method(), path: u.pathname, body: r.postDataJSON() as unknown });
  });
  return out;
}

const axeSource = readFileSync(join(import.meta.dirname, "..", "node_modules", "axe-core", "axe.min.js"), "utf8");

/** The serious and critical findings of axe, as "rule: element" lines. */
export async function axe(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  return page.evaluate(async () => {
    const run = (window as unknown as { axe: { run: (o: object) => Promise<{ violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[] }> } }).axe.run;
    const { violations } = await run({ resultTypes: ["violations"] });
    return violations.filter((v) => v.impact === "serious" || v.impact === "critical").flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 160)} ${n.failureSummary.slice(0, 200)}`));
  });
}

/** How many pixels the page is wider than the window. */
export async function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

/** Saves a picture for people in the folder that SHOTS names. */
export async function shot(page: Page, name: string): Promise<void> {
  if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, `${name}.png`) });
}

/** Presses keys that lead to another page, again where a busy page has taken the two of a sequence for one and another. */
export async function leap(page: Page, keys: readonly string[], path: string): Promise<void> {
  await until(async () => {
    for (const k of keys) await page.keyboard.press(k);
    return page.waitForURL(`**/ui${path}`, { timeout: 5000 }).then(() => true, () => false);
  }, `${path} by ${keys.join(" ")}`);
}

/** Waits until f is true, at most as long as a page may take for one thing, or for as many milliseconds as a long task needs. */
export async function until(f: () => boolean | Promise<boolean>, what: string, most = patience): Promise<void> {
  for (const end = Date.now() + most; Date.now() < end; ) {
    if (await f()) return;
    await new Promise((r) => setTimeout(r, 50));
  }
  throw new Error(`waited in vain: ${what}`);
}
