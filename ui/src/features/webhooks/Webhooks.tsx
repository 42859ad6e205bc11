import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Plus, RefreshCw, Webhook as Icon } from "lucide-react";
import { useState } from "react";
import { api, ok } from "../../api/client";
import { usePages } from "../../api/pages";
import { useCan } from "../../api/session";
import { Chip } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { More } from "../../kit/More";
import { FilterBar, Page, PageHeader, Section } from "../../kit/Page";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { flag, text, useUrl } from "../../kit/url";
import { Time } from "../../kit/Values";
import { t } from "../../text/webhooks";
import { Rotate, WebhookForm } from "./forms";
import { Rate, WebhookState, reasonOf, type Webhook } from "./looks";

const shape = { q: text, add: flag };

/** The page of webhooks. */
export function Webhooks() {
  const write = useCan("webhooks:write");
  const off = write.can ? {} : { why: write.why };
  const navigate = useNavigate();
  const [url, change] = useUrl(shape);
  const pages = usePages<Webhook>(["webhooks", url.q], (cursor, signal) => ok(api.GET("/api/webhooks", { signal, params: { query: { include: ["rate"], limit: 100, ...(url.q ? { q: url.q } : {}), ...(cursor ? { cursor } : {}) } } })));
  const columns: Column<Webhook>[] = [
    { id: "name", head: t("name"), cell: (w) => <span className="flex min-w-0 flex-col"><Link to={`/webhooks/${w.webhook_id}` as never} className="font-medium hover:underline">{w.name}</Link><span className="max-w-64 truncate font-mono text-xs text-faint xl:max-w-[28rem]">{w.url}</span></span> },
    { id: "events", head: t("events"), from: "lg", cell: (w) => <span className="inline-flex flex-wrap gap-1">{w.events.slice(0, 3).map((e) => <Chip key={e} mono>{e === "*" ? t("allEvents") : e}</Chip>)}{w.events.length > 3 ? <span className="text-faint">+{w.events.length - 3}</span> : null}</span> },
    { id: "state", head: t("state"), cell: (w) => <span className="flex flex-col"><WebhookState webhook={w} />{w.enabled ? null : <span className="text-xs text-faint">{reasonOf(w)}</span>}</span> },
    { id: "rate", head: t("rate"), from: "sm", cell: (w) => <Rate rate={w.rate} /> },
    { id: "last", head: t("last"), from: "md", align: "right", cell: (w) => (w.health.last_delivered_at ? <Time at={w.health.last_delivered_at} className="text-dim" /> : <span className="text-faint">{t("never")}</span>) },
  ];
  return (
    <Page>
      <PageHeader title={t("title")} actions={<><CopyAs action={{ cli: "runsheet webhook ls", method: "GET", path: "/api/webhooks?include=rate" }} /><Button look="primary" icon={Plus} {...off} onClick={() => change({ add: true })}>{t("add")}</Button></>} />
      <FilterBar query={url.q} onQuery={(q) => change({ q }, true)} placeholder={t("search")} />
      {pages.error ? <ErrorState error={pages.error} onRetry={pages.retry} /> : pages.isPending ? <Loading /> : pages.items.length === 0
        ? url.q ? <Empty icon={Icon} title={t("noMatch")} /> : <Empty icon={Icon} title={t("none")} action={<Button icon={Plus} {...off} onClick={() => change({ add: true })}>{t("add")}</Button>} command="runsheet webhook add https://example.com/hooks --event failed --name pager">{t("noneText")}</Empty>
        : <><Table label={t("title")} columns={columns} rows={pages.items} id={(w) => w.webhook_id} onOpen={(w) => void navigate({ to: `/webhooks/${w.webhook_id}` as never })} /><More pages={pages} /></>}
      {write.can ? <JobsSecret /> : null}
      {url.add ? <WebhookForm webhook={null} onClose={() => change({ add: false }, true)} /> : null}
    </Page>
  );
}

function JobsSecret() {
  const [rotates, setRotates] = useState(false);
  const secret = useQuery({ queryKey: ["webhook-secret"], queryFn: ({ signal }) => ok(api.GET("/api/webhook-secret", { signal })) });
  const s = secret.data;
  return (
    <Section title={t("jobsSecret")} className="mt-8" actions={<Button small icon={RefreshCw} onClick={() => setRotates(true)}>{t("rotate")}</Button>}>
      <p className="max-w-3xl text-sm text-dim">{t("jobsSecretText")}</p>
      <p className="mt-1 flex flex-wrap gap-x-4 text-sm text-faint">
        <span>{t("jobsRotated")}: {s?.rotated_at ? <Time at={s.rotated_at} /> : t("jobsNever")}</span>
        {s?.previous_secret_until ? <span>{t("both")}: <Time at={s.previous_secret_until} /></span> : null}
      </p>
      {rotates ? <Rotate webhook={null} onClose={() => setRotates(false)} /> : null}
    </Section>
  );
}
