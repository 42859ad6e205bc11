// Wall time in IANA zones, with Intl only: offsets, dates, the days of a zone with 23,
// 24 or 25 hours, and the instants at which its clocks change. Times are milliseconds
// since 1970.

/** A day of the calendar, as 2026-03-08. */
export type DateText = string;

const quarter = 15 * 60_000;
const dayMs = 86_400_000;

interface Zone {
  format: Intl.DateTimeFormat;
  // Offsets by quarter of an hour: all zones change at one of them.
  offsets: Map<number, number>;
}

const zones = new Map<string, Zone>();

function zoneOf(name: string): Zone {
  let z = zones.get(name);
  if (!z) {
    const format = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      hourCycle: "h23",
      era: "short",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    z = { format, offsets: new Map() };
    zones.set(name, z);
  }
  return z;
}

/** Whether the browser knows the zone. */
export function knownZone(name: string): boolean {
  try {
    zoneOf(name);
    return true;
  } catch {
    return false;
  }
}

/** How far clocks of the zone are ahead of UTC at an instant. Throws RangeError for an unknown zone. */
export function zoneOffset(at: number, zone: string): number {
  const z = zoneOf(zone);
  const key = Math.floor(at / quarter);
  const known = z.offsets.get(key);
  if (known !== undefined) return known;
  if (z.offsets.size > 20_000) z.offsets.clear();
  const start = key * quarter;
  const f: Record<string, string> = {};
  for (const p of z.format.formatToParts(start)) f[p.type] = p.value;
  const wall = Date.UTC(Number(f["year"]), Number(f["month"]) - 1, Number(f["day"]), Number(f["hour"]), Number(f["minute"]), Number(f["second"]));
  z.offsets.set(key, wall - start);
  return wall - start;
}

/** The wall time as if it were UTC: read it with getUTC… */
export function wall(at: number, zone: string): Date {
  return new Date(at + zoneOffset(at, zone));
}

/** The instant of a wall time such as 2026-01-31T12:00. Of two with the same wall time it is one; a wall time that clocks leave out is as long after as they skip. */
export function instant(text: string, zone: string): number {
  const at = Date.parse(`${text}Z`);
  return at - zoneOffset(at - zoneOffset(at, zone), zone);
}

/** The date of an instant in the zone. */
export function dateIn(at: number, zone: string): DateText {
  return wall(at, zone).toISOString().slice(0, 10);
}

/** Minutes since midnight on the clock of the zone, with fractions. */
export function clockMinutes(at: number, zone: string): number {
  const t = at + zoneOffset(at, zone);
  return (t - Math.floor(t / dayMs) * dayMs) / 60_000;
}

/** The date some days later; before the year 0 and behind 9999 it is not defined. */
export function addDays(date: DateText, days: number): DateText {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * dayMs).toISOString().slice(0, 10);
}

/** The weekday, 1 = Monday to 7 = Sunday. */
export function weekday(date: DateText): number {
  return new Date(`${date}T00:00:00Z`).getUTCDay() || 7;
}

/** The first instant of a date in the zone: midnight, or where clocks leave it out the instant after. */
export function startOfDay(date: DateText, zone: string): number {
  const midnight = Date.parse(`${date}T00:00:00Z`);
  const guess = midnight - zoneOffset(midnight - zoneOffset(midnight, zone), zone);
  if (dateIn(guess, zone) === date && dateIn(guess - 1, zone) < date) return guess;
  let low = midnight - 2 * dayMs; // date is smaller
  let high = midnight + 2 * dayMs;
  while (high - low > 1) {
    const mid = Math.floor((low + high) / 2);
    if (dateIn(mid, zone) < date) low = mid;
    else high = mid;
  }
  return high;
}

/** The instant before `to` at which clocks change, and by how much (ms); null = they do not. Of several the first one. */
export function changeWithin(from: number, to: number, zone: string): { at: number; shift: number } | null {
  const before = zoneOffset(from, zone);
  let low = from;
  let high: number | null = null;
  for (let t = from + quarter * 4; ; t += quarter * 4) {
    const probe = Math.min(t, to - 1);
    if (zoneOffset(probe, zone) !== before) {
      high = probe;
      break;
    }
    low = probe;
    if (probe >= to - 1) return null;
  }
  while (high - low > 1) {
    const mid = Math.floor((low + high) / 2);
    if (zoneOffset(mid, zone) === before) low = mid;
    else high = mid;
  }
  return { at: high, shift: zoneOffset(high, zone) - before };
}

/** The last instant not after `at` whose wall time is a multiple of `step`; steps of weeks begin on Thursdays. */
export function floorWall(at: number, step: number, zone: string): number {
  const offset = zoneOffset(at, zone);
  const floored = Math.floor((at + offset) / step) * step;
  const guess = floored - offset;
  const then = zoneOffset(guess, zone);
  if (then === offset) return guess;
  const fixed = floored - then;
  return fixed <= at && zoneOffset(fixed, zone) === then ? fixed : guess;
}

/** The first day of the week of a language or region, 1 = Monday to 7 = Sunday. */
export function weekStart(locale: string): number {
  interface WeekInfo {
    firstDay?: number;
  }
  try {
    const l = new Intl.Locale(locale) as Intl.Locale & { weekInfo?: WeekInfo; getWeekInfo?: () => WeekInfo };
    const first = (l.getWeekInfo?.() ?? l.weekInfo)?.firstDay;
    if (first) return first;
    const region = l.maximize().region ?? "";
    return ["US", "CA", "KR", "JP", "TW", "BR", "MX", "IN", "IL", "HK"].includes(region) ? 7 : 1;
  } catch {
    return 1;
  }
}
