package schedule

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, want string }{
		{"* * * * *", "* * * * *"},
		{"  5\t4  * * *  ", "5 4 * * *"},
		{"0 9 * * *\r\n", "0 9 * * *"},
		{"05 004 1 01 00", "5 4 1 1 0"},
		{"0 0 1 JAN SUN", "0 0 1 1 0"},
		{"0 0 * jan-Mar,DEC mon-FRI", "0 0 * 1-3,12 1-5"},
		{"0 0 * * 7", "0 0 * * 0"},
		{"0 0 * * 5-7", "0 0 * * 5-7"},
		{"0 0 * * FRI-SUN", "0 0 * * 5-7"},
		{"0 0 * * SUN-TUE", "0 0 * * 0-2"},
		{"0 0 * * SUN-SUN", "0 0 * * 0-0"},
		{"0 0 * * 0-7", "0 0 * * 0-7"},
		{"0 0 ? * *", "0 0 * * *"},
		{"0 0 1 * ?", "0 0 1 * *"},
		{"0 0 ? * ?", "0 0 * * *"},
		{"*/15 * * * *", "*/15 * * * *"},
		{"*/1 * * * *", "*/1 * * * *"},
		{"*/60 */24 */31 */12 */7", "*/60 */24 */31 */12 */7"},
		{"5/15 * * * *", "5-59/15 * * * *"},
		{"10-40/10 * * * *", "10-40/10 * * * *"},
		{"0-10/20 * * * *", "0-10/20 * * * *"},
		{"3-3 * * * *", "3-3 * * * *"},
		{"0 0 10/5 * *", "0 0 10-31/5 * *"},
		{"0 0 * 3/4 *", "0 0 * 3-12/4 *"},
		{"0 0 * * 1/2", "0 0 * * 1-7/2"},
		{"0 0 * * MON/2", "0 0 * * 1-7/2"},
		{"1,2,3-5,*/20 * * * *", "1,2,3-5,*/20 * * * *"},
		{"*,5 * * * *", "*,5 * * * *"},
		{"0 0 L * *", "0 0 L * *"},
		{"0 0 l * *", "0 0 L * *"},
		{"0 0 L-3 * *", "0 0 L-3 * *"},
		{"0 0 L-0 * *", "0 0 L * *"},
		{"0 0 L-30 * *", "0 0 L-30 * *"},
		{"0 0 LW * *", "0 0 LW * *"},
		{"0 0 L-2W * *", "0 0 L-2W * *"},
		{"0 0 15W * *", "0 0 15W * *"},
		{"0 0 1,15W,L,L-2,LW,10-12 * *", "0 0 1,15W,L,L-2,LW,10-12 * *"},
		{"0 0 * * 5L", "0 0 * * 5L"},
		{"0 0 * * 7L", "0 0 * * 0L"},
		{"0 0 * * FRIL", "0 0 * * 5L"},
		{"0 0 * * SUN#L", "0 0 * * 0L"},
		{"0 0 * * 5#2", "0 0 * * 5#2"},
		{"0 0 * * 7#5", "0 0 * * 0#5"},
		{"0 0 * * mon#1,3,5L,FRI#2,4-5", "0 0 * * 1#1,3,5L,5#2,4-5"},
		{"0 0 1 * +MON", "0 0 1 * +1"},
		{"0 0 1 * +*", "0 0 1 * +*"},
		{"0 0 1 * +MON,FRI#2", "0 0 1 * +1,5#2"},
		{"30 0 9 * * *", "30 0 9 * * *"},
		{"0 0 9 * * MON 2026", "0 0 9 * * 1 2026"},
		{"0 0 9 * * * 1970-2199/10,2030", "0 0 9 * * * 1970-2199/10,2030"},
		{"0 0 9 * * * *", "0 0 9 * * * *"},
		{"0 0 9 * * * 2026/5", "0 0 9 * * * 2026-2199/5"},
		{"@yearly", "0 0 1 1 *"},
		{"@annually", "0 0 1 1 *"},
		{"@monthly", "0 0 1 * *"},
		{"@weekly", "0 0 * * 0"},
		{"@daily", "0 0 * * *"},
		{"@Midnight", "0 0 * * *"},
		{"@HOURLY", "0 * * * *"},
		{" CRON_TZ=Asia/Seoul 0 9 * * *", "0 9 * * *"},
		{"CRON_TZ=Asia/Seoul @daily", "0 0 * * *"},
		{"0 0 30 2 *", "0 0 30 2 *"},
	} {
		e, err := Parse(c.expr, Options{})
		if err != nil {
			t.Errorf("%q: %v", c.expr, err)
			continue
		}
		if got := e.Cron.String(); got != c.want {
			t.Errorf("%q is %q, want %q", c.expr, got, c.want)
		}
	}
}

