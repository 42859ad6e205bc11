import { ChevronsUpDown } from "lucide-react";
import { t } from "../text/kit";
import { box, type Ids, type Option } from "./control";
import { cx } from "./cx";

/** One of a few: the browser's own list, which phones and readers know best. */
export function Select({ options, value, onChange, placeholder, className, small, disabled, ...ids }: Ids & { options: readonly Option[]; value: string; onChange: (v: string) => void; placeholder?: string; className?: string; small?: boolean; disabled?: boolean }) {
  const known = options.some((o) => o.value === value);
  return (
    <span className={cx("relative block", className)}>
      <select {...ids} value={known ? value : ""} disabled={disabled ?? false} onChange={(e) => onChange(e.target.value)} className={cx(box, "appearance-none truncate pr-7", small ? "h-7" : "h-8", known ? "" : "text-faint")}>
        {known ? null : <option value="" disabled>{placeholder ?? t("choose")}</option>}
        {options.map((o) => <option key={o.value} value={o.value}>{o.hint ? `${o.label} · ${o.hint}` : o.label}</option>)}
      </select>
      <ChevronsUpDown aria-hidden className="pointer-events-none absolute top-1/2 right-2 size-3.5 -translate-y-1/2 text-faint" />
    </span>
  );
}
