import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark" | "system";
const storeKey = "runsheet.theme";
const watchers = new Set<() => void>();
const system = matchMedia("(prefers-color-scheme: dark)");

function stored(): Theme {
  try {
    const v = localStorage.getItem(storeKey);
    return v === "light" || v === "dark" ? v : "system";
  } catch {
    return "system";
  }
}
let chosen = stored();

/** Puts the chosen theme onto the page, and follows the system's. */
export function applyTheme(): void {
  document.documentElement.dataset.theme = chosen === "system" ? (system.matches ? "dark" : "light") : chosen;
}
system.addEventListener("change", applyTheme);

export function setTheme(t: Theme): void {
  chosen = t;
  try {
    if (t === "system") localStorage.removeItem(storeKey);
    else localStorage.setItem(storeKey, t);
  } catch {
    // no storage: the choice is for this page
  }
  applyTheme();
  for (const w of watchers) w();
}

/** The other of light and dark. */
export function flipTheme(): void {
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
}

/** What the person has chosen. */
export function useTheme(): Theme {
  return useSyncExternalStore(
    (f) => {
      watchers.add(f);
      return () => watchers.delete(f);
    },
    () => chosen,
  );
}
