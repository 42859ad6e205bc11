import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { CalendarX2, CirclePause, History, MoreHorizontal, Pencil, Play, SkipForward, Trash2 } from "lucide-react";
import { useState } from "react";
import { api, ok, problemOf, type Schema } from "../../api/client";
import { useCan } from "../../api/session";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs, type Action } from "../../kit/CopyAs";
import { Confirm, Dialog } from "../../kit/Dialog";
import { CheckBox, Field, Input, Select } from "../../kit/Field";
import { Menu } from "../../kit/Menu";
import { FormError } from "../../kit/States";
import { toast } from "../../kit/toast";
import { t } from "../../text/schedules";
import { actions, nextQuery, type Schedule } from "./api";
import { FireTable } from "./Fires";
import { instantText } from "./words";

/** What a person wants to do with a schedule. */
export type Asked = "run" | "pause" | "until" | "skip" | "backfill" | "remove";

const at = (s: Schedule) => ({ params: { path: { schedule_id: s.schedule_id } } });

/** Reads schedules anew after a change; the live connection does the same a moment later. */
function useStale() {
  const client = useQueryClient();
  return () => client.invalidateQueries({ predicate: (q) => ["schedules", "schedule", "calendar-fires"].includes(String(q.queryKey[0])) });
}

/** Switches a schedule on or off at once, with a way back. */
export function useEnabled() {
  const stale = useStale();
  const change = useMutation({
    mutationFn: ({ s, on }: { s: Schedule; on: boolean; quiet?: boolean }) => ok(on ? api.POST("/api/schedules/{schedule_id}/enable", at(s)) : api.POST("/api/schedules/{schedule_id}/disable", at(s))),
    onSuccess: (s, v) => {
      if (!v.quiet) toast({ text: t(v.on ? "didEnable" : "didDisable", { name: s.name }), undo: () => change.mutate({ s, on: !v.on, quiet: true }) });
    },
    onError: (e) => toast({ tone: "bad", text: problemOf(e).title, detail: problemOf(e).message }),
    onSettled: stale,
  });
  return { set: (s: Schedule, on: boolean) => change.mutate({ s, on }), busy: change.isPending };
}

/** All further actions of a schedule. */
export function MoreMenu({ s, onAsk, onEdit }: { s: Schedule; onAsk: (what: Asked) => void; onEdit: () => void }) {
  const run = useCan("schedules:run");
  const write = useCan("schedules:write");
  const active = s.state === "active" ? run.why : run.why || t("notActive");
  return (
    <Menu
      trigger={<IconButton icon={MoreHorizontal} label={t("actionsOf", { name: s.name })} />}
      items={[
        { label: t("runNow"), icon: Play, keys: "n", why: run.why, onSelect: () => onAsk("run") },
        { label: t("edit"), icon: Pencil, why: write.why, onSelect: onEdit },
        "-",
        { label: t("skipNext"), icon: SkipForward, why: active, onSelect: () => onAsk("skip") },
        { label: t("pauseUntil"), icon: CalendarX2, why: active, onSelect: () => onAsk("until") },
        { label: t("pauseWhy"), icon: CirclePause, why: active, onSelect: () => onAsk("pause") },
        { label: t("backfill"), icon: History, why: run.why, onSelect: () => onAsk("backfill") },
        "-",
        { label: t("remove"), icon: Trash2, danger: true, why: write.why, onSelect: () => onAsk("remove") },
      ]}
    />
  );
}

/** The dialog for what was asked. */
export function ScheduleDialogs({ s, what, onClose }: { s: Schedule; what: Asked; onClose: () => void }) {
  switch (what) {
    case "run":
      return <RunNow s={s} onClose={onClose} />;
    case "pause":
      return <Pause s={s} onClose={onClose} />;
    case "until":
      return <Until s={s} onClose={onClose} />;
    case "skip":
      return <Skip s={s} onClose={onClose} />;
    case "backfill":
      return <Backfill s={s} onClose={onClose} />;
    case "remove":
      return <Remove s={s} onClose={onClose} />;
  }
}

interface One { s: Schedule; onClose: () => void }

function Foot({ action, onClose, children }: { action: Action; onClose: () => void; children: React.ReactNode }) {
  return <><span className="mr-auto"><CopyAs action={action} /></span><Button onClick={onClose}>{t("cancel")}</Button>{children}</>;
}

