import { useEffect, useRef, useState } from "react";
import type { Schema } from "../../api/client";
import { cx } from "../../kit/cx";
import { clockTime } from "../../kit/format";
import { language } from "../../text/catalogue";
import { t } from "../../text/runs";
import { barsOf, total, type Bar } from "./bars";
import type { Span } from "./filters";

const height = 56;
// The order in which the parts of a bar stand on one another, from below.
const parts = [["completed", "bg-ok"], ["skipped", "bg-idle"], ["active", "bg-info"], ["failed", "bg-bad"]] as const;

function useWidth(): [React.RefObject<HTMLDivElement | null>, number] {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const el = ref.current;
    if (!el) return;
    const o = new ResizeObserver(([e]) => setWidth(Math.round(e?.contentRect.width ?? 0)));
    o.observe(el);
    return () => o.disconnect();
  }, []);
  return [ref, width];
}

function name(at: number, bucket: number, now: number): string {
  return bucket >= 86_400_000 ? new Intl.DateTimeFormat(language, { month: "short", day: "numeric" }).format(new Date(at)) : clockTime(at, now);
}

/** Runs by the time at which they started; a bar chooses its time. */
export function Histogram({ data, span, now, onChoose }: { data: Schema<"RunHistogram"> | undefined; span: Span; now: number; onChoose: (from: number, to: number) => void }) {
  const [ref, width] = useWidth();
  const bars = width > 0 ? barsOf(data?.bars ?? [], span.bucket, span.from, span.to ?? now + 1, Math.floor(width / 9)) : [];
  const most = Math.max(1, ...bars.map(total));
  // Only a bar that is longer than what a zoom shows can be chosen.
  const zooms = span.bucket > 60_000;
  return (
    <figure aria-label={t("histogram")} className="mb-4">
      <div ref={ref} className="flex items-end gap-px border-b border-line" style={{ height }}>
        {bars.map((b) => <OneBar key={b.from} bar={b} most={most} bucket={span.bucket} now={now} zooms={zooms} onChoose={onChoose} />)}
      </div>
      <figcaption className="flex justify-between pt-1 text-xs text-faint">
        {bars[0] ? <span>{name(bars[0].from, span.bucket, now)}</span> : <span>{"\u00a0"}</span>}
        {data?.complete === false ? <span>{t("incomplete")}</span> : null}
        {bars.length > 0 ? <span>{name(span.to ?? now, span.bucket, now)}</span> : null}
      </figcaption>
    </figure>
  );
}

function OneBar({ bar, most, bucket, now, zooms, onChoose }: { bar: Bar; most: number; bucket: number; now: number; zooms: boolean; onChoose: (from: number, to: number) => void }) {
  const n = total(bar);
  const label = t("barLabel", { from: name(bar.from, bucket, now), to: name(bar.to, bucket, now), n, failed: bar.failed });
  const shape = (
    <span aria-hidden className="mx-auto flex w-full max-w-6 flex-col-reverse overflow-hidden rounded-t-[2px]" style={{ height: n === 0 ? 0 : Math.max(3, Math.round((n / most) * (height - 4))) }}>
      {parts.map(([k, colour]) => (bar[k] > 0 ? <span key={k} className={colour} style={{ flex: bar[k] }} /> : null))}
    </span>
  );
  const box = "flex h-full min-w-0 flex-1 items-end";
  if (n === 0 || !zooms) return <span className={box} title={n > 0 ? label : undefined}>{shape}</span>;
  return <button type="button" data-bar={bar.from} aria-label={label} title={label} onClick={() => onChoose(bar.from, bar.to)} className={cx(box, "rounded-t-sm hover:bg-hover")}>{shape}</button>;
}
