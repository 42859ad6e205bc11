import { Link, useNavigate } from "@tanstack/react-router";
import { Gauge, History, Lock as LockIcon, MoreHorizontal, Unlock } from "lucide-react";
import { useState, type FormEvent } from "react";
import { useChange, patchOf } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { usePages } from "../../api/pages";
import { useCan } from "../../api/session";
import { Badge } from "../../kit/Badge";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Dialog } from "../../kit/Dialog";
import { Field, Input } from "../../kit/Field";
import { Menu } from "../../kit/Menu";
import { More } from "../../kit/More";
import { Section } from "../../kit/Page";
import { Empty, ErrorState, FormError, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { Elapsed, Time } from "../../kit/Values";
import { t as kit } from "../../text/kit";
import { t } from "../../text/workers";

type Lock = Schema<"Lock">;
type Holder = Schema<"LockHolder">;
/** A holder of a lock, or a lock that only has waiters. */
interface Row { lock: Lock; holder: Holder | null; first: boolean }

/** The table of locks with holders and waiters. */
export function Locks() {
  const read = useCan("locks:read");
  const pages = usePages<Lock>(["locks"], (cursor, signal) => ok(api.GET("/api/locks", { signal, params: { query: { include: ["waiters"], limit: 100, ...(cursor ? { cursor } : {}) } } })), read.can);
  const [taken, setTaken] = useState<Row | null>(null);
  const [sized, setSized] = useState<Lock | null>(null);
  const rows = pages.items.flatMap((lock): Row[] => (lock.holders.length > 0 ? lock.holders.map((holder, i) => ({ lock, holder, first: i === 0 })) : [{ lock, holder: null, first: true }]));
  const columns: Column<Row>[] = [
    { id: "name", head: t("lock"), cell: (r) => (r.first ? <Name lock={r.lock} /> : <span className="sr-only">{r.lock.name}</span>) },
    { id: "holder", head: t("holder"), cell: (r) => <HolderName holder={r.holder} /> },
    { id: "since", head: t("since"), from: "md", cell: (r) => (r.holder ? <Elapsed since={r.holder.since} /> : null) },
    { id: "ttl", head: t("ttl"), from: "md", cell: (r) => (r.holder?.expires_at ? <Time at={r.holder.expires_at} /> : r.holder ? <span className="text-faint">{t("jobTtl")}</span> : null) },
    { id: "token", head: t("token"), from: "sm", align: "right", cell: (r) => <span className="font-mono text-xs text-dim">{r.holder?.token ?? ""}</span> },
    { id: "waiters", head: t("waiting"), from: "lg", cell: (r) => (r.first ? <Waiters lock={r.lock} /> : null) },
    { id: "actions", head: <span className="sr-only">{kit("menu")}</span>, width: "3rem", align: "right", cell: (r) => <RowMenu row={r} onTake={setTaken} onSize={setSized} /> },
  ];
  if (!read.can) return null;
  return (
    <Section title={t("locks")} count={pages.isPending ? undefined : new Set(pages.items.map((l) => l.name)).size}>
      {pages.error ? <ErrorState error={pages.error} onRetry={pages.retry} /> : pages.isPending ? <Loading rows={3} /> : rows.length === 0
        ? <Empty icon={LockIcon} title={t("noLocks")} command="runsheet job add --lock gpu:0 -- /bin/echo hello">{t("noLocksText")}</Empty>
        : <><Table label={t("locks")} columns={columns} rows={rows} id={(r) => `${r.lock.name} ${r.holder?.token ?? ""}`} /><More pages={pages} /></>}
      {taken?.holder ? <ForceRelease key={`${taken.lock.name}${taken.holder.token}`} name={taken.lock.name} holder={taken.holder} onClose={() => setTaken(null)} /> : null}
      {sized ? <Capacity key={sized.name} lock={sized} onClose={() => setSized(null)} /> : null}
    </Section>
  );
}

function Name({ lock }: { lock: Lock }) {
  return (
    <span className="inline-flex flex-wrap items-center gap-x-2">
      <span className="font-mono text-xs font-medium [overflow-wrap:anywhere]">{lock.name}</span>
      {lock.capacity > 1 ? <span className="text-xs text-faint">{t("held", { held: lock.capacity - lock.free, capacity: lock.capacity })}</span> : null}
    </span>
  );
}

function HolderName({ holder: h }: { holder: Holder | null }) {
  if (!h) return <span className="text-faint">{t("nobody")}</span>;
  const text = h.holder ?? h.job_name ?? h.job_id ?? h.run_id ?? t("otherTenant");
  return (
    <span className="inline-flex flex-wrap items-center gap-x-2">
      {h.run_id ? <Link to={`/runs/${h.run_id}` as never} {...(h.job_id ? { title: h.job_id } : {})} className="hover:underline">{text}</Link> : <span>{h.other_tenant ? t("otherTenant") : text}</span>}
      {h.kind === "outside" ? <Badge>{t("outside")}</Badge> : h.kind === "direct" ? <Badge>{t("direct")}</Badge> : null}
      {h.lost ? <Badge tone="bad">{t("lost")}</Badge> : null}
    </span>
  );
}

function Waiters({ lock }: { lock: Lock }) {
  const all = lock.waiters ?? [];
  if (all.length === 0) return <span className="text-faint">–</span>;
  return (
    <ol className="flex flex-wrap gap-x-2 gap-y-0.5">
      {all.slice(0, 3).map((w, i) => (
        <li key={w.job_id ?? w.run_id ?? i} className="inline-flex max-w-48 items-center gap-1">
          <span className="text-xs text-faint">{i + 1}</span>
          {w.job_id ? <Link to={"/queue" as never} search={{ job: w.job_id } as never} className="truncate hover:underline">{w.name ?? w.job_id}</Link> : <span className="truncate">{w.other_tenant ? t("otherTenant") : (w.name ?? t("direct"))}</span>}
        </li>
      ))}
      {all.length > 3 ? <li className="text-faint">+{all.length - 3}</li> : null}
    </ol>
  );
}

function RowMenu({ row, onTake, onSize }: { row: Row; onTake: (r: Row) => void; onSize: (l: Lock) => void }) {
  const { can, why } = useCan("locks:write");
  const navigate = useNavigate();
  const off = can ? {} : { why };
  return (
    <Menu
      trigger={<IconButton small icon={MoreHorizontal} label={t("actionsOf", { name: row.lock.name })} />}
      items={[
        { label: t("release"), icon: Unlock, danger: true, onSelect: () => onTake(row), ...(row.holder ? off : { disabled: true }) },
        { label: t("capacity"), icon: Gauge, onSelect: () => onSize(row.lock), ...off },
        { label: t("history"), icon: History, onSelect: () => void navigate({ to: "/system/audit" as never, search: { object: row.lock.name } as never }) },
      ]}
    />
  );
}

function ForceRelease({ name, holder, onClose }: { name: string; holder: Holder; onClose: () => void }) {
  const [typed, setTyped] = useState("");
  const body = { token: holder.token };
  const take = useChange(() => ok(api.POST("/api/locks/{name}/force-release", { params: { path: { name } }, body })), { old: ["locks", "queue"], said: t("released", { name }), done: onClose, form: true });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (typed === name) take.mutate();
  };
  return (
    <Dialog
      open onClose={onClose} title={t("releaseTitle", { name })} description={t("releaseText")}
      footer={
        <>
          <div className="mr-auto"><CopyAs action={{ cli: `runsheet lock force-release ${name} ${holder.token}`, method: "POST", path: `/api/locks/${encodeURIComponent(name)}/force-release`, body }} /></div>
          <Button onClick={onClose}>{kit("cancel")}</Button>
          <Button look="danger" type="submit" form="force-release" busy={take.isPending} disabled={typed !== name}>{t("releaseDo")}</Button>
        </>
      }
    >
      <form id="force-release" onSubmit={submit} className="flex flex-col gap-3">
        {holder.lost ? <p className="rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">{t("releaseLost")}</p> : null}
        <p className="flex flex-wrap gap-x-3 text-sm text-dim"><HolderName holder={holder} /><span>{t("token")} {holder.token}</span></p>
        <Field label={t("typeName", { name })}>{(ids) => <Input {...ids} mono autoFocus autoComplete="off" spellCheck={false} value={typed} onChange={(e) => setTyped(e.target.value)} />}</Field>
        <FormError error={take.error} />
      </form>
    </Dialog>
  );
}

