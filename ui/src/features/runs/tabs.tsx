import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Activity, Braces, FileOutput, Info, PencilLine, Webhook } from "lucide-react";
import { api, ok, type Schema } from "../../api/client";
import { Badge, Chip, StateChip } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { clockSeconds, duration } from "../../kit/format";
import { JsonView } from "../../kit/JsonView";
import { Facts, Section } from "../../kit/Page";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { CopyId, Num, Time } from "../../kit/Values";
import { who } from "../../kit/who";
import { pairs } from "../../kit/labels";
import { t } from "../../text/runs";
import { callsQuery, type Job, type Run } from "./data";

/** A quiet notice above what it is about. */
function Notice({ title, children }: { title: string; children?: React.ReactNode }) {
  return (
    <p role="note" className="mb-4 flex items-start gap-2 rounded-md border border-line px-3 py-2 text-sm text-dim">
      <Info aria-hidden className="mt-0.5 size-4 shrink-0 text-faint" strokeWidth={1.75} />
      <span><span className="font-medium text-fg">{title}</span> {children}</span>
    </p>
  );
}

const usesModels = (run: Run) => run.tokens.prompt !== null || run.tokens.completion !== null || /^(llm|prompt|story|research)/.test(run.job_type);

/** What the run worked with. */
export function InputTab({ run, onEdit, why }: { run: Run; onEdit: () => void; why: string }) {
  const empty = Object.keys(run.params).length === 0;
  return (
    <>
      {usesModels(run) ? <Notice title={t("notStored")}>{t("notStoredText")}</Notice> : null}
      {empty ? <Empty icon={Braces} title={t("inputEmpty")} /> : (
        <Section title={t("tabInput")} actions={<Button small icon={PencilLine} onClick={onEdit} {...(why ? { why } : {})}>{t("rerunEdit")}</Button>}>
          <JsonView value={run.params} label={t("tabInput")} className="max-h-[60vh]" />
        </Section>
      )}
    </>
  );
}

const callColumns: readonly Column<Schema<"LLMCall">>[] = [
  { id: "stage", head: t("callStage"), cell: (c) => c.stage || "–" },
  { id: "model", head: t("callModel"), cell: (c) => <span className="font-mono text-xs">{c.model}</span> },
  { id: "server", head: t("callServer"), from: "lg", cell: (c) => c.server },
  { id: "outcome", head: t("callOutcome"), cell: (c) => <Badge tone={c.outcome === "ok" ? "ok" : "bad"}>{c.outcome}</Badge> },
  { id: "in", head: t("tokensIn"), align: "right", cell: (c) => <Num n={c.prompt_tokens} /> },
  { id: "out", head: t("tokensOut"), align: "right", cell: (c) => <Num n={c.completion_tokens} /> },
  { id: "load", head: t("callLoad"), align: "right", from: "lg", cell: (c) => ms(c.load_ms) },
  { id: "prompt", head: t("callPrompt"), align: "right", from: "lg", cell: (c) => ms(c.prompt_ms) },
  { id: "completion", head: t("callCompletion"), align: "right", from: "lg", cell: (c) => ms(c.completion_ms) },
  { id: "total", head: t("callDuration"), align: "right", cell: (c) => ms(c.total_ms) },
];
const ms = (n: number | null) => (n === null ? "–" : duration(n));

