package calendar

import (
	"iter"
	"slices"
	"time"
)

// Calendar tells the sessions of one exchange, or of something like one: a
// country's working days, a combination of others, one with a user's
// overrides. It is immutable and may be used by many goroutines.
type Calendar struct {
	code, name string
	aliases    []string
	sources    []string
	version    string
	loc        *time.Location
	valid      span
	// floating says that the calendar has no zone of its own: In gives it one.
	floating bool
	src      source
}

// source finds what happens on a date and at an instant.
type source interface {
	isSession(d Date) bool
	// session tells the session of d in the zone of the calendar.
	session(d Date) (Session, bool)
	reason(d Date) string
	workday(d Date) bool
	verified(d Date) bool
	phase(t time.Time) Phase
	// edges lists the instants at which phase may change, of the sessions of the
	// dates from from to to, in any order.
	edges(from, to Date) []time.Time
	in(loc *time.Location) source
}

// Session is one trading day.
type Session struct {
	// Date names the session: the local date of its close.
	Date Date
	// Open and Close are instants in UTC, Open < Close. The session covers Open
	// and ends before Close.
	Open, Close time.Time
	// BreakStart and BreakEnd are both zero if there is no break; otherwise
	// Open < BreakStart < BreakEnd < Close.
	BreakStart, BreakEnd time.Time
	// EarlyClose and LateOpen compare with the regular hours of the date.
	EarlyClose, LateOpen bool
	// Verified says that the hours of this date are announced, or the user's.
	Verified bool
	// Overridden says that a user's override made the session what it is.
	Overridden bool
	// Reason says why the hours are not the regular ones; "" if they are.
	Reason string
}

// Phase is what a calendar says of an instant.
type Phase string

// The phases.
const (
	// Closed is outside of every session.
	Closed Phase = "closed"
	// Regular is within the regular hours of a session.
	Regular Phase = "regular"
	// Break is within the break of a session.
	Break Phase = "break"
)

// Phase tells where t is within the session.
func (s Session) Phase(t time.Time) Phase {
	switch {
	case t.Before(s.Open) || !t.Before(s.Close):
		return Closed
	case !s.BreakStart.IsZero() && !t.Before(s.BreakStart) && t.Before(s.BreakEnd):
		return Break
	}
	return Regular
}

// Duration is how long the session trades, without its break.
func (s Session) Duration() time.Duration {
	return s.Close.Sub(s.Open) - s.BreakEnd.Sub(s.BreakStart)
}

// Code is the calendar's own name, mostly a market identifier code.
func (c *Calendar) Code() string { return c.code }

// Name is the calendar's name for people.
func (c *Calendar) Name() string { return c.name }

// Aliases are other codes of the calendar.
func (c *Calendar) Aliases() []string { return slices.Clone(c.aliases) }

// Sources names the documents that the data rest on.
func (c *Calendar) Sources() []string { return slices.Clone(c.sources) }

// Version changes when the data or the overrides of the calendar do.
func (c *Calendar) Version() string { return c.version }

// Location is the zone of the calendar's hours.
func (c *Calendar) Location() *time.Location { return c.loc }

// In returns the calendar with its days in another zone, if it has none of its
// own, such as "weekdays" or a country's holidays. An exchange stays as it is.
func (c *Calendar) In(loc *time.Location) *Calendar {
	if !c.floating || loc == nil {
		return c
	}
	moved := *c
	moved.loc, moved.src = loc, c.src.in(loc)
	return &moved
}

// ValidFrom is the first date for which the calendar has rules.
func (c *Calendar) ValidFrom() Date { return c.valid.from }

// ValidThrough is the last date for which the calendar has rules. Later days
// follow the week and the regular hours only, as do those before ValidFrom, and
// are not verified.
func (c *Calendar) ValidThrough() Date { return c.valid.to }

// Verified reports whether what the calendar says of d was announced, or is the
// user's own.
func (c *Calendar) Verified(d Date) bool { return c.src.verified(d) }

// IsSession reports whether there is a session of date d.
func (c *Calendar) IsSession(d Date) bool { return c.src.isSession(d) }

// Reason says why d is no session, or one with hours of its own; "" if it is a
// regular one.
func (c *Calendar) Reason(d Date) string { return c.src.reason(d) }

// Session returns the session of date d, if there is one.
func (c *Calendar) Session(d Date) (Session, bool) { return c.src.session(d) }

// Sessions yields the sessions of the dates from from to to, both included, in
// their order.
func (c *Calendar) Sessions(from, to Date) iter.Seq[Session] {
	return func(yield func(Session) bool) {
		for d := max(from, minDate); d <= min(to, maxDate); d++ {
			if s, ok := c.src.session(d); ok && !yield(s) {
				return
			}
		}
	}
}

