-- +goose Up
CREATE TABLE tenants (
  tenant_id  TEXT NOT NULL PRIMARY KEY,
  name       TEXT NOT NULL,
  created_ms INT  NOT NULL
) STRICT;
INSERT INTO tenants (tenant_id, name, created_ms) VALUES ('default', 'default', 0);

-- The one row that says how the queue runs. Claims are serialised on it.
CREATE TABLE queue (
  id            INT  NOT NULL PRIMARY KEY CHECK (id = 1),
  workers       INT  NOT NULL CHECK (workers BETWEEN 0 AND 1024),
  paused        INT  NOT NULL CHECK (paused IN (0, 1)),
  paused_by     TEXT NOT NULL,
  paused_reason TEXT NOT NULL,
  version       INT  NOT NULL,
  updated_ms    INT  NOT NULL,
  epoch         INT  NOT NULL,
  next_seq      INT  NOT NULL
) STRICT;
INSERT INTO queue (id, workers, paused, paused_by, paused_reason, version, updated_ms, epoch, next_seq)
VALUES (1, 1, 0, '', '', 1, 0, 0, 0);

CREATE TABLE instances (
  instance_id    TEXT NOT NULL PRIMARY KEY,
  host_id        TEXT NOT NULL,
  hostname       TEXT NOT NULL,
  pid            INT  NOT NULL,
  version        TEXT NOT NULL,
  started_ms     INT  NOT NULL,
  lease_until_ms INT  NOT NULL,
  ended_ms       INT  NOT NULL,
  lost           INT  NOT NULL CHECK (lost IN (0, 1))
) STRICT;
CREATE INDEX instances_alive ON instances (lease_until_ms) WHERE ended_ms = 0;

CREATE TABLE templates (
  template_id TEXT NOT NULL PRIMARY KEY,
  tenant      TEXT NOT NULL REFERENCES tenants,
  name        TEXT NOT NULL,
  name_folded TEXT NOT NULL,
  version     INT  NOT NULL,
  job_type    TEXT NOT NULL,
  labels      TEXT NOT NULL,
  archived    INT  NOT NULL CHECK (archived IN (0, 1)),
  body        TEXT NOT NULL,
  created_by  TEXT NOT NULL,
  created_ms  INT  NOT NULL,
  updated_ms  INT  NOT NULL,
  deleted_ms  INT  NOT NULL
) STRICT;
CREATE UNIQUE INDEX templates_name ON templates (tenant, name) WHERE deleted_ms = 0;

CREATE TABLE template_versions (
  template_id TEXT NOT NULL REFERENCES templates,
  version     INT  NOT NULL,
  name        TEXT NOT NULL,
  body        TEXT NOT NULL,
  created_ms  INT  NOT NULL,
  PRIMARY KEY (template_id, version)
) STRICT;

CREATE TABLE jobs (
  job_id           TEXT NOT NULL PRIMARY KEY,
  tenant           TEXT NOT NULL REFERENCES tenants,
  state            TEXT NOT NULL,
  version          INT  NOT NULL,
  name             TEXT NOT NULL,
  name_folded      TEXT NOT NULL,
  job_type         TEXT NOT NULL,
  params           TEXT NOT NULL,
  template_id      TEXT NOT NULL,
  template_version INT  NOT NULL,
  retry            TEXT NOT NULL,
  timeout_ms       INT  NOT NULL,
  locks            TEXT NOT NULL,
  on_crash         TEXT NOT NULL,
  labels           TEXT NOT NULL,
  trigger_kind     TEXT NOT NULL,
  created_by       TEXT NOT NULL,
  retry_of         TEXT NOT NULL,
  class            TEXT NOT NULL,
  priority         INT  NOT NULL CHECK (priority BETWEEN 0 AND 9),
  seq              INT  NOT NULL,
  not_before_ms    INT  NOT NULL,
  held_reason      TEXT NOT NULL,
  ready            INT  NOT NULL CHECK (ready IN (0, 1)),
  attempt          INT  NOT NULL,
  failures         INT  NOT NULL,
  crashes          INT  NOT NULL,
  run_id           TEXT NOT NULL,
  instance_id      TEXT NOT NULL,
  epoch            INT  NOT NULL,
  cancel_asked_ms  INT  NOT NULL,
  cancelled_by     TEXT NOT NULL,
  failure_code     TEXT NOT NULL,
  failure_message  TEXT NOT NULL,
  created_ms       INT  NOT NULL,
  queued_ms        INT  NOT NULL,
  started_ms       INT  NOT NULL,
  finished_ms      INT  NOT NULL
) STRICT;
CREATE INDEX jobs_ready   ON jobs (class, priority, seq) WHERE state = 'QUEUED' AND ready = 1;
CREATE INDEX jobs_order   ON jobs (priority, seq) WHERE state = 'QUEUED';
CREATE INDEX jobs_due     ON jobs (not_before_ms) WHERE state = 'QUEUED' AND ready = 0 AND held_reason = '';
CREATE INDEX jobs_running ON jobs (instance_id) WHERE state = 'RUNNING';
CREATE INDEX jobs_created ON jobs (tenant, created_ms, job_id);

