import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { board, nap, row, seen, still, undo, type Queue } from "./board";
import { axe, changes, errors, Fixture, overflow, password, shot, until, type Call } from "./fixture";

let f: Fixture;
beforeAll(async () => {
  f = await Fixture.start();
});
afterAll(() => f?.stop());

const { waiting, order, idOf, fresh, empty } = board(() => f);
beforeEach(fresh);

it("gives the same call for a drag, a key, a button and the menu", async () => {
  const page = await f.page("/queue");
  await row(page, "d").waitFor();
  const calls = changes(page);
  const ways: ((p: Page) => Promise<void>)[] = [
    async (p) => {
      const from = await still(row(p, "d").getByRole("button", { name: "Move d" }));
      const to = await still(row(p, "c"));
      await p.mouse.move(from.x + 6, from.y + 20);
      await p.mouse.down();
      await p.mouse.move(from.x + 6, from.y - 10, { steps: 4 });
      await p.mouse.move(from.x + 6, to.y + 3, { steps: 4 });
      await p.locator("[data-drop='2']").waitFor({ state: "attached" });
      await p.mouse.up();
    },
    (p) => row(p, "d").press("Alt+ArrowUp"),
    async (p) => {
      await row(p, "d").hover();
      await row(p, "d").getByRole("button", { name: "Up", exact: true }).click();
    },
    async (p) => {
      await row(p, "d").getByRole("button", { name: "Actions of d" }).click();
      await p.getByRole("menuitem", { name: /^Up/ }).click();
    },
    async (p) => {
      // Each arrow is one place, also the first one down; the way to steer is shown.
      const steps = [["Space", "d picked up, position 4 of 6"], ["ArrowDown", "Position 5 of 6"], ["ArrowUp", "Position 4 of 6"], ["ArrowUp", "Position 3 of 6"]] as const;
      for (const [key, text] of steps) {
        await row(p, "d").press(key);
        await p.getByText(text, { exact: true }).waitFor({ state: "attached" });
      }
      await p.locator("span[aria-hidden]:visible", { hasText: "Space picks up" }).waitFor();
      await row(p, "d").press("Space");
    },
  ];
  const made: Call[] = [];
  for (const way of ways) {
    const before = calls.length;
    await Promise.all([page.waitForResponse((r) => new URL(r.url()).pathname === "/api/queue/order"), way(page)]);
    await until(async () => (await order()).join("") === "abdcef" && (await seen(page)).join("") === "abdcef", "the move");
    made.push(calls[before] as Call);
    await f.call("PUT", "/api/queue/order", { job_id: await idOf("d"), position: 3 });
    await until(async () => (await seen(page)).join("") === "abcdef", "the old order");
  }
  for (const c of made) expect(c).toEqual(made[0]);
  expect(errors(page)).toEqual([]);
});

it("selects no text where a row is dragged by its body", async () => {
  const page = await f.page("/queue");
  const from = await still(row(page, "b").getByRole("link", { name: "b" }));
  const to = await still(row(page, "e"));
  // Not at the name itself: that is a link, which a browser carries as one.
  await page.mouse.move(from.x + from.width + 24, from.y + 6);
  await page.mouse.down();
  await page.mouse.move(to.x + 300, to.y + 12, { steps: 6 });
  expect(await page.evaluate(() => getSelection()?.toString())).toBe("");
  await page.mouse.up();
  expect((await order()).join("")).toBe("abcdef");
  expect(errors(page)).toEqual([]);
});

