import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { CircleStop, Columns2, Download, History, ListOrdered, MoreHorizontal, PencilLine, RotateCcw } from "lucide-react";
import { useMemo, useState } from "react";
import { api, ok, type Schema } from "../../api/client";
import { stringify, parse } from "../../api/exact";
import { useCan } from "../../api/session";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Confirm, Dialog } from "../../kit/Dialog";
import { CheckBox, Field, Select, TextArea } from "../../kit/Field";
import { Menu } from "../../kit/Menu";
import { useShortcut } from "../../kit/shortcuts";
import { FormError } from "../../kit/States";
import { toast } from "../../kit/toast";
import { toastError } from "../../kit/Toasts";
import { t as kit } from "../../text/kit";
import { t } from "../../text/runs";
import { mergePatch, retriesQuery, stateOf, type Job, type Run } from "./data";
import { logPath } from "./LogTab";
import { useRetries } from "./Retries";

type RetryInput = Schema<"RetryInput">;

function useRepeat(run: Run, onDone: () => void) {
  const client = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: (body: RetryInput) => ok(api.POST("/api/job-runs/{run_id}/retry", { params: { path: { run_id: run.run_id } }, body })),
    onSuccess: (job) => {
      void client.invalidateQueries({ queryKey: ["queue"] });
      client.setQueryData(retriesQuery(run.run_id).queryKey, (old = []) => [job, ...old]);
      toast({ text: t("retried", { name: job.name }), action: { label: t("openJob"), run: () => void navigate({ to: "/queue", search: { job: job.job_id } }) } });
      onDone();
    },
  });
}

/** Why a run cannot be repeated; "" = it can. */
export function useWhyNoRepeat(run: Run): string {
  const { why } = useCan("jobs:write");
  if (why) return why;
  if (run.job_id === null) return t("directNoRetry");
  return run.active || stateOf(run) === "WAITING" ? t("stillActive") : "";
}

/** The buttons of a run. One of them is the primary one: what is most wanted now. */
export function RunActions({ run, job, rerun, setRerun, onCompare }: { run: Run; job: Job | undefined; rerun: boolean; setRerun: (open: boolean) => void; onCompare: () => void }) {
  const noRepeat = useWhyNoRepeat(run);
  const write = useCan("jobs:write");
  const audit = useCan("audit:read");
  const navigate = useNavigate();
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const retry = useRepeat(run, () => undefined);
  const going = run.active || stateOf(run) === "WAITING";
  const stop = useMutation({
    mutationFn: () => ok(api.POST("/api/jobs/{job_id}/cancel", { params: { path: { job_id: run.job_id ?? "" } } })),
    onSuccess: () => {
      setAsking(false);
      toast({ text: t("cancelled", { name: run.name }) });
      void client.invalidateQueries({ queryKey: ["job", run.job_id] });
    },
    onError: (e) => {
      setAsking(false);
      toastError(e);
    },
  });
  const noStop = write.why || (run.job_id === null ? t("directNoRetry") : job?.cancel_requested_at ? t("cancelAsked", { when: "" }) : "");
  const failed = stateOf(run) === "FAILED";
  const retried = useRetries(run.run_id).length;
  const again = () => retry.mutate({}, { onError: toastError });
  useShortcut("r", () => !noRepeat && !retry.isPending && again());
  useShortcut("c", () => going && !noStop && setAsking(true));
  const cli = going && run.job_id ? { cli: `runsheet job cancel ${run.job_id}`, method: "POST" as const, path: `/api/jobs/${run.job_id}/cancel` } : { cli: `runsheet run retry ${run.run_id}`, method: "POST" as const, path: `/api/job-runs/${run.run_id}/retry`, body: {} };
  return (
    <>
      {going
        ? <Button look="danger" icon={CircleStop} onClick={() => setAsking(true)} busy={stop.isPending} {...(noStop ? { why: noStop } : {})}>{t("cancel")}</Button>
        : <Button look={failed && !retried ? "primary" : "plain"} icon={RotateCcw} onClick={again} busy={retry.isPending} {...(noRepeat ? { why: noRepeat } : {})}>{failed ? t("retry") : t("rerun")}</Button>}
      <CopyAs action={cli} />
      <Menu
        trigger={<IconButton icon={MoreHorizontal} label={t("more")} look="plain" />}
        items={[
          { label: t("rerunEdit"), icon: PencilLine, onSelect: () => setRerun(true), ...(noRepeat ? { why: noRepeat } : {}) },
          { label: t("compareWith"), icon: Columns2, onSelect: onCompare },
          "-",
          { label: t("downloadLog"), icon: Download, onSelect: () => download(logPath(run.run_id), `${run.run_id}.log`) },
          { label: t("downloadRaw"), icon: Download, onSelect: () => download(`${logPath(run.run_id)}?raw=true`, `${run.run_id}.ansi.log`) },
          "-",
          { label: t("openQueue"), icon: ListOrdered, onSelect: () => void navigate({ to: "/queue", search: { job: run.job_id ?? undefined } }), disabled: run.job_id === null },
          { label: t("history"), icon: History, onSelect: () => void navigate({ to: "/system/audit", search: { object: run.job_id ?? run.run_id } }), ...(audit.why ? { why: audit.why } : {}) },
        ]}
      />
      <Confirm open={asking} onClose={() => setAsking(false)} title={t("cancelTitle")} description={t("cancelTextRunning")} action={t("cancelAction")} danger busy={stop.isPending} onConfirm={() => stop.mutate()} />
      {rerun ? <Rerun run={run} onClose={() => setRerun(false)} /> : null}
    </>
  );
}

