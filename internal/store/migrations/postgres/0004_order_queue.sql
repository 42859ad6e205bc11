-- +goose Up
-- One rank places a job in the one order of all waiting jobs: text compared byte
-- by byte. Zones are two letters a priority: manual, then scheduled jobs.
DROP INDEX jobs_ready;
DROP INDEX jobs_order;
DROP INDEX jobs_due;
ALTER TABLE jobs ADD COLUMN rank TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN group_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN group_active BIGINT NOT NULL DEFAULT 0 CHECK (group_active IN (0, 1));
ALTER TABLE jobs ADD COLUMN limits TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN unique_key TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN start_deadline_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN webhook TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE jobs SET rank = chr((99 + 2 * priority)::int) || lpad(to_hex(seq), 14, '0'),
  class = job_type || chr(31) || template_id || chr(31) || tenant || chr(31) || substr(class, length(job_type) + 1);
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
ALTER TABLE queue ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE queue ADD COLUMN rules TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE queue ADD COLUMN loaded TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Who has a unit of a lock: an attempt of a job (job_id), a direct request
-- (run_id only), or a program outside (holder), until it expires.
CREATE TABLE lock_holders (
  name       TEXT COLLATE "C" NOT NULL,
  token      BIGINT NOT NULL,
  tenant     TEXT COLLATE "C" NOT NULL,
  job_id     TEXT COLLATE "C" NOT NULL,
  run_id     TEXT COLLATE "C" NOT NULL,
  holder     TEXT COLLATE "C" NOT NULL,
  held_ms    BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  PRIMARY KEY (name, token)
);
INSERT INTO lock_holders (name, token, tenant, job_id, run_id, holder, held_ms, expires_ms)
SELECT l.name, l.epoch, j.tenant, l.job_id, j.run_id, '', l.held_ms, 0 FROM locks l JOIN jobs j ON j.job_id = l.job_id;
DROP TABLE locks;
CREATE INDEX lock_holders_run ON lock_holders (run_id);
CREATE INDEX lock_holders_expiry ON lock_holders (expires_ms) WHERE expires_ms > 0;

-- Locks that more than one may hold.
CREATE TABLE lock_capacities (
  name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  capacity   BIGINT NOT NULL CHECK (capacity BETWEEN 1 AND 1024),
  updated_ms BIGINT NOT NULL
);

-- Jobs that others have overtaken because a lock or a limit blocked them.
CREATE TABLE overtaken (
  job_id   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  rank     TEXT COLLATE "C" NOT NULL,
  starts   BIGINT NOT NULL,
  affinity BIGINT NOT NULL,
  since_ms BIGINT NOT NULL
);

CREATE TABLE job_groups (
  group_id     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant       TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  name         TEXT COLLATE "C" NOT NULL,
  name_folded  TEXT COLLATE "C" NOT NULL,
  mode         TEXT COLLATE "C" NOT NULL,
  max_parallel BIGINT NOT NULL,
  on_failure   TEXT COLLATE "C" NOT NULL,
  state        TEXT COLLATE "C" NOT NULL,
  version      BIGINT NOT NULL,
  rank         TEXT COLLATE "C" NOT NULL,
  total        BIGINT NOT NULL,
  succeeded    BIGINT NOT NULL,
  failed       BIGINT NOT NULL,
  skipped      BIGINT NOT NULL,
  cancelled    BIGINT NOT NULL,
  next_member  BIGINT NOT NULL,
  labels       TEXT COLLATE "C" NOT NULL,
  created_by   TEXT COLLATE "C" NOT NULL,
  created_ms   BIGINT NOT NULL,
  started_ms   BIGINT NOT NULL,
  finished_ms  BIGINT NOT NULL
);
CREATE INDEX job_groups_running ON job_groups (started_ms) WHERE state = 'RUNNING';
CREATE INDEX job_groups_created ON job_groups (tenant, created_ms, group_id);

-- Requests of the direct lane that wait for a slot or use one. They are not
-- jobs; each leaves a run with the same id.
CREATE TABLE direct_requests (
  run_id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  seq            BIGINT NOT NULL,
  tenant         TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  kind           TEXT COLLATE "C" NOT NULL,
  state          TEXT COLLATE "C" NOT NULL,
  locks          TEXT COLLATE "C" NOT NULL,
  instance_id    TEXT COLLATE "C" NOT NULL,
  epoch          BIGINT NOT NULL,
  created_by     TEXT COLLATE "C" NOT NULL,
  params         TEXT COLLATE "C" NOT NULL,
  waited_for     TEXT COLLATE "C" NOT NULL,
  group_id       TEXT COLLATE "C" NOT NULL,
  arrived_ms     BIGINT NOT NULL,
  started_ms     BIGINT NOT NULL,
  lease_until_ms BIGINT NOT NULL
);
CREATE INDEX direct_requests_order ON direct_requests (seq);

-- What one event did to the order; the index of places is made from it.
ALTER TABLE events ADD COLUMN places TEXT COLLATE "C" NOT NULL DEFAULT '';

DROP INDEX runs_attempt;
CREATE UNIQUE INDEX runs_attempt ON runs (job_id, attempt) WHERE job_id <> '';
ALTER TABLE runs ADD COLUMN waited_for TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN group_id TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX runs_active ON runs (instance_id) WHERE state = 'ACTIVE';
CREATE INDEX runs_durations ON runs (job_type, template_id, finished_ms) WHERE state = 'COMPLETED';
CREATE INDEX runs_type ON runs (job_type, finished_ms) WHERE state = 'COMPLETED';
