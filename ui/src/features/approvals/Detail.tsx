import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Check, Lock, RotateCw, ShieldCheck, TimerOff, X, type LucideIcon } from "lucide-react";
import { useRef, useState, type ReactNode } from "react";
import { api, ok, problemOf, type Schema } from "../../api/client";
import { meQuery, useCan } from "../../api/session";
import { Badge, StateChip } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { cx } from "../../kit/cx";
import { Field, TextArea } from "../../kit/Field";
import { Facts, Page, PageHeader, Section } from "../../kit/Page";
import { check } from "../../kit/schema";
import { SchemaForm } from "../../kit/SchemaForm";
import { useShortcut } from "../../kit/shortcuts";
import { ErrorState, FormError, Loading } from "../../kit/States";
import { toast } from "../../kit/toast";
import { toastError } from "../../kit/Toasts";
import { useRouteId } from "../../kit/url";
import { focusWrong } from "../../kit/wrong";
import { CopyId, Time, useNow } from "../../kit/Values";
import { announce } from "../../kit/announce";
import { who } from "../../kit/who";
import { stateLook } from "../../states";
import { t } from "../../text/approvals";
import { approvalQuery, decision, roundsQuery, type Approval, type Verb } from "./api";
import { Rows, Summary } from "./Content";
import { Countdown } from "./Countdown";
import { DelegateDialog } from "./DelegateDialog";
import { kindWord } from "./Inbox";
import { barText } from "./bars";
import { approvals, approversOf, barOf, barredOf, formSchema, formStart, roundsLeft } from "./model";

/** One request for an approval. Only its buttons decide; opening it never does. */
export function ApprovalDetail() {
  const id = useRouteId();
  const query = useQuery(approvalQuery(id));
  if (query.isPending) return <Page narrow><Loading /></Page>;
  if (!query.data) return <Page narrow><ErrorState error={query.error} onRetry={() => void query.refetch()} /></Page>;
  return <Shown key={id} a={query.data} />;
}

function Shown({ a }: { a: Approval }) {
  // What the person has read; a decision is for exactly that.
  const [seen, setSeen] = useState(a);
  const rounds = useQuery(roundsQuery(a));
  const before = rounds.data?.items.find((x) => x.approval_id === a.replaces) ?? null;
  const barred = barredOf(a);
  const moved = seen.content_hash !== a.content_hash;
  return (
    <Page narrow>
      <PageHeader
        title={a.title}
        facts={<>
          <StateChip state={a.status} />
          {a.status === "PENDING" ? <Countdown a={a} /> : null}
          <span>{kindWord(a)}</span>
          <span>{t("by", { who: who(a.requested_by) })} <Time at={a.requested_at} /></span>
          {a.round > 1 ? <Badge tone="warn">{t("round", { n: a.round })}</Badge> : null}
        </>}
      />
      <Standing a={a} moved={moved} onRead={() => setSeen(a)} />
      <Section title={t("summary")}>
        <Summary a={a} before={moved ? seen : before} />
        <div className="pt-4"><Rows a={a} before={moved ? seen : before} /></div>
      </Section>
      {a.status === "PENDING" ? <Decide a={a} locked={moved} /> : null}
      <Section title={t("people")}>
        <Facts items={[
          [t("needed"), t("count", { n: approvals(a), m: a.min_approvals })],
          [t("who"), a.approvers.length > 0 ? approversOf(a) : t("everybody")],
          ...(barred.length > 0 ? [[t("notWho"), barred.map(who).join(", ")] as const] : []),
          ...(a.author ? [[t(a.workflow_run_id ? "versionBy" : "ruleBy"), a.author] as const] : []),
          [t("onExpire"), a.on_expire === "re_request" ? t("asksAgain", { n: roundsLeft(a) }) : t("endsIt")],
          [t("expires"), <Time key="e" at={a.expires_at} />],
          [t("about"), <About key="a" a={a} />],
          ["ID", <CopyId key="i" id={a.approval_id} />],
        ]} />
        {a.delegations.length > 0 ? (
          <ul aria-label={t("delegations")} className="mt-3 flex flex-col gap-1">
            {a.delegations.map((d) => <li key={d.to} data-delegate={d.to} className="flex flex-wrap items-baseline gap-x-2 text-sm"><span className="font-medium">{t("delegated", { from: d.from, to: d.to })}</span><Time at={d.delegated_at} className="text-xs text-faint" /><span className="w-full text-dim [overflow-wrap:anywhere]">{d.reason}</span></li>)}
          </ul>
        ) : null}
        {a.decisions.length > 0 ? (
          <ul className="mt-3 flex flex-col gap-1">
            {a.decisions.map((d) => (
              <li key={d.decided_at + d.decided_by} className="flex flex-wrap items-baseline gap-x-2 text-sm">
                <StateChip state={d.approved ? "APPROVED" : "REJECTED"} bare /><span className="font-medium">{who(d.decided_by)}</span><Time at={d.decided_at} className="text-xs text-faint" />
                {d.comment ? <span className="w-full pl-5 text-dim [overflow-wrap:anywhere]">{d.comment}</span> : null}
                {Object.keys(d.form).length > 0 ? <code className="w-full pl-5 font-mono text-xs text-dim">{JSON.stringify(d.form)}</code> : null}
              </li>
            ))}
          </ul>
        ) : null}
      </Section>
      {rounds.data && rounds.data.items.length > 1 ? <Rounds list={rounds.data.items} now={a.approval_id} /> : null}
      <Section title={t("evidence")}>
        <details>
          <summary className="target text-sm text-dim">{t("content")}</summary>
          <pre className="mt-2 max-h-96 overflow-auto rounded-md border border-line bg-panel p-3 font-mono text-xs whitespace-pre-wrap [overflow-wrap:anywhere]">{JSON.stringify(a.content, null, 2)}</pre>
        </details>
        <p className="mt-2 font-mono text-xs text-faint [overflow-wrap:anywhere]">{a.content_hash}</p>
        <p className="mt-2 text-xs"><Link to="/system/audit" search={{ object: a.approval_id }} className="text-accent hover:underline">{t("audit")}</Link></p>
      </Section>
    </Page>
  );
}

