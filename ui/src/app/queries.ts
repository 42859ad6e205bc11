import { notifyManager, QueryClient } from "@tanstack/react-query";
import { Problem } from "../api/client";

// Before the next click comes, the page knows that something is being sent: who clicks twice sends once.
notifyManager.setScheduler(queueMicrotask);

/** The one cache of what the server said. Changes come over the live connection, so nothing is read again by time. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      // A refusal does not get better; no answer and an overloaded server do.
      retry: (count, e) => count < 2 && (!(e instanceof Problem) || e.status === 0 || e.status === 429 || e.status >= 502),
      retryDelay: (count, e) => (e instanceof Problem && e.retryAfter ? e.retryAfter * 1000 : 500 * 2 ** count),
    },
    mutations: { retry: false },
  },
});
