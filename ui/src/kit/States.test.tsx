// @vitest-environment happy-dom
import { act } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, expect, it, vi } from "vitest";
import { Problem } from "../api/client";
import { Field, Input } from "./Field";
import { ErrorState, FormError } from "./States";

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

it("what does not exist has the way back, and where there is none it can be asked for again", () => {
  const gone = new Problem(404, "not_found", "Not found", "", "req_1", []);
  const asked = vi.fn();
  const button = () => place.querySelector("button");
  act(() => root.render(<ErrorState error={gone} onRetry={asked} back={<a href="/all">All</a>} />));
  expect([place.querySelector("a")?.textContent, button()]).toEqual(["All", null]);
  act(() => root.render(<ErrorState error={gone} onRetry={asked} />));
  act(() => button()?.click());
  expect(asked).toHaveBeenCalledOnce();
  act(() => root.render(<ErrorState error={gone} />));
  expect(button()).toBeNull();
});
