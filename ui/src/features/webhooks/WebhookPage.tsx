import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Ban, Check, History, MoreHorizontal, Pencil, RefreshCw, RotateCcw, Send, Trash2 } from "lucide-react";
import { useState } from "react";
import { patchOf, useChange } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { usePages } from "../../api/pages";
import { useCan } from "../../api/session";
import { Chip } from "../../kit/Badge";
import { Button, IconButton } from "../../kit/Button";
import { Code } from "../../kit/Code";
import { CopyAs } from "../../kit/CopyAs";
import { Drawer } from "../../kit/Dialog";
import { Input } from "../../kit/Field";
import { Select } from "../../kit/Select";
import { Menu } from "../../kit/Menu";
import { More } from "../../kit/More";
import { FilterBar, Page, PageHeader, Section } from "../../kit/Page";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { Tabs } from "../../kit/Tabs";
import { oneOf, text, useRouteId, useUrl } from "../../kit/url";
import { CopyId, Time } from "../../kit/Values";
import { pairs } from "../../kit/labels";
import { t } from "../../text/webhooks";
import { errorText } from "./errors";
import { DeliveryDetails } from "./Delivery";
import { RedeliverAll, RemoveWebhook, Rotate, WebhookForm } from "./forms";
import { DeliveryState, reasonOf, statusWords, WebhookState, type Delivery, type Webhook } from "./looks";
import { snippets } from "./snippets";

type Status = Delivery["status"];
const shape = { tab: oneOf("deliveries", "verify"), status: oneOf("", "pending", "delivered", "failed", "dead"), event: text, open: text, lang: oneOf("python", "node", "go", "shell") };

/** The page of one webhook. */
export function WebhookPage() {
  const id = useRouteId();
  const [url, change] = useUrl(shape);
  const webhook = useQuery({ queryKey: ["webhook", id], queryFn: ({ signal }) => ok(api.GET("/api/webhooks/{webhook_id}", { signal, params: { path: { webhook_id: id } } })), refetchInterval: 10_000 });
  const w = webhook.data;
  if (webhook.error && !w) return <Page><PageHeader title={t("title")} /><ErrorState error={webhook.error} onRetry={() => void webhook.refetch()} /></Page>;
  if (!w) return <Page><PageHeader title={t("title")} /><Loading /></Page>;
  return (
    <Page>
      <PageHeader title={w.name} actions={<Actions webhook={w} />} facts={<><WebhookState webhook={w} />{w.enabled ? null : <span>{reasonOf(w)}</span>}<code className="font-mono text-xs [overflow-wrap:anywhere]">{w.url}</code><CopyId id={w.webhook_id} /></>}>
        <div className="flex basis-full flex-wrap items-center gap-x-4 gap-y-1 text-sm text-faint">
          {w.description ? <span className="basis-full text-dim">{w.description}</span> : null}
          <span className="inline-flex flex-wrap gap-1">{w.events.map((e) => <Chip key={e} mono>{e === "*" ? t("allEvents") : e}</Chip>)}{[...w.job_types, ...pairs(w.labels)].map((f) => <Chip key={f}>{f}</Chip>)}</span>
          <span>{t("last")}: {w.health.last_delivered_at ? <Time at={w.health.last_delivered_at} /> : t("never")}</span>
          {w.health.failures > 0 ? <span className="text-bad">{t("failures", { n: w.health.failures })}</span> : null}
          {w.health.paused_until ? <span>{t("paused")} <Time at={w.health.paused_until} /></span> : null}
          {w.previous_secret_until ? <span className="text-warn">{t("both")} <Time at={w.previous_secret_until} /></span> : null}
        </div>
      </PageHeader>
      <Tabs value={url.tab} onChange={(v) => change({ tab: v as typeof url.tab })} tabs={[{ id: "deliveries", label: t("deliveries"), content: <Deliveries webhook={w} url={url} change={change} /> }, { id: "verify", label: t("verify"), content: <Verify lang={url.lang} onLang={(lang) => change({ lang })} /> }]} />
    </Page>
  );
}

