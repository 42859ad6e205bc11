package schedule

import "time"

// Marks tell what is special about a nominal. The zero value is nothing.
type Marks uint16

// The marks.
const (
	// DSTMoved: its written local time does not exist on that day, or some time
	// that does not exist was merged into it.
	DSTMoved Marks = 1 << iota
	// DSTRepeated: its local time occurs twice on that day.
	DSTRepeated
	// SessionMoved: it was moved to a session from a date that is none.
	SessionMoved
	// EarlyClose: the session of its date closes early.
	EarlyClose
	// Unverified: the calendar does not know its date for sure yet.
	Unverified
)

// Strings returns the marks' names: dst_moved and so on.
func (m Marks) Strings() []string {
	names := []string{}
	for n, name := range []string{"dst_moved", "dst_repeated", "session_moved", "early_close", "unverified"} {
		if m>>n&1 == 1 {
			names = append(names, name)
		}
	}
	return names
}

// Skip is why a nominal does not fire; "" = it does.
type Skip string

// The reasons that a trigger knows. A schedule has more.
const (
	SkipHoliday    Skip = "holiday"          // its date is a holiday of the calendar
	SkipNonSession Skip = "non_session"      // its date is no session of the calendar
	SkipHours      Skip = "only_in"          // outside the hours that only_in asks for
	SkipExcluded   Skip = "excluded"         // a date, calendar or expression excludes it
	SkipExpired    Skip = "calendar_expired" // strict, and the calendar does not reach its date
)

// Nominal is an instant that a trigger yields.
type Nominal struct {
	// At is in UTC.
	At time.Time
	// Zone is the schedule's.
	Zone  *time.Location
	Marks Marks
	Skip  Skip
}

// Local writes the instant as the clocks in its zone show it, in the manner of
// RFC 3339; old offsets with seconds keep them.
func (n Nominal) Local() string {
	t := n.At.In(n.Zone)
	layout := "2006-01-02T15:04:05.999-07:00"
	if _, offset := t.Zone(); offset%60 != 0 {
		layout += ":00"
	}
	return t.Format(layout)
}
