import { useState, type FormEvent } from "react";
import type { Schema } from "../../api/client";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Dialog } from "../../kit/Dialog";
import { Field, Input } from "../../kit/Field";
import { Segmented } from "../../kit/Segmented";
import { t } from "../../text/queue";
import type { Row } from "./model";
import { rowName } from "./Row";

/** Makes a group of waiting jobs, in the order in which they stand. */
export function GroupDialog({ rows, onClose, run }: { rows: readonly Row[]; onClose: () => void; run: (body: Schema<"JobGroupInput"> & { job_ids: string[] }) => Promise<unknown> }) {
  const [name, setName] = useState(rows[0] ? rowName(rows[0]) : "");
  const [mode, setMode] = useState<"parallel" | "sequential">("sequential");
  const body = { name: name.trim(), mode, job_ids: rows.map((r) => r.id) };
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (!body.name) return;
    void run(body);
    onClose();
  };
  const cli = `runsheet group add --name '${body.name.replaceAll("'", "'\\''")}' --mode ${mode} ${body.job_ids.join(" ")}`;
  return (
    <Dialog open onClose={onClose} title={t("groupTitle", { n: rows.length })} description={t("groupText")} footer={<><CopyAs action={{ cli, method: "POST", path: "/api/job-groups", body }} /><Button look="primary" type="submit" form="group" disabled={!body.name}>{t("group")}</Button></>}>
      <form id="group" onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t("name")}>{(ids) => <Input {...ids} autoFocus maxLength={200} value={name} onChange={(e) => setName(e.target.value)} onFocus={(e) => e.currentTarget.select()} />}</Field>
        <Segmented label={t("groupMode")} value={mode} onChange={(m) => setMode(m === "parallel" ? m : "sequential")} options={[{ value: "sequential", label: t("sequential") }, { value: "parallel", label: t("parallel", { n: Math.min(8, rows.length) }) }]} />
      </form>
    </Dialog>
  );
}
