// What a job may have beside its name and input: as the texts of a form, as the API takes it, and as flags.
import type { Schema } from "../../api/client";
import { quote } from "../../kit/quote";
import { parseDuration } from "../../kit/format";
import { instant, wall } from "../../kit/zone";
import type { Job } from "./model";

export interface Extras {
  /** "" = the template's. */
  priority: string;
  /** Wall time in the shown zone, as 2026-01-31T12:00. */
  runAt: string;
  deadline: string;
  timeout: string;
  /** Names, separated by commas. */
  locks: string;
  /** "" = the template's. */
  attempts: string;
  delay: string;
  hold: boolean;
}

export const noExtras: Extras = { priority: "", runAt: "", deadline: "", timeout: "", locks: "", attempts: "", delay: "", hold: false };

/** A time as it is written in a field, in a zone. */
export function wallText(at: string | null, zone: string): string {
  return at ? wall(Date.parse(at), zone).toISOString().slice(0, 16) : "";
}

/** What may be changed of a job that waits, as texts. */
export function extrasOf(job: Job, zone: string): Extras {
  return { ...noExtras, priority: String(job.priority), runAt: wallText(job.run_at, zone), deadline: job.start_deadline ?? "", timeout: job.timeout ?? "" };
}

const time = (text: string, zone: string) => new Date(instant(text, zone)).toISOString().replace(".000Z", "Z");

/** The part of a new job. */
export function toInput(e: Extras, zone: string): Partial<Schema<"JobInput">> {
  const locks = e.locks.split(",").map((s) => s.trim()).filter(Boolean);
  const attempts = Number(e.attempts);
  return {
    ...(e.priority ? { priority: Number(e.priority) } : {}), ...(e.runAt ? { run_at: time(e.runAt, zone) } : {}), ...(e.deadline ? { start_deadline: e.deadline } : {}), ...(e.timeout ? { timeout: e.timeout } : {}),
    ...(locks.length > 0 ? { locks } : {}), ...(attempts > 0 ? { retry_policy: { max_attempts: attempts, ...(attempts > 1 && e.delay ? { initial: e.delay } : {}) } as Schema<"RetryPolicyInput"> } : {}), ...(e.hold ? { hold: true } : {}),
  };
}

/** The part of a change: what is no longer as it was; null takes it away. */
export function toPatch(e: Extras, was: Extras, zone: string): Schema<"JobPatch"> {
  const out: Record<string, unknown> = {};
  if (e.priority !== was.priority) out["priority"] = Number(e.priority);
  if (e.runAt !== was.runAt) out["run_at"] = e.runAt ? time(e.runAt, zone) : null;
  if (e.deadline !== was.deadline) out["start_deadline"] = e.deadline || null;
  // PT15M and 15m are one.
  if (e.timeout !== was.timeout && (parseDuration(e.timeout) ?? e.timeout) !== parseDuration(was.timeout)) out["timeout"] = e.timeout || null;
  return out as Schema<"JobPatch">;
}

/** The flags of the command line that say the same as a body of the API, with a space before each. */
export function flags(body: Partial<Schema<"JobInput">> | Schema<"JobPatch">): string {
  const b = body as Partial<Schema<"JobInput">> & { [k: string]: unknown };
  const unset = ["run_at", "start_deadline", "timeout"].filter((k) => b[k] === null);
  const all: [string, string | number | null | undefined][] = [
    ["name", b.name], ["priority", b.priority], ["run-at", b.run_at], ["start-deadline", b.start_deadline], ["timeout", b.timeout], ...(b.locks ?? []).map((l): [string, string] => ["lock", l]),
    ["retry", b.retry_policy?.max_attempts], ["retry-delay", b.retry_policy?.initial], ["unset", unset.join(",") || null],
  ];
  return all.map(([flag, v]) => (v === undefined || v === null ? "" : ` --${flag} ${quote(String(v))}`)).join("") + (b.hold ? " --hold" : "") + (b.top ? " --top" : "");
}

/** What the server finds wrong, by the field of a form: "/locks/1" is of "locks". */
export function wrongAt(fields: readonly { pointer: string; detail: string }[], pointer: string): string | undefined {
  return fields.map((f) => ({ ...f, at: f.pointer.replace(/^#/, "") })).find((f) => f.at === pointer || f.at.startsWith(`${pointer}/`))?.detail;
}
