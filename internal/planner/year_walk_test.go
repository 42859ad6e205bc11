package planner_test

import (
	"hash/fnv"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/calendar"
)

// The slow reading of when nominals are. It shares no code with package schedule:
// it looks at what the clocks on the wall show in each minute of the year, and at
// the days of an exchange one by one.

// moment is a nominal by the slow reading.
type moment struct {
	at   time.Time
	skip agenda.Reason // by calendars and exclusions
	over time.Time     // the close of the session whose event it is
}

func nominalAt(at time.Time) moment { return moment{at: at.UTC()} }

// wall is what the clocks of a zone show, in minutes since 1970, minute by minute.
type wall struct {
	zone  *time.Location
	start int64
	shown []int64
}

// margin is how far the walk goes beyond the year on both sides.
const margin = 60 * 24 * time.Hour

func newWall(zone *time.Location, from, to time.Time) *wall {
	w := &wall{zone: zone, start: from.Add(-margin).Unix() / 60}
	for m := w.start; m < to.Add(margin).Unix()/60; m++ {
		_, offset := time.Unix(m*60, 0).In(zone).Zone()
		w.shown = append(w.shown, m+int64(offset)/60)
	}
	return w
}

func (w *wall) at(i int) time.Time { return time.Unix((w.start+int64(i))*60, 0).UTC() }

// written are the local times that an expression names. A rhythm's minute or hour
// begins with a star.
type written struct {
	rhythm bool
	second int
	time   func(hour, minute int) bool
	date   func(d time.Time) bool // d is midnight UTC
}

// fires lists the instants of written times.
func (w *wall) fires(r written) (out []moment) {
	var times [1440]bool
	for m := range times {
		times[m] = r.time(m/60, m%60)
	}
	dates := map[int64]bool{}
	names := func(local int64) bool {
		if !times[local%1440] {
			return false
		}
		day := local / 1440
		yes, known := dates[day]
		if !known {
			yes = r.date(time.Unix(day*86400, 0).UTC())
			dates[day] = yes
		}
		return yes
	}
	highest := w.shown[0] - 1
	for i, l := range w.shown {
		moved := false
		for x := highest + 1; x < l && l-highest <= 180 && !r.rhythm; x++ {
			moved = moved || names(x) // the clocks never show it
		}
		if moved {
			out = append(out, nominalAt(w.at(i)))
		}
		if names(l) && (r.rhythm || l > highest) && !(moved && r.second == 0) {
			out = append(out, nominalAt(w.at(i).Add(time.Duration(r.second)*time.Second)))
		}
		highest = max(highest, l)
	}
	return out
}

// when is the instant at which the clocks first show a time, or else the first one
// after the gap in which it lies.
func (w *wall) when(local int64) time.Time {
	for i, l := range w.shown {
		if l >= local {
			return w.at(i)
		}
	}
	return time.Time{}
}

func (w *wall) local(t time.Time) int64 { return w.shown[t.Unix()/60-w.start] }

// market is a calendar, day by day.
type market struct {
	zone  *time.Location
	dates map[calendar.Date]bool
	list  []calendar.Session
}

func newMarket(t *testing.T, code string, zone *time.Location, from, to time.Time) *market {
	t.Helper()
	set, err := calendar.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	c, err := set.Get(code)
	if err != nil {
		t.Fatal(err)
	}
	c = c.In(zone)
	m := &market{zone: c.Location(), dates: map[calendar.Date]bool{}}
	for d := calendar.DateOf(from.Add(-margin)); d <= calendar.DateOf(to.Add(margin)); d++ {
		if s, ok := c.Session(d); ok {
			m.dates[d] = true
			m.list = append(m.list, s)
		}
	}
	return m
}

func (m *market) inside(at time.Time) (in, pause bool) {
	for _, s := range m.list {
		if !at.Before(s.Open) && at.Before(s.Close) {
			return true, !at.Before(s.BreakStart) && at.Before(s.BreakEnd)
		}
	}
	return false, false
}

