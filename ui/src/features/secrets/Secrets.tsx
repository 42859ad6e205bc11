import { Link } from "@tanstack/react-router";
import { KeyRound, Plus, Trash2 } from "lucide-react";
import { useState, type FormEvent } from "react";
import { useChange } from "../../api/change";
import { api, ok, type Schema } from "../../api/client";
import { usePages } from "../../api/pages";
import { useCan } from "../../api/session";
import { Badge } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Dialog, Drawer } from "../../kit/Dialog";
import { Field, Input } from "../../kit/Field";
import { More } from "../../kit/More";
import { Facts, FilterBar, Page, PageHeader, Section } from "../../kit/Page";
import { Empty, ErrorState, FormError, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { flag, text, useUrl } from "../../kit/url";
import { Time } from "../../kit/Values";
import { who } from "../../kit/who";
import { t as kit } from "../../text/kit";
import { t } from "../../text/secrets";
import { complete, draftsOf, Grants, grantsOf, type Draft } from "./Grants";
import { ValueField, valueOf } from "./ValueField";

type Secret = Schema<"Secret">;
const shape = { q: text, open: text, add: flag };

const put = (name: string, body: Schema<"SecretInput">, version?: number) => ok(api.PUT("/api/secrets/{name}", { params: { path: { name } }, body, headers: version === undefined ? {} : { "If-Match": `"${version}"` } }));

// The flags of the command line for grants.
function grantFlags(grants: readonly Schema<"SecretGrant">[]): string {
  return grants.map((g) => `--grant '${[`workflow=${g.workflow_id}`, ...g.kinds.map((k) => `kind=${k}`), ...(g.hosts ?? []).map((h) => `host=${h}`)].join(",")}'`).join(" ");
}

/** The page of secrets. */
export function Secrets() {
  const read = useCan("secrets:read");
  const write = useCan("secrets:write");
  const off = write.can ? {} : { why: write.why };
  const [url, change] = useUrl(shape);
  const pages = usePages<Secret>(["secrets", url.q], (cursor, signal) => ok(api.GET("/api/secrets", { signal, params: { query: { limit: 100, ...(url.q ? { q: url.q } : {}), ...(cursor ? { cursor } : {}) } } })), read.can);
  const shown = pages.items.find((s) => s.name === url.open);
  const columns: Column<Secret>[] = [
    { id: "name", head: t("name"), cell: (s) => <span className="font-mono text-xs font-medium [overflow-wrap:anywhere]">{s.name}</span> },
    { id: "description", head: t("description"), from: "lg", cell: (s) => <span className="block max-w-96 truncate text-dim">{s.description}</span> },
    { id: "grants", head: t("grants"), cell: (s) => (s.grants.length === 0 ? <Badge tone="warn">{t("noGrant")}</Badge> : <span className="text-dim">{t("grantCount", { n: s.grants.length })}</span>) },
    { id: "used", head: t("lastUsed"), from: "sm", cell: (s) => (s.last_used_at ? <Time at={s.last_used_at} className="text-dim" /> : <span className="text-faint">{t("never")}</span>) },
    { id: "set", head: t("set"), from: "md", cell: (s) => <span className="text-dim"><Time at={s.value_set_at} /> {t("by", { name: who(s.updated_by) })}</span> },
    { id: "version", head: t("version"), from: "lg", align: "right", cell: (s) => <span className="text-dim">{s.value_version}</span> },
  ];
  return (
    <Page>
      <PageHeader title={t("title")} actions={<><CopyAs action={{ cli: "runsheet secret ls", method: "GET", path: "/api/secrets" }} /><Button look="primary" icon={Plus} {...off} onClick={() => change({ add: true })}>{t("add")}</Button></>} />
      {!read.can ? <Empty icon={KeyRound} title={t("title")}>{read.why}</Empty> : (
        <>
          <FilterBar query={url.q} onQuery={(q) => change({ q }, true)} placeholder={t("search")} />
          {pages.error ? <ErrorState error={pages.error} onRetry={pages.retry} /> : pages.isPending ? <Loading /> : pages.items.length === 0
            ? url.q ? <Empty icon={KeyRound} title={t("noMatch")} /> : <Empty icon={KeyRound} title={t("none")} action={<Button icon={Plus} {...off} onClick={() => change({ add: true })}>{t("add")}</Button>} command="runsheet secret set BLOG_TOKEN --grant workflow=blog,kind=action/api_call,host=blog.example.com < token.txt">{t("noneText")}</Empty>
            : <><Table label={t("title")} columns={columns} rows={pages.items} id={(s) => s.name} current={url.open || undefined} onOpen={(s) => change({ open: s.name })} /><More pages={pages} /></>}
        </>
      )}
      <Drawer open={shown !== undefined} onClose={() => change({ open: "" }, true)} title={shown?.name ?? ""} description={shown?.description ?? ""}>
        {shown ? <Details key={`${shown.name} ${shown.version}`} secret={shown} onGone={() => change({ open: "" }, true)} /> : null}
      </Drawer>
      {url.add ? <Add onClose={() => change({ add: false }, true)} /> : null}
    </Page>
  );
}

function Details({ secret: s, onGone }: { secret: Secret; onGone: () => void }) {
  const { can, why } = useCan("secrets:write");
  const off = can ? {} : { why };
  const [value, setValue] = useState("");
  const [drafts, setDrafts] = useState<Draft[]>(() => draftsOf(s.grants));
  const [removes, setRemoves] = useState(false);
  const grants = grantsOf(drafts);
  const changed = JSON.stringify(grants) !== JSON.stringify(grantsOf(draftsOf(s.grants)));
  const rotate = useChange(() => put(s.name, { value: valueOf(value) }, s.version), { old: ["secrets"], said: t("valueSet", { name: s.name }), done: () => setValue(""), form: true });
  const save = useChange(() => put(s.name, { grants }, s.version), { old: ["secrets"], said: t("grantsSaved", { name: s.name }), form: true });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    rotate.mutate();
  };
  return (
    <>
      {(s.warnings ?? []).map((w) => <p key={w} className="mb-3 rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">{w}</p>)}
      <Facts items={[
        [t("lastUsed"), s.last_used_at ? <Time key="u" at={s.last_used_at} /> : t("never")], [t("set"), <span key="s"><Time at={s.value_set_at} /> {t("by", { name: who(s.updated_by) })}</span>], [t("version"), s.value_version], [t("created"), <span key="c"><Time at={s.created_at} /> {t("by", { name: who(s.created_by) })}</span>],
      ]}
      />
      <Section title={t("grants")} className="first:mt-6" actions={<CopyAs action={{ cli: `runsheet secret set ${s.name} ${grantFlags(grants)} < value.txt`, method: "PUT", path: `/api/secrets/${s.name}`, body: { grants } }} />}>
        <p className="pb-3 text-xs text-faint">{t("grantText")}</p>
        <Grants drafts={drafts} onChange={setDrafts} disabled={!can} />
        <div className="mt-3 flex flex-col gap-2">
          {changed && !complete(drafts) ? <p className="text-xs text-bad">{t("needsKind")}</p> : null}
          <FormError error={save.error} />
          {changed ? <div className="flex gap-2"><Button look="primary" disabled={!complete(drafts)} busy={save.isPending} onClick={() => save.mutate()}>{t("saveGrants")}</Button><Button onClick={() => setDrafts(draftsOf(s.grants))}>{t("undo")}</Button></div> : null}
        </div>
      </Section>
      <Section title={t("newValue")} className="first:mt-6">
        <p className="pb-2 text-xs text-faint">{t("newValueText")}</p>
        <form onSubmit={submit} className="flex flex-col gap-3">
          <ValueField label={t("value")} value={value} onChange={setValue} />
          <FormError error={rotate.error} />
          <div><Button type="submit" busy={rotate.isPending} disabled={can && !valueOf(value)} {...off}>{t("setValue")}</Button></div>
        </form>
      </Section>
      <div className="mt-6 flex flex-wrap items-center gap-3 border-t border-line pt-4">
        <Link to={"/system/audit" as never} search={{ object: s.name } as never} className="grow text-sm text-accent hover:underline">{t("history")}</Link>
        <Button look="danger" icon={Trash2} {...off} onClick={() => setRemoves(true)}>{t("remove")}</Button>
      </div>
      {removes ? <Remove secret={s} onClose={() => setRemoves(false)} onGone={onGone} /> : null}
    </>
  );
}

