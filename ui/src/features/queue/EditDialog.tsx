import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState, type FormEvent } from "react";
import { answer, api, ok, problemOf, type Schema } from "../../api/client";
import { parse, stringify } from "../../api/exact";
import { Button } from "../../kit/Button";
import { quote } from "../../kit/quote";
import { CopyAs } from "../../kit/CopyAs";
import { Dialog } from "../../kit/Dialog";
import { Field, Input, TextArea } from "../../kit/Field";
import { jobTypesQuery } from "../../kit/jobtypes";
import { check, isRecord, kindOf, type JsonSchema } from "../../kit/schema";
import { SchemaForm } from "../../kit/SchemaForm";
import { focusWrong } from "../../kit/wrong";
import { shownZone } from "../../kit/zonechoice";
import { ErrorState, FormError, Loading } from "../../kit/States";
import { t as kit } from "../../text/kit";
import { t } from "../../text/queue";
import { extrasOf, flags, toPatch, wrongAt } from "./extras";
import { mergePatch, type Job } from "./model";
import { MoreFields } from "./MoreFields";

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
  const types = useQuery(jobTypesQuery);
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

function Form({ job, etag, schema, onClose }: { job: Job; etag: string; schema: JsonSchema | null; onClose: () => void }) {
  const client = useQueryClient();
  const formed = schema && kindOf(schema) === "object" ? schema : null;
  const fixed = job.attempt > 0 || job.job_type === "workflow";
  const [name, setName] = useState(job.name);
  const zone = shownZone();
  const [extras, setExtras] = useState(() => extrasOf(job, zone));
  const [params, setParams] = useState<Record<string, unknown>>(job.params);
  const [text, setText] = useState(() => stringify(job.params, 2));
  const [errors, setErrors] = useState<Record<string, string>>({});
  const patch = (p: Record<string, unknown>): Schema<"JobPatch"> => {
    const change = fixed ? null : mergePatch(job.params, p);
    return { ...(name === job.name ? {} : { name }), ...toPatch(extras, extrasOf(job, zone), zone), ...(change ? { params: change } : {}) };
  };
  const place = useRef<HTMLFormElement>(null);
  const save = useMutation({
    mutationFn: (body: Schema<"JobPatch">) => ok(api.PATCH("/api/jobs/{job_id}", { params: { path: { job_id: job.job_id }, header: { "If-Match": etag } }, body })),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["queue"] });
      onClose();
    },
  });
  useEffect(() => {
    if (save.error) focusWrong(place.current);
  }, [save.error]);
  const wrongFields = save.error ? problemOf(save.error).fields : [];
  const refused = Object.fromEntries(wrongFields.filter((f) => /^#?\/params\//.test(f.pointer)).map((f) => [f.pointer.replace(/^#?\/params/, ""), f.detail]));
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
  const cli = `runsheet job edit ${job.job_id}${body.params ? ` --params ${quote(stringify(body.params))}` : ""}${flags(body)}`;
  const conflict = save.error && problemOf(save.error).status === 412;
  return (
    <form ref={place} onSubmit={submit} className="flex flex-col gap-4">
      <Field label={t("name")} error={wrongAt(wrongFields, "/name")}>{(ids) => <Input {...ids} autoFocus required maxLength={200} value={name} onChange={(e) => setName(e.target.value)} />}</Field>
      {fixed ? <Field label={t("params")} hint={t("locked")}>{(ids) => <TextArea {...ids} mono readOnly rows={6} value={text} />}</Field>
        : formed ? <SchemaForm schema={formed} value={params} onChange={setParams} errors={{ ...refused, ...errors }} />
        : <Field label={t("params")} hint={t("paramsJson")} error={errors[""] ?? wrongAt(wrongFields, "/params")}>{(ids) => <TextArea {...ids} mono rows={8} spellCheck={false} value={text} onChange={(e) => setText(e.target.value)} />}</Field>}
      <MoreFields added={false} value={extras} onChange={setExtras} wrong={wrongFields} />
      {conflict ? <p role="alert" className="rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">{t("changedMeanwhile")}</p> : <FormError error={save.error} />}
      <div className="flex justify-end gap-2">
        <CopyAs action={{ cli, method: "PATCH", path: `/api/jobs/${job.job_id}`, body }} />
        <Button onClick={onClose}>{kit("cancel")}</Button>
        <Button type="submit" look="primary" busy={save.isPending}>{t("save")}</Button>
      </div>
    </form>
  );
}