func (m *market) open(at time.Time) bool {
	in, _ := m.inside(at)
	return in || m.dates[calendar.DateOf(at.In(m.zone))]
}

// closed gives the nominals on days off their reason.
func (m *market) closed(list []moment) []moment {
	for i, n := range list {
		if m.open(n.at) {
			continue
		}
		list[i].skip = "holiday"
		if d := n.at.In(m.zone).Weekday(); d == time.Saturday || d == time.Sunday {
			list[i].skip = "non_session"
		}
	}
	return list
}

// hours gives those outside of the regular hours theirs.
func (m *market) hours(list []moment) []moment {
	for i, n := range list {
		if in, pause := m.inside(n.at); n.skip == "" && (!in || pause) {
			list[i].skip = "only_in"
		}
	}
	return list
}

// next moves the nominals on days off to the next session, at the same local time.
func (m *market) next(list []moment, w *wall) []moment {
	for i, n := range list {
		if m.open(n.at) {
			continue
		}
		d, days := calendar.DateOf(n.at.In(m.zone)), int64(0)
		for !m.dates[d] && days < 40 {
			d++
			days++
		}
		list[i] = nominalAt(w.when(w.local(n.at) + days*1440))
	}
	return ordered(list)
}

// ordered sorts nominals and merges those at the same instant; what is not skipped
// wins.
func ordered(list []moment) []moment {
	slices.SortStableFunc(list, func(a, b moment) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return len(a.skip) - len(b.skip)
	})
	return slices.CompactFunc(list, func(a, b moment) bool { return a.at.Equal(b.at) })
}

// sessions lists an event of each session. last says which sessions count, by
// themselves and the session after them; first by the one before.
func (m *market) sessions(offset time.Duration, at func(s calendar.Session) time.Time, counts func(before, s, after calendar.Session) bool) (out []moment) {
	for i := 1; i+1 < len(m.list); i++ {
		if s := m.list[i]; counts == nil || counts(m.list[i-1], s, m.list[i+1]) {
			if t := at(s); !t.IsZero() {
				out = append(out, moment{at: t.Add(offset).UTC(), over: s.Close})
			}
		}
	}
	return out
}

// every lists instants from each open on, before the close and outside the break.
func (m *market) every(d time.Duration) (out []moment) {
	for _, s := range m.list {
		for t := s.Open; t.Before(s.Close); t = t.Add(d) {
			if t.Before(s.BreakStart) || !t.Before(s.BreakEnd) {
				out = append(out, moment{at: t.UTC(), over: s.Close})
			}
		}
	}
	return out
}

// intervals lists anchor + k * every.
func intervals(anchor time.Time, every time.Duration, from, to time.Time) (out []moment) {
	at := anchor
	for ; at.After(from); at = at.Add(-every) {
	}
	for ; at.Before(to); at = at.Add(every) {
		out = append(out, nominalAt(at))
	}
	return out
}

// scatter is the hash by which delays are spread: what was promised to users, whose
// schedules must not move with a release.
func scatter(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write(append([]byte(p), 0))
	}
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// dueOf is when a nominal is due: later by the schedule's offset and the nominal's
// jitter, together before the following nominal (zero = there is none).
func dueOf(id string, p agenda.Policy, at, following time.Time) time.Time {
	var fixed, own time.Duration
	if s := uint64(p.Offset / time.Second); s > 0 {
		fixed = time.Duration(scatter(id, "offset")%s) * time.Second
	}
	room := p.Jitter
	if !following.IsZero() {
		free := following.Sub(at) - time.Millisecond
		fixed = min(fixed, free)
		room = min(room, free-fixed+time.Millisecond)
	}
	if ms := uint64(room / time.Millisecond); ms > 0 {
		own = time.Duration(scatter(id, "jitter", strconv.FormatInt(at.UnixMilli(), 10))%ms) * time.Millisecond
	}
	return at.Add(fixed + own)
}
