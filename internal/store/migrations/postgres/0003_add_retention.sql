-- +goose Up
-- What the artifacts of a tenant take. Changes in the transaction that binds or
-- deletes an artifact.
CREATE TABLE artifact_usage (
  tenant     TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants,
  size_bytes BIGINT NOT NULL,
  count      BIGINT NOT NULL
);
INSERT INTO artifact_usage (tenant, size_bytes, count)
SELECT tenant, CAST(sum(size_bytes) AS BIGINT), count(*) FROM artifacts GROUP BY tenant;

-- Content that is being stored for an artifact that is not bound yet.
CREATE TABLE artifact_reservations (
  artifact_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  sha256      TEXT COLLATE "C" NOT NULL,
  until_ms    BIGINT NOT NULL
);
CREATE INDEX artifact_reservations_content ON artifact_reservations (sha256);

-- Content that nothing names and that is being removed.
CREATE TABLE blob_removals (
  sha256 TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  at_ms  BIGINT NOT NULL
);

-- The place of artifacts and logs, by the id that is written in it.
CREATE TABLE blob_place (
  id       BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
  place_id TEXT COLLATE "C" NOT NULL
);

-- Who does a periodic piece of work now, so that others need not.
CREATE TABLE turns (
  name     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  holder   TEXT COLLATE "C" NOT NULL,
  until_ms BIGINT NOT NULL
);

ALTER TABLE instances ADD COLUMN place TEXT COLLATE "C" NOT NULL DEFAULT '';

CREATE INDEX jobs_finished ON jobs (finished_ms) WHERE finished_ms > 0;
CREATE INDEX jobs_retry ON jobs (retry_of) WHERE finished_ms = 0 AND retry_of <> '';
CREATE INDEX runs_finished ON runs (finished_ms) WHERE finished_ms > 0;
CREATE INDEX events_seq ON events (seq) WHERE seq IS NOT NULL;
