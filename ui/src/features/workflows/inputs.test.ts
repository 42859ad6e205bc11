import { expect, it } from "vitest";
import { check, initial } from "../../kit/schema";
import { formOf, inputsOf } from "./inputs";

const definition = { inputs: { day: { type: "date", required: true }, n: { type: "integer", min: 1, max: 5, default: 2 }, mode: { type: "string", enum: ["full", "delta"] }, token: { type: "string", secret: true }, names: { type: "array", items: { type: "string" } } } };

it("makes a form of the declared inputs", () => {
  const inputs = inputsOf(definition);
  expect(inputs.map((i) => [i.name, i.required, i.secret])).toEqual([["day", true, false], ["n", false, false], ["mode", false, false], ["token", false, true], ["names", false, false]]);
  const form = formOf(inputs);
  expect(form.required).toEqual(["day"]);
  expect(form.properties?.["n"]).toMatchObject({ type: "integer", minimum: 1, maximum: 5, default: 2 });
  expect(form.properties?.["mode"]).toMatchObject({ enum: ["full", "delta"] });
  expect(form.properties?.["names"]).toMatchObject({ type: "array", items: { type: "string" } });
  expect(Object.keys(check(form, { n: 9 }))).toEqual(["/day", "/n"]);
});

it("finds no inputs where there are none", () => {
  expect(inputsOf(undefined)).toEqual([]);
  expect(inputsOf({ inputs: [] })).toEqual([]);
  expect(initial(formOf(inputsOf({ nodes: [] })))).toEqual({});
});
