import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Ban, CirclePause, CirclePlay, History, RotateCcw } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { api, ok } from "../../api/client";
import { useCan } from "../../api/session";
import { buildGraph, withRun, type GraphModel } from "../../graph/model";
import { announce } from "../../kit/announce";
import { Badge, StateChip } from "../../kit/Badge";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { clockSeconds, duration, shortId } from "../../kit/format";
import { Page, PageHeader } from "../../kit/Page";
import { ErrorState, Loading } from "../../kit/States";
import { Tabs } from "../../kit/Tabs";
import { oneOf, text, useRouteId, useUrl } from "../../kit/url";
import { CopyId, Elapsed, Time, useNow } from "../../kit/Values";
import { who } from "../../kit/who";
import { stateLook } from "../../states";
import { t } from "../../text/workflows";
import { JsonCode } from "./Code";
import { whyText } from "../queue/why";
import { GraphOrList, ViewSwitch } from "./GraphOrList";
import { failureText } from "../runs/failure";
import { Retry, useRetries } from "../runs/Retries";
import { beganText, endText, takeoverText } from "./told";
import { NodeDetail, NodeTitle } from "./NodeDrawer";
import { useRun, versionQuery, type LiveRun } from "./queries";
import { CancelDialog, RetryDialog, SkipDialog, useSteer, type Again } from "./RunActions";
import { HistoryTab, StepsTab } from "./RunTabs";
import { over, type RunDocument } from "./runstate";
import { SidePanel } from "./SidePanel";

const shape = { node: text, drawer: text, view: oneOf("auto", "graph", "list"), tab: oneOf("history", "steps", "input", "output") };

const empty: GraphModel = { nodes: [], edges: [] };

/** A run of a workflow, live. */
export function RunPage() {
  const id = useRouteId();
  const run = useRun(id);
  if (!run.doc) {
    return (
      <Page>
        <PageHeader title={t("workflowRun")} />
        {run.error ? <ErrorState error={run.error} onRetry={run.refetch} /> : <Loading rows={10} />}
      </Page>
    );
  }
  return <RunView key={id} run={run} doc={run.doc} />;
}

function RunView({ run, doc }: { run: LiveRun; doc: RunDocument }) {
  const [url, setUrl] = useUrl(shape);
  const [dialog, setDialog] = useState<"cancel" | "skip" | Again | null>(null);
  const version = useQuery(versionQuery(doc.workflow_id, doc.version));
  const definition = version.data?.definition;
  const bare = useMemo(() => (definition ? buildGraph(definition) : null), [definition]);
  const model = useMemo(() => (bare ? withRun(bare, doc) : empty), [bare, doc]);
  const node = doc.nodes.find((n) => n.node_id === url.node);
  const graphNode = model.nodes.find((n) => n.id === url.node);
  const source = useMemo(() => {
    const all = definition?.["nodes"];
    return Array.isArray(all) ? (all as Record<string, unknown>[]).find((n) => n["node_id"] === url.node) : undefined;
  }, [definition, url.node]);
  const ended = over(doc.status);
  useEffect(() => {
    if (ended) announce(t("ended", { name: doc.name, state: stateLook(doc.status).word }));
  }, [ended, doc.name, doc.status]);
  const select = (id: string) => setUrl({ node: id === url.node ? "" : id });

  return (
    <Page>
      <Head doc={doc} put={run.put} onDialog={setDialog} />
      {doc.started_at || ended ? null : <Waits jobId={doc.job_id} />}
      <Banners doc={doc} />
      <Progress doc={doc} />
      <div className="flex items-start gap-4 pt-3">
        <div className="min-w-0 grow">
          <div className="flex flex-wrap items-center gap-2 pb-2">
            <ViewSwitch view={url.view} onChange={(view) => setUrl({ view }, true)} />
            <span className="hidden text-xs text-faint md:inline">{t("graphKeys")}</span>
            <span className="ml-auto"><Checkpoint doc={doc} /></span>
          </div>
          {version.error ? <ErrorState error={version.error} onRetry={() => void version.refetch()} /> : bare ? (
            <GraphOrList model={model} view={url.view} label={t("graphOf", { name: doc.name })} selected={url.node || null} onSelect={select} paces={run.paces} />
          ) : <Loading rows={8} />}
        </div>
        {node ? (
          <SidePanel title={node.node_id} description={<NodeTitle node={node} graphNode={graphNode} />} onClose={() => setUrl({ node: "", drawer: "" }, true)}>
            <NodeDetail
              doc={doc} node={node} graphNode={graphNode} source={source} pace={run.paces.get(node.node_id)} tab={url.drawer || "state"} onTab={(drawer) => setUrl({ drawer }, true)}
              onSkip={() => setDialog("skip")} onRetry={() => setDialog({ mode: "node", node: node.node_id })} put={run.put}
            />
          </SidePanel>
        ) : null}
      </div>
      <div className="pt-5">
        <Tabs
          value={url.tab} onChange={(tab) => setUrl({ tab: tab as (typeof url)["tab"] }, true)}
          tabs={[
            { id: "history", label: t("tabHistory"), content: <HistoryTab run={run} doc={doc} /> },
            { id: "steps", label: t("tabSteps"), content: <StepsTab doc={doc} onRestore={(checkpoint, seq) => setDialog({ mode: "checkpoint", checkpoint, seq })} /> },
            { id: "input", label: t("inputs"), content: Object.keys(doc.inputs).length > 0 ? <JsonCode value={doc.inputs} label={t("inputs")} /> : <p className="text-sm text-faint">{t("noInputs")}</p> },
            { id: "output", label: t("outputs"), content: Object.keys(doc.outputs).length > 0 ? <JsonCode value={doc.outputs} label={t("outputs")} /> : <p className="text-sm text-faint">{t("noRunOutputs")}</p> },
          ]}
        />
      </div>
      {node ? <SkipDialog key={node.node_id} doc={doc} node={node} open={dialog === "skip"} onClose={() => setDialog(null)} put={run.put} /> : null}
      {dialog !== null && typeof dialog === "object" ? <RetryDialog doc={doc} start={dialog} open onClose={() => setDialog(null)} /> : null}
      <CancelRun doc={doc} put={run.put} open={dialog === "cancel"} onClose={() => setDialog(null)} />
    </Page>
  );
}

