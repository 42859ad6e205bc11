import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CalendarDays, ChevronLeft, ChevronRight, List as ListIcon } from "lucide-react";
import { useMemo, useState } from "react";
import { api, ok, type Schema } from "../../api/client";
import { Button, IconButton } from "../../kit/Button";
import { Combobox, Select } from "../../kit/Field";
import { Page, PageHeader } from "../../kit/Page";
import { Segmented } from "../../kit/Segmented";
import { useShortcut } from "../../kit/shortcuts";
import { ErrorState, FormError, Loading } from "../../kit/States";
import { oneOf, text, useUrl } from "../../kit/url";
import { addDays, dateIn, knownZone, weekStart, type DateText } from "../../kit/zone";
import { language } from "../../text/catalogue";
import { t } from "../../text/schedules";
import { holidayName } from "../../text/schedules/holidays";
import { AgendaView } from "./AgendaView";
import { calendarsQuery, firesQuery, pastQuery, sessionsQuery } from "./api";
import { daysOf, firesOf, heat, marketDays, pastFires, shownUntil, turn, type CalendarView, type Day, type Fire, type Heat, type MarketDay, type SessionInput } from "./grid";
import { MonthView } from "./MonthView";
import { Overrides } from "./Overrides";
import { WeekView } from "./WeekView";
import { myZone } from "./words";

const shape = { view: oneOf("", "week", "month", "agenda"), date: text, zone: text, mic: text, schedule: text };

/** What all views draw. */
export interface Shown {
  days: readonly Day[];
  fires: readonly Fire[];
  /** Names by id. */
  names: ReadonlyMap<string, string>;
  sessions: readonly SessionInput[];
  market: readonly MarketDay[] | null;
  heat: readonly Heat[];
  /** From then on more fires than are shown. */
  until: number;
  workers: number;
  zone: string;
  now: number;
}

type Fires = Schema<"ScheduleFires">;
type Stored = Schema<"Schedule">;

function shownFires(data: Fires | undefined, only: string): Fire[] {
  if (!data) return [];
  const took = new Map(data.durations.map((d) => [d.schedule_id, d.median_ms]));
  return data.items.filter((i) => !only || i.schedule_id === only).flatMap((i) => firesOf(i.schedule_id, [i], took.get(i.schedule_id) ?? 0));
}

// The market that most schedules go by.
function usualMarket(list: readonly Stored[]): string {
  const count = new Map<string, number>();
  for (const s of list) {
    const c = s.calendar ?? s.trigger.calendar;
    if (typeof c === "string") count.set(c, (count.get(c) ?? 0) + 1);
  }
  return [...count].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
}

