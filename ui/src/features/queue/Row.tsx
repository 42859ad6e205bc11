import { Link } from "@tanstack/react-router";
import { ArrowDown, ArrowDownToLine, ArrowUp, ArrowUpToLine, Ban, Clock, Copy, GripVertical, Hand, Hash, Hourglass, Lock, MoreHorizontal, Pencil, Play, ShieldCheck, SignalHigh, ListTree, ListOrdered, Group, Ungroup } from "lucide-react";
import { memo, use, type KeyboardEvent, type PointerEvent, type ReactNode } from "react";
import { Badge, Chip } from "../../kit/Badge";
import { IconButton } from "../../kit/Button";
import { cx } from "../../kit/cx";
import { CheckBox } from "../../kit/Field";
import { clockRange, fromNow } from "../../kit/format";
import { Menu, type MenuItem } from "../../kit/Menu";
import { Time, useNow } from "../../kit/Values";
import type { Tone } from "../../states";
import { language } from "../../text/catalogue";
import { t } from "../../text/queue";
import { HolderLink, holderName, Holders } from "./holders";
import { nextAttempt, placed, priorityText, type Job, type Row } from "./model";
import { detailText, parkedOn, whyText } from "./why";

/** What a row can ask for. */
export interface RowActions {
  step(row: Row, step: "up" | "down" | "top" | "bottom"): void;
  ask(what: "position" | "priority" | "edit", row: Row): void;
  open(row: Row): void;
  duplicate(job: Job): void;
  hold(job: Job): void;
  release(job: Job): void;
  cancel(row: Row): void;
  group(row: Row): void;
  ungroup(row: Row): void;
  select(row: Row, on: boolean, range: boolean): void;
  focus(index: number): void;
  key(e: KeyboardEvent<HTMLElement>, row: Row, index: number): void;
  grab(e: PointerEvent, row: Row): void;
}

export const rowName = (r: Row) => (r.kind === "job" ? r.job.name : r.group.name || t("group"));

const tones: Partial<Record<string, Tone>> = { held: "warn", paused: "warn", lock: "info", limit: "info", approval: "warn", retry_delay: "bad", direct_first: "accent" };

// The API says details in English.
const spoken = (detail: string) => (language === "en" ? detail : "");

function Parked({ job, text }: { job: Job; text: string }) {
  const w = job.waiting;
  const what = parkedOn(job);
  const icon = what === "approval" ? ShieldCheck : what === "timer" || what === "retry_delay" ? Clock : Hourglass;
  const chip = <Badge tone={what === "approval" || what === "paused" ? "warn" : "idle"} title={spoken(w?.detail ?? "")} icon={icon}>{text}</Badge>;
  return <ParkedLink job={job}>{chip}</ParkedLink>;
}

/** The way to what a run that gave its slot back waits for: the inbox with its approvals, else the run, which tells of it. */
export function ParkedLink({ job, children }: { job: Job; children: ReactNode }) {
  const what = parkedOn(job);
  const look = { "data-parked": what, className: "hover:underline" };
  if (what === "approval") return <Link to="/approvals" search={job.workflow_run_id ? { run: job.workflow_run_id } : {}} {...look}>{children}</Link>;
  if (job.workflow_run_id) return <Link to="/workflow-runs/$id" params={{ id: job.workflow_run_id }} {...look}>{children}</Link>;
  return job.run_id ? <Link to="/runs/$id" params={{ id: job.run_id }} {...look}>{children}</Link> : children;
}

function Why({ job }: { job: Job }) {
  const now = useNow();
  const known = use(Holders);
  const w = job.waiting;
  if (!w) return null;
  if (w.code === "parked") return <Parked job={job} text={whyText(job, now)} />;
  const icon = w.code === "lock" ? Lock : w.code === "approval" ? ShieldCheck : w.code === "held" ? Hand : w.code === "not_before" || w.code === "retry_delay" ? Clock : undefined;
  const chip = <Badge tone={tones[w.code] ?? "idle"} title={spoken(detailText(w, w.holder ? holderName(w.holder, known) : ""))} {...(icon ? { icon } : {})}><Named text={whyText(job, now, "\u0000")} holder={w.holder} /></Badge>;
  return w.code === "approval" && w.holder ? <Link to="/approvals/$id" params={{ id: w.holder }} data-approval={w.holder} className="hover:underline">{chip}</Link> : chip;
}

/** A text in which a zero character stands for the holder. */
export function Named({ text, holder }: { text: string; holder: string | null }) {
  const [before, after] = text.split("\u0000");
  return after === undefined || !holder ? <>{text}</> : <>{before}<HolderLink id={holder} />{after}</>;
}

