/** What is counted of a stretch of time. */
export interface Counts {
  active: number;
  completed: number;
  failed: number;
  skipped: number;
}

/** A bar of a histogram, from its beginning up to, but not with, its end. */
export interface Bar extends Counts {
  from: number;
  to: number;
}

/** The number of all runs of a bar. */
export function total(c: Counts): number {
  return c.active + c.completed + c.failed + c.skipped;
}

/**
 * The bars of a stretch without gaps, at most `most` of them: several buckets become
 * one bar where there are more. Without a beginning it begins with the first bucket.
 */
export function barsOf(found: readonly (Counts & { at: string })[], bucket: number, from: number | null, to: number, most: number): Bar[] {
  const first = found[0];
  const begin = from ?? (first ? Date.parse(first.at) : to - bucket);
  const start = Math.floor(begin / bucket) * bucket;
  const buckets = Math.max(1, Math.ceil((to - start) / bucket));
  const each = Math.max(1, Math.ceil(buckets / Math.max(1, most)));
  const bars: Bar[] = Array.from({ length: Math.ceil(buckets / each) }, (_, i) => ({ from: start + i * each * bucket, to: start + (i + 1) * each * bucket, active: 0, completed: 0, failed: 0, skipped: 0 }));
  for (const f of found) {
    const b = bars[Math.floor((Date.parse(f.at) - start) / (each * bucket))];
    if (!b) continue;
    b.active += f.active;
    b.completed += f.completed;
    b.failed += f.failed;
    b.skipped += f.skipped;
  }
  return bars;
}
