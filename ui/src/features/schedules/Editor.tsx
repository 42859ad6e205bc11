import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useEffect, useState, type FormEvent, type ReactNode } from "react";
import { api, ok, problemOf } from "../../api/client";
import { Button } from "../../kit/Button";
import { CommandField } from "../../kit/CommandField";
import { CopyAs } from "../../kit/CopyAs";
import { withOwn } from "../../kit/control";
import { CheckBox, Combobox, Field, Input, Select, TextArea } from "../../kit/Field";
import { Fold } from "../../kit/Fold";
import { Page, PageHeader } from "../../kit/Page";
import { Segmented } from "../../kit/Segmented";
import { useSettled } from "../../kit/settled";
import { FormError } from "../../kit/States";
import { toast } from "../../kit/toast";
import { t } from "../../text/schedules";
import { useWorkflows } from "../workflows/choice";
import { calendarsQuery, previewQuery, type Schedule } from "./api";
import { check, checkTarget, draftOf, emptyDraft, firstTarget, inputOf, patchOf, previewOf, type Draft, type TargetKind } from "./form";
import { Preview } from "./Preview";
import { said, When, type PartProps } from "./When";
import { myZone } from "./words";

/** Makes a schedule, or changes one that is there. */
export function Editor({ of, etag, onClose }: { of?: Schedule; etag?: string; onClose: () => void }) {
  const [first] = useState(() => (of ? draftOf(of) : emptyDraft(myZone)));
  const [draft, setDraft] = useState(first);
  const [tried, setTried] = useState(false);
  const client = useQueryClient();
  const navigate = useNavigate();
  const wrong = check(draft);
  const all = { ...wrong, ...checkTarget(draft) };
  const bad = Object.keys(all).length > 0;
  const set = (change: Partial<Draft>) => setDraft((d) => ({ ...d, ...change }));
  const save = useMutation({
    mutationFn: () => of
      // The patch has only members of the type, or null, which the type does not know.
      ? ok(api.PATCH("/api/schedules/{schedule_id}", { params: { path: { schedule_id: of.schedule_id }, header: { "If-Match": etag ?? "" } }, body: patchOf(first, draft) as never }))
      : ok(api.POST("/api/schedules", { body: inputOf(draft) })),
    onSuccess: async (s) => {
      await client.invalidateQueries({ predicate: (q) => ["schedules", "schedule", "calendar-fires"].includes(String(q.queryKey[0])) });
      toast({ tone: "ok", text: t(of ? "didSave" : "didAdd", { name: s.name }) });
      if (of) onClose();
      else void navigate({ to: "/schedules/$id", params: { id: s.schedule_id }, replace: true });
    },
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    setTried(true);
    if (!bad) save.mutate();
  };
  const shown = tried ? all : wrong;
  const body = bad ? {} : of ? patchOf(first, draft) : inputOf(draft);
  // The preview asks the same, once.
  const preview = useQuery(previewQuery(previewOf(useSettled(draft, 300), 20)));
  const refused = preview.isError ? problemOf(preview.error) : null;
  const part: PartProps = { draft, set, wrong: shown, ...(refused?.code === "cron_invalid" ? { cronRefused: refused.fields[0]?.detail || refused.detail || refused.title } : {}) };
  const conflict = save.isError && problemOf(save.error).status === 412;
  return (
    <Page>
      <PageHeader title={of ? t("editOf", { name: of.name }) : t("addTitle")} />
      <form onSubmit={submit} noValidate className="grid gap-x-10 gap-y-6 lg:grid-cols-[minmax(0,1fr)_27rem]">
        <div className="flex min-w-0 flex-col gap-7">
          <Group title={t("gWhat")}><What {...part} isNew={!of} /></Group>
          <Group title={t("gWhen")}><When {...part} /><Where {...part} /></Group>
          <div className="flex flex-col gap-4">
            <Fold two title={t("gBusy")} open={!!of && (of.overlap !== "skip" || of.missed !== null)}><Busy {...part} /></Fold>
            <Fold two title={t("gLimits")}><Limits {...part} /></Fold>
            <Fold two title={t("gDates")}><Dates {...part} /></Fold>
            <Fold two title={t("gMore")}><MoreFields {...part} isNew={!of} /></Fold>
          </div>
        </div>
        <div className="min-w-0 lg:sticky lg:top-16 lg:self-start"><Preview draft={draft} /></div>
        <div className="flex flex-col gap-3 border-t border-line pt-4 lg:col-span-2">
          <FormError error={save.error} />
          {conflict ? <p className="text-sm text-dim">{t("changedMeanwhile")}</p> : null}
          {tried && bad ? <p role="alert" className="text-sm text-bad">{t("lookAbove", { n: Object.keys(all).length })}</p> : null}
          <div className="flex flex-wrap items-center justify-end gap-2">
            {!bad ? <CopyAs action={of ? { cli: `runsheet schedule edit ${of.schedule_id} -f -  # ${JSON.stringify(body)}`, method: "PATCH", path: `/api/schedules/${of.schedule_id}`, body } : { cli: `echo '${JSON.stringify(body).replaceAll("'", `'\\''`)}' | runsheet schedule add -f -`, method: "POST", path: "/api/schedules", body }} /> : null}
            <Button onClick={onClose}>{t("cancel")}</Button>
            <Button type="submit" look="primary" busy={save.isPending}>{of ? t("save") : t("add")}</Button>
          </div>
        </div>
      </form>
    </Page>
  );
}

function Group({ title, children }: { title: string; children: ReactNode }) {
  return <fieldset className="min-w-0"><legend className="pb-3 text-base font-semibold">{title}</legend><div className="flex flex-col gap-4">{children}</div></fieldset>;
}

const targets: readonly TargetKind[] = ["template", "workflow", "command", "job"];

function What({ draft, set, wrong, isNew }: PartProps & { isNew: boolean }) {
  const [begun, setBegun] = useState(!isNew);
  const templates = useQuery({ queryKey: ["templates", "options"], enabled: draft.target === "template", queryFn: ({ signal }) => ok(api.GET("/api/job-templates", { signal, params: { query: { limit: 100 } } })) });
  const workflows = useWorkflows(draft.target === "workflow" || !begun);
  const none = templates.data?.items.length === 0;
  // Once both lists are there; a choice of the person's is not changed.
  const begin = begun ? null : firstTarget(templates.data?.items, workflows);
  useEffect(() => {
    if (!begin) return;
    setBegun(true);
    set({ target: begin });
  }, [begin, set]);
  return (
    <>
      <Field label={t("name")} optional hint={t("nameHint")}>{(ids) => <Input {...ids} value={draft.name} placeholder="daily-report" maxLength={100} onChange={(e) => set({ name: e.target.value })} />}</Field>
      <Segmented label={t("target")} value={draft.target} onChange={(v) => { setBegun(true); set({ target: v as TargetKind }); }} options={targets.map((k) => ({ value: k, label: t(`t_${k}`) }))} />
      {draft.target === "template" && none && !draft.templateId ? <p className="text-sm text-dim">{t("noTemplates")} <Link to="/templates" search={{ add: "1" }} className="text-accent hover:underline">{t("makeTemplate")}</Link></p> : draft.target === "template" ? <Field label={t("t_template")} error={said(wrong, "templateId")}>{(ids) => <Combobox {...ids} value={draft.templateId} onChange={(templateId) => set({ templateId })} options={withOwn(draft.templateId, (templates.data?.items ?? []).map((x) => ({ value: x.template_id, label: x.name, hint: x.description || x.job_type })))} />}</Field> : null}
      {draft.target === "workflow" ? <Field label={t("t_workflow")} error={said(wrong, "workflowId")}>{(ids) => <Combobox {...ids} value={draft.workflowId} onChange={(workflowId) => set({ workflowId })} options={withOwn(draft.workflowId, workflows ?? [])} />}</Field> : null}
      {draft.target === "command" ? <CommandField label={t("t_command")} error={said(wrong, "command")} text={draft.command} onChange={(command) => set({ command })} /> : null}
      {draft.target === "job" ? <Field label={t("jobJson")} error={said(wrong, "job")}>{(ids) => <TextArea {...ids} mono rows={6} spellCheck={false} value={draft.job} placeholder='{"job_type": "http", "params": {…}}' onChange={(e) => set({ job: e.target.value })} />}</Field> : null}
      {draft.target === "template" || draft.target === "workflow" ? (
        <details open={draft.params !== ""}>
          <summary className="target text-sm text-dim">{t(draft.target === "template" ? "paramsJson" : "inputsJson")}</summary>
          <div className="pt-2"><Field label={t("asJson")} optional error={said(wrong, "params")}>{(ids) => <TextArea {...ids} mono spellCheck={false} value={draft.params} onChange={(e) => set({ params: e.target.value })} />}</Field></div>
        </details>
      ) : null}
    </>
  );
}

const zones = ["UTC", ...Intl.supportedValuesOf("timeZone").filter((z) => z !== "UTC")];

function Where({ draft, set, wrong }: PartProps) {
  const calendars = useQuery(calendarsQuery);
  const list = (calendars.data?.items ?? []).map((c) => ({ value: c.mic, label: c.mic, hint: c.name }));
  const combined = draft.calendar.startsWith("{");
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      <Field label={t("zone")} hint={t("zoneHint")}>{(ids) => <Combobox {...ids} value={draft.timezone} onChange={(timezone) => timezone && set({ timezone })} options={withOwn(draft.timezone, zones.map((z) => ({ value: z, label: z })))} />}</Field>
      <Field label={t("calendar")} optional={draft.kind !== "EVENT"} hint={t("calendarHint")} error={said(wrong, "calendar")}>
        {(ids) => (combined ? <TextArea {...ids} mono rows={2} value={draft.calendar} onChange={(e) => set({ calendar: e.target.value })} /> : <Combobox {...ids} value={draft.calendar} onChange={(calendar) => set({ calendar })} placeholder={t("noCalendar")} options={withOwn(draft.calendar, [{ value: "", label: t("noCalendar") }, ...list])} />)}
      </Field>
      {draft.calendar && draft.kind !== "EVENT" ? (
        <>
          <Field label={t("onNonSession")}>{(ids) => <Select {...ids} value={draft.onNonSession} onChange={(onNonSession) => set({ onNonSession })} options={(["skip", "next_session", "previous_session"] as const).map((v) => ({ value: v, label: t(`n_${v}`) }))} />}</Field>
          <Field label={t("onlyIn")}>{(ids) => <Select {...ids} value={draft.onlyIn} onChange={(onlyIn) => set({ onlyIn })} options={[{ value: "", label: t("i_any") }, ...(["session", "regular_hours", "outside_hours"] as const).map((v) => ({ value: v, label: t(`i_${v}`) }))]} />}</Field>
        </>
      ) : null}
    </div>
  );
}

function SpanField({ draft, set, wrong, k, label, hint, placeholder }: PartProps & { k: "grace" | "catchUpWindow" | "startDeadline" | "jitter" | "spread" | "minInterval"; label: string; hint?: string; placeholder: string }) {
  return <Field label={label} hint={hint} optional error={said(wrong, k)}>{(ids) => <Input {...ids} value={draft[k]} placeholder={placeholder} onChange={(e) => set({ [k]: e.target.value })} />}</Field>;
}

function CountField({ draft, set, wrong, k, label, placeholder }: PartProps & { k: "maxQueued" | "maxParallel" | "maxCatchUp" | "maxRuns" | "pauseOnFailure"; label: string; placeholder?: string }) {
  return <Field label={label} optional error={said(wrong, k)}>{(ids) => <Input {...ids} inputMode="numeric" value={draft[k]} placeholder={placeholder} onChange={(e) => set({ [k]: e.target.value })} />}</Field>;
}

function Busy(p: PartProps) {
  const { draft, set } = p;
  return (
    <>
      <Field label={t("overlap")} hint={t("overlapHint")}>{(ids) => <Select {...ids} value={draft.overlap} onChange={(overlap) => set({ overlap })} options={(["skip", "queue_one", "queue_latest", "queue_all", "cancel_running", "allow"] as const).map((v) => ({ value: v, label: t(`o_${v}`) }))} />}</Field>
      {draft.overlap === "queue_all" ? <CountField {...p} k="maxQueued" label={t("maxQueued")} placeholder="100" /> : draft.overlap === "allow" ? <CountField {...p} k="maxParallel" label={t("maxParallel")} /> : <span className="hidden sm:block" />}
      <Field label={t("missed")} hint={t("missedHint")}>{(ids) => <Select {...ids} value={draft.missed} onChange={(missed) => set({ missed })} options={[{ value: "", label: t("mi_default") }, ...(["latest", "earliest", "all", "skip"] as const).map((v) => ({ value: v, label: t(`mi_${v}`) }))]} />}</Field>
      {draft.missed === "all" ? <CountField {...p} k="maxCatchUp" label={t("maxCatchUp")} placeholder="100" /> : <span className="hidden sm:block" />}
      <SpanField {...p} k="grace" label={t("grace")} hint={t("graceHint")} placeholder="1m" />
      <SpanField {...p} k="catchUpWindow" label={t("catchUpWindow")} hint={t("catchUpHint")} placeholder="24h" />
      <SpanField {...p} k="startDeadline" label={t("startDeadline")} hint={t("startDeadlineHint")} placeholder="30m" />
    </>
  );
}

function Limits(p: PartProps) {
  const { draft, set } = p;
  return (
    <>
      <SpanField {...p} k="jitter" label={t("jitter")} hint={t("jitterHint")} placeholder="5m" />
      <SpanField {...p} k="spread" label={t("spread")} hint={t("spreadHint")} placeholder="10m" />
      <SpanField {...p} k="minInterval" label={t("minInterval")} placeholder="1h" />
      <Field label={t("minIntervalFrom")}>{(ids) => <Select {...ids} value={draft.minIntervalFrom} onChange={(minIntervalFrom) => set({ minIntervalFrom })} options={[{ value: "start", label: t("fromStart") }, { value: "end", label: t("fromEnd") }]} />}</Field>
      <CountField {...p} k="maxRuns" label={t("maxRuns")} />
      <CountField {...p} k="pauseOnFailure" label={t("pauseOnFailure")} placeholder="3" />
    </>
  );
}

function Dates({ draft, set, wrong }: PartProps) {
  return (
    <>
      <Field label={t("startAt")} hint={t("instantHint")} optional error={said(wrong, "startAt")}>{(ids) => <Input {...ids} value={draft.startAt} placeholder="2026-12-01T00:00:00Z" onChange={(e) => set({ startAt: e.target.value })} />}</Field>
      <Field label={t("endAt")} hint={t("instantHint")} optional error={said(wrong, "endAt")}>{(ids) => <Input {...ids} value={draft.endAt} placeholder="2027-01-01T00:00:00Z" onChange={(e) => set({ endAt: e.target.value })} />}</Field>
      <Field label={t("excludeDates")} hint={t("perLine")} optional>{(ids) => <TextArea {...ids} mono rows={2} value={draft.excludeDates} placeholder="2026-12-24" onChange={(e) => set({ excludeDates: e.target.value })} />}</Field>
      <Field label={t("excludeCron")} hint={t("perLine")} optional>{(ids) => <TextArea {...ids} mono rows={2} value={draft.excludeCron} placeholder="* 12 * * *" onChange={(e) => set({ excludeCron: e.target.value })} />}</Field>
      <Field label={t("dstGap")} hint={t("dstGapHint")}>{(ids) => <Select {...ids} value={draft.dstGap} onChange={(dstGap) => set({ dstGap })} options={[{ value: "auto", label: t("g_auto") }, { value: "skip", label: t("g_skip") }]} />}</Field>
      <Field label={t("dstOverlap")} hint={t("dstOverlapHint")}>{(ids) => <Select {...ids} value={draft.dstOverlap} onChange={(dstOverlap) => set({ dstOverlap })} options={(["auto", "first", "second", "both"] as const).map((v) => ({ value: v, label: t(`d_${v}`) }))} />}</Field>
      {draft.calendar ? <div className="sm:col-span-2"><CheckBox label={t("strict")} checked={draft.strict} onChange={(strict) => set({ strict })} /></div> : null}
    </>
  );
}

function MoreFields({ draft, set, wrong, isNew }: PartProps & { isNew: boolean }) {
  return (
    <>
      <div className="sm:col-span-2"><Field label={t("description")} optional>{(ids) => <Input {...ids} value={draft.description} maxLength={500} onChange={(e) => set({ description: e.target.value })} />}</Field></div>
      <Field label={t("labels")} hint={t("labelsHint")} optional error={said(wrong, "labels")}>{(ids) => <TextArea {...ids} mono rows={2} value={draft.labels} placeholder="team=ops" onChange={(e) => set({ labels: e.target.value })} />}</Field>
      <div className="flex flex-col gap-2 sm:pt-6">
        <CheckBox label={t("approvalFirst")} checked={draft.approval} onChange={(approval) => set({ approval })} />
        <CheckBox label={t("allowNever")} checked={draft.allowNever} onChange={(allowNever) => set({ allowNever })} />
        {isNew ? <CheckBox label={t("startPaused")} checked={!draft.enabled} onChange={(off) => set({ enabled: !off })} /> : null}
      </div>
    </>
  );
}
