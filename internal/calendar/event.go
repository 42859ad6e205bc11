package calendar

import (
	"time"
)

// EventKind is something that happens in each session, or in the first or last
// session of a period.
type EventKind string

// The kinds. A week begins on Monday; a period counts by the sessions' dates.
const (
	EventOpen       EventKind = "open"
	EventClose      EventKind = "close"
	EventBreakStart EventKind = "break_start"
	EventBreakEnd   EventKind = "break_end"
	// The opening of the first session of a period.
	EventStartOfWeek    EventKind = "session_start_of_week"
	EventStartOfMonth   EventKind = "session_start_of_month"
	EventStartOfQuarter EventKind = "session_start_of_quarter"
	EventStartOfYear    EventKind = "session_start_of_year"
	// The close of the last session of a period.
	EventEndOfWeek    EventKind = "session_end_of_week"
	EventEndOfMonth   EventKind = "session_end_of_month"
	EventEndOfQuarter EventKind = "session_end_of_quarter"
	EventEndOfYear    EventKind = "session_end_of_year"
)

// Event is one occurrence.
type Event struct {
	Kind EventKind
	// At is the instant, in UTC.
	At time.Time
	// Session is the one that it belongs to.
	Session Session
}

// EventOf returns the event that s has; false if there is none, as the break of
// a session without one, or if kind is unknown.
func (c *Calendar) EventOf(kind EventKind, s Session) (Event, bool) {
	at := time.Time{}
	switch kind {
	case EventOpen:
		at = s.Open
	case EventClose:
		at = s.Close
	case EventBreakStart:
		at = s.BreakStart
	case EventBreakEnd:
		at = s.BreakEnd
	case EventStartOfWeek, EventStartOfMonth, EventStartOfQuarter, EventStartOfYear:
		at = s.Open
		if before, ok := c.PreviousSession(s.Date); ok && period(kind, before.Date) == period(kind, s.Date) {
			return Event{}, false
		}
	case EventEndOfWeek, EventEndOfMonth, EventEndOfQuarter, EventEndOfYear:
		at = s.Close
		if after, ok := c.NextSession(s.Date); ok && period(kind, after.Date) == period(kind, s.Date) {
			return Event{}, false
		}
	}
	return Event{kind, at, s}, !at.IsZero()
}

// period numbers the week, month, quarter or year of d.
func period(kind EventKind, d Date) int {
	year, month, _ := d.Split()
	switch kind {
	case EventStartOfWeek, EventEndOfWeek:
		return int(d-minDate) / 7 // 0001-01-01 was a Monday
	case EventStartOfMonth, EventEndOfMonth:
		return year*12 + int(month) - 1
	case EventStartOfQuarter, EventEndOfQuarter:
		return year*4 + int(month-1)/3
	case EventStartOfYear, EventEndOfYear, EventOpen, EventClose, EventBreakStart, EventBreakEnd:
	}
	return year
}

// NextEvent returns the first event of a kind that is strictly after t; false if
// there is none within three years.
func (c *Calendar) NextEvent(kind EventKind, t time.Time) (Event, bool) {
	// A session may begin on the day before its date.
	for d, last := DateOf(t.In(c.loc))-1, DateOf(t.In(c.loc))+horizon; d <= min(last, maxDate); d++ {
		s, ok := c.Session(d)
		if !ok || !s.Close.After(t) {
			continue
		}
		if e, ok := c.EventOf(kind, s); ok && e.At.After(t) {
			return e, true
		}
	}
	return Event{}, false
}

// PreviousEvent returns the last event of a kind that is strictly before t; false
// if there is none within three years.
func (c *Calendar) PreviousEvent(kind EventKind, t time.Time) (Event, bool) {
	for d, last := DateOf(t.In(c.loc))+1, DateOf(t.In(c.loc))-horizon; d >= max(last, minDate); d-- {
		s, ok := c.Session(d)
		if !ok || !s.Open.Before(t) {
			continue
		}
		if e, ok := c.EventOf(kind, s); ok && e.At.Before(t) {
			return e, true
		}
	}
	return Event{}, false
}
