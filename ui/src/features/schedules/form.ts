// What the editor holds while somebody types, and what it becomes for the API.
import type { Schema } from "../../api/client";
import { joinCommand, splitCommand } from "../../kit/command";
import { isoSpan, spanText } from "./span";
import { pairs } from "../../kit/labels";

type Schedule = Schema<"Schedule">;
export type TriggerKind = "CRON" | "INTERVAL" | "EVENT" | "AT" | "ON";
export type TargetKind = "template" | "workflow" | "command" | "job";

/** Texts as they are typed; "" = not given. */
export interface Draft {
  name: string;
  description: string;
  target: TargetKind;
  templateId: string;
  workflowId: string;
  /** One line as for a shell, without its expansions. */
  command: string;
  /** JSON: the inline job, when it is no plain command. */
  job: string;
  /** JSON: params over those of the template, or inputs of the workflow. */
  params: string;
  kind: TriggerKind;
  /** One expression a line. */
  cron: string;
  quartz: boolean;
  every: string;
  afterEnd: boolean;
  anchor: string;
  event: string;
  offset: string;
  repeat: string;
  duringBreaks: boolean;
  /** One time a line. */
  at: string;
  on: string;
  subject: string;
  delay: string;
  timezone: string;
  /** A code, or JSON of a combination. */
  calendar: string;
  onNonSession: string;
  onlyIn: string;
  strict: boolean;
  excludeDates: string;
  excludeCalendars: string;
  excludeCron: string;
  dstGap: string;
  dstOverlap: string;
  overlap: string;
  maxQueued: string;
  maxParallel: string;
  missed: string;
  grace: string;
  catchUpWindow: string;
  maxCatchUp: string;
  startDeadline: string;
  jitter: string;
  spread: string;
  minInterval: string;
  minIntervalFrom: string;
  maxRuns: string;
  pauseOnFailure: string;
  startAt: string;
  endAt: string;
  approval: boolean;
  allowNever: boolean;
  enabled: boolean;
  /** key=value a line. */
  labels: string;
}

/** A new schedule in a zone. */
export function emptyDraft(timezone: string): Draft {
  return {
    name: "", description: "", target: "template", templateId: "", workflowId: "", command: "", job: "", params: "", kind: "CRON", cron: "0 9 * * MON-FRI", quartz: false, every: "15m", afterEnd: false, anchor: "",
    event: "MARKET_CLOSE", offset: "", repeat: "", duringBreaks: false, at: "", on: "job.completed", subject: "", delay: "", timezone, calendar: "", onNonSession: "skip", onlyIn: "", strict: false,
    excludeDates: "", excludeCalendars: "", excludeCron: "", dstGap: "auto", dstOverlap: "auto", overlap: "skip", maxQueued: "", maxParallel: "", missed: "", grace: "", catchUpWindow: "", maxCatchUp: "",
    startDeadline: "", jitter: "", spread: "", minInterval: "", minIntervalFrom: "start", maxRuns: "", pauseOnFailure: "", startAt: "", endAt: "", approval: false, allowNever: false, enabled: true, labels: "",
  };
}

/** What a new schedule starts with: workflows where there are no templates. null = not known yet. */
export function firstTarget(templates: readonly object[] | undefined, workflows: readonly object[] | undefined): TargetKind | null {
  if (!templates || (templates.length === 0 && !workflows)) return null;
  return templates.length === 0 && workflows?.length ? "workflow" : "template";
}

const lines = (text: string): string[] => text.split("\n").map((l) => l.trim()).filter(Boolean);
const number = (n: number | null | undefined): string => (n === null || n === undefined ? "" : String(n));
type Code = string | { [key: string]: unknown } | null;
const codeText = (c: Code | undefined): string => (typeof c === "string" ? c : c ? JSON.stringify(c) : "");

function hasKeys(o: object | null | undefined): boolean {
  return !!o && Object.keys(o).length > 0;
}

