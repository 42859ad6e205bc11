package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

type webhooks struct{ *db }

// endpointColumns are those of webhooks w and, for their health, of
// webhook_targets h.
const endpointColumns = `w.webhook_id, w.tenant, w.name, w.description, w.url, w.events, w.job_types, w.template_ids, w.labels,
	w.max_attempts, w.enabled, w.disabled_reason, w.disabled_ms, w.secret, w.old_secret, w.old_until_ms, w.rotated_ms,
	w.created_by, w.version, w.created_ms, w.updated_ms, coalesce(h.failures, 0), coalesce(h.failing_since_ms, 0),
	coalesce(h.open_until_ms, 0), coalesce(h.delivered_ms, 0), coalesce(h.failed_ms, 0)`

const endpointTables = `webhooks w LEFT JOIN webhook_targets h ON h.target = w.webhook_id`

func scanEndpoint(rows Rows) (webhook.Endpoint, error) { return scanEndpointWith(rows.Scan) }

func scanEndpointWith(scan func(...any) error) (webhook.Endpoint, error) {
	var e webhook.Endpoint
	var events, types, templates, labels, secret, old string
	var disabled, oldUntil, rotated, created, updated, since, open, delivered, failed int64
	if err := scan(&e.ID, &e.Tenant, &e.Name, &e.Description, &e.URL, &events, &types, &templates, &labels,
		&e.MaxAttempts, &e.Enabled, &e.DisabledReason, &disabled, &secret, &old, &oldUntil, &rotated,
		&e.CreatedBy, &e.Version, &created, &updated, &e.Health.Failures, &since, &open, &delivered, &failed); err != nil {
		return e, err
	}
	e.DisabledAt, e.CreatedAt, e.UpdatedAt = clock.FromMillis(disabled), clock.FromMillis(created), clock.FromMillis(updated)
	e.Secrets = secretsOf(secret, old, oldUntil, rotated)
	e.Health.FailingSince, e.Health.OpenUntil = clock.FromMillis(since), clock.FromMillis(open)
	e.Health.LastDelivered, e.Health.LastFailed = clock.FromMillis(delivered), clock.FromMillis(failed)
	return e, errors.Join(decode(events, &e.Events), decode(types, &e.JobTypes), decode(templates, &e.TemplateIDs), decode(labels, &e.Labels))
}

func secretsOf(secret, old string, until, rotated int64) webhook.Secrets {
	return webhook.Secrets{
		Current: webhook.Stored(secret), Previous: webhook.Stored(old), PreviousUntil: clock.FromMillis(until), RotatedAt: clock.FromMillis(rotated),
	}
}

// storedEndpoint returns e as it will be read back.
func storedEndpoint(e webhook.Endpoint) webhook.Endpoint {
	for _, t := range []*time.Time{&e.DisabledAt, &e.CreatedAt, &e.UpdatedAt, &e.Secrets.PreviousUntil, &e.Secrets.RotatedAt} {
		*t = millis(*t)
	}
	return e
}

func webhookTaken(name string) error {
	return fault.Newf(fault.NameTaken, "a webhook named %q exists", name).At("/name", string(fault.NameTaken), "is taken")
}