// rejected lists wrong expressions, where they are wrong and a part of the
// suggestion.
var rejected = []struct {
	expr    string
	column  int
	item    string
	suggest string // a part of the suggestion
}{
	// The number of fields.
	{"", 1, "", "5 fields"},
	{"   ", 1, "", "5 fields"},
	{"*", 2, "", "5 fields"},
	{"* * * *", 8, "", "5 fields"},
	{"* * * *  ", 8, "", "5 fields"},
	{"0 0 * * * * * *", 15, "*", "trailing year"},
	{"daily", 1, "daily", "@daily"},
	// Empty items.
	{", * * * *", 1, "", "0-59"},
	{"1, * * * *", 3, "", "0-59"},
	{"1,,2 * * * *", 3, "", "0-59"},
	{"* ,1 * * *", 3, "", "0-23"},
	{"1- * * * *", 3, "", "0-59"},
	{"/5 * * * *", 1, "", "0-59"},
	{"*/ * * * *", 3, "", "after the slash"},
	{"0 0 * * +", 10, "", "SUN-SAT"},
	{"0 0 * * #2", 9, "", "SUN-SAT"},
	{"0 0 * * 1#", 11, "", "1#2"},
	// Signs.
	{"-1 * * * *", 1, "-1", "without a sign"},
	{"+1 * * * *", 1, "+1", "without a sign"},
	{"0 +1 * * *", 3, "+1", "day of the week"},
	{"1--5 * * * *", 3, "-5", "without a sign"},
	{"1-+5 * * * *", 3, "+5", "without a sign"},
	{"*/-5 * * * *", 3, "-5", "without a sign"},
	{"*/+5 * * * *", 3, "+5", "without a sign"},
	{"0 0 * * 1,+2", 11, "+2", "begin with +"},
	{"0 0 * * ++2", 10, "+2", "begin with +"},
	{"0 0 +1 * *", 5, "+1", "day of the week"},
	// Values out of range.
	{"60 * * * *", 1, "60", "0 for the full hour"},
	{"61 * * * *", 1, "61", "0-59"},
	{"* 24 * * *", 3, "24", "0 for midnight"},
	{"* * 0 * *", 5, "0", "1-31"},
	{"* * 32 * *", 5, "32", "L for the last day"},
	{"* * * 0 *", 7, "0", "JAN-DEC"},
	{"* * * 13 *", 7, "13", "1-12"},
	{"* * * * 8", 9, "8", "0-7"},
	{"1-60 * * * *", 3, "60", "0 for the full hour"},
	{"0,99999999999999999999 * * * *", 3, "99999999999999999999", "0-59"},
	{"60 0 * * * *", 1, "60", "full minute"},
	{"0 0 0 1 1 * 1969", 13, "1969", "1970-2199"},
	{"0 0 0 1 1 * 2200", 13, "2200", "1970-2199"},
	{"0 0 32W * *", 5, "32", "1-31"},
	{"0 0 0W * *", 5, "0", "1-31"},
	{"0 0 L-31 * *", 5, "L-31", "L-3"},
	{"0 0 * * 8L", 9, "8", "0-7"},
	{"0 0 * * 8#1", 9, "8", "0-7"},
	{"0 0 * * 1#0", 11, "0", "1#2"},
	{"0 0 * * 1#6", 11, "6", "1#L"},
	// Backward ranges.
	{"5-1 * * * *", 1, "5-1", "5-59,0-1"},
	{"* 22-2 * * *", 3, "22-2", "22-23,0-2"},
	{"* * 31-1 * *", 5, "31-1", "31,1"},
	{"* * * NOV-FEB *", 7, "NOV-FEB", "11-12,1-2"},
	{"* * * * FRI-MON", 9, "FRI-MON", "5-6,0-1"},
	{"* * * * 6-0", 9, "6-0", "write 6-7"},
	{"* * * * 7-0", 9, "7-0", "write 0"},
	{"* * * * 7-3", 9, "7-3", "write 0-3"},
	{"* * * * 3-1", 9, "3-1", "write 3-6,0-1"},
	{"* * * DEC-JAN *", 7, "DEC-JAN", "write 12,1"},
	{"H(30-10) * * * *", 3, "30-10", "H(0-5)"},
	{"H-5 * * * *", 1, "H", "H(0-5)"},
	{"0 0 * * 1-5#2", 9, "1-5#2", "1#2,5#2"},
	{"0 0 0 * * * 2030-2026", 13, "2030-2026", "2026-2030"},
	{"1,20-10/2 * * * *", 3, "20-10", "20-59,0-10"},
	// Steps.
	{"*/0 * * * *", 3, "0", "1 or more"},
	{"1-5/0 * * * *", 5, "0", "1 or more"},
	{"*/90 * * * *", 3, "90", "@every 90m"},
	{"*/61 * * * *", 3, "61", "at most 60"},
	{"* */25 * * *", 5, "25", "@every 25h"},
	{"* * */32 * *", 7, "32", "at most 31"},
	{"* * * */13 *", 9, "13", "at most 12"},
	{"* * * * */8", 11, "8", "at most 7"},
	{"0 0 0 * * * */231", 15, "231", "at most 230"},
	{"*/90 * * * * *", 3, "90", "@every 90s"},
	{"*/5/5 * * * *", 3, "5/5", "number after the slash"},
	{"*/x * * * *", 3, "X", "number after the slash"},
	{"0 0 L/2 * *", 6, "/2", "remove"},
	{"0 0 15W/2 * *", 8, "/2", "remove"},
	{"0 0 * * 5L/2", 11, "/2", "remove"},
	{"0 0 * * 5#2/2", 12, "/2", "remove"},
	{"0 0 ?/2 * *", 5, "?", "*"},
	// Names and letters.
	{"0 0 * JANUARY *", 7, "JANUARY", "write JAN"},
	{"0 0 * * MONDAY", 9, "MONDAY", "write MON"},
	{"0 0 * * JAN", 9, "JAN", "belongs in the field for the month"},
	{"0 0 * MON *", 7, "MON", "belongs in the field for the day of the week"},
	{"MON * * * *", 1, "MON", "0-59"},
	{"x * * * *", 1, "X", "0-59"},
	{"1.5 * * * *", 1, "1.5", "0-59"},
	{"1_0 * * * *", 1, "1_0", "0-59"},
	{"** * * * *", 1, "**", "0-59"},
	{"*-5 * * * *", 1, "*", "0-59"},
	{"1-* * * * *", 3, "*", "0-59"},
	{"? * * * *", 1, "?", "*"},
	{"0 ? * * *", 3, "?", "*"},
	{"0 0 * ? *", 7, "?", "*"},
	{"0 0 ?,1 * *", 5, "?", "*"},
	{"0 0 1,? * *", 7, "?", "*"},
	{"L * * * *", 1, "L", "day of the month"},
	{"0 0 W * *", 5, "W", "15W"},
	{"0 0 1-15W * *", 5, "1-15W", "1W,15W"},
	{"0 0 WL * *", 5, "WL", "1-31"},
	{"0 0 L3 * *", 5, "L3", "L-3"},
	{"0 0 L- * *", 5, "L-", "L-3"},
	{"0 0 L--1 * *", 5, "L--1", "L-3"},
	{"0 0 5L * *", 5, "5L", "1-31"},
	{"0 0 1#2 * *", 5, "1#2", "day of the week"},
	{"0 0 * * L", 9, "L", "5L"},
	{"0 0 * * 15W", 9, "15W", "day of the month"},
	{"0 0 * * 1-5L", 9, "1-5L", "1L,5L"},
	{"0 0 * * 5L#1", 9, "5L", "SUN-SAT"},
	{"0 0 * * 1#2#3", 11, "2#3", "1#2"},
	{"0 0 0 * * * L", 13, "L", "1970-2199"},
	{"0 0 0 * * * H", 13, "H", "1970-2199"},
	// H.
	{"H() * * * *", 1, "H()", "H(0-5)"},
	{"H(5) * * * *", 1, "H(5)", "H(0-5)"},
	{"H(5-1) * * * *", 3, "5-1", ""},
	{"H(0-60) * * * *", 5, "60", ""},
	{"H(0-5 * * * *", 1, "H(0-5", "H(0-5)"},
	{"H/0 * * * *", 3, "0", "1 or more"},
	{"H/61 * * * *", 3, "61", "at most 60"},
	{"HH * * * *", 1, "HH", "0-59"},
	// Macros and CRON_TZ.
	{"@never", 1, "@never", "@yearly"},
	{"@daily 5", 8, "5", "remove"},
	{"@reboot now", 9, "now", "remove"},
	{"@every", 7, "", "@every 90m"},
	{"@every  soon", 9, "soon", "90m"},
	{"@every 0s", 8, "0s", "90m"},
	{"@every -5m", 8, "-5m", "90m"},
	{"@every 10ms", 8, "10ms", "90m"},
	{"@every 1h 30m", 11, "30m", "1h30m"},
	{"TZ=Asia/Seoul 0 9 * * *", 1, "TZ=Asia/Seoul", "CRON_TZ=Asia/Seoul"},
	{"CRON_TZ=Mars/Base 0 9 * * *", 9, "Mars/Base", "IANA"},
	{"CRON_TZ=Local 0 9 * * *", 9, "Local", "IANA"},
	{"CRON_TZ= 0 9 * * *", 9, "", "IANA"},
	{"MAILTO=me 0 9 * * *", 1, "MAILTO=me", "CRON_TZ"},
	{"CRON_TZ=Asia/Seoul", 19, "", "5 fields"},
	// Columns are characters.
	{"0 é * * *", 3, "É", "0-23"},
	{"0,é,60 * * * *", 3, "É", "0-59"},
	{"é=1 0 * * *", 1, "é=1", "CRON_TZ"},
	{"0 0 1 1 \xff", 9, "\uFFFD", ""},
	{strings.Repeat("1,", 130) + "1 * * * *", 257, "", "several"},
}