function About({ a }: { a: Approval }) {
  if (a.workflow_run_id) return <Link to="/workflow-runs/$id" params={{ id: a.workflow_run_id }} search={a.node_id ? { node: a.node_id } : {}} className="text-accent hover:underline">{a.names[a.workflow_run_id] ?? t("openWorkflowRun")}</Link>;
  if (a.subject.type === "job") return <Link to="/queue" search={{ job: a.subject.id }} title={a.subject.id} className="text-accent hover:underline">{a.names[a.subject.id] ?? a.subject.id}</Link>;
  return <>{a.subject.id}</>;
}

function Notice({ icon: Icon, tone, state, title, children }: { icon: LucideIcon; tone: string; state: string; title: string; children?: ReactNode }) {
  return (
    <div role="status" data-standing={state} className={cx("mb-5 flex items-start gap-3 rounded-md px-4 py-3", tone)}>
      <Icon aria-hidden className="mt-0.5 size-5 shrink-0" strokeWidth={1.75} />
      <div className="min-w-0"><p className="font-medium">{title}</p>{children ? <div className="mt-1 text-sm">{children}</div> : null}</div>
    </div>
  );
}

// What stands in place of the actions: changed, replaced, expired, decided.
function Standing({ a, moved, onRead }: { a: Approval; moved: boolean; onRead: () => void }) {
  const now = useNow();
  if (a.status === "PENDING" && moved) {
    return <Notice icon={Lock} tone="bg-warn-soft text-warn" state="changed" title={t("changed")}>{t("changedText")} <Button small className="mt-2 flex" onClick={onRead}>{t("haveRead")}</Button></Notice>;
  }
  if (a.status === "SUPERSEDED") {
    return <Notice icon={Lock} tone="bg-warn-soft text-warn" state="replaced" title={t("replaced")}>{a.reason ? <p>{a.reason}</p> : null}{a.replaced_by ? <Link to="/approvals/$id" params={{ id: a.replaced_by }} className="font-medium underline">{t("openNew")}</Link> : null}</Notice>;
  }
  if (a.status === "EXPIRED" || (a.status === "PENDING" && Date.parse(a.expires_at) <= now)) return <Expired a={a} />;
  if (a.status === "PENDING") return null;
  const last = a.decisions.at(-1);
  const look = stateLook(a.status);
  return (
    <Notice icon={look.icon} tone={look.tone === "ok" ? "bg-ok-soft text-ok" : "bg-bad-soft text-bad"} state="decided" title={t(a.status === "APPROVED" ? "wasApproved" : "wasRejected", { who: who(a.approved_by ?? last?.decided_by ?? "") })}>
      <Time at={a.ended_at} />{a.comment ? <p className="[overflow-wrap:anywhere]">{a.comment}</p> : null}
    </Notice>
  );
}

