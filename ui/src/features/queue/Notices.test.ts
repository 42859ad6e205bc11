import { expect, it } from "vitest";
import { newsOf } from "./Notices";

const at = (minute: number) => `2026-03-01T09:${String(minute).padStart(2, "0")}:00Z`;
const lost = (until: string) => ({ failed: 1, requeued: 0, job_id: null, run_id: "run_1", since: at(1), until });
const overview = (more: Partial<Parameters<typeof newsOf>[0]>) => ({ time: at(30), started_at: at(20), restored: 0, interrupted: null, ...more });

it("tells of a restart that has brought something back or ended something", () => {
  expect(newsOf(overview({}), null)).toBeNull();
  expect(newsOf(overview({ interrupted: { failed: 0, requeued: 0, job_id: null, run_id: null, since: null, until: null } }), null)).toBeNull();
  const told = { restart: true, takeover: false, at: at(20) };
  expect(newsOf(overview({ restored: 2 }), null)).toEqual(told);
  expect(newsOf(overview({ interrupted: lost(at(19)) }), null)).toEqual(told);
  expect(newsOf(overview({ restored: 2 }), at(20))).toBeNull();
  expect(newsOf(overview({ restored: 2, time: at(36) }), null)).toBeNull();
});

it("tells of another server's jobs that were taken over, however long ago this one started and whatever was dismissed before", () => {
  const later = { interrupted: lost(at(25)) };
  expect(newsOf(overview(later), null)).toEqual({ restart: false, takeover: true, at: at(25) });
  expect(newsOf(overview({ ...later, restored: 2 }), null)).toEqual({ restart: true, takeover: true, at: at(25) });
  expect(newsOf(overview({ ...later, restored: 2 }), at(20))).toEqual({ restart: false, takeover: true, at: at(25) });
  expect(newsOf(overview({ ...later, restored: 2, time: at(38) }), null)).toEqual({ restart: false, takeover: true, at: at(25) });
  expect(newsOf(overview({ ...later, restored: 2 }), at(25))).toBeNull();
  expect(newsOf(overview({ ...later, time: at(41) }), null)).toBeNull();
});
