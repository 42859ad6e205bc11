import { beforeEach, describe, expect, it } from "vitest";
import { Live, type LinkState, type LiveEvent, type LiveWorld } from "./live";

class FakeSocket {
  onmessage: ((m: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  closed = false;
  constructor(readonly url: string) {}
  close(): void {
    this.closed = true;
  }
  says(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

// A world whose clock the test moves.
class World implements LiveWorld {
  sockets: FakeSocket[] = [];
  private at = 0;
  private timers: { at: number; f: () => void }[] = [];
  open = (url: string) => {
    const s = new FakeSocket(url);
    this.sockets.push(s);
    return s as unknown as WebSocket;
  };
  later = (f: () => void, ms: number) => {
    const it = { at: this.at + ms, f };
    this.timers.push(it);
    return () => {
      this.timers = this.timers.filter((t) => t !== it);
    };
  };
  now = () => this.at;
  pass(ms: number): void {
    const end = this.at + ms;
    for (;;) {
      const next = this.timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.timers = this.timers.filter((t) => t !== next);
      this.at = next.at;
      next.f();
    }
    this.at = end;
  }
  get last(): FakeSocket {
    const s = this.sockets.at(-1);
    if (!s) throw new Error("no socket");
    return s;
  }
}

describe("the live connection", () => {
  let world: World;
  let states: LinkState[];
  let events: LiveEvent[];
  let refetched: number;
  let live: Live;
  beforeEach(() => {
    world = new World();
    states = [];
    events = [];
    refetched = 0;
    live = new Live({ event: (e) => events.push(e), refetch: () => refetched++, state: (s) => states.push(s) }, world, "ws://x/ws");
    live.start();
  });

  it("continues behind the last event that it saw", () => {
    world.last.says({ type: "snapshot", seq: 7 });
    world.last.says({ type: "job.queued", topic: "job", seq: 9, at: "", data: {} });
    world.last.onclose?.();
    world.pass(1000);
    expect(world.last.url).toBe("ws://x/ws?since=9");
    expect(events.map((e) => e.seq)).toEqual([9]);
    expect(states).toEqual(["live"]); // a short outage is not worth a word
  });

  it("reads everything anew after a reset", () => {
    world.last.says({ type: "snapshot", seq: 7 });
    const before = refetched;
    world.last.says({ type: "reset", seq: 50, reason: "gone" });
    expect(refetched).toBe(before + 1);
  });

  it("says so after 3 s, and polls each 5 s after 30 s", () => {
    world.last.says({ type: "snapshot", seq: 1 });
    refetched = 0;
    const cut = setInterval(() => undefined, 1e6);
    clearInterval(cut);
    const fail = () => world.last.onclose?.();
    fail();
    for (let i = 0; i < 40; i++) {
      world.pass(1000);
      if (!world.last.closed) fail();
    }
    expect(states).toEqual(["live", "lost", "polling"]);
    expect(refetched).toBe(3);
    world.pass(10_000);
    world.last.says({ type: "ping", seq: 1 });
    expect(states.at(-1)).toBe("live");
  });

  it("gives up a socket that is silent for longer than the server's pings", () => {
    world.last.says({ type: "snapshot", seq: 1 });
    const first = world.last;
    world.pass(29_000);
    expect(first.closed).toBe(false);
    world.pass(2_000);
    expect(first.closed).toBe(true);
    world.pass(1000);
    expect(world.sockets.length).toBe(2);
  });

  it("replaces a socket that died in its sleep at once", () => {
    world.last.says({ type: "snapshot", seq: 1 });
    live.wake();
    expect(world.sockets.length).toBe(1);
    world.now = () => 100_000;
    live.wake();
    expect(world.sockets.length).toBe(2);
  });

  it("fetches nothing while paused, and everything afterwards", () => {
    world.last.says({ type: "snapshot", seq: 1 });
    live.pause();
    refetched = 0;
    world.pass(120_000);
    live.wake();
    expect([refetched, world.sockets.length, states.at(-1)]).toEqual([0, 1, "paused"]);
    live.resume();
    expect([refetched, world.sockets.length]).toEqual([1, 2]);
  });
});
