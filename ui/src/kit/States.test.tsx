// @vitest-environment happy-dom
import { act } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, expect, it } from "vitest";
import { Problem } from "../api/client";
import { Field, Input } from "./Field";
import { FormError } from "./States";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

const place = document.body.appendChild(document.createElement("div"));
let root = createRoot(place);
afterEach(() => {
  act(() => root.unmount());
  root = createRoot(place);
});

const refused = (...fields: [pointer: string, detail: string][]) => new Problem(422, "invalid_input", "Invalid input", "", "req_1", fields.map(([pointer, detail]) => ({ pointer, detail })));

function show(error: Problem | null, name?: string): string[] {
  act(() => root.render(<form><Field label="Name" error={name}>{(ids) => <Input {...ids} />}</Field><FormError error={error} /></form>));
  return [...document.querySelectorAll("[role=alert] code")].map((c) => c.textContent);
}

it("a summary leaves out what is said at a field", () => {
  expect(show(refused(["/name", "too long"], ["/labels", "too many"]), "too long")).toEqual(["/labels"]);
  expect(document.querySelector("[role=alert]")?.textContent).not.toContain("too long");
});

it("a summary has all that no field shows", () => {
  expect(show(refused(["/name", "too long"], ["/labels", "too many"]))).toEqual(["/name", "/labels"]);
  expect(show(refused(["/other", "too many"]))).toEqual(["/other"]);
  expect(show(null)).toEqual([]);
});

it("a summary keeps a text that more fields have than show it", () => {
  expect(show(refused(["/name", "is needed"], ["/hidden", "is needed"]), "is needed")).toEqual(["/name", "/hidden"]);
});
