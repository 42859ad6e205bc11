import { queryOptions } from "@tanstack/react-query";
import { api, ok } from "../api/client";

/** The numbers of the frame: whether the queue is paused, waiting approvals, what a restart has brought back. */
export const overviewQuery = queryOptions({ queryKey: ["overview"], queryFn: ({ signal }) => ok(api.GET("/api/overview", { signal })) });
