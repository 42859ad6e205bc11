import { queryOptions, useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { answer, api, ok, type Schema } from "../../api/client";
import { addSample, pace, type Sample } from "../../graph/model";
import { useLiveEvent } from "../../live/context";
import { addChange, changeOf, newer, withChanges, type Change, type RunDocument } from "./runstate";

export type Workflow = Schema<"Workflow">;
export type WorkflowRun = Schema<"WorkflowRun">;
export type Version = Schema<"WorkflowVersion">;

/** A workflow with the ETag that a change of it sends along. */
export const workflowQuery = (id: string) =>
  queryOptions({
    queryKey: ["workflow", id],
    queryFn: async ({ signal }) => {
      const { data, response } = await answer(api.GET("/api/workflows/{workflow_id}", { signal, params: { path: { workflow_id: id } } }));
      return { ...data, etag: response.headers.get("ETag") };
    },
  });

/** A version; it never changes. */
export const versionQuery = (id: string, version: number) =>
  queryOptions({
    queryKey: ["workflow-version", id, version],
    queryFn: ({ signal }) => ok(api.GET("/api/workflows/{workflow_id}/versions/{version}", { signal, params: { path: { workflow_id: id, version: String(version) } } })),
    staleTime: Infinity,
  });

export const versionsQuery = (id: string) =>
  queryOptions({ queryKey: ["workflow", id, "versions"], queryFn: ({ signal }) => ok(api.GET("/api/workflows/{workflow_id}/versions", { signal, params: { path: { workflow_id: id }, query: { limit: 100, include: ["results"] } } })) });

export const activationsQuery = (id: string) =>
  queryOptions({ queryKey: ["workflow", id, "activations"], queryFn: ({ signal }) => ok(api.GET("/api/workflows/{workflow_id}/activations", { signal, params: { path: { workflow_id: id }, query: { limit: 50 } } })) });

export const runsQuery = (id: string, version?: number) =>
  queryOptions({ queryKey: ["workflow-runs", id, version ?? 0], queryFn: ({ signal }) => ok(api.GET("/api/workflow-runs", { signal, params: { query: { workflow_id: id, limit: 50, ...(version ? { version } : {}) } } })) });

// Not "workflow-run": the live connection would read that one anew at each event of any
// run. useRun knows which events are about this one, and applies them itself.
const runQuery = (id: string) =>
  queryOptions({
    queryKey: ["one-workflow-run", id],
    queryFn: ({ signal }) => ok(api.GET("/api/workflow-runs/{workflow_run_id}", { signal, params: { path: { workflow_run_id: id } } })),
    structuralSharing: (old, next) => newer(old as RunDocument | undefined, next as RunDocument),
  });

/** A run as it is now. */
export interface LiveRun {
  doc: RunDocument | undefined;
  error: unknown;
  refetch: () => void;
  /** What happened while the page was open, oldest first. */
  changes: readonly Change[];
  /** How fast maps are, by node. */
  paces: ReadonlyMap<string, { perSecond: number; leftMs: number } | null>;
  /** Puts the answer of a change in the place of what was known. */
  put: (doc: RunDocument) => void;
}

// A document is read again this long after the first event that it lacks.
const settle = 300;
const settleProgress = 3000;

/** Follows a run: reads its document, applies the events behind it at once, and reads the rest of what they changed soon after. */
export function useRun(id: string): LiveRun {
  const client = useQueryClient();
  const query = useQuery(runQuery(id));
  const [known, setKnown] = useState<{ id: string; changes: readonly Change[]; samples: ReadonlyMap<string, readonly Sample[]> }>({ id, changes: [], samples: new Map() });
  const now = known.id === id ? known : { id, changes: [], samples: new Map<string, readonly Sample[]>() };
  const base = query.data;
  const doc = useMemo(() => (base ? withChanges(base, now.changes) : undefined), [base, now.changes]);
  const latest = useRef(doc);
  const timer = useRef<{ due: number; cancel: () => void } | null>(null);
  useEffect(() => {
    latest.current = doc;
  });
  useEffect(() => () => timer.current?.cancel(), []);
  const later = useCallback(
    (ms: number) => {
      const due = performance.now() + ms;
      if (timer.current && timer.current.due <= due) return;
      timer.current?.cancel();
      const handle = setTimeout(() => {
        timer.current = null;
        void client.invalidateQueries({ queryKey: ["one-workflow-run", id] });
        void client.invalidateQueries({ queryKey: ["run-detail", id] });
      }, ms);
      timer.current = { due, cancel: () => clearTimeout(handle) };
    },
    [client, id],
  );
  useLiveEvent((e) => {
    const c = changeOf(e, id);
    if (!c) {
      if (e.job_id && e.job_id === latest.current?.job_id) later(settle);
      else if (e.topic === "approval" && e.data["workflow_run_id"] === id) later(settle);
      return;
    }
    const at = Date.parse(c.at);
    setKnown((old) => {
      const was = old.id === id ? old : { id, changes: [], samples: new Map<string, readonly Sample[]>() };
      const changes = addChange(was.changes, c);
      if (changes === was.changes) return was;
      const samples = new Map(was.samples);
      if (c.type === "workflow.progress") samples.set(c.node, addSample(samples.get(c.node) ?? [], { at, processed: Number(c.reason.split("/")[0]) }));
      return { id, changes, samples };
    });
    later(c.type === "workflow.progress" ? settleProgress : settle);
  });
  const totals = doc?.maps;
  const paces = useMemo(() => new Map((totals ?? []).map((m) => [m.node_id, pace(now.samples.get(m.node_id) ?? [], m.total)])), [totals, now.samples]);
  const put = useCallback((next: RunDocument) => client.setQueryData(runQuery(id).queryKey, (old) => newer(old, next)), [client, id]);
  return { doc, error: query.error, refetch: () => void query.refetch(), changes: now.changes, paces, put };
}
