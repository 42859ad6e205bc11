import type { Schema } from "../../api/client";
import { cx } from "../../kit/cx";
import { duration } from "../../kit/format";
import { useNow } from "../../kit/Values";
import { t } from "../../text/runs";
import type { Run } from "./data";

/** How long a run took or has taken; never below zero, whatever clocks say. null: it did not start. */
export function tookMs(run: Pick<Run, "duration_ms" | "started_at" | "active">, now: number): number | null {
  if (run.duration_ms !== null) return Math.max(0, run.duration_ms);
  if (run.active && run.started_at) return Math.max(0, Math.floor((now - Date.parse(run.started_at)) / 1000) * 1000);
  return null;
}

/** A duration beside a bar of it; the mark in the middle is the usual one. */
export function SparkBar({ run, typical }: { run: Run; typical: Schema<"TypicalDuration"> | null }) {
  return run.active ? <LiveBar run={run} typical={typical} /> : <Bar ms={tookMs(run, 0)} typical={typical} active={false} />;
}

function LiveBar({ run, typical }: { run: Run; typical: Schema<"TypicalDuration"> | null }) {
  return <Bar ms={tookMs(run, useNow())} typical={typical} active />;
}

function Bar({ ms, typical, active }: { ms: number | null; typical: Schema<"TypicalDuration"> | null; active: boolean }) {
  if (ms === null) return <span className="text-faint">–</span>;
  const median = typical?.median_ms ?? 0;
  // Jobs without a template are of a type only, and differ too much to call one slow.
  const slow = typical !== null && typical.template_id !== null && typical.runs >= 3 && ms > Math.max(typical.p90_ms * 1.25, 1000);
  const title = typical && median > 0
    ? [t("vsMedian", { median: duration(median), p90: duration(typical.p90_ms), n: typical.runs }), slow ? t("slower", { x: (ms / median).toFixed(1) }) : ""].filter(Boolean).join(" ")
    : t("vsUnknown");
  return (
    <span title={title} className="inline-flex items-center gap-2">
      <span aria-hidden className="relative h-1.5 w-14 shrink-0 overflow-hidden rounded-full bg-press">
        {median > 0 ? <span className={cx("absolute inset-y-0 left-0 rounded-full", slow ? "bg-warn" : active ? "bg-info" : "bg-faint")} style={{ width: `${Math.min(100, Math.max(4, (ms / median) * 50))}%` }} /> : null}
        {median > 0 ? <span className="absolute inset-y-0 left-1/2 w-px bg-fg/60" /> : null}
      </span>
      <span className={cx("whitespace-nowrap", slow && "text-warn")}>{duration(ms)}</span>
    </span>
  );
}
