// The zone in which times are shown: the browser's, or one that the person has chosen.
const storeKey = "runsheet.zone";

function stored(): string | undefined {
  try {
    const zone = localStorage.getItem(storeKey) ?? undefined;
    if (zone) new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone;
  } catch {
    return undefined; // no storage, or a zone that this browser does not know
  }
}

/** The chosen zone of this page, for its whole life; undefined = the browser's. */
export const chosenZone: string | undefined = stored();

/** Stores the choice and loads the page anew; "" = the browser's zone. */
export function setZone(zone: string): void {
  if (zone) localStorage.setItem(storeKey, zone);
  else localStorage.removeItem(storeKey);
  location.reload();
}

/** The zone in which times are shown, by name. */
export function shownZone(): string {
  return chosenZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
}
