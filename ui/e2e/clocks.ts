// Days on which clocks change: always ones to come.
import { expect } from "vitest";

export const day = 86_400_000;
export const dateOf = (at: number) => new Date(at).toISOString().slice(0, 10);

/** The coming days on which the clocks of a zone change: one in spring, one in autumn. */
export function clockChanges(zone: string): { date: string; kind: "spring" | "autumn" }[] {
  const text = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
  const offset = (at: number) => {
    const [, sign, h, m] = /GMT([+-])(\d\d):(\d\d)/.exec(text.format(at)) ?? [];
    return (sign === "-" ? -1 : 1) * (Number(h) * 60 + Number(m));
  };
  const noon = Math.floor(Date.now() / day) * day + day / 2;
  const out = Array.from({ length: 385 }, (_, i) => noon + (i + 10) * day)
    .map((at) => ({ date: dateOf(at), by: offset(at) - offset(at - day) }))
    .filter((d) => d.by !== 0)
    .map((d) => ({ date: d.date, kind: d.by > 0 ? ("spring" as const) : ("autumn" as const) }));
  const both = [out.find((d) => d.kind === "spring"), out.find((d) => d.kind === "autumn")].filter((d) => d !== undefined);
  expect(both, zone).toHaveLength(2);
  return both;
}
