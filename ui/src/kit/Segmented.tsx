import { useId } from "react";
import { cx } from "./cx";

/** One of two to five short choices, all seen at once. */
export function Segmented({ label, options, value, onChange, className }: { label: string; options: readonly { value: string; label: string }[]; value: string; onChange: (v: string) => void; className?: string }) {
  const name = useId();
  return (
    <div role="radiogroup" aria-label={label} className={cx("inline-flex max-w-full flex-wrap self-start rounded-md border border-line-strong p-px", className)}>
      {options.map((o) => (
        <label key={o.value} className={cx("target inline-flex h-6.5 cursor-pointer items-center justify-center rounded-[5px] px-2.5 text-sm whitespace-nowrap has-focus-visible:outline-2 has-focus-visible:outline-accent", o.value === value ? "bg-press font-medium text-fg" : "text-dim hover:text-fg")}>
          <input type="radio" name={name} value={o.value} checked={o.value === value} onChange={() => onChange(o.value)} className="sr-only" />
          {o.label}
        </label>
      ))}
    </div>
  );
}
