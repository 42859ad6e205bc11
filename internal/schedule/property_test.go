package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// anyNumbers draws an item list of plain numbers.
func anyNumbers(t *rapid.T, lo, hi int) string {
	var items []string
	for range rapid.IntRange(1, 3).Draw(t, "items") {
		a := rapid.IntRange(lo, hi).Draw(t, "a")
		b := rapid.IntRange(a, hi).Draw(t, "b")
		step := rapid.IntRange(1, hi-lo).Draw(t, "step")
		items = append(items, rapid.SampledFrom([]string{
			"*", fmt.Sprint(a), fmt.Sprintf("%d-%d", a, b), fmt.Sprintf("*/%d", step), fmt.Sprintf("%d-%d/%d", a, b, step), fmt.Sprintf("%d/%d", a, step),
		}).Draw(t, "item"))
	}
	return strings.Join(items, ",")
}

func anyDays(t *rapid.T, lo, hi int, special []string) string {
	switch rapid.IntRange(0, 3).Draw(t, "days") {
	case 0:
		return "*"
	case 1:
		return anyNumbers(t, lo, hi)
	case 2:
		return rapid.SampledFrom(special).Draw(t, "special")
	}
	return rapid.SampledFrom(special).Draw(t, "special") + "," + anyNumbers(t, lo, hi)
}

// anyExpression draws an expression of five to seven fields.
func anyExpression(t *rapid.T) string {
	fields := []string{
		anyNumbers(t, 0, 59), anyNumbers(t, 0, 23),
		anyDays(t, 1, 31, []string{"L", "L-3", "LW", "1W", "15W", "31W", "?"}[:6]),
		rapid.SampledFrom([]string{"*", "2", "JAN,JUL", "3,10,11", "4-9"}).Draw(t, "months"),
		anyDays(t, 0, 7, []string{"5L", "SUN#2", "1#5", "0#L"}),
	}
	if rapid.Bool().Draw(t, "and") {
		fields[4] = "+" + fields[4]
	}
	switch rapid.IntRange(0, 5).Draw(t, "more") {
	case 0:
		fields = append([]string{anyNumbers(t, 0, 59)}, fields...)
	case 1:
		fields = append([]string{"30"}, append(fields, "2020-2030")...)
	}
	return strings.Join(fields, " ")
}

func anyZone(t *rapid.T) *time.Location {
	name := rapid.SampledFrom([]string{
		"UTC", "America/New_York", "Europe/Paris", "Asia/Seoul", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Beirut", "Antarctica/Troll", "America/Nuuk", "Pacific/Apia",
	}).Draw(t, "zone")
	zone, err := LoadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func anyDST(t *rapid.T) DST {
	return DST{
		Gap:     rapid.SampledFrom([]DSTGap{GapAuto, GapSkip}).Draw(t, "gap"),
		Overlap: rapid.SampledFrom([]DSTOverlap{OverlapAuto, OverlapFirst, OverlapSecond, OverlapBoth}).Draw(t, "overlap"),
	}
}

func anyTime(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "at a change") { // of one of the zones above
		change := rapid.SampledFrom([]string{"2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z", "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2024-10-05T15:30:00Z", "2024-04-06T15:00:00Z", "2024-04-14T02:00:00Z", "2025-03-29T22:00:00Z", "2011-12-30T10:00:00Z"}).Draw(t, "change")
		at, err := time.Parse(time.RFC3339, change)
		if err != nil {
			t.Fatal(err)
		}
		return at.Add(time.Duration(rapid.IntRange(-180, 180).Draw(t, "minutes")) * time.Minute)
	}
	return time.Unix(rapid.Int64Range(1262304000, 1893456000).Draw(t, "second"), rapid.SampledFrom([]int64{0, 1, 999_999_999}).Draw(t, "ns")).UTC()
}

// TestNextPrevLaws checks what the law says of Next and Prev, for any
// expression, zone, override and time.
func TestNextPrevLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := anyExpression(t)
		e, err := Parse(text, Options{Zone: anyZone(t), DST: anyDST(t)})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		checkSource(t, e.Cron, anyTime(t))
		again, err := Parse(e.Cron.String(), Options{Zone: e.Cron.zone, DST: e.Cron.dst})
		if err != nil || again.Cron.clockwork != e.Cron.clockwork || again.Cron.wild != e.Cron.wild || again.Cron.String() != e.Cron.String() {
			t.Fatalf("%q reads differently from %q: %v", e.Cron.String(), text, err)
		}
	})
}

