import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok } from "../../api/client";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Dialog } from "../../kit/Dialog";
import { Field, Input } from "../../kit/Field";
import { FormError } from "../../kit/States";
import { toast } from "../../kit/toast";
import { t } from "../../text/approvals";
import type { Approval } from "./api";

/** Lets another user decide in the person's place. Who may approve may not list users, so the name is typed. */
export function DelegateDialog({ a, onClose }: { a: Approval; onClose: () => void }) {
  const client = useQueryClient();
  const [to, setTo] = useState("");
  const [reason, setReason] = useState("");
  const body = { to: to.trim(), reason: reason.trim() };
  const whole = body.to !== "" && body.reason !== "";
  const go = useMutation({
    mutationFn: () => ok(api.POST("/api/approvals/{approval_id}/delegate", { params: { path: { approval_id: a.approval_id } }, body })),
    onSuccess: () => {
      toast({ tone: "ok", text: t("didDelegate", { who: body.to }) });
      onClose();
    },
    onSettled: () => client.invalidateQueries({ predicate: (q) => ["approval", "approvals"].includes(String(q.queryKey[0])) }),
  });
  return (
    <Dialog
      open onClose={onClose} title={t("delegateTitle")} description={t("delegateText")}
      footer={
        <>
          <CopyAs action={{ cli: `runsheet approval delegate ${a.approval_id} --to ${body.to || "USER"} --reason '${body.reason.replaceAll("'", `'\\''`) || "…"}'`, method: "POST", path: `/api/approvals/${a.approval_id}/delegate`, body }} />
          <Button onClick={onClose}>{t("back")}</Button>
          <Button look="primary" busy={go.isPending} disabled={!whole} onClick={() => go.mutate()}>{t("delegate")}</Button>
        </>
      }
    >
      <form className="flex flex-col gap-3" onSubmit={(e) => { e.preventDefault(); if (whole && !go.isPending) go.mutate(); }}>
        <Field label={t("delegateTo")} hint={t("delegateHint")}>{(ids) => <Input {...ids} autoFocus autoComplete="off" autoCapitalize="none" required maxLength={128} value={to} onChange={(e) => setTo(e.target.value)} />}</Field>
        <Field label={t("delegateWhy")}>{(ids) => <Input {...ids} required maxLength={1000} value={reason} onChange={(e) => setReason(e.target.value)} />}</Field>
        <button type="submit" hidden />
        <FormError error={go.error} />
      </form>
    </Dialog>
  );
}
