// The geometry of a drawn graph: paths of edges, the view onto it (fit, zoom, what is
// in sight), and the way of the arrow keys from node to node. Pixels everywhere.

/** A point, in graph or screen coordinates. */
export interface Point {
  x: number;
  y: number;
}

/** A rectangle by its top left corner. */
export interface Rect extends Point {
  width: number;
  height: number;
}

/** The size of what is looked through. */
export interface Size {
  width: number;
  height: number;
}

/** The view: screen = graph * zoom + (x, y). */
export interface View extends Point {
  zoom: number;
}

/** Bounds of the zoom. */
export const zoomBounds = { min: 0.1, max: 2.5 } as const;

const text = (n: number): string => String(Math.round(n * 100) / 100);
const at = (p: Point): string => `${text(p.x)} ${text(p.y)}`;

/** A smooth SVG path through the points, level at each of them along the direction. "" for fewer than two points. */
export function curvePath(points: readonly Point[], direction: "right" | "down"): string {
  const first = points[0];
  if (!first || points.length < 2) return "";
  let path = `M${at(first)}`;
  for (let i = 1; i < points.length; i++) {
    const p = points[i - 1] ?? first;
    const q = points[i] ?? first;
    if (p.x === q.x || p.y === q.y) {
      path += ` L${at(q)}`;
    } else if (direction === "right") {
      const mid = (p.x + q.x) / 2;
      path += ` C${text(mid)} ${text(p.y)} ${text(mid)} ${text(q.y)} ${at(q)}`;
    } else {
      const mid = (p.y + q.y) / 2;
      path += ` C${text(p.x)} ${text(mid)} ${text(q.x)} ${text(mid)} ${at(q)}`;
    }
  }
  return path;
}

/** The smallest rectangle around all; of nothing it has no size. */
export function boundsOf(rects: readonly Rect[]): Rect {
  const first = rects[0];
  if (!first) return { x: 0, y: 0, width: 0, height: 0 };
  let [left, top, right, bottom] = [first.x, first.y, first.x, first.y];
  for (const r of rects) {
    left = Math.min(left, r.x);
    top = Math.min(top, r.y);
    right = Math.max(right, r.x + r.width);
    bottom = Math.max(bottom, r.y + r.height);
  }
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** The view that shows all of `box` in the middle, never larger than `max` times its size. */
export function fitView(box: Rect, size: Size, padding = 24, max = 1): View {
  const w = Math.max(1, size.width - 2 * padding);
  const h = Math.max(1, size.height - 2 * padding);
  const fit = Math.min(w / Math.max(1, box.width), h / Math.max(1, box.height), max);
  const zoom = clamp(fit, zoomBounds.min, zoomBounds.max);
  return {
    zoom,
    x: size.width / 2 - (box.x + box.width / 2) * zoom,
    y: size.height / 2 - (box.y + box.height / 2) * zoom,
  };
}

/** Zooms by a factor so that what is under `about` (screen) stays there. */
export function zoomAt(view: View, about: Point, factor: number): View {
  const zoom = clamp(view.zoom * factor, zoomBounds.min, zoomBounds.max);
  const k = zoom / view.zoom;
  return { zoom, x: about.x - (about.x - view.x) * k, y: about.y - (about.y - view.y) * k };
}

/** From the screen to the graph. */
export function toGraph(view: View, p: Point): Point {
  return { x: (p.x - view.x) / view.zoom, y: (p.y - view.y) / view.zoom };
}

/** From the graph to the screen. */
export function toScreen(view: View, p: Point): Point {
  return { x: p.x * view.zoom + view.x, y: p.y * view.zoom + view.y };
}

/** Moves the view no further than needed for `box` to be in sight; the same view if it is. */
export function reveal(view: View, box: Rect, size: Size, padding = 24): View {
  const shift = (from: number, length: number, room: number) => {
    if (length > room - 2 * padding || from < padding) return padding - from;
    return from + length > room - padding ? room - padding - from - length : 0;
  };
  const p = toScreen(view, box);
  const dx = shift(p.x, box.width * view.zoom, size.width);
  const dy = shift(p.y, box.height * view.zoom, size.height);
  return dx === 0 && dy === 0 ? view : { ...view, x: view.x + dx, y: view.y + dy };
}

/** The part of the graph that is in sight, with a rim of `rim` screen pixels. */
export function sight(view: View, size: Size, rim = 100): Rect {
  const p = toGraph(view, { x: -rim, y: -rim });
  return { ...p, width: (size.width + 2 * rim) / view.zoom, height: (size.height + 2 * rim) / view.zoom };
}

/** Whether two rectangles share anything. */
export function meets(a: Rect, b: Rect): boolean {
  return a.x <= b.x + b.width && b.x <= a.x + a.width && a.y <= b.y + b.height && b.y <= a.y + a.height;
}

/** A key that goes from node to node. */
export type Step = "left" | "right" | "up" | "down" | "next" | "previous" | "first" | "last";

/**
 * The node that a key leads to. An arrow takes the nearest one on its side, preferring
 * those straight ahead; next and previous go round all nodes layer by layer, so that
 * every node is reached. null = there is none on that side.
 */
export function walk<N extends Rect & { id: string }>(nodes: readonly N[], from: string | null, step: Step, direction: "right" | "down" = "right"): N | null {
  const order = reading(nodes, direction);
  const index = order.findIndex((n) => n.id === from);
  const current = order[index];
  if (step === "first" || !current) return order[0] ?? null;
  if (step === "last") return order.at(-1) ?? null;
  if (step === "next") return order[(index + 1) % order.length] ?? null;
  if (step === "previous") return order[(index - 1 + order.length) % order.length] ?? null;
  let best: N | null = null;
  let least = Infinity;
  const c = middle(current);
  for (const n of order) {
    const m = middle(n);
    const level = step === "left" || step === "right";
    const ahead = level ? m.x - c.x : m.y - c.y;
    const along = step === "left" || step === "up" ? -ahead : ahead;
    const aside = Math.abs(level ? m.y - c.y : m.x - c.x);
    if (n.id === current.id || along <= 0) continue;
    const cost = along + 2 * aside + (aside > along ? 10_000 : 0);
    if (cost < least) {
      least = cost;
      best = n;
    }
  }
  return best;
}

/** The nodes layer by layer, each layer in the order across; the order of the list view and of next. */
export function reading<N extends Rect & { id: string }>(nodes: readonly N[], direction: "right" | "down" = "right"): N[] {
  const key = (n: N): [number, number] => (direction === "right" ? [middle(n).x, n.y] : [middle(n).y, n.x]);
  return [...nodes].sort((a, b) => {
    const [a1, a2] = key(a);
    const [b1, b2] = key(b);
    return a1 - b1 || a2 - b2 || (a.id < b.id ? -1 : 1);
  });
}

function middle(r: Rect): Point {
  return { x: r.x + r.width / 2, y: r.y + r.height / 2 };
}

function clamp(n: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, n));
}
