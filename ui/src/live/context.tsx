import { useQueryClient, type QueryClient, type QueryKey } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { closeOffline } from "../kit/Toasts";
import { Live, type LinkState, type LiveEvent, type LiveHandlers } from "./live";
import { canShare, SharedLive, type Link } from "./shared";

type Listener = (e: LiveEvent) => void;

interface LiveValue {
  state: LinkState;
  /** Pauses or continues. */
  toggle(): void;
  /** Calls f for each event; the result ends that. */
  listen(f: Listener): () => void;
}

const Context = createContext<LiveValue>({ state: "connecting", toggle: () => undefined, listen: () => () => undefined });

// Queries by the first element of their key, and the topics that make them old. A
// key's first element is the resource: ["queue"], ["runs", filter], ["run", id].
const readers: Record<string, readonly string[]> = {
  job: ["queue", "overview", "jobs", "job", "runs", "run", "groups", "workers", "locks", "deliveries"],
  run: ["queue", "runs", "run", "usage", "workers", "locks", "deliveries"],
  group: ["queue", "groups"],
  queue: ["queue", "overview", "limits", "settings", "workers"],
  lock: ["locks", "queue"],
  template: ["templates", "template"],
  approval: ["approvals", "overview", "approval", "queue", "workflow-runs"],
  schedule: ["schedules", "schedule", "calendar-fires"],
  workflow: ["workflows", "workflow", "workflow-runs", "workflow-run"],
};

// Events come in bursts; what is shown is read at most this often.
const settle = 250;

function makeInvalidator(client: QueryClient) {
  const old = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | null = null;
  const flush = () => {
    timer = null;
    const names = new Set(old);
    old.clear();
    const concerns = (q: { queryKey: QueryKey }) => names.has(String(q.queryKey[0]));
    // What is being read may have been read before the event: once more, afterwards.
    if (client.isFetching({ predicate: concerns }) > 0) {
      for (const n of names) old.add(n);
      timer = setTimeout(flush, settle);
      return;
    }
    void client.invalidateQueries({ predicate: concerns });
  };
  return {
    // An event of one object leaves the queries of others alone: their keys name another id.
    event(e: LiveEvent) {
      for (const name of readers[e.topic] ?? [e.topic]) old.add(name);
      timer ??= setTimeout(flush, settle);
    },
    stop() {
      if (timer) clearTimeout(timer);
    },
    all() {
      void client.invalidateQueries({ predicate: (q) => q.queryKey[0] !== "session" }, { cancelRefetch: false });
    },
  };
}

/** Holds the live connection for all pages below it. */
export function LiveProvider({ since, children }: { /** The position in the log of events that the first reads are not older than. */ since: number | null; children: ReactNode }) {
  const begin = useRef(since);
  const client = useQueryClient();
  const [state, setState] = useState<LinkState>("connecting");
  const listeners = useRef(new Set<Listener>());
  const live = useRef<Omit<Link, "heardSeq"> | null>(null);
  useEffect(() => {
    const invalidator = makeInvalidator(client);
    const handlers: LiveHandlers = {
      event: (e) => {
        invalidator.event(e);
        for (const f of listeners.current) f(e);
      },
      refetch: () => invalidator.all(),
      state: (to) => {
        setState(to);
        if (to === "live") closeOffline();
      },
    };
    const it = canShare() ? new SharedLive(handlers, begin.current) : new Live(handlers, undefined, undefined, begin.current);
    live.current = it;
    it.start();
    const wake = () => {
      if (document.visibilityState === "visible") it.wake();
    };
    document.addEventListener("visibilitychange", wake);
    addEventListener("online", wake);
    return () => {
      document.removeEventListener("visibilitychange", wake);
      removeEventListener("online", wake);
      it.stop();
      invalidator.stop();
    };
  }, [client]);
  const paused = state === "paused";
  const toggle = useCallback(() => {
    if (paused) live.current?.resume();
    else live.current?.pause();
  }, [paused]);
  const listen = useCallback((f: Listener) => {
    listeners.current.add(f);
    return () => {
      listeners.current.delete(f);
    };
  }, []);
  const value = useMemo(() => ({ state, toggle, listen }), [state, toggle, listen]);
  return <Context value={value}>{children}</Context>;
}

/** The state of the live connection, and how to pause it. */
export function useLive(): LiveValue {
  return useContext(Context);
}

/** Calls f for each event while the component is shown. f may change between renders. */
export function useLiveEvent(f: Listener): void {
  const { listen } = useLive();
  const latest = useRef(f);
  useEffect(() => {
    latest.current = f;
  });
  useEffect(() => listen((e) => latest.current(e)), [listen]);
}
