package agenda

import (
	"maps"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/schedule"
)

// MaxNominals is how many nominals one Plan decides at most. A schedule that has
// missed more is decided in parts.
const MaxNominals = 50_000

// Input is what Plan goes by.
type Input struct {
	Schedule Schedule
	Trigger  *schedule.Trigger
	// Runs are the runs of the schedule whose end is not recorded yet, in any order.
	Runs []Run
	// Now is read once for the whole decision.
	Now time.Time
	// Calendars is the version of the tenant's calendars that Trigger has.
	Calendars int64
	// MaxNominals is how many to decide at most; 0 = MaxNominals.
	MaxNominals int
}

// Plan decides everything that is due. It never decides a nominal at or before
// the cursor, and the cursor never moves back, so a clock that was set back fires
// nothing again.
func Plan(in Input) Outcome {
	p := newPlan(in)
	p.st.Calendars = in.Calendars
	p.close()
	if p.st.Status != Active {
		p.st.Next, p.st.NextNominal, p.st.AwaitsEnd = time.Time{}, time.Time{}, false
		return p.outcome()
	}
	if in.Trigger.Spec().Kind == schedule.KindInterval && in.Trigger.Spec().Interval.Mode == schedule.AfterCompletion {
		p.afterCompletion()
		return p.outcome()
	}
	p.recalendar()
	var due []nominal
	due, p.more = p.due()
	p.decide(due)
	p.more = p.more && p.st.Status == Active
	p.next()
	return p.outcome()
}

// plan is a decision in the making.
type plan struct {
	in     Input
	now    time.Time
	policy Policy
	st     State
	out    []Decision
	open   []Run // with those that were decided here; these have no JobID
	closed []Run
	cancel []string
	super  []string
	more   bool
	before Run // the last one
	// ahead is the first nominal that is not due yet.
	ahead nominal
}

// nominal is one with the time at which it is due.
type nominal struct {
	schedule.Nominal
	previous, due time.Time
	ok            bool
}

func newPlan(in Input) *plan {
	p := &plan{in: in, now: in.Now.UTC().Truncate(time.Millisecond), policy: in.Schedule.Policy, st: in.Schedule.State}
	if p.in.MaxNominals == 0 {
		p.in.MaxNominals = MaxNominals
	}
	skips := make(map[Reason]int64, len(p.st.Skips))
	maps.Copy(skips, p.st.Skips)
	p.st.Skips = skips
	p.st.SkipNext, p.before = slices.Clone(p.st.SkipNext), p.st.Last
	return p
}

// recalendar begins with other calendars than those that the next nominal comes
// from. What they put before the change does not fire. But the nominal that the old
// ones had next may lie before the change, when jitter puts it off or when nobody has
// decided it yet: it is decided now, if the new ones have it too.
func (p *plan) recalendar() {
	st := &p.st
	if p.in.Calendars != p.in.Schedule.State.Calendars && !st.NextNominal.IsZero() {
		begin := st.Next // the store puts it to the time of the change
		if !st.NextNominal.After(begin) {
			begin = st.NextNominal.Add(-time.Millisecond)
		}
		if begin.After(st.Cursor) {
			st.Cursor = begin
		}
	}
}

func (p *plan) outcome() Outcome {
	if len(p.st.Skips) == 0 {
		p.st.Skips = nil
	}
	return Outcome{Decisions: p.out, Closed: p.closed, Cancel: p.cancel, Supersede: p.super, State: p.st, Before: p.before, More: p.more}
}

// close takes in the runs that have ended since the last decision, in the order
// of their ends.
func (p *plan) close() {
	for _, r := range p.in.Runs {
		if r.JobID == p.st.Last.JobID {
			p.st.Last, p.before = r, r
		}
		if r.Status.Open() {
			p.open = append(p.open, r)
		} else {
			p.closed = append(p.closed, r)
		}
	}
	slices.SortFunc(p.open, func(a, b Run) int { return a.Nominal.Compare(b.Nominal) })
	slices.SortFunc(p.closed, func(a, b Run) int { return a.EndedAt.Compare(b.EndedAt) })
	for _, r := range p.closed {
		if r.EndedAt.After(p.st.LastEnd) {
			p.st.LastEnd = r.EndedAt
		}
		switch r.Status {
		case RunCompleted:
			p.st.Failures = 0
		case RunFailed:
			p.st.Failures++
		case RunQueued, RunRunning, RunSkipped, RunCancelled, RunGone:
			continue
		}
		if n := p.policy.PauseOnFailure; n > 0 && p.st.Failures >= n && p.st.Status == Active {
			p.st.Status, p.st.StatusReason, p.st.StatusBy, p.st.StatusRun = Paused, PausedByFailures, "", r.JobID
			p.st.Failures = 0
			p.pauseAt(r.EndedAt)
		}
	}
}

