import { useQuery } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { patchOf, useChange } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { useCan } from "../../api/session";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { CheckBox, Field, Input } from "../../kit/Field";
import { Select } from "../../kit/Select";
import { ErrorState, FormError, Loading } from "../../kit/States";
import { t } from "../../text/settings";

type RulesData = Schema<"Rules">;
const numbers = ["max_overtakes", "model_affinity", "direct_max_waiting"] as const;
const times = ["max_overtake_age", "direct_wait_timeout"] as const;

/** The rules by which the queue decides. */
export function Rules() {
  const rules = useQuery({ queryKey: ["settings"], queryFn: ({ signal }) => ok(api.GET("/api/settings", { signal })) });
  if (rules.error && !rules.data) return <ErrorState error={rules.error} onRetry={() => void rules.refetch()} />;
  return rules.data ? <Form key={rules.data.updated_at ?? ""} rules={rules.data} /> : <Loading />;
}

function Form({ rules }: { rules: RulesData }) {
  const { can, why } = useCan("settings:write");
  const off = can ? {} : { why };
  const [d, setDraft] = useState(() => ({ ...rules, max_overtakes: String(rules.max_overtakes), model_affinity: String(rules.model_affinity), direct_max_waiting: String(rules.direct_max_waiting) }));
  const set = (part: Partial<typeof d>) => setDraft((old) => ({ ...old, ...part }));
  const body = Object.fromEntries([...numbers.map((k) => [k, Number(d[k])] as const), ...times.map((k) => [k, d[k]] as const), ["strict_order", d.strict_order] as const, ["direct_group_policy", d.direct_group_policy] as const].filter(([k, v]) => rules[k] !== v)) as Schema<"RulesPatch">;
  const names = Object.keys(body);
  const save = useChange((b: Schema<"RulesPatch">) => ok(api.PATCH("/api/settings", { body: b, headers: patchOf() })), { old: ["settings", "queue"], said: t("saved"), form: true });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (names.length > 0) save.mutate(body);
  };
  return (
    <form onSubmit={submit} className="flex max-w-2xl flex-col gap-4">
      <p className="text-sm text-dim">{t("rulesHint")}</p>
      <div><CheckBox label={t("strict_order")} disabled={!can} checked={d.strict_order} onChange={(strict_order) => set({ strict_order })} /><p className="pl-6 text-xs text-faint">{t("strict_orderHint")}</p></div>
      <div className="grid gap-4 sm:grid-cols-2">
        {numbers.map((k) => <Field key={k} label={t(k)} hint={t(`${k}Hint`)}>{(ids) => <Input {...ids} disabled={!can} inputMode="numeric" pattern="[0-9]{1,9}" required value={d[k]} onChange={(e) => set({ [k]: e.target.value })} />}</Field>)}
        {times.map((k) => <Field key={k} label={t(k)} hint={t(`${k}Hint`)}>{(ids) => <Input {...ids} mono disabled={!can} required value={d[k]} onChange={(e) => set({ [k]: e.target.value })} />}</Field>)}
        <Field label={t("direct_group_policy")} hint={t("direct_group_policyHint")}>{(ids) => <Select {...ids} disabled={!can} value={d.direct_group_policy} onChange={(v) => set({ direct_group_policy: v as "whole" | "next" })} options={[{ value: "whole", label: t("whole") }, { value: "next", label: t("next") }]} />}</Field>
      </div>
      <FormError error={save.error} />
      <div className="flex items-center gap-2">
        <Button type="submit" look="primary" busy={save.isPending} disabled={can && names.length === 0} {...off}>{t("save")}</Button>
        <CopyAs action={{ cli: `runsheet settings set ${names.map((k) => `${k}=${String(body[k as keyof typeof body])}`).join(" ") || "strict_order=true"}`, method: "PATCH", path: "/api/settings", body }} />
      </div>
    </form>
  );
}
