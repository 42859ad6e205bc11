package agenda

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/schedule"
)

// Begin is the state of a new schedule, or of one whose trigger, zone or calendar
// was edited: nothing from before at is its business. The cursor does not move back,
// also if the clock did.
func (s State) Begin(at time.Time) State {
	at = at.UTC().Truncate(time.Millisecond)
	if s.Cursor.Before(at) {
		s.Cursor = at
	}
	s.Next, s.NextNominal = at, time.Time{}
	s.LastSkip, s.SkipNext, s.CatchingUp = Stretch{}, nil, false
	if s.Status == "" || s.Status == Finished {
		s.Status, s.StatusReason, s.StatusBy = Active, "", ""
	}
	if s.Status == Paused {
		s.PausedFrom, s.PausedUntil, s.Next = at, time.Time{}, time.Time{}
	}
	return s
}

// Again is the state after an edit that moves no nominal, but may change what is
// made of them: the planner looks at once.
func (s State) Again(at time.Time) State {
	if s.Status == Active && !s.AwaitsEnd {
		s.Next = at.UTC().Truncate(time.Millisecond)
	}
	return s
}

// Pause stops a schedule. Pausing one that is paused changes only why.
func (s State) Pause(at time.Time, by, reason string) State {
	if s.Status != Paused {
		s = s.pausedAt(at)
	}
	s.Status, s.StatusBy, s.StatusReason, s.StatusRun = Paused, by, reason, ""
	s.Next, s.NextNominal, s.AwaitsEnd = time.Time{}, time.Time{}, false
	return s
}

// Resume lets a paused schedule go on: what was due meanwhile is skipped, or, with
// catchUp, treated like nominals that a server missed. It changes nothing else.
func (s State) Resume(at time.Time, catchUp bool) State {
	if s.Status != Paused {
		return s
	}
	at = at.UTC().Truncate(time.Millisecond)
	s.Status, s.StatusReason, s.StatusBy, s.StatusRun, s.Failures = Active, "", "", "", 0
	s.PausedUntil, s.Next = at, at
	if catchUp {
		s.PausedFrom, s.PausedUntil = time.Time{}, time.Time{}
	}
	return s
}

// maxSkipNext is how many nominals can wait to be skipped because people want it.
// Who does not want more than that pauses the schedule.
const maxSkipNext = 1000

// SkipNextOf returns the state in which the next count nominals that would fire
// are skipped, and these. conflict when the schedule is not active, or with more
// than maxSkipNext of them.
func (in Input) SkipNextOf(count int) (State, []time.Time, error) {
	st := in.Schedule.State
	if st.Status != Active {
		return st, nil, fault.Newf(fault.Conflict, "schedule %s is %s", in.Schedule.ID, st.Status)
	}
	if n := len(st.SkipNext); n+count > maxSkipNext {
		return st, nil, fault.Newf(fault.Conflict, "%d nominals of schedule %s are to be skipped already, and %d is the most", n, in.Schedule.ID, maxSkipNext).
			WithHint("pause the schedule instead")
	}
	st.SkipNext = slices.Clone(st.SkipNext)
	var got []time.Time
	after := st.Cursor
	for len(got) < count {
		n, ok := in.Trigger.NextFiring(after)
		if !ok {
			break
		}
		if after = n.At; !slices.ContainsFunc(st.SkipNext, n.At.Equal) {
			got = append(got, n.At)
		}
	}
	st.SkipNext = append(st.SkipNext, got...)
	slices.SortFunc(st.SkipNext, time.Time.Compare)
	return st, got, nil
}

// RunNow is a person's wish to run a schedule now.
type RunNow struct {
	// Overlap overrides the schedule's policy; "" = the schedule's.
	Overlap Overlap
	// Force overrides the minimum interval.
	Force bool
}

// PlanNow decides about a run that a person wants. It does not move the cursor or
// the next nominal. conflict when the overlap policy or the minimum interval
// stands in the way; the detail has the earliest time that is allowed.
func PlanNow(in Input, r RunNow) (Outcome, error) {
	p := newPlan(in)
	p.close()
	if wait := p.tooSoon(p.now); !wait.IsZero() && !r.Force {
		return Outcome{}, fault.Newf(fault.Conflict, "the minimum interval allows the next run at %s", wait.Format(time.RFC3339Nano)).
			At("/force", "min_interval", "the next run may start at "+wait.Format(time.RFC3339Nano)).WithHint("wait until then, or use force")
	}
	policy := in.Schedule.Policy.Overlap
	if r.Overlap != "" {
		policy = r.Overlap
	}
	reason, serial := p.overlap(policy)
	if reason != "" {
		return Outcome{}, fault.Newf(fault.Conflict, "a run of schedule %s is under way: %s", in.Schedule.ID, reason).
			At("/overlap", string(reason), "a run is under way").WithHint("wait for its end, or give another overlap")
	}
	p.add(Decision{Nominal: p.now, Due: p.now, Fire: true, Source: SourceManual, Serial: serial}, p.now)
	return p.outcome(), nil
}

// MaxBackfill is how many nominals one backfill may have.
const MaxBackfill = 1000

// maxBackfillLook is how many nominals a backfill looks at, most of which may be
// skipped or have fired: without a bound, one each second since the year 1 would
// keep a server busy for days.
const maxBackfillLook = 100_000

