package planner_test

import (
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
)

// The slow reading of what becomes of nominals: one schedule at a time, one instant
// after the other, by the text of docs/schedules.md. It shares no code with package
// agenda but the names of policies and reasons.

// silence is a stretch of time in which nothing is done: the servers are down, or
// one of them has died with some schedules in its hands and the others wait for its
// claims to end. What it delays is done at its end.
type silence struct {
	from, to time.Time
	// lost are the schedules whose decision at from came to nothing.
	lost map[string]bool
	// crash: also what was decided at from starts no job before the end.
	crash bool
}

// fate is what becomes of a nominal.
type fate struct {
	Reason       agenda.Reason // "" = it fired
	Source       agenda.Source
	Due, Decided time.Time
	Start, End   time.Time // of its run, zero if that was not reached
}

// work is a run by the slow reading.
type work struct {
	*fate
	planned, notBefore, ends time.Time
	over, asked              bool // ended; asked to stop
}

func (w *work) started() bool { return !w.Start.IsZero() }

// life is one schedule on its way through the year.
type life struct {
	*plot
	quiet  []silence
	fates  map[time.Time]*fate
	open   []*work
	last   *work
	ended  time.Time   // when a run ended last
	good   []time.Time // ends of the runs that were not stopped
	starts int
	fired  int
	done   bool      // max_runs
	cursor time.Time // the nominal that was decided last
	left   int       // nominals that are still to come
	wrong  int       // findings
}

// put off returns when something is done that falls to t.
func (l *life) putOff(t time.Time, also func(silence) bool) time.Time {
	for _, q := range l.quiet {
		if t.After(q.from) && t.Before(q.to) || t.Equal(q.from) && also(q) {
			t = q.to
		}
	}
	return t
}

func (l *life) decidedAt(due time.Time) time.Time {
	return l.putOff(due, func(q silence) bool { return q.lost[l.id] })
}

func (l *life) endedAt(t time.Time) time.Time {
	return l.putOff(t, func(silence) bool { return false })
}

func (l *life) startedAt(t time.Time) time.Time {
	return l.putOff(t, func(q silence) bool { return q.crash })
}

// upcoming are the nominals that are still to be decided.
type upcoming struct {
	list []moment
	next func() (moment, bool) // instead of the list, for after_completion
}

func (u *upcoming) peek(k int) (moment, bool) {
	if u.next != nil {
		if k > 0 {
			return moment{}, false
		}
		return u.next()
	}
	if k < len(u.list) {
		return u.list[k], true
	}
	return moment{}, false
}

// live goes through the year up to the last instant at which something was done.
func (l *life) live(last time.Time) {
	u := upcoming{list: l.nominals}
	if l.after > 0 {
		l.cursor = beginning
		u.next = func() (moment, bool) {
			if len(l.open) > 0 {
				return moment{}, false
			}
			return nominalAt(latestOf(l.cursor, l.ended).Add(l.after)), true
		}
	}
	dueAt := func(k int) (n moment, due time.Time, ok bool) {
		n, ok = u.peek(k)
		if !ok || l.done {
			return n, due, false
		}
		var following time.Time
		if f, has := u.peek(k + 1); has {
			following = f.at
		}
		return n, dueOf(l.id, l.policy, n.at, following), true
	}
	now := beginning
	for {
		var t time.Time
		sooner := func(x time.Time) {
			if x.Before(now) {
				x = now
			}
			if t.IsZero() || x.Before(t) {
				t = x
			}
		}
		_, due, ok := dueAt(0)
		if ok {
			sooner(l.decidedAt(due))
		}
		for _, w := range l.open {
			if w.started() {
				sooner(l.endedAt(w.ends))
			}
		}
		if w := l.startable(time.Time{}); w != nil {
			sooner(l.startedAt(latestOf(w.notBefore, now)))
		}
		if l.left = len(u.list); t.IsZero() || t.After(last) {
			return
		}
		now = t
		l.endWork(now)
		var batch []moment
		var dues []time.Time
		for n, due, ok := dueAt(len(batch)); ok && !due.After(now) && !l.decidedAt(due).After(now); n, due, ok = dueAt(len(batch)) {
			batch, dues = append(batch, n), append(dues, due)
		}
		l.decide(batch, dues, now)
		u.list = u.list[min(len(batch), len(u.list)):]
		for w := l.startable(now); w != nil && l.startedAt(now).Equal(now); w = l.startable(now) {
			w.Start, w.ends = now, now.Add(l.takes(l.starts))
			l.starts++
		}
	}
}

func latestOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// endWork ends the runs whose time has come.
func (l *life) endWork(now time.Time) {
	for _, w := range slices.Clone(l.open) {
		if w.started() && !w.ends.After(now) {
			w.End, w.over, l.ended = now, true, now
			if !w.asked {
				l.good = append(l.good, now)
			}
			l.close(w)
		}
	}
}

func (l *life) close(w *work) {
	l.open = slices.DeleteFunc(l.open, func(o *work) bool { return o == w })
}

// startable is the first waiting run that may start now (zero: at any time).
func (l *life) startable(now time.Time) *work {
	units := 1
	if l.policy.Overlap == agenda.OverlapAllow {
		if units = l.policy.MaxParallel; units == 0 {
			units = 1 << 30
		}
	}
	var best *work
	for _, w := range l.open {
		switch {
		case w.started():
			units--
		case !now.IsZero() && w.notBefore.After(now):
		case best == nil || now.IsZero() && w.notBefore.Before(best.notBefore):
			best = w
		}
	}
	if units < 1 {
		return nil
	}
	return best
}

