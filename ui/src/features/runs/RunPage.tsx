import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { ChevronDown, ChevronLeft, ChevronRight } from "lucide-react";
import { useEffect, useRef, useState, type ReactNode } from "react";
import type { Schema } from "../../api/client";
import { announce } from "../../kit/announce";
import { StateChip } from "../../kit/Badge";
import { IconButton } from "../../kit/Button";
import { cx } from "../../kit/cx";
import { duration } from "../../kit/format";
import { Page, PageHeader } from "../../kit/Page";
import { useShortcut } from "../../kit/shortcuts";
import { ErrorState, Loading } from "../../kit/States";
import { Tabs } from "../../kit/Tabs";
import { oneOf, text, useRouteId, useUrl } from "../../kit/url";
import { Bytes, CopyId, Duration, Num, Time, useNow } from "../../kit/Values";
import { stateLook } from "../../states";
import { who } from "../../kit/who";
import { t } from "../../text/runs";
import { ArtifactsTab } from "./ArtifactsTab";
import { Compare } from "./Compare";
import { attemptsQuery, jobQuery, listRuns, runQuery, stateOf, typicalOf, type Job, type Run } from "./data";
import { LogTab } from "./LogTab";
import { Retry, useRetries } from "./Retries";
import { RunActions, useWhyNoRepeat } from "./RunActions";
import { tookMs } from "./SparkBar";
import { Details, EventsTab, InputTab, OutputTab, WebhooksTab } from "./tabs";
import { Timeline } from "./Timeline";
import { failureText } from "./failure";
import { reasonText, triggerOf } from "./words";

const tabs = ["log", "input", "output", "artifacts", "events", "webhooks"] as const;
const url = { tab: oneOf(...tabs), artifact: text, with: text };

/** One run. */
export function RunPage() {
  const id = useRouteId();
  const run = useQuery(runQuery(id));
  if (run.isPending) return <Page><PageHeader title={t("run")} /><Loading rows={8} /></Page>;
  if (run.isError && !run.data) return <Page><PageHeader title={t("run")} /><ErrorState error={run.error} onRetry={() => void run.refetch()} back={<Link to="/runs">{t("allRuns")}</Link>} /></Page>;
  return <Loaded key={id} run={run.data} />;
}

function Loaded({ run }: { run: Run }) {
  const [at, set] = useUrl(url);
  const job = useQuery({ ...jobQuery(run.job_id), retry: false });
  const attempts = useQuery(attemptsQuery(run.job_id));
  const [rerun, setRerun] = useState(false);
  const [picking, setPicking] = useState(false);
  const noRepeat = useWhyNoRepeat(run);
  const typical = typicalOf(attempts.data?.typical, run);
  const list = attempts.data?.items ?? [];
  useKeys(run, list, () => set({ tab: "log" }));
  useAnnounceEnd(run);
  const trigger = triggerOf(run);
  const files = Object.keys(run.artifacts).length;
  const actions = <RunActions run={run} job={job.data} rerun={rerun} setRerun={setRerun} onCompare={() => setPicking(true)} />;
  return (
    <Page>
      <PageHeader
        title={run.name}
        facts={
          <>
            <StateChip state={stateOf(run)} />
            <span>{run.job_type}</span>
            <span className="inline-flex items-center gap-1.5"><trigger.icon aria-hidden className="size-3.5 text-faint" strokeWidth={1.75} />{t("byWho", { what: trigger.word, who: trigger.who })}</span>
            {run.template_version ? <span>{t("version", { n: run.template_version })}</span> : null}
            {job.data?.workflow_run_id ? <Link to="/workflow-runs/$id" params={{ id: job.data.workflow_run_id }} data-workflow-run="" className="text-accent hover:underline">{t("workflowRun")}</Link> : null}
            <AttemptSwitch run={run} attempts={list} />
            <CopyId id={run.run_id} />
          </>
        }
        actions={actions}
      />
      <Outcome run={run} job={job.data} />
      <Stats run={run} typical={typical} />
      {at.with || picking ? (
        <Compare run={run} other={at.with} onPick={(id) => { setPicking(false); set({ with: id }); }} onClose={() => { setPicking(false); set({ with: "" }, true); }} />
      ) : (
        <>
          <Timeline run={run} job={job.data} attempts={list} />
          <div className="mt-6">
            <Tabs
              value={at.tab} onChange={(tab) => set({ tab: tabs.find((x) => x === tab) ?? "log" })}
              tabs={[
                { id: "log", label: t("tabLog"), content: <LogTab run={run} /> },
                { id: "input", label: t("tabInput"), content: <InputTab run={run} onEdit={() => setRerun(true)} why={noRepeat} /> },
                { id: "output", label: t("tabOutput"), count: Object.keys(run.outputs).length || undefined, content: <OutputTab run={run} /> },
                { id: "artifacts", label: t("tabArtifacts"), count: files || undefined, content: <ArtifactsTab run={run} open={at.artifact} onOpen={(artifact) => set({ artifact }, true)} /> },
                { id: "events", label: t("tabEvents"), content: <EventsTab job={run.job_id} run={run.run_id} /> },
                { id: "webhooks", label: t("tabWebhooks"), content: <WebhooksTab run={run} /> },
              ]}
            />
          </div>
          <details className="group mt-6 border-t border-line pt-3">
            <summary className="flex items-center gap-1 text-sm font-medium text-dim hover:text-fg"><ChevronDown aria-hidden className="size-4 -rotate-90 group-open:rotate-0" />{t("details")}</summary>
            <div className="pt-3"><Details run={run} job={job.data} /></div>
          </details>
        </>
      )}
    </Page>
  );
}