// What has expired cannot be asked again by its id: a job is put into the queue once
// more, which asks anew; a workflow's run is gone on with from its own page.
function Expired({ a }: { a: Approval }) {
  const navigate = useNavigate();
  const can = useCan("jobs:write");
  const again = useMutation({
    mutationFn: () => ok(api.POST("/api/jobs/{job_id}/duplicate", { params: { path: { job_id: a.subject.id } } })),
    onSuccess: () => {
      toast({ tone: "ok", text: t("didAskAgain") });
      void navigate({ to: "/approvals" });
    },
  });
  return (
    <Notice icon={TimerOff} tone="bg-idle-soft text-fg" state="expired" title={t("expired")}>
      <p>{t("expiredText")}</p>
      {a.replaced_by ? <Link to="/approvals/$id" params={{ id: a.replaced_by }} className="font-medium underline">{t("openNew")}</Link>
        : a.subject.type === "job" ? <Button className="mt-2" icon={RotateCw} busy={again.isPending} why={can.why} onClick={() => again.mutate()}>{t("askAgain")}</Button>
        : a.workflow_run_id ? <Link to="/workflow-runs/$id" params={{ id: a.workflow_run_id }} className="font-medium underline">{t("openWorkflowRun")}</Link> : null}
      <FormError error={again.error} />
    </Notice>
  );
}