function Actions({ webhook: w }: { webhook: Webhook }) {
  const { can, why } = useCan("webhooks:write");
  const off = can ? {} : { why };
  const navigate = useNavigate();
  const [act, setAct] = useState<"edit" | "rotate" | "remove" | "redeliver" | null>(null);
  const path = { webhook_id: w.webhook_id };
  const test = useChange(() => ok(api.POST("/api/webhooks/{webhook_id}/test", { params: { path } })), { old: ["webhook", "webhooks", "deliveries"], said: t("tested") });
  const turn = useChange(() => ok(api.PATCH("/api/webhooks/{webhook_id}", { params: { path }, headers: patchOf(w.version), body: { enabled: !w.enabled } as Schema<"WebhookInput"> })), { old: ["webhook", "webhooks"], said: t(w.enabled ? "disabled" : "enabled", { name: w.name }) });
  const close = () => setAct(null);
  return (
    <>
      <CopyAs action={{ cli: `runsheet webhook test ${w.name}`, method: "POST", path: `/api/webhooks/${w.webhook_id}/test` }} />
      {w.enabled ? null : <Button icon={Check} busy={turn.isPending} {...off} onClick={() => turn.mutate()}>{t("enable")}</Button>}
      <Button icon={RotateCcw} {...off} onClick={() => setAct("redeliver")}>{t("redeliverAll")}</Button>
      <Button look="primary" icon={Send} busy={test.isPending} {...off} onClick={() => test.mutate()}>{t("test")}</Button>
      <Menu
        trigger={<IconButton icon={MoreHorizontal} label={t("actionsOf", { name: w.name })} />}
        items={[
          { label: t("edit"), icon: Pencil, onSelect: () => setAct("edit"), ...off }, { label: t("rotate"), icon: RefreshCw, onSelect: () => setAct("rotate"), ...off },
          ...(w.enabled ? [{ label: t("disable"), icon: Ban, onSelect: () => turn.mutate(), ...off }] : []),
          { label: t("history"), icon: History, onSelect: () => void navigate({ to: "/system/audit" as never, search: { object: w.webhook_id } as never }) }, "-",
          { label: t("remove"), icon: Trash2, danger: true, onSelect: () => setAct("remove"), ...off },
        ]}
      />
      {act === "edit" ? <WebhookForm webhook={w} onClose={close} /> : null}
      {act === "rotate" ? <Rotate webhook={w} onClose={close} /> : null}
      {act === "redeliver" ? <RedeliverAll webhook={w} onClose={close} /> : null}
      {act === "remove" ? <RemoveWebhook webhook={w} onClose={close} onGone={() => void navigate({ to: "/webhooks" as never })} /> : null}
    </>
  );
}

function Deliveries({ webhook: w, url, change }: { webhook: Webhook; url: { status: "" | Status; event: string; open: string }; change: (next: { status?: "" | Status; event?: string; open?: string }, replace?: boolean) => void }) {
  const pages = usePages<Delivery>(["deliveries", w.webhook_id, url.status, url.event, w.health, w.version], (cursor, signal) => ok(api.GET("/api/webhooks/{webhook_id}/deliveries", {
    signal, params: { path: { webhook_id: w.webhook_id }, query: { limit: 50, ...(url.status ? { status: [url.status] } : {}), ...(url.event ? { event: [url.event] } : {}), ...(cursor ? { cursor } : {}) } },
  })));
  const active = url.status !== "" || url.event !== "";
  const columns: Column<Delivery>[] = [
    { id: "status", head: t("status"), width: "8rem", cell: (d) => <DeliveryState status={d.status} /> },
    { id: "event", head: t("event"), cell: (d) => <code className="font-mono text-xs">{d.event}</code> },
    { id: "id", head: "webhook-id", from: "lg", cell: (d) => <CopyId id={d.delivery_id} /> },
    { id: "attempts", head: t("log"), from: "sm", align: "right", cell: (d) => <span className="text-dim">{t("attemptsOf", { n: d.attempts, max: d.max_attempts })}</span> },
    { id: "answer", head: t("answer"), from: "sm", cell: (d) => <span className="block max-w-80 truncate text-dim" title={d.error ? errorText(d.error, d.last_status) : undefined}>{d.last_status ?? ""} {d.status !== "delivered" && d.error ? errorText(d.error, d.last_status) : ""}</span> },
    { id: "next", head: t("next"), from: "md", cell: (d) => (d.next_attempt_at ? <Time at={d.next_attempt_at} className="text-dim" /> : <span className="text-faint">–</span>) },
    { id: "created", head: t("created"), align: "right", cell: (d) => <Time at={d.created_at} className="text-dim" /> },
  ];
  return (
    <>
      <FilterBar active={active} onClear={() => change({ status: "", event: "" })}>
        <Select aria-label={t("status")} className="sm:w-44" value={url.status} onChange={(v) => change({ status: v as Status | "" })} options={[{ value: "", label: t("anyStatus") }, ...(Object.keys(statusWords) as Status[]).map((s) => ({ value: s, label: statusWords[s].word }))]} />
        <Input aria-label={t("anyEvent")} placeholder={t("anyEvent")} mono value={url.event} onChange={(e) => change({ event: e.target.value }, true)} className="sm:w-56" />
      </FilterBar>
      {pages.error ? <ErrorState error={pages.error} onRetry={pages.retry} /> : pages.isPending ? <Loading /> : pages.items.length === 0
        ? <Empty icon={Send} title={active ? t("noDeliveryMatch") : t("noDeliveries")} command={active ? undefined : `runsheet webhook test ${w.name}`}>{active ? null : t("noDeliveriesText")}</Empty>
        : <><Table label={t("deliveries")} columns={columns} rows={pages.items} id={(d) => d.delivery_id} current={url.open || undefined} onOpen={(d) => change({ open: d.delivery_id })} /><More pages={pages} /></>}
      <Drawer open={url.open !== ""} onClose={() => change({ open: "" }, true)} title={t("delivery")} wide>
        {url.open ? <DeliveryDetails id={url.open} /> : null}
      </Drawer>
    </>
  );
}

function Verify({ lang, onLang }: { lang: string; onLang: (l: "python" | "node" | "go" | "shell") => void }) {
  return (
    <Section title={t("verify")}>
      <p className="max-w-3xl pb-3 text-sm text-dim">{t("verifyText")}</p>
      <Tabs value={lang} onChange={(l) => onLang(l as "python")} tabs={snippets.map((s) => ({ id: s.id, label: s.label, content: <Code label={s.label} text={s.code} tall /> }))} />
    </Section>
  );
}
