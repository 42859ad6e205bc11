import { useQuery, useQueryClient } from "@tanstack/react-query";
import { ShieldCheck } from "lucide-react";
import { useState } from "react";
import { meQuery } from "../../api/session";
import { announce } from "../../kit/announce";
import { Badge } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Dialog } from "../../kit/Dialog";
import { Field, TextArea } from "../../kit/Field";
import { who } from "../../kit/who";
import { t } from "../../text/approvals";
import { t as kit } from "../../text/kit";
import { approvalOf, approveEach, decision, type Approval, type Outcome } from "./api";
import { barText } from "./bars";
import { Rows, Summary } from "./Content";
import { Countdown } from "./Countdown";
import { approvals, bulkBarOf } from "./model";

/** Shows several requests of one kind and approves them as they are shown. What became of each stays in the list. */
export function ApproveDialog({ list, onClose }: { list: readonly Approval[]; onClose: (approved: readonly string[]) => void }) {
  const me = useQuery(meQuery).data ?? { name: "", roles: [], scopes: [] };
  const client = useQueryClient();
  const [now] = useState(() => Date.now()); // what expires later is refused by the server
  const [comment, setComment] = useState("");
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  // What was sent; null = nothing yet.
  const [sent, setSent] = useState<readonly Approval[] | null>(null);
  const [outcomes, setOutcomes] = useState<ReadonlyMap<string, Outcome>>(new Map());
  const sendable = sent ?? list.filter((a) => !bulkBarOf(a, me, now));
  const lacks = sendable.some((a) => a.require_comment) && !comment.trim();
  const approved = [...outcomes].filter(([, o]) => "now" in o).map(([id]) => id);
  const over = sent !== null && !busy;
  const summary = t("bulkDone", { n: approved.length, m: list.length });
  const confirm = async () => {
    setTried(true);
    if (busy || sent || lacks || sendable.length === 0) return;
    setBusy(true);
    setSent(sendable);
    let done = 0;
    await approveEach(sendable, comment.trim(), (a, o) => {
      if ("now" in o) done++;
      setOutcomes((old) => new Map([...old, [a.approval_id, o]]));
    });
    setBusy(false);
    announce(t("bulkDone", { n: done, m: list.length }));
    await client.invalidateQueries({ predicate: (q) => ["approval", "approvals", "queue"].includes(String(q.queryKey[0])) });
  };
  return (
    <Dialog
      open wide onClose={() => busy || onClose(approved)} title={t("bulkTitle", { n: list.length })} description={t("bulkText")}
      footer={over ? <Button look="primary" onClick={() => onClose(approved)}>{kit("close")}</Button> : (
        <>
          <CopyAs action={sendable.map((a) => decision(a, "approve", approvalOf(a, comment.trim())))} />
          <Button look="primary" icon={ShieldCheck} busy={busy} disabled={sendable.length === 0} onClick={() => void confirm()}>{t("bulkApprove", { n: sendable.length })}</Button>
        </>
      )}
    >
      {sent ? <p data-approved={approved.length} className="pb-3 text-sm font-medium">{summary}</p> : (
        <Field label={t("comment")} optional={!sendable.some((a) => a.require_comment)} error={tried && lacks ? t("commentNeeded") : undefined}>{(ids) => <TextArea {...ids} rows={2} maxLength={2000} value={comment} onChange={(e) => setComment(e.target.value)} />}</Field>
      )}
      <ol aria-label={t("summary")} className="mt-4 flex flex-col gap-3">
        {list.map((a) => {
          const outcome = outcomes.get(a.approval_id);
          const bar = sent?.includes(a) ? null : bulkBarOf(a, me, now);
          return (
            <li key={a.approval_id} data-request={a.approval_id} className="rounded-md border border-line px-4 py-3">
              <div className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
                <h3 className="min-w-0 font-medium [overflow-wrap:anywhere]">{a.title}</h3>
                {outcome ? <What of={outcome} /> : bar ? <Badge tone="warn">{t("leftOut")}</Badge> : <span className="text-sm"><Countdown a={a} /></span>}
              </div>
              <p className="text-xs text-dim">{t("by", { who: who(a.requested_by) })}</p>
              {outcome && "problem" in outcome ? <p className="mt-1 text-sm text-bad">{outcome.problem.title} {outcome.problem.detail}</p> : bar ? <p className="mt-1 text-sm text-warn">{barText(bar, a)}</p> : null}
              {sent ? null : (
                <>
                  <div className="pt-2"><Summary a={a} before={null} /></div>
                  <div className="pt-2"><Rows a={a} before={null} /></div>
                  <details className="pt-2">
                    <summary className="target text-sm text-dim">{t("content")}</summary>
                    <pre className="mt-2 max-h-60 overflow-auto rounded-md border border-line bg-panel p-3 font-mono text-xs whitespace-pre-wrap [overflow-wrap:anywhere]">{JSON.stringify(a.content, null, 2)}</pre>
                  </details>
                </>
              )}
            </li>
          );
        })}
      </ol>
    </Dialog>
  );
}

// Where more than one must approve, it may go on waiting for the others.
function What({ of: o }: { of: Outcome }) {
  if ("problem" in o) return <span data-outcome={o.problem.code}><Badge tone="bad">{t("notApproved")}</Badge></span>;
  return <span data-outcome="approved" className="flex items-baseline gap-2 text-xs text-dim"><Badge tone="ok">{t("didApprove")}</Badge>{o.now.status === "PENDING" ? t("count", { n: approvals(o.now), m: o.now.min_approvals }) : null}</span>;
}
