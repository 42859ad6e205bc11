import { useEffect, useLayoutEffect, useRef, useState, type CSSProperties, type Ref, useImperativeHandle } from "react";
import { cx } from "../../kit/cx";
import { t } from "../../text/runs";
import { markSpans, plain, spansOf, type Colour, type Style } from "./ansi";
import type { Hit, LogBuffer, Matcher } from "./log";

const line = 20;
// Browsers do not lay out boxes of any height: beyond this the rows share what there is.
const tallest = 12_000_000;

const colours = [
  "var(--fg)", "var(--bad)", "var(--ok)", "var(--warn)", "var(--info)", "light-dark(#8b2fa8, #d99bf0)", "light-dark(#0b6570, #63cfd9)", "var(--dim)",
  "var(--faint)", "var(--bad)", "var(--ok)", "var(--warn)", "var(--info)", "light-dark(#8b2fa8, #d99bf0)", "light-dark(#0b6570, #63cfd9)", "var(--fg)",
] as const;
const colour = (c: Colour | undefined) => (typeof c === "number" ? colours[c] : c);

function css(s: Style): CSSProperties | undefined {
  const [fg, bg] = s.inverse ? [colour(s.bg) ?? "var(--bg)", colour(s.fg) ?? "var(--fg)"] : [colour(s.fg), colour(s.bg)];
  if (!fg && !bg && !s.bold && !s.dim && !s.italic && !s.underline) return undefined;
  return { ...(fg ? { color: fg } : {}), ...(bg ? { background: bg } : {}), ...(s.bold ? { fontWeight: 600 } : {}), ...(s.dim ? { opacity: 0.7 } : {}), ...(s.italic ? { fontStyle: "italic" } : {}), ...(s.underline ? { textDecoration: "underline" } : {}) };
}

function Line({ raw, matcher, current }: { raw: string; matcher: Matcher | null; current: Hit | null }) {
  const matches = matcher ? matcher(plain(raw)) : [];
  const nth = current ? matches.findIndex(([from]) => from === current.from) : -1;
  return markSpans(spansOf(raw), matches).map((s, i) =>
    s.match === undefined ? <span key={i} style={css(s.style)}>{s.text}</span> : <mark key={i} className={cx("rounded-[2px]", s.match === nth ? "bg-accent text-accent-fg" : "bg-warn-soft text-warn")}>{s.text}</mark>,
  );
}

/** What the log's lines can be asked to do. */
export interface LinesHandle {
  toEnd(): void;
  toKey(key: number): void;
}

/** The lines that are seen. It never moves by itself unless it follows. */
/** Tells whether somebody has scrolled up since the end was at a place. */
const scrolledUp = (el: HTMLElement, end: { top: number; tall: number }) => el.scrollTop < end.top - 1 && el.clientHeight === end.tall;

export function LogLines({ buffer, version, following, numbered, matcher, current, onScroll, handle }: {
  buffer: LogBuffer;
  /** Changes with the buffer. */
  version: number;
  following: boolean;
  /** The first line is the first of the log. */
  numbered: boolean;
  matcher: Matcher | null;
  current: Hit | null;
  onScroll: (atEnd: boolean, up: boolean) => void;
  handle: Ref<LinesHandle>;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  // Where the end was, and how tall the box then: a box that grows moves what is in it, too.
  const last = useRef({ top: 0, tall: 0 });
  const keep = useRef({ first: buffer.first });
  const count = buffer.length;
  const height = Math.min(count * line, tallest);
  const room = Math.max(1, height - view.height);
  // Beyond the tallest box a pixel of the bar is more than a pixel of the text.
  const scale = count * line <= tallest ? 1 : Math.max(1, (count * line - view.height) / room);
  const top = view.top * scale;
  const from = Math.max(0, Math.floor(top / line) - 10);
  const to = Math.min(count, Math.ceil((top + view.height) / line) + 10);

  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const o = new ResizeObserver(() => setView((v) => ({ ...v, height: el.clientHeight })));
    o.observe(el);
    return () => o.disconnect();
  }, []);
  useLayoutEffect(() => {
    const el = box.current;
    if (!el) return;
    const moved = keep.current.first - buffer.first;
    keep.current.first = buffer.first;
    if (following) {
      // Who has just scrolled up is not taken back by lines that come before the page hears of it. Hidden, it has no place.
      if (scrolledUp(el, last.current) && el.scrollHeight > el.clientHeight) return;
      el.scrollTop = el.scrollHeight;
      last.current = { top: el.scrollTop, tall: el.clientHeight };
    } else if (moved !== 0) el.scrollTop = Math.max(0, el.scrollTop + (moved * line) / scale);
    // What was put before the first line, or dropped there, must not move what is read.
  }, [version, following, buffer, scale]);
  useImperativeHandle(handle, () => ({
    toEnd: () => box.current?.scrollTo({ top: box.current.scrollHeight }),
    toKey: (key) => box.current?.scrollTo({ top: Math.max(0, ((key - buffer.first) * line - view.height / 3) / scale) }),
  }), [buffer, scale, view.height]);
  const scrolled = () => {
    const el = box.current;
    if (!el) return;
    const up = scrolledUp(el, last.current);
    last.current = { top: el.scrollTop, tall: el.clientHeight };
    setView((v) => ({ ...v, top: el.scrollTop }));
    onScroll(el.scrollHeight - el.scrollTop - el.clientHeight < 4, up);
  };
  const digits = numbered ? String(count).length : 0;
  return (
    // A region that scrolls must be reachable by keys.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div ref={box} role="region" aria-label={t("logLabel")} tabIndex={0} onScroll={scrolled} data-lines={count} className="h-[max(20rem,calc(100dvh-22rem))] overflow-auto overscroll-contain bg-panel font-mono text-xs outline-offset-[-2px]">
      <div className="relative min-w-max" style={{ height: Math.max(height, 1) }}>
        {Array.from({ length: Math.max(0, to - from) }, (_, i) => {
          const key = buffer.first + from + i;
          const hit = current?.key === key ? current : null;
          return (
            <div key={key} data-key={key} className={cx("absolute left-0 flex min-w-full pr-4 whitespace-pre hover:bg-hover", hit && "bg-accent-soft")} style={{ top: view.top + (from + i) * line - top, height: line, lineHeight: `${line}px` }}>
              {digits > 0 ? <span aria-hidden className="mr-4 shrink-0 pl-3 text-right text-faint select-none" style={{ width: `calc(${digits}ch + 12px)` }}>{from + i + 1}</span> : <span aria-hidden className="w-3 shrink-0" />}
              <span><Line raw={buffer.line(key)} matcher={matcher} current={hit} /></span>
            </div>
          );
        })}
      </div>
    </div>
  );
}