func TestParseRejects(t *testing.T) {
	t.Parallel()
	for _, c := range rejected {
		_, err := Parse(c.expr, Options{})
		var wrong *SyntaxError
		if !errors.As(err, &wrong) {
			t.Errorf("%q: %v", c.expr, err)
			continue
		}
		if wrong.Column != c.column || wrong.Item != c.item || !strings.Contains(wrong.Suggestion, c.suggest) {
			t.Errorf("%q: column %d item %q %+v, want column %d item %q ... %q", c.expr, wrong.Column, wrong.Item, wrong, c.column, c.item, c.suggest)
		}
		if !fault.Is(err, fault.CronInvalid) {
			t.Errorf("%q: the error is no %s", c.expr, fault.CronInvalid)
		}
	}
}

func TestParseQuartz(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, want string }{
		{"0 0 12 * * ?", "0 0 12 * * *"},
		{"0 15 10 ? * MON-FRI", "0 15 10 * * 1-5"},
		{"0 15 10 ? * 2-6", "0 15 10 * * 1-5"},
		{"0 15 10 ? * 6L", "0 15 10 * * 5L"},
		{"0 15 10 ? * 6#3", "0 15 10 * * 5#3"},
		{"0 0 0 ? * 1", "0 0 0 * * 0"},
		{"0 0 0 ? * 7", "0 0 0 * * 6"},
		{"0 0 0 ? * L", "0 0 0 * * 6"},
		{"0 0 0 ? * 1-7", "0 0 0 * * 0-6"},
		{"0 0 0 ? * 2/2", "0 0 0 * * 1-6/2"},
		{"0 0 0 ? * MON-SUN", "0 0 0 * * 1-7"},
		{"0 0 0 LW * ? 2026/2", "0 0 0 LW * * 2026-2199/2"},
		{"0 0 0 L-3 * ?", "0 0 0 L-3 * *"},
		{"@daily", "0 0 * * *"},
	} {
		e, err := Parse(c.expr, Options{Dialect: Quartz})
		if err != nil {
			t.Errorf("%q: %v", c.expr, err)
			continue
		}
		if got := e.Cron.String(); got != c.want {
			t.Errorf("%q is %q, want %q", c.expr, got, c.want)
		}
	}
	for _, c := range []struct {
		expr    string
		column  int
		suggest string
	}{
		{"0 12 * * ?", 11, "6 fields"},
		{"0 0 12 ? * 0", 12, "1 is Sunday"},
		{"0 0 12 ? * 8", 12, "1 is Sunday"},
		{"0 0 12 ? * 2-1", 12, "write 2-7,1"},
		{"0 0 12 ? * 7-1", 12, "write 7,1"},
		{"0 0 12 ? * 0#1", 12, "1 is Sunday"},
		{"0 0 12 ? * FRI-MON", 12, "write 6-7,1-2"},
		{"0 0 12 W * ?", 8, "15W"},
	} {
		_, err := Parse(c.expr, Options{Dialect: Quartz})
		var wrong *SyntaxError
		if !errors.As(err, &wrong) || wrong.Column != c.column || !strings.Contains(wrong.Suggestion, c.suggest) {
			t.Errorf("%q: %v, want column %d ... %q", c.expr, err, c.column, c.suggest)
		}
	}
}

