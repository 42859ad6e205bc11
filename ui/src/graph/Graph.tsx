import { Maximize, Minus, Plus } from "lucide-react";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import { IconButton } from "../kit/Button";
import { cx } from "../kit/cx";
import { useShortcut } from "../kit/shortcuts";
import { ErrorState } from "../kit/States";
import { t } from "../text/workflows";
import { curvePath, fitView, meets, boundsOf, reveal, sight, walk, zoomAt, type Size, type Step, type View } from "./geometry";
import { NodeBox } from "./GraphNode";
import type { PlacedEdge } from "./layout";
import type { GraphEdge, GraphModel } from "./model";
import { directionFor, useLayout } from "./useLayout";

export interface GraphProps {
  model: GraphModel;
  /** Says what the graph is of. */
  label: string;
  selected: string | null;
  onSelect: (id: string) => void;
  /** What is wrong with nodes, by id. */
  marks?: ReadonlyMap<string, string>;
  /** Speed of maps, by node. */
  paces?: ReadonlyMap<string, { perSecond: number; leftMs: number } | null>;
  className?: string;
  /** The box becomes as high as the graph needs, up to so many pixels. */
  grow?: number;
}

const steps: Record<string, Step> = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Home: "first", End: "last", PageDown: "next", PageUp: "previous" };
// Smaller than this a node's text cannot be read, and is left out.
const farZoom = 0.42;
// The first look does not go below this: then it begins at the start of the graph.
const firstZoom = 0.8;
// Room between the graph and its box, the lowest box that grows, and its two borders.
const rim = 12;
const lowest = 352;
const borders = 2;

function useSize(): [(el: HTMLDivElement | null) => void, HTMLDivElement | null, Size] {
  const [el, setEl] = useState<HTMLDivElement | null>(null);
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    if (!el) return;
    const read = () => setSize({ width: el.clientWidth, height: el.clientHeight });
    read();
    const watch = new ResizeObserver(read);
    watch.observe(el);
    return () => watch.disconnect();
  }, [el]);
  return [setEl, el, size];
}

const changeInk: Record<string, string> = { added: "stroke-ok", removed: "stroke-bad" };

function Edge({ edge, placed, direction }: { edge: GraphEdge; placed: PlacedEdge; direction: "right" | "down" }) {
  const changed = changeInk[edge.change];
  const look = changed ? cx(changed, edge.change === "removed" && "[stroke-dasharray:6_4]")
    : edge.taken === true ? "stroke-dim" : edge.taken === false ? "stroke-line-strong [stroke-dasharray:5_5]"
    : edge.kind === "flow" ? "stroke-line-strong" : "stroke-line-strong [stroke-dasharray:2_4]";
  const head = edge.change === "added" ? "url(#head-ok)" : edge.change === "removed" ? "url(#head-bad)" : edge.taken === true ? "url(#head-dim)" : "url(#head-line)";
  return <path data-edge={edge.id} data-taken={edge.taken ?? undefined} d={curvePath(placed.points, direction)} className={look} strokeWidth={edge.taken === true || changed ? 2 : 1.25} markerEnd={head} />;
}

function Heads() {
  const heads: [string, string][] = [["head-dim", "fill-dim"], ["head-line", "fill-line-strong"], ["head-ok", "fill-ok"], ["head-bad", "fill-bad"]];
  return (
    <defs>
      {heads.map(([id, ink]) => (
        <marker key={id} id={id} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto">
          <path d="M0 0 L8 4 L0 8 z" className={ink} stroke="none" />
        </marker>
      ))}
    </defs>
  );
}

