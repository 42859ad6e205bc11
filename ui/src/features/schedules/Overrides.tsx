import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { useState, type FormEvent } from "react";
import { api, ok, type Schema } from "../../api/client";
import { useCan } from "../../api/session";
import { Badge } from "../../kit/Badge";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs, type Action } from "../../kit/CopyAs";
import { Drawer } from "../../kit/Dialog";
import { Field, Input, Select } from "../../kit/Field";
import { Section } from "../../kit/Page";
import { ErrorState, FormError, Loading } from "../../kit/States";
import { toast } from "../../kit/toast";
import { who } from "../../kit/who";
import { t } from "../../text/schedules";
import { overridesQuery } from "./api";
import { localText, reasonWord } from "./words";

type Input_ = Schema<"CalendarOverrideInput">;
type Kind = Input_["kind"];

function setAction(mic: string, o: Input_, dry: boolean): Action {
  const what = o.kind === "hours" ? `--hours ${o.open ?? ""}-${o.close ?? ""}` : `--${o.kind}`;
  return { cli: `runsheet calendar override set ${mic} ${o.date || "DATE"} ${what}${o.reason ? ` --reason '${o.reason.replaceAll("'", `'\\''`)}'` : ""}${dry ? " --fires" : ""}`, method: "PUT", path: `/api/calendars/${encodeURIComponent(mic)}/overrides?merge=true${dry ? "&dry_run=true" : ""}`, body: [o] };
}

/** The dates of a calendar that the tenant has made its own, and a form for another. */
export function Overrides({ mic, onClose }: { mic: string; onClose: () => void }) {
  const client = useQueryClient();
  const can = useCan("calendars:write");
  const query = useQuery(overridesQuery(mic));
  const [date, setDate] = useState("");
  const [kind, setKind] = useState<Kind>("closed");
  const [open, setOpen] = useState("09:30");
  const [close, setClose] = useState("13:00");
  const [reason, setReason] = useState("");
  const one: Input_ = { date, kind, ...(kind === "hours" ? { open, close } : {}), ...(reason.trim() ? { reason: reason.trim() } : {}) };
  const key = JSON.stringify(one);
  const [lookedAt, setLookedAt] = useState("");
  const stale = () => client.invalidateQueries({ predicate: (q) => ["calendars", "calendar-fires", "schedules", "schedule"].includes(String(q.queryKey[0])) });
  const put = (dry: boolean) => ok(api.PUT("/api/calendars/{mic}/overrides", { params: { path: { mic }, query: { merge: true, ...(dry ? { dry_run: true } : {}) } }, body: [one] }));
  const look = useMutation({ mutationFn: () => put(true), onSuccess: () => setLookedAt(key) });
  const save = useMutation({
    mutationFn: () => put(false),
    onSuccess: () => {
      toast({ tone: "ok", text: t("ovSaved", { date }) });
      setDate("");
      setReason("");
      look.reset();
    },
    onSettled: stale,
  });
  const remove = useMutation({
    mutationFn: (d: string) => ok(api.DELETE("/api/calendars/{mic}/overrides", { params: { path: { mic }, query: { date: [d] } } })),
    onSuccess: (_, d) => toast({ text: t("ovRemoved", { date: d }) }),
    onSettled: stale,
  });
  const found = lookedAt === key ? look.data : undefined;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (!date || can.why) return;
    if (found) save.mutate();
    else look.mutate();
  };
  return (
    <Drawer open onClose={onClose} title={t("ovTitle", { mic })} description={t("ovText")}>
      <form onSubmit={submit} aria-label={t("ovAdd")} className="flex flex-col gap-3">
        <div className="grid gap-3 sm:grid-cols-2">
          <Field label={t("ovDate")}>{(ids) => <Input {...ids} type="date" required value={date} onChange={(e) => setDate(e.target.value)} />}</Field>
          <Field label={t("ovKind")}>{(ids) => <Select {...ids} value={kind} onChange={(v) => setKind(v as Kind)} options={[{ value: "closed", label: t("ovClosed") }, { value: "open", label: t("ovOpen") }, { value: "hours", label: t("ovHours") }]} />}</Field>
          {kind === "hours" ? <Field label={t("ovOpenAt")}>{(ids) => <Input {...ids} type="time" required value={open} onChange={(e) => setOpen(e.target.value)} />}</Field> : null}
          {kind === "hours" ? <Field label={t("ovCloseAt")}>{(ids) => <Input {...ids} type="time" required value={close} onChange={(e) => setClose(e.target.value)} />}</Field> : null}
        </div>
        <Field label={t("ovReason")} optional>{(ids) => <Input {...ids} value={reason} maxLength={200} onChange={(e) => setReason(e.target.value)} />}</Field>
        <FormError error={save.error ?? look.error ?? remove.error} />
        {found ? <Changes fires={found.fires} /> : null}
        <div className="flex items-center justify-end gap-2">
          <CopyAs action={setAction(mic, one, !found)} />
          <Button type="submit" look="primary" why={can.why} disabled={!date} busy={look.isPending || save.isPending}>{found ? t("ovSave") : t("ovLook")}</Button>
        </div>
      </form>
      <Section title={t("allDay")} className="mt-8 border-t border-line pt-4">
        {query.isPending ? <Loading rows={3} /> : query.isError ? <ErrorState error={query.error} onRetry={() => void query.refetch()} /> : query.data.items.length === 0 ? <p className="py-4 text-sm text-faint">{t("ovNone")}</p> : (
          <ul>
            {query.data.items.map((o) => (
              <li key={o.date} data-override={o.date} className="flex min-h-9 items-center gap-3 border-b border-line/70 text-sm">
                <span className="w-24 shrink-0">{o.date}</span>
                <Badge tone={o.kind === "closed" ? "idle" : "info"}>{o.kind === "closed" ? t("ovClosed") : o.kind === "open" ? t("ovOpen") : `${o.open ?? ""}–${o.close ?? ""}`}</Badge>
                <span className="min-w-0 grow truncate text-dim">{o.reason} <span className="text-faint">{t("by", { who: who(o.updated_by) })}</span></span>
                <IconButton small icon={Trash2} label={t("ovRemove", { date: o.date })} why={can.why} onClick={() => remove.mutate(o.date)} />
              </li>
            ))}
          </ul>
        )}
      </Section>
    </Drawer>
  );
}

function Changes({ fires }: { fires: Schema<"FireChanges"> | null }) {
  const items = fires?.items ?? [];
  if (items.length === 0) return <p className="text-sm text-dim">{t("ovNoChanges")}</p>;
  const word = (c: string) => (c === "removed" ? t("ovRemovedFire") : c === "added" ? t("ovAddedFire") : t("ovMovedFire"));
  return (
    <div className="rounded-md border border-line">
      <p className="border-b border-line px-3 py-1.5 text-sm font-medium">{t("ovChanges", { n: items.length })}</p>
      <ul className="max-h-52 overflow-y-auto px-3">
        {items.map((f) => (
          <li key={f.schedule_id + f.nominal_at} className="flex min-h-8 items-center gap-2 text-sm">
            <Badge tone={f.change === "removed" ? "bad" : f.change === "added" ? "ok" : "warn"}>{word(f.change)}</Badge>
            <span className="min-w-0 grow truncate">{f.schedule}</span>
            <span className="text-xs whitespace-nowrap text-dim">{localText(f.local)}{f.reason ? ` · ${reasonWord(f.reason)}` : ""}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
