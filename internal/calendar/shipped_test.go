package calendar

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func shippedSet(t testing.TB) *Set {
	t.Helper()
	s, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestShippedProperties checks what holds for every calendar of the program.
func TestShippedProperties(t *testing.T) {
	t.Parallel()
	for _, c := range shippedSet(t).All() {
		t.Run(c.Code(), func(t *testing.T) {
			t.Parallel()
			exchange := !c.floating
			if exchange && len(c.Sources()) < 2 {
				t.Error("an exchange rests on two sources or more")
			}
			if exchange && (c.ValidFrom() > NewDate(2015, 1, 1) || c.ValidThrough() < NewDate(2026, 12, 31)) {
				t.Errorf("valid from %v through %v", c.ValidFrom(), c.ValidThrough())
			}
			var last Session
			for d := NewDate(2015, 1, 1); d <= NewDate(2031, 1, 31); d++ {
				s, ok := c.Session(d)
				if ok != c.IsSession(d) {
					t.Fatalf("%v: IsSession is %v", d, !ok)
				}
				if !ok {
					if c.Reason(d) == "" {
						t.Errorf("%v: no session and no reason", d)
					}
					continue
				}
				if err := ordered(s); err != nil {
					t.Errorf("%v: %v", d, err)
				}
				if s.Date != d || exchange && DateOf(s.Close.In(c.Location())) != d {
					t.Errorf("the session of %v has the date %v and closes %v", d, s.Date, s.Close)
				}
				if !last.Close.IsZero() && s.Open.Before(last.Close) {
					t.Errorf("%v opens before %v has closed", d, last.Date)
				}
				if last.Date != 0 {
					if p, ok := c.PreviousSession(d); !ok || p.Date != last.Date {
						t.Errorf("the session before %v is %v, want %v", d, p.Date, last.Date)
					}
					if n, ok := c.NextSession(last.Date); !ok || n.Date != d {
						t.Errorf("the session after %v is %v, want %v", last.Date, n.Date, d)
					}
				}
				if at, ok := c.SessionAt(s.Open); !ok || at.Date != d || c.Phase(s.Open) != Regular {
					t.Errorf("%v is not within its own opening", d)
				}
				last = s
			}
		})
	}
}

// TestFindAgreesWithShipped covers the short way to one calendar.
func TestFindAgreesWithShipped(t *testing.T) {
	t.Parallel()
	set := shippedSet(t)
	for _, code := range []string{"XNYS", "xnys", "24/7", "DE-BY", "XVIE", "weekdays", "nowhere"} {
		a, errA := Find(code)
		b, errB := set.Get(code)
		if (errA == nil) != (errB == nil) || errA == nil && (a.Code() != b.Code() || a.Version() != b.Version()) {
			t.Errorf("%s: %v, %v; %v, %v", code, a, errA, b, errB)
		}
	}
}

// exceptions lists the days of a year that are not as the week says: closed
// weekdays, and sessions with hours of their own in local time.
func exceptions(c *Calendar, year int) []string {
	var list []string
	for d := NewDate(year, 1, 1); d.Year() == year; d++ {
		s, ok := c.Session(d)
		weekday := d.Weekday() != time.Saturday && d.Weekday() != time.Sunday
		switch {
		case !ok && weekday:
			list = append(list, d.String()[5:])
		case s.EarlyClose || s.LateOpen || ok && !weekday:
			list = append(list, d.String()[5:]+" "+s.Open.In(c.loc).Format("15:04-")+s.Close.In(c.loc).Format("15:04"))
		}
	}
	return list
}

// TestGolden compares years with what the exchanges announced.
func TestGolden(t *testing.T) {
	t.Parallel()
	set := shippedSet(t)
	for _, c := range []struct {
		code string
		year int
		want string
	}{
		{"XNYS", 2018, "01-01, 01-15, 02-19, 03-30, 05-28, 07-03 09:30-13:00, 07-04, 09-03, 11-22, 11-23 09:30-13:00, 12-05, 12-24 09:30-13:00, 12-25"},
		{"XNYS", 2021, "01-01, 01-18, 02-15, 04-02, 05-31, 07-05, 09-06, 11-25, 11-26 09:30-13:00, 12-24"},
		{"XNYS", 2022, "01-17, 02-21, 04-15, 05-30, 06-20, 07-04, 09-05, 11-24, 11-25 09:30-13:00, 12-26"},
		{"XNAS", 2025, "01-01, 01-09, 01-20, 02-17, 04-18, 05-26, 06-19, 07-03 09:30-13:00, 07-04, 09-01, 11-27, 11-28 09:30-13:00, 12-24 09:30-13:00, 12-25"},
		{"XNYS", 2026, "01-01, 01-19, 02-16, 04-03, 05-25, 06-19, 07-03, 09-07, 11-26, 11-27 09:30-13:00, 12-24 09:30-13:00, 12-25"},
		{"CMES", 2025, "01-01, 01-09, 01-20 17:00-12:00, 02-17 17:00-12:00, 04-18, 05-26 17:00-12:00, 06-19 17:00-12:00, 07-04 17:00-12:00, 09-01 17:00-12:00, 11-27 17:00-12:00, 11-28 17:00-12:00, 12-24 17:00-12:00, 12-25"},
		{"XTSE", 2022, "01-03, 02-21, 04-15, 05-23, 07-01, 08-01, 09-05, 10-10, 12-26, 12-27"},
		{"BVMF", 2024, "01-01, 02-12, 02-13, 02-14 13:00-18:00, 03-29, 05-01, 05-30, 11-15, 11-20, 12-24, 12-25, 12-31"},
		{"XLON", 2020, "01-01, 04-10, 04-13, 05-08, 05-25, 08-31, 12-24 08:00-12:30, 12-25, 12-28, 12-31 08:00-12:30"},
		{"XLON", 2022, "01-03, 04-15, 04-18, 05-02, 06-02, 06-03, 08-29, 09-19, 12-23 08:00-12:30, 12-26, 12-27, 12-30 08:00-12:30"},
		{"XPAR", 2025, "01-01, 04-18, 04-21, 05-01, 12-24 09:00-14:05, 12-25, 12-26, 12-31 09:00-14:05"},
		{"XETR", 2021, "01-01, 04-02, 04-05, 05-24, 12-24, 12-30 09:00-14:00, 12-31"},
		{"XETR", 2024, "01-01, 03-29, 04-01, 05-01, 12-24, 12-25, 12-26, 12-30 09:00-14:00, 12-31"},
		{"XSWX", 2025, "01-01, 01-02, 04-18, 04-21, 05-01, 05-29, 06-09, 08-01, 12-24, 12-25, 12-26, 12-31"},
		{"XSTO", 2025, "01-01, 01-06, 04-17 09:00-13:00, 04-18, 04-21, 04-30 09:00-13:00, 05-01, 05-28 09:00-13:00, 05-29, 06-06, 06-20, 10-31 09:00-13:00, 12-24, 12-25, 12-26, 12-31"},
		{"XCSE", 2023, "04-06, 04-07, 04-10, 05-05, 05-18, 05-19, 05-29, 06-05, 12-25, 12-26"},
		{"XCSE", 2024, "01-01, 03-28, 03-29, 04-01, 05-09, 05-10, 05-20, 06-05, 12-24, 12-25, 12-26, 12-31"},
		{"XWAR", 2018, "01-01, 01-02, 03-30, 04-02, 05-01, 05-03, 05-31, 08-15, 11-01, 11-12, 12-24, 12-25, 12-26, 12-31"},
		{"XBUD", 2024, "01-01, 03-15, 03-29, 04-01, 05-01, 05-20, 08-19, 08-20, 10-23, 11-01, 12-24, 12-25, 12-26, 12-27, 12-31"},
		{"XATH", 2024, "01-01, 03-18, 03-25, 03-29, 04-01, 05-01, 05-03, 05-06, 05-07, 06-24, 08-15, 10-28, 12-24, 12-25, 12-26"},
		{"XATH", 2026, "01-01, 01-06, 02-23, 03-25, 04-03, 04-06, 04-10, 04-13, 05-01, 06-01, 10-28, 12-24, 12-25"},
		{"XIST", 2024, "01-01, 04-09 10:00-12:30, 04-10, 04-11, 04-12, 04-23, 05-01, 06-17, 06-18, 06-19, 07-15, 08-30, 10-28 10:00-12:30, 10-29"},
	} {
		cal, err := set.Get(c.code)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(strings.Split(c.want, ", "), exceptions(cal, c.year)); diff != "" {
			t.Errorf("%s %d (-want +got):\n%s", c.code, c.year, diff)
		}
	}
}

// TestSessionTimes checks instants around changes of the clocks.
func TestSessionTimes(t *testing.T) {
	t.Parallel()
	set := shippedSet(t)
	for _, c := range []struct{ code, day, want string }{
		{"XNYS", "2026-03-06", "14:30-21:00 verified"},
		{"XNYS", "2026-03-09", "13:30-20:00 verified"},
		{"XLON", "2026-03-27", "08:00-16:30 verified"},
		{"XLON", "2026-03-30", "07:00-15:30 verified"},
		{"XLIS", "2025-12-24", "08:00-13:05 early verified Christmas Eve"},
		{"XDUB", "2024-07-01", "07:00-15:28 verified"},
		{"BVMF", "2019-11-01", "13:00-20:00 verified"},
		{"BVMF", "2019-11-04", "13:00-21:00 verified"},
		{"CMES", "2026-03-09", "22:00-22:00 verified"},
		{"XHEL", "2025-01-07", "08:00-16:30 verified"},
		{"24/7", "2026-03-08", "00:00-00:00 verified"},
	} {
		cal, err := set.Get(c.code)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := text(cal, date(t, c.day)); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.code, c.day, got, c.want)
		}
	}
	cmes, err := set.Get("CME")
	if err != nil {
		t.Fatal(err)
	}
	s, ok := cmes.Session(date(t, "2026-03-09"))
	if want := time.Date(2026, 3, 8, 22, 0, 0, 0, time.UTC); !ok || !s.Open.Equal(want) || s.Duration() != 24*time.Hour {
		t.Errorf("the Monday session opens %v and lasts %v, want %v", s.Open, s.Duration(), want)
	}
}

