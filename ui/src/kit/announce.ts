// What screen readers are told without moving the focus.

let region: HTMLElement | null = null;

/** Says a text politely, for example "Story 12 moved to position 3 of 40". */
export function announce(text: string): void {
  if (!region) {
    region = document.createElement("div");
    region.setAttribute("role", "status");
    region.setAttribute("aria-live", "polite");
    region.className = "sr-only";
    region.id = "announce";
    document.body.append(region);
  }
  // The same text twice is said twice.
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}
