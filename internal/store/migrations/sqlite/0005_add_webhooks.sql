-- +goose Up
-- Where events are sent. secret and old_secret sign what is sent; they are kept as
-- they are, because signing needs them.
CREATE TABLE webhooks (
  webhook_id      TEXT NOT NULL PRIMARY KEY,
  tenant          TEXT NOT NULL REFERENCES tenants,
  name            TEXT NOT NULL,
  description     TEXT NOT NULL,
  url             TEXT NOT NULL,
  events          TEXT NOT NULL,
  job_types       TEXT NOT NULL,
  template_ids    TEXT NOT NULL,
  labels          TEXT NOT NULL,
  max_attempts    INT NOT NULL,
  enabled         INT NOT NULL CHECK (enabled IN (0, 1)),
  disabled_reason TEXT NOT NULL,
  disabled_ms     INT NOT NULL,
  secret          TEXT NOT NULL,
  old_secret      TEXT NOT NULL,
  old_until_ms    INT NOT NULL,
  rotated_ms      INT NOT NULL,
  created_by      TEXT NOT NULL,
  version         INT NOT NULL,
  created_ms      INT NOT NULL,
  updated_ms      INT NOT NULL
) STRICT;
CREATE UNIQUE INDEX webhooks_name ON webhooks (tenant, name);

-- Which types of events the enabled webhooks want; * is every type. Whoever
-- announces an event looks here.
CREATE TABLE webhook_subscriptions (
  tenant     TEXT NOT NULL,
  type       TEXT NOT NULL,
  webhook_id TEXT NOT NULL,
  PRIMARY KEY (tenant, type, webhook_id)
) STRICT;

-- What signs the webhooks of jobs and templates, for each tenant.
CREATE TABLE webhook_secrets (
  tenant       TEXT NOT NULL PRIMARY KEY REFERENCES tenants,
  secret       TEXT NOT NULL,
  old_secret   TEXT NOT NULL,
  old_until_ms INT NOT NULL,
  rotated_ms   INT NOT NULL
) STRICT;

-- Events that somebody wants, written with the event. subject is what the event is
-- about as it was then. A note becomes deliveries and is deleted, in one
-- transaction.
CREATE TABLE webhook_outbox (
  note_id     TEXT NOT NULL PRIMARY KEY,
  tenant      TEXT NOT NULL,
  type        TEXT NOT NULL,
  at_ms       INT NOT NULL,
  job_id      TEXT NOT NULL,
  run_id      TEXT NOT NULL,
  template_id TEXT NOT NULL,
  data        TEXT NOT NULL,
  subject     TEXT NOT NULL
) STRICT;

-- How those who are sent to fare: webhooks, and the hosts of jobs' own webhooks.
CREATE TABLE webhook_targets (
  target           TEXT NOT NULL PRIMARY KEY,
  failures         INT NOT NULL,
  failing_since_ms INT NOT NULL,
  open_until_ms    INT NOT NULL,
  delivered_ms     INT NOT NULL,
  failed_ms        INT NOT NULL
) STRICT;

-- One message to one target. open = 1 while it is to be sent; next_ms is when, or,
-- while somebody sends it, when that is given up.
CREATE TABLE webhook_deliveries (
  delivery_id    TEXT NOT NULL PRIMARY KEY,
  tenant         TEXT NOT NULL REFERENCES tenants,
  webhook_id     TEXT NOT NULL,
  target         TEXT NOT NULL,
  url            TEXT NOT NULL,
  type           TEXT NOT NULL,
  job_id         TEXT NOT NULL,
  run_id         TEXT NOT NULL,
  body           TEXT NOT NULL,
  status         TEXT NOT NULL,
  open           INT NOT NULL CHECK (open IN (0, 1)),
  attempts       INT NOT NULL,
  max_attempts   INT NOT NULL,
  next_ms        INT NOT NULL,
  deadline_ms    INT NOT NULL,
  lease          INT NOT NULL,
  lease_until_ms INT NOT NULL,
  last_status    INT NOT NULL,
  error_code     TEXT NOT NULL,
  error_message  TEXT NOT NULL,
  log            TEXT NOT NULL,
  event_ms       INT NOT NULL,
  created_ms     INT NOT NULL,
  finished_ms    INT NOT NULL
) STRICT;
CREATE INDEX webhook_deliveries_due      ON webhook_deliveries (target, next_ms, delivery_id) WHERE open = 1;
CREATE INDEX webhook_deliveries_deadline ON webhook_deliveries (deadline_ms) WHERE open = 1;
CREATE INDEX webhook_deliveries_leased   ON webhook_deliveries (target) WHERE lease_until_ms > 0;
CREATE INDEX webhook_deliveries_created  ON webhook_deliveries (tenant, created_ms, delivery_id);
CREATE INDEX webhook_deliveries_of       ON webhook_deliveries (webhook_id, created_ms, delivery_id);
CREATE INDEX webhook_deliveries_job      ON webhook_deliveries (job_id) WHERE job_id <> '';
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_ms) WHERE finished_ms > 0;
