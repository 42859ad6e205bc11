import { memo } from "react";
import { nodeLook, typeIcon, typeName, waitText } from "../features/workflows/look";
import { ink } from "../kit/Badge";
import { cx } from "../kit/cx";
import { duration, num } from "../kit/format";
import { Elapsed } from "../kit/Values";
import { t } from "../text/workflows";
import type { GraphNode } from "./model";

const edges: Record<string, string> = { ok: "border-ok/45", bad: "border-bad/60", info: "border-info/60", warn: "border-warn/55", idle: "border-line-strong", accent: "border-accent" };
const grounds: Record<string, string> = { ok: "bg-ok-soft", bad: "bg-bad-soft", info: "bg-info-soft", warn: "bg-warn-soft", idle: "bg-idle-soft", accent: "bg-accent-soft" };
const changeLooks: Record<string, { tone: string; sign: string; word: Parameters<typeof t>[0] }> = {
  added: { tone: "ok", sign: "+", word: "added" }, removed: { tone: "bad", sign: "−", word: "removed" }, changed: { tone: "warn", sign: "~", word: "changed" },
};

/** What a node says to those who do not see it. */
export function nodeLabel(n: GraphNode): string {
  const parts = [n.id, typeName(n.type, n.subtype)];
  if (n.change !== "same") parts.push(t(changeLooks[n.change]?.word ?? "changed"), ...n.fields);
  if (n.run) {
    parts.push(nodeLook(n.run.state).word);
    if (n.run.waitsFor) parts.push(waitText(n.run.waitsFor));
    if (n.run.attempt > 1 || n.maxAttempts > 1) parts.push(t("attemptOf", { n: n.run.attempt, m: n.maxAttempts }));
    if (n.run.items) parts.push(t("itemsOf", { n: n.run.items.processed, m: n.run.items.total }), ...(n.run.items.failed ? [t("itemsFailed", { n: n.run.items.failed })] : []));
  }
  if (n.handler) parts.push(t("handler"));
  return parts.join(", ");
}

/** How long a node has been at work, or was. */
export function NodeTime({ run }: { run: NonNullable<GraphNode["run"]> }) {
  if (!run.startedAt) return null;
  if (run.endedAt) return <>{duration(Date.parse(run.endedAt) - Date.parse(run.startedAt))}</>;
  return run.state === "RUNNING" || run.state === "WAITING" ? <Elapsed since={run.startedAt} /> : null;
}

/** A bar of ended items; the failed ones are its last part. */
export function ItemBar({ processed, total, failed, label }: { processed: number; total: number; failed: number; label: string }) {
  const part = (n: number) => `${total > 0 ? (n / total) * 100 : 0}%`;
  return (
    <div role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={total} aria-valuenow={processed} data-processed={processed} className="flex h-1.5 w-full overflow-hidden rounded-full bg-press">
      <span className="bg-ok transition-[width] duration-300" style={{ width: part(processed - failed) }} />
      <span className="bg-bad transition-[width] duration-300" style={{ width: part(failed) }} />
    </div>
  );
}

/** "750 / 1,000, 3 failed, 12/s, 21 s left" */
export function itemText(items: { processed: number; total: number; failed: number }, pace: { perSecond: number; leftMs: number } | null | undefined): string {
  const parts = [t("itemsOf", { n: items.processed, m: items.total })];
  if (items.failed > 0) parts.push(t("itemsFailed", { n: items.failed }));
  if (pace && items.processed < items.total) parts.push(t("perSecond", { n: num(pace.perSecond < 10 ? Math.round(pace.perSecond * 10) / 10 : Math.round(pace.perSecond)) }), t("left", { d: duration(pace.leftMs) }));
  return parts.join(", ");
}

export interface NodeBoxProps {
  node: GraphNode;
  x: number;
  y: number;
  width: number;
  height: number;
  /** Too small to read: only colour and icon. */
  far: boolean;
  selected: boolean;
  /** The one that Tab reaches. */
  tab: boolean;
  /** What is wrong with it, in an editor. */
  mark: string | undefined;
  pace: { perSecond: number; leftMs: number } | null | undefined;
  onPick: (id: string) => void;
  onFocus: (id: string) => void;
}

