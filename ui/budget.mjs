// Compares what is built with the budgets: node budget.mjs FIRST ALL, in bytes of gzip.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

const [maxFirst, maxAll] = process.argv.slice(2).map(Number);
const dist = join(import.meta.dirname, "dist");
const assets = join(dist, "assets");
const size = (name) => statSync(join(assets, `${name}.gz`)).size;
const text = (name) => gunzipSync(readFileSync(join(assets, `${name}.gz`))).toString();

// What a file imports at once; import() is not among it.
const imports = (name) => (name.endsWith(".js") ? [...text(name).matchAll(/(?:from|import)\s*["']\.\/([^"']+)["']/g)].map((m) => m[1]) : []);

const first = new Set();
const visit = (name) => {
  if (first.has(name)) return;
  first.add(name);
  for (const i of imports(name)) visit(i);
};
for (const m of readFileSync(join(dist, "index.html"), "utf8").matchAll(/\/ui\/assets\/([^"]+)/g)) visit(m[1]);
// The home page belongs to the first load.
const names = readdirSync(assets).filter((f) => f.endsWith(".gz")).map((f) => f.slice(0, -3));
for (const n of names) if (/^queue-/.test(n)) visit(n);

const sum = (list) => [...list].reduce((n, f) => n + size(f), 0);
// What a part loads beyond the first page, with what it imports; a worker has no import that names it.
const part = (pattern) => {
  const all = new Set();
  const walk = (name) => {
    if (first.has(name) || all.has(name)) return;
    all.add(name);
    for (const i of imports(name)) walk(i);
  };
  for (const n of names) if (pattern.test(n)) walk(n);
  return sum(all);
};
const bad = [
  [sum(first), maxFirst, "first load"],
  [sum(names), maxAll, "all pages"],
  [part(/^(graph|layout)/i), 80_000, "graph"],
  [part(/^(editor|codemirror|yaml)/i), 160_000, "editor"],
].filter(([n, max, what]) => {
  console.log(`ui: ${what}: ${n} bytes of at most ${max}`);
  return n > max;
});
process.exit(bad.length > 0 ? 1 : 0);