/** A graph that can be moved, zoomed and walked. Edges are one SVG, nodes are buttons over it; what is out of sight is not in the page. */
export function Graph({ model, label, selected, onSelect, marks, paces, className, grow }: GraphProps) {
  const [ref, box, measured] = useSize();
  // Once chosen, the direction stays while the structure does.
  const structure = useMemo(() => `${measured.width > 0 ? Math.round(measured.width / 200) : 0} ${model.nodes.map((n) => n.id).join(" ")} ${model.edges.map((e) => e.id).join(" ")}`, [model, measured.width]);
  const chosen = useRef<{ of: string; direction: "right" | "down" } | null>(null);
  if (measured.width > 0 && chosen.current?.of !== structure) chosen.current = { of: structure, direction: directionFor(model, { width: measured.width, height: grow ?? measured.height }) };
  const direction = chosen.current?.direction ?? null;
  const { layout, failed } = useLayout(model, measured.width > 0 ? direction : null);
  const readable = layout ? Math.max(firstZoom, Math.min(1, (measured.width - 2 * rim) / layout.width)) : 1;
  const height = grow && layout && measured.width > 0 ? Math.min(grow, Math.max(lowest, Math.ceil(layout.height * readable) + 2 * rim)) : undefined;
  // The height that the box is about to have, so that nodes do not jump when it has grown.
  const tall = height === undefined ? measured.height : height - borders;
  const size = useMemo(() => ({ width: measured.width, height: tall }), [measured.width, tall]);
  const [view, setView] = useState<View | null>(null);
  const [tab, setTab] = useState<string | null>(null);
  const focusNext = useRef<string | null>(null);
  const moved = useRef(false);

  const fit = useCallback(() => {
    if (layout && size.width > 0) setView(fitView({ x: 0, y: 0, width: layout.width, height: layout.height }, size, rim));
    moved.current = false;
  }, [layout, size]);

  const fitted = useRef<string>("");
  useLayoutEffect(() => {
    if (!layout || size.width === 0) return;
    const key = `${structure} ${size.width} ${size.height} ${layout.width} ${layout.height}`;
    if (fitted.current === key || (moved.current && fitted.current !== "")) return;
    fitted.current = key;
    const all = { x: 0, y: 0, width: layout.width, height: layout.height };
    const whole = fitView(all, size, rim);
    if (whole.zoom >= firstZoom || layout.nodes.length > 60) return setView(whole);
    const active = model.nodes.find((n) => n.run?.state === "RUNNING" || n.run?.state === "WAITING") ?? model.nodes.find((n) => n.run?.state === "FAILED");
    const start: View = { zoom: firstZoom, x: layout.direction === "right" ? 0 : (size.width - layout.width * firstZoom) / 2, y: layout.direction === "down" ? 0 : (size.height - layout.height * firstZoom) / 2 };
    const at = layout.nodes.find((n) => n.id === active?.id) ?? layout.nodes[0];
    setView(at ? reveal(start, at, size) : start);
  }, [layout, size, structure, model]);

  const zoom = useCallback((factor: number, about?: { x: number; y: number }) => {
    moved.current = true;
    setView((v) => (v ? zoomAt(v, about ?? { x: size.width / 2, y: size.height / 2 }, factor) : v));
  }, [size]);
  useShortcut("0", fit);
  useShortcut("+", () => zoom(1.25));
  useShortcut("=", () => zoom(1.25));
  useShortcut("-", () => zoom(0.8));

  useEffect(() => {
    if (!box) return;
    const wheel = (e: WheelEvent) => {
      if (!e.ctrlKey && !e.metaKey) return; // the page scrolls
      e.preventDefault();
      const r = box.getBoundingClientRect();
      zoom(Math.exp(-e.deltaY / 240), { x: e.clientX - r.left, y: e.clientY - r.top });
    };
    box.addEventListener("wheel", wheel, { passive: false });
    return () => box.removeEventListener("wheel", wheel);
  }, [box, zoom]);

  const drag = useRef<{ x: number; y: number; view: View } | null>(null);
  const onDown = (e: PointerEvent<HTMLDivElement>) => {
    if (e.button !== 0 || !view || (e.target instanceof Element && e.target.closest("button"))) return;
    drag.current = { x: e.clientX, y: e.clientY, view };
    e.currentTarget.setPointerCapture(e.pointerId);
  };
  const onMove = (e: PointerEvent<HTMLDivElement>) => {
    const d = drag.current;
    if (!d) return;
    moved.current = true;
    setView({ ...d.view, x: d.view.x + e.clientX - d.x, y: d.view.y + e.clientY - d.y });
  };

  const nodes = useMemo(() => new Map(model.nodes.map((n) => [n.id, n])), [model]);
  const places = useMemo(() => layout?.nodes.filter((n) => nodes.has(n.id)) ?? [], [layout, nodes]);
  const current = tab && nodes.has(tab) ? tab : selected && nodes.has(selected) ? selected : (places[0]?.id ?? null);

  const onKey = (e: KeyboardEvent<HTMLDivElement>) => {
    const step = steps[e.key];
    if (!step || e.altKey || e.ctrlKey || e.metaKey || !layout || !view) return;
    e.preventDefault();
    const next = walk(places, current, step, layout.direction);
    if (!next) return;
    focusNext.current = next.id;
    setTab(next.id);
    setView(reveal(view, next, size));
  };
  useEffect(() => {
    const id = focusNext.current;
    if (id === null || !box) return;
    const el = box.querySelector<HTMLElement>(`[data-node="${CSS.escape(id)}"]`);
    if (!el) return;
    focusNext.current = null;
    el.focus({ preventScroll: true });
  });

  const onFocus = useCallback((id: string) => setTab(id), []);
  const seen = view ? sight(view, size, 160) : null;
  const far = (view?.zoom ?? 1) < farZoom;
  const edgeOf = useMemo(() => new Map(model.edges.map((e) => [e.id, e])), [model]);
  const edges = layout && seen ? layout.edges.filter((e) => edgeOf.has(e.id) && meets(boundsOf(e.points.map((p) => ({ ...p, width: 0, height: 0 }))), seen)) : [];
  const transform = view ? `translate(${view.x}px, ${view.y}px) scale(${view.zoom})` : undefined;

  return (
    <div className={cx("relative overflow-hidden rounded-lg border border-line bg-panel", className)} style={{ height }} data-graph data-nodes={model.nodes.length} data-ready={layout && view ? "" : undefined}>
      {/* The keys are those of the buttons inside; this only hears them. */}
      {/* eslint-disable-next-line jsx-a11y/no-static-element-interactions */}
      <div
        ref={ref} onKeyDown={onKey} onPointerDown={onDown} onPointerMove={onMove}
        onPointerUp={() => (drag.current = null)} onPointerCancel={() => (drag.current = null)}
        className="absolute inset-0 cursor-grab touch-none active:cursor-grabbing"
      >
        {failed ? <ErrorState error={failed} /> : null}
        {layout && view ? (
          <div role="group" aria-label={label} className="absolute top-0 left-0 size-0 origin-top-left" style={{ transform }}>
            <svg aria-hidden width="1" height="1" className="absolute overflow-visible" fill="none">
              <Heads />
              {edges.map((p) => {
                const e = edgeOf.get(p.id);
                return e ? <Edge key={p.id} edge={e} placed={p} direction={layout.direction} /> : null;
              })}
            </svg>
            {far ? null : edges.map((p) => {
              const e = edgeOf.get(p.id);
              if (!e || e.outcome === null || !p.label) return null;
              return <span key={p.id} style={{ left: p.label.x, top: p.label.y }} className={cx("absolute -translate-x-1/2 -translate-y-1/2 rounded-sm bg-panel px-1 text-xs whitespace-nowrap", e.taken === true ? "font-medium text-fg" : "text-faint")}>{e.outcome}</span>;
            })}
            {places.map((p) => {
              const n = nodes.get(p.id);
              if (!n || !seen || (!meets(p, seen) && p.id !== current)) return null;
              return <NodeBox key={p.id} node={n} x={p.x} y={p.y} width={p.width} height={p.height} far={far} selected={selected === p.id} tab={current === p.id} mark={marks?.get(p.id)} pace={paces?.get(p.id)} onPick={onSelect} onFocus={onFocus} />;
            })}
          </div>
        ) : null}
      </div>
      <div className="absolute right-2 bottom-2 flex rounded-md border border-line bg-raised">
        <IconButton icon={Minus} small label={t("zoomOut")} keys="-" onClick={() => zoom(0.8)} />
        <span className="flex w-11 items-center justify-center text-xs text-faint">{Math.round((view?.zoom ?? 1) * 100)}%</span>
        <IconButton icon={Plus} small label={t("zoomIn")} keys="+" onClick={() => zoom(1.25)} />
        <IconButton icon={Maximize} small label={t("fit")} keys="0" onClick={fit} />
      </div>
    </div>
  );
}
