package schedule

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

var described = []string{
	"* * * * *", "*/5 * * * *", "*/15 * * * *", "*/7 * * * *", "*/1 * * * *", "0 * * * *", "5 * * * *", "5,35 * * * *", "0-10 * * * *", "10-40/10 * * * *",
	"5/15 * * * *", "0 9 * * *", "30 8,17 * * *", "0 8-17 * * *", "0 */2 * * *", "30 */6 * * *", "*/15 9-17 * * MON-FRI", "* 9 * * *", "*/10 9,12 * * *",
	"15 1,3,5,7,9,11,13 * * *", "0 9-17/2 * * *", "0 0 * * *", "0 9 * * MON", "0 9 * * MON-FRI", "0 9 * * 1,3,5", "0 9 * * SUN", "0 9 * * FRI-SUN", "0 9 * * */2", "0 9 * * 1-5/2",
	"0 9 1 * *", "0 9 1,15 * *", "0 9 10-20 * *", "0 9 */2 * *", "0 9 1-31/10 * *", "0 9 L * *", "0 9 L-3 * *", "0 9 LW * *", "0 9 15W * *", "0 9 L-2W * *", "0 9 1,15W,L * *",
	"0 9 * * 5L", "0 9 * * MON#1", "0 9 * * TUE#2,FRI#L", "0 9 * * 3#5", "0 0 1 1 *", "0 0 1 JAN,JUL *", "0 0 * 6-8 *", "0 0 1 */3 *", "0 0 29 2 *", "0 0 1 2-12/2 *",
	"0 9 13 * FRI", "0 9 13 * +FRI", "0 9 1-7 * +MON", "30 0 9 * * *", "* * * * * *", "*/10 * * * * *", "15 * * * * *", "*/20 */5 * * * *", "0,30 0 9 * * *", "5-10 1 * * * *",
	"0 0 9 * * * 2026", "0 0 9 1 1 * 2026-2030", "0 0 9 * * * *", "0 0 9 1 1 ? 2026/5", "@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@every 90m", "@every 1h", "@reboot", "61 * * * *",
	"0 0 30 2 *", "1,2,3,4,5,6,7 9 * * *", "0 22-23,0-4 * * *",
}

// TestDescribe compares with testdata/describe.<language>.txt. Read a change
// there as a person would.
func TestDescribe(t *testing.T) {
	t.Parallel()
	seoul := mustZone(t, "Asia/Seoul")
	named := []struct {
		name string
		spec Spec
	}{
		{"union", cronSpec(seoul, "0 9 * * *", "30 17 * * FRI")},
		{"interval", Spec{Kind: KindInterval, Interval: IntervalSpec{Every: 26*time.Hour + 3*time.Minute + 1500*time.Millisecond, Anchor: year(2026)}}},
		{"after completion", Spec{Kind: KindInterval, Interval: IntervalSpec{Every: 5 * time.Minute, Mode: AfterCompletion}}},
		{"at", Spec{Kind: KindAt, Zone: seoul, At: AtSpec{Instants: []time.Time{year(2026)}, Locals: []LocalTime{LocalOf(dateOf(2026, 3, 1), 34215)}}}},
		{"at many", Spec{Kind: KindAt, At: AtSpec{Instants: []time.Time{year(2026), year(2027), year(2028), year(2029), year(2030)}}}},
		{"open every", Spec{Kind: KindEvent, Event: EventSpec{Calendar: "XNYS", Event: EventOpen, Every: 15 * time.Minute}}},
		{"open every, later", Spec{Kind: KindEvent, Event: EventSpec{Calendar: "XTKS", Event: EventOpen, Offset: 5 * time.Minute, Every: time.Hour, DuringBreaks: true}}},
		{"on", Spec{Kind: KindOn, On: OnSpec{Event: "job.run.completed"}}},
		{"on, delayed", Spec{Kind: KindOn, On: OnSpec{Event: "job.run.failed", Subject: "tmpl_1", Delay: 5 * time.Minute}}},
		{"constraints", Spec{
			Kind: KindCron, Zone: seoul, Cron: CronSpec{Expressions: []string{"0 0 12 ? * 2-6"}, Dialect: Quartz}, Calendar: "XKRX", OnNonSession: NextSession, OnlyIn: InRegularHours,
			StartAt: year(2026), EndAt: year(2027),
			Exclude: Exclude{Dates: []Date{dateOf(2026, 5, 1)}, Calendars: []string{"holidays-kr"}, Cron: []string{"0 * 12 L * ?"}},
		}},
		{"previous", Spec{Kind: KindCron, Cron: CronSpec{Expressions: []string{"H H * * *"}, HashSeed: "sched_1"}, Calendar: "XNYS", OnNonSession: PreviousSession, OnlyIn: OutsideHours}},
		{"session", Spec{Kind: KindCron, Cron: CronSpec{Expressions: []string{"* * * * *"}}, Calendar: "XNYS", OnlyIn: InSession}},
	}
	for _, event := range Events() {
		named = append(named, struct {
			name string
			spec Spec
		}{string(event), Spec{Kind: KindEvent, Event: EventSpec{Calendar: "XNYS", Event: event, Offset: map[bool]time.Duration{true: -10 * time.Minute}[event == EventClose]}}})
	}
	for _, language := range []Language{English, Korean} {
		var b strings.Builder
		for _, text := range described {
			line := Describe(cronSpec(nil, text), language)
			fmt.Fprintf(&b, "%-26s %s\n", text, strings.TrimSuffix(line, " (UTC)"))
		}
		for _, n := range named {
			fmt.Fprintf(&b, "%-26s %s\n", n.name, Describe(n.spec, language))
		}
		name := filepath.Join("testdata", "describe."+string(language)+".txt")
		if *update {
			if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
			t.Errorf("%s: %s", language, diff)
		}
	}
	if Describe(cronSpec(nil, "0 9 * * *"), "fr") != Describe(cronSpec(nil, "0 9 * * *"), English) {
		t.Error("an unknown language is not English")
	}
}

// dateOf makes a date; day and month are normalised as time.Date does.
func dateOf(year int, month time.Month, day int) Date {
	return DateIn(time.Date(year, month, day, 0, 0, 0, 0, time.UTC), time.UTC)
}
