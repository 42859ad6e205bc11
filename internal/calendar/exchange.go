package calendar

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"time"
)

// exchange is the source of a calendar that a data file defines.
type exchange struct {
	def *definition
	// table has an index into kinds for each day of the valid span.
	table []uint16
	kinds []kind
	// overrides beat all of that.
	overrides map[Date]kind
}

// Load reads a data file of the format in the package comment. file is its name
// in errors, which are faults of the code invalid_input that name the line.
func Load(file string, data []byte) (*Calendar, error) {
	def, err := parse(file, data)
	if err != nil {
		return nil, err
	}
	x, err := compile(file, def)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	return &Calendar{
		code: def.mic, name: def.name, aliases: def.aliases, sources: def.sources,
		version: hex.EncodeToString(sum[:6]), loc: def.loc, valid: def.valid, floating: def.floating, src: x,
	}, nil
}

// kind finds what happens on d.
func (x *exchange) kind(d Date) kind {
	if k, ok := x.overrides[d]; ok {
		return k
	}
	return x.shipped(d)
}

// shipped is kind without overrides.
func (x *exchange) shipped(d Date) kind {
	if x.table != nil && x.def.valid.has(d) {
		return x.kinds[x.table[d-x.def.valid.from]]
	}
	if !x.def.workday(d) {
		return kind{reason: DayOff}
	}
	hours, ok := x.def.regular(d)
	return kind{session: ok, clocks: hours}
}

// isSession is session without its times. A change of the clocks can swallow a
// short session whole.
func (x *exchange) isSession(d Date) bool {
	k := x.kind(d)
	if k.session && k.clocks.close-k.clocks.open < longestGap {
		_, ok := x.session(d)
		return ok
	}
	return k.session
}

// longestGap is longer, in minutes, than what clocks ever leave out within a day
// that exists.
const longestGap = 4 * 60

func (x *exchange) reason(d Date) string { return x.kind(d).reason }

func (x *exchange) workday(d Date) bool { return x.def.workday(d) }

func (x *exchange) verified(d Date) bool {
	if _, ok := x.overrides[d]; ok {
		return true
	}
	return x.def.valid.has(d) && slices.ContainsFunc(x.def.verified, func(s span) bool { return s.has(d) })
}

func (x *exchange) session(d Date) (Session, bool) {
	k := x.kind(d)
	if !k.session {
		return Session{}, false
	}
	loc := x.def.loc
	_, overridden := x.overrides[d]
	s := Session{
		Date: d, Open: d.At(k.clocks.open, loc).UTC(), Close: d.At(k.clocks.close, loc).UTC(),
		EarlyClose: k.early, LateOpen: k.late, Verified: x.verified(d), Overridden: overridden, Reason: k.reason,
	}
	if k.clocks.breakStart != k.clocks.breakEnd {
		s.BreakStart, s.BreakEnd = d.At(k.clocks.breakStart, loc).UTC(), d.At(k.clocks.breakEnd, loc).UTC()
		if !s.Open.Before(s.BreakStart) || !s.BreakStart.Before(s.BreakEnd) || !s.BreakEnd.Before(s.Close) {
			s.BreakStart, s.BreakEnd = time.Time{}, time.Time{} // swallowed as well
		}
	}
	return s, s.Open.Before(s.Close)
}

// phase looks at the days around t: a session may begin on the evening before
// its date.
func (x *exchange) phase(t time.Time) Phase {
	day := DateOf(t.In(x.def.loc))
	for d := day - 1; d <= day+1; d++ {
		if s, ok := x.session(d); ok {
			if p := s.Phase(t); p != Closed {
				return p
			}
		}
	}
	return Closed
}

func (x *exchange) in(loc *time.Location) source {
	moved, def := *x, *x.def
	def.loc, moved.def = loc, &def
	return &moved
}

// with returns the source with more overrides, which beat those it has.
func (x *exchange) with(more map[Date]kind) *exchange {
	c := *x
	c.overrides = maps.Clone(x.overrides)
	if c.overrides == nil {
		c.overrides = map[Date]kind{}
	}
	maps.Copy(c.overrides, more)
	return &c
}

func (x *exchange) edges(from, to Date) []time.Time {
	var out []time.Time
	for d := from; d <= to; d++ {
		s, ok := x.session(d)
		if !ok {
			continue
		}
		out = append(out, s.Open, s.Close)
		if !s.BreakStart.IsZero() {
			out = append(out, s.BreakStart, s.BreakEnd)
		}
	}
	return out
}
