/** A choice of Select and Combobox. */
export interface Option {
  value: string;
  label: string;
  hint?: string | undefined;
}

/** The choices and the chosen one, which need not be among them, or not yet. */
export function withOwn(value: string, list: readonly Option[]): readonly Option[] {
  return value === "" || list.some((o) => o.value === value) ? list : [{ value, label: value }, ...list];
}

/** What ties a control to its label, hint and error. */
export interface Ids { id?: string; "aria-describedby"?: string | undefined; "aria-invalid"?: true | undefined; "aria-label"?: string }

/** How all controls look. */
export const box = "target w-full rounded-md border border-edge bg-bg px-2.5 text-sm hover:border-faint focus-visible:outline-2 focus-visible:outline-offset-0 aria-invalid:border-bad disabled:opacity-55";
