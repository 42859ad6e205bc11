-- +goose Up
-- Schedules. body is what a person says of one, state what its decisions have led
-- to, both JSON. next_ms is when to decide again, 0 = nothing is to come by
-- itself; awaits_end then says that the end of a run is waited for. claim_epoch
-- fences: it changes with every claim and every change by a person.
CREATE TABLE schedules (
  schedule_id      TEXT NOT NULL PRIMARY KEY,
  tenant           TEXT NOT NULL REFERENCES tenants,
  name             TEXT NOT NULL,
  name_folded      TEXT NOT NULL,
  version          INT NOT NULL,
  body             TEXT NOT NULL,
  uses_calendar    INT NOT NULL,
  status           TEXT NOT NULL,
  state            TEXT NOT NULL,
  cursor_ms        INT NOT NULL,
  next_ms          INT NOT NULL,
  awaits_end       INT NOT NULL,
  claimed_by       TEXT NOT NULL,
  claimed_until_ms INT NOT NULL,
  claim_epoch      INT NOT NULL,
  created_by       TEXT NOT NULL,
  created_ms       INT NOT NULL,
  updated_ms       INT NOT NULL,
  deleted_ms       INT NOT NULL
) STRICT;
CREATE UNIQUE INDEX schedules_name ON schedules (tenant, name) WHERE deleted_ms = 0;
CREATE INDEX schedules_due ON schedules (next_ms) WHERE next_ms > 0;
CREATE INDEX schedules_awaiting ON schedules (schedule_id) WHERE awaits_end = 1;
CREATE INDEX schedules_claimed ON schedules (claimed_by) WHERE claimed_by <> '';
CREATE INDEX schedules_calendar ON schedules (tenant) WHERE uses_calendar = 1;

CREATE TABLE schedule_versions (
  schedule_id TEXT NOT NULL REFERENCES schedules,
  version     INT NOT NULL,
  name        TEXT NOT NULL,
  body        TEXT NOT NULL,
  created_by  TEXT NOT NULL,
  created_ms  INT NOT NULL,
  PRIMARY KEY (schedule_id, version)
) STRICT;

-- What fired. The key (schedule_id, nominal_ms, 0) is what keeps a nominal from
-- firing twice, so these rows stay as long as their schedule. again is above 0
-- for what persons start. open = 1 until the end of the job is taken in.
CREATE TABLE schedule_runs (
  schedule_id      TEXT NOT NULL REFERENCES schedules,
  nominal_ms       INT NOT NULL,
  again            INT NOT NULL,
  previous_ms      INT NOT NULL,
  due_ms           INT NOT NULL,
  planned_ms       INT NOT NULL,
  decided_ms       INT NOT NULL,
  source           TEXT NOT NULL,
  version          INT NOT NULL,
  calendar_version INT NOT NULL,
  job_id           TEXT NOT NULL,
  open             INT NOT NULL,
  status           TEXT NOT NULL,
  reason           TEXT NOT NULL,
  started_ms       INT NOT NULL,
  ended_ms         INT NOT NULL,
  PRIMARY KEY (schedule_id, nominal_ms, again)
) STRICT;
CREATE INDEX schedule_runs_open ON schedule_runs (schedule_id) WHERE open = 1;
CREATE INDEX schedule_runs_job ON schedule_runs (job_id);

-- What was skipped: nominals one after the other with the same reason are one row.
CREATE TABLE schedule_skips (
  schedule_id TEXT NOT NULL REFERENCES schedules,
  nominal_ms  INT NOT NULL,
  reason      TEXT NOT NULL,
  last_ms     INT NOT NULL,
  nominals    INT NOT NULL,
  decided_ms  INT NOT NULL,
  version     INT NOT NULL,
  PRIMARY KEY (schedule_id, nominal_ms, reason)
) STRICT;
