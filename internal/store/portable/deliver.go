package portable

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

const (
	// outboxLock keeps a second instance from taking at the same time, so that the
	// bound of a target holds over all of them.
	outboxLock = "webhook deliveries"
	// endBatch bounds how many deliveries one Take ends because they have nowhere to
	// go or are too late.
	endBatch = 200
	// endPause is when the rest of them is looked at, in milliseconds.
	endPause = 100
)

// due is a target with open deliveries.
type due struct {
	target   string
	next     int64
	room     int
	until    int64 // the breaker's
	webhook  bool  // the target is an endpoint
	gone     bool  // which does not exist
	disabled bool  // or is disabled
}

func (s outbox) Take(ctx context.Context, p store.TakeDeliveries) (out store.Taken, err error) {
	err = s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = store.Taken{}
		if err := s.LockContent(ctx, tx, outboxLock); err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		out.Now = now
		ms := clock.Millis(now)
		if err := end(ctx, tx, now, verdict{webhook.CodeExpired, "it could not be delivered in time", `deadline_ms <= $5`, ms}); err != nil {
			return err
		}
		targets, err := dueTargets(ctx, tx, p.Policy)
		if err != nil {
			return err
		}
		var next int64
		later := func(at int64) {
			if at > ms && (next == 0 || at < next) {
				next = at
			}
		}
		for _, t := range targets {
			switch {
			case t.gone:
				err = end(ctx, tx, now, verdict{webhook.CodeDeleted, "the webhook was deleted", `target = $5`, t.target})
				later(ms + endPause) // perhaps not all of them
			case t.disabled:
				err = end(ctx, tx, now, verdict{webhook.CodeDisabled, "the webhook is disabled", `target = $5`, t.target})
				later(ms + endPause)
			case t.next > ms:
				later(t.next)
			case t.until > ms:
				later(t.until)
			case len(out.Deliveries) >= p.Limit:
				// The caller comes back when it has room.
			default:
				var more int64
				more, err = takeFrom(ctx, tx, t, p, now, &out)
				later(more)
			}
			if err != nil {
				return err
			}
		}
		out.NextAt = clock.FromMillis(next)
		return nil
	})
	return out, err
}

