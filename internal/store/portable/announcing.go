package portable

import (
	"context"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/store"
)

// This file announces what happens to schedules.

// plan names a schedule in its events.
type plan struct{ tenant, id, name string }

func planOf(s agenda.Schedule) plan { return plan{s.Tenant, s.ID, s.Name} }

// planEvent is an event about a schedule, with pairs of names and values; those
// without a value are left out.
func planEvent(p plan, t event.Type, at time.Time, pairs ...string) event.Event {
	data := map[string]string{"schedule_id": p.id, "name": p.name}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			data[pairs[i]] = pairs[i+1]
		}
	}
	return event.Event{Tenant: p.tenant, Type: t, At: at, Data: data}
}

// announcePlan announces a planEvent.
func announcePlan(ctx context.Context, tx Tx, p plan, t event.Type, at time.Time, pairs ...string) error {
	return announce(ctx, tx, []event.Event{planEvent(p, t, at, pairs...)})
}

// announceStatus announces that a schedule has another status than before.
func announceStatus(ctx context.Context, tx Tx, p plan, was agenda.Status, st agenda.State, at time.Time) error {
	if was == st.Status {
		return nil
	}
	switch st.Status {
	case agenda.Paused:
		return announcePlan(ctx, tx, p, event.SchedulePaused, at, "reason", st.StatusReason, "by", st.StatusBy, "job_id", st.StatusRun)
	case agenda.Finished:
		return announcePlan(ctx, tx, p, event.ScheduleFinished, at, "reason", st.StatusReason)
	case agenda.Active:
		if was == agenda.Paused {
			return announcePlan(ctx, tx, p, event.ScheduleResumed, at)
		}
	}
	return nil
}

// firedEvent is announced with the job of a nominal that fires.
func firedEvent(d store.Decided, x agenda.Decision, jobID string) event.Event {
	return planEvent(plan{d.Tenant, d.ID, d.Name}, event.ScheduleFired, d.Now, "version", strconv.Itoa(d.Version),
		"nominal_at", instant(x.Nominal), "job_id", jobID, "source", string(x.Source))
}

// skippedEvent is announced with the row of nominals that do not fire.
func skippedEvent(d store.Decided, x agenda.Decision) event.Event {
	return planEvent(plan{d.Tenant, d.ID, d.Name}, event.ScheduleSkipped, d.Now, "reason", string(x.Reason),
		"nominal_at", instant(x.Nominal), "last_at", instant(x.Last), "count", strconv.FormatInt(x.Count, 10))
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
