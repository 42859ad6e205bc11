-- +goose Up
-- How often which client called which legacy endpoint, by UTC day. client and
-- operation are empty in the row of the calls that were too many to tell apart.
CREATE TABLE legacy_calls (
  day_ms    INT NOT NULL,
  tenant    TEXT NOT NULL,
  client    TEXT NOT NULL,
  operation TEXT NOT NULL,
  count     INT NOT NULL,
  last_ms   INT NOT NULL,
  PRIMARY KEY (day_ms, tenant, client, operation)
) STRICT, WITHOUT ROWID;
