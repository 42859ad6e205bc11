-- +goose Up
ALTER TABLE tenants ADD COLUMN disabled   INT NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1));
ALTER TABLE tenants ADD COLUMN version    INT NOT NULL DEFAULT 1;
ALTER TABLE tenants ADD COLUMN updated_ms INT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX tenants_name ON tenants (name);

CREATE TABLE users (
  user_id       TEXT NOT NULL PRIMARY KEY,
  tenant        TEXT NOT NULL REFERENCES tenants,
  name          TEXT NOT NULL,
  roles         TEXT NOT NULL,
  admin         INT  NOT NULL CHECK (admin IN (0, 1)),
  password_hash TEXT NOT NULL,
  issuer        TEXT NOT NULL,
  subject       TEXT NOT NULL,
  disabled      INT  NOT NULL CHECK (disabled IN (0, 1)),
  created_by    TEXT NOT NULL,
  version       INT  NOT NULL,
  created_ms    INT  NOT NULL,
  updated_ms    INT  NOT NULL,
  last_login_ms INT  NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_name ON users (name);
CREATE UNIQUE INDEX users_identity ON users (issuer, subject) WHERE subject <> '';

CREATE TABLE tokens (
  token_id        TEXT NOT NULL PRIMARY KEY,
  tenant          TEXT NOT NULL REFERENCES tenants,
  name            TEXT NOT NULL,
  hash            TEXT NOT NULL,
  roles           TEXT NOT NULL,
  scopes          TEXT NOT NULL,
  templates       TEXT NOT NULL,
  rate_per_minute INT  NOT NULL,
  created_by      TEXT NOT NULL,
  created_ms      INT  NOT NULL,
  expires_ms      INT  NOT NULL,
  revoked_ms      INT  NOT NULL,
  last_used_ms    INT  NOT NULL
) STRICT;
CREATE UNIQUE INDEX tokens_hash ON tokens (hash);
CREATE UNIQUE INDEX tokens_name ON tokens (tenant, name) WHERE revoked_ms = 0;

CREATE TABLE sessions (
  session_id TEXT NOT NULL PRIMARY KEY,
  hash       TEXT NOT NULL,
  user_id    TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
  tenant     TEXT NOT NULL REFERENCES tenants,
  remote     TEXT NOT NULL,
  agent      TEXT NOT NULL,
  created_ms INT  NOT NULL,
  seen_ms    INT  NOT NULL,
  expires_ms INT  NOT NULL
) STRICT;
CREATE UNIQUE INDEX sessions_hash ON sessions (hash);
CREATE INDEX sessions_user ON sessions (user_id);

-- Rows are only ever inserted; each carries the hash of the one before.
CREATE TABLE audit (
  tenant      TEXT NOT NULL REFERENCES tenants,
  seq         INT  NOT NULL,
  at_ms       INT  NOT NULL,
  actor       TEXT NOT NULL,
  actor_id    TEXT NOT NULL,
  remote      TEXT NOT NULL,
  request_id  TEXT NOT NULL,
  action      TEXT NOT NULL,
  object      TEXT NOT NULL,
  object_name TEXT NOT NULL,
  before_hash TEXT NOT NULL,
  after_hash  TEXT NOT NULL,
  detail      TEXT NOT NULL,
  prev        TEXT NOT NULL,
  hash        TEXT NOT NULL,
  PRIMARY KEY (tenant, seq)
) STRICT;
-- +goose StatementBegin
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are never deleted'); END;
-- +goose StatementEnd