// fataler is what rapid.T and testing.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkSource checks that walking forward and backward gives the same strictly
// ordered instants.
func checkSource(t fataler, s source, at time.Time) {
	t.Helper()
	var forth []Nominal
	for from := at; len(forth) < 40; {
		n, ok := s.Next(from)
		if !ok {
			break
		}
		if !n.At.After(from) {
			t.Fatalf("Next(%v) = %v", from, n.At)
		}
		if p, ok := s.Prev(n.At); ok && p.At.After(from) {
			t.Fatalf("%v lies between %v and its Next, %v", p.At, from, n.At)
		}
		if between := from.Add(n.At.Sub(from) / 2); between.After(from) {
			if m, ok := s.Next(between); !ok || !m.At.Equal(n.At) {
				t.Fatalf("Next(%v) = %v, but from %v it is %v", between, m.At, from, n.At)
			}
			if p, ok := s.Prev(between); ok && p.At.After(from) {
				t.Fatalf("Prev(%v) = %v, but Next(%v) = %v", between, p.At, from, n.At)
			}
		}
		forth = append(forth, n)
		from = n.At
	}
	if len(forth) == 0 {
		return
	}
	var back []Nominal
	for n, ok := s.Prev(forth[len(forth)-1].At.Add(1)); ok && n.At.After(at); n, ok = s.Prev(n.At) {
		back = append(back, n)
		if len(back) > len(forth) {
			break
		}
	}
	slices.Reverse(back)
	same := func(a, b Nominal) bool { return a.At.Equal(b.At) && a.Marks == b.Marks && a.Skip == b.Skip }
	if !slices.EqualFunc(forth, back, same) {
		t.Fatalf("forward %v\nbackward %v", forth, back)
	}
}

// FuzzParse: any text is read or refused within a millisecond, with a column
// inside of it, and what was read can be written and read again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"* * * * *", "*/15 9-17 L,15W JAN-JUN +MON#2,FRIL 2026", "@every 1h", "@reboot", "CRON_TZ=Asia/Seoul H H(0-7) * * *", "0 0 L-3W * ?",
		"60 * * * *", "1,,2 * * * *", "é\xff * * * *", "0 0 * * 5#L", "*/90 * * * *", "H(",
	} {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, quartz bool) {
		o := Options{Dialect: Standard, HashSeed: "sched_1"}
		if quartz {
			o.Dialect = Quartz
		}
		e, err := Parse(text, o)
		if err != nil {
			var wrong *SyntaxError
			if !errors.As(err, &wrong) {
				t.Fatalf("%q: %v", text, err)
			}
			if n := utf8.RuneCountInString(text); wrong.Column < 1 || wrong.Column > n+1 || wrong.Reason == "" {
				t.Fatalf("%q: %+v", text, wrong)
			}
			return
		}
		if e.Cron == nil {
			return
		}
		again, err := Parse(e.Cron.String(), Options{Zone: e.Cron.zone})
		if err != nil || again.Cron.clockwork != e.Cron.clockwork || again.Cron.wild != e.Cron.wild {
			t.Fatalf("%q is written %q, which is something else: %v", text, e.Cron.String(), err)
		}
	})
}

// FuzzNext: the laws hold at any instant, in years without sense too.
func FuzzNext(f *testing.F) {
	f.Add("30 2 * * *", uint8(1), int64(1772928000), int64(0))
	f.Add("*/7 0-3 L * SUN#1", uint8(4), int64(-5364662400), int64(1))
	f.Add("0 0 30 2 *", uint8(9), int64(1<<62), int64(999999999))
	f.Add("0 0 0 29 2 +MON 2044", uint8(3), int64(-1<<62), int64(5))
	zones := []string{"UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Europe/Amsterdam", "Antarctica/Troll", "Africa/Casablanca", "Pacific/Apia", "Asia/Manila", "America/Juneau"}
	f.Fuzz(func(t *testing.T, text string, zone uint8, second, ns int64) {
		e, err := Parse(text, Options{Zone: mustZone(t, zones[int(zone)%len(zones)]), DST: DST{Overlap: []DSTOverlap{"", "first", "second", "both"}[int(zone)/len(zones)%4]}})
		if err != nil || e.Cron == nil {
			return
		}
		at := time.Unix(second, ns%1_000_000_000)
		if at.Unix() < minInstant || at.Unix() > maxInstant {
			// Nothing to compare with; it must only end.
			e.Cron.Next(at)
			e.Cron.Prev(at)
			return
		}
		checkSource(t, e.Cron, at.UTC())
	})
}