it("keeps the focus at the job, and says where it went", async () => {
  const page = await f.page("/queue");
  await row(page, "a").waitFor();
  await page.keyboard.press("j");
  await until(() => row(page, "a").evaluate((e) => e === document.activeElement), "the focus in the first row");
  for (const next of ["bacdef", "bcadef", "bcdaef"]) {
    await row(page, "a").press("Alt+ArrowDown");
    await until(async () => (await seen(page)).join("") === next, "the move at once on the page");
  }
  await until(async () => (await order()).join("") === "bcdaef", "three moves");
  // The page has its answer after the server has moved the job.
  await until(async () => (await page.locator("#announce").textContent())?.includes("a moved to position 4 of 6") === true, "that it is said");
  await until(() => page.evaluate(() => document.activeElement?.getAttribute("aria-label") === "a"), "the focus at the job");
  // The last move can be taken back, unless somebody has changed the order since.
  await undo(page, "a moved to position 4 of 6").click();
  await until(async () => (await order()).join("") === "bcadef", "the place before");
  await row(page, "a").press("Alt+ArrowDown");
  await until(async () => (await order()).join("") === "bcdaef", "another move");
  const again = undo(page, "a moved to position 4 of 6");
  await again.hover(); // so it stays
  await f.call("PUT", "/api/queue/order", { job_id: await idOf("f"), top: true });
  await again.click();
  await page.getByText("The order has changed meanwhile, not moved").waitFor();
  expect((await order()).join("")).toBe("fbcdae");
});

it("sends what takes a move back and the next move one after another, and offers only the latest", async () => {
  const page = await f.page("/queue");
  await row(page, "a").press("Alt+ArrowDown");
  const back = undo(page, "a moved to position 2 of 6");
  await back.waitFor();
  // The next call is kept from the server until it is let go.
  const keep = async () => {
    let letGo = () => {};
    const held = new Promise<void>((done) => (letGo = done));
    await page.route("**/api/queue/order", async (r) => {
      await held;
      await r.continue();
    }, { times: 1 });
    return letGo;
  };
  const calls = changes(page);
  let letGo = await keep();
  await back.click();
  await until(() => calls.length === 1, "the call of the undo");
  await row(page, "f").press("Alt+Home");
  // The rest of the order may be the server's meanwhile: an event of the first move can come late.
  await until(async () => (await seen(page))[0] === "f", "the move at once on the page");
  letGo();
  await until(async () => (await seen(page)).join("") === "fabcde", "both on the page");
  await until(async () => (await page.locator("#announce").textContent())?.includes("f moved to position 1 of 6") === true, "that the move is said");
  expect((await order()).join("")).toBe("fabcde");
  expect(await page.getByText("The order has changed meanwhile").count()).toBe(0);
  expect(calls.length).toBe(2);
  // While the pointer is over the message it does not go by itself.
  await undo(page, "f moved to position 1 of 6").hover();
  letGo = await keep();
  await row(page, "b").press("Alt+End");
  await until(() => calls.length === 3, "the call of the next move");
  await undo(page, "f moved to position 1 of 6").waitFor({ state: "detached" });
  letGo();
  await undo(page, "b moved to position 6 of 6").click();
  await until(async () => (await order()).join("") === "fabcde", "the place before");
  expect(errors(page)).toEqual([]);
});

it("moves several, cancels, and takes back", async () => {
  const page = await f.page("/queue");
  await row(page, "b").press("x");
  await row(page, "e").press("x");
  await page.getByRole("button", { name: "To the top" }).click();
  await until(async () => (await order()).join("") === "beacdf", "both at the top");
  await page.getByRole("button", { name: "Clear selection" }).click();
  await row(page, "c").press("c");
  await until(async () => (await order()).join("") === "beadf", "cancelled");
  await undo(page, "c was cancelled").click();
  await until(async () => (await order()).join("") === "beacdf", "back");
});

