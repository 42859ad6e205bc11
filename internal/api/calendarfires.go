package api

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/timetable"
)

// The bounds of what a change of a calendar does to fires. farEffect is how many
// days before and after a date a fire can be that moves because of it.
const (
	maxFireChanges = 1000
	farEffect      = 16
	firePage       = 200
)

// fireChanges tells what the change does to the schedules of the tenant; nil for who may
// not read them.
func (s *service) fireChanges(r *request, o *overridden) (*wire.FireChanges, error) {
	if !r.principal.May(access.SchedulesRead) {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	before, err := s.Calendars.Of(r.Context(), r.tenant())
	if err != nil {
		return nil, err
	}
	after, err := before.With(o.after)
	if err != nil {
		return nil, err
	}
	stop, done, err := s.lookAhead(r)
	if err != nil {
		return nil, err
	}
	defer done()
	now := s.Clock.Now()
	c := comparison{
		code: o.code, before: before, after: after, zone: s.Zone, spans: o.spans(now),
		stop: stop,
		out:  &wire.FireChanges{Items: []wire.FireChange{}, Complete: true},
	}
	p := store.ListSchedules{Tenant: r.tenant(), Statuses: []agenda.Status{agenda.Active, agenda.Paused}, Limit: firePage}
	for more := len(c.spans) > 0; more && c.out.Complete; {
		page, err := s.Store.Schedules.List(r.Context(), p)
		if err != nil {
			return nil, err
		}
		for _, sc := range page.Schedules {
			c.compare(sc)
			p.AfterName = sc.Name
		}
		more = page.More && len(page.Schedules) > 0
	}
	return c.out, r.Context().Err()
}

// timeSpan is from an instant, which does not count, to another, which does.
type timeSpan struct{ from, to time.Time }

// spans are the times to come at which a fire can differ.
func (o *overridden) spans(now time.Time) []timeSpan {
	var out []timeSpan
	for _, d := range o.dates {
		if len(calendar.Diff(o.before, o.after, d, d)) == 0 {
			continue
		}
		x := timeSpan{(d - farEffect).At(0, time.UTC), (d + farEffect).At(0, time.UTC)}
		switch last := len(out) - 1; {
		case x.to.Before(now):
		case last >= 0 && !x.from.After(out[last].to):
			out[last].to = x.to
		default:
			if x.from.Before(now) {
				x.from = now
			}
			out = append(out, x)
		}
	}
	return out
}

// comparison compares schedules with a calendar before and after a change.
type comparison struct {
	code          string
	before, after *calendar.Set
	zone          *time.Location
	spans         []timeSpan
	stop          func() bool
	out           *wire.FireChanges
}

// compare adds what becomes of one schedule. One that cannot be planned, because a
// calendar of it is gone, has no fires to lose.
func (c *comparison) compare(s agenda.Schedule) {
	if !s.UsesCalendar || !c.out.Complete {
		return
	}
	var in wire.TimingInput
	if json.Unmarshal(s.Trigger, &in) != nil {
		return
	}
	zone := c.zone
	if s.Zone != "" {
		var err error
		if zone, err = schedule.LoadZone(s.Zone); err != nil {
			return
		}
	}
	seen := &witness{Set: c.before, code: c.code}
	before, err := in.Compile(seen, zone, s.ID)
	if err != nil || !seen.named {
		return
	}
	after, err := in.Compile(c.after, zone, s.ID)
	if err != nil {
		return
	}
	found := 0
	for _, x := range c.spans {
		effects, err := timetable.Compare(before, after, x.from, x.to, c.stop)
		if errors.Is(err, timetable.ErrStopped) {
			c.out.Complete = false
			break
		}
		for _, e := range effects {
			if len(c.out.Items) == maxFireChanges {
				c.out.Complete = false
				break
			}
			f := wire.FireChangeOf(e)
			f.ScheduleID, f.Schedule, f.Paused = s.ID, s.Name, s.State.Status == agenda.Paused
			c.out.Items = append(c.out.Items, f)
			found++
		}
	}
	if found > 0 {
		c.out.Schedules++
	}
}

// witness finds calendars and notes whether one of them is named.
type witness struct {
	*calendar.Set
	code  string
	named bool
}

// Resolve implements timetable.Finder.
func (w *witness) Resolve(spec calendar.Spec) (*calendar.Calendar, error) {
	w.note(spec)
	return w.Set.Resolve(spec)
}

func (w *witness) note(spec calendar.Spec) {
	if spec.Code != "" {
		if c, err := w.Get(spec.Code); err == nil && c.Code() == w.code {
			w.named = true
		}
	}
	for _, list := range [][]calendar.Spec{spec.AllOf, spec.AnyOf} {
		for _, x := range list {
			w.note(x)
		}
	}
	if spec.Not != nil {
		w.note(*spec.Not)
	}
}
