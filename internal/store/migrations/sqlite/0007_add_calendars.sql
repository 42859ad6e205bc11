-- +goose Up
-- What the users of a tenant say of single dates of calendars. opens to break_end
-- are local times such as 09:30, '' where the kind has none.
CREATE TABLE calendar_overrides (
  tenant      TEXT NOT NULL REFERENCES tenants,
  calendar    TEXT NOT NULL,
  day         TEXT NOT NULL,
  kind        TEXT NOT NULL CHECK (kind IN ('closed', 'open', 'hours')),
  opens       TEXT NOT NULL,
  closes      TEXT NOT NULL,
  break_start TEXT NOT NULL,
  break_end   TEXT NOT NULL,
  reason      TEXT NOT NULL,
  source      TEXT NOT NULL,
  updated_by  TEXT NOT NULL,
  updated_ms  INT NOT NULL,
  PRIMARY KEY (tenant, calendar, day)
) STRICT;

-- How often a tenant changed its overrides: whoever holds a copy compares it.
CREATE TABLE calendar_versions (
  tenant  TEXT NOT NULL PRIMARY KEY REFERENCES tenants,
  version INT NOT NULL
) STRICT;
