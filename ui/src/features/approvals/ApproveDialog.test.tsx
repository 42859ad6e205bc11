// @vitest-environment happy-dom
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act } from "react";
import { createRoot } from "react-dom/client";
import { expect, it, vi } from "vitest";
import { meQuery } from "../../api/session";
import type { Approval } from "./api";
import { ApproveDialog } from "./ApproveDialog";

const a = (n: number, more: Partial<Approval> = {}) =>
  ({ approval_id: `appr_${n}`, title: `Request ${n}`, status: "PENDING", kind: "run_job", requested_by: "ann", requested_at: "2026-01-01T00:00:00Z", expires_at: "2999-01-01T00:00:00Z", content_hash: `sha256:${n}`, content: {}, fields: [], table: { columns: [], rows: [] }, form: {}, approvers: [], decisions: [], delegations: [], min_approvals: 1, ...more }) as unknown as Approval; // only what is shown

it("leaves out what the person may not approve, and says what became of each", async () => {
  (globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;
  const asked: string[] = [];
  const server = createServer((req, res) => {
    asked.push(req.url ?? "");
    const refused = req.url?.includes("appr_3");
    res.writeHead(refused ? 409 : 200, { "Content-Type": refused ? "application/problem+json" : "application/json" });
    res.end(JSON.stringify(refused ? { code: "already_decided", title: "Decided already" } : a(1, { decisions: [{ approved: true }] as Approval["decisions"], min_approvals: 2 })));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const client = new QueryClient();
  client.setQueryData(meQuery.queryKey, { name: "ben", roles: [], scopes: ["approvals:decide"] } as never); // only what is read
  const root = createRoot(document.body.appendChild(document.createElement("div")));
  try {
    (window as unknown as { happyDOM: { setURL: (url: string) => void } }).happyDOM.setURL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/ui/approvals`);
    const closed: (readonly string[])[] = [];
    await act(async () => root.render(<QueryClientProvider client={client}><ApproveDialog list={[a(1), a(2, { requested_by: "ben" }), a(3)]} onClose={(ids) => closed.push(ids)} /></QueryClientProvider>));
    const button = (text: string) => [...document.querySelectorAll("button")].find((b) => b.textContent === text);
    const item = (n: number) => document.querySelector(`[data-request=appr_${n}]`)?.textContent;
    expect(item(2)).toContain("You asked for this");
    await act(async () => button("Approve 2")?.click());
    await vi.waitFor(() => act(async () => expect(button("Close")).toBeDefined()), 10_000);
    expect(asked).toEqual(["/api/approvals/appr_1/approve", "/api/approvals/appr_3/approve"]);
    expect(item(1)).toContain("1 of 2 approvals");
    expect(item(2)).toContain("Left out");
    expect(item(3)).toContain("Not approved");
    expect(item(3)).toContain("Decided already");
    expect(document.querySelector("[data-approved]")?.textContent).toBe("1 of 3 approved");
    await act(async () => button("Close")?.click());
    expect(closed).toEqual([["appr_1"]]);
  } finally {
    act(() => root.unmount());
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});
