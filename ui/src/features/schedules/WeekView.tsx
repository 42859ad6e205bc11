import { Link } from "@tanstack/react-router";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { cx } from "../../kit/cx";
import { clockMinutes } from "../../kit/zone";
import { t } from "../../text/schedules";
import type { Shown } from "./CalendarPage";
import { clockIn, colourOf, DayNotes, fireText, hatch, shortDay } from "./day";
import { bundled, firesByDay, linesOf, pieces, placeDay, placeFires, placeSessions } from "./grid";

const hourPx = 40;
const linePx = 16;
const hoursPx = 40;
// The width of a column until it is known.
const roomy = 160;
// As many as the list shows; the rest is told by number.
const shownPerDay = 60;
const percent = (part: number): string => `${part * 100}%`;

/** Seven days beside one another, on a small screen three of them at a time; places go by the clock. */
export function WeekView({ days, fires, names, sessions, market, until, heat, workers, zone, now, onDay }: Shown & { onDay: (date: string) => void }) {
  const scroller = useRef<HTMLDivElement>(null);
  const by = useMemo(() => firesByDay(days, bundled(fires, zone, Math.floor(hourPx / linePx))), [days, fires, zone]);
  const placed = useMemo(() => placeFires(days, by.flatMap((list) => list.slice(0, shownPerDay)), zone, 1 / 70), [days, by, zone]);
  // The hour before now, or before the earliest fire of other days; once for the days that are shown.
  const earliest = placed.filter((p) => !p.continued).reduce((least, p) => Math.min(least, p.top), 1);
  const top = earliest < 1 && !days.some((d) => d.today) ? earliest : clockMinutes(now, zone) / 1440;
  // Names stand in lines of their own, whole: one below the other where fires are close.
  const [width, setWidth] = useState(roomy);
  useLayoutEffect(() => {
    const at = scroller.current?.querySelector("[data-day]");
    if (!at) return;
    const watch = new ResizeObserver(() => setWidth(at.clientWidth));
    watch.observe(at);
    return () => watch.disconnect();
  }, []);
  const labels = useMemo(() => days.map((_, i) => {
    const list = placed.filter((p) => p.day === i && !p.continued).map((p) => {
      const name = names.get(p.fire.schedule) ?? p.fire.schedule;
      const label = p.fire.count ? t("bundle", { n: p.fire.count, name }) : name;
      return { ...p, name, label, lines: Math.min(linesOf(label, width), p.fire.count ? Math.floor(hourPx / linePx) : 3) };
    });
    return placeDay(list.map((p) => ({ ...p, top: p.top * 24 * hourPx })), linePx, hourPx).flatMap(({ at, ...place }) => list.slice(at, at + 1).map((p) => ({ ...p, ...place, hidden: list.slice(at, at + place.more) })));
  }), [days, placed, names, width]);
  const first = `${days[0]?.date ?? ""} ${zone}`;
  const scrolled = useRef("");
  useEffect(() => {
    if (scrolled.current === first) return;
    scrolled.current = first;
    const left = scroller.current?.querySelector<HTMLElement>("[data-today]")?.offsetLeft ?? 0;
    scroller.current?.scrollTo({ top: Math.max(0, Math.floor(top * 24) - 1) * hourPx, left: left - hoursPx });
  }, [first, top]);
  const open = useMemo(() => placeSessions(days, sessions, zone), [days, sessions, zone]);
  const heats = useMemo(() => heat.flatMap((h) => pieces(days, h.from, h.to, zone).map((p) => ({ ...p, ...h, top: p.top, key: `${h.from}${p.from}` }))), [days, heat, zone]);
  const most = Math.max(workers, 1, ...heat.map((h) => h.jobs));
  return (
    // A region that scrolls must be reachable by keys.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div ref={scroller} role="region" aria-label={t("week")} tabIndex={0} className="max-h-[calc(100dvh-15rem)] min-h-96 overflow-auto rounded-lg border border-line">
      <div className="min-w-[46rem]">
        <div className="sticky top-0 z-30 grid grid-cols-[2.5rem_repeat(7,minmax(0,1fr))] border-b border-line bg-bg">
          <span className="sticky left-0 z-10 bg-bg" />
          {days.map((d, i) => (
            <div key={d.date} data-day={d.date} data-today={d.today || undefined} className="flex min-w-0 flex-col items-start gap-0.5 border-l border-line px-1.5 py-1">
              <span className={cx("text-xs", d.today ? "font-semibold text-accent" : "text-dim")}>{shortDay(d)} {Number(d.date.slice(8))}</span>
              <DayNotes day={d} until={until} market={market?.[i]} session={sessions.find((s) => s.date === d.date)} zone={zone} />
              {(by[i]?.length ?? 0) > shownPerDay ? <span className="text-xs text-dim">{t("moreFires", { n: (by[i]?.length ?? 0) - shownPerDay })}</span> : null}
            </div>
          ))}
        </div>
        <div className="grid grid-cols-[2.5rem_repeat(7,minmax(0,1fr))]" style={{ height: 24 * hourPx }}>
          <div aria-hidden className="sticky left-0 z-20 bg-bg">
            {Array.from({ length: 23 }, (_, h) => <span key={h} className="absolute right-1 -translate-y-1/2 text-xs text-faint" style={{ top: (h + 1) * hourPx }}>{String(h + 1).padStart(2, "0")}:00</span>)}
          </div>
          {days.map((d, i) => {
            const kind = market?.[i]?.kind;
            return (
              <div key={d.date} className="relative border-l border-line" style={{ backgroundImage: `linear-gradient(to bottom, var(--line) 1px, transparent 1px)`, backgroundSize: `100% ${hourPx}px` }}>
                {kind === "holiday" || kind === "weekend" ? <span aria-hidden className={cx("absolute inset-0", kind === "weekend" && "opacity-50")} style={hatch} /> : null}
                {until < d.to ? <span aria-hidden className="absolute inset-x-0 bottom-0" style={{ ...hatch, top: percent(until <= d.from ? 0 : clockMinutes(until, zone) / 1440) }} /> : null}
                {open.filter((s) => s.day === i).map((s) => <span key={s.from} data-session={s.session} data-early={s.early || undefined} title={t("session", { from: clockIn(s.from, zone), to: clockIn(s.to, zone) })} className="absolute inset-x-0 bg-accent-soft/70" style={{ top: percent(s.top), height: percent(s.height) }} />)}
                {d.change ? <span aria-hidden className="absolute inset-x-0 border-y border-warn/50 bg-warn-soft" style={{ ...(d.change.shift > 0 ? hatch : {}), top: percent(d.change.fromMinute / 1440), height: percent((d.change.toMinute - d.change.fromMinute) / 1440) }} /> : null}
                {heats.filter((h) => h.day === i).map((h) => <span key={h.key} aria-hidden title={`${t("overlapHeat")}: ${h.jobs}`} className={cx("absolute right-0 min-h-px", h.over ? "bg-bad" : "bg-line-strong")} style={{ top: percent(h.top), height: percent(h.height), width: `${2 + (h.jobs / most) * 6}px` }} />)}
                {d.today ? <span aria-hidden className="absolute inset-x-0 z-10 border-t-2 border-bad" style={{ top: percent(clockMinutes(now, zone) / 1440) }} /> : null}
                {placed.filter((p) => p.day === i && p.height > 0 && !p.fire.skip).map((p) => <span key={`${p.fire.id} ${p.from}`} aria-hidden className="absolute w-0.5 rounded-full" style={{ top: percent(p.top), height: percent(p.height), minHeight: 2, left: Math.min(p.lane, 4) * 3, background: colourOf(p.fire.schedule) }} />)}
                <ul aria-label={d.date}>
                  {(labels[i] ?? []).map((p) => {
                    const skipped = p.fire.skip !== null;
                    const place = { className: "absolute inset-x-1 z-10", style: { top: p.y } };
                    if (p.more > 0) return <li key={p.fire.id} {...place}><button type="button" title={p.hidden.map((x) => fireText(x.fire, x.name, zone)).join("\n")} onClick={() => onDay(d.date)} className="block w-full truncate rounded-sm bg-raised/80 px-0.5 text-left text-xs leading-4 text-dim hover:underline">{clockIn(p.fire.at, zone)} {t("moreFires", { n: p.more })}</button></li>;
                    return (
                      <li key={p.fire.id} {...place}>
                        <Link to="/schedules/$id" params={{ id: p.fire.schedule }} title={fireText(p.fire, p.name, zone)} data-at={new Date(p.fire.at).toISOString()} data-skip={p.fire.skip ?? undefined} data-again={p.again || undefined} data-count={p.fire.count}
                          className={cx("flex items-start gap-1 overflow-hidden rounded-sm px-0.5 text-xs leading-4", skipped ? "text-faint line-through decoration-line-strong" : "bg-raised/80 hover:bg-hover")}>
                          <span aria-hidden className={cx("mt-1 size-2 shrink-0 rounded-full", skipped && "border border-line-strong")} style={skipped ? {} : { background: colourOf(p.fire.schedule) }} />
                          <span className={cx("min-w-0", p.lines === 1 && "truncate")}>{clockIn(p.fire.at, zone)} <span className={cx(p.lines > 1 && "-ml-3 [overflow-wrap:anywhere]", p.lines === 2 ? "block truncate" : p.lines > 2 && "line-clamp-2")}>{p.label}</span></span>
                        </Link>
                      </li>
                    );
                  })}
                </ul>
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}
