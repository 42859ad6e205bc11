import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { fields } from "../text/jobtypes";
import { korean } from "./jobtypes";
import type { JsonSchema } from "./schema";

const task = join(import.meta.dirname, "../../../internal/task");
// Each built-in job type has a folder; its schema is a file, or in its code.
const schemas = new Map<string, JsonSchema>(readdirSync(task, { withFileTypes: true }).filter((d) => d.isDirectory() && d.name !== "tasktest").map(({ name }) => {
  const files = readdirSync(join(task, name)).filter((f) => f === "schema.json" || (f.endsWith(".go") && !f.endsWith("_test.go"))).map((f) => [f, readFileSync(join(task, name, f), "utf8")] as const);
  const go = files.filter(([f]) => f.endsWith(".go")).map(([, text]) => text).join("\n");
  const text = files.find(([f]) => f === "schema.json")?.[1] ?? /RawMessage\(`(\{[^`]*\})`\)/.exec(go)?.[1];
  return [/(?:\bType = |\bType\(\) string \{ return )"(\w+)"/.exec(go)?.[1] ?? "", JSON.parse(text ?? "") as JsonSchema];
}));

function parts(s: JsonSchema, path = ""): [string, JsonSchema][] {
  return [...(s.items ? parts(s.items, path) : []), ...Object.entries(s.properties ?? {}).flatMap(([name, p]): [string, JsonSchema][] => [[path + name, p], ...parts(p, `${path}${name}/`)])];
}

it("has Korean words for the fields of every built-in job type, and for no others", () => {
  expect(Object.keys(fields).sort()).toEqual([...schemas.keys()].sort());
  expect(schemas.size).toBeGreaterThan(5);
  for (const [type, schema] of schemas) {
    const all = new Map(parts(schema));
    expect(Object.keys(fields[type] ?? {}).sort(), type).toEqual([...all.keys()].sort());
    for (const [path, part] of all) {
      const [title = "", description = ""] = fields[type]?.[path] ?? [];
      expect(title, `${type} ${path}`).toMatch(/\p{Script=Hangul}/u);
      if (part.description) expect(description, `${type} ${path}`).toMatch(/\p{Script=Hangul}/u);
    }
  }
});

it("puts them where a form shows them, and changes nothing else", () => {
  const before = schemas.get("log_triage") ?? {};
  const after = parts(korean(before, fields["log_triage"]));
  const was = new Map(parts(before));
  for (const [path, part] of after) {
    const { title, description, properties, items, ...rest } = part;
    expect(title, path).toMatch(/\p{Script=Hangul}.* \(\w+\)$/u);
    expect(description ?? "한", path).toMatch(/\p{Script=Hangul}/u);
    expect({ ...was.get(path), ...rest }).toEqual(was.get(path));
    expect([Object.keys(properties ?? {}), Object.keys(items ?? {})]).toEqual([Object.keys(was.get(path)?.properties ?? {}), Object.keys(was.get(path)?.items ?? {})]);
  }
  expect(korean(before)).toEqual(before);
});
