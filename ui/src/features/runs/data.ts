import { queryOptions } from "@tanstack/react-query";
import { api, getExact, ok, type Schema } from "../../api/client";

export type Run = Schema<"Run">;
export type Job = Schema<"Job">;
export type Artifact = Schema<"Artifact">;

type ListQuery = NonNullable<import("../../gen/api").operations["list_job_runs"]["parameters"]["query"]>;

/** A query as the API reads it: a comma means or, and labels, all of which must be there, are repeated. */
export function queryText(query: Readonly<Record<string, unknown>>): string {
  const out: string[] = [];
  const add = (k: string, v: unknown) => out.push(`${k}=${encodeURIComponent(String(v)).replaceAll("%2C", ",").replaceAll("%3A", ":")}`);
  for (const [k, v] of Object.entries(query)) {
    if (v === undefined) continue;
    if (k === "label" && Array.isArray(v)) for (const one of v) add(k, one);
    else add(k, Array.isArray(v) ? v.join(",") : v);
  }
  return out.join("&");
}

/** One page of runs. */
export function listRuns(query: ListQuery, signal?: AbortSignal) {
  return ok(api.GET("/api/job-runs", { params: { query }, querySerializer: (q) => queryText(q), ...(signal ? { signal } : {}) }));
}

/** A run's state for people: CANCELLED and WAITING are not in the API's status of runs. */
export function stateOf(run: Pick<Run, "active" | "status" | "error" | "finished_at" | "instance_id">): string {
  // A run that waits without a slot, for an approval or a time, is with no instance.
  if (run.active) return run.instance_id ? "RUNNING" : "WAITING";
  if (run.error?.code === "cancelled") return "CANCELLED";
  return run.status ?? (run.finished_at ? "UNKNOWN" : "WAITING");
}

/** A run with exact numbers in its params. */
export const runQuery = (id: string) => queryOptions({ queryKey: ["run", id], queryFn: async ({ signal }) => (await getExact(`/api/job-runs/${encodeURIComponent(id)}`, signal)) as Run });

/** The jobs that repeat a run, newest first, a few of them; an empty list when there is none. */
export const retriesQuery = (run: string) =>
  queryOptions({ queryKey: ["run", run, "retried"], queryFn: async ({ signal }) => (await ok(api.GET("/api/jobs", { signal, params: { query: { retry_of: run, limit: 3 } } }))).items });

/** The job of a run; a removed one is an error with status 404. */
export const jobQuery = (id: string | null) =>
  queryOptions({ queryKey: ["job", id], enabled: id !== null, queryFn: ({ signal }) => ok(api.GET("/api/jobs/{job_id}", { signal, params: { path: { job_id: id ?? "" } } })) });

/** All attempts of a job, oldest first, up to the 200 newest, with how long such runs take. */
export const attemptsQuery = (job: string | null) =>
  queryOptions({ queryKey: ["runs", { job }], enabled: job !== null, queryFn: ({ signal }) => listRuns({ job_id: job ?? "", limit: 200, include: ["typical"] }, signal) });

export const timelineQuery = (job: string | null) =>
  queryOptions({ queryKey: ["job", job, "timeline"], enabled: job !== null, queryFn: ({ signal }) => ok(api.GET("/api/jobs/{job_id}/timeline", { signal, params: { path: { job_id: job ?? "" } } })) });

export const callsQuery = (run: string) =>
  queryOptions({ queryKey: ["run", run, "calls"], queryFn: ({ signal }) => ok(api.GET("/api/job-runs/{run_id}/calls", { signal, params: { path: { run_id: run } } })) });

/** The address of an artifact's content. */
export function artifactPath(a: Pick<Artifact, "artifact_id">): string {
  return `/api/artifacts/${encodeURIComponent(a.artifact_id)}`;
}

/** How long runs of a kind take: those of its template, else those of its type. */
export function typicalOf(list: readonly Schema<"TypicalDuration">[] | undefined, run: Pick<Run, "job_type" | "template_id">): Schema<"TypicalDuration"> | null {
  const same = (list ?? []).filter((x) => x.job_type === run.job_type);
  return same.find((x) => x.template_id !== null && x.template_id === run.template_id) ?? same.find((x) => x.template_id === null) ?? null;
}

/** The list with what came since: the newest of each run, newest start first. */
export function mergeRuns(first: readonly Run[], older: readonly Run[]): Run[] {
  const by = new Map<string, Run>();
  for (const r of older) by.set(r.run_id, r);
  for (const r of first) by.set(r.run_id, r);
  const at = (r: Run) => Date.parse(r.started_at ?? r.finished_at ?? r.queued_at);
  return [...by.values()].sort((a, b) => at(b) - at(a) || (a.run_id < b.run_id ? 1 : -1));
}

/** The merge patch that makes to of from. */
export function mergePatch(from: Readonly<Record<string, unknown>>, to: Readonly<Record<string, unknown>>, same: (a: unknown, b: unknown) => boolean): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const k of Object.keys(from)) if (!(k in to)) out[k] = null;
  for (const [k, v] of Object.entries(to)) {
    const old = from[k];
    if (k in from && same(old, v)) continue;
    const both = isPlain(old) && isPlain(v);
    out[k] = both ? mergePatch(old, v, same) : v;
  }
  return out;
}

function isPlain(v: unknown): v is Record<string, unknown> {
  return typeof v === "object" && v !== null && Object.getPrototypeOf(v) === Object.prototype;
}