function Start({ job, still, bare }: { job: Job; still: boolean; bare?: boolean }) {
  const now = useNow();
  const range = job.estimated_start_range;
  if (still || !job.estimated_start_at) return bare ? null : <span className="text-faint">–</span>;
  const span = range ? clockRange(range.from, range.to, now) : "";
  return <span {...(bare ? {} : { "data-eta": job.estimated_start_at })} title={span || undefined} className={cx("truncate whitespace-nowrap", !bare && "block")}>{fromNow(Date.parse(job.estimated_start_at), now)}{span ? <span className="ml-1.5 hidden text-xs text-faint xl:inline">{span}</span> : null}</span>;
}

/** The menu of a row. */
export function menuOf(row: Row, a: RowActions, why: string): MenuItem[] {
  const off = why ? { why } : {};
  const still = placed(row) ? off : { why: why || t("noPlace") };
  const moves: MenuItem[] = [
    { label: t("up"), icon: ArrowUp, keys: "Alt ↑", onSelect: () => a.step(row, "up"), ...still },
    { label: t("down"), icon: ArrowDown, keys: "Alt ↓", onSelect: () => a.step(row, "down"), ...still },
    { label: t("toTop"), icon: ArrowUpToLine, keys: "Alt Home", onSelect: () => a.step(row, "top"), ...still },
    { label: t("toBottom"), icon: ArrowDownToLine, keys: "Alt End", onSelect: () => a.step(row, "bottom"), ...still },
    { label: t("moveTo"), icon: Hash, onSelect: () => a.ask("position", row), ...still },
  ];
  const cancel: MenuItem = { label: t("cancel"), icon: Ban, danger: true, keys: "c", onSelect: () => a.cancel(row), ...off };
  if (row.kind === "group") return [...moves, "-", { label: t("ungroup"), icon: Ungroup, onSelect: () => a.ungroup(row), ...off }, cancel];
  const held = row.job.hold;
  return [
    ...moves,
    "-",
    { label: t("setPriority"), icon: SignalHigh, onSelect: () => a.ask("priority", row), ...off },
    held ? { label: t("release"), icon: Play, onSelect: () => a.release(row.job), ...off } : { label: t("hold"), icon: Hand, onSelect: () => a.hold(row.job), ...off },
    { label: t("edit"), icon: Pencil, onSelect: () => a.ask("edit", row), ...off },
    { label: t("duplicate"), icon: Copy, onSelect: () => a.duplicate(row.job), ...off },
    ...(row.groupId === null ? [{ label: t("groupDo"), icon: Group, onSelect: () => a.group(row), ...off }] : []),
    "-",
    cancel,
  ];
}

export const columns = "grid grid-cols-[auto_auto_2rem_minmax(0,1fr)_auto] pointer-coarse:max-md:grid-cols-[auto_1.5rem_minmax(0,1fr)_auto] md:grid-cols-[auto_auto_2.5rem_minmax(0,2fr)_minmax(7rem,1fr)_9rem_5rem_auto] xl:grid-cols-[auto_auto_2.5rem_minmax(0,2fr)_minmax(9rem,1fr)_13rem_6rem_auto] items-center gap-x-2 md:gap-x-2.5";

