-- +goose Up
-- Schedules. body is what a person says of one, state what its decisions have led
-- to, both JSON. next_ms is when to decide again, 0 = nothing is to come by
-- itself; awaits_end then says that the end of a run is waited for. claim_epoch
-- fences: it changes with every claim and every change by a person.
CREATE TABLE schedules (
  schedule_id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant           TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  name             TEXT COLLATE "C" NOT NULL,
  name_folded      TEXT COLLATE "C" NOT NULL,
  version          BIGINT NOT NULL,
  body             TEXT COLLATE "C" NOT NULL,
  uses_calendar    BIGINT NOT NULL,
  status           TEXT COLLATE "C" NOT NULL,
  state            TEXT COLLATE "C" NOT NULL,
  cursor_ms        BIGINT NOT NULL,
  next_ms          BIGINT NOT NULL,
  awaits_end       BIGINT NOT NULL,
  claimed_by       TEXT COLLATE "C" NOT NULL,
  claimed_until_ms BIGINT NOT NULL,
  claim_epoch      BIGINT NOT NULL,
  created_by       TEXT COLLATE "C" NOT NULL,
  created_ms       BIGINT NOT NULL,
  updated_ms       BIGINT NOT NULL,
  deleted_ms       BIGINT NOT NULL
);
CREATE UNIQUE INDEX schedules_name ON schedules (tenant, name) WHERE deleted_ms = 0;
CREATE INDEX schedules_due ON schedules (next_ms) WHERE next_ms > 0;
CREATE INDEX schedules_awaiting ON schedules (schedule_id) WHERE awaits_end = 1;
CREATE INDEX schedules_claimed ON schedules (claimed_by) WHERE claimed_by <> '';
CREATE INDEX schedules_calendar ON schedules (tenant) WHERE uses_calendar = 1;

CREATE TABLE schedule_versions (
  schedule_id TEXT COLLATE "C" NOT NULL REFERENCES schedules,
  version     BIGINT NOT NULL,
  name        TEXT COLLATE "C" NOT NULL,
  body        TEXT COLLATE "C" NOT NULL,
  created_by  TEXT COLLATE "C" NOT NULL,
  created_ms  BIGINT NOT NULL,
  PRIMARY KEY (schedule_id, version)
);

-- What fired. The key (schedule_id, nominal_ms, 0) is what keeps a nominal from
-- firing twice, so these rows stay as long as their schedule. again is above 0
-- for what persons start. open = 1 until the end of the job is taken in.
CREATE TABLE schedule_runs (
  schedule_id      TEXT COLLATE "C" NOT NULL REFERENCES schedules,
  nominal_ms       BIGINT NOT NULL,
  again            BIGINT NOT NULL,
  previous_ms      BIGINT NOT NULL,
  due_ms           BIGINT NOT NULL,
  planned_ms       BIGINT NOT NULL,
  decided_ms       BIGINT NOT NULL,
  source           TEXT COLLATE "C" NOT NULL,
  version          BIGINT NOT NULL,
  calendar_version BIGINT NOT NULL,
  job_id           TEXT COLLATE "C" NOT NULL,
  open             BIGINT NOT NULL,
  status           TEXT COLLATE "C" NOT NULL,
  reason           TEXT COLLATE "C" NOT NULL,
  started_ms       BIGINT NOT NULL,
  ended_ms         BIGINT NOT NULL,
  PRIMARY KEY (schedule_id, nominal_ms, again)
);
CREATE INDEX schedule_runs_open ON schedule_runs (schedule_id) WHERE open = 1;
CREATE INDEX schedule_runs_job ON schedule_runs (job_id);

-- What was skipped: nominals one after the other with the same reason are one row.
CREATE TABLE schedule_skips (
  schedule_id TEXT COLLATE "C" NOT NULL REFERENCES schedules,
  nominal_ms  BIGINT NOT NULL,
  reason      TEXT COLLATE "C" NOT NULL,
  last_ms     BIGINT NOT NULL,
  nominals    BIGINT NOT NULL,
  decided_ms  BIGINT NOT NULL,
  version     BIGINT NOT NULL,
  PRIMARY KEY (schedule_id, nominal_ms, reason)
);
