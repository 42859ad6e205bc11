import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { EllipsisVertical, Undo2 } from "lucide-react";
import { useState } from "react";
import { api, ok } from "../../api/client";
import { useCan } from "../../api/session";
import { Badge } from "../../kit/Badge";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Menu } from "../../kit/Menu";
import { Page, PageHeader, Section } from "../../kit/Page";
import { useShortcut } from "../../kit/shortcuts";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { Table } from "../../kit/Table";
import { toast } from "../../kit/toast";
import { toastError } from "../../kit/Toasts";
import { oneOf, useRouteId, useUrl, whole } from "../../kit/url";
import { Time } from "../../kit/Values";
import { who } from "../../kit/who";
import { t } from "../../text/workflows";
import { Diff } from "./Diff";
import { MoveDialog } from "./MoveDialog";
import { TagsDialog } from "./TagsDialog";
import { activationsQuery, versionQuery, versionsQuery, workflowQuery, type Version } from "./queries";

const shape = { from: whole(0), to: whole(0), diff: oneOf("text", "structure", "graph"), rollback: whole(0) };

/** The versions of a workflow, what differs between two of them, and the way back. */
export function VersionsPage() {
  const id = useRouteId();
  const [url, setUrl] = useUrl(shape);
  const workflow = useQuery(workflowQuery(id));
  const q = useQuery(versionsQuery(id));
  const roll = useCan("workflow:rollback");
  const write = useCan("workflows:write");
  const [activating, setActivating] = useState<number | null>(null);
  const [tagging, setTagging] = useState<number | null>(null);
  const versions = q.data?.items ?? [];
  const active = workflow.data?.active_version ?? null;
  // A newer version was rolled back if it was active before; else it is a draft.
  const log = useQuery(activationsQuery(id)).data?.items;
  const rolledFrom = new Set(log?.flatMap((a) => [a.version, ...(a.from_version === null ? [] : [a.from_version])]));
  // Without a choice: the active version against the one before it, or a newer draft.
  const newest = versions[0]?.version ?? 0;
  const base = active !== null && newest > active ? active : (versions.find((v) => v.version < (active ?? newest))?.version ?? 0);
  const from = url.from || base;
  const to = url.to || (active !== null && newest > active ? newest : (active ?? newest));
  const target = versions.find((v) => v.version < (active ?? 0))?.version ?? 0;
  const whyRoll = roll.why || (active === null ? t("whyNoVersion") : target === 0 ? t("whyNoOlder") : "");
  useShortcut("Shift+r", () => !whyRoll && setUrl({ rollback: target }));
  useShortcut("d", () => setUrl({ diff: url.diff === "text" ? "structure" : url.diff === "structure" ? "graph" : "text" }, true));
  const pick = (v: number) => setUrl(v === to ? {} : from === v ? { from: to, to: v } : v < to ? { from: v } : { from: to, to: v });
  const name = workflow.data?.name || id;
  return (
    <Page>
      <PageHeader
        title={t("versionsOf", { name })}
        facts={<><Link to="/workflows/$id" params={{ id }} className="hover:underline">{t("toWorkflow")}</Link>{active === null ? null : <span>{t("activeIs", { n: active })}</span>}</>}
        actions={<><CopyAs action={{ cli: `runsheet workflow versions ${id}`, method: "GET", path: `/api/workflows/${id}/versions` }} /><Button look="primary" icon={Undo2} why={whyRoll} onClick={() => setUrl({ rollback: target })}>{t("rollback")}</Button></>}
      />
      {q.error ? <ErrorState error={q.error} onRetry={() => void q.refetch()} /> : !q.data ? <Loading rows={6} /> : versions.length === 0 ? <Empty title={t("noVersions")} /> : (
        <>
          <Table
            label={t("versions")} rows={versions} id={(v) => String(v.version)}
            columns={[
              { id: "pick", head: <span className="sr-only">{t("compare")}</span>, width: "5.5rem", cell: (v) => <Pick v={v} from={from} to={to} onFrom={(n) => setUrl({ from: n }, true)} onTo={(n) => setUrl({ to: n }, true)} /> },
              { id: "version", head: t("version"), width: "9rem", cell: (v) => <span className="flex flex-wrap items-center gap-x-2 gap-y-1"><button type="button" className="font-medium hover:underline" onClick={() => pick(v.version)}>{t("versionN", { n: v.version })}</button>{v.active ? <Badge tone="ok">{t("active")}</Badge> : active !== null && v.version > active ? <Badge>{t(rolledFrom.has(v.version) ? "wasActive" : "draft")}</Badge> : null}{v.tags.map((x) => <Badge key={x} tone="accent" title={x}>{x}</Badge>)}</span> },
              { id: "message", head: t("message"), cell: (v) => v.message ? <span className="[overflow-wrap:anywhere]">{v.message}</span> : <span className="text-faint">–</span> },
              { id: "results", head: t("success"), width: "9rem", align: "right", from: "md", cell: (v) => <Success v={v} /> },
              { id: "by", head: t("author"), width: "9rem", from: "sm", cell: (v) => <span className="text-dim">{who(v.created_by)}</span> },
              { id: "at", head: t("created"), width: "8rem", align: "right", from: "sm", cell: (v) => <span className="text-dim"><Time at={v.created_at} /></span> },
              { id: "act", head: <span className="sr-only">{t("actions")}</span>, width: "3rem", align: "right", cell: (v) => <Actions id={id} v={v} active={active} whyRoll={roll.why} whyWrite={write.why} onRollback={() => setUrl({ rollback: v.version })} onActivate={() => setActivating(v.version)} onTags={() => setTagging(v.version)} /> },
            ]}
          />
          {from > 0 && to > 0 && from !== to ? <Diff id={id} from={from} to={to} kind={url.diff} onKind={(diff) => setUrl({ diff }, true)} onSwap={() => setUrl({ from: to, to: from }, true)} /> : versions.length > 1 ? <p className="pt-6 text-sm text-faint">{t("pickTwo")}</p> : null}
          <Activations id={id} />
        </>
      )}
      {url.rollback > 0 && active !== null && url.rollback < active ? <MoveDialog key={url.rollback} kind="rollback" id={id} from={active} to={url.rollback} versions={versions} etag={workflow.data?.etag ?? null} onTarget={(n) => setUrl({ rollback: n }, true)} onClose={() => setUrl({ rollback: 0 }, true)} /> : null}
      {activating !== null ? <MoveDialog key={activating} kind="activate" id={id} from={active} to={activating} versions={versions} etag={workflow.data?.etag ?? null} onTarget={setActivating} onClose={() => setActivating(null)} /> : null}
      {tagging !== null ? <TagsDialog id={id} version={tagging} versions={versions} onClose={() => setTagging(null)} /> : null}
    </Page>
  );
}

