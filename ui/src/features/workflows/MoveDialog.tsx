import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, problemOf } from "../../api/client";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Dialog } from "../../kit/Dialog";
import { Field, Input, Select } from "../../kit/Field";
import { quote } from "../../kit/quote";
import { Wanted } from "../../kit/Wanted";
import { ErrorState, FormError, Loading } from "../../kit/States";
import { toast } from "../../kit/toast";
import { t } from "../../text/workflows";
import { diffQuery, Structure, Summary, TextDiff } from "./Diff";
import { said } from "./problem";
import { versionQuery, type Version } from "./queries";

const choices = ["keep", "cancel", "migrate"] as const;
type Running = (typeof choices)[number];
const labels: Record<Running, [Parameters<typeof t>[0], Parameters<typeof t>[0]]> = { keep: ["runningKeep", "runningKeepText"], cancel: ["runningCancel", "runningCancelText"], migrate: ["runningMigrate", "runningMigrateText"] };

export interface MoveDialogProps {
  kind: "rollback" | "activate";
  id: string;
  /** The active version, null = none is. */
  from: number | null;
  to: number;
  versions: readonly Version[];
  etag: string | null;
  onTarget: (version: number) => void;
  onClose: () => void;
}

/** Makes another version the active one: what differs, what happens to running runs, and why. A target that is not valid today is refused with the list. */
export function MoveDialog({ kind, id, from, to, versions, etag, onTarget, onClose }: MoveDialogProps) {
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const [running, setRunning] = useState<Running>("keep");
  const [whole, setWhole] = useState(false);
  const diff = useQuery({ ...diffQuery(id, from ?? to, to), enabled: from !== null });
  const target = useQuery(versionQuery(id, to));
  const live = useQuery({ queryKey: ["workflow-runs", id, "open"], queryFn: async ({ signal }) => (await ok(api.GET("/api/workflow-runs", { signal, params: { query: { workflow_id: id, status: ["PENDING", "RUNNING", "WAITING"], limit: 100 } } }))).items });
  const check = useQuery({
    queryKey: ["workflow-validate", id, to],
    queryFn: ({ signal }) => ok(api.POST("/api/workflows/validate", { signal, body: { kind: "Workflow", ...target.data?.definition } as never })),
    enabled: target.data !== undefined, staleTime: 0,
  });
  const back = kind === "rollback";
  const body = { version: to, running, ...(reason ? { reason } : {}) };
  const move = useMutation({
    mutationFn: async () => {
      const params = { path: { workflow_id: id }, ...(etag ? { header: { "If-Match": etag } } : {}) };
      const done = back ? await ok(api.POST("/api/workflows/{workflow_id}/rollback", { params, body })) : await ok(api.POST("/api/workflows/{workflow_id}/activate", { params, body }));
      return done.runs_changed;
    },
    onSuccess: (n) => {
      toast({ text: t(back ? "rolledBack" : "activated", { n: to }), ...(n > 0 ? { detail: t("runsChanged", { n }) } : {}) });
      onClose();
    },
    onSettled: () => {
      void client.invalidateQueries({ queryKey: ["workflow", id] });
      void client.invalidateQueries({ queryKey: ["workflows"] });
      void client.invalidateQueries({ queryKey: ["workflow-runs", id] });
    },
  });
  const problems = check.data?.problems ?? [];
  const why = problems.length > 0 ? t("targetInvalid") : back && reason.trim() === "" ? t("reasonMissing") : check.data ? "" : t("checking");
  const stale = move.error ? problemOf(move.error).status === 412 : false;
  return (
    <Dialog
      open wide onClose={onClose} title={t(back ? "rollbackTitle" : "activateTitle", { n: to })} description={t(back ? "rollbackText" : "activateText")}
      footer={
        <>
          <CopyAs action={{ cli: back ? `runsheet workflow rollback ${id} ${to} --reason ${quote(reason || "…")}${running === "keep" ? "" : ` --running ${running}`}` : `runsheet workflow activate ${id} ${to}${running === "keep" ? "" : ` --running ${running}`}`, method: "POST", path: `/api/workflows/${id}/${kind}`, body }} />
          <Wanted>{why}</Wanted>
          <Button onClick={onClose}>{t("back")}</Button>
          <Button look="primary" busy={move.isPending} why={why} onClick={() => move.mutate()}>{t(back ? "rollbackNow" : "activate")}</Button>
        </>
      }
    >
      <div className="flex flex-col gap-4" data-move={kind}>
        <div className="flex flex-wrap items-center gap-3">
          <div className="w-72"><Field label={t("target")}>{(ids) => <Select {...ids} value={String(to)} onChange={(v) => onTarget(Number(v))} options={versions.filter((v) => (back ? v.version < (from ?? 0) : v.version !== from)).map((v) => ({ value: String(v.version), label: t("versionN", { n: v.version }), hint: v.message || undefined }))} />}</Field></div>
          {diff.data ? <span className="self-end pb-1.5"><Summary diff={diff.data} /></span> : null}
        </div>
        {problems.length > 0 ? (
          <div role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
            <p className="font-medium">{t("targetInvalid")}</p>
            <ul className="list-disc pl-5">{problems.map((p, i) => <li key={i} className="[overflow-wrap:anywhere]">{p.node_id ? <code className="mr-1.5 font-mono text-xs">{p.node_id}</code> : null}{said(p)}</li>)}</ul>
          </div>
        ) : null}
        {from === null ? null : (
          <section aria-label={t("differences")}>
            <div className="flex items-center gap-2 pb-1"><h3 className="text-sm font-medium">{t("diffOf", { from, to })}</h3><Button small look="ghost" aria-pressed={whole} onClick={() => setWhole(!whole)} className="ml-auto">{whole ? t("diffStructure") : t("diffText")}</Button></div>
            {diff.error ? <ErrorState error={diff.error} onRetry={() => void diff.refetch()} /> : !diff.data ? <Loading rows={3} /> : whole ? <TextDiff text={diff.data.text} className="max-h-72" /> : <div className="max-h-56 overflow-y-auto"><Structure diff={diff.data} /></div>}
          </section>
        )}
        <fieldset className="flex flex-col gap-2">
          <legend className="pb-1 text-sm font-medium">{t("runningRuns")} <span className="font-normal text-faint">{live.data ? t("runsOpen", { n: live.data.length }) : ""}</span></legend>
          {choices.map((c) => (
            <label key={c} htmlFor={`running-${c}`} className="flex items-start gap-2 text-sm">
              <input id={`running-${c}`} type="radio" name="running" className="mt-0.5 size-4 accent-accent" checked={running === c} onChange={() => setRunning(c)} />
              <span>{`${t(labels[c][0])}: ${t(labels[c][1])}`}</span>
            </label>
          ))}
        </fieldset>
        <Field label={t("reason")} optional={!back} hint={t("reasonLog")}>{(ids) => <Input {...ids} autoFocus maxLength={1000} required={back} value={reason} onChange={(e) => setReason(e.target.value)} />}</Field>
        <p className="text-xs text-faint">{t("notIncluded")}</p>
        <FormError error={move.error} />
        {stale ? <p className="text-sm text-warn">{t("movedMeanwhile")}</p> : null}
      </div>
    </Dialog>
  );
}
