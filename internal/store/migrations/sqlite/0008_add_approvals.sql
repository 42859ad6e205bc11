-- +goose Up
-- Questions to people. body holds what never changes: title, summary, table and
-- the rules of deciding; content is a JSON document or ''. decisions is a list.
CREATE TABLE approvals (
  approval_id   TEXT NOT NULL PRIMARY KEY,
  tenant        TEXT NOT NULL REFERENCES tenants,
  status        TEXT NOT NULL CHECK (status IN ('PENDING', 'APPROVED', 'REJECTED', 'EXPIRED', 'SUPERSEDED')),
  version       INT NOT NULL,
  kind          TEXT NOT NULL,
  subject_type  TEXT NOT NULL,
  subject_id    TEXT NOT NULL,
  body          TEXT NOT NULL,
  content       TEXT NOT NULL,
  content_hash  TEXT NOT NULL,
  round         INT NOT NULL,
  replaces      TEXT NOT NULL,
  replaced_by   TEXT NOT NULL,
  decisions     TEXT NOT NULL,
  reason        TEXT NOT NULL,
  requested_ms  INT NOT NULL,
  expires_ms    INT NOT NULL,
  decided_ms    INT NOT NULL
) STRICT;

-- A subject has one question at a time.
CREATE UNIQUE INDEX approvals_pending ON approvals (tenant, subject_type, subject_id) WHERE status = 'PENDING';
CREATE INDEX approvals_expiry ON approvals (expires_ms) WHERE status = 'PENDING';
CREATE INDEX approvals_subject ON approvals (subject_type, subject_id);
CREATE INDEX approvals_newest ON approvals (tenant, requested_ms, approval_id);

-- The approval without which a job must not start, and when it expires while the
-- job waits for it: 0 = it does not.
ALTER TABLE jobs ADD COLUMN approval_id TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN approval_until_ms INT NOT NULL DEFAULT 0;
