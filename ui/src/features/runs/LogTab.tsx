import { ArrowDown, ArrowDownToLine, ArrowUp, ArrowUpToLine, CaseSensitive, Download, Regex, ScrollText, Search } from "lucide-react";
import { useCallback, useEffect, useMemo, useReducer, useRef, useState, useSyncExternalStore } from "react";
import { problemOf } from "../../api/client";
import { Button, IconButton } from "../../kit/Button";
import { cx } from "../../kit/cx";
import { Input } from "../../kit/Field";
import { useShortcut } from "../../kit/shortcuts";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { toastError } from "../../kit/Toasts";
import { Bytes } from "../../kit/Values";
import { useLive } from "../../live/context";
import { t } from "../../text/runs";
import type { Run } from "./data";
import { compile, follow, followed, LogSearch, type Hit } from "./log";
import { LogFeed } from "./logFeed";
import { LogLines, type LinesHandle } from "./LogLines";

/** The address of a run's log. */
export function logPath(id: string): string {
  return `/api/job-runs/${encodeURIComponent(id)}/logs`;
}

function useFeed(run: Run): LogFeed {
  const live = useLive();
  const paused = live.state === "paused";
  const feed = useMemo(() => new LogFeed(logPath(run.run_id), false), [run.run_id]);
  const { active } = run;
  useEffect(() => {
    // A stream that follows ends by itself when the run does.
    if (paused) {
      feed.stop();
      return;
    }
    if (!active && feed.active && (feed.state === "open" || feed.state === "ended")) return;
    feed.active = active;
    feed.start();
  }, [feed, active, paused]);
  useEffect(() => () => feed.stop(), [feed]);
  return feed;
}

// useHits searches a little at a time, and goes on when lines come.
function useHits(feed: LogFeed, version: number, query: { text: string; regex: boolean; exact: boolean }) {
  const matcher = useMemo(() => compile(query), [query]);
  const search = useMemo(() => (matcher && matcher !== "invalid" ? new LogSearch(feed.buffer, matcher) : null), [feed, matcher]);
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    if (!search) return;
    let frame = 0;
    const step = () => {
      const done = search.step();
      redraw();
      if (!done) frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [search, version]);
  return { matcher: matcher === "invalid" ? null : matcher, invalid: matcher === "invalid", hits: search?.hits ?? [], capped: search?.capped ?? false };
}

