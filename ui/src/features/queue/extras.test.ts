import { expect, it } from "vitest";
import { instant } from "../../kit/zone";
import { extrasOf, flags, noExtras, toInput, toPatch, wrongAt } from "./extras";
import type { Job } from "./model";

const zone = "Europe/Berlin";
const full = { priority: "2", runAt: "2026-01-31T12:00", deadline: "2h", timeout: "15m", locks: " gpu:0, disk ,", attempts: "3", delay: "30s", hold: true };

it("sends nothing that nobody has filled in", () => {
  expect(toInput(noExtras, zone)).toEqual({});
  expect(flags(toInput(noExtras, zone))).toBe("");
});

it("sends what is filled in, and says the same as flags", () => {
  const body = { ...toInput(full, zone), name: "it's", top: true };
  expect(body).toEqual({
    name: "it's", top: true, priority: 2, run_at: "2026-01-31T11:00:00Z", start_deadline: "2h", timeout: "15m", locks: ["gpu:0", "disk"], retry_policy: { max_attempts: 3, initial: "30s" }, hold: true,
  });
  expect(flags(body)).toBe(" --name 'it'\\''s' --priority 2 --run-at 2026-01-31T11:00:00Z --start-deadline 2h --timeout 15m --lock gpu:0 --lock disk --retry 3 --retry-delay 30s --hold --top");
});

it("sends no delay where there is no second attempt", () => {
  expect(toInput({ ...noExtras, attempts: "1", delay: "30s" }, zone)).toEqual({ retry_policy: { max_attempts: 1 } });
});

it("changes what is no longer as it was, and takes away what is empty now", () => {
  const job = { priority: 5, run_at: "2026-07-01T10:00:00Z", start_deadline: null, timeout: "PT15M" } as Job;
  const was = extrasOf(job, zone);
  expect(was.runAt).toBe("2026-07-01T12:00");
  expect(toPatch(was, was, zone)).toEqual({});
  const patch = toPatch({ ...was, priority: "8", runAt: "", deadline: "1h", timeout: "" }, was, zone);
  expect(patch).toEqual({ priority: 8, run_at: null, start_deadline: "1h", timeout: null });
  expect(flags(patch)).toBe(" --priority 8 --start-deadline 1h --unset run_at,timeout");
});

it("finds the problem of a field, also within a list", () => {
  const fields = [{ pointer: "#/locks/1", detail: "no name" }, { pointer: "/run_at", detail: "in the past" }];
  expect(wrongAt(fields, "/locks")).toBe("no name");
  expect(wrongAt(fields, "/run_at")).toBe("in the past");
  expect(wrongAt(fields, "/run")).toBeUndefined();
});

it("reads wall times on the days on which clocks change", () => {
  expect(new Date(instant("2026-03-29T02:30", zone)).toISOString()).toBe("2026-03-29T01:30:00.000Z"); // left out: 03:30
  expect(["2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z"]).toContain(new Date(instant("2026-10-25T02:30", zone)).toISOString()); // twice
  expect(new Date(instant("2026-10-25T03:30", zone)).toISOString()).toBe("2026-10-25T02:30:00.000Z");
});
