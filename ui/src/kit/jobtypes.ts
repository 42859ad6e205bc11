import { api, ok, type Schema } from "../api/client";
import { language } from "../text/catalogue";
import type { JsonSchema } from "./schema";

type Fields = typeof import("../text/jobtypes").fields;

/** The schema of a built-in job type with Korean titles and descriptions. A title keeps the name that the API has. */
export function korean(schema: JsonSchema, fields: Fields[string] = {}, path = ""): JsonSchema {
  const out = { ...schema };
  if (schema.items) out.items = korean(schema.items, fields, path);
  if (schema.properties)
    out.properties = Object.fromEntries(Object.entries(schema.properties).map(([name, part]) => {
      const [title, description] = fields[path + name] ?? [];
      return [name, { ...korean(part, fields, `${path}${name}/`), ...(title ? { title: `${title} (${name})` } : {}), ...(description ? { description } : {}) }];
    }));
  return out;
}

/** All job types, with schemas that speak the page's language. */
export const jobTypesQuery = {
  queryKey: ["job-types"], staleTime: 600_000,
  queryFn: async ({ signal }: { signal: AbortSignal }) => {
    const types = await ok(api.GET("/api/job-types", { signal }));
    if (language !== "ko") return types;
    const { fields } = await import("../text/jobtypes");
    return { ...types, items: types.items.map((x) => ({ ...x, params_schema: korean(x.params_schema as JsonSchema, fields[x.job_type]) as Schema<"JobType">["params_schema"] })) };
  },
};
