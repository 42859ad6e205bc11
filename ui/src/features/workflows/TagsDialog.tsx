import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok } from "../../api/client";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Dialog } from "../../kit/Dialog";
import { Field, Input } from "../../kit/Field";
import { FormError } from "../../kit/States";
import { toast } from "../../kit/toast";
import { t } from "../../text/workflows";
import type { Version } from "./queries";

/** The tags of a version: one more, one moved here from another version, one taken away. */
export function TagsDialog({ id, version, versions, onClose }: { id: string; version: number; versions: readonly Version[]; onClose: () => void }) {
  const client = useQueryClient();
  const [tag, setTag] = useState("");
  const name = tag.trim();
  const mine = versions.find((v) => v.version === version)?.tags ?? [];
  const other = versions.find((v) => v.version !== version && v.tags.includes(name));
  const path = { workflow_id: id, tag: name };
  const settled = () => client.invalidateQueries({ queryKey: ["workflow", id] });
  const set = useMutation({
    mutationFn: () => ok(api.PUT("/api/workflows/{workflow_id}/tags/{tag}", { params: { path }, body: { version } })),
    onSuccess: (d) => {
      toast({ text: d.previous_version !== null && d.previous_version !== version ? t("tagMoved", { tag: d.tag, from: d.previous_version, to: version }) : t("tagSet", { tag: d.tag, n: version }) });
      setTag("");
    },
    onSettled: settled,
  });
  const take = useMutation({
    mutationFn: (old: string) => ok(api.DELETE("/api/workflows/{workflow_id}/tags/{tag}", { params: { path: { workflow_id: id, tag: old } } })),
    onSuccess: (_, old) => toast({ text: t("tagGone", { tag: old }) }),
    onSettled: settled,
  });
  return (
    <Dialog
      open onClose={onClose} title={t("tagsOf", { n: version })} description={t("tagsText")}
      footer={
        <>
          <CopyAs action={{ cli: `runsheet workflow tag ${id} ${version} ${name || "TAG"}`, method: "PUT", path: `/api/workflows/${id}/tags/${name || "TAG"}`, body: { version } }} />
          <Button onClick={onClose}>{t("close")}</Button>
          <Button look="primary" busy={set.isPending} disabled={!name} onClick={() => set.mutate()}>{t(other ? "moveTag" : "addTag")}</Button>
        </>
      }
    >
      <form className="flex flex-col gap-3" onSubmit={(e) => { e.preventDefault(); if (name && !set.isPending) set.mutate(); }}>
        {mine.length > 0 ? (
          <ul aria-label={t("tags")} className="flex flex-col gap-1">
            {mine.map((x) => <li key={x} className="flex items-center justify-between gap-3 text-sm"><span className="font-medium">{x}</span><Button small busy={take.isPending && take.variables === x} aria-label={t("takeTag", { tag: x })} onClick={() => take.mutate(x)}>{t("take")}</Button></li>)}
          </ul>
        ) : null}
        <Field label={t("newTag")} hint={other ? t("tagMoves", { n: other.version }) : t("tagHint")}>{(ids) => <Input {...ids} autoFocus autoComplete="off" maxLength={64} value={tag} onChange={(e) => setTag(e.target.value)} />}</Field>
        <FormError error={set.error ?? take.error} />
      </form>
    </Dialog>
  );
}
