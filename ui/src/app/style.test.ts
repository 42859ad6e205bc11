import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const css = readFileSync(join(import.meta.dirname, "style.css"), "utf8");
const tokens = (from: string) => {
  const block = css.slice(css.indexOf(`\n${from} {`)).split("\n}", 1)[0] ?? "";
  return new Map([...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map((m) => [m[1] ?? "", m[2] ?? ""]));
};

// WCAG 2.2: relative luminance and contrast ratio.
function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

it("computes contrast as WCAG does", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 5);
  expect(contrast("#777777", "#ffffff")).toBeCloseTo(4.478, 3);
});

describe.each([["light", ":root"], ["dark", '[data-theme="dark"]']])("%s", (_, block) => {
  const all = tokens(block);
  const of = (name: string) => {
    const c = all.get(name);
    if (!c) throw new Error(`no colour ${name}`);
    return c;
  };
  const least = (front: string, backs: readonly string[], ratio: number) => {
    for (const back of backs) expect(contrast(of(front), of(back)), `${front} on ${back}`).toBeGreaterThanOrEqual(ratio);
  };
  // 1.4.3
  it("has readable text", () => {
    for (const text of ["fg", "dim", "faint", "accent", "ok", "warn", "bad", "info", "idle"]) least(text, ["bg", "panel", "raised"], 4.5);
    for (const tone of ["accent", "ok", "warn", "bad", "info", "idle"]) least(tone, [`${tone}-soft`], 4.5);
    least("accent-fg", ["accent", "accent-hover"], 4.5);
  });
  // 1.4.11
  it("has edges of controls that can be seen, and a focus ring", () => {
    for (const edge of ["edge", "faint", "accent", "bad"]) least(edge, ["bg", "panel", "raised", "hover"], 3);
  });
});

it("controls have that edge", () => {
  const kit = (name: string) => readFileSync(join(import.meta.dirname, "..", "kit", name), "utf8");
  expect(kit("control.ts")).toMatch(/export const box = "[^"]*\bborder-edge\b/);
  for (const role of [/role="switch".*\bborder-edge\b/, /role="group".*\bborder-edge\b/]) expect(kit("Field.tsx")).toMatch(role);
});
