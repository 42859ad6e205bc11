package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/fault"
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

// Bounds of what a calendar shows.
const (
	maxFireDays     = 62
	maxFires        = 10_000
	maxFiresOf      = 300 // of one schedule
	maxFireSchedule = 2_000
)

func (s *service) scheduleFireRoutes() []operation {
	return []operation{{
		ID: "list_schedule_fires", Method: http.MethodGet, Path: "/api/schedule-fires", Scope: access.SchedulesRead, Tag: "schedules",
		Summary: "List the fires of all schedules in a stretch of time",
		Doc: "Those to come of all active schedules, with those that are skipped and why, for calendars. What is past is in the history of each schedule. " +
			"At most 62 days; complete says whether that is all.",
		Query: []param{
			timeParam("from", "the beginning; now if absent, or if that is past"), timeParam("to", "the end; a week after from if absent"),
			listParam("schedule_id", "only of these schedules, by id"),
		},
		Faults:  []fault.Code{fault.InvalidParameter},
		Answers: []answer{{Status: http.StatusOK, Doc: "the fires", Body: wire.ScheduleFires{}}}, Handle: s.listScheduleFires,
	}}
}

func (s *service) listScheduleFires(r *request) (reply, error) {
	now := s.Clock.Now()
	from, to := r.query.time("from"), r.query.time("to")
	if from.Before(now) {
		from = now
	}
	if to.IsZero() {
		to = from.AddDate(0, 0, 7)
	}
	if given := r.query.time("from"); !given.IsZero() && to.Before(given) {
		return reply{}, fault.New(fault.InvalidParameter, "it ends before it begins").At("query/to", "out_of_range", "must not be before from")
	}
	if to.Sub(from) > maxFireDays*24*time.Hour {
		return reply{}, fault.Newf(fault.InvalidParameter, "at most %d days", maxFireDays).At("query/to", "out_of_range", "must be closer to from")
	}
	set, err := s.Calendars.Of(r.Context(), r.tenant())
	if err != nil {
		return reply{}, err
	}
	stop, done, err := s.lookAhead(r)
	if err != nil {
		return reply{}, err
	}
	defer done()
	c := &fireList{s: s, find: set, from: from, to: to, stop: stop, out: wire.ScheduleFires{
		Items: []wire.ScheduleFireAt{}, Schedules: []wire.ScheduleOfFires{}, Durations: []wire.ScheduleDuration{}, Complete: true,
	}}
	only := r.query["schedule_id"]
	if err := s.eachSchedule(r, []agenda.Status{agenda.Active}, func(x agenda.Schedule) {
		if len(only) == 0 || slices.Contains(only, x.ID) {
			c.add(x)
		}
	}); err != nil {
		return reply{}, err
	}
	if r.Context().Err() != nil {
		return reply{}, r.Context().Err()
	}
	slices.SortStableFunc(c.out.Items, func(a, b wire.ScheduleFireAt) int { return a.NominalAt.Compare(b.NominalAt) })
	if c.out.Durations, err = s.fireDurations(r, c.kinds); err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, Body: c.out}, nil
}

// fireList collects the fires of schedules.
type fireList struct {
	s        *service
	find     timetable.Finder
	from, to time.Time
	stop     func() bool
	seen     int
	kinds    []scheduleKind
	out      wire.ScheduleFires
}

// scheduleKind is what a schedule starts.
type scheduleKind struct {
	id   string
	kind store.Kind
}

func (c *fireList) add(x agenda.Schedule) {
	c.seen++
	if !c.out.Complete || c.seen > maxFireSchedule || len(c.out.Items) >= maxFires {
		c.out.Complete = false
		return
	}
	// A fire exactly at from belongs to it.
	list, err := c.s.nominals(x, c.find, c.from.Add(-time.Nanosecond), maxFiresOf+1, func() bool { return c.stop() })
	if errors.Is(err, timetable.ErrStopped) {
		c.out.Complete = false
	} else if err != nil {
		return // its list of schedules shows why it cannot fire
	}
	within := len(list)
	for within > 0 && !list[within-1].At.Before(c.to) {
		within--
	}
	if within == 0 {
		return
	}
	one := wire.ScheduleOfFires{ScheduleID: x.ID, Name: x.Name, Timezone: x.Zone, Truncated: within > maxFiresOf}
	for _, n := range wire.NominalsOf(list, shown(x), min(within, maxFiresOf)) {
		c.out.Items = append(c.out.Items, wire.ScheduleFireAt{ScheduleID: x.ID, ScheduleNominal: n})
	}
	c.out.Schedules = append(c.out.Schedules, one)
	c.kinds = append(c.kinds, scheduleKind{x.ID, wire.TargetKind(x.Target)})
}

// fireDurations is how long what the schedules start takes.
func (s *service) fireDurations(r *request, starts []scheduleKind) ([]wire.ScheduleDuration, error) {
	var kinds []store.Kind
	for _, x := range starts {
		if x.kind != (store.Kind{}) && !slices.Contains(kinds, x.kind) && len(kinds) < maxTypical {
			kinds = append(kinds, x.kind)
		}
	}
	found, err := s.typicalOf(r, kinds)
	if err != nil {
		return nil, err
	}
	out := []wire.ScheduleDuration{}
	for _, x := range starts {
		if t, ok := found[x.kind]; ok {
			out = append(out, wire.ScheduleDuration{ScheduleID: x.id, TypicalDuration: t})
		}
	}
	return out, nil
}
