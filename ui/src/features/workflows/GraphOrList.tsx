import { List, Workflow } from "lucide-react";
import { lazy, Suspense, useSyncExternalStore } from "react";
import type { GraphModel } from "../../graph/model";
import { Button } from "../../kit/Button";
import { useShortcut } from "../../kit/shortcuts";
import { Loading } from "../../kit/States";
import { t } from "../../text/workflows";
import { NodeList } from "./NodeList";

const Graph = lazy(() => import("../../graph/Graph").then((m) => ({ default: m.Graph })));

export type View = "auto" | "graph" | "list";

const small = typeof matchMedia === "undefined" ? null : matchMedia("(max-width: 599px)");
function watch(f: () => void): () => void {
  small?.addEventListener("change", f);
  return () => small?.removeEventListener("change", f);
}

/** The view that is shown: the list by itself on small screens. */
export function useView(view: View): "graph" | "list" {
  const narrow = useSyncExternalStore(watch, () => small?.matches ?? false);
  return view === "auto" ? (narrow ? "list" : "graph") : view;
}

/** Changes between graph and list (V). */
export function ViewSwitch({ view, onChange }: { view: View; onChange: (v: View) => void }) {
  const now = useView(view);
  const flip = () => onChange(now === "graph" ? "list" : "graph");
  useShortcut("v", flip);
  return (
    <div role="group" aria-label={t("viewAs")} className="inline-flex rounded-md border border-line-strong p-px">
      <Button small look="ghost" icon={Workflow} aria-pressed={now === "graph"} onClick={() => onChange("graph")} className="h-6.5! aria-pressed:bg-press aria-pressed:text-fg">{t("graph")}</Button>
      <Button small look="ghost" icon={List} aria-pressed={now === "list"} onClick={() => onChange("list")} className="h-6.5! aria-pressed:bg-press aria-pressed:text-fg">{t("list")}</Button>
    </div>
  );
}

/** A graph, or the same as a list. */
export function GraphOrList({ model, view, label, selected, onSelect, paces, marks, className }: { model: GraphModel; view: View; label: string; selected: string | null; onSelect: (id: string) => void; paces?: ReadonlyMap<string, { perSecond: number; leftMs: number } | null>; marks?: ReadonlyMap<string, string>; className?: string }) {
  const now = useView(view);
  if (now === "list") return <NodeList model={model} label={label} current={selected} onOpen={onSelect} {...(paces ? { paces } : {})} />;
  return (
    <Suspense fallback={<Loading rows={8} />}>
      <Graph model={model} label={label} selected={selected} onSelect={onSelect} {...(className ? { className } : { className: "h-[clamp(22rem,calc(100dvh-21rem),56rem)]", grow: 900 })} {...(paces ? { paces } : {})} {...(marks ? { marks } : {})} />
    </Suspense>
  );
}