CREATE TABLE locks (
  name    TEXT NOT NULL PRIMARY KEY,
  job_id  TEXT NOT NULL,
  epoch   INT  NOT NULL,
  held_ms INT  NOT NULL
) STRICT;
CREATE INDEX locks_job ON locks (job_id);

CREATE TABLE runs (
  run_id           TEXT NOT NULL PRIMARY KEY,
  tenant           TEXT NOT NULL REFERENCES tenants,
  job_id           TEXT NOT NULL,
  state            TEXT NOT NULL,
  job_name         TEXT NOT NULL,
  job_name_folded  TEXT NOT NULL,
  job_type         TEXT NOT NULL,
  template_id      TEXT NOT NULL,
  template_version INT  NOT NULL,
  params           TEXT NOT NULL,
  labels           TEXT NOT NULL,
  attempt          INT  NOT NULL,
  trigger_kind     TEXT NOT NULL,
  created_by       TEXT NOT NULL,
  retry_of         TEXT NOT NULL,
  instance_id      TEXT NOT NULL,
  epoch            INT  NOT NULL,
  pid              INT  NOT NULL,
  pid_start        TEXT NOT NULL,
  created_ms       INT  NOT NULL,
  queued_ms        INT  NOT NULL,
  started_ms       INT  NOT NULL,
  finished_ms      INT  NOT NULL,
  failure_code     TEXT NOT NULL,
  failure_message  TEXT NOT NULL,
  reason           TEXT NOT NULL,
  exit_code        INT,
  outputs          TEXT NOT NULL,
  tokens           TEXT NOT NULL,
  stage            TEXT NOT NULL,
  done             INT  NOT NULL,
  total            INT  NOT NULL,
  log_bytes        INT  NOT NULL,
  log_truncated    INT  NOT NULL CHECK (log_truncated IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX runs_attempt ON runs (job_id, attempt);
CREATE INDEX runs_started ON runs (tenant, started_ms, run_id);

CREATE TABLE artifacts (
  artifact_id TEXT NOT NULL PRIMARY KEY,
  tenant      TEXT NOT NULL REFERENCES tenants,
  run_id      TEXT NOT NULL REFERENCES runs,
  name        TEXT NOT NULL,
  size_bytes  INT  NOT NULL,
  sha256      TEXT NOT NULL,
  media_type  TEXT NOT NULL,
  created_ms  INT  NOT NULL
) STRICT;
CREATE UNIQUE INDEX artifacts_name ON artifacts (run_id, name);
CREATE INDEX artifacts_content ON artifacts (sha256);

CREATE TABLE checkpoints (
  job_id     TEXT NOT NULL PRIMARY KEY,
  run_id     TEXT NOT NULL,
  epoch      INT  NOT NULL,
  data       BLOB NOT NULL,
  updated_ms INT  NOT NULL
) STRICT;

CREATE TABLE events (
  seq         INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant      TEXT NOT NULL,
  type        TEXT NOT NULL,
  at_ms       INT  NOT NULL,
  job_id      TEXT NOT NULL,
  run_id      TEXT NOT NULL,
  template_id TEXT NOT NULL,
  data        TEXT NOT NULL
) STRICT;
CREATE INDEX events_tenant ON events (tenant, seq);

CREATE TABLE idempotency_keys (
  tenant             TEXT NOT NULL,
  owner              TEXT NOT NULL,
  key                TEXT NOT NULL,
  hash               TEXT NOT NULL,
  status             INT  NOT NULL,
  location           TEXT NOT NULL,
  etag               TEXT NOT NULL,
  body               BLOB NOT NULL,
  in_flight_until_ms INT  NOT NULL,
  expires_ms         INT  NOT NULL,
  PRIMARY KEY (tenant, owner, key)
) STRICT;
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_ms);
