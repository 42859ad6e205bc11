import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useDeferredValue, useState, type FormEvent } from "react";
import { api, ok, type Schema } from "../../api/client";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Dialog } from "../../kit/Dialog";
import { Field, Input, Select } from "../../kit/Field";
import { jobTypesQuery } from "../../kit/jobtypes";
import { FormError } from "../../kit/States";
import { t } from "../../text/queue";
import type { useJobActions } from "./useQueue";

const actions = ["hold", "release", "cancel", "priority", "top", "bottom"] as const;
type What = (typeof actions)[number];
const words = { hold: "hold", release: "release", cancel: "cancel", priority: "setPriority", top: "toTop", bottom: "toBottom" } as const satisfies Record<What, Parameters<typeof t>[0]>;

/** Changes all waiting jobs that match. What would be changed is asked first, and shown. */
export function BulkDialog({ query, onClose, run }: { query: string; onClose: () => void; run: ReturnType<typeof useJobActions>["bulk"] }) {
  const [q, setQ] = useState(query);
  const [type, setType] = useState("");
  const [label, setLabel] = useState("");
  const [what, setWhat] = useState<What>("hold");
  const [priority, setPriority] = useState("5");
  const [busy, setBusy] = useState(false);
  const types = useQuery(jobTypesQuery);
  const at = label.indexOf("=");
  const filter = { status: ["QUEUED"], ...(q ? { q } : {}), ...(type ? { job_type: [type] } : {}), ...(at > 0 ? { labels: { [label.slice(0, at)]: label.slice(at + 1) } } : {}) };
  const place = what === "top" || what === "bottom";
  const body: Schema<"BulkInput"> = { action: place ? "move" : what, filter, ...(what === "priority" ? { priority: Number(priority) } : {}), ...(place ? { to: { [what]: true } } : {}) };
  const asked = useDeferredValue(JSON.stringify(body));
  const dry = useQuery({ queryKey: ["queue", "bulk", asked], staleTime: 0, placeholderData: keepPreviousData, queryFn: ({ signal }) => ok(api.POST("/api/jobs/bulk", { signal, body: { ...(JSON.parse(asked) as Schema<"BulkInput">), dry_run: true } })) });
  const would = dry.data?.items.filter((x) => x.result === "would") ?? [];
  const n = dry.data?.done ?? 0;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    void run(body).then((done) => (done ? onClose() : setBusy(false)));
  };
  const quote = (s: string) => `'${s.replaceAll("'", `'\\''`)}'`;
  const cli = [`runsheet job bulk ${body.action}`, q ? `--search ${quote(q)}` : "", type ? `--type ${type}` : "", at > 0 ? `--label ${quote(label)}` : "", "--status QUEUED", what === "priority" ? `--priority ${priority}` : place ? `--${what}` : ""].filter(Boolean).join(" ");
  return (
    <Dialog open onClose={onClose} title={t("bulkTitle")}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={t("query")} optional>{(ids) => <Input {...ids} autoFocus maxLength={200} value={q} onChange={(e) => setQ(e.target.value)} />}</Field>
          <Field label={t("types")}>{(ids) => <Select {...ids} value={type} onChange={setType} options={[{ value: "", label: t("all") }, ...(types.data?.items ?? []).map((x) => ({ value: x.job_type, label: x.job_type }))]} />}</Field>
          <Field label={t("labels")} optional>{(ids) => <Input {...ids} placeholder={t("labelHint")} value={label} onChange={(e) => setLabel(e.target.value)} />}</Field>
          <Field label={t("action")}>{(ids) => <Select {...ids} value={what} onChange={(v) => setWhat(v as What)} options={actions.map((a) => ({ value: a, label: t(words[a]).replace("…", "") }))} />}</Field>
          {what === "priority" ? <Field label={t("priority")} hint={t("priorityHint")}>{(ids) => <Select {...ids} value={priority} onChange={setPriority} options={Array.from({ length: 10 }, (_, i) => ({ value: String(i), label: String(i) }))} />}</Field> : null}
        </div>
        <div role="status" data-matched={dry.data?.matched} className="rounded-md border border-line bg-panel px-3 py-2 text-sm">
          <p className="font-medium">{dry.data ? (dry.data.matched === 0 ? t("nobody") : t("bulkCount", { n: dry.data.matched })) : "…"}</p>
          {would.length > 0 ? <p className="truncate text-dim">{would.slice(0, 4).map((x) => x.name ?? x.job_id).join(", ")}{n > 4 ? `, ${t("and", { n: n - 4 })}` : ""}</p> : null}
          {dry.data && dry.data.refused > 0 ? <p className="text-warn">{t("refusedNote", { n: dry.data.refused })}</p> : null}
          {dry.data?.more ? <p className="text-warn">{t("limitNote")}</p> : null}
        </div>
        <FormError error={dry.error} />
        <div className="flex justify-end gap-2">
          <CopyAs action={{ cli, method: "POST", path: "/api/jobs/bulk", body }} />
          <Button type="submit" look={what === "cancel" ? "danger" : "primary"} busy={busy} disabled={n === 0 || asked !== JSON.stringify(body)}>{t("applyTo", { n })}</Button>
        </div>
      </form>
    </Dialog>
  );
}
