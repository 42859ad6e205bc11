import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { titles } from "./problems";

// The catalogue of the server's codes: | `code` | kind | title | what to do |
const codes = [...readFileSync(join(import.meta.dirname, "..", "..", "..", "docs", "errors.md"), "utf8").matchAll(/^\| `(\w+)` \| \w+ \| [^|]+ \|/gm)].map((m) => m[1]);

it("each code of a problem has a Korean title", () => {
  expect(codes.length).toBeGreaterThan(100);
  expect(Object.keys(titles).sort()).toEqual([...codes].sort());
  for (const [code, title] of Object.entries(titles)) expect(title, code).toMatch(/\p{Script=Hangul}/u);
});

it.each([["ko-KR", "되풀이되는 롤백"], ["en-GB", "Rollback loop"]])("a refused call has its title in %s", async (language, title) => {
  vi.stubGlobal("navigator", { languages: [language] });
  vi.resetModules();
  const { ok, problemOf } = await import("../api/client");
  const body = { code: "rollback_loop", title: "Rollback loop", detail: "node undo did it at 12:00" };
  const call = ok(Promise.resolve({ error: body, response: new Response(JSON.stringify(body), { status: 409 }) }));
  const p = problemOf(await call.catch((e: unknown) => e));
  expect([p.code, p.title, p.detail]).toEqual(["rollback_loop", title, body.detail]);
  vi.unstubAllGlobals();
});
