import { useQuery } from "@tanstack/react-query";
import { api, ok } from "../../api/client";
import type { Option } from "../../kit/control";

/** The format of a text in a JSON Schema that is the id of a workflow. */
export const workflowId = "workflow-id";

/** The workflows that can be run, to choose from; undefined until they are known. */
export function useWorkflows(enabled: boolean): Option[] | undefined {
  const { data } = useQuery({ queryKey: ["workflows", "options"], enabled, queryFn: ({ signal }) => ok(api.GET("/api/workflows", { signal, params: { query: { limit: 200 } } })) });
  return data?.items.map((x) => ({ value: x.workflow_id, label: x.workflow_id, hint: x.name === x.workflow_id ? x.description : x.name }));
}