// J and K go to the run that began before and after this one, [ and ] to other attempts.
function useKeys(run: Run, attempts: readonly Run[], onLog: () => void): void {
  const navigate = useNavigate();
  const open = (id: string) => void navigate({ to: "/runs/$id", params: { id }, search: (s) => ({ ...s, artifact: undefined }) as never });
  const beside = (older: boolean) => {
    const at = run.started_at;
    if (!at) return;
    listRuns(older ? { started_before: at, limit: 1 } : { started_after: at, sort: "started_at", limit: 1 }).then(
      (p) => p.items[0] && open(p.items[0].run_id),
      () => undefined, // there is none, or none can be read: the page stays
    );
  };
  const attempt = (by: number) => {
    const one = attempts.find((a) => a.attempt === run.attempt + by);
    if (one) open(one.run_id);
  };
  useShortcut("j", () => beside(true));
  useShortcut("k", () => beside(false));
  useShortcut("[", () => attempt(-1));
  useShortcut("]", () => attempt(1));
  useShortcut("l", onLog);
}

function useAnnounceEnd(run: Run): void {
  const was = useRef(run.active);
  useEffect(() => {
    if (was.current && !run.active) announce(`${run.name}: ${stateLook(stateOf(run)).word}`);
    was.current = run.active;
  }, [run]);
}

function AttemptSwitch({ run, attempts }: { run: Run; attempts: readonly Run[] }) {
  const last = Math.max(run.attempt, ...attempts.map((a) => a.attempt));
  const navigate = useNavigate();
  if (last <= 1) return null;
  const go = (by: number) => {
    const one = attempts.find((a) => a.attempt === run.attempt + by);
    if (one) void navigate({ to: "/runs/$id", params: { id: one.run_id } });
  };
  const has = (by: number) => attempts.some((a) => a.attempt === run.attempt + by);
  return (
    <span className="inline-flex items-center">
      <IconButton small icon={ChevronLeft} label={t("prevAttempt")} keys="[" disabled={!has(-1)} onClick={() => go(-1)} />
      <span>{t("attemptOf", { n: run.attempt, m: last })}</span>
      <IconButton small icon={ChevronRight} label={t("nextAttempt")} keys="]" disabled={!has(1)} onClick={() => go(1)} />
    </span>
  );
}