function Pick({ v, from, to, onFrom, onTo }: { v: Version; from: number; to: number; onFrom: (n: number) => void; onTo: (n: number) => void }) {
  return (
    <span className="flex gap-3 pl-1">
      <input type="radio" name="from" aria-label={t("compareFrom", { n: v.version })} title={t("compareFrom", { n: v.version })} className="size-4 accent-bad" checked={from === v.version} disabled={to === v.version} onChange={() => onFrom(v.version)} />
      <input type="radio" name="to" aria-label={t("compareTo", { n: v.version })} title={t("compareTo", { n: v.version })} className="size-4 accent-ok" checked={to === v.version} disabled={from === v.version} onChange={() => onTo(v.version)} />
    </span>
  );
}

/** How many runs a version had, and how many of them went well. */
function Success({ v }: { v: Version }) {
  const r = v.results;
  if (!r || r.runs === 0) return <span className="text-faint">–</span>;
  const ended = r.completed + r.failed;
  return <span className="whitespace-nowrap">{ended > 0 ? <span className={r.failed > 0 ? "text-warn" : "text-ok"}>{Math.round((r.completed / ended) * 100)}%</span> : <span className="text-faint">–</span>} <span className="text-dim">{t("runsN", { n: r.runs })}</span></span>;
}

function Actions({ id, v, active, whyRoll, whyWrite, onRollback, onActivate, onTags }: { id: string; v: Version; active: number | null; whyRoll: string; whyWrite: string; onRollback: () => void; onActivate: () => void; onTags: () => void }) {
  const client = useQueryClient();
  const restore = useMutation({
    mutationFn: async () => {
      const full = await client.fetchQuery(versionQuery(id, v.version));
      return ok(api.POST("/api/workflows", { params: { query: { activate: false, message: t("restoredFrom", { n: v.version }) } }, body: { kind: "Workflow", ...full.definition } as never }));
    },
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["workflow", id] });
      toast({ text: t("appliedDraft") });
    },
    onError: toastError,
  });
  const older = active !== null && v.version < active;
  return (
    <Menu
      trigger={<IconButton icon={EllipsisVertical} label={t("actionsOf", { n: v.version })} />}
      items={[
        { label: t("rollbackHere"), onSelect: onRollback, ...(whyRoll || !older ? { why: whyRoll || t(v.active ? "isActive" : active === null ? "whyNoVersion" : "whyNewer") } : {}) },
        { label: t("activate"), onSelect: onActivate, ...(whyWrite || v.active ? { why: whyWrite || t("isActive") } : {}) },
        { label: t("tagsMenu"), onSelect: onTags, ...(whyWrite ? { why: whyWrite } : {}) },
        ...(older || v.active ? [{ label: t("restoreDraft"), onSelect: () => restore.mutate(), ...(whyWrite ? { why: whyWrite } : {}) }] : []),
      ]}
    />
  );
}

const sources: Record<string, Parameters<typeof t>[0]> = { apply: "srcApply", activate: "srcActivate", rollback: "srcRollback", node: "srcNode" };

function Activations({ id }: { id: string }) {
  const q = useQuery(activationsQuery(id));
  return (
    <Section title={t("activationLog")} className="mt-8">
      {q.error ? <ErrorState error={q.error} onRetry={() => void q.refetch()} /> : !q.data ? <Loading rows={3} /> : q.data.items.length === 0 ? <p className="text-sm text-faint">{t("neverActive")}</p> : (
        <Table
          label={t("activationLog")} rows={q.data.items} id={(a) => `${a.at} ${a.version}`}
          columns={[
            { id: "at", head: t("time"), width: "9rem", cell: (a) => <Time at={a.at} /> },
            { id: "what", head: t("change"), width: "13rem", cell: (a) => <span className="flex items-center gap-2"><Badge tone={a.source === "rollback" || a.source === "node" ? "warn" : "idle"}>{t(sources[a.source] ?? "srcApply")}</Badge><span className="whitespace-nowrap">{a.from_version === null ? t("versionN", { n: a.version }) : `${a.from_version} → ${a.version}`}</span></span> },
            { id: "reason", head: t("reason"), cell: (a) => a.reason ? <span className="[overflow-wrap:anywhere]">{a.reason}</span> : <span className="text-faint">–</span> },
            { id: "by", head: t("who"), width: "10rem", from: "sm", cell: (a) => <span className="text-dim">{a.by}</span> },
          ]}
        />
      )}
    </Section>
  );
}
