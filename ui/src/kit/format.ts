import { language } from "../text/catalogue";
import { t } from "../text/kit";
import { chosenZone } from "./zonechoice";

const decimals = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });

/** A number in the language's form. */
export function num(n: number): string {
  return decimals.format(n);
}

const sizes = ["B", "kB", "MB", "GB", "TB"];

/** Bytes with three digits: 1.25 MB. */
export function bytes(n: number): string {
  let v = n;
  let i = 0;
  while (v >= 1000 && i < sizes.length - 1) {
    v /= 1000;
    i++;
  }
  return `${decimals.format(i === 0 ? v : Number(v.toPrecision(3)))}\u202f${sizes[i] ?? ""}`;
}

/** Milliseconds of an ISO 8601 duration such as PT1H2M3.5S or P1DT2H; null when it is none. */
export function parseDuration(text: string | null | undefined): number | null {
  const m = /^(-?)P(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text ?? "");
  if (!m) return null;
  const [, sign, w, d, h, min, s] = m;
  const ms = (((Number(w ?? 0) * 7 + Number(d ?? 0)) * 24 + Number(h ?? 0)) * 60 + Number(min ?? 0)) * 60_000 + Number(s ?? 0) * 1000;
  return sign === "-" ? -ms : ms;
}

/** A duration of milliseconds, in at most two units: 1 h 5 min. Below zero counts as zero: clocks differ. */
export function duration(ms: number): string {
  const units = language === "ko" ? ["일", "시간", "분", "초", "ms"] : ["d", "h", "min", "s", "ms"];
  const join = (n: number | string, i: number) => `${n}${language === "ko" && i < 4 ? "" : "\u202f"}${units[i] ?? ""}`;
  const v = Math.max(0, ms);
  if (v < 1000) return join(Math.round(v), 4);
  if (v < 10_000) return join(decimals.format(Math.round(v / 100) / 10), 3);
  const s = Math.round(v / 1000);
  const parts = [Math.floor(s / 86_400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60, s % 60];
  const first = parts.findIndex((p) => p > 0);
  return parts.slice(first, first + 2).map((p, i) => (p > 0 ? join(p, first + i) : "")).filter(Boolean).join(" ");
}

const steps: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000], ["second", 1000]];

/** How far an instant is from now: 3 min ago, in 2 hr. What is to come is rounded up in days: a token of 90 days has 90 on its first day. */
export function fromNow(at: number, now: number): string {
  const d = at - now;
  if (Math.abs(d) < 5000) return t("now");
  for (const [unit, ms] of steps) if (Math.abs(d) >= ms) return relative.format(unit === "day" && d > 0 ? Math.ceil(d / ms) : Math.trunc(d / ms), unit);
  return t("now");
}

/** The whole instant with its zone; zone = an IANA name, the chosen or the browser's own without it. */
export function absolute(at: string | number, zone = chosenZone): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "long", ...(zone ? { timeZone: zone } : {}) }).format(new Date(at));
}

/** The time of day with seconds, to be compared with logs. */
export function clockSeconds(at: string | number, now: number): string {
  return `${clockTime(at, now)}:${String(new Date(at).getSeconds()).padStart(2, "0")}`;
}

/** The time of day, with the date when it is not today. */
export function clockTime(at: string | number, now: number, zone = chosenZone): string {
  const d = new Date(at);
  const day = new Intl.DateTimeFormat("en-CA", { dateStyle: "short", ...(zone ? { timeZone: zone } : {}) });
  const same = day.format(d) === day.format(new Date(now));
  return new Intl.DateTimeFormat(language, { ...(same ? {} : { month: "short", day: "numeric" }), hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(zone ? { timeZone: zone } : {}) }).format(d);
}

/** A span of time, without what both ends share: 14:33 – 15:10, Nov 23, 14:33 – 15:10, or one time where both ends read the same. */
export function clockRange(from: string | number, to: string | number, now: number, zone = chosenZone): string {
  const [a, b] = [new Date(from), new Date(to)];
  const day = new Intl.DateTimeFormat("en-CA", { dateStyle: "short", ...(zone ? { timeZone: zone } : {}) });
  const today = [a, b].every((d) => day.format(d) === day.format(new Date(now)));
  return new Intl.DateTimeFormat(language, { ...(today ? {} : { month: "short", day: "numeric" }), hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(zone ? { timeZone: zone } : {}) }).formatRange(a, b);
}

/** The middle of a long id left out: job_01jh…7f3k. */
export function shortId(id: string): string {
  return id.length <= 18 ? id : `${id.slice(0, id.indexOf("_") + 5)}…${id.slice(-4)}`;
}
