import { useInfiniteQuery, useMutation, useQueryClient, type InfiniteData } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useCallback, useMemo, useRef, useState } from "react";
import { answer, api, ok, problemOf, type Schema } from "../../api/client";
import { announce } from "../../kit/announce";
import { closeToast, toast } from "../../kit/toast";
import { toastError } from "../../kit/Toasts";
import { useLive } from "../../live/context";
import { t } from "../../text/queue";
import { applyOrder, byNeighbour, rowsOf, wayBack, type Order, type QueueState } from "./model";

interface Page {
  state: QueueState;
  etag: string;
}
type Data = InfiniteData<Page, string | null>;

const key = ["queue", "board"] as const;
const pageSize = 200;
// What moves on without an event: estimates, while what runs takes longer than expected, and progress, which each page is read for as often.
const estimatesAge = 15_000;
const progressAge = 3000;

/** The board's data: everything of GET /api/queue, and as many pages of the order as were scrolled to. */
export function useQueue() {
  const live = useLive().state === "live";
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: async ({ pageParam, signal }): Promise<Page> => {
      const a = await answer(api.GET("/api/queue", { signal, params: { query: { limit: pageSize, ...(pageParam ? { cursor: pageParam } : {}) } } }));
      return { state: a.data, etag: a.response.headers.get("ETag") ?? "" };
    },
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.state.queued.next_cursor,
    select: moved,
    refetchInterval: ({ state: { data } }) => {
      const running = data?.pages[0]?.state.running ?? [];
      return live && data && running.length > 0 ? (running.some((r) => r.progress || Date.now() - Date.parse(r.started_at) < estimatesAge) ? progressAge : estimatesAge) * data.pages.length : false;
    },
  });
  const pages = query.data?.pages;
  const jobs = useMemo(() => {
    const seen = new Set<string>();
    // A job that moved between two reads may be on two pages.
    return (pages ?? []).flatMap((p) => p.state.queued.items).filter((j) => !seen.has(j.job_id) && seen.add(j.job_id));
  }, [pages]);
  const rows = useMemo(() => rowsOf(jobs, (pages ?? []).flatMap((p) => p.state.groups)), [jobs, pages]);
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = query;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [fetchNextPage, hasNextPage, isFetchingNextPage]);
  return { query, state: pages?.[0]?.state, jobs, rows, complete: !hasNextPage, more };
}

function reorder(data: Data | undefined, call: Order): Data | undefined {
  if (!data) return data;
  const all = applyOrder(data.pages.flatMap((p) => p.state.queued.items), call);
  let from = 0;
  const pages = data.pages.map((p) => {
    const n = p.state.queued.items.length;
    const items = all.slice(from, from + n);
    from += n;
    return { ...p, state: { ...p.state, queued: { ...p.state.queued, items } } };
  });
  return { ...data, pages };
}

// Moves that are not answered yet, in the order in which they are sent. What is read meanwhile may be without them.
const unanswered: Order[] = [];
function moved(data: Data): Data {
  return unanswered.reduce((d, call) => reorder(d, call) ?? d, data);
}

/** What moves: a person's wish; or, with etag, the way back from one, as long as nobody has changed the order since. */
interface Move {
  call: Order;
  name: string;
  etag?: string;
}

function over(call: Order): void {
  const i = unanswered.indexOf(call);
  if (i >= 0) unanswered.splice(i, 1);
}

