import { Field, Input, Select, TextArea, CheckBox } from "../../kit/Field";
import { Segmented } from "../../kit/Segmented";
import { language } from "../../text/catalogue";
import { t } from "../../text/schedules";
import { readCron, writeCron, type Rhythm, type RhythmKind } from "./cron";
import type { Draft, TriggerKind, Wrong } from "./form";
import { cx } from "../../kit/cx";

export interface PartProps {
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  wrong: Wrong;
  /** What the server finds wrong with the expression. */
  cronRefused?: string;
}

/** What a field says is wrong. */
export function said(wrong: Wrong, key: keyof Draft): string | undefined {
  const w = wrong[key];
  return w ? t(w) : undefined;
}

const kinds: readonly TriggerKind[] = ["CRON", "INTERVAL", "EVENT", "AT", "ON"];

/** When it fires: one of five kinds of triggers. */
export function When({ draft, set, wrong, cronRefused }: PartProps) {
  return (
    <div className="flex flex-col gap-4">
      <Segmented label={t("when")} value={draft.kind} onChange={(v) => set({ kind: v as TriggerKind })} options={kinds.map((k) => ({ value: k, label: t(`k_${k}`) }))} />
      {draft.kind === "CRON" ? <Cron draft={draft} set={set} wrong={wrong} {...(cronRefused ? { cronRefused } : {})} /> : null}
      {draft.kind === "INTERVAL" ? (
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={t("every")} hint={t("spanHint")} error={said(wrong, "every")}>{(ids) => <Input {...ids} value={draft.every} placeholder="15m" onChange={(e) => set({ every: e.target.value })} />}</Field>
          <Field label={t("anchor")} hint={t("anchorHint")} error={said(wrong, "anchor")} optional>{(ids) => <Input {...ids} value={draft.anchor} placeholder="2026-01-01T00:00:00Z" disabled={draft.afterEnd} onChange={(e) => set({ anchor: e.target.value })} />}</Field>
          <div className="sm:col-span-2"><CheckBox label={t("afterEnd")} checked={draft.afterEnd} onChange={(afterEnd) => set({ afterEnd })} /></div>
        </div>
      ) : null}
      {draft.kind === "EVENT" ? (
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={t("event")}>{(ids) => <Select {...ids} value={draft.event} onChange={(event) => set({ event })} options={marketEvents.map((v) => ({ value: v, label: t(`e_${v}`) }))} />}</Field>
          <Field label={t("eventOffset")} hint={t("eventOffsetHint")} error={said(wrong, "offset")} optional>{(ids) => <Input {...ids} value={draft.offset} placeholder="-10m" onChange={(e) => set({ offset: e.target.value })} />}</Field>
          {draft.event === "MARKET_OPEN" ? <Field label={t("repeat")} hint={t("repeatHint")} error={said(wrong, "repeat")} optional>{(ids) => <Input {...ids} value={draft.repeat} placeholder="15m" onChange={(e) => set({ repeat: e.target.value })} />}</Field> : null}
          {draft.event === "MARKET_OPEN" && draft.repeat ? <div className="self-end pb-1.5"><CheckBox label={t("duringBreaks")} checked={draft.duringBreaks} onChange={(duringBreaks) => set({ duringBreaks })} /></div> : null}
        </div>
      ) : null}
      {draft.kind === "AT" ? <Field label={t("atTimes")} hint={t("atHint")} error={said(wrong, "at")}>{(ids) => <TextArea {...ids} mono rows={3} value={draft.at} placeholder={"2026-12-24T09:00\n2026-12-31T15:00:00+09:00"} onChange={(e) => set({ at: e.target.value })} />}</Field> : null}
      {draft.kind === "ON" ? (
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={t("onEvent")}>{(ids) => <Select {...ids} value={draft.on} onChange={(on) => set({ on })} options={serverEvents.map(([value, key]) => ({ value, label: t(key), hint: value }))} />}</Field>
          <Field label={t("subject")} hint={t("subjectHint")} optional>{(ids) => <Input {...ids} value={draft.subject} placeholder="nightly-report" onChange={(e) => set({ subject: e.target.value })} />}</Field>
          <Field label={t("delay")} hint={t("spanHint")} error={said(wrong, "delay")} optional>{(ids) => <Input {...ids} value={draft.delay} placeholder="5m" onChange={(e) => set({ delay: e.target.value })} />}</Field>
        </div>
      ) : null}
    </div>
  );
}

const marketEvents = ["MARKET_OPEN", "MARKET_CLOSE", "BREAK_START", "BREAK_END", "SESSION_START_OF_WEEK", "SESSION_END_OF_WEEK", "SESSION_START_OF_MONTH", "SESSION_END_OF_MONTH", "SESSION_START_OF_QUARTER", "SESSION_END_OF_QUARTER", "SESSION_START_OF_YEAR", "SESSION_END_OF_YEAR"] as const;
const serverEvents = [["job.completed", "onCompleted"], ["job.failed", "onFailed"], ["approval.decided", "onDecided"]] as const;
const rhythms: readonly RhythmKind[] = ["minutes", "hourly", "daily", "weekly", "monthly"];

