import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { ArrowRight, Bot, CalendarClock, CheckCircle2, CirclePlay, History, ListOrdered, type LucideIcon, RotateCw, ShieldCheck, Trash2, Users, Webhook, Workflow } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useChange } from "../../api/change";
import { api, ok } from "../../api/client";
import { useCan } from "../../api/session";
import { Badge } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { Command } from "../../kit/CopyAs";
import { Confirm } from "../../kit/Dialog";
import { bytes } from "../../kit/format";
import { Page, PageHeader } from "../../kit/Page";
import { ErrorState, FormError, Loading } from "../../kit/States";
import { t } from "../../text/welcome";
import { Crontab } from "./Crontab";

/** The page after the setup: what to do first. */
export function Welcome() {
  const navigate = useNavigate();
  return (
    <Page narrow>
      <PageHeader title={t("title")} facts={<span>{t("text")}</span>} actions={<Button icon={ArrowRight} onClick={() => void navigate({ to: "/queue" as never })}>{t("toQueue")}</Button>} />
      <div className="flex flex-col divide-y divide-line border-y border-line">
        <Demo />
        <Models />
        <Step icon={CalendarClock} title={t("cron")} text={t("cronText")}><Crontab /></Step>
      </div>
      <h2 className="pt-6 pb-2 text-sm font-semibold">{t("onward")}</h2>
      <ul className="grid gap-x-6 gap-y-1 sm:grid-cols-2">
        <Onward to="/queue" icon={ListOrdered} title={t("onQueue")} text={t("onQueueText")} />
        <Onward to="/workflows" icon={Workflow} title={t("onWorkflow")} text={t("onWorkflowText")} />
        <Onward to="/system/users" icon={Users} title={t("onUsers")} text={t("onUsersText")} />
        <Onward to="/webhooks" icon={Webhook} title={t("onWebhooks")} text={t("onWebhooksText")} />
      </ul>
    </Page>
  );
}

function Step({ icon: Icon, title, text, actions, children }: { icon: LucideIcon; title: string; text: string; actions?: ReactNode; children?: ReactNode }) {
  return (
    <section aria-label={title} className="py-5">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-3">
        <Icon aria-hidden className="mt-0.5 size-5 shrink-0 text-accent" strokeWidth={1.75} />
        <div className="min-w-0 grow basis-64">
          <h2 className="text-base font-semibold">{title}</h2>
          <p className="max-w-2xl text-sm text-dim">{text}</p>
        </div>
        <div className="flex flex-wrap gap-2">{actions}</div>
      </div>
      {children ? <div className="mt-4 sm:pl-9">{children}</div> : null}
    </section>
  );
}

function Onward({ to, icon: Icon, title, text }: { to: string; icon: LucideIcon; title: string; text: string }) {
  return (
    <li>
      <Link to={to as never} className="target -mx-2 flex items-center gap-3 rounded-md px-2 py-2 hover:bg-hover">
        <Icon aria-hidden className="size-4 shrink-0 text-faint" strokeWidth={1.75} />
        <span className="min-w-0"><span className="block text-sm font-medium">{title}</span><span className="block text-xs text-faint">{text}</span></span>
      </Link>
    </li>
  );
}

const ended = ["COMPLETED", "FAILED", "SKIPPED", "CANCELLED"];

