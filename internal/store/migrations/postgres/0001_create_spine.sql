-- +goose Up
CREATE TABLE tenants (
  tenant_id  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  name       TEXT COLLATE "C" NOT NULL,
  created_ms BIGINT NOT NULL
);
INSERT INTO tenants (tenant_id, name, created_ms) VALUES ('default', 'default', 0);

-- The one row that says how the queue runs. Claims are serialised on it.
CREATE TABLE queue (
  id            BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
  workers       BIGINT NOT NULL CHECK (workers BETWEEN 0 AND 1024),
  paused        BIGINT NOT NULL CHECK (paused IN (0, 1)),
  paused_by     TEXT COLLATE "C" NOT NULL,
  paused_reason TEXT COLLATE "C" NOT NULL,
  version       BIGINT NOT NULL,
  updated_ms    BIGINT NOT NULL,
  epoch         BIGINT NOT NULL
);
INSERT INTO queue (id, workers, paused, paused_by, paused_reason, version, updated_ms, epoch)
VALUES (1, 1, 0, '', '', 1, 0, 0);
-- One value is a block of places, so that an Add of many jobs takes one too.
CREATE SEQUENCE job_seq START 100000 INCREMENT BY 100000;

CREATE TABLE instances (
  instance_id    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  host_id        TEXT COLLATE "C" NOT NULL,
  hostname       TEXT COLLATE "C" NOT NULL,
  pid            BIGINT NOT NULL,
  version        TEXT COLLATE "C" NOT NULL,
  started_ms     BIGINT NOT NULL,
  lease_until_ms BIGINT NOT NULL,
  ended_ms       BIGINT NOT NULL,
  lost           BIGINT NOT NULL CHECK (lost IN (0, 1))
);
CREATE INDEX instances_alive ON instances (lease_until_ms) WHERE ended_ms = 0;

CREATE TABLE templates (
  template_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant      TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  name        TEXT COLLATE "C" NOT NULL,
  name_folded TEXT COLLATE "C" NOT NULL,
  version     BIGINT NOT NULL,
  job_type    TEXT COLLATE "C" NOT NULL,
  labels      TEXT COLLATE "C" NOT NULL,
  archived    BIGINT NOT NULL CHECK (archived IN (0, 1)),
  body        TEXT COLLATE "C" NOT NULL,
  created_by  TEXT COLLATE "C" NOT NULL,
  created_ms  BIGINT NOT NULL,
  updated_ms  BIGINT NOT NULL,
  deleted_ms  BIGINT NOT NULL
);
CREATE UNIQUE INDEX templates_name ON templates (tenant, name) WHERE deleted_ms = 0;

CREATE TABLE template_versions (
  template_id TEXT COLLATE "C" NOT NULL REFERENCES templates,
  version     BIGINT NOT NULL,
  name        TEXT COLLATE "C" NOT NULL,
  body        TEXT COLLATE "C" NOT NULL,
  created_ms  BIGINT NOT NULL,
  PRIMARY KEY (template_id, version)
);

CREATE TABLE jobs (
  job_id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant           TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  state            TEXT COLLATE "C" NOT NULL,
  version          BIGINT NOT NULL,
  name             TEXT COLLATE "C" NOT NULL,
  name_folded      TEXT COLLATE "C" NOT NULL,
  job_type         TEXT COLLATE "C" NOT NULL,
  params           TEXT COLLATE "C" NOT NULL,
  template_id      TEXT COLLATE "C" NOT NULL,
  template_version BIGINT NOT NULL,
  retry            TEXT COLLATE "C" NOT NULL,
  timeout_ms       BIGINT NOT NULL,
  locks            TEXT COLLATE "C" NOT NULL,
  on_crash         TEXT COLLATE "C" NOT NULL,
  labels           TEXT COLLATE "C" NOT NULL,
  trigger_kind     TEXT COLLATE "C" NOT NULL,
  created_by       TEXT COLLATE "C" NOT NULL,
  retry_of         TEXT COLLATE "C" NOT NULL,
  class            TEXT COLLATE "C" NOT NULL,
  priority         BIGINT NOT NULL CHECK (priority BETWEEN 0 AND 9),
  seq              BIGINT NOT NULL,
  not_before_ms    BIGINT NOT NULL,
  held_reason      TEXT COLLATE "C" NOT NULL,
  ready            BIGINT NOT NULL CHECK (ready IN (0, 1)),
  attempt          BIGINT NOT NULL,
  failures         BIGINT NOT NULL,
  crashes          BIGINT NOT NULL,
  run_id           TEXT COLLATE "C" NOT NULL,
  instance_id      TEXT COLLATE "C" NOT NULL,
  epoch            BIGINT NOT NULL,
  cancel_asked_ms  BIGINT NOT NULL,
  cancelled_by     TEXT COLLATE "C" NOT NULL,
  failure_code     TEXT COLLATE "C" NOT NULL,
  failure_message  TEXT COLLATE "C" NOT NULL,
  created_ms       BIGINT NOT NULL,
  queued_ms        BIGINT NOT NULL,
  started_ms       BIGINT NOT NULL,
  finished_ms      BIGINT NOT NULL
);
CREATE INDEX jobs_ready   ON jobs (class, priority, seq) WHERE state = 'QUEUED' AND ready = 1;
CREATE INDEX jobs_order   ON jobs (priority, seq) WHERE state = 'QUEUED';
CREATE INDEX jobs_due     ON jobs (not_before_ms) WHERE state = 'QUEUED' AND ready = 0 AND held_reason = '';
CREATE INDEX jobs_running ON jobs (instance_id) WHERE state = 'RUNNING';
CREATE INDEX jobs_created ON jobs (tenant, created_ms, job_id);