// What the builder begins with, keeping the time of day.
function fresh(kind: RhythmKind, old: Rhythm | null): Rhythm {
  const time = old && "time" in old ? old.time : "09:00";
  switch (kind) {
    case "minutes":
      return { kind, every: 15 };
    case "hourly":
      return { kind, minute: 0 };
    case "daily":
      return { kind, time };
    case "weekly":
      return { kind, days: [1, 2, 3, 4, 5], time };
    case "monthly":
      return { kind, day: 1, time };
  }
}

function Cron({ draft, set, wrong, cronRefused }: PartProps) {
  const rhythm = draft.quartz ? null : readCron(draft.cron);
  const write = (r: Rhythm) => set({ cron: writeCron(r) });
  const several = draft.cron.includes("\n");
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-end gap-3">
        <div className="w-full sm:w-44"><Field label={t("rhythm")}>{(ids) => <Select {...ids} value={rhythm?.kind ?? "custom"} onChange={(k) => k !== "custom" && write(fresh(k as RhythmKind, rhythm))} options={[...rhythms.map((k) => ({ value: k, label: t(`r_${k}`) })), { value: "custom", label: t("r_custom") }]} />}</Field></div>
        {rhythm ? <Details rhythm={rhythm} write={write} /> : <p className="pb-1.5 text-sm text-faint">{t("customText")}</p>}
      </div>
      <Field label={t("expression")} hint={t("cronHint")} error={said(wrong, "cron") ?? cronRefused}>
        {(ids) => (several ? <TextArea {...ids} mono rows={Math.min(6, draft.cron.split("\n").length + 1)} spellCheck={false} value={draft.cron} onChange={(e) => set({ cron: e.target.value })} />
          : <Input {...ids} mono spellCheck={false} autoComplete="off" value={draft.cron} onChange={(e) => set({ cron: e.target.value })} onKeyDown={(e) => { if (e.key === "Enter" && e.shiftKey) { e.preventDefault(); set({ cron: `${draft.cron}\n` }); } }} />)}
      </Field>
    </div>
  );
}

const dayNames = Array.from({ length: 7 }, (_, i) => new Intl.DateTimeFormat(language, { weekday: "short", timeZone: "UTC" }).format(Date.UTC(2026, 0, 5 + i)));

function Details({ rhythm, write }: { rhythm: Rhythm; write: (r: Rhythm) => void }) {
  const time = "time" in rhythm ? (
    <Field label={t("timeOfDay")}>{(ids) => <Input {...ids} type="time" required className="w-28" value={rhythm.time} onChange={(e) => e.target.value && write({ ...rhythm, time: e.target.value.slice(0, 5) })} />}</Field>
  ) : null;
  switch (rhythm.kind) {
    case "minutes":
      return <div className="w-36"><Field label={t("everyMinutes")}>{(ids) => <Select {...ids} value={String(rhythm.every)} onChange={(v) => write({ kind: "minutes", every: Number(v) })} options={[1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30].map((n) => ({ value: String(n), label: t("minutes", { n }) }))} />}</Field></div>;
    case "hourly":
      return <Field label={t("atMinute")}>{(ids) => <Input {...ids} type="number" min={0} max={59} className="w-24" value={rhythm.minute} onChange={(e) => write({ kind: "hourly", minute: Math.min(59, Math.max(0, Math.trunc(Number(e.target.value)) || 0)) })} />}</Field>;
    case "daily":
      return time;
    case "weekly":
      return (
        <>
          <fieldset>
            <legend className="pb-1 text-sm font-medium">{t("days")}</legend>
            <div className="flex gap-1">
              {dayNames.map((name, i) => {
                const on = rhythm.days.includes(i + 1);
                return (
                  <label key={name} className={cx("target inline-flex h-8 min-w-9 cursor-pointer items-center justify-center rounded-md border px-1.5 text-xs has-focus-visible:outline-2 has-focus-visible:outline-accent", on ? "border-accent bg-accent-soft font-medium text-accent" : "border-edge text-dim")}>
                    <input type="checkbox" className="sr-only" checked={on} onChange={() => { const days = on ? rhythm.days.filter((d) => d !== i + 1) : [...rhythm.days, i + 1]; if (days.length > 0) write({ ...rhythm, days }); }} />
                    {name}
                  </label>
                );
              })}
            </div>
          </fieldset>
          {time}
        </>
      );
    case "monthly":
      return (
        <>
          <div className="w-36"><Field label={t("dayOfMonth")}>{(ids) => <Select {...ids} value={String(rhythm.day)} onChange={(v) => write({ ...rhythm, day: Number(v) })} options={[...Array.from({ length: 31 }, (_, i) => ({ value: String(i + 1), label: String(i + 1) })), { value: "0", label: t("lastDay") }]} />}</Field></div>
          {time}
        </>
      );
  }
}
