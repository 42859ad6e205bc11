-- +goose Up
-- A durable run outlives its slot: while the job waits to go on (resuming), the run
-- stays ACTIVE without an instance. parked is what it waits for outside of the order,
-- resume_locks is a JSON list of the locks that it waits for in it.
ALTER TABLE jobs ADD COLUMN resuming BIGINT NOT NULL DEFAULT 0 CHECK (resuming IN (0, 1));
ALTER TABLE jobs ADD COLUMN parked TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN resume_locks TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX jobs_parked   ON jobs (tenant) WHERE parked <> '';
CREATE INDEX jobs_resuming ON jobs (rank) WHERE state = 'QUEUED' AND resuming = 1 AND ready = 1;
