import { cloneElement, useCallback, useEffect, useRef, useState, type FocusEvent, type PointerEvent, type ReactElement, type ReactNode, type SyntheticEvent } from "react";
import { createPortal } from "react-dom";
import { Kbd } from "./Kbd";
import { place } from "./place";

type Handler<E extends SyntheticEvent = SyntheticEvent> = ((e: E) => void) | undefined;
interface ChildProps {
  onPointerEnter?: Handler<PointerEvent>;
  onPointerLeave?: Handler<PointerEvent>;
  onPointerDown?: Handler<PointerEvent>;
  onFocus?: Handler<FocusEvent>;
  onBlur?: Handler<FocusEvent>;
  "aria-label"?: string;
  "aria-description"?: string;
}

const delay = 350;

/** A short text at what it explains, nothing without one; child is one element that can be focused. Never the only place of what must be known. */
export function Tooltip({ text, keys, children }: { text: ReactNode; keys?: string | undefined; children: ReactElement }) {
  const [anchor, setAnchor] = useState<Element | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const hide = useCallback(() => {
    clearTimeout(timer.current);
    setAnchor(null);
  }, []);
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    if (!anchor) return;
    const escape = (e: KeyboardEvent) => e.key === "Escape" && hide();
    document.addEventListener("keydown", escape);
    addEventListener("scroll", hide, { capture: true, passive: true });
    return () => {
      document.removeEventListener("keydown", escape);
      removeEventListener("scroll", hide, { capture: true });
    };
  }, [anchor, hide]);
  const put = useCallback((el: HTMLElement | null) => {
    if (el && anchor) place(el, anchor, "center");
  }, [anchor]);
  const child = children as ReactElement<ChildProps>;
  const own = child.props;
  const label = own["aria-label"];
  return (
    <>
      {cloneElement(child, {
        ...(typeof text === "string" && text && text !== label && !own["aria-description"] ? { "aria-description": text } : {}),
        onPointerEnter: (e: PointerEvent) => {
          own.onPointerEnter?.(e);
          if (e.pointerType === "touch") return;
          const at = e.currentTarget;
          clearTimeout(timer.current);
          timer.current = setTimeout(() => setAnchor(at), delay);
        },
        onPointerLeave: (e: PointerEvent) => (own.onPointerLeave?.(e), hide()),
        onPointerDown: (e: PointerEvent) => (own.onPointerDown?.(e), hide()),
        onFocus: (e: FocusEvent) => {
          own.onFocus?.(e);
          if (e.currentTarget.matches(":focus-visible")) setAnchor(e.currentTarget);
        },
        onBlur: (e: FocusEvent) => (own.onBlur?.(e), hide()),
      })}
      {anchor && text ? createPortal(
        <div ref={put} popover="manual" aria-hidden className="pointer-events-none fixed inset-auto z-50 m-0 flex w-max max-w-80 items-center gap-2 rounded-md bg-fg px-2 py-1 text-xs text-bg shadow-pop">
          {text}
          {keys ? <Kbd keys={keys} plain /> : null}
        </div>, document.body) : null}
    </>
  );
}
