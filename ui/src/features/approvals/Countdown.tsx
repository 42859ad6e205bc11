import { duration } from "../../kit/format";
import { useNow } from "../../kit/Values";
import { cx } from "../../kit/cx";
import { t } from "../../text/approvals";
import type { Approval } from "./api";

/** A ring that empties until the request expires, with the time that is left. */
export function Countdown({ a, large }: { a: Approval; large?: boolean }) {
  const now = useNow();
  const end = Date.parse(a.expires_at);
  const left = Math.max(0, end - now);
  const part = Math.min(1, left / Math.max(1, end - Date.parse(a.requested_at)));
  const soon = left < 15 * 60_000 || part < 0.1;
  const around = 2 * Math.PI * 7;
  return (
    <span className={cx("inline-flex items-center gap-1.5 whitespace-nowrap", soon ? "text-bad" : "text-dim", large && "text-base font-medium")} title={t("expiresAt", { at: new Date(end).toLocaleString() })}>
      <svg aria-hidden viewBox="0 0 18 18" className={large ? "size-5" : "size-4"}>
        <circle cx="9" cy="9" r="7" fill="none" stroke="var(--line-strong)" strokeWidth="2.5" />
        <circle cx="9" cy="9" r="7" fill="none" stroke="currentColor" strokeWidth="2.5" strokeDasharray={`${around * part} ${around}`} transform="rotate(-90 9 9)" />
      </svg>
      {left === 0 ? t("over") : t("left", { time: duration(Math.floor(left / 1000) * 1000) })}
    </span>
  );
}
