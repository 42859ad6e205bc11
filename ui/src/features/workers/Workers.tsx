import { queryOptions, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CirclePause, CirclePlay, Server } from "lucide-react";
import { useState } from "react";
import { useChange } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { useCan } from "../../api/session";
import { overviewQuery } from "../../app/overview";
import { Badge } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Confirm } from "../../kit/Dialog";
import { Field, Input, Stepper } from "../../kit/Field";
import { duration } from "../../kit/format";
import { Page, PageHeader, Section } from "../../kit/Page";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { CopyId, Elapsed, Time, useNow } from "../../kit/Values";
import { t } from "../../text/workers";
import { Restarted } from "../queue/Notices";
import { nextRead } from "./leases";
import { Limits } from "./Limits";
import { Locks } from "./Locks";

type Slot = Schema<"Slot">;
type Instance = Schema<"Instance">;

const workersQuery = queryOptions({
  queryKey: ["workers"], queryFn: ({ signal }) => ok(api.GET("/api/workers", { signal })),
  refetchInterval: (q) => nextRead(q.state.data?.instances ?? [], Date.now()),
});

/** The page of workers, locks and limits. */
export function Workers() {
  const workers = useQuery(workersQuery);
  const w = workers.data;
  return (
    <Page>
      <PageHeader title={t("title")} facts={w ? <span>{w.count > 0 ? t("busy", { running: w.running, count: w.count }) : w.running > 0 ? t("draining", { n: w.running }) : t("noneStarts")}</span> : null} actions={<Actions count={w?.count} running={w?.running ?? 0} />} />
      <Restarted />
      {workers.error && !w ? <ErrorState error={workers.error} onRetry={() => void workers.refetch()} /> : null}
      {workers.isPending ? <Loading /> : null}
      {w ? (
        <div className="grid gap-x-8 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
          <Section title={t("slots")} count={w.slots.length}><Slots slots={w.slots} instances={w.instances} /></Section>
          <Section title={t("limits")} className="xl:mt-0"><Limits /></Section>
        </div>
      ) : null}
      <Locks />
      {w ? <Section title={t("instances")} count={w.instances.length}><Instances instances={w.instances} /></Section> : null}
    </Page>
  );
}

function Actions({ count, running }: { count: number | undefined; running: number }) {
  const { can, why } = useCan("workers:write");
  const queue = useQuery(overviewQuery);
  const [asks, setAsks] = useState(false);
  const [zero, setZero] = useState(false);
  const [reason, setReason] = useState("");
  const scale = useChange((n: number) => ok(api.PATCH("/api/workers", { body: { count: n } })), { old: ["workers", "queue"], said: (w) => t("scaled", { n: w.count }), done: () => setZero(false) });
  const pause = useChange(() => ok(api.POST("/api/queue/pause", { body: reason ? { reason } : {} })), { old: ["workers", "queue", "overview"], said: t("drained"), done: () => setAsks(false) });
  const resume = useChange(() => ok(api.POST("/api/queue/resume")), { old: ["workers", "queue", "overview"], said: t("resumed") });
  return (
    <>
      {queue.data?.paused ? <Badge tone="warn">{t("paused")}</Badge> : null}
      {count === undefined ? null : <Stepper label={t("count")} value={scale.isPending ? scale.variables : count} max={1024} disabled={!can} {...(can ? {} : { why })} onChange={(n) => (n === 0 ? setZero(true) : scale.mutate(n))} />}
      {queue.data?.paused
        ? <Button icon={CirclePlay} busy={resume.isPending} {...(can ? {} : { why })} onClick={() => resume.mutate()}>{t("resume")}</Button>
        : <Button icon={CirclePause} {...(can ? {} : { why })} onClick={() => setAsks(true)}>{t("drain")}</Button>}
      <CopyAs action={{ cli: `runsheet worker scale ${count ?? 1}`, method: "PATCH", path: "/api/workers", body: { count: count ?? 1 } }} />
      <Confirm open={zero} onClose={() => setZero(false)} title={t("zeroTitle")} description={running > 0 ? t("zeroText", { n: running }) : t("zeroIdle")} action={t("zeroDo")} danger busy={scale.isPending} onConfirm={() => scale.mutate(0)} />
      <Confirm open={asks} onClose={() => setAsks(false)} title={t("drainTitle")} description={t("drainText")} action={t("drain")} busy={pause.isPending} onConfirm={() => pause.mutate()}>
        <Field label={t("reason")} optional>{(ids) => <Input {...ids} value={reason} maxLength={500} onChange={(e) => setReason(e.target.value)} />}</Field>
      </Confirm>
    </>
  );
}

