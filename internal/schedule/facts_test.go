package schedule

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// fact is an expression with its next nominals, as published somewhere or plain
// to see in a calendar.
type fact struct {
	expr, zone, after string
	want              string // separated by blanks
	options           Options
}

func (f fact) check(t *testing.T) {
	t.Helper()
	o := f.options
	if f.zone == "" {
		f.zone = "UTC"
	}
	o.Zone = mustZone(t, f.zone)
	e, err := Parse(f.expr, o)
	if err != nil {
		t.Errorf("%s: %v", f.expr, err)
		return
	}
	at, err := time.Parse(time.RFC3339, f.after)
	if err != nil {
		t.Fatal(err)
	}
	checkSource(t, e.Cron, at)
	want := strings.Fields(f.want)
	var got []string
	for range want {
		n, ok := e.Cron.Next(at)
		if !ok {
			got = append(got, "none")
			break
		}
		at = n.At
		text := n.Local()
		if marks := n.Marks.Strings(); len(marks) > 0 {
			text += "=" + strings.Join(marks, "+")
		}
		got = append(got, text)
	}
	// A want without marks does not ask for them; one in UTC is short.
	for i := range got {
		if i < len(want) && !strings.Contains(want[i], "=") {
			got[i], _, _ = strings.Cut(got[i], "=")
		}
		if i < len(want) && len(want[i]) == len("2006-01-02T15:04") {
			got[i] = got[i][:len("2006-01-02T15:04")]
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s in %s after %s:\n got %s\nwant %s", f.expr, f.zone, f.after, strings.Join(got, " "), strings.Join(want, " "))
	}
}

// TestFactsRiga holds the cases of cronsim's tests (which follow Debian's cron)
// for Europe/Riga in 2021: 03:00 -> 04:00 on March 28, 04:00 -> 03:00 on October 31.
func TestFactsRiga(t *testing.T) {
	t.Parallel()
	const march, march1, march2, october, october2 = "2021-03-28T01:30:00+02:00", "2021-03-28T02:10:00+02:00", "2021-03-28T02:40:00+02:00", "2021-10-31T01:30:00+03:00", "2021-10-31T02:10:00+03:00"
	for _, f := range []fact{
		{expr: "0 * * * *", after: march, want: "2021-03-28T02:00:00+02:00 2021-03-28T04:00:00+03:00"},
		{expr: "0 * * * *", after: october, want: "2021-10-31T02:00:00+03:00 2021-10-31T03:00:00+03:00 2021-10-31T03:00:00+02:00 2021-10-31T04:00:00+02:00"},
		{expr: "*/30 * * * *", after: march1, want: "2021-03-28T02:30:00+02:00 2021-03-28T04:00:00+03:00 2021-03-28T04:30:00+03:00"},
		{expr: "*/30 * * * *", after: october2, want: "2021-10-31T02:30:00+03:00 2021-10-31T03:00:00+03:00 2021-10-31T03:30:00+03:00 2021-10-31T03:00:00+02:00 2021-10-31T03:30:00+02:00 2021-10-31T04:00:00+02:00"},
		{expr: "*/15 * * * *", after: march2, want: "2021-03-28T02:45:00+02:00 2021-03-28T04:00:00+03:00"},
		{expr: "0 */2 * * *", after: march, want: "2021-03-28T02:00:00+02:00 2021-03-28T04:00:00+03:00 2021-03-28T06:00:00+03:00"},
		{expr: "0 */2 * * *", after: october, want: "2021-10-31T02:00:00+03:00 2021-10-31T04:00:00+02:00 2021-10-31T06:00:00+02:00"},
		{expr: "30 */2 * * *", after: march, want: "2021-03-28T02:30:00+02:00 2021-03-28T04:30:00+03:00"},
		{expr: "30 */2 * * *", after: october, want: "2021-10-31T02:30:00+03:00 2021-10-31T04:30:00+02:00"},
		{expr: "0 */3 * * *", after: october, want: "2021-10-31T03:00:00+03:00 2021-10-31T03:00:00+02:00 2021-10-31T06:00:00+02:00"},
		{expr: "0 1,2,3,4,5 * * *", after: march, want: "2021-03-28T02:00:00+02:00 2021-03-28T04:00:00+03:00=dst_moved 2021-03-28T05:00:00+03:00"},
		{expr: "0 1,2,3,4,5 * * *", after: october, want: "2021-10-31T02:00:00+03:00 2021-10-31T03:00:00+03:00=dst_repeated 2021-10-31T04:00:00+02:00"},
		{expr: "30 1,2,3,4,5 * * *", after: march, want: "2021-03-28T02:30:00+02:00 2021-03-28T04:00:00+03:00=dst_moved 2021-03-28T04:30:00+03:00"},
		{expr: "30 1,2,3,4,5 * * *", after: october, want: "2021-10-31T02:30:00+03:00 2021-10-31T03:30:00+03:00 2021-10-31T04:30:00+02:00"},
		{expr: "0 2 * * *", after: march, want: "2021-03-28T02:00:00+02:00 2021-03-29T02:00:00+03:00"},
		{expr: "0 2 * * *", after: october, want: "2021-10-31T02:00:00+03:00 2021-11-01T02:00:00+02:00"},
		{expr: "0 3 * * *", after: march, want: "2021-03-28T04:00:00+03:00 2021-03-29T03:00:00+03:00"},
		{expr: "30 3 * * *", after: march, want: "2021-03-28T04:00:00+03:00 2021-03-29T03:30:00+03:00"},
		{expr: "*/15 3 * * *", after: march, want: "2021-03-29T03:00:00+03:00"},
		{expr: "15,30 3 28 3 *", after: march, want: "2021-03-28T04:00:00+03:00=dst_moved 2022-03-28T03:15:00+03:00"},
	} {
		f.zone = "Europe/Riga"
		f.check(t)
	}
}

// TestFactsDST holds the law's own sentences.
func TestFactsDST(t *testing.T) {
	t.Parallel()
	skip, first := Options{DST: DST{Gap: GapSkip}}, Options{DST: DST{Overlap: OverlapFirst}}
	second, both := Options{DST: DST{Overlap: OverlapSecond}}, Options{DST: DST{Overlap: OverlapBoth}}
	for _, f := range []fact{
		// A fixed time in the gap: once, at the first instant after it.
		{expr: "30 2 * * *", zone: "America/New_York", after: "2026-03-07T12:00:00Z", want: "2026-03-08T03:00:00-04:00=dst_moved 2026-03-09T02:30:00-04:00"},
		{expr: "0,30 2 * * *", zone: "America/New_York", after: "2026-03-07T12:00:00Z", want: "2026-03-08T03:00:00-04:00=dst_moved 2026-03-09T02:00:00-04:00"},
		{expr: "0 2,3 * * *", zone: "America/New_York", after: "2026-03-07T12:00:00Z", want: "2026-03-08T03:00:00-04:00=dst_moved 2026-03-09T02:00:00-04:00"},
		{expr: "15 0-23 * * *", zone: "America/New_York", after: "2026-03-08T06:00:00Z", want: "2026-03-08T01:15:00-05:00 2026-03-08T03:00:00-04:00=dst_moved 2026-03-08T03:15:00-04:00"},
		{expr: "30 15 2 * * *", zone: "America/New_York", after: "2026-03-07T12:00:00Z", want: "2026-03-08T03:00:00-04:00"},
		// Wild: nothing is made up.
		{expr: "*/30 2 * * *", zone: "America/New_York", after: "2026-03-07T12:00:00Z", want: "2026-03-09T02:00:00-04:00"},
		{expr: "15 * * * *", zone: "America/New_York", after: "2026-03-08T06:00:00Z", want: "2026-03-08T01:15:00-05:00 2026-03-08T03:15:00-04:00"},
		{expr: "* 30 2 * * *", zone: "America/New_York", after: "2026-03-07T12:00:00Z", want: "2026-03-09T02:30:00-04:00"},
		{expr: "30 2 * * *", zone: "America/New_York", after: "2026-03-07T12:00:00Z", want: "2026-03-09T02:30:00-04:00", options: skip},
		// The overlap.
		{expr: "30 1 * * *", zone: "America/New_York", after: "2026-10-31T12:00:00Z", want: "2026-11-01T01:30:00-04:00=dst_repeated 2026-11-02T01:30:00-05:00"},
		{expr: "30 1 * * *", zone: "America/New_York", after: "2026-11-01T05:30:00Z", want: "2026-11-02T01:30:00-05:00"},
		{expr: "30 1 * * *", zone: "America/New_York", after: "2026-10-31T12:00:00Z", want: "2026-11-01T01:30:00-05:00 2026-11-02T01:30:00-05:00", options: second},
		{expr: "30 1 * * *", zone: "America/New_York", after: "2026-10-31T12:00:00Z", want: "2026-11-01T01:30:00-04:00 2026-11-01T01:30:00-05:00 2026-11-02T01:30:00-05:00", options: both},
		{expr: "30 * * * *", zone: "America/New_York", after: "2026-11-01T04:45:00Z", want: "2026-11-01T01:30:00-04:00 2026-11-01T01:30:00-05:00 2026-11-01T02:30:00-05:00"},
		{expr: "30 * * * *", zone: "America/New_York", after: "2026-11-01T04:45:00Z", want: "2026-11-01T01:30:00-04:00 2026-11-01T02:30:00-05:00", options: first},
		{expr: "30 0-23 * * *", zone: "America/New_York", after: "2026-11-01T04:45:00Z", want: "2026-11-01T01:30:00-04:00 2026-11-01T02:30:00-05:00"},
		// Gaps at midnight: the date is that of the written time.
		{expr: "0 0 * * SUN", zone: "Asia/Beirut", after: "2025-03-29T12:00:00Z", want: "2025-03-30T01:00:00+03:00=dst_moved 2025-04-06T00:00:00+03:00"},
		{expr: "0 0 30 3 *", zone: "Asia/Beirut", after: "2025-03-29T12:00:00Z", want: "2025-03-30T01:00:00+03:00 2026-03-30T00:00:00+03:00"},
		{expr: "0 0 4 11 *", zone: "America/Sao_Paulo", after: "2018-11-01T00:00:00Z", want: "2018-11-04T01:00:00-02:00 2019-11-04T00:00:00-03:00"},
		{expr: "30 23 * * *", zone: "America/Nuuk", after: "2024-03-30T12:00:00Z", want: "2024-03-31T00:00:00-01:00=dst_moved 2024-03-31T23:30:00-01:00"},
		{expr: "0 0 * * *", zone: "Africa/Cairo", after: "2024-04-25T12:00:00Z", want: "2024-04-26T01:00:00+03:00=dst_moved 2024-04-27T00:00:00+03:00"},
		{expr: "30 23 * * *", zone: "Africa/Cairo", after: "2024-10-31T12:00:00Z", want: "2024-10-31T23:30:00+03:00=dst_repeated 2024-11-01T23:30:00+02:00"},
		// Half an hour, two hours, three hours, a day.
		{expr: "15 2 * * *", zone: "Australia/Lord_Howe", after: "2024-10-05T12:00:00Z", want: "2024-10-06T02:30:00+11:00=dst_moved 2024-10-07T02:15:00+11:00"},
		{expr: "45 1 * * *", zone: "Australia/Lord_Howe", after: "2024-04-06T12:00:00Z", want: "2024-04-07T01:45:00+11:00=dst_repeated 2024-04-08T01:45:00+10:30"},
		{expr: "30 1 * * *", zone: "Antarctica/Troll", after: "2024-03-30T12:00:00Z", want: "2024-03-31T03:00:00+02:00=dst_moved 2024-04-01T01:30:00+02:00"},
		{expr: "0 5 * * *", zone: "Antarctica/Casey", after: "2018-03-10T00:00:00Z", want: "2018-03-11T05:00:00+08:00 2018-03-12T05:00:00+08:00"},
		{expr: "0 12 * * *", zone: "Pacific/Apia", after: "2011-12-29T00:00:00Z", want: "2011-12-29T12:00:00-10:00 2011-12-31T12:00:00+14:00"},
		{expr: "0 0 30 12 *", zone: "Pacific/Apia", after: "2011-12-01T00:00:00Z", want: "2012-12-30T00:00:00+14:00"},
		{expr: "* * * * *", zone: "Pacific/Apia", after: "2011-12-30T09:58:00Z", want: "2011-12-29T23:59:00-10:00 2011-12-31T00:00:00+14:00"},
		// Negative daylight saving: Ramadan in Morocco, winter in Ireland.
		{expr: "30 2 * * *", zone: "Africa/Casablanca", after: "2024-03-09T12:00:00Z", want: "2024-03-10T02:30:00+01:00=dst_repeated 2024-03-11T02:30:00+00:00"},
		{expr: "30 2 * * *", zone: "Africa/Casablanca", after: "2024-04-13T12:00:00Z", want: "2024-04-14T03:00:00+01:00=dst_moved 2024-04-15T02:30:00+01:00"},
		{expr: "30 1 * * *", zone: "Europe/Dublin", after: "2026-10-24T12:00:00Z", want: "2026-10-25T01:30:00+01:00=dst_repeated 2026-10-26T01:30:00+00:00"},
		{expr: "0 9 * * *", zone: "Asia/Seoul", after: "2026-01-10T12:34:56Z", want: "2026-01-11T09:00:00+09:00 2026-01-12T09:00:00+09:00"},
	} {
		f.check(t)
	}
}

// TestFactsQuartz holds the examples of the Quartz tutorial and tests.
func TestFactsQuartz(t *testing.T) {
	t.Parallel()
	const now = "2026-01-10T12:34:56Z" // a Saturday
	for _, f := range []fact{
		{expr: "0 0 12 * * ?", after: now, want: "2026-01-11T12:00 2026-01-12T12:00"},
		{expr: "0 15 10 ? * *", after: now, want: "2026-01-11T10:15"},
		{expr: "0 15 10 * * ? 2028", after: now, want: "2028-01-01T10:15 2028-01-02T10:15"},
		{expr: "0 * 14 * * ?", after: now, want: "2026-01-10T14:00 2026-01-10T14:01"},
		{expr: "0 0/5 14,18 * * ?", after: "2026-01-10T14:50:00Z", want: "2026-01-10T14:55 2026-01-10T18:00"},
		{expr: "0 0-5 14 * * ?", after: "2026-01-10T14:05:00Z", want: "2026-01-11T14:00"},
		{expr: "0 10,44 14 ? 3 WED", after: now, want: "2026-03-04T14:10 2026-03-04T14:44 2026-03-11T14:10"},
		{expr: "0 15 10 ? * MON-FRI", after: now, want: "2026-01-12T10:15"},
		{expr: "0 15 10 L-2 * ?", after: now, want: "2026-01-29T10:15 2026-02-26T10:15 2026-03-29T10:15"},
		{expr: "0 15 10 ? * 6L", after: now, want: "2026-01-30T10:15 2026-02-27T10:15 2026-03-27T10:15"},
		{expr: "0 15 10 ? * 6L 2027-2030", after: now, want: "2027-01-29T10:15"},
		{expr: "0 15 10 ? * 6#3", after: now, want: "2026-01-16T10:15 2026-02-20T10:15"},
		{expr: "0 0 12 1/5 * ?", after: now, want: "2026-01-11T12:00 2026-01-16T12:00"},
		{expr: "0 11 11 11 11 ?", after: now, want: "2026-11-11T11:11 2027-11-11T11:11"},
		{expr: "0/5 14,18,3-39,52 * ? JAN,MAR,SEP MON-FRI 2002-2010", after: "2002-01-01T00:02:58Z", want: "2002-01-01T00:03:00+00:00 2002-01-01T00:03:05+00:00"},
		{expr: "0 0 12 1W * ?", after: "2023-10-01T12:00:00Z", want: "2023-10-02T12:00 2023-11-01T12:00 2023-12-01T12:00"},
		{expr: "0 0 12 ? * 2/2", after: "2023-09-04T12:00:00Z", want: "2023-09-06T12:00 2023-09-08T12:00 2023-09-11T12:00"},
		{expr: "0 15 10 L * ? 2010", after: "2010-09-15T00:00:00Z", want: "2010-09-30T10:15 2010-10-31T10:15"},
		{expr: "0 15 10 L-5W * ? 2010", after: "2010-09-15T00:00:00Z", want: "2010-09-24T10:15 2010-10-26T10:15"},
		{expr: "0 15 10 L-1W,L-1 * ? 2010", after: "2010-10-15T00:00:00Z", want: "2010-10-29T10:15 2010-10-30T10:15"},
		{expr: "0 15 10 2W,16 * ? 2010", after: "2010-10-01T11:00:00Z", want: "2010-10-16T10:15 2010-11-02T10:15"},
		{expr: "0 0 0 ? * L", after: now, want: "2026-01-17T00:00"},
		{expr: "0 0 0 ? * 1", after: now, want: "2026-01-11T00:00"},
	} {
		f.options.Dialect = Quartz
		f.check(t)
	}
}

// TestFactsCalendar holds facts of the calendar and of the standard dialect.
func TestFactsCalendar(t *testing.T) {
	t.Parallel()
	for _, f := range []fact{
		// The manual page of crontab.
		{expr: "5 0 * * *", after: "2026-01-10T12:00:00Z", want: "2026-01-11T00:05"},
		{expr: "15 14 1 * *", after: "2026-01-10T12:00:00Z", want: "2026-02-01T14:15"},
		{expr: "0 22 * * 1-5", after: "2026-01-10T12:00:00Z", want: "2026-01-12T22:00"},
		{expr: "23 0-23/2 * * *", after: "2026-01-10T12:00:00Z", want: "2026-01-10T12:23 2026-01-10T14:23"},
		{expr: "5 4 * * sun", after: "2026-01-10T12:00:00Z", want: "2026-01-11T04:05 2026-01-18T04:05"},
		{expr: "0 4 15-21 * 1", after: "2026-01-10T12:00:00Z", want: "2026-01-12T04:00 2026-01-15T04:00 2026-01-16T04:00"},
		{expr: "30 4 1,15 * 5", after: "2026-01-10T12:00:00Z", want: "2026-01-15T04:30 2026-01-16T04:30 2026-01-23T04:30 2026-01-30T04:30 2026-02-01T04:30"},
		// The days' OR, what counts as unrestricted, and AND.
		{expr: "0 12 1 * MON", after: "2026-01-10T12:34:56Z", want: "2026-01-12T12:00 2026-01-19T12:00 2026-01-26T12:00 2026-02-01T12:00"},
		{expr: "0 12 1 * +MON", after: "2026-01-10T12:34:56Z", want: "2026-06-01T12:00 2027-02-01T12:00"},
		{expr: "0 0 13 * FRI", after: "2026-02-01T00:00:00Z", want: "2026-02-06T00:00 2026-02-13T00:00 2026-02-20T00:00"},
		{expr: "0 0 13 * +FRI", after: "2026-01-01T00:00:00Z", want: "2026-02-13T00:00 2026-03-13T00:00 2026-11-13T00:00"},
		{expr: "0 0 */2 * MON", after: "2026-01-10T12:00:00Z", want: "2026-01-11T00:00 2026-01-12T00:00 2026-01-13T00:00 2026-01-15T00:00"},
		{expr: "0 0 1 * */2", after: "2026-01-10T12:00:00Z", want: "2026-01-11T00:00 2026-01-13T00:00"},
		{expr: "0 0 1-31 * MON", after: "2026-01-10T12:00:00Z", want: "2026-01-11T00:00 2026-01-12T00:00"},
		{expr: "0 0 ? * MON", after: "2026-01-10T12:00:00Z", want: "2026-01-12T00:00 2026-01-19T00:00"},
		{expr: "0 0 *,1 * MON", after: "2026-01-10T12:00:00Z", want: "2026-01-11T00:00 2026-01-12T00:00"},
		{expr: "0 0 * * 0", after: "2026-01-10T12:00:00Z", want: "2026-01-11T00:00"},
		{expr: "0 0 * * 7", after: "2026-01-10T12:00:00Z", want: "2026-01-11T00:00"},
		{expr: "0 0 * * 5-7", after: "2026-01-10T12:00:00Z", want: "2026-01-11T00:00 2026-01-16T00:00 2026-01-17T00:00"},
		{expr: "0 0 * * */7", after: "2026-01-10T12:00:00Z", want: "2026-01-11T00:00 2026-01-18T00:00"},
		// L, W, #.
		{expr: "1 1 L * *", after: "2020-01-01T00:00:00Z", want: "2020-01-31T01:01 2020-02-29T01:01 2020-03-31T01:01"},
		{expr: "1 1 * * 5L", after: "2020-01-01T00:00:00Z", want: "2020-01-31T01:01 2020-02-28T01:01 2020-03-27T01:01 2020-04-24T01:01 2020-05-29T01:01"},
		{expr: "1 1 * * 0L", after: "2020-01-01T00:00:00Z", want: "2020-01-26T01:01"},
		{expr: "1 1 * * 7#L", after: "2020-01-01T00:00:00Z", want: "2020-01-26T01:01"},
		{expr: "1 1 * * 1#2", after: "2020-01-01T00:00:00Z", want: "2020-01-13T01:01"},
		{expr: "0 0 * * MON#5", after: "2026-01-01T00:00:00Z", want: "2026-03-30T00:00 2026-06-29T00:00"},
		{expr: "0 0 LW * *", after: "2026-01-10T00:00:00Z", want: "2026-01-30T00:00 2026-02-27T00:00 2026-03-31T00:00 2026-04-30T00:00 2026-05-29T00:00"},
		{expr: "0 0 1W * *", after: "2026-01-31T00:00:00Z", want: "2026-02-02T00:00 2026-03-02T00:00 2026-04-01T00:00 2026-05-01T00:00 2026-06-01T00:00 2026-07-01T00:00 2026-08-03T00:00"},
		{expr: "0 0 15W * *", after: "2026-01-31T00:00:00Z", want: "2026-02-16T00:00 2026-03-16T00:00 2026-04-15T00:00 2026-05-15T00:00"},
		{expr: "0 0 31W * *", after: "2026-01-31T00:00:00Z", want: "2026-03-31T00:00 2026-05-29T00:00"},
		{expr: "0 0 30W 5 *", after: "2026-01-31T00:00:00Z", want: "2026-05-29T00:00"},
		{expr: "0 0 31W 5 *", after: "2026-01-31T00:00:00Z", want: "2026-05-29T00:00"},
		{expr: "0 0 28W 2 *", after: "2026-01-31T00:00:00Z", want: "2026-02-27T00:00 2027-02-26T00:00 2028-02-28T00:00"},
		{expr: "0 0 L-30 * *", after: "2026-01-31T00:00:00Z", want: "2026-03-01T00:00 2026-05-01T00:00"},
		{expr: "0 0 L-3 2 *", after: "2026-01-31T00:00:00Z", want: "2026-02-25T00:00 2027-02-25T00:00 2028-02-26T00:00"},
		{expr: "0 0 1,L,15W * *", after: "2026-01-10T00:00:00Z", want: "2026-01-15T00:00 2026-01-31T00:00 2026-02-01T00:00 2026-02-16T00:00 2026-02-28T00:00"},
		{expr: "0 0 * * MON#1,FRIL", after: "2026-01-06T00:00:00Z", want: "2026-01-30T00:00 2026-02-02T00:00 2026-02-27T00:00"},
		{expr: "0 0 1 * MON#1", after: "2026-01-02T00:00:00Z", want: "2026-01-05T00:00 2026-02-01T00:00 2026-02-02T00:00"},
		// Rare dates and years.
		{expr: "0 0 29 2 *", after: "2096-03-01T00:00:00Z", want: "2104-02-29T00:00 2108-02-29T00:00"},
		{expr: "0 0 29 2 +MON", after: "2026-01-01T00:00:00Z", want: "2044-02-29T00:00 2072-02-29T00:00"},
		{expr: "0 0 31 * *", after: "2026-01-31T00:00:00Z", want: "2026-03-31T00:00 2026-05-31T00:00"},
		{expr: "0 0 0 1 1 * 2199", after: "2026-01-31T00:00:00Z", want: "2199-01-01T00:00 none"},
		{expr: "0 0 0 1 1 * *", after: "1960-01-31T00:00:00Z", want: "1970-01-01T00:00 1971-01-01T00:00"},
		{expr: "0 0 1 1 *", after: "9998-06-01T00:00:00Z", want: "9999-01-01T00:00 none"},
		{expr: "0 0 30 2 *", after: "2026-01-31T00:00:00Z", want: "none"},
		{expr: "0 0 31 2,4,6,9,11 *", after: "2026-01-31T00:00:00Z", want: "none"},
		{expr: "0 0 1-7 * +MON#2", after: "2026-01-31T00:00:00Z", want: "none"},
		// Seconds; a time with a fraction; strictly after.
		{expr: "*/20 * * * * *", after: "2026-01-10T12:34:56.5Z", want: "2026-01-10T12:35:00+00:00 2026-01-10T12:35:20+00:00 2026-01-10T12:35:40+00:00"},
		{expr: "59 59 23 31 12 *", after: "2026-01-10T12:34:56Z", want: "2026-12-31T23:59:59+00:00"},
		{expr: "34 12 * * *", after: "2026-01-10T12:33:59.999999999Z", want: "2026-01-10T12:34"},
		{expr: "34 12 * * *", after: "2026-01-10T12:34:00Z", want: "2026-01-11T12:34"},
		{expr: "34 12 * * *", after: "2026-01-10T12:34:00.000000001Z", want: "2026-01-11T12:34"},
		{expr: "@weekly", after: "2026-01-10T12:34:00Z", want: "2026-01-11T00:00"},
		{expr: "@yearly", after: "2026-01-10T12:34:00Z", want: "2027-01-01T00:00"},
	} {
		f.check(t)
	}
}

func TestNever(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]bool{
		"0 0 30 2 *": true, "0 0 31 4 *": true, "0 0 29 2 *": false, "0 0 31W 2 *": true, "0 0 L-30 2,4 *": true,
		"0 0 0 29 2 * 2026": true, "0 0 0 29 2 * 2028": false, "0 0 1-7 * +MON#2": true, "* * * * *": false,
		"0 0 29 2 +MON#5": false, "0 0 28 2 +MON#5": true, "0 0 0 1 1 * 1970": false,
	} {
		if got := mustCron(t, expr, "Europe/Paris").Never(); got != want {
			t.Errorf("%s never: %v", expr, got)
		}
	}
}