// TestClockChanges checks At where clocks jump.
func TestClockChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, day string
		minute    int
		want      string
	}{
		{"America/New_York", "2026-03-08", 150, "2026-03-08T07:00:00Z"}, // 02:30 does not exist
		{"America/New_York", "2026-11-01", 90, "2026-11-01T05:30:00Z"},  // 01:30 exists twice
		{"America/Sao_Paulo", "2018-11-04", 0, "2018-11-04T03:00:00Z"},  // midnight does not exist
		{"Australia/Lord_Howe", "2026-10-04", 135, "2026-10-03T15:30:00Z"},
		{"Pacific/Apia", "2011-12-30", 600, "2011-12-30T10:00:00Z"}, // the day does not exist
		{"UTC", "2026-01-01", -60, "2025-12-31T23:00:00Z"},
		{"Asia/Tokyo", "2026-01-01", 24 * 60, "2026-01-01T15:00:00Z"},
	} {
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := date(t, c.day).At(c.minute, loc).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%s %s + %d min: got %s, want %s", c.zone, c.day, c.minute, got, c.want)
		}
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	for year := 1900; year <= 2200; year++ {
		for _, d := range []Date{easter(year), orthodoxEaster(year)} {
			if d.Weekday() != time.Sunday || d.Year() != year {
				t.Errorf("Easter of %d is %v, %v", year, d, d.Weekday())
			}
		}
	}
	for _, s := range []string{"0001-01-01", "1969-12-31", "2000-02-29", "9999-12-31"} {
		d := date(t, s)
		want, err := time.Parse(time.DateOnly, s)
		if err != nil || d.String() != s || d.Weekday() != want.Weekday() {
			t.Errorf("%s comes back as %v, %v", s, d, d.Weekday())
		}
	}
	for _, s := range []string{"", "2025-02-29", "2025-1-1", "25-01-01", "0000-01-01"} {
		if d, err := ParseDate(s); err == nil {
			t.Errorf("%q is read as %v", s, d)
		}
	}
}

// TestCountries looks at one year of some generated files.
func TestCountries(t *testing.T) {
	t.Parallel()
	set := shippedSet(t)
	for code, want := range map[string]string{
		"US":    "01-01, 01-19, 02-16, 05-25, 06-19, 07-03, 09-07, 10-12, 11-11, 11-26, 12-25",
		"DE":    "01-01, 04-03, 04-06, 05-01, 05-14, 05-25, 12-25",
		"DE-BY": "01-01, 01-06, 04-03, 04-06, 05-01, 05-14, 05-25, 06-04, 12-25",
		"GB":    "01-01, 04-03, 04-06, 05-04, 05-25, 08-31, 12-25, 12-28",
	} {
		c, err := set.Get(code)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := exceptions(c, 2026); !slices.Equal(got, strings.Split(want, ", ")) {
			t.Errorf("%s: got %v, want %s", code, got, want)
		}
	}
}