const slotWords = { idle: t("idle"), busy: t("busyState"), surplus: t("surplus") };

function Slots({ slots, instances }: { slots: readonly Slot[]; instances: readonly Instance[] }) {
  // Hundreds of idle slots say nothing that one number does not.
  const shown = slots.filter((s, i) => s.state !== "idle" || i < 12);
  const host = (id: string | null) => instances.find((i) => i.instance_id === id)?.hostname ?? "";
  const columns: Column<Slot>[] = [
    { id: "slot", head: t("slot"), width: "4rem", cell: (s) => <span className="text-dim">{s.slot}</span> },
    { id: "state", head: t("state"), width: "8rem", cell: (s) => <Badge tone={s.state === "idle" ? "idle" : s.state === "busy" ? "info" : "warn"}>{slotWords[s.state]}</Badge> },
    { id: "job", head: t("job"), cell: (s) => (s.run_id ? <Link to={`/runs/${s.run_id}` as never} className="font-medium hover:underline">{s.name ?? t("otherTenant")}</Link> : s.state === "idle" ? <span className="text-faint">–</span> : <span className="text-dim">{s.name ?? t("otherTenant")}</span>) },
    { id: "type", head: t("type"), from: "md", cell: (s) => <span className="text-dim">{s.job_type ?? ""}</span> },
    { id: "instance", head: t("instance"), from: "lg", cell: (s) => <span className="text-dim">{host(s.instance_id)}</span> },
    { id: "since", head: t("since"), align: "right", cell: (s) => (s.since ? <Elapsed since={s.since} /> : null) },
  ];
  if (slots.length === 0) return <Empty icon={Server} title={t("noSlots")} command="runsheet worker scale 2">{t("noSlotsText")}</Empty>;
  return (
    <>
      <Table label={t("slots")} columns={columns} rows={shown} id={(s) => String(s.slot)} />
      {shown.length < slots.length ? <p className="px-3 py-2 text-sm text-faint">{t("more", { n: slots.length - shown.length })}</p> : null}
    </>
  );
}

function Heartbeat({ until }: { until: string }) {
  const left = Date.parse(until) - useNow();
  return left > 0 ? <span className="text-dim">{t("leaseLeft", { left: duration(Math.ceil(left / 1000) * 1000) })}</span> : <Badge tone="bad">{t("leaseLost")}</Badge>;
}

function Instances({ instances }: { instances: readonly Instance[] }) {
  const columns: Column<Instance>[] = [
    { id: "host", head: t("host"), cell: (i) => <span className="font-medium">{i.hostname}</span> },
    { id: "id", head: t("instance"), from: "md", cell: (i) => <CopyId id={i.instance_id} /> },
    { id: "pid", head: t("process"), from: "lg", align: "right", cell: (i) => <span className="text-dim">{i.pid}</span> },
    { id: "version", head: t("version"), from: "sm", cell: (i) => <span className="text-dim">{i.version}</span> },
    { id: "started", head: t("started"), from: "sm", cell: (i) => <Time at={i.started_at} className="text-dim" /> },
    { id: "lease", head: t("lease"), align: "right", cell: (i) => <Heartbeat until={i.lease_until} /> },
  ];
  return <Table label={t("instances")} columns={columns} rows={instances} id={(i) => i.instance_id} />;
}
