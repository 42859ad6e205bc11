import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { answer, api, ok, type Schema } from "../../api/client";
import type { Action } from "../../kit/CopyAs";

export type Schedule = Schema<"Schedule">;
export type Fire = Schema<"ScheduleNominal">;
export type Entry = Schema<"ScheduleEntry">;
export type ScheduleState = Schedule["state"];

export interface ListFilter {
  q: string;
  state: "" | ScheduleState;
}

// Lists in the query are one value with commas.
const commas = { querySerializer: { array: { style: "form", explode: false } } } as const;

/** The list, by next fire, with what each will do and did. */
export function listQuery(f: ListFilter) {
  return infiniteQueryOptions({
    queryKey: ["schedules", f],
    initialPageParam: "",
    queryFn: ({ signal, pageParam }) => ok(api.GET("/api/schedules", { ...commas, signal, params: { query: { sort: "next_run_at", include: ["next", "results"], limit: 100, ...(f.q ? { q: f.q } : {}), ...(f.state ? { state: [f.state] } : {}), ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (last) => last.next_cursor,
    placeholderData: keepPreviousData,
  });
}

/** One schedule with its ETag, for changes. */
export function scheduleQuery(id: string) {
  return queryOptions({
    queryKey: ["schedule", id],
    queryFn: async ({ signal }) => {
      const { data, response } = await answer(api.GET("/api/schedules/{schedule_id}", { signal, params: { path: { schedule_id: id } } }));
      return { schedule: data, etag: response.headers.get("ETag") ?? "" };
    },
  });
}

export function nextQuery(id: string, count: number) {
  return queryOptions({ queryKey: ["schedule", id, "next", count], queryFn: ({ signal }) => ok(api.GET("/api/schedules/{schedule_id}/next", { signal, params: { path: { schedule_id: id }, query: { count } } })) });
}

export interface HistoryFilter {
  kind: "" | "run" | "skip";
  reason: readonly string[];
}

export function historyQuery(id: string, f: HistoryFilter) {
  return infiniteQueryOptions({
    queryKey: ["schedule", id, "history", f],
    initialPageParam: "",
    queryFn: ({ signal, pageParam }) => ok(api.GET("/api/schedules/{schedule_id}/history", { ...commas, signal, params: { path: { schedule_id: id }, query: { limit: 50, ...(f.kind ? { kind: f.kind } : {}), ...(f.reason.length > 0 ? { reason: [...f.reason] } : {}), ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (last) => last.next_cursor,
    placeholderData: keepPreviousData,
  });
}

const pastPages = 10;

/** What became of the nominals of one schedule since a time, newest first; `complete` is false when there are too many to read. */
export function pastQuery(id: string, from: string) {
  return queryOptions({
    queryKey: ["schedule", id, "history", "since", from],
    enabled: id !== "",
    queryFn: async ({ signal }) => {
      const items: Entry[] = [];
      let cursor = "";
      for (let page = 0; page < pastPages; page++) {
        const part = await ok(api.GET("/api/schedules/{schedule_id}/history", { signal, params: { path: { schedule_id: id }, query: { limit: 100, ...(cursor ? { cursor } : {}) } } }));
        items.push(...part.items);
        const last = part.items.at(-1);
        if (!part.next_cursor || !last || Date.parse(last.last_nominal_at) < Date.parse(from)) return { items, complete: true };
        cursor = part.next_cursor;
      }
      return { items, complete: false };
    },
  });
}

export function versionsQuery(id: string) {
  return queryOptions({ queryKey: ["schedule", id, "versions"], queryFn: ({ signal }) => ok(api.GET("/api/schedules/{schedule_id}/versions", { signal, params: { path: { schedule_id: id }, query: { limit: 100 } } })) });
}

/** The next fires of something that is not stored. */
export function previewQuery(body: Schema<"SchedulePreviewInput"> | null) {
  return queryOptions({
    queryKey: ["schedule-preview", body],
    enabled: body !== null,
    queryFn: ({ signal }) => ok(api.POST("/api/schedules/preview", { signal, body: body as Schema<"SchedulePreviewInput"> })), // enabled only with one
    placeholderData: keepPreviousData,
    retry: false,
  });
}

export const calendarsQuery = queryOptions({ queryKey: ["calendars"], queryFn: ({ signal }) => ok(api.GET("/api/calendars", { signal })), staleTime: 300_000 });

export function sessionsQuery(mic: string, from: string, to: string) {
  return queryOptions({
    queryKey: ["calendars", mic, "sessions", from, to],
    enabled: mic !== "",
    queryFn: ({ signal }) => ok(api.GET("/api/calendars/{mic}/sessions", { signal, params: { path: { mic }, query: { from, to } } })),
    staleTime: 300_000,
  });
}

export function overridesQuery(mic: string) {
  return queryOptions({ queryKey: ["calendars", mic, "overrides"], enabled: mic !== "", queryFn: ({ signal }) => ok(api.GET("/api/calendars/{mic}/overrides", { signal, params: { path: { mic } } })) });
}

export function firesQuery(from: string, to: string) {
  return queryOptions({ queryKey: ["calendar-fires", from, to], queryFn: ({ signal }) => ok(api.GET("/api/schedule-fires", { signal, params: { query: { from, to } } })), placeholderData: keepPreviousData });
}

function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

const path = (s: Schedule, rest = "") => `/api/schedules/${s.schedule_id}${rest}`;

/** The same actions outside of the page. */
export const actions = {
  show: (s: Schedule): Action => ({ cli: `runsheet schedule get ${word(s.name)}`, method: "GET", path: path(s) }),
  runNow: (s: Schedule, force: boolean): Action => ({ cli: `runsheet schedule run-now ${word(s.name)}${force ? " --force" : ""}`, method: "POST", path: path(s, "/run-now"), body: force ? { force } : {} }),
  enable: (s: Schedule): Action => ({ cli: `runsheet schedule enable ${word(s.name)}`, method: "POST", path: path(s, "/enable"), body: {} }),
  disable: (s: Schedule, reason: string): Action => ({ cli: `runsheet schedule disable ${word(s.name)}${reason ? ` --reason ${word(reason)}` : ""}`, method: "POST", path: path(s, "/disable"), body: reason ? { reason } : {} }),
  skip: (s: Schedule, count: number): Action => ({ cli: `runsheet schedule skip-next ${word(s.name)}${count === 1 ? "" : ` --count ${count}`}`, method: "POST", path: path(s, "/skip-next"), body: { count } }),
  backfill: (s: Schedule, body: Schema<"BackfillInput">): Action => ({
    cli: `runsheet schedule backfill ${word(s.name)} --from ${body.from} --to ${body.to}${body.order === "desc" ? " --order desc" : ""}${body.overlap === "allow" ? " --overlap allow" : ""}${body.rerun ? " --rerun" : ""}${body.dry_run ? " --dry-run" : " --yes"}`,
    method: "POST", path: path(s, "/backfill"), body,
  }),
  remove: (s: Schedule): Action => ({ cli: `runsheet schedule rm ${word(s.name)}`, method: "DELETE", path: path(s) }),
};
