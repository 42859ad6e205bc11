-- +goose Up
-- Where events are sent. secret and old_secret sign what is sent; they are kept as
-- they are, because signing needs them.
CREATE TABLE webhooks (
  webhook_id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant          TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  name            TEXT COLLATE "C" NOT NULL,
  description     TEXT COLLATE "C" NOT NULL,
  url             TEXT COLLATE "C" NOT NULL,
  events          TEXT COLLATE "C" NOT NULL,
  job_types       TEXT COLLATE "C" NOT NULL,
  template_ids    TEXT COLLATE "C" NOT NULL,
  labels          TEXT COLLATE "C" NOT NULL,
  max_attempts    BIGINT NOT NULL,
  enabled         BIGINT NOT NULL CHECK (enabled IN (0, 1)),
  disabled_reason TEXT COLLATE "C" NOT NULL,
  disabled_ms     BIGINT NOT NULL,
  secret          TEXT COLLATE "C" NOT NULL,
  old_secret      TEXT COLLATE "C" NOT NULL,
  old_until_ms    BIGINT NOT NULL,
  rotated_ms      BIGINT NOT NULL,
  created_by      TEXT COLLATE "C" NOT NULL,
  version         BIGINT NOT NULL,
  created_ms      BIGINT NOT NULL,
  updated_ms      BIGINT NOT NULL
);
CREATE UNIQUE INDEX webhooks_name ON webhooks (tenant, name);

-- Which types of events the enabled webhooks want; * is every type. Whoever
-- announces an event looks here.
CREATE TABLE webhook_subscriptions (
  tenant     TEXT COLLATE "C" NOT NULL,
  type       TEXT COLLATE "C" NOT NULL,
  webhook_id TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, type, webhook_id)
);

-- What signs the webhooks of jobs and templates, for each tenant.
CREATE TABLE webhook_secrets (
  tenant       TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants,
  secret       TEXT COLLATE "C" NOT NULL,
  old_secret   TEXT COLLATE "C" NOT NULL,
  old_until_ms BIGINT NOT NULL,
  rotated_ms   BIGINT NOT NULL
);

-- Events that somebody wants, written with the event. subject is what the event is
-- about as it was then. A note becomes deliveries and is deleted, in one
-- transaction.
CREATE TABLE webhook_outbox (
  note_id     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant      TEXT COLLATE "C" NOT NULL,
  type        TEXT COLLATE "C" NOT NULL,
  at_ms       BIGINT NOT NULL,
  job_id      TEXT COLLATE "C" NOT NULL,
  run_id      TEXT COLLATE "C" NOT NULL,
  template_id TEXT COLLATE "C" NOT NULL,
  data        TEXT COLLATE "C" NOT NULL,
  subject     TEXT COLLATE "C" NOT NULL
);

-- How those who are sent to fare: webhooks, and the hosts of jobs' own webhooks.
CREATE TABLE webhook_targets (
  target           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  failures         BIGINT NOT NULL,
  failing_since_ms BIGINT NOT NULL,
  open_until_ms    BIGINT NOT NULL,
  delivered_ms     BIGINT NOT NULL,
  failed_ms        BIGINT NOT NULL
);

-- One message to one target. open = 1 while it is to be sent; next_ms is when, or,
-- while somebody sends it, when that is given up.
CREATE TABLE webhook_deliveries (
  delivery_id    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant         TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  webhook_id     TEXT COLLATE "C" NOT NULL,
  target         TEXT COLLATE "C" NOT NULL,
  url            TEXT COLLATE "C" NOT NULL,
  type           TEXT COLLATE "C" NOT NULL,
  job_id         TEXT COLLATE "C" NOT NULL,
  run_id         TEXT COLLATE "C" NOT NULL,
  body           TEXT COLLATE "C" NOT NULL,
  status         TEXT COLLATE "C" NOT NULL,
  open           BIGINT NOT NULL CHECK (open IN (0, 1)),
  attempts       BIGINT NOT NULL,
  max_attempts   BIGINT NOT NULL,
  next_ms        BIGINT NOT NULL,
  deadline_ms    BIGINT NOT NULL,
  lease          BIGINT NOT NULL,
  lease_until_ms BIGINT NOT NULL,
  last_status    BIGINT NOT NULL,
  error_code     TEXT COLLATE "C" NOT NULL,
  error_message  TEXT COLLATE "C" NOT NULL,
  log            TEXT COLLATE "C" NOT NULL,
  event_ms       BIGINT NOT NULL,
  created_ms     BIGINT NOT NULL,
  finished_ms    BIGINT NOT NULL
);
CREATE INDEX webhook_deliveries_due      ON webhook_deliveries (target, next_ms, delivery_id) WHERE open = 1;
CREATE INDEX webhook_deliveries_deadline ON webhook_deliveries (deadline_ms) WHERE open = 1;
CREATE INDEX webhook_deliveries_leased   ON webhook_deliveries (target) WHERE lease_until_ms > 0;
CREATE INDEX webhook_deliveries_created  ON webhook_deliveries (tenant, created_ms, delivery_id);
CREATE INDEX webhook_deliveries_of       ON webhook_deliveries (webhook_id, created_ms, delivery_id);
CREATE INDEX webhook_deliveries_job      ON webhook_deliveries (job_id) WHERE job_id <> '';
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_ms) WHERE finished_ms > 0;
