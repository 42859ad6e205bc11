-- +goose Up
-- Secrets. data_key is encrypted with the master key, which is not in the database,
-- and ciphertext with the data key.
CREATE TABLE secrets (
  tenant        TEXT NOT NULL REFERENCES tenants,
  name          TEXT NOT NULL,
  description   TEXT NOT NULL,
  grants        TEXT NOT NULL,
  data_key      TEXT NOT NULL,
  ciphertext    TEXT NOT NULL,
  value_version INT NOT NULL,
  value_ms      INT NOT NULL,
  version       INT NOT NULL,
  created_by    TEXT NOT NULL,
  created_ms    INT NOT NULL,
  updated_by    TEXT NOT NULL,
  updated_ms    INT NOT NULL,
  used_ms       INT NOT NULL,
  PRIMARY KEY (tenant, name)
) STRICT;

-- The data key of each tenant for what is kept elsewhere, such as secret inputs.
CREATE TABLE secret_data_keys (
  tenant     TEXT NOT NULL PRIMARY KEY REFERENCES tenants,
  data_key   TEXT NOT NULL,
  created_ms INT NOT NULL
) STRICT;

-- By what an instance knows whether its master key is that of the database.
CREATE TABLE secret_key_check (
  id          INT NOT NULL PRIMARY KEY CHECK (id = 1),
  check_value TEXT NOT NULL,
  set_ms      INT NOT NULL
) STRICT;