// PausedByFailures is the StatusReason of a schedule that paused itself.
const PausedByFailures = "too many failed runs in a row"

// pauseAt begins a pause. One that is not recorded yet goes on: what was due in
// between, at most a moment, counts as paused too.
func (p *plan) pauseAt(at time.Time) { p.st = p.st.pausedAt(at) }

func (s State) pausedAt(at time.Time) State {
	if s.PausedFrom.IsZero() {
		s.PausedFrom = at.UTC().Truncate(time.Millisecond)
	}
	s.PausedUntil = time.Time{}
	return s
}

// due collects the nominals that are due. When there are too many it returns the
// first of them, without those that may have to fire once the rest is known.
func (p *plan) due() (list []nominal, more bool) {
	t := p.in.Trigger
	n, ok := t.Next(p.st.Cursor)
	if !ok {
		return nil, false
	}
	var previous time.Time
	if before, ok := t.Prev(n.At); ok {
		previous = before.At
	}
	for ok {
		following, has := t.Next(n.At)
		var bound time.Time
		if has {
			bound = following.At
		}
		here := nominal{n, previous, schedule.Due(p.in.Schedule.ID, n.At, bound, p.policy.Offset, p.policy.Jitter), true}
		if here.due.After(p.now) {
			p.ahead = here
			return list, false
		}
		if len(list) == p.in.MaxNominals {
			return p.shortened(list), true
		}
		list = append(list, here)
		previous, n, ok = n.At, following, has
	}
	return list, false
}

// shortened leaves away, from a list that does not reach to now, what may have to
// fire: the last one for "latest", the last MaxCatchUp for "all".
func (p *plan) shortened(list []nominal) []nominal {
	keep := 0
	switch p.policy.Missed {
	case MissedLatest, MissedDefault:
		keep = 1
	case MissedAll:
		keep = p.policy.MaxCatchUp
	case MissedSkip, MissedEarliest:
	}
	cut := len(list)
	for i := len(list) - 1; i > 0 && keep > 0; i-- {
		if p.look(list[i]).missed {
			cut = i
			keep--
		}
	}
	return list[:cut]
}

// verdict is what the first look says of a nominal.
type verdict struct {
	reason Reason // "" = it may fire
	missed bool
}

// decide goes through the due nominals in order.
func (p *plan) decide(list []nominal) {
	verdicts := make([]verdict, len(list))
	for i, n := range list {
		verdicts[i] = p.look(n)
	}
	p.collapse(list, verdicts)
	for i, n := range list {
		if p.policy.MaxRuns > 0 && p.st.Runs >= p.policy.MaxRuns {
			p.finish(finishedByRuns)
			return
		}
		p.st.Cursor = n.At
		if v := verdicts[i]; v.reason != "" {
			p.skip(n, v.reason)
		} else {
			p.fire(n, v.missed)
		}
	}
	if p.more {
		return
	}
	p.st.CatchingUp = false
	p.st.SkipNext = slices.DeleteFunc(p.st.SkipNext, func(at time.Time) bool { return !at.After(p.st.Cursor) })
	if !p.st.PausedUntil.IsZero() {
		p.st.PausedFrom, p.st.PausedUntil = time.Time{}, time.Time{}
	}
}

// look says what is known of a nominal without looking at others.
func (p *plan) look(n nominal) verdict {
	late := p.now.Sub(n.due)
	missed := late > p.policy.Grace
	paused := !p.st.PausedUntil.IsZero() && !n.due.Before(p.st.PausedFrom) && n.due.Before(p.st.PausedUntil)
	switch {
	case paused:
		return verdict{reason: ReasonPaused}
	case n.Skip != "":
		return verdict{reason: Reason(n.Skip)}
	case slices.ContainsFunc(p.st.SkipNext, n.At.Equal):
		return verdict{reason: ReasonRequested}
	case missed && late > p.policy.CatchUpWindow:
		return verdict{reason: ReasonMissedWindow}
	case p.policy.StartDeadline > 0 && late > p.policy.StartDeadline:
		return verdict{reason: ReasonDeadline}
	case missed && p.policy.Missed == MissedSkip,
		missed && p.policy.Missed == MissedDefault && p.in.Trigger.SessionOver(n.Nominal, p.now):
		return verdict{reason: ReasonMissed}
	}
	return verdict{missed: missed}
}

