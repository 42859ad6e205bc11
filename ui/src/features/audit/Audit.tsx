import { Download, Filter, RotateCw, ScrollText, ShieldCheck } from "lucide-react";
import { useState, type FormEvent } from "react";
import { useChange } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { usePages } from "../../api/pages";
import { useCan } from "../../api/session";
import { Badge, Chip } from "../../kit/Badge";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Dialog, Drawer } from "../../kit/Dialog";
import { Combobox } from "../../kit/Combobox";
import { Field, Input } from "../../kit/Field";
import { Select } from "../../kit/Select";
import { More } from "../../kit/More";
import { Facts, FilterBar, Page, PageHeader, Section } from "../../kit/Page";
import { Empty, ErrorState, FormError, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { oneOf, text, useUrl, whole } from "../../kit/url";
import { CopyId, Time } from "../../kit/Values";
import { who } from "../../kit/who";
import { t as kit } from "../../text/kit";
import { t } from "../../text/audit";
import { actions } from "./actions";
import { pairsOf } from "./pairs";

type Entry = Schema<"AuditEntry">;

const hours = { hour: 1, day: 24, week: 168, month: 720 };
const shape = { object: text, actor: text, action: text, period: oneOf("always", "hour", "day", "week", "month", "custom"), from: text, to: text, entry: whole(0) };

function filterOf(url: { object: string; actor: string; action: string; period: string; from: string; to: string }) {
  const span = hours[url.period as keyof typeof hours];
  // To the minute, so that the key of the query stays the same while it is read.
  const after = span ? new Date(Math.floor(Date.now() / 60_000) * 60_000 - span * 3_600_000).toISOString() : url.period === "custom" && url.from ? new Date(url.from).toISOString() : "";
  const before = url.period === "custom" && url.to ? new Date(url.to).toISOString() : "";
  return {
    ...(url.object ? { object: url.object } : {}), ...(url.actor ? { actor: url.actor } : {}), ...(url.action ? { action: url.action.split(",") } : {}),
    ...(after ? { created_after: after } : {}), ...(before ? { created_before: before } : {}),
  };
}

/** The page of the audit record. */
export function Audit() {
  const read = useCan("audit:read");
  const [url, change] = useUrl(shape);
  const [checks, setChecks] = useState(false);
  const filter = filterOf(url);
  const pages = usePages<Entry>(["audit", url.object, url.actor, url.action, url.period, url.from, url.to], (cursor, signal) => ok(api.GET("/api/audit", { signal, params: { query: { ...filter, sort: "-seq", limit: 50, ...(cursor ? { cursor } : {}) } } })), read.can);
  const shown = pages.items.find((e) => e.seq === url.entry);
  const active = Object.keys(filter).length > 0;
  const query = new URLSearchParams(Object.entries(filter).map(([k, v]) => [k, String(v)])).toString();
  const off = read.can ? {} : { why: read.why };
  const cli = ["runsheet audit ls", url.action && `--action ${url.action}`, url.actor && `--actor ${url.actor}`, url.object && `--object ${url.object}`, filter.created_after && `--since ${filter.created_after}`, filter.created_before && `--until ${filter.created_before}`].filter(Boolean).join(" ");
  const columns: Column<Entry>[] = [
    { id: "when", head: t("time"), width: "8rem", cell: (e) => <Time at={e.created_at} className="text-dim" /> },
    { id: "who", head: t("actor"), cell: (e) => <span className="font-medium">{e.actor.name ? who(e.actor.name) : t("system")}</span> },
    { id: "action", head: t("action"), cell: (e) => <code className="font-mono text-xs">{e.action}</code> },
    { id: "object", head: t("object"), from: "sm", width: "30%", cell: (e) => <span className="flex w-0 min-w-full items-center gap-2">{e.object_name && e.object_name !== e.object ? <span className="truncate" title={e.object_name}>{e.object_name}</span> : null}{e.object ? <CopyId id={e.object} /> : null}</span> },
    { id: "detail", head: t("detail"), from: "lg", width: "35%", cell: (e) => <Summary entry={e} /> },
    { id: "address", head: t("address"), from: "xl", cell: (e) => <span className="font-mono text-xs text-dim">{e.actor.remote}</span> },
  ];
  return (
    <Page>
      <PageHeader
        title={t("title")}
        actions={
          <>
            <CopyAs action={{ cli, method: "GET", path: `/api/audit${query ? `?${query}` : ""}` }} />
            <Button icon={ShieldCheck} {...off} onClick={() => setChecks(true)}>{t("verify")}</Button>
            <Button icon={Download} {...off} onClick={() => location.assign("/api/audit/export")}>{t("export")}</Button>
          </>
        }
      />
      <FilterBar query={url.object} onQuery={(object) => change({ object }, true)} placeholder={t("objectHint")} active={active} onClear={() => change({ object: "", actor: "", action: "", period: "always", from: "", to: "" })}>
        <Input aria-label={t("actorHint")} placeholder={t("actorHint")} value={url.actor} onChange={(e) => change({ actor: e.target.value }, true)} className="sm:w-44" />
        <div className="w-full sm:w-52"><Combobox aria-label={t("action")} placeholder={t("anyAction")} options={actions.map((a) => ({ value: a, label: a }))} value={url.action} onChange={(action) => change({ action })} /></div>
        <Select aria-label={t("period")} className="sm:w-40" value={url.period} onChange={(v) => change({ period: v as typeof url.period })} options={(["always", "hour", "day", "week", "month", "custom"] as const).map((v) => ({ value: v, label: t(v) }))} />
        {url.period === "custom" ? (
          <>
            <Input type="datetime-local" aria-label={t("from")} value={url.from} onChange={(e) => change({ from: e.target.value }, true)} className="sm:w-52" />
            <Input type="datetime-local" aria-label={t("to")} value={url.to} onChange={(e) => change({ to: e.target.value }, true)} className="sm:w-52" />
          </>
        ) : null}
        <IconButton icon={RotateCw} label={t("reload")} onClick={pages.retry} />
      </FilterBar>
      {!read.can ? <Empty icon={ScrollText} title={t("title")}>{read.why}</Empty> : pages.error ? <ErrorState error={pages.error} onRetry={pages.retry} /> : pages.isPending ? <Loading rows={10} /> : pages.items.length === 0
        ? <Empty icon={ScrollText} title={t("none")} command={cli}>{t("noneText")}</Empty>
        : <><Table label={t("title")} columns={columns} rows={pages.items} id={(e) => String(e.seq)} current={url.entry ? String(url.entry) : undefined} onOpen={(e) => change({ entry: e.seq })} /><More pages={pages} /></>}
      <Drawer open={shown !== undefined} onClose={() => change({ entry: 0 }, true)} title={shown?.action ?? ""} description={shown ? t("entry", { n: shown.seq }) : ""}>
        {shown ? <Details entry={shown} onFilter={(next) => change({ ...next, entry: 0 })} /> : null}
      </Drawer>
      {checks ? <Verify onClose={() => setChecks(false)} /> : null}
    </Page>
  );
}

function Summary({ entry: e }: { entry: Entry }) {
  const pairs = pairsOf(e.detail);
  return (
    <span className="flex w-0 min-w-full flex-wrap gap-1">
      {pairs.slice(0, 3).map((p) => <Chip key={p.field} mono title={`${p.field} ${p.before ?? ""} ${p.after ?? ""}`}>{[p.field, p.before === null ? p.after : `${p.before} → ${p.after ?? ""}`].filter(Boolean).join(": ")}</Chip>)}
      {pairs.length > 3 ? <span className="text-faint">+{pairs.length - 3}</span> : null}
    </span>
  );
}

function Details({ entry: e, onFilter }: { entry: Entry; onFilter: (next: { object?: string; actor?: string }) => void }) {
  const pairs = pairsOf(e.detail);
  const [before, after] = [e.before_hash, e.after_hash];
  const kind = !before && after ? t("made") : before && !after ? t("gone") : before === after ? t("same") : t("changed");
  return (
    <>
      <Facts items={[
        [t("time"), <span key="t"><Time at={e.created_at} /> <span className="text-faint">{e.created_at}</span></span>], [t("actor"), <span key="a" className="inline-flex flex-wrap items-center gap-2">{e.actor.name ? who(e.actor.name) : t("system")}{e.actor.id ? <CopyId id={e.actor.id} /> : null}</span>],
        [t("object"), <span key="o" className="inline-flex flex-wrap items-center gap-2">{e.object_name}{e.object ? <CopyId id={e.object} /> : null}</span>], [t("address"), <code key="r" className="font-mono text-xs">{e.actor.remote || "–"}</code>], [t("request"), e.actor.request_id ? <CopyId key="q" id={e.actor.request_id} full /> : "–"], [t("tenant"), e.tenant],
      ]}
      />
      <div className="mt-3 flex flex-wrap gap-2">
        {e.object ? <Button small icon={Filter} onClick={() => onFilter({ object: e.object })}>{t("onlyObject")}</Button> : null}
        {e.actor.name ? <Button small icon={Filter} onClick={() => onFilter({ actor: e.actor.id || e.actor.name })}>{t("onlyActor", { name: who(e.actor.name) })}</Button> : null}
      </div>
      {pairs.length > 0 ? (
        <Section title={t("changed")} className="first:mt-6">
          <table className="w-full text-sm">
            <thead><tr className="border-b border-line text-left text-xs text-faint"><th scope="col" className="h-7 pr-3 font-medium">{t("field")}</th><th scope="col" className="pr-3 font-medium">{t("before")}</th><th scope="col" className="font-medium">{t("after")}</th></tr></thead>
            <tbody>
              {pairs.map((p) => (
                <tr key={p.field} className="border-b border-line/70 align-top">
                  <td className="py-1.5 pr-3 font-mono text-xs text-dim">{p.field || t("value")}</td>
                  <td className="py-1.5 pr-3 font-mono text-xs text-bad [overflow-wrap:anywhere]">{p.before ?? ""}</td>
                  <td className="py-1.5 font-mono text-xs text-ok [overflow-wrap:anywhere]">{p.after ?? ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Section>
      ) : null}
      {before || after ? (
        <Section title={t("fingerprint")} count={<Badge>{kind}</Badge>} className="first:mt-6">
          <p className="pb-2 text-xs text-faint">{t("fingerprintText")}</p>
          <Facts items={[[t("before"), before ? <CopyId key="b" id={before} full /> : "–"], [t("after"), after ? <CopyId key="a" id={after} full /> : "–"]]} />
        </Section>
      ) : null}
      <Section title={t("chain")} className="first:mt-6">
        <Facts items={[[t("hash"), <CopyId key="h" id={e.hash} full />], [t("prev"), e.prev_hash ? <CopyId key="p" id={e.prev_hash} full /> : "–"]]} />
      </Section>
    </>
  );
}

function Verify({ onClose }: { onClose: () => void }) {
  const [head, setHead] = useState("");
  const check = useChange(() => ok(api.GET("/api/audit/verify", { params: { query: head ? { head: head.trim() } : {} } })), { form: true });
  const r = check.data;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    check.mutate();
  };
  return (
    <Dialog
      open onClose={onClose} title={t("verifyTitle")} description={t("verifyText")}
      footer={
        <>
          <div className="mr-auto"><CopyAs action={{ cli: `runsheet audit verify${head ? ` --head ${head}` : ""}`, method: "GET", path: `/api/audit/verify${head ? `?head=${head}` : ""}` }} /></div>
          <Button onClick={onClose}>{kit("close")}</Button>
          <Button look="primary" type="submit" form="verify" busy={check.isPending}>{t("check")}</Button>
        </>
      }
    >
      <form id="verify" onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t("head")} optional>{(ids) => <Input {...ids} mono autoComplete="off" spellCheck={false} value={head} onChange={(e) => setHead(e.target.value)} />}</Field>
        <FormError error={check.error} />
        {r ? (
          <div role="status" className="flex flex-col gap-2 text-sm">
            <p className="flex items-center gap-2"><Badge tone={r.valid ? "ok" : "bad"} icon={ShieldCheck}>{r.valid ? t("valid", { n: r.entries }) : t("invalid")}</Badge>{r.broken_at ? t("brokenAt", { n: r.broken_at }) : null}</p>
            {r.error ? <p className="text-bad">{r.error}</p> : null}
            {r.valid && r.head_hash ? <><p className="text-dim">{t("note")}</p><Facts items={[[t("headHash", { n: r.head_seq }), <CopyId key="h" id={r.head_hash} full />]]} /></> : null}
          </div>
        ) : null}
      </form>
    </Dialog>
  );
}