CREATE TABLE locks (
  name    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  job_id  TEXT COLLATE "C" NOT NULL,
  epoch   BIGINT NOT NULL,
  held_ms BIGINT NOT NULL
);
CREATE INDEX locks_job ON locks (job_id);

CREATE TABLE runs (
  run_id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant           TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  job_id           TEXT COLLATE "C" NOT NULL,
  state            TEXT COLLATE "C" NOT NULL,
  job_name         TEXT COLLATE "C" NOT NULL,
  job_name_folded  TEXT COLLATE "C" NOT NULL,
  job_type         TEXT COLLATE "C" NOT NULL,
  template_id      TEXT COLLATE "C" NOT NULL,
  template_version BIGINT NOT NULL,
  params           TEXT COLLATE "C" NOT NULL,
  labels           TEXT COLLATE "C" NOT NULL,
  attempt          BIGINT NOT NULL,
  trigger_kind     TEXT COLLATE "C" NOT NULL,
  created_by       TEXT COLLATE "C" NOT NULL,
  retry_of         TEXT COLLATE "C" NOT NULL,
  instance_id      TEXT COLLATE "C" NOT NULL,
  epoch            BIGINT NOT NULL,
  pid              BIGINT NOT NULL,
  pid_start        TEXT COLLATE "C" NOT NULL,
  created_ms       BIGINT NOT NULL,
  queued_ms        BIGINT NOT NULL,
  started_ms       BIGINT NOT NULL,
  finished_ms      BIGINT NOT NULL,
  failure_code     TEXT COLLATE "C" NOT NULL,
  failure_message  TEXT COLLATE "C" NOT NULL,
  reason           TEXT COLLATE "C" NOT NULL,
  exit_code        BIGINT,
  outputs          TEXT COLLATE "C" NOT NULL,
  tokens           TEXT COLLATE "C" NOT NULL,
  stage            TEXT COLLATE "C" NOT NULL,
  done             BIGINT NOT NULL,
  total            BIGINT NOT NULL,
  log_bytes        BIGINT NOT NULL,
  log_truncated    BIGINT NOT NULL CHECK (log_truncated IN (0, 1))
);
CREATE UNIQUE INDEX runs_attempt ON runs (job_id, attempt);
CREATE INDEX runs_started ON runs (tenant, started_ms, run_id);

CREATE TABLE artifacts (
  artifact_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant      TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  run_id      TEXT COLLATE "C" NOT NULL REFERENCES runs,
  name        TEXT COLLATE "C" NOT NULL,
  size_bytes  BIGINT NOT NULL,
  sha256      TEXT COLLATE "C" NOT NULL,
  media_type  TEXT COLLATE "C" NOT NULL,
  created_ms  BIGINT NOT NULL
);
CREATE UNIQUE INDEX artifacts_name ON artifacts (run_id, name);
CREATE INDEX artifacts_content ON artifacts (sha256);

CREATE TABLE checkpoints (
  job_id     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  run_id     TEXT COLLATE "C" NOT NULL,
  epoch      BIGINT NOT NULL,
  data       BYTEA NOT NULL,
  updated_ms BIGINT NOT NULL
);

-- Events are inserted without a number, because transactions do not commit in
-- the order in which they insert. Whoever reads numbers what has been
-- committed by then, one after the other under the row of event_log.
CREATE TABLE event_log (
  id       BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
  last_seq BIGINT NOT NULL
);
INSERT INTO event_log (id, last_seq) VALUES (1, 0);

CREATE TABLE events (
  event_id    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  seq         BIGINT,
  tenant      TEXT COLLATE "C" NOT NULL,
  type        TEXT COLLATE "C" NOT NULL,
  at_ms       BIGINT NOT NULL,
  job_id      TEXT COLLATE "C" NOT NULL,
  run_id      TEXT COLLATE "C" NOT NULL,
  template_id TEXT COLLATE "C" NOT NULL,
  data        TEXT COLLATE "C" NOT NULL
);
CREATE INDEX events_tenant ON events (tenant, seq) WHERE seq IS NOT NULL;
CREATE INDEX events_new ON events (event_id) WHERE seq IS NULL;

CREATE TABLE idempotency_keys (
  tenant             TEXT COLLATE "C" NOT NULL,
  owner              TEXT COLLATE "C" NOT NULL,
  key                TEXT COLLATE "C" NOT NULL,
  hash               TEXT COLLATE "C" NOT NULL,
  status             BIGINT NOT NULL,
  location           TEXT COLLATE "C" NOT NULL,
  etag               TEXT COLLATE "C" NOT NULL,
  body               BYTEA NOT NULL,
  in_flight_until_ms BIGINT NOT NULL,
  expires_ms         BIGINT NOT NULL,
  PRIMARY KEY (tenant, owner, key)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_ms);
