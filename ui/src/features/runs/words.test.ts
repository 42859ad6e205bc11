import { expect, it } from "vitest";
import { en } from "../../text/runs/en";
import { ko } from "../../text/runs/ko";
import { failureText, reasonText, triggerOf } from "./words";

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

it("says why a run was skipped or failed, and leaves what says more than its code", () => {
  expect(reasonText("approval_rejected")).toBe("Its approval was rejected.");
  expect(reasonText("own words")).toBe("own words");
  for (const [code, message] of [["exit_nonzero", "exit code 5"], ["timeout", "the attempt took longer than 5s"], ["of_a_plugin", "it broke"], ["exit_nonzero", "exit code 5: no space"]] as const) expect(failureText({ code, message })).toBe(message);
  const keys = Object.keys(en).filter((k): k is keyof typeof en & `fail_${string}` => k.startsWith("fail_"));
  expect(keys).toHaveLength(5);
  for (const k of keys) expect(ko[k], k).toMatch(/\p{Script=Hangul}/u);
});
