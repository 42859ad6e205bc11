// Dragging with the pointer: the one file that knows of it. Only the handle starts
// a drag, so that a finger elsewhere scrolls.
import { useCallback, useEffect, useRef, useState, type PointerEvent as ReactPointerEvent, type RefObject } from "react";

/** What is in the hand, and before which row it would land. */
export interface Lifted {
  ids: readonly string[];
  at: number;
  by: "pointer" | "keys";
}

const edge = 48;

/** Follows the pointer from the handle on. drop gets the row before which it lands; Escape drops nothing. */
export function useDrag(scroller: RefObject<HTMLElement | null>, height: number, count: number, drop: (ids: readonly string[], at: number) => void) {
  const [lifted, setLifted] = useState<Lifted | null>(null);
  const end = useRef<(() => void) | null>(null);
  const latest = useRef({ count, drop });
  useEffect(() => {
    latest.current = { count, drop };
  });
  useEffect(() => () => end.current?.(), []);
  const start = useCallback(
    (e: ReactPointerEvent, ids: readonly string[]) => {
      if (e.button !== 0) return;
      const box = scroller.current;
      if (!box) return;
      e.preventDefault();
      const from = e.clientY;
      let y = from;
      let active = false;
      let at = -1;
      let frame = 0;
      const look = () => {
        frame = requestAnimationFrame(look);
        const r = box.getBoundingClientRect();
        if (!active && Math.abs(y - from) < 4) return;
        active = true;
        if (y < r.top + edge) box.scrollTop -= Math.ceil((r.top + edge - y) / 4);
        if (y > r.bottom - edge) box.scrollTop += Math.ceil((y - r.bottom + edge) / 4);
        const next = Math.max(0, Math.min(latest.current.count, Math.round((y - r.top + box.scrollTop) / height)));
        if (next === at) return;
        at = next;
        setLifted({ ids, at, by: "pointer" });
      };
      const move = (m: PointerEvent) => (y = m.clientY);
      const stop = () => {
        cancelAnimationFrame(frame);
        document.removeEventListener("pointermove", move);
        document.removeEventListener("pointerup", up);
        document.removeEventListener("pointercancel", stop);
        document.removeEventListener("keydown", escape, true);
        end.current = null;
        setLifted(null);
      };
      const up = () => {
        const where = active ? at : -1;
        stop();
        if (where >= 0) latest.current.drop(ids, where);
      };
      const escape = (k: KeyboardEvent) => {
        if (k.key !== "Escape") return;
        k.stopPropagation();
        stop();
      };
      end.current = stop;
      document.addEventListener("pointermove", move);
      document.addEventListener("pointerup", up);
      document.addEventListener("pointercancel", stop);
      document.addEventListener("keydown", escape, true);
      look();
    },
    [scroller, height],
  );
  return { lifted, start, setLifted };
}
