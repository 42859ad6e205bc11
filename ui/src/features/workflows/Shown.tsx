import { Link } from "@tanstack/react-router";
import { cx } from "../../kit/cx";
import { Time } from "../../kit/Values";
import { stateLook, type Tone } from "../../states";
import { t } from "../../text/workflows";
import type { Workflow } from "./queries";

const grounds: Record<Tone, string> = { ok: "bg-ok", bad: "bg-bad", warn: "bg-warn", info: "bg-info", idle: "bg-line-strong", accent: "bg-accent" };

/** The last runs as a row of bars, newest at the right; failed ones are lower, so that colour is not all. */
export function LastResults({ of }: { of: Workflow }) {
  const results = of.results;
  if (!results) return <span className="text-faint">–</span>;
  if (results.length === 0) return <span className="text-xs text-faint">{t("noRuns")}</span>;
  const bad = results.filter((r) => r.status === "FAILED").length;
  return (
    <span className="inline-flex h-5 items-end gap-0.5" role="img" aria-label={t("resultsOf", { n: results.length, bad })}>
      {results.slice(0, 20).toReversed().map((r) => {
        const look = stateLook(r.status ?? "RUNNING");
        return (
          <span key={r.workflow_run_id} title={look.word} className="flex h-5 w-1.5 items-end">
            <span className={cx("w-full rounded-[1px]", grounds[look.tone], r.status === "FAILED" ? "h-2.5" : r.status === "COMPLETED" ? "h-full" : "h-3.5")} />
          </span>
        );
      })}
    </span>
  );
}

/** When a schedule starts it next. */
export function NextFire({ of }: { of: Workflow }) {
  const at = of.next_run_at;
  return at ? <Link to="/schedules/$id" params={{ id: of.next_schedule_id ?? "" }} className="hover:underline"><Time at={at} /></Link> : <span className="text-faint">–</span>;
}

/** How many of its runs wait for an approval. */
export function WaitingApprovals({ of }: { of: Workflow }) {
  const n = of.pending_approvals;
  return n ? <Link to="/approvals" className="font-medium text-warn hover:underline">{n}</Link> : <span className="text-faint">–</span>;
}
