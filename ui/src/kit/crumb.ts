import { useSyncExternalStore } from "react";

/** The last breadcrumb, and the page between it and that of the navigation. */
export interface Crumb {
  title: string;
  above: { to: string; label: string } | null;
}

const none: Crumb = { title: "", above: null };
let crumb = none;
const watchers = new Set<() => void>();

/** Names the last breadcrumb; PageHeader does it. */
export function setCrumb(title: string, above: Crumb["above"] = null): void {
  crumb = title ? { title, above } : none;
  for (const w of watchers) w();
}

function watch(f: () => void): () => void {
  watchers.add(f);
  return () => watchers.delete(f);
}

/** How the page has named itself; the title is "" before. */
export function useCrumb(): Crumb {
  return useSyncExternalStore(watch, () => crumb);
}
