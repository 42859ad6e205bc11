import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { RotateCcw, X } from "lucide-react";
import { useState } from "react";
import { api, ok, problemOf, type Schema } from "../../api/client";
import { overviewQuery } from "../../app/overview";
import { StateChip } from "../../kit/Badge";
import { IconButton } from "../../kit/Button";
import { clockTime, clockRange, duration } from "../../kit/format";
import { useNow } from "../../kit/Values";
import { t } from "../../text/queue";
import type { QueueState } from "./model";

type Later = Pick<Schema<"Job">, "hold" | "run_at" | "waiting">;

/** Whether the job waits for something that the estimate of the queue knows nothing of: a person, or a time after it. */
export function staysBehind(j: Later, drained: number): boolean {
  return j.hold || ["held", "approval", "event"].includes(j.waiting?.code ?? "") || (j.run_at !== null && Date.parse(j.run_at) > drained);
}

/** When nothing waits any more, as far as is known; held and later jobs are named where there are some. */
export function Drained({ at, range, jobs }: { at: string; range: QueueState["drained_range"]; jobs: readonly Later[] }) {
  const now = useNow();
  const left = Date.parse(at) - now;
  // Jobs still wait: an estimate that has passed, or that only held jobs have left, says nothing.
  if (left < 1000) return null;
  const behind = jobs.filter((j) => staysBehind(j, Date.parse(at))).length;
  if (behind > 0 && behind === jobs.length) return null;
  return <span data-drained={at} data-behind={behind} title={range ? clockRange(range.from, range.to, now) : undefined}>{t(behind > 0 ? "drainedRest" : "drainedAt", { time: duration(left) })}</span>;
}

const dismissedKey = "runsheet.restart";
const young = 15 * 60_000;

type Told = Pick<Schema<"Overview">, "time" | "started_at" | "restored" | "interrupted">;

/** What there is to tell, beside what was dismissed: the start of this server, and a takeover later than that. at is when the latest of both was; null = nothing. */
export function newsOf(o: Told, dismissed: string | null): { restart: boolean; takeover: boolean; at: string } | null {
  const [start, until] = [Date.parse(o.started_at), Date.parse(o.interrupted?.until ?? o.started_at)];
  const fresh = (at: number) => at > (Date.parse(dismissed ?? "") || 0) && Date.parse(o.time) - at <= young;
  const takeover = until > start && fresh(until);
  const restart = fresh(start) && Boolean(o.restored || (o.interrupted?.until && until <= start));
  return restart || takeover ? { restart, takeover, at: takeover ? (o.interrupted?.until ?? "") : o.started_at } : null;
}

/** After a restart, or when another server was lost, people ask first whether everything is still there. */
export function Restarted() {
  const { data } = useQuery(overviewQuery);
  const [dismissed, setDismissed] = useState(() => sessionStorage.getItem(dismissedKey));
  const news = data ? newsOf(data, dismissed) : null;
  if (!data || !news) return null;
  const lost = data.interrupted;
  const now = Date.parse(data.time);
  const close = () => {
    sessionStorage.setItem(dismissedKey, news.at);
    setDismissed(news.at);
  };
  return (
    <div role="status" data-restored={data.restored} className="mb-4 flex items-center gap-2.5 rounded-md bg-info-soft py-1 pr-1 pl-3 text-sm text-info">
      <RotateCcw aria-hidden className="size-4 shrink-0" strokeWidth={1.75} />
      <span className="grow">
        {news.restart ? `${t("restartAt", { time: clockTime(data.started_at, now) })} ` : null}
        {news.restart && data.restored ? `${t("restart", { n: data.restored })} ` : null}
        {news.takeover ? t("lostAt", { time: clockTime(news.at, now) }) : null}
        {lost?.requeued ? (
          <span data-requeued={lost.requeued}>
            {` ${t("requeued", { n: lost.requeued })} `}
            <Link to="/queue" search={lost.requeued === 1 && lost.job_id ? { job: lost.job_id } : {}} className="font-medium underline">{t(lost.requeued === 1 ? "showThere" : "title")}</Link>
          </span>
        ) : null}
        {lost?.failed ? (
          <span data-interrupted={lost.failed} className="font-medium">
            {` ${t("interrupted", { n: lost.failed })} `}
            {lost.failed === 1 && lost.run_id ? <Link to="/runs/$id" params={{ id: lost.run_id }} className="underline">{t("openRun")}</Link> : <Link to="/runs" search={{ status: "FAILED", from: lost.since ?? "", to: lost.until ?? "" } as never} className="underline">{t("openRuns")}</Link>}
          </span>
        ) : null}
      </span>
      <IconButton small icon={X} label={t("dismiss")} onClick={close} className="text-info" />
    </div>
  );
}

/** What became of a job that a link names, when it does not wait. */
export function Elsewhere({ id, onClose }: { id: string; onClose: () => void }) {
  const { data, error } = useQuery({ queryKey: ["job", id], queryFn: ({ signal }) => ok(api.GET("/api/jobs/{job_id}", { signal, params: { path: { job_id: id } } })) });
  if (!error && (!data || data.status === "QUEUED")) return null;
  return (
    <div role="status" data-elsewhere={data?.status ?? "none"} className="mt-4 flex flex-wrap items-center gap-2.5 rounded-md border border-line bg-panel py-1 pr-1 pl-3 text-sm">
      {data ? <StateChip state={data.status} bare /> : null}
      <span className="grow">{data ? t("gone", { name: data.name }) : problemOf(error).title}</span>
      {data?.run_id ? <Link to="/runs/$id" params={{ id: data.run_id }} className="px-1 font-medium text-accent hover:underline">{t("openRun")}</Link> : null}
      <IconButton small icon={X} label={t("dismiss")} onClick={onClose} />
    </div>
  );
}
