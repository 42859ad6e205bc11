import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState, type FormEvent } from "react";
import { api, ok, problemOf, type Schema } from "../../api/client";
import { parse, stringify } from "../../api/exact";
import { Button } from "../../kit/Button";
import { quote } from "../../kit/quote";
import { CopyAs } from "../../kit/CopyAs";
import { Dialog } from "../../kit/Dialog";
import { CheckBox, Field, Input, TextArea } from "../../kit/Field";
import { Fold } from "../../kit/Fold";
import { jobTypesQuery } from "../../kit/jobtypes";
import { Select } from "../../kit/Select";
import { check, initial, isRecord, kindOf, type JsonSchema } from "../../kit/schema";
import { SchemaForm } from "../../kit/SchemaForm";
import { FormError } from "../../kit/States";
import { toast } from "../../kit/toast";
import { focusWrong } from "../../kit/wrong";
import { shownZone } from "../../kit/zonechoice";
import { t as kit } from "../../text/kit";
import { t } from "../../text/queue";
import { useWorkflows, workflowId } from "../workflows/choice";
import { flags, noExtras, toInput, wrongAt } from "./extras";
import { MoreFields } from "./MoreFields";

/** Asks for one number. */
export function NumberDialog({ title, label, hint, value, max, action, onClose, onDone }: { title: string; label: string; hint: string; value: number; max: number; action: string; onClose: () => void; onDone: (n: number) => void }) {
  const [text, setText] = useState(String(value));
  const n = /^\d+$/.test(text) ? Number(text) : NaN;
  const fits = n >= 0 && n <= max;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (!fits) return;
    onDone(n);
    onClose();
  };
  return (
    <Dialog open onClose={onClose} title={title} footer={<Button look="primary" type="submit" form="number" disabled={!fits}>{action}</Button>}>
      <form id="number" onSubmit={submit}>
        <Field label={label} hint={hint} error={fits || text === "" ? undefined : kit("tooLarge", { n: max })}>{(ids) => <Input {...ids} autoFocus inputMode="numeric" value={text} onChange={(e) => setText(e.target.value)} onFocus={(e) => e.currentTarget.select()} />}</Field>
      </form>
    </Dialog>
  );
}

type Source = { id: string; label: string; off: string; schema: JsonSchema | null; body: Partial<Schema<"JobInput">>; params: Record<string, unknown> };

function useSources(): { sources: Source[]; loading: boolean } {
  const types = useQuery(jobTypesQuery);
  const templates = useQuery({ queryKey: ["templates", "all"], queryFn: ({ signal }) => ok(api.GET("/api/job-templates", { signal, params: { query: { limit: 200 } } })) });
  const offOf = (type: string) => types.data?.items.find((x) => x.job_type === type && !x.enabled)?.hint ?? "";
  const called = (name: string, type: string) => (offOf(type) ? t("typeOff", { name }) : name);
  const schemaOf = (type: string) => types.data?.items.find((x) => x.job_type === type)?.params_schema as JsonSchema | undefined;
  return {
    loading: types.isPending || templates.isPending,
    sources: [
      ...(templates.data?.items ?? []).map((x): Source => ({ id: x.template_id, label: called(t("template", { name: x.name }), x.job_type), off: offOf(x.job_type), schema: (x.params_schema as JsonSchema | null) ?? schemaOf(x.job_type) ?? null, body: { template_id: x.template_id }, params: x.params })),
      ...(types.data?.items ?? []).map((x): Source => ({ id: x.job_type, label: called(x.job_type, x.job_type), off: offOf(x.job_type), schema: x.params_schema as JsonSchema, body: { job_type: x.job_type }, params: {} })),
    ],
  };
}