/** Named results, tokens by model, and calls to models. */
export function OutputTab({ run }: { run: Run }) {
  const calls = useQuery({ ...callsQuery(run.run_id), enabled: usesModels(run) });
  const results = Object.entries(run.outputs);
  const models = Object.entries(run.tokens.by_model);
  if (results.length === 0 && models.length === 0 && !usesModels(run)) return <Empty icon={FileOutput} title={t("outputEmpty")}>{t("outputEmptyText")}</Empty>;
  return (
    <>
      {usesModels(run) ? <Notice title={t("notStored")}>{t("notStoredText")}</Notice> : null}
      {results.length > 0 ? (
        <Section title={t("results")} count={results.length}>
          <Facts items={results.map(([k, v]) => [k, <Result key={k} name={k} text={v} />] as const)} />
        </Section>
      ) : null}
      {models.length > 0 ? (
        <Section title={t("byModel")}>
          <Facts items={models.map(([m, n]) => [m, t("tokensInOut", { in: n.prompt ?? "?", out: n.completion ?? "?" })] as const)} />
        </Section>
      ) : null}
      {usesModels(run) ? (
        <Section title={t("calls")} count={calls.data?.items.length}>
          {calls.isPending ? <Loading rows={3} /> : calls.isError ? <ErrorState error={calls.error} onRetry={() => void calls.refetch()} /> : <div className="overflow-x-auto"><Table label={t("calls")} columns={callColumns} rows={calls.data.items} id={(c) => `${c.started_at} ${c.stage}`} /></div>}
        </Section>
      ) : null}
    </>
  );
}

