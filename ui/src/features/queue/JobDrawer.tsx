import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Lock, MoreHorizontal } from "lucide-react";
import { use, type ReactNode } from "react";
import { getExact } from "../../api/client";
import { Chip, StateChip } from "../../kit/Badge";
import { IconButton } from "../../kit/Button";
import { quote } from "../../kit/quote";
import { Command, CopyAs } from "../../kit/CopyAs";
import { Drawer } from "../../kit/Dialog";
import { clockTime } from "../../kit/format";
import { JsonView } from "../../kit/JsonView";
import { Menu } from "../../kit/Menu";
import { Facts, Section } from "../../kit/Page";
import { ErrorState, Loading } from "../../kit/States";
import { CopyId, Duration, Time, useNow } from "../../kit/Values";
import { who } from "../../kit/who";
import { pairs } from "../../kit/labels";
import { language } from "../../text/catalogue";
import { t } from "../../text/queue";
import { t as words } from "../../text/runs";
import { listRuns, mergeRuns, stateOf } from "../runs/data";
import { EventsTab } from "../runs/tabs";
import { failureText } from "../runs/failure";
import { triggerOf } from "../runs/words";
import { holderName, Holders } from "./holders";
import { nextAttempt, priorityText, type Job, type Row } from "./model";
import { menuOf, Named, ParkedLink, type RowActions } from "./Row";
import { detailText, heldText, likelyText, lockOf, parkedOn, whyText } from "./why";

/** All there is to know of a job that waits. */
export function JobDrawer({ row, still, why, actions, onClose }: { row: Extract<Row, { kind: "job" }>; still: boolean; why: string; actions: RowActions; onClose: () => void }) {
  const id = row.id;
  // Its parameters, with numbers as they were written. All else is from the board's row.
  const q = useQuery({ queryKey: ["job", id, "exact"], queryFn: async ({ signal }) => (await getExact(`/api/jobs/${id}`, signal)) as Job });
  const job = row.job;
  const before = (f: () => void) => {
    onClose();
    f();
  };
  // What asks something does so alone.
  const own: RowActions = { ...actions, ask: (what, r) => before(() => actions.ask(what, r)), cancel: (r) => before(() => actions.cancel(r)), group: (r) => before(() => actions.group(r)) };
  return (
    <Drawer
      open wide onClose={onClose} title={job.name}
      description={<span className="flex flex-wrap items-center gap-x-3 gap-y-1"><span>{job.job_type}</span><CopyId id={id} />{job.workflow_run_id ? <Link to="/workflow-runs/$id" params={{ id: job.workflow_run_id }} className="text-accent hover:underline">{words("workflowRun")}</Link> : null}{job.run_id ? <Link to="/runs/$id" params={{ id: job.run_id }} className="text-accent hover:underline">{t("lastRun")}</Link> : null}</span>}
      footer={
        <>
          <CopyAs action={{ cli: `runsheet job get ${id}`, method: "GET", path: `/api/jobs/${id}` }} />
          <Menu trigger={<IconButton icon={MoreHorizontal} look="plain" label={t("actions", { name: job.name })} />} items={menuOf(row, own, why)} />
        </>
      }
    >
      <div data-job={id}>
        <Because job={job} still={still} />
        <Section title={t("what")}>{q.isPending ? <Loading rows={2} /> : q.isError ? <ErrorState error={q.error} onRetry={() => void q.refetch()} /> : <What job={q.data} />}</Section>
        <Section title={words("details")}><Facts items={facts(job)} /></Section>
        <Earlier job={job} />
        <Section title={words("tabEvents")}><EventsTab job={id} /></Section>
      </div>
    </Drawer>
  );
}

const told = new Set(["position", "no_slot", "limit", "group", "direct_first", "retry_delay"]);

function Because({ job, still }: { job: Job; still: boolean }) {
  const now = useNow();
  const known = use(Holders);
  const w = job.waiting;
  if (!w) return null;
  const time = w.until ? clockTime(w.until, now) : job.run_at ? clockTime(job.run_at, now) : "";
  const holder = w.holder ? "\u0000" : t("somebody");
  const text = w.code === "parked" && !parkedOn(job) ? t("why_parked", { what: t("code_parked") }) : t(`why_${w.code}`, { time, holder, lock: "\u0001", what: whyText(job, now) });
  // The API says details in English.
  const name = w.holder ? holderName(w.holder, known) : "";
  const more = w.code === "held" || (language === "en" && (told.has(w.code) || (w.code === "lock" && w.detail !== `lock ${lockOf(job)} is held by ${w.holder ?? ""}`))) ? detailText(w, name) : "";
  return (
    <div role="note" data-because={w.code} className="mb-5 rounded-md bg-hover px-3 py-2 text-sm">
      <p className="font-medium">{w.code === "parked" ? <ParkedLink job={job}>{text}</ParkedLink> : <Locked text={text} lock={lockOf(job)} holder={w.holder} />}</p>
      {more ? <p className="text-dim">{more}</p> : null}
      {still || !job.estimated_start_at ? <p className="text-dim">{t("noEstimate")}</p> : <p className="text-dim">{likelyText(job.estimated_start_at, job.estimated_start_range, now)}</p>}
    </div>
  );
}

