package calendar

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// op is a way to combine calendars.
type op string

const (
	// allOf is the calendar that has a session on the dates on which all members have
	// one and trade at the same time: from the last opening to the first close. It is
	// within regular hours when all of them are. The zone is that of the first member
	// with a zone of its own.
	allOf op = "all_of"
	// anyOf is the calendar that has a session on the dates on which a member has one:
	// from the first opening to the last close. It is within regular hours when one of
	// them is, so there may be pauses within a session that is none of Session's break.
	anyOf op = "any_of"
	not   op = "not"
)

// maxMembers bounds the calendars of one combination.
const maxMembers = 16

// Not returns the calendar of the days, from midnight to midnight in the
// member's zone, on which the member has no session.
func Not(member *Calendar) (*Calendar, error) { return combine(not, []*Calendar{member}) }

// combination is the source of a combined calendar.
type combination struct {
	op      op
	members []*Calendar
	loc     *time.Location
}

func combine(how op, members []*Calendar) (*Calendar, error) {
	if len(members) == 0 || len(members) > maxMembers || slices.Contains(members, nil) {
		return nil, fault.Newf(fault.InvalidInput, "%s takes 1 to %d calendars", how, maxMembers)
	}
	c := &Calendar{valid: always, floating: true, loc: members[0].loc}
	codes := make([]string, 0, len(members))
	versions := sha256.New()
	for _, m := range members {
		codes = append(codes, m.code)
		versions.Write([]byte(m.version + " "))
		c.sources = append(c.sources, m.sources...)
		c.valid = span{max(c.valid.from, m.valid.from), min(c.valid.to, m.valid.to)}
		if c.floating && !m.floating {
			c.floating, c.loc = false, m.loc
		}
	}
	// Members without a zone count their days in the zone of the others.
	moved := make([]*Calendar, 0, len(members))
	for _, m := range members {
		moved = append(moved, m.In(c.loc))
	}
	c.code = string(how) + "(" + strings.Join(codes, ",") + ")"
	c.name, c.version = c.code, hex.EncodeToString(versions.Sum(nil)[:6])
	c.src = &combination{op: how, members: moved, loc: c.loc}
	return c, nil
}

func (c *combination) isSession(d Date) bool {
	switch c.op {
	case not:
		return !c.members[0].IsSession(d)
	case anyOf:
		return slices.ContainsFunc(c.members, func(m *Calendar) bool { return m.IsSession(d) })
	case allOf:
		_, ok := c.session(d)
		return ok
	}
	return false
}

func (c *combination) session(d Date) (Session, bool) {
	if c.op == not {
		if c.members[0].IsSession(d) {
			return Session{}, false
		}
		return Session{
			Date: d, Open: d.At(0, c.loc).UTC(), Close: d.At(24*60, c.loc).UTC(),
			Verified: c.verified(d), Reason: c.members[0].Reason(d),
		}, true
	}
	var found []Session
	for _, m := range c.members {
		if s, ok := m.Session(d); ok {
			found = append(found, s)
		} else if c.op == allOf {
			return Session{}, false
		}
	}
	if len(found) == 0 {
		return Session{}, false
	}
	s := found[0]
	for _, o := range found[1:] {
		s = c.merge(s, o)
	}
	s.Verified = c.verified(d)
	if !s.BreakStart.IsZero() && (!s.Open.Before(s.BreakStart) || !s.BreakEnd.Before(s.Close)) {
		// The break touches an end of what is common to all.
		if !s.BreakStart.After(s.Open) && s.BreakEnd.After(s.Open) {
			s.Open = s.BreakEnd
		}
		if !s.BreakEnd.Before(s.Close) && s.BreakStart.Before(s.Close) {
			s.Close = s.BreakStart
		}
		s.BreakStart, s.BreakEnd = time.Time{}, time.Time{}
	}
	return s, s.Open.Before(s.Close)
}

// merge joins the sessions of two members.
func (c *combination) merge(a, b Session) Session {
	s := a
	s.EarlyClose, s.LateOpen = a.EarlyClose || b.EarlyClose, a.LateOpen || b.LateOpen
	s.Overridden = a.Overridden || b.Overridden
	if s.Reason == "" {
		s.Reason = b.Reason
	}
	if c.op == allOf {
		s.Open, s.Close = later(a.Open, b.Open), earlier(a.Close, b.Close)
		switch {
		case a.BreakStart.IsZero():
			s.BreakStart, s.BreakEnd = b.BreakStart, b.BreakEnd
		case !b.BreakStart.IsZero():
			s.BreakStart, s.BreakEnd = earlier(a.BreakStart, b.BreakStart), later(a.BreakEnd, b.BreakEnd)
		}
		return s
	}
	s.Open, s.Close = earlier(a.Open, b.Open), later(a.Close, b.Close)
	s.BreakStart, s.BreakEnd = time.Time{}, time.Time{}
	if !a.BreakStart.IsZero() && !b.BreakStart.IsZero() {
		if from, to := later(a.BreakStart, b.BreakStart), earlier(a.BreakEnd, b.BreakEnd); from.Before(to) {
			s.BreakStart, s.BreakEnd = from, to
		}
	}
	return s
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (c *combination) reason(d Date) string {
	for _, m := range c.members {
		if r := m.Reason(d); r != "" {
			return r
		}
	}
	return ""
}

// workday of a negation is every day: which of them count is what it says.
func (c *combination) workday(d Date) bool {
	has := func(m *Calendar) bool { return m.Workday(d) }
	switch c.op {
	case anyOf:
		return slices.ContainsFunc(c.members, has)
	case allOf:
		return !slices.ContainsFunc(c.members, func(m *Calendar) bool { return !has(m) })
	case not:
	}
	return true
}

func (c *combination) verified(d Date) bool {
	return !slices.ContainsFunc(c.members, func(m *Calendar) bool { return !m.Verified(d) })
}

func (c *combination) phase(t time.Time) Phase {
	if c.op == not {
		if c.isSession(DateOf(t.In(c.loc))) {
			return Regular
		}
		return Closed
	}
	best, worst := Closed, Regular
	for _, m := range c.members {
		p := m.Phase(t)
		if rank(p) > rank(best) {
			best = p
		}
		if rank(p) < rank(worst) {
			worst = p
		}
	}
	if c.op == anyOf {
		return best
	}
	return worst
}

// rank orders phases by how much trades.
func rank(p Phase) int { return slices.Index([]Phase{Closed, Break, Regular}, p) }

func (c *combination) in(loc *time.Location) source {
	moved := &combination{op: c.op, loc: loc}
	for _, m := range c.members {
		moved.members = append(moved.members, m.In(loc))
	}
	return moved
}

func (c *combination) edges(from, to Date) []time.Time {
	var out []time.Time
	if c.op == not {
		for d := from; d <= to+1; d++ {
			out = append(out, d.At(0, c.loc).UTC())
		}
		return out
	}
	for _, m := range c.members {
		out = append(out, m.src.edges(from, to)...)
	}
	return out
}
