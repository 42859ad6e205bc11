import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { en } from "./kit/en";
import { ko } from "./kit/ko";

// The catalogue of the server's codes: | `code` | kind | title | what to do |
const catalogue = new Map([...readFileSync(join(import.meta.dirname, "..", "..", "..", "docs", "errors.md"), "utf8").matchAll(/^\| `(\w+)` \| \w+ \| ([^|]+) \|/gm)].map((m) => [m[1], m[2]]));

it("titles of problems are those of the server's catalogue, and have Korean words", () => {
  const keys = Object.keys(en).filter((k): k is keyof typeof en & `title_${string}` => k.startsWith("title_"));
  expect(keys.length).toBeGreaterThan(20);
  for (const k of keys) {
    expect(en[k], k).toBe(catalogue.get(k.slice("title_".length)));
    expect(ko[k], k).toMatch(/\p{Script=Hangul}/u);
  }
});
