import { expect, it } from "vitest";
import type { LiveEvent, LiveHandlers } from "./live";
import { SharedLive, type SharedWorld } from "./shared";

// A browser with one lock and one channel.
class Browser implements SharedWorld {
  links: { to: LiveHandlers; since: number | null; open: boolean }[] = [];
  private waiting: (() => void)[] = [];
  private held = false;
  private ends = new Set<ReturnType<SharedWorld["channel"]>>();

  lock(holder: () => Promise<void>): () => void {
    const take = () => {
      this.held = true;
      void holder().then(() => {
        this.held = false;
        this.waiting.shift()?.();
      });
    };
    if (this.held) this.waiting.push(take);
    else take();
    return () => {
      this.waiting = this.waiting.filter((w) => w !== take);
    };
  }
  channel(): ReturnType<SharedWorld["channel"]> {
    const end: ReturnType<SharedWorld["channel"]> = {
      onmessage: null,
      postMessage: (data: never) => {
        for (const other of this.ends) if (other !== end) other.onmessage?.({ data: structuredClone(data) } as unknown as MessageEvent);
      },
      close: () => void this.ends.delete(end),
    };
    this.ends.add(end);
    return end;
  }
  link(to: LiveHandlers, since: number | null) {
    const it = { to, since, open: false };
    this.links.push(it);
    return { start: () => (it.open = true), stop: () => (it.open = false), pause: () => undefined, resume: () => undefined, wake: () => undefined, heardSeq: since };
  }
  get open() {
    return this.links.filter((l) => l.open);
  }
}

const event = (seq: number): LiveEvent => ({ seq, topic: "job", type: "job.created", at: "", data: {} });

function tab(b: Browser, since: number | null = null) {
  const heard: string[] = [];
  const live = new SharedLive({ event: (e) => heard.push(`e${e.seq}`), refetch: () => heard.push("refetch"), state: (s) => heard.push(s) }, since, b);
  return { live, heard };
}

it("has one socket for eight tabs, and hands it over with its place", async () => {
  const b = new Browser();
  const tabs = Array.from({ length: 8 }, () => tab(b));
  for (const t of tabs) t.live.start();
  expect(b.open.length).toBe(1);
  b.links[0]?.to.state("live");
  b.links[0]?.to.event(event(7));
  for (const t of tabs) expect(t.heard.filter((h) => h !== "refetch")).toEqual(["live", "e7"]);

  tabs[0]?.live.stop();
  await Promise.resolve();
  await Promise.resolve();
  expect(b.open.map((l) => l.since)).toEqual([7]);
  b.links[1]?.to.event(event(8));
  expect(tabs[0]?.heard).not.toContain("e8");
  for (const t of tabs.slice(1)) expect(t.heard.at(-1)).toBe("e8");
});

it("pauses one tab only", async () => {
  const b = new Browser();
  const [one, two] = [tab(b), tab(b)];
  one.live.start();
  two.live.start();
  one.live.pause();
  await Promise.resolve();
  await Promise.resolve();
  b.open[0]?.to.state("live");
  b.open[0]?.to.event(event(3));
  expect(one.heard.at(-1)).toBe("paused");
  expect(two.heard.at(-1)).toBe("e3");
  one.live.resume();
  expect(b.open.length).toBe(1);
  b.open[0]?.to.event(event(4));
  expect(one.heard.at(-1)).toBe("e4");
});

it("tells a tab that comes later how the connection is", () => {
  const b = new Browser();
  const one = tab(b);
  one.live.start();
  b.open[0]?.to.state("live");
  b.open[0]?.to.event(event(5));
  const two = tab(b, 4);
  two.live.start();
  expect(two.heard).toEqual(["refetch", "live"]);
});
