package schedule

import (
	"slices"
	"sync/atomic"
	"time"
)

// DayInfo is what a calendar knows of a date.
type DayInfo struct {
	// In: the date belongs to the calendar. For a market that is a session.
	In bool
	// Holiday: it does not, though its day of the week would.
	Holiday bool
	// EarlyClose: a session that ends before its usual time.
	EarlyClose bool
	// Unverified: the date is beyond what the calendar knows for sure.
	Unverified bool
}

// Days is a calendar of dates: a market's sessions, working days, a list.
// Implementations are safe for concurrent use.
type Days interface {
	// Day tells about a date.
	Day(d Date) DayInfo
	// Zone is where the calendar's dates are local, as for a market; nil = where
	// the schedule is.
	Zone() *time.Location
}

// Calendars are the calendars that a Spec speaks of. What it does not use may
// be nil.
type Calendars struct {
	// Event has the sessions of a trigger of the kind EVENT.
	Event Sessions
	// Days are the dates that nominals are for; nil = all.
	Days Days
	// Hours has the sessions that OnlyIn is about.
	Hours Sessions
	// Exclude are the calendars whose dates are excluded.
	Exclude []Days
}

// maxDayWalk bounds the search for the next date of a calendar.
const maxDayWalk = 3660

func (t *Trigger) dateIn(days Days, at time.Time) Date {
	zone := t.spec.Zone
	if z := days.Zone(); z != nil {
		zone = z
	}
	return DateIn(at, zone)
}

// gap is a stretch of dates, both included, of which a calendar has none.
type gap struct{ first, last Date }

// longGap is how many dates without a session a search remembers.
const longGap = 8

// nearest returns the first date of the calendar from d on, d included, in
// steps of 1 or -1. It remembers where there was none: a calendar without dates
// for years must not be searched again for each nominal.
func (t *Trigger) nearest(d Date, step int) (Date, bool) {
	start, known := d, &t.gaps[(step+1)/2]
	for steps := 0; steps < maxDayWalk; steps++ {
		if g := known.Load(); g != nil && g.first <= d && d <= g.last {
			to := g.last + 1
			if step < 0 {
				to = g.first - 1
			}
			if steps += int(to-d) * step; steps >= maxDayWalk {
				break
			}
			d = to
		}
		if t.calendars.Days.Day(d).In {
			remember(known, gap{min(start, d-Date(step)), max(start, d-Date(step))}, steps)
			return d, true
		}
		d += Date(step)
	}
	end := start + Date(step*(maxDayWalk-1))
	remember(known, gap{min(start, end), max(start, end)}, maxDayWalk)
	return 0, false
}

// remember notes a gap of so many dates, and joins it to what is known if they
// touch.
func remember(known *atomic.Pointer[gap], g gap, dates int) {
	if dates < longGap {
		return
	}
	old := known.Load()
	if old != nil && g.first <= old.last+1 && old.first <= g.last+1 {
		if g = (gap{min(g.first, old.first), max(g.last, old.last)}); g == *old {
			return
		}
	}
	known.Store(&g)
}

// inSession tells whether the nominal's date belongs to the calendar, or its
// instant to a session that began on the evening before.
func (t *Trigger) inSession(at time.Time, d Date) bool {
	if t.calendars.Days.Day(d).In {
		return true
	}
	_, inside, _ := t.hours(at)
	return inside
}

// hours returns the session that at lies in or, if inside is false, the next
// one; its Open is then after at, or zero if there is none.
func (t *Trigger) hours(at time.Time) (s Session, inside, inBreak bool) {
	if t.calendars.Hours == nil {
		return Session{}, false, false
	}
	s, ok := t.calendars.Hours.SessionAfter(at)
	if !ok {
		return Session{}, false, false
	}
	inside = !at.Before(s.Open)
	return s, inside, inside && s.inBreak(at)
}

// judged adds the marks and the reason to skip that calendars and exclusions
// give a nominal.
func (t *Trigger) judged(n Nominal) Nominal {
	skip := func(reason Skip) {
		if n.Skip == "" {
			n.Skip = reason
		}
	}
	days := t.calendars.Days
	if n.Marks&Unverified != 0 && t.spec.Strict || days != nil && t.spec.Strict && days.Day(t.dateIn(days, n.At)).Unverified {
		skip(SkipExpired)
	}
	if days != nil {
		d := t.dateIn(days, n.At)
		info := days.Day(d)
		if info.EarlyClose {
			n.Marks |= EarlyClose
		}
		if info.Unverified {
			n.Marks |= Unverified
		}
		if !info.In && !t.inSession(n.At, d) {
			if info.Holiday {
				skip(SkipHoliday)
			} else {
				skip(SkipNonSession)
			}
		}
	}
	if t.spec.OnlyIn != Anywhere {
		_, inside, inBreak := t.hours(n.At)
		switch t.spec.OnlyIn {
		case InRegularHours:
			inside = inside && !inBreak
		case OutsideHours:
			inside = !inside || inBreak
		case Anywhere, InSession:
		}
		if !inside {
			skip(SkipHours)
		}
	}
	if t.excludesDate(n.At) || t.excludesTime(n) {
		skip(SkipExcluded)
	}
	return n
}

