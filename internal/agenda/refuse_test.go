package agenda_test

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
)

// TestRefuse: a nominal whose job cannot be made leaves no trace of a run.
func TestRefuse(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	in := input(every(t, time.Hour), at, func(p *agenda.Policy) { p.MaxRuns = 1 })
	in.Schedule.State.Cursor = at.Add(-time.Minute)
	in.Schedule.State.Last = agenda.Run{JobID: "before", Nominal: at.Add(-time.Hour)}
	o := agenda.Plan(in)
	if len(o.Decisions) != 1 || o.State.Status != agenda.Finished {
		t.Fatalf("%+v", o)
	}
	o.State.Last.JobID = "new"
	o.Refuse(0, agenda.ReasonUnique)
	if st := o.State; st.Status != agenda.Active || st.Next.IsZero() || st.Runs != 0 || st.RunCount != 0 || st.Last.JobID != "before" {
		t.Errorf("%+v", st)
	}
}

// TestClockWasAhead: what was decided while the clock was far ahead does not silence a
// schedule after a person has looked after it; a small step changes nothing.
func TestClockWasAhead(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for ahead, want := range map[time.Duration]time.Time{365 * 24 * time.Hour: at, time.Hour: at.Add(time.Hour)} {
		st := agenda.State{}.Begin(at.Add(ahead))
		st.LastEnd, st.Last.PlannedAt = st.Cursor, st.Cursor
		for name, got := range map[string]agenda.State{"edit": st.Begin(at), "resume": st.Pause(at, "ann", "").Resume(at, false)} {
			if !got.Cursor.Equal(want) || got.LastEnd.After(want) || got.Last.PlannedAt.After(want) {
				t.Errorf("%v ahead, %s: %+v", ahead, name, got)
			}
		}
	}
}
