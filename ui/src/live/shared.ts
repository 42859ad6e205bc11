// One socket for all tabs of a browser: the server bounds how many a session may
// have. The tab that holds a lock of the browser has the socket, and tells the
// others; when it goes, the next one takes over where it was. Without locks (plain
// HTTP to another machine) each tab has its own socket.
import { Live, type LinkState, type LiveEvent, type LiveHandlers } from "./live";

type Said = { kind: "event"; event: LiveEvent } | { kind: "refetch" } | { kind: "state"; state: LinkState; seq: number | null } | { kind: "hello" } | { kind: "wake" };

/** The connection that a tab needs; Live is one. */
export interface Link {
  start(): void;
  stop(): void;
  pause(): void;
  resume(): void;
  wake(): void;
  /** Last number that was heard. */
  readonly heardSeq: number | null;
}

/** What is shared, and how the one connection is made; tests give their own. */
export interface SharedWorld {
  /** Calls holder once the lock is ours; we keep it until its promise ends. The result gives up waiting. */
  lock(holder: () => Promise<void>): () => void;
  channel(): Pick<BroadcastChannel, "postMessage" | "close"> & { onmessage: ((m: MessageEvent<Said>) => void) | null };
  link(to: LiveHandlers, since: number | null): Link;
}

const name = "runsheet.live";

const browser: SharedWorld = {
  lock(holder) {
    const quit = new AbortController();
    navigator.locks.request(name, { signal: quit.signal }, holder).catch(() => undefined); // given up
    return () => quit.abort();
  },
  channel: () => new BroadcastChannel(name),
  link: (to, since) => new Live(to, undefined, undefined, since),
};

/** Whether tabs can share. */
export function canShare(): boolean {
  return typeof BroadcastChannel === "function" && typeof navigator !== "undefined" && "locks" in navigator;
}

/** A connection that may be another tab's. */
export class SharedLive {
  private channel: ReturnType<SharedWorld["channel"]> | null = null;
  private link: Link | null = null;
  private leave: () => void = () => undefined;
  private state: LinkState = "connecting";
  private seq: number | null;

  /** since: position in the log of events that what is shown is not older than. */
  constructor(private readonly to: LiveHandlers, since: number | null = null, private readonly world: SharedWorld = browser) {
    this.seq = since;
  }

  start(): void {
    const channel = this.world.channel();
    this.channel = channel;
    channel.onmessage = (m) => this.hear(m.data);
    let release: () => void = () => undefined;
    const giveUp = this.world.lock(() => {
      if (this.channel !== channel) return Promise.resolve();
      this.lead();
      return new Promise<void>((resolve) => (release = resolve));
    });
    this.leave = () => {
      giveUp();
      this.link?.stop();
      this.link = null;
      this.channel = null;
      channel.onmessage = null;
      channel.close();
      release();
    };
    this.say({ kind: "hello" });
  }

  stop(): void {
    this.leave();
    this.leave = () => undefined;
  }

  /** Only this tab stops; another one takes the socket over. */
  pause(): void {
    this.stop();
    this.set("paused");
  }

  resume(): void {
    if (this.state !== "paused") return;
    this.set("connecting");
    this.to.refetch();
    this.start();
  }

  wake(): void {
    if (this.link) this.link.wake();
    else if (this.state !== "paused" && this.state !== "live") this.say({ kind: "wake" });
  }

  private say(it: Said): void {
    this.channel?.postMessage(it);
  }

  private set(s: LinkState): void {
    if (s === this.state) return;
    this.state = s;
    this.to.state(s);
  }

  // The socket is ours from now on. It begins behind what the tab before has told.
  private lead(): void {
    this.link = this.world.link({
      event: (event) => {
        this.seq = event.seq;
        this.say({ kind: "event", event });
        this.to.event(event);
      },
      refetch: () => {
        this.say({ kind: "refetch" });
        this.to.refetch();
      },
      state: (state) => {
        this.set(state);
        this.tell();
      },
    }, this.seq);
    this.link.start();
    this.tell();
  }

  private tell(): void {
    this.say({ kind: "state", state: this.state, seq: this.link?.heardSeq ?? this.seq });
  }

  private hear(it: Said): void {
    switch (it.kind) {
      case "hello":
        if (this.link) this.tell();
        return;
      case "wake":
        this.link?.wake();
        return;
      case "event":
        this.seq = it.event.seq;
        this.to.event(it.event);
        return;
      case "refetch":
        this.to.refetch();
        return;
      case "state":
        if (this.link) return;
        // What changed between this tab's first read and now was told before it listened.
        if (this.state === "connecting" && it.state === "live" && this.seq !== it.seq) this.to.refetch();
        this.seq = it.seq ?? this.seq;
        this.set(it.state);
    }
  }
}
