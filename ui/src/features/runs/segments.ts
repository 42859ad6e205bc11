import type { Schema } from "../../api/client";
import type { Row, SegmentEnd, SegmentKind } from "./timeline";
import { waitKind } from "./timeline";

const ms = (s: string) => Date.parse(s);

/** What a timeline needs of an attempt. */
export interface AttemptFacts {
  run_id: string;
  attempt: number;
  active: boolean;
  state: string;
  error?: { code: string } | null;
}

const ends: Record<string, SegmentEnd> = { COMPLETED: "ok", FAILED: "failed", SKIPPED: "skipped", CANCELLED: "cancelled" };

function kindOf(s: Schema<"JobSegment">): SegmentKind {
  if (s.kind === "running" || s.kind === "retry_delay") return s.kind;
  if (s.kind === "parked") return s.detail === "locks" ? "lock" : waitKind("parked", s.detail);
  return "queued";
}

/**
 * The rows of a job's timeline, one for each attempt: what came before an attempt began
 * is in its row, and what the job waits for now has its cause.
 */
export function rowsOf(timeline: Schema<"JobTimeline">, attempts: readonly AttemptFacts[], waiting: { code: string } | null, now: number): Row[] {
  const facts = new Map(attempts.map((a) => [a.run_id, a]));
  const rows = new Map<number, Row>();
  const all = timeline.segments;
  let attempt = 0;
  let run: string | null = null;
  let last = -Infinity;
  // A run goes on when it has later segments, or has no end yet.
  const goesOn = (id: string | null, after: number) => id !== null && (all.slice(after).some((x) => x.run_id === id) || ["RUNNING", "WAITING"].includes(facts.get(id)?.state ?? ""));
  all.forEach((s, i) => {
    if (s.kind === "running") {
      attempt = s.attempt ?? attempt + 1;
      run = s.run_id;
    }
    const owner = s.kind === "running" || s.kind === "parked" || goesOn(run, i) ? Math.max(1, attempt) : attempt + 1;
    const row = rows.get(owner) ?? { id: `attempt-${owner}`, node: null, attempt: owner, segments: [] };
    rows.set(owner, row);
    if (s.run_id) row.id = s.run_id;
    const open = s.to === null;
    const from = Math.max(ms(s.from), last);
    const to = Math.max(from, open ? now : ms(s.to ?? s.from));
    last = to;
    if (to === from && !open && s.kind !== "running") return;
    const done = s.kind === "running" && !open && !goesOn(s.run_id, i + 1);
    const f = s.run_id ? facts.get(s.run_id) : undefined;
    const now_ = open && s.kind === "queued" ? waiting : null;
    row.segments.push({
      kind: now_ ? waitKind(now_.code) : kindOf(s), from, to, open, attempt: owner,
      end: done ? (ends[f?.state ?? ""] ?? null) : null,
      detail: s.kind === "held" ? "held" : done ? (f?.error?.code ?? null) : (now_?.code ?? s.detail),
    });
  });
  return [...rows.values()].filter((r) => r.segments.length > 0);
}
