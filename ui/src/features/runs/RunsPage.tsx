import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Columns2, Play } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Page, PageHeader } from "../../kit/Page";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { useUrl } from "../../kit/url";
import { useNow } from "../../kit/Values";
import { useLiveEvent } from "../../live/context";
import { t as kit } from "../../text/kit";
import { t } from "../../text/runs";
import { total } from "./bars";
import { listRuns, mergeRuns } from "./data";
import { cliOf, filtered, pathOf, queryOf, runsUrl, spanOf, type Filters } from "./filters";
import { Histogram } from "./Histogram";
import { RunFilters } from "./RunFilters";
import { RunRows } from "./RunRows";

const pageSize = 100;
type Query = ReturnType<typeof queryOf>;

// The first page follows what happens. Later pages are read once, and anew only when a
// run of them changes: nobody reads thousands of rows again for each event.
function useRuns(query: Query, bucket: number) {
  const client = useQueryClient();
  const first = useQuery({
    queryKey: ["runs", query, bucket], placeholderData: keepPreviousData,
    queryFn: ({ signal }) => listRuns({ ...query, limit: pageSize, include: ["histogram", "typical"], bucket: bucket / 1000 }, signal),
  });
  const [anchors, setAnchors] = useState<Record<string, { cursor: string; page: NonNullable<typeof first.data>["items"] }>>({});
  const id = JSON.stringify(query);
  const anchor = anchors[id];
  const olderKey = useMemo(() => ["older-runs", id, anchor?.cursor], [id, anchor?.cursor]);
  const older = useInfiniteQuery({
    queryKey: olderKey, enabled: anchor !== undefined, staleTime: Infinity, initialPageParam: anchor?.cursor ?? "",
    queryFn: ({ signal, pageParam }) => listRuns({ ...query, limit: pageSize, cursor: pageParam, include: ["typical"] }, signal),
    getNextPageParam: (p) => p.next_cursor ?? undefined,
  });
  const rows = useMemo(() => mergeRuns(first.data?.items ?? [], [...(anchor?.page ?? []), ...(older.data?.pages.flatMap((p) => p.items) ?? [])]), [first.data, anchor, older.data]);
  useLiveEvent((e) => {
    const changed = e.run_id && older.data?.pages.some((p) => p.items.some((r) => r.run_id === e.run_id));
    if (changed) void client.invalidateQueries({ queryKey: olderKey });
  });
  const { data } = first;
  const more = useCallback(() => {
    if (!data?.next_cursor || first.isPlaceholderData) return;
    if (!anchor) setAnchors({ [id]: { cursor: data.next_cursor, page: data.items } });
    else if (older.hasNextPage && !older.isFetching) void older.fetchNextPage();
  }, [data, first.isPlaceholderData, anchor, id, older]);
  const typical = useMemo(() => [...(first.data?.typical ?? []), ...(older.data?.pages.flatMap((p) => p.typical ?? []) ?? [])], [first.data, older.data]);
  const complete = data !== undefined && (data.next_cursor === null || (anchor !== undefined && older.data !== undefined && !older.hasNextPage));
  return { first, older, rows, more, typical, complete };
}

// A clock for the stretch of time: it moves when a bar is full.
function useSpan(f: Filters): { span: ReturnType<typeof spanOf>; now: number } {
  const minute = Math.floor(useNow() / 60_000) * 60_000;
  return useMemo(() => ({ span: spanOf(f, minute), now: minute + 60_000 }), [f, minute]);
}

/** The list of runs. */
export function RunsPage() {
  const [f, set] = useUrl(runsUrl);
  const change = useCallback((next: Partial<Filters>, replace?: boolean) => set(next as Parameters<typeof set>[0], replace), [set]);
  const { span, now } = useSpan(f);
  const query = useMemo(() => queryOf(f, span), [f, span]);
  const { first, older, rows, more, typical, complete } = useRuns(query, span.bucket);
  const select = useCallback((id: string, on: boolean) => set({ sel: on ? [...f.sel.filter((s) => s !== id), id].slice(-2) : f.sel.filter((s) => s !== id) }, true), [set, f.sel]);
  const bars = first.data?.histogram?.bars ?? [];
  const count = bars.reduce((n, b) => n + total(b), 0);
  const failed = bars.reduce((n, b) => n + b.failed, 0);
  const active = bars.reduce((n, b) => n + b.active, 0);
  return (
    <Page>
      <PageHeader
        title={t("runs")}
        facts={first.data ? <><span>{t("counted", { n: count })}</span>{active > 0 ? <span className="text-info">{t("countActive", { n: active })}</span> : null}{failed > 0 ? <span className="text-bad">{t("countFailed", { n: failed })}</span> : null}</> : null}
        actions={<CopyAs action={{ cli: cliOf(query), method: "GET", path: pathOf(query) }} />}
      />
      <RunFilters f={f} now={now} change={change} />
      {first.isPending ? <Loading rows={10} /> : first.isError && !first.data ? <ErrorState error={first.error} onRetry={() => void first.refetch()} /> : rows.length === 0 ? (
        <None f={f} change={change} />
      ) : (
        <>
          <Histogram data={first.data?.histogram} span={span} now={now} onChoose={(from, to) => change({ from: new Date(from).toISOString(), to: new Date(to).toISOString() })} />
          <RunRows rows={rows} typical={typical} selected={f.sel} onSelect={select} onEnd={more} complete={complete} />
          <p role="status" className="py-4 text-center text-xs text-faint">{older.isError ? <Button small onClick={() => void older.refetch()}>{kit("retry")}</Button> : complete ? t("thatsAll") : older.isFetching ? t("loadingMore") : "\u00a0"}</p>
        </>
      )}
      {f.sel.length > 0 ? <Selection ids={f.sel} onClear={() => set({ sel: [] }, true)} /> : null}
    </Page>
  );
}

function None({ f, change }: { f: Filters; change: (next: Partial<Filters>) => void }) {
  const narrowed = filtered(f) || f.from !== "" || f.range !== "all";
  if (narrowed) return <Empty title={t("noneTitle")} action={<><Button onClick={() => change({ q: "", status: [], type: [], template: "", schedule: "", job: "", workflow: "", label: [] })} disabled={!filtered(f)}>{kit("clearFilters")}</Button><Button onClick={() => change({ range: "all", from: "", to: "" })} disabled={f.range === "all" && f.from === ""}>{t("showAll")}</Button></>}>{t("noneText")}</Empty>;
  return <Empty icon={Play} title={t("emptyTitle")} action={<Link to="/queue" className="text-accent underline">{t("emptyAction")}</Link>} command="runsheet job add --name hello --wait -- /bin/echo hello">{t("emptyText")}</Empty>;
}

function Selection({ ids, onClear }: { ids: readonly string[]; onClear: () => void }) {
  const navigate = useNavigate();
  const [a, b] = ids;
  return (
    <div role="region" aria-label={t("compare")} className="fixed bottom-16 left-1/2 z-20 flex -translate-x-1/2 items-center gap-3 rounded-lg border border-line bg-raised py-1.5 pr-1.5 pl-4 shadow-pop md:bottom-4">
      <span className="text-sm text-dim">{t("compareHint", { n: ids.length })}</span>
      <Button look="ghost" onClick={onClear}>{t("clearSelection")}</Button>
      <Button look="primary" icon={Columns2} disabled={!a || !b} onClick={() => a && b && void navigate({ to: "/runs/$id", params: { id: a }, search: { with: b } })}>{t("compareTwo")}</Button>
    </div>
  );
}
