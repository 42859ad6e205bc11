import { getRaw, Problem } from "../../api/client";
import { LogBuffer } from "./log";

/** How the reading goes: `lost` = the connection broke and is tried again, `ended` = nothing more will come. */
export type FeedState = "loading" | "open" | "ended" | "lost" | "stopped" | "failed";

const tail = 5_000;
const earlier = 20_000;
// Lines that are kept: characters, not bytes. Beyond it the other end is dropped.
const kept = 12 << 20;

/**
 * Reads a run's log from its end, and follows it. The buffer changes in place; `version`
 * counts the changes, and f of watch is called after them, at most once a frame.
 */
export class LogFeed {
  readonly buffer = new LogBuffer({ most: kept });
  state: FeedState = "loading";
  error: unknown = null;
  version = 0;
  /** Lines that came at the end. */
  appended = 0;
  /** Where the first line is in the log, in bytes; null: unknown. */
  from: number | null = null;
  loadingEarlier = false;
  private abort: AbortController | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private tries = 0;
  private told = false;
  private readonly watchers = new Set<() => void>();

  constructor(
    private readonly path: string,
    /** Whether the run executes. */
    public active: boolean,
  ) {}

  watch = (f: () => void): (() => void) => {
    this.watchers.add(f);
    return () => {
      this.watchers.delete(f);
    };
  };

  now = (): number => this.version;

  /** Begins at the end of the log, again if need be. */
  start(): void {
    this.stop();
    this.state = "loading";
    this.error = null;
    const abort = new AbortController();
    this.abort = abort;
    this.read(abort).catch((e: unknown) => {
      if (!abort.signal.aborted) this.fail(e);
    });
    this.tell();
  }

  stop(): void {
    this.abort?.abort();
    this.abort = null;
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    if (this.state === "open" || this.state === "lost") {
      this.state = "stopped";
      this.tell();
    }
  }

  /** Reads what comes before the first line. */
  async earlier(): Promise<void> {
    if (this.loadingEarlier || !this.from) return;
    const before = this.from;
    this.loadingEarlier = true;
    this.tell();
    try {
      const res = await this.ask(`tail=${earlier}&before=${before}`, undefined);
      const text = await res.text();
      if (this.from === before) {
        this.buffer.prepend(text);
        this.from = place(res) ?? 0;
      }
    } finally {
      this.loadingEarlier = false;
      this.tell();
    }
  }

  private ask(query: string, signal: AbortSignal | undefined): Promise<Response> {
    return getRaw(`${this.path}?raw=true&${query}`, { cache: "no-store", headers: { Accept: "text/plain" }, signal: signal ?? null });
  }

  private async read(abort: AbortController): Promise<void> {
    const res = await this.ask(`tail=${tail}${this.active ? "&follow=true" : ""}`, abort.signal);
    this.buffer.clear();
    this.appended = 0;
    this.from = place(res);
    this.state = "open";
    this.tries = 0;
    this.tell();
    const reader = res.body?.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (abort.signal.aborted) return;
      const text = decoder.decode(value, { stream: !done });
      if (text) {
        const before = this.buffer.first + this.buffer.length;
        this.buffer.append(text);
        this.appended += this.buffer.first + this.buffer.length - before;
        if (this.buffer.lostHead) this.from = null;
        this.tell();
      }
      if (done) break;
    }
    this.state = "ended";
    this.tell();
  }

  // A refusal stays; a broken connection is tried again from the end of the log.
  private fail(e: unknown): void {
    const refused = e instanceof Problem && e.status !== 0 && e.status < 500 && e.status !== 429;
    this.error = e;
    this.state = refused ? "failed" : "lost";
    this.tell();
    if (!refused) this.timer = setTimeout(() => this.start(), Math.min(10_000, 1000 * 2 ** this.tries++));
  }

  private tell(): void {
    if (this.told) return;
    this.told = true;
    requestAnimationFrame(() => {
      this.told = false;
      this.version++;
      for (const f of this.watchers) f();
    });
  }
}

function place(res: Response): number | null {
  const text = res.headers.get("Runsheet-Log-From");
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}