/** One node of the drawn graph. */
export const NodeBox = memo(function NodeBox({ node: n, x, y, width, height, far, selected, tab, mark, pace, onPick, onFocus }: NodeBoxProps) {
  const look = n.run ? nodeLook(n.run.state) : null;
  const change = changeLooks[n.change];
  const tone = mark ? "bad" : change ? change.tone : look && n.run?.state !== "PENDING" ? look.tone : "idle";
  const Icon = typeIcon(n.type, n.subtype);
  const State = look?.icon;
  const quiet = n.run?.state === "PENDING" || n.run?.state === "SKIPPED";
  return (
    <button
      type="button"
      data-node={n.id}
      data-state={n.run?.state}
      data-change={n.change === "same" ? undefined : n.change}
      aria-label={far ? (mark ? `${nodeLabel(n)}. ${mark}` : nodeLabel(n)) : undefined}
      aria-pressed={selected}
      tabIndex={tab ? 0 : -1}
      onClick={() => onPick(n.id)}
      onFocus={() => onFocus(n.id)}
      style={{ left: x, top: y, width, height }}
      className={cx("absolute flex flex-col justify-center gap-0.5 rounded-lg border px-2.5 py-1.5 text-left outline-offset-2 hover:bg-hover", far ? cx(grounds[tone], "border-2") : "bg-raised", edges[tone], (n.handler || n.change === "removed" || n.run?.state === "SKIPPED") && "border-dashed", selected && "outline-2 outline-accent")}
    >
      {far ? (
        <Icon aria-hidden className="mx-auto size-8 text-dim" strokeWidth={1.75} />
      ) : (
        <>
          <span className="flex min-w-0 items-center gap-1.5">
            <Icon aria-hidden className={cx("size-4 shrink-0", change || mark ? ink((tone as "ok")) : "text-faint")} strokeWidth={1.75} />
            <span className={cx("truncate text-sm font-medium", quiet && "text-dim", n.change === "removed" && "line-through")}>{n.id}</span>
            {change ? <span className={cx("ml-auto font-mono text-sm font-semibold", ink(tone as "ok"))}><span aria-hidden>{change.sign}</span><span className="sr-only">{t(change.word)}</span></span> : null}
          </span>
          <span className="flex min-w-0 items-center gap-1.5 text-xs text-faint">
            {mark ? <span className="truncate text-bad">{mark}</span> : look && State && n.run ? (
              <>
                <State aria-hidden className={cx("size-3.5 shrink-0", ink(look.tone), look.busy && "animate-spin [animation-duration:2s]")} strokeWidth={2} />
                <span className={cx("shrink-0 font-medium", ink(look.tone))}>{look.word}</span>
                <span className="truncate">{n.run.state === "WAITING" && n.run.waitsFor ? waitText(n.run.waitsFor) : n.run.state === "COMPLETED" && n.run.outcome && n.run.outcome !== "success" ? n.run.outcome : n.run.state === "FAILED" ? n.run.errorCode : ""}</span>
                <span className="ml-auto flex shrink-0 gap-1.5">
                  {n.maxAttempts > 1 && n.run.attempt > 0 ? <span title={t("attemptOf", { n: n.run.attempt, m: n.maxAttempts })}>{n.run.attempt}/{n.maxAttempts}</span> : null}
                  <NodeTime run={n.run} />
                </span>
              </>
            ) : (
              <span className="truncate">{change && n.fields.length > 0 ? n.fields.join(", ") : typeName(n.type, n.subtype)}{n.body && !change ? ` · ${t("stepsPerItem", { n: n.body.nodes.length })}` : ""}</span>
            )}
          </span>
          {n.run?.items ? (
            <span className="mt-1 flex flex-col gap-1">
              <ItemBar {...n.run.items} label={t("itemsOfNode", { node: n.id })} />
              <span className="truncate text-xs text-dim">{itemText(n.run.items, pace)}</span>
            </span>
          ) : n.run && n.body ? <span className="mt-1 truncate text-xs text-faint">{t("stepsPerItem", { n: n.body.nodes.length })}</span> : null}
        </>
      )}
    </button>
  );
});
