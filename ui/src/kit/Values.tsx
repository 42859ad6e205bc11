import { Check, Copy } from "lucide-react";
import { useEffect, useState, useSyncExternalStore } from "react";
import { t } from "../text/kit";
import { announce } from "./announce";
import { cx } from "./cx";
import { absolute, bytes, clockTime, duration, fromNow, num, parseDuration, shortId } from "./format";

// One clock for all times on the page: it ticks once a second while somebody looks.
const watchers = new Set<() => void>();
let ticking: ReturnType<typeof setInterval> | null = null;
let nowMs = Date.now();
function watch(f: () => void): () => void {
  watchers.add(f);
  ticking ??= setInterval(() => {
    nowMs = Date.now();
    if (document.visibilityState === "visible") for (const w of watchers) w();
  }, 1000);
  return () => {
    watchers.delete(f);
    if (watchers.size === 0 && ticking) {
      clearInterval(ticking);
      ticking = null;
    }
  };
}

/** The time in milliseconds; the component is drawn anew each second. Use it in leaves only. */
export function useNow(): number {
  if (watchers.size === 0) nowMs = Date.now();
  return useSyncExternalStore(watch, () => nowMs);
}

/** An instant, relative, with the absolute one and its zone on hover. `clock`: as a time of day. */
export function Time({ at, clock, zone, className }: { at: string | null | undefined; clock?: boolean; zone?: string; className?: string }) {
  const now = useNow();
  if (!at) return <span className="text-faint">–</span>;
  const ms = Date.parse(at);
  return <time dateTime={at} title={absolute(ms, zone)} className={cx("whitespace-nowrap", className)}>{clock ? clockTime(ms, now, zone) : fromNow(ms, now)}</time>;
}

/** A duration: an ISO text, or milliseconds. */
export function Duration({ of }: { of: string | number | null | undefined }) {
  const ms = typeof of === "number" ? of : parseDuration(of);
  return <span className="whitespace-nowrap">{ms === null ? "–" : duration(ms)}</span>;
}

/** How long something has been going on. */
export function Elapsed({ since }: { since: string }) {
  const now = useNow();
  return <span className="whitespace-nowrap">{duration(Math.max(0, Math.floor((now - Date.parse(since)) / 1000) * 1000))}</span>;
}

export function Num({ n }: { n: number | null | undefined }) {
  return <>{n === null || n === undefined ? "–" : num(n)}</>;
}

export function Bytes({ n }: { n: number | null | undefined }) {
  return <span className="whitespace-nowrap">{n === null || n === undefined ? "–" : bytes(n)}</span>;
}

/** Copies a text; also where the clipboard is only for TLS. */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "sr-only";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  announce(t("copied"));
}

/** An id with its middle left out, and a button that copies the whole. */
export function CopyId({ id, full }: { id: string; full?: boolean }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const Icon = done ? Check : Copy;
  return (
    <button type="button" title={id} onClick={() => void copyText(id).then(() => setDone(true))} className="group inline-flex max-w-full items-center gap-1 rounded-sm font-mono text-xs text-dim hover:text-fg">
      <span className="sr-only">{t("copy")} </span>
      <span className="truncate">{full ? id : shortId(id)}</span>
      <Icon aria-hidden className={cx("size-3 shrink-0", done ? "text-ok" : "text-faint opacity-60 group-hover:opacity-100")} />
    </button>
  );
}
