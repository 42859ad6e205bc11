// Why a job waits, in a few words.
import { clockTime, fromNow } from "../../kit/format";
import { who } from "../../kit/who";
import { language } from "../../text/catalogue";
import { t } from "../../text/queue";
import type { Job } from "./model";

// What a run waits for that has begun and gave its slot back, as far as there is a word for it.
const parkedFor = ["approval", "timer", "event", "job", "retry_delay", "paused", "turn"] as const;

/** What a run that gave its slot back waits for; undefined = there is no word for it. */
export function parkedOn(job: Pick<Job, "waiting">): (typeof parkedFor)[number] | undefined {
  return parkedFor.find((x) => x === job.waiting?.for);
}

/** When a job likely starts, and between what times most such jobs do, where these read differently. */
export function likelyText(at: string, range: Job["estimated_start_range"], now: number): string {
  // Units may be short, with a dot: the sentence has one of its own.
  const likely = t("likely", { time: fromNow(Date.parse(at), now).replace(/\.$/, "") });
  const [from, to] = range ? [clockTime(range.from, now), clockTime(range.to, now)] : ["", ""];
  return from === to ? likely : `${likely} ${t("likelyRange", { from, to })}`;
}

/** The lock that a job waits for; "" = it waits for none. */
export function lockOf(job: { waiting: Job["waiting"]; locks?: readonly string[] }): string {
  if (job.waiting?.code !== "lock") return "";
  const told = /lock (\S+)/.exec(job.waiting.detail)?.[1];
  return told ?? job.locks?.[0] ?? "";
}

/** What the API says of why a job waits, with the holder's name for its id. It is in English, but for who holds it. */
export function detailText(w: NonNullable<Job["waiting"]>, holder: string): string {
  if (w.code === "held") return heldText(w);
  // It ends in its holder, whose name may be part of the lock's too.
  const at = w.holder && holder ? w.detail.lastIndexOf(w.holder) : -1;
  return at < 0 ? w.detail : w.detail.slice(0, at) + holder + w.detail.slice(at + (w.holder ?? "").length);
}

/** Who holds a job, and what they said of it. */
export function heldText(w: Pick<NonNullable<Job["waiting"]>, "held_by" | "reason">): string {
  if (!w.held_by) return t("heldByServer");
  return t(w.reason ? "heldBecause" : "heldBy", { who: who(w.held_by), text: w.reason ?? "" });
}

/** "held", "not before 09:00" and so on; "" = it does not wait. holder: how its holder is named. */
export function whyText(job: Pick<Job, "waiting" | "run_at"> & { locks?: readonly string[] }, now: number, holder = ""): string {
  const w = job.waiting;
  if (!w) return "";
  const time = w.until ? clockTime(w.until, now) : job.run_at ? clockTime(job.run_at, now) : "";
  if (w.code === "parked") {
    const what = parkedOn(job);
    return what ? t(`parked_${what}`, { time }).trim() : t("code_parked");
  }
  if (w.code !== "lock") return t(`code_${w.code}`, { time });
  if (language === "en") return detailText(w, holder);
  const what = [t("code_lock"), lockOf(job)].filter(Boolean).join(": ");
  return w.holder && holder ? `${what} (${holder})` : what;
}
