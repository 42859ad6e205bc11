import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { answer, api, ok, problemOf, type Schema } from "../../api/client";
import { parse, stringify } from "../../api/exact";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Dialog } from "../../kit/Dialog";
import { Field, Input, Select, TextArea } from "../../kit/Field";
import { check, isRecord, kindOf, type JsonSchema } from "../../kit/schema";
import { SchemaForm } from "../../kit/SchemaForm";
import { focusWrong } from "../../kit/wrong";
import { ErrorState, FormError, Loading } from "../../kit/States";
import { t as kit } from "../../text/kit";
import { t } from "../../text/queue";
import { mergePatch, type Job } from "./model";

/** Changes what may be changed while a job waits; also its input, before the first attempt. */
export function EditDialog({ id, name, onClose }: { id: string; name: string; onClose: () => void }) {
  // As it is now, with its ETag and with numbers as they were written.
  const job = useQuery({
    queryKey: ["job", id, "edit"], staleTime: 0, gcTime: 0, refetchOnMount: "always",
    queryFn: async ({ signal }) => {
      const a = await answer(api.GET("/api/jobs/{job_id}", { signal, params: { path: { job_id: id } }, parseAs: "text" }));
      return { job: parse(a.data as unknown as string) as Job, etag: a.response.headers.get("ETag") ?? "" };
    },
  });
  const types = useQuery({ queryKey: ["job-types"], queryFn: ({ signal }) => ok(api.GET("/api/job-types", { signal })) });
  // An event of this job must not pull the form from under the hands.
  const [begun, setBegun] = useState<typeof job.data>(undefined);
  if (job.data && !begun) setBegun(job.data);
  const type = types.data?.items.find((x) => x.job_type === begun?.job.job_type);
  return (
    <Dialog open wide onClose={onClose} title={t("editTitle", { name })}>
      {job.error ? <ErrorState error={job.error} onRetry={() => void job.refetch()} /> : begun && !types.isPending ? <Form job={begun.job} etag={begun.etag} schema={(type?.params_schema as JsonSchema | undefined) ?? null} onClose={onClose} /> : <Loading rows={4} />}
    </Dialog>
  );
}

function local(at: string | null): string {
  if (!at) return "";
  const d = new Date(at);
  return new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function Form({ job, etag, schema, onClose }: { job: Job; etag: string; schema: JsonSchema | null; onClose: () => void }) {
  const client = useQueryClient();
  const formed = schema && kindOf(schema) === "object" ? schema : null;
  const fixed = job.attempt > 0 || job.job_type === "workflow";
  const [name, setName] = useState(job.name);
  const [priority, setPriority] = useState(String(job.priority));
  const [runAt, setRunAt] = useState(local(job.run_at));
  const [params, setParams] = useState<Record<string, unknown>>(job.params);
  const [text, setText] = useState(() => stringify(job.params, 2));
  const [errors, setErrors] = useState<Record<string, string>>({});
  const patch = (p: Record<string, unknown>): Schema<"JobPatch"> => {
    const change = fixed ? null : mergePatch(job.params, p);
    return {
      ...(name === job.name ? {} : { name }), ...(Number(priority) === job.priority ? {} : { priority: Number(priority) }),
      ...(runAt === local(job.run_at) ? {} : { run_at: (runAt ? new Date(runAt).toISOString() : null) as string }), ...(change ? { params: change } : {}),
    };
  };
  const save = useMutation({
    mutationFn: (body: Schema<"JobPatch">) => ok(api.PATCH("/api/jobs/{job_id}", { params: { path: { job_id: job.job_id }, header: { "If-Match": etag } }, body })),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["queue"] });
      onClose();
    },
  });
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    save.reset();
    const form = e.currentTarget;
    let p = params;
    if (!formed && !fixed) {
      try {
        const v = parse(text);
        if (!isRecord(v)) throw new Error("{…}");
        p = v;
      } catch (x) {
        setErrors({ "": kit("notJson", { why: x instanceof Error ? x.message : "" }) });
        focusWrong(form);
        return;
      }
    }
    const wrong = formed && !fixed ? check(formed, p) : {};
    setErrors(wrong);
    if (Object.keys(wrong).length > 0) {
      focusWrong(form);
      return;
    }
    const body = patch(p);
    if (Object.keys(body).length > 0) save.mutate(body);
    else onClose();
  };
  const body = patch(params);
  const cli = ["runsheet job edit", job.job_id, body.name ? `--name '${body.name.replaceAll("'", `'\\''`)}'` : "", body.priority === undefined ? "" : `--priority ${body.priority}`, body.run_at ? `--run-at ${body.run_at}` : "run_at" in body ? "--unset run_at" : ""].filter(Boolean).join(" ");
  const conflict = save.error && problemOf(save.error).status === 412;
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <div className="grid gap-4 sm:grid-cols-[1fr_7rem_13rem]">
        <Field label={t("name")}>{(ids) => <Input {...ids} autoFocus required maxLength={200} value={name} onChange={(e) => setName(e.target.value)} />}</Field>
        <Field label={t("priority")}>{(ids) => <Select {...ids} value={priority} onChange={setPriority} options={Array.from({ length: 10 }, (_, i) => ({ value: String(i), label: String(i) }))} />}</Field>
        <Field label={t("runAt")} optional>{(ids) => <Input {...ids} type="datetime-local" value={runAt} onChange={(e) => setRunAt(e.target.value)} />}</Field>
      </div>
      {fixed ? <Field label={t("params")} hint={t("locked")}>{(ids) => <TextArea {...ids} mono readOnly rows={6} value={text} />}</Field>
        : formed ? <SchemaForm schema={formed} value={params} onChange={setParams} errors={errors} />
        : <Field label={t("params")} hint={t("paramsJson")} error={errors[""]}>{(ids) => <TextArea {...ids} mono rows={8} spellCheck={false} value={text} onChange={(e) => setText(e.target.value)} />}</Field>}
      {conflict ? <p role="alert" className="rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">{t("changedMeanwhile")}</p> : <FormError error={save.error} />}
      <div className="flex justify-end gap-2">
        <CopyAs action={{ cli, method: "PATCH", path: `/api/jobs/${job.job_id}`, body }} />
        <Button type="submit" look="primary" busy={save.isPending}>{t("save")}</Button>
      </div>
    </form>
  );
}
