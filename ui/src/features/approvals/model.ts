// What an approval is about and who may decide it, as far as the page can tell; the
// server alone decides.
import type { JsonSchema } from "../../kit/schema";
import { t } from "../../text/approvals";
import type { Approval } from "./api";

/** A row of the table beside what it was in the request before. */
export interface RowChange {
  cells: readonly string[];
  change: "same" | "new" | "changed" | "gone";
  /** The old text of each cell that differs. */
  old: readonly (string | null)[];
}

const columnKey = (a: Approval): string => a.table.columns.map((c) => c.name).join("\u0000");

/**
 * The rows of a table with what has changed since another one. Rows are the same when
 * their first column is, or else by place where first columns repeat.
 */
export function rowChanges(now: Approval, before: Approval | null): RowChange[] {
  const rows = now.table.rows.map((r) => r ?? []);
  if (!before || columnKey(before) !== columnKey(now)) return rows.map((cells) => ({ cells, change: "same", old: cells.map(() => null) }));
  const was = before.table.rows.map((r) => r ?? []);
  const key = (list: readonly string[][], i: number): string => {
    const name = list[i]?.[0] ?? "";
    return `${name}\u0000${list.slice(0, i).filter((r) => (r[0] ?? "") === name).length}`;
  };
  const old = new Map(was.map((r, i) => [key(was, i), r]));
  const out = rows.map((cells, i): RowChange => {
    const k = key(rows, i);
    const r = old.get(k);
    old.delete(k);
    if (!r) return { cells, change: "new", old: cells.map(() => null) };
    const diff = cells.map((c, j) => (r[j] === c ? null : (r[j] ?? "")));
    return { cells, change: diff.some((d) => d !== null) ? "changed" : "same", old: diff };
  });
  return [...out, ...[...old.values()].map((cells): RowChange => ({ cells, change: "gone", old: cells.map(() => null) }))];
}

/** Fields of the summary that differ from those of the request before, by name. */
export function fieldChanges(now: Approval, before: Approval | null): ReadonlyMap<string, string> {
  const out = new Map<string, string>();
  if (!before) return out;
  const old = new Map(before.fields.map((f) => [f.name, f.value]));
  for (const f of now.fields) {
    const was = old.get(f.name);
    if (was !== f.value) out.set(f.name, was ?? "");
  }
  return out;
}

/** Why somebody cannot approve; null = nothing speaks against it. */
export type Bar = { why: "scope" } | { why: "self" } | { why: "author" } | { why: "delegated"; who: string } | { why: "approvers"; who: string } | { why: "already" };

export interface Person {
  name: string;
  roles: readonly string[];
  scopes: readonly string[];
}

/** Why the person cannot approve. */
export function barOf(a: Approval, me: Person): Bar | null {
  if (!me.scopes.includes("approvals:decide") && !me.scopes.includes("*")) return { why: "scope" };
  if (!a.allow_requester && a.requested_by === me.name) return { why: "self" };
  if (!a.allow_requester && a.author === me.name) return { why: "author" };
  const to = a.delegations.find((d) => d.from === me.name)?.to;
  if (to) return { why: "delegated", who: to };
  if (a.approvers.length > 0 && !a.delegations.some((d) => d.to === me.name) && !a.approvers.some((x) => x === `user:${me.name}` || (x.startsWith("role:") && me.roles.includes(x.slice(5))))) return { why: "approvers", who: approversOf(a) };
  if (a.decisions.some((d) => d.approved && d.decided_by === me.name)) return { why: "already" };
  return null;
}

/** The names of the people and roles that may approve. */
export function approversOf(a: Approval): string {
  return a.approvers.map((x) => x.replace(/^(role|user):/, "")).join(", ");
}

/** Why a request cannot be one of several that are approved together; null = nothing speaks against it. */
export function bulkBarOf(a: Approval, me: Person, now: number): Bar | { why: "form" } | { why: "over" } | null {
  if (a.status !== "PENDING" || Date.parse(a.expires_at) <= now) return { why: "over" };
  return barOf(a, me) ?? (Object.keys(a.form).length > 0 ? { why: "form" } : null);
}

