import { useState } from "react";
import { t } from "../text/kit";
import { splitCommand } from "./command";
import { Field, TextArea, type FieldProps } from "./Field";

/** A command as one line, with the arguments that it is shown below. It starts with a text and then keeps its own. */
export function CommandField({ text: first, onChange, ...field }: Omit<FieldProps, "children" | "hint"> & { text: string; onChange: (text: string, argv: string[] | null) => void }) {
  const [text, setText] = useState(first);
  const argv = splitCommand(text);
  return (
    <div className="flex flex-col gap-2">
      <Field {...field} hint={t("commandHint")} error={argv ? field.error : t("openQuote")}>
        {(ids) => (
          <TextArea
            {...ids} mono rows={1} spellCheck={false} autoComplete="off" autoCapitalize="off" placeholder="/opt/jobs/report.sh --full" className="field-sizing-content resize-none" value={text}
            onChange={(e) => { setText(e.target.value); onChange(e.target.value, splitCommand(e.target.value)); }}
            // One line is the usual; Shift with Enter begins another one, for an argument of several lines.
            onKeyDown={(e) => {
              if (e.key !== "Enter" || e.shiftKey || e.nativeEvent.isComposing) return;
              e.preventDefault();
              e.currentTarget.form?.requestSubmit();
            }}
          />
        )}
      </Field>
      {argv?.length ? (
        <ol aria-label={t("arguments")} className="flex flex-wrap gap-1 font-mono text-xs">
          {argv.map((a, i) => <li key={i} className="min-h-5 min-w-2 rounded-sm bg-press px-1 py-0.5 [overflow-wrap:anywhere] whitespace-pre-wrap">{a}</li>)}
        </ol>
      ) : null}
    </div>
  );
}
