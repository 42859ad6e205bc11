import { useQuery } from "@tanstack/react-query";
import { CalendarDays, Trash2, Upload } from "lucide-react";
import { useState } from "react";
import { useChange } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { useCan } from "../../api/session";
import { Badge } from "../../kit/Badge";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Confirm, Dialog } from "../../kit/Dialog";
import { CheckBox, Field } from "../../kit/Field";
import { FilterBar } from "../../kit/Page";
import { Empty, ErrorState, FormError, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { t as kit } from "../../text/kit";
import { t } from "../../text/settings";

type Calendar = Schema<"Calendar">;

/** The calendars of exchanges and countries, and dates that are overridden. */
export function Calendars({ q, onQuery }: { q: string; onQuery: (q: string) => void }) {
  const { can, why } = useCan("calendars:write");
  const off = can ? {} : { why };
  const calendars = useQuery({ queryKey: ["calendars"], queryFn: ({ signal }) => ok(api.GET("/api/calendars", { signal })) });
  const [loaded, setLoaded] = useState<Calendar | null>(null);
  const [cleared, setCleared] = useState<Calendar | null>(null);
  const clear = useChange((c: Calendar) => ok(api.DELETE("/api/calendars/{mic}/overrides", { params: { path: { mic: c.mic } } })), { old: ["calendars", "schedules"], said: (x) => t("applied", { name: x.mic, n: x.overrides }), done: () => setCleared(null) });
  if (calendars.error && !calendars.data) return <ErrorState error={calendars.error} onRetry={() => void calendars.refetch()} />;
  if (!calendars.data) return <Loading />;
  const rows = calendars.data.items.filter((c) => `${c.mic} ${c.name}`.toLowerCase().includes(q.toLowerCase()));
  const columns: Column<Calendar>[] = [
    { id: "mic", head: t("code"), cell: (c) => <span className="font-medium">{c.mic}</span> },
    { id: "name", head: t("name"), cell: (c) => <span className="text-dim">{c.name}</span> },
    { id: "zone", head: t("zone"), from: "md", cell: (c) => <span className="text-dim">{c.timezone ?? ""}</span> },
    { id: "through", head: t("through"), from: "sm", cell: (c) => <span className="text-dim">{c.valid_through ?? ""}</span> },
    { id: "overrides", head: t("overrides"), align: "right", from: "sm", cell: (c) => (c.overrides > 0 ? <Badge tone="info">{c.overrides}</Badge> : <span className="text-faint">–</span>) },
    { id: "actions", head: <span className="sr-only">{kit("menu")}</span>, align: "right", width: "6rem", cell: (c) => <span className="inline-flex gap-1"><IconButton small icon={Upload} label={`${t("import")} ${c.mic}`} {...off} onClick={() => setLoaded(c)} />{c.overrides > 0 ? <IconButton small icon={Trash2} label={`${t("removeAll")} ${c.mic}`} {...off} onClick={() => setCleared(c)} /> : null}</span> },
  ];
  return (
    <>
      <FilterBar query={q} onQuery={onQuery} placeholder={t("filterCal")} />
      {rows.length === 0 ? <Empty icon={CalendarDays} title={t("noCalendars")} /> : <Table label={t("calendars")} columns={columns} rows={rows} id={(c) => c.mic} />}
      {loaded ? <Import key={loaded.mic} calendar={loaded} onClose={() => setLoaded(null)} /> : null}
      {cleared ? <Confirm open onClose={() => setCleared(null)} danger title={t("removeTitle", { name: cleared.mic })} description={t("removeText")} action={t("removeDo")} busy={clear.isPending} onConfirm={() => clear.mutate(cleared)} /> : null}
    </>
  );
}

function mediaOf(file: string): string {
  return /\.csv$/i.test(file) ? "text/csv" : /\.(ics|ical)$/i.test(file) ? "text/calendar" : "application/json";
}

function Import({ calendar: c, onClose }: { calendar: Calendar; onClose: () => void }) {
  const [file, setFile] = useState<{ name: string; text: string } | null>(null);
  const [merge, setMerge] = useState(true);
  const put = (dry: boolean) => ok(api.PUT("/api/calendars/{mic}/overrides", { params: { path: { mic: c.mic }, query: { dry_run: dry, merge } }, body: (file?.text ?? "") as never, headers: { "Content-Type": mediaOf(file?.name ?? "") } }));
  const look = useChange(() => put(true), { form: true });
  const apply = useChange(() => put(false), { old: ["calendars", "schedules"], said: (x) => t("applied", { name: c.mic, n: x.overrides }), done: onClose, form: true });
  const seen = look.data;
  return (
    <Dialog
      open onClose={onClose} title={t("importTitle", { name: c.mic })} description={t("importText")}
      footer={
        <>
          <div className="mr-auto"><CopyAs action={{ cli: `runsheet calendar import ${c.mic} ${file?.name ?? "FILE"}${merge ? "" : " --replace"}`, method: "PUT", path: `/api/calendars/${c.mic}/overrides?merge=${merge}` }} /></div>
          <Button onClick={onClose}>{kit("cancel")}</Button>
          <Button look={seen ? "plain" : "primary"} disabled={!file} busy={look.isPending} onClick={() => look.mutate()}>{t("look")}</Button>
          {seen ? <Button look="primary" busy={apply.isPending} onClick={() => apply.mutate()}>{t("apply")}</Button> : null}
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <Field label={t("file")}>{(ids) => <input {...ids} type="file" accept=".csv,.json,.ics,.ical" className="text-sm" onChange={(e) => { const f = e.target.files?.[0]; look.reset(); if (f) void f.text().then((text) => setFile({ name: f.name, text })); else setFile(null); }} />}</Field>
        <CheckBox label={t("merge")} checked={merge} onChange={(v) => { setMerge(v); look.reset(); }} />
        <FormError error={look.error ?? apply.error} />
        {seen ? (
          <div role="status" className="text-sm">
            <p className="font-medium">{seen.changes.length === 0 ? t("noChanges") : t("changes", { n: seen.changes.length })}{seen.fires ? ` · ${t("fires", { n: seen.fires.items.length })}` : ""}</p>
            <ul className="max-h-60 overflow-y-auto pt-1">{seen.changes.map((x) => <li key={x.date} className="flex gap-3 border-b border-line/70 py-1"><span className="w-24">{x.date}</span><span className="text-bad">{x.old ? t("open") : t("closed")}</span><span aria-hidden>→</span><span className="text-ok">{x.new ? t("open") : t("closed")}</span></li>)}</ul>
          </div>
        ) : null}
      </div>
    </Dialog>
  );
}