function Remove({ secret: s, onClose, onGone }: { secret: Secret; onClose: () => void; onGone: () => void }) {
  const [typed, setTyped] = useState("");
  const remove = useChange(() => ok(api.DELETE("/api/secrets/{name}", { params: { path: { name: s.name } }, headers: { "If-Match": `"${s.version}"` } })), { old: ["secrets"], said: t("removed", { name: s.name }), done: onGone, form: true });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (typed === s.name) remove.mutate();
  };
  return (
    <Dialog
      open onClose={onClose} title={t("removeTitle", { name: s.name })} description={t("removeText")}
      footer={
        <>
          <div className="mr-auto"><CopyAs action={{ cli: `runsheet secret rm ${s.name}`, method: "DELETE", path: `/api/secrets/${s.name}` }} /></div>
          <Button onClick={onClose}>{kit("cancel")}</Button>
          <Button look="danger" type="submit" form="remove-secret" busy={remove.isPending} disabled={typed !== s.name}>{t("remove")}</Button>
        </>
      }
    >
      <form id="remove-secret" onSubmit={submit} className="flex flex-col gap-3">
        <Field label={t("typeName", { name: s.name })}>{(ids) => <Input {...ids} mono autoFocus autoComplete="off" spellCheck={false} value={typed} onChange={(e) => setTyped(e.target.value)} />}</Field>
        <FormError error={remove.error} />
      </form>
    </Dialog>
  );
}

