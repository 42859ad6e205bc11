import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { RotateCcw, SkipForward } from "lucide-react";
import { useState } from "react";
import { api, getExact, ok } from "../../api/client";
import { useCan } from "../../api/session";
import { ItemBar, itemText, NodeTime } from "../../graph/GraphNode";
import type { GraphNode } from "../../graph/model";
import { Badge, Chip, StateChip } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { CheckBox } from "../../kit/Field";
import { Facts } from "../../kit/Page";
import { ErrorState, Loading } from "../../kit/States";
import { Table } from "../../kit/Table";
import { Tabs } from "../../kit/Tabs";
import { CopyId, Duration, Time } from "../../kit/Values";
import { t } from "../../text/workflows";
import { Code, JsonCode } from "./Code";
import { failureText } from "../runs/failure";
import { skipText, typeIcon, typeName, waitText } from "./look";
import { NodeState } from "./NodeState";
import { Decide } from "./RunActions";
import { takeoverText } from "./told";
import { over, reached, type RunDocument, type RunNode } from "./runstate";

export interface NodeDetailProps {
  doc: RunDocument;
  node: RunNode;
  graphNode: GraphNode | undefined;
  /** The node in the definition. */
  source: Record<string, unknown> | undefined;
  pace: { perSecond: number; leftMs: number } | null | undefined;
  tab: string;
  onTab: (tab: string) => void;
  onSkip: () => void;
  onRetry: () => void;
  put: (d: RunDocument) => void;
}

/** What the drawer shows of a node of a run. */
export function NodeDetail(p: NodeDetailProps) {
  const { doc, node, graphNode, source, tab } = p;
  const map = doc.maps.find((m) => m.node_id === node.node_id);
  const tabs = [
    { id: "state", label: t("tabState"), content: <State {...p} /> },
    ...(map ? [{ id: "items", label: t("tabItems"), count: map.failed || undefined, content: <Items doc={doc} nodeId={node.node_id} /> }] : []),
    { id: "data", label: t("tabData"), content: <Data doc={doc} node={node} /> },
    { id: "config", label: t("tabConfig"), content: source ? <JsonCode value={source} label={t("tabConfig")} /> : <Loading rows={3} /> },
    { id: "log", label: t("tabLog"), content: <NodeLog doc={doc} nodeId={node.node_id} /> },
    { id: "checkpoint", label: t("tabCheckpoint"), content: <LatestCheckpoint doc={doc} nodeId={node.node_id} /> },
  ];
  return <Tabs tabs={tabs} value={tabs.some((x) => x.id === tab) ? tab : "state"} onChange={p.onTab} key={graphNode?.id ?? node.node_id} />;
}

/** The head of the drawer. */
export function NodeTitle({ node, graphNode }: { node: RunNode; graphNode: GraphNode | undefined }) {
  const Icon = typeIcon(graphNode?.type ?? "", graphNode?.subtype ?? "");
  return (
    <span className="flex flex-wrap items-center gap-2 text-sm text-dim">
      <NodeState state={node.status} />
      <span className="inline-flex items-center gap-1"><Icon aria-hidden className="size-3.5 text-faint" />{graphNode ? typeName(graphNode.type, graphNode.subtype) : node.type}</span>
    </span>
  );
}