// collapse gives reasons to the missed nominals that do not fire for the sake of
// others.
func (p *plan) collapse(list []nominal, verdicts []verdict) {
	var missed []int
	for i := range list {
		if verdicts[i].missed {
			missed = append(missed, i)
		}
	}
	lo, hi, reason := 0, len(missed), ReasonCoalesced
	switch p.policy.Missed {
	case MissedLatest, MissedDefault:
		lo = max(hi-1, 0)
		if p.more {
			lo = hi // a later one is to come
		}
	case MissedEarliest:
		hi = min(hi, 1)
		if p.st.CatchingUp {
			hi = 0
		}
	case MissedAll:
		lo, reason = max(hi-p.policy.MaxCatchUp, 0), ReasonCatchUpLimit
		if p.more {
			lo = hi
		}
	case MissedSkip:
	}
	for k, i := range missed {
		if k < lo || k >= hi {
			verdicts[i].reason = reason
		}
	}
}

// fire makes a run of a nominal, unless the runs before it stand in its way.
func (p *plan) fire(n nominal, missed bool) {
	d := Decision{Nominal: n.At, Previous: n.previous, Due: n.due, Fire: true, Source: SourceSchedule, Marks: n.Marks}
	planned := n.due
	if p.in.Trigger.Spec().Kind == schedule.KindOn {
		d.Source = SourceEvent
	}
	if missed {
		d.Source, planned = SourceCatchUp, p.now
		p.st.CatchingUp = true
	}
	if wait := p.tooSoon(planned); !wait.IsZero() {
		if !missed || p.policy.Missed != MissedAll {
			p.skip(n, ReasonMinInterval)
			return
		}
		planned, d.NotBefore = wait, wait
	}
	if p.policy.StartDeadline > 0 {
		d.StartDeadline = n.due.Add(p.policy.StartDeadline)
	}
	reason, serial := p.overlap(p.policy.Overlap)
	if reason != "" {
		p.skip(n, reason)
		return
	}
	d.Serial = serial
	p.add(d, planned)
	p.st.Runs++
}

// add records a run.
func (p *plan) add(d Decision, planned time.Time) {
	p.out = append(p.out, d)
	r := Run{Nominal: d.Nominal, Due: d.Due, PlannedAt: planned, DecidedAt: p.now, Source: d.Source, Status: RunQueued}
	p.open = append(p.open, r)
	p.st.Last = r
	p.st.RunCount++
	p.st.LastSkip = Stretch{}
}

// tooSoon returns the time before which no run may be planned, zero if at is late
// enough. A run that started within the grace counts from when it was planned:
// otherwise a schedule whose interval equals the minimum would skip every other
// nominal.
func (p *plan) tooSoon(at time.Time) time.Time {
	last := p.st.Last
	if p.policy.MinInterval == 0 || last.Nominal.IsZero() {
		return time.Time{}
	}
	from := last.PlannedAt
	if last.StartedAt.Sub(from) > p.policy.Grace {
		from = last.StartedAt
	}
	if p.policy.MinIntervalFrom == FromEnd {
		if p.st.LastEnd.IsZero() || last.Status.Open() {
			return time.Time{} // it is open: that is a question of overlap
		}
		from = p.st.LastEnd
	}
	if until := from.Add(p.policy.MinInterval); at.Before(until) {
		return until
	}
	return time.Time{}
}

// overlap applies a policy to the open runs. It returns the reason for which a
// run cannot be made, or whether it must wait for the end of the others.
func (p *plan) overlap(policy Overlap) (reason Reason, serial bool) {
	if policy == OverlapAllow {
		return "", p.policy.MaxParallel > 0
	}
	if policy == OverlapSkip || policy == "" {
		if len(p.open) > 0 {
			return ReasonOverlap, false
		}
		return "", true
	}
	waiting := p.waiting()
	switch policy {
	case OverlapQueueOne:
		if len(waiting) > 0 {
			return ReasonOverlap, false
		}
	case OverlapQueueLatest:
		for _, r := range waiting {
			p.replace(r)
		}
	case OverlapQueueAll:
		if len(waiting) >= p.policy.MaxQueued {
			return ReasonBufferFull, false
		}
	case OverlapCancelRunning:
		for _, r := range slices.Clone(p.open) {
			if r.JobID == "" {
				p.replace(r)
			} else if !slices.Contains(p.cancel, r.JobID) {
				p.cancel = append(p.cancel, r.JobID)
			}
		}
	case OverlapSkip, OverlapAllow:
	}
	return "", true
}

// waiting are the open runs that wait behind another one: all that have not
// started, without the first if nothing runs.
func (p *plan) waiting() []Run {
	var queued []Run
	running := false
	for _, r := range p.open {
		if r.Status == RunQueued && r.StartedAt.IsZero() {
			queued = append(queued, r)
		} else {
			running = true
		}
	}
	if !running && len(queued) > 0 {
		return queued[1:]
	}
	return queued
}

