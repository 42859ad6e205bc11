// When a schedule fires, in one sentence. The API's own is English; other languages make theirs of the trigger.
import type { Schema } from "../../api/client";
import { duration, parseDuration } from "../../kit/format";
import { language } from "../../text/catalogue";
import { t } from "../../text/schedules";
import { readCron, type Rhythm } from "./cron";

type Trigger = Pick<Schema<"Schedule">["trigger"], "type" | "expression" | "expressions" | "interval" | "every" | "at" | "event" | "offset" | "subject" | "mode">;

const dayName = new Intl.DateTimeFormat(language, { weekday: "short", timeZone: "UTC" });
// 2024-01-01 was a Monday, which is day 1.
const days = (list: readonly number[]) => list.map((d) => dayName.format(Date.UTC(2024, 0, d))).join(", ");

function ofRhythm(r: Rhythm): string {
  switch (r.kind) {
    case "minutes":
      return t("sayMinutes", { n: r.every });
    case "hourly":
      return t("sayHourly", { n: r.minute });
    case "daily":
      return t("sayDaily", { time: r.time });
    case "weekly":
      return t("sayWeekly", { days: days(r.days), time: r.time });
    case "monthly":
      return r.day === 0 ? t("sayLastDay", { time: r.time }) : t("sayMonthly", { n: r.day, time: r.time });
  }
}

const span = (iso: string | null | undefined): string => {
  const ms = parseDuration(iso);
  return ms === null ? (iso ?? "") : duration(Math.abs(ms));
};

const ons = { "job.completed": "onCompleted", "job.failed": "onFailed", "approval.decided": "onDecided" } as const;

function ofTrigger(g: Trigger): string {
  switch (g.type) {
    case "CRON":
      return (g.expressions?.length ? g.expressions : [g.expression ?? ""]).map((x) => {
        const r = readCron(x);
        return r ? ofRhythm(r) : x;
      }).join("; ");
    case "INTERVAL":
      return t(g.mode === "after_completion" ? "sayAfterEnd" : "sayEvery", { time: span(g.interval ?? g.every) });
    case "AT":
      return (g.at ?? []).join(", ");
    case "EVENT": {
      const key = `e_${g.event ?? ""}`;
      const what = isEvent(key) ? t(key) : (g.event ?? "");
      return g.offset ? t(g.offset.startsWith("-") ? "sayBefore" : "sayAfter", { what, time: span(g.offset) }) : what;
    }
    case "ON": {
      const what = g.event && g.event in ons ? t(ons[g.event as keyof typeof ons]) : (g.event ?? "");
      return g.subject ? `${what}: ${g.subject}` : what;
    }
  }
}

const events = ["e_MARKET_OPEN", "e_MARKET_CLOSE", "e_BREAK_START", "e_BREAK_END", "e_SESSION_START_OF_WEEK", "e_SESSION_END_OF_WEEK", "e_SESSION_START_OF_MONTH", "e_SESSION_END_OF_MONTH", "e_SESSION_START_OF_QUARTER", "e_SESSION_END_OF_QUARTER", "e_SESSION_START_OF_YEAR", "e_SESSION_END_OF_YEAR"] as const;
const isEvent = (key: string): key is (typeof events)[number] => (events as readonly string[]).includes(key);

/** When a trigger fires, in the language of the page; said is the API's sentence. */
export function sentence(g: Trigger | undefined, said: string, as = language): string {
  return as === "en" || !g ? said : ofTrigger(g) || said;
}