// Backfill is a person's wish to run nominals of the past.
type Backfill struct {
	// From is inclusive, To exclusive.
	From, To   time.Time
	Descending bool
	// Overlap is between the runs of the backfill; "" = OverlapQueueAll. Allow runs
	// them beside each other, everything else one after the other.
	Overlap Overlap
	// Max bounds their number; 0 = MaxBackfill.
	Max int
	// Rerun also runs nominals that have fired.
	Rerun bool
	// Fired are the nominals that have fired, in Unix milliseconds.
	Fired map[int64]bool
}

// PlanBackfill lists the runs of a backfill, without changing anything but the
// counters in the state. invalid_input when there would be too many.
func PlanBackfill(in Input, b Backfill) (Outcome, error) {
	most := b.Max
	if most == 0 {
		most = MaxBackfill
	}
	switch {
	case most < 0 || most > MaxBackfill:
		return Outcome{}, fault.Newf(fault.InvalidInput, "a backfill has at most %d nominals", MaxBackfill).At("/max", "out_of_range", fmt.Sprintf("must be 1 to %d", MaxBackfill))
	case !b.To.After(b.From):
		return Outcome{}, fault.New(fault.InvalidInput, "to is not after from").At("/to", "out_of_range", "must be after from")
	case b.To.After(in.Now):
		return Outcome{}, fault.New(fault.InvalidInput, "a backfill is about the past").At("/to", "out_of_range", "must not be ahead")
	}
	p := newPlan(in)
	var list []Decision
	previous, _ := in.Trigger.Prev(b.From)
	looks := 0
	for n, ok := in.Trigger.Next(b.From.Add(-1)); ok && n.At.Before(b.To); n, ok = in.Trigger.Next(n.At) {
		if looks++; looks > maxBackfillLook {
			return Outcome{}, fault.Newf(fault.InvalidInput, "there are more than %d nominals, with those that are skipped, between from and to", maxBackfillLook).
				At("/from", "out_of_range", "must be later: the first "+strconv.Itoa(maxBackfillLook)+" nominals reach to "+previous.At.UTC().Format(time.RFC3339))
		}
		if n.Skip == "" && (b.Rerun || !b.Fired[n.At.UnixMilli()]) {
			if len(list) == MaxBackfill {
				return Outcome{}, fault.Newf(fault.InvalidInput, "there are more than %d nominals between from and to", MaxBackfill)
			}
			list = append(list, Decision{
				Nominal: n.At, Previous: previous.At, Due: p.now, Fire: true, Source: SourceBackfill,
				Serial: b.Overlap != OverlapAllow, Again: b.Rerun, Marks: n.Marks,
			})
		}
		previous = schedule.Nominal{At: n.At}
	}
	if b.Descending {
		slices.Reverse(list)
	}
	for _, d := range list[:min(most, len(list))] {
		p.add(d, p.now)
	}
	return p.outcome(), nil
}

// Refuse turns the i-th decision, whose job could not be made, into a skipped
// nominal. Who uses it has not given jobs to later decisions yet.
func (o *Outcome) Refuse(i int, reason Reason) {
	d := &o.Decisions[i]
	if !d.Fire {
		return
	}
	if d.Source.counts() {
		o.State.Runs--
	}
	o.State.RunCount--
	if o.State.Skips == nil {
		o.State.Skips = map[Reason]int64{}
	}
	o.State.Skips[reason]++
	if o.State.Last.JobID == "" && o.State.Last.Nominal.Equal(d.Nominal) {
		o.State.Last = Run{}
	}
	d.Fire, d.Reason, d.Last, d.Count = false, reason, d.Nominal, 1
}

// Validate returns a fault that names each wrong field, or nil.
func (p Policy) Validate() error {
	f := fault.New(fault.InvalidInput, "the schedule is not valid")
	bad := f
	wrong := func(cond bool, field, why string) {
		if cond {
			bad = bad.At("/"+field, "out_of_range", why)
		}
	}
	wrong(!slices.Contains(Overlaps(), p.Overlap), "overlap", "must be skip, queue_one, queue_latest, queue_all, cancel_running or allow")
	wrong(p.Missed != MissedDefault && !slices.Contains(MissedPolicies(), p.Missed), "missed", "must be skip, latest, earliest or all")
	wrong(p.MinIntervalFrom != FromStart && p.MinIntervalFrom != FromEnd, "min_interval_from", "must be start or end")
	wrong(p.MaxQueued < 1 || p.MaxQueued > 10_000, "max_queued", "must be 1 to 10000")
	wrong(p.MaxCatchUp < 1 || p.MaxCatchUp > 10_000, "max_catch_up", "must be 1 to 10000")
	wrong(p.MaxParallel < 0 || p.MaxParallel > 1000, "max_parallel", "must be 1 to 1000")
	wrong(p.Grace < time.Second, "grace", "must be at least a second")
	const year = 366 * 24 * time.Hour
	for _, d := range []struct {
		field string
		v     time.Duration
	}{
		{"grace", p.Grace},
		{"catch_up_window", p.CatchUpWindow},
		{"min_interval", p.MinInterval},
		{"jitter", p.Jitter},
		{"offset", p.Offset},
		{"start_deadline", p.StartDeadline},
	} {
		wrong(d.v < 0 || d.v > year, d.field, "must not be negative, or longer than 366 days")
	}
	wrong(p.PauseOnFailure < 0, "pause_on_failure", "must not be negative")
	wrong(p.MaxRuns < 0, "max_runs", "must not be negative")
	if bad == f {
		return nil
	}
	return bad
}