/** One place of the order. */
export const BoardRow = memo(function BoardRow({ row, index, total, selected, active, lifted, flash, still, why, actions }: { row: Row; index: number; total: number; selected: boolean; active: boolean; lifted: boolean; flash: boolean; /** Nothing starts: no estimate holds. */ still: boolean; why: string; actions: RowActions }) {
  const name = rowName(row);
  const member = row.kind === "job" && row.groupId !== null;
  const fixed = why || (placed(row) ? "" : t("noPlace"));
  return (
    // A row is a stop of the keyboard's, and all it can do is in its menu too.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div
      role="listitem" data-row={row.id} aria-setsize={total} aria-posinset={index + 1} aria-label={name} aria-describedby={`why-${row.id} drag-help`}
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={active ? 0 : -1}
      onFocus={() => actions.focus(index)} onKeyDown={(e) => actions.key(e, row, index)}
      onClick={(e) => e.target instanceof Element && !e.target.closest("a,button,input,label,[role=menu]") && actions.open(row)}
      className={cx(columns, row.kind === "job" && "cursor-pointer", "group h-full select-none border-b border-line/70 pr-1 pl-2 text-sm outline-offset-[-2px]", selected ? "bg-accent-soft [&_.text-faint]:text-dim" : "hover:bg-hover", lifted && "opacity-45", flash && "flash")}
    >
      <button type="button" aria-label={t("drag", { name })} data-grip="" tabIndex={-1} disabled={!!fixed} title={fixed || undefined} onPointerDown={(e) => actions.grab(e, row)} className="-ml-1 flex h-9 w-5 cursor-grab touch-none items-center justify-center text-faint active:cursor-grabbing disabled:opacity-40 pointer-coarse:w-11 pointer-coarse:max-md:-mr-2">
        <GripVertical aria-hidden className="size-4" />
      </button>
      <span className="flex pointer-coarse:max-md:hidden"><span className="flex pointer-coarse:hidden"><CheckBox hidden label={t("select", { name })} tabIndex={-1} checked={selected} onChange={() => undefined} onClick={(e) => actions.select(row, !selected, e.shiftKey)} /></span></span>
      <span className="text-right text-faint">{(row.kind === "job" ? row.job.position : row.group.position) === null || member ? "" : ((row.kind === "job" ? row.job.position : row.group.position) ?? 0) + 1}</span>
      <div className={cx("flex min-w-0 items-center gap-2 self-stretch", member && "ml-1 border-l-2 border-line-strong pl-3", member && row.last && "mb-1.5 pt-1.5")}>
        {row.kind === "group" ? <GroupHead row={row} /> : (
          <div className="flex min-w-0 grow flex-col justify-center gap-0.5">
            <div className="flex min-w-0 items-center gap-2"><JobHead job={row.job} /></div>
            <div className="flex min-w-0 flex-col items-start overflow-hidden text-xs text-dim md:hidden [&_.chip]:h-auto [&_.chip_.truncate]:line-clamp-2 [&_.chip_.truncate]:whitespace-normal"><Why job={row.job} /><Start job={row.job} still={still} bare /></div>
          </div>
        )}
      </div>
      <div id={`why-${row.id}`} className="hidden min-w-0 md:block">{row.kind === "job" ? <Why job={row.job} /> : null}</div>
      <div className="hidden min-w-0 text-dim md:block">{row.kind === "job" ? <Start job={row.job} still={still} /> : null}</div>
      <div className="hidden text-dim md:block">{row.kind === "job" ? <Time at={row.job.queued_at} /> : null}</div>
      <div className="flex items-center justify-end">
        <IconButton small icon={ArrowUp} label={t("up")} tabIndex={-1} {...(fixed ? { why: fixed } : {})} onClick={() => actions.step(row, "up")} className="max-lg:hidden opacity-0 group-focus-within:opacity-100 group-hover:opacity-100" />
        <IconButton small icon={ArrowDown} label={t("down")} tabIndex={-1} {...(fixed ? { why: fixed } : {})} onClick={() => actions.step(row, "down")} className="max-lg:hidden opacity-0 group-focus-within:opacity-100 group-hover:opacity-100" />
        <Menu trigger={<IconButton small icon={MoreHorizontal} label={t("actions", { name })} data-menu="" />} items={menuOf(row, actions, why)} />
      </div>
    </div>
  );
});

function JobHead({ job }: { job: Job }) {
  const again = nextAttempt(job);
  return (
    <>
      <Link to="/queue" search={(s: object) => ({ ...s, job: job.job_id })} tabIndex={-1} className="min-w-0 truncate font-medium hover:underline" title={job.name}>{job.name}</Link>
      <span className="hidden shrink-0 text-xs text-faint sm:inline">{job.job_type}</span>
      {job.priority === 5 ? null : <Badge tone={job.priority < 5 ? "accent" : "idle"} title={t("priority")}>{t("priority")} {priorityText(job.priority)}</Badge>}
      {again > 0 ? <span className="hidden shrink-0 text-xs whitespace-nowrap text-warn lg:inline">{t("attempts", { n: again })}</span> : null}
      <span className="hidden min-w-0 gap-1 lg:flex">{job.locks.slice(0, 2).map((l) => <Chip key={l} icon={Lock} mono>{l}</Chip>)}</span>
    </>
  );
}

function GroupHead({ row }: { row: Extract<Row, { kind: "group" }> }) {
  const g = row.group;
  const Icon = g.mode === "parallel" ? ListTree : ListOrdered;
  return (
    <>
      <Icon aria-hidden className="size-4 shrink-0 text-faint" />
      <span className="min-w-0 truncate font-semibold">{g.name || t("group")}</span>
      <span className="truncate text-xs text-faint">{g.mode === "parallel" ? t("parallel", { n: g.max_parallel }) : t("sequential")} · {t("ended", { n: g.completed, m: g.total })}</span>
    </>
  );
}
