import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { CalendarClock, CalendarRange, Plus } from "lucide-react";
import { useState } from "react";
import { useCan } from "../../api/session";
import { Badge, Chip } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { Select, Switch } from "../../kit/Field";
import { FilterBar, Page, PageHeader } from "../../kit/Page";
import { Segmented } from "../../kit/Segmented";
import { useShortcut } from "../../kit/shortcuts";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { Tooltip } from "../../kit/Tooltip";
import { flag, oneOf, text, useUrl } from "../../kit/url";
import { Time } from "../../kit/Values";
import { who } from "../../kit/who";
import { t } from "../../text/schedules";
import { MoreMenu, ScheduleDialogs, useEnabled, type Asked } from "./Actions";
import { listQuery, type Schedule } from "./api";
import { Editor } from "./Editor";
import { FewFires, ResultStrip, type Clock } from "./Fires";
import { sentence } from "./sentence";
import { warningText } from "./words";

const shape = { q: text, state: oneOf("", "active", "paused", "finished"), clock: oneOf("schedule", "mine"), new: flag };

/** All schedules, by next fire. */
export function ScheduleList() {
  const [url, setUrl] = useUrl(shape);
  if (url.new) return <Editor onClose={() => setUrl({ new: false }, true)} />;
  return <List />;
}

// The row that has the focus, or that the pointer is over.
function rowAtHand(rows: readonly Schedule[]): Schedule | undefined {
  const row = document.activeElement?.closest("tr[data-id]") ?? document.querySelector("tr[data-id]:hover");
  const id = row?.getAttribute("data-id");
  return id ? rows.find((r) => r.schedule_id === id) : undefined;
}

function List() {
  const [url, setUrl] = useUrl(shape);
  const navigate = useNavigate();
  const query = useInfiniteQuery(listQuery({ q: url.q, state: url.state }));
  const [asked, setAsked] = useState<{ s: Schedule; what: Asked } | null>(null);
  const write = useCan("schedules:write");
  const run = useCan("schedules:run");
  const enabled = useEnabled();
  const rows = query.data?.pages.flatMap((p) => p.items) ?? [];
  useShortcut("n", () => {
    const s = rowAtHand(rows);
    if (s && run.can) setAsked({ s, what: "run" });
  });
  useShortcut("e", () => {
    const s = rowAtHand(rows);
    if (s && run.can) enabled.set(s, !s.enabled);
  });
  const filtered = url.q !== "" || url.state !== "";
  const columns: Column<Schedule>[] = [
    { id: "name", head: t("name"), cell: (s) => <NameCell s={s} clock={url.clock} /> },
    { id: "zone", head: t("zoneCalendar"), from: "lg", width: "11rem", cell: (s) => <ZoneCell s={s} /> },
    { id: "next", head: t("nextFires"), from: "md", width: "15rem", cell: (s) => <FewFires fires={s.next ?? []} zone={s.timezone} clock={url.clock} /> },
    { id: "results", head: t("lastResults"), from: "xl", width: "12rem", cell: (s) => <ResultStrip results={s.results ?? []} /> },
    { id: "enabled", head: t("enabled"), width: "3.5rem", cell: (s) => <EnabledCell s={s} why={run.why} onChange={(on) => enabled.set(s, on)} /> },
    { id: "more", head: <span className="sr-only">{t("actions")}</span>, width: "3rem", align: "right", cell: (s) => <MoreMenu s={s} onAsk={(what) => setAsked({ s, what })} onEdit={() => void navigate({ to: "/schedules/$id", params: { id: s.schedule_id }, search: { edit: "1" } })} /> },
  ];
  return (
    <Page>
      <PageHeader
        title={t("title")}
        actions={<>
          <Button icon={CalendarRange} onClick={() => void navigate({ to: "/schedules/calendar" })}>{t("calendar")}</Button>
          <Button look="primary" icon={Plus} why={write.why} onClick={() => setUrl({ new: true })}>{t("add")}</Button>
        </>}
      />
      <FilterBar query={url.q} onQuery={(q) => setUrl({ q }, true)} placeholder={t("filter")} active={filtered} onClear={() => setUrl({ q: "", state: "" })}>
        <div className="w-36"><Select small aria-label={t("state")} value={url.state} onChange={(v) => setUrl({ state: v as typeof url.state })} options={[{ value: "", label: t("allStates") }, { value: "active", label: t("active") }, { value: "paused", label: t("paused") }, { value: "finished", label: t("finished") }]} /></div>
        <span className="ml-auto"><Segmented label={t("clock")} value={url.clock} onChange={(v) => setUrl({ clock: v as Clock })} options={[{ value: "schedule", label: t("clockSchedule") }, { value: "mine", label: t("clockMine") }]} /></span>
      </FilterBar>
      {query.isPending ? <Loading /> : query.isError && rows.length === 0 ? <ErrorState error={query.error} onRetry={() => void query.refetch()} /> : rows.length === 0 ? (
        filtered ? <Empty icon={CalendarClock} title={t("noneMatch")} action={<Button onClick={() => setUrl({ q: "", state: "" })}>{t("clearFilters")}</Button>} /> : (
          <Empty icon={CalendarClock} title={t("empty")} action={<Button look="primary" icon={Plus} why={write.why} onClick={() => setUrl({ new: true })}>{t("add")}</Button>} command="runsheet schedule add report --cron '0 9 * * MON-FRI' --timezone Asia/Seoul -- /bin/echo report">{t("emptyText")}</Empty>
        )
      ) : (
        <>
          <Table label={t("title")} columns={columns} rows={rows} id={(s) => s.schedule_id} onOpen={(s) => void navigate({ to: "/schedules/$id", params: { id: s.schedule_id } })} />
          {query.hasNextPage ? <div className="flex justify-center py-4"><Button busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>{t("more")}</Button></div> : null}
        </>
      )}
      {asked ? <ScheduleDialogs s={asked.s} what={asked.what} onClose={() => setAsked(null)} /> : null}
    </Page>
  );
}