// verdict is what is known of a nominal by itself.
func (l *life) verdict(n moment, due, now time.Time) (reason agenda.Reason, missed bool) {
	late := now.Sub(due)
	missed = late > l.policy.Grace && l.after == 0
	switch {
	case n.skip != "":
		return n.skip, false
	case missed && late > l.policy.CatchUpWindow:
		return agenda.ReasonMissedWindow, false
	case l.policy.StartDeadline > 0 && late > l.policy.StartDeadline && l.after == 0:
		return agenda.ReasonDeadline, false
	case missed && l.policy.Missed == agenda.MissedSkip,
		missed && l.policy.Missed == agenda.MissedDefault && !n.over.IsZero() && !now.Before(n.over):
		return agenda.ReasonMissed, false
	}
	return "", missed
}

// decide says what becomes of nominals that are decided together.
func (l *life) decide(batch []moment, dues []time.Time, now time.Time) {
	reasons, missed := make([]agenda.Reason, len(batch)), make([]bool, len(batch))
	var late []int
	for i, n := range batch {
		if reasons[i], missed[i] = l.verdict(n, dues[i], now); missed[i] {
			late = append(late, i)
		}
	}
	for k, i := range late {
		behind := len(late) - 1 - k // missed nominals that come after it
		switch l.policy.Missed {
		case agenda.MissedLatest, agenda.MissedDefault:
			if behind > 0 {
				reasons[i] = agenda.ReasonCoalesced
			}
		case agenda.MissedEarliest:
			if k > 0 {
				reasons[i] = agenda.ReasonCoalesced
			}
		case agenda.MissedAll:
			if behind >= l.policy.MaxCatchUp {
				reasons[i] = agenda.ReasonCatchUpLimit
			}
		case agenda.MissedSkip:
		}
	}
	before := slices.Clone(l.open)
	for i, n := range batch {
		if l.policy.MaxRuns > 0 && l.fired >= l.policy.MaxRuns {
			break
		}
		l.cursor = n.at
		f := &fate{Due: dues[i], Decided: now, Reason: reasons[i]}
		l.fates[n.at] = f
		if f.Reason == "" {
			l.fire(f, missed[i], before)
		}
	}
	l.done = l.policy.MaxRuns > 0 && l.fired >= l.policy.MaxRuns
}

// fire makes a run unless others stand in its way. before are the runs that were
// there before the nominals that are decided together.
func (l *life) fire(f *fate, missed bool, before []*work) {
	w := &work{fate: f, planned: f.Due}
	source := agenda.SourceSchedule
	if l.upstream != nil {
		source = agenda.SourceEvent
	}
	if missed {
		w.planned, source = f.Decided, agenda.SourceCatchUp
	}
	if allowed := l.allowed(); w.planned.Before(allowed) {
		if !missed || l.policy.Missed != agenda.MissedAll {
			f.Reason = agenda.ReasonMinInterval
			return
		}
		w.planned, w.notBefore = allowed, allowed
	}
	waiting := l.waiting()
	switch l.policy.Overlap {
	case agenda.OverlapSkip:
		if len(l.open) > 0 {
			f.Reason = agenda.ReasonOverlap
		}
	case agenda.OverlapQueueOne:
		if len(waiting) > 0 {
			f.Reason = agenda.ReasonOverlap
		}
	case agenda.OverlapQueueAll:
		if len(waiting) >= l.policy.MaxQueued {
			f.Reason = agenda.ReasonBufferFull
		}
	case agenda.OverlapQueueLatest:
		for _, o := range waiting {
			l.supersede(o)
		}
	case agenda.OverlapCancelRunning:
		for _, o := range slices.Clone(l.open) {
			l.stop(o, f.Decided, slices.Contains(before, o))
		}
	case agenda.OverlapAllow:
	}
	if f.Reason == "" {
		f.Source = source
		l.open, l.last = append(l.open, w), w
		l.fired++
	}
}

// supersede drops a run that waits; its nominal did not fire after all.
func (l *life) supersede(w *work) {
	w.Reason, w.over = agenda.ReasonSuperseded, true
	l.close(w)
	l.fired--
}

// stopTime is how long a run takes to stop.
const stopTime = 5 * time.Second

// stop asks a run to stop. One that waits is over at once: of this same decision it
// never was.
func (l *life) stop(w *work, now time.Time, before bool) {
	switch {
	case !before:
		l.supersede(w)
	case !w.started():
		w.End, w.over, w.asked, l.ended = now, true, true, now
		l.close(w)
	case !w.asked:
		w.asked = true
		if end := now.Add(stopTime); end.Before(w.ends) {
			w.ends = end
		}
	}
}

// waiting are the runs that wait behind another one: the first does not if nothing
// runs.
func (l *life) waiting() (list []*work) {
	running := false
	for _, w := range l.open {
		if w.started() {
			running = true
		} else {
			list = append(list, w)
		}
	}
	if !running && len(list) > 0 {
		return list[1:]
	}
	return list
}

// allowed is the earliest start that the minimum interval leaves. A run that starts
// within the grace counts from when it was planned.
func (l *life) allowed() time.Time {
	if l.policy.MinInterval == 0 || l.last == nil {
		return time.Time{}
	}
	from := l.last.planned
	if l.last.Start.Sub(from) > l.policy.Grace {
		from = l.last.Start
	}
	if l.policy.MinIntervalFrom == agenda.FromEnd {
		if !l.last.over || l.ended.IsZero() {
			return time.Time{}
		}
		from = l.ended
	}
	return from.Add(l.policy.MinInterval)
}

// finished: no nominal is left for it.
func (l *life) finished() bool { return l.done || l.bounded && l.left == 0 }
