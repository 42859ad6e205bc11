-- +goose Up
ALTER TABLE tenants ADD COLUMN disabled   BIGINT NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1));
ALTER TABLE tenants ADD COLUMN version    BIGINT NOT NULL DEFAULT 1;
ALTER TABLE tenants ADD COLUMN updated_ms BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX tenants_name ON tenants (name);

CREATE TABLE users (
  user_id       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant        TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  name          TEXT COLLATE "C" NOT NULL,
  roles         TEXT COLLATE "C" NOT NULL,
  admin         BIGINT NOT NULL CHECK (admin IN (0, 1)),
  password_hash TEXT COLLATE "C" NOT NULL,
  issuer        TEXT COLLATE "C" NOT NULL,
  subject       TEXT COLLATE "C" NOT NULL,
  disabled      BIGINT NOT NULL CHECK (disabled IN (0, 1)),
  created_by    TEXT COLLATE "C" NOT NULL,
  version       BIGINT NOT NULL,
  created_ms    BIGINT NOT NULL,
  updated_ms    BIGINT NOT NULL,
  last_login_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_name ON users (name);
CREATE UNIQUE INDEX users_identity ON users (issuer, subject) WHERE subject <> '';

CREATE TABLE tokens (
  token_id        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant          TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  name            TEXT COLLATE "C" NOT NULL,
  hash            TEXT COLLATE "C" NOT NULL,
  roles           TEXT COLLATE "C" NOT NULL,
  scopes          TEXT COLLATE "C" NOT NULL,
  templates       TEXT COLLATE "C" NOT NULL,
  rate_per_minute BIGINT NOT NULL,
  created_by      TEXT COLLATE "C" NOT NULL,
  created_ms      BIGINT NOT NULL,
  expires_ms      BIGINT NOT NULL,
  revoked_ms      BIGINT NOT NULL,
  last_used_ms    BIGINT NOT NULL
);
CREATE UNIQUE INDEX tokens_hash ON tokens (hash);
CREATE UNIQUE INDEX tokens_name ON tokens (tenant, name) WHERE revoked_ms = 0;

CREATE TABLE sessions (
  session_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  hash       TEXT COLLATE "C" NOT NULL,
  user_id    TEXT COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
  tenant     TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  remote     TEXT COLLATE "C" NOT NULL,
  agent      TEXT COLLATE "C" NOT NULL,
  created_ms BIGINT NOT NULL,
  seen_ms    BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX sessions_hash ON sessions (hash);
CREATE INDEX sessions_user ON sessions (user_id);

-- Rows are only ever inserted; each carries the hash of the one before.
CREATE TABLE audit (
  tenant      TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  seq         BIGINT NOT NULL,
  at_ms       BIGINT NOT NULL,
  actor       TEXT COLLATE "C" NOT NULL,
  actor_id    TEXT COLLATE "C" NOT NULL,
  remote      TEXT COLLATE "C" NOT NULL,
  request_id  TEXT COLLATE "C" NOT NULL,
  action      TEXT COLLATE "C" NOT NULL,
  object      TEXT COLLATE "C" NOT NULL,
  object_name TEXT COLLATE "C" NOT NULL,
  before_hash TEXT COLLATE "C" NOT NULL,
  after_hash  TEXT COLLATE "C" NOT NULL,
  detail      TEXT COLLATE "C" NOT NULL,
  prev        TEXT COLLATE "C" NOT NULL,
  hash        TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, seq)
);
-- +goose StatementBegin
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit rows are never changed or deleted';
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
  FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
