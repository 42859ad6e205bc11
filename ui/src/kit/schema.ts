import { Exact } from "../api/exact";
import { t } from "../text/kit";

/** The part of JSON Schema that forms are made from. */
export interface JsonSchema {
  type?: string | readonly string[];
  title?: string;
  description?: string;
  default?: unknown;
  enum?: readonly unknown[];
  const?: unknown;
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  required?: readonly string[];
  properties?: Readonly<Record<string, JsonSchema>>;
  items?: JsonSchema;
  minItems?: number;
  maxItems?: number;
}

/** A text in a field that cannot be read as what it is to be, such as JSON or a command line. check() refuses it, so that no form sends it or leaves it out. */
export class Unread {
  constructor(
    readonly text: string,
    /** What is wrong, as a sentence. */
    readonly why: string,
  ) {}
  toJSON(): string {
    return this.text;
  }
}

export type Kind = "command" | "choice" | "boolean" | "text" | "number" | "list" | "object" | "json";

/** Which control fits; "json" when none does, such as for several types at once. */
export function kindOf(s: JsonSchema): Kind {
  if (s.enum && s.enum.length > 0) return "choice";
  const types = (Array.isArray(s.type) ? (s.type as readonly string[]) : s.type ? [s.type as string] : []).filter((x) => x !== "null");
  if (types.length !== 1) return "json";
  switch (types[0]) {
    case "boolean":
      return "boolean";
    case "string":
      return "text";
    case "integer":
    case "number":
      return "number";
    case "array":
      if (s.format === "argv") return "command";
      return s.items && ["choice", "text", "number", "object"].includes(kindOf(s.items)) ? "list" : "json";
    case "object":
      return s.properties && Object.keys(s.properties).length > 0 ? "object" : "json";
    default:
      return "json";
  }
}

export function isRecord(v: unknown): v is Record<string, unknown> {
  return typeof v === "object" && v !== null && !Array.isArray(v) && !(v instanceof Exact) && !(v instanceof Unread);
}

/** The label of a field: its title, or its name with blanks. */
export function titleOf(s: JsonSchema, name: string): string {
  const text = s.title ?? name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** How a choice is shown. */
export function optionText(v: unknown): string {
  return typeof v === "string" ? v : v === null ? "–" : String(v);
}

/** The value that a form begins with: the defaults, and empty objects where they are required. */
export function initial(s: JsonSchema): unknown {
  if (s.default !== undefined) return s.default;
  switch (kindOf(s)) {
    case "object": {
      const out: Record<string, unknown> = {};
      for (const [name, part] of Object.entries(s.properties ?? {})) {
        const v = initial(part);
        if (v !== undefined && (part.default !== undefined || s.required?.includes(name))) out[name] = v;
      }
      return out;
    }
    case "boolean":
      return false;
    case "text":
      return "";
    case "choice":
      return s.enum?.[0];
    case "json":
      return s.type === "object" ? {} : undefined;
    default:
      return undefined;
  }
}

function mayBeEmpty(pattern = ""): boolean {
  try {
    return new RegExp(pattern).test("");
  } catch {
    return true; // in a language of its own: the server says
  }
}

/** What is wrong with a value, by JSON pointer. The server checks again, and fully; this saves a round. */
export function check(s: JsonSchema, value: unknown, pointer = ""): Record<string, string> {
  if (value === undefined) return {};
  const says = (why: string) => ({ [pointer]: why });
  if (value instanceof Unread) return says(value.why);
  switch (kindOf(s)) {
    case "object": {
      if (!isRecord(value)) return {};
      let out: Record<string, string> = {};
      for (const [name, part] of Object.entries(s.properties ?? {})) {
        const v = value[name];
        if (v === undefined || (v === "" && kindOf(part) === "text")) {
          if (s.required?.includes(name) && (v === undefined || (part.minLength ?? 0) > 0 || !mayBeEmpty(part.pattern))) out[`${pointer}/${name}`] = t("required");
        } else out = { ...out, ...check(part, v, `${pointer}/${name}`) };
      }
      return out;
    }
    case "number": {
      const n = value instanceof Exact ? Number(value.text) : value;
      if (typeof n !== "number") return says(t("notNumber"));
      const whole = s.type === "integer" || (Array.isArray(s.type) && s.type.includes("integer") && !s.type.includes("number"));
      if (whole && !(value instanceof Exact ? /^-?\d+$/.test(value.text) : Number.isInteger(n))) return says(t("notWhole"));
      if (s.minimum !== undefined && n < s.minimum) return says(t("tooSmall", { n: s.minimum }));
      if (s.maximum !== undefined && n > s.maximum) return says(t("tooLarge", { n: s.maximum }));
      return {};
    }
    case "text": {
      if (typeof value !== "string") return {};
      const length = [...value].length;
      if (s.minLength !== undefined && length < s.minLength) return says(t("tooShort", { n: s.minLength }));
      if (s.maxLength !== undefined && length > s.maxLength) return says(t("tooLong", { n: s.maxLength }));
      return {};
    }
    case "list":
      return Array.isArray(value) ? Object.assign({}, ...value.map((v, i) => check(s.items ?? {}, v, `${pointer}/${i}`))) as Record<string, string> : {};
    default:
      return {};
  }
}
