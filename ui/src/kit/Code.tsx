import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { t } from "../text/kit";
import { IconButton } from "./Button";
import { cx } from "./cx";
import { copyText } from "./Values";

/** A text as it is, with a button that copies it; it scrolls by itself when it is long. */
export function Code({ text, label, tall }: { text: string; label: string; tall?: boolean }) {
  const [done, setDone] = useState(false);
  return (
    <div className="relative rounded-md border border-line bg-panel">
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keys */}
      <pre tabIndex={0} role="region" aria-label={label} className={cx("overflow-auto p-3 pr-10 font-mono text-xs whitespace-pre-wrap [overflow-wrap:anywhere]", tall ? "max-h-[60vh]" : "max-h-72")}>{text}</pre>
      <IconButton small icon={done ? Check : Copy} label={t("copy")} onClick={() => void copyText(text).then(() => setDone(true))} className="absolute top-1.5 right-1.5" />
    </div>
  );
}
