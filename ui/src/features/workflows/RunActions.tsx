import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { api, ok } from "../../api/client";
import { Badge } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { CopyAs, type Action } from "../../kit/CopyAs";
import { Confirm, Dialog } from "../../kit/Dialog";
import { Field, Input, Select, TextArea } from "../../kit/Field";
import { FormError, Loading } from "../../kit/States";
import { toast } from "../../kit/toast";
import { toastError } from "../../kit/Toasts";
import { t } from "../../text/workflows";
import { inputsOf } from "./inputs";
import { versionQuery } from "./queries";
import { reached, type RunDocument, type RunNode } from "./runstate";

/** The calls that steer a run; the answer takes the place of what was known. */
export function useSteer(doc: RunDocument, put: (d: RunDocument) => void) {
  const path = { workflow_run_id: doc.workflow_run_id };
  const done = (text: string) => (d: RunDocument) => {
    put(d);
    toast({ text });
  };
  const pause = useMutation({ mutationFn: () => ok(api.POST("/api/workflow-runs/{workflow_run_id}/pause", { params: { path } })), onSuccess: done(t("pausedDone")), onError: toastError });
  const resume = useMutation({ mutationFn: () => ok(api.POST("/api/workflow-runs/{workflow_run_id}/resume", { params: { path } })), onSuccess: done(t("resumedDone")), onError: toastError });
  const cancel = useMutation({ mutationFn: () => ok(api.POST("/api/workflow-runs/{workflow_run_id}/cancel", { params: { path } })), onSuccess: done(t("cancelDone")), onError: toastError });
  return { pause, resume, cancel };
}

/** Asks before a run is cancelled. */
export function CancelDialog({ doc, open, onClose, cancel }: { doc: RunDocument; open: boolean; onClose: () => void; cancel: ReturnType<typeof useSteer>["cancel"] }) {
  return (
    <Confirm open={open} onClose={onClose} title={t("cancelTitle", { name: doc.name })} description={t("cancelText")} action={t("cancelRun")} danger busy={cancel.isPending} onConfirm={() => cancel.mutate(undefined, { onSettled: onClose })} />
  );
}

/** Lets a waiting node end as if it had gone well; the reason is required. */
export function SkipDialog({ doc, node, open, onClose, put }: { doc: RunDocument; node: RunNode; open: boolean; onClose: () => void; put: (d: RunDocument) => void }) {
  const [reason, setReason] = useState("");
  const skip = useMutation({
    mutationFn: () => ok(api.POST("/api/workflow-runs/{workflow_run_id}/nodes/{node_id}/skip", { params: { path: { workflow_run_id: doc.workflow_run_id, node_id: node.node_id } }, body: { reason } })),
    onSuccess: (d) => {
      put(d);
      toast({ text: t("skipDone", { node: node.node_id }) });
      onClose();
    },
  });
  const action: Action = { cli: `runsheet workflow skip ${doc.workflow_run_id} ${node.node_id} --reason '${reason || "…"}'`, method: "POST", path: `/api/workflow-runs/${doc.workflow_run_id}/nodes/${node.node_id}/skip`, body: { reason } };
  return (
    <Dialog
      open={open} onClose={onClose} title={t("skipTitle", { node: node.node_id })} description={t("skipText")}
      footer={<><CopyAs action={action} /><Button onClick={onClose}>{t("back")}</Button><Button look="primary" busy={skip.isPending} disabled={reason.trim() === ""} onClick={() => skip.mutate()}>{t("skipNode")}</Button></>}
    >
      <div className="flex flex-col gap-3">
        <Field label={t("reason")} hint={t("reasonHint")}>{(ids) => <TextArea {...ids} rows={2} autoFocus required maxLength={500} value={reason} onChange={(e) => setReason(e.target.value.replaceAll("\n", " "))} />}</Field>
        <FormError error={skip.error} />
      </div>
    </Dialog>
  );
}

/** What a node did whose server died in the middle of it. */
export function Decide({ doc, node, put, why }: { doc: RunDocument; node: RunNode; put: (d: RunDocument) => void; why: string }) {
  const [reason, setReason] = useState("");
  const decide = useMutation({
    mutationFn: (decision: "retry" | "completed" | "failed") => ok(api.POST("/api/workflow-runs/{workflow_run_id}/nodes/{node_id}/decide", { params: { path: { workflow_run_id: doc.workflow_run_id, node_id: node.node_id } }, body: { decision, ...(reason ? { reason } : {}) } })),
    onSuccess: (d) => {
      put(d);
      toast({ text: t("decided") });
    },
  });
  return (
    <div className="flex flex-col gap-2 rounded-md bg-warn-soft p-3">
      <p className="text-sm font-medium text-warn">{t("decideTitle")}</p>
      <p className="text-sm">{t("decideText")}</p>
      <Field label={t("reason")} optional>{(ids) => <Input {...ids} value={reason} maxLength={500} onChange={(e) => setReason(e.target.value)} />}</Field>
      <div className="flex flex-wrap gap-2">
        <Button small why={why} busy={decide.isPending} onClick={() => decide.mutate("retry")}>{t("decideRetry")}</Button>
        <Button small why={why} busy={decide.isPending} onClick={() => decide.mutate("completed")}>{t("decideCompleted")}</Button>
        <Button small look="danger" why={why} busy={decide.isPending} onClick={() => decide.mutate("failed")}>{t("decideFailed")}</Button>
      </div>
      <FormError error={decide.error} />
    </div>
  );
}

/** From where a run is repeated. */
export type Again = { mode: "failed" | "items" | "node"; node?: string } | { mode: "checkpoint"; checkpoint: string; seq: number };

