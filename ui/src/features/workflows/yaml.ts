// Definitions as YAML, in the order in which people write them. Loaded with what needs it.
import { CORE_SCHEMA, dump, loadAll, YAMLException } from "js-yaml";

const first = ["kind", "workflow_id", "name", "description", "labels", "node_id", "type", "data_type", "action_type", "wait_type", "channel", "target_type", "when", "inputs", "vars", "concurrency", "config"];
const last = ["next", "depends_on", "join", "retry", "timeout", "on_error", "compensate", "nodes", "outputs", "compensation", "defaults"];

function rank(key: string): number {
  const f = first.indexOf(key);
  if (f >= 0) return f;
  const l = last.indexOf(key);
  return l >= 0 ? 200 + l : 100;
}

/** A definition as YAML; `kind` is added, as files have it. */
export function toYaml(definition: Readonly<Record<string, unknown>>): string {
  const sortKeys = (a: string, b: string) => rank(a) - rank(b) || (a < b ? -1 : 1);
  return dump({ kind: "Workflow", ...definition }, { lineWidth: 110, noRefs: true, sortKeys, flowLevel: -1, schema: CORE_SCHEMA });
}

/** What a YAML or JSON text says. */
export type Read = { definition: Record<string, unknown> | null; error: null } | { definition: null; error: { message: string; line: number; column: number } };

/** Reads the first workflow of a text; error says where it is no YAML. */
export function readYaml(text: string): Read {
  try {
    const docs = loadAll(text, null, { schema: CORE_SCHEMA }) as unknown[];
    const found = docs.find((d): d is Record<string, unknown> => typeof d === "object" && d !== null && !Array.isArray(d) && ((d as Record<string, unknown>)["kind"] ?? "Workflow") === "Workflow");
    return { definition: found ?? null, error: null };
  } catch (e) {
    if (e instanceof YAMLException) return { definition: null, error: { message: e.reason, line: (e.mark?.line ?? 0) + 1, column: (e.mark?.column ?? 0) + 1 } };
    return { definition: null, error: { message: e instanceof Error ? e.message : String(e), line: 1, column: 1 } };
  }
}
