package schedule

import (
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// source yields nominals in order. Next is strictly after, Prev strictly
// before the given time.
type source interface {
	Next(t time.Time) (Nominal, bool)
	Prev(t time.Time) (Nominal, bool)
}

// interval yields anchor + k * every, in Unix milliseconds: elapsed time, which
// no change of a clock touches.
type interval struct {
	anchor, every int64
	zone          *time.Location
}

// Next implements source.
func (i interval) Next(t time.Time) (Nominal, bool) {
	return i.at(floorDiv(t.UnixMilli()-i.anchor, i.every) + 1)
}

// Prev implements source.
func (i interval) Prev(t time.Time) (Nominal, bool) {
	ms := t.UnixMilli() // rounded down
	if t.Nanosecond()%int(time.Millisecond) == 0 {
		ms--
	}
	return i.at(floorDiv(ms-i.anchor, i.every))
}

func (i interval) at(k int64) (Nominal, bool) {
	ms := i.anchor + k*i.every
	if ms < minInstant*1000 || ms > maxInstant*1000 {
		return Nominal{}, false
	}
	return Nominal{At: time.UnixMilli(ms).UTC(), Zone: i.zone}, true
}

// moments is a list of nominals in order.
type moments []Nominal

// Next implements source.
func (m moments) Next(t time.Time) (Nominal, bool) {
	n := sort.Search(len(m), func(n int) bool { return m[n].At.After(t) })
	if n == len(m) {
		return Nominal{}, false
	}
	return m[n], true
}

// Prev implements source.
func (m moments) Prev(t time.Time) (Nominal, bool) {
	n := sort.Search(len(m), func(n int) bool { return !m[n].At.Before(t) })
	if n == 0 {
		return Nominal{}, false
	}
	return m[n-1], true
}

// merged makes one of equal neighbours.
func (m moments) merged() moments {
	var out moments
	for _, n := range m {
		if last := len(out) - 1; last >= 0 && out[last].At.Equal(n.At) {
			out[last] = merge(out[last], n)
		} else {
			out = append(out, n)
		}
	}
	return out
}

// local returns the instants of a single local time: none if it does not exist
// and is not to be made up, two for DSTOverlap both.
func local(zone *time.Location, l LocalTime, dst DST) []Nominal {
	first, last, ok, madeUp := instants(zone, int64(l))
	nominal := func(u int64, marks Marks) Nominal {
		return Nominal{At: time.Unix(u, 0).UTC(), Zone: zone, Marks: marks}
	}
	switch {
	case !ok && (!madeUp || dst.Gap == GapSkip):
		return nil
	case !ok:
		return []Nominal{nominal(first, DSTMoved)}
	case first == last:
		return []Nominal{nominal(first, 0)}
	}
	switch dst.Overlap {
	case OverlapSecond:
		return []Nominal{nominal(last, DSTRepeated)}
	case OverlapBoth:
		return []Nominal{nominal(first, DSTRepeated), nominal(last, DSTRepeated)}
	case OverlapAuto, OverlapFirst:
	}
	return []Nominal{nominal(first, DSTRepeated)}
}

// minEvery is the shortest interval.
const minEvery = time.Second

// parseDuration reads 1h30m, and PT1H30M or P1DT2H of ISO 8601.
func parseDuration(text string) (time.Duration, bool) {
	upper := strings.ToUpper(text)
	if !strings.HasPrefix(upper, "P") {
		d, err := time.ParseDuration(strings.ToLower(text))
		return d, err == nil
	}
	days, rest, timed := strings.Cut(upper[1:], "T")
	var total time.Duration
	if days != "" {
		n, ok := number(strings.TrimSuffix(days, "D"))
		if !ok || !strings.HasSuffix(days, "D") || n > 36500 {
			return 0, false
		}
		total = time.Duration(n) * 24 * time.Hour
	}
	if timed {
		d, err := time.ParseDuration(strings.ToLower(rest))
		// ParseDuration takes units in any order and below a second, ISO does not.
		if err != nil || rest == "" || strings.Trim(rest, "0123456789.HMS") != "" || strings.HasSuffix(rest, "MS") || d > 36500*24*time.Hour {
			return 0, false
		}
		total += d
	}
	return total, total > 0
}

// Session is one trading day of a market.
type Session struct {
	// Date is the day that the market counts it to.
	Date Date
	// Open and Close bound the regular hours; Close is after Open.
	Open, Close time.Time
	// Breaks are in order, inside of them.
	Breaks []Break
	// EarlyClose: the session ends before its usual time.
	EarlyClose bool
	// Unverified: the date is beyond what the calendar knows for sure.
	Unverified bool
}

// Break is a pause inside a session. Start belongs to it, End does not.
type Break struct{ Start, End time.Time }

// Sessions is a market's calendar. Sessions do not overlap, and a later date
// has later hours. Implementations are safe for concurrent use.
type Sessions interface {
	// SessionAfter returns the first session whose Close is after t; false if
	// the calendar has none.
	SessionAfter(t time.Time) (Session, bool)
	// SessionBefore returns the last session whose Open is before t.
	SessionBefore(t time.Time) (Session, bool)
}

// Event is a moment of a session.
type Event string

// The events. Those of a period exist only in its first or last session; a week
// begins on Monday.
const (
	EventOpen       Event = "open"
	EventClose      Event = "close"
	EventBreakStart Event = "break_start"
	EventBreakEnd   Event = "break_end"

	EventWeekStart    Event = "session_start_of_week"
	EventWeekEnd      Event = "session_end_of_week"
	EventMonthStart   Event = "session_start_of_month"
	EventMonthEnd     Event = "session_end_of_month"
	EventQuarterStart Event = "session_start_of_quarter"
	EventQuarterEnd   Event = "session_end_of_quarter"
	EventYearStart    Event = "session_start_of_year"
	EventYearEnd      Event = "session_end_of_year"
)

// EventSpec is for KindEvent: a moment of each session of Calendars.Event.
type EventSpec struct {
	// Calendar names the market; only Describe reads it.
	Calendar string
	// Event: "session_start" kinds are the open of that session, "session_end"
	// kinds its close.
	Event Event
	// Offset is elapsed time from the event; it may be negative.
	Offset time.Duration
	// Every, if not 0, repeats open + Offset + k * Every up to the close, without
	// what lies before the open or, unless DuringBreaks, in a break. It goes with
	// EventOpen only and is at least a second.
	Every        time.Duration
	DuringBreaks bool
}

// maxEventOffset keeps an offset from leading out of any calendar.
const maxEventOffset = 400 * 24 * time.Hour

func (t *Trigger) addEvents() error {
	s := t.spec.Event
	switch {
	case t.calendars.Event == nil:
		return invalid("a trigger of the kind EVENT needs a calendar with sessions")
	case !slices.Contains(Events(), s.Event):
		return fault.Newf(fault.TriggerInvalid, "no event %q", s.Event).WithHint("use open, close, break_start, break_end, or session_start_of_week and the like")
	case s.Every != 0 && s.Event != EventOpen:
		return invalid("every goes with the event open only")
	case s.Every != 0 && s.Every < minEvery || s.Every%time.Millisecond != 0 || s.Offset%time.Millisecond != 0:
		return invalid("every is at least a second, and whole milliseconds, like the offset")
	case s.Offset > maxEventOffset || s.Offset < -maxEventOffset:
		return invalid("the offset is larger than 400 days")
	}
	t.sources = append(t.sources, events{EventSpec: s, sessions: t.calendars.Event, zone: t.spec.Zone})
	return nil
}

// Events lists the events of a session.
func Events() []Event {
	return []Event{
		EventOpen, EventClose, EventBreakStart, EventBreakEnd, EventWeekStart, EventWeekEnd,
		EventMonthStart, EventMonthEnd, EventQuarterStart, EventQuarterEnd, EventYearStart, EventYearEnd,
	}
}

// events yields a moment of each session.
type events struct {
	EventSpec
	sessions Sessions
	zone     *time.Location
}

// maxSessions bounds a walk over sessions that have no such event: the last
// one of a year may be that far away, breaks that a market has abolished too.
const maxSessions = 3000

// Next implements source.
func (e events) Next(t time.Time) (Nominal, bool) {
	s, ok := e.sessions.SessionAfter(t.Add(-max(e.Offset, 0)))
	for range maxSessions {
		if !ok {
			break
		}
		if at, found := e.first(s, t); found {
			return e.nominal(at, s), true
		}
		s, ok = e.sessions.SessionAfter(s.Close)
	}
	return Nominal{}, false
}

// Prev implements source.
func (e events) Prev(t time.Time) (Nominal, bool) {
	s, ok := e.sessions.SessionBefore(t.Add(-min(e.Offset, 0)))
	for range maxSessions {
		if !ok {
			break
		}
		if at, found := e.last(s, t); found {
			return e.nominal(at, s), true
		}
		s, ok = e.sessions.SessionBefore(s.Open)
	}
	return Nominal{}, false
}

func (e events) nominal(at time.Time, s Session) Nominal {
	n := Nominal{At: at.UTC(), Zone: e.zone}
	if s.EarlyClose {
		n.Marks |= EarlyClose
	}
	if s.Unverified {
		n.Marks |= Unverified
	}
	return n
}

// first returns the session's first nominal after t.
func (e events) first(s Session, t time.Time) (time.Time, bool) {
	if e.Every == 0 {
		for _, at := range e.moments(s) {
			if at = at.Add(e.Offset); at.After(t) {
				return at, true
			}
		}
		return time.Time{}, false
	}
	at := s.Open.Add(e.Offset)
	if from := later(t.Add(1), s.Open); at.Before(from) {
		at = at.Add((from.Sub(at) + e.Every - 1) / e.Every * e.Every)
	}
	for ; at.Before(s.Close); at = at.Add(e.Every) {
		if e.DuringBreaks || !s.inBreak(at) {
			return at, true
		}
	}
	return time.Time{}, false
}

// last returns the session's last nominal before t.
func (e events) last(s Session, t time.Time) (time.Time, bool) {
	if e.Every == 0 {
		for _, at := range slices.Backward(e.moments(s)) {
			if at = at.Add(e.Offset); at.Before(t) {
				return at, true
			}
		}
		return time.Time{}, false
	}
	start := s.Open.Add(e.Offset)
	before := s.Close
	if t.Before(before) {
		before = t
	}
	if !start.Before(before) {
		return time.Time{}, false
	}
	at := start.Add((before.Sub(start) - 1) / e.Every * e.Every)
	for ; !at.Before(start) && !at.Before(s.Open); at = at.Add(-e.Every) {
		if e.DuringBreaks || !s.inBreak(at) {
			return at, true
		}
	}
	return time.Time{}, false
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// moments returns the event's instants in a session, without the offset.
func (e events) moments(s Session) []time.Time {
	switch e.Event {
	case EventOpen:
		return []time.Time{s.Open}
	case EventClose:
		return []time.Time{s.Close}
	case EventBreakStart, EventBreakEnd:
		var at []time.Time
		for _, b := range s.Breaks {
			if e.Event == EventBreakStart {
				at = append(at, b.Start)
			} else {
				at = append(at, b.End)
			}
		}
		return at
	case EventWeekStart, EventMonthStart, EventQuarterStart, EventYearStart:
		if before, ok := e.sessions.SessionBefore(s.Open); !ok || period(e.Event, before.Date) != period(e.Event, s.Date) {
			return []time.Time{s.Open}
		}
	case EventWeekEnd, EventMonthEnd, EventQuarterEnd, EventYearEnd:
		if after, ok := e.sessions.SessionAfter(s.Close); ok && period(e.Event, after.Date) != period(e.Event, s.Date) {
			return []time.Time{s.Close}
		}
	}
	return nil
}

// period numbers the week, month, quarter or year of a date.
func period(e Event, d Date) int {
	year, month, _ := d.Civil()
	switch e {
	case EventWeekStart, EventWeekEnd:
		return int(floorDiv(int64(d)+3, 7)) // 1970-01-01 was a Thursday
	case EventMonthStart, EventMonthEnd:
		return year*12 + int(month)
	case EventQuarterStart, EventQuarterEnd:
		return year*4 + (int(month)-1)/3
	case EventYearStart, EventYearEnd, EventOpen, EventClose, EventBreakStart, EventBreakEnd:
	}
	return year
}

func (s Session) inBreak(t time.Time) bool {
	for _, b := range s.Breaks {
		if !t.Before(b.Start) && t.Before(b.End) {
			return true
		}
	}
	return false
}
