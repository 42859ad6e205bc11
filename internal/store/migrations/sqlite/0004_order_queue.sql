-- +goose Up
-- One rank places a job in the one order of all waiting jobs: text compared byte
-- by byte. Zones are two letters a priority: manual, then scheduled jobs.
DROP INDEX jobs_ready;
DROP INDEX jobs_order;
DROP INDEX jobs_due;
ALTER TABLE jobs ADD COLUMN rank TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN group_id TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN group_active INT NOT NULL DEFAULT 0 CHECK (group_active IN (0, 1));
ALTER TABLE jobs ADD COLUMN limits TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN unique_key TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN start_deadline_ms INT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN webhook TEXT NOT NULL DEFAULT '';
UPDATE jobs SET rank = char(99 + 2 * priority) || printf('%014x', seq),
  class = job_type || char(31) || template_id || char(31) || tenant || char(31) || substr(class, length(job_type) + 1);
ALTER TABLE jobs DROP COLUMN seq;
CREATE UNIQUE INDEX jobs_order ON jobs (rank) WHERE state = 'QUEUED';
CREATE INDEX jobs_tenant   ON jobs (tenant, rank) WHERE state = 'QUEUED';
CREATE INDEX jobs_ready    ON jobs (rank) WHERE state = 'QUEUED' AND ready = 1;
CREATE INDEX jobs_due      ON jobs (not_before_ms) WHERE state = 'QUEUED' AND ready = 0 AND held_reason = '';
CREATE INDEX jobs_deadline ON jobs (start_deadline_ms) WHERE state = 'QUEUED' AND attempt = 0 AND start_deadline_ms > 0;
CREATE INDEX jobs_unique   ON jobs (tenant, unique_key, created_ms) WHERE unique_key <> '';
CREATE INDEX jobs_group    ON jobs (group_id, rank) WHERE group_id <> '';

-- rules is JSON: limits and how jobs may overtake each other. revision changes
-- when a person changes the order. loaded is JSON: the model locks of what
-- started last.
ALTER TABLE queue ADD COLUMN revision INT NOT NULL DEFAULT 1;
ALTER TABLE queue ADD COLUMN rules TEXT NOT NULL DEFAULT '';
ALTER TABLE queue ADD COLUMN loaded TEXT NOT NULL DEFAULT '';

-- Who has a unit of a lock: an attempt of a job (job_id), a direct request
-- (run_id only), or a program outside (holder), until it expires.
CREATE TABLE lock_holders (
  name       TEXT NOT NULL,
  token      INT  NOT NULL,
  tenant     TEXT NOT NULL,
  job_id     TEXT NOT NULL,
  run_id     TEXT NOT NULL,
  holder     TEXT NOT NULL,
  held_ms    INT  NOT NULL,
  expires_ms INT  NOT NULL,
  PRIMARY KEY (name, token)
) STRICT;
INSERT INTO lock_holders (name, token, tenant, job_id, run_id, holder, held_ms, expires_ms)
SELECT l.name, l.epoch, j.tenant, l.job_id, j.run_id, '', l.held_ms, 0 FROM locks l JOIN jobs j ON j.job_id = l.job_id;
DROP TABLE locks;
CREATE INDEX lock_holders_run ON lock_holders (run_id);
CREATE INDEX lock_holders_expiry ON lock_holders (expires_ms) WHERE expires_ms > 0;

-- Locks that more than one may hold.
CREATE TABLE lock_capacities (
  name       TEXT NOT NULL PRIMARY KEY,
  capacity   INT  NOT NULL CHECK (capacity BETWEEN 1 AND 1024),
  updated_ms INT  NOT NULL
) STRICT;

-- Jobs that others have overtaken because a lock or a limit blocked them.
CREATE TABLE overtaken (
  job_id   TEXT NOT NULL PRIMARY KEY,
  rank     TEXT NOT NULL,
  starts   INT  NOT NULL,
  affinity INT  NOT NULL,
  since_ms INT  NOT NULL
) STRICT;

CREATE TABLE job_groups (
  group_id     TEXT NOT NULL PRIMARY KEY,
  tenant       TEXT NOT NULL REFERENCES tenants,
  name         TEXT NOT NULL,
  name_folded  TEXT NOT NULL,
  mode         TEXT NOT NULL,
  max_parallel INT  NOT NULL,
  on_failure   TEXT NOT NULL,
  state        TEXT NOT NULL,
  version      INT  NOT NULL,
  rank         TEXT NOT NULL,
  total        INT  NOT NULL,
  succeeded    INT  NOT NULL,
  failed       INT  NOT NULL,
  skipped      INT  NOT NULL,
  cancelled    INT  NOT NULL,
  next_member  INT  NOT NULL,
  labels       TEXT NOT NULL,
  created_by   TEXT NOT NULL,
  created_ms   INT  NOT NULL,
  started_ms   INT  NOT NULL,
  finished_ms  INT  NOT NULL
) STRICT;
CREATE INDEX job_groups_running ON job_groups (started_ms) WHERE state = 'RUNNING';
CREATE INDEX job_groups_created ON job_groups (tenant, created_ms, group_id);

-- Requests of the direct lane that wait for a slot or use one. They are not
-- jobs; each leaves a run with the same id.
CREATE TABLE direct_requests (
  run_id         TEXT NOT NULL PRIMARY KEY,
  seq            INT  NOT NULL,
  tenant         TEXT NOT NULL REFERENCES tenants,
  kind           TEXT NOT NULL,
  state          TEXT NOT NULL,
  locks          TEXT NOT NULL,
  instance_id    TEXT NOT NULL,
  epoch          INT  NOT NULL,
  created_by     TEXT NOT NULL,
  params         TEXT NOT NULL,
  waited_for     TEXT NOT NULL,
  group_id       TEXT NOT NULL,
  arrived_ms     INT  NOT NULL,
  started_ms     INT  NOT NULL,
  lease_until_ms INT  NOT NULL
) STRICT;
CREATE INDEX direct_requests_order ON direct_requests (seq);

-- What one event did to the order; the index of places is made from it.
ALTER TABLE events ADD COLUMN places TEXT NOT NULL DEFAULT '';

DROP INDEX runs_attempt;
CREATE UNIQUE INDEX runs_attempt ON runs (job_id, attempt) WHERE job_id <> '';
ALTER TABLE runs ADD COLUMN waited_for TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN group_id TEXT NOT NULL DEFAULT '';
CREATE INDEX runs_active ON runs (instance_id) WHERE state = 'ACTIVE';
CREATE INDEX runs_durations ON runs (job_type, template_id, finished_ms) WHERE state = 'COMPLETED';
CREATE INDEX runs_type ON runs (job_type, finished_ms) WHERE state = 'COMPLETED';
