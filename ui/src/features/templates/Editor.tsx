import { useQuery } from "@tanstack/react-query";
import { useState, type FormEvent, type ReactNode } from "react";
import { patchOf, useChange } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { parse, stringify } from "../../api/exact";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Drawer } from "../../kit/Dialog";
import { Field, Input, TextArea } from "../../kit/Field";
import { Select } from "../../kit/Select";
import { isRecord, type JsonSchema } from "../../kit/schema";
import { jobTypesQuery } from "../../kit/jobtypes";
import { FormError, Loading } from "../../kit/States";
import { pairs } from "../../kit/labels";
import { t as kit } from "../../text/kit";
import { t } from "../../text/templates";
import { ParamsField } from "./ParamsField";

export type Template = Schema<"JobTemplate">;

export const directivesQuery = { queryKey: ["directives", "names"], queryFn: ({ signal }: { signal: AbortSignal }) => ok(api.GET("/api/directives", { signal, params: { query: { limit: 200 } } })) };

/** What is edited, as texts. */
interface Draft { name: string; type: string; description: string; params: Record<string, unknown>; priority: string; directive: string; timeout: string; deadline: string; attempts: string; backoff: string; initial: string; crash: string; locks: string; maxRunning: string; labels: string; webhook: string; schema: string }

function draftOf(it: Template | null, copy: boolean): Draft {
  return {
    name: it ? (copy ? `${it.name}-copy` : it.name) : "", type: it?.job_type ?? "command", description: it?.description ?? "", params: it?.params ?? {}, priority: String(it?.priority ?? 5), directive: it?.directive_id ?? "", timeout: it?.timeout ?? "", deadline: it?.start_deadline ?? "",
    attempts: String(it?.retry_policy.max_attempts ?? 1), backoff: it?.retry_policy.backoff ?? "exponential", initial: it?.retry_policy.initial ?? "PT10S", crash: it?.crash_policy ?? "", locks: (it?.locks ?? []).join(", "), maxRunning: it?.limits.max_running ? String(it.limits.max_running) : "",
    labels: pairs(it?.labels ?? {}).join(", "), webhook: it?.webhook_url ?? "", schema: it?.params_schema ? stringify(it.params_schema, 2) : "",
  };
}

const list = (text: string) => text.split(",").map((s) => s.trim()).filter(Boolean);

// The body that the draft means. A merge patch needs null for what is taken away.
function bodyOf(d: Draft, was: Template | null): Schema<"JobTemplateInput"> {
  const none = was ? null : undefined;
  const labels: Record<string, string | null> = Object.fromEntries(list(d.labels).map((l) => [l.split("=")[0] ?? "", l.slice(l.indexOf("=") + 1)]));
  const gone = (now: object, before: object | undefined) => Object.fromEntries(Object.keys(before ?? {}).filter((k) => !(k in now)).map((k) => [k, null]));
  const body = {
    name: d.name, job_type: d.type, description: d.description, params: { ...gone(d.params, was?.params), ...d.params }, priority: Number(d.priority), directive_id: d.directive || none, timeout: d.timeout || none, start_deadline: d.deadline || none,
    retry_policy: { max_attempts: Number(d.attempts), ...(Number(d.attempts) > 1 ? { backoff: d.backoff, initial: d.initial } : {}) }, crash_policy: d.crash || none, locks: list(d.locks), limits: d.maxRunning ? { max_running: Number(d.maxRunning) } : was?.limits.max_running ? { max_running: null } : undefined,
    labels: { ...gone(labels, was?.labels), ...labels }, webhook_url: d.webhook || none, params_schema: d.schema.trim() ? (parse(d.schema) as Record<string, unknown>) : none,
  };
  return Object.fromEntries(Object.entries(body).filter(([, v]) => v !== undefined)) as unknown as Schema<"JobTemplateInput">;
}

function jsonError(text: string): string | undefined {
  if (!text.trim()) return undefined;
  try {
    return isRecord(parse(text)) ? undefined : t("badJson", { why: "{}" });
  } catch (e) {
    return t("badJson", { why: e instanceof Error ? e.message : "" });
  }
}