/** Adds a job from a template or a job type. */
export function AddDialog({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const { sources, loading } = useSources();
  const [chosen, setChosen] = useState("");
  const source = sources.find((s) => s.id === chosen) ?? sources.find((s) => s.id === "command" && !s.off) ?? sources.find((s) => !s.off) ?? sources[0];
  return (
    <Dialog open onClose={onClose} wide title={t("addTitle")}>
      <div className="flex flex-col gap-4">
        <Field label={t("from")}>{(ids) => <Select {...ids} value={source?.id ?? ""} onChange={setChosen} options={sources.map((s) => ({ value: s.id, label: s.label }))} />}</Field>
        {source?.off ? <p role="note" className="rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">{t("typeOffWhy", { hint: source.off })}</p> : null}
        {source && !source.off && !loading ? <AddForm key={source.id} source={source} onClose={onClose} onDone={(name) => {
          toast({ text: t("added", { name }) });
          void client.invalidateQueries({ queryKey: ["queue"] });
          onClose();
        }} /> : null}
      </div>
    </Dialog>
  );
}

function AddForm({ source, onClose, onDone }: { source: Source; onClose: () => void; onDone: (name: string) => void }) {
  const formed = source.schema && kindOf(source.schema) === "object" ? source.schema : null;
  const begin = { ...(formed ? (initial(formed) as Record<string, unknown>) : {}), ...source.params };
  const [params, setParams] = useState<Record<string, unknown>>(begin);
  const [text, setText] = useState(() => stringify(begin, 2));
  const [name, setName] = useState("");
  const [top, setTop] = useState(false);
  const [extras, setExtras] = useState(noExtras);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const body = (p: Record<string, unknown>): Schema<"JobInput"> => ({ trigger: "manual", ...source.body, params: p, ...(name ? { name } : {}), ...toInput(extras, shownZone()), ...(top ? { top } : {}) });
  // What must be filled in comes first, what is rarely wanted last.
  const part = (first: boolean): JsonSchema | null => {
    const all = Object.entries(formed?.properties ?? {});
    const must = formed?.required?.length ? all.filter(([k]) => formed.required?.includes(k)) : all;
    const some = first ? must : all.filter((x) => !must.includes(x));
    return some.length > 0 ? { ...formed, properties: Object.fromEntries(some) } : null;
  };
  const place = useRef<HTMLFormElement>(null);
  const add = useMutation({ mutationFn: (p: Record<string, unknown>) => ok(api.POST("/api/jobs", { body: body(p) })), onSuccess: (j) => onDone(j.name) });
  useEffect(() => {
    if (add.error) focusWrong(place.current);
  }, [add.error]);
  // What the server finds wrong with a field is shown at it.
  const wrong = add.error ? problemOf(add.error).fields : [];
  const refused = Object.fromEntries(wrong.filter((f) => /^#?\/params\//.test(f.pointer)).map((f) => [f.pointer.replace(/^#?\/params/, ""), f.detail]));
  const workflows = useWorkflows(Object.values(formed?.properties ?? {}).some((x) => x.format === workflowId));
  const said = { ...refused, ...errors };
  // What was said of values that are no longer there goes; what is still wrong stays.
  const fill = (p: Record<string, unknown>) => {
    setParams(p);
    if (add.error) add.reset();
    const now = formed ? check(formed, p) : {};
    setErrors((old) => Object.fromEntries(Object.entries(now).filter(([at]) => at in old)));
  };
  const fields = (schema: JsonSchema) => <SchemaForm schema={schema} value={params} onChange={fill} errors={said} choices={{ [workflowId]: workflows ?? [] }} />;
  const must = part(true);
  const others = part(false);
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    add.reset();
    const form = e.currentTarget;
    let p = params;
    if (!formed) {
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
    const wrong = formed ? check(formed, p) : {};
    setErrors(wrong);
    if (Object.keys(wrong).length === 0) add.mutate(p);
    else focusWrong(form);
  };
  const cli = `runsheet job add ${source.body.template_id ? `--template ${source.body.template_id}` : `--type ${source.body.job_type ?? ""}`} --params ${quote(stringify(params))}${flags(body(params))}`;
  return (
    <form ref={place} onSubmit={submit} className="flex flex-col gap-4 [&_*]:scroll-mb-20">
      <Field label={t("name")} optional error={wrongAt(wrong, "/name")}>{(ids) => <Input {...ids} autoFocus maxLength={200} value={name} onChange={(e) => setName(e.target.value)} />}</Field>
      {formed ? must && fields(must) : <Field label={t("params")} hint={t("paramsJson")} error={errors[""] ?? wrongAt(wrong, "/params")}>{(ids) => <TextArea {...ids} mono rows={8} spellCheck={false} value={text} onChange={(e) => setText(e.target.value)} />}</Field>}
      {others ? <Fold title={t("otherInput")} bad={Object.keys(said).some((p) => (p.split("/")[1] ?? "") in (others.properties ?? {}))}>{fields(others)}</Fold> : null}
      <MoreFields added value={extras} onChange={setExtras} wrong={wrong} />
      <CheckBox label={t("top")} checked={top} onChange={setTop} />
      <FormError error={add.error} />
      <div className="sticky -bottom-4 z-10 -mx-5 -mb-4 flex justify-end gap-2 rounded-b-lg border-t border-line bg-raised px-5 py-3">
        <CopyAs action={{ cli, method: "POST", path: "/api/jobs", body: body(params) }} />
        <Button onClick={onClose}>{kit("cancel")}</Button>
        <Button type="submit" look="primary" busy={add.isPending}>{t("addAndClose")}</Button>
      </div>
    </form>
  );
}