/**
 * What tells a request from others in the list that look like it: the fields whose values
 * differ, else what it is about. null = none looks like it.
 */
export function differs(a: Approval, list: readonly Approval[]): string | null {
  const alike = list.filter((b) => b !== a && b.title === a.title && b.kind === a.kind && b.node_id === a.node_id && b.requested_by === a.requested_by);
  if (alike.length === 0) return null;
  const own = a.fields.filter((f) => f.name !== "workflow" && alike.some((b) => b.fields.find((x) => x.name === f.name)?.value !== f.value));
  return own.slice(0, 3).map((f) => `${labelOf(f)} ${f.value}`).join(" · ") || (a.workflow_run_id ?? a.subject.id);
}

/** Whether all are of one kind. */
export function oneKind(list: readonly Approval[]): boolean {
  return new Set(list.map((a) => a.kind)).size <= 1;
}

/** Who cannot approve: who asked, and whose version or token asked; none if the request allows them. */
export function barredOf(a: Approval): string[] {
  return a.allow_requester ? [] : [...new Set([a.requested_by, ...(a.author ? [a.author] : [])])];
}

/** How many have approved. */
export function approvals(a: Approval): number {
  return a.decisions.filter((d) => d.approved).length;
}

/** How often it can be asked again. */
export function roundsLeft(a: Approval): number {
  return Math.max(0, a.max_re_requests - (a.round - 1));
}

interface Declared {
  type?: string;
  required?: boolean;
  default?: unknown;
  enum?: unknown[];
  pattern?: string;
  min?: number;
  max?: number;
  items?: Declared;
  description?: string;
}

function part(d: Declared): JsonSchema {
  const text = d.type === "string" || d.type === "array";
  return {
    ...(d.type ? { type: d.type } : {}), ...(d.enum ? { enum: d.enum } : {}), ...(d.description ? { description: d.description } : {}), ...(d.default === undefined ? {} : { default: d.default }), ...(d.pattern ? { pattern: d.pattern } : {}), ...(d.items ? { items: part(d.items) } : {}),
    ...(!text && d.min !== undefined ? { minimum: d.min } : {}), ...(!text && d.max !== undefined ? { maximum: d.max } : {}),
    ...(d.type === "string" && d.min !== undefined ? { minLength: d.min } : {}), ...(d.type === "string" && d.max !== undefined ? { maxLength: d.max } : {}),
  } as JsonSchema;
}

/** The form as a JSON Schema; null = nothing is to be filled in. */
export function formSchema(a: Approval): JsonSchema | null {
  const fields = Object.entries(a.form as Record<string, Declared>);
  if (fields.length === 0) return null;
  return { type: "object", properties: Object.fromEntries(fields.map(([k, d]) => [k, part(d)])), required: fields.filter(([, d]) => d.required).map(([k]) => k) } as JsonSchema;
}

/** What the form begins with. */
export function formStart(a: Approval): Record<string, unknown> {
  return Object.fromEntries(Object.entries(a.form as Record<string, Declared>).filter(([, d]) => d.default !== undefined).map(([k, d]) => [k, d.default]));
}

// The server's own fields, which it names in English; others are named by who asks.
const own = {
  workflow: ["Workflow", "fWorkflow"], version: ["Version", "fVersion"], node: ["Node", "fNode"], summary: ["Summary", "fSummary"], schedule: ["Schedule", "fSchedule"], nominal_at: ["Planned for", "fNominal"], source: ["Because of", "fSource"],
  job_type: ["Job type", "fJobType"], template_id: ["Template", "fTemplate"], template_version: ["Version of the template", "fTemplateVersion"], directive: ["Directive", "fDirective"], trigger: ["Trigger", "fTrigger"],
} as const;

/** The name of a field, in the page's language where it is one of the server's own. */
export function labelOf(f: Approval["fields"][number]): string {
  const known = f.name in own ? own[f.name as keyof typeof own] : null;
  return known && f.label === known[0] ? t(known[1]) : f.label;
}
