import { useQuery } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { patchOf, useChange } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Field, Input, TextArea } from "../../kit/Field";
import { Select } from "../../kit/Select";
import { FormError } from "../../kit/States";
import { t as kit } from "../../text/kit";
import { t } from "../../text/directives";

export type Directive = Schema<"Directive">;

const lines = (text: string) => text.split("\n").map((s) => s.trim()).filter(Boolean);
const text = (n: number | null | undefined) => (n === null || n === undefined ? "" : String(n));

function draftOf(d: Directive | null) {
  return {
    name: d?.name ?? "", description: d?.description ?? "", prompt: d?.system_prompt ?? "", server: d?.server ?? "", model: d?.model ?? "", temperature: text(d?.temperature), context: text(d?.context_tokens),
    files: (d?.allow.files ?? []).join("\n"), hosts: (d?.allow.hosts ?? []).join("\n"), containers: (d?.allow.containers ?? []).join("\n"), tokens: text(d?.limits.tokens), callTokens: text(d?.limits.call_tokens), time: d?.limits.time ?? "",
  };
}

function bodyOf(d: ReturnType<typeof draftOf>, was: Directive | null): Schema<"DirectiveInput"> {
  const num = (v: string) => (v === "" ? null : Number(v));
  const body = {
    name: d.name, description: d.description, system_prompt: d.prompt, server: d.server || null, model: d.model || null, temperature: num(d.temperature), context_tokens: num(d.context),
    allow: { files: lines(d.files), hosts: lines(d.hosts), containers: lines(d.containers) }, limits: { tokens: num(d.tokens), call_tokens: num(d.callTokens), time: d.time || null },
  };
  // null takes away; a new one has nothing to take away.
  const bare = (o: object): object => Object.fromEntries(Object.entries(o).filter(([, v]) => v !== null).map(([k, v]) => [k, v !== null && typeof v === "object" && !Array.isArray(v) ? bare(v as object) : v]));
  return (was ? body : bare(body)) as unknown as Schema<"DirectiveInput">;
}

/** The form of a directive: each saved change is a new version. */
export function Editor({ directive: was, onClose }: { directive: Directive | null; onClose: () => void }) {
  const servers = useQuery({ queryKey: ["llm-servers"], queryFn: ({ signal }) => ok(api.GET("/api/llm/servers", { signal })) });
  const [d, setDraft] = useState(() => draftOf(was));
  const set = (part: Partial<typeof d>) => setDraft((old) => ({ ...old, ...part }));
  const bad = [d.temperature, d.context, d.tokens, d.callTokens].some((v) => v !== "" && !/^\d+(\.\d+)?$/.test(v));
  const body = bodyOf(d, was);
  const save = useChange(
    () => (was ? ok(api.PATCH("/api/directives/{directive_id}", { params: { path: { directive_id: was.directive_id } }, headers: patchOf(was.version), body })) : ok(api.POST("/api/directives", { body }))),
    { old: ["directives", "directive"], said: (x) => t("saved", { name: x.name, n: x.version }), done: onClose, form: true },
  );
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (!bad) save.mutate();
  };
  const models = [...new Set((servers.data?.items ?? []).filter((s) => !d.server || s.name === d.server).flatMap((s) => s.models.map((m) => m.name)))];
  const number = (key: "temperature" | "context" | "tokens" | "callTokens", label: string) => (
    <Field label={label} optional error={d[key] !== "" && !/^\d+(\.\d+)?$/.test(d[key]) ? t("numberWrong") : undefined}>{(ids) => <Input {...ids} inputMode="decimal" value={d[key]} onChange={(e) => set({ [key]: e.target.value })} />}</Field>
  );
  const area = (key: "files" | "hosts" | "containers", hint: string) => <Field label={t(key)} optional hint={hint}>{(ids) => <TextArea {...ids} mono rows={3} spellCheck={false} value={d[key]} onChange={(e) => set({ [key]: e.target.value })} />}</Field>;
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <Field label={t("name")}>{(ids) => <Input {...ids} autoFocus={!was} required autoComplete="off" value={d.name} onChange={(e) => set({ name: e.target.value })} />}</Field>
      <Field label={t("description")} optional>{(ids) => <Input {...ids} value={d.description} onChange={(e) => set({ description: e.target.value })} />}</Field>
      <Field label={t("prompt")} optional hint={t("promptHint")}>{(ids) => <TextArea {...ids} mono rows={8} value={d.prompt} onChange={(e) => set({ prompt: e.target.value })} />}</Field>
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label={t("server")} optional>{(ids) => <Select {...ids} value={d.server} onChange={(server) => set({ server })} options={[{ value: "", label: t("any") }, ...(servers.data?.items ?? []).map((s) => ({ value: s.name, label: s.name }))]} />}</Field>
        <Field label={t("model")} optional>{(ids) => <><Input {...ids} mono list="directive-models" autoComplete="off" placeholder={servers.data?.default_model ?? t("any")} value={d.model} onChange={(e) => set({ model: e.target.value })} /><datalist id="directive-models">{models.map((m) => <option key={m} value={m} />)}</datalist></>}</Field>
        {number("temperature", t("temperature"))}
        {number("context", t("context"))}
        {number("tokens", t("perRun"))}
        {number("callTokens", t("perCall"))}
        <Field label={t("time")} optional>{(ids) => <Input {...ids} mono placeholder="15m" value={d.time} onChange={(e) => set({ time: e.target.value })} />}</Field>
      </div>
      <fieldset className="flex flex-col gap-4 border-t border-line pt-3">
        <legend className="sr-only">{t("allow")}</legend>
        <p className="text-sm font-medium">{t("allow")}</p>
        {area("files", t("filesHint"))}
        {area("hosts", t("hostsHint"))}
        {area("containers", t("containersHint"))}
      </fieldset>
      <FormError error={save.error} />
      <div className="flex flex-wrap justify-end gap-2 border-t border-line pt-4">
        <div className="mr-auto"><CopyAs action={{ cli: `runsheet directive ${was ? `edit ${was.name}` : `add ${d.name || "NAME"}`} --system @prompt.txt${d.model ? ` --model ${d.model}` : ""}${lines(d.files).map((f) => ` --allow-file '${f}'`).join("")}`, method: was ? "PATCH" : "POST", path: was ? `/api/directives/${was.directive_id}` : "/api/directives", body }} /></div>
        <Button onClick={onClose}>{kit("cancel")}</Button>
        <Button look="primary" type="submit" busy={save.isPending} disabled={!d.name || bad}>{was ? t("save", { n: was.version + 1 }) : t("create")}</Button>
      </div>
    </form>
  );
}