function download(path: string, name: string): void {
  const a = document.createElement("a");
  a.href = path;
  a.download = name;
  a.click();
}

const same = (a: unknown, b: unknown) => stringify(a) === stringify(b);

function read(text: string): { value: Record<string, unknown> | null; error: string } {
  try {
    const v = parse(text);
    if (typeof v !== "object" || v === null || Array.isArray(v)) return { value: null, error: t("rerunNotObject") };
    return { value: v as Record<string, unknown>, error: "" };
  } catch (e) {
    return { value: null, error: kit("notJson", { why: e instanceof Error ? e.message : "" }) };
  }
}

function Rerun({ run, onClose }: { run: Run; onClose: () => void }) {
  const before = useMemo(() => stringify(run.params, 2), [run.params]);
  const [text, setText] = useState(before);
  const [priority, setPriority] = useState("");
  const [hold, setHold] = useState(false);
  const repeat = useRepeat(run, onClose);
  const { value, error } = read(text);
  const patch = value ? mergePatch(run.params, value, same) : {};
  const changes = Object.keys(patch).length;
  const body = { ...(changes > 0 ? { params: patch } : {}), ...(priority ? { priority: Number(priority) } : {}), ...(hold ? { hold } : {}) };
  return (
    <Dialog
      open onClose={onClose} wide title={t("rerunTitle", { name: run.name })} description={t("rerunText")}
      footer={
        <>
          <span className="mr-auto self-center text-sm text-dim">{changes > 0 ? t("rerunChanged", { n: changes }) : t("rerunSame")}</span>
          <CopyAs action={{ cli: `runsheet run retry ${run.run_id}${changes > 0 ? ` --params '${stringify(patch).replaceAll("'", `'\\''`)}'` : ""}${priority ? ` --priority ${priority}` : ""}${hold ? " --hold" : ""}`, method: "POST", path: `/api/job-runs/${run.run_id}/retry`, body }} />
          <Button onClick={() => setText(before)} disabled={text === before}>{t("rerunReset")}</Button>
          <Button look="primary" busy={repeat.isPending} disabled={value === null} onClick={() => repeat.mutate(body)}>{t("rerunAction")}</Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <Field label={t("rerunParams")} error={error || undefined}>{(ids) => <TextArea {...ids} mono rows={16} spellCheck={false} value={text} onChange={(e) => setText(e.target.value)} />}</Field>
        <div className="flex flex-wrap items-end gap-4">
          <div className="w-44"><Field label={t("rerunPriority")}>{(ids) => <Select {...ids} value={priority} onChange={setPriority} options={[{ value: "", label: t("rerunPriorityKeep") }, ...Array.from({ length: 10 }, (_, i) => ({ value: String(i), label: String(i) }))]} />}</Field></div>
          <div className="pb-1.5"><CheckBox label={t("rerunHold")} checked={hold} onChange={setHold} /></div>
        </div>
        <FormError error={repeat.error} />
      </div>
    </Dialog>
  );
}
