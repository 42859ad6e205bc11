import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Archive, ArchiveRestore, CopyPlus, FileCode2, History, MoreHorizontal, Pencil, Play, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { patchOf, useChange } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { usePages } from "../../api/pages";
import { useCan } from "../../api/session";
import { Badge, Chip } from "../../kit/Badge";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Confirm } from "../../kit/Dialog";
import { CheckBox } from "../../kit/Field";
import { Select } from "../../kit/Select";
import { Menu } from "../../kit/Menu";
import { More } from "../../kit/More";
import { FilterBar, Page, PageHeader } from "../../kit/Page";
import { Empty, ErrorState, FormError, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { flag, text, useUrl } from "../../kit/url";
import { Time } from "../../kit/Values";
import { who } from "../../kit/who";
import { jobTypesQuery } from "../../kit/jobtypes";
import { t as kit } from "../../text/kit";
import { t } from "../../text/templates";
import { directivesQuery, Editor, type Template } from "./Editor";
import { RunNow } from "./RunNow";

const shape = { q: text, type: text, archived: flag, open: text, run: text, copy: text, add: flag };

/** The page of templates. */
export function Templates() {
  const write = useCan("templates:write");
  const [url, change] = useUrl(shape);
  const types = useQuery(jobTypesQuery);
  const directives = useQuery(directivesQuery);
  const [removed, setRemoved] = useState<Template | null>(null);
  const pages = usePages<Template>(["templates", url.q, url.type, url.archived], (cursor, signal) => ok(api.GET("/api/job-templates", {
    signal, params: { query: { limit: 100, ...(url.q ? { q: url.q } : {}), ...(url.type ? { job_type: [url.type] } : {}), ...(url.archived ? {} : { archived: false }), ...(cursor ? { cursor } : {}) } },
  })));
  const off = write.can ? {} : { why: write.why };
  const find = (id: string) => pages.items.find((x) => x.template_id === id || x.name === id) ?? null;
  const edited = find(url.open) ?? find(url.copy);
  const run = find(url.run);
  const directive = (id: string | null) => directives.data?.items.find((d) => d.directive_id === id)?.name ?? (id ? "…" : "");
  const active = url.q !== "" || url.type !== "" || url.archived;
  const columns: Column<Template>[] = [
    { id: "name", head: t("name"), cell: (x) => <span className="flex min-w-0 flex-col"><span className="inline-flex items-center gap-2"><span className="font-medium [overflow-wrap:anywhere]">{x.name}</span>{x.archived ? <Badge>{t("archived")}</Badge> : null}</span>{x.description ? <span className="max-w-96 truncate text-xs text-faint">{x.description}</span> : null}</span> },
    { id: "type", head: t("type"), from: "sm", cell: (x) => <span className="text-dim">{x.job_type}</span> },
    { id: "priority", head: t("priority"), from: "md", align: "right", cell: (x) => <span className="text-dim">{x.priority}</span> },
    { id: "locks", head: t("locks"), from: "lg", cell: (x) => <span className="inline-flex flex-wrap gap-1">{x.locks.slice(0, 2).map((l) => <Chip key={l} mono>{l}</Chip>)}{x.locks.length > 2 ? `+${x.locks.length - 2}` : ""}</span> },
    { id: "directive", head: t("directive"), from: "lg", cell: (x) => <span className="text-dim">{directive(x.directive_id)}</span> },
    { id: "version", head: t("version"), from: "md", align: "right", cell: (x) => <span className="text-dim">{x.version}</span> },
    { id: "changed", head: t("changed"), from: "md", cell: (x) => <span className="text-dim"><Time at={x.updated_at} /> {x.created_by ? t("by", { name: who(x.created_by) }) : ""}</span> },
    { id: "actions", head: <span className="sr-only">{kit("menu")}</span>, width: "7.5rem", align: "right", cell: (x) => <RowActions template={x} onRun={() => change({ run: x.template_id })} onEdit={() => change({ open: x.template_id })} onCopy={() => change({ copy: x.template_id })} onRemove={() => setRemoved(x)} /> },
  ];
  const close = () => change({ open: "", copy: "", run: "", add: false }, true);
  return (
    <Page>
      <PageHeader title={t("title")} actions={<><CopyAs action={{ cli: "runsheet template ls", method: "GET", path: "/api/job-templates" }} /><Button look="primary" icon={Plus} {...off} onClick={() => change({ add: true })}>{t("add")}</Button></>} />
      <FilterBar query={url.q} onQuery={(q) => change({ q }, true)} placeholder={t("search")} active={active} onClear={() => change({ q: "", type: "", archived: false })}>
        <Select aria-label={t("type")} className="sm:w-40" value={url.type} onChange={(type) => change({ type })} options={[{ value: "", label: t("anyType") }, ...(types.data?.items ?? []).map((x) => ({ value: x.job_type, label: x.job_type }))]} />
        <CheckBox label={t("archivedToo")} checked={url.archived} onChange={(archived) => change({ archived })} />
      </FilterBar>
      {pages.error ? <ErrorState error={pages.error} onRetry={pages.retry} /> : pages.isPending ? <Loading /> : pages.items.length === 0
        ? active ? <Empty icon={FileCode2} title={t("noMatch")} /> : <Empty icon={FileCode2} title={t("none")} action={<Button icon={Plus} {...off} onClick={() => change({ add: true })}>{t("add")}</Button>} command="runsheet template add nightly -- /opt/jobs/nightly.sh">{t("noneText")}</Empty>
        : <><Table label={t("title")} columns={columns} rows={pages.items} id={(x) => x.template_id} current={url.open || undefined} onOpen={(x) => change({ open: x.template_id })} /><More pages={pages} /></>}
      {url.add || edited ? <Editor key={edited?.template_id ?? "new"} template={edited} copy={url.copy !== ""} onClose={close} /> : null}
      {run ? <RunNow key={run.template_id} template={run} onClose={close} /> : null}
      {removed ? <Remove template={removed} onClose={() => setRemoved(null)} /> : null}
    </Page>
  );
}

function RowActions({ template: x, onRun, onEdit, onCopy, onRemove }: { template: Template; onRun: () => void; onEdit: () => void; onCopy: () => void; onRemove: () => void }) {
  const write = useCan("templates:write");
  const jobs = useCan("jobs:write");
  const off = write.can ? {} : { why: write.why };
  const navigate = useNavigate();
  const archive = useChange(() => ok(api.PATCH("/api/job-templates/{template_id}", { params: { path: { template_id: x.template_id } }, headers: patchOf(x.version), body: { archived: !x.archived } as Schema<"JobTemplateInput"> })), { old: ["templates"], said: t(x.archived ? "restoredDone" : "archivedDone", { name: x.name }) });
  const why = !jobs.can ? jobs.why : x.archived ? t("archived") : "";
  return (
    <span className="inline-flex items-center gap-1">
      <IconButton small icon={Play} label={`${t("run")}: ${x.name}`} {...(why ? { why } : {})} onClick={onRun} />
      <Menu
        trigger={<IconButton small icon={MoreHorizontal} label={t("actionsOf", { name: x.name })} />}
        items={[
          { label: t("run"), icon: Play, onSelect: onRun, ...(why ? { why } : {}) }, { label: t("edit"), icon: Pencil, onSelect: onEdit }, { label: t("copy"), icon: CopyPlus, onSelect: onCopy, ...off },
          { label: t(x.archived ? "restore" : "archive"), icon: x.archived ? ArchiveRestore : Archive, onSelect: () => archive.mutate(), ...off },
          { label: t("history"), icon: History, onSelect: () => void navigate({ to: "/system/audit" as never, search: { object: x.template_id } as never }) }, "-", { label: t("remove"), icon: Trash2, danger: true, onSelect: onRemove, ...off },
        ]}
      />
    </span>
  );
}

function Remove({ template: x, onClose }: { template: Template; onClose: () => void }) {
  const remove = useChange(() => ok(api.DELETE("/api/job-templates/{template_id}", { params: { path: { template_id: x.template_id } } })), { old: ["templates"], said: t("removed", { name: x.name }), done: onClose, form: true });
  return (
    <Confirm open onClose={onClose} danger title={t("removeTitle", { name: x.name })} description={t("removeText")} action={t("removeDo")} busy={remove.isPending} onConfirm={() => remove.mutate()}>
      <FormError error={remove.error} />
    </Confirm>
  );
}