function RunNow({ s, onClose }: One) {
  const stale = useStale();
  const [force, setForce] = useState(false);
  const go = useMutation({
    mutationFn: () => ok(api.POST("/api/schedules/{schedule_id}/run-now", { ...at(s), body: force ? { force } : {} })),
    onSuccess: () => {
      toast({ tone: "ok", text: t("didRun", { name: s.name }) });
      onClose();
    },
    onSettled: stale,
  });
  return (
    <Dialog open onClose={onClose} title={t("runNowOf", { name: s.name })} description={t("runNowText")} footer={<Foot action={actions.runNow(s, force)} onClose={onClose}><Button look="primary" icon={Play} busy={go.isPending} onClick={() => go.mutate()}>{t("runNow")}</Button></Foot>}>
      <div className="flex flex-col gap-3">
        {s.min_interval ? <CheckBox label={t("force")} checked={force} onChange={setForce} /> : null}
        <FormError error={go.error} />
      </div>
    </Dialog>
  );
}

function Pause({ s, onClose }: One) {
  const stale = useStale();
  const [reason, setReason] = useState("");
  const go = useMutation({ mutationFn: () => ok(api.POST("/api/schedules/{schedule_id}/disable", { ...at(s), body: reason ? { reason } : {} })), onSuccess: onClose, onSettled: stale });
  return (
    <Dialog open onClose={onClose} title={t("pauseOf", { name: s.name })} description={t("pauseText")} footer={<Foot action={actions.disable(s, reason)} onClose={onClose}><Button look="primary" busy={go.isPending} onClick={() => go.mutate()}>{t("pause")}</Button></Foot>}>
      <div className="flex flex-col gap-3">
        <Field label={t("reason")} optional>{(ids) => <Input {...ids} value={reason} maxLength={200} onChange={(e) => setReason(e.target.value)} />}</Field>
        <FormError error={go.error} />
      </div>
    </Dialog>
  );
}

function useSkip(s: Schedule, onClose: () => void) {
  const stale = useStale();
  return useMutation({
    mutationFn: (count: number) => ok(api.POST("/api/schedules/{schedule_id}/skip-next", { ...at(s), body: { count } })),
    onSuccess: (_, n) => {
      toast({ tone: "ok", text: t("didSkip", { n, name: s.name }) });
      onClose();
    },
    onSettled: stale,
  });
}

function Skip({ s, onClose }: One) {
  const [count, setCount] = useState(1);
  const next = useQuery(nextQuery(s.schedule_id, 20));
  const go = useSkip(s, onClose);
  const firing = (next.data?.items ?? []).filter((f) => !f.skip).slice(0, count);
  return (
    <Dialog open onClose={onClose} title={t("skipOf", { name: s.name })} description={t("skipText")} footer={<Foot action={actions.skip(s, count)} onClose={onClose}><Button look="primary" busy={go.isPending} onClick={() => go.mutate(count)}>{t("skipDo", { n: count })}</Button></Foot>}>
      <div className="flex flex-col gap-3">
        <Field label={t("howMany")}>{(ids) => <Input {...ids} type="number" min={1} max={20} value={count} className="w-24" onChange={(e) => setCount(Math.min(20, Math.max(1, Math.trunc(Number(e.target.value)) || 1)))} />}</Field>
        <FireTable label={t("skipped2")} fires={firing} zone={s.timezone} />
        <FormError error={go.error} />
      </div>
    </Dialog>
  );
}

// Nothing fires before the instant: everything that would is left out, which an
// operator may do. A new definition, as with start_at, would be an author's.
function Until({ s, onClose }: One) {
  const [until, setUntil] = useState("");
  const next = useQuery(nextQuery(s.schedule_id, 1000));
  const go = useSkip(s, onClose);
  const ms = until ? Date.parse(until) : Number.NaN;
  const items = next.data?.items ?? [];
  const count = items.filter((f) => !f.skip && Date.parse(f.nominal_at) < ms).length;
  const last = items.at(-1);
  const far = items.length >= 1000 && last !== undefined && Date.parse(last.nominal_at) < ms;
  const resumes = items.find((f) => !f.skip && Date.parse(f.nominal_at) >= ms);
  return (
    <Dialog open onClose={onClose} title={t("untilOf", { name: s.name })} description={t("untilText")} footer={<Foot action={actions.skip(s, count)} onClose={onClose}><Button look="primary" busy={go.isPending} disabled={count === 0 || far} onClick={() => go.mutate(count)}>{t("pause")}</Button></Foot>}>
      <div className="flex flex-col gap-3">
        <Field label={t("until")} hint={t("inYourZone")} error={far ? t("untilFar") : undefined}>{(ids) => <Input {...ids} type="datetime-local" value={until} onChange={(e) => setUntil(e.target.value)} />}</Field>
        {until && !far ? <p className="text-sm text-dim">{t("untilCount", { n: count })} {resumes ? t("untilResumes", { at: instantText(resumes.nominal_at) }) : ""}</p> : null}
        <FormError error={go.error ?? next.error} />
      </div>
    </Dialog>
  );
}