// SessionsBetween lists what Sessions yields. The caller bounds the period.
func (c *Calendar) SessionsBetween(from, to Date) []Session {
	return slices.Collect(c.Sessions(from, to))
}

// horizon is how many days the calendar looks ahead and back for a session.
const horizon = 1100

// NextSession returns the first session after d; false if there is none within
// three years.
func (c *Calendar) NextSession(d Date) (Session, bool) { return c.search(d+1, +1) }

// PreviousSession returns the last session before d; false if there is none
// within three years.
func (c *Calendar) PreviousSession(d Date) (Session, bool) { return c.search(d-1, -1) }

// SessionFrom returns the session of d or else the next one.
func (c *Calendar) SessionFrom(d Date) (Session, bool) { return c.search(d, +1) }

// SessionUpTo returns the session of d or else the one before it.
func (c *Calendar) SessionUpTo(d Date) (Session, bool) { return c.search(d, -1) }

func (c *Calendar) search(d Date, step int) (Session, bool) {
	for range horizon {
		if d < minDate || d > maxDate {
			break
		}
		if c.src.isSession(d) {
			if s, ok := c.src.session(d); ok {
				return s, true
			}
		}
		d += Date(step)
	}
	return Session{}, false
}

// SessionAt returns the session that t is in, its break included.
func (c *Calendar) SessionAt(t time.Time) (Session, bool) {
	day := DateOf(t.In(c.loc))
	for d := day - 1; d <= day+1; d++ {
		if s, ok := c.src.session(d); ok && s.Phase(t) != Closed {
			return s, true
		}
	}
	return Session{}, false
}

// SessionAfter returns the first session whose Close is after t, which may be the
// one that t is in; false if there is none within three years.
func (c *Calendar) SessionAfter(t time.Time) (Session, bool) {
	// A session may begin on the day before its date.
	s, ok := c.SessionFrom(DateOf(t.In(c.loc)) - 1)
	for ok && !s.Close.After(t) {
		s, ok = c.NextSession(s.Date)
	}
	return s, ok
}

// SessionBefore returns the last session whose Open is before t; false if there
// is none within three years.
func (c *Calendar) SessionBefore(t time.Time) (Session, bool) {
	s, ok := c.SessionUpTo(DateOf(t.In(c.loc)) + 1)
	for ok && !s.Open.Before(t) {
		s, ok = c.PreviousSession(s.Date)
	}
	return s, ok
}

// Workday reports whether d is on a day of the week that has sessions, whatever
// holidays say. A Workday without session is a holiday.
func (c *Calendar) Workday(d Date) bool { return c.src.workday(d) }

// Floating reports whether the calendar has no zone of its own; see In.
func (c *Calendar) Floating() bool { return c.floating }

// Phase tells whether t is within regular hours, within a break or outside.
func (c *Calendar) Phase(t time.Time) Phase { return c.src.phase(t) }

// Combined reports whether the calendar is made of others, so that its sessions
// may have pauses that are none of Session's break; see Parts.
func (c *Calendar) Combined() bool {
	_, ok := c.src.(*combination)
	return ok
}

// Part is a stretch of time in which the phase stays the same.
type Part struct {
	Start, End time.Time
	Phase      Phase
}

// Parts lists when the calendar is not closed around the sessions of the dates
// from from to to, both included, in order. What the neighbouring dates have in
// common with them is whole.
func (c *Calendar) Parts(from, to Date) []Part {
	edges := c.src.edges(from-1, to+1)
	slices.SortFunc(edges, time.Time.Compare)
	var parts []Part
	for i, end := range edges {
		if i == 0 || !edges[i-1].Before(end) {
			continue
		}
		start := edges[i-1]
		p := c.Phase(start)
		if p == Closed {
			continue
		}
		if last := len(parts) - 1; last >= 0 && parts[last].End.Equal(start) && parts[last].Phase == p {
			parts[last].End = end
			continue
		}
		parts = append(parts, Part{start, end, p})
	}
	return parts
}

// Range is a period of dates, both included.
type Range struct{ From, To Date }

// VerifiedRanges are the periods whose dates were announced; none for a calendar
// that is made of others.
func (c *Calendar) VerifiedRanges() []Range {
	x, ok := c.src.(*exchange)
	if !ok {
		return nil
	}
	var out []Range
	for _, s := range x.def.verified {
		out = append(out, Range{s.from, s.to})
	}
	return out
}
