import { ItemBar, itemText, NodeTime } from "../../graph/GraphNode";
import type { GraphModel, GraphNode } from "../../graph/model";
import { Badge } from "../../kit/Badge";
import { Table, type Column } from "../../kit/Table";
import { t } from "../../text/workflows";
import { failureText } from "../runs/failure";
import { skipText, typeIcon, typeName, waitText } from "./look";
import { NodeState } from "./NodeState";

function Name({ n, pace, onOpen }: { n: GraphNode; pace: { perSecond: number; leftMs: number } | null | undefined; onOpen: (id: string) => void }) {
  const Icon = typeIcon(n.type, n.subtype);
  return (
    <button type="button" onClick={() => onOpen(n.id)} className="flex min-w-0 max-w-full items-center gap-2 text-left">
      <Icon aria-hidden className="size-4 shrink-0 text-faint" strokeWidth={1.75} />
      <span className="min-w-0">
        <span className="block font-medium [overflow-wrap:anywhere]">{n.id}</span>
        <span className="block text-xs text-faint">{typeName(n.type, n.subtype)}{n.handler ? ` · ${t("handler")}` : ""}</span>
        {n.run?.items ? <span className="block w-32 pt-1 text-xs text-dim sm:hidden"><ItemBar {...n.run.items} label={t("itemsOfNode", { node: n.id })} />{itemText(n.run.items, pace)}</span> : null}
      </span>
    </button>
  );
}

function detail(n: GraphNode): string {
  const r = n.run;
  if (!r) return "";
  if (r.state === "WAITING" && r.waitsFor) return waitText(r.waitsFor);
  if (r.state === "FAILED") {
    const code = r.errorCode ?? "";
    const text = failureText({ code, message: r.reason ?? "" });
    return text === code ? code : [code, text].filter(Boolean).join(": ");
  }
  if (r.state === "SKIPPED") return skipText(r.reasonCode, r.reason);
  return r.outcome && r.outcome !== "success" ? r.outcome : "";
}

/** The same as the graph, as a table: for small screens, and for those who rather read. */
export function NodeList({ model, label, paces, current, onOpen }: { model: GraphModel; label: string; paces?: ReadonlyMap<string, { perSecond: number; leftMs: number } | null>; current: string | null; onOpen: (id: string) => void }) {
  const to = new Map<string, string[]>();
  for (const e of model.edges) to.set(e.from, [...(to.get(e.from) ?? []), e.outcome ? `${e.outcome} → ${e.to}` : `→ ${e.to}`]);
  const runs = model.nodes.some((n) => n.run);
  const columns: Column<GraphNode>[] = [
    { id: "name", head: t("node"), cell: (n) => <Name n={n} pace={paces?.get(n.id)} onOpen={onOpen} /> },
    ...(runs ? [
      { id: "state", head: t("state"), width: "8rem", cell: (n: GraphNode) => n.run ? <span data-node-row={n.id}><NodeState state={n.run.state} /></span> : null },
      { id: "detail", head: t("detail"), from: "sm" as const, cell: (n: GraphNode) => n.run?.items ? <span className="flex max-w-72 flex-col gap-1"><ItemBar {...n.run.items} label={t("itemsOfNode", { node: n.id })} /><span className="text-xs text-dim">{itemText(n.run.items, paces?.get(n.id))}</span></span> : <span className="text-dim [overflow-wrap:anywhere]">{detail(n)}</span> },
      { id: "attempt", head: t("attempt"), width: "5rem", align: "right" as const, from: "md" as const, cell: (n: GraphNode) => n.run && n.run.attempt > 0 ? (n.maxAttempts > 1 ? `${n.run.attempt}/${n.maxAttempts}` : n.run.attempt) : "" },
      { id: "time", head: t("duration"), width: "6rem", align: "right" as const, cell: (n: GraphNode) => n.run ? <NodeTime run={n.run} /> : null },
    ] : []),
    { id: "next", head: t("leadsTo"), from: runs ? "lg" : "sm", cell: (n) => <span className="flex flex-wrap gap-x-3 text-xs text-dim">{(to.get(n.id) ?? []).map((x) => <span key={x}>{x}</span>)}{n.body ? <Badge>{t("stepsPerItem", { n: n.body.nodes.length })}</Badge> : null}</span> },
  ];
  return <Table label={label} columns={columns} rows={model.nodes} id={(n) => n.id} current={current ?? undefined} onOpen={(n) => onOpen(n.id)} />;
}
