import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ShieldCheck, X } from "lucide-react";
import { lazy, Suspense, useState, type KeyboardEvent } from "react";
import { meQuery, useCan } from "../../api/session";
import { Badge, Chip, StateChip } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { CheckBox } from "../../kit/Field";
import { Page, PageHeader } from "../../kit/Page";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { cx } from "../../kit/cx";
import { Segmented } from "../../kit/Segmented";
import { shortId } from "../../kit/format";
import { useShortcut } from "../../kit/shortcuts";
import { oneOf, text as textParam, useUrl } from "../../kit/url";
import { Time } from "../../kit/Values";
import { who } from "../../kit/who";
import { t } from "../../text/approvals";
import { t as kit } from "../../text/kit";
import { inboxQuery, type Approval } from "./api";
import { Countdown } from "./Countdown";
import { approvals, differs, oneKind } from "./model";

const ApproveDialog = lazy(() => import("./ApproveDialog").then((m) => ({ default: m.ApproveDialog })));

// run: only the approvals of this run of a workflow.
const shape = { show: oneOf("pending", "decided"), run: textParam };

const focusedId = () => document.activeElement?.closest<HTMLElement>("li[data-id]")?.dataset.id ?? "";

function step(by: 1 | -1): void {
  const all = [...document.querySelectorAll<HTMLElement>("a[data-approval]")];
  const at = all.findIndex((x) => x.dataset.approval === focusedId());
  all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))]?.focus();
}

/** What waits for people, by expiry. */
export function Inbox() {
  const [url, setUrl] = useUrl(shape);
  const query = useInfiniteQuery(inboxQuery(url.show, url.run));
  const items = query.data?.pages.flatMap((p) => p.items) ?? [];
  const me = useQuery(meQuery);
  const decides = useCan("approvals:decide").can;
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  // What the person was shown when the dialog was opened; a decision is for exactly that.
  const [asked, setAsked] = useState<readonly Approval[] | null>(null);
  const pick = (id: string) => setSelected((old) => (old.has(id) ? new Set([...old].filter((x) => x !== id)) : new Set([...old, id])));
  // Only what is shown: a request that is decided meanwhile must not stay selected unseen.
  const chosen = decides && url.show === "pending" ? items.filter((a) => a.status === "PENDING" && selected.has(a.approval_id)) : [];
  const mixed = oneKind(chosen) ? "" : t("oneKind");
  useShortcut("j", () => step(1));
  useShortcut("k", () => step(-1));
  useShortcut("x", () => {
    const a = items.find((i) => i.approval_id === focusedId());
    if (a?.status === "PENDING") pick(a.approval_id);
  });
  useShortcut("a", () => chosen.length > 0 && !mixed && setAsked(chosen));
  useShortcut("Escape", () => setSelected(new Set()));
  const onKeyDown = (e: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (!by) return;
    step(by as 1 | -1);
    e.preventDefault();
  };
  const everything = url.run ? <Link to="/approvals" search={url.show === "pending" ? {} : { show: url.show }}>{t("allRuns")}</Link> : null;
  return (
    <Page narrow>
      <PageHeader title={t("title")} actions={<Segmented label={t("show")} value={url.show} onChange={(v) => setUrl({ show: v as typeof url.show })} options={[{ value: "pending", label: t("pending") }, { value: "decided", label: t("decided") }]} />} />
      {chosen.length > 0 ? (
        <div role="toolbar" aria-label={kit("selected", { n: chosen.length })} className="mb-3 flex flex-wrap items-center gap-2">
          <span className="text-sm font-medium">{kit("selected", { n: chosen.length })}</span>
          <Button small look="primary" icon={ShieldCheck} aria-keyshortcuts="A" why={mixed} onClick={() => setAsked(chosen)}>{t("approveSelected")}</Button>
          <Button small look="ghost" icon={X} onClick={() => setSelected(new Set())}>{t("clear")}</Button>
        </div>
      ) : null}
      {url.run ? <p className="pb-3"><Chip mono onRemove={() => setUrl({ run: "" })} removeLabel={t("allRuns")}>{t("ofRun", { id: shortId(url.run) })}</Chip></p> : null}
      {query.isPending || (query.isPlaceholderData && items.length === 0) ? <Loading /> : query.isError && items.length === 0 ? <ErrorState error={query.error} onRetry={() => void query.refetch()} back={everything} /> : items.length === 0 ? (
        url.run ? <Empty icon={ShieldCheck} title={t(url.show === "pending" ? "noneOfRun" : "noneOfRunDecided")}><span className="text-accent hover:underline">{everything}</span></Empty> : url.show === "pending" ? <Empty icon={ShieldCheck} title={t("empty")} command="runsheet job add --approval=4h --approvals 2 -- /opt/jobs/release.sh">{t("emptyText")}</Empty> : <Empty icon={ShieldCheck} title={t("noneDecided")} />
      ) : (
        // Arrows only move between the links, which Tab reaches as well.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
        <ul aria-label={t("title")} onKeyDown={onKeyDown} className="flex flex-col border-t border-line">
          {items.map((a) => <Row key={a.approval_id} a={a} differs={differs(a, items)} mine={a.delegations.some((d) => d.to === me.data?.name)} selected={selected.has(a.approval_id)} onSelect={decides && a.status === "PENDING" ? () => pick(a.approval_id) : null} />)}
        </ul>
      )}
      {query.hasNextPage ? <div className="flex justify-center py-4"><Button busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>{t("more")}</Button></div> : null}
      {asked ? (
        <Suspense>
          <ApproveDialog list={asked} onClose={(approved) => {
            setSelected((old) => new Set([...old].filter((id) => !approved.includes(id))));
            setAsked(null);
          }} />
        </Suspense>
      ) : null}
    </Page>
  );
}