function State({ doc, node, graphNode, pace, onSkip, onRetry, put }: NodeDetailProps) {
  const write = useCan("jobs:write");
  const map = doc.maps.find((m) => m.node_id === node.node_id);
  const ended = over(doc.status);
  const canSkip = node.status === "WAITING" && node.wait?.for !== "approval";
  const whySkip = write.why || (ended ? t("whyEnded") : node.wait?.for === "approval" ? t("whyApproval") : canSkip ? "" : t("whyNotWaiting"));
  const whyRetry = write.why || (ended ? (reached(node) ? "" : t("whyNotReached")) : t("whyRunning"));
  const run = graphNode?.run;
  const back = doc.takeover?.node_id === node.node_id ? doc.takeover : null;
  return (
    <div className="flex flex-col gap-4">
      {back ? <p data-takeover className="rounded-md bg-info-soft px-3 py-2 text-sm text-info">{takeoverText(back, "").trim()} <Time at={back.at} clock /></p> : null}
      {node.error ? (
        <div role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
          <p className="font-mono text-xs">{node.error.code}</p>
          <p className="[overflow-wrap:anywhere]">{failureText(node.error)}</p>
        </div>
      ) : null}
      {node.wait?.for === "decision" ? <Decide doc={doc} node={node} put={put} why={write.why} /> : null}
      {map ? (
        <div className="flex flex-col gap-1.5">
          <ItemBar {...map} label={t("itemsOfNode", { node: node.node_id })} />
          <p className="text-sm">{itemText(map, pace)}</p>
        </div>
      ) : null}
      <Facts
        items={[
          // The table below has every attempt; of a lost one the policy of retry knows nothing.
          ...(graphNode && graphNode.maxAttempts > 1 ? [[t("attempt"), t("attemptOf", { n: node.attempt, m: graphNode.maxAttempts })] as const] : []),
          ...(node.round > 0 ? [[t("round"), node.round + 1] as const] : []),
          ...(node.started_at ? [[t("started"), <Time key="s" at={node.started_at} />] as const] : []),
          ...(run?.startedAt ? [[t("duration"), <NodeTime key="d" run={run} />] as const] : []),
          ...(node.outcome ? [[t("outcome"), node.outcome] as const] : []),
          ...(node.reason ? [[t("reason"), skipText(node.reason_code, node.reason)] as const] : []),
          ...(node.wait ? [[t("waitsFor"), <Wait key="w" node={node} />] as const] : []),
          ...(graphNode?.when ? [[t("when"), <code key="c" className="font-mono text-xs">{graphNode.when}</code>] as const] : []),
          ...(node.after.length > 0 ? [[t("after"), <span key="a" className="flex flex-wrap gap-1">{node.after.map((a) => <Chip key={a} mono>{a}</Chip>)}</span>] as const] : []),
          ...(graphNode?.body ? [[t("perItem"), <span key="b" className="flex flex-wrap gap-1">{graphNode.body.nodes.map((b) => <Chip key={b.id} icon={typeIcon(b.type, b.subtype)} mono>{b.id}</Chip>)}</span>] as const] : []),
        ]}
      />
      {reached(node) ? <Attempts doc={doc} nodeId={node.node_id} /> : null}
      {node.will_be_recomputed ? <p className="text-sm text-warn">{t("willRecompute")}</p> : null}
      <div className="flex flex-wrap gap-2">
        <Button small icon={SkipForward} why={whySkip} onClick={onSkip}>{t("skipNode")}</Button>
        <Button small icon={RotateCcw} why={whyRetry} onClick={onRetry}>{t("retryHere")}</Button>
      </div>
    </div>
  );
}

function Wait({ node }: { node: RunNode }) {
  const w = node.wait;
  if (!w) return null;
  return (
    <span className="flex flex-wrap items-center gap-x-2">
      {waitText(w.for)}
      {w.event ? <code className="font-mono text-xs">{w.event}</code> : null}
      {w.until ? <span>{t("until")} <Time at={w.until} /></span> : null}
      {w.for === "approval" && w.ref ? <Link to="/approvals/$id" params={{ id: w.ref }} className="text-accent hover:underline">{t("toApproval")}</Link> : null}
      {w.for !== "approval" && w.ref ? <CopyId id={w.ref} /> : null}
    </span>
  );
}