function Backfill({ s, onClose }: One) {
  const stale = useStale();
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [order, setOrder] = useState<"asc" | "desc">("asc");
  const [overlap, setOverlap] = useState<"queue_all" | "allow">("queue_all");
  const [rerun, setRerun] = useState(false);
  const ready = from !== "" && to !== "" && Date.parse(from) < Date.parse(to);
  const body = (dry: boolean): Schema<"BackfillInput"> => ({ from: ready ? new Date(from).toISOString() : "", to: ready ? new Date(to).toISOString() : "", order, overlap, rerun, dry_run: dry });
  const call = (dry: boolean) => ok(api.POST("/api/schedules/{schedule_id}/backfill", { ...at(s), body: body(dry) }));
  const key = JSON.stringify(body(true));
  const [shown, setShown] = useState("");
  const look = useMutation({ mutationFn: () => call(true), onSuccess: () => setShown(key) });
  const go = useMutation({
    mutationFn: () => call(false),
    onSuccess: (b) => {
      toast({ tone: "ok", text: t("didBackfill", { n: b.count, name: s.name }) });
      onClose();
    },
    onSettled: stale,
  });
  const found = shown === key ? look.data : undefined;
  return (
    <Dialog
      open wide onClose={onClose} title={t("backfillOf", { name: s.name })} description={t("backfillText")}
      footer={<Foot action={actions.backfill(s, body(!found))} onClose={onClose}>{found ? <Button look="primary" busy={go.isPending} disabled={found.count === 0} onClick={() => go.mutate()}>{t("backfillDo", { n: found.count })}</Button> : <Button look="primary" busy={look.isPending} disabled={!ready} onClick={() => look.mutate()}>{t("backfillLook")}</Button>}</Foot>}
    >
      <div className="grid gap-3 sm:grid-cols-2">
        <Field label={t("from")} hint={t("inYourZone")}>{(ids) => <Input {...ids} type="datetime-local" value={from} onChange={(e) => setFrom(e.target.value)} />}</Field>
        <Field label={t("to")} hint={t("exclusive")}>{(ids) => <Input {...ids} type="datetime-local" value={to} onChange={(e) => setTo(e.target.value)} />}</Field>
        <Field label={t("order")}>{(ids) => <Select {...ids} value={order} onChange={(v) => setOrder(v === "desc" ? "desc" : "asc")} options={[{ value: "asc", label: t("oldestFirst") }, { value: "desc", label: t("newestFirst") }]} />}</Field>
        <Field label={t("overlap")}>{(ids) => <Select {...ids} value={overlap} onChange={(v) => setOverlap(v === "allow" ? "allow" : "queue_all")} options={[{ value: "queue_all", label: t("oneByOne") }, { value: "allow", label: t("atOnce") }]} />}</Field>
        <div className="sm:col-span-2"><CheckBox label={t("rerun")} checked={rerun} onChange={setRerun} /></div>
        <div className="sm:col-span-2"><FormError error={go.error ?? look.error} /></div>
        {found ? (
          <div className="sm:col-span-2">
            <p className="pb-1 text-sm font-medium">{t("backfillFound", { n: found.count })}</p>
            <div className="max-h-64 overflow-y-auto rounded-md border border-line px-3"><FireTable label={t("backfill")} zone={s.timezone} fires={found.items.map((i) => ({ ...i, skip: null }))} /></div>
          </div>
        ) : null}
      </div>
    </Dialog>
  );
}

function Remove({ s, onClose }: One) {
  const stale = useStale();
  const navigate = useNavigate();
  const go = useMutation({
    mutationFn: () => ok(api.DELETE("/api/schedules/{schedule_id}", at(s))),
    onSuccess: () => {
      toast({ text: t("didRemove", { name: s.name }) });
      onClose();
      void navigate({ to: "/schedules" });
    },
    onSettled: stale,
  });
  return <Confirm open onClose={onClose} title={t("removeOf", { name: s.name })} description={t("removeText")} action={t("remove")} danger busy={go.isPending} onConfirm={() => go.mutate()}><FormError error={go.error} /></Confirm>;
}
