// The API's words in the language of the page. An unknown one shows itself.
import { absolute } from "../../kit/format";
import { shownZone } from "../../kit/zonechoice";
import { language } from "../../text/catalogue";
import { t } from "../../text/schedules";
import type { Entry, Fire } from "./api";

type Key = Parameters<typeof t>[0];
const from = (table: Record<string, Key>) => (word: string): string => {
  const key = table[word];
  return key ? t(key) : word;
};

/** Why a nominal is skipped. */
export const reasonWord = from({
  holiday: "rHoliday", non_session: "rNonSession", only_in: "rOnlyIn", excluded: "rExcluded", calendar_expired: "rExpired", requested: "rRequested", overlap: "rOverlap", superseded: "rSuperseded", buffer_full: "rFull",
  missed: "rMissed", missed_window: "rWindow", coalesced: "rCoalesced", catch_up_limit: "rLimit", min_interval: "rInterval", deadline: "rDeadline", paused: "rPaused", target: "rTarget", unique: "rUnique", loop: "rLoop",
});
/** What is special about a nominal. */
export const markWord = from({ dst_moved: "mMoved", dst_repeated: "mRepeated", session_moved: "mSession", early_close: "mEarly", unverified: "mUnverified" });
/** What made a run. */
export const sourceWord = from({ schedule: "sSchedule", catch_up: "sCatchUp", backfill: "sBackfill", manual: "sManual", event: "sEvent" });

const warnings = {
  calendar_expires: /calendar (.+) is known up to ([\d-]+) only/, calendar_expired: /calendar (.+) is known up to ([\d-]+) only/, unverified: /()()/, never_fires: /()()/,
  trigger_unusable: /^it cannot fire: (.*)()$/s, clock_ahead: /up to ()(\S+) is decided/,
} as const;

/** What somebody should look at, by its code; the server's own words for another. */
export function warningText({ code, detail }: { code: string; detail: string }): string {
  const known = (Object.keys(warnings) as (keyof typeof warnings)[]).find((c) => c === code);
  const m = known && warnings[known].exec(detail);
  return known && m ? t(`warn_${known}`, { text: detail, what: m[1] ?? "", date: m[2] ?? "" }) : detail;
}

/** The reasons that mean that no server decided in time. */
export const missedReasons: readonly string[] = ["missed", "missed_window", "coalesced", "catch_up_limit"];

/** Whether an entry of the history tells of a time that was missed. */
export function isMissed(e: Entry): boolean {
  return e.source === "catch_up" || (e.reason !== null && missedReasons.includes(e.reason));
}

/** The zone of the person who looks: the chosen one, else the browser's. */
export const myZone = shownZone();

const shapes = {
  short: { weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  long: { weekday: "short", year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
} as const;
const formats = new Map<string, Intl.DateTimeFormat>();

function format(shape: keyof typeof shapes, zone: string, seconds: boolean): Intl.DateTimeFormat {
  const key = `${shape} ${zone} ${seconds}`;
  let f = formats.get(key);
  if (!f) formats.set(key, (f = new Intl.DateTimeFormat(language, { ...shapes[shape], ...(seconds ? { second: "2-digit" } : {}), timeZone: zone })));
  return f;
}

/** What clocks in the schedule's zone show, from the server's own text: 2026-03-08T03:00:00-04:00. */
export function localText(local: string, shape: keyof typeof shapes = "short"): string {
  const wall = local.slice(0, 19);
  return format(shape, "UTC", !wall.endsWith(":00")).format(Date.parse(`${wall}Z`));
}

/** The offset in the server's text, as UTC−4. */
export function offsetText(local: string): string {
  const m = /([+-])(\d{2}):(\d{2})$/.exec(local);
  if (!m) return "UTC";
  const hours = Number(m[2]);
  return `UTC${m[1] === "-" ? "−" : "+"}${hours}${m[3] === "00" ? "" : `:${m[3]}`}`;
}

/** An instant in a zone. */
export function instantText(at: string | number, zone = myZone, shape: keyof typeof shapes = "short"): string {
  const ms = typeof at === "number" ? at : Date.parse(at);
  return format(shape, zone, ms % 60_000 !== 0).format(ms);
}

/** Everything about one fire, for a tooltip. */
export function fireTitle(f: Pick<Fire, "local" | "nominal_at" | "skip" | "marks">, zone: string): string {
  return [`${localText(f.local, "long")} ${zone} (${offsetText(f.local)})`, absolute(f.nominal_at), f.skip ? t("skipped", { why: reasonWord(f.skip) }) : "", ...f.marks.map(markWord)].filter(Boolean).join("\n");
}
