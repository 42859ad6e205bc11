import { describe, expect, it } from "vitest";
import { Exact, parse, stringify } from "../api/exact";
import { check, initial, kindOf, Unread, type JsonSchema } from "./schema";

const schema: JsonSchema = {
  type: "object",
  required: ["prompt", "n", "model"],
  properties: {
    prompt: { type: "string", minLength: 1, maxLength: 5 },
    n: { type: "integer", minimum: 1, default: 3 },
    model: { enum: ["a", "b"] },
    deep: { type: "object", properties: { on: { type: "boolean" } } },
    free: { type: "object" },
    either: { type: ["string", "integer"] },
    rows: { type: "array", items: { type: "number" } },
  },
};

describe("a form's schema", () => {
  it("requires what a pattern does not let be empty", () => {
    const must = (pattern: string) => check({ type: "object", required: ["id"], properties: { id: { type: "string", pattern } } }, { id: "" });
    expect(Object.keys(must("^[a-z]{1,64}$"))).toEqual(["/id"]);
    expect(must("^[a-z]*$")).toEqual({});
    expect(must("(?P<go>x)")).toEqual({});
  });
  it("finds the control of each field, and JSON where there is none", () => {
    const kinds = Object.fromEntries(Object.entries(schema.properties ?? {}).map(([k, v]) => [k, kindOf(v)]));
    expect(kinds).toEqual({ prompt: "text", n: "number", model: "choice", deep: "object", free: "json", either: "json", rows: "list" });
  });
  it("begins with the defaults and what is required", () => {
    expect(initial(schema)).toEqual({ prompt: "", n: 3, model: "a" });
  });
  it("begins with an object, also where it has no fields", () => {
    expect(initial({ type: "object", properties: {} })).toEqual({});
    expect(initial({ type: "object", required: ["free"], properties: { free: { type: "object" } } })).toEqual({ free: {} });
  });
  it("refuses what was written as JSON and is none, in every kind of field", () => {
    const at = { prompt: "ok", n: 3, model: "a" };
    for (const name of ["free", "either", "deep", "rows"]) expect(Object.keys(check(schema, { ...at, [name]: new Unread('{"A": oops', "why") }))).toEqual([`/${name}`]);
    expect(check(schema, { ...at, free: { A: "x" } })).toEqual({});
    expect(stringify({ free: new Unread('{"A"', "why") })).toBe('{"free":"{\\"A\\""}');
  });
  it("says what is wrong, and where", () => {
    expect(Object.keys(check(schema, { prompt: "too long", n: 0, rows: [1, "x"] })).sort()).toEqual(["/model", "/n", "/prompt", "/rows/1"]);
    expect(check(schema, { prompt: "ok", n: new Exact("9007199254740993"), model: "a" })).toEqual({});
    expect(Object.keys(check(schema, { prompt: "ok", n: new Exact("1.50"), model: "a" }))).toEqual(["/n"]);
  });
});

describe("exact numbers", () => {
  it("are written as they were", () => {
    expect(stringify({ a: new Exact("9007199254740993"), b: [1, new Exact("0.10000000000000000001")] })).toBe('{"a":9007199254740993,"b":[1,0.10000000000000000001]}');
  });
  it("leave alone what a number holds", () => {
    expect(parse('{"a": 1.5, "b": "9007199254740993"}')).toEqual({ a: 1.5, b: "9007199254740993" });
  });
});