// The words of a job that is nothing but a command.
function plainCommand(job: Schedule["job"]): string[] | null {
  const params = job?.params ?? {};
  if (!job || job.job_type !== "command" || Object.entries(job).some(([k, v]) => k !== "job_type" && k !== "params" && v !== null && v !== undefined && !(typeof v === "object" && !hasKeys(v)))) return null;
  const argv: unknown = params.argv;
  return Object.keys(params).length === 1 && Array.isArray(argv) && argv.every((a) => typeof a === "string") ? argv : null;
}

const unless = (value: string | null | undefined, byDefault: string): string => (value === byDefault ? "" : spanText(value));

/** The draft of a schedule that is there. */
export function draftOf(s: Schedule): Draft {
  const t = s.trigger;
  const words = plainCommand(s.job);
  const params = s.workflow_id ? s.inputs : s.params;
  return {
    ...emptyDraft(s.timezone),
    name: s.name, description: s.description, target: s.workflow_id ? "workflow" : s.template_id ? "template" : words ? "command" : "job",
    templateId: s.template_id ?? "", workflowId: s.workflow_id ?? "", command: words ? joinCommand(words) : "", job: s.job && !words ? JSON.stringify(s.job, null, 2) : "",
    params: hasKeys(params) ? JSON.stringify(params, null, 2) : "",
    kind: t.type, cron: t.type === "CRON" ? (t.expressions?.length ? t.expressions : [t.expression ?? ""]).join("\n") : "", every: t.type === "INTERVAL" ? spanText(t.interval ?? t.every) : "15m",
    afterEnd: t.mode === "after_completion", anchor: t.anchor ?? "", event: t.type === "EVENT" ? (t.event ?? "") : "MARKET_CLOSE", offset: spanText(t.offset), repeat: t.type === "EVENT" ? spanText(t.every) : "", duringBreaks: t.during_breaks ?? false,
    at: (t.at ?? []).join("\n"), on: t.type === "ON" ? (t.event ?? "") : "job.completed", subject: t.subject ?? "", delay: spanText(t.delay),
    calendar: codeText(s.calendar) || codeText(t.calendar), onNonSession: s.on_non_session, onlyIn: s.only_in ?? "", strict: s.strict,
    excludeDates: (s.exclude?.dates ?? []).join("\n"), excludeCalendars: (s.exclude?.calendars ?? []).map(codeText).join("\n"), excludeCron: (s.exclude?.cron ?? []).join("\n"),
    dstGap: s.dst_gap, dstOverlap: s.dst_overlap, overlap: s.overlap, maxQueued: s.max_queued === 100 ? "" : number(s.max_queued), maxParallel: number(s.max_parallel), missed: s.missed ?? "",
    grace: unless(s.grace, "PT1M"), catchUpWindow: ["PT24H", "P1D"].includes(s.catch_up_window) ? "" : spanText(s.catch_up_window), maxCatchUp: s.max_catch_up === 100 ? "" : number(s.max_catch_up), startDeadline: spanText(s.start_deadline),
    jitter: spanText(s.jitter), spread: spanText(s.offset), minInterval: spanText(s.min_interval), minIntervalFrom: s.min_interval_from, maxRuns: number(s.max_runs), pauseOnFailure: number(s.pause_on_failure),
    startAt: s.start_at ?? "", endAt: s.end_at ?? "", approval: s.execution_mode === "APPROVAL_REQUIRED", enabled: s.enabled, labels: pairs(s.labels).join("\n"),
  };
}

/** What is wrong with a draft before the server sees it, by field. Values are keys of the catalogue. */
export type Wrong = Partial<Record<keyof Draft, "wrongSpan" | "wrongJson" | "wrongNumber" | "wrongQuote" | "wrongLabel" | "missing" | "wrongTime">>;

const spanFields = ["every", "offset", "repeat", "delay", "grace", "catchUpWindow", "startDeadline", "jitter", "spread", "minInterval"] as const;
const numberFields = ["maxQueued", "maxParallel", "maxCatchUp", "maxRuns", "pauseOnFailure"] as const;
const timeFields = ["anchor", "startAt", "endAt"] as const;

