// Why a job waits, in a few words.
import { clockTime } from "../../kit/format";
import { language } from "../../text/catalogue";
import { t } from "../../text/queue";
import type { Job } from "./model";

// What a run waits for that has begun and gave its slot back, as far as there is a word for it.
const parkedFor = ["approval", "timer", "event", "job", "retry_delay", "paused", "turn"] as const;

/** What a run that gave its slot back waits for; undefined = there is no word for it. */
export function parkedOn(job: Pick<Job, "waiting">): (typeof parkedFor)[number] | undefined {
  return parkedFor.find((x) => x === job.waiting?.for);
}

/** "held", "not before 09:00" and so on; "" = it does not wait. */
export function whyText(job: Pick<Job, "waiting" | "run_at"> & { locks?: readonly string[] }, now: number): string {
  const w = job.waiting;
  if (!w) return "";
  const time = w.until ? clockTime(w.until, now) : job.run_at ? clockTime(job.run_at, now) : "";
  if (w.code === "parked") {
    const what = parkedOn(job);
    return what ? t(`parked_${what}`, { time }).trim() : t("code_parked");
  }
  if (w.code !== "lock") return t(`code_${w.code}`, { time });
  // The API says details in English.
  return language === "en" ? w.detail : [t("code_lock"), (job.locks ?? []).join(", ")].filter(Boolean).join(": ");
}
