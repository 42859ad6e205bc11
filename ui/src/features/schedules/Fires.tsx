import { Ban, CalendarOff } from "lucide-react";
import type { Schema } from "../../api/client";
import { ink, Badge } from "../../kit/Badge";
import { cx } from "../../kit/cx";
import { stateLook, type Tone } from "../../states";
import { t } from "../../text/schedules";
import type { Fire } from "./api";
import { fireTitle, instantText, localText, markWord, myZone, offsetText, reasonWord } from "./words";

/** Whose clock times are shown by. */
export type Clock = "schedule" | "mine";

/** A few fires, one a line; skipped ones grey with their reason. */
export function FewFires({ fires, zone, clock }: { fires: readonly Fire[]; zone: string; clock: Clock }) {
  if (fires.length === 0) return <span className="text-faint">–</span>;
  return (
    <ul className="leading-4">
      {fires.map((f) => (
        <li key={f.nominal_at} title={fireTitle(f, zone)} data-fire={f.nominal_at} className={cx("flex flex-wrap items-center gap-x-1.5 text-xs md:flex-nowrap md:whitespace-nowrap", f.skip && "text-faint")}>
          <time dateTime={f.nominal_at} className={cx(f.skip && "line-through decoration-line-strong")}>{clock === "mine" ? instantText(f.nominal_at) : localText(f.local)}</time>
          {f.skip ? <span className="truncate">{reasonWord(f.skip)}</span> : null}
        </li>
      ))}
    </ul>
  );
}

const marksTone: Record<string, Tone> = { dst_moved: "warn", dst_repeated: "warn", unverified: "idle" };

/** A longer list of fires as a table: the schedule's clock, the reader's own, what is special. */
export function FireTable({ fires, zone, label }: { fires: readonly Schema<"Nominal">[]; zone: string; label: string }) {
  // The reader's own clock only where it says something else.
  const mine = fires.some((f) => localText(f.local) !== instantText(f.nominal_at));
  return (
    <table aria-label={label} className="w-full border-collapse text-sm">
      <thead className="border-b border-line text-left text-xs text-faint"><tr><th scope="col" className="h-8 pr-3 font-medium">{t("clockOf", { zone })}</th>{mine ? <th scope="col" className="hidden h-8 pr-3 font-medium sm:table-cell">{t("clockOf", { zone: myZone })} ({t("clockMine")})</th> : null}<th scope="col"><span className="sr-only">{t("notes")}</span></th></tr></thead>
      <tbody>
        {fires.map((f) => (
          <tr key={f.nominal_at} data-nominal={f.nominal_at} data-local={f.local} data-skip={f.skip ?? undefined} className="border-b border-line/70 last:border-0">
            <td className="h-8 py-1 pr-3 whitespace-nowrap">
              <span className={cx(f.skip && "text-faint line-through decoration-line-strong")}>{localText(f.local)}</span>
              <span className="ml-1.5 text-xs text-faint">{offsetText(f.local)}</span>
            </td>
            {mine ? <td className="hidden py-1 pr-3 text-xs whitespace-nowrap text-faint sm:table-cell">{instantText(f.nominal_at)}</td> : null}
            <td className="py-1">
              <span className="flex flex-wrap justify-end gap-1">
                {f.marks.map((m) => <Badge key={m} tone={marksTone[m] ?? "info"}>{markWord(m)}</Badge>)}
                {f.skip ? <Badge icon={f.skip === "requested" ? Ban : CalendarOff}>{reasonWord(f.skip)}</Badge> : null}
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const bars: Record<Tone, string> = { ok: "bg-ok", warn: "bg-warn", bad: "bg-bad", info: "bg-info", idle: "bg-line-strong", accent: "bg-accent" };

/** The latest runs, the newest at the right; height and colour tell the state, and the text for screen readers counts them. */
export function ResultStrip({ results }: { results: readonly Schema<"ScheduleResult">[] }) {
  if (results.length === 0) return <span className="text-xs text-faint">{t("noRuns")}</span>;
  const counts = new Map<string, number>();
  for (const r of results) counts.set(r.status, (counts.get(r.status) ?? 0) + 1);
  const text = [...counts].map(([s, n]) => `${n} ${stateLook(s).word}`).join(", ");
  return (
    <span role="img" aria-label={t("lastRuns", { text })} className="flex h-5 items-end gap-0.5">
      {[...results].reverse().map((r, i) => {
        const look = stateLook(r.status);
        return <span key={`${r.nominal_at}${i}`} data-result={r.status} title={`${look.word} · ${instantText(r.nominal_at)}`} className={cx("w-1.5 rounded-[1px]", bars[look.tone], ink(look.tone), r.status === "COMPLETED" ? "h-3" : r.status === "FAILED" ? "h-5" : "h-2", "forced-colors:border")} />;
      })}
    </span>
  );
}
