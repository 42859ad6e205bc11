-- +goose Up
-- Secrets. data_key is encrypted with the master key, which is not in the database,
-- and ciphertext with the data key.
CREATE TABLE secrets (
  tenant        TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  name          TEXT COLLATE "C" NOT NULL,
  description   TEXT COLLATE "C" NOT NULL,
  grants        TEXT COLLATE "C" NOT NULL,
  data_key      TEXT COLLATE "C" NOT NULL,
  ciphertext    TEXT COLLATE "C" NOT NULL,
  value_version BIGINT NOT NULL,
  value_ms      BIGINT NOT NULL,
  version       BIGINT NOT NULL,
  created_by    TEXT COLLATE "C" NOT NULL,
  created_ms    BIGINT NOT NULL,
  updated_by    TEXT COLLATE "C" NOT NULL,
  updated_ms    BIGINT NOT NULL,
  used_ms       BIGINT NOT NULL,
  PRIMARY KEY (tenant, name)
);

-- The data key of each tenant for what is kept elsewhere, such as secret inputs.
CREATE TABLE secret_data_keys (
  tenant     TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants,
  data_key   TEXT COLLATE "C" NOT NULL,
  created_ms BIGINT NOT NULL
);

-- By what an instance knows whether its master key is that of the database.
CREATE TABLE secret_key_check (
  id          BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
  check_value TEXT COLLATE "C" NOT NULL,
  set_ms      BIGINT NOT NULL
);
