import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Archive, EllipsisVertical, History, Pencil, Play, ScrollText } from "lucide-react";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { api, ok } from "../../api/client";
import { stringify } from "../../api/exact";
import { useCan } from "../../api/session";
import { buildGraph, type GraphNode } from "../../graph/model";
import { Badge, Chip } from "../../kit/Badge";
import { Button, IconButton } from "../../kit/Button";
import { cx } from "../../kit/cx";
import { CopyAs } from "../../kit/CopyAs";
import { Confirm } from "../../kit/Dialog";
import { Menu } from "../../kit/Menu";
import { Facts, Page, PageHeader } from "../../kit/Page";
import { ErrorState, FormError, Loading } from "../../kit/States";
import { Tabs } from "../../kit/Tabs";
import { toast } from "../../kit/toast";
import { oneOf, text, useRouteId, useUrl } from "../../kit/url";
import { Time } from "../../kit/Values";
import { pairs } from "../../kit/labels";
import { t } from "../../text/workflows";
import { Code, JsonCode } from "./Code";
import { GraphOrList, ViewSwitch } from "./GraphOrList";
import { inputsOf } from "./inputs";
import { typeIcon, typeName } from "./look";
import { workflowQuery } from "./queries";
import { RunForm } from "./RunForm";
import { RunsTable } from "./RunsTable";
import { SidePanel } from "./SidePanel";

const Editor = lazy(() => import("./Editor").then((m) => ({ default: m.Editor })));
const shape = { tab: oneOf("graph", "yaml", "json", "edit"), node: text, view: oneOf("auto", "graph", "list"), run: text };

type Definition = Readonly<Record<string, unknown>>;

/** The definition as YAML; null until the writer is there. */
function useYaml(definition: Definition | undefined): string | null {
  const [made, setMade] = useState<{ of: Definition; text: string } | null>(null);
  useEffect(() => {
    if (!definition) return;
    let gone = false;
    void import("./yaml").then(({ toYaml }) => !gone && setMade({ of: definition, text: toYaml(definition) }));
    return () => {
      gone = true;
    };
  }, [definition]);
  return made && made.of === definition ? made.text : null;
}

