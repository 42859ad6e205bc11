import { expect, it } from "vitest";
import { beganText } from "./told";

it("says from where a run repeats another one", () => {
  const none = { version: 2, from_node: null, failed_items: false, checkpoint_seq: null };
  const said = (began: Parameters<typeof beganText>[0]["began"]) => beganText({ began, version: 2 });
  expect(said(null)).toBe("");
  expect(said(none)).toBe(", from what failed");
  expect(said({ ...none, from_node: "load" })).toBe(", from load");
  expect(said({ ...none, failed_items: true })).toBe(", only failed items");
  expect(said({ ...none, from_node: "load", failed_items: true, version: 1 })).toBe(", from load, only failed items, which had version 1");
  expect(said({ ...none, checkpoint_seq: 7 })).toBe(", from step 7");
});
