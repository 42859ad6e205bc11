-- +goose Up
-- Questions to people. body holds what never changes: title, summary, table and
-- the rules of deciding; content is a JSON document or ''. decisions is a list.
CREATE TABLE approvals (
  approval_id   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant        TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  status        TEXT COLLATE "C" NOT NULL CHECK (status IN ('PENDING', 'APPROVED', 'REJECTED', 'EXPIRED', 'SUPERSEDED')),
  version       BIGINT NOT NULL,
  kind          TEXT COLLATE "C" NOT NULL,
  subject_type  TEXT COLLATE "C" NOT NULL,
  subject_id    TEXT COLLATE "C" NOT NULL,
  body          TEXT COLLATE "C" NOT NULL,
  content       TEXT COLLATE "C" NOT NULL,
  content_hash  TEXT COLLATE "C" NOT NULL,
  round         BIGINT NOT NULL,
  replaces      TEXT COLLATE "C" NOT NULL,
  replaced_by   TEXT COLLATE "C" NOT NULL,
  decisions     TEXT COLLATE "C" NOT NULL,
  reason        TEXT COLLATE "C" NOT NULL,
  requested_ms  BIGINT NOT NULL,
  expires_ms    BIGINT NOT NULL,
  decided_ms    BIGINT NOT NULL
);

-- A subject has one question at a time.
CREATE UNIQUE INDEX approvals_pending ON approvals (tenant, subject_type, subject_id) WHERE status = 'PENDING';
CREATE INDEX approvals_expiry ON approvals (expires_ms) WHERE status = 'PENDING';
CREATE INDEX approvals_subject ON approvals (subject_type, subject_id);
CREATE INDEX approvals_newest ON approvals (tenant, requested_ms, approval_id);

-- The approval without which a job must not start, and when it expires while the
-- job waits for it: 0 = it does not.
ALTER TABLE jobs ADD COLUMN approval_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN approval_until_ms BIGINT NOT NULL DEFAULT 0;