function Data({ doc, node }: { doc: RunDocument; node: RunNode }) {
  // The document as it is read by the page loses digits of very large numbers.
  const exact = useQuery({ queryKey: ["run-detail", doc.workflow_run_id, "exact", doc.checkpoint_seq], queryFn: ({ signal }) => getExact(`/api/workflow-runs/${doc.workflow_run_id}`, signal) as Promise<RunDocument>, placeholderData: (old) => old });
  if (exact.error && !exact.data) return <ErrorState error={exact.error} onRetry={() => void exact.refetch()} />;
  const from = exact.data ?? doc;
  const mine = from.nodes.find((n) => n.node_id === node.node_id) ?? node;
  const before = from.nodes.filter((n) => node.after.includes(n.node_id) && Object.keys(n.outputs).length > 0);
  return (
    <div className="flex flex-col gap-4">
      <section aria-label={t("outputs")}>
        <h3 className="pb-1 text-sm font-medium">{t("outputs")}</h3>
        {mine.outputs_omitted ? <p className="text-sm text-dim">{t("outputsOmitted")}</p> : Object.keys(mine.outputs).length > 0 ? <JsonCode value={mine.outputs} label={t("outputs")} /> : <p className="text-sm text-faint">{mine.ephemeral ? t("ephemeral") : t("noOutputs")}</p>}
      </section>
      <section aria-label={t("inputs")}>
        <h3 className="pb-1 text-sm font-medium">{t("inputsOfNode")}</h3>
        {before.length === 0 && Object.keys(from.inputs).length === 0 ? <p className="text-sm text-faint">{t("nothing")}</p> : <JsonCode value={{ inputs: from.inputs, outputs: Object.fromEntries(before.map((n) => [n.node_id, n.outputs])) }} label={t("inputsOfNode")} />}
      </section>
    </div>
  );
}

const itemStates = { pending: "QUEUED", running: "RUNNING", completed: "COMPLETED", failed: "FAILED" } as const;

