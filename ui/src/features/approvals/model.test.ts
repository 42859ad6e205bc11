import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ko } from "../../text/approvals/ko";
import type { Approval } from "./api";
import { barText } from "./bars";
import { barOf, barredOf, bulkBarOf, differs, labelOf, oneKind, rowChanges } from "./model";

const base = (rows: string[][]): Approval => ({ table: { columns: [{ name: "symbol", label: "Symbol", type: "text" }, { name: "quantity", label: "Quantity", type: "number" }], rows }, fields: [], allow_requester: false, requested_by: "ann", author: null, approvers: [], decisions: [], delegations: [] }) as unknown as Approval; // only what is read here

it("tells which rows are new, changed or gone", () => {
  const before = base([["A", "1"], ["B", "2"], ["C", "3"], ["A", "9"]]);
  const now = base([["B", "5"], ["A", "1"], ["D", "4"], ["A", "9"]]);
  expect(rowChanges(now, before).map((r) => [r.cells[0], r.change, r.old[1]])).toEqual([["B", "changed", "2"], ["A", "same", null], ["D", "new", null], ["A", "same", null], ["C", "gone", null]]);
  expect(rowChanges(now, null).every((r) => r.change === "same")).toBe(true);
});

it("says why somebody cannot approve", () => {
  const a = base([]);
  const ben = { name: "ben", roles: ["approver"], scopes: ["approvals:decide"] };
  expect(barOf(a, ben)).toBeNull();
  expect(barOf(a, { ...ben, scopes: [] })).toEqual({ why: "scope" });
  expect(barOf(a, { ...ben, name: "ann" })).toEqual({ why: "self" });
  expect(barOf({ ...a, author: "ben" }, ben)).toEqual({ why: "author" });
  expect(barOf({ ...a, author: "ben", allow_requester: true }, ben)).toBeNull();
  expect(barredOf({ ...a, author: "ben" })).toEqual(["ann", "ben"]);
  expect(barredOf({ ...a, author: "ann" })).toEqual(["ann"]);
  expect(barredOf({ ...a, author: "ben", allow_requester: true })).toEqual([]);
  expect(barOf({ ...a, approvers: ["role:admin", "user:eve"] }, ben)).toEqual({ why: "approvers", who: "admin, eve" });
  expect(barOf({ ...a, approvers: ["role:approver"] }, ben)).toBeNull();
  // Who handed it on may not, and the delegate may, also where he is not named.
  const handed = { ...a, approvers: ["user:eve"], delegations: [{ from: "eve", to: "ben", reason: "r", delegated_at: "" }] };
  expect(barOf(handed, ben)).toBeNull();
  expect(barOf(handed, { ...ben, name: "eve" })).toEqual({ why: "delegated", who: "ben" });
  expect(barOf({ ...handed, requested_by: "ben" }, ben)).toEqual({ why: "self" });
});

it("says what cannot be approved together with others", () => {
  const ben = { name: "ben", roles: [], scopes: ["approvals:decide"] };
  const a = { ...base([]), status: "PENDING", expires_at: "2026-03-02T10:00:00Z", form: {}, kind: "run_job" } as Approval;
  const at = (time: string) => Date.parse(`2026-03-02T${time}Z`);
  expect(bulkBarOf(a, ben, at("09:59:59"))).toBeNull();
  expect(bulkBarOf(a, ben, at("10:00:00"))).toEqual({ why: "over" });
  expect(bulkBarOf({ ...a, status: "SUPERSEDED" }, ben, at("09:00:00"))).toEqual({ why: "over" });
  expect(bulkBarOf({ ...a, form: { limit: { type: "integer" } } }, ben, at("09:00:00"))).toEqual({ why: "form" });
  expect(bulkBarOf(a, { ...ben, name: "ann" }, at("09:00:00"))).toEqual({ why: "self" });
  expect(oneKind([a, a])).toBe(true);
  expect(oneKind([a, { ...a, kind: "workflow_approval" }])).toBe(false);
});

it("tells requests that look alike apart", () => {
  const of = (id: string, day: string, title = "Deploy") => ({ ...base([]), title, kind: "run_job", node_id: null, workflow_run_id: null, subject: { type: "job", id }, fields: [{ name: "day", label: "Day", type: "text", value: day }] }) as unknown as Approval;
  const list = [of("job_1", "Monday"), of("job_2", "Tuesday"), of("job_3", "Monday", "Other")];
  expect(list.map((a) => differs(a, list))).toEqual(["Day Monday", "Day Tuesday", null]);
  const same = [of("job_1", "Monday"), of("job_2", "Monday")];
  expect(same.map((a) => differs(a, same))).toEqual(["job_1", "job_2"]);
});

it("names the fields of a job's approval as the server does, and those of others as they are", () => {
  const go = readFileSync(join(import.meta.dirname, "..", "..", "..", "..", "internal", "job", "approve.go"), "utf8");
  const fields = [...go.matchAll(/add\("(\w+)", "([^"]+)"/g)].map(([, name, label]) => ({ name, label }) as Approval["fields"][number]);
  expect(fields.map((x) => x.name)).toEqual(["job_type", "template_id", "template_version", "directive", "trigger"]);
  for (const x of fields) expect(labelOf(x)).toBe(x.label);
  expect([ko.fJobType, ko.fTemplate, ko.fTemplateVersion, ko.fDirective, ko.fTrigger].join("")).toMatch(/^[\p{Script=Hangul} ]+$/u);
  expect(labelOf({ name: "trigger", label: "What pulls it" } as Approval["fields"][number])).toBe("What pulls it");
});

it("says who may in place of whoever asked", () => {
  const a = base([]);
  expect(barText({ why: "self" }, a)).toBe("You asked for this, so somebody else must approve it: another user with the role approver or admin. You can reject it.");
  expect(barText({ why: "author" }, { ...a, workflow_run_id: "wfrun_1", approvers: ["role:admin", "user:tom"] })).toContain("started by ann, so somebody else must approve it: admin, tom.");
});