/** Moves jobs. The list shows the new order at once; moves and their ways back are sent one after another. */
export function useMove() {
  const client = useQueryClient();
  const [flashed, setFlashed] = useState<ReadonlySet<string>>(new Set());
  // What the list was without the moves that are not answered yet.
  const answered = useRef<Data | undefined>(undefined);
  const open = () => client.isMutating({ predicate: (m) => m.options.scope?.id === "queue-order" });
  const offered = useRef(0);
  const move = useMutation({
    scope: { id: "queue-order" },
    mutationFn: async ({ call, etag: since }: Move) => {
      const etag = since ?? client.getQueryData<Data>(key)?.pages[0]?.etag;
      const put = (match: string | undefined, body = call) => answer(api.PUT("/api/queue/order", { body, params: { header: match ? { "If-Match": match } : {} } }));
      try {
        return { ...(await put(etag)), conflict: false };
      } catch (e) {
        if (since || problemOf(e).status !== 412) throw e;
        // Somebody else has changed the order. Said by a neighbour, the wish still holds.
        const data = client.getQueryData<Data>(key);
        const shown = data ? moved(data).pages.flatMap((p) => p.state.queued.items) : [];
        return { ...(await put(undefined, byNeighbour(shown, call))), conflict: true };
      }
    },
    onMutate: async ({ call }) => {
      // An earlier offer no longer fits the order.
      closeToast(offered.current);
      await client.cancelQueries({ queryKey: key });
      const data = client.getQueryData<Data>(key);
      const pages = data ? moved(data).pages : [];
      const back = wayBack(pages.flatMap((p) => p.state.queued.items), call, !pages.at(-1)?.state.queued.next_cursor);
      if (open() <= 1) answered.current = client.getQueryData<Data>(key);
      unanswered.push(call);
      client.setQueryData<Data>(key, (d) => reorder(d, call));
      return { back };
    },
    onSuccess: ({ data, response, conflict }, { call, name, etag: since }, { back }) => {
      const etag = response.headers.get("ETag") ?? "";
      answered.current = reorder(answered.current, call);
      over(call);
      client.setQueryData<Data>(key, (d) => {
        const now = reorder(d, call); // it may have been read before the move
        return now ? { ...now, pages: now.pages.map((p) => ({ ...p, etag })) } : now;
      });
      if (since) return announce(t("restored"));
      const shown = client.getQueryData<Data>(key)?.pages ?? [];
      // Places, of which a group is one; what has begun has none.
      const total = shown.at(-1)?.state.queued.next_cursor ? (shown[0]?.state.statistics.queued ?? 0) : new Set(shown.flatMap((p) => p.state.queued.items).filter((j) => j.position !== null).map((j) => j.group_id ?? j.job_id)).size;
      const text = data.new_position === null ? t("movedMany", { n: data.moved.length }) : t("moved", { name, n: data.new_position + 1, m: total });
      announce(text);
      if (!conflict) {
        // The next move changes the order again, and has an offer of its own.
        if (back && etag && open() <= 1) offered.current = toast({ text, undo: () => move.mutate({ call: back, name, etag }) });
        return;
      }
      setFlashed(new Set(call.order ?? (call.job_id ? [call.job_id] : [])));
      toast({ tone: "warn", text: data.new_position === null ? text : t("changed", { n: data.new_position + 1 }) });
    },
    onError: (e, { call }) => {
      over(call);
      const p = problemOf(e);
      if ([404, 409, 412].includes(p.status)) toast({ tone: "warn", text: t("notMoved"), detail: p.status === 412 ? "" : p.detail });
      else toastError(e);
      // The list must not show a move that was not made, even if the server cannot be asked.
      if (open() <= 1 && answered.current) client.setQueryData<Data>(key, answered.current);
    },
    onSettled: () => {
      if (open() <= 1) void client.invalidateQueries({ queryKey: key });
    },
  });
  return { move: move.mutate, flashed };
}