function isObject(text: string): boolean {
  try {
    const v: unknown = JSON.parse(text);
    return typeof v === "object" && v !== null && !Array.isArray(v);
  } catch {
    return false;
  }
}

/** Checks what the API could not even be asked about. */
export function check(d: Draft): Wrong {
  const wrong: Wrong = {};
  for (const f of spanFields) if (isoSpan(d[f]) === null) wrong[f] = "wrongSpan";
  for (const f of numberFields) if (d[f].trim() && !/^\d{1,9}$/.test(d[f].trim())) wrong[f] = "wrongNumber";
  for (const f of timeFields) if (d[f] && Number.isNaN(Date.parse(d[f]))) wrong[f] = "wrongTime";
  if (d.params.trim() && !isObject(d.params)) wrong.params = "wrongJson";
  if (d.target === "job" && !isObject(d.job)) wrong.job = "wrongJson";
  if (d.target === "command" && splitCommand(d.command) === null) wrong.command = "wrongQuote";
  if (d.calendar.startsWith("{") && !isObject(d.calendar)) wrong.calendar = "wrongJson";
  if (lines(d.labels).some((l) => !/^[^=]+=/.test(l))) wrong.labels = "wrongLabel";
  if (d.kind === "INTERVAL" && !d.every.trim()) wrong.every = "missing";
  if (d.kind === "CRON" && !d.cron.trim()) wrong.cron = "missing";
  if (d.kind === "AT" && !d.at.trim()) wrong.at = "missing";
  if (d.kind === "EVENT" && !d.calendar) wrong.calendar = "missing";
  return wrong;
}

/** What else a schedule to be stored needs. */
export function checkTarget(d: Draft): Wrong {
  const wrong: Wrong = {};
  if (d.target === "template" && !d.templateId) wrong.templateId = "missing";
  if (d.target === "workflow" && !d.workflowId) wrong.workflowId = "missing";
  if (d.target === "command" && !d.command.trim()) wrong.command = "missing";
  return wrong;
}

type Out = Record<string, unknown>;

function put(out: Out, key: string, value: unknown): void {
  if (value === "" || value === undefined || value === null || value === false || (Array.isArray(value) && value.length === 0)) return;
  out[key] = value;
}

const span = (text: string): string => isoSpan(text) ?? "";
const count = (text: string): number | undefined => (text.trim() ? Number(text) : undefined);
const code = (text: string): unknown => (text.startsWith("{") ? JSON.parse(text) : text);
const instant = (text: string): string => (text ? new Date(text).toISOString() : "");
const changed = (text: string, byDefault: string): string => (text === byDefault ? "" : text);

function triggerOf(d: Draft): Out {
  const t: Out = { type: d.kind };
  switch (d.kind) {
    case "CRON": {
      const all = lines(d.cron);
      if (all.length > 1) t.expressions = all;
      else t.expression = all[0] ?? "";
      put(t, "dialect", d.quartz ? "quartz" : "");
      break;
    }
    case "INTERVAL":
      t.interval = span(d.every);
      put(t, "mode", d.afterEnd ? "after_completion" : "");
      put(t, "anchor", instant(d.anchor));
      break;
    case "AT":
      t.at = lines(d.at);
      break;
    case "EVENT":
      t.event = d.event;
      put(t, "offset", span(d.offset));
      put(t, "every", span(d.repeat));
      put(t, "during_breaks", d.duringBreaks);
      break;
    case "ON":
      t.event = d.on;
      put(t, "subject", d.subject.trim());
      put(t, "delay", span(d.delay));
  }
  return t;
}