/** Why a run failed, was skipped or was cancelled. */
function Outcome({ run, job }: { run: Run; job: Job | undefined }) {
  const state = stateOf(run);
  const box = (tone: "bad" | "idle" | "warn", title: string, body: ReactNode, code?: string) => (
    <div role="note" data-outcome={state} className={cx("mb-4 rounded-md px-3 py-2 text-sm", tone === "bad" ? "bg-bad-soft text-bad" : tone === "warn" ? "bg-warn-soft text-warn" : "bg-idle-soft text-idle")}>
      <p className="flex flex-wrap items-baseline gap-x-2"><span className="font-semibold">{title}</span>{code ? <code className="font-mono text-xs">{code}</code> : null}</p>
      <div className="[overflow-wrap:anywhere] whitespace-pre-wrap text-fg">{body}</div>
    </div>
  );
  if (state === "SKIPPED") return box("idle", t("skippedTitle"), reasonText(run.reason));
  if (state === "CANCELLED") return box("idle", t("cancelledTitle"), [job?.cancelled_by ? t("cancelledBy", { who: who(job.cancelled_by) }) : t("cancelledText"), run.error?.message].filter(Boolean).join(" "), undefined);
  if (state === "FAILED" && run.error) return box("bad", t("failedTitle"), <>{failureText(run.error)}{run.error.code === "outcome_unknown" ? `\n${t("outcomeUnknown")}` : ""}</>, run.error.code);
  if (run.active && job?.cancel_requested_at) return box("warn", t("cancel"), <CancelAsked at={job.cancel_requested_at} />);
  if (state === "WAITING") return box("warn", stateLook("WAITING").word, t("waitingNow"));
  return null;
}

function CancelAsked({ at }: { at: string }) {
  const [before, after] = t("cancelAsked", { when: "\u0000" }).split("\u0000");
  return <>{before}<Time at={at} />{after}</>;
}

function Stat({ label, children, hint }: { label: string; children: ReactNode; hint?: ReactNode }) {
  return (
    <div className="min-w-0 border-line px-4 py-2 first:pl-0 max-sm:px-0 sm:border-l sm:first:border-l-0">
      <dt className="text-xs text-faint">{label}</dt>
      <dd className="truncate text-base font-medium">{children}{hint ? <span className="ml-1.5 text-xs font-normal text-faint">{hint}</span> : null}</dd>
    </div>
  );
}

function Stats({ run, typical }: { run: Run; typical: Schema<"TypicalDuration"> | null }) {
  const p = run.progress;
  const retries = useRetries(run.run_id);
  const tokens = run.tokens.prompt !== null || run.tokens.completion !== null;
  return (
    <dl className="mb-5 grid grid-cols-2 gap-x-4 border-y border-line sm:flex sm:flex-wrap sm:gap-x-0">
      <Stat label={t("startedStat")}><Time at={run.started_at} /></Stat>
      <Stat label={t("queueWait")}><Duration of={Math.max(0, run.queue_wait_ms)} /></Stat>
      <Stat label={t("durationStat")} hint={typical?.template_id ? t("usually", { d: duration(typical.median_ms) }) : undefined}>{run.active ? <Going run={run} /> : <Duration of={tookMs(run, 0)} />}</Stat>
      {run.active && p ? <Stat label={t("progress")} hint={p.stage}>{p.total === null ? <Num n={p.done} /> : t("progressOf", { done: p.done, total: p.total })}</Stat> : null}
      {tokens ? <Stat label={t("tokensStat")}><Num n={run.tokens.prompt} /> / <Num n={run.tokens.completion} /></Stat> : null}
      {run.exit_code !== null ? <Stat label={t("exitCode")}><span className={run.exit_code === 0 ? undefined : "text-bad"}>{run.exit_code}</span></Stat> : null}
      {run.log_bytes > 0 ? <Stat label={t("logSize")}><Bytes n={run.log_bytes} /></Stat> : null}
      {retries.length > 0 ? <Stat label={t("retriedAs")}><span className="flex flex-wrap gap-x-3">{retries.map((j) => <Retry key={j.job_id} id={j.job_id} />)}</span></Stat> : null}
      {run.retry_of ? <Stat label={t("retryOf")}><Link to="/runs/$id" params={{ id: run.retry_of }} className="font-mono text-xs text-accent hover:underline">{run.retry_of.slice(0, 8)}…{run.retry_of.slice(-4)}</Link></Stat> : null}
    </dl>
  );
}

function Going({ run }: { run: Run }) {
  const ms = tookMs(run, useNow());
  return <>{ms === null ? "–" : duration(ms)}</>;
}