/** The log of a run: from its end on, followed while the run executes. */
export function LogTab({ run }: { run: Run }) {
  const feed = useFeed(run);
  const version = useSyncExternalStore(feed.watch, feed.now);
  const [state, act] = useReducer(follow, followed);
  const seen = useRef(0);
  const lines = useRef<LinesHandle>(null);
  const [query, setQuery] = useState({ text: "", regex: false, exact: false });
  const { matcher, invalid, hits, capped } = useHits(feed, version, query);
  const [at, setAt] = useState<Hit | null>(null);
  useEffect(() => {
    const came = feed.appended - seen.current;
    seen.current = feed.appended;
    if (came > 0) act({ type: "appended", lines: came });
  }, [feed, version]);
  const toEnd = useCallback(() => {
    if (feed.buffer.lostTail) feed.start();
    act({ type: "jumped", toEnd: true });
    requestAnimationFrame(() => lines.current?.toEnd());
  }, [feed]);
  const toggle = () => (state.following ? act({ type: "toggled" }) : toEnd());
  useShortcut("f", toggle);
  const go = (by: number) => {
    if (hits.length === 0) return;
    const now = at ? hits.findIndex((h) => h.key === at.key && h.from === at.from) : -1;
    const next = hits[(now + by + hits.length + (now < 0 && by < 0 ? 1 : 0)) % hits.length];
    if (!next) return;
    setAt(next);
    act({ type: "jumped", toEnd: false });
    requestAnimationFrame(() => lines.current?.toKey(next.key));
  };
  const field = useRef<HTMLInputElement>(null);
  useShortcut("/", () => field.current?.focus());
  const count = feed.buffer.length;
  if (feed.state === "failed") return problemOf(feed.error).code === "log_gone" ? <Empty icon={ScrollText} title={t("logGone")}>{problemOf(feed.error).detail}</Empty> : <ErrorState error={feed.error} onRetry={() => feed.start()} />;
  if (count === 0 && feed.state === "loading") return <Loading />;
  if (count === 0 && feed.state !== "lost") return <Empty icon={ScrollText} title={run.active ? t("logEmptyActive") : t("logEmpty")}>{run.active ? t("logEmptyText") : undefined}</Empty>;
  const place = at ? hits.findIndex((h) => h.key === at.key && h.from === at.from) + 1 : 0;
  const found = query.text === "" ? "" : invalid ? t("logInvalid") : hits.length === 0 ? t("logNoMatch") : t("logMatches", { at: place, n: capped ? t("logMany", { n: hits.length }) : hits.length });
  return (
    <section aria-label={t("tabLog")} className="overflow-hidden rounded-md border border-line">
      <div className="flex flex-wrap items-center gap-1.5 border-b border-line px-2 py-1.5">
        <div className="relative w-full sm:w-64">
          <Search aria-hidden className="pointer-events-none absolute top-1/2 left-2 size-4 -translate-y-1/2 text-faint" strokeWidth={1.75} />
          <Input ref={field} type="search" aria-label={t("logSearch")} placeholder={t("logSearch")} value={query.text} className="pl-7" onChange={(e) => { setQuery({ ...query, text: e.target.value }); setAt(null); }} onKeyDown={(e) => { if (e.key === "Enter") go(e.shiftKey ? -1 : 1); else if (e.key === "Escape") e.currentTarget.blur(); }} />
        </div>
        <Toggle icon={CaseSensitive} label={t("logCase")} on={query.exact} onClick={() => setQuery({ ...query, exact: !query.exact })} />
        <Toggle icon={Regex} label={t("logRegex")} on={query.regex} onClick={() => setQuery({ ...query, regex: !query.regex })} />
        {query.text ? <><IconButton small icon={ArrowUp} label={t("logPrev")} disabled={hits.length === 0} onClick={() => go(-1)} /><IconButton small icon={ArrowDown} label={t("logNext")} disabled={hits.length === 0} onClick={() => go(1)} /></> : null}
        <span role="status" data-found={hits.length} className={cx("text-xs", invalid ? "text-bad" : "text-dim")}>{found}</span>
        <span className="ml-auto" />
        <span className="text-xs text-faint">{t("logLines", { n: count })}{run.log_bytes > 0 ? <> · <Bytes n={run.log_bytes} /></> : null}</span>
        {run.active ? <Button small icon={ArrowDownToLine} look={state.following ? "plain" : "ghost"} aria-pressed={state.following} onClick={toggle}>{state.following ? t("logFollowing") : t("logFollow")}</Button> : null}
        <a href={logPath(run.run_id)} download={`${run.run_id}.log`} aria-label={t("downloadLog")} title={t("downloadLog")} className="target inline-flex size-7 items-center justify-center rounded-md text-dim hover:bg-hover hover:text-fg"><Download aria-hidden className="size-4" strokeWidth={1.75} /></a>
      </div>
      <Above feed={feed} run={run} />
      <div className="relative">
        <LogLines handle={lines} buffer={feed.buffer} version={version} following={state.following} numbered={feed.from === 0} matcher={matcher} current={at} onScroll={(atEnd, up) => act({ type: "scrolled", atEnd: atEnd && !feed.buffer.lostTail, up })} />
        {state.following ? null : (
          <Button small icon={ArrowDownToLine} onClick={toEnd} className="absolute right-4 bottom-4 shadow-pop">{state.unseen > 0 ? t("logUnseen", { n: state.unseen }) : t("logJump")}</Button>
        )}
      </div>
      {feed.state === "lost" || feed.state === "stopped" ? <p role="status" className="border-t border-line bg-warn-soft px-3 py-1 text-xs text-warn">{feed.state === "lost" ? t("logReconnect") : t("logPaused")}</p> : null}
    </section>
  );
}

function Toggle({ icon, label, on, onClick }: { icon: typeof Regex; label: string; on: boolean; onClick: () => void }) {
  return <IconButton small icon={icon} label={label} aria-pressed={on} onClick={onClick} className={on ? "bg-accent-soft text-accent" : ""} />;
}

// What is said above the lines: whether there are earlier ones.
function Above({ feed, run }: { feed: LogFeed; run: Run }) {
  const notes = [run.log_truncated ? t("logTruncated") : "", feed.buffer.lostTail ? t("logTailLost") : "", feed.buffer.lostHead ? t("logHeadLost") : ""].filter(Boolean);
  const more = feed.from !== null && feed.from > 0;
  if (!more && notes.length === 0) return null;
  return (
    <div className="flex flex-wrap items-center gap-3 border-b border-line px-2 py-1 text-xs text-dim">
      {more ? <Button small look="ghost" icon={ArrowUpToLine} busy={feed.loadingEarlier} onClick={() => feed.earlier().catch(toastError)}>{t("logEarlier")}</Button> : null}
      {notes.map((n) => <span key={n}>{n}</span>)}
    </div>
  );
}