func TestParseOther(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"@every 90m": 90 * time.Minute, "@EVERY 1h30m": 90 * time.Minute, "@every PT15M": 15 * time.Minute,
		"@every P1DT2H": 26 * time.Hour, "@every p2d": 48 * time.Hour, "@every 1.5s": 1500 * time.Millisecond,
		"CRON_TZ=UTC @every 1s": time.Second,
	} {
		if e, err := Parse(text, Options{}); err != nil || e.Every != want || e.Cron != nil {
			t.Errorf("%s: %+v, %v", text, e, err)
		}
	}
	for _, text := range []string{"@every P", "@every PT", "@every P1M", "@every PT5", "@every P99999999D", "@every PT99999999H", "@every PT1MS"} {
		if e, err := Parse(text, Options{}); err == nil {
			t.Errorf("%s: %+v", text, e)
		}
	}
	if e, err := Parse("@reboot", Options{}); err != nil || !e.Reboot || e.Cron != nil {
		t.Errorf("@reboot: %+v, %v", e, err)
	}
	seoul := mustZone(t, "Asia/Seoul")
	e, err := Parse("CRON_TZ=Asia/Seoul 0 9 * * *", Options{Zone: seoul})
	if err != nil || e.Cron.Zone() != seoul && e.Cron.Zone().String() != "Asia/Seoul" {
		t.Errorf("%+v, %v", e, err)
	}
	var wrong *SyntaxError
	if _, err = Parse("CRON_TZ=Asia/Tokyo 0 9 * * *", Options{Zone: seoul}); !errors.As(err, &wrong) || wrong.Column != 9 {
		t.Errorf("a contradicting zone: %v", err)
	}
	for _, o := range []Options{{Dialect: "unix"}, {DST: DST{Gap: "run"}}, {DST: DST{Overlap: "third"}}} {
		if _, err = Parse("* * * * *", o); !fault.Is(err, fault.TriggerInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for _, name := range []string{"", "Local", "Mars/Base", "../etc/passwd"} {
		if _, err = LoadZone(name); !fault.Is(err, fault.ZoneUnknown) {
			t.Errorf("zone %q: %v", name, err)
		}
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	parse := func(expr, seed string) string {
		e, err := Parse(expr, Options{HashSeed: seed})
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		return e.Cron.String()
	}
	// Golden: what a schedule got it keeps for ever.
	for _, c := range []struct{ expr, want string }{
		{"H H * * *", "13 20 * * *"},
		{"H/15 * * * *", "13-59/15 * * * *"},
		{"H(0-29)/10 H(0-7) * * *", "3-29/10 4 * * *"},
		{"H H H * H", "13 20 15 * 6"},
		{"H H H H *", "13 20 15 12 *"},
		{"H H H(1-7) * MON", "13 20 1 * 1"},
		{"H H H/10 * H(MON-FRI)", "13 20 3-31/10 * 1"},
	} {
		if got := parse(c.expr, "sched_1"); got != c.want {
			t.Errorf("%s is %s, want %s", c.expr, got, c.want)
		}
		if mustParse := parse(parse(c.expr, "sched_1"), ""); mustParse != parse(c.expr, "sched_1") {
			t.Errorf("%s: the resolved form reads as %s", c.expr, mustParse)
		}
	}
	// It spreads, stays in range and does not follow other fields.
	minutes := map[string]int{}
	for n := range 6000 {
		minute, rest, _ := strings.Cut(parse("H H * * *", "sched_"+strings.Repeat("x", n%7)+time.Duration(n).String()), " ")
		minutes[minute]++
		if hour, _, _ := strings.Cut(rest, " "); len(hour) > 2 {
			t.Fatalf("hour %s", hour)
		}
	}
	if len(minutes) != 60 {
		t.Errorf("%d different minutes", len(minutes))
	}
	for minute, n := range minutes {
		if n < 50 || n > 160 {
			t.Errorf("minute %s has %d of 6000", minute, n)
		}
	}
	e, err := Parse("H 3 * * *", Options{})
	if err != nil || e.Cron.wild {
		t.Errorf("H is wild: %v", err)
	}
}
