/** Puts the focus into the first field of a form that is shown as wrong, once it is. Call it when a form does not send. */
export function focusWrong(form: HTMLElement | null): void {
  requestAnimationFrame(() => {
    const first = form?.querySelector<HTMLElement>("[aria-invalid=true], [data-wrong]");
    // A list or group that lacks something: the first control in it.
    const field = first?.matches("fieldset") ? first.querySelector<HTMLElement>("input, textarea, select, button") : first;
    field?.focus();
    first?.scrollIntoView({ block: "nearest" });
  });
}