/** A text in which a one character stands for the lock, which leads to all locks. */
function Locked({ text, lock, holder }: { text: string; lock: string; holder: string | null }) {
  const [before = "", after] = text.split("\u0001");
  return <><Named text={before} holder={holder} />{after === undefined ? null : <><Link to="/system/workers" className="font-mono underline decoration-dotted hover:decoration-solid">{lock}</Link><Named text={after} holder={holder} /></>}</>;
}

/** The line of a shell that says what a job of the type command runs; "" for others. */
function lineOf(job: Job): string {
  const argv = job.params["argv"];
  return job.job_type === "command" && Array.isArray(argv) ? argv.map((a) => quote(String(a))).join(" ") : "";
}

function What({ job }: { job: Job }) {
  const line = lineOf(job);
  const rest = line ? Object.fromEntries(Object.entries(job.params).filter(([k]) => k !== "argv")) : job.params;
  return (
    <div className="flex flex-col gap-2">
      {line ? <Command text={line} /> : null}
      {Object.keys(rest).length > 0 ? <JsonView value={rest} label={t("params")} className="max-h-72" /> : line ? null : <p className="text-sm text-faint">{words("inputEmpty")}</p>}
    </div>
  );
}

function facts(job: Job): (readonly [string, ReactNode])[] {
  const r = job.retry_policy;
  const l = job.limits;
  const labels = pairs(job.labels);
  const limits = [l.max_running === null ? "" : t("limitTemplate", { n: l.max_running }), l.max_per_key === null ? "" : t("limitKey", { n: l.max_per_key, key: l.key.join(", ") })].filter(Boolean);
  const by = triggerOf(job);
  const again = nextAttempt(job);
  const maybe = (on: unknown, label: string, value: () => ReactNode): (readonly [string, ReactNode])[] => (on ? [[label, value()]] : []);
  return [
    [t("priority"), priorityText(job.priority, `${job.priority} · `)],
    ...maybe(job.locks.length > 0, t("locks"), () => <span className="flex flex-wrap gap-1">{job.locks.map((x) => <Chip key={x} icon={Lock} mono>{x}</Chip>)}</span>),
    ...maybe(limits.length > 0, t("limits"), () => limits.join("; ")),
    ...maybe(job.run_at, t("runAt"), () => <Time at={job.run_at} clock />),
    ...maybe(job.start_deadline, t("deadline"), () => <Time at={job.start_deadline} clock />),
    ...maybe(job.timeout, t("timeout"), () => <Duration of={job.timeout} />),
    [t("attemptsInAll"), <span key="r">{r.max_attempts}{r.max_attempts > 1 ? <>; {t("retryDelay")}: <Duration of={r.initial} /></> : null}{again > 0 ? `; ${t("nextAttempt", { n: again })}` : null}</span>],
    ...maybe(job.error, words("errorField"), () => (job.error ? `${job.error.code}: ${failureText(job.error)}` : "")),
    ...maybe(job.hold, t("hold"), () => (job.waiting?.code === "held" ? heldText(job.waiting) : "")),
    ...maybe(labels.length > 0, words("labels"), () => <span className="flex flex-wrap gap-1">{labels.map((l) => <Chip key={l} mono>{l}</Chip>)}</span>),
    [words("createdBy"), <span key="b">{who(job.created_by)} · {by.word} · <Time at={job.created_at} /></span>],
    ...maybe(job.template_id, words("template"), () => <Link to="/templates" search={{ open: job.template_id ?? "" }} className="text-accent hover:underline">{job.template_id}</Link>),
    ...maybe(job.schedule_id, words("schedule"), () => <Link to="/schedules/$id" params={{ id: job.schedule_id ?? "" }} className="text-accent hover:underline">{job.schedule_id}</Link>),
    ...maybe(job.group_id, words("group"), () => <CopyId id={job.group_id ?? ""} />),
    ...maybe(job.approval_id, t("code_approval"), () => <Link to="/approvals/$id" params={{ id: job.approval_id ?? "" }} className="font-mono text-xs text-accent hover:underline">{job.approval_id}</Link>),
    ...maybe(job.retry_of, words("retryOf"), () => <Link to="/runs/$id" params={{ id: job.retry_of ?? "" }} className="font-mono text-xs text-accent hover:underline">{job.retry_of}</Link>),
  ];
}

/** Its own attempts, and what its schedule or template started before. */
function Earlier({ job }: { job: Job }) {
  const like = job.schedule_id ? { schedule_id: job.schedule_id } : job.template_id ? { template_id: [job.template_id] } : null;
  const q = useQuery({
    queryKey: ["runs", { before: job.job_id }],
    queryFn: async ({ signal }) => {
      const [own, others] = await Promise.all([listRuns({ job_id: job.job_id, limit: 10 }, signal), like ? listRuns({ ...like, limit: 5 }, signal) : null]);
      return mergeRuns(own.items, others?.items ?? []);
    },
  });
  if (!q.data || q.data.length === 0) return null;
  return (
    <Section title={t("earlier")} count={q.data.length}>
      <ul className="flex flex-col divide-y divide-line border-y border-line text-sm">
        {q.data.map((r) => (
          <li key={r.run_id} className="flex min-h-8 items-center gap-3">
            <StateChip state={stateOf(r)} bare />
            <Link to="/runs/$id" params={{ id: r.run_id }} className="min-w-0 grow truncate hover:underline">{r.name}</Link>
            {r.attempt > 1 ? <span className="text-xs text-faint">{words("attemptN", { n: r.attempt })}</span> : null}
            <span className="text-dim"><Time at={r.started_at ?? r.queued_at} /></span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
