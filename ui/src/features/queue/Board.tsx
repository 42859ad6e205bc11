import { Ban, Group, Hand, ListFilter, ListPlus, MoreHorizontal, Pause, Play, Sparkles, Trash2, Ungroup, X } from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore, type KeyboardEvent } from "react";
import { useCan } from "../../api/session";
import { announce } from "../../kit/announce";
import { toast } from "../../kit/toast";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { cx } from "../../kit/cx";
import { CheckBox, Stepper } from "../../kit/Field";
import { duration, parseDuration } from "../../kit/format";
import { Menu } from "../../kit/Menu";
import { FilterBar, Page, PageHeader, Section } from "../../kit/Page";
import { useRows } from "../../kit/rows";
import { useShortcut } from "../../kit/shortcuts";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { flag, text, useUrl } from "../../kit/url";
import { useLiveEvent } from "../../live/context";
import { who } from "../../kit/who";
import { t as kit } from "../../text/kit";
import { t } from "../../text/queue";
import { useDrag } from "./drag";
import { Holders, holdersOf } from "./holders";
import { bulkOf, movable, orderFor, placeAt, slotFrom, spanOf, stepFrom, type Row } from "./model";
import { Drained, Elsewhere, Restarted } from "./Notices";
import { BoardRow, columns, rowName, type RowActions } from "./Row";
import { DirectBand, RunningBand } from "./Running";
import { useJobActions, useMove, useQueue } from "./useQueue";

const AddDialog = lazy(() => import("./Dialogs").then((m) => ({ default: m.AddDialog })));
const BulkDialog = lazy(() => import("./BulkDialog").then((m) => ({ default: m.BulkDialog })));
const CancelDialog = lazy(() => import("./CancelDialog").then((m) => ({ default: m.CancelDialog })));
const EditDialog = lazy(() => import("./EditDialog").then((m) => ({ default: m.EditDialog })));
const GroupDialog = lazy(() => import("./GroupDialog").then((m) => ({ default: m.GroupDialog })));
const JobDrawer = lazy(() => import("./JobDrawer").then((m) => ({ default: m.JobDrawer })));
const NoSlots = lazy(() => import("./NoSlots").then((m) => ({ default: m.NoSlots })));
const NumberDialog = lazy(() => import("./Dialogs").then((m) => ({ default: m.NumberDialog })));

const shape = { q: text, job: text, group: text, add: flag };
const emptyCli = "runsheet job add --name hello -- /bin/echo hello";

type Asked = { what: "position" | "priority" | "edit"; row: Row } | { what: "cancel"; rows: readonly Row[] } | { what: "group"; rows: readonly Row[]; span: readonly string[]; onDone: () => void } | { what: "slots"; running: number } | { what: "bulk" } | null;

// Rows have up to four lines where the columns have no room: the name, why in two, and when.
const wide = matchMedia("(min-width: 768px)");
const watchWide = (f: () => void) => {
  wide.addEventListener("change", f);
  return () => wide.removeEventListener("change", f);
};
const useRowHeight = () => (useSyncExternalStore(watchWide, () => wide.matches) ? 36 : 88);

