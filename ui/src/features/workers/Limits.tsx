import { useQuery } from "@tanstack/react-query";
import { Pencil, Plus, Trash2 } from "lucide-react";
import { useState, type FormEvent } from "react";
import { useChange, patchOf } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { useCan } from "../../api/session";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { cx } from "../../kit/cx";
import { Dialog } from "../../kit/Dialog";
import { Field, Input } from "../../kit/Field";
import { Select } from "../../kit/Select";
import { ErrorState, FormError, Loading } from "../../kit/States";
import { t as kit } from "../../text/kit";
import { t } from "../../text/workers";

type Scope = "global" | "job" | "template" | "tenant";
/** One limit and what runs under it. */
interface Limit { scope: Scope; name: string; max: number; running: number }

const words: Record<Scope, string> = { global: t("ofAll"), job: t("ofType"), template: t("ofTemplate"), tenant: t("ofTenant") };
const flags: Record<Scope, string> = { global: "--global", job: "--type", template: "--template", tenant: "--tenant" };

function listOf(l: Schema<"Limits">): Limit[] {
  const of = (scope: Scope, max: Record<string, number>, running: Record<string, number>) => Object.entries(max).sort().map(([name, n]): Limit => ({ scope, name, max: n, running: running[name] ?? 0 }));
  return [
    ...(l.max_global === null ? [] : [{ scope: "global" as const, name: "", max: l.max_global, running: l.running.global }]),
    ...of("job", l.max_per_job, l.running.per_job), ...of("template", l.max_per_template, l.running.per_template), ...of("tenant", l.max_per_tenant, l.running.per_tenant),
  ];
}

// The fields of a PATCH; null takes a limit away.
function bodyOf(scope: Scope, name: string, max: number | null): Schema<"LimitsPatch"> {
  return (scope === "global" ? { max_global: max } : { [`max_per_${scope}`]: { [name]: max } }) as Schema<"LimitsPatch">;
}

const patch = (body: Schema<"LimitsPatch">) => ok(api.PATCH("/api/limits", { body, headers: patchOf() }));

/** The limits of concurrency, as bars that can be changed. */
export function Limits() {
  const { can, why } = useCan("workers:write");
  const off = can ? {} : { why };
  const limits = useQuery({ queryKey: ["limits"], queryFn: ({ signal }) => ok(api.GET("/api/limits", { signal })) });
  const [edited, setEdited] = useState<Limit | "new" | null>(null);
  const remove = useChange((l: Limit) => patch(bodyOf(l.scope, l.name, null)), { old: ["limits", "queue"], said: t("limitGone") });
  if (limits.error && !limits.data) return <ErrorState error={limits.error} onRetry={() => void limits.refetch()} />;
  if (!limits.data) return <Loading rows={3} />;
  const list = listOf(limits.data);
  return (
    <div>
      <ul className="flex flex-col">
        {list.map((l) => {
          const name = l.name || words.global;
          const full = l.running >= l.max;
          return (
            <li key={`${l.scope} ${l.name}`} className="group flex items-center gap-3 border-b border-line/70 py-1.5">
              <div className="min-w-0 grow">
                <p className="flex items-baseline gap-2 text-sm">
                  <span className="truncate font-medium">{name}</span>
                  {l.name ? <span className="text-xs text-faint">{words[l.scope]}</span> : null}
                  <span className={cx("ml-auto", full ? "text-warn" : "text-dim")}>{l.running}/{l.max}{full ? ` · ${t("full")}` : ""}</span>
                </p>
                <div className="mt-1 h-1.5 overflow-hidden rounded-full bg-press" role="meter" aria-label={name} aria-valuenow={Math.min(l.running, l.max)} aria-valuemin={0} aria-valuemax={Math.max(l.max, 1)}>
                  <div className={cx("h-full rounded-full", full ? "bg-warn" : "bg-accent")} style={{ width: `${l.max > 0 ? Math.min(100, (l.running / l.max) * 100) : 100}%` }} />
                </div>
              </div>
              <span className="flex">
                <IconButton small icon={Pencil} label={t("editLimit", { name })} {...off} onClick={() => setEdited(l)} />
                <IconButton small icon={Trash2} label={t("removeLimit", { name })} {...off} onClick={() => remove.mutate(l)} />
              </span>
            </li>
          );
        })}
      </ul>
      <p className="flex flex-wrap items-center gap-2 py-2 text-sm text-faint">
        <span className="grow">{list.length === 0 ? t("noLimits") : t("limitsText")}</span>
        <Button small look="ghost" icon={Plus} {...off} onClick={() => setEdited("new")}>{t("addLimit")}</Button>
      </p>
      {edited ? <Edit limit={edited === "new" ? null : edited} onClose={() => setEdited(null)} /> : null}
    </div>
  );
}

function Edit({ limit, onClose }: { limit: Limit | null; onClose: () => void }) {
  const [scope, setScope] = useState<Scope>(limit?.scope ?? "job");
  const [name, setName] = useState(limit?.name ?? "");
  const [max, setMax] = useState(String(limit?.max ?? 1));
  const whole = /^\d{1,6}$/.test(max);
  const body = bodyOf(scope, name, Number(max));
  const save = useChange(() => patch(body), { old: ["limits", "queue"], said: t("limitSet"), done: onClose, form: true });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (whole) save.mutate();
  };
  return (
    <Dialog
      open onClose={onClose} title={t("limitTitle")} description={t("limitText")}
      footer={
        <>
          <div className="mr-auto"><CopyAs action={{ cli: `runsheet limits set ${flags[scope]} ${scope === "global" ? max : `${name}=${max}`}`, method: "PATCH", path: "/api/limits", body }} /></div>
          <Button onClick={onClose}>{kit("cancel")}</Button>
          <Button look="primary" type="submit" form="limit" disabled={!whole || (scope !== "global" && !name)} busy={save.isPending}>{t("save")}</Button>
        </>
      }
    >
      <form id="limit" onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t("scope")}>{(ids) => <Select {...ids} disabled={limit !== null} value={scope} onChange={(v) => setScope(v as Scope)} options={(Object.keys(words) as Scope[]).map((v) => ({ value: v, label: words[v] }))} />}</Field>
        {scope === "global" ? null : <Field label={t("name")}>{(ids) => <Input {...ids} disabled={limit !== null} required autoComplete="off" value={name} onChange={(e) => setName(e.target.value)} />}</Field>}
        <Field label={t("max")} error={whole ? undefined : t("wrongNumber")}>{(ids) => <Input {...ids} inputMode="numeric" value={max} onChange={(e) => setMax(e.target.value)} className="w-32" />}</Field>
        <FormError error={save.error} />
      </form>
    </Dialog>
  );
}