// replace drops a waiting run for the sake of a later one. It never worked, so it
// does not count as a run.
func (p *plan) replace(r Run) {
	p.open = slices.DeleteFunc(p.open, func(o Run) bool { return o.JobID == r.JobID && o.Nominal.Equal(r.Nominal) })
	if r.Source.counts() {
		p.st.Runs--
	}
	p.st.RunCount--
	p.st.Skips[ReasonSuperseded]++
	if r.JobID != "" {
		p.super = append(p.super, r.JobID)
		return
	}
	for i := range p.out {
		if d := &p.out[i]; d.Fire && d.Nominal.Equal(r.Nominal) {
			d.Fire, d.Reason, d.Last, d.Count = false, ReasonSuperseded, d.Nominal, 1
		}
	}
}

// skip records a skipped nominal, in the row of the one before if that had the
// same reason.
func (p *plan) skip(n nominal, reason Reason) {
	p.st.Skips[reason]++
	p.st.SkipNext = slices.DeleteFunc(p.st.SkipNext, func(at time.Time) bool { return !at.After(n.At) })
	if last := len(p.out) - 1; last >= 0 && !p.out[last].Fire && p.out[last].Reason == reason && p.st.LastSkip.Reason == reason {
		p.out[last].Last = n.At
		p.out[last].Count++
		return
	}
	d := Decision{Nominal: n.At, Previous: n.previous, Due: n.due, Reason: reason, Last: n.At, Count: 1, Marks: n.Marks}
	if len(p.out) == 0 && p.st.LastSkip.Reason == reason {
		d.Nominal, d.Extends = p.st.LastSkip.First, true
	} else {
		p.st.LastSkip = Stretch{First: n.At, Reason: reason}
	}
	p.out = append(p.out, d)
}

// finishedByRuns is the StatusReason of a schedule that has made all its runs.
const finishedByRuns = "max_runs reached"

func (p *plan) finish(why string) {
	p.st.Status, p.st.StatusReason = Finished, why
	p.st.Next, p.st.NextNominal = time.Time{}, time.Time{}
}

// next says when to look again.
func (p *plan) next() {
	switch {
	case p.st.Status != Active:
	case p.policy.MaxRuns > 0 && p.st.Runs >= p.policy.MaxRuns:
		p.finish(finishedByRuns)
	case p.more:
		p.st.Next, p.st.NextNominal = p.now, time.Time{}
	case p.ahead.ok:
		p.st.Next, p.st.NextNominal = p.ahead.due, p.ahead.At
	case p.in.Trigger.Reboot() || p.in.Trigger.Spec().Kind == schedule.KindOn:
		p.st.Next, p.st.NextNominal = time.Time{}, time.Time{}
	default:
		p.finish("no nominal is left")
	}
}

// afterCompletion is for triggers whose nominal follows from the end of the run
// before. There is nothing to make up: a late one fires once.
func (p *plan) afterCompletion() {
	p.st.AwaitsEnd = len(p.open) > 0
	p.st.Next, p.st.NextNominal = time.Time{}, time.Time{}
	if p.st.AwaitsEnd {
		return
	}
	base := p.st.Cursor
	if p.st.LastEnd.After(base) {
		base = p.st.LastEnd
	}
	if p.policy.MaxRuns > 0 && p.st.Runs >= p.policy.MaxRuns {
		p.finish(finishedByRuns)
		return
	}
	for {
		n, ok := p.in.Trigger.AfterRun(base)
		if !ok {
			p.finish("no nominal is left")
			return
		}
		due := schedule.Due(p.in.Schedule.ID, n.At, time.Time{}, p.policy.Offset, p.policy.Jitter)
		if due.After(p.now) {
			p.ahead = nominal{n, p.st.Cursor, due, true}
			p.next()
			return
		}
		here := nominal{n, p.st.Cursor, due, true}
		p.st.Cursor = n.At
		paused := !p.st.PausedUntil.IsZero() && due.Before(p.st.PausedUntil) && !due.Before(p.st.PausedFrom)
		switch {
		case paused:
			p.skip(here, ReasonPaused)
		case n.Skip != "":
			p.skip(here, Reason(n.Skip))
		case slices.ContainsFunc(p.st.SkipNext, n.At.Equal):
			p.skip(here, ReasonRequested)
		default:
			p.fire(here, false)
			if len(p.open) > 0 {
				p.st.AwaitsEnd = true
				p.st.PausedFrom, p.st.PausedUntil = time.Time{}, time.Time{}
				return
			}
		}
		base = n.At
	}
}
