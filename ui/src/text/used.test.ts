import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const src = join(import.meta.dirname, "..");
const code = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((f) => f.isFile() && /\.tsx?$/.test(f.name) && !f.name.endsWith(".test.ts") && !/[/\\](?:text|gen)(?:[/\\]|$)/.test(f.parentPath.slice(src.length)))
  .map((f) => readFileSync(join(f.parentPath, f.name), "utf8"))
  .join("\n");
const areas = readdirSync(import.meta.dirname, { withFileTypes: true }).filter((f) => f.isDirectory()).map((f) => f.name);

// The code names a text by its key, or makes the key of a prefix or an ending that a
// template names: `code_${x}`, `${x}Hint`.
const words = new Set([...code.matchAll(/"(\w+)"/g)].map((m) => m[1]));
const made = [...code.matchAll(/t\(`(\w*)\$\{[^}`]+\}(\w*)`/g)].map((m) => ({ begin: m[1] ?? "", end: m[2] ?? "" })).filter((m) => m.begin || m.end);

it.each(areas)("%s has no text that nothing shows", async (area) => {
  const { en } = (await import(`./${area}/en.ts`)) as { en: Record<string, unknown> };
  const isMade = (key: string) => made.some((m) => key.length > m.begin.length + m.end.length && key.startsWith(m.begin) && key.endsWith(m.end));
  expect(Object.keys(en).filter((key) => !words.has(key) && !isMade(key))).toEqual([]);
});
