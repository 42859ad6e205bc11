import { Check, Copy, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { t } from "../text/kit";
import { Button } from "./Button";
import { copyText } from "./Values";

/** A secret that is shown this once, with a button that copies it. */
export function Once({ warning, label, text }: { warning: string; label: string; text: string }) {
  const [done, setDone] = useState(false);
  return (
    <div className="flex flex-col gap-2">
      <p className="flex items-start gap-2 rounded-md bg-warn-soft px-3 py-2 text-sm text-warn"><TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" strokeWidth={1.75} />{warning}</p>
      <div className="rounded-md border border-line bg-panel">
        <p className="flex items-center gap-2 border-b border-line py-1 pr-1 pl-3 text-xs text-faint">
          <span className="grow">{label}</span>
          <Button small look="ghost" icon={done ? Check : Copy} onClick={() => void copyText(text).then(() => setDone(true))}>{done ? t("copied") : t("copy")}</Button>
        </p>
        <pre data-once className="overflow-x-auto px-3 py-2 font-mono text-xs whitespace-pre-wrap [overflow-wrap:anywhere]">{text}</pre>
      </div>
    </div>
  );
}
