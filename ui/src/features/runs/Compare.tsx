import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowLeftRight, Columns2, X } from "lucide-react";
import { useMemo, type ReactNode } from "react";
import { stringify } from "../../api/exact";
import { StateChip } from "../../kit/Badge";
import { Button, IconButton } from "../../kit/Button";
import { cx } from "../../kit/cx";
import { duration, num } from "../../kit/format";
import { Section } from "../../kit/Page";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { Time } from "../../kit/Values";
import { pairs } from "../../kit/labels";
import { t } from "../../text/runs";
import { listRuns, runQuery, stateOf, type Run } from "./data";
import { DiffView } from "./DiffView";
import { tookMs } from "./SparkBar";
import { trouble } from "./RunRows";
import { failureText } from "./failure";
import { triggerOf } from "./words";

/** This run beside another: what differs in facts, input and results. Without an id, other runs of the kind to choose from. */
export function Compare({ run, other, onPick, onClose }: { run: Run; other: string; onPick: (id: string) => void; onClose: () => void }) {
  return (
    <Section
      title={t("compareTitle")}
      actions={<>{other ? <Link to="/runs/$id" params={{ id: other }} search={{ with: run.run_id }} className="target inline-flex h-7 items-center gap-1.5 rounded-md px-2 text-sm text-dim hover:bg-hover hover:text-fg"><ArrowLeftRight aria-hidden className="size-4" strokeWidth={1.75} />{t("compareSwap")}</Link> : null}<IconButton small icon={X} label={t("compareBack")} onClick={onClose} /></>}
    >
      {other ? <Both a={run} id={other} onPick={() => onPick("")} /> : <Pick run={run} onPick={onPick} />}
    </Section>
  );
}

const pickColumns: readonly Column<Run>[] = [
  { id: "status", head: t("colStatus"), width: "8rem", cell: (r) => <StateChip bare state={stateOf(r)} /> },
  { id: "name", head: t("colRun"), cell: (r) => <span className="font-medium">{r.name}{trouble(r) ? <span className="ml-2 text-xs font-normal text-faint">{trouble(r)}</span> : null}</span> },
  { id: "attempt", head: t("colAttempt"), align: "right", from: "sm", cell: (r) => r.attempt },
  { id: "duration", head: t("colDuration"), align: "right", cell: (r) => took(r) },
  { id: "start", head: t("colStart"), align: "right", cell: (r) => <Time at={r.started_at} /> },
];

function took(r: Run): string {
  const ms = tookMs(r, Date.now());
  return ms === null ? "–" : duration(ms);
}

function Pick({ run, onPick }: { run: Run; onPick: (id: string) => void }) {
  const q = useQuery({ queryKey: ["runs", "beside", run.run_id], queryFn: ({ signal }) => listRuns({ ...(run.template_id ? { template_id: [run.template_id] } : { job_type: [run.job_type], q: run.name }), limit: 25 }, signal) });
  if (q.isPending) return <Loading rows={4} />;
  if (q.isError) return <ErrorState error={q.error} onRetry={() => void q.refetch()} />;
  const rows = q.data.items.filter((r) => r.run_id !== run.run_id);
  if (rows.length === 0) return <Empty icon={Columns2} title={t("compareNone")} />;
  return <><p className="pb-2 text-sm text-dim">{t("comparePick")}</p><Table label={t("comparePick")} columns={pickColumns} rows={rows} id={(r) => r.run_id} onOpen={(r) => onPick(r.run_id)} /></>;
}

function facts(r: Run): (readonly [label: string, text: string, shown?: ReactNode])[] {
  const trigger = triggerOf(r);
  const list = (o: Record<string, unknown>) => Object.keys(o).sort().join(", ") || "–";
  return [
    [t("colStatus"), stateOf(r), <StateChip key="s" bare state={stateOf(r)} />],
    [t("colTrigger"), t("byWho", { what: trigger.word, who: trigger.who })],
    [t("template_version"), r.template_version ? String(r.template_version) : "–"],
    [t("directive"), r.directive ? `${r.directive.name}, ${t("version", { n: r.directive.version })}` : "–"],
    [t("colStart"), r.started_at ?? "–", <Time key="t" at={r.started_at} />],
    [t("queueWait"), duration(r.queue_wait_ms)],
    [t("durationStat"), took(r)],
    [t("colAttempt"), String(r.attempt)],
    [t("exitCode"), r.exit_code === null ? "–" : String(r.exit_code)],
    [t("tokensStat"), `${r.tokens.prompt === null ? "–" : num(r.tokens.prompt)} / ${r.tokens.completion === null ? "–" : num(r.tokens.completion)}`],
    [t("errorField"), r.error ? `${r.error.code}: ${failureText(r.error)}` : "–"],
    [t("tabArtifacts"), list(r.artifacts)],
    [t("labels"), pairs(r.labels).sort().join(", ") || "–"],
  ];
}

function Both({ a, id, onPick }: { a: Run; id: string; onPick: () => void }) {
  const q = useQuery(runQuery(id));
  const b = q.data;
  const rows = useMemo(() => (b ? facts(a).map((x, i) => [x, facts(b)[i] ?? x] as const) : []), [a, b]);
  if (q.isError && !b) return <ErrorState error={q.error} onRetry={() => void q.refetch()} />;
  if (!b) return <Loading />;
  return (
    <>
      <div className="overflow-x-auto">
        <table aria-label={t("compareFacts")} className="w-full border-collapse text-sm">
          <thead className="border-b border-line text-left text-xs text-faint">
            <tr>
              <th scope="col" className="h-8 w-40 pr-2 font-medium">{t("field")}</th>
              {[a, b].map((r) => <th key={r.run_id} scope="col" className="px-2 font-medium"><Link to="/runs/$id" params={{ id: r.run_id }} className="text-fg hover:underline">{r.name}</Link> <span className="font-mono font-normal">{r.run_id.slice(0, 8)}…{r.run_id.slice(-4)}</span></th>)}
            </tr>
          </thead>
          <tbody>
            {rows.map(([x, y]) => (
              <tr key={x[0]} data-differs={x[1] !== y[1] || undefined} className="border-b border-line/70">
                <th scope="row" className="h-8 pr-2 text-left font-normal text-faint">{x[0]}</th>
                {[x, y].map((v, i) => <td key={i} className={cx("px-2 py-1 [overflow-wrap:anywhere]", x[1] === y[1] ? "text-faint" : "bg-warn-soft/60")}>{v[2] ?? v[1]}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Section title={t("compareInput")}><DiffView before={stringify(a.params, 2)} after={stringify(b.params, 2)} label={t("compareInput")} /></Section>
      <Section title={t("compareOutput")}><DiffView before={stringify(a.outputs, 2)} after={stringify(b.outputs, 2)} label={t("compareOutput")} /></Section>
      <Button className="mt-4" onClick={onPick}>{t("compareWith")}</Button>
    </>
  );
}
