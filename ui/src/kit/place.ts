// Where small things over the page go: menus and tooltips. They are in the top
// layer where the browser has one, so that no box cuts them and no dialog hides them.

const gap = 5;
const margin = 8;

/** Shows a popup of the top layer, and puts it below its anchor, or above where there is no room. */
export function place(popup: HTMLElement, anchor: Element, align: "start" | "center" | "end"): void {
  if (popup.isConnected && popup.showPopover && !popup.matches(":popover-open")) popup.showPopover();
  const a = anchor.getBoundingClientRect();
  const p = popup.getBoundingClientRect();
  const wide = document.documentElement.clientWidth;
  const high = document.documentElement.clientHeight;
  const wanted = align === "start" ? a.left : align === "end" ? a.right - p.width : a.left + (a.width - p.width) / 2;
  const below = a.bottom + gap;
  const above = a.top - gap - p.height;
  const top = below + p.height + margin <= high || above < margin ? Math.max(margin, Math.min(below, high - p.height - margin)) : above;
  popup.style.left = `${Math.round(Math.max(margin, Math.min(wanted, wide - p.width - margin)))}px`;
  popup.style.top = `${Math.round(top)}px`;
}