function NameCell({ s, clock }: { s: Schedule; clock: Clock }) {
  return (
    <div className="min-w-0 py-1">
      <div className="flex min-w-0 flex-wrap items-center gap-x-2">
        <Link to="/schedules/$id" params={{ id: s.schedule_id }} className="font-medium [overflow-wrap:anywhere] hover:underline">{s.name}</Link>
        {s.state === "paused" ? <Badge tone="warn">{t("paused")}</Badge> : s.state === "finished" ? <Badge>{t("finished")}</Badge> : null}
        {s.execution_mode === "APPROVAL_REQUIRED" ? <Badge tone="info">{t("asksFirst")}</Badge> : null}
        {s.warnings.length > 0 ? <Badge tone="warn" title={s.warnings.map(warningText).join("\n")}>{t("warnings", { n: s.warnings.length })}</Badge> : null}
        {s.claimed_by ? <Badge tone="idle" title={t("claimedUntil", { at: s.claimed_until ?? "" })}>{t("claimedBy", { who: s.claimed_by.split(":")[0] ?? "" })}</Badge> : null}
      </div>
      <div className="text-xs text-dim">{sentence(s.trigger, s.summary)}</div>
      <div className="mt-1 flex flex-col gap-1 md:hidden">
        <FewFires fires={(s.next ?? []).slice(0, 1)} zone={s.timezone} clock={clock} />
        <ResultStrip results={(s.results ?? []).slice(0, 12)} />
      </div>
    </div>
  );
}

/** The code of a calendar, or how many a combination has. */
export function calendarText(c: Schedule["calendar"]): string {
  if (c === null || typeof c === "string") return c ?? "";
  return JSON.stringify(c).replace(/[{}"]/g, "").replace(":", ": ");
}

function ZoneCell({ s }: { s: Schedule }) {
  const calendar = calendarText(s.calendar ?? s.trigger.calendar ?? null);
  return (
    <div className="flex flex-col items-start gap-0.5 text-xs">
      <span className="text-dim">{s.timezone}</span>
      {calendar ? <Chip mono title={calendar}>{calendar}</Chip> : null}
    </div>
  );
}

function EnabledCell({ s, why, onChange }: { s: Schedule; why: string; onChange: (on: boolean) => void }) {
  const it = <span className="inline-flex"><Switch aria-label={t("enabledOf", { name: s.name })} checked={s.enabled && s.state !== "finished"} disabled={why !== "" || s.state === "finished"} onChange={onChange} /></span>;
  const reason = why || (s.state === "paused" ? [s.state_reason, s.state_by && who(s.state_by)].filter(Boolean).join(" · ") : "");
  // Always in a tooltip, or the switch would be made anew when it is used, and lose the focus.
  return <Tooltip text={reason}>{it}</Tooltip>;
}

/** When the next run is due, for heads. */
export function NextRun({ s }: { s: Schedule }) {
  return s.next_run_at ? <span>{t("next")} <Time at={s.next_run_at} zone={s.timezone} /></span> : null;
}
