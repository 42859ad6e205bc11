import { useState } from "react";
import { parse, stringify } from "../../api/exact";
import { Button } from "../../kit/Button";
import { Field, TextArea } from "../../kit/Field";
import { check, isRecord, kindOf, type JsonSchema } from "../../kit/schema";
import { SchemaForm } from "../../kit/SchemaForm";
import { t } from "../../text/templates";

/** Params of a job type: as a form made from its schema, or as JSON text. */
export function ParamsField({ schema, value, onChange, onValid }: { schema: JsonSchema | null; value: Record<string, unknown>; onChange: (v: Record<string, unknown>) => void; onValid: (ok: boolean) => void }) {
  const form = schema !== null && kindOf(schema) === "object";
  const [json, setJson] = useState(!form);
  const [text, setText] = useState(() => stringify(value, 2));
  const [wrong, setWrong] = useState("");
  const change = (next: string) => {
    setText(next);
    try {
      const v = parse(next.trim() || "{}");
      if (!isRecord(v)) throw new SyntaxError("{}");
      setWrong("");
      onValid(true);
      onChange(v);
    } catch (e) {
      onValid(false);
      setWrong(t("badJson", { why: e instanceof Error ? e.message : "" }));
    }
  };
  // What is absent may come from elsewhere: the template, or the job. What is there must be right.
  const part = (v: Record<string, unknown>) => (form ? check({ ...schema, required: [] }, v) : {});
  const wrongFields = part(value);
  const changeForm = (v: Record<string, unknown>) => {
    onValid(Object.keys(part(v)).length === 0);
    onChange(v);
  };
  const flip = () => {
    if (!json) setText(stringify(value, 2));
    setJson(!json);
  };
  return (
    <div>
      <div className="flex items-center gap-2 pb-2">
        <div className="grow"><p className="text-sm font-medium">{t("params")}</p><p className="text-xs text-faint">{form ? t("paramsHint") : t("otherTab")}</p></div>
        {form ? <Button small look="ghost" disabled={wrong !== "" || (!json && Object.keys(wrongFields).length > 0)} onClick={flip}>{json ? t("asForm") : t("asJson")}</Button> : null}
      </div>
      {json || !form
        ? <Field label={`${t("params")} (JSON)`} error={wrong || undefined}>{(ids) => <TextArea {...ids} mono rows={8} spellCheck={false} value={text} onChange={(e) => change(e.target.value)} />}</Field>
        : <div className="rounded-md border border-line p-3"><SchemaForm schema={schema} value={value} onChange={changeForm} errors={wrongFields} /></div>}
    </div>
  );
}
