package portable

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

type outbox struct{ *db }

// wantedByJob reports whether the job's own webhook wants an event.
func wantedByJob(j *job.Job, e event.Event) bool {
	return j != nil && j.Webhook.URL != "" && webhook.JobWants(j.Webhook.Events, e.Type)
}

// note writes an event down for the webhooks, with what it is about as it is now.
func note(ctx context.Context, tx Tx, e event.Event, s webhook.Subject) error {
	s.Version = webhook.SubjectVersion
	switch {
	case s.Job != nil:
		now := stored(*s.Job)
		s.Job = &now
	case e.JobID != "":
		now, err := jobByID(ctx, tx, e.Tenant, e.JobID)
		if err != nil {
			return err
		}
		s.Job = &now
	}
	if e.RunID != "" && e.Type.Topic() == event.TopicRun {
		r, err := scanRunWith(tx.Row(ctx, `SELECT `+runColumns+` FROM runs WHERE run_id = $1`, e.RunID).Scan)
		if err != nil {
			return fmt.Errorf("read run to note: %w", err)
		}
		rows, err := tx.Query(ctx, `SELECT `+artifactColumns+` FROM artifacts WHERE run_id = $1 ORDER BY name`, e.RunID)
		if err != nil {
			return fmt.Errorf("list artifacts to note: %w", err)
		}
		if s.Artifacts, err = collect(rows, scanArtifact); err != nil {
			return err
		}
		s.Run = &r
	}
	subject, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write subject: %w", err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO webhook_outbox (note_id, tenant, type, at_ms, job_id, run_id, template_id, data, subject)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, id.New(id.Event, e.At), e.Tenant, string(e.Type), clock.Millis(e.At),
		e.JobID, e.RunID, e.TemplateID, encode(e.Data), string(subject)); err != nil {
		return fmt.Errorf("note %s: %w", e.Type, err)
	}
	tx.Hint(store.Hint{Topic: store.HintOutbox})
	return nil
}

func (s outbox) Waits(ctx context.Context) (some bool, err error) {
	err = s.db.outbox.unless(s, func() (bool, error) {
		some, err = s.any(ctx, `SELECT EXISTS (SELECT 1 FROM webhook_outbox) OR EXISTS (SELECT 1 FROM webhook_deliveries WHERE open = 1)`)
		return some, err
	})
	if err != nil {
		return false, fmt.Errorf("look at the outbox: %w", err)
	}
	return some, nil
}

func (s outbox) Notes(ctx context.Context, limit int) ([]webhook.Note, error) {
	var out []webhook.Note
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, `SELECT note_id, tenant, type, at_ms, job_id, run_id, template_id, data, subject FROM webhook_outbox
			ORDER BY note_id LIMIT $1`, limit)
		if err != nil {
			return fmt.Errorf("read notes: %w", err)
		}
		out, err = collect(rows, func(r Rows) (webhook.Note, error) {
			var n webhook.Note
			var at int64
			var data, subject string
			e := &n.Event
			if err := r.Scan(&n.ID, &e.Tenant, &e.Type, &at, &e.JobID, &e.RunID, &e.TemplateID, &data, &subject); err != nil {
				return n, err
			}
			e.At = clock.FromMillis(at)
			return n, errors.Join(decode(data, &e.Data), decode(subject, &n.Subject))
		})
		if err != nil {
			return err
		}
		return subscribers(ctx, tx, out)
	})
	return out, err
}

// subscribers fills in who wants the types of notes.
func subscribers(ctx context.Context, tx Tx, notes []webhook.Note) error {
	type want struct {
		tenant string
		typ    event.Type
	}
	known := map[want][]webhook.Endpoint{}
	for i, n := range notes {
		k := want{n.Event.Tenant, n.Event.Type}
		list, ok := known[k]
		if !ok {
			rows, err := tx.Query(ctx, `SELECT `+endpointColumns+` FROM `+endpointTables+` WHERE w.webhook_id IN (
				SELECT webhook_id FROM webhook_subscriptions WHERE tenant = $1 AND type IN ($2, '*')) ORDER BY w.webhook_id`, k.tenant, string(k.typ))
			if err != nil {
				return fmt.Errorf("read subscribers: %w", err)
			}
			if list, err = collect(rows, scanEndpoint); err != nil {
				return err
			}
			known[k] = list
		}
		notes[i].Subscribers = list
	}
	return nil
}

