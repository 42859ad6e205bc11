import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { FoldHorizontal, Maximize, UnfoldHorizontal, ZoomIn, ZoomOut } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { IconButton } from "../../kit/Button";
import { cx } from "../../kit/cx";
import { clockTime, duration } from "../../kit/format";
import { Section } from "../../kit/Page";
import { useNow } from "../../kit/Values";
import { shownZone } from "../../kit/zonechoice";
import { stateLook } from "../../states";
import { language } from "../../text/catalogue";
import { t } from "../../text/runs";
import { stateOf, timelineQuery, type Job, type Run } from "./data";
import { rowsOf } from "./segments";
import { jobRows, makeScale, nowAt, place, ticks, zoomAbout, type Row, type Segment, type SegmentKind, type Tick } from "./timeline";

const kinds: Record<SegmentKind, { word: string; look: string }> = {
  queued: { word: t("segQueued"), look: "bg-idle-soft border-idle/30" },
  lock: { word: t("segLock"), look: "bg-warn-soft border-warn/40" },
  running: { word: t("segRunning"), look: "bg-info border-info" },
  approval: { word: t("segApproval"), look: "bg-accent-soft border-accent/50" },
  retry_delay: { word: t("segRetry"), look: "bg-warn-soft border-warn/40" },
  parked: { word: t("segParked"), look: "bg-accent-soft border-accent/30" },
};
const ended: Record<string, string> = { ok: "bg-ok border-ok", failed: "bg-bad border-bad", cancelled: "bg-idle border-idle", skipped: "bg-idle border-idle" };
const endWords: Record<string, string> = { ok: "COMPLETED", failed: "FAILED", cancelled: "CANCELLED", skipped: "SKIPPED" };
const rowHeight = 28;

function useRows(run: Run, job: Job | undefined, attempts: readonly Run[]): { rows: Row[]; incomplete: boolean; now: number } {
  const { data } = useQuery(timelineQuery(run.job_id));
  const tick = useNow();
  const open = run.active || (job !== undefined && (job.status === "QUEUED" || job.status === "RUNNING"));
  const end = run.finished_at ? Date.parse(run.finished_at) : 0;
  const now = open ? tick : Math.max(end, 0);
  return useMemo(() => {
    const waiting = job?.waiting ? { code: job.waiting.code } : null;
    if (data && data.segments.length > 0 && data.complete) {
      const facts = attempts.map((a) => ({ run_id: a.run_id, attempt: a.attempt, active: a.active, state: stateOf(a), error: a.error }));
      return { rows: rowsOf(data, facts, waiting, now), incomplete: false, now };
    }
    return { rows: jobRows((attempts.length > 0 ? attempts : [run]).map((a) => ({ ...a, status: stateOf(a) })), waiting, now), incomplete: data !== undefined && !data.complete, now };
  }, [data, attempts, job?.waiting, run, now]);
}

/** What the attempts of a job did when. */
export function Timeline({ run, job, attempts }: { run: Run; job: Job | undefined; attempts: readonly Run[] }) {
  const { rows, incomplete, now } = useRows(run, job, attempts);
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [zoom, setZoom] = useState(1);
  const [expand, setExpand] = useState(false);
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const o = new ResizeObserver(() => setWidth(el.clientWidth));
    o.observe(el);
    return () => o.disconnect();
  }, []);
  const scale = useMemo(() => makeScale(rows, { width: Math.max(1, width - 2), zoom, expand }), [rows, width, zoom, expand]);
  const marks = useMemo(() => ticks(scale, shownZone()), [scale]);
  const line = nowAt(scale, rows, now);
  const idle = scale.pieces.some((p) => p.collapsed);
  const zoomTo = (factor: number) => {
    const el = box.current;
    const next = zoomAbout(zoom, el?.scrollLeft ?? 0, width / 2, factor, width);
    setZoom(next.zoom);
    requestAnimationFrame(() => el?.scrollTo({ left: next.scroll }));
  };
  if (rows.length === 0) return null;
  return (
    <Section
      title={t("timeline")}
      count={rows.length > 1 ? t("attemptOf", { n: run.attempt, m: rows.length }) : undefined}
      actions={
        <>
          {idle || expand ? <IconButton small icon={expand ? FoldHorizontal : UnfoldHorizontal} label={expand ? t("collapseIdle") : t("expandIdle")} aria-pressed={expand} onClick={() => setExpand(!expand)} /> : null}
          <IconButton small icon={ZoomOut} label={t("zoomOut2")} disabled={zoom <= 1} onClick={() => zoomTo(0.5)} />
          <IconButton small icon={ZoomIn} label={t("zoomIn")} disabled={zoom >= 200} onClick={() => zoomTo(2)} />
          <IconButton small icon={Maximize} label={t("zoomFit")} disabled={zoom <= 1} onClick={() => setZoom(1)} />
        </>
      }
    >
      <div className="flex">
        {rows.length > 1 ? (
          <div className="w-9 shrink-0 pt-5 text-xs text-faint">
            {rows.map((r) => {
              const one = attempts.find((a) => a.attempt === r.attempt);
              return <div key={r.id} className="flex items-center" style={{ height: rowHeight }}>{one ? <Link to="/runs/$id" params={{ id: one.run_id }} title={t("attemptN", { n: r.attempt })} aria-current={one.run_id === run.run_id || undefined} className="rounded-sm px-1 hover:text-fg aria-[current]:bg-press aria-[current]:font-medium aria-[current]:text-fg">#{r.attempt}</Link> : `#${r.attempt}`}</div>;
            })}
          </div>
        ) : null}
        {/* It scrolls when it is zoomed, so it must be reachable by keys. */}
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
        <div ref={box} role="region" aria-label={t("timeline")} tabIndex={0} className={cx("min-w-0 grow overflow-y-hidden", zoom > 1 ? "overflow-x-auto" : "overflow-x-hidden")}>
          <div className="relative" style={{ width: scale.width, height: rows.length * rowHeight + 20 }}>
            <Axis marks={marks} height={rows.length * rowHeight + 20} width={scale.width} />
            {scale.pieces.filter((p) => p.collapsed).map((p) => <span key={p.from} title={t("idleFor", { d: duration(p.to - p.from) })} className="absolute top-5 bottom-0 border-x border-dashed border-line-strong bg-panel" style={{ left: p.x, width: p.width }} />)}
            <ol>
              {rows.map((r, i) => (
                <li key={r.id} aria-label={t("attemptN", { n: r.attempt })} className="absolute inset-x-0" style={{ top: 20 + i * rowHeight, height: rowHeight }}>
                  {r.segments.map((s, k) => <Piece key={k} s={s} at={place(scale, s)} now={now} />)}
                </li>
              ))}
            </ol>
            {line === null ? null : <span data-now className="pointer-events-none absolute top-3 bottom-0 w-px bg-accent" style={{ left: Math.max(0, line - 1) }} title={t("timelineNow")} />}
          </div>
        </div>
      </div>
      <Legend rows={rows} />
      {incomplete ? <p className="pt-1 text-xs text-faint">{t("timelineIncomplete")}</p> : null}
    </Section>
  );
}

