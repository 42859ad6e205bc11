package schedule

import (
	"testing"
	"time"
)

func mustCron(tb testing.TB, expr, zone string) *Cron {
	tb.Helper()
	z, err := LoadZone(zone)
	if err != nil {
		tb.Fatal(err)
	}
	e, err := Parse(expr, Options{Zone: z})
	if err != nil {
		tb.Fatalf("%s: %v", expr, err)
	}
	if e.Cron == nil {
		tb.Fatalf("%s is not cron", expr)
	}
	return e.Cron
}

var benchCases = []struct{ name, expr, zone string }{
	{"daily in UTC", "0 9 * * *", "UTC"},
	{"daily in New_York", "0 9 * * *", "America/New_York"},
	{"daily in Seoul", "0 9 * * *", "Asia/Seoul"},
	{"weekdays in Paris", "30 8 * * MON-FRI", "Europe/Paris"},
	{"every minute in Paris", "* * * * *", "Europe/Paris"},
	{"every 15 minutes in Seoul", "*/15 * * * *", "Asia/Seoul"},
	{"last weekday in New_York", "0 16 LW * *", "America/New_York"},
	{"yearly in Paris", "0 0 1 1 *", "Europe/Paris"},
	{"leap day in Casablanca", "0 0 29 2 *", "Africa/Casablanca"},
	{"Monday leap day in UTC", "0 0 29 2 +MON", "UTC"},
	{"never in UTC", "0 0 30 2 *", "UTC"},
	{"never, 31st of short months, in Paris", "0 0 31 2,4,6,9,11 *", "Europe/Paris"},
	{"never, fifth Monday in a week, in Casablanca", "0 0 1-7 * +MON#5", "Africa/Casablanca"},
}

func BenchmarkNext(b *testing.B) {
	for _, c := range benchCases {
		b.Run(c.name, func(b *testing.B) {
			cron := mustCron(b, c.expr, c.zone)
			start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			t := start
			for b.Loop() {
				n, ok := cron.Next(t)
				if t = n.At; !ok || t.Year() > 2030 {
					t = start
				}
			}
		})
	}
}

func BenchmarkPrev(b *testing.B) {
	for _, c := range benchCases {
		b.Run(c.name, func(b *testing.B) {
			cron := mustCron(b, c.expr, c.zone)
			start := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
			t := start
			for b.Loop() {
				n, ok := cron.Prev(t)
				if t = n.At; !ok || t.Year() < 2026 {
					t = start
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, expr := range []string{"0 9 * * *", "*/15 9-17 * * MON-FRI", "0 0 12 L-3W,15 JAN-JUN +MON#2,FRIL 2026-2030"} {
		b.Run(expr, func(b *testing.B) {
			for b.Loop() {
				if _, err := Parse(expr, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