func (s outbox) Expand(ctx context.Context, items []store.Expansion) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		for _, i := range inOrder(items, func(x store.Expansion) string { return x.NoteID }) {
			n, err := tx.Exec(ctx, `DELETE FROM webhook_outbox WHERE note_id = $1`, items[i].NoteID)
			if err != nil {
				return fmt.Errorf("delete note: %w", err)
			}
			if n == 0 {
				continue // another instance was faster
			}
			for _, d := range items[i].Deliveries {
				if err := insertDelivery(ctx, tx, d); err != nil {
					return err
				}
			}
		}
		tx.Hint(store.Hint{Topic: store.HintOutbox})
		return nil
	})
}

const deliveryColumns = `d.delivery_id, d.tenant, d.webhook_id, d.target, d.url, d.type, d.job_id, d.run_id, d.status, d.attempts,
	d.max_attempts, d.next_ms, d.deadline_ms, d.lease, d.last_status, d.error_code, d.error_message, d.event_ms, d.created_ms, d.finished_ms`

// deliveryWhole are the columns of a delivery with all it has.
const deliveryWhole = deliveryColumns + `, d.body, d.log`

func scanDelivery(rows Rows) (webhook.Delivery, error) { return scanDeliveryWith(rows.Scan) }

// scanDeliveryWith reads deliveryColumns, and whatever else is selected into more.
func scanDeliveryWith(scan func(...any) error, more ...any) (webhook.Delivery, error) {
	var d webhook.Delivery
	var next, deadline, at, created, finished int64
	into := []any{
		&d.ID, &d.Tenant, &d.WebhookID, &d.Target, &d.URL, &d.Type, &d.JobID, &d.RunID, &d.Status, &d.Attempts,
		&d.MaxAttempts, &next, &deadline, &d.LeaseSequence, &d.LastStatus, &d.ErrorCode, &d.ErrorMessage, &at, &created, &finished,
	}
	err := scan(append(into, more...)...)
	d.NextAt, d.Deadline, d.EventAt = clock.FromMillis(next), clock.FromMillis(deadline), clock.FromMillis(at)
	d.CreatedAt, d.FinishedAt = clock.FromMillis(created), clock.FromMillis(finished)
	return d, err
}

func scanWhole(scan func(...any) error, more ...any) (webhook.Delivery, error) {
	var body, log string
	d, err := scanDeliveryWith(scan, append([]any{&body, &log}, more...)...)
	if err != nil {
		return d, err
	}
	d.Body = []byte(body)
	return d, decode(log, &d.Log)
}

func insertDelivery(ctx context.Context, tx Tx, d webhook.Delivery) error {
	_, err := tx.Exec(ctx, `INSERT INTO webhook_deliveries (delivery_id, tenant, webhook_id, target, url, type, job_id, run_id, body,
		status, open, attempts, max_attempts, next_ms, deadline_ms, lease, lease_until_ms, last_status, error_code, error_message, log,
		event_ms, created_ms, finished_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13, $14, 0, 0, 0, '', '', '', $15, $16, 0)`,
		d.ID, d.Tenant, d.WebhookID, d.Target, d.URL, string(d.Type), d.JobID, d.RunID, string(d.Body),
		string(webhook.Pending), 1, d.MaxAttempts, clock.Millis(d.NextAt), clock.Millis(d.Deadline), clock.Millis(d.EventAt), clock.Millis(d.CreatedAt))
	if err != nil {
		return fmt.Errorf("insert delivery: %w", err)
	}
	return nil
}

func (s outbox) Add(ctx context.Context, p store.AddDelivery) (webhook.Delivery, error) {
	var d webhook.Delivery
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		if err := insertDelivery(ctx, tx, p.Delivery); err != nil {
			return err
		}
		var err error
		if d, err = deliveryBy(ctx, tx, p.Delivery.Tenant, p.Delivery.ID); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintOutbox})
		if err := storeKey(ctx, tx, p.Key, d); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return d, err
}

func deliveryBy(ctx context.Context, tx Tx, tenant, ref string) (webhook.Delivery, error) {
	d, err := scanWhole(tx.Row(ctx, `SELECT `+deliveryWhole+` FROM webhook_deliveries d WHERE d.delivery_id = $1 AND d.tenant = $2`, ref, tenant).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return d, fault.Newf(fault.NotFound, "no delivery %s", ref)
	}
	return d, err
}

