package calendar

import (
	"slices"
	"time"
)

// Calendar tells the sessions of one exchange, or of something like one. It is
// immutable and may be used by many goroutines.
type Calendar struct {
	code, name string
	aliases    []string
	loc        *time.Location
	sources    []string
	valid      span
	verified   []span
	def        *definition
	// table has an index into kinds for each day of valid.
	table []uint16
	kinds []kind
}

// Session is one trading day.
type Session struct {
	// Date names the session: the local date of its close.
	Date Date
	// Open and Close are instants in UTC, Open < Close.
	Open, Close time.Time
	// BreakStart and BreakEnd are both zero if there is no break; otherwise
	// Open < BreakStart < BreakEnd < Close.
	BreakStart, BreakEnd time.Time
	// EarlyClose and LateOpen compare with the regular hours of the date.
	EarlyClose, LateOpen bool
	// Verified says that the exchange has announced this date's hours.
	Verified bool
	// Reason says why the hours are not the regular ones; "" if they are.
	Reason string
}

// Load reads a data file of the format in the package comment. file is its name
// in errors, which are faults that name the line.
func Load(file string, data []byte) (*Calendar, error) {
	def, err := parse(file, data)
	if err != nil {
		return nil, err
	}
	return compile(file, def)
}

// Code is the calendar's own name, mostly a market identifier code.
func (c *Calendar) Code() string { return c.code }

// Name is the calendar's name for people.
func (c *Calendar) Name() string { return c.name }

// Aliases are other codes of the calendar.
func (c *Calendar) Aliases() []string { return slices.Clone(c.aliases) }

// Sources names the documents that the data rest on.
func (c *Calendar) Sources() []string { return slices.Clone(c.sources) }

// Location is the zone of the calendar's hours.
func (c *Calendar) Location() *time.Location { return c.loc }

// ValidThrough is the last date for which the calendar has rules. Later days
// follow the week and the regular hours only, as do those before ValidFrom.
func (c *Calendar) ValidThrough() Date { return c.valid.to }

// ValidFrom is the first date for which the calendar has rules.
func (c *Calendar) ValidFrom() Date { return c.valid.from }

// Verified reports whether d is within the announced dates.
func (c *Calendar) Verified(d Date) bool {
	return c.valid.has(d) && slices.ContainsFunc(c.verified, func(s span) bool { return s.has(d) })
}

func (c *Calendar) kind(d Date) kind {
	if c.valid.has(d) {
		return c.kinds[c.table[d-c.valid.from]]
	}
	hours, ok := c.def.regular(d)
	return kind{session: ok && c.def.workday(d), clocks: hours}
}

// IsSession reports whether there is a session of date d.
func (c *Calendar) IsSession(d Date) bool { return c.kind(d).session }

// Reason says why d is no session, or one with hours of its own; "" if it is a
// regular one.
func (c *Calendar) Reason(d Date) string { return c.kind(d).reason }

// Session returns the session of date d, if there is one.
func (c *Calendar) Session(d Date) (Session, bool) {
	k := c.kind(d)
	if !k.session {
		return Session{}, false
	}
	s := Session{
		Date: d, Open: d.At(k.clocks.open, c.loc).UTC(), Close: d.At(k.clocks.close, c.loc).UTC(),
		EarlyClose: k.early, LateOpen: k.late, Verified: c.Verified(d), Reason: k.reason,
	}
	if k.clocks.breakStart != k.clocks.breakEnd {
		s.BreakStart, s.BreakEnd = d.At(k.clocks.breakStart, c.loc).UTC(), d.At(k.clocks.breakEnd, c.loc).UTC()
	}
	return s, true
}