/** The changes of jobs beside moves; each reads the board anew and shows what was refused. */
export function useJobActions() {
  const client = useQueryClient();
  const router = useRouter();
  const run = useCallback(
    async (work: () => Promise<unknown>): Promise<boolean> => {
      try {
        await work();
        return true;
      } catch (e) {
        toastError(e);
        return false;
      } finally {
        void client.invalidateQueries({ predicate: (q) => q.queryKey[0] === "queue" || q.queryKey[0] === "overview" });
      }
    },
    [client],
  );
  return useMemo(() => {
    const path = (job_id: string) => ({ params: { path: { job_id } } });
    return {
      hold: (id: string) => run(() => ok(api.POST("/api/jobs/{job_id}/hold", path(id)))),
      release: (id: string) => run(() => ok(api.POST("/api/jobs/{job_id}/release", path(id)))),
      patch: (id: string, body: Schema<"JobPatch">) => run(() => ok(api.PATCH("/api/jobs/{job_id}", { ...path(id), body }))),
      duplicate: (id: string) => run(async () => {
        const copy = await ok(api.POST("/api/jobs/{job_id}/duplicate", { ...path(id), body: {} }));
        toast({ text: t("added", { name: copy.name }) });
      }),
      // It may be there, with nothing that waits: what can be tried is on the welcome page.
      demo: () => run(async () => {
        await ok(api.POST("/api/demo"));
        toast({ text: t("demoIsHere"), action: { label: t("demoTry"), run: () => void router.navigate({ to: "/welcome" as never }) } });
      }),
      removeDemo: () => run(async () => {
        await ok(api.DELETE("/api/demo"));
        toast({ text: t("demoRemoved") });
      }),
      stop: (id: string, name: string) => run(async () => {
        await ok(api.POST("/api/jobs/{job_id}/cancel", path(id)));
        toast({ text: t("stopping", { name }) });
      }),
      /** Cancels waiting jobs. For 8 s it can be taken back for those of `restorable`, which no member of a group is. */
      cancel: (ids: readonly string[], name: string, restorable: readonly string[]) => run(async () => {
        if (ids.length === 1 && ids[0]) await ok(api.POST("/api/jobs/{job_id}/cancel", path(ids[0])));
        let done = ids.length;
        if (ids.length !== 1) {
          const all = await ok(api.POST("/api/jobs/bulk", { body: { action: "cancel", job_ids: [...ids] } }));
          done = all.done;
          if (all.refused > 0) toast({ tone: "warn", text: t("refused", { n: all.refused }) });
          if (done === 0) return;
        }
        const back = () => run(async () => {
          if (restorable.length === 1 && restorable[0]) await ok(api.POST("/api/jobs/{job_id}/restore", path(restorable[0])));
          else {
            const { refused } = await ok(api.POST("/api/jobs/bulk", { body: { action: "restore", job_ids: [...restorable] } }));
            if (refused > 0) toast({ tone: "warn", text: t("refused", { n: refused }) });
          }
          announce(t("restored"));
        });
        toast({ text: ids.length === 1 ? t("cancelled", { name }) : t("cancelledMany", { n: done }), ...(restorable.length > 0 ? { undo: () => void back() } : {}) });
      }),
      /** Cancels groups, each by a call of its own. One that is refused does not stop the others. */
      cancelGroups: async (ids: readonly string[]) => {
        let done = 0;
        for (const group_id of ids) if (await run(() => ok(api.POST("/api/job-groups/{group_id}/cancel", { params: { path: { group_id } } })))) done++;
        if (done > 0) toast({ text: t("groupsCancelled", { n: done }) });
      },
      /** Makes a group of waiting jobs. For 8 s it can be taken back: they get their places among `span` again. */
      group: (body: Schema<"JobGroupInput"> & { job_ids: string[] }, span: readonly string[]) => run(async () => {
        const { group_id } = await ok(api.POST("/api/job-groups", { body }));
        const back = () => run(async () => {
          await ok(api.POST("/api/job-groups/{group_id}/dissolve", { params: { path: { group_id } } }));
          if (span.length > body.job_ids.length) await ok(api.PUT("/api/queue/order", { body: { order: [...span] } }));
          announce(t("restored"));
        });
        toast({ text: t("grouped", { n: body.job_ids.length, name: body.name }), undo: () => void back() });
      }),
      /** Makes the waiting members of a group ordinary jobs. It can be taken back when none of them had begun. */
      ungroup: (group_id: string) => run(async () => {
        const path = { params: { path: { group_id } } };
        const { name, mode, max_parallel, on_failure, labels } = await ok(api.GET("/api/job-groups/{group_id}", path));
        const { job_ids, group } = await ok(api.POST("/api/job-groups/{group_id}/dissolve", path));
        const again = () => run(() => ok(api.POST("/api/job-groups", { body: { name, mode, max_parallel, on_failure, labels, job_ids } })));
        toast({ text: t("ungrouped", { name }), ...(group || job_ids.length > 500 ? {} : { undo: () => void again() }) });
      }),
      pause: () => run(() => ok(api.POST("/api/queue/pause", {}))),
      resume: () => run(() => ok(api.POST("/api/queue/resume", {}))),
      workers: (count: number) => run(() => ok(api.PATCH("/api/workers", { body: { count } }))),
      bulk: (...bodies: Schema<"BulkInput">[]) => run(async () => {
        let [done, refused, more] = [0, 0, false];
        for (const body of bodies) {
          const part = await ok(api.POST("/api/jobs/bulk", { body }));
          done += part.done;
          refused += part.refused;
          more ||= part.more;
        }
        const detail = [refused > 0 ? t("refused", { n: refused }) : "", more ? t("limitNote") : ""].filter(Boolean).join(" ");
        toast({ text: t("done", { n: done }), ...(detail ? { tone: "warn" as const, detail } : {}) });
      }),
    };
  }, [run, router]);
}
