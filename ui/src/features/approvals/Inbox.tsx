import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ShieldCheck } from "lucide-react";
import type { KeyboardEvent } from "react";
import { Badge, StateChip } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { Page, PageHeader } from "../../kit/Page";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { Segmented } from "../../kit/Segmented";
import { useShortcut } from "../../kit/shortcuts";
import { oneOf, useUrl } from "../../kit/url";
import { Time } from "../../kit/Values";
import { t } from "../../text/approvals";
import { inboxQuery, type Approval } from "./api";
import { Countdown } from "./Countdown";
import { approvals } from "./model";

const shape = { show: oneOf("pending", "decided") };

function step(by: 1 | -1): void {
  const all = [...document.querySelectorAll<HTMLElement>("a[data-approval]")];
  const at = all.findIndex((x) => x === document.activeElement);
  all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))]?.focus();
}

/** What waits for people, by expiry. */
export function Inbox() {
  const [url, setUrl] = useUrl(shape);
  const query = useInfiniteQuery(inboxQuery(url.show));
  const items = query.data?.pages.flatMap((p) => p.items) ?? [];
  useShortcut("j", () => step(1));
  useShortcut("k", () => step(-1));
  const onKeyDown = (e: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (!by) return;
    step(by as 1 | -1);
    e.preventDefault();
  };
  return (
    <Page narrow>
      <PageHeader title={t("title")} actions={<Segmented label={t("show")} value={url.show} onChange={(v) => setUrl({ show: v as typeof url.show })} options={[{ value: "pending", label: t("pending") }, { value: "decided", label: t("decided") }]} />} />
      {query.isPending ? <Loading /> : query.isError && items.length === 0 ? <ErrorState error={query.error} onRetry={() => void query.refetch()} /> : items.length === 0 ? (
        url.show === "pending" ? <Empty icon={ShieldCheck} title={t("empty")} command="runsheet job add --approval=4h --approvals 2 -- /opt/jobs/release.sh">{t("emptyText")}</Empty> : <Empty icon={ShieldCheck} title={t("noneDecided")} />
      ) : (
        // Arrows only move between the links, which Tab reaches as well.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
        <ul aria-label={t("title")} onKeyDown={onKeyDown} className="flex flex-col border-t border-line">
          {items.map((a) => <Row key={a.approval_id} a={a} />)}
        </ul>
      )}
      {query.hasNextPage ? <div className="flex justify-center py-4"><Button busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>{t("more")}</Button></div> : null}
    </Page>
  );
}

/** What waits, in a word: a job's name is in the title, a workflow's is not. */
export function kindWord(a: Approval): string {
  return a.workflow_run_id ? t("kindWorkflow", { name: a.fields.find((f) => f.name === "workflow")?.value ?? "", node: a.node_id ?? "" }) : a.subject.type === "job" ? t("kindJob") : a.kind;
}

function Row({ a }: { a: Approval }) {
  return (
    <li data-id={a.approval_id} className="border-b border-line/70">
      <Link to="/approvals/$id" params={{ id: a.approval_id }} data-approval={a.approval_id} className="target grid grid-cols-[1fr_auto] items-center gap-x-4 gap-y-0.5 rounded-sm px-2 py-2.5 hover:bg-hover">
        <span className="min-w-0 font-medium [overflow-wrap:anywhere]">{a.title}</span>
        <span className="justify-self-end text-sm">{a.status === "PENDING" ? <Countdown a={a} /> : <StateChip state={a.status} />}</span>
        <span className="flex min-w-0 flex-wrap items-center gap-x-3 gap-y-0.5 text-xs text-dim">
          <span>{kindWord(a)}</span>
          <span>{t("by", { who: a.requested_by })}</span>
          <Time at={a.requested_at} />
          {a.round > 1 ? <Badge tone="warn">{t("round", { n: a.round })}</Badge> : null}
        </span>
        <span className="justify-self-end text-xs text-dim">{a.status === "PENDING" ? t("count", { n: approvals(a), m: a.min_approvals }) : <Time at={a.ended_at} />}</span>
      </Link>
    </li>
  );
}
