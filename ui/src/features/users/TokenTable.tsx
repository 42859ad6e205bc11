import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { CircleOff, History, KeyRound, MoreHorizontal } from "lucide-react";
import { useState, type FormEvent } from "react";
import { useChange } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { usePages } from "../../api/pages";
import { meQuery, useCan } from "../../api/session";
import { Badge, Chip } from "../../kit/Badge";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Confirm, Dialog, Drawer } from "../../kit/Dialog";
import { CheckBox, Field, Input } from "../../kit/Field";
import { Select } from "../../kit/Select";
import { Menu } from "../../kit/Menu";
import { More } from "../../kit/More";
import { Once } from "../../kit/Once";
import { Facts, FilterBar } from "../../kit/Page";
import { Empty, ErrorState, FormError, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { CopyId, Time } from "../../kit/Values";
import { missing } from "../../kit/missing";
import { Wanted } from "../../kit/Wanted";
import { who } from "../../kit/who";
import { t as kit } from "../../text/kit";
import { t } from "../../text/users";
import { RoleBadges, RoleBoxes, type Role } from "./roles";

type Token = Schema<"Token">;

export function TokenTable({ valid, open, change }: { valid: boolean; open: string; change: (next: { valid?: "0" | "1"; open?: string; add?: boolean }, replace?: boolean) => void }) {
  const pages = usePages<Token>(["tokens", valid], (cursor, signal) => ok(api.GET("/api/tokens", { signal, params: { query: { limit: 100, ...(valid ? { valid } : {}), ...(cursor ? { cursor } : {}) } } })));
  const write = useCan("tokens:write");
  const [revoked, setRevoked] = useState<Token | null>(null);
  const shown = pages.items.find((k) => k.token_id === open);
  const columns: Column<Token>[] = [
    { id: "name", head: t("name"), cell: (k) => <span className="font-medium">{k.name}</span> },
    { id: "id", head: "ID", from: "lg", cell: (k) => <CopyId id={k.token_id} /> },
    { id: "roles", head: t("roles"), from: "sm", cell: (k) => <RoleBadges value={k.roles} /> },
    { id: "scopes", head: t("rights"), from: "lg", cell: (k) => <Scopes token={k} /> },
    { id: "used", head: t("lastUsed"), from: "md", cell: (k) => (k.last_used_at ? <Time at={k.last_used_at} className="text-dim" /> : <span className="text-faint">{t("never")}</span>) },
    { id: "expires", head: t("expires"), cell: (k) => <Validity token={k} /> },
    { id: "actions", head: <span className="sr-only">{kit("menu")}</span>, width: "3rem", align: "right", cell: (k) => <TokenMenu token={k} onRevoke={() => setRevoked(k)} /> },
  ];
  return (
    <>
      <FilterBar><CheckBox label={t("onlyValid")} checked={valid} onChange={(on) => change({ valid: on ? "1" : "0" })} /></FilterBar>
      {pages.error ? <ErrorState error={pages.error} onRetry={pages.retry} /> : pages.isPending ? <Loading /> : pages.items.length === 0
        ? <Empty icon={KeyRound} title={t("noTokens")} command="runsheet token create ci --role operator --expires 30d > ci.token" action={<Button icon={KeyRound} {...(write.can ? {} : { why: write.why })} onClick={() => change({ add: true })}>{t("newToken")}</Button>}>{t("noTokensText")}</Empty>
        : <><Table label={t("tokens")} columns={columns} rows={pages.items} id={(k) => k.token_id} current={open || undefined} onOpen={(k) => change({ open: k.token_id })} /><More pages={pages} /></>}
      <Drawer open={shown !== undefined} onClose={() => change({ open: "" }, true)} title={shown?.name ?? ""}>
        {shown ? (
          <Facts items={[
            ["ID", <CopyId key="i" id={shown.token_id} full />], [t("roles"), <RoleBadges key="r" value={shown.roles} />], [t("rights"), <Scopes key="s" token={shown} all />], [t("templates"), shown.templates?.join(", ") ?? t("allTemplates")],
            [t("rate"), shown.rate_per_minute > 0 ? t("perMinute", { n: shown.rate_per_minute }) : "–"], [t("lastUsed"), shown.last_used_at ? <Time key="u" at={shown.last_used_at} /> : t("never")], [t("expires"), <Validity key="e" token={shown} />],
            [t("created"), <span key="c"><Time at={shown.created_at} /> {shown.created_by ? t("createdBy", { name: who(shown.created_by) }) : ""}</span>], [t("tenant"), shown.tenant],
          ]}
          />
        ) : null}
      </Drawer>
      {revoked ? <Revoke token={revoked} onClose={() => setRevoked(null)} /> : null}
    </>
  );
}

function Scopes({ token: k, all }: { token: Token; all?: boolean }) {
  if (!k.scopes) return <span className="text-dim">{t("all")}</span>;
  const shown = all ? k.scopes : k.scopes.slice(0, 2);
  return <span className="inline-flex flex-wrap gap-1">{shown.map((s) => <Chip key={s} mono>{s}</Chip>)}{k.scopes.length > shown.length ? <span className="text-faint">+{k.scopes.length - shown.length}</span> : null}</span>;
}

function Validity({ token: k }: { token: Token }) {
  if (k.revoked_at) return <span className="inline-flex gap-2"><Badge tone="bad">{t("revoked")}</Badge><Time at={k.revoked_at} className="text-faint" /></span>;
  if (!k.valid) return <Badge tone="warn">{t("expired")}</Badge>;
  return <Time at={k.expires_at} className="text-dim" />;
}

function TokenMenu({ token: k, onRevoke }: { token: Token; onRevoke: () => void }) {
  const { can, why } = useCan("tokens:write");
  const navigate = useNavigate();
  return (
    <Menu
      trigger={<IconButton small icon={MoreHorizontal} label={t("actionsOf", { name: k.name })} />}
      items={[
        { label: t("history"), icon: History, onSelect: () => void navigate({ to: "/system/audit" as never, search: { actor: k.token_id } as never }) },
        { label: t("revoke"), icon: CircleOff, danger: true, disabled: k.revoked_at !== null, onSelect: onRevoke, ...(can ? {} : { why }) },
      ]}
    />
  );
}

function Revoke({ token: k, onClose }: { token: Token; onClose: () => void }) {
  const revoke = useChange(() => ok(api.DELETE("/api/tokens/{token_id}", { params: { path: { token_id: k.token_id } } })), { old: ["tokens"], said: t("revokeDone", { name: k.name }), done: onClose, form: true });
  return (
    <Confirm open onClose={onClose} danger title={t("revokeTitle", { name: k.name })} description={t("revokeText")} action={t("revokeDo")} busy={revoke.isPending} onConfirm={() => revoke.mutate()}>
      <FormError error={revoke.error} />
    </Confirm>
  );
}

const spans = [{ value: "P7D", label: t("days7") }, { value: "P30D", label: t("days30") }, { value: "P90D", label: t("days90") }, { value: "P365D", label: t("days365") }, { value: "P3650D", label: t("days3650") }];

export function AddToken({ onClose }: { onClose: () => void }) {
  const me = useQuery(meQuery).data;
  const [name, setName] = useState("");
  const [roles, setRoles] = useState<Role[]>(["operator"]);
  const [span, setSpan] = useState("P90D");
  const [scopes, setScopes] = useState<string[]>([]);
  const [templates, setTemplates] = useState("");
  const [rate, setRate] = useState("0");
  const [made, setMade] = useState("");
  const names = templates.split(",").map((s) => s.trim()).filter(Boolean);
  const body: Schema<"TokenInput"> = { name, roles, expires_in: span, ...(scopes.length > 0 ? { scopes } : {}), ...(names.length > 0 ? { templates: names } : {}), ...(Number(rate) > 0 ? { rate_per_minute: Number(rate) } : {}) };
  const add = useChange(() => ok(api.POST("/api/tokens", { body })), { old: ["tokens"], done: (k) => setMade(k.token), form: true });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    add.mutate();
  };
  const cli = [`runsheet token create ${name || "NAME"}`, ...roles.map((r) => `--role ${r}`), `--expires ${span.slice(1, -1)}d`, ...scopes.map((s) => `--scope ${s}`), ...names.map((n) => `--template '${n}'`)].join(" ");
  if (made) {
    return (
      <Dialog open onClose={onClose} title={t("onceTitle", { name })} footer={<Button look="primary" onClick={onClose}>{t("done")}</Button>}>
        <Once warning={t("onceWarning")} label={t("onceExport")} text={`export RUNSHEET_URL=${location.origin}\nexport RUNSHEET_TOKEN=${made}`} />
      </Dialog>
    );
  }
  return (
    <Dialog
      open onClose={onClose} title={t("tokenTitle")} description={t("tokenText")}
      footer={
        <>
          <div className="mr-auto"><CopyAs action={{ cli, method: "POST", path: "/api/tokens", body }} /></div>
          <Button onClick={onClose}>{kit("cancel")}</Button>
          <Wanted>{missing([t("name"), !name], [t("roles"), roles.length === 0])}</Wanted>
          <Button look="primary" type="submit" form="add-token" busy={add.isPending} why={missing([t("name"), !name], [t("roles"), roles.length === 0])}>{t("create")}</Button>
        </>
      }
    >
      <form id="add-token" onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t("tokenName")}>{(ids) => <Input {...ids} autoFocus required autoComplete="off" autoCapitalize="none" spellCheck={false} value={name} onChange={(e) => setName(e.target.value)} />}</Field>
        <Field label={t("expiresIn")}>{(ids) => <Select {...ids} options={spans} value={span} onChange={setSpan} className="w-40" />}</Field>
        <RoleBoxes value={roles} onChange={setRoles} />
        <details>
          <summary className="text-sm font-medium">{t("more")}</summary>
          <div className="mt-3 flex flex-col gap-4">
            <fieldset>
              <legend className="text-sm font-medium">{t("scopes")}</legend>
              <p className="pb-1 text-xs text-faint">{t("scopesHint")}</p>
              <div className="grid gap-1 sm:grid-cols-2">
                {[...(me?.scopes ?? [])].sort().map((s) => <CheckBox key={s} label={s} checked={scopes.includes(s)} onChange={(on) => setScopes(on ? [...scopes, s] : scopes.filter((x) => x !== s))} />)}
              </div>
            </fieldset>
            <Field label={t("templates")} optional hint={t("templatesHint")}>{(ids) => <Input {...ids} mono placeholder="deploy-*" value={templates} onChange={(e) => setTemplates(e.target.value)} />}</Field>
            <Field label={t("rate")} hint={t("rateHint")}>{(ids) => <Input {...ids} inputMode="numeric" pattern="[0-9]{1,7}" value={rate} onChange={(e) => setRate(e.target.value)} className="w-32" />}</Field>
          </div>
        </details>
        <FormError error={add.error} />
      </form>
    </Dialog>
  );
}