func (s outbox) Delivery(ctx context.Context, tenant, ref string) (webhook.Delivery, error) {
	var d webhook.Delivery
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		d, err = deliveryBy(ctx, tx, tenant, ref)
		return err
	})
	return d, err
}

func (s outbox) List(ctx context.Context, p store.ListDeliveries) (store.DeliveryPage, error) {
	var w where
	w.add("d.tenant = %s", p.Tenant)
	if p.WebhookID != "" {
		w.add("d.webhook_id = %s", p.WebhookID)
	}
	if p.JobID != "" {
		w.conds = append(w.conds, "d.job_id <> ''") // the planner needs it to use the index
		w.add("d.job_id = %s", p.JobID)
	}
	in(&w, "d.status", p.Statuses)
	in(&w, "d.type", p.Types)
	w.between("d.created_ms", p.CreatedAfter, p.CreatedBefore)
	if p.After != nil {
		w.add("(d.created_ms, d.delivery_id) < (%s, %s)", clock.Millis(p.After.CreatedAt), p.After.ID)
	}
	query := fmt.Sprintf(`SELECT %s FROM webhook_deliveries d%s ORDER BY d.created_ms DESC, d.delivery_id DESC LIMIT %d`,
		deliveryColumns, w.String(), p.Limit+1)
	var page store.DeliveryPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("list deliveries: %w", err)
		}
		page.Deliveries, err = collect(rows, scanDelivery)
		return err
	})
	if len(page.Deliveries) > p.Limit {
		page.Deliveries, page.More = page.Deliveries[:p.Limit], true
	}
	return page, err
}

func (s outbox) Redeliver(ctx context.Context, p store.Redeliver) (webhook.Delivery, error) {
	var d webhook.Delivery
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		if d, err = deliveryBy(ctx, tx, p.Tenant, p.ID); err != nil {
			return err
		}
		if err := receives(ctx, tx, d); err != nil {
			return err
		}
		// One that is under way stays as it is: a second attempt beside it helps nobody.
		if _, err := tx.Exec(ctx, `UPDATE webhook_deliveries SET status = $1, open = 1, attempts = 0, next_ms = $2, deadline_ms = $3,
			finished_ms = 0 WHERE delivery_id = $4 AND (open = 0 OR lease_until_ms <= $5)`,
			string(webhook.Pending), clock.Millis(now), clock.Millis(now.Add(p.Life)), d.ID, clock.Millis(now)); err != nil {
			return fmt.Errorf("redeliver: %w", err)
		}
		if _, err := tx.Exec(ctx, `UPDATE webhook_targets SET open_until_ms = 0 WHERE target = $1`, d.Target); err != nil {
			return fmt.Errorf("close breaker: %w", err)
		}
		if d, err = deliveryBy(ctx, tx, p.Tenant, p.ID); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintOutbox})
		if err := storeKey(ctx, tx, p.Key, d); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return d, err
}

// receives refuses a delivery that has nowhere to go.
func receives(ctx context.Context, tx Tx, d webhook.Delivery) error {
	if d.WebhookID == "" {
		return nil
	}
	e, err := endpointBy(ctx, tx, d.Tenant, d.WebhookID)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.WebhookDisabled, "the webhook of this delivery was deleted")
	}
	if err != nil {
		return err
	}
	if !e.Enabled {
		return fault.Newf(fault.WebhookDisabled, "the webhook %s is disabled", e.Name)
	}
	return nil
}

func (s outbox) Expire(ctx context.Context, before time.Time, limit int) (int, error) {
	var n int64
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		var err error
		if n, err = tx.Exec(ctx, `DELETE FROM webhook_deliveries WHERE delivery_id IN (SELECT delivery_id FROM webhook_deliveries
			WHERE finished_ms > 0 AND finished_ms < $1 ORDER BY finished_ms LIMIT $2)`, clock.Millis(before), limit); err != nil {
			return fmt.Errorf("delete deliveries: %w", err)
		}
		if n > 0 {
			return nil
		}
		// Hosts of jobs' webhooks to which nothing was sent for long.
		_, err = tx.Exec(ctx, `DELETE FROM webhook_targets WHERE delivered_ms < $1 AND failed_ms < $2
			AND NOT EXISTS (SELECT 1 FROM webhooks WHERE webhook_id = webhook_targets.target)
			AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.open = 1 AND d.target = webhook_targets.target)`,
			clock.Millis(before), clock.Millis(before))
		if err != nil {
			return fmt.Errorf("delete targets: %w", err)
		}
		return nil
	})
	return int(n), err
}

