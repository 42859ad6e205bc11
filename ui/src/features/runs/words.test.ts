import { expect, it } from "vitest";
import { causes, failures } from "../../text/problems";
import { failureText } from "./failure";
import { reasonText, triggerOf } from "./words";

it("says in words who has started a run", () => {
  const said = (trigger: string, created_by: string) => {
    const x = triggerOf({ trigger, created_by, source: null } as unknown as Parameters<typeof triggerOf>[0]);
    return `${x.word} · ${x.who}`;
  };
  expect(said("api", "local")).toBe("Program (API) · the server's administrator");
  expect(said("manual", "local")).toBe("Person · the server's administrator");
  expect(said("api", "ci")).toBe("Program (API) · ci");
  expect(said("manual", "ann")).toBe("Person · ann");
});

it("says why a run was skipped or failed, and leaves what says more than its code", () => {
  expect(reasonText("approval_rejected")).toBe("Its approval was rejected.");
  expect(reasonText("own words")).toBe("own words");
  for (const [code, message] of [["exit_nonzero", "exit code 5"], ["timeout", "the attempt took longer than 5s"], ["of_a_plugin", "it broke"], ["exit_nonzero", "exit code 5: no space"]] as const) expect(failureText({ code, message })).toBe(message);
  for (const texts of [failures, causes]) for (const [code, text] of Object.entries(texts)) expect(text, code).toMatch(/\p{Script=Hangul}/u);
});
