// Shortcuts of one key or two. They are off while somebody types, while a dialog or
// menu is open, and altogether when the person has switched them off.
import { useLayoutEffect, useRef, useSyncExternalStore } from "react";

const storeKey = "runsheet.shortcuts";
type Handler = (e: KeyboardEvent) => void;
const handlers = new Map<string, Handler[]>();
const watchers = new Set<() => void>();
let on = true;
try {
  on = typeof localStorage === "undefined" || localStorage.getItem(storeKey) !== "off";
} catch {
  on = true;
}
let pending = "";
let pendingTimer: ReturnType<typeof setTimeout> | null = null;

/** Whether shortcuts of one key work. */
export function useShortcutsOn(): [boolean, (on: boolean) => void] {
  const watch = (f: () => void) => {
    watchers.add(f);
    return () => {
      watchers.delete(f);
    };
  };
  return [
    useSyncExternalStore(watch, () => on),
    (next) => {
      on = next;
      localStorage.setItem(storeKey, next ? "on" : "off");
      for (const w of watchers) w();
    },
  ];
}

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable) return true;
  return target.matches("textarea, select, input:not([type=checkbox]):not([type=radio]):not([type=range]):not([type=button])") || target.closest('[role="dialog"],[role="alertdialog"],[role="menu"],[role="listbox"]') !== null;
}

/** The name of a pressed key: "Mod+k", "Alt+ArrowUp", "Shift+p", "?". */
export function keyName(e: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">): string {
  const letter = e.key.length === 1;
  const key = letter ? e.key.toLowerCase() : e.key;
  const shift = e.shiftKey && (!letter || /[a-z]/i.test(e.key));
  return `${e.ctrlKey || e.metaKey ? "Mod+" : ""}${e.altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${key}`;
}

function onKey(e: KeyboardEvent): void {
  if (e.defaultPrevented || e.isComposing || e.repeat && !e.altKey && !/^[jk]$/.test(e.key)) return;
  const name = keyName(e);
  const always = name.startsWith("Mod+");
  if (!always && (!on || typing(e.target))) return;
  const run = (n: string): boolean => {
    const f = handlers.get(n)?.at(-1);
    if (!f) return false;
    e.preventDefault();
    f(e);
    return true;
  };
  if (pending) {
    const both = `${pending} ${name}`;
    pending = "";
    if (run(both)) return;
  }
  if (run(name)) return;
  if ([...handlers.keys()].some((h) => h.startsWith(`${name} `))) {
    pending = name;
    if (pendingTimer) clearTimeout(pendingTimer);
    pendingTimer = setTimeout(() => (pending = ""), 1200);
  }
}
if (typeof document !== "undefined") document.addEventListener("keydown", onKey);

/** Runs f for a key ("t", "Shift+p", "Mod+k", "g q") while the component is shown; the newest of equal ones wins. "" = none. under: those of pages win over it, whichever came first. */
export function useShortcut(key: string, f: Handler, under = false): void {
  const latest = useRef(f);
  // With the page, not after it: what is seen is what a key does.
  useLayoutEffect(() => {
    latest.current = f;
  });
  useLayoutEffect(() => {
    if (!key) return;
    const mine: Handler = (e) => latest.current(e);
    const others = handlers.get(key) ?? [];
    handlers.set(key, under ? [mine, ...others] : [...others, mine]);
    return () => {
      const rest = (handlers.get(key) ?? []).filter((h) => h !== mine);
      if (rest.length > 0) handlers.set(key, rest);
      else handlers.delete(key);
    };
  }, [key, under]);
}