// backlogCap bounds what Backlog counts.
const backlogCap = 10_000

func (s outbox) Backlog(ctx context.Context) (notes, open int, err error) {
	err = s.Read(ctx, func(ctx context.Context, tx Tx) error {
		return tx.Row(ctx, `SELECT (SELECT count(*) FROM (SELECT 1 FROM webhook_outbox LIMIT $1) AS n),
			(SELECT count(*) FROM (SELECT 1 FROM webhook_deliveries WHERE open = 1 LIMIT $2) AS o)`, backlogCap, backlogCap).Scan(&notes, &open)
	})
	return notes, open, err
}

// listeners are those of a tenant who may want to hear of the ends of jobs and of steps:
// one question for any number of events.
type listeners struct {
	hooks map[string]bool // types of events, "*" = all
	plans map[agenda.Happening]bool
	jobs  []string // jobs that nodes of workflows wait for
}

const (
	askedHook = "hook"
	askedPlan = "plan"
	askedWait = "wait"
)

// askListeners asks with the next statement who listens; over are the jobs that have
// ended. Their rows must be locked: who begins to wait for one locks it, too.
func (d *db) askListeners(ctx context.Context, tx Tx, tenant string, over []string, to *listeners) error {
	*to = listeners{hooks: map[string]bool{}, plans: map[agenda.Happening]bool{}}
	query, args := `SELECT DISTINCT '`+askedHook+`', type FROM webhook_subscriptions WHERE tenant = $1`, []any{tenant}
	if len(over) > 0 {
		for _, h := range []agenda.Happening{agenda.JobCompleted, agenda.JobFailed} {
			n := len(args)
			query += fmt.Sprintf(` UNION ALL SELECT '%s', '%s' WHERE EXISTS (SELECT 1 FROM schedules WHERE tenant = $%d AND on_event = $%d AND deleted_ms = 0)`,
				askedPlan, h, n+1, n+2)
			args = append(args, tenant, string(h))
		}
		cond, ids := d.OneOf("ref", len(args)+1, over)
		query += ` UNION ALL SELECT DISTINCT '` + askedWait + `', ref FROM workflow_waits WHERE ` + cond + ` AND ref <> '' AND kind = 'job'`
		args = append(args, ids...)
	}
	if err := tx.Ask(ctx, func(rows Rows) error {
		for rows.Next() {
			var kind, name string
			if err := rows.Scan(&kind, &name); err != nil {
				return err
			}
			switch kind {
			case askedHook:
				to.hooks[name] = true
			case askedPlan:
				to.plans[agenda.Happening(name)] = true
			case askedWait:
				to.jobs = append(to.jobs, name)
			}
		}
		return rows.Err()
	}, query, args...); err != nil {
		return fmt.Errorf("ask who listens: %w", err)
	}
	return nil
}

// announceTo makes the announcement of a change of a job to those who will be asked, and
// adds its events to rows.
func announceTo(l *listeners, c job.Change, rows [][]any) (*announcement, [][]any) {
	moved := deltaText(c.Before.Spot(), c.After.Spot())
	for _, e := range c.Emit {
		rows = append(rows, eventRow(e, moved))
		moved = ""
	}
	return &announcement{c.Emit, webhook.Subject{Job: &c.After}, l.wants}, rows
}

func (l *listeners) hook(t event.Type) bool { return l.hooks[string(t)] || l.hooks["*"] }

// wants is who of them wants an event about a job.
func (l *listeners) wants(_ int, e event.Event, s webhook.Subject) wants {
	h := happeningOf(e, s)
	return wants{hook: l.hook(e.Type), schedule: h != "" && l.plans[h], wait: s.Job.State.Terminal() && slices.Contains(l.jobs, s.Job.ID)}
}

// noteSteps writes down for the webhooks the events of steps that they want.
func (l *listeners) noteSteps(ctx context.Context, tx Tx, evs []event.Event) error {
	for _, e := range evs {
		if !l.hook(e.Type) {
			continue
		}
		if err := note(ctx, tx, e, webhook.Subject{}); err != nil {
			return err
		}
	}
	return nil
}
