// @vitest-environment happy-dom
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { approveEach, type Approval } from "./api";

const a = (n: number) => ({ approval_id: `appr_${n}`, content_hash: `sha256:${n}` }) as Approval; // only what is sent

it("approves each by its own request, and goes on after a refusal", async () => {
  const asked: unknown[] = [];
  const keys = new Set<unknown>();
  const server = createServer((req, res) => {
    let body = "";
    req.on("data", (part) => (body += String(part)));
    req.on("end", () => {
      asked.push([req.method, req.url, JSON.parse(body)]);
      keys.add(req.headers["idempotency-key"]);
      const refused = req.url?.includes("appr_2");
      res.writeHead(refused ? 409 : 200, { "Content-Type": refused ? "application/problem+json" : "application/json" });
      res.end(JSON.stringify(refused ? { code: "approval_content_changed", title: "It has changed", detail: "look again" } : { status: "APPROVED" }));
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  try {
    (window as unknown as { happyDOM: { setURL: (url: string) => void } }).happyDOM.setURL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/ui/approvals`);
    const said: unknown[] = [];
    await approveEach([a(1), a(2), a(3)], "fine", (one, o) => said.push([one.approval_id, "now" in o ? o.now.status : [o.problem.code, o.problem.detail]]));
    expect(asked).toEqual([1, 2, 3].map((n) => ["POST", `/api/approvals/appr_${n}/approve`, { content_hash: `sha256:${n}`, comment: "fine" }]));
    expect(keys.size).toBe(3);
    expect(said).toEqual([["appr_1", "APPROVED"], ["appr_2", ["approval_content_changed", "look again"]], ["appr_3", "APPROVED"]]);
  } finally {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});
