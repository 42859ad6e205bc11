import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { useChange } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { meQuery } from "../../api/session";
import { Badge, Chip } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { Field, Input } from "../../kit/Field";
import { Facts, Section } from "../../kit/Page";
import { ErrorState, FormError, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { Time } from "../../kit/Values";
import { t } from "../../text/users";
import { RoleBadges } from "./roles";

/** The own account: rights, password, sessions. */
export function Account() {
  const me = useQuery(meQuery).data;
  if (!me) return <Loading />;
  return (
    <>
      <Section title={t("who")}>
        <Facts items={[[t("name"), me.name], [t("roles"), <RoleBadges key="r" value={me.roles} />], [t("tenant"), me.tenant], [t("rights"), <span key="s" className="flex flex-wrap gap-1">{[...me.scopes].sort().map((s) => <Chip key={s} mono>{s}</Chip>)}</span>]]} />
      </Section>
      {me.kind === "user" ? <><Sessions /><Section title={t("ownPassword")}><Password name={me.name} /></Section></> : <p className="mt-6 text-sm text-dim">{t("byToken")}</p>}
    </>
  );
}

function Password({ name }: { name: string }) {
  const client = useQueryClient();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const [differ, setDiffer] = useState(false);
  const save = useChange(() => ok(api.POST("/api/session/password", { body: { current_password: current, new_password: next } })), {
    old: ["sessions"], said: t("changed"), form: true,
    done: (me) => {
      client.setQueryData(meQuery.queryKey, me);
      setCurrent("");
      setNext("");
      setAgain("");
    },
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    setDiffer(next !== again);
    if (next === again) save.mutate();
  };
  return (
    <form onSubmit={submit} className="flex max-w-sm flex-col gap-4">
      <input type="text" hidden readOnly autoComplete="username" value={name} />
      <Field label={t("current")}>{(ids) => <Input {...ids} type="password" required autoComplete="current-password" value={current} onChange={(e) => setCurrent(e.target.value)} />}</Field>
      <Field label={t("next")} hint={t("passwordHint")}>{(ids) => <Input {...ids} type="password" required autoComplete="new-password" value={next} onChange={(e) => setNext(e.target.value)} />}</Field>
      <Field label={t("again")} error={differ ? t("differ") : undefined} hint={t("changeHint")}>{(ids) => <Input {...ids} type="password" required autoComplete="new-password" value={again} onChange={(e) => setAgain(e.target.value)} />}</Field>
      <FormError error={save.error} />
      <div><Button type="submit" busy={save.isPending}>{t("change")}</Button></div>
    </form>
  );
}

function Sessions() {
  const sessions = useQuery({ queryKey: ["sessions"], queryFn: ({ signal }) => ok(api.GET("/api/sessions", { signal })) });
  const end = useChange((id: string) => ok(api.DELETE("/api/sessions/{session_id}", { params: { path: { session_id: id } } })), { old: ["sessions"], said: t("ended") });
  const columns: Column<Schema<"Session">>[] = [
    { id: "agent", head: t("browser"), cell: (s) => <span className="flex items-center gap-2"><span className="max-w-[18rem] truncate lg:max-w-[40rem]" title={s.agent}>{s.agent || "–"}</span>{s.current ? <Badge tone="accent">{t("thisOne")}</Badge> : null}</span> },
    { id: "remote", head: t("address"), from: "sm", cell: (s) => <span className="font-mono text-xs text-dim">{s.remote}</span> },
    { id: "seen", head: t("seen"), from: "sm", cell: (s) => <Time at={s.seen_at} className="text-dim" /> },
    { id: "began", head: t("began"), from: "lg", cell: (s) => <Time at={s.created_at} className="text-dim" /> },
    { id: "ends", head: t("ends"), from: "md", cell: (s) => <Time at={s.expires_at} className="text-dim" /> },
    { id: "end", head: <span className="sr-only">{t("end")}</span>, width: "5rem", align: "right", cell: (s) => (s.current ? null : <Button small look="danger" busy={end.isPending && end.variables === s.session_id} onClick={() => end.mutate(s.session_id)}>{t("end")}</Button>) },
  ];
  return (
    <Section title={t("sessions")} count={sessions.data?.items.length}>
      {sessions.error ? <ErrorState error={sessions.error} onRetry={() => void sessions.refetch()} /> : sessions.data ? <Table label={t("sessions")} columns={columns} rows={sessions.data.items} id={(s) => s.session_id} /> : <Loading rows={2} />}
    </Section>
  );
}
