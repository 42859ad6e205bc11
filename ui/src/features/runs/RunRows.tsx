import { Link, useNavigate } from "@tanstack/react-router";
import { Paperclip } from "lucide-react";
import { useEffect, useRef, useState, type KeyboardEvent, type RefObject } from "react";
import type { Schema } from "../../api/client";
import { StateChip } from "../../kit/Badge";
import { cx } from "../../kit/cx";
import { CheckBox } from "../../kit/Field";
import { num } from "../../kit/format";
import { useRows } from "../../kit/rows";
import { useShortcut } from "../../kit/shortcuts";
import { Time } from "../../kit/Values";
import { t } from "../../text/runs";
import { stateOf, typicalOf, type Run } from "./data";
import { SparkBar } from "./SparkBar";
import { failureText } from "./failure";
import { firstLine, reasonText, triggerOf } from "./words";

/** Columns of the table; on a phone a row has two lines instead. */
const grid = "md:grid md:grid-cols-[20px_100px_minmax(0,1fr)_124px_96px_138px_28px] xl:grid-cols-[20px_100px_minmax(0,1fr)_92px_124px_92px_138px_28px] 2xl:grid-cols-[20px_100px_minmax(0,1fr)_92px_124px_92px_138px_28px_104px_36px] md:items-center md:gap-x-3";
const wide = "hidden xl:block";
const widest = "hidden 2xl:block";

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => matchMedia("(max-width: 767px)").matches);
  useEffect(() => {
    const m = matchMedia("(max-width: 767px)");
    const f = () => setNarrow(m.matches);
    m.addEventListener("change", f);
    return () => m.removeEventListener("change", f);
  }, []);
  return narrow;
}

/** Short counts: 12.3k. */
const compact = (n: number) => (n < 10_000 ? num(n) : `${num(Math.round(n / 100) / 10)}k`);

/** What is wrong with a run, or why it was skipped, in one line; "" otherwise. */
export function trouble(run: Run): string {
  const state = stateOf(run);
  if (state === "SKIPPED") return reasonText(run.reason);
  if (state === "CANCELLED") return run.error ? firstLine(run.error.message) : "";
  return run.error ? firstLine(failureText(run.error) || run.error.code) : "";
}

interface Rows {
  rows: readonly Run[];
  typical: readonly Schema<"TypicalDuration">[] | undefined;
  selected: readonly string[];
  onSelect: (id: string, on: boolean) => void;
  onEnd: () => void;
  /** All rows are there. */
  complete: boolean;
}

/** The rows that are seen, of thousands; the page scrolls, not a part of it. */
export function RunRows({ rows, typical, selected, onSelect, onEnd, complete }: Rows) {
  const box = useRef<HTMLDivElement>(null);
  const narrow = useNarrow();
  const [at, setAt] = useState<string | null>(null);
  const height = narrow ? 72 : 36;
  const { items, last, show } = useRows(box, { count: rows.length, height, over: 14 });
  useEffect(() => {
    if (rows.length > 0 && last >= rows.length - 25) onEnd();
  }, [last, rows.length, onEnd]);
  const step = useStep(rows, at, setAt, show, box);
  const navigate = useNavigate();
  useShortcut("j", () => step(1));
  useShortcut("k", () => step(-1));
  useShortcut("x", () => at && onSelect(at, !selected.includes(at)));
  useShortcut("Enter", () => at && void navigate({ to: "/runs/$id", params: { id: at } }));
  const keys = (e: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (!by || e.altKey || e.ctrlKey || e.metaKey) return;
    e.preventDefault();
    step(by);
  };
  return (
    <div role="table" aria-label={t("newRuns")} aria-rowcount={complete ? rows.length + 1 : -1} className="text-sm">
      <Head />
      <div ref={box} role="rowgroup" className="relative" style={{ height: rows.length * height }}>
        {items.map((index) => {
          const r = rows[index];
          return r ? (
            <div key={r.run_id} role="row" aria-rowindex={index + 2} data-id={r.run_id} data-at={at === r.run_id || undefined} className={cx("group absolute inset-x-0 top-0 border-b border-line/70 hover:bg-hover", at === r.run_id && "bg-hover", selected.includes(r.run_id) && "bg-accent-soft hover:bg-accent-soft")} style={{ height, transform: `translateY(${index * height}px)` }}>
              <OneRow run={r} typical={typicalOf(typical, r)} selected={selected.includes(r.run_id)} onSelect={onSelect} onFocus={() => setAt(r.run_id)} onKeys={keys} />
            </div>
          ) : null;
        })}
      </div>
    </div>
  );
}

