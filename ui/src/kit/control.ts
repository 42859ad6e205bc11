/** A choice of Select and Combobox. */
export interface Option {
  value: string;
  label: string;
  hint?: string | undefined;
}

/** What ties a control to its label, hint and error. */
export interface Ids { id?: string; "aria-describedby"?: string | undefined; "aria-invalid"?: true | undefined; "aria-label"?: string }

/** How all controls look. */
export const box = "target w-full rounded-md border border-edge bg-bg px-2.5 text-sm hover:border-faint focus-visible:outline-2 focus-visible:outline-offset-0 aria-invalid:border-bad disabled:opacity-55";
