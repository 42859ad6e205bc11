import { LoaderCircle, type LucideIcon } from "lucide-react";
import type { ComponentPropsWithRef } from "react";
import { cx } from "./cx";
import { Tooltip } from "./Tooltip";

export type ButtonLook = "primary" | "plain" | "ghost" | "danger";

const looks: Record<ButtonLook, string> = {
  primary: "bg-accent text-accent-fg hover:bg-accent-hover border-transparent font-medium",
  plain: "bg-raised text-fg border-line-strong hover:bg-hover",
  ghost: "bg-transparent text-dim border-transparent hover:bg-hover hover:text-fg",
  danger: "bg-raised text-bad border-line-strong hover:bg-bad-soft",
};

export interface ButtonProps extends ComponentPropsWithRef<"button"> {
  /** One primary per page. */
  look?: ButtonLook;
  icon?: LucideIcon;
  small?: boolean;
  /** Work goes on: the button cannot be pressed and shows it. */
  busy?: boolean;
  /** Why it cannot be used; it is then disabled, but can be focused, and shows the reason. */
  why?: string;
}

/** A button with text. */
export function Button({ look = "plain", icon: Icon, small, busy, why, className, children, disabled, onClick, type = "button", ...rest }: ButtonProps) {
  const off = disabled || busy || !!why;
  const it = (
    <button
      {...rest}
      type={type}
      disabled={off && !why}
      aria-disabled={why ? true : undefined}
      aria-busy={busy || undefined}
      onClick={why ? (e) => e.preventDefault() : onClick}
      className={cx(
        "target inline-flex shrink-0 select-none items-center justify-center gap-1.5 whitespace-nowrap rounded-md border text-sm transition-colors",
        small ? "h-7 px-2" : "h-8 px-3", looks[look], off && "cursor-not-allowed opacity-55", className,
      )}
    >
      {busy ? <LoaderCircle aria-hidden className="size-4 animate-spin" /> : Icon ? <Icon aria-hidden className="size-4" strokeWidth={1.75} /> : null}
      {children}
    </button>
  );
  // Always in it: what is put around a button makes it anew, and the focus is gone.
  return <Tooltip text={why}>{it}</Tooltip>;
}

export interface IconButtonProps extends Omit<ButtonProps, "children" | "icon"> {
  icon: LucideIcon;
  /** Says what it does; shown as a tooltip too. */
  label: string;
  /** Keys that do the same, shown in the tooltip. */
  keys?: string;
}

/** A button with an icon only; its label is a tooltip. */
export function IconButton({ icon: Icon, label, keys, look = "ghost", small, busy, why, className, disabled, onClick, type = "button", ...rest }: IconButtonProps) {
  const off = disabled || busy || !!why;
  return (
    <Tooltip text={why ?? label} keys={why ? undefined : keys}>
      <button
        {...rest}
        type={type}
        aria-label={label}
        disabled={off && !why}
        aria-disabled={why ? true : undefined}
        onClick={why ? (e) => e.preventDefault() : onClick}
        className={cx("target inline-flex shrink-0 items-center justify-center rounded-md border transition-colors", small ? "size-6" : "size-8", looks[look], off && "cursor-not-allowed opacity-55", className)}
      >
        <Icon aria-hidden className={cx("size-4", busy && "animate-spin")} strokeWidth={1.75} />
      </button>
    </Tooltip>
  );
}
