import { useState, type FormEvent } from "react";
import { patchOf, useChange } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Confirm, Dialog } from "../../kit/Dialog";
import { Field, Input } from "../../kit/Field";
import { Select } from "../../kit/Select";
import { Once } from "../../kit/Once";
import { FormError } from "../../kit/States";
import { missing } from "../../kit/missing";
import { Wanted } from "../../kit/Wanted";
import { pairs } from "../../kit/labels";
import { t as kit } from "../../text/kit";
import { t } from "../../text/webhooks";
import { listOf, type Webhook } from "./looks";

const secretText = (secret: string) => `WEBHOOK_SECRET=${secret}`;

/** Makes a webhook, or changes one. A new one's secret is shown afterwards. */
export function WebhookForm({ webhook: w, onClose }: { webhook: Webhook | null; onClose: () => void }) {
  const [name, setName] = useState(w?.name ?? "");
  const [url, setUrl] = useState(w?.url ?? "");
  const [events, setEvents] = useState((w?.events ?? ["failed"]).join(", "));
  const [description, setDescription] = useState(w?.description ?? "");
  const [types, setTypes] = useState((w?.job_types ?? []).join(", "));
  const [labels, setLabels] = useState(pairs(w?.labels ?? {}).join(", "));
  const [secret, setSecret] = useState("");
  const given = Object.fromEntries(listOf(labels).map((l) => [l.split("=")[0] ?? "", l.slice(l.indexOf("=") + 1)]));
  // A merge patch keeps the labels that it does not name.
  const gone = Object.fromEntries(Object.keys(w?.labels ?? {}).filter((k) => !(k in given)).map((k) => [k, null]));
  const body = { url, events: listOf(events), ...(name ? { name } : {}), description, job_types: listOf(types), labels: { ...gone, ...given } } as Schema<"WebhookInput">;
  const save = useChange(
    () => (w ? ok(api.PATCH("/api/webhooks/{webhook_id}", { params: { path: { webhook_id: w.webhook_id } }, headers: patchOf(w.version), body })) : ok(api.POST("/api/webhooks", { body }))),
    { old: ["webhooks", "webhook"], form: true, done: (made) => (made.secret ? setSecret(made.secret) : onClose()), said: (made) => (made.secret ? "" : t("saved", { name: made.name })) },
  );
  const submit = (e: FormEvent) => {
    e.preventDefault();
    save.mutate();
  };
  if (secret) return <ShowSecret name={name || save.data?.name || ""} secret={secret} onClose={onClose} />;
  const flags = [...listOf(events).map((e) => `--event ${e}`), name && `--${w ? "rename" : "name"} ${name}`, ...listOf(types).map((x) => `--job-type ${x}`), ...listOf(labels).map((l) => `--label ${l}`)].filter(Boolean).join(" ");
  return (
    <Dialog
      open onClose={onClose} title={w ? t("editTitle", { name: w.name }) : t("addTitle")} description={w ? undefined : t("addText")}
      footer={
        <>
          <div className="mr-auto"><CopyAs action={w ? { cli: `runsheet webhook edit ${w.name} --to ${url} ${flags}`, method: "PATCH", path: `/api/webhooks/${w.webhook_id}`, body } : { cli: `runsheet webhook add ${url || "URL"} ${flags}`, method: "POST", path: "/api/webhooks", body }} /></div>
          <Button onClick={onClose}>{kit("cancel")}</Button>
          <Wanted>{missing([t("url"), !url], [t("events"), listOf(events).length === 0])}</Wanted>
          <Button look="primary" type="submit" form="webhook" busy={save.isPending} why={missing([t("url"), !url], [t("events"), listOf(events).length === 0])}>{w ? t("save") : t("create")}</Button>
        </>
      }
    >
      <form id="webhook" onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t("url")} hint={t("urlHint")}>{(ids) => <Input {...ids} mono autoFocus type="url" required placeholder="https://example.com/hooks" value={url} onChange={(e) => setUrl(e.target.value)} />}</Field>
        <Field label={t("events")} hint={t("eventsHint")}>{(ids) => <Input {...ids} mono required value={events} onChange={(e) => setEvents(e.target.value)} />}</Field>
        <Field label={t("name")} optional>{(ids) => <Input {...ids} autoComplete="off" value={name} onChange={(e) => setName(e.target.value)} />}</Field>
        <Field label={t("description")} optional>{(ids) => <Input {...ids} value={description} onChange={(e) => setDescription(e.target.value)} />}</Field>
        <Field label={t("jobTypes")} optional hint={t("commas")}>{(ids) => <Input {...ids} mono value={types} onChange={(e) => setTypes(e.target.value)} />}</Field>
        <Field label={t("labels")} optional hint={t("labelsHint")}>{(ids) => <Input {...ids} mono value={labels} onChange={(e) => setLabels(e.target.value)} />}</Field>
        <FormError error={save.error} />
      </form>
    </Dialog>
  );
}