const validDate = (d: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(d) && !Number.isNaN(Date.parse(d));

/** All fires to come in a week, a month or a list, with the hours of a market; of one schedule the past ones too. */
export function CalendarPage() {
  const [url, setUrl] = useUrl(shape);
  const [overrides, setOverrides] = useState(false);
  const [now] = useState(() => Date.now());
  const zone = url.zone && knownZone(url.zone) ? url.zone : myZone;
  const view: CalendarView = url.view || (matchMedia("(max-width: 639px)").matches ? "agenda" : "week");
  const date: DateText = validDate(url.date) ? url.date : dateIn(now, zone);
  const days = useMemo(() => daysOf(view, date, zone, { weekStart: weekStart(language === "ko" ? "ko-KR" : navigator.language), now, days: view === "agenda" ? 14 : 7 }), [view, date, zone, now]);
  const first = days[0];
  const last = days.at(-1);
  const from = new Date(first?.from ?? now).toISOString();
  const to = new Date(last?.to ?? now).toISOString();
  const future = Date.parse(to) > now;
  const fires = useQuery({ ...firesQuery(from, to), enabled: future });
  const stored = useQuery({ queryKey: ["schedules", "options"], queryFn: ({ signal }) => ok(api.GET("/api/schedules", { signal, params: { query: { limit: 100, state: ["active"] } } })) });
  const overview = useQuery({ queryKey: ["overview"], queryFn: ({ signal }) => ok(api.GET("/api/overview", { signal })) });
  const calendars = useQuery(calendarsQuery);
  const mic = url.mic === "-" ? "" : url.mic || usualMarket(stored.data?.items ?? []);
  const range = { from: addDays(first?.date ?? date, -14), to: addDays(last?.date ?? date, 14) };
  const sessions = useQuery(sessionsQuery(mic, range.from, range.to));
  const begins = first?.from ?? now;
  const past = useQuery({ ...pastQuery(url.schedule, from), enabled: url.schedule !== "" && begins < now });
  const list = useMemo(() => {
    const before = url.schedule && begins < now ? pastFires(url.schedule, past.data?.items ?? [], begins, now) : [];
    return [...before, ...(future ? shownFires(fires.data, url.schedule) : [])];
  }, [fires.data, past.data, url.schedule, future, begins, now]);
  const cut = (future ? (fires.data?.schedules ?? []) : []).filter((s) => s.truncated && (!url.schedule || s.schedule_id === url.schedule));
  const until = shownUntil(list, new Set(cut.map((s) => s.schedule_id)));
  const workers = overview.data?.workers ?? 1;
  const heats = useMemo(() => heat(list, workers), [list, workers]);
  const closed = sessions.data?.closed ?? [];
  const market = mic && sessions.data ? marketDays(days, sessions.data.items, range, Object.fromEntries(closed.map((c) => [c.date, c.reason]))).map((d) => ({ ...d, name: d.name && holidayName(d.name, mic) })) : null;
  const go = (by: 1 | -1) => setUrl({ date: view === "agenda" ? addDays(date, 14 * by) : turn(view, date, by) });
  useShortcut("ArrowLeft", () => go(-1));
  useShortcut("ArrowRight", () => go(1));
  useShortcut("t", () => setUrl({ date: "" }));
  const shown: Shown = { days, fires: list, names: new Map([...(stored.data?.items ?? []), ...(fires.data?.schedules ?? [])].map((s) => [s.schedule_id, s.name])), sessions: sessions.data?.items ?? [], market, heat: heats, until, workers, zone, now };
  const most = Math.max(0, ...heats.map((h) => h.jobs));
  const zoneList = ["UTC", myZone, ...new Set((stored.data?.items ?? []).map((s) => s.timezone)), ...Intl.supportedValuesOf("timeZone")];
  const onDay = (date: string) => setUrl({ view: "agenda", date });
  return (
    <Page>
      <PageHeader
        title={t("calTitle")}
        facts={<span className="text-base font-medium text-fg">{heading(view, days, date)}</span>}
        actions={<>
          <div className="flex items-center gap-1">
            <IconButton icon={ChevronLeft} label={t("previous")} keys="←" look="plain" onClick={() => go(-1)} />
            <Button aria-keyshortcuts="T" onClick={() => setUrl({ date: "" })}>{t("today")}</Button>
            <IconButton icon={ChevronRight} label={t("following")} keys="→" look="plain" onClick={() => go(1)} />
          </div>
          <Segmented label={t("view")} value={view} onChange={(v) => setUrl({ view: v as CalendarView })} options={[{ value: "week", label: t("week") }, { value: "month", label: t("month") }, { value: "agenda", label: t("agenda") }]} />
          <Link to="/schedules" className="target inline-flex h-8 items-center gap-1.5 rounded-md border border-line-strong bg-raised px-3 text-sm hover:bg-hover"><ListIcon aria-hidden className="size-4" strokeWidth={1.75} />{t("list")}</Link>
        </>}
      />
      <div className="flex flex-wrap items-center gap-2 pb-3">
        <div className="w-full sm:w-44"><Combobox aria-label={t("market")} value={mic} placeholder={t("noMarket")} onChange={(v) => setUrl({ mic: v || "-" })} options={[{ value: "", label: t("noMarket") }, ...(calendars.data?.items ?? []).map((c) => ({ value: c.mic, label: c.mic, hint: c.name }))]} /></div>
        <div className="w-full sm:w-52"><Combobox aria-label={t("clockZone")} value={zone} onChange={(v) => v && setUrl({ zone: v === myZone ? "" : v })} options={[...new Set(zoneList)].map((z) => ({ value: z, label: z }))} /></div>
        <div className="w-full sm:w-52"><Select aria-label={t("schedule")} value={url.schedule} onChange={(v) => setUrl({ schedule: v })} options={[{ value: "", label: t("allSchedules") }, ...(stored.data?.items ?? []).map((s) => ({ value: s.schedule_id, label: s.name }))]} /></div>
        {mic ? <Button icon={CalendarDays} onClick={() => setOverrides(true)}>{t("overrides")}</Button> : null}
        {list.length > 0 ? <p data-heat={most} className={`ml-auto text-xs ${most > workers ? "text-warn" : "text-faint"}`}>{t("heatText", { n: most, workers })}</p> : null}
      </div>
      {(fires.data && !fires.data.complete) || (past.data && !past.data.complete) ? <p className="pb-2 text-sm text-warn">{t("incomplete")}</p> : null}
      {cut.length > 0 ? <p className="pb-2 text-xs text-dim">{t("truncated", { n: cut.length, names: cut.map((s) => s.name).join(", ") })}</p> : null}
      {begins < now && !url.schedule ? <p className="pb-2 text-xs text-faint">{t("past")}</p> : null}
      {past.error ? <FormError error={past.error} /> : null}
      {fires.isError && !fires.data ? <ErrorState error={fires.error} onRetry={() => void fires.refetch()} /> : fires.isPending && future ? <Loading rows={12} /> : (
        <div data-calendar={view} data-ready={!fires.isFetching && !past.isFetching && (mic === "" || !sessions.isFetching) ? "1" : "0"}>
          {view === "week" ? <WeekView {...shown} onDay={onDay} /> : view === "month" ? <MonthView {...shown} onDay={onDay} /> : <AgendaView {...shown} />}
        </div>
      )}
      {overrides && mic ? <Overrides mic={mic} onClose={() => setOverrides(false)} /> : null}
    </Page>
  );
}

const dayFormat = new Intl.DateTimeFormat(language, { month: "short", day: "numeric", year: "numeric", timeZone: "UTC" });

function heading(view: CalendarView, days: readonly Day[], date: DateText): string {
  if (view === "month") return new Intl.DateTimeFormat(language, { month: "long", year: "numeric", timeZone: "UTC" }).format(Date.parse(date));
  return dayFormat.formatRange(Date.parse(days[0]?.date ?? date), Date.parse(days.at(-1)?.date ?? date));
}