/** A workflow: the graph of the version that new runs use, its text, and its runs. */
export function WorkflowPage() {
  const id = useRouteId();
  const q = useQuery(workflowQuery(id));
  const [url, setUrl] = useUrl(shape);
  const write = useCan("workflows:write");
  const start = useCan("jobs:write");
  const [archiving, setArchiving] = useState(false);
  const w = q.data;
  const definition = w?.definition as Definition | undefined;
  const model = useMemo(() => (definition ? buildGraph(definition) : null), [definition]);
  const yaml = useYaml(url.tab === "yaml" || url.tab === "edit" ? definition : undefined);
  if (!w || !model || !definition) {
    return (
      <Page>
        <PageHeader title={id} />
        {q.error ? <ErrorState error={q.error} onRetry={() => void q.refetch()} /> : <Loading rows={10} />}
      </Page>
    );
  }
  const whyRun = start.why || (w.archived ? t("whyArchived") : w.active_version === null ? t("whyNoVersion") : "");
  const node = model.nodes.find((n) => n.id === url.node);
  const inputs = inputsOf(definition);
  return (
    <Page>
      <PageHeader
        title={w.name || w.workflow_id}
        facts={
          <>
            {w.archived ? <Badge tone="warn">{t("archived")}</Badge> : null}
            {w.active_version === null ? <Badge>{t("draft")}</Badge> : <Link to="/workflows/$id/versions" params={{ id }} className="hover:underline">{t("versionN", { n: w.active_version })}</Link>}
            {w.active_version !== null && w.newest_version > w.active_version ? <Link to="/workflows/$id/versions" params={{ id }} search={{ from: String(w.active_version), to: String(w.newest_version) }} className="text-warn hover:underline">{t("newerDraft")}</Link> : null}
            {w.name && w.name !== w.workflow_id ? <span className="font-mono text-xs">{w.workflow_id}</span> : null}
            <span>{t("nodesN", { n: model.nodes.length })}</span>
            <span>{t("changed")} <Time at={w.updated_at} /></span>
            {pairs(w.labels).map((l) => <Link key={l} to="/workflows" search={{ label: l.replace("=", ":") }}><Chip>{l}</Chip></Link>)}
          </>
        }
        actions={
          <>
            <CopyAs action={{ cli: `runsheet workflow export ${id}`, method: "GET", path: `/api/workflows/${id}` }} />
            <Link to="/workflows/$id/versions" params={{ id }} tabIndex={-1}><Button icon={History} tabIndex={0}>{t("versions")}</Button></Link>
            <Button icon={Pencil} why={write.why} onClick={() => setUrl({ tab: "edit" })}>{t("edit")}</Button>
            <Menu
              trigger={<IconButton icon={EllipsisVertical} label={t("more")} />}
              items={[
                { label: t("history"), icon: ScrollText, onSelect: () => location.assign(`/ui/system/audit?object=${id}`) },
                "-",
                { label: t("archive"), icon: Archive, danger: true, onSelect: () => setArchiving(true), ...(write.why || w.archived ? { why: write.why || t("archived") } : {}) },
              ]}
            />
            <Button look="primary" icon={Play} why={whyRun} onClick={() => setUrl({ run: "1" })}>{t("run")}</Button>
          </>
        }
      />
      {w.description ? <p className="-mt-2 max-w-3xl pb-3 text-sm text-dim">{w.description}</p> : null}
      <Tabs
        value={url.tab} onChange={(tab) => setUrl({ tab: tab as (typeof url)["tab"] })}
        tabs={[
          {
            id: "graph", label: t("graph"), content: (
              <div className="flex items-start gap-4">
                <div className="min-w-0 grow">
                  <div className="flex flex-wrap items-center gap-2 pb-2"><ViewSwitch view={url.view} onChange={(view) => setUrl({ view }, true)} /><span className="hidden text-xs text-faint md:inline">{t("graphKeys")}</span></div>
                  <GraphOrList model={model} view={url.view} label={t("graphOf", { name: w.name || id })} selected={url.node || null} onSelect={(n) => setUrl({ node: n === url.node ? "" : n })} className="h-[clamp(18rem,calc(100dvh-31rem),40rem)]" />
                </div>
                {node ? <SidePanel title={node.id} onClose={() => setUrl({ node: "" }, true)}><Static node={node} definition={definition} /></SidePanel> : null}
              </div>
            ),
          },
          { id: "yaml", label: "YAML", content: yaml === null ? <Loading rows={8} /> : <Code text={yaml} label="YAML" /> },
          { id: "json", label: "JSON", content: <Code text={stringify(definition, 2)} label="JSON" /> },
          { id: "edit", label: t("edit"), content: yaml === null ? <Loading rows={10} /> : <Suspense fallback={<Loading rows={10} />}><Editor key={w.content_hash} text={yaml} etag={w.etag} onDone={() => setUrl({ tab: "graph" })} onCancel={() => setUrl({ tab: "graph" })} /></Suspense> },
        ]}
      />
      {url.tab === "edit" ? null : (
        <div className={cx("grid gap-x-8 pt-6", inputs.length > 0 && "2xl:grid-cols-[minmax(0,1fr)_20rem]")}>
          <section aria-label={t("runs")} className="min-w-0">
            <h2 className="pb-1.5 text-sm font-semibold">{t("runs")}</h2>
            <RunsTable workflowId={id} />
          </section>
          {inputs.length > 0 ? (
            <section aria-label={t("inputs")} className="pt-6 2xl:pt-0">
              <h2 className="pb-1.5 text-sm font-semibold">{t("inputs")}</h2>
              <Facts items={inputs.map((i) => [i.name, <span key={i.name} className="flex flex-wrap items-center gap-1.5"><code className="font-mono text-xs">{i.secret ? t("secret") : String(i.schema.format ?? i.schema.type ?? "")}</code>{i.required ? <Badge tone="info">{t("required")}</Badge> : null}{i.schema.default !== undefined ? <span className="text-faint">= {stringify(i.schema.default)}</span> : null}</span>] as const)} />
            </section>
          ) : null}
        </div>
      )}
      {url.run ? <RunForm workflowId={id} name={w.name || id} onClose={() => setUrl({ run: "" }, true)} /> : null}
      <ArchiveDialog id={id} etag={w.etag} open={archiving} onClose={() => setArchiving(false)} />
    </Page>
  );
}

function ArchiveDialog({ id, etag, open, onClose }: { id: string; etag: string | null; open: boolean; onClose: () => void }) {
  const client = useQueryClient();
  const archive = useMutation({
    mutationFn: () => ok(api.DELETE("/api/workflows/{workflow_id}", { params: { path: { workflow_id: id }, ...(etag ? { header: { "If-Match": etag } } : {}) } })),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["workflow"] });
      void client.invalidateQueries({ queryKey: ["workflows"] });
      toast({ text: t("archivedDone") });
      onClose();
    },
  });
  return <Confirm open={open} onClose={onClose} title={t("archiveTitle", { name: id })} description={t("archiveText")} action={t("archive")} danger busy={archive.isPending} onConfirm={() => archive.mutate()}><FormError error={archive.error} /></Confirm>;
}

function Static({ node, definition }: { node: GraphNode; definition: Definition }) {
  const all = definition["nodes"];
  const source = Array.isArray(all) ? (all as Record<string, unknown>[]).find((n) => n["node_id"] === node.id) : undefined;
  const Icon = typeIcon(node.type, node.subtype);
  return (
    <div className="flex flex-col gap-3">
      <p className="flex items-center gap-1.5 text-sm text-dim"><Icon aria-hidden className="size-3.5 text-faint" />{typeName(node.type, node.subtype)}{node.handler ? <Badge>{t("handler")}</Badge> : null}</p>
      {node.body ? <p className="flex flex-wrap items-center gap-1 text-sm"><span className="text-faint">{t("perItem")}</span>{node.body.nodes.map((b) => <Chip key={b.id} icon={typeIcon(b.type, b.subtype)} mono>{b.id}</Chip>)}</p> : null}
      <JsonCode value={source} label={t("tabConfig")} />
    </div>
  );
}
