package calendar

import (
	"fmt"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/fault"
)

// small is a complete file that the tests of faults change.
const small = `runsheet-calendar 1
mic XTST
name "Test"
zone Europe/Paris
valid 2024-01-01..2026-12-31
verified 2024-01-01..2025-12-31
source "A"

week mon tue wed thu fri
hours 09:00-17:00
break 12:00-13:00
`

func load(t testing.TB, lines ...string) *Calendar {
	t.Helper()
	c, err := Load("test.cal", []byte(small+strings.Join(lines, "\n")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func date(t testing.TB, s string) Date {
	t.Helper()
	d, err := ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestFaultsNameFileAndLine gives the loader one wrong line after the small
// file, whose eleven lines are right.
func TestFaultsNameFileAndLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, want string }{
		{`holiday jan 1 "x"`, `unknown keyword "holiday"`},
		{`mic XXXX`, "mic stands here a second time"},
		{`alias xx`, "no code of 2 to 16"},
		{`alias AB AB`, "alias AB stands twice"},
		{`week foo`, "no day of the week"},
		{`hours 17:00-09:00`, "ends before it begins"},
		{`hours 9:00-17:00`, "no times of the form"},
		{`hours 09:00-25:00`, "no times of the form"},
		{`hours 09:00-17:00 2024-02-30..`, "no range of dates"},
		{`hours 09:00-17:00 2025..2024`, "is empty"},
		{`hours 09:00-17:00 ..`, "is empty"},
		{`closed jan 1`, "a text in double quotes is missing here: end of line"},
		{`closed jan 1 ""`, "a text in quotes is empty"},
		{`closed jan 1 "x`, "a quote does not end"},
		{`closed jan 1 "x"y`, "no blank after a quote"},
		{`closed jan 1 "x" y`, `not understood: "y"`},
		{`closed feb 30 "x"`, "no day of the month"},
		{`closed foo 1 "x"`, `"foo" does not say when`},
		{`closed mon jan 1 "x"`, `neither "before" nor "from"`},
		{`closed 6th mon jan "x"`, `"6th" does not say when`},
		{`closed last jan "x"`, "no day of the week"},
		{`closed easter observe later "x"`, `"later" is no way to observe`},
		{`closed easter +1 -1 "x"`, "in rising order"},
		{`closed easter -400 "x"`, "at most 366"},
		{`closed easter if foo "x"`, "no day of the week"},
		{`closed easter except "x"`, "except what?"},
		{`closed easter except 20 "x"`, "no date"},
		{`closed table nowhere "x"`, `no table "nowhere" above`},
		{`closed on 2024-02-29 2024-02-28 "x"`, "2024-02-28 stands after 2024-02-29"},
		{`closed on 2025-02-29 "x"`, "no date of the form"},
		{`closed on 2023-12-29 "x"`, "2023-12-29 is outside of the valid range"},
		{`closed on 2024-01-06 "x"`, "closed changes nothing on Saturday, 2024-01-06"},
		{`early 12:30 on 2024-01-06 "x"`, "early changes nothing on Saturday"},
		{`early 17:00 on 2024-01-08 "x"`, "a session with these hours"},
		{`early 12:30 on 2024-01-08 "x"`, "opens or closes within the break"},
		{`early 08:00 on 2024-01-08 "x"`, "closes before it opens"},
		{`late 25:00 on 2024-01-08 "x"`, "no time of the form 13:00"},
		{`open on 2024-01-08 "x"`, "open changes nothing"},
		{`closed on 2024-01-08 observe next "x"`, `dates given by "on" are not changed`},
		{`session 09:00-12:00 break 08:00-10:00 on 2024-01-06 "x"`, "the break is not within the session"},
		{`table lunar 2024-02-10 2024-02-10`, "2024-02-10 stands after 2024-02-10"},
		{`table lunar 2024-02-10`, `no rule uses the table "lunar"`},
		{"closed jan 1 \"\x00\"", "control characters"},
		{"closed jan 1 \"\xff\"", "not valid UTF-8"},
	} {
		_, err := Load("test.cal", []byte(small+c.line+"\n"))
		if !fault.Is(err, fault.InvalidInput) || !strings.Contains(err.Error(), "test.cal:12: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got  %v\n want test.cal:12: ... %s", c.line, err, c.want)
		}
	}
}

func TestFaultsOfTheWholeFile(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{"mic", "name", "zone", "valid", "source", "week", "hours"} {
		var kept []string
		for line := range strings.Lines(small) {
			if !strings.HasPrefix(line, missing) {
				kept = append(kept, line)
			}
		}
		if _, err := Load("f", []byte(strings.Join(kept, ""))); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: %v", missing, err)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"", "the file ends without"},
		{"hello", "f:1: the first line is not"},
		{strings.Replace(small, "Europe/Paris", "Mars/Base", 1), `f:4: "Mars/Base" is no IANA zone`},
		{strings.Replace(small, "Europe/Paris", "Local", 1), "is no IANA zone"},
		{strings.Replace(small, "2024-01-01..2026-12-31", "2024-01-01..", 1), "f:5: a range with two ends"},
		{strings.Replace(small, "hours 09:00", "hours mon tue 09:00", 1), "no hours for Wednesday"},
		{strings.Replace(small, "2024-01-01..2026-12-31", "always", 1) + "closed jan 1 \"x\"\n", "f:12: a calendar that is valid always has no exceptions"},
		{small + strings.Repeat("#\n", maxLines), "more than 5000 lines"},
		{small + strings.Repeat("#", maxFile), "larger than"},
	} {
		if _, err := Load("f", []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// TestRules checks which days each form of a rule closes.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rules string
		want  string // the closed weekdays of 2024 to 2026
	}{
		{`closed jan 6 "x"`, "2025-01-06 2026-01-06"},
		{`closed jan 6 observe nearest "x"`, "2024-01-05 2025-01-06 2026-01-06"},
		{`closed jan 6 observe monday "x"`, "2024-01-08 2025-01-06 2026-01-06"},
		{`closed jul 5 observe sunday "x"`, "2024-07-05 2026-07-06"},
		{`closed jan 6 observe previous "x"`, "2024-01-05 2025-01-06 2026-01-06"},
		{`closed jan 6 observe next "x"`, "2024-01-08 2025-01-06 2026-01-06"},
		{"closed jan 8 \"y\"\nclosed jan 6 observe free 2024 \"x\"", "2024-01-08 2024-01-09 2025-01-08 2026-01-08"},
		{"closed may 4 observe sunday-free \"x\"", "2025-05-05 2026-05-04"},
		{`closed jan 1 observe nearest 2027 "x"`, ""},
		{`closed 2nd wed jul "x"`, "2024-07-10 2025-07-09 2026-07-08"},
		{`closed 5th fri may "x"`, "2024-05-31 2025-05-30 2026-05-29"},
		{`closed 5th wed feb "x"`, ""},
		{`closed last mon may "x"`, "2024-05-27 2025-05-26 2026-05-25"},
		{`closed last thu dec "x"`, "2024-12-26 2025-12-25 2026-12-31"},
		{`closed mon before may 25 "x"`, "2024-05-20 2025-05-19 2026-05-18"},
		{`closed mon before may 26 2025 "x"`, "2025-05-19"},
		{`closed fri from jun 19 "x"`, "2024-06-21 2025-06-20 2026-06-19"},
		{`closed easter -2 "x"`, "2024-03-29 2025-04-18 2026-04-03"},
		{`closed orthodox +1 "x"`, "2024-05-06 2025-04-21 2026-04-13"},
		{`closed easter -2 +1 2025.. except 2026-04-05 "x"`, "2025-04-18 2025-04-21"},
		{`closed aug 20 +1 if fri "x"`, "2026-08-21"},
		{`closed feb 29 "x"`, "2024-02-29"},
		{`closed dec 31 +1 "x"`, "2024-01-01 2025-01-01 2026-01-01"},
		{`closed on 2024-01-02 2024-01-03 "x"`, "2024-01-02 2024-01-03"},
		{"table moon 2024-02-10 2025-01-29\ntable moon 2026-02-17\nclosed table moon -1 0 +1 \"x\"", "2024-02-09 2025-01-28 2025-01-29 2025-01-30 2026-02-16 2026-02-17 2026-02-18"},
		{`closed may 1 ..2024-06-30 "x"`, "2024-05-01"},
		{"closed may 1 \"x\"\nopen on 2025-05-01 \"y\"", "2024-05-01 2026-05-01"},
	} {
		cal := load(t, c.rules)
		var got []string
		for d := cal.ValidFrom(); d <= cal.ValidThrough(); d++ {
			if w := d.Weekday(); w != 0 && w != 6 && !cal.IsSession(d) {
				got = append(got, d.String())
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s\n got  %s\n want %s", c.rules, s, c.want)
		}
	}
}

// TestHours checks the hours of single days.
func TestHours(t *testing.T) {
	t.Parallel()
	cal := load(t,
		`hours 09:00-18:00 2025-01-01..`,
		`hours fri 09:00-14:00 2025-01-01..`,
		`break fri none`,
		`early 12:00 dec 24 "eve"`,
		`early 15:00 dec 23 "eve of eve"`,
		`early 14:00 on 2025-12-23 "early"`,
		`late 13:00 on 2024-02-14 "ash"`,
		`session 10:00-16:00 on 2024-11-14 "exam"`,
		`session 10:00-16:00 break 11:00-11:30 on 2024-11-16 "fair"`,
		`session eve 20:00-04:00 on 2024-11-20 "night"`,
		`open on 2024-11-23 "make-up"`,
	)
	for _, c := range []struct{ day, want string }{
		{"2024-03-04", "08:00-16:00 break 11:00-12:00 verified"},
		{"2024-07-01", "07:00-15:00 break 10:00-11:00 verified"},
		{"2024-03-08", "08:00-16:00 verified"},
		{"2025-03-03", "08:00-17:00 break 11:00-12:00 verified"},
		{"2025-03-07", "08:00-13:00 verified"},
		{"2024-12-24", "08:00-11:00 early verified eve"},
		{"2024-12-23", "08:00-14:00 break 11:00-12:00 early verified eve of eve"},
		{"2025-12-23", "08:00-13:00 break 11:00-12:00 early verified early"},
		{"2024-02-14", "12:00-16:00 late verified ash"},
		{"2024-11-14", "09:00-15:00 early late verified exam"},
		{"2024-11-16", "09:00-15:00 break 10:00-10:30 early late verified fair"},
		{"2024-11-20", "19:00-03:00 early verified night"},
		{"2024-11-23", "08:00-16:00 break 11:00-12:00 verified make-up"},
		{"2024-11-24", "none"},
		{"2026-12-23", "08:00-14:00 break 11:00-12:00 early eve of eve"},
		// Beyond the valid range only week and hours count.
		{"2027-12-24", "08:00-13:00"},
		{"2023-12-22", "08:00-16:00"},
		{"2027-12-25", "none"},
	} {
		if got := text(cal, date(t, c.day)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.day, got, c.want)
		}
	}
}

// text writes the session of a date in one line, times in UTC.
func text(c *Calendar, d Date) string {
	s, ok := c.Session(d)
	if !ok {
		return "none"
	}
	out := s.Open.Format("15:04-") + s.Close.Format("15:04")
	if !s.BreakStart.IsZero() {
		out += " break " + s.BreakStart.Format("15:04-") + s.BreakEnd.Format("15:04")
	}
	for _, flag := range []struct {
		on   bool
		name string
	}{{s.EarlyClose, "early"}, {s.LateOpen, "late"}, {s.Verified, "verified"}, {s.Overridden, "overridden"}} {
		if flag.on {
			out += " " + flag.name
		}
	}
	return strings.TrimSpace(out + " " + s.Reason)
}

func FuzzLoad(f *testing.F) {
	f.Add(small)
	f.Add(small + "closed easter -2 +1 if fri mon observe free 2020..2025 except 2021 \"x\"\n")
	f.Add(small + "table a 2024-02-10\nclosed table a \"x\"\nsession eve 17:00-16:00 on 2024-06-01 \"y\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Load("fuzz.cal", []byte(text))
		if err != nil {
			if !fault.Is(err, fault.InvalidInput) || !strings.HasPrefix(err.Error(), "invalid_input: fuzz.cal:") {
				t.Fatalf("a fault without a place: %v", err)
			}
			return
		}
		for d := c.ValidFrom(); d <= min(c.ValidThrough(), c.ValidFrom()+800); d++ {
			if s, ok := c.Session(d); ok {
				if err := ordered(s); err != nil {
					t.Fatalf("%v: %v", d, err)
				}
			}
		}
	})
}

// ordered checks the order of a session's times.
func ordered(s Session) error {
	if !s.Open.Before(s.Close) {
		return fmt.Errorf("opens %v, closes %v", s.Open, s.Close)
	}
	if s.BreakStart.IsZero() != s.BreakEnd.IsZero() {
		return fmt.Errorf("half a break: %v to %v", s.BreakStart, s.BreakEnd)
	}
	if !s.BreakStart.IsZero() && (!s.Open.Before(s.BreakStart) || !s.BreakStart.Before(s.BreakEnd) || !s.BreakEnd.Before(s.Close)) {
		return fmt.Errorf("break %v to %v in %v to %v", s.BreakStart, s.BreakEnd, s.Open, s.Close)
	}
	return nil
}