func (t *Trigger) excludesDate(at time.Time) bool {
	_, yes := t.excludedIn(at)
	return yes
}

// excludedIn tells whether the whole date is excluded, and in which zone it is one.
func (t *Trigger) excludedIn(at time.Time) (*time.Location, bool) {
	if slices.Contains(t.spec.Exclude.Dates, DateIn(at, t.spec.Zone)) {
		return t.spec.Zone, true
	}
	for _, days := range t.calendars.Exclude {
		if days.Day(t.dateIn(days, at)).In {
			if z := days.Zone(); z != nil {
				return z, true
			}
			return t.spec.Zone, true
		}
	}
	return nil, false
}

func (t *Trigger) excludesTime(n Nominal) bool {
	for _, c := range t.excluded {
		if c.Shows(n.At) || n.Marks&DSTMoved != 0 && c.movesTo(n.At) {
			return true
		}
	}
	return false
}

// resume returns the time after which the first nominal that may fire again
// lies, given a skipped one: it passes over dates and hours as a whole.
func (t *Trigger) resume(n Nominal) time.Time {
	zone := t.spec.Zone
	switch n.Skip {
	case SkipHoliday, SkipNonSession, SkipExpired:
		if t.calendars.Days == nil {
			return n.At
		}
		if z := t.calendars.Days.Zone(); z != nil {
			zone = z
		}
		if s, _, _ := t.hours(n.At); !s.Open.IsZero() {
			// A session may begin on the evening of a date that is none.
			return earlierOf(t.endOfDate(n.At, zone), s.Open.Add(-1))
		}
		return t.endOfDate(n.At, zone)
	case SkipHours:
		s, inside, _ := t.hours(n.At)
		if !inside && !s.Open.IsZero() && t.spec.OnlyIn != OutsideHours {
			return s.Open.Add(-1)
		}
	case SkipExcluded:
		// A whole date of the calendars and dates counts once, the times that an
		// expression excludes do not.
		if zone, whole := t.excludedIn(n.At); whole {
			return t.endOfDate(n.At, zone)
		}
	}
	return n.At
}

