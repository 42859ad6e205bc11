import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { stateLook, type Tone } from "../states";
import { cx } from "./cx";

const tones: Record<Tone, string> = {
  ok: "bg-ok-soft text-ok", warn: "bg-warn-soft text-warn", bad: "bg-bad-soft text-bad", info: "bg-info-soft text-info", idle: "bg-idle-soft text-idle", accent: "bg-accent-soft text-accent",
};
const inks: Record<Tone, string> = { ok: "text-ok", warn: "text-warn", bad: "text-bad", info: "text-info", idle: "text-idle", accent: "text-accent" };

/** The text colour of a tone. */
export function ink(tone: Tone): string {
  return inks[tone];
}

/** A short fact with a tone: a count, a role, a kind. */
export function Badge({ tone = "idle", icon: Icon, children, title, className }: { tone?: Tone; icon?: LucideIcon; children: ReactNode; title?: string; className?: string }) {
  return (
    <span title={title} className={cx("chip inline-flex h-5 max-w-full shrink-0 items-center gap-1 rounded-sm px-1.5 text-xs font-medium", tones[tone], className)}>
      {Icon ? <Icon aria-hidden className="size-3 shrink-0" strokeWidth={2} /> : null}
      <span className="truncate">{children}</span>
    </span>
  );
}

/** A state by colour, icon and word, from the one table in states.ts. `bare`: without a ground, for dense tables. */
export function StateChip({ state, bare, className }: { state: string; bare?: boolean; className?: string }) {
  const look = stateLook(state);
  const Icon = look.icon;
  return (
    <span data-state={state} className={cx("chip inline-flex h-5 shrink-0 items-center gap-1 rounded-sm text-xs font-medium", bare ? inks[look.tone] : cx("px-1.5", tones[look.tone]), className)}>
      <Icon aria-hidden className={cx("size-3.5 shrink-0", look.busy && "animate-spin [animation-duration:2s]")} strokeWidth={2} />
      {look.word}
    </span>
  );
}

/** A value that can be taken away, or a plain quiet fact such as a label or lock. */
export function Chip({ children, icon: Icon, onRemove, removeLabel, title, mono }: { children: ReactNode; icon?: LucideIcon; onRemove?: () => void; removeLabel?: string; title?: string; mono?: boolean }) {
  return (
    <span title={title} className={cx("chip inline-flex h-5 max-w-full shrink-0 items-center gap-1 rounded-sm border border-line px-1.5 text-xs text-dim", mono && "font-mono")}>
      {Icon ? <Icon aria-hidden className="size-3 shrink-0 text-faint" /> : null}
      <span className="truncate">{children}</span>
      {onRemove ? <button type="button" aria-label={removeLabel} onClick={onRemove} className="-mr-1 px-1 hover:text-fg">×</button> : null}
    </span>
  );
}