function Capacity({ lock, onClose }: { lock: Lock; onClose: () => void }) {
  const [n, setN] = useState(String(lock.capacity));
  const whole = /^\d{1,4}$/.test(n) && Number(n) > 0;
  const save = useChange(() => ok(api.PATCH("/api/locks/{name}", { params: { path: { name: lock.name } }, body: { capacity: Number(n) }, headers: patchOf() })), { old: ["locks", "queue"], said: t("capacitySet", { name: lock.name, n: Number(n) }), done: onClose, form: true });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (whole) save.mutate();
  };
  return (
    <Dialog
      open onClose={onClose} title={t("capacityTitle", { name: lock.name })} description={t("capacityText")}
      footer={
        <>
          <div className="mr-auto"><CopyAs action={{ cli: `runsheet lock set-capacity ${lock.name} ${n}`, method: "PATCH", path: `/api/locks/${encodeURIComponent(lock.name)}`, body: { capacity: Number(n) } }} /></div>
          <Button onClick={onClose}>{kit("cancel")}</Button>
          <Button look="primary" type="submit" form="capacity" disabled={!whole} busy={save.isPending}>{t("save")}</Button>
        </>
      }
    >
      <form id="capacity" onSubmit={submit} className="flex flex-col gap-3">
        <Field label={t("holders")}>{(ids) => <Input {...ids} autoFocus inputMode="numeric" value={n} onChange={(e) => setN(e.target.value)} className="w-32" />}</Field>
        <FormError error={save.error} />
      </form>
    </Dialog>
  );
}
