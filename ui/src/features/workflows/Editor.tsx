import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { CheckCircle2, XCircle } from "lucide-react";
import { useDeferredValue, useMemo, useRef, useState } from "react";
import { answer, api, ok, problemOf, type Schema } from "../../api/client";
import { useCan } from "../../api/session";
import { buildGraph, type GraphModel } from "../../graph/model";
import { Badge } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { CheckBox, Field, Input } from "../../kit/Field";
import { useSettled } from "../../kit/settled";
import { FormError } from "../../kit/States";
import { toast } from "../../kit/toast";
import { t } from "../../text/workflows";
import { CodeEditor, type Mark } from "./CodeEditor";
import { GraphOrList, ViewSwitch, type View } from "./GraphOrList";
import { said, type Problem } from "./problem";
import { readYaml } from "./yaml";

const yamlBody = { headers: { "Content-Type": "application/yaml" } };

/** The editor of a workflow: its text beside the graph that it makes, with marks where the server finds something wrong. */
export function Editor({ text: begin, etag, onDone, onCancel }: { text: string; etag: string | null; onDone: (id: string) => void; onCancel: () => void }) {
  const client = useQueryClient();
  const write = useCan("workflows:write");
  const [text, setText] = useState(begin);
  // What the text is a change of: another one after "on top of it".
  const [base, setBase] = useState(etag);
  const [message, setMessage] = useState("");
  const [activate, setActivate] = useState(true);
  const [view, setView] = useState<View>("auto");
  const [selected, setSelected] = useState<string | null>(null);
  const [go, setGo] = useState<{ line: number } | null>(null);
  const still = useSettled(text, 350);
  const read = useMemo(() => readYaml(still), [still]);
  const last = useRef<GraphModel>({ nodes: [], edges: [] });
  const model = useMemo(() => {
    if (!read.definition) return last.current;
    last.current = buildGraph(read.definition);
    return last.current;
  }, [read]);
  const shown = useDeferredValue(model);
  // The text itself is what is asked about; an answer to an older one is of no use.
  const check = useQuery({ queryKey: ["workflow-validate", still], queryFn: ({ signal }) => ok(api.POST("/api/workflows/validate", { signal, body: still as never, ...yamlBody })), staleTime: Infinity, gcTime: 60_000, enabled: read.error === null, retry: false });
  const valid = check.data?.valid === true;
  const plan = useQuery({ queryKey: ["workflow-plan", still], queryFn: ({ signal }) => ok(api.POST("/api/workflows/plan", { signal, body: still as never, ...yamlBody })), staleTime: Infinity, gcTime: 60_000, enabled: valid, retry: false });
  const problems: readonly Problem[] = useMemo(() => (read.error ? [{ file: "", line: read.error.line, column: read.error.column, node_id: null, code: "yaml", reason: null, values: {}, detail: read.error.message, suggestion: null }] : (check.data?.problems ?? [])), [read, check.data]);
  const marks: readonly Mark[] = useMemo(() => problems.map((p) => ({ line: p.line, column: p.column, text: said(p) })), [problems]);
  const nodeMarks = useMemo(() => new Map(problems.flatMap((p) => (p.node_id ? [[p.node_id, said(p)] as const] : []))), [problems]);
  const apply = useMutation({
    mutationFn: () => ok(api.POST("/api/workflows", { params: { query: { activate, ...(message ? { message } : {}) }, ...(base ? { header: { "If-Match": base } } : {}) }, body: text as never, ...yamlBody })),
    onSuccess: (d) => {
      void client.invalidateQueries({ queryKey: ["workflows"] });
      void client.invalidateQueries({ queryKey: ["workflow"] });
      toast({ text: activate ? t("applied") : t("appliedDraft") });
      const id = read.definition?.["workflow_id"];
      if (d.items.length > 0 && typeof id === "string") onDone(id);
    },
  });
  const conflict = apply.error !== null && problemOf(apply.error).status === 412;
  const id = read.definition?.["workflow_id"];
  // Whoever was faster, and what the next try is a change of.
  const theirs = useQuery({
    queryKey: ["workflow-theirs", id, apply.submittedAt], enabled: conflict && typeof id === "string", retry: false, gcTime: 0,
    queryFn: async ({ signal }) => {
      const { data, response } = await answer(api.GET("/api/workflows/{workflow_id}", { signal, params: { path: { workflow_id: String(id) } } }));
      return { ...data, etag: response.headers.get("ETag") };
    },
  });
  const comments = useMemo(() => /^\s*#|\s#\s/m.test(still), [still]);
  const fresh = still === text && (read.error !== null || check.data !== undefined);
  const why = write.why || (!fresh ? t("checking") : problems.length > 0 ? t("fixFirst") : "");
  const save = () => {
    if (!why) apply.mutate();
  };
  const goTo = (id: string) => {
    setSelected(id);
    const at = text.split("\n").findIndex((l) => new RegExp(`node_id:\\s*["']?${id.replace(/\W/g, "\\$&")}["']?\\s*(,|}|$|#)`).test(l));
    if (at >= 0) setGo({ line: at + 1 });
  };
  return (
    <div className="flex flex-col gap-3">
      <div className="grid gap-3 lg:grid-cols-2">
        <div className="flex h-[clamp(22rem,calc(100dvh-19rem),60rem)] flex-col overflow-hidden rounded-lg border border-line" data-editor>
          <CodeEditor text={begin} label={t("definition")} readOnly={apply.isPending} marks={marks} go={go} onChange={setText} onSave={save} />
        </div>
        <div className="flex min-w-0 flex-col">
          <div className="flex items-center pb-2"><ViewSwitch view={view} onChange={setView} /><span className="ml-auto text-xs text-faint">{t("nodesN", { n: shown.nodes.length })}</span></div>
          <div className="min-h-0 grow overflow-auto"><GraphOrList model={shown} view={view} label={t("graphOfText")} selected={selected} onSelect={goTo} marks={nodeMarks} className="h-[clamp(18rem,calc(100dvh-21.5rem),57rem)]" /></div>
        </div>
      </div>
      <section aria-label={t("check")} aria-live="polite" data-valid={fresh ? problems.length === 0 : undefined} className="rounded-md border border-line">
        {problems.length === 0 ? (
          <p className="flex flex-wrap items-center gap-2 px-3 py-2 text-sm text-ok">{fresh ? <><CheckCircle2 aria-hidden className="size-4" />{t("valid")}</> : <span className="text-faint">{t("checking")}</span>}{fresh && plan.data ? <PlanFacts plans={plan.data} /> : null}</p>
        ) : (
          <ul className="max-h-48 divide-y divide-line overflow-y-auto">
            {problems.map((p, i) => (
              <li key={i}>
                <button type="button" onClick={() => setGo({ line: p.line })} className="flex w-full items-start gap-2 px-3 py-1.5 text-left text-sm hover:bg-hover">
                  <XCircle aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
                  <span className="w-14 shrink-0 text-faint">{p.line > 0 ? t("lineN", { n: p.line }) : t("file")}</span>
                  <span className="min-w-0 [overflow-wrap:anywhere]">{said(p)}</span>
                </button>
              </li>
            ))}
          </ul>
        )}
      </section>
      {comments ? <p className="text-sm text-dim">{t("noComments")}</p> : null}
      {conflict ? (
        <div role="alert" className="flex flex-wrap items-center gap-3 rounded-md bg-warn-soft px-3 py-2 text-sm text-warn" data-conflict>
          <span className="grow">{t("conflict")}</span>
          {theirs.data ? <a href={`/ui/workflows/${encodeURIComponent(theirs.data.workflow_id)}/versions`} target="_blank" rel="noreferrer" className="underline">{t("conflictSee")}</a> : null}
          <Button small disabled={!theirs.data} onClick={() => { setBase(theirs.data?.etag ?? null); apply.reset(); }}>{t("conflictOnTop")}</Button>
        </div>
      ) : <FormError error={apply.error ?? check.error} />}
      <div className="flex flex-wrap items-end gap-3">
        <div className="w-full sm:w-96"><Field label={t("message")} optional>{(ids) => <Input {...ids} maxLength={500} placeholder={t("messageHint")} value={message} onChange={(e) => setMessage(e.target.value)} />}</Field></div>
        <div className="flex h-8 items-center"><CheckBox label={t("activateAtOnce")} checked={activate} onChange={setActivate} /></div>
        <div className="ml-auto flex items-center gap-2">
          <CopyAs action={{ cli: `runsheet workflow apply workflow.yaml${activate ? "" : " --draft"}${message ? ` -m '${message}'` : ""}`, method: "POST", path: `/api/workflows?activate=${activate}`, body: read.definition ?? {} }} />
          <Button onClick={onCancel}>{t("back")}</Button>
          <Button look="primary" busy={apply.isPending} why={why} onClick={save}>{activate ? t("apply") : t("saveDraft")}</Button>
        </div>
      </div>
    </div>
  );
}

function PlanFacts({ plans }: { plans: Schema<"WorkflowPlans"> }) {
  const plan = plans.items[0];
  if (!plan) return null;
  const facts: [number, string][] = [[plan.calls.length, t("planCalls", { n: plan.calls.length })], [plan.people.length, t("planPeople", { n: plan.people.length })], [plan.secrets.length, t("planSecrets", { n: plan.secrets.length })], [plan.locks.length, t("planLocks", { n: plan.locks.length })], [plan.schedules.length, t("planSchedules", { n: plan.schedules.length })]];
  return <>{facts.filter(([n]) => n > 0).map(([, text]) => <Badge key={text}>{text}</Badge>)}</>;
}
