import { Badge } from "../../kit/Badge";
import { duration, num } from "../../kit/format";
import { clockMinutes } from "../../kit/zone";
import { language } from "../../text/catalogue";
import { t } from "../../text/schedules";
import type { Day, Fire, MarketDay, SessionInput } from "./grid";
import { instantText, markWord, reasonWord } from "./words";

const weekdayName = new Intl.DateTimeFormat(language, { weekday: "short", timeZone: "UTC" });
const longDay = new Intl.DateTimeFormat(language, { weekday: "long", month: "short", day: "numeric", timeZone: "UTC" });

/** Mon. */
export function shortDay(d: Day): string {
  return weekdayName.format(Date.parse(d.date));
}

/** Monday, Mar 9. */
export function fullDay(d: Day): string {
  return longDay.format(Date.parse(d.date));
}

/** 09:30, in a zone. */
export function clockIn(at: number, zone: string): string {
  const m = Math.floor(clockMinutes(at, zone));
  return `${String(Math.floor(m / 60)).padStart(2, "0")}:${String(m % 60).padStart(2, "0")}`;
}

/** Stripes for what is closed or does not exist. Colours are those of the theme. */
export const hatch: React.CSSProperties = { backgroundImage: "repeating-linear-gradient(135deg, var(--line) 0 1px, transparent 1px 6px)" };

/** What is special about a day: more than is shown, holiday, half day, change of clocks. */
export function DayNotes({ day, until, market, session, zone }: { day: Day; until: number; market: MarketDay | undefined; session: SessionInput | undefined; zone: string }) {
  return (
    <>
      {until < day.to ? <span data-cut={day.date} className="max-w-full"><Badge tone="warn">{t("notShown")}</Badge></span> : null}
      {day.change ? <span data-dst={day.change.shift > 0 ? "spring" : "autumn"} className="max-w-full"><Badge tone="warn">{t(day.change.shift > 0 ? "spring" : "autumn", { n: num(day.hours) })}</Badge></span> : null}
      {market?.kind === "holiday" ? <span data-holiday={day.date} className="max-w-full"><Badge title={market.name ?? ""}>{market.name ?? t("rHoliday")}</Badge></span> : null}
      {market?.kind === "half" ? <span data-half={day.date} className="max-w-full"><Badge tone="info" title={market.name ?? ""}>{market.name ?? t("halfDay")}{session?.early_close ? ` · ${t("closesAt", { at: clockIn(Date.parse(session.close), zone) })}` : ""}</Badge></span> : null}
    </>
  );
}

/** All about one fire, for a tooltip. */
export function fireText(f: Fire, name: string, zone: string): string {
  return [
    f.count ? t("bundle", { n: f.count, name }) : name, `${instantText(f.at, zone, "long")} ${zone}`, f.skip ? t("skipped", { why: reasonWord(f.skip) }) : "", f.last === undefined ? "" : t("upTo", { at: instantText(f.last, zone) }), ...f.marks.map(markWord),
    f.skip !== null || f.duration === 0 || f.count ? "" : f.took ? duration(f.duration) : t("typical", { text: duration(f.duration) }),
  ].filter(Boolean).join("\n");
}

const palette = ["var(--accent)", "var(--info)", "var(--ok)", "var(--warn)", "var(--bad)", "var(--idle)"] as const;

/** The colour of a schedule: always the same for an id. */
export function colourOf(id: string): string {
  let n = 0;
  for (const c of id) n = (n * 31 + c.charCodeAt(0)) % 9973;
  return palette[n % 4] ?? palette[0];
}
