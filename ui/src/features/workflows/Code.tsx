import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { stringify } from "../../api/exact";
import { IconButton } from "../../kit/Button";
import { cx } from "../../kit/cx";
import { copyText } from "../../kit/Values";
import { t } from "../../text/workflows";

/** A text in fixed pitch that can be copied. It scrolls in itself, and can be reached by Tab for that. */
export function Code({ text, label, className }: { text: string; label: string; className?: string }) {
  const [done, setDone] = useState(false);
  return (
    <div className={cx("relative min-w-0 rounded-md border border-line bg-panel", className)}>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} role="region" aria-label={label} className="max-h-[60vh] overflow-auto p-3 pr-10 font-mono text-xs leading-5 whitespace-pre-wrap [overflow-wrap:anywhere]">{text}</pre>
      <span className="absolute top-1 right-1 rounded-md bg-panel"><IconButton small icon={done ? Check : Copy} label={t("copy")} onClick={() => void copyText(text).then(() => setDone(true))} /></span>
    </div>
  );
}

/** A value as JSON with all digits of its numbers. */
export function JsonCode({ value, label }: { value: unknown; label: string }) {
  return <Code text={stringify(value, 2)} label={label} />;
}
