/** One short message at the lower edge. */
export interface Toast {
  text: string;
  detail?: string;
  tone?: "ok" | "warn" | "bad";
  /** A way back; it is offered for 8 s, otherwise the message stays 4 s (an error: until closed). */
  undo?: () => void;
  /** Another offer than to undo. */
  action?: { label: string; run: () => void };
}

export type Shown = Toast & { id: number; ms: number | null };

let shown: readonly Shown[] = [];
let last = 0;
const watchers = new Set<() => void>();

function set(next: readonly Shown[]): void {
  shown = next;
  for (const w of watchers) w();
}

/** Shows a message; it is read out too. At most four are there at a time. The result names it for closeToast. */
export function toast(it: Toast): number {
  const id = ++last;
  const ms = it.undo || it.action ? 8000 : it.tone === "bad" ? null : 4000;
  set([...shown.slice(-3), { ...it, id, ms }]);
  return id;
}

export function closeToast(id: number): void {
  set(shown.filter((s) => s.id !== id));
}

export const toasts = {
  watch(f: () => void): () => void {
    watchers.add(f);
    return () => watchers.delete(f);
  },
  now: () => shown,
};
