import { ChevronRight } from "lucide-react";
import { useState, type ReactNode } from "react";
import { cx } from "./cx";

/** A part of a form that is rarely wanted: folded, unless something in it is wrong. */
export function Fold({ title, open: first = false, bad = false, two = false, children }: { title: string; open?: boolean; bad?: boolean; /** In two columns where there is room. */ two?: boolean; children: ReactNode }) {
  const [open, setOpen] = useState(first);
  return (
    <details open={open || bad} onToggle={(e) => setOpen(e.currentTarget.open)} className="group border-t border-line pt-3">
      <summary className="target flex list-none items-center gap-1.5 text-sm font-medium [&::-webkit-details-marker]:hidden"><ChevronRight aria-hidden className="size-4 text-faint transition-transform group-open:rotate-90" />{title}</summary>
      <div className={cx("grid items-start gap-4 pt-4", two && "sm:grid-cols-2")}>{children}</div>
    </details>
  );
}
