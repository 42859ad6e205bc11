import { t } from "../text/kit";

/** Why a form cannot be sent yet: the names of the fields that are wanted; "" when none is. */
export function missing(...fields: readonly (readonly [name: string, empty: boolean])[]): string {
  const names = fields.filter(([, empty]) => empty).map(([name]) => name);
  return names.length > 0 ? t("fillIn", { what: names.join(", ") }) : "";
}
