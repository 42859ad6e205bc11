-- +goose Up
-- What the artifacts of a tenant take. Changes in the transaction that binds or
-- deletes an artifact.
CREATE TABLE artifact_usage (
  tenant     TEXT NOT NULL PRIMARY KEY REFERENCES tenants,
  size_bytes INT NOT NULL,
  count      INT NOT NULL
) STRICT;
INSERT INTO artifact_usage (tenant, size_bytes, count)
SELECT tenant, CAST(sum(size_bytes) AS INT), count(*) FROM artifacts GROUP BY tenant;

-- Content that is being stored for an artifact that is not bound yet.
CREATE TABLE artifact_reservations (
  artifact_id TEXT NOT NULL PRIMARY KEY,
  sha256      TEXT NOT NULL,
  until_ms    INT NOT NULL
) STRICT;
CREATE INDEX artifact_reservations_content ON artifact_reservations (sha256);

-- Content that nothing names and that is being removed.
CREATE TABLE blob_removals (
  sha256 TEXT NOT NULL PRIMARY KEY,
  at_ms  INT NOT NULL
) STRICT;

-- The place of artifacts and logs, by the id that is written in it.
CREATE TABLE blob_place (
  id       INT NOT NULL PRIMARY KEY CHECK (id = 1),
  place_id TEXT NOT NULL
) STRICT;

-- Who does a periodic piece of work now, so that others need not.
CREATE TABLE turns (
  name     TEXT NOT NULL PRIMARY KEY,
  holder   TEXT NOT NULL,
  until_ms INT NOT NULL
) STRICT;

ALTER TABLE instances ADD COLUMN place TEXT NOT NULL DEFAULT '';

CREATE INDEX jobs_finished ON jobs (finished_ms) WHERE finished_ms > 0;
CREATE INDEX jobs_retry ON jobs (retry_of) WHERE finished_ms = 0 AND retry_of <> '';
CREATE INDEX runs_finished ON runs (finished_ms) WHERE finished_ms > 0;
