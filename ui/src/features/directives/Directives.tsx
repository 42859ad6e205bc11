import { useNavigate } from "@tanstack/react-router";
import { Archive, ArchiveRestore, Bot, History, MoreHorizontal, Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { patchOf, useChange } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { usePages } from "../../api/pages";
import { useCan } from "../../api/session";
import { Badge } from "../../kit/Badge";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Confirm, Drawer } from "../../kit/Dialog";
import { CheckBox } from "../../kit/Field";
import { num } from "../../kit/format";
import { Menu } from "../../kit/Menu";
import { More } from "../../kit/More";
import { FilterBar, Page, PageHeader } from "../../kit/Page";
import { Empty, ErrorState, FormError, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { flag, oneOf, text, useUrl, whole } from "../../kit/url";
import { Time } from "../../kit/Values";
import { t as kit } from "../../text/kit";
import { t } from "../../text/directives";
import { Details } from "./Details";
import { Editor, type Directive } from "./Editor";

const shape = { q: text, archived: flag, open: text, tab: oneOf("now", "versions", "uses"), version: whole(0), edit: flag, add: flag };

function allowed(d: Directive): string {
  const parts = [d.allow.files.length && `${t("files")} ${d.allow.files.length}`, d.allow.hosts.length && `${t("hosts")} ${d.allow.hosts.length}`, d.allow.containers.length && `${t("containers")} ${d.allow.containers.length}`].filter(Boolean);
  return parts.join(" · ") || t("nothing");
}

/** The page of directives. */
export function Directives() {
  const write = useCan("directives:write");
  const off = write.can ? {} : { why: write.why };
  const [url, change] = useUrl(shape);
  const [removed, setRemoved] = useState<Directive | null>(null);
  const pages = usePages<Directive>(["directives", "list", url.q, url.archived], (cursor, signal) => ok(api.GET("/api/directives", { signal, params: { query: { limit: 100, ...(url.q ? { q: url.q } : {}), ...(url.archived ? {} : { archived: false }), ...(cursor ? { cursor } : {}) } } })));
  const shown = pages.items.find((d) => d.directive_id === url.open || d.name === url.open) ?? null;
  const active = url.q !== "" || url.archived;
  const columns: Column<Directive>[] = [
    { id: "name", head: t("name"), cell: (d) => <span className="flex flex-col"><span className="inline-flex items-center gap-2"><span className="font-medium">{d.name}</span>{d.archived ? <Badge>{t("archived")}</Badge> : null}</span>{d.description ? <span className="max-w-96 truncate text-xs text-faint">{d.description}</span> : null}</span> },
    { id: "model", head: t("model"), from: "sm", cell: (d) => <span className="text-dim">{d.model ?? t("any")}</span> },
    { id: "allow", head: t("allow"), from: "md", cell: (d) => <span className="text-dim">{allowed(d)}</span> },
    { id: "limits", head: t("limits"), from: "lg", cell: (d) => <span className="text-dim">{d.limits.tokens ? t("tokens", { n: num(d.limits.tokens) }) : t("noLimit")}</span> },
    { id: "version", head: t("version"), align: "right", cell: (d) => <span className="text-dim">{d.version}</span> },
    { id: "changed", head: t("changed"), from: "md", align: "right", cell: (d) => <Time at={d.updated_at} className="text-dim" /> },
    { id: "actions", head: <span className="sr-only">{kit("menu")}</span>, width: "3rem", align: "right", cell: (d) => <RowMenu directive={d} onEdit={() => change({ open: d.directive_id, edit: true })} onRemove={() => setRemoved(d)} /> },
  ];
  const close = () => change({ open: "", tab: "now", version: 0, edit: false, add: false }, true);
  return (
    <Page>
      <PageHeader title={t("title")} actions={<><CopyAs action={{ cli: "runsheet directive ls", method: "GET", path: "/api/directives" }} /><Button look="primary" icon={Plus} {...off} onClick={() => change({ add: true })}>{t("add")}</Button></>} />
      <FilterBar query={url.q} onQuery={(q) => change({ q }, true)} placeholder={t("search")} active={active} onClear={() => change({ q: "", archived: false })}><CheckBox label={t("archivedToo")} checked={url.archived} onChange={(archived) => change({ archived })} /></FilterBar>
      {pages.error ? <ErrorState error={pages.error} onRetry={pages.retry} /> : pages.isPending ? <Loading /> : pages.items.length === 0
        ? active ? <Empty icon={Bot} title={t("noMatch")} /> : <Empty icon={Bot} title={t("none")} action={<Button icon={Plus} {...off} onClick={() => change({ add: true })}>{t("add")}</Button>} command="runsheet directive add careful --system @careful.txt --max-tokens 50000 --max-time 15m">{t("noneText")}</Empty>
        : <><Table label={t("title")} columns={columns} rows={pages.items} id={(d) => d.directive_id} current={url.open || undefined} onOpen={(d) => change({ open: d.directive_id })} /><More pages={pages} /></>}
      <Drawer open={url.add || shown !== null} wide onClose={close} title={url.add ? t("newTitle") : (shown?.name ?? "")} description={url.add ? undefined : shown?.description}>
        {url.add ? <Editor directive={null} onClose={close} /> : shown && url.edit ? <Editor key={shown.version} directive={shown} onClose={() => change({ edit: false }, true)} />
          : shown ? <Details directive={shown} tab={url.tab} version={url.version} onTab={(tab) => change({ tab })} onVersion={(version) => change({ version })} onEdit={() => change({ edit: true })} /> : null}
      </Drawer>
      {removed ? <Remove directive={removed} onClose={() => setRemoved(null)} /> : null}
    </Page>
  );
}

function RowMenu({ directive: d, onEdit, onRemove }: { directive: Directive; onEdit: () => void; onRemove: () => void }) {
  const { can, why } = useCan("directives:write");
  const off = can ? {} : { why };
  const navigate = useNavigate();
  const archive = useChange(() => ok(api.PATCH("/api/directives/{directive_id}", { params: { path: { directive_id: d.directive_id } }, headers: patchOf(d.version), body: { archived: !d.archived } as Schema<"DirectiveInput"> })), { old: ["directives", "directive"], said: t(d.archived ? "restoredDone" : "archivedDone", { name: d.name }) });
  return (
    <Menu
      trigger={<IconButton small icon={MoreHorizontal} label={t("actionsOf", { name: d.name })} />}
      items={[
        { label: t("edit"), icon: Pencil, onSelect: onEdit, ...off }, { label: t(d.archived ? "restore" : "archive"), icon: d.archived ? ArchiveRestore : Archive, onSelect: () => archive.mutate(), ...off },
        { label: t("history"), icon: History, onSelect: () => void navigate({ to: "/system/audit" as never, search: { object: d.directive_id } as never }) }, "-", { label: t("remove"), icon: Trash2, danger: true, onSelect: onRemove, ...off },
      ]}
    />
  );
}

function Remove({ directive: d, onClose }: { directive: Directive; onClose: () => void }) {
  const remove = useChange(() => ok(api.DELETE("/api/directives/{directive_id}", { params: { path: { directive_id: d.directive_id } } })), { old: ["directives"], said: t("removed", { name: d.name }), done: onClose, form: true });
  return (
    <Confirm open onClose={onClose} danger title={t("removeTitle", { name: d.name })} description={t("removeText")} action={t("removeDo")} busy={remove.isPending} onConfirm={() => remove.mutate()}>
      <FormError error={remove.error} />
    </Confirm>
  );
}