function ShowSecret({ name, secret, onClose }: { name: string; secret: string; onClose: () => void }) {
  return (
    <Dialog open onClose={onClose} title={t("onceTitle", { name })} footer={<Button look="primary" onClick={onClose}>{t("done")}</Button>}>
      <Once warning={t("onceWarning")} label={t("onceLabel")} text={secretText(secret)} />
    </Dialog>
  );
}

/** Gives a webhook a new secret, or all webhooks of jobs and templates (null). */
export function Rotate({ webhook: w, onClose }: { webhook: Webhook | null; onClose: () => void }) {
  const [overlap, setOverlap] = useState("PT24H");
  const [secret, setSecret] = useState("");
  const name = w?.name ?? t("jobs");
  const body = { overlap };
  const rotate = useChange(
    async () => (w ? await ok(api.POST("/api/webhooks/{webhook_id}/rotate", { params: { path: { webhook_id: w.webhook_id } }, body })) : await ok(api.POST("/api/webhook-secret/rotate", { body }))).secret ?? "",
    { old: ["webhooks", "webhook", "webhook-secret"], form: true, done: setSecret },
  );
  if (secret) return <ShowSecret name={name} secret={secret} onClose={onClose} />;
  return (
    <Dialog
      open onClose={onClose} title={t("rotateTitle", { name })} description={t("rotateText")}
      footer={
        <>
          <div className="mr-auto"><CopyAs action={{ cli: `runsheet webhook rotate ${w?.name ?? "--jobs"} --overlap ${overlap}`, method: "POST", path: w ? `/api/webhooks/${w.webhook_id}/rotate` : "/api/webhook-secret/rotate", body }} /></div>
          <Button onClick={onClose}>{kit("cancel")}</Button>
          <Button look="primary" busy={rotate.isPending} onClick={() => rotate.mutate()}>{t("rotateDo")}</Button>
        </>
      }
    >
      <div className="flex flex-col gap-3">
        <Field label={t("overlap")}>{(ids) => <Select {...ids} className="w-44" value={overlap} onChange={setOverlap} options={[{ value: "PT24H", label: t("hours24") }, { value: "PT48H", label: t("hours48") }, { value: "PT168H", label: t("days7") }, { value: "PT0S", label: t("atOnce") }]} />}</Field>
        <FormError error={rotate.error} />
      </div>
    </Dialog>
  );
}

export function RemoveWebhook({ webhook: w, onClose, onGone }: { webhook: Webhook; onClose: () => void; onGone: () => void }) {
  const remove = useChange(() => ok(api.DELETE("/api/webhooks/{webhook_id}", { params: { path: { webhook_id: w.webhook_id } } })), { old: ["webhooks"], said: t("removed", { name: w.name }), done: onGone, form: true });
  return (
    <Confirm open onClose={onClose} danger title={t("removeTitle", { name: w.name })} description={t("removeText")} action={t("removeDo")} busy={remove.isPending} onConfirm={() => remove.mutate()}>
      <FormError error={remove.error} />
    </Confirm>
  );
}

/** Sends again what a webhook did not get since an instant. */
export function RedeliverAll({ webhook: w, onClose }: { webhook: Webhook; onClose: () => void }) {
  const [span, setSpan] = useState("24");
  const since = () => (span === "broken" && w.disabled_at ? new Date(Date.parse(w.disabled_at) - 3 * 86_400_000) : new Date(Date.now() - Number(span) * 3_600_000)).toISOString();
  const send = useChange(() => ok(api.POST("/api/webhooks/{webhook_id}/redeliver", { params: { path: { webhook_id: w.webhook_id } }, body: { since: since() } })), {
    old: ["webhooks", "webhook", "deliveries"], form: true, done: onClose, said: (r) => `${t("redeliveredN", { n: r.redelivered })}${r.more ? `. ${t("redeliveredMore")}` : ""}`,
  });
  const options = [{ value: "1", label: t("hour") }, { value: "24", label: t("day") }, { value: "72", label: t("days3") }, ...(w.disabled_at ? [{ value: "broken", label: t("broken") }] : [])];
  return (
    <Dialog
      open onClose={onClose} title={t("redeliverAllTitle")} description={t("redeliverAllText")}
      footer={
        <>
          <div className="mr-auto"><CopyAs action={{ cli: `runsheet webhook redeliver --webhook ${w.name} --since ${span === "broken" ? "72" : span}h`, method: "POST", path: `/api/webhooks/${w.webhook_id}/redeliver`, body: { since: "2026-01-31T00:00:00Z" } }} /></div>
          <Button onClick={onClose}>{kit("cancel")}</Button>
          <Button look="primary" busy={send.isPending} onClick={() => send.mutate()}>{t("redeliverDo")}</Button>
        </>
      }
    >
      <div className="flex flex-col gap-3">
        <Field label={t("since")}>{(ids) => <Select {...ids} className="w-60" value={span} onChange={setSpan} options={options} />}</Field>
        <FormError error={send.error} />
      </div>
    </Dialog>
  );
}
