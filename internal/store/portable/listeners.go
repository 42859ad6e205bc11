package portable

import (
	"context"
	"fmt"
	"slices"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/webhook"
)

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
	query, args := `SELECT '`+askedHook+`', type FROM webhook_subscriptions WHERE tenant = $1`, []any{tenant}
	if len(over) > 0 {
		for _, h := range []agenda.Happening{agenda.JobCompleted, agenda.JobFailed} {
			n := len(args)
			query += fmt.Sprintf(` UNION ALL SELECT '%s', '%s' WHERE EXISTS (SELECT 1 FROM schedules WHERE tenant = $%d AND on_event = $%d AND deleted_ms = 0)`,
				askedPlan, h, n+1, n+2)
			args = append(args, tenant, string(h))
		}
		cond, ids := d.OneOf("ref", len(args)+1, over)
		query += ` UNION ALL SELECT '` + askedWait + `', ref FROM workflow_waits WHERE ` + cond + ` AND ref <> '' AND kind = 'job'`
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
