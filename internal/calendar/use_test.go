package calendar

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/fault"
)

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func get(t testing.TB, s *Set, code string) *Calendar {
	t.Helper()
	c, err := s.Get(code)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEvents(t *testing.T) {
	t.Parallel()
	set := shippedSet(t)
	for _, c := range []struct {
		code       string
		kind       EventKind
		after      string
		next, prev string
	}{
		{"XNYS", EventOpen, "2026-07-02T13:30:00Z", "2026-07-06T13:30:00Z", "2026-07-01T13:30:00Z"},
		{"XNYS", EventClose, "2026-11-27T17:00:00Z", "2026-11-27T18:00:00Z", "2026-11-25T21:00:00Z"},
		{"XNYS", EventStartOfWeek, "2026-09-01T00:00:00Z", "2026-09-08T13:30:00Z", "2026-08-31T13:30:00Z"},
		{"XNYS", EventEndOfWeek, "2026-07-01T00:00:00Z", "2026-07-02T20:00:00Z", "2026-06-26T20:00:00Z"},
		{"XNYS", EventStartOfMonth, "2026-01-02T14:30:00Z", "2026-02-02T14:30:00Z", "2025-12-01T14:30:00Z"},
		{"XNYS", EventEndOfMonth, "2026-05-15T00:00:00Z", "2026-05-29T20:00:00Z", "2026-04-30T20:00:00Z"},
		{"XNYS", EventEndOfQuarter, "2026-05-15T00:00:00Z", "2026-06-30T20:00:00Z", "2026-03-31T20:00:00Z"},
		{"XNYS", EventStartOfQuarter, "2026-05-15T00:00:00Z", "2026-07-01T13:30:00Z", "2026-04-01T13:30:00Z"},
		{"XNYS", EventStartOfYear, "2026-05-15T00:00:00Z", "2027-01-04T14:30:00Z", "2026-01-02T14:30:00Z"},
		{"XNYS", EventEndOfYear, "2026-05-15T00:00:00Z", "2026-12-31T21:00:00Z", "2025-12-31T21:00:00Z"},
		{"XNYS", EventBreakStart, "2026-05-15T00:00:00Z", "", ""},
		{"CMES", EventOpen, "2026-07-05T00:00:00Z", "2026-07-05T22:00:00Z", "2026-07-02T22:00:00Z"},
		{"XNYS", "lunch", "2026-05-15T00:00:00Z", "", ""},
	} {
		cal, at := get(t, set, c.code), instant(t, c.after)
		show := func(e Event, ok bool) string {
			if !ok {
				return ""
			}
			return e.At.Format(time.RFC3339)
		}
		if got := show(cal.NextEvent(c.kind, at)); got != c.next {
			t.Errorf("%s: the %s after %s is %s, want %s", c.code, c.kind, c.after, got, c.next)
		}
		if got := show(cal.PreviousEvent(c.kind, at)); got != c.prev {
			t.Errorf("%s: the %s before %s is %s, want %s", c.code, c.kind, c.after, got, c.prev)
		}
	}
	cal := load(t)
	if e, ok := cal.NextEvent(EventBreakStart, instant(t, "2025-06-02T10:00:00Z")); !ok || e.At != instant(t, "2025-06-03T10:00:00Z") {
		t.Errorf("the break after the one at that time begins %v", e.At)
	}
}

// TestEventsWalk walks all kinds forward and backward: the sets are the same.
func TestEventsWalk(t *testing.T) {
	t.Parallel()
	cal := load(t, `closed easter -2 "x"`, `early 11:00 dec 24 "x"`)
	from, to := instant(t, "2024-06-01T00:00:00Z"), instant(t, "2026-06-01T00:00:00Z")
	for _, kind := range []EventKind{
		EventOpen, EventClose, EventBreakStart, EventBreakEnd,
		EventStartOfWeek, EventStartOfMonth, EventStartOfQuarter, EventStartOfYear,
		EventEndOfWeek, EventEndOfMonth, EventEndOfQuarter, EventEndOfYear,
	} {
		var forward, backward []time.Time
		for at := from; ; {
			e, ok := cal.NextEvent(kind, at)
			if !ok || !e.At.Before(to) {
				break
			}
			forward, at = append(forward, e.At), e.At
		}
		for at := to; ; {
			e, ok := cal.PreviousEvent(kind, at)
			if !ok || !e.At.After(from) {
				break
			}
			backward, at = append([]time.Time{e.At}, backward...), e.At
		}
		if diff := cmp.Diff(forward, backward); diff != "" || len(forward) < 2 {
			t.Errorf("%s, %d times: %s", kind, len(forward), diff)
		}
	}
}

func TestPhases(t *testing.T) {
	t.Parallel()
	cal := load(t, `closed on 2025-06-03 "x"`)
	for at, want := range map[string]Phase{
		"2025-06-02T06:59:59Z": Closed, "2025-06-02T07:00:00Z": Regular, "2025-06-02T10:00:00Z": Break,
		"2025-06-02T10:59:59Z": Break, "2025-06-02T11:00:00Z": Regular, "2025-06-02T14:59:59Z": Regular,
		"2025-06-02T15:00:00Z": Closed, "2025-06-03T09:00:00Z": Closed,
	} {
		if got := cal.Phase(instant(t, at)); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
	cmes := get(t, shippedSet(t), "CMES")
	if s, ok := cmes.SessionAt(instant(t, "2026-07-05T23:00:00Z")); !ok || s.Date.String() != "2026-07-06" {
		t.Errorf("Sunday evening is of the session %v", s.Date)
	}
}

func TestSessionsAroundAnInstant(t *testing.T) {
	t.Parallel()
	cmes := get(t, shippedSet(t), "CMES")
	for _, c := range []struct{ at, after, before string }{
		{"2026-07-05T21:59:00Z", "2026-07-06", "2026-07-03"}, // Sunday, before the opening
		{"2026-07-05T22:00:00Z", "2026-07-06", "2026-07-03"}, // at the opening
		{"2026-07-05T22:01:00Z", "2026-07-06", "2026-07-06"},
		{"2026-07-06T22:00:00Z", "2026-07-07", "2026-07-06"}, // at the close
	} {
		a, okA := cmes.SessionAfter(instant(t, c.at))
		b, okB := cmes.SessionBefore(instant(t, c.at))
		if !okA || !okB || a.Date.String() != c.after || b.Date.String() != c.before {
			t.Errorf("%s: after %v, before %v; want %s, %s", c.at, a.Date, b.Date, c.after, c.before)
		}
	}
	if !cmes.Workday(date(t, "2026-04-03")) || cmes.IsSession(date(t, "2026-04-03")) || cmes.Workday(date(t, "2026-04-04")) {
		t.Error("Good Friday is a holiday, the Saturday after it is none")
	}
}

func TestCombinations(t *testing.T) {
	t.Parallel()
	set := shippedSet(t)
	both, err := set.Resolve(Spec{AllOf: []Spec{{Code: "XNYS"}, {Code: "XLON"}}})
	if err != nil {
		t.Fatal(err)
	}
	either, err := set.Resolve(Spec{AnyOf: []Spec{{Code: "XNYS"}, {Code: "XLON"}}})
	if err != nil {
		t.Fatal(err)
	}
	neither, err := set.Resolve(Spec{Not: &Spec{AnyOf: []Spec{{Code: "XNYS"}, {Code: "XLON"}}}})
	if err != nil {
		t.Fatal(err)
	}
	working, err := set.Resolve(Spec{AllOf: []Spec{{Code: "DE"}, {Code: "XETR"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cal       *Calendar
		day, want string
	}{
		{both, "2026-06-01", "13:30-15:30 verified"},
		{both, "2026-07-03", "none"},
		{both, "2026-12-24", "none"}, // London has closed before New York opens
		{either, "2026-06-01", "07:00-20:00 verified"},
		{either, "2026-07-03", "07:00-15:30 verified"},
		{either, "2026-12-25", "none"},
		{neither, "2026-06-01", "none"},
		{neither, "2026-12-25", "05:00-05:00 verified Christmas Day"},
		{working, "2026-06-01", "07:00-15:30"},
		{working, "2026-05-25", "none"}, // Whit Monday, when Xetra trades
	} {
		if got := text(c.cal, date(t, c.day)); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.cal.Code(), c.day, got, c.want)
		}
		if _, ok := c.cal.Session(date(t, c.day)); ok != c.cal.IsSession(date(t, c.day)) {
			t.Errorf("%s %s: IsSession disagrees", c.cal.Code(), c.day)
		}
	}
	if p := either.Phase(instant(t, "2026-06-01T10:00:00Z")); p != Regular {
		t.Errorf("London alone: %s", p)
	}
	if p := both.Phase(instant(t, "2026-06-01T10:00:00Z")); p != Closed {
		t.Errorf("London alone, of both: %s", p)
	}
	if p := neither.Phase(instant(t, "2026-12-25T10:00:00Z")); p != Regular {
		t.Errorf("Christmas, of neither: %s", p)
	}
	if both.ValidThrough() != date(t, "2030-12-31") || both.Code() != "all_of(XNYS,XLON)" {
		t.Errorf("%s is valid through %v", both.Code(), both.ValidThrough())
	}
	deep := Spec{Code: "XNYS"}
	for range maxDepth {
		deep = Spec{Not: &Spec{Code: deep.Code, Not: deep.Not}}
	}
	for _, wrong := range []Spec{{}, {Code: "XNYS", Not: &Spec{Code: "XLON"}}, {AllOf: []Spec{}}, {Code: "NOPE"}, deep} {
		if c, err := set.Resolve(wrong); err == nil {
			t.Errorf("%+v is %s", wrong, c.Code())
		}
	}
}

// TestBreaksOfCombinations joins sessions with breaks.
func TestBreaksOfCombinations(t *testing.T) {
	t.Parallel()
	a := load(t)                                                 // 09:00-17:00, break 12:00-13:00
	b := load(t, "hours 12:30-20:00", "break 14:00-15:00")       // begins within the break of a
	c := load(t, "hours 08:00-16:00", "break 12:30-13:30")       // a break that overlaps
	d := load(t, "hours 08:00-20:00", "break none 2024-01-01..") // no break
	for _, x := range []struct {
		join op
		of   []*Calendar
		want string
	}{
		{allOf, []*Calendar{a, c}, "07:00-14:00 break 10:00-11:30 verified"},
		{anyOf, []*Calendar{a, c}, "06:00-15:00 break 10:30-11:00 verified"},
		{allOf, []*Calendar{a, d}, "07:00-15:00 break 10:00-11:00 verified"},
		{anyOf, []*Calendar{a, d}, "06:00-18:00 verified"},
		{anyOf, []*Calendar{a, b}, "07:00-18:00 verified"},
	} {
		joined, err := combine(x.join, x.of)
		if err != nil {
			t.Fatal(err)
		}
		if got := text(joined, date(t, "2025-06-02")); got != x.want {
			t.Errorf("%s: got %s, want %s", joined.Code(), got, x.want)
		}
	}
}

func TestFloatingCalendarsTakeAZone(t *testing.T) {
	t.Parallel()
	set := shippedSet(t)
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	if got := text(get(t, set, "WEEKDAYS").In(seoul), date(t, "2026-06-01")); got != "15:00-15:00 verified" {
		t.Errorf("a weekday in Seoul: %s", got)
	}
	if got := text(get(t, set, "XNYS").In(seoul), date(t, "2026-06-01")); got != "13:30-20:00 verified" {
		t.Errorf("New York in Seoul: %s", got)
	}
	off, err := Not(get(t, set, "WEEKDAYS"))
	if err != nil {
		t.Fatal(err)
	}
	if p := off.In(seoul).Phase(instant(t, "2026-06-05T15:00:00Z")); p != Regular {
		t.Errorf("Saturday, midnight in Seoul: %s", p)
	}
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	base := load(t, `closed may 1 "Labour Day"`, `early 15:00 on 2025-06-05 "x"`)
	cal, err := base.With([]Override{
		{Date: date(t, "2025-05-01"), Kind: OverrideOpen},
		{Date: date(t, "2025-06-02"), Kind: OverrideClosed, Reason: "flood"},
		{Date: date(t, "2025-06-05"), Kind: OverrideHours, Open: "10:00", Close: "16:00"},
		{Date: date(t, "2025-06-07"), Kind: OverrideHours, Open: "10:00", Close: "16:00", BreakStart: "12:00", BreakEnd: "12:30", Reason: "drill"},
		{Date: date(t, "2025-06-10"), Kind: OverrideHours, Open: "20:00", Close: "04:00", BreakStart: "23:00", BreakEnd: "00:30"},
		{Date: date(t, "2035-06-05"), Kind: OverrideClosed},
	})
	if err != nil {
		t.Fatal(err)
	}
	for day, want := range map[string]string{
		"2025-05-01": "07:00-15:00 break 10:00-11:00 verified overridden override",
		"2025-06-02": "none",
		"2025-06-05": "08:00-14:00 break 10:00-11:00 early late verified overridden override",
		"2025-06-07": "08:00-14:00 break 10:00-10:30 early late verified overridden drill",
		"2025-06-10": "18:00-02:00 break 21:00-22:30 early verified overridden override",
		"2035-06-05": "none",
	} {
		if day == "2025-06-05" {
			want = strings.Replace(want, " break 10:00-11:00", "", 1)
		}
		if got := text(cal, date(t, day)); got != want {
			t.Errorf("%s: got %s, want %s", day, got, want)
		}
	}
	if cal.Reason(date(t, "2025-06-02")) != "flood" || cal.Version() == base.Version() {
		t.Errorf("reason %q, version %s", cal.Reason(date(t, "2025-06-02")), cal.Version())
	}
	again, err := cal.With([]Override{{Date: date(t, "2025-06-02"), Kind: OverrideOpen}})
	if err != nil {
		t.Fatal(err)
	}
	if !again.IsSession(date(t, "2025-06-02")) || cal.IsSession(date(t, "2025-06-02")) || !base.IsSession(date(t, "2025-06-02")) {
		t.Error("an override did not replace the earlier one, or changed another calendar")
	}
	var changed []string
	for _, c := range Diff(base, cal, date(t, "2025-01-01"), date(t, "2025-12-31")) {
		changed = append(changed, c.Date.String())
		if (c.Old == nil) != !base.IsSession(c.Date) || (c.New == nil) != !cal.IsSession(c.Date) {
			t.Errorf("%v: %v, %v", c.Date, c.Old, c.New)
		}
	}
	if diff := cmp.Diff([]string{"2025-05-01", "2025-06-02", "2025-06-05", "2025-06-07", "2025-06-10"}, changed); diff != "" {
		t.Error(diff)
	}
}

func TestWrongOverrides(t *testing.T) {
	t.Parallel()
	base := load(t)
	day := date(t, "2025-06-02")
	for _, o := range []Override{
		{Date: day},
		{Date: day, Kind: "shut"},
		{Date: day, Kind: OverrideClosed, Open: "09:00"},
		{Date: day, Kind: OverrideHours},
		{Date: day, Kind: OverrideHours, Open: "9:00", Close: "10:00"},
		{Date: day, Kind: OverrideHours, Open: "09:00", Close: "17:00", BreakStart: "08:00", BreakEnd: "10:00"},
		{Date: day, Kind: OverrideHours, Open: "09:00", Close: "17:00", BreakStart: "12:00"},
		{Date: day, Kind: OverrideClosed, Reason: strings.Repeat("x", 201)},
		{Date: NewDate(1850, 1, 1), Kind: OverrideClosed},
	} {
		_, err := base.With([]Override{{Date: day + 1, Kind: OverrideClosed}, o})
		if f := fault.From(err); err == nil || f.Code != fault.InvalidInput || len(f.Fields) != 1 || f.Fields[0].Pointer != "/1" {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := base.With([]Override{{Date: day, Kind: OverrideClosed}, {Date: day, Kind: OverrideOpen}}); err == nil {
		t.Error("two overrides of one date are accepted")
	}
	all, err := combine(allOf, []*Calendar{base, base})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := all.With([]Override{{Date: day, Kind: OverrideClosed}}); err == nil {
		t.Error("a combination is overridden")
	}
}