func (s webhooks) Create(ctx context.Context, p store.PutWebhook) (webhook.Endpoint, error) {
	e := storedEndpoint(p.Endpoint)
	e.Version, e.Health = 1, webhook.Health{}
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO webhooks (webhook_id, tenant, name, description, url, events, job_types, template_ids, labels,
			max_attempts, enabled, disabled_reason, disabled_ms, secret, old_secret, old_until_ms, rotated_ms, created_by, version,
			created_ms, updated_ms)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
			ON CONFLICT (tenant, name) DO NOTHING`,
			e.ID, e.Tenant, e.Name, e.Description, e.URL, encode(e.Events), encode(e.JobTypes), encode(e.TemplateIDs), encode(e.Labels),
			e.MaxAttempts, flag(e.Enabled), string(e.DisabledReason), clock.Millis(e.DisabledAt), e.Secrets.Current.Reveal(),
			e.Secrets.Previous.Reveal(), clock.Millis(e.Secrets.PreviousUntil), clock.Millis(e.Secrets.RotatedAt), e.CreatedBy, e.Version,
			clock.Millis(e.CreatedAt), clock.Millis(e.UpdatedAt))
		if err != nil {
			return fmt.Errorf("insert webhook: %w", err)
		}
		if n == 0 {
			return webhookTaken(e.Name)
		}
		if err := subscribe(ctx, tx, e); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return e, err
}

// subscribe makes the subscriptions of an endpoint what it says.
func subscribe(ctx context.Context, tx Tx, e webhook.Endpoint) error {
	if _, err := tx.Exec(ctx, `DELETE FROM webhook_subscriptions WHERE tenant = $1 AND webhook_id = $2`, e.Tenant, e.ID); err != nil {
		return fmt.Errorf("end subscriptions: %w", err)
	}
	if !e.Enabled {
		return nil
	}
	for _, t := range e.Events {
		if _, err := tx.Exec(ctx, `INSERT INTO webhook_subscriptions (tenant, type, webhook_id) VALUES ($1, $2, $3)`,
			e.Tenant, string(t), e.ID); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	return nil
}

func endpointBy(ctx context.Context, tx Tx, tenant, idOrName string) (webhook.Endpoint, error) {
	e, err := scanEndpointWith(tx.Row(ctx, `SELECT `+endpointColumns+` FROM `+endpointTables+`
		WHERE w.tenant = $1 AND (w.webhook_id = $2 OR w.name = $3) ORDER BY CASE WHEN w.webhook_id = $4 THEN 0 ELSE 1 END LIMIT 1`,
		tenant, idOrName, idOrName, idOrName).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return e, fault.Newf(fault.NotFound, "no webhook %s", idOrName)
	}
	return e, err
}

func (s webhooks) Endpoint(ctx context.Context, tenant, idOrName string) (webhook.Endpoint, error) {
	var e webhook.Endpoint
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		e, err = endpointBy(ctx, tx, tenant, idOrName)
		return err
	})
	return e, err
}

func (s webhooks) List(ctx context.Context, p store.ListWebhooks) (store.WebhookPage, error) {
	var w where
	w.add("w.tenant = %s", p.Tenant)
	if p.Enabled != nil {
		w.add("w.enabled = %s", flag(*p.Enabled))
	}
	if p.Text != "" {
		w.add("replace(w.name, %s, '') <> w.name", p.Text)
	}
	if p.AfterName != "" {
		w.add("w.name > %s", p.AfterName)
	}
	query := fmt.Sprintf(`SELECT %s FROM %s%s ORDER BY w.name LIMIT %d`, endpointColumns, endpointTables, w.String(), p.Limit+1)
	var page store.WebhookPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("list webhooks: %w", err)
		}
		page.Endpoints, err = collect(rows, scanEndpoint)
		return err
	})
	if len(page.Endpoints) > p.Limit {
		page.Endpoints, page.More = page.Endpoints[:p.Limit], true
	}
	return page, err
}

func (s webhooks) Update(ctx context.Context, p store.PutWebhook) (webhook.Endpoint, error) {
	e := storedEndpoint(p.Endpoint)
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		var taken int
		if err := tx.Row(ctx, `SELECT count(*) FROM webhooks WHERE tenant = $1 AND name = $2 AND webhook_id <> $3`,
			e.Tenant, e.Name, e.ID).Scan(&taken); err != nil {
			return fmt.Errorf("check webhook name: %w", err)
		}
		if taken > 0 {
			return webhookTaken(e.Name)
		}
		n, err := tx.Exec(ctx, `UPDATE webhooks SET name = $1, description = $2, url = $3, events = $4, job_types = $5, template_ids = $6,
			labels = $7, max_attempts = $8, enabled = $9, disabled_reason = $10, disabled_ms = $11, secret = $12, old_secret = $13,
			old_until_ms = $14, rotated_ms = $15, version = $16, updated_ms = $17 WHERE webhook_id = $18 AND tenant = $19 AND version = $20`,
			e.Name, e.Description, e.URL, encode(e.Events), encode(e.JobTypes), encode(e.TemplateIDs),
			encode(e.Labels), e.MaxAttempts, flag(e.Enabled), string(e.DisabledReason), clock.Millis(e.DisabledAt), e.Secrets.Current.Reveal(),
			e.Secrets.Previous.Reveal(), clock.Millis(e.Secrets.PreviousUntil), clock.Millis(e.Secrets.RotatedAt), e.Version,
			clock.Millis(e.UpdatedAt), e.ID, e.Tenant, e.Version-1)
		if err != nil {
			return fmt.Errorf("update webhook: %w", err)
		}
		if n == 0 {
			now, err := endpointBy(ctx, tx, e.Tenant, e.ID)
			if err != nil {
				return err
			}
			return fault.Newf(fault.VersionMismatch, "webhook %s has version %d by now", e.ID, now.Version)
		}
		if err := subscribe(ctx, tx, e); err != nil {
			return err
		}
		if e.Enabled && p.Endpoint.Health == (webhook.Health{}) {
			if _, err := tx.Exec(ctx, `DELETE FROM webhook_targets WHERE target = $1`, e.ID); err != nil {
				return fmt.Errorf("forget failures: %w", err)
			}
		}
		tx.Hint(store.Hint{Topic: store.HintOutbox})
		return record(ctx, tx, p.Audit)
	})
	return e, err
}

func (s webhooks) Delete(ctx context.Context, p store.DeleteWebhook) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM webhooks WHERE webhook_id = $1 AND tenant = $2`, p.ID, p.Tenant)
		if err != nil {
			return fmt.Errorf("delete webhook: %w", err)
		}
		if n == 0 {
			return fault.Newf(fault.NotFound, "no webhook %s", p.ID)
		}
		if err := subscribe(ctx, tx, webhook.Endpoint{ID: p.ID, Tenant: p.Tenant}); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM webhook_targets WHERE target = $1`, p.ID); err != nil {
			return fmt.Errorf("forget failures: %w", err)
		}
		// Its deliveries are ended by whoever takes some next, a few at a time.
		tx.Hint(store.Hint{Topic: store.HintOutbox})
		return record(ctx, tx, p.Audit)
	})
}

func (s webhooks) JobSecrets(ctx context.Context, tenant string, candidate webhook.Secret) (webhook.Secrets, error) {
	var out webhook.Secrets
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.Now(ctx, tx, time.Time{})
		if err != nil {
			return err
		}
		out, err = jobSecrets(ctx, tx, tenant, candidate, now)
		return err
	})
	return out, err
}

func jobSecrets(ctx context.Context, tx Tx, tenant string, candidate webhook.Secret, now time.Time) (webhook.Secrets, error) {
	if _, err := tx.Exec(ctx, `INSERT INTO webhook_secrets (tenant, secret, old_secret, old_until_ms, rotated_ms)
		VALUES ($1, $2, '', 0, $3) ON CONFLICT (tenant) DO NOTHING`, tenant, candidate.Reveal(), clock.Millis(now)); err != nil {
		return webhook.Secrets{}, fmt.Errorf("keep secret: %w", err)
	}
	var secret, old string
	var until, rotated int64
	if err := tx.Row(ctx, `SELECT secret, old_secret, old_until_ms, rotated_ms FROM webhook_secrets WHERE tenant = $1`, tenant).
		Scan(&secret, &old, &until, &rotated); err != nil {
		return webhook.Secrets{}, fmt.Errorf("read secret: %w", err)
	}
	return secretsOf(secret, old, until, rotated), nil
}

func (s webhooks) RotateJobSecrets(ctx context.Context, p store.RotateSecrets) (webhook.Secrets, error) {
	var out webhook.Secrets
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := lockTenant(ctx, tx, p.Tenant); err != nil {
			return err
		}
		var old string
		err := tx.Row(ctx, `SELECT secret FROM webhook_secrets WHERE tenant = $1`, p.Tenant).Scan(&old)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read secret: %w", err)
		}
		out = webhook.Secrets{Current: webhook.Stored(old)}.Rotate(p.Next, millis(p.At), p.Overlap.Truncate(time.Millisecond))
		if _, err := tx.Exec(ctx, `INSERT INTO webhook_secrets (tenant, secret, old_secret, old_until_ms, rotated_ms)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant) DO UPDATE SET secret = excluded.secret, old_secret = excluded.old_secret,
			old_until_ms = excluded.old_until_ms, rotated_ms = excluded.rotated_ms`,
			p.Tenant, out.Current.Reveal(), out.Previous.Reveal(), clock.Millis(out.PreviousUntil), clock.Millis(out.RotatedAt)); err != nil {
			return fmt.Errorf("rotate secret: %w", err)
		}
		return record(ctx, tx, p.Audit)
	})
	return out, err
}
