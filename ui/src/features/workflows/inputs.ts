// The inputs that a workflow declares, as fields of a form.
import type { JsonSchema } from "../../kit/schema";

/** An input of a workflow, as its definition has it. */
export interface WorkflowInput {
  name: string;
  secret: boolean;
  required: boolean;
  schema: JsonSchema;
}

type Fields = Readonly<Record<string, unknown>>;
const record = (v: unknown): Fields => (typeof v === "object" && v !== null && !Array.isArray(v) ? (v as Fields) : {});

/** Reads the inputs out of a definition, in their order there. */
export function inputsOf(definition: unknown): WorkflowInput[] {
  return Object.entries(record(record(definition)["inputs"])).map(([name, raw]) => {
    const at = record(raw);
    return { name, secret: at["secret"] === true, required: at["required"] === true, schema: schemaOf(at) };
  });
}

/** The schema of the form of all inputs. */
export function formOf(inputs: readonly WorkflowInput[]): JsonSchema {
  return { type: "object", properties: Object.fromEntries(inputs.map((i) => [i.name, { ...i.schema, title: i.name }])), required: inputs.filter((i) => i.required).map((i) => i.name) };
}

function schemaOf(at: Fields): JsonSchema {
  const type = typeof at["type"] === "string" ? at["type"] : "string";
  const out: JsonSchema = { type: ["date", "datetime", "duration"].includes(type) ? "string" : type };
  if (type === "date") out.format = "date";
  if (type === "datetime") out.format = "date-time";
  if (at["secret"] === true) out.format = "password";
  const text = (k: string) => (typeof at[k] === "string" ? at[k] : undefined);
  const description = text("description") ?? hints[type];
  if (description !== undefined) out.description = description;
  const pattern = text("pattern");
  if (pattern !== undefined) out.pattern = pattern;
  if (Array.isArray(at["enum"])) out.enum = at["enum"] as unknown[];
  if (at["default"] !== undefined) out.default = at["default"];
  const lengths = type === "string" || type === "array";
  if (typeof at["min"] === "number") Object.assign(out, type === "string" ? { minLength: at["min"] } : lengths ? { minItems: at["min"] } : { minimum: at["min"] });
  if (typeof at["max"] === "number") Object.assign(out, type === "string" ? { maxLength: at["max"] } : lengths ? { maxItems: at["max"] } : { maximum: at["max"] });
  if (type === "array" && at["items"] !== undefined) out.items = schemaOf(typeof at["items"] === "string" ? { type: at["items"] } : record(at["items"]));
  return out;
}

const hints: Readonly<Record<string, string>> = { date: "2026-01-31", datetime: "2026-01-31T12:00:00Z", duration: "1h30m" };
