-- +goose Up
-- What the users of a tenant say of single dates of calendars. opens to break_end
-- are local times such as 09:30, '' where the kind has none.
CREATE TABLE calendar_overrides (
  tenant      TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  calendar    TEXT COLLATE "C" NOT NULL,
  day         TEXT COLLATE "C" NOT NULL,
  kind        TEXT COLLATE "C" NOT NULL CHECK (kind IN ('closed', 'open', 'hours')),
  opens       TEXT COLLATE "C" NOT NULL,
  closes      TEXT COLLATE "C" NOT NULL,
  break_start TEXT COLLATE "C" NOT NULL,
  break_end   TEXT COLLATE "C" NOT NULL,
  reason      TEXT COLLATE "C" NOT NULL,
  source      TEXT COLLATE "C" NOT NULL,
  updated_by  TEXT COLLATE "C" NOT NULL,
  updated_ms  BIGINT NOT NULL,
  PRIMARY KEY (tenant, calendar, day)
);

-- How often a tenant changed its overrides: whoever holds a copy compares it.
CREATE TABLE calendar_versions (
  tenant  TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants,
  version BIGINT NOT NULL
);
