package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/fault"
)

// market is a calendar for tests: Monday to Friday without some holidays, from
// 9:00 to 15:30 with a break from 11:30 to 12:30; early days end at 13:00.
type market struct {
	zone            *time.Location
	holidays, early map[string]bool
	evening         bool // sessions begin at 17:00 of the evening before, without a break
	verifiedUpTo    Date
}

func (m market) Zone() *time.Location { return m.zone }

func (m market) Day(d Date) DayInfo {
	weekday := d.Weekday() != time.Saturday && d.Weekday() != time.Sunday
	info := DayInfo{In: weekday && !m.holidays[d.String()], EarlyClose: m.early[d.String()], Unverified: m.verifiedUpTo != 0 && d > m.verifiedUpTo}
	info.Holiday = weekday && !info.In
	return info
}

func (m market) at(d Date, hour, minute int) time.Time {
	y, month, day := d.Civil()
	return time.Date(y, month, day, hour, minute, 0, 0, m.zone)
}

func (m market) session(d Date) Session {
	s := Session{Date: d, Open: m.at(d, 9, 0), Close: m.at(d, 15, 30), EarlyClose: m.early[d.String()], Unverified: m.Day(d).Unverified}
	if m.evening {
		s.Open, s.Close = m.at(d-1, 17, 0), m.at(d, 17, 0)
		return s
	}
	s.Breaks = []Break{{m.at(d, 11, 30), m.at(d, 12, 30)}}
	if s.EarlyClose {
		s.Close = m.at(d, 13, 0)
	}
	return s
}

func (m market) SessionAfter(t time.Time) (Session, bool) {
	for d := DateIn(t, m.zone) - 2; ; d++ {
		if s := m.session(d); m.Day(d).In && s.Close.After(t) {
			return s, true
		}
	}
}

func (m market) SessionBefore(t time.Time) (Session, bool) {
	for d := DateIn(t, m.zone) + 2; ; d-- {
		if s := m.session(d); m.Day(d).In && s.Open.Before(t) {
			return s, true
		}
	}
}

// tokyo is closed from Monday, January 12, 2026; that Friday ends early.
func tokyo(t *testing.T) market {
	return market{
		zone:     mustZone(t, "Asia/Tokyo"),
		holidays: map[string]bool{"2026-01-01": true, "2026-01-02": true, "2026-01-12": true, "2026-02-11": true},
		early:    map[string]bool{"2026-01-16": true},
	}
}

func mustCompile(t *testing.T, s Spec, c Calendars) *Trigger {
	t.Helper()
	tr, err := Compile(s, c)
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	return tr
}

// list writes the next nominals: local time, marks, reason to skip.
func listNext(t *testing.T, s source, after string, count int) []string {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, after)
	if err != nil {
		t.Fatal(err)
	}
	checkSource(t, s, at)
	got := []string{}
	for range count {
		n, ok := s.Next(at)
		if !ok {
			break
		}
		at = n.At
		text := n.Local()
		if len(n.Marks.Strings()) > 0 {
			text += " " + strings.Join(n.Marks.Strings(), "+")
		}
		if n.Skip != "" {
			text += " skip:" + string(n.Skip)
		}
		got = append(got, text)
	}
	return got
}

func cronSpec(zone *time.Location, expressions ...string) Spec {
	return Spec{Kind: KindCron, Zone: zone, Cron: CronSpec{Expressions: expressions}}
}

func TestUnion(t *testing.T) {
	t.Parallel()
	tr := mustCompile(t, cronSpec(nil, "0 9 * * *", "0 */9 * * *", "@every 12h", "@reboot"), Calendars{})
	want := []string{
		"2026-01-10T12:00:00+00:00", "2026-01-10T18:00:00+00:00", "2026-01-11T00:00:00+00:00", "2026-01-11T09:00:00+00:00", "2026-01-11T12:00:00+00:00",
	}
	if diff := cmp.Diff(want, listNext(t, tr, "2026-01-10T09:00:00Z", 5)); diff != "" || !tr.Reboot() {
		t.Error(diff, tr.Reboot())
	}
	paris := mustZone(t, "Europe/Paris")
	tr = mustCompile(t, cronSpec(paris, "30 2 * * *", "0 3 * * *"), Calendars{})
	want = []string{"2026-03-29T03:00:00+02:00 dst_moved", "2026-03-30T02:30:00+02:00"}
	if diff := cmp.Diff(want, listNext(t, tr, "2026-03-28T12:00:00Z", 2)); diff != "" {
		t.Error(diff)
	}
}