function Result({ name, text }: { name: string; text: string }) {
  if (/^\s*[[{]/.test(text)) return <JsonView text={text} label={name} className="max-h-80" />;
  return <span className="font-mono text-xs whitespace-pre-wrap">{text}</span>;
}

/** What happened to the job, from the log of events. */
export function EventsTab({ job, run }: { job: string | null; /** The run that is shown: it needs no link. */ run?: string }) {
  const q = useInfiniteQuery({
    queryKey: ["job", job, "events"], enabled: job !== null, initialPageParam: "",
    queryFn: ({ signal, pageParam }) => ok(api.GET("/api/jobs/{job_id}/events", { signal, params: { path: { job_id: job ?? "" }, query: { limit: 200, ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (p) => p.next_cursor ?? undefined,
  });
  if (job === null) return <Empty icon={Activity} title={t("eventsEmpty")}>{t("noJobOfDirect")}</Empty>;
  if (q.isPending) return <Loading />;
  if (q.isError) return <ErrorState error={q.error} onRetry={() => void q.refetch()} />;
  const events = q.data.pages.flatMap((p) => p.items);
  if (events.length === 0) return <Empty icon={Activity} title={t("eventsEmpty")}>{t("eventsEmptyText")}</Empty>;
  const columns: readonly Column<Schema<"Event">>[] = [
    { id: "at", head: t("evTime"), width: "10rem", cell: (e) => <span className="text-dim">{clockSeconds(e.at, Date.now())}<span className="ml-2 text-faint"><Time at={e.at} /></span></span> },
    { id: "type", head: t("evWhat"), cell: (e) => <span className="font-mono text-xs">{e.type}</span> },
    { id: "facts", head: t("evFacts"), cell: (e) => <span className="flex flex-wrap gap-1">{Object.entries(e.data).map(([k, v]) => <Chip key={k} mono>{k}={v}</Chip>)}{e.run_id && e.run_id !== run ? <Link to="/runs/$id" params={{ id: e.run_id }} className="font-mono text-xs text-accent hover:underline">{e.run_id.slice(0, 8)}…{e.run_id.slice(-4)}</Link> : null}</span> },
    { id: "seq", head: t("evSeq"), align: "right", from: "md", cell: (e) => <span className="text-faint">{e.seq}</span> },
  ];
  return (
    <>
      <div className="overflow-x-auto"><Table label={t("tabEvents")} columns={columns} rows={events} id={(e) => String(e.seq)} /></div>
      {q.hasNextPage ? <Button className="mt-3" busy={q.isFetchingNextPage} onClick={() => void q.fetchNextPage()}>{t("evMore")}</Button> : null}
    </>
  );
}

const deliveryStates: Record<string, string> = { pending: "PENDING", delivered: "DELIVERED", failed: "RETRYING", dead: "FAILED" };

/** What was sent about the job. */
export function WebhooksTab({ run }: { run: Run }) {
  const q = useQuery({ queryKey: ["deliveries", { job: run.job_id }], enabled: run.job_id !== null, queryFn: ({ signal }) => ok(api.GET("/api/webhook-deliveries", { signal, params: { query: { job_id: run.job_id ?? "", limit: 100 } } })) });
  if (run.job_id === null) return <Empty icon={Webhook} title={t("webhooksEmpty")}>{t("noJobOfDirect")}</Empty>;
  if (q.isPending) return <Loading />;
  if (q.isError) return <ErrorState error={q.error} onRetry={() => void q.refetch()} />;
  if (q.data.items.length === 0) return <Empty icon={Webhook} title={t("webhooksEmpty")}>{t("webhooksEmptyText")}</Empty>;
  const columns: readonly Column<Schema<"WebhookDelivery">>[] = [
    { id: "status", head: t("whStatus"), width: "8rem", cell: (d) => <StateChip bare state={deliveryStates[d.status] ?? d.status} /> },
    { id: "event", head: t("whEvent"), cell: (d) => <span className="font-mono text-xs">{d.event}</span> },
    { id: "to", head: t("whTarget"), cell: (d) => d.webhook_id ? <Link to="/webhooks/$id" params={{ id: d.webhook_id }} className="text-accent hover:underline">{d.url ?? `${d.webhook_id.slice(0, 9)}…`}</Link> : <span className="[overflow-wrap:anywhere]">{d.url}</span> },
    { id: "answer", head: t("whAnswer"), cell: (d) => <span className={d.error ? "text-bad" : "text-dim"}>{d.last_status ?? d.error?.message ?? "–"}</span> },
    { id: "tries", head: t("whAttempts"), align: "right", cell: (d) => `${d.attempts} / ${d.max_attempts}` },
    { id: "time", head: t("whTime"), align: "right", from: "md", cell: (d) => <Time at={d.next_attempt_at ?? d.finished_at ?? d.created_at} /> },
  ];
  return <div className="overflow-x-auto"><Table label={t("tabWebhooks")} columns={columns} rows={q.data.items} id={(d) => d.delivery_id} /></div>;
}

/** Facts that are rarely needed. */
export function Details({ run, job }: { run: Run; job: Job | undefined }) {
  const labels = pairs(run.labels);
  const rows: (readonly [string, React.ReactNode])[] = [
    [t("runId"), <CopyId key="r" id={run.run_id} />],
    ...(run.job_id ? [[t("job"), <CopyId key="j" id={run.job_id} />] as const] : []),
    [t("createdBy"), who(run.created_by)],
    ...(run.template_id ? [[t("template"), <span key="t"><Link to="/templates" search={{ open: run.template_id }} className="text-accent hover:underline">{job?.name ?? run.template_id}</Link>{run.template_version ? `, ${t("version", { n: run.template_version })}` : ""}</span>] as const] : []),
    ...(run.schedule_id ? [[t("schedule"), <Link key="s" to="/schedules/$id" params={{ id: run.schedule_id }} className="text-accent hover:underline">{run.schedule_id}</Link>] as const] : []),
    ...(run.nominal_at ? [[t("scheduledFor"), <Time key="n" at={run.nominal_at} {...(run.timezone ? { zone: run.timezone } : {})} />] as const] : []),
    ...(run.directive ? [[t("directive"), `${run.directive.name}, ${t("version", { n: run.directive.version })}`] as const] : []),
    ...(run.group_id ? [[t("group"), <CopyId key="g" id={run.group_id} />] as const] : []),
    ...(run.retry_of ? [[t("retryOf"), <Link key="o" to="/runs/$id" params={{ id: run.retry_of }} className="font-mono text-xs text-accent hover:underline">{run.retry_of}</Link>] as const] : []),
    ...(run.instance_id ? [[t("instance"), <CopyId key="i" id={run.instance_id} />] as const] : []),
    ...(run.pid ? [[t("process"), String(run.pid)] as const] : []),
    ...(labels.length > 0 ? [[t("labels"), <span key="l" className="flex flex-wrap gap-1">{labels.map((l) => <Chip key={l} mono>{l}</Chip>)}</span>] as const] : []),
  ];
  return <Facts items={rows} />;
}
