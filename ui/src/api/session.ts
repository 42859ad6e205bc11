import { queryOptions, useQuery } from "@tanstack/react-query";
import { t } from "../text/kit";
import { api, ok } from "./client";

/** Who uses the page. The shell has read it before any page is shown. */
export const meQuery = queryOptions({ queryKey: ["session"], queryFn: ({ signal }) => ok(api.GET("/api/session", { signal })), staleTime: 60_000 });

/** Whether the caller has a scope, and the reason for a tooltip when not. A disabled action says why. */
export function useCan(scope: string): { can: boolean; why: string } {
  const { data } = useQuery(meQuery);
  const can = data?.scopes.some((s) => s === scope || s === "*") ?? false;
  return { can, why: can ? "" : t("needsScope", { scope }) };
}
