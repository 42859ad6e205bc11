import { expect, it } from "vitest";
import { readYaml, toYaml } from "./yaml";

it("writes what it reads, in the order of people", () => {
  const definition = { workflow_id: "w", outputs: { a: "{{outputs.b.a}}" }, inputs: { day: { type: "date", default: "2026-03-02" } }, nodes: [{ type: "data", node_id: "b", next: { true: "c" }, config: { values: { a: "yes", n: 1.5, on: true } } }] };
  const text = toYaml(definition);
  expect(readYaml(text)).toEqual({ definition: { kind: "Workflow", ...definition }, error: null });
  expect(text.indexOf("workflow_id")).toBeLessThan(text.indexOf("inputs"));
  expect(text.indexOf("node_id")).toBeLessThan(text.indexOf("config"));
});

it("reads the workflow of several documents, and JSON", () => {
  expect(readYaml("kind: Schedule\n---\nworkflow_id: w\nnodes: []\n").definition).toEqual({ workflow_id: "w", nodes: [] });
  expect(readYaml('{"workflow_id": "w", "day": "2026-01-01"}').definition).toEqual({ workflow_id: "w", day: "2026-01-01" });
});

it("says where a text is no YAML", () => {
  expect(readYaml("workflow_id: w\nnodes: [a\nb: c: d\n").error?.line).toBeGreaterThan(1);
  expect(readYaml("").definition).toBeNull();
});