func TestZoneOfExpression(t *testing.T) {
	t.Parallel()
	tr := mustCompile(t, cronSpec(nil, "CRON_TZ=Asia/Seoul 0 9 * * *", "0 10 * * *"), Calendars{})
	want := []string{"2026-01-11T09:00:00+09:00", "2026-01-11T10:00:00+09:00"}
	if diff := cmp.Diff(want, listNext(t, tr, "2026-01-10T12:00:00Z", 2)); diff != "" || tr.Spec().Zone.String() != "Asia/Seoul" {
		t.Error(diff, tr.Spec().Zone)
	}
	// An interval has a zone as well, and a mistake after it is what counts.
	if n, ok := mustCompile(t, cronSpec(nil, "CRON_TZ=Asia/Seoul @every 1h"), Calendars{}).Next(year(2026)); !ok || n.Zone.String() != "Asia/Seoul" {
		t.Error(n, ok)
	}
	var wrong *SyntaxError
	if _, err := Compile(cronSpec(nil, "CRON_TZ=Asia/Seoul 0 24 * * *"), Calendars{}); !errors.As(err, &wrong) || wrong.Column != 22 {
		t.Errorf("a mistake after CRON_TZ: %v", err)
	}
	if _, err := Compile(cronSpec(time.UTC, "CRON_TZ=Asia/Seoul 0 9 * * *"), Calendars{}); !errors.As(err, &wrong) || wrong.Column != 9 {
		t.Errorf("CRON_TZ against the spec's zone: %v", err)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	s := cronSpec(nil, "0 0 * * *")
	s.StartAt, s.EndAt = time.Date(2026, 1, 12, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 14, 0, 0, 0, 0, time.UTC)
	tr := mustCompile(t, s, Calendars{})
	want := []string{"2026-01-12T00:00:00+00:00", "2026-01-13T00:00:00+00:00"}
	if diff := cmp.Diff(want, listNext(t, tr, "2020-01-01T00:00:00Z", 9)); diff != "" {
		t.Error(diff)
	}
	if n, ok := tr.Prev(year(2030)); !ok || n.At.Day() != 13 {
		t.Errorf("the last is %v, %v", n.At, ok)
	}
	if n, ok := tr.Prev(s.StartAt); ok {
		t.Errorf("%v lies before start_at", n.At)
	}
	if tr.Never(year(2020)) || !tr.Never(s.EndAt) {
		t.Error("Never is wrong about the bounds")
	}
}

func TestInterval(t *testing.T) {
	t.Parallel()
	s := Spec{Kind: KindInterval, Zone: mustZone(t, "America/New_York"), Interval: IntervalSpec{Every: 90 * time.Minute}}
	// Elapsed time goes on through the gap at 2:00.
	want := []string{"2026-03-08T01:00:00-05:00", "2026-03-08T03:30:00-04:00", "2026-03-08T05:00:00-04:00"}
	if diff := cmp.Diff(want, listNext(t, mustCompile(t, s, Calendars{}), "2026-03-08T05:59:59Z", 3)); diff != "" {
		t.Error(diff)
	}
	s.Interval = IntervalSpec{Every: 7 * 24 * time.Hour, Anchor: time.Date(2026, 1, 7, 8, 30, 0, 250e6, time.UTC)}
	s.Zone = nil
	want = []string{"2025-12-31T08:30:00.25+00:00", "2026-01-07T08:30:00.25+00:00", "2026-01-14T08:30:00.25+00:00"}
	if diff := cmp.Diff(want, listNext(t, mustCompile(t, s, Calendars{}), "2025-12-24T08:30:00.250Z", 3)); diff != "" {
		t.Error(diff)
	}
	s.Interval.Mode = AfterCompletion
	s.StartAt, s.EndAt = year(2026), year(2027)
	tr := mustCompile(t, s, Calendars{})
	if n, ok := tr.Next(year(2026)); ok || tr.Never(year(2026)) {
		t.Errorf("after_completion yields %v", n.At)
	}
	end := time.Date(2026, 5, 1, 10, 20, 30, 123456789, time.UTC)
	if n, ok := tr.AfterRun(end); !ok || !n.At.Equal(time.Date(2026, 5, 8, 10, 20, 30, 123e6, time.UTC)) {
		t.Errorf("after %v: %v, %v", end, n.At, ok)
	}
	if n, ok := tr.AfterRun(year(2025)); !ok || !n.At.Equal(year(2026)) {
		t.Errorf("before start_at: %v, %v", n.At, ok)
	}
	if n, ok := tr.AfterRun(year(2027).AddDate(0, 0, -7)); ok {
		t.Errorf("at end_at: %v", n.At)
	}
}

func TestAt(t *testing.T) {
	t.Parallel()
	local := func(text string) LocalTime {
		l, err := ParseLocal(text)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseLocal(l.String()); err != nil || again != l {
			t.Fatalf("%s reads as %s: %v", text, again, err)
		}
		return l
	}
	s := Spec{Kind: KindAt, Zone: mustZone(t, "America/New_York"), At: AtSpec{
		Instants: []time.Time{time.Date(2026, 3, 8, 7, 0, 0, 0, time.UTC), year(2026)},
		Locals:   []LocalTime{local("2026-03-08T02:30"), local("2026-11-01 01:30:15"), local("2026-07-01 12:00"), local("2026-07-01T12:00:00")},
	}}
	want := []string{"2025-12-31T19:00:00-05:00", "2026-03-08T03:00:00-04:00 dst_moved", "2026-07-01T12:00:00-04:00", "2026-11-01T01:30:15-04:00 dst_repeated"}
	if diff := cmp.Diff(want, listNext(t, mustCompile(t, s, Calendars{}), "2020-01-01T00:00:00Z", 9)); diff != "" {
		t.Error(diff)
	}
	s.DST = DST{Gap: GapSkip, Overlap: OverlapBoth}
	want = []string{"2026-03-08T03:00:00-04:00", "2026-07-01T12:00:00-04:00", "2026-11-01T01:30:15-04:00 dst_repeated", "2026-11-01T01:30:15-05:00 dst_repeated"}
	if diff := cmp.Diff(want, listNext(t, mustCompile(t, s, Calendars{}), "2026-01-01T00:00:00Z", 9)); diff != "" {
		t.Error(diff)
	}
	s = Spec{Kind: KindAt, Zone: mustZone(t, "Pacific/Apia"), At: AtSpec{Locals: []LocalTime{local("2011-12-30T12:00")}}}
	if tr := mustCompile(t, s, Calendars{}); !tr.Never(year(2000)) {
		t.Error("a day that Samoa left out is made up")
	}
	for _, text := range []string{"", "2026-13-01T00:00", "2026-03-08", "2026-03-08T02:30Z", "2026-03-08T02:30:15.5"} {
		if l, err := ParseLocal(text); err == nil {
			t.Errorf("%q is %v", text, l)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	jst := mustZone(t, "Asia/Tokyo")
	for _, c := range []struct {
		name  string
		event EventSpec
		after string
		want  []string
	}{
		{"close and an offset", EventSpec{Event: EventClose, Offset: -10 * time.Minute}, "2026-01-14T00:00:00Z", []string{
			"2026-01-14T15:20:00+09:00", "2026-01-15T15:20:00+09:00", "2026-01-16T12:50:00+09:00 early_close", "2026-01-19T15:20:00+09:00",
		}},
		{"an open over a holiday", EventSpec{Event: EventOpen, Offset: 5 * time.Minute}, "2026-01-09T00:04:59Z", []string{
			"2026-01-09T09:05:00+09:00", "2026-01-13T09:05:00+09:00",
		}},
		{"a day before", EventSpec{Event: EventOpen, Offset: -12 * time.Hour}, "2026-01-09T00:00:00Z", []string{
			"2026-01-12T21:00:00+09:00", "2026-01-13T21:00:00+09:00",
		}},
		{"breaks", EventSpec{Event: EventBreakEnd}, "2026-01-09T00:00:00Z", []string{"2026-01-09T12:30:00+09:00", "2026-01-13T12:30:00+09:00"}},
		{"break starts", EventSpec{Event: EventBreakStart}, "2026-01-09T00:00:00Z", []string{"2026-01-09T11:30:00+09:00", "2026-01-13T11:30:00+09:00"}},
		{"weeks", EventSpec{Event: EventWeekStart}, "2026-01-06T00:00:00Z", []string{"2026-01-13T09:00:00+09:00", "2026-01-19T09:00:00+09:00"}},
		{"ends of weeks", EventSpec{Event: EventWeekEnd}, "2026-01-06T00:00:00Z", []string{"2026-01-09T15:30:00+09:00", "2026-01-16T13:00:00+09:00 early_close"}},
		{"months", EventSpec{Event: EventMonthStart}, "2026-01-01T00:00:00Z", []string{"2026-01-05T09:00:00+09:00", "2026-02-02T09:00:00+09:00"}},
		{"ends of months", EventSpec{Event: EventMonthEnd, Offset: time.Hour}, "2026-01-01T00:00:00Z", []string{"2026-01-30T16:30:00+09:00", "2026-02-27T16:30:00+09:00"}},
		{"quarters", EventSpec{Event: EventQuarterEnd}, "2026-01-01T00:00:00Z", []string{"2026-03-31T15:30:00+09:00", "2026-06-30T15:30:00+09:00"}},
		{"starts of quarters", EventSpec{Event: EventQuarterStart}, "2026-01-06T00:00:00Z", []string{"2026-04-01T09:00:00+09:00", "2026-07-01T09:00:00+09:00"}},
		{"years", EventSpec{Event: EventYearStart}, "2026-01-01T00:00:00Z", []string{"2026-01-05T09:00:00+09:00", "2027-01-01T09:00:00+09:00"}},
		{"ends of years", EventSpec{Event: EventYearEnd}, "2026-01-01T00:00:00Z", []string{"2026-12-31T15:30:00+09:00", "2027-12-31T15:30:00+09:00"}},
		{"repeated", EventSpec{Event: EventOpen, Every: time.Hour}, "2026-01-15T02:00:00Z", []string{
			"2026-01-15T13:00:00+09:00", "2026-01-15T14:00:00+09:00", "2026-01-15T15:00:00+09:00",
			"2026-01-16T09:00:00+09:00 early_close", "2026-01-16T10:00:00+09:00 early_close", "2026-01-16T11:00:00+09:00 early_close", "2026-01-19T09:00:00+09:00",
		}},
		{"repeated up to a close that is not included", EventSpec{Event: EventOpen, Every: 30 * time.Minute}, "2026-01-15T05:30:00Z", []string{
			"2026-01-15T15:00:00+09:00", "2026-01-16T09:00:00+09:00 early_close",
		}},
		{"repeated during breaks too", EventSpec{Event: EventOpen, Every: time.Hour, DuringBreaks: true}, "2026-01-15T02:00:00Z", []string{
			"2026-01-15T12:00:00+09:00", "2026-01-15T13:00:00+09:00",
		}},
		{"a break's start belongs to it", EventSpec{Event: EventOpen, Every: 30 * time.Minute}, "2026-01-15T02:00:00Z", []string{
			"2026-01-15T12:30:00+09:00", "2026-01-15T13:00:00+09:00",
		}},
		{"repeated after an offset", EventSpec{Event: EventOpen, Every: 2 * time.Hour, Offset: 10 * time.Minute}, "2026-01-15T00:00:00Z", []string{
			"2026-01-15T09:10:00+09:00", "2026-01-15T11:10:00+09:00", "2026-01-15T13:10:00+09:00", "2026-01-15T15:10:00+09:00", "2026-01-16T09:10:00+09:00 early_close",
		}},
		{"repeated from before the open", EventSpec{Event: EventOpen, Every: 2 * time.Hour, Offset: -time.Hour}, "2026-01-15T00:00:00Z", []string{
			"2026-01-15T10:00:00+09:00", "2026-01-15T14:00:00+09:00", "2026-01-16T10:00:00+09:00 early_close",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tr := mustCompile(t, Spec{Kind: KindEvent, Zone: jst, Event: c.event}, Calendars{Event: tokyo(t)})
			if diff := cmp.Diff(c.want, listNext(t, tr, c.after, len(c.want))); diff != "" {
				t.Error(diff)
			}
		})
	}
	m := tokyo(t)
	m.verifiedUpTo = dateOf(2026, 1, 15)
	strict := mustCompile(t, Spec{Kind: KindEvent, Strict: true, Event: EventSpec{Event: EventOpen}}, Calendars{Event: m})
	want := []string{"2026-01-15T00:00:00+00:00", "2026-01-16T00:00:00+00:00 early_close+unverified skip:calendar_expired"}
	if diff := cmp.Diff(want, listNext(t, strict, "2026-01-14T00:00:00Z", 2)); diff != "" {
		t.Error(diff)
	}
	if n, ok := strict.NextFiring(year(2027)); ok {
		t.Errorf("%s fires, strictly unverified", n.Local())
	}
	tr := mustCompile(t, Spec{Kind: KindEvent, Event: EventSpec{Event: EventOpen, Every: time.Hour, Offset: 300 * time.Hour}}, Calendars{Event: tokyo(t)})
	if !tr.Never(year(2026)) {
		t.Error("an open that is repeated from after the close fires")
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	m := tokyo(t)
	m.verifiedUpTo = dateOf(2026, 1, 15)
	s := cronSpec(m.zone, "0 9 * * *")
	for _, c := range []struct {
		name   string
		change func(*Spec)
		want   []string
	}{
		{"skip", func(*Spec) {}, []string{
			"2026-01-09T09:00:00+09:00", "2026-01-10T09:00:00+09:00 skip:non_session", "2026-01-11T09:00:00+09:00 skip:non_session",
			"2026-01-12T09:00:00+09:00 skip:holiday", "2026-01-13T09:00:00+09:00", "2026-01-14T09:00:00+09:00", "2026-01-15T09:00:00+09:00",
			"2026-01-16T09:00:00+09:00 early_close+unverified",
		}},
		{"next", func(s *Spec) { s.OnNonSession = NextSession }, []string{
			"2026-01-09T09:00:00+09:00", "2026-01-13T09:00:00+09:00", "2026-01-14T09:00:00+09:00",
		}},
		{"next, weekends only", func(s *Spec) {
			s.OnNonSession, s.Cron.Expressions = NextSession, []string{"0 9 * * SAT", "0 8 * * SUN"}
		}, []string{
			"2026-01-13T08:00:00+09:00 session_moved", "2026-01-13T09:00:00+09:00 session_moved",
			"2026-01-19T08:00:00+09:00 session_moved+unverified", "2026-01-19T09:00:00+09:00 session_moved+unverified",
		}},
		{"previous", func(s *Spec) {
			s.OnNonSession, s.Cron.Expressions = PreviousSession, []string{"0 9 * * MON", "0 12 * * SUN"}
		}, []string{
			"2026-01-09T09:00:00+09:00 session_moved", "2026-01-09T12:00:00+09:00 session_moved",
			"2026-01-16T12:00:00+09:00 session_moved+early_close+unverified", "2026-01-19T09:00:00+09:00 unverified",
		}},
		{"strict", func(s *Spec) { s.Strict, s.Cron.Expressions = true, []string{"0 9 14-17 * *"} }, []string{
			"2026-01-14T09:00:00+09:00", "2026-01-15T09:00:00+09:00", "2026-01-16T09:00:00+09:00 early_close+unverified skip:calendar_expired",
			"2026-01-17T09:00:00+09:00 unverified skip:calendar_expired",
		}},
		{"session", func(s *Spec) { s.OnlyIn, s.Cron.Expressions = InSession, []string{"30 8,11,15 * * *"} }, []string{
			"2026-01-09T08:30:00+09:00 skip:only_in", "2026-01-09T11:30:00+09:00", "2026-01-09T15:30:00+09:00 skip:only_in", "2026-01-10T08:30:00+09:00 skip:non_session",
		}},
		{"regular hours", func(s *Spec) { s.OnlyIn, s.Cron.Expressions = InRegularHours, []string{"0 9,12,13 * * *"} }, []string{
			"2026-01-09T09:00:00+09:00", "2026-01-09T12:00:00+09:00 skip:only_in", "2026-01-09T13:00:00+09:00",
		}},
		{"outside", func(s *Spec) { s.OnlyIn, s.Cron.Expressions = OutsideHours, []string{"0 8,9,12 * * *"} }, []string{
			"2026-01-09T08:00:00+09:00", "2026-01-09T09:00:00+09:00 skip:only_in", "2026-01-09T12:00:00+09:00",
		}},
		{"excluded", func(s *Spec) {
			s.Exclude = Exclude{Dates: []Date{dateOf(2026, 1, 13)}, Cron: []string{"* 9 14 * *", "CRON_TZ=Asia/Tokyo * * 15 * *"}}
			s.Cron.Expressions = []string{"30 0 9 13-16 * *"}
		}, []string{
			"2026-01-13T09:00:30+09:00 skip:excluded", "2026-01-14T09:00:30+09:00 skip:excluded", "2026-01-15T09:00:30+09:00 skip:excluded",
			"2026-01-16T09:00:30+09:00 early_close+unverified",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := s
			c.change(&s)
			tr := mustCompile(t, s, Calendars{Days: m, Hours: m})
			if diff := cmp.Diff(c.want, listNext(t, tr, "2026-01-08T12:00:00Z", len(c.want))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestCalendarZone: a market's dates are those of its own zone.
func TestCalendarZone(t *testing.T) {
	t.Parallel()
	m := market{zone: mustZone(t, "America/New_York")}
	s := cronSpec(mustZone(t, "Asia/Seoul"), "0 7 * * *")
	// 07:00 on Saturday in Seoul is 17:00 on Friday in New York.
	want := []string{"2026-01-10T07:00:00+09:00", "2026-01-11T07:00:00+09:00 skip:non_session", "2026-01-12T07:00:00+09:00 skip:non_session", "2026-01-13T07:00:00+09:00"}
	if diff := cmp.Diff(want, listNext(t, mustCompile(t, s, Calendars{Days: m}), "2026-01-09T00:00:00Z", 4)); diff != "" {
		t.Error(diff)
	}
	// An evening that belongs to Monday's session is no weekend.
	m.evening = true
	s = cronSpec(m.zone, "0 18 * * *")
	s.OnlyIn = InSession
	want = []string{"2026-01-09T18:00:00-05:00 skip:only_in", "2026-01-10T18:00:00-05:00 skip:non_session", "2026-01-11T18:00:00-05:00", "2026-01-12T18:00:00-05:00"}
	if diff := cmp.Diff(want, listNext(t, mustCompile(t, s, Calendars{Days: m, Hours: m}), "2026-01-09T12:00:00Z", 4)); diff != "" {
		t.Error(diff)
	}
	x := cronSpec(s.Zone, "0 18 * * *")
	tr := mustCompile(t, x, Calendars{Exclude: []Days{m}})
	want = []string{"2026-01-09T18:00:00-05:00 skip:excluded", "2026-01-10T18:00:00-05:00"}
	if diff := cmp.Diff(want, listNext(t, tr, "2026-01-09T12:00:00Z", 2)); diff != "" {
		t.Error(diff)
	}
}

// TestMovedLaws compares moving to sessions with a plain reading: take all
// nominals of a quarter, move each, sort.
func TestMovedLaws(t *testing.T) {
	t.Parallel()
	m := tokyo(t)
	m.holidays["2026-01-13"], m.holidays["2026-01-15"] = true, true
	rapid.Check(t, func(rt *rapid.T) {
		var expressions []string
		for range rapid.IntRange(1, 3).Draw(rt, "n") {
			expressions = append(expressions, fmt.Sprintf("%d %d %s * %s", rapid.IntRange(0, 59).Draw(rt, "minute"), rapid.IntRange(0, 23).Draw(rt, "hour"),
				rapid.SampledFrom([]string{"*", "10-14", "L"}).Draw(rt, "dom"), rapid.SampledFrom([]string{"*", "SAT", "0,1", "MON-FRI"}).Draw(rt, "dow")))
		}
		s := cronSpec(rapid.SampledFrom([]*time.Location{m.zone, time.UTC, mustZone(t, "America/New_York")}).Draw(rt, "zone"), expressions...)
		s.OnNonSession = rapid.SampledFrom([]OnNonSession{NextSession, PreviousSession}).Draw(rt, "policy")
		m := m
		calendars := Calendars{Days: m}
		if m.evening = rapid.Bool().Draw(rt, "evening"); m.evening {
			calendars = Calendars{Days: m, Hours: m}
		}
		tr := mustCompile(t, s, calendars)
		from, to := year(2026).AddDate(0, 0, -20), year(2026).AddDate(0, 3, 0)
		set := map[int64]bool{}
		for n, ok := tr.next(from); ok && n.At.Before(to); n, ok = tr.next(n.At) {
			d := DateIn(n.At, m.zone)
			days := 0
			for evening := m.session(d + 1); !m.Day(d + Date(days)).In; {
				if m.evening && m.Day(evening.Date).In && !n.At.Before(evening.Open) {
					break // it is in the session that begins now
				}
				if s.OnNonSession == NextSession {
					days++
				} else {
					days--
				}
			}
			set[n.At.In(s.Zone).AddDate(0, 0, days).Unix()] = true
		}
		lo, hi := year(2026).AddDate(0, 0, -5), to.AddDate(0, 0, -15)
		var want, forth, back []int64
		for u := range set {
			if u > lo.Unix() && u < hi.Unix() {
				want = append(want, u)
			}
		}
		slices.Sort(want)
		for n, ok := tr.Next(lo); ok && n.At.Before(hi); n, ok = tr.Next(n.At) {
			forth = append(forth, n.At.Unix())
		}
		for n, ok := tr.Prev(hi); ok && n.At.After(lo); n, ok = tr.Prev(n.At) {
			back = append(back, n.At.Unix())
		}
		slices.Reverse(back)
		if !slices.Equal(forth, want) || !slices.Equal(back, want) {
			rt.Fatalf("%v %s in %s:\n%v\n%v\n%v", expressions, s.OnNonSession, s.Zone, want, forth, back)
		}
	})
}

// asking counts how often a calendar is asked for a date.
type asking struct {
	market
	asked *int
}

func (c asking) Day(d Date) DayInfo {
	*c.asked++
	return c.market.Day(d)
}

// TestMovedAtOnce: what fires each second on a day off is not moved one by one,
// wherever the calendar's day begins.
func TestMovedAtOnce(t *testing.T) {
	t.Parallel()
	for _, policy := range []OnNonSession{NextSession, PreviousSession} {
		asked := 0
		m := asking{market{zone: mustZone(t, "America/New_York")}, &asked}
		s := cronSpec(time.UTC, "* * * * * *")
		s.OnNonSession = policy
		tr := mustCompile(t, s, Calendars{Days: m, Hours: m})
		saturday := time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)
		n, _ := tr.Next(saturday)
		p, _ := tr.Prev(saturday)
		if got := n.At.Format(time.RFC3339) + " " + p.At.Format(time.RFC3339); got != "2026-01-12T05:00:00Z 2026-01-10T04:59:59Z" || asked > 200 {
			t.Errorf("%s: %s, %d dates asked for", policy, got, asked)
		}
	}
}

func TestNextFiring(t *testing.T) {
	t.Parallel()
	m := tokyo(t)
	from := time.Date(2026, 1, 9, 6, 30, 0, 0, time.UTC) // the close of Friday
	for _, c := range []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"over a long weekend, every second", func(*Spec) {}, "2026-01-09T15:30:01+09:00"},
		{"in hours", func(s *Spec) { s.OnlyIn = InRegularHours }, "2026-01-13T09:00:00+09:00"},
		{"dates", func(s *Spec) { s.Cron.Expressions = []string{"* * * 10-20 * *"} }, "2026-01-13T00:00:00+09:00"},
		{"excluded dates end", func(s *Spec) {
			s.Exclude.Cron = []string{"* 0-8 13 * *"}
			s.Cron.Expressions = []string{"*/5 * 12,13 * *"}
		}, "2026-01-13T09:00:00+09:00"},
	} {
		s := cronSpec(m.zone, "* * * * * *")
		c.change(&s)
		n, ok := mustCompile(t, s, Calendars{Days: m, Hours: m}).NextFiring(from)
		if !ok || n.Local() != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, n.Local(), ok, c.want)
		}
	}
	s := cronSpec(m.zone, "0 9 * * SAT")
	if n, ok := mustCompile(t, s, Calendars{Days: m}).NextFiring(from); ok {
		t.Errorf("a Saturday is a session: %v", n.Local())
	}
}

func TestCompileRejects(t *testing.T) {
	t.Parallel()
	m := tokyo(t)
	for name, c := range map[string]struct {
		spec      Spec
		calendars Calendars
	}{
		"no kind":                  {Spec{}, Calendars{}},
		"unknown kind":             {Spec{Kind: "SUN"}, Calendars{}},
		"no expression":            {Spec{Kind: KindCron}, Calendars{}},
		"dialect":                  {Spec{Kind: KindCron, Cron: CronSpec{Expressions: []string{"* * * * *"}, Dialect: "x"}}, Calendars{}},
		"gap":                      {Spec{Kind: KindInterval, Interval: IntervalSpec{Every: time.Hour}, DST: DST{Gap: "x"}}, Calendars{}},
		"no interval":              {Spec{Kind: KindInterval}, Calendars{}},
		"short interval":           {Spec{Kind: KindInterval, Interval: IntervalSpec{Every: 999 * time.Millisecond}}, Calendars{}},
		"odd interval":             {Spec{Kind: KindInterval, Interval: IntervalSpec{Every: time.Second + 1}}, Calendars{}},
		"mode":                     {Spec{Kind: KindInterval, Interval: IntervalSpec{Every: time.Hour, Mode: "x"}}, Calendars{}},
		"no time":                  {Spec{Kind: KindAt}, Calendars{}},
		"no sessions":              {Spec{Kind: KindEvent, Event: EventSpec{Event: EventOpen}}, Calendars{}},
		"no event":                 {Spec{Kind: KindEvent}, Calendars{Event: m}},
		"every with close":         {Spec{Kind: KindEvent, Event: EventSpec{Event: EventClose, Every: time.Hour}}, Calendars{Event: m}},
		"short every":              {Spec{Kind: KindEvent, Event: EventSpec{Event: EventOpen, Every: 1}}, Calendars{Event: m}},
		"far offset":               {Spec{Kind: KindEvent, Event: EventSpec{Event: EventOpen, Offset: 10000 * time.Hour}}, Calendars{Event: m}},
		"on nothing":               {Spec{Kind: KindOn}, Calendars{}},
		"on, too early":            {Spec{Kind: KindOn, On: OnSpec{Event: "x", Delay: -1}}, Calendars{}},
		"on_non_session":           {Spec{Kind: KindOn, On: OnSpec{Event: "x"}, OnNonSession: "x"}, Calendars{}},
		"only_in":                  {Spec{Kind: KindOn, On: OnSpec{Event: "x"}, OnlyIn: "x"}, Calendars{}},
		"only_in without hours":    {Spec{Kind: KindOn, On: OnSpec{Event: "x"}, OnlyIn: InSession}, Calendars{}},
		"moved without a calendar": {Spec{Kind: KindOn, On: OnSpec{Event: "x"}, OnNonSession: NextSession}, Calendars{}},
		"end before start":         {Spec{Kind: KindOn, On: OnSpec{Event: "x"}, StartAt: year(2026), EndAt: year(2026)}, Calendars{}},
		"exclude @every":           {Spec{Kind: KindOn, On: OnSpec{Event: "x"}, Exclude: Exclude{Cron: []string{"@every 1h"}}}, Calendars{}},
	} {
		if _, err := Compile(c.spec, c.calendars); !fault.Is(err, fault.TriggerInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var wrong *SyntaxError
	if _, err := Compile(cronSpec(nil, "0 9 * * *", "0 9 * 0 *"), Calendars{}); !errors.As(err, &wrong) || wrong.Text != "0 9 * 0 *" || wrong.Column != 7 {
		t.Errorf("the second expression: %v", err)
	}
	s := cronSpec(nil, "0 9 * * *")
	s.Exclude.Cron = []string{"61 * * * *"}
	if _, err := Compile(s, Calendars{}); !errors.As(err, &wrong) || wrong.Text != "61 * * * *" {
		t.Errorf("an exclusion: %v", err)
	}
	if tr := mustCompile(t, Spec{Kind: KindOn, On: OnSpec{Event: "job.run.completed", Delay: time.Minute}}, Calendars{}); tr.Never(year(2026)) || tr.Spec().On.Event == "" {
		t.Error("a trigger of the kind ON never fires")
	}
}
