import { Minus, Plus } from "lucide-react";
import { useId, type ComponentPropsWithRef, type ReactNode } from "react";
import { t } from "../text/kit";
import { IconButton } from "./Button";
import { box, type Ids } from "./control";
import { cx } from "./cx";

// In files of their own, so that the first page does not load them.
export { Combobox } from "./Combobox";
export type { Option } from "./control";
export { Select } from "./Select";

export interface FieldProps {
  label: string;
  /** One sentence below. */
  hint?: ReactNode;
  error?: string | undefined;
  optional?: boolean;
  /** Gets the ids that tie the control to label, hint and error. */
  children: (ids: { id: string; "aria-describedby": string | undefined; "aria-invalid": true | undefined }) => ReactNode;
}

/** A label above a control, its hint and its error below. */
export function Field({ label, hint, error, optional, children }: FieldProps) {
  const id = useId();
  const about = hint || error ? `${id}-about` : undefined;
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
        {optional ? <span className="ml-1.5 text-xs font-normal text-faint">{t("optional")}</span> : null}
      </label>
      {children({ id, "aria-describedby": about, "aria-invalid": error ? true : undefined })}
      {about ? (
        <div id={about} className="text-xs">
          {error ? <p data-error className="text-bad">{error}</p> : null}
          {hint ? <p className="text-faint">{hint}</p> : null}
        </div>
      ) : null}
    </div>
  );
}

export function Input({ className, mono, ...rest }: ComponentPropsWithRef<"input"> & { mono?: boolean }) {
  return <input {...rest} className={cx(box, "h-8", mono && "font-mono", className)} />;
}

export function TextArea({ className, mono, ...rest }: ComponentPropsWithRef<"textarea"> & { mono?: boolean }) {
  return <textarea rows={4} {...rest} className={cx(box, "py-1.5", mono && "font-mono text-xs", className)} />;
}

/** On or off, at once. In a form with a save button use Check. */
export function Switch({ checked, onChange, disabled, ...ids }: Ids & { checked: boolean; onChange: (on: boolean) => void; disabled?: boolean }) {
  return (
    <button {...ids} type="button" role="switch" aria-checked={checked} disabled={disabled ?? false} onClick={() => onChange(!checked)} className="relative inline-flex h-5 w-9 shrink-0 items-center rounded-full border border-edge bg-press p-px transition-colors before:absolute before:-inset-3 aria-checked:border-transparent aria-checked:bg-accent disabled:cursor-not-allowed disabled:opacity-55">
      <span aria-hidden className={cx("size-4 rounded-full bg-raised shadow-sm transition-transform", checked && "translate-x-4")} />
    </button>
  );
}

/** A check box with its text. */
export function CheckBox({ label, checked, onChange, indeterminate, hidden, ...rest }: { label: string; checked: boolean; onChange: (on: boolean) => void; indeterminate?: boolean; /** The label is for screen readers only. */ hidden?: boolean } & Omit<ComponentPropsWithRef<"input">, "onChange" | "checked" | "hidden">) {
  return (
    <label className="inline-flex cursor-pointer items-center gap-2 text-sm">
      <input {...rest} type="checkbox" checked={checked} ref={(el) => { if (el) el.indeterminate = indeterminate ?? false; }} onChange={(e) => onChange(e.target.checked)} className="size-4" />
      <span className={hidden ? "sr-only" : undefined}>{label}</span>
    </label>
  );
}

/** A small number with buttons. */
export function Stepper({ label, value, min = 0, max = 1_000_000, onChange, disabled, why }: { label: string; value: number; min?: number; max?: number; onChange: (n: number) => void; disabled?: boolean; why?: string }) {
  const off = disabled ?? false;
  return (
    <div role="group" aria-label={label} className="inline-flex items-center rounded-md border border-edge">
      <IconButton small icon={Minus} label={`${label}: ${t("decrease")}`} disabled={off || value <= min} {...(why ? { why } : {})} onClick={() => onChange(value - 1)} className="border-0" />
      <output className="min-w-7 px-1 text-center text-sm font-medium">{value}</output>
      <IconButton small icon={Plus} label={`${label}: ${t("increase")}`} disabled={off || value >= max} {...(why ? { why } : {})} onClick={() => onChange(value + 1)} className="border-0" />
    </div>
  );
}
