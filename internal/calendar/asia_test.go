package calendar

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// asian loads a shipped data file by its code.
func asian(t *testing.T, mic string) *Calendar {
	t.Helper()
	name := "data/" + strings.ToLower(mic) + ".cal"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(name, data)
	if err != nil {
		t.Fatal(err)
	}
	if c.Code() != mic {
		t.Errorf("%s holds %s", name, c.Code())
	}
	if len(c.Sources()) < 2 {
		t.Errorf("%s names %d sources", name, len(c.Sources()))
	}
	return c
}

// local writes a day as testdata/asia.txt does.
func local(c *Calendar, d Date) string {
	s, ok := c.Session(d)
	if !ok {
		return "closed"
	}
	at := func(t time.Time) string { return t.In(c.Location()).Format("15:04") }
	text := at(s.Open) + "-" + at(s.Close)
	if !s.BreakStart.IsZero() {
		text += " " + at(s.BreakStart) + "-" + at(s.BreakEnd)
	}
	return text
}

// TestAsiaDays compares days on which something special happened.
func TestAsiaDays(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/asia.txt")
	if err != nil {
		t.Fatal(err)
	}
	days := map[string][][2]string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		mic, rest, _ := strings.Cut(line, " ")
		date, want, _ := strings.Cut(rest, " ")
		days[mic] = append(days[mic], [2]string{date, want})
	}
	if len(days) != 17 {
		t.Errorf("days of %d exchanges, want 17", len(days))
	}
	for mic, list := range days {
		t.Run(mic, func(t *testing.T) {
			t.Parallel()
			c := asian(t, mic)
			for _, day := range list {
				d, err := ParseDate(day[0])
				if err != nil {
					t.Fatal(err)
				}
				if got := local(c, d); got != day[1] {
					t.Errorf("%v, %v: %s, want %s (%s)", d.Weekday(), d, got, day[1], c.Reason(d))
				}
			}
		})
	}
}

// TestAsiaSessionsAYear compares the number of sessions of 2020 to 2026.
func TestAsiaSessionsAYear(t *testing.T) {
	t.Parallel()
	for mic, want := range map[string][7]int{
		"XTAE": {249, 244, 244, 248, 245, 246, 244},
		"XJSE": {252, 250, 250, 248, 250, 250, 250},
		"XTKS": {242, 245, 244, 246, 245, 243, 242},
		"XKRX": {248, 248, 246, 245, 244, 242, 244},
		"XHKG": {248, 247, 246, 243, 246, 246, 247},
		"XSHG": {243, 243, 242, 242, 242, 243, 242},
		"XSHE": {243, 243, 242, 242, 242, 243, 242},
		"XTAI": {245, 244, 246, 239, 242, 243, 243},
		"XSES": {252, 253, 250, 249, 252, 252, 251},
		"XBOM": {251, 247, 247, 245, 246, 248, 246},
		"XNSE": {251, 247, 247, 245, 246, 248, 246},
		"XBKK": {243, 241, 241, 243, 243, 242, 242},
		"XKLS": {248, 245, 243, 244, 247, 244, 246},
		"XIDX": {242, 247, 246, 239, 237, 236, 239},
		"XPHS": {241, 248, 247, 242, 245, 243, 243},
		"XASX": {255, 254, 251, 252, 254, 253, 254},
		"XNZE": {252, 251, 248, 249, 251, 250, 250},
	} {
		t.Run(mic, func(t *testing.T) {
			t.Parallel()
			c := asian(t, mic)
			var got [7]int
			for d := NewDate(2020, time.January, 1); d < NewDate(2027, time.January, 1); d++ {
				if c.IsSession(d) {
					got[d.Year()-2020]++
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("sessions of 2020 to 2026 (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAsiaInstants compares instants in zones with summer time and without.
func TestAsiaInstants(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mic, date, open, close string
	}{
		{"XTKS", "2025-07-01", "2025-07-01T00:00:00Z", "2025-07-01T06:30:00Z"},
		{"XBOM", "2025-07-01", "2025-07-01T03:45:00Z", "2025-07-01T10:00:00Z"},
		{"XASX", "2025-01-02", "2025-01-01T23:00:00Z", "2025-01-02T05:00:00Z"},
		{"XASX", "2025-07-01", "2025-07-01T00:00:00Z", "2025-07-01T06:00:00Z"},
		{"XNZE", "2025-01-06", "2025-01-05T21:00:00Z", "2025-01-06T03:45:00Z"},
		{"XNZE", "2025-07-01", "2025-06-30T22:00:00Z", "2025-07-01T04:45:00Z"},
		{"XTAE", "2026-03-26", "2026-03-26T07:59:00Z", "2026-03-26T15:15:00Z"},
		{"XTAE", "2026-03-27", "2026-03-27T06:59:00Z", "2026-03-27T10:50:00Z"},
	} {
		d, err := ParseDate(tt.date)
		if err != nil {
			t.Fatal(err)
		}
		s, ok := asian(t, tt.mic).Session(d)
		if !ok {
			t.Errorf("%s %v: no session", tt.mic, d)
			continue
		}
		got := [2]string{s.Open.Format(time.RFC3339), s.Close.Format(time.RFC3339)}
		if diff := cmp.Diff([2]string{tt.open, tt.close}, got); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", tt.mic, d, diff)
		}
	}
}

// TestAsiaUnverified asks for dates that are computed, not announced.
func TestAsiaUnverified(t *testing.T) {
	t.Parallel()
	for mic, last := range map[string]int{"XTKS": 2027, "XHKG": 2027, "XSES": 2027, "XSHG": 2026, "XBOM": 2026, "XKRX": 2026} {
		c := asian(t, mic)
		if end := NewDate(last, time.December, 31); !c.Verified(end) || c.Verified(end+1) {
			t.Errorf("%s: verified until another date than %v", mic, end)
		}
		if want := NewDate(2030, time.December, 31); c.ValidThrough() != want {
			t.Errorf("%s: valid through %v, want %v", mic, c.ValidThrough(), want)
		}
	}
}

// TestAsiaAliases finds the exchanges by the codes that people know.
func TestAsiaAliases(t *testing.T) {
	t.Parallel()
	set, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	for alias, want := range map[string]string{
		"tase": "XTAE", "JSE": "XJSE", "JPX": "XTKS", "KRX": "XKRX", "HKEX": "XHKG", "SSE": "XSHG",
		"SZSE": "XSHE", "TWSE": "XTAI", "SGX": "XSES", "BSE": "XBOM", "NSE": "XNSE", "SET": "XBKK",
		"MYX": "XKLS", "IDX": "XIDX", "xphs": "XPHS", "ASX": "XASX", "NZX": "XNZE",
	} {
		c, err := set.Get(alias)
		if err != nil {
			t.Error(err)
		} else if c.Code() != want {
			t.Errorf("%s is %s, want %s", alias, c.Code(), want)
		}
	}
}