/** Makes a template (null, or a copy of one), or changes one. */
export function Editor({ template, copy, onClose }: { template: Template | null; copy: boolean; onClose: () => void }) {
  const types = useQuery(jobTypesQuery);
  const was = copy ? null : template;
  const [d, setDraft] = useState(() => draftOf(template, copy));
  const [valid, setValid] = useState(true);
  const set = (part: Partial<Draft>) => setDraft((old) => ({ ...old, ...part }));
  const broken = jsonError(d.schema);
  const body = () => bodyOf(d, was);
  const save = useChange(
    () => (was ? ok(api.PATCH("/api/job-templates/{template_id}", { params: { path: { template_id: was.template_id } }, headers: patchOf(was.version), body: body() })) : ok(api.POST("/api/job-templates", { body: body() }))),
    { old: ["templates", "template"], said: (it) => t("saved", { name: it.name }), done: onClose, form: true },
  );
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (valid && !broken) save.mutate();
  };
  const schema = (types.data?.items.find((x) => x.job_type === d.type)?.params_schema ?? null) as JsonSchema | null;
  const cli = `runsheet template ${was ? "set" : "add"} ${was?.name ?? (d.name || "NAME")} --type ${d.type} --params '${stringify(d.params)}' --priority ${d.priority}`;
  return (
    <Drawer
      open wide onClose={onClose} title={was ? t("editTitle", { name: was.name, n: was.version }) : t("newTitle")} description={was ? t("editText") : undefined}
      footer={
        <>
          <div className="mr-auto">{broken ? null : <CopyAs action={was ? { cli, method: "PATCH", path: `/api/job-templates/${was.template_id}`, body: body() } : { cli, method: "POST", path: "/api/job-templates", body: body() }} />}</div>
          <Button onClick={onClose}>{kit("cancel")}</Button>
          <Button look="primary" type="submit" form="template" busy={save.isPending} disabled={!d.name || !valid || broken !== undefined}>{was ? t("save") : t("create")}</Button>
        </>
      }
    >
      <form id="template" onSubmit={submit} className="flex flex-col gap-4">
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={t("name")}>{(ids) => <Input {...ids} autoFocus={!was} required autoComplete="off" value={d.name} onChange={(e) => set({ name: e.target.value })} />}</Field>
          <Field label={t("type")}>{(ids) => <Select {...ids} value={d.type} onChange={(type) => {
            set({ type, params: {} });
            setValid(true);
          }} options={(types.data?.items ?? []).map((x) => ({ value: x.job_type, label: x.job_type }))} />}</Field>
        </div>
        <Field label={t("description")} optional>{(ids) => <Input {...ids} maxLength={2000} value={d.description} onChange={(e) => set({ description: e.target.value })} />}</Field>
        {types.data ? <ParamsField key={d.type} schema={schema} value={d.params} onChange={(params) => set({ params })} onValid={setValid} /> : <Loading rows={3} />}
        <Fold title={t("when")}><When d={d} set={set} /></Fold>
        <Fold title={t("together")}><Together d={d} set={set} broken={broken} /></Fold>
        <FormError error={save.error} />
      </form>
    </Drawer>
  );
}

function Fold({ title, children }: { title: string; children: ReactNode }) {
  return (
    <details open className="border-t border-line pt-3">
      <summary className="text-sm font-medium">{title}</summary>
      <div className="mt-3 grid gap-4 sm:grid-cols-2">{children}</div>
    </details>
  );
}

interface PartProps { d: Draft; set: (part: Partial<Draft>) => void }

function When({ d, set }: PartProps) {
  return (
    <>
      <Field label={t("priority")} hint={t("priorityHint")}>{(ids) => <Select {...ids} value={d.priority} onChange={(priority) => set({ priority })} options={Array.from({ length: 10 }, (_, i) => ({ value: String(i), label: String(i) }))} />}</Field>
      <Field label={t("attempts")}>{(ids) => <Select {...ids} value={d.attempts} onChange={(attempts) => set({ attempts })} options={["1", "2", "3"].map((n) => ({ value: n, label: n }))} />}</Field>
      {Number(d.attempts) > 1 ? (
        <>
          <Field label={t("backoff")}>{(ids) => <Select {...ids} value={d.backoff} onChange={(backoff) => set({ backoff })} options={[{ value: "exponential", label: t("exponential") }, { value: "fixed", label: t("fixed") }]} />}</Field>
          <Field label={t("initial")}>{(ids) => <Input {...ids} mono value={d.initial} onChange={(e) => set({ initial: e.target.value })} />}</Field>
        </>
      ) : null}
      <Field label={t("timeout")} optional hint={t("timeoutHint")}>{(ids) => <Input {...ids} mono value={d.timeout} onChange={(e) => set({ timeout: e.target.value })} />}</Field>
      <Field label={t("deadline")} optional hint={t("deadlineHint")}>{(ids) => <Input {...ids} mono value={d.deadline} onChange={(e) => set({ deadline: e.target.value })} />}</Field>
      <Field label={t("crash")}>{(ids) => <Select {...ids} value={d.crash} onChange={(crash) => set({ crash })} options={[{ value: "", label: t("crashType") }, { value: "retry", label: t("crashRetry") }, { value: "fail", label: t("crashFail") }, { value: "ask", label: t("crashAsk") }]} />}</Field>
    </>
  );
}

function Together({ d, set, broken }: PartProps & { broken: string | undefined }) {
  const directives = useQuery(directivesQuery);
  return (
    <>
      <Field label={t("locks")} optional hint={t("locksHint")}>{(ids) => <Input {...ids} mono placeholder="gpu:0" value={d.locks} onChange={(e) => set({ locks: e.target.value })} />}</Field>
      <Field label={t("maxRunning")} optional>{(ids) => <Input {...ids} inputMode="numeric" pattern="[0-9]{1,6}" value={d.maxRunning} onChange={(e) => set({ maxRunning: e.target.value })} />}</Field>
      <Field label={t("directive")} optional>{(ids) => <Select {...ids} value={d.directive} onChange={(directive) => set({ directive })} options={[{ value: "", label: t("noDirective") }, ...(directives.data?.items ?? []).filter((x) => !x.archived || x.directive_id === d.directive).map((x) => ({ value: x.directive_id, label: x.name }))]} />}</Field>
      <Field label={t("labels")} optional hint={t("labelsHint")}>{(ids) => <Input {...ids} mono value={d.labels} onChange={(e) => set({ labels: e.target.value })} />}</Field>
      <div className="sm:col-span-2"><Field label={t("webhook")} optional hint={t("webhookHint")}>{(ids) => <Input {...ids} mono type="url" value={d.webhook} onChange={(e) => set({ webhook: e.target.value })} />}</Field></div>
      <div className="sm:col-span-2"><Field label={t("schema")} optional hint={t("schemaHint")} error={broken}>{(ids) => <TextArea {...ids} mono rows={5} spellCheck={false} value={d.schema} onChange={(e) => set({ schema: e.target.value })} />}</Field></div>
    </>
  );
}