/** What waits, in a word: a job's name is in the title, a workflow's is not. */
export function kindWord(a: Approval): string {
  return a.workflow_run_id ? t("kindWorkflow", { name: a.fields.find((f) => f.name === "workflow")?.value ?? "", node: a.node_id ?? "" }) : a.subject.type === "job" ? t("kindJob") : a.kind;
}

// Without onSelect it cannot be selected.
function Row({ a, differs, mine, selected, onSelect }: { a: Approval; differs: string | null; mine: boolean; selected: boolean; onSelect: (() => void) | null }) {
  const title = a.title;
  return (
    <li data-id={a.approval_id} className={cx("flex items-center border-b border-line/70", selected && "bg-accent-soft")}>
      {onSelect ? <span className="flex px-2 pointer-coarse:p-0 pointer-coarse:[&>label]:p-3.5"><CheckBox hidden label="" aria-label={t("selectOne", { title })} checked={selected} onChange={onSelect} /></span> : null}
      <Link to="/approvals/$id" params={{ id: a.approval_id }} data-approval={a.approval_id} className="target grid min-w-0 grow grid-cols-[1fr_auto] items-center gap-x-4 gap-y-0.5 rounded-sm px-2 py-2.5 hover:bg-hover">
        <span className="min-w-0 font-medium [overflow-wrap:anywhere]">{title}</span>
        <span className="justify-self-end text-sm">{a.status === "PENDING" ? <Countdown a={a} /> : <StateChip state={a.status} />}</span>
        <span className="flex min-w-0 flex-wrap items-center gap-x-3 gap-y-0.5 text-xs text-dim">
          <span>{kindWord(a)}</span>
          <span>{t("by", { who: who(a.requested_by) })}</span>
          <Time at={a.requested_at} clock={differs !== null} />
          {differs ? <span data-differs className="min-w-0 font-medium text-fg [overflow-wrap:anywhere]">{differs}</span> : null}
          {mine ? <Badge tone="info">{t("delegatedToYou")}</Badge> : null}
          {a.round > 1 ? <Badge tone="warn">{t("round", { n: a.round })}</Badge> : null}
        </span>
        <span className="justify-self-end text-xs text-dim">{a.status === "PENDING" ? t("count", { n: approvals(a), m: a.min_approvals }) : <Time at={a.ended_at} />}</span>
      </Link>
    </li>
  );
}
