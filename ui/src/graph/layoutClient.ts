// Asks the layout worker. A page that asks again before the answer is there gets the
// newest one only: each earlier promise is rejected with Superseded.

import type { Layout, LayoutInput } from "./layout";

/** What the worker is sent. */
export interface LayoutQuestion {
  id: number;
  input: LayoutInput;
}

/** What it sends back. */
export type LayoutAnswer = { id: number; layout: Layout } | { id: number; error: string };

/** The part of a Worker that is used. */
export interface Port {
  postMessage(q: LayoutQuestion): void;
  onmessage: ((e: MessageEvent<LayoutAnswer>) => void) | null;
  onerror: ((e: ErrorEvent) => void) | null;
  terminate(): void;
}

/** A newer question was asked, or the client was closed. */
export class Superseded extends Error {
  constructor() {
    super("a newer layout was asked for");
    this.name = "Superseded";
  }
}

/** Opens the worker of this build. */
export function openWorker(): Port {
  return new Worker(new URL("./layout.worker.ts", import.meta.url), { type: "module" }) as Port;
}

/** A client of one worker; the worker begins with the first question. Close it when the page goes. */
export class LayoutClient {
  private port: Port | null = null;
  private id = 0;
  private open: { id: number; done: (l: Layout) => void; failed: (e: Error) => void } | null = null;

  constructor(private readonly make: () => Port = openWorker) {}

  /** Resolves with the layout. Rejects with Superseded, or with what went wrong in the worker. */
  layout(input: LayoutInput): Promise<Layout> {
    this.drop();
    const port = this.port ?? this.connect();
    const id = ++this.id;
    return new Promise((done, failed) => {
      this.open = { id, done, failed };
      port.postMessage({ id, input });
    });
  }

  /** Ends the worker; a question that is open is rejected. */
  close(): void {
    this.drop();
    this.port?.terminate();
    this.port = null;
  }

  private drop(): void {
    this.open?.failed(new Superseded());
    this.open = null;
  }

  private connect(): Port {
    const port = this.make();
    port.onmessage = (e) => {
      const asked = this.open;
      if (!asked || asked.id !== e.data.id) return;
      this.open = null;
      if ("layout" in e.data) asked.done(e.data.layout);
      else asked.failed(new Error(e.data.error));
    };
    port.onerror = (e) => {
      const asked = this.open;
      this.open = null;
      this.port = null; // the next question gets a new one
      asked?.failed(new Error(e.message || "the layout worker did not start"));
    };
    this.port = port;
    return port;
  }
}
