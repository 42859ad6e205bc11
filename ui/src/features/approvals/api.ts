import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, ok, problemOf, type Problem, type Schema } from "../../api/client";
import type { Action } from "../../kit/CopyAs";

export type Approval = Schema<"Approval">;
export type Column = Schema<"ApprovalColumn">;

// Lists in the query are one value with commas.
const commas = { querySerializer: { array: { style: "form", explode: false } } } as const;

/** What waits, by expiry, or what is decided, newest first; with run only what that run of a workflow asked. */
export function inboxQuery(which: "pending" | "decided", run: string) {
  return infiniteQueryOptions({
    queryKey: ["approvals", which, run],
    initialPageParam: "",
    queryFn: ({ signal, pageParam }) => ok(api.GET("/api/approvals", { ...commas, signal, params: { query: { limit: 50, ...(run ? { workflow_run_id: run } : {}), ...(which === "pending" ? { status: ["PENDING"], sort: "expires_at" } : { status: ["APPROVED", "REJECTED", "EXPIRED", "SUPERSEDED"] }), ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (last) => last.next_cursor,
    placeholderData: keepPreviousData,
  });
}

export function approvalQuery(id: string) {
  return queryOptions({ queryKey: ["approval", id], queryFn: ({ signal }) => ok(api.GET("/api/approvals/{approval_id}", { signal, params: { path: { approval_id: id } } })) });
}

/** All requests about the same thing, newest first. */
export function roundsQuery(a: Approval | undefined) {
  const subject = a?.subject ?? { type: "", id: "" };
  return queryOptions({
    queryKey: ["approvals", "rounds", subject.type, subject.id],
    enabled: a !== undefined && (a.round > 1 || a.replaced_by !== null),
    queryFn: ({ signal }) => ok(api.GET("/api/approvals", { signal, params: { query: { subject_type: subject.type, subject_id: subject.id, limit: 50 } } })),
  });
}

export type Verb = "approve" | "reject" | "re-request";

/** The same decision outside of the page. */
export function decision(a: Approval, verb: Verb, body: Schema<"DecisionInput">): Action {
  const comment = body.comment ? ` --comment '${body.comment.replaceAll("'", `'\\''`)}'` : "";
  const fields = Object.entries(body.form ?? {}).map(([k, v]) => ` --field '${k}=${JSON.stringify(v)}'`).join("");
  return { cli: `runsheet approval ${verb} ${a.approval_id} --content-hash ${body.content_hash}${comment}${fields}`, method: "POST", path: `/api/approvals/${a.approval_id}/${verb}`, body };
}

/** What became of one request: the approval as it is now, or why it was not approved. */
export type Outcome = { now: Approval } | { problem: Problem };

/** What is sent to approve a request as it was read. */
export const approvalOf = (a: Approval, comment: string): Schema<"DecisionInput"> => ({ content_hash: a.content_hash, ...(comment ? { comment } : {}) });

/** Approves one after another, each by a request of its own and for the content that was read. A refusal does not stop the others. */
export async function approveEach(list: readonly Approval[], comment: string, on: (a: Approval, o: Outcome) => void): Promise<void> {
  for (const a of list) {
    try {
      on(a, { now: await ok(api.POST("/api/approvals/{approval_id}/approve", { params: { path: { approval_id: a.approval_id } }, body: approvalOf(a, comment) })) });
    } catch (e) {
      on(a, { problem: problemOf(e) });
    }
  }
}