/** The queue board: what runs, what is next, and the order of everything that waits. */
export function Board() {
  const { query, state, jobs, rows, complete, more } = useQueue();
  const [url, setUrl] = useUrl(shape);
  const [asked, setAsked] = useState<Asked>(null);
  const jobActions = useJobActions();
  const moving = useMove();
  const write = useCan("jobs:write");
  const workers = useCan("workers:write");
  const demo = useCan("settings:write");
  const holders = useMemo(() => (state ? holdersOf(state, rows) : new Map()), [state, rows]);
  useShortcut("n", () => write.can && setUrl({ add: true }));
  useShortcut("Shift+p", () => workers.can && void (state?.paused ? jobActions.resume() : jobActions.pause()));
  if (query.isPending) return <Page><PageHeader title={t("title")} /><Loading rows={10} /></Page>;
  if (!state) return <Page><PageHeader title={t("title")} /><ErrorState error={query.error} onRetry={() => void query.refetch()} /></Page>;
  const wait = parseDuration(state.statistics.average_wait);
  const still = state.paused || state.workers === 0;
  // The statistics may be some seconds old.
  const depth = complete ? jobs.length : state.statistics.queued;
  const facts = (
    <>
      <span data-depth={depth}>{t("depth", { n: depth })}</span>
      {state.drained_at && !still ? <Drained at={state.drained_at} range={state.drained_range} jobs={jobs} /> : null}
      {wait === null ? null : <span>{t("avgWait", { time: duration(wait) })}</span>}
    </>
  );
  return (
    <Page fill>
      {state.paused ? (
        <div role="status" data-paused className="-mx-4 -mt-5 mb-5 flex items-center gap-3 bg-warn-soft px-4 py-1.5 text-sm text-warn md:-mx-6 md:justify-center">
          <Pause aria-hidden className="size-4 shrink-0" strokeWidth={1.75} />
          <span className="min-w-0 grow md:grow-0">{state.paused_by ? t("pausedBy", { name: who(state.paused_by) }) : t("pausedText")}{state.paused_reason ? ` ${state.paused_reason}` : ""}</span>
          <Button small icon={Play} onClick={() => void jobActions.resume()} {...(workers.why ? { why: workers.why } : {})}>{t("resume")}</Button>
        </div>
      ) : null}
      <PageHeader
        title={t("title")} facts={facts}
        actions={
          <>
            <span className="flex items-center gap-2 text-sm text-dim">{t("workers")}<Stepper label={t("workers")} value={state.workers} onChange={(n) => (n === 0 ? setAsked({ what: "slots", running: state.running.length }) : void jobActions.workers(n))} {...(workers.why ? { why: workers.why } : {})} /></span>
            {state.paused ? null : <Button icon={Pause} onClick={() => void jobActions.pause()} {...(workers.why ? { why: workers.why } : {})}>{t("pause")}</Button>}
            <span className="max-sm:hidden"><CopyAs action={{ cli: "runsheet queue ls", method: "GET", path: "/api/queue" }} /></span>
            <Menu
              trigger={<IconButton icon={MoreHorizontal} label={t("menu")} />}
              items={[
                { label: t("bulk"), icon: ListFilter, onSelect: () => setAsked({ what: "bulk" }), ...(write.why ? { why: write.why } : {}) },
                "-",
                { label: t("demo"), icon: Sparkles, onSelect: () => void jobActions.demo(), ...(demo.why ? { why: demo.why } : {}) },
                { label: t("removeDemo"), icon: Trash2, onSelect: () => void jobActions.removeDemo(), ...(demo.why ? { why: demo.why } : {}) },
              ]}
            />
            <Button look="primary" icon={ListPlus} onClick={() => setUrl({ add: true })} {...(write.why ? { why: write.why } : {})}>{t("add")}</Button>
          </>
        }
      />
      <Restarted />
      <RunningBand state={state} why={write.why} onStop={(r) => r.job_id && void jobActions.stop(r.job_id, r.name)} />
      <DirectBand state={state} />
      {url.job && !rows.some((r) => r.id === url.job) ? <Elsewhere id={url.job} onClose={() => setUrl({ job: "" }, true)} /> : null}
      {rows.length === 0 ? (
        <Section title={t("waiting")}>
          <Empty title={t("emptyTitle")} command={emptyCli} action={<Button icon={Sparkles} onClick={() => void jobActions.demo()} {...(demo.why ? { why: demo.why } : {})}>{t("demo")}</Button>}>{t("emptyText")}</Empty>
        </Section>
      ) : (
        <Holders value={holders}><Order rows={rows} total={depth} complete={complete} onMore={more} still={still} why={write.why} filter={url.q} onFilter={(q) => setUrl({ q }, true)} onAsk={setAsked} actions={jobActions} moving={moving} wantedId={url.job || url.group} onOpen={(job) => setUrl({ job }, job === "")} /></Holders>
      )}
      <Suspense>{url.add && write.can ? <AddDialog onClose={() => setUrl({ add: false }, true)} /> : null}<Asking asked={asked} total={depth} query={url.q} onClose={() => setAsked(null)} actions={jobActions} move={moving.move} /></Suspense>
    </Page>
  );
}

