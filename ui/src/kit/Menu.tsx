import { Check, type LucideIcon } from "lucide-react";
import { cloneElement, useCallback, useEffect, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactElement, type Ref } from "react";
import { cx } from "./cx";
import { Kbd } from "./Kbd";
import { place } from "./place";

/** One line of a menu; "-" is a separator. */
export type MenuItem =
  | "-"
  | {
      label: string;
      icon?: LucideIcon;
      onSelect: () => void;
      keys?: string;
      danger?: boolean;
      /** A mark before it: one of several choices. */
      checked?: boolean;
      /** Why it cannot be used. */
      why?: string;
      disabled?: boolean;
    };

interface TriggerProps {
  ref?: Ref<HTMLElement>;
  onClick?: (e: MouseEvent<HTMLElement>) => void;
  onKeyDown?: (e: KeyboardEvent<HTMLElement>) => void;
  "aria-disabled"?: boolean;
}

/** A menu behind one element, which is a button. Items are read when it opens. */
export function Menu({ trigger, items, align = "end", open, onOpenChange }: { trigger: ReactElement; items: readonly MenuItem[]; align?: "start" | "center" | "end"; open?: boolean; onOpenChange?: (open: boolean) => void }) {
  const [own, setOwn] = useState(false);
  const box = useRef<HTMLSpanElement>(null);
  const shown = open ?? own;
  const set = useCallback((to: boolean) => {
    setOwn(to);
    onOpenChange?.(to);
  }, [onOpenChange]);
  const button = trigger as ReactElement<TriggerProps & { why?: string }>;
  const off = !!button.props.why;
  const anchor = useCallback(() => box.current?.firstElementChild as HTMLElement | null, []);
  const close = useCallback((back: boolean) => {
    set(false);
    if (back) anchor()?.focus({ preventScroll: true });
  }, [set, anchor]);
  return (
    <span ref={box} className="contents">
      {cloneElement(button, {
        ...{ "aria-haspopup": "menu", "aria-expanded": shown },
        onClick: (e: MouseEvent<HTMLElement>) => {
          button.props.onClick?.(e);
          if (!off) set(!shown);
        },
        onKeyDown: (e: KeyboardEvent<HTMLElement>) => {
          button.props.onKeyDown?.(e);
          if (off || (e.key !== "ArrowDown" && e.key !== "ArrowUp") || e.altKey) return;
          e.preventDefault();
          e.stopPropagation();
          set(true);
        },
      })}
      {shown ? <Popup items={items} align={align} anchor={anchor} onClose={close} /> : null}
    </span>
  );
}

const itemsOf = (el: HTMLElement | null) => [...(el?.querySelectorAll<HTMLElement>('[role^="menuitem"]') ?? [])];

function Popup({ items, align, anchor, onClose }: { items: readonly MenuItem[]; align: "start" | "center" | "end"; anchor: () => HTMLElement | null; onClose: (back: boolean) => void }) {
  const popup = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const el = popup.current;
    const at = anchor();
    if (!el || !at) return;
    place(el, at, align);
    itemsOf(el)[0]?.focus({ preventScroll: true });
    const outside = (e: Event) => {
      if (e.target instanceof Node && !el.contains(e.target) && !at.contains(e.target)) onClose(false);
    };
    // What scrolls elsewhere, or has scrolled just before, does not move the button away.
    const begun = at.getBoundingClientRect();
    const away = () => {
      const now = at.getBoundingClientRect();
      if (now.top !== begun.top || now.left !== begun.left) onClose(false);
    };
    document.addEventListener("pointerdown", outside, true);
    addEventListener("scroll", away, { capture: true, passive: true });
    addEventListener("resize", away);
    return () => {
      document.removeEventListener("pointerdown", outside, true);
      removeEventListener("scroll", away, { capture: true });
      removeEventListener("resize", away);
    };
  }, [align, anchor, onClose]);
  const onKeyDown = (e: KeyboardEvent<HTMLElement>) => {
    e.stopPropagation();
    const all = itemsOf(popup.current);
    const now = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: -1 }[e.key];
    if (to !== undefined) all.at(to >= all.length ? 0 : to)?.focus();
    else if (e.key === "Escape") onClose(true);
    else if (e.key === "Tab") return onClose(true);
    else if (e.key.length === 1 && e.key !== " " && !e.ctrlKey && !e.metaKey && !e.altKey) {
      const starts = (el: HTMLElement) => el.textContent?.trim().toLowerCase().startsWith(e.key.toLowerCase()) ?? false;
      [...all.slice(now + 1), ...all.slice(0, now + 1)].find(starts)?.focus();
    } else return;
    e.preventDefault();
  };
  // Clicks in the menu are not clicks on what it stands in.
  return (
    <div
      ref={popup} popover="manual" role="menu" tabIndex={-1} onKeyDown={onKeyDown} onClick={(e) => e.stopPropagation()} onPointerDown={(e) => e.stopPropagation()}
      className="appear fixed inset-auto z-50 m-0 max-h-[80vh] w-max min-w-44 max-w-80 overflow-y-auto rounded-lg border border-line bg-raised p-1 text-sm font-normal text-fg shadow-pop outline-none"
    >
      {items.map((item, i) => (item === "-" ? <div key={i} role="separator" className="my-1 h-px bg-line" /> : <Line key={i} item={item} indent={items.some((x) => x !== "-" && (x.icon ?? x.checked) !== undefined)} onClose={onClose} />))}
    </div>
  );
}

function Line({ item, indent, onClose }: { item: Exclude<MenuItem, "-">; /** Others have an icon before them. */ indent: boolean; onClose: (back: boolean) => void }) {
  const off = !!item.why || !!item.disabled;
  const choice = item.checked === undefined ? { role: "menuitem" } : { role: "menuitemradio", "aria-checked": item.checked };
  return (
    <button
      {...choice}
      type="button" tabIndex={-1} aria-disabled={off || undefined} title={item.why}
      onPointerMove={(e) => document.activeElement !== e.currentTarget && e.currentTarget.focus({ preventScroll: true })}
      onClick={() => {
        if (off) return;
        onClose(true);
        item.onSelect();
      }}
      className={cx("target flex h-8 w-full select-none items-center gap-2 rounded-md px-2 text-left outline-none focus:bg-hover aria-disabled:cursor-not-allowed aria-disabled:opacity-50", item.danger && "text-bad")}
    >
      {item.checked === undefined ? null : <Check aria-hidden className={cx("size-4", !item.checked && "invisible")} strokeWidth={1.75} />}
      {item.icon ? <item.icon aria-hidden className={cx("size-4", !item.danger && "text-faint")} strokeWidth={1.75} /> : indent && item.checked === undefined ? <span className="size-4" /> : null}
      <span className="grow truncate">{item.label}</span>
      {item.keys ? <Kbd keys={item.keys} /> : null}
    </button>
  );
}