function Demo() {
  const { can, why } = useCan("settings:write");
  const off = can ? {} : { why };
  const [asks, setAsks] = useState(false);
  const jobs = useQuery({ queryKey: ["jobs", "demo"], queryFn: ({ signal }) => ok(api.GET("/api/jobs", { signal, params: { query: { label: ["demo:true"], sort: "-created_at", limit: 50 } } })), refetchInterval: (q) => (q.state.data?.items.some((j) => !ended.includes(j.status)) ? 2000 : false) });
  const templates = useQuery({ queryKey: ["templates", "demo"], queryFn: ({ signal }) => ok(api.GET("/api/job-templates", { signal, params: { query: { label: ["demo:true"], limit: 1 } } })) });
  const start = useChange(() => ok(api.POST("/api/demo")), { old: ["jobs", "templates", "workflows", "queue"] });
  const remove = useChange(() => ok(api.DELETE("/api/demo")), { old: ["jobs", "templates", "workflows", "queue"], said: t("demoRemoved"), done: () => setAsks(false), form: true });
  const close = () => {
    setAsks(false);
    remove.reset();
  };
  const workflows = useQuery({ queryKey: ["workflows", "demo"], queryFn: ({ signal }) => ok(api.GET("/api/workflows", { signal, params: { query: { label: ["demo:true"], archived: false, limit: 1 } } })) });
  const made = templates.data?.items[0] ?? workflows.data?.items[0];
  const there = made !== undefined;
  // Only what the demonstration that is there made: a run that was removed is history.
  const first = made?.created_at ?? "";
  const shown = there ? (jobs.data?.items ?? []).filter((j) => j.created_at >= first) : [];
  const done = shown.filter((j) => ended.includes(j.status));
  const well = shown.filter((j) => j.status === "COMPLETED").length;
  const failed = shown.filter((j) => j.status === "FAILED").length;
  const green = well > 0;
  const flaky = shown.filter((j) => j.name === "demo_flaky").at(-1)?.workflow_run_id; // not its retries
  return (
    <Step
      icon={CirclePlay} title={t("demo")} text={t("demoText")}
      actions={there ? <Button icon={Trash2} {...off} onClick={() => setAsks(true)}>{t("demoRemove")}</Button> : <Button look="primary" icon={CirclePlay} busy={start.isPending} {...off} onClick={() => start.mutate()}>{t("demoRun")}</Button>}
    >
      {there && shown.length > 0 ? (
        <>
          <ul aria-label={t("tries")} className="grid gap-x-6 gap-y-1 sm:grid-cols-2">
            <Onward to="/queue" icon={ListOrdered} title={t("tryOrder")} text={t("tryOrderText")} />
            <Onward to={flaky ? `/workflow-runs/${flaky}` : "/workflows/demo_flaky"} icon={RotateCw} title={t("tryRetry")} text={t("tryRetryText")} />
            <Onward to="/workflows/demo_pipeline/versions" icon={History} title={t("tryBack")} text={t("tryBackText")} />
            <Onward to="/approvals" icon={ShieldCheck} title={t("tryDecide")} text={t("tryDecideText")} />
          </ul>
          <p role="status" data-demo={green ? "green" : "busy"} className="flex flex-wrap items-center gap-2 pt-2 text-sm text-dim">
            {green ? <><CheckCircle2 aria-hidden className="size-4 text-ok" />{t("demoGreen", { well, failed, rest: shown.length - done.length })} <Link to={"/queue" as never} className="text-accent hover:underline">{t("toQueue")}</Link></> : t("demoOf", { done: done.length, n: shown.length })}
          </p>
        </>
      ) : null}
      <Confirm open={asks} onClose={close} title={t("demoRemoveTitle")} description={t("demoRemoveText")} action={t("demoRemove")} busy={remove.isPending} onConfirm={() => remove.mutate()}>{remove.error ? <FormError error={remove.error} /> : null}</Confirm>
    </Step>
  );
}

function Models() {
  const servers = useQuery({ queryKey: ["llm-servers"], queryFn: ({ signal }) => ok(api.GET("/api/llm/servers", { signal })) });
  const list = servers.data?.items ?? [];
  const away = list.length > 0 && list.every((s) => s.status !== "ok");
  return (
    <Step icon={Bot} title={t("llm")} text={t("llmText")} actions={<Button icon={RotateCw} busy={servers.isFetching} onClick={() => void servers.refetch()}>{t("llmRetry")}</Button>}>
      {servers.error && !servers.data ? <ErrorState error={servers.error} onRetry={() => void servers.refetch()} /> : servers.isPending ? <Loading rows={2} /> : (
        <div className="flex flex-col gap-2 text-sm">
          {list.map((s) => (
            <div key={s.name} className="flex flex-wrap items-center gap-x-3 gap-y-1">
              <Badge tone={s.status === "ok" ? "ok" : "warn"}>{s.status === "ok" ? t("llmFound", { name: s.name, n: s.models.length }) : t("llmAway", { name: s.name })}</Badge>
              <code className="font-mono text-xs text-faint">{s.url}</code>
              {s.models.slice(0, 4).map((m) => <span key={m.name} className="text-dim">{m.name} {m.size_bytes ? <span className="text-faint">{bytes(m.size_bytes)}</span> : null}</span>)}
            </div>
          ))}
          {away || list.length === 0 ? <><p className="text-dim">{t("llmInstall")}</p><Command text="ollama pull qwen3:8b" /></> : (
            <p className="flex flex-wrap gap-x-3 text-dim"><span>{servers.data?.default_model ? t("llmDefault", { model: servers.data.default_model }) : t("llmNoDefault")}</span><Link to={"/system/settings" as never} search={{ tab: "llm" } as never} className="text-accent hover:underline">{t("llmTo")}</Link></p>
          )}
        </div>
      )}
    </Step>
  );
}
