import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { useChange } from "../../api/change";
import { api, ok } from "../../api/client";
import { stringify } from "../../api/exact";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Dialog } from "../../kit/Dialog";
import { Field, Input } from "../../kit/Field";
import type { JsonSchema } from "../../kit/schema";
import { FormError, Loading } from "../../kit/States";
import { toast } from "../../kit/toast";
import { jobTypesQuery } from "../../kit/jobtypes";
import { t as kit } from "../../text/kit";
import { t } from "../../text/templates";
import type { Template } from "./Editor";
import { ParamsField } from "./ParamsField";

/** Adds a job from a template, with params to change. */
export function RunNow({ template: it, onClose }: { template: Template; onClose: () => void }) {
  const types = useQuery(jobTypesQuery);
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [params, setParams] = useState<Record<string, unknown>>(it.params);
  const [valid, setValid] = useState(true);
  const changed = stringify(params) !== stringify(it.params);
  const body = { template_id: it.template_id, trigger: "manual" as const, ...(name ? { name } : {}), ...(changed ? { params } : {}) };
  const run = useChange(() => ok(api.POST("/api/jobs", { body })), {
    old: ["queue", "jobs", "workers"], form: true,
    done: (job) => {
      toast({ text: t("ran", { name: job.name }), action: { label: t("show"), run: () => void navigate({ to: "/queue" as never, search: { job: job.job_id } as never }) } });
      onClose();
    },
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (valid) run.mutate();
  };
  const schema = (it.params_schema ?? types.data?.items.find((x) => x.job_type === it.job_type)?.params_schema ?? null) as JsonSchema | null;
  return (
    <Dialog
      open onClose={onClose} title={t("runTitle", { name: it.name })} description={t("runText")}
      footer={
        <>
          <div className="mr-auto"><CopyAs action={{ cli: `runsheet job add --template ${it.name}${changed ? ` --params '${stringify(params)}'` : ""}`, method: "POST", path: "/api/jobs", body }} /></div>
          <Button onClick={onClose}>{kit("cancel")}</Button>
          <Button look="primary" type="submit" form="run-now" busy={run.isPending} disabled={!valid}>{t("runDo")}</Button>
        </>
      }
    >
      <form id="run-now" onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t("jobName")} optional>{(ids) => <Input {...ids} placeholder={it.name} value={name} onChange={(e) => setName(e.target.value)} />}</Field>
        {types.isPending ? <Loading rows={3} /> : <ParamsField schema={schema} value={params} onChange={setParams} onValid={setValid} />}
        <FormError error={run.error} />
      </form>
    </Dialog>
  );
}
