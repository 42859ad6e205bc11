import { useQuery } from "@tanstack/react-query";
import { ArrowLeftRight } from "lucide-react";
import { useMemo, useState } from "react";
import { api, ok, type Schema } from "../../api/client";
import { diffGraph, type Change } from "../../graph/model";
import { Badge } from "../../kit/Badge";
import { IconButton } from "../../kit/Button";
import { cx } from "../../kit/cx";
import { ErrorState, Loading } from "../../kit/States";
import { Tabs } from "../../kit/Tabs";
import { t } from "../../text/workflows";
import { GraphOrList, type View, ViewSwitch } from "./GraphOrList";
import { versionQuery } from "./queries";

type Structural = Schema<"WorkflowDiff">;

/** What differs, of the server's counting. */
export const diffQuery = (id: string, from: number, to: number) => ({
  queryKey: ["workflow-diff", id, from, to],
  queryFn: ({ signal }: { signal: AbortSignal }) => ok(api.GET("/api/workflows/{workflow_id}/diff", { signal, params: { path: { workflow_id: id }, query: { from: String(from), to: String(to) } } })),
  staleTime: Infinity,
});

/** The difference of two versions as text, as a list of what changed, and as a graph. */
export function Diff({ id, from, to, kind, onKind, onSwap }: { id: string; from: number; to: number; kind: "text" | "structure" | "graph"; onKind: (k: "text" | "structure" | "graph") => void; onSwap: () => void }) {
  const q = useQuery(diffQuery(id, from, to));
  return (
    <section aria-label={t("differences")} className="pt-8">
      <div className="flex items-center gap-2 pb-1">
        <h2 className="text-sm font-semibold">{t("diffOf", { from, to })}</h2>
        <IconButton small icon={ArrowLeftRight} label={t("swap")} onClick={onSwap} />
        {q.data ? <Summary diff={q.data} /> : null}
      </div>
      {q.error ? <ErrorState error={q.error} onRetry={() => void q.refetch()} /> : !q.data ? <Loading rows={6} /> : (
        <Tabs
          value={kind} onChange={(k) => onKind(k === "structure" || k === "graph" ? k : "text")}
          tabs={[
            { id: "text", label: t("diffText"), content: <TextDiff text={q.data.text} /> },
            { id: "structure", label: t("diffStructure"), content: <Structure diff={q.data} /> },
            { id: "graph", label: t("graph"), content: kind === "graph" ? <GraphDiff id={id} from={from} to={to} /> : null },
          ]}
        />
      )}
    </section>
  );
}

/** How much differs, in a few badges. */
export function Summary({ diff }: { diff: Structural }) {
  const same = diff.text === "";
  return (
    <span className="flex flex-wrap gap-1">
      {same ? <Badge>{t("same")}</Badge> : null}
      {diff.added.length > 0 ? <Badge tone="ok">{t("nAdded", { n: diff.added.length })}</Badge> : null}
      {diff.removed.length > 0 ? <Badge tone="bad">{t("nRemoved", { n: diff.removed.length })}</Badge> : null}
      {diff.changed.length > 0 ? <Badge tone="warn">{t("nChanged", { n: diff.changed.length })}</Badge> : null}
    </span>
  );
}

/** A unified difference, line by line. The sign stays: colour alone says nothing to some. */
export function TextDiff({ text, className }: { text: string; className?: string }) {
  if (text === "") return <p className="py-4 text-sm text-faint">{t("same")}</p>;
  const lines = text.replace(/\n$/, "").split("\n").filter((l) => !/^(---|\+\+\+) /.test(l));
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <pre tabIndex={0} role="region" aria-label={t("diffText")} className={cx("overflow-auto rounded-md border border-line py-2 font-mono text-xs leading-5", className)}>
      {lines.map((l, i) => (
        <span key={i} className={cx("block min-h-5 px-3 whitespace-pre-wrap [overflow-wrap:anywhere]", l.startsWith("+") && "bg-ok-soft text-ok", l.startsWith("-") && "bg-bad-soft text-bad", l.startsWith("@@") && "bg-panel text-faint")}>{l || " "}</span>
      ))}
    </pre>
  );
}

const tones = { added: "ok", removed: "bad", changed: "warn", same: "idle" } as const;
const words: Record<Change, Parameters<typeof t>[0]> = { added: "added", removed: "removed", changed: "changed", same: "same" };

/** What differs as a list: nodes, edges, and fields of the workflow. */
export function Structure({ diff }: { diff: Structural }) {
  const rows: { key: string; change: Change; kind: string; what: string; fields: readonly string[] }[] = [
    ...diff.fields.map((f) => ({ key: `f ${f}`, change: "changed" as const, kind: t("field"), what: f, fields: [] })),
    ...diff.added.map((n) => ({ key: `n ${n}`, change: "added" as const, kind: t("node"), what: n, fields: [] })),
    ...diff.removed.map((n) => ({ key: `n ${n}`, change: "removed" as const, kind: t("node"), what: n, fields: [] })),
    ...diff.changed.map((n) => ({ key: `n ${n.node_id}`, change: "changed" as const, kind: t("node"), what: n.node_id, fields: n.fields })),
    ...diff.edges_added.map((e) => ({ key: `+ ${e}`, change: "added" as const, kind: t("edge"), what: e, fields: [] })),
    ...diff.edges_removed.map((e) => ({ key: `- ${e}`, change: "removed" as const, kind: t("edge"), what: e, fields: [] })),
  ];
  if (rows.length === 0) return <p className="py-4 text-sm text-faint">{t("same")}</p>;
  return (
    <ul className="flex flex-col text-sm" data-structure>
      {rows.map((r) => (
        <li key={r.key} className="flex min-h-8 flex-wrap items-center gap-2 border-b border-line/70 py-1">
          <span className="w-22 shrink-0"><Badge tone={tones[r.change]}>{t(words[r.change])}</Badge></span>
          <span className="w-16 shrink-0 text-faint">{r.kind}</span>
          <code className="font-mono text-xs [overflow-wrap:anywhere]">{r.what}</code>
          {r.fields.length > 0 ? <span className="text-dim">{r.fields.join(", ")}</span> : null}
        </li>
      ))}
    </ul>
  );
}

function GraphDiff({ id, from, to }: { id: string; from: number; to: number }) {
  const a = useQuery(versionQuery(id, from));
  const b = useQuery(versionQuery(id, to));
  const [view, setView] = useState<View>("auto");
  const [selected, setSelected] = useState<string | null>(null);
  const model = useMemo(() => (a.data?.definition && b.data?.definition ? diffGraph(a.data.definition, b.data.definition) : null), [a.data, b.data]);
  const error = a.error ?? b.error;
  if (error) return <ErrorState error={error} onRetry={() => void Promise.all([a.refetch(), b.refetch()])} />;
  if (!model) return <Loading rows={6} />;
  return (
    <div>
      <div className="pb-2"><ViewSwitch view={view} onChange={setView} /></div>
      <GraphOrList model={model} view={view} label={t("diffOf", { from, to })} selected={selected} onSelect={setSelected} className="h-[clamp(18rem,60dvh,44rem)]" />
    </div>
  );
}
