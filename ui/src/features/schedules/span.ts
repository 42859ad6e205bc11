// Durations as people write them: "1h 30m" for PT1H30M.

const units = [["d", 86_400], ["h", 3600], ["m", 60], ["s", 1]] as const;

/** The ISO text of "90m", "1h 30m", "-10m" or of an ISO text; null when it is none. "" is "". */
export function isoSpan(text: string): string | null {
  const bare = text.trim();
  if (bare === "" || /^-?P(?=.)(\d+W)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$/.test(bare)) return bare;
  const m = /^(-?)((?:\d+\s*(?:d|h|min|m|s)\s*)+)$/i.exec(bare);
  if (!m) return null;
  let seconds = 0;
  for (const [, n, unit] of (m[2] ?? "").toLowerCase().matchAll(/(\d+)\s*(d|h|min|m|s)/g)) seconds += Number(n) * (units.find(([u]) => u === unit?.[0])?.[1] ?? 1);
  const h = Math.floor(seconds / 3600);
  const min = Math.floor(seconds / 60) % 60;
  const s = seconds % 60;
  return `${m[1] ?? ""}PT${h ? `${h}H` : ""}${min ? `${min}M` : ""}${s || seconds === 0 ? `${s}S` : ""}`;
}

/** An ISO text as people write it; what is none stays. */
export function spanText(iso: string | null | undefined): string {
  if (!iso) return "";
  const m = /^(-?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(iso);
  if (!m) return iso;
  let seconds = (Number(m[2] ?? 0) * 7 + Number(m[3] ?? 0)) * 86_400 + Number(m[4] ?? 0) * 3600 + Number(m[5] ?? 0) * 60 + Number(m[6] ?? 0);
  if (seconds === 0) return "0s";
  const out: string[] = [];
  for (const [unit, size] of units) {
    const n = Math.floor(seconds / size);
    if (n > 0) out.push(`${n}${unit}`);
    seconds -= n * size;
  }
  return (m[1] ?? "") + out.join(" ");
}
