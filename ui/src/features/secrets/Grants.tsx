import { Plus, X } from "lucide-react";
import type { Schema } from "../../api/client";
import { Button, IconButton } from "../../kit/Button";
import { Field, Input } from "../../kit/Field";
import { t } from "../../text/secrets";

/** A grant as it is edited: lists are texts with commas. */
export interface Draft { workflow: string; kinds: string; hosts: string }

export function draftsOf(grants: readonly Schema<"SecretGrant">[]): Draft[] {
  return grants.map((g) => ({ workflow: g.workflow_id, kinds: g.kinds.join(", "), hosts: (g.hosts ?? []).join(", ") }));
}

const list = (text: string) => text.split(/[\s,]+/).filter(Boolean);

export function grantsOf(drafts: readonly Draft[]): Schema<"SecretGrant">[] {
  return drafts.map((d) => ({ workflow_id: d.workflow.trim(), kinds: list(d.kinds), ...(list(d.hosts).length > 0 ? { hosts: list(d.hosts) } : {}) }));
}

/** Whether each has what it needs. */
export function complete(drafts: readonly Draft[]): boolean {
  return grantsOf(drafts).every((g) => g.workflow_id !== "" && g.kinds.length > 0);
}

/** The editor of grants. */
export function Grants({ drafts, onChange, disabled }: { drafts: readonly Draft[]; onChange: (d: Draft[]) => void; disabled?: boolean }) {
  const set = (i: number, part: Partial<Draft>) => onChange(drafts.map((d, at) => (at === i ? { ...d, ...part } : d)));
  const off = disabled ?? false;
  return (
    <div className="flex flex-col gap-3">
      {drafts.map((d, i) => (
        <fieldset key={i} className="rounded-md border border-line p-3">
          <legend className="px-1 text-xs text-faint">{t("grant", { n: i + 1 })}</legend>
          <div className="grid gap-3 sm:grid-cols-2">
            <Field label={t("workflow")}>{(ids) => <Input {...ids} mono disabled={off} value={d.workflow} onChange={(e) => set(i, { workflow: e.target.value })} />}</Field>
            <Field label={t("kinds")} hint={t("kindsHint")}>{(ids) => <Input {...ids} mono disabled={off} value={d.kinds} onChange={(e) => set(i, { kinds: e.target.value })} />}</Field>
            <div className="flex items-start gap-2 sm:col-span-2">
              <div className="grow"><Field label={t("hosts")} optional hint={t("hostsHint")}>{(ids) => <Input {...ids} mono disabled={off} value={d.hosts} onChange={(e) => set(i, { hosts: e.target.value })} />}</Field></div>
              <IconButton icon={X} label={t("removeGrant", { n: i + 1 })} disabled={off} onClick={() => onChange(drafts.filter((_, at) => at !== i))} className="mt-6" />
            </div>
          </div>
        </fieldset>
      ))}
      <div><Button small icon={Plus} disabled={off} onClick={() => onChange([...drafts, { workflow: "", kinds: "", hosts: "" }])}>{t("addGrant")}</Button></div>
    </div>
  );
}
