import { useState } from "react";
import { CopyAs, type Action } from "../../kit/CopyAs";
import { Confirm } from "../../kit/Dialog";
import { t } from "../../text/queue";
import { parts, type Row } from "./model";
import { rowName } from "./Row";
import type { useJobActions } from "./useQueue";

/** Asks before groups are cancelled, with the jobs that are selected beside them. */
export function CancelDialog({ rows, onClose, actions }: { rows: readonly Row[]; onClose: () => void; actions: Pick<ReturnType<typeof useJobActions>, "bulk" | "cancelGroups"> }) {
  const [busy, setBusy] = useState(false);
  const { groups, jobs } = parts(rows);
  const others = { action: "cancel" as const, job_ids: jobs };
  const same: Action[] = groups.map((id) => ({ cli: `runsheet group cancel ${id}`, method: "POST", path: `/api/job-groups/${id}/cancel` }));
  if (jobs.length > 0) same.push({ cli: `runsheet job bulk cancel ${jobs.join(" ")}`, method: "POST", path: "/api/jobs/bulk", body: others });
  const confirm = async () => {
    setBusy(true);
    await actions.cancelGroups(groups);
    if (jobs.length > 0) await actions.bulk(others);
    onClose();
  };
  return (
    <Confirm open danger busy={busy} onClose={onClose} title={t("cancelGroups", { n: groups.length })} description={t("cancelGroupsText")} action={t("cancelSure")} onConfirm={() => void confirm()}>
      <div className="flex items-start gap-2 text-sm">
        <ul className="max-h-40 min-w-0 grow overflow-y-auto">{rows.map((r) => (r.kind === "group" ? <li key={r.id} className="truncate font-medium">{rowName(r)}</li> : null))}</ul>
        <CopyAs action={same} />
      </div>
      {jobs.length > 0 ? <p className="mt-2 text-sm">{t("cancelToo", { n: jobs.length })}</p> : null}
    </Confirm>
  );
}