func earlierOf(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// endOfDate returns an instant at or after at, before the next local date.
func (t *Trigger) endOfDate(at time.Time, zone *time.Location) time.Time {
	midnight, _, _, _ := instants(zone, int64(LocalOf(DateIn(at, zone)+1, 0)))
	end := time.Unix(midnight, 0).Add(-1)
	if end.Before(at) {
		return at
	}
	return end
}

// placed moves a nominal to a session if the spec asks for it.
func (t *Trigger) placed(n Nominal) Nominal {
	days := t.calendars.Days
	d := t.dateIn(days, n.At)
	if t.inSession(n.At, d) {
		return n
	}
	step := 1
	if t.spec.OnNonSession == PreviousSession {
		step = -1
	}
	to, ok := t.nearest(d, step)
	if !ok {
		return n // it stays, and is skipped
	}
	_, offset := n.At.In(t.spec.Zone).Zone()
	second := n.At.Unix()
	moved := local(t.spec.Zone, LocalTime(second+int64(offset)+int64(to-d)*daySeconds), DST{})
	if len(moved) == 0 {
		return n
	}
	m := moved[0]
	m.At = m.At.Add(n.At.Sub(time.Unix(second, 0)))
	m.Marks |= n.Marks | SessionMoved
	return m
}

// nextPlaced is next after nominals were moved to sessions. Moving does not
// keep their order, so it looks at all that may land after the given time
// before the best one so far.
func (t *Trigger) nextPlaced(after time.Time) (Nominal, bool) {
	if t.spec.OnNonSession == SkipNominal {
		return t.next(after)
	}
	from := after
	if t.spec.OnNonSession == NextSession {
		from = t.calm(after, -1)
	}
	var best Nominal
	found := false
	for n, ok := t.next(from); ok; n, ok = t.next(from) {
		if found && t.landing(n.At, -1).After(best.At) {
			break
		}
		m := t.placed(n)
		from = t.beyond(n, m, after)
		if m.At.After(after) {
			best, found = earliest(best, found, m), true
		}
	}
	return best, found
}

// beyond returns an instant at or after n, which was moved to m, up to which other
// nominals of n's date need no look: they land at or before after, or later than
// m. Without it a nominal each second on a day off would be moved one by one.
func (t *Trigger) beyond(n, m Nominal, after time.Time) time.Time {
	_, to, ok := t.alike(n, m)
	if !m.At.After(after) {
		to = earlierOf(to, n.At.Add(after.Sub(m.At)))
	}
	if !ok || !t.steady(n.At, to, m.At.Sub(n.At)) {
		return n.At // one by one
	}
	return to
}

// before is beyond towards the past.
func (t *Trigger) before(n, m Nominal, before time.Time) time.Time {
	to, _, ok := t.alike(n, m)
	if !m.At.Before(before) {
		to = later(to, n.At.Add(before.Sub(m.At)))
	}
	if !ok || !t.steady(to, n.At, m.At.Sub(n.At)) {
		return n.At
	}
	return to
}

// alike returns the bounds, both included, of the instants around n that are moved
// by as many days as n, which became m; ok is false if there is no telling.
func (t *Trigger) alike(n, m Nominal) (from, to time.Time, ok bool) {
	days := t.calendars.Days
	zone := t.spec.Zone
	if z := days.Zone(); z != nil {
		zone = z
	}
	d := DateIn(n.At, zone)
	midnight, _, _, _ := instants(zone, int64(LocalOf(d, 0)))
	from, to = earlierOf(time.Unix(midnight, 0), n.At), t.endOfDate(n.At, zone)
	if days.Day(d).In {
		return from, to, true
	}
	s, inside, _ := t.hours(n.At)
	switch {
	case inside:
		return later(from, s.Open), earlierOf(to, s.Close.Add(-1)), true
	case m.At.Equal(n.At):
		return from, to, false
	case !s.Open.IsZero():
		to = earlierOf(to, s.Open.Add(-1)) // what lies in a session that begins on the evening before stays
	}
	if t.calendars.Hours != nil {
		if before, found := t.calendars.Hours.SessionBefore(n.At); found {
			from = later(from, before.Close)
		}
	}
	return from, to, true
}

// steady tells whether the schedule's clocks are not changed between two instants,
// nor where these are moved to.
func (t *Trigger) steady(from, to time.Time, by time.Duration) bool {
	offset := func(at time.Time) int { _, o := at.In(t.spec.Zone).Zone(); return o }
	return by == 0 || offset(from) == offset(to) && offset(from.Add(by)) == offset(to.Add(by))
}

func (t *Trigger) prevPlaced(before time.Time) (Nominal, bool) {
	if t.spec.OnNonSession == SkipNominal {
		return t.prev(before)
	}
	from := before
	if t.spec.OnNonSession == PreviousSession {
		from = t.calm(before, 1)
	}
	var best Nominal
	found := false
	for n, ok := t.prev(from); ok; n, ok = t.prev(from) {
		if found && t.landing(n.At, 1).Before(best.At) {
			break
		}
		m := t.placed(n)
		from = t.before(n, m, before)
		if m.At.Before(before) {
			best, found = latest(best, found, m), true
		}
	}
	return best, found
}

// calm returns an instant before (step -1) or after (step 1) at such that no
// nominal beyond it lands on the other side of at.
func (t *Trigger) calm(at time.Time, step int) time.Time {
	days := t.calendars.Days
	d := t.dateIn(days, at)
	if days.Day(d).In && days.Day(d+Date(step)).In && days.Day(d+2*Date(step)).In {
		return at
	}
	// A date in between, because the schedule's zone may be another one.
	to, ok := t.nearest(d+2*Date(step), step)
	if !ok {
		return at
	}
	return time.Unix(int64(to+Date(step))*daySeconds, 0).UTC()
}

// landing returns a bound for where nominals from at on may land: the earliest
// for step -1 with at ascending, the latest for step 1 with at descending.
func (t *Trigger) landing(at time.Time, step int) time.Time {
	if step < 0 && t.spec.OnNonSession == NextSession || step > 0 && t.spec.OnNonSession == PreviousSession {
		return at
	}
	to, ok := t.nearest(t.dateIn(t.calendars.Days, at), step)
	if !ok {
		return at
	}
	bound := time.Unix(int64(to+Date(2*step))*daySeconds, 0).UTC()
	if step < 0 && bound.After(at) || step > 0 && bound.Before(at) {
		return at
	}
	return bound
}

// SessionOver reports whether the session that a nominal of the kind EVENT belongs
// to has closed by now; false for all other kinds.
func (t *Trigger) SessionOver(n Nominal, now time.Time) bool {
	if t.spec.Kind != KindEvent {
		return false
	}
	s, ok := t.calendars.Event.SessionBefore(n.At.Add(1 - t.spec.Event.Offset))
	return ok && !now.Before(s.Close)
}
