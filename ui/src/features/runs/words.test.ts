import { expect, it } from "vitest";
import { triggerOf } from "./words";

it("says in words who has started a run", () => {
  const said = (trigger: string, created_by: string) => {
    const x = triggerOf({ trigger, created_by, source: null } as unknown as Parameters<typeof triggerOf>[0]);
    return `${x.word} · ${x.who}`;
  };
  expect(said("api", "local")).toBe("Command line · on this server");
  expect(said("manual", "local")).toBe("Person · on this server");
  expect(said("api", "ci")).toBe("Program (API) · ci");
  expect(said("manual", "ann")).toBe("Person · ann");
});
