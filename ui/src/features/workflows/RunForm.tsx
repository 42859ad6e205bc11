import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useRef, useState } from "react";
import { api, ok, problemOf } from "../../api/client";
import { stringify } from "../../api/exact";
import { Button } from "../../kit/Button";
import { quote } from "../../kit/quote";
import { CopyAs } from "../../kit/CopyAs";
import { Dialog } from "../../kit/Dialog";
import { CheckBox, Field, Input } from "../../kit/Field";
import { check, initial } from "../../kit/schema";
import { SchemaForm } from "../../kit/SchemaForm";
import { ErrorState, FormError, Loading } from "../../kit/States";
import { toast } from "../../kit/toast";
import { focusWrong } from "../../kit/wrong";
import { t } from "../../text/workflows";
import { formOf, inputsOf } from "./inputs";
import { workflowQuery } from "./queries";

/** Starts a run; the form is made from the inputs that the active version declares. */
export function RunForm({ workflowId, name, onClose }: { workflowId: string; name: string; onClose: () => void }) {
  const q = useQuery(workflowQuery(workflowId));
  return (
    <>
      {q.data ? <Form workflowId={workflowId} name={name} definition={q.data.definition} onClose={onClose} /> : (
        <Dialog open onClose={onClose} title={t("runNamed", { name })}>{q.error ? <ErrorState error={q.error} onRetry={() => void q.refetch()} /> : <Loading rows={3} />}</Dialog>
      )}
    </>
  );
}

function Form({ workflowId, name, definition, onClose }: { workflowId: string; name: string; definition: unknown; onClose: () => void }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const inputs = useMemo(() => inputsOf(definition), [definition]);
  const schema = useMemo(() => formOf(inputs.filter((i) => !i.secret)), [inputs]);
  const secret = inputs.filter((i) => i.secret);
  const [value, setValue] = useState(() => initial(schema) as Record<string, unknown>);
  const [secrets, setSecrets] = useState<Record<string, string>>({});
  const [runName, setRunName] = useState("");
  const [hold, setHold] = useState(false);
  const [shown, setShown] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const wrong = check(schema, value);
  for (const i of inputs) if (i.required && !i.secret && value[i.name] === "") wrong[`/${i.name}`] = t("required");
  const body = { trigger: "manual" as const, inputs: { ...value, ...Object.fromEntries(Object.entries(secrets).filter(([, v]) => v !== "")) }, ...(runName ? { name: runName } : {}), ...(hold ? { hold: true } : {}) };
  const run = useMutation({
    mutationFn: () => ok(api.POST("/api/workflows/{workflow_id}/run", { params: { path: { workflow_id: workflowId } }, body })),
    onSuccess: (d) => {
      void client.invalidateQueries({ queryKey: ["workflow-runs"] });
      toast({ text: t("runStarted") });
      onClose();
      void navigate({ to: "/workflow-runs/$id", params: { id: d.workflow_run_id } });
    },
  });
  // What the server finds wrong with an input is shown at it.
  const refused = run.error ? Object.fromEntries(problemOf(run.error).fields.map((f) => [f.pointer.replace(/^#?\/inputs/, ""), f.detail])) : {};
  const cli = `runsheet workflow run ${workflowId}${Object.entries(value).map(([k, v]) => ` --input ${quote(`${k}=${typeof v === "string" ? v : stringify(v)}`)}`).join("")}`;
  const send = () => {
    setShown(true);
    run.reset();
    if (Object.keys(wrong).length === 0) run.mutate();
    else focusWrong(form.current);
  };
  return (
    <Dialog
      open onClose={onClose} title={t("runNamed", { name })} description={t("runText")}
      footer={<><CopyAs action={{ cli, method: "POST", path: `/api/workflows/${workflowId}/run`, body: { ...body, inputs: value } }} /><Button onClick={onClose}>{t("back")}</Button><Button look="primary" busy={run.isPending} onClick={send}>{t("run")}</Button></>}
    >
      <form
        ref={form} className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault();
          send();
        }}
      >
        {inputs.length === 0 ? <p className="text-sm text-dim">{t("noInputsDeclared")}</p> : null}
        <SchemaForm schema={schema} value={value} onChange={setValue} errors={shown ? { ...wrong, ...refused } : refused} />
        {secret.map((i) => (
          <Field key={i.name} label={i.name} hint={i.schema.description ?? t("secretHint")} optional={!i.required} error={refused[`/${i.name}`]}>
            {(ids) => <Input {...ids} type="password" autoComplete="off" value={secrets[i.name] ?? ""} onChange={(e) => setSecrets({ ...secrets, [i.name]: e.target.value })} />}
          </Field>
        ))}
        <Field label={t("runName")} optional hint={t("runNameHint")}>{(ids) => <Input {...ids} maxLength={200} value={runName} onChange={(e) => setRunName(e.target.value)} />}</Field>
        <CheckBox label={t("hold")} checked={hold} onChange={setHold} />
        <FormError error={run.error} />
        <button type="submit" hidden aria-hidden tabIndex={-1} />
      </form>
    </Dialog>
  );
}
