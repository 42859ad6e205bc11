import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Play, Plus, Workflow as Icon } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { api, ok } from "../../api/client";
import { useCan } from "../../api/session";
import { Badge, Chip } from "../../kit/Badge";
import { Button, IconButton } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { CheckBox } from "../../kit/Field";
import { FilterBar, Page, PageHeader } from "../../kit/Page";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { Table } from "../../kit/Table";
import { flag, text, useUrl } from "../../kit/url";
import { Time } from "../../kit/Values";
import { pairs } from "../../kit/labels";
import { t } from "../../text/workflows";
import type { Workflow } from "./queries";
import { RunForm } from "./RunForm";
import { LastResults, NextFire, WaitingApprovals } from "./Shown";

const Editor = lazy(() => import("./Editor").then((m) => ({ default: m.Editor })));
const shape = { q: text, label: text, archived: flag, new: flag };

const starter = `kind: Workflow
workflow_id: hello
name: Hello
inputs:
  name: {type: string, default: world}
nodes:
  - node_id: greet
    type: data
    data_type: set
    config: {values: {text: "hello {{inputs.name}}"}}
  - node_id: pause
    type: wait
    wait_type: duration
    config: {for: 5s}
outputs: {text: "{{outputs.greet.text}}"}
`;

/** All workflows. */
export function ListPage() {
  const [url, setUrl] = useUrl(shape);
  const navigate = useNavigate();
  const write = useCan("workflows:write");
  const start = useCan("jobs:write");
  const [running, setRunning] = useState<Workflow | null>(null);
  const q = useInfiniteQuery({
    queryKey: ["workflows", url.q, url.label, url.archived],
    queryFn: ({ signal, pageParam }) => ok(api.GET("/api/workflows", { signal, params: { query: { limit: 100, include: ["results", "next", "approvals"], ...(url.q ? { q: url.q } : {}), ...(url.label ? { label: [url.label] } : {}), ...(url.archived ? { archived: true } : {}), ...(pageParam ? { cursor: pageParam } : {}) } } })),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });
  const rows = q.data?.pages.flatMap((p) => p.items) ?? [];
  const filtered = url.q !== "" || url.label !== "" || url.archived;
  const create = <Button look="primary" icon={Plus} why={write.why} onClick={() => setUrl({ new: true })}>{t("newWorkflow")}</Button>;

  if (url.new) {
    return (
      <Page>
        <PageHeader title={t("newWorkflow")} />
        <Suspense fallback={<Loading rows={10} />}>
          <Editor text={starter} etag={null} onDone={(id) => void navigate({ to: "/workflows/$id", params: { id } })} onCancel={() => setUrl({ new: false }, true)} />
        </Suspense>
      </Page>
    );
  }
  return (
    <Page>
      <PageHeader title={t("workflows")} actions={<><CopyAs action={{ cli: "runsheet workflow list", method: "GET", path: "/api/workflows" }} />{create}</>} />
      {rows.length > 0 || filtered ? (
        <FilterBar query={url.q} onQuery={(v) => setUrl({ q: v }, true)} placeholder={t("searchWorkflows")} active={filtered} onClear={() => setUrl({ q: "", label: "", archived: false })}>
          <CheckBox label={t("withArchived")} checked={url.archived} onChange={(archived) => setUrl({ archived })} />
          {url.label ? <Chip onRemove={() => setUrl({ label: "" })} removeLabel={t("removeFilter")}>{url.label.replace(":", "=")}</Chip> : null}
        </FilterBar>
      ) : null}
      {q.error ? <ErrorState error={q.error} onRetry={() => void q.refetch()} /> : !q.data ? <Loading rows={8} /> : rows.length === 0 ? (
        filtered ? <Empty title={t("noMatch")} /> : <Empty icon={Icon} title={t("emptyTitle")} action={create} command="runsheet workflow init hello.yaml && runsheet workflow apply hello.yaml">{t("emptyText")}</Empty>
      ) : (
        <Table
          label={t("workflows")} rows={rows} id={(w) => w.workflow_id} onOpen={(w) => void navigate({ to: "/workflows/$id", params: { id: w.workflow_id } })}
          columns={[
            {
              id: "name", head: t("name"), cell: (w) => (
                <span className="flex min-w-0 flex-col py-0.5">
                  <span className="flex flex-wrap items-center gap-2">
                    <Link to="/workflows/$id" params={{ id: w.workflow_id }} className="font-medium [overflow-wrap:anywhere] hover:underline">{w.name || w.workflow_id}</Link>
                    {w.archived ? <Badge>{t("archived")}</Badge> : null}
                    {pairs(w.labels).slice(0, 3).map((l) => <Chip key={l}>{l}</Chip>)}
                  </span>
                  {w.description ? <span className="line-clamp-1 text-xs text-faint">{w.description}</span> : w.name && w.name !== w.workflow_id ? <span className="font-mono text-xs text-faint">{w.workflow_id}</span> : null}
                </span>
              ),
            },
            { id: "results", head: t("lastResults"), width: "13rem", from: "md", cell: (w) => <LastResults of={w} /> },
            { id: "next", head: t("nextFire"), width: "8rem", from: "lg", cell: (w) => <NextFire of={w} /> },
            { id: "approvals", head: t("waitingApprovals"), width: "7rem", align: "right", from: "lg", cell: (w) => <WaitingApprovals of={w} /> },
            { id: "version", head: t("version"), width: "8rem", align: "right", cell: (w) => <Link to="/workflows/$id/versions" params={{ id: w.workflow_id }} className="whitespace-nowrap hover:underline">{w.active_version === null ? <span className="text-faint">{t("draft")}</span> : t("versionN", { n: w.active_version })}{w.active_version !== null && w.newest_version > w.active_version ? <span className="ml-1.5 text-xs text-warn" title={t("newerDraft")}>+{w.newest_version - w.active_version}</span> : null}</Link> },
            { id: "updated", head: t("updated"), width: "8rem", align: "right", from: "sm", cell: (w) => <span className="text-dim"><Time at={w.updated_at} /></span> },
            { id: "run", head: <span className="sr-only">{t("actions")}</span>, width: "3rem", align: "right", cell: (w) => <IconButton icon={Play} label={t("runNamed", { name: w.name || w.workflow_id })} why={start.why || (w.archived ? t("whyArchived") : w.active_version === null ? t("whyNoVersion") : "")} onClick={() => setRunning(w)} /> },
          ]}
        />
      )}
      {q.hasNextPage ? <Button className="mt-3" busy={q.isFetchingNextPage} onClick={() => void q.fetchNextPage()}>{t("loadMore")}</Button> : null}
      {running ? <RunForm workflowId={running.workflow_id} name={running.name || running.workflow_id} onClose={() => setRunning(null)} /> : null}
    </Page>
  );
}

