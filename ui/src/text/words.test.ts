import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ko as queue } from "./queue/ko";
import { ko as runs } from "./runs/ko";
import { ko as schedules } from "./schedules/ko";
import { ko as states } from "./states/ko";
import { ko as workflows } from "./workflows/ko";

it("uses one Korean word for one thing", () => {
  expect(workflows.retry).toBe(`${runs.retry}…`);
  expect(states.RETRYING).toContain(runs.retry);
  expect(new Set([queue.pause, schedules.pause, workflows.pause, states.PAUSED]).size).toBe(1);
  expect(states.PENDING).not.toBe(queue.hold);
  expect(states.HELD).toContain(queue.hold);
  for (const dir of readdirSync(import.meta.dirname, { withFileTypes: true })) {
    if (!dir.isDirectory()) continue;
    const text = readFileSync(join(import.meta.dirname, dir.name, "ko.ts"), "utf8");
    expect(text.match(/.{0,20}(?<!일시 )정지.{0,10}/g) ?? [], dir.name).toEqual([]);
  }
});
