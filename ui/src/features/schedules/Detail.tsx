import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { History, Pencil, Play, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { api, ok } from "../../api/client";
import { useCan } from "../../api/session";
import { Badge, Chip, StateChip } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { joinCommand } from "../../kit/command";
import { CopyAs } from "../../kit/CopyAs";
import { Select, Switch } from "../../kit/Field";
import { Facts, Page, PageHeader, Section } from "../../kit/Page";
import { useShortcut } from "../../kit/shortcuts";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { Tabs } from "../../kit/Tabs";
import { flag, oneOf, useRouteId, useUrl } from "../../kit/url";
import { CopyId, Duration, Num, Time } from "../../kit/Values";
import { who } from "../../kit/who";
import { t } from "../../text/schedules";
import { MoreMenu, ScheduleDialogs, useEnabled, type Asked } from "./Actions";
import { actions, historyQuery, nextQuery, scheduleQuery, versionsQuery, type Entry, type Schedule } from "./api";
import { Editor } from "./Editor";
import { FireTable } from "./Fires";
import { calendarText, NextRun } from "./List";
import { sentence } from "./sentence";
import { instantText, isMissed, localText, missedReasons, reasonWord, sourceWord, warningText } from "./words";

const shape = { tab: oneOf("next", "history", "versions"), show: oneOf("", "run", "skip", "missed"), edit: flag };

/** One schedule: what it will do, what it did, what it has been. */
export function ScheduleDetail() {
  const id = useRouteId();
  const [url, setUrl] = useUrl(shape);
  const query = useQuery(scheduleQuery(id));
  if (query.isPending) return <Page><Loading /></Page>;
  if (query.isError && !query.data) return <Page><ErrorState error={query.error} onRetry={() => void query.refetch()} /></Page>;
  const { schedule, etag } = query.data;
  if (url.edit) return <Editor key={etag} of={schedule} etag={etag} onClose={() => setUrl({ edit: false }, true)} />;
  return <Shown s={schedule} />;
}

function Shown({ s }: { s: Schedule }) {
  const [url, setUrl] = useUrl(shape);
  const [asked, setAsked] = useState<Asked | null>(null);
  const run = useCan("schedules:run");
  const write = useCan("schedules:write");
  const enabled = useEnabled();
  const navigate = useNavigate();
  const off = run.why !== "" || s.state === "finished";
  useShortcut("n", () => run.can && setAsked("run"));
  useShortcut("e", () => !off && enabled.set(s, !s.enabled));
  return (
    <Page>
      <PageHeader
        title={s.name}
        facts={<>
          <StateChip state={s.state === "active" ? "ENABLED" : s.state === "paused" ? "PAUSED" : "FINISHED"} />
          <span>{sentence(s.trigger, s.summary)}</span>
          <NextRun s={s} />
          <CopyId id={s.schedule_id} />
        </>}
        actions={<>
          <label className="mr-1 flex items-center gap-2 text-sm text-dim">{t("enabled")}<Switch aria-label={t("enabledOf", { name: s.name })} checked={s.enabled && s.state !== "finished"} disabled={off} onChange={(on) => enabled.set(s, on)} /></label>
          <CopyAs action={actions.show(s)} />
          <MoreMenu s={s} onAsk={setAsked} onEdit={() => setUrl({ edit: true })} />
          <Button icon={Pencil} why={write.why} onClick={() => setUrl({ edit: true })}>{t("edit")}</Button>
          <Button look="primary" icon={Play} why={run.why} onClick={() => setAsked("run")}>{t("runNow")}</Button>
        </>}
      />
      <Notices s={s} />
      <div className="grid gap-x-10 gap-y-6 lg:grid-cols-[minmax(0,1fr)_20rem]">
        <div className="min-w-0">
          <Tabs
            value={url.tab} onChange={(v) => setUrl({ tab: v as typeof url.tab })}
            tabs={[
              { id: "next", label: t("tabNext"), content: url.tab === "next" ? <Next s={s} /> : null },
              { id: "history", label: t("tabHistory"), content: url.tab === "history" ? <HistoryOf s={s} /> : null },
              { id: "versions", label: t("tabVersions"), count: s.version, content: url.tab === "versions" ? <Versions s={s} /> : null },
            ]}
          />
        </div>
        <aside aria-label={t("rules")} className="min-w-0">
          {s.description ? <p className="pb-4 text-sm">{s.description}</p> : null}
          <Section title={t("rules")}><Facts items={facts(s)} /></Section>
          <p className="mt-4 text-xs"><Link to="/system/audit" search={{ object: s.schedule_id }} className="text-accent hover:underline">{t("audit")}</Link></p>
        </aside>
      </div>
      {asked ? <ScheduleDialogs s={s} what={asked} onClose={() => { setAsked(null); if (asked === "remove") void navigate({ to: "." }); }} /> : null}
    </Page>
  );
}

function Notices({ s }: { s: Schedule }) {
  const list = s.warnings.map(warningText);
  if (s.state === "paused") list.unshift([t("pausedBy", { who: s.state_by ? who(s.state_by) : t("itself") }), s.state_reason].filter(Boolean).join(": "));
  if (s.skip_next.length > 0) list.push(t("willSkip", { n: s.skip_next.length, until: instantText(s.skip_next.at(-1) ?? "") }));
  if (list.length === 0) return null;
  return (
    <ul className="mb-4 flex flex-col gap-1 rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">
      {list.map((text) => <li key={text} className="flex items-start gap-2"><TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" strokeWidth={1.75} />{text}</li>)}
    </ul>
  );
}

function facts(s: Schedule): (readonly [string, React.ReactNode])[] {
  const out: [string, React.ReactNode][] = [
    [t("target"), <Target key="t" s={s} />],
    [t("zone"), s.timezone],
  ];
  const calendar = calendarText(s.calendar ?? s.trigger.calendar ?? null);
  if (calendar) out.push([t("calendar"), <Chip key="c" mono>{calendar}</Chip>]);
  out.push([t("overlap"), t(`o_${s.overlap}`)], [t("missed"), s.missed ? t(`mi_${s.missed}`) : t("mi_default")]);
  if (s.execution_mode === "APPROVAL_REQUIRED") out.push([t("approval"), t("asksFirst")]);
  if (s.jitter) out.push([t("jitter"), <Duration key="j" of={s.jitter} />]);
  if (s.min_interval) out.push([t("minInterval"), <Duration key="m" of={s.min_interval} />]);
  if (s.start_deadline) out.push([t("startDeadline"), <Duration key="d" of={s.start_deadline} />]);
  if (s.start_at) out.push([t("startAt"), <Time key="sa" at={s.start_at} zone={s.timezone} />]);
  if (s.end_at) out.push([t("endAt"), <Time key="ea" at={s.end_at} zone={s.timezone} />]);
  if (s.claimed_by) out.push([t("claim"), <span key="cl" className="font-mono text-xs">{s.claimed_by}</span>]);
  out.push([t("fired"), <Num key="n" n={s.fired_count} />], [t("madeBy"), who(s.created_by)], [t("changedAt"), <Time key="u" at={s.updated_at} />]);
  return out;
}

function Target({ s }: { s: Schedule }) {
  if (s.workflow_id) return <Link to="/workflows/$id" params={{ id: s.workflow_id }} className="text-accent hover:underline">{s.workflow_id}</Link>;
  if (s.template_id) return <TemplateLink id={s.template_id} />;
  const argv: unknown = s.job?.params?.argv;
  return <code className="font-mono text-xs">{Array.isArray(argv) ? joinCommand(argv.map(String)) : (s.job?.job_type ?? "")}</code>;
}

function TemplateLink({ id }: { id: string }) {
  const read = useCan("templates:read");
  const found = useQuery({ queryKey: ["templates", "one", id], enabled: read.can, queryFn: ({ signal }) => ok(api.GET("/api/job-templates/{template_id}", { signal, params: { path: { template_id: id } } })) });
  return <Link to="/templates" search={{ open: id }} title={id} className="text-accent hover:underline">{found.data?.name ?? id}</Link>;
}

function Next({ s }: { s: Schedule }) {
  const query = useQuery(nextQuery(s.schedule_id, 20));
  if (query.isPending) return <Loading />;
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  if (query.data.items.length === 0) return <Empty title={t("nothingNext")}>{s.trigger.type === "ON" ? t("waitsForEvent") : t("nothingNextText")}</Empty>;
  return <FireTable label={t("tabNext")} fires={query.data.items} zone={s.timezone} />;
}

const shows = { "": { kind: "", reason: [] }, run: { kind: "run", reason: [] }, skip: { kind: "skip", reason: [] }, missed: { kind: "skip", reason: missedReasons } } as const;

function HistoryOf({ s }: { s: Schedule }) {
  const [url, setUrl] = useUrl(shape);
  const query = useInfiniteQuery(historyQuery(s.schedule_id, shows[url.show]));
  const items = query.data?.pages.flatMap((p) => p.items) ?? [];
  const missed = items.filter(isMissed);
  const left = missed.filter((e) => e.kind === "skip").reduce((n, e) => n + e.count, 0);
  const columns: Column<Entry>[] = [
    { id: "at", head: t("nominal"), width: "13rem", cell: (e) => <Nominal e={e} zone={s.timezone} /> },
    { id: "status", head: t("outcome"), cell: (e) => <Outcome e={e} /> },
    { id: "source", head: t("source"), from: "sm", width: "8rem", cell: (e) => (e.source ? sourceWord(e.source) : <span className="text-faint">–</span>) },
    { id: "took", head: t("took"), from: "md", width: "7rem", align: "right", cell: (e) => (e.started_at && e.finished_at ? <Duration of={Date.parse(e.finished_at) - Date.parse(e.started_at)} /> : <span className="text-faint">–</span>) },
    { id: "late", head: t("decided"), from: "lg", width: "8rem", align: "right", cell: (e) => <Time at={e.decided_at} /> },
  ];
  return (
    <>
      <div className="flex items-center gap-2 pb-2">
        <div className="w-64"><Select small aria-label={t("show")} value={url.show} onChange={(v) => setUrl({ show: v as typeof url.show })} options={[{ value: "", label: t("showAll") }, { value: "run", label: t("showRuns") }, { value: "skip", label: t("showSkips") }, { value: "missed", label: t("showMissed") }]} /></div>
      </div>
      {missed.length > 0 ? (
        <p data-missed={left} className="mb-3 rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">
          {t("missedText", { policy: s.missed ? t(`mi_${s.missed}`) : t("mi_default") })} {t("missedRan", { n: missed.filter((e) => e.kind === "run").length })} {t("missedLeft", { n: left })}
        </p>
      ) : null}
      {query.isPending ? <Loading /> : query.isError && items.length === 0 ? <ErrorState error={query.error} onRetry={() => void query.refetch()} /> : items.length === 0 ? <Empty icon={History} title={t("noHistory")}>{t("noHistoryText")}</Empty> : (
        <Table label={t("tabHistory")} columns={columns} rows={items} id={(e) => `${e.kind}${e.nominal_at}${e.again}${e.reason ?? ""}`} />
      )}
      {query.hasNextPage ? <div className="flex justify-center py-4"><Button busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>{t("more")}</Button></div> : null}
    </>
  );
}

function Nominal({ e, zone }: { e: Entry; zone: string }) {
  return (
    <span title={`${e.nominal_at}\n${zone}`} className="whitespace-nowrap">
      {localText(e.local, "long")}
      {e.count > 1 ? <span className="ml-1.5 text-xs text-faint">{t("times", { n: e.count })}</span> : null}
    </span>
  );
}

function Outcome({ e }: { e: Entry }) {
  return (
    <span data-outcome={e.reason ?? e.status} className="flex flex-wrap items-center gap-2">
      {e.status === "GONE" ? <Badge>{t("gone")}</Badge> : <StateChip state={e.status} bare />}
      {e.reason ? <Badge tone={missedReasons.includes(e.reason) ? "warn" : "idle"}>{reasonWord(e.reason)}</Badge> : null}
      {e.count > 1 ? <span className="text-xs text-faint">{t("upTo", { at: instantText(e.last_nominal_at) })}</span> : null}
      {e.job_id && e.status !== "GONE" ? <Link to="/runs" search={{ job: e.job_id, range: "all" }} className="text-xs text-accent hover:underline">{t("openRun")}</Link> : null}
    </span>
  );
}

function Versions({ s }: { s: Schedule }) {
  const query = useQuery(versionsQuery(s.schedule_id));
  if (query.isPending) return <Loading />;
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  return (
    <ul className="flex flex-col">
      {query.data.items.map((v) => (
        <li key={v.version} className="border-b border-line/70 py-2 last:border-0">
          <details>
            <summary className="flex flex-wrap items-center gap-x-3 gap-y-1 text-sm">
              <span className="font-medium">{t("version", { n: v.version })}</span>
              <span className="min-w-0 grow text-dim">{sentence(v.definition.trigger, v.summary)}</span>
              <span className="text-xs text-faint">{who(v.created_by)} · <Time at={v.created_at} /></span>
            </summary>
            <pre className="mt-2 overflow-x-auto rounded-md border border-line bg-panel p-3 font-mono text-xs whitespace-pre-wrap [overflow-wrap:anywhere]">{JSON.stringify(v.definition, null, 2)}</pre>
          </details>
        </li>
      ))}
    </ul>
  );
}
