import { useNavigate } from "@tanstack/react-router";
import { Ban, Check, History, KeyRound, MoreHorizontal, Pencil, Trash2 } from "lucide-react";
import { useState, type FormEvent } from "react";
import { patchOf, useChange } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { usePages } from "../../api/pages";
import { useCan } from "../../api/session";
import { Badge, StateChip } from "../../kit/Badge";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Confirm, Dialog, Drawer } from "../../kit/Dialog";
import { Field, Input } from "../../kit/Field";
import { Menu } from "../../kit/Menu";
import { More } from "../../kit/More";
import { Facts, FilterBar } from "../../kit/Page";
import { Empty, ErrorState, FormError, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { CopyId, Time } from "../../kit/Values";
import { missing } from "../../kit/missing";
import { Wanted } from "../../kit/Wanted";
import { who } from "../../kit/who";
import { t as kit } from "../../text/kit";
import { t } from "../../text/users";
import { RoleBadges, RoleBoxes, rolesOf, type Role } from "./roles";

type User = Schema<"User">;
type Act = "edit" | "reset" | "remove";

export function UserTable({ q, open, change, own }: { q: string; open: string; own: string; change: (next: { q?: string; open?: string }, replace?: boolean) => void }) {
  const pages = usePages<User>(["users", q], (cursor, signal) => ok(api.GET("/api/users", { signal, params: { query: { limit: 100, ...(q ? { q } : {}), ...(cursor ? { cursor } : {}) } } })));
  const [act, setAct] = useState<{ user: User; what: Act } | null>(null);
  const shown = pages.items.find((u) => u.user_id === open);
  const columns: Column<User>[] = [
    { id: "name", head: t("name"), cell: (u) => <span className="inline-flex items-center gap-2"><span className="font-medium">{u.name}</span>{u.user_id === own ? <Badge>{t("you")}</Badge> : null}{u.issuer ? <Badge tone="info">{t("oidc")}</Badge> : null}</span> },
    { id: "roles", head: t("roles"), cell: (u) => <RoleBadges value={u.roles} /> },
    { id: "state", head: t("state"), from: "sm", cell: (u) => <StateChip bare state={u.disabled ? "DISABLED" : "ENABLED"} /> },
    { id: "tenant", head: t("tenant"), from: "lg", cell: (u) => <span className="text-dim">{u.tenant}</span> },
    { id: "login", head: t("lastLogin"), from: "md", cell: (u) => (u.last_login_at ? <Time at={u.last_login_at} className="text-dim" /> : <span className="text-faint">{t("never")}</span>) },
    { id: "created", head: t("created"), from: "xl", cell: (u) => <span className="text-dim"><Time at={u.created_at} /> {u.created_by ? t("createdBy", { name: who(u.created_by) }) : ""}</span> },
    { id: "actions", head: <span className="sr-only">{kit("menu")}</span>, width: "3rem", align: "right", cell: (u) => <UserMenu user={u} onAct={(what) => setAct({ user: u, what })} /> },
  ];
  const close = () => setAct(null);
  return (
    <>
      <FilterBar query={q} onQuery={(v) => change({ q: v }, true)} placeholder={t("search")} />
      {pages.error ? <ErrorState error={pages.error} onRetry={pages.retry} /> : pages.isPending ? <Loading /> : pages.items.length === 0 ? <Empty title={t("noUsers")} />
        : <><Table label={t("users")} columns={columns} rows={pages.items} id={(u) => u.user_id} current={open || undefined} onOpen={(u) => change({ open: u.user_id })} /><More pages={pages} /></>}
      <Drawer open={shown !== undefined} onClose={() => change({ open: "" }, true)} title={shown?.name ?? ""}>
        {shown ? <UserFacts user={shown} /> : null}
      </Drawer>
      {act?.what === "edit" ? <EditUser user={act.user} onClose={close} /> : null}
      {act?.what === "reset" ? <ResetPassword user={act.user} onClose={close} /> : null}
      {act?.what === "remove" ? <RemoveUser user={act.user} onClose={close} /> : null}
    </>
  );
}

function UserFacts({ user: u }: { user: User }) {
  return (
    <Facts items={[
      ["ID", <CopyId key="id" id={u.user_id} full />], [t("roles"), <RoleBadges key="r" value={u.roles} />], [t("state"), <StateChip key="s" bare state={u.disabled ? "DISABLED" : "ENABLED"} />], [t("tenant"), u.tenant],
      [t("lastLogin"), u.last_login_at ? <Time key="l" at={u.last_login_at} /> : t("never")], [t("created"), <span key="c"><Time at={u.created_at} /> {u.created_by ? t("createdBy", { name: who(u.created_by) }) : ""}</span>],
      [t("password"), u.has_password ? "••••••••" : t("none")], ...(u.issuer ? [[t("oidc"), `${u.issuer} ${u.subject ?? ""}`] as const] : []),
    ]}
    />
  );
}

function UserMenu({ user: u, onAct }: { user: User; onAct: (what: Act) => void }) {
  const { can, why } = useCan("users:write");
  const off = can ? {} : { why };
  const navigate = useNavigate();
  const turn = useChange(() => ok(api.PATCH("/api/users/{user_id}", { params: { path: { user_id: u.user_id } }, headers: patchOf(u.version), body: { disabled: !u.disabled } as Schema<"UserPatch"> })), { old: ["users"], said: t(u.disabled ? "enabled" : "disabled", { name: u.name }) });
  return (
    <Menu
      trigger={<IconButton small icon={MoreHorizontal} label={t("actionsOf", { name: u.name })} busy={turn.isPending} />}
      items={[
        { label: t("edit"), icon: Pencil, onSelect: () => onAct("edit"), ...off },
        { label: t("reset"), icon: KeyRound, onSelect: () => onAct("reset"), ...off },
        u.disabled ? { label: t("enable"), icon: Check, onSelect: () => turn.mutate(), ...off } : { label: t("disable"), icon: Ban, onSelect: () => turn.mutate(), ...off },
        { label: t("history"), icon: History, onSelect: () => void navigate({ to: "/system/audit" as never, search: { object: u.user_id } as never }) },
        "-",
        { label: t("remove"), icon: Trash2, danger: true, onSelect: () => onAct("remove"), ...off },
      ]}
    />
  );
}

export function AddUser({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [roles, setRoles] = useState<Role[]>(["viewer"]);
  const add = useChange(() => ok(api.POST("/api/users", { body: { name, roles, ...(password ? { password } : {}) } })), { old: ["users"], said: t("userAdded", { name }), done: onClose, form: true });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    add.mutate();
  };
  return (
    <Dialog
      open onClose={onClose} title={t("addTitle")} description={t("addText")}
      footer={
        <>
          <div className="mr-auto"><CopyAs action={{ cli: `runsheet user create ${name || "NAME"} ${roles.map((r) => `--role ${r}`).join(" ")}`, method: "POST", path: "/api/users", body: { name, roles } }} /></div>
          <Button onClick={onClose}>{kit("cancel")}</Button>
          <Wanted>{missing([t("name"), !name], [t("roles"), roles.length === 0])}</Wanted>
          <Button look="primary" type="submit" form="add-user" busy={add.isPending} why={missing([t("name"), !name], [t("roles"), roles.length === 0])}>{t("create")}</Button>
        </>
      }
    >
      <form id="add-user" onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t("name")}>{(ids) => <Input {...ids} autoFocus required autoComplete="off" autoCapitalize="none" spellCheck={false} value={name} onChange={(e) => setName(e.target.value)} />}</Field>
        <Field label={t("password")} optional hint={`${t("passwordHint")} ${t("noPassword")}`}>{(ids) => <Input {...ids} type="password" autoComplete="new-password" value={password} onChange={(e) => setPassword(e.target.value)} />}</Field>
        <RoleBoxes value={roles} onChange={setRoles} />
        <FormError error={add.error} />
      </form>
    </Dialog>
  );
}

