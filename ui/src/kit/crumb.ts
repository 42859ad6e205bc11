import { useSyncExternalStore } from "react";

let crumb = "";
const watchers = new Set<() => void>();

/** Names the last breadcrumb; PageHeader does it. */
export function setCrumb(title: string): void {
  crumb = title;
  for (const w of watchers) w();
}

function watch(f: () => void): () => void {
  watchers.add(f);
  return () => watchers.delete(f);
}

/** The title that the page has given itself, "" before. */
export function useCrumb(): string {
  return useSyncExternalStore(watch, () => crumb);
}