function Asking({ asked, total, query, onClose, actions, move }: { asked: Asked; total: number; query: string; onClose: () => void; actions: ReturnType<typeof useJobActions>; move: Move["move"] }) {
  if (!asked) return null;
  if (asked.what === "bulk") return <BulkDialog query={query} onClose={onClose} run={actions.bulk} />;
  if (asked.what === "cancel") return <CancelDialog rows={asked.rows} onClose={onClose} actions={actions} />;
  if (asked.what === "group") return <GroupDialog rows={asked.rows} onClose={onClose} run={(body) => actions.group(body, asked.span).then((done) => done && asked.onDone())} />;
  if (asked.what === "slots") return <NoSlots running={asked.running} onClose={onClose} onDone={() => void actions.workers(0)} />;
  const row = asked.row;
  const name = rowName(row);
  if (asked.what === "position") {
    const now = (row.kind === "job" ? row.job.position : row.group.position) ?? 0;
    return <NumberDialog title={t("moveTo")} label={t("positionField")} hint={t("positionHint", { m: total })} value={now} max={total} action={t("move")} onClose={onClose} onDone={(n) => move({ call: { job_id: row.id, position: n }, name })} />;
  }
  if (row.kind !== "job") return null;
  if (asked.what === "priority") return <NumberDialog title={t("setPriority")} label={t("priority")} hint={t("priorityHint")} value={row.job.priority} max={9} action={t("save")} onClose={onClose} onDone={(priority) => void actions.patch(row.id, { priority })} />;
  return <EditDialog id={row.id} name={name} onClose={onClose} />;
}

interface OrderProps {
  rows: readonly Row[];
  total: number;
  complete: boolean;
  onMore: () => void;
  /** Nothing starts: the queue is paused, or there is no slot. */
  still: boolean;
  why: string;
  filter: string;
  onFilter: (q: string) => void;
  onAsk: (a: Asked) => void;
  actions: ReturnType<typeof useJobActions>;
  moving: Move;
  /** A job or group that the URL names: it is shown and selected once. */
  wantedId: string;
  /** Opens a job's drawer; "" closes it. */
  onOpen: (job: string) => void;
}

type Move = ReturnType<typeof useMove>;

function matches(r: Row, q: string): boolean {
  if (!q) return true;
  const text = r.kind === "job" ? `${r.job.name} ${r.job.job_type} ${r.job.job_id}` : `${r.group.name} ${r.group.group_id}`;
  return text.toLowerCase().includes(q.toLowerCase());
}

