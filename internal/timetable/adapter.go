package timetable

import (
	"sync/atomic"
	"time"

	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/schedule"
)

// Days is a calendar as the dates that a trigger asks for. It is immutable.
type Days struct{ c *calendar.Calendar }

// NewDays adapts a calendar, whose days are already in the schedule's zone if it
// has none of its own.
func NewDays(c *calendar.Calendar) Days { return Days{c} }

// Day implements schedule.Days.
func (a Days) Day(d schedule.Date) schedule.DayInfo {
	on := calendar.Date(d)
	s, in := a.c.Session(on)
	return schedule.DayInfo{
		In: in, Holiday: !in && a.c.Workday(on), EarlyClose: in && s.EarlyClose, Unverified: unknown(a.c, on),
	}
}

// Zone implements schedule.Days.
func (a Days) Zone() *time.Location {
	if a.c.Floating() {
		return nil
	}
	return a.c.Location()
}

// unknown reports whether a date is beyond the calendar's rules, and not the
// user's own.
func unknown(c *calendar.Calendar, d calendar.Date) bool {
	return (d < c.ValidFrom() || d > c.ValidThrough()) && !c.Verified(d)
}

// Sessions are a calendar's sessions, one for a date. It is immutable.
type Sessions struct{ c *calendar.Calendar }

// NewSessions adapts a calendar, as NewDays does.
func NewSessions(c *calendar.Calendar) Sessions { return Sessions{c} }

// SessionAfter implements schedule.Sessions.
func (a Sessions) SessionAfter(t time.Time) (schedule.Session, bool) {
	s, ok := a.c.SessionAfter(t)
	return a.session(s), ok
}

// SessionBefore implements schedule.Sessions.
func (a Sessions) SessionBefore(t time.Time) (schedule.Session, bool) {
	s, ok := a.c.SessionBefore(t)
	return a.session(s), ok
}

func (a Sessions) session(s calendar.Session) schedule.Session {
	out := schedule.Session{
		Date: schedule.Date(s.Date), Open: s.Open, Close: s.Close, EarlyClose: s.EarlyClose, Unverified: unknown(a.c, s.Date),
	}
	if s.Close.After(s.Open) {
		out.Breaks = breaks(a.c, s)
	}
	return out
}

// breaks are the pauses of a session. Those of a combination are where its phase
// is not regular, which the session itself does not tell.
func breaks(c *calendar.Calendar, s calendar.Session) []schedule.Break {
	if !c.Combined() {
		if s.BreakStart.IsZero() {
			return nil
		}
		return []schedule.Break{{Start: s.BreakStart, End: s.BreakEnd}}
	}
	var out []schedule.Break
	at := s.Open
	for _, p := range c.Parts(s.Date, s.Date) {
		if p.Phase != calendar.Regular || !p.End.After(at) || !p.Start.Before(s.Close) {
			continue
		}
		if p.Start.After(at) {
			out = append(out, schedule.Break{Start: at, End: p.Start})
		}
		at = p.End
	}
	if at.Before(s.Close) && at.After(s.Open) {
		out = append(out, schedule.Break{Start: at, End: s.Close})
	}
	return out
}

// Hours are the stretches of time in which a calendar is not closed. For a single
// market they are its sessions; where one of several markets does, it is closed
// in between, and stretches that overlap are one. It is immutable.
type Hours struct {
	Sessions
	empty *atomic.Pointer[stretch]
}

// NewHours adapts a calendar, as NewDays does.
func NewHours(c *calendar.Calendar) Hours {
	return Hours{Sessions{c}, new(atomic.Pointer[stretch])}
}

// stretch is a time in dates, both included, without a session.
type stretch struct{ first, last calendar.Date }

// reach is how many dates a calendar is searched at least for a session.
const reach = 3 * 365

// after is SessionAfter of the calendar, which remembers where there is none: a
// combination may have none at all, and is asked for each nominal.
func (a Hours) after(t time.Time) (calendar.Session, bool) {
	d := calendar.DateOf(t.In(a.c.Location())) - 1
	known := a.empty.Load()
	if known == nil || d < known.first || d > known.last {
		s, ok := a.c.SessionAfter(t)
		if !ok {
			a.empty.Store(&stretch{d, d + reach - 1})
		}
		return s, ok
	}
	if d+reach/2 <= known.last {
		return calendar.Session{}, false
	}
	s, ok := a.c.SessionFrom(known.last + 1)
	if !ok {
		a.empty.Store(&stretch{known.first, known.last + reach})
	}
	return s, ok
}

// window is how many dates around an instant are looked at for the stretch that
// it is in: a session begins on the day before its date at the earliest.
const window = 2

// SessionAfter implements schedule.Sessions.
func (a Hours) SessionAfter(t time.Time) (schedule.Session, bool) {
	if !a.c.Combined() {
		return a.Sessions.SessionAfter(t)
	}
	s, ok := a.after(t)
	if !ok {
		return schedule.Session{}, false
	}
	for _, r := range runs(a.c, min(s.Date, calendar.DateOf(t.In(a.c.Location())))) {
		if r.Close.After(t) {
			return r, true
		}
	}
	// The hull of the next session holds no hours before it.
	for _, r := range runs(a.c, s.Date) {
		if r.Close.After(t) {
			return r, true
		}
	}
	return schedule.Session{}, false
}

// SessionBefore implements schedule.Sessions.
func (a Hours) SessionBefore(t time.Time) (schedule.Session, bool) {
	if !a.c.Combined() {
		return a.Sessions.SessionBefore(t)
	}
	s, ok := a.c.SessionBefore(t)
	if !ok {
		return schedule.Session{}, false
	}
	var last schedule.Session
	found := false
	for _, r := range runs(a.c, s.Date) {
		if r.Open.Before(t) {
			last, found = r, true
		}
	}
	return last, found
}

// runs are the stretches around a date, with their breaks. The first and the last
// may go on beyond the window, which makes no difference to whoever looks at
// those near the date.
func runs(c *calendar.Calendar, d calendar.Date) []schedule.Session {
	var out []schedule.Session
	for _, p := range c.Parts(d-window, d+window) {
		last := len(out) - 1
		if last < 0 || !out[last].Close.Equal(p.Start) {
			on := calendar.DateOf(p.Start.In(c.Location()))
			out = append(out, schedule.Session{Date: schedule.Date(on), Open: p.Start, Close: p.End, Unverified: unknown(c, on)})
			last++
		}
		out[last].Close = p.End
		if p.Phase == calendar.Break {
			out[last].Breaks = append(out[last].Breaks, schedule.Break{Start: p.Start, End: p.End})
		}
	}
	return out
}
