-- +goose Up
-- How often which client called which legacy endpoint, by UTC day. client and
-- operation are empty in the row of the calls that were too many to tell apart.
CREATE TABLE legacy_calls (
  day_ms    BIGINT NOT NULL,
  tenant    TEXT COLLATE "C" NOT NULL,
  client    TEXT COLLATE "C" NOT NULL,
  operation TEXT COLLATE "C" NOT NULL,
  count     BIGINT NOT NULL,
  last_ms   BIGINT NOT NULL,
  PRIMARY KEY (day_ms, tenant, client, operation)
);