function Order({ rows: all, total, complete, onMore, still, why, filter, onFilter, onAsk, actions, moving: { move, flashed }, wantedId, onOpen }: OrderProps) {
  const rows = useMemo(() => all.filter((r) => matches(r, filter)), [all, filter]);
  const height = useRowHeight();
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [active, setActive] = useState(0);
  const anchor = useRef<string | null>(null);
  const wanted = useRef<string | null>(null);

  const drop = useCallback(
    (ids: readonly string[], at: number) => {
      const moving = movable(rows, new Set(ids));
      const call = orderFor(rows, moving, at, complete);
      const first = moving[0];
      if (!call || !first) return;
      wanted.current = first.id;
      move({ call, name: rowName(first) });
    },
    [rows, complete, move],
  );
  const { lifted, start, setLifted } = useDrag(scroller, height, rows.length, drop);

  // The row that has the focus stays in the page while it is scrolled away.
  const { items, last: lastSeen, show } = useRows(list, { count: rows.length, height, over: 10, keep: Math.min(active, rows.length - 1), scroller });
  useEffect(() => {
    if (lastSeen >= rows.length - 40) onMore();
  }, [lastSeen, rows.length, onMore]);

  // Focus follows the job, not the place.
  const focusRow = useCallback(
    (index: number) => {
      const id = rows[index]?.id;
      if (!id) return;
      setActive(index);
      show(index);
      requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-row="${id}"]`)?.focus({ preventScroll: true }));
    },
    [rows, show],
  );
  useEffect(() => {
    if (!wanted.current) return;
    const index = rows.findIndex((r) => r.id === wanted.current);
    wanted.current = null;
    if (index >= 0) focusRow(index);
  }, [rows, focusRow]);

  // What the URL names is looked for, page by page, and shown once.
  const shownId = useRef("");
  useEffect(() => {
    if (!wantedId || shownId.current === wantedId) return;
    const index = rows.findIndex((r) => r.id === wantedId);
    if (index < 0) {
      if (!complete) onMore();
      return;
    }
    shownId.current = wantedId;
    if (rows[index]?.kind === "group") setSelected(new Set([wantedId]));
    focusRow(index);
  }, [wantedId, rows, complete, onMore, focusRow]);

  // Only what is shown: a filter, or the end of a job, must not leave ids that nobody sees.
  const top = useMemo(() => rows.filter((r) => selected.has(r.id)), [rows, selected]);
  const topIds = useMemo(() => top.map((r) => r.id), [top]);
  const chosen = useCallback((row: Row) => (selected.has(row.id) ? topIds : [row.id]), [selected, topIds]);
  // A group asks first: its members cannot be put back.
  const cancelAll = (list: readonly Row[]) => {
    if (list.some((r) => r.kind === "group")) return onAsk({ what: "cancel", rows: list });
    const ids = list.map((r) => r.id);
    const restorable = list.filter((r) => r.kind === "job" && r.groupId === null).map((r) => r.id);
    void actions.cancel(ids, list[0] ? rowName(list[0]) : "", restorable).then(() => setSelected((old) => new Set([...old].filter((id) => !ids.includes(id)))));
  };
  // Only jobs that have places of their own.
  const loose = (list: readonly Row[]) => list.filter((r) => r.kind === "job" && r.groupId === null);
  const group = (list: readonly Row[]) => onAsk({ what: "group", rows: list, span: spanOf(all, list), onDone: () => setSelected(new Set()) });
  const lone = top.length === 1 && top[0]?.kind === "group" ? top[0] : null;
  const rowActions: RowActions = {
    step: (row, step) => drop(chosen(row), stepFrom(rows, movable(rows, new Set(chosen(row))), step)),
    ask: (what, row) => onAsk({ what, row }),
    open: (row) => row.kind === "job" && onOpen(row.id),
    duplicate: (job) => void actions.duplicate(job.job_id),
    hold: (job) => void actions.hold(job.job_id),
    release: (job) => void actions.release(job.job_id),
    cancel: (row) => cancelAll(selected.has(row.id) ? top : [row]),
    group: (row) => group(loose(selected.has(row.id) ? top : [row])),
    ungroup: (row) => void actions.ungroup(row.id),
    select: (row, on, range) => {
      const ids = [row.id];
      const from = rows.findIndex((r) => r.id === anchor.current);
      const to = rows.indexOf(row);
      if (range && from >= 0) ids.push(...rows.slice(Math.min(from, to), Math.max(from, to) + 1).map((r) => r.id));
      anchor.current = row.id;
      setSelected((old) => (on ? new Set([...old, ...ids]) : new Set([...old].filter((id) => !ids.includes(id)))));
    },
    focus: setActive,
    grab: (e, row) => start(e, chosen(row)),
    key: (e, row, index) => onKey(e, row, index),
  };

  // Without a row that has the focus they go to where it was last, at first to the first.
  useShortcut("j", () => focusRow(Math.min(active, rows.length - 1)));
  useShortcut("k", () => focusRow(Math.min(active, rows.length - 1)));
  const say = (key: "lifted" | "dropAt" | "putBack", row: Row, ids: readonly string[], at: number) => announce(t(key, { name: rowName(row), n: placeAt(rows, movable(rows, new Set(ids)), at) + 1, m: total }));
  const moves = (row: Row): boolean => movable(rows, new Set(chosen(row))).length > 0 || (toast({ tone: "warn", text: t("noPlace") }), false);
  function onKey(e: KeyboardEvent<HTMLElement>, row: Row, index: number): void {
    // The handle moves as its row does.
    if (e.target !== e.currentTarget && !((e.altKey || e.key === " " || lifted?.by === "keys") && e.target instanceof Element && e.target.closest("[data-grip]"))) return;
    const done = (f?: () => void) => {
      e.preventDefault();
      e.stopPropagation();
      f?.();
    };
    const steps = { ArrowUp: "up", ArrowDown: "down", Home: "top", End: "bottom" } as const;
    const step = e.key in steps ? steps[e.key as keyof typeof steps] : null;
    if (e.altKey && step) {
      done();
      if (!why && moves(row)) rowActions.step(row, step);
    } else if (lifted?.by === "keys") {
      if (step) {
        const at = slotFrom(rows, movable(rows, new Set(lifted.ids)), lifted.at, step);
        setLifted({ ...lifted, at });
        show(Math.min(at, rows.length - 1));
        say("dropAt", row, lifted.ids, at);
      } else if (e.key === " " || e.key === "Enter") {
        setLifted(null);
        drop(lifted.ids, lifted.at);
      } else if (e.key === "Escape") {
        setLifted(null);
        say("putBack", row, lifted.ids, index);
      } else return;
      done();
    } else if (e.ctrlKey || e.metaKey) return;
    else if (e.key === " " && !why) {
      done();
      if (!moves(row)) return;
      setLifted({ ids: chosen(row), at: index, by: "keys" });
      say("lifted", row, chosen(row), index);
    } else if (e.key === "ArrowDown" || e.key === "j") done(() => focusRow(Math.min(rows.length - 1, index + 1)));
    else if (e.key === "ArrowUp" || e.key === "k") done(() => focusRow(Math.max(0, index - 1)));
    else if (e.key === "Home") done(() => focusRow(0));
    else if (e.key === "End") done(() => focusRow(rows.length - 1));
    else if (e.key === "Enter") done(() => rowActions.open(row));
    else if (e.key === "x") done(() => rowActions.select(row, !selected.has(row.id), false));
    else if (e.key === "c" && !why) done(() => rowActions.cancel(row));
    else if (e.key === ".") done(() => e.currentTarget.querySelector<HTMLElement>("[data-menu]")?.click());
    else if (e.key === "Escape") setSelected(new Set());
  }

  useLiveEvent((e) => {
    // What has started or ended is no longer selected.
    if (e.job_id && (e.type === "job.started" || e.type === "job.cancelled") && selected.has(e.job_id)) setSelected((old) => new Set([...old].filter((id) => id !== e.job_id)));
  });

  const opened = all.find((r) => r.id === wantedId);
  return (
    <Section title={t("waiting")} count={total} className="group/order flex min-h-80 grow flex-col" actions={<span aria-hidden className="invisible text-xs text-faint group-has-[[data-row]:focus-visible,[data-grip]:focus]/order:visible max-sm:hidden">{t("dragHelp")}</span>}>
      <p id="drag-help" className="sr-only">{t("dragHelp")}</p>
      {top.length > 0 ? (
        <div role="toolbar" aria-label={kit("selected", { n: top.length })} className="mb-3 flex min-h-8 flex-wrap items-center gap-2">
          <span className="text-sm font-medium">{kit("selected", { n: top.length })}</span>
          <Button small onClick={() => drop(topIds, 0)} {...(why ? { why } : {})}>{t("toTop")}</Button>
          <Button small onClick={() => drop(topIds, rows.length)} {...(why ? { why } : {})}>{t("toBottom")}</Button>
          <Button small icon={Hand} onClick={() => void actions.bulk(...bulkOf(top, "hold"))} {...(why ? { why } : {})}>{t("hold")}</Button>
          <Button small icon={Play} onClick={() => void actions.bulk(...bulkOf(top, "release"))} {...(why ? { why } : {})}>{t("release")}</Button>
          {lone ? (
            <>
              <Button small icon={Ungroup} onClick={() => rowActions.ungroup(lone)} {...(why ? { why } : {})}>{t("ungroup")}</Button>
              <CopyAs action={{ cli: `runsheet group dissolve ${lone.id}`, method: "POST", path: `/api/job-groups/${lone.id}/dissolve` }} />
            </>
          ) : <Button small icon={Group} onClick={() => group(top)} {...(why || loose(top).length < top.length ? { why: why || t("groupOnly") } : {})}>{t("groupDo")}</Button>}
          <Button small look="danger" icon={Ban} onClick={() => cancelAll(top)} {...(why ? { why } : {})}>{t("cancel")}</Button>
          <Button small look="ghost" icon={X} onClick={() => setSelected(new Set())}>{t("clear")}</Button>
        </div>
      ) : (
        <FilterBar query={filter} onQuery={onFilter} placeholder={t("filter")}>{filter && !complete ? <span className="text-xs text-faint">{t("notLoaded")}</span> : null}</FilterBar>
      )}
      <div className={cx(columns, "h-8 border-b border-line pr-1 pl-2 text-xs font-medium text-faint")}>
        <span className="-ml-1 w-5 pointer-coarse:w-11 pointer-coarse:max-md:-mr-2" />
        <span className="flex pointer-coarse:max-md:hidden"><span className="flex pointer-coarse:hidden"><CheckBox hidden label={t("selectAll")} checked={top.length > 0 && top.length === rows.length} indeterminate={top.length > 0 && top.length < rows.length} onChange={(on) => setSelected(on ? new Set(rows.map((r) => r.id)) : new Set())} /></span></span>
        <span className="text-right">{t("position")}</span><span>{t("job")}</span>
        <span className="hidden md:block">{t("why")}</span><span className="hidden md:block">{t("start")}</span><span className="hidden md:block">{t("age")}</span><span className="w-6 lg:w-18" />
      </div>
      <div ref={scroller} data-scroller className="relative max-h-[70vh] min-h-60 overflow-x-hidden overflow-y-auto overscroll-contain [overflow-anchor:none]">
        <div ref={list} role="list" aria-label={t("list")} className="relative" style={{ height: rows.length * height }}>
          {items.map((index) => {
            const row = rows[index];
            return row ? (
              <div key={row.id} role="presentation" className="absolute inset-x-0 top-0" style={{ height, transform: `translateY(${index * height}px)` }}>
                <BoardRow row={row} index={index} total={total} selected={selected.has(row.id)} active={index === Math.min(active, rows.length - 1)} lifted={lifted?.ids.includes(row.id) ?? false} flash={flashed.has(row.id)} still={still} why={why} actions={rowActions} />
              </div>
            ) : null;
          })}
          {lifted ? <div data-drop={lifted.at} aria-hidden className="pointer-events-none absolute inset-x-0 z-10 h-0.5 rounded-full bg-accent" style={{ top: Math.max(0, lifted.at * height - 1) }} /> : null}
        </div>
      </div>
      <Suspense>{opened?.kind === "job" ? <JobDrawer key={opened.id} row={opened} still={still} why={why} actions={rowActions} onClose={() => onOpen("")} /> : null}</Suspense>
      {complete ? null : <p className="pt-2 text-xs text-faint">{t("more", { n: Math.max(0, total - rows.length) })}</p>}
    </Section>
  );
}