function useStep(rows: readonly Run[], at: string | null, setAt: (id: string) => void, show: (i: number) => void, box: RefObject<HTMLElement | null>) {
  return (by: number) => {
    const now = rows.findIndex((r) => r.run_id === at);
    const i = Math.min(rows.length - 1, Math.max(0, now < 0 ? 0 : now + by));
    const r = rows[i];
    if (!r) return;
    setAt(r.run_id);
    show(i);
    requestAnimationFrame(() => box.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(r.run_id)}"] a`)?.focus({ preventScroll: true }));
  };
}

function Head() {
  const h = (text: string, more = "") => <span role="columnheader" className={cx("truncate", more)}>{text}</span>;
  return (
    <div role="rowgroup" className="hidden md:block">
      <div role="row" className={cx(grid, "h-8 border-b border-line px-2 text-xs font-medium text-faint")}>
        <span role="columnheader" className="sr-only">{t("compare")}</span><span aria-hidden className="sr-only" />
        {h(t("colStatus"), "col-start-2")}{h(t("colRun"))}{h(t("colType"), wide)}{h(t("colTrigger"))}{h(t("colStart"))}{h(t("colDuration"))}{h(t("colAttempt"), "text-right")}{h(t("colTokens"), cx(widest, "text-right"))}{h(t("colArtifacts"), cx(widest, "text-right"))}
      </div>
    </div>
  );
}

function OneRow({ run, typical, selected, onSelect, onFocus, onKeys }: { run: Run; typical: Schema<"TypicalDuration"> | null; selected: boolean; onSelect: (id: string, on: boolean) => void; onFocus: () => void; onKeys: (e: KeyboardEvent) => void }) {
  const trigger = triggerOf(run);
  const state = stateOf(run);
  const wrong = trouble(run);
  const files = Object.keys(run.artifacts).length;
  const by = t("byWho", { what: trigger.word, who: trigger.who });
  const start = run.started_at ?? run.finished_at;
  return (
    <div className={cx(grid, "relative grid h-full grid-cols-[auto_minmax(0,1fr)_auto] content-center items-center gap-x-2.5 gap-y-1 px-2 md:content-normal")}>
      <span role="cell" className={cx("relative z-10 hidden md:inline-flex", !selected && "opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 group-data-at:opacity-100")}>
        <CheckBox label={t("selectRow", { name: run.name })} hidden checked={selected} onChange={(on) => onSelect(run.run_id, on)} />
      </span>
      <span role="cell" className="flex items-center"><StateChip state={state} bare /></span>
      <span role="cell" className="flex min-w-0 items-baseline gap-2.5">
        <Link to="/runs/$id" params={{ id: run.run_id }} onFocus={onFocus} onKeyDown={onKeys} className={cx("min-w-0 truncate font-medium after:absolute after:inset-0", wrong && "md:max-w-[65%] md:shrink-0")}>{run.name}</Link>
        {wrong ? <span title={wrong} className={cx("hidden min-w-0 truncate text-xs md:inline", state === "FAILED" ? "text-bad" : "text-faint")}>{wrong}</span> : null}
      </span>
      <span role="cell" className={cx(wide, "truncate text-dim")}>{run.job_type}</span>
      <span role="cell" title={by} className="hidden min-w-0 items-center gap-1.5 text-dim md:flex"><trigger.icon aria-hidden className="size-3.5 shrink-0 text-faint" strokeWidth={1.75} /><span className="truncate">{trigger.word}</span></span>
      <span role="cell" className="text-right text-dim md:text-left"><Time at={start} /></span>
      <span role="cell" className="hidden md:block"><SparkBar run={run} typical={typical} /></span>
      <span role="cell" title={t("attemptN", { n: run.attempt })} className={cx("hidden text-right md:block", run.attempt > 1 ? "text-warn" : "text-faint")}>{run.attempt}</span>
      <span role="cell" className={cx(widest, "truncate text-right text-dim")}>{run.tokens.prompt === null && run.tokens.completion === null ? <span className="text-faint">–</span> : <span title={t("tokensInOut", { in: run.tokens.prompt ?? "?", out: run.tokens.completion ?? "?" })}>{compact(run.tokens.prompt ?? 0)} → {compact(run.tokens.completion ?? 0)}</span>}</span>
      <span role="cell" className={cx(widest, "text-right text-dim")}>{files > 0 ? <span title={t("artifactsN", { n: files })} className="inline-flex items-center gap-1"><Paperclip aria-hidden className="size-3 text-faint" />{files}</span> : null}</span>
      <span className="col-span-3 flex min-w-0 items-center gap-3 text-xs text-dim md:hidden">
        <span className="inline-flex shrink-0 items-center gap-1"><trigger.icon aria-hidden className="size-3.5 text-faint" />{trigger.word}</span>
        <span className="shrink-0"><SparkBar run={run} typical={typical} /></span>
        {wrong ? <span className={cx("min-w-0 truncate", state === "FAILED" ? "text-bad" : "text-faint")}>{wrong}</span> : null}
      </span>
    </div>
  );
}
