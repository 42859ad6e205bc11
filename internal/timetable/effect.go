package timetable

import (
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/schedule"
)

// Effect is what a change of calendars does to a nominal that fires. Of Before
// and After at least one has a time.
type Effect struct {
	// Before fires without the change; its time is zero if only After does.
	Before schedule.Nominal
	// After fires with the change; its time is zero if only Before does.
	After schedule.Nominal
	// Reason says why Before is skipped by the change, if the trigger still names
	// its time; "" otherwise.
	Reason schedule.Skip
}

// At is the earlier of the two times.
func (e Effect) At() time.Time {
	if e.Before.At.IsZero() || !e.After.At.IsZero() && e.After.At.Before(e.Before.At) {
		return e.After.At
	}
	return e.Before.At
}

// Moved reports whether the nominal still fires, at another time.
func (e Effect) Moved() bool { return !e.Before.At.IsZero() && !e.After.At.IsZero() }

// Compare lists the nominals after from, up to and including to, that fire by one
// of two triggers only, in their order. The triggers are one with its calendars
// before and after a change. It asks stop as Preview does.
func Compare(before, after *schedule.Trigger, from, to time.Time, stop func() bool) ([]Effect, error) {
	old, _, err := between(before, from, to, stop)
	if err != nil {
		return nil, err
	}
	next, skips, err := between(after, from, to, stop)
	if err != nil {
		return nil, err
	}
	var gone, come []schedule.Nominal
	for len(old) > 0 || len(next) > 0 {
		switch {
		case len(next) == 0 || len(old) > 0 && old[0].At.Before(next[0].At):
			gone, old = append(gone, old[0]), old[1:]
		case len(old) == 0 || next[0].At.Before(old[0].At):
			come, next = append(come, next[0]), next[1:]
		default:
			old, next = old[1:], next[1:]
		}
	}
	// The last session of a month, for example.
	seeks := strings.HasPrefix(string(before.Spec().Event.Event), "session_")
	return paired(gone, come, skips, seeks), nil
}

// between lists the nominals that fire, and why the others do not.
func between(t *schedule.Trigger, from, to time.Time, stop func() bool) ([]schedule.Nominal, map[time.Time]schedule.Skip, error) {
	var fires []schedule.Nominal
	skips := map[time.Time]schedule.Skip{}
	for {
		if stop != nil && stop() {
			return nil, nil, ErrStopped
		}
		n, ok := t.Next(from)
		if !ok || n.At.After(to) {
			return fires, skips, nil
		}
		if n.Skip == "" {
			fires = append(fires, n)
		} else {
			skips[n.At] = n.Skip
		}
		from = n.At
	}
}

// maxMove is how far apart two times are at most of which one takes the place of
// the other.
const maxMove = 31 * 24 * time.Hour

// paired joins what goes with what comes instead of it: on the same local date
// first, then on another one, where a trigger looks for a session.
func paired(gone, come []schedule.Nominal, skips map[time.Time]schedule.Skip, seeks bool) []Effect {
	out := make([]Effect, len(gone))
	taken := make([]bool, len(come))
	for i, b := range gone {
		out[i] = Effect{Before: b, Reason: skips[b.At]}
	}
	pair := func(reach time.Duration, instead func(b, a schedule.Nominal) bool) {
		first := 0
		for i := range out {
			b := out[i].Before
			for first < len(come) && come[first].At.Before(b.At.Add(-reach)) {
				first++
			}
			for j := first; j < len(come) && out[i].After.At.IsZero() && come[j].At.Before(b.At.Add(reach)); j++ {
				if !taken[j] && instead(b, come[j]) {
					out[i].After, taken[j] = come[j], true
				}
			}
		}
	}
	pair(48*time.Hour, sameDate)
	pair(maxMove, func(b, a schedule.Nominal) bool { return seeks || (b.Marks|a.Marks)&schedule.SessionMoved != 0 })
	for i, a := range come {
		if !taken[i] {
			out = append(out, Effect{After: a})
		}
	}
	slices.SortStableFunc(out, func(a, b Effect) int { return a.At().Compare(b.At()) })
	return out
}

func sameDate(b, a schedule.Nominal) bool {
	y1, m1, d1 := b.At.In(b.Zone).Date()
	y2, m2, d2 := a.At.In(a.Zone).Date()
	return y1 == y2 && m1 == m2 && d1 == d2
}