// dueTargets lists the targets that have open deliveries, the longest due first.
// They are found by skipping through the index, so that the cost does not grow
// with what waits for one of them.
func dueTargets(ctx context.Context, tx Tx, p webhook.Policy) ([]due, error) {
	rows, err := tx.Query(ctx, `WITH RECURSIVE t(target) AS (
			SELECT (SELECT min(target) FROM webhook_deliveries WHERE open = 1)
			UNION ALL
			SELECT (SELECT min(target) FROM webhook_deliveries WHERE open = 1 AND target > t.target) FROM t WHERE t.target IS NOT NULL)
		SELECT t.target, (SELECT min(next_ms) FROM webhook_deliveries WHERE open = 1 AND target = t.target),
			coalesce(h.failures, 0), coalesce(h.open_until_ms, 0), w.enabled
		FROM t LEFT JOIN webhook_targets h ON h.target = t.target LEFT JOIN webhooks w ON w.webhook_id = t.target
		WHERE t.target IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("look for due deliveries: %w", err)
	}
	out, err := collect(rows, func(r Rows) (due, error) {
		var d due
		var h webhook.Health
		var enabled sql.NullInt64
		err := r.Scan(&d.target, &d.next, &h.Failures, &d.until, &enabled)
		d.room = p.Room(h)
		d.webhook = len(d.target) > 5 && d.target[:5] == "hook_"
		d.gone, d.disabled = d.webhook && !enabled.Valid, enabled.Valid && enabled.Int64 == 0
		return d, err
	})
	slices.SortFunc(out, func(a, b due) int { return cmp.Or(cmp.Compare(a.next, b.next), cmp.Compare(a.target, b.target)) })
	return out, err
}

// verdict is why deliveries end: those that meet a condition on $5, which is arg.
type verdict struct {
	code, message, cond string
	arg                 any
}

// end makes at most endBatch open deliveries dead. Those that are under way keep
// their places at their target until they are recorded.
func end(ctx context.Context, tx Tx, now time.Time, v verdict) error {
	_, err := tx.Exec(ctx, `UPDATE webhook_deliveries SET status = $1, open = 0, next_ms = 0, lease_until_ms = 0, error_code = $2,
		error_message = $3, finished_ms = $4 WHERE delivery_id IN (SELECT delivery_id FROM webhook_deliveries WHERE open = 1 AND `+v.cond+`
		AND lease_until_ms <= $6 LIMIT $7)`, string(webhook.Dead), v.code, v.message, clock.Millis(now), v.arg, clock.Millis(now), endBatch)
	if err != nil {
		return fmt.Errorf("end deliveries: %w", err)
	}
	return nil
}

// takeFrom claims what is due of one target. It returns when the next delivery
// of the target is due, 0 if it is not known.
func takeFrom(ctx context.Context, tx Tx, t due, p store.TakeDeliveries, now time.Time, out *store.Taken) (int64, error) {
	ms, until := clock.Millis(now), clock.Millis(now.Add(p.Lease))
	var busy int
	if err := tx.Row(ctx, `SELECT count(*) FROM webhook_deliveries WHERE target = $1 AND lease_until_ms > 0 AND lease_until_ms > $2`,
		t.target, ms).Scan(&busy); err != nil {
		return 0, fmt.Errorf("count deliveries under way: %w", err)
	}
	n := min(t.room-busy, p.Limit-len(out.Deliveries))
	if n <= 0 {
		return 0, nil // whoever is under way will be recorded, and then there is a place
	}
	from, columns := `webhook_deliveries d LEFT JOIN webhook_secrets w ON w.tenant = d.tenant`, `d.url`
	if t.webhook {
		from, columns = `webhook_deliveries d JOIN webhooks w ON w.webhook_id = d.webhook_id`, `w.url`
	}
	rows, err := tx.Query(ctx, `SELECT `+deliveryWhole+`, `+columns+`, w.secret, w.old_secret, w.old_until_ms, w.rotated_ms FROM `+from+`
		WHERE d.open = 1 AND d.target = $1 AND d.next_ms <= $2 ORDER BY d.next_ms, d.delivery_id LIMIT $3`, t.target, ms, n)
	if err != nil {
		return 0, fmt.Errorf("read due deliveries: %w", err)
	}
	found, err := collect(rows, scanClaim)
	if err != nil {
		return 0, err
	}
	for _, c := range found {
		// The end of the lease is when it is due again: a crash needs no other care.
		if _, err := tx.Exec(ctx, `UPDATE webhook_deliveries SET lease = lease + 1, lease_until_ms = $1, next_ms = $2 WHERE delivery_id = $3`,
			until, until, c.Delivery.ID); err != nil {
			return 0, fmt.Errorf("claim delivery: %w", err)
		}
		c.Delivery.LeaseSequence++
		out.Deliveries = append(out.Deliveries, c)
	}
	if len(found) < n {
		var next sql.NullInt64
		if err := tx.Row(ctx, `SELECT min(next_ms) FROM webhook_deliveries WHERE open = 1 AND target = $1`, t.target).Scan(&next); err != nil {
			return 0, fmt.Errorf("next delivery: %w", err)
		}
		return next.Int64, nil
	}
	return 0, nil
}

func scanClaim(r Rows) (store.Claim, error) {
	var c store.Claim
	var secret, old sql.NullString
	var until, rotated sql.NullInt64
	var err error
	c.Delivery, err = scanWhole(r.Scan, &c.URL, &secret, &old, &until, &rotated)
	c.Secrets = secretsOf(secret.String, old.String, until.Int64, rotated.Int64)
	return c, err
}

func (s outbox) Record(ctx context.Context, items []store.Outcome) []error {
	errs := make([]error, len(items))
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		clear(errs)
		// Targets in one order, so that batches of two instances do not wait for each
		// other in a circle.
		for _, i := range inOrder(items, func(o store.Outcome) string { return o.Delivery.Target + " " + o.Delivery.ID }) {
			refused, err := s.recordOne(ctx, tx, items[i])
			if err != nil {
				return err
			}
			errs[i] = refused
		}
		return nil
	})
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

func (s outbox) recordOne(ctx context.Context, tx Tx, o store.Outcome) (refused, err error) {
	now, err := s.Now(ctx, tx, o.Now)
	if err != nil {
		return nil, err
	}
	d := o.Delivery
	n, err := tx.Exec(ctx, `UPDATE webhook_deliveries SET status = $1, open = $2, attempts = $3, next_ms = $4, lease_until_ms = 0,
		last_status = $5, error_code = $6, error_message = $7, log = $8, finished_ms = $9
		WHERE delivery_id = $10 AND lease = $11 AND open = 1`,
		string(d.Status), flag(d.Status.Open()), d.Attempts, clock.Millis(d.NextAt),
		d.LastStatus, d.ErrorCode, d.ErrorMessage, encode(d.Log), clock.Millis(d.FinishedAt),
		d.ID, d.LeaseSequence)
	if err != nil {
		return nil, fmt.Errorf("record delivery: %w", err)
	}
	if n == 0 {
		return fault.Newf(fault.StaleLease, "delivery %s was taken over, has ended or was deleted", d.ID), nil
	}
	switch {
	case o.Ignored:
	case o.OK:
		err = targetWell(ctx, tx, d.Target, now)
	default:
		err = targetIll(ctx, tx, o, now)
	}
	return nil, err
}

func targetWell(ctx context.Context, tx Tx, target string, now time.Time) error {
	if _, err := tx.Exec(ctx, `INSERT INTO webhook_targets (target, failures, failing_since_ms, open_until_ms, delivered_ms, failed_ms)
		VALUES ($1, 0, 0, 0, $2, 0) ON CONFLICT (target) DO UPDATE SET failures = 0, failing_since_ms = 0, open_until_ms = 0,
		delivered_ms = excluded.delivered_ms`, target, clock.Millis(now)); err != nil {
		return fmt.Errorf("record success: %w", err)
	}
	return nil
}

// targetIll counts a failure, opens the breaker, and disables an endpoint that is
// gone or has failed for too long.
func targetIll(ctx context.Context, tx Tx, o store.Outcome, now time.Time) error {
	ms, target := clock.Millis(now), o.Delivery.Target
	var h webhook.Health
	var since int64
	if err := tx.Row(ctx, `INSERT INTO webhook_targets (target, failures, failing_since_ms, open_until_ms, delivered_ms, failed_ms)
		VALUES ($1, 1, $2, 0, 0, $3) ON CONFLICT (target) DO UPDATE SET failures = webhook_targets.failures + 1, failed_ms = excluded.failed_ms
		RETURNING failures, failing_since_ms`, target, ms, ms).Scan(&h.Failures, &since); err != nil {
		return fmt.Errorf("record failure: %w", err)
	}
	if since == 0 {
		since = ms
	}
	h.FailingSince = clock.FromMillis(since)
	if _, err := tx.Exec(ctx, `UPDATE webhook_targets SET failing_since_ms = $1, open_until_ms = $2 WHERE target = $3`,
		since, clock.Millis(o.Policy.Break(h.Failures, now, o.Random)), target); err != nil {
		return fmt.Errorf("record failure: %w", err)
	}
	switch {
	case o.Delivery.WebhookID == "":
		return nil
	case o.Gone:
		return disable(ctx, tx, o.Delivery, webhook.Gone, now)
	case o.Policy.Disable(h, now):
		return disable(ctx, tx, o.Delivery, webhook.Failing, now)
	}
	return nil
}

// disable switches an endpoint off, unless it is already.
func disable(ctx context.Context, tx Tx, d webhook.Delivery, why webhook.Reason, now time.Time) error {
	var name string
	err := tx.Row(ctx, `UPDATE webhooks SET enabled = 0, disabled_reason = $1, disabled_ms = $2, updated_ms = $3, version = version + 1
		WHERE webhook_id = $4 AND enabled = 1 RETURNING name`, string(why), clock.Millis(now), clock.Millis(now), d.WebhookID).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("disable webhook: %w", err)
	}
	if err := subscribe(ctx, tx, webhook.Endpoint{ID: d.WebhookID, Tenant: d.Tenant}); err != nil {
		return err
	}
	tx.Hint(store.Hint{Topic: store.HintOutbox})
	return record(ctx, tx, &audit.Entry{
		Tenant: d.Tenant, At: now, Actor: audit.Actor{Name: "runsheet"}, Action: audit.WebhookDisabled, Object: d.WebhookID, ObjectName: name,
		Detail: map[string]string{"reason": string(why)},
	})
}
