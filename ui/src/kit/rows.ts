import { useCallback, useLayoutEffect, useMemo, useState, type RefObject } from "react";
import { flushSync } from "react-dom";

/** Which rows, all of one height, lie in a view: from the first to the last, with `over` more at both sides. All numbers but the counts are pixels of the window. */
export function rowsIn(view: readonly [top: number, bottom: number], listTop: number, height: number, count: number, over: number): readonly [first: number, last: number] {
  const at = (y: number) => Math.floor((y - listTop) / height);
  const first = Math.max(0, Math.min(at(view[0]), count) - over);
  return [first, Math.max(first, Math.min(count - 1, at(view[1]) + over))];
}

interface Rows {
  count: number;
  /** Pixels of each row. */
  height: number;
  over: number;
  /** A row that is there wherever the view is, such as the one with the focus. */
  keep?: number;
  /** What scrolls; without, the page, of which the top bar covers the first pixels. */
  scroller?: RefObject<HTMLElement | null>;
}

const topBar = 48;

function viewOf(scroller: HTMLElement | null | undefined): [number, number] {
  if (!scroller) return [topBar, window.innerHeight];
  const r = scroller.getBoundingClientRect();
  return [r.top, r.bottom];
}

/** The rows of a long list that are worth being in the page; the list has the height of all. */
export function useRows(list: RefObject<HTMLElement | null>, { count, height, over, keep = -1, scroller }: Rows): { items: readonly number[]; last: number; show: (index: number) => void } {
  const [[first, last], setSeen] = useState<readonly [number, number]>([0, Math.min(count, over) - 1]);
  useLayoutEffect(() => {
    const box = scroller?.current;
    const look = () => {
      const next = rowsIn(viewOf(box), list.current?.getBoundingClientRect().top ?? 0, height, count, over);
      setSeen((old) => (old[0] === next[0] && old[1] === next[1] ? old : next));
    };
    const scrolled = () => flushSync(look); // before the next picture, or it has a hole
    const target = box ?? window;
    look();
    target.addEventListener("scroll", scrolled, { passive: true });
    window.addEventListener("resize", look);
    const o = new ResizeObserver(look); // also what stands above the list moves it
    o.observe(box ?? document.body);
    return () => {
      target.removeEventListener("scroll", scrolled);
      window.removeEventListener("resize", look);
      o.disconnect();
    };
  }, [list, scroller, count, height, over]);
  const show = useCallback(
    (index: number) => {
      const box = scroller?.current;
      const [top, bottom] = viewOf(box);
      const begin = (list.current?.getBoundingClientRect().top ?? 0) + index * height;
      const by = begin < top ? begin - top : Math.max(0, begin + height - bottom);
      if (by !== 0) (box ?? window).scrollBy(0, by);
    },
    [list, scroller, height],
  );
  const items = useMemo(() => {
    const all = Array.from({ length: Math.max(0, Math.min(last, count - 1) - first + 1) }, (_, i) => first + i);
    return keep < 0 || keep >= count || (keep >= first && keep <= last) ? all : keep < first ? [keep, ...all] : [...all, keep];
  }, [first, last, count, keep]);
  return { items, last, show };
}