it("groups some of the waiting jobs, takes it back, and ungroups them", async () => {
  const page = await f.page("/queue");
  const status = async () => (await f.call<{ queued: { jobs: { job_id: string }[] } }>("GET", "/queue/status")).queued.jobs.map((j) => j.job_id);
  const both = async (want: string, groups: number, what: string) => {
    await until(async () => (await order()).join("") === want, what);
    // What the page shows, without the heads of groups, is the order that the API tells.
    const ids = await waiting().then((all) => all.map((j) => j.job_id));
    expect(await status()).toEqual(ids);
    const shown = () => page.locator("[data-row^=job_]").evaluateAll((all) => all.map((e) => [e.getBoundingClientRect().top, e.getAttribute("data-row")] as const).sort((x, y) => x[0] - y[0]).map((e) => e[1]));
    await until(async () => (await shown()).join() === ids.join() && (await page.locator("[data-row^=group_]").count()) === groups, `the rows of ${what}`);
  };
  const calls = changes(page);
  await row(page, "f").press("c");
  await both("abcde", 0, "five jobs");
  for (const n of ["b", "d", "e"]) await row(page, n).press("x");
  await page.getByRole("button", { name: "Group…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("night's batch");
  await dialog.getByText("together, 3 at a time").click();
  expect(await axe(page)).toEqual([]);
  await dialog.getByRole("button", { name: "Copy as" }).click();
  await page.getByRole("menuitem", { name: /CLI|command line/i }).waitFor();
  await page.keyboard.press("Escape");
  await dialog.getByRole("button", { name: "Group", exact: true }).click();
  await both("abdec", 1, "the group");
  expect(calls.at(-1)?.path).toBe("/api/job-groups");
  // The undo puts everything where it was.
  await undo(page, /in the group night.s batch/).click();
  await both("abcde", 0, "the old order");
  // The same by keys alone, through the menu of a row, one after another.
  for (const n of ["e", "c"]) await row(page, n).press("x");
  await row(page, "c").press(".");
  await page.getByRole("menuitem", { name: "Group…" }).press("Enter");
  await dialog.getByLabel("Name").fill("chain");
  await page.keyboard.press("Enter");
  await both("abced", 1, "the second group");
  const [g] = (await f.call<{ items: { group_id: string; mode: string; total: number; position: number }[] }>("GET", "/api/job-groups?status=PENDING")).items;
  expect(g).toMatchObject({ mode: "sequential", total: 2, position: 2 });
  await row(page, "chain").press(".");
  await page.getByRole("menuitem", { name: "Ungroup" }).press("Enter");
  await both("abced", 0, "no group");
  await undo(page, "The jobs of chain stand alone again").click();
  await both("abced", 1, "the group again");
  await row(page, "chain").press("x");
  await page.getByRole("button", { name: "Ungroup" }).click();
  await both("abced", 0, "no group again");
  expect(errors(page)).toEqual([]);
});

it("follows the progress of what runs while nothing else happens", async () => {
  await empty("QUEUED");
  const next = join(await mkdtemp(join(tmpdir(), "runsheet-e2e-progress-")), "next");
  const { job_id } = await f.call<{ job_id: string }>("POST", "/api/jobs", { trigger: "manual", job_type: "command", name: "long", params: { argv: ["sh", "-c", `echo '::progress 1/3 first'; until [ -e ${next} ]; do sleep 0.1; done; echo '::progress 2/3 second'; sleep 600`] } });
  await f.call("POST", "/api/queue/resume", {});
  const page = await f.page("/queue");
  const card = page.locator("[data-running]").filter({ hasText: "long" });
  await card.getByText("1/3").waitFor();
  await writeFile(next, "");
  await card.getByText("2/3").waitFor();
  await card.getByText("command · second").waitFor();
  await f.call("POST", `/api/jobs/${job_id}/cancel`, {});
  expect(errors(page)).toEqual([]);
});

it("ends equal to the server when two browsers race with 200 moves", async () => {
  const pages = await Promise.all([f.page("/queue"), f.page("/queue")]);
  for (const p of pages) await row(p, "a").waitFor();
  const calls = pages.map(changes);
  // Each move is one that changes something, so each is a call: but where the other browser has just made the same one.
  await Promise.all(pages.map(async (p, n) => {
    for (let i = 0; (calls[n]?.length ?? 0) < 100; i++) {
      const name = (await seen(p))[i % 2 ? 0 : 5 - n] ?? "a";
      await row(p, name).press(i % 2 ? "Alt+End" : "Alt+Home");
    }
  }));
  // At one moment: what a page has not sent yet shows in it, and what it has done may come late to the other. A hundred moves of
  // each are sent one after another, which takes a busy machine long.
  await until(async () => {
    const all = [await order(), ...(await Promise.all(pages.map(seen)))].map((x) => x.join(""));
    return new Set(all).size === 1;
  }, "the same order in both and at the server", 150_000);
  for (const p of pages) expect(errors(p)).toEqual([]);
});

it("survives kill -9 in the middle of a drag", async () => {
  const page = await f.page("/queue");
  const handle = await still(row(page, "f").getByRole("button", { name: "Move f" }));
  await page.mouse.move(handle.x + 6, handle.y + 20);
  await page.mouse.down();
  await page.mouse.move(handle.x + 6, handle.y - 60, { steps: 4 });
  await f.server.kill();
  await page.mouse.up();
  await page.locator("[data-banner=lost]").waitFor();
  await f.server.run();
  await page.locator("[data-link=live]").waitFor();
  await until(async () => (await seen(page)).join("") === (await order()).join(""), "the server's order");
});

it("tells who may not move jobs why", async () => {
  await f.user("vic", "viewer");
  const page = await f.page("/login?next=/ui/queue", { anonymous: true });
  await page.getByLabel("Name").fill("vic");
  await page.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
  await row(page, "b").hover();
  // Again where something that is read late has moved the row from under the pointer.
  await until(async () => {
    await row(page, "b").getByRole("button", { name: "Up", exact: true }).hover();
    return page.locator("[popover]").getByText("jobs:write").waitFor({ timeout: 3000 }).then(() => true, () => false);
  }, "the reason");
  const before = await order();
  await row(page, "b").getByRole("button", { name: "Up", exact: true }).click({ force: true });
  expect(await order()).toEqual(before);
  expect(await axe(page)).toEqual([]);
});

/** With runs to learn from there are estimates. */
async function learn(): Promise<void> {
  await empty("QUEUED");
  await f.call("POST", "/api/queue/resume", {});
  for (let i = 0; i < 3; i++) await f.call("POST", "/api/jobs", { trigger: "manual", job_type: "command", name: "short", params: { argv: ["sleep", "1"] } });
  await until(async () => (await f.call<{ running: unknown[]; queued: { items: unknown[] } }>("GET", "/api/queue").then((q) => q.running.length + q.queued.items.length)) === 0, "they have run");
}

it("shows the estimates of the API, also those that change while nothing happens", async () => {
  await learn();
  for (let i = 0; i < 4; i++) await f.call("POST", "/api/jobs", nap(`e${i}`, "600"));
  const drainedAt = async () => (await f.call<Queue>("GET", "/api/queue")).drained_at;
  await until(async () => (await waiting()).length === 3 && (await drainedAt()) !== null, "that the first runs, and what the server learns every 15 s");
  const page = await (await f.context()).newPage();
  await page.clock.install();
  // What the server has told the page last: it computes estimates anew at each read.
  const told: Queue[] = [];
  page.on("response", (r) => {
    if (new URL(r.url()).pathname === "/api/queue") void r.json().then((q: Queue) => told.push(q), () => undefined);
  });
  await page.goto(`${f.server.url}/ui/queue`);
  await row(page, "e3").waitFor();
  await page.locator("[data-link=live]").waitFor();
  const agrees = async () => {
    const last = told.at(-1);
    const etas = last?.queued.items.map((j) => j.estimated_start_at) ?? [];
    const shown = await page.locator("[data-eta]").evaluateAll((all) => all.map((e) => e.getAttribute("data-eta")));
    const drained = await page.locator("[data-drained]").evaluateAll((all) => all.map((e) => e.getAttribute("data-drained")));
    // An end that has passed by the page's clock, which runs ahead below, is not shown.
    return etas.length === 3 && etas.every((at) => at !== null) && JSON.stringify(etas) === JSON.stringify(shown) && drained.every((at) => at === last?.drained_at);
  };
  await until(agrees, "the API's estimates");
  await page.locator("[data-drained]").waitFor();
  const before = told.length;
  const was = told.at(-1)?.drained_at;
  await until(async () => (await drainedAt()) !== was, "that the server estimates anew");
  await page.clock.fastForward(16_000);
  await until(async () => told.length > before && told.at(-1)?.drained_at !== was && (await agrees()), "newer estimates");
  await page.locator("[data-running]").first().waitFor();
});

for (const theme of ["light", "dark"] as const) {
  for (const width of [1440, 375]) {
    it(`has no serious finding and fits, ${theme}, ${width} px`, async () => {
      const page = await f.page("/queue", { theme, width, height: 812, touch: width === 375 });
      await row(page, "a").waitFor();
      expect(await axe(page)).toEqual([]);
      expect(await overflow(page)).toBeLessThanOrEqual(0);
      await shot(page, `queue-${theme}-${width}`);
      expect(errors(page)).toEqual([]);
    });
  }
}

for (const locale of ["en-US", "ko-KR"]) {
  it(`tells on a phone why a job waits and when it may start, whole, ${locale}`, async () => {
    if ((await f.call<{ items: unknown[] }>("GET", "/api/job-runs?status=COMPLETED&limit=1")).items.length === 0) {
      await learn();
      await fresh();
    }
    await f.call("POST", "/api/jobs", { ...nap("keeper"), locks: ["demo:line"], priority: 0 });
    await f.call("POST", "/api/jobs", { ...nap("kept"), locks: ["demo:line"], priority: 0 });
    await f.call("PATCH", "/api/workers", { count: 2 });
    await f.call("POST", "/api/queue/resume", {});
    await until(async () => { const w = await waiting(); return w.length === 6 && w.every((j) => j.estimated_start_at !== null); }, "estimates of all");
    const page = await f.page("/queue", { width: 375, height: 812, touch: true, locale });
    await row(page, "kept").waitFor();
    await shot(page, `queue-narrow-${locale}`);
    for (const name of ["kept", "f"]) {
      const cut = await row(page, name).evaluate((r) => {
        const bottom = r.getBoundingClientRect().bottom;
        const seen = [...r.querySelectorAll(".md\\:hidden *")].filter((e) => getComputedStyle(e).display !== "none");
        return { parts: seen.length, cut: seen.filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline" || e.getBoundingClientRect().bottom > bottom || e.getBoundingClientRect().height === 0).map((e) => e.textContent) };
      });
      expect(cut.parts, name).toBeGreaterThan(2);
      expect(cut.cut, name).toEqual([]);
    }
    const hole = await row(page, "f").evaluate((r) => (r.querySelector("span.text-right")?.getBoundingClientRect().left ?? 0) - (r.querySelector("[data-grip]")?.getBoundingClientRect().right ?? 0));
    expect(Math.abs(hole)).toBeLessThanOrEqual(8);
    expect(await overflow(page)).toBeLessThanOrEqual(0);
  });
}

it("edits the input of a waiting job, and duplicates it", async () => {
  const page = await f.page("/queue");
  await row(page, "b").getByRole("button", { name: "Actions of b" }).click();
  await page.getByRole("menuitem", { name: /^Edit/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Command", { exact: true }).fill("sleep 61");
  await dialog.getByLabel("Name", { exact: true }).first().fill("b2");
  expect(await axe(page)).toEqual([]);
  await dialog.getByRole("button", { name: "Save" }).click();
  await row(page, "b2").waitFor();
  expect((await f.call<{ params: unknown }>("GET", `/api/jobs/${await idOf("b2")}`)).params).toEqual({ argv: ["sleep", "61"] });
  await row(page, "b2").getByRole("button", { name: "Actions of b2" }).click();
  await page.getByRole("menuitem", { name: "Duplicate" }).click();
  await until(async () => (await order()).filter((n) => n === "b2").length === 2, "the copy");
});

it("changes all that match, after saying how many", async () => {
  const page = await f.page("/queue");
  await page.getByRole("button", { name: "More of the queue" }).click();
  await page.getByRole("menuitem", { name: /^By filter/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.locator("[data-matched='6']").waitFor();
  await dialog.getByLabel(/^Name contains/).fill("c");
  await dialog.locator("[data-matched='1']").waitFor();
  expect(await axe(page)).toEqual([]);
  await dialog.getByRole("button", { name: "Apply to 1 job" }).click();
  await row(page, "c").getByText("held").last().waitFor();
});

it("moves to a position by what was seen there, when somebody was faster", async () => {
  const page = await f.page("/queue");
  await row(page, "f").getByRole("button", { name: "Actions of f" }).click();
  await page.getByRole("menuitem", { name: /^Move to position/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Position").fill("2");
  // The page learns nothing of what happens now.
  await page.route("**/api/queue?**", (r) => r.abort());
  await f.call("PUT", "/api/queue/order", { job_id: await idOf("e"), top: true });
  await dialog.getByRole("button", { name: "Move" }).click();
  await page.getByText("The order has changed meanwhile, moved to 4").waitFor();
  await page.unroute("**/api/queue?**");
  expect((await order()).join("")).toBe("eabfcd");
  await page.locator(`[data-row="${await idOf("f")}"].flash`).waitFor();
});

it("shows all there is to know of a waiting job, by its name, Enter and the row", async () => {
  const { job_id: id } = await f.call<{ job_id: string }>("POST", "/api/jobs", { trigger: "manual", job_type: "command", name: "known", params: { argv: ["echo", "a b"], env: { COLOUR: "blue" } }, locks: ["gpu:0"], hold: true, labels: { team: "red" }, timeout: "15m" });
  const page = await f.page("/queue");
  const drawer = page.getByRole("dialog");
  const ways = [() => row(page, "known").getByRole("link", { name: "known" }).click(), () => row(page, "known").press("Enter"), () => row(page, "known").locator(`#why-${id}`).click()];
  for (const way of ways) {
    await way();
    await drawer.locator("[data-because=held]").waitFor();
    expect(new URL(page.url()).searchParams.get("job")).toBe(id);
    for (const text of ["It is held: it does not start until somebody releases it.", "echo 'a b'", "COLOUR", "gpu:0", "team=red", "15\u202fmin", "job.queued"]) await drawer.getByText(text).first().waitFor();
    expect(await axe(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await drawer.waitFor({ state: "detached" });
    expect(new URL(page.url()).search).toBe("");
  }
  await row(page, "known").press("Enter");
  await drawer.getByRole("button", { name: "Actions of known" }).click();
  await page.getByRole("menuitem", { name: "Release" }).click();
  await drawer.locator("[data-because]:not([data-because=held])").waitFor();
  expect(errors(page)).toEqual([]);
});

it("shows what a link names", async () => {
  const id = await idOf("d");
  const page = await f.page(`/queue?job=${id}`);
  await page.locator(`[data-job="${id}"]`).waitFor();
  await f.call("POST", `/api/jobs/${id}/cancel`);
  const gone = await f.page(`/queue?job=${id}`);
  await gone.locator("[data-elsewhere=CANCELLED]").waitFor();
});

it("starts the demo and removes it", async () => {
  await f.call("DELETE", "/api/demo");
  await empty("QUEUED");
  const page = await f.page("/queue");
  await page.getByRole("heading", { name: "Nothing waits" }).waitFor();
  expect(await axe(page)).toEqual([]);
  await shot(page, "queue-empty");
  await page.getByRole("button", { name: "Start the demo" }).click();
  await page.locator("[data-row]").first().waitFor();
  // Its jobs come one after the other: only the message says that all are there.
  await page.getByRole("button", { name: "What to try" }).waitFor();
  // Where it is there already and nothing waits, the button still leads on.
  await empty("QUEUED");
  const again = await f.page("/queue");
  await again.getByRole("button", { name: "Start the demo" }).click();
  await again.getByRole("button", { name: "What to try" }).click();
  await again.getByRole("list", { name: "Try it" }).waitFor();
  await page.getByRole("button", { name: "More of the queue" }).click();
  await page.getByRole("menuitem", { name: "Remove the demo" }).click();
  await page.getByRole("heading", { name: "Nothing waits" }).waitFor();
});

it("draws only what is seen of 10,000 rows, and scrolls to the last", async () => {
  await empty("QUEUED");
  const total = 10_000;
  const input = Array.from({ length: total }, (_, i) => ({ ...nap(`n${i}`), params: { argv: ["true"] } }));
  for (let i = 0; i < total; i += 500) await f.call("POST", "/api/job-groups", { name: `g${i / 500}`, mode: "parallel", jobs: input.slice(i, i + 500) });
  const page = await f.page("/queue");
  await page.locator("[data-depth='10000']").waitFor();
  const scroller = page.locator("[data-scroller]");
  let most = 0;
  await until(async () => {
    await scroller.evaluate((e) => e.scrollTo(0, e.scrollHeight));
    most = Math.max(most, await page.locator("[data-row]").count());
    return (await row(page, "n9999").count()) > 0;
  }, "the last row", 180_000);
  expect(most).toBeLessThan(80);
  expect(errors(page)).toEqual([]);
});
