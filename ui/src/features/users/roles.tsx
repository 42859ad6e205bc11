import { CheckBox } from "../../kit/Field";
import { Badge } from "../../kit/Badge";
import { t } from "../../text/users";

export const roles = ["viewer", "operator", "author", "approver", "admin"] as const;
export type Role = (typeof roles)[number];

/** Those of a list that are roles. */
export function rolesOf(list: readonly string[]): Role[] {
  return roles.filter((r) => list.includes(r));
}

/** Roles as a group of check boxes, each with what it may do. */
export function RoleBoxes({ value, onChange }: { value: readonly Role[]; onChange: (v: Role[]) => void }) {
  return (
    <fieldset className="flex flex-col gap-1.5">
      <legend className="mb-1 text-sm font-medium">{t("roles")}</legend>
      {roles.map((r) => (
        <div key={r}>
          <CheckBox label={r} checked={value.includes(r)} onChange={(on) => onChange(roles.filter((x) => (x === r ? on : value.includes(x))))} />
          <p className="pl-6 text-xs text-faint">{t(r)}</p>
        </div>
      ))}
    </fieldset>
  );
}

export function RoleBadges({ value }: { value: readonly string[] }) {
  return <span className="inline-flex flex-wrap gap-1">{value.map((r) => <Badge key={r} tone={r === "admin" ? "accent" : "idle"}>{r}</Badge>)}</span>;
}