function Decide({ a, locked }: { a: Approval; locked: boolean }) {
  const me = useQuery(meQuery).data ?? { name: "", roles: [], scopes: [] };
  const client = useQueryClient();
  const navigate = useNavigate();
  const now = useNow();
  const [step, setStep] = useState<Verb | null>(null);
  const [comment, setComment] = useState("");
  const [form, setForm] = useState(() => formStart(a));
  const [tried, setTried] = useState(false);
  const [handing, setHanding] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const box = useRef<HTMLElement>(null);
  const schema = formSchema(a);
  const bar = barOf(a, me);
  const people = useCan("users:write");
  const over = Date.parse(a.expires_at) <= now;
  const mayReject = bar?.why !== "scope";
  const body = (verb: Verb): Schema<"DecisionInput"> => ({ content_hash: a.content_hash, ...(comment.trim() ? { comment: comment.trim() } : {}), ...(verb === "approve" && schema ? { form } : {}) });
  const go = useMutation({
    mutationFn: (verb: Verb) => {
      const call = { params: { path: { approval_id: a.approval_id } }, body: body(verb) };
      return ok(verb === "approve" ? api.POST("/api/approvals/{approval_id}/approve", call) : verb === "reject" ? api.POST("/api/approvals/{approval_id}/reject", call) : api.POST("/api/approvals/{approval_id}/re-request", call));
    },
    onSuccess: (answer, verb) => {
      announce(t(verb === "approve" ? "didApprove" : verb === "reject" ? "didReject" : "didAskAgain"));
      toast({ tone: "ok", text: t(verb === "approve" ? "didApprove" : verb === "reject" ? "didReject" : "didAskAgain") });
      setStep(null);
      if (answer.approval_id !== a.approval_id) void navigate({ to: "/approvals/$id", params: { id: answer.approval_id } });
    },
    // Whatever the answer: it may be decided, expired or changed by now.
    onSettled: () => client.invalidateQueries({ predicate: (q) => ["approval", "approvals", "queue"].includes(String(q.queryKey[0])) }),
  });
  const recall = useMutation({
    mutationFn: () => ok(api.POST("/api/approvals/{approval_id}/recall", { params: { path: { approval_id: a.approval_id } } })),
    onSuccess: () => toast({ tone: "ok", text: t("didRecall") }),
    onError: toastError,
    onSettled: () => client.invalidateQueries({ predicate: (q) => ["approval", "approvals"].includes(String(q.queryKey[0])) }),
  });
  const ask = (verb: Verb) => {
    if (locked || over || (verb === "approve" ? bar : !mayReject)) return;
    go.reset();
    setTried(false);
    setStep(verb);
    announce(t(verb === "approve" ? "armApprove" : verb === "reject" ? "armReject" : "armAgain"));
    if (verb === "reject") requestAnimationFrame(() => field.current?.focus());
  };
  const wrong = step === "approve" && schema ? check(schema, form) : {};
  const lacks = step !== null && step !== "re-request" && a.require_comment && !comment.trim();
  const confirm = () => {
    if (!step || locked || go.isPending) return;
    setTried(true);
    if (Object.keys(wrong).length === 0 && !lacks) go.mutate(step);
    else focusWrong(box.current);
  };
  useShortcut("a", () => ask("approve"));
  useShortcut("r", () => ask("reject"));
  useShortcut("Shift+a", () => step === "approve" && confirm());
  useShortcut("Escape", () => setStep(null));
  if (over) return null;
  const problem = go.isError ? problemOf(go.error) : null;
  return (
    <section ref={box} aria-label={t("decide")} data-step={step ?? "none"} className="sticky bottom-14 z-10 -mx-4 mt-6 border-y border-line bg-raised px-4 py-3 min-[800px]:bottom-0 md:mx-0 md:rounded-lg md:border-x">
      {schema && step !== "reject" && step !== "re-request" ? <div className="max-h-[40vh] overflow-y-auto pb-3"><SchemaForm schema={schema} value={form} onChange={setForm} errors={tried ? wrong : {}} /></div> : null}
      {step ? (
        <div className="flex flex-col gap-3">
          <p className="text-sm font-medium">{t(step === "approve" ? "sureApprove" : step === "reject" ? "sureReject" : "sureAgain")}</p>
          <Field label={t("comment")} optional={!a.require_comment || step === "re-request"} error={tried && lacks ? t("commentNeeded") : undefined}>{(ids) => <TextArea {...ids} ref={field} rows={2} maxLength={2000} value={comment} onChange={(e) => setComment(e.target.value)} />}</Field>
          {problem ? <div role="alert" data-problem={problem.code} className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad"><p className="font-medium">{problem.title}</p><p>{problem.detail}</p>{problem.hint ? <p>{problem.hint}</p> : null}</div> : null}
          <div className="flex flex-wrap items-center gap-2">
            <CopyAs action={decision(a, step, body(step))} />
            <Button className="ml-auto" onClick={() => setStep(null)}>{t("back")}</Button>
            <Button look={step === "reject" ? "danger" : "primary"} icon={step === "approve" ? Check : step === "reject" ? X : RotateCw} busy={go.isPending} disabled={locked} onClick={confirm}>{t(step === "approve" ? "confirmApprove" : step === "reject" ? "confirmReject" : "confirmAgain")}</Button>
          </div>
        </div>
      ) : (
        <div className="flex flex-wrap items-center gap-2">
          <p className="w-full text-sm text-dim sm:w-auto sm:grow">{locked ? t("lockedText") : bar ? barText(bar, a) : t("noUndo")}{!locked && (bar?.why === "self" || bar?.why === "author") ? <> {people.can ? <Link to="/system/users" search={{ add: "1" }} className="text-accent hover:underline">{t("addPerson")}</Link> : t("adminAdds")}</> : null}</p>
          {bar?.why === "delegated" ? <Button look="ghost" busy={recall.isPending} disabled={locked} onClick={() => recall.mutate()}>{t("recall")}</Button> : <Button look="ghost" why={bar ? barText(bar, a) : ""} disabled={locked} onClick={() => setHanding(true)}>{t("delegateMenu")}</Button>}
          <Button look="ghost" icon={RotateCw} why={!mayReject ? t("barScope") : roundsLeft(a) === 0 ? t("noRounds") : ""} disabled={locked} onClick={() => ask("re-request")}>{t("askAgain")}</Button>
          <Button icon={X} why={mayReject ? "" : t("barScope")} disabled={locked} className="grow sm:grow-0" aria-keyshortcuts="R" onClick={() => ask("reject")}>{t("reject")}</Button>
          <Button look="primary" icon={ShieldCheck} why={bar ? barText(bar, a) : ""} disabled={locked} className="grow sm:grow-0" aria-keyshortcuts="A" onClick={() => ask("approve")}>{t("approve")}</Button>
        </div>
      )}
      {handing ? <DelegateDialog a={a} onClose={() => setHanding(false)} /> : null}
    </section>
  );
}

function Rounds({ list, now }: { list: readonly Approval[]; now: string }) {
  return (
    <Section title={t("rounds")}>
      <ol className="flex flex-col border-t border-line">
        {[...list].sort((x, y) => y.round - x.round).map((x) => (
          <li key={x.approval_id} aria-current={x.approval_id === now || undefined} className="flex flex-wrap items-center gap-x-3 border-b border-line/70 py-1.5 text-sm aria-[current]:bg-accent-soft">
            {x.approval_id === now ? <span className="font-medium">{t("round", { n: x.round })}</span> : <Link to="/approvals/$id" params={{ id: x.approval_id }} className="text-accent hover:underline">{t("round", { n: x.round })}</Link>}
            <StateChip state={x.status} bare /><Time at={x.requested_at} className="text-xs text-faint" />{x.reason ? <span className="text-dim">{x.reason}</span> : null}
          </li>
        ))}
      </ol>
    </Section>
  );
}
