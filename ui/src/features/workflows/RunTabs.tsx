import { useInfiniteQuery } from "@tanstack/react-query";
import { RotateCcw } from "lucide-react";
import { Fragment, useState } from "react";
import { api, ok } from "../../api/client";
import { useCan } from "../../api/session";
import { StateChip } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { Dialog } from "../../kit/Dialog";
import { ErrorState, Loading } from "../../kit/States";
import { Table } from "../../kit/Table";
import { clockSeconds } from "../../kit/format";
import { Time } from "../../kit/Values";
import { t } from "../../text/workflows";
import { failureText } from "../runs/failure";
import { skipText } from "./look";
import { changeText, endText, takeoverText } from "./told";
import { CheckpointJson } from "./NodeDrawer";
import type { LiveRun } from "./queries";
import { newestFirst, over, type RunDocument } from "./runstate";

interface Line {
  key: string;
  at: string;
  node: string;
  from: string;
  to: string;
  reason: string;
  live: boolean;
  /** Of its event. */
  seq?: number;
}

// What the document says of the time before the page was opened: each node's begin and end.
function past(doc: RunDocument, run: LiveRun): Line[] {
  const told = new Set(run.changes.map((c) => `${c.node} ${c.to}`));
  const lines: Line[] = [];
  const add = (node: string, at: string | null, from: string, to: string, reason = "") => {
    if (at && !told.has(`${node} ${to}`)) lines.push({ key: `${node} ${to}`, at, node, from, to, reason, live: false });
  };
  add("", doc.started_at, "PENDING", "RUNNING");
  for (const n of doc.nodes) {
    add(n.node_id, n.started_at, "READY", "RUNNING");
    if (n.ended_at) add(n.node_id, n.ended_at, n.status === "SKIPPED" ? "PENDING" : "RUNNING", n.status, n.error ? failureText(n.error) : skipText(n.reason_code, n.reason));
  }
  if (over(doc.status)) add("", doc.ended_at, "RUNNING", doc.status, endText(doc));
  return lines;
}

/** All changes of state: from the document what was before, then each event as it came. */
export function HistoryTab({ run, doc }: { run: LiveRun; doc: RunDocument }) {
  const live: Line[] = run.changes.filter((c) => c.type !== "workflow.progress").map((c) => ({ key: String(c.seq), seq: c.seq, at: c.at, node: c.node, from: c.from, to: c.to, reason: changeText(c, doc), live: true }));
  const lines = newestFirst([...past(doc, run), ...live], doc.nodes);
  if (lines.length === 0) return <p className="text-sm text-faint">{t("nothingYet")}</p>;
  const now = Date.now();
  // Where it stands in time: behind all that is later.
  const back = doc.takeover;
  const at = back ? lines.findIndex((l) => Date.parse(l.at) < Date.parse(back.at)) : -1;
  const takeover = back ? (
    <li key="takeover" data-takeover="" className="flex min-h-8 flex-wrap items-center gap-x-3 border-b border-line/70 px-1 py-1 text-info">
      <Clock at={back.at} now={now} />
      <span>{takeoverText(back, "").trim()}</span>
    </li>
  ) : null;
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <ol tabIndex={0} aria-label={t("tabHistory")} className="flex max-h-120 flex-col overflow-y-auto text-sm [&_.animate-spin]:animate-none">
      {lines.map((l, i) => (
        <Fragment key={l.key}>
          {i === at ? takeover : null}
          <li data-change={l.live ? `${l.node} ${l.from} ${l.to}` : undefined} className="flex min-h-8 flex-wrap items-center gap-x-3 border-b border-line/70 px-1 py-1">
            <Clock at={l.at} now={now} />
            <span className="w-28 shrink-0"><StateChip bare state={l.to} /></span>
            <span className="min-w-0 [overflow-wrap:anywhere]">{l.node || <span className="text-dim">{t("theRun")}</span>}</span>
            {l.reason ? <span className="min-w-0 text-dim [overflow-wrap:anywhere]">{l.reason}</span> : null}
          </li>
        </Fragment>
      ))}
      {at < 0 ? takeover : null}
    </ol>
  );
}

function Clock({ at, now }: { at: string; now: number }) {
  return <time dateTime={at} className="w-18 shrink-0 font-mono text-xs text-faint">{clockSeconds(at, now)}</time>;
}

/** The steps of the run with their checkpoints; a run can begin anew from each. */
export function StepsTab({ doc, onRestore }: { doc: RunDocument; onRestore: (id: string, seq: number) => void }) {
  const write = useCan("jobs:write");
  const [open, setOpen] = useState<string | null>(null);
  const q = useInfiniteQuery({
    queryKey: ["run-detail", doc.workflow_run_id, "steps"],
    queryFn: ({ signal, pageParam }) => ok(api.GET("/api/workflow-runs/{workflow_run_id}/checkpoints", { signal, params: { path: { workflow_run_id: doc.workflow_run_id }, query: { limit: 50, ...(pageParam ? { cursor: pageParam } : {}) } } })),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
  if (q.error) return <ErrorState error={q.error} onRetry={() => void q.refetch()} />;
  if (!q.data) return <Loading rows={4} />;
  const rows = q.data.pages.flatMap((p) => p.items);
  const shown = rows.find((r) => r.checkpoint_id === open);
  if (rows.length === 0) return <p className="text-sm text-faint">{t("noCheckpoint")}</p>;
  const why = write.why || (over(doc.status) ? "" : t("whyRunning"));
  return (
    <>
      <Table
        label={t("tabSteps")} rows={rows} id={(r) => r.checkpoint_id} current={open ?? undefined} onOpen={(r) => setOpen(r.checkpoint_id)}
        columns={[
          { id: "seq", head: t("stepHead"), width: "5rem", align: "right", cell: (r) => r.seq },
          { id: "at", head: t("time"), width: "9rem", cell: (r) => <Time at={r.timestamp} clock /> },
          { id: "node", head: t("node"), cell: (r) => r.node_id ?? <span className="text-dim">{t("theRun")}</span> },
          { id: "epoch", head: t("claim"), width: "6rem", align: "right", from: "md", cell: (r) => r.epoch },
          { id: "act", head: <span className="sr-only">{t("actions")}</span>, align: "right", cell: (r) => <span className="inline-flex gap-1"><Button small look="ghost" onClick={() => setOpen(r.checkpoint_id)}>JSON</Button><Button small look="ghost" icon={RotateCcw} why={why} onClick={() => onRestore(r.checkpoint_id, r.seq)}>{t("restore")}</Button></span> },
        ]}
      />
      {q.hasNextPage ? <Button className="mt-2" busy={q.isFetchingNextPage} onClick={() => void q.fetchNextPage()}>{t("loadMore")}</Button> : null}
      <Dialog wide open={!!shown} onClose={() => setOpen(null)} title={t("tabCheckpoint")}>{shown ? <CheckpointJson runId={doc.workflow_run_id} id={shown.checkpoint_id} seq={shown.seq} at={shown.timestamp} /> : null}</Dialog>
    </>
  );
}
