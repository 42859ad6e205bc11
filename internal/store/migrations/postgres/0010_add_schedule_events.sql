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
