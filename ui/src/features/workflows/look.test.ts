import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";

it("says the server's own sentences in Korean, and leaves those of authors", async () => {
  vi.stubGlobal("navigator", { languages: ["ko-KR"] });
  vi.resetModules();
  const { skipText } = await import("./look");
  const { changeText, endText } = await import("./told");
  const { failureText } = await import("../runs/failure");
  const { warningText } = await import("../schedules/words");
  expect(skipText("not_reached", "nothing led to it")).toBe("이 노드로 이어진 경로가 없습니다");
  expect(skipText("condition_false", "its condition is false")).toBe("조건이 거짓입니다");
  expect(skipText("of_another_version", "it rains")).toBe("it rains");
  const failed = { node_id: "load", code: "timeout", message: "the attempt took longer than 1m30s", attempt: 1 };
  const over = (doc: object) => ({ status: "FAILED", cancelled_by: null, error: null, reason: null, ...doc }) as unknown as Parameters<typeof changeText>[1];
  expect(endText(over({ status: "CANCELLED", cancelled_by: "ann", error: { ...failed, node_id: null, code: "cancelled", message: "cancelled by ann" } }))).toBe("ann님이 취소함");
  expect(endText(over({ error: failed, reason: "node load: the attempt took longer than 1m30s" }))).toBe("load: 1m30s 제한 시간을 넘겼습니다");
  expect(endText(over({ status: "COMPLETED", reason: "prices have not arrived" }))).toBe("prices have not arrived");
  const change = { node: "load", to: "FAILED", reason: "timeout", code: "" };
  expect(changeText(change, over({}))).toBe("제한 시간 초과");
  expect(changeText({ ...change, to: "SKIPPED", reason: "nothing led to it", code: "not_reached" }, over({}))).toBe("이 노드로 이어진 경로가 없습니다");
  expect(changeText({ ...change, node: "", reason: "node load: the attempt took longer than 1m30s" }, over({ error: failed }))).toBe("load: 1m30s 제한 시간을 넘겼습니다");
  expect(failureText({ code: "llm_unreachable", message: "dial tcp 127.0.0.1:11434: refused" })).toBe("LLM 서버에 연결할 수 없음 (dial tcp 127.0.0.1:11434: refused)");
  expect(failureText({ code: "timeout", message: "no answer from 127.0.0.1:80" })).toBe("제한 시간 초과 (no answer from 127.0.0.1:80)");
  expect(failureText({ code: "of_another_version", message: "" })).toBe("of_another_version");
  expect(failureText({ code: "timeout", message: "the work took longer than 5s" }, "en")).toBe("the work took longer than 5s");
  expect(failureText({ code: "exit_nonzero", message: "exit code -1" })).toBe("종료 코드 -1");
  expect(failureText({ code: "killed_by_signal", message: "killed by SIGXCPU (limit cpu_seconds)" })).toBe("시그널로 종료됨: SIGXCPU (limit cpu_seconds)");
  expect(warningText({ code: "calendar_expires", detail: "calendar XKRX is known up to 2030-12-31 only" })).toBe("XKRX 달력은 2030-12-31까지만 알려져 있습니다");
  expect(warningText({ code: "calendar_expired", detail: "calendar XKRX is known up to 2030-12-31 only: weekdays take its place" })).toContain("2030-12-31까지만");
  expect(warningText({ code: "clock_ahead", detail: "everything up to 2026-01-01T00:00:00Z is decided, because" })).toContain("2026-01-01T00:00:00Z까지는");
  vi.unstubAllGlobals();
});

it("knows the server's words", async () => {
  const { skipText } = await import("./look");
  const go = (...path: string[]) => readFileSync(join(import.meta.dirname, "..", "..", "..", "..", "internal", ...path), "utf8");
  const skips = [...(/enum:"([^"]*)"/.exec(/ReasonCode .*/.exec(go("api", "wire", "workflowrun.go"))?.[0] ?? "")?.[1] ?? "").matchAll(/\w+/g)].map((m) => m[0]);
  expect(skips.length).toBeGreaterThan(1);
  for (const code of skips) expect(skipText(code, "")).not.toBe("");
  // Values that a failure's words end with.
  expect(go("engine", "play.go")).toContain('"the run has worked for longer than %s"');
  expect(go("engine", "start.go")).toContain('"the attempt took longer than %s"');
  for (const words of ['"exit code %d"', '"killed by "+']) expect(go("task", "command", "command.go")).toContain(words);
  expect(go("queue", "attempt.go")).toContain('"the attempt took longer than "');
  for (const words of ["calendar %s is known up to %s only", '"it cannot fire: "', '"everything up to "', '" is decided, because']) expect(go("api", "wire", "scheduleout.go")).toContain(words);
});
