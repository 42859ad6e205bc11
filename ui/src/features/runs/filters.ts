import type { operations } from "../../gen/api";
import { list, oneOf, text } from "../../kit/url";
import { queryText } from "./data";

type Query = NonNullable<operations["list_job_runs"]["parameters"]["query"]>;

export const ranges = ["day", "hour", "week", "month", "all"] as const;
export type Range = (typeof ranges)[number];

/** What the list of runs keeps in the URL. from and to, when both are there, win over range. */
export const runsUrl = {
  q: text,
  status: list,
  type: list,
  template: text,
  schedule: text,
  job: text,
  workflow: text,
  label: list,
  range: oneOf(...ranges),
  from: text,
  to: text,
  sel: list,
};

export interface Filters {
  q: string;
  status: readonly string[];
  type: readonly string[];
  template: string;
  schedule: string;
  job: string;
  workflow: string;
  label: readonly string[];
  range: Range;
  from: string;
  to: string;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const spans: Record<Exclude<Range, "all">, number> = { hour, day, week: 7 * day, month: 30 * day };

/** A stretch of time and how fine its histogram is. to = null: up to now. */
export interface Span {
  from: number | null;
  to: number | null;
  bucket: number;
}

/** The stretch that filters choose. It begins at a bar's beginning, so that it stays the same while time passes. */
export function spanOf(f: Pick<Filters, "range" | "from" | "to">, now: number): Span {
  const [from, to] = [Date.parse(f.from), Date.parse(f.to)];
  if (from < to) return { from, to, bucket: bucketFor(to - from) };
  if (f.range === "all") return { from: null, to: null, bucket: day };
  const bucket = bucketFor(spans[f.range]);
  return { from: (Math.floor((now - spans[f.range]) / bucket) + 1) * bucket, to: null, bucket };
}

function bucketFor(span: number): number {
  if (span <= 2 * hour) return minute;
  if (span <= 8 * day) return hour;
  return day;
}

const statuses = ["ACTIVE", "COMPLETED", "FAILED", "SKIPPED"] as const;

/** The API's query for the filters, without include and cursor. */
export function queryOf(f: Filters, span: Span): Query {
  const status = statuses.filter((s) => f.status.includes(s));
  return {
    ...(f.q ? { q: f.q } : {}),
    ...(status.length > 0 ? { status } : {}),
    ...(f.type.length > 0 ? { job_type: [...f.type] } : {}),
    ...(f.template ? { template_id: [f.template] } : {}),
    ...(f.schedule ? { schedule_id: f.schedule } : {}),
    ...(f.job ? { job_id: f.job } : {}),
    ...(f.workflow ? { workflow_id: f.workflow } : {}),
    ...(f.label.length > 0 ? { label: [...f.label] } : {}),
    // The API's bound is exclusive, a bar's beginning is in it.
    ...(span.from !== null ? { started_after: new Date(span.from - 1).toISOString() } : {}),
    ...(span.to !== null ? { started_before: new Date(span.to).toISOString() } : {}),
  };
}

/** Whether anything but the time is filtered. */
export function filtered(f: Filters): boolean {
  return f.q !== "" || f.status.length > 0 || f.type.length > 0 || f.template !== "" || f.schedule !== "" || f.job !== "" || f.workflow !== "" || f.label.length > 0;
}

/** The same list on the command line, as far as it can say it. */
export function cliOf(q: Query): string {
  const parts = ["runsheet run ls"];
  const word = (s: string) => (/^[\w:=.,-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`);
  if (q.status) parts.push("--status", q.status.join(","));
  if (q.job_type) parts.push("--type", q.job_type.join(","));
  if (q.template_id) parts.push("--template", q.template_id.join(","));
  if (q.job_id) parts.push("--job", word(q.job_id));
  for (const l of q.label ?? []) parts.push("--label", word(l.replace(":", "=")));
  return parts.join(" ");
}

/** The same list as a path of the API. */
export function pathOf(q: Query): string {
  const text = queryText(q);
  return `/api/job-runs${text ? `?${text}` : ""}`;
}
