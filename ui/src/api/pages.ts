import { useInfiniteQuery } from "@tanstack/react-query";

/** One page of a list. */
interface ListPage<T> {
  items: T[];
  next_cursor: string | null;
}

/** A list that is read page by page: `more` reads the next one, and is null at the end. */
export interface Pages<T> {
  items: readonly T[];
  isPending: boolean;
  error: unknown;
  more: (() => void) | null;
  loadingMore: boolean;
  retry: () => void;
}

/** Reads a list of the API; the key's first element is the resource. */
export function usePages<T>(key: readonly unknown[], read: (cursor: string | undefined, signal: AbortSignal) => Promise<ListPage<T>>, enabled = true): Pages<T> {
  const q = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => read(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    enabled,
  });
  return {
    items: q.data?.pages.flatMap((p) => p.items) ?? [],
    isPending: q.isPending && enabled,
    error: q.data ? null : q.error,
    more: q.hasNextPage ? () => void q.fetchNextPage() : null,
    loadingMore: q.isFetchingNextPage,
    retry: () => void q.refetch(),
  };
}
