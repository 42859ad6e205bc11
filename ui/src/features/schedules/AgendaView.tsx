import { Link } from "@tanstack/react-router";
import { CalendarClock } from "lucide-react";
import { Badge } from "../../kit/Badge";
import { cx } from "../../kit/cx";
import { duration } from "../../kit/format";
import { Empty } from "../../kit/States";
import { t } from "../../text/schedules";
import type { Shown } from "./CalendarPage";
import { clockIn, colourOf, DayNotes, fireText, fullDay } from "./day";
import { firesByDay } from "./grid";
import { markWord, reasonWord } from "./words";

const shownPerDay = 60;

/** Two weeks as a list, also for phones and screen readers. */
export function AgendaView({ days, fires, names, sessions, market, until, zone }: Shown) {
  const by = firesByDay(days, fires);
  const special = (i: number) => until < (days[i]?.to ?? 0) || days[i]?.change !== null || market?.[i]?.kind === "holiday" || market?.[i]?.kind === "half";
  const some = days.map((d, i) => ({ d, i, list: by[i] ?? [] })).filter((x) => x.list.length > 0 || special(x.i));
  if (some.length === 0) return <Empty icon={CalendarClock} title={t("noFires")} />;
  return (
    <div className="flex flex-col gap-5">
      {some.map(({ d, i, list }) => (
        <section key={d.date} data-day={d.date} aria-label={fullDay(d)}>
          <h2 className="flex flex-wrap items-center gap-2 border-b border-line pb-1 text-sm font-semibold">
            <span className={cx(d.today && "text-accent")}>{fullDay(d)}</span>
            <DayNotes day={d} until={until} market={market?.[i]} session={sessions.find((s) => s.date === d.date)} zone={zone} />
            <span className="ml-auto text-xs font-normal text-faint">{t("fires", { n: list.filter((f) => !f.skip).length })}</span>
          </h2>
          <ul>
            {list.slice(0, shownPerDay).map((f) => {
              const name = names.get(f.schedule) ?? f.schedule;
              return (
                <li key={f.id}>
                  <Link to="/schedules/$id" params={{ id: f.schedule }} title={fireText(f, name, zone)} data-at={new Date(f.at).toISOString()} data-skip={f.skip ?? undefined} className={cx("target flex min-h-8 items-center gap-3 rounded-sm px-1 text-sm hover:bg-hover", f.skip && "text-faint")}>
                    <span className={cx("w-12 shrink-0", f.skip && "line-through decoration-line-strong")}>{clockIn(f.at, zone)}</span>
                    <span aria-hidden className={cx("size-2 shrink-0 rounded-full", f.skip && "border border-line-strong")} style={f.skip ? {} : { background: colourOf(f.schedule) }} />
                    <span className="min-w-0 grow truncate">{name}</span>
                    {f.marks.map((m) => <Badge key={m} tone={m.startsWith("dst") ? "warn" : "info"}>{markWord(m)}</Badge>)}
                    {f.skip ? <Badge>{reasonWord(f.skip)}</Badge> : f.duration > 0 ? <span className="shrink-0 text-xs text-faint">{duration(f.duration)}</span> : null}
                  </Link>
                </li>
              );
            })}
          </ul>
          {list.length > shownPerDay ? <p className="px-1 pt-1 text-xs text-faint">{t("moreFires", { n: list.length - shownPerDay })}</p> : null}
        </section>
      ))}
    </div>
  );
}
