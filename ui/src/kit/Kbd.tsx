import { cx } from "./cx";

/** Keys, separated by blanks: "g q", "Alt+Up". */
export function Kbd({ keys, plain }: { keys: string; plain?: boolean }) {
  return (
    <span className="inline-flex gap-0.5">
      {keys.split(" ").map((k, i) => (
        <kbd key={i} className={cx("rounded-sm border px-1 font-sans text-xs leading-4", plain ? "border-current/30" : "border-line-strong bg-panel text-dim")}>{k}</kbd>
      ))}
    </span>
  );
}