function EditUser({ user, onClose }: { user: User; onClose: () => void }) {
  const [name, setName] = useState(user.name);
  const [roles, setRoles] = useState(rolesOf(user.roles));
  const body = { name, roles } as Schema<"UserPatch">;
  const save = useChange(() => ok(api.PATCH("/api/users/{user_id}", { params: { path: { user_id: user.user_id } }, headers: patchOf(user.version), body })), { old: ["users"], said: t("userSaved", { name }), done: onClose, form: true });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    save.mutate();
  };
  return (
    <Dialog
      open onClose={onClose} title={t("editTitle", { name: user.name })} description={t("editText")}
      footer={
        <>
          <div className="mr-auto"><CopyAs action={{ cli: `runsheet user set ${user.name} ${roles.map((r) => `--role ${r}`).join(" ")}`, method: "PATCH", path: `/api/users/${user.user_id}`, body }} /></div>
          <Button onClick={onClose}>{kit("cancel")}</Button>
          <Wanted>{missing([t("name"), !name], [t("roles"), roles.length === 0])}</Wanted>
          <Button look="primary" type="submit" form="edit-user" busy={save.isPending} why={missing([t("name"), !name], [t("roles"), roles.length === 0])}>{t("save")}</Button>
        </>
      }
    >
      <form id="edit-user" onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t("name")}>{(ids) => <Input {...ids} required autoComplete="off" value={name} onChange={(e) => setName(e.target.value)} />}</Field>
        <RoleBoxes value={roles} onChange={setRoles} />
        <FormError error={save.error} />
      </form>
    </Dialog>
  );
}

function ResetPassword({ user, onClose }: { user: User; onClose: () => void }) {
  const [password, setPassword] = useState("");
  const save = useChange(() => ok(api.PATCH("/api/users/{user_id}", { params: { path: { user_id: user.user_id } }, headers: patchOf(user.version), body: { password } as Schema<"UserPatch"> })), { old: ["users"], said: t("resetDone", { name: user.name }), done: onClose, form: true });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    save.mutate();
  };
  return (
    <Dialog
      open onClose={onClose} title={t("resetTitle", { name: user.name })} description={t("resetText")}
      footer={<><Button onClick={onClose}>{kit("cancel")}</Button><Button look="primary" type="submit" form="reset" busy={save.isPending} disabled={!password}>{t("save")}</Button></>}
    >
      <form id="reset" onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t("password")} hint={t("passwordHint")}>{(ids) => <Input {...ids} autoFocus type="password" autoComplete="new-password" value={password} onChange={(e) => setPassword(e.target.value)} />}</Field>
        <FormError error={save.error} />
      </form>
    </Dialog>
  );
}

function RemoveUser({ user, onClose }: { user: User; onClose: () => void }) {
  const remove = useChange(() => ok(api.DELETE("/api/users/{user_id}", { params: { path: { user_id: user.user_id } } })), { old: ["users"], said: t("removed", { name: user.name }), done: onClose, form: true });
  return (
    <Confirm open onClose={onClose} danger title={t("removeTitle", { name: user.name })} description={t("removeText")} action={t("removeDo")} busy={remove.isPending} onConfirm={() => remove.mutate()}>
      <FormError error={remove.error} />
    </Confirm>
  );
}
