// The one live connection of the page: /api/events/ws. It tells of changes; what
// they changed is read from the API again, so a lost event costs nothing but time.

/** What happened, as in docs/events.md. */
export interface LiveEvent {
  seq: number;
  topic: string;
  type: string;
  at: string;
  job_id?: string;
  run_id?: string;
  template_id?: string;
  data: Record<string, string>;
}

/** How the connection is: `lost` after 3 s without one, `polling` after 30 s, `paused` by hand. */
export type LinkState = "connecting" | "live" | "lost" | "polling" | "paused";

/** What the connection tells. All are called in order, never after stop(). */
export interface LiveHandlers {
  /** A change. */
  event(e: LiveEvent): void;
  /** Everything shown may be old: after a gap, a pause, or each 5 s while polling. */
  refetch(): void;
  state(s: LinkState): void;
}

/** What the connection needs of the browser; tests give their own. */
export interface LiveWorld {
  open(url: string): WebSocket;
  later(f: () => void, ms: number): () => void;
  now(): number;
}

const browser: LiveWorld = {
  open: (url) => new WebSocket(url),
  later: (f, ms) => {
    const id = setTimeout(f, ms);
    return () => clearTimeout(id);
  },
  now: () => performance.now(),
};

// The server pings every 20 s; a connection that is silent for longer is dead.
const silence = 30_000;
const lostAfter = 3_000;
const pollAfter = 30_000;
const pollEvery = 5_000;

/** One live connection: start() once, stop() for ever, pause() and resume() by the person. */
export class Live {
  private socket: WebSocket | null = null;
  private seq: number | null = null;
  private timers = new Set<() => void>();
  private watchdog: () => void = () => undefined;
  private heard = 0;
  private tries = 0;
  private state: LinkState = "connecting";
  private stopped = false;
  private outage: (() => void)[] = [];

  constructor(
    private readonly to: LiveHandlers,
    private readonly world: LiveWorld = browser,
    private readonly url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/events/ws`,
    since: number | null = null,
  ) {
    this.seq = since;
  }

  /** Number of the last frame; null before the first. */
  get heardSeq(): number | null {
    return this.seq;
  }

  start(): void {
    this.connect();
    this.beginOutage();
  }

  stop(): void {
    this.stopped = true;
    this.drop();
    for (const cancel of [...this.timers]) cancel();
  }

  /** Stops fetching entirely. */
  pause(): void {
    this.endOutage();
    this.drop();
    this.set("paused");
  }

  resume(): void {
    if (this.state !== "paused") return;
    this.set("connecting");
    this.to.refetch();
    this.start();
  }

  /** The page is visible again, or the network is back: a socket that has died in its sleep is replaced at once. */
  wake(): void {
    if (this.stopped || this.state === "paused") return;
    if (this.socket && this.world.now() - this.heard < silence) return;
    this.tries = 0;
    this.drop();
    this.connect();
    this.beginOutage();
  }

  private later(f: () => void, ms: number): () => void {
    const cancel = this.world.later(() => {
      this.timers.delete(cancel);
      if (!this.stopped) f();
    }, ms);
    const both = () => {
      this.timers.delete(both);
      cancel();
    };
    this.timers.add(both);
    return both;
  }

  private set(s: LinkState): void {
    if (s === this.state) return;
    this.state = s;
    this.to.state(s);
  }

  private drop(): void {
    this.watchdog();
    const old = this.socket;
    this.socket = null;
    old?.close();
  }

  private connect(): void {
    const ws = this.world.open(this.seq === null ? this.url : `${this.url}?since=${this.seq}`);
    this.socket = ws;
    this.heard = this.world.now();
    ws.onmessage = (m) => {
      if (this.socket === ws) this.take(String(m.data));
    };
    ws.onclose = () => {
      if (this.socket === ws) this.retry();
    };
    this.watch();
  }

  private retry(): void {
    this.drop();
    this.beginOutage();
    const wait = Math.min(500 * 2 ** this.tries++, 8_000) * (0.75 + Math.random() / 2);
    this.later(() => {
      if (!this.socket && this.state !== "paused") this.connect();
    }, wait);
  }

  private watch(): void {
    this.watchdog();
    this.watchdog = this.later(() => this.retry(), silence);
  }

  private beginOutage(): void {
    if (this.outage.length > 0) return;
    const poll = () => {
      this.set("polling");
      this.to.refetch();
      this.outage.push(this.later(poll, pollEvery));
    };
    this.outage.push(this.later(() => this.set("lost"), lostAfter), this.later(poll, pollAfter));
  }

  private endOutage(): void {
    for (const cancel of this.outage) cancel();
    this.outage = [];
  }

  private take(text: string): void {
    const frame = JSON.parse(text) as { type: string; seq: number } & Partial<LiveEvent>;
    this.heard = this.world.now();
    this.tries = 0;
    this.watch();
    if (this.state !== "live") {
      // What was read, or failed, meanwhile may be old, whatever the events say.
      const away = this.state === "polling" || this.state === "lost";
      this.endOutage();
      this.set("live");
      if (away) this.to.refetch();
    }
    const first = this.seq === null;
    this.seq = frame.seq;
    switch (frame.type) {
      case "snapshot":
        if (first) this.to.refetch(); // what changed between the page's first read and now
        return;
      case "ping":
        return;
      case "reset":
        this.to.refetch();
        return;
      default:
        this.to.event({ topic: "", at: "", data: {}, ...frame });
    }
  }
}
