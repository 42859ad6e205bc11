import { useQuery } from "@tanstack/react-query";
import { Plus, X } from "lucide-react";
import { useEffect, useState } from "react";
import { api, ok } from "../../api/client";
import { Chip } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { cx } from "../../kit/cx";
import { Combobox, Input, Select } from "../../kit/Field";
import { clockTime } from "../../kit/format";
import { FilterBar } from "../../kit/Page";
import { jobTypesQuery } from "../../kit/jobtypes";
import { stateLook } from "../../states";
import { t } from "../../text/runs";
import { filtered, ranges, type Filters, type Range } from "./filters";

const states = [["ACTIVE", "RUNNING"], ["COMPLETED", "COMPLETED"], ["FAILED", "FAILED"], ["SKIPPED", "SKIPPED"]] as const;
const rangeNames: Record<Range, string> = { hour: t("hour"), day: t("day"), week: t("week"), month: t("month"), all: t("allTime") };

/** The row of filters above the list; typing waits a moment before it asks the server. */
export function RunFilters({ f, now, change }: { f: Filters; now: number; change: (next: Partial<Filters>, replace?: boolean) => void }) {
  const [typed, setTyped] = useState(f.q);
  const [more, setMore] = useState(false);
  useEffect(() => setTyped(f.q), [f.q]);
  useEffect(() => {
    if (typed === f.q) return;
    const timer = setTimeout(() => change({ q: typed.slice(0, 200) }, true), 250);
    return () => clearTimeout(timer);
  }, [typed, f.q, change]);
  const clear = () => change({ q: "", status: [], type: [], template: "", schedule: "", job: "", workflow: "", label: [] });
  const from = Date.parse(f.from);
  const zoomed = from < Date.parse(f.to);
  const open = more || f.type.length > 0 || f.template !== "" || f.workflow !== "" || f.label.length > 0 || f.schedule !== "" || f.job !== "";
  return (
    <>
      <FilterBar query={typed} onQuery={setTyped} placeholder={t("search")} active={filtered(f)} onClear={clear}>
        <div role="group" aria-label={t("statusFilter")} className="inline-flex overflow-hidden rounded-md border border-line-strong max-sm:w-full">
          {states.map(([value, look]) => {
            const on = f.status.includes(value);
            return (
              <button key={value} type="button" aria-pressed={on} onClick={() => change({ status: on ? f.status.filter((s) => s !== value) : [...f.status, value] })} className={cx("target h-[30px] grow border-r border-line px-2.5 text-sm last:border-r-0", on ? "bg-accent-soft font-medium text-accent" : "text-dim hover:bg-hover hover:text-fg")}>
                {stateLook(look).word}
              </button>
            );
          })}
        </div>
        {zoomed ? (
          <Button icon={X} onClick={() => change({ from: "", to: "" })} title={t("zoomOut", { range: rangeNames[f.range] })}>{t("between", { from: clockTime(from, now), to: clockTime(f.to, now) })}</Button>
        ) : (
          <div className="w-40"><Select aria-label={t("rangeFilter")} options={ranges.map((r) => ({ value: r, label: rangeNames[r] })).sort((a, b) => order(a.value) - order(b.value))} value={f.range} onChange={(v) => change({ range: ranges.find((r) => r === v) ?? "day" })} /></div>
        )}
        {open ? null : <Button look="ghost" icon={Plus} onClick={() => setMore(true)}>{t("moreFilters")}</Button>}
      </FilterBar>
      {open ? <More f={f} change={change} /> : null}
    </>
  );
}

const order = (r: Range) => ["hour", "day", "week", "month", "all"].indexOf(r);

function useNames() {
  const types = useQuery(jobTypesQuery);
  const templates = useQuery({ queryKey: ["templates", "names"], queryFn: ({ signal }) => ok(api.GET("/api/job-templates", { signal, params: { query: { limit: 200 } } })) });
  const workflows = useQuery({ queryKey: ["workflows", "names"], retry: false, queryFn: ({ signal }) => ok(api.GET("/api/workflows", { signal, params: { query: { limit: 200 } } })) });
  return { types: types.data?.items ?? [], templates: templates.data?.items ?? [], workflows: workflows.data?.items ?? [] };
}

function More({ f, change }: { f: Filters; change: (next: Partial<Filters>) => void }) {
  const names = useNames();
  const [label, setLabel] = useState("");
  const add = () => {
    const text = label.trim().replace("=", ":");
    if (!/^[^:]+:./.test(text)) return;
    setLabel("");
    if (!f.label.includes(text)) change({ label: [...f.label, text] });
  };
  return (
    <div className="flex flex-wrap items-center gap-2 pb-3">
      <div className="w-40"><Select aria-label={t("typeFilter")} options={[{ value: "", label: t("anyType") }, ...names.types.map((x) => ({ value: x.job_type, label: x.job_type }))]} value={f.type[0] ?? ""} onChange={(v) => change({ type: v ? [v] : [] })} /></div>
      <div className="w-48"><Combobox aria-label={t("template")} placeholder={t("anyTemplate")} options={[{ value: "", label: t("anyTemplate") }, ...names.templates.map((x) => ({ value: x.template_id, label: x.name }))]} value={f.template} onChange={(v) => change({ template: v })} /></div>
      <div className="w-48"><Combobox aria-label={t("workflow")} placeholder={t("anyWorkflow")} options={[{ value: "", label: t("anyWorkflow") }, ...names.workflows.map((x) => ({ value: x.workflow_id, label: x.name }))]} value={f.workflow} onChange={(v) => change({ workflow: v })} /></div>
      <form className="w-44" onSubmit={(e) => { e.preventDefault(); add(); }}>
        <Input aria-label={t("addLabel")} placeholder={t("labelFilter")} value={label} onChange={(e) => setLabel(e.target.value)} onBlur={add} />
      </form>
      {f.label.map((l) => <Chip key={l} mono onRemove={() => change({ label: f.label.filter((x) => x !== l) })} removeLabel={t("removeFilter", { what: l.replace(":", "=") })}>{l.replace(":", "=")}</Chip>)}
      {f.schedule ? <Chip mono onRemove={() => change({ schedule: "" })} removeLabel={t("removeFilter", { what: f.schedule })}>{t("schedule")}: {f.schedule}</Chip> : null}
      {f.job ? <Chip mono onRemove={() => change({ job: "" })} removeLabel={t("removeFilter", { what: f.job })}>{t("job")}: {f.job}</Chip> : null}
    </div>
  );
}