// Why a run has not begun: its job waits in the queue.
function Waits({ jobId }: { jobId: string }) {
  const now = useNow();
  const { data: job } = useQuery({ queryKey: ["job", jobId], queryFn: ({ signal }) => ok(api.GET("/api/jobs/{job_id}", { signal, params: { path: { job_id: jobId } } })) });
  const why = job ? whyText(job, now) : "";
  if (!job || !why) return null;
  return (
    <p role="status" data-banner="waits" className="mb-2 flex flex-wrap items-center gap-2 rounded-md bg-info-soft px-3 py-1.5 text-sm text-info">
      {t("waitsInQueue", { why })}
      <Link to="/queue" search={{ job: jobId }} className="font-medium underline">{t("toQueue")}</Link>
    </p>
  );
}

function CancelRun({ doc, put, open, onClose }: { doc: RunDocument; put: (d: RunDocument) => void; open: boolean; onClose: () => void }) {
  const { cancel } = useSteer(doc, put);
  return <CancelDialog doc={doc} open={open} onClose={onClose} cancel={cancel} />;
}

function Head({ doc, put, onDialog }: { doc: RunDocument; put: (d: RunDocument) => void; onDialog: (d: "cancel" | Again) => void }) {
  const write = useCan("jobs:write");
  const { pause, resume } = useSteer(doc, put);
  const ended = over(doc.status);
  const failed = doc.nodes.some((n) => n.status === "FAILED");
  const retries = useRetries(ended ? doc.run_id : null);
  return (
    <PageHeader
      title={doc.name} crumb={doc.name === doc.workflow_id ? shortId(doc.workflow_run_id) : doc.name} above={{ to: `/workflows/${doc.workflow_id}`, label: doc.workflow_id }}
      facts={
        <>
          <span data-run-state={doc.status}><StateChip state={doc.paused && !ended ? "PAUSED" : doc.status} /></span>
          {!ended && doc.phase !== "running" ? <Badge tone="warn">{t(phase(doc.phase))}</Badge> : null}
          <span><Link to="/workflows/$id" params={{ id: doc.workflow_id }} className="text-fg hover:underline">{doc.workflow_id}</Link> <Link to="/workflows/$id/versions" params={{ id: doc.workflow_id }} className="hover:underline">{t("versionN", { n: doc.version })}</Link></span>
          <span>{t("by", { who: who(doc.created_by) })}</span>
          {doc.started_at ? <span><Time at={doc.started_at} /></span> : <span>{t("notBegun")}</span>}
          {doc.started_at ? <span title={t("duration")}>{doc.ended_at ? duration(Date.parse(doc.ended_at) - Date.parse(doc.started_at)) : <Elapsed since={doc.started_at} />}</span> : null}
          {doc.retry_of ? <span><Link to="/workflow-runs/$id" params={{ id: doc.retry_of }} className="hover:underline">{t("retryOf")}</Link>{beganText(doc)}</span> : null}
          {doc.run_id ? <Link to="/runs/$id" params={{ id: doc.run_id }} className="hover:underline">{t("logAndFiles")}</Link> : null}
          <CopyId id={doc.workflow_run_id} />
          {retries.length > 0 ? <span className="inline-flex flex-wrap items-center gap-x-2">{t("retriedAs")} {retries.map((j) => <Retry key={j.job_id} id={j.job_id} />)}</span> : null}
        </>
      }
      actions={
        <>
          <CopyAs action={{ cli: `runsheet workflow show ${doc.workflow_run_id}`, method: "GET", path: `/api/workflow-runs/${doc.workflow_run_id}` }} />
          <Link to="/system/audit" search={{ object: doc.workflow_run_id }} tabIndex={-1}><IconButton icon={History} label={t("history")} /></Link>
          {ended ? null : doc.paused ? (
            <Button look="primary" icon={CirclePlay} why={write.why} busy={resume.isPending} onClick={() => resume.mutate()}>{t("resume")}</Button>
          ) : (
            <Button icon={CirclePause} why={write.why} busy={pause.isPending} onClick={() => pause.mutate()}>{t("pause")}</Button>
          )}
          {ended ? null : <Button look="danger" icon={Ban} why={write.why || (doc.cancel_requested_at ? t("whyCancelling") : "")} onClick={() => onDialog("cancel")}>{t("cancelRun")}</Button>}
          {ended && doc.started_at ? <Button look={doc.status === "FAILED" && retries.length === 0 ? "primary" : "plain"} icon={RotateCcw} why={write.why} onClick={() => onDialog({ mode: failed ? "failed" : "node" })}>{t("retry")}</Button> : null}
        </>
      }
    />
  );
}