// What preview and schedule have in common.
function timing(d: Draft): Out {
  const out: Out = { trigger: triggerOf(d), timezone: d.timezone };
  put(out, "calendar", d.calendar ? code(d.calendar) : "");
  put(out, "on_non_session", changed(d.onNonSession, "skip"));
  put(out, "only_in", d.onlyIn);
  put(out, "strict", d.strict);
  const exclude: Out = {};
  put(exclude, "dates", d.excludeDates.split(/[\s,]+/).filter(Boolean));
  put(exclude, "calendars", lines(d.excludeCalendars).map(code));
  put(exclude, "cron", lines(d.excludeCron));
  if (hasKeys(exclude)) out.exclude = exclude;
  put(out, "dst_gap", changed(d.dstGap, "auto"));
  put(out, "dst_overlap", changed(d.dstOverlap, "auto"));
  put(out, "start_at", instant(d.startAt));
  put(out, "end_at", instant(d.endAt));
  return out;
}

/** The body that asks for the next fires; null while the draft cannot be asked about, or when nothing can be told. */
export function previewOf(d: Draft, n: number): Schema<"SchedulePreviewInput"> | null {
  if (d.kind === "ON" || d.kind === "INTERVAL" && d.afterEnd || Object.keys(check(d)).length > 0) return null;
  // timing() puts in only what the type has; it is built key by key.
  return { ...timing(d), allow_never: true, count: n } as unknown as Schema<"SchedulePreviewInput">;
}

/** The body of a schedule. Call check() first. */
export function inputOf(d: Draft): Schema<"ScheduleInput"> {
  const out = timing(d);
  put(out, "name", d.name.trim());
  put(out, "description", d.description.trim());
  const params: unknown = d.params.trim() ? JSON.parse(d.params) : undefined;
  switch (d.target) {
    case "template":
      out.template_id = d.templateId;
      put(out, "params", params);
      break;
    case "workflow":
      out.workflow_id = d.workflowId;
      put(out, "inputs", params);
      break;
    case "command":
      out.job = { job_type: "command", params: { argv: splitCommand(d.command) ?? [] } };
      break;
    case "job":
      out.job = JSON.parse(d.job);
  }
  put(out, "overlap", changed(d.overlap, "skip"));
  put(out, "max_queued", count(d.maxQueued));
  put(out, "max_parallel", count(d.maxParallel));
  put(out, "missed", d.missed);
  put(out, "grace", span(d.grace));
  put(out, "catch_up_window", span(d.catchUpWindow));
  put(out, "max_catch_up", count(d.maxCatchUp));
  put(out, "start_deadline", span(d.startDeadline));
  put(out, "jitter", span(d.jitter));
  put(out, "offset", span(d.spread));
  put(out, "min_interval", span(d.minInterval));
  put(out, "min_interval_from", changed(d.minIntervalFrom, "start"));
  put(out, "max_runs", count(d.maxRuns));
  put(out, "pause_on_failure", count(d.pauseOnFailure));
  put(out, "execution_mode", d.approval ? "APPROVAL_REQUIRED" : "");
  put(out, "allow_never", d.allowNever);
  const labels = Object.fromEntries(lines(d.labels).map((l) => [l.slice(0, l.indexOf("=")).trim(), l.slice(l.indexOf("=") + 1).trim()]));
  if (hasKeys(labels)) out.labels = labels;
  if (!d.enabled) out.enabled = false;
  return out as unknown as Schema<"ScheduleInput">; // as in previewOf
}

function isRecord(v: unknown): v is Out {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}

/** The JSON merge patch that makes `to` of `from`: null takes a member away. */
export function mergePatch(from: Out, to: Out): Out {
  const out: Out = {};
  for (const k of Object.keys(from)) if (!(k in to)) out[k] = null;
  for (const [k, v] of Object.entries(to)) {
    const old = from[k];
    if (JSON.stringify(old) === JSON.stringify(v)) continue;
    out[k] = isRecord(old) && isRecord(v) ? mergePatch(old, v) : v;
  }
  return out;
}

/** The change from one draft to another, for PATCH. */
export function patchOf(from: Draft, to: Draft): Out {
  const a = inputOf(from) as unknown as Out;
  const b = inputOf(to) as unknown as Out;
  const out = mergePatch(a, b);
  // A trigger of another type is sent whole: the server drops the old one.
  if (from.kind !== to.kind) out.trigger = b.trigger;
  delete out.enabled;
  return out;
}
