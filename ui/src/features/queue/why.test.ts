import { expect, it, vi } from "vitest";
import type { Job } from "./model";
import { holderName } from "./holders";
import { detailText, heldText, likelyText, lockOf, parkedOn, whyText } from "./why";

const waits = (waiting: Partial<NonNullable<Job["waiting"]>>, run_at: string | null = null) => ({ run_at, waiting: { detail: "", for: null, holder: null, until: null, ...waiting } }) as Pick<Job, "waiting" | "run_at">;

it("says why a job waits", () => {
  const now = Date.parse("2026-03-02T09:00:00Z");
  expect(whyText({ waiting: null, run_at: null }, now)).toBe("");
  expect(whyText(waits({ code: "held", held_by: "local" }), now)).toBe("held");
  expect(whyText(waits({ code: "lock", detail: "lock gpu" }), now)).toBe("lock gpu");
  expect(whyText(waits({ code: "not_before" }, "2026-03-02T10:00:00Z"), now)).toMatch(/^not before .+/);
  expect(whyText(waits({ code: "parked", for: "approval" }), now)).toBe("waits for approval");
  expect(whyText(waits({ code: "parked", for: "something new" }), now)).toBe("parked");
  expect(parkedOn(waits({ code: "parked", for: "timer" }))).toBe("timer");
});

it("says when a job likely starts", () => {
  const now = Date.parse("2026-11-23T12:00:00Z");
  const range = (from: string, to: string) => ({ from, to }) as Job["estimated_start_range"];
  const at = "2026-11-24T11:30:00Z";
  expect(likelyText(at, range("2026-11-24T11:30:10Z", "2026-11-24T11:30:50Z"), now)).toBe("It likely starts in 23 hr.");
  expect(likelyText(at, null, now)).toBe("It likely starts in 23 hr.");
  expect(likelyText(at, range("2026-11-24T11:30:00Z", "2026-11-24T12:40:00Z"), now)).toMatch(/^It likely starts in 23 hr\. Four of five starts lie between Nov 2\d, \d\d:30 and Nov 2\d, \d\d:40\.$/);
});

it("says who holds a job", () => {
  const held = { code: "held", detail: "held by ann", for: null, holder: null, until: null, held_by: "ann", reason: null } as const;
  expect(heldText(held)).toBe("Held by ann");
  expect(heldText({ held_by: "local", reason: null })).toBe("Held by the server's administrator");
  expect(heldText({ held_by: "ann", reason: "wait for the disk" })).toBe("Held by ann: wait for the disk");
  expect(heldText({ held_by: null, reason: null })).toContain("Held by the server: it crashed");
  expect(detailText(held, "")).toBe("Held by ann");
});

it("says who holds a job in Korean", async () => {
  vi.stubGlobal("navigator", { languages: ["ko-KR"] });
  vi.resetModules();
  const { heldText } = await import("./why");
  expect(heldText({ held_by: "ann", reason: null })).toBe("ann님이 보류함");
  expect(heldText({ held_by: "ann", reason: "wait for the disk" })).toBe("ann님이 보류함: wait for the disk");
  expect(heldText({ held_by: null, reason: null })).toMatch(/^서버가 보류함/);
  vi.unstubAllGlobals();
});

it("names who has the lock", () => {
  const id = "job_01jh0000000000000000000000";
  const job = waits({ code: "lock", detail: `lock gpu:0 is held by ${id}`, holder: id });
  const known = new Map([[id, { name: "nightly $&" }]]);
  expect(whyText(job, 0, holderName(id, known))).toBe("lock gpu:0 is held by nightly $&");
  const twice = waits({ code: "lock", detail: "lock demo:line is held by demo", holder: "demo" });
  expect(whyText(twice, 0, "\u0000")).toBe("lock demo:line is held by \u0000"); // the row's place of the link
  expect(whyText(twice, 0, "Demo job")).toBe("lock demo:line is held by Demo job");
  expect(lockOf(job)).toBe("gpu:0");
  expect(lockOf(waits({ code: "held", detail: "lock gpu:0" }))).toBe("");
  expect(holderName(id, new Map())).not.toBe(id);
  expect(holderName("train.py", new Map())).toBe("train.py");
});