function Items({ doc, nodeId }: { doc: RunDocument; nodeId: string }) {
  const [failedOnly, setFailedOnly] = useState(true);
  const q = useInfiniteQuery({
    queryKey: ["run-detail", doc.workflow_run_id, "items", nodeId, failedOnly],
    queryFn: ({ signal, pageParam }) => ok(api.GET("/api/workflow-runs/{workflow_run_id}/nodes/{node_id}/items", { signal, params: { path: { workflow_run_id: doc.workflow_run_id, node_id: nodeId }, query: { limit: 100, ...(failedOnly ? { status: "failed" as const } : {}), ...(pageParam ? { cursor: pageParam } : {}) } } })),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
  const rows = q.data?.pages.flatMap((p) => p.items) ?? [];
  const map = doc.maps.find((m) => m.node_id === nodeId);
  return (
    <div className="flex flex-col gap-2">
      <div className="flex items-center gap-3">
        <CheckBox label={t("failedOnly")} checked={failedOnly} onChange={setFailedOnly} />
        {map ? <span className="ml-auto text-sm text-faint">{t("itemsOf", { n: map.processed, m: map.total })}</span> : null}
      </div>
      {q.error ? <ErrorState error={q.error} onRetry={() => void q.refetch()} /> : !q.data ? <Loading rows={4} /> : rows.length === 0 ? <p className="py-6 text-center text-sm text-faint">{t("noFailedItems")}</p> : (
        <Table
          label={t("tabItems")} rows={rows} id={(r) => String(r.index)}
          columns={[
            { id: "index", head: "#", width: "4rem", align: "right", cell: (r) => r.index },
            { id: "state", head: t("state"), width: "7rem", cell: (r) => <NodeState state={itemStates[r.status]} /> },
            { id: "error", head: t("error"), cell: (r) => r.code ? <span className="[overflow-wrap:anywhere]"><code className="mr-1.5 font-mono text-xs text-bad">{r.code}</code>{r.message}</span> : null },
          ]}
        />
      )}
      {q.hasNextPage ? <Button small busy={q.isFetchingNextPage} onClick={() => void q.fetchNextPage()}>{t("loadMore")}</Button> : null}
    </div>
  );
}

function NodeLog({ doc, nodeId }: { doc: RunDocument; nodeId: string }) {
  const log = useQuery({
    queryKey: ["run-detail", doc.workflow_run_id, "log"],
    queryFn: async ({ signal }) => (await ok(api.GET("/api/job-runs/{run_id}/logs", { signal, params: { path: { run_id: doc.run_id ?? "" }, query: { tail: 5000 } }, parseAs: "text" }))) as string,
    enabled: doc.run_id !== null,
  });
  if (doc.run_id === null) return <p className="text-sm text-faint">{t("noLog")}</p>;
  if (log.error) return <ErrorState error={log.error} onRetry={() => void log.refetch()} />;
  if (log.data === undefined) return <Loading rows={4} />;
  const lines = log.data.split("\n").filter((l) => new RegExp(`(^|\\s)${nodeId.replace(/[^\w]/g, "\\$&")}(\\[\\d+\\])?: `).test(l));
  return (
    <div className="flex flex-col gap-2">
      {lines.length === 0 ? <p className="text-sm text-faint">{t("noLog")}</p> : <Code text={lines.join("\n")} label={t("tabLog")} />}
      <Link to="/runs/$id" params={{ id: doc.run_id }} className="text-sm text-accent hover:underline">{t("wholeLog")}</Link>
    </div>
  );
}

function Attempts({ doc, nodeId }: { doc: RunDocument; nodeId: string }) {
  const q = useQuery({ queryKey: ["run-detail", doc.workflow_run_id, "attempts", nodeId], queryFn: ({ signal }) => ok(api.GET("/api/workflow-runs/{workflow_run_id}/nodes/{node_id}/attempts", { signal, params: { path: { workflow_run_id: doc.workflow_run_id, node_id: nodeId } } })) });
  if (q.error) return <ErrorState error={q.error} onRetry={() => void q.refetch()} />;
  if (!q.data) return <Loading rows={3} />;
  if (q.data.items.length === 0) return <p className="text-sm text-faint">{t("noAttempts")}</p>;
  return (
    <Table
      label={t("tabAttempts")} rows={q.data.items} id={(a) => `${a.number}`}
      columns={[
        { id: "n", head: "#", width: "3rem", align: "right", cell: (a) => a.number },
        { id: "state", head: t("state"), cell: (a) => <StateChip bare state={a.lost ? "LOST" : a.status} /> },
        { id: "start", head: t("started"), cell: (a) => <Time at={a.started_at} clock /> },
        { id: "for", head: t("duration"), align: "right", cell: (a) => a.started_at && a.ended_at && !a.lost ? <Duration of={Date.parse(a.ended_at) - Date.parse(a.started_at)} /> : null },
        { id: "error", head: t("error"), cell: (a) => <>{a.lost ? <span data-lost>{t(a.lost === "crash" ? "serverDied" : "serverStopped")} {a.instance_id ? <CopyId id={a.instance_id} /> : null}</span> : null}{a.error ? <Badge tone="bad" title={failureText(a.error)}>{a.error.code}</Badge> : a.outcome}</> },
      ]}
    />
  );
}

function LatestCheckpoint({ doc, nodeId }: { doc: RunDocument; nodeId: string }) {
  const list = useQuery({ queryKey: ["run-detail", doc.workflow_run_id, "checkpoints"], queryFn: ({ signal }) => ok(api.GET("/api/workflow-runs/{workflow_run_id}/checkpoints", { signal, params: { path: { workflow_run_id: doc.workflow_run_id }, query: { limit: 100 } } })) });
  const of = list.data?.items.find((c) => c.node_id === nodeId) ?? list.data?.items[0];
  if (list.error) return <ErrorState error={list.error} onRetry={() => void list.refetch()} />;
  if (!list.data) return <Loading rows={3} />;
  return of ? <CheckpointJson runId={doc.workflow_run_id} id={of.checkpoint_id} seq={of.seq} at={of.timestamp} /> : <p className="text-sm text-faint">{t("noCheckpoint")}</p>;
}

/** A checkpoint as JSON. */
export function CheckpointJson({ runId, id, seq, at }: { runId: string; id: string; seq: number; at: string }) {
  const q = useQuery({ queryKey: ["checkpoint", id], queryFn: ({ signal }) => getExact(`/api/workflow-runs/${runId}/checkpoints/${id}`, signal), staleTime: Infinity });
  if (q.error) return <ErrorState error={q.error} onRetry={() => void q.refetch()} />;
  return (
    <div className="flex flex-col gap-2">
      <p className="flex flex-wrap items-center gap-2 text-sm text-dim">{t("step", { n: seq })} <Time at={at} /> <CopyId id={id} /></p>
      {q.data === undefined ? <Loading rows={4} /> : <JsonCode value={q.data} label={t("tabCheckpoint")} />}
    </div>
  );
}