function Add({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [value, setValue] = useState("");
  const [drafts, setDrafts] = useState<Draft[]>([]);
  const grants = grantsOf(drafts);
  const save = useChange(() => put(name, { value: valueOf(value), ...(description ? { description } : {}), ...(grants.length > 0 ? { grants } : {}) }), { old: ["secrets"], said: t("saved", { name }), done: onClose, form: true });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    save.mutate();
  };
  return (
    <Dialog
      open onClose={onClose} title={t("addTitle")} description={t("addText")}
      footer={
        <>
          <div className="mr-auto"><CopyAs action={{ cli: `runsheet secret set ${name || "NAME"} ${grantFlags(grants)} < value.txt`, method: "PUT", path: `/api/secrets/${name || "NAME"}`, body: { value: "…", grants } }} /></div>
          <Button onClick={onClose}>{kit("cancel")}</Button>
          <Button look="primary" type="submit" form="add-secret" busy={save.isPending} disabled={!name || !valueOf(value) || !complete(drafts)}>{t("save")}</Button>
        </>
      }
    >
      <form id="add-secret" onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t("name")} hint={t("nameHint", { use: `{{secrets.${name || "NAME"}}}` })}>{(ids) => <Input {...ids} mono autoFocus required autoComplete="off" autoCapitalize="characters" spellCheck={false} value={name} onChange={(e) => setName(e.target.value)} />}</Field>
        <ValueField label={t("value")} value={value} onChange={setValue} />
        <Field label={t("description")} optional>{(ids) => <Input {...ids} maxLength={2000} value={description} onChange={(e) => setDescription(e.target.value)} />}</Field>
        <div>
          <p className="text-sm font-medium">{t("grants")}</p>
          <p className="pb-2 text-xs text-faint">{t("grantText")}</p>
          <Grants drafts={drafts} onChange={setDrafts} />
        </div>
        <FormError error={save.error} />
      </form>
    </Dialog>
  );
}