/** Repeats a run from its failed nodes, a node, failed items or a checkpoint; shows first what would run again. */
export function RetryDialog({ doc, start, open, onClose }: { doc: RunDocument; start: Again; open: boolean; onClose: () => void }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const nodes = doc.nodes.filter(reached);
  const [mode, setMode] = useState(start.mode);
  const [node, setNode] = useState((start.mode === "node" ? start.node : undefined) ?? nodes.find((n) => n.status === "FAILED")?.node_id ?? nodes[0]?.node_id ?? "");
  const [secrets, setSecrets] = useState<Record<string, string>>({});
  const version = useQuery(versionQuery(doc.workflow_id, doc.version));
  const secretNames = useMemo(() => inputsOf(version.data?.definition).filter((i) => i.secret).map((i) => i.name), [version.data]);
  const given = Object.fromEntries(Object.entries(secrets).filter(([, v]) => v !== ""));
  const inputs = Object.keys(given).length > 0 ? { inputs: given } : {};
  const body = { ...(mode === "items" ? { failed_items: true } : {}), ...(mode === "node" ? { from_node: node } : {}), ...inputs };
  const path = { workflow_run_id: doc.workflow_run_id };
  const send = async (preview: boolean) => (start.mode === "checkpoint"
    ? ok(api.POST("/api/workflow-runs/{workflow_run_id}/restore", { params: { path }, body: { checkpoint_id: start.checkpoint, preview, ...inputs } }))
    : ok(api.POST("/api/workflow-runs/{workflow_run_id}/retry", { params: { path }, body: { ...body, preview } })));
  const preview = useQuery({ queryKey: ["retry-preview", doc.workflow_run_id, start, body], queryFn: () => send(true), enabled: open, retry: false, staleTime: 0, placeholderData: (old) => old });
  const go = useMutation({
    mutationFn: () => send(false),
    onSuccess: (d) => {
      if (!("workflow_run_id" in d)) return;
      void client.invalidateQueries({ queryKey: ["workflow-runs"] });
      void client.invalidateQueries({ queryKey: ["run", doc.run_id] });
      toast({ text: t("retryDone") });
      onClose();
      void navigate({ to: "/workflow-runs/$id", params: { id: d.workflow_run_id } });
    },
  });
  const cli = start.mode === "checkpoint" ? `runsheet workflow restore ${doc.workflow_run_id} ${start.checkpoint}` : `runsheet workflow retry ${doc.workflow_run_id}${mode === "node" ? ` --from ${node}` : ""}${mode === "items" ? " --failed-items" : ""}`;
  const action: Action = { cli, method: "POST", path: `/api/workflow-runs/${doc.workflow_run_id}/${start.mode === "checkpoint" ? "restore" : "retry"}`, body: start.mode === "checkpoint" ? { checkpoint_id: start.checkpoint } : body };
  const plan = preview.data && "runs" in preview.data ? preview.data : null;
  return (
    <Dialog
      open={open} onClose={onClose} wide title={start.mode === "checkpoint" ? t("restoreTitle", { n: start.seq }) : t("retryTitle")} description={t("retryText")}
      footer={<><CopyAs action={action} /><Button onClick={onClose}>{t("back")}</Button><Button look="primary" busy={go.isPending} disabled={!plan || preview.isFetching || !!preview.error} onClick={() => go.mutate()}>{t("retryStart")}</Button></>}
    >
      <div className="flex flex-col gap-4">
        {start.mode === "checkpoint" ? null : (
          <fieldset className="flex flex-col gap-2">
            <legend className="pb-1 text-sm font-medium">{t("retryFrom")}</legend>
            {(["failed", "node", "items"] as const).map((m) => (
              <label key={m} className="flex items-center gap-2 text-sm">
                <input type="radio" name="mode" className="size-4 accent-accent" checked={mode === m} onChange={() => setMode(m)} />
                {t(m === "failed" ? "retryFailed" : m === "node" ? "retryNode" : "retryItems")}
                {m === "node" && mode === "node" ? <Select aria-label={t("node")} className="w-56!" small value={node} onChange={setNode} options={nodes.map((n) => ({ value: n.node_id, label: n.node_id }))} /> : null}
              </label>
            ))}
          </fieldset>
        )}
        {secretNames.map((name) => (
          <Field key={name} label={name} hint={t("secretAgain")}>{(ids) => <Input {...ids} type="password" autoComplete="off" value={secrets[name] ?? ""} onChange={(e) => setSecrets({ ...secrets, [name]: e.target.value })} />}</Field>
        ))}
        <section aria-label={t("preview")} aria-busy={preview.isFetching} className="rounded-md border border-line p-3">
          {preview.error ? <FormError error={preview.error} /> : !plan ? <Loading rows={2} /> : (
            <div className="flex flex-col gap-3 text-sm" data-preview>
              <Names label={t("runsAgain")} names={plan.runs} tone="info" none={t("nothing")} />
              <Names label={t("kept")} names={plan.kept} tone="ok" none={t("nothing")} />
              {plan.maps.map((m) => <p key={m.node_id}>{t("mapKept", { node: m.node_id, kept: m.kept, total: m.total })}</p>)}
              {plan.recomputed.length > 0 ? <Names label={t("recomputed")} names={plan.recomputed} tone="warn" none="" /> : null}
            </div>
          )}
        </section>
        <FormError error={go.error} />
      </div>
    </Dialog>
  );
}

function Names({ label, names, tone, none }: { label: string; names: readonly string[]; tone: "info" | "ok" | "warn"; none: string }) {
  return (
    <div className="grid grid-cols-[7rem_1fr] gap-2">
      <span className="text-faint">{label}</span>
      <span className="flex flex-wrap gap-1">{names.length === 0 ? none : names.map((n) => <Badge key={n} tone={tone}>{n}</Badge>)}</span>
    </div>
  );
}