function phase(p: string): Parameters<typeof t>[0] {
  return p === "compensating" ? "phaseCompensating" : p === "handling" ? "phaseHandling" : "phaseStopping";
}

function Banners({ doc }: { doc: RunDocument }) {
  const now = useNow();
  const back = doc.takeover;
  const ended = over(doc.status);
  const approval = doc.nodes.find((n) => n.status === "WAITING" && n.wait?.for === "approval" && n.wait.ref);
  const tone = doc.status === "FAILED" ? "bg-bad-soft text-bad" : "bg-warn-soft text-warn";
  return (
    <div className="flex flex-col gap-2 empty:hidden">
      {back ? (
        <p role="status" data-banner="resumed" className="rounded-md bg-info-soft px-3 py-1.5 text-sm text-info">
          {takeoverText(back, clockSeconds(back.at, now))}
        </p>
      ) : null}
      {doc.paused && !ended ? <p role="status" data-banner="paused-run" className="rounded-md bg-warn-soft px-3 py-1.5 text-sm text-warn">{t("pausedBanner", { who: who(doc.paused_by ?? "") })}</p> : null}
      {approval && !ended ? (
        <p role="status" className="flex flex-wrap items-center gap-2 rounded-md bg-warn-soft px-3 py-1.5 text-sm text-warn">
          {t("waitsApproval", { node: approval.node_id })}
          <Link to="/approvals/$id" params={{ id: approval.wait?.ref ?? "" }} className="font-medium underline">{t("toApproval")}</Link>
          {approval.wait?.until ? <span>{t("until")} <Time at={approval.wait.until} /></span> : null}
        </p>
      ) : null}
      {doc.cancel_requested_at && !ended ? <p role="status" className="rounded-md bg-warn-soft px-3 py-1.5 text-sm text-warn">{t("cancelling", { who: who(doc.cancelled_by ?? "") })}</p> : null}
      {doc.error ? (
        <div role="alert" className={`rounded-md px-3 py-2 text-sm ${tone}`}>
          <p className="font-medium">{doc.error.node_id ? t(doc.error.code === "rejected" ? "rejectedAt" : "failedAt", { node: doc.error.node_id }) : t("failed")} {doc.error.code === "rejected" ? null : <code className="font-mono text-xs font-normal">{doc.error.code}</code>}</p>
          <p className="[overflow-wrap:anywhere]">{doc.error.code === "cancelled" ? endText(doc) : failureText(doc.error)}</p>
          {doc.handler_error ? <p>{t("handlerFailed")} {failureText(doc.handler_error)}</p> : null}
          {doc.compensation_errors.map((e, i) => <p key={i}>{t("notUndone", { node: e.node_id ?? "" })} {failureText(e)}</p>)}
        </div>
      ) : ended && doc.reason ? <p className={`rounded-md px-3 py-1.5 text-sm ${tone}`}>{endText(doc)}</p> : null}
    </div>
  );
}

function Progress({ doc }: { doc: RunDocument }) {
  // Counted from what is shown, so that it never differs from it.
  const ways = doc.nodes.filter((n) => !n.handler);
  const done = ways.filter((n) => !["PENDING", "READY", "RUNNING", "WAITING"].includes(n.status)).length;
  const total = ways.length;
  const bad = doc.status === "FAILED";
  return (
    <div className="flex items-center gap-3 pt-1">
      <div role="progressbar" aria-label={t("nodesDone", { n: done, m: total })} aria-valuemin={0} aria-valuemax={total} aria-valuenow={done} className="h-1 grow overflow-hidden rounded-full bg-press">
        <span className={`block h-full transition-[width] duration-300 ${bad ? "bg-bad" : doc.status === "COMPLETED" ? "bg-ok" : "bg-info"}`} style={{ width: `${total > 0 ? (done / total) * 100 : 0}%` }} />
      </div>
      <span className="text-xs whitespace-nowrap text-dim">{t("nodesDone", { n: done, m: total })}</span>
    </div>
  );
}

function Checkpoint({ doc }: { doc: RunDocument }) {
  if (doc.checkpoint_seq === 0) return null;
  return <span className="text-xs whitespace-nowrap text-faint" data-checkpoint={doc.checkpoint_seq}>{t("saved")} <Time at={doc.updated_at} />, {t("seq", { n: doc.checkpoint_seq })}</span>;
}