function Axis({ marks, height, width }: { marks: readonly Tick[]; height: number; width: number }) {
  return marks.map((m) => {
    const name = tickName(m);
    return (
      <span key={m.at} aria-hidden className="absolute top-0 border-l border-line" style={{ left: m.x, height }}>
        {width - m.x < room(name) ? null : <span className="block pl-1 text-xs leading-4 whitespace-nowrap text-faint">{name}</span>}
      </span>
    );
  });
}

function tickName(m: Tick): string {
  const time = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(m.step < 60_000 ? { second: "2-digit" } : {}), ...(m.step < 1000 ? { fractionalSecondDigits: 3 } : {}), ...(m.day && m.step >= 86_400_000 ? { month: "short", day: "numeric" } : {}), timeZone: shownZone() } as Intl.DateTimeFormatOptions);
  return time.format(new Date(m.at));
}

function segmentWord(s: Segment): string {
  if (s.detail === "held") return t("segHeld");
  if (s.kind === "running" && s.end) return stateLook(endWords[s.end] ?? "").word;
  if (s.kind === "parked" && s.detail) return t("parkedFor", { what: s.detail });
  return kinds[s.kind].word;
}

// So many pixels a text of the small size takes at most, with its margins: a letter 7.5, a syllable of Korean 13.
function room(text: string): number {
  return 14 + [...text].reduce((n, c) => n + (c < "\u1100" ? 7.5 : 13), 0);
}

function Piece({ s, at, now }: { s: Segment; at: { x: number; width: number }; now: number }) {
  const d = duration(s.to - s.from);
  const label = t("segTitle", { what: segmentWord(s), d, from: seconds(s.from, now), to: s.open ? t("goingOn") : seconds(s.to, now) });
  const long = `${segmentWord(s)} ${d}`;
  const solid = s.kind === "running";
  return (
    <span role="img" aria-label={label} title={label} data-kind={s.kind} className={cx("absolute top-1 flex h-5 items-center overflow-hidden rounded-[3px] border text-xs whitespace-nowrap", s.end ? ended[s.end] : kinds[s.kind].look)} style={{ left: at.x, width: at.width }}>
      {at.width >= room(d) ? <span className={cx("px-1.5", solid ? "font-medium text-bg" : "text-dim")}>{at.width >= room(long) ? long : d}</span> : null}
    </span>
  );
}

function seconds(at: number, now: number): string {
  return `${clockTime(at, now)}:${String(new Date(at).getSeconds()).padStart(2, "0")}`;
}

function Legend({ rows }: { rows: readonly Row[] }) {
  const shown = new Map<string, string>();
  for (const s of rows.flatMap((r) => r.segments)) shown.set(segmentWord(s), s.end ? (ended[s.end] ?? "") : kinds[s.kind].look);
  return (
    <ul className="flex flex-wrap gap-x-4 gap-y-1 pt-2 text-xs text-dim">
      {[...shown].map(([word, look]) => <li key={word} className="flex items-center gap-1.5"><span aria-hidden className={cx("size-2.5 rounded-[2px] border", look)} />{word}</li>)}
    </ul>
  );
}
