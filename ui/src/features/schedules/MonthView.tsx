import { Link } from "@tanstack/react-router";
import { cx } from "../../kit/cx";
import { t } from "../../text/schedules";
import type { Shown } from "./CalendarPage";
import { clockIn, colourOf, DayNotes, fireText, fullDay, hatch, shortDay } from "./day";
import { firesByDay } from "./grid";

const shownPerDay = 4;

/** Whole weeks of a month; a click on a day opens it in the list. */
export function MonthView({ days, fires, names, sessions, market, until, zone, onDay }: Shown & { onDay: (date: string) => void }) {
  const by = firesByDay(days, fires);
  return (
    <div className="overflow-hidden rounded-lg border border-line">
      <div aria-hidden className="grid grid-cols-7 border-b border-line">
        {days.slice(0, 7).map((d) => <span key={d.date} className="px-2 py-1 text-xs text-faint">{shortDay(d)}</span>)}
      </div>
      <ol className="grid grid-cols-7">
        {days.map((d, i) => {
          const list = by[i] ?? [];
          const kind = market?.[i]?.kind;
          return (
            <li key={d.date} data-day={d.date} className={cx("min-h-16 min-w-0 border-b border-l border-line p-1 first:border-l-0 sm:min-h-28 [&:nth-child(7n+1)]:border-l-0", d.outside && "bg-panel")} style={kind === "holiday" || until <= d.from ? hatch : {}}>
              <button type="button" aria-label={`${fullDay(d)}: ${t("fires", { n: list.filter((f) => !f.skip).length })}${until < d.to ? `, ${t("notShown")}` : ""}`} onClick={() => onDay(d.date)} className={cx("rounded-sm px-1 text-xs hover:bg-hover", d.today ? "bg-accent font-semibold text-accent-fg" : "text-dim")}>{Number(d.date.slice(8))}</button>
              <span className="hidden flex-col items-start gap-0.5 sm:flex"><DayNotes day={d} until={until} market={market?.[i]} session={sessions.find((s) => s.date === d.date)} zone={zone} /></span>
              <ul className="mt-0.5 hidden sm:block">
                {list.slice(0, shownPerDay).map((f) => {
                  const name = names.get(f.schedule) ?? f.schedule;
                  return (
                    <li key={f.id} className="min-w-0">
                      <Link to="/schedules/$id" params={{ id: f.schedule }} title={fireText(f, name, zone)} data-at={new Date(f.at).toISOString()} data-skip={f.skip ?? undefined} className={cx("flex min-w-0 items-center gap-1 rounded-sm px-0.5 text-xs leading-4 hover:bg-hover", f.skip && "text-faint line-through decoration-line-strong")}>
                        <span aria-hidden className={cx("size-1.5 shrink-0 rounded-full", f.skip && "border border-line-strong")} style={f.skip ? {} : { background: colourOf(f.schedule) }} />
                        <span className="truncate">{clockIn(f.at, zone)} {name}</span>
                      </Link>
                    </li>
                  );
                })}
              </ul>
              {list.length > shownPerDay ? <button type="button" onClick={() => onDay(d.date)} className="hidden px-0.5 text-xs text-dim hover:underline sm:block">{t("moreFires", { n: list.length - shownPerDay })}</button> : null}
              {list.length > 0 || until < d.to ? <span aria-hidden className="block px-1 text-xs text-dim sm:hidden">{list.length}{until < d.to ? "+" : ""}</span> : null}
            </li>
          );
        })}
      </ol>
    </div>
  );
}
