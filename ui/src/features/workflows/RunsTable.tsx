import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Badge, StateChip } from "../../kit/Badge";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { Table } from "../../kit/Table";
import { duration, shortId } from "../../kit/format";
import { Elapsed, Time } from "../../kit/Values";
import { who } from "../../kit/who";
import { t } from "../../text/workflows";
import { runsQuery } from "./queries";

/** The latest runs of a workflow. */
export function RunsTable({ workflowId }: { workflowId: string }) {
  const q = useQuery(runsQuery(workflowId));
  const navigate = useNavigate();
  if (q.error) return <ErrorState error={q.error} onRetry={() => void q.refetch()} />;
  if (!q.data) return <Loading rows={4} />;
  if (q.data.items.length === 0) return <Empty title={t("noRunsYet")} command={`runsheet workflow run ${workflowId}`}>{t("noRunsText")}</Empty>;
  return (
    <Table
      label={t("runs")} rows={q.data.items} id={(r) => r.workflow_run_id} onOpen={(r) => void navigate({ to: "/workflow-runs/$id", params: { id: r.workflow_run_id } })}
      columns={[
        { id: "state", head: t("state"), width: "8rem", cell: (r) => <StateChip bare state={r.paused && !r.ended_at ? "PAUSED" : r.status} /> },
        { id: "name", head: t("run"), cell: (r) => <Link to="/workflow-runs/$id" params={{ id: r.workflow_run_id }} className="font-medium [overflow-wrap:anywhere] hover:underline">{r.name === workflowId ? <span className="font-mono text-xs font-normal whitespace-nowrap">{shortId(r.workflow_run_id)}</span> : r.name}</Link> },
        { id: "trigger", head: t("trigger"), width: "8rem", from: "md", cell: (r) => <span className="flex items-center gap-1.5"><Badge>{t(trigger(r.trigger))}</Badge></span> },
        { id: "by", head: t("startedBy"), width: "10rem", from: "xl", cell: (r) => <span className="text-dim">{who(r.created_by)}</span> },
        { id: "version", head: t("version"), width: "5rem", align: "right", from: "sm", cell: (r) => t("versionN", { n: r.version }) },
        { id: "start", head: t("started"), width: "8rem", align: "right", cell: (r) => <span className="text-dim"><Time at={r.started_at ?? r.created_at} /></span> },
        { id: "for", head: t("duration"), width: "7rem", align: "right", from: "sm", cell: (r) => r.started_at ? r.ended_at ? duration(Date.parse(r.ended_at) - Date.parse(r.started_at)) : <Elapsed since={r.started_at} /> : null },
      ]}
    />
  );
}

function trigger(x: string): Parameters<typeof t>[0] {
  switch (x) {
    case "api": return "byApi";
    case "manual": return "byHand";
    case "schedule": return "bySchedule";
    case "retry": return "byRetry";
    case "workflow": return "byWorkflow";
    default: return "byGroup";
  }
}
