-- +goose Up
-- What schedules wait for that have no times of their own, '' = nothing, and who
-- made the current version.
ALTER TABLE schedules ADD COLUMN on_event TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE schedules ADD COLUMN on_subject TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE schedules ADD COLUMN on_delay_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE schedules ADD COLUMN changed_by TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE schedules SET changed_by = created_by;
CREATE INDEX schedules_event ON schedules (tenant, on_event);

-- What has happened that such schedules wait for, written with the event. at_ms is
-- when it is due. waiting = 1 until a planner gives it a nominal, 2 if the schedule
-- was not active when it came. depth counts the schedules that set off one another.
CREATE TABLE schedule_events (
  schedule_id TEXT COLLATE "C" NOT NULL REFERENCES schedules,
  event_id    TEXT COLLATE "C" NOT NULL,
  at_ms       BIGINT NOT NULL,
  waiting     BIGINT NOT NULL,
  nominal_ms  BIGINT NOT NULL,
  depth       BIGINT NOT NULL,
  about       TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (schedule_id, event_id)
);
CREATE INDEX schedule_events_due ON schedule_events (at_ms) WHERE waiting = 1;
CREATE UNIQUE INDEX schedule_events_nominal ON schedule_events (schedule_id, nominal_ms) WHERE nominal_ms > 0;

-- Whose end a schedule waits for: 1 = it has not come, 2 = it has, so that planners
-- find such a schedule without a look at all that wait.
ALTER TABLE schedule_runs ADD COLUMN awaited BIGINT NOT NULL DEFAULT 0;
CREATE INDEX schedule_runs_ended ON schedule_runs (schedule_id) WHERE awaited = 2;
UPDATE schedule_runs SET awaited = 1 WHERE open = 1 AND schedule_id IN (SELECT schedule_id FROM schedules WHERE awaits_end = 1);
UPDATE schedule_runs SET awaited = 2 WHERE awaited = 1 AND NOT EXISTS (
  SELECT 1 FROM jobs j WHERE j.job_id = schedule_runs.job_id AND j.finished_ms = 0);
DROP INDEX schedules_awaiting;

-- When the first claim ends is asked at each look, who has which claims hardly ever.
DROP INDEX schedules_claimed;
CREATE INDEX schedules_claimed ON schedules (claimed_until_ms) WHERE claimed_by <> '';
