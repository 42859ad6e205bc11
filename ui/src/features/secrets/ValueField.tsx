import { useState } from "react";
import { cx } from "../../kit/cx";
import { CheckBox, Field, TextArea } from "../../kit/Field";
import { t } from "../../text/secrets";

/** Where a value is typed or pasted, with its lines, unseen unless wanted. Whoever holds the text drops it when it is saved. */
export function ValueField({ label, value, onChange, focus }: { label: string; value: string; onChange: (v: string) => void; focus?: boolean }) {
  const [seen, setSeen] = useState(false);
  return (
    <div className="flex flex-col gap-1.5">
      <Field label={label} hint={t("valueHint")}>{(ids) => <TextArea {...ids} mono rows={3} autoFocus={focus} autoComplete="off" autoCapitalize="none" spellCheck={false} data-1p-ignore value={value} onChange={(e) => onChange(e.target.value)} className={cx(!seen && "[-webkit-text-security:disc]")} />}</Field>
      <CheckBox label={t("show")} checked={seen} onChange={setSeen} />
    </div>
  );
}

/** The text as it is kept: without one line break at its end. */
export function valueOf(text: string): string {
  return text.replace(/\r?\n$/, "");
}
