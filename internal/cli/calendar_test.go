package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
)

func calendarAnswer(w http.ResponseWriter, what string) bool {
	c := client.Calendar{
		Mic: "XNYS", Name: "New York \x1b[31mStock Exchange", Aliases: []string{"NYSE"}, Timezone: new("America/New_York"), ValidFrom: new("2015-01-01"),
		ValidThrough: new("2030-12-31"), Verified: []client.DateRange{{From: "2015-01-01", To: "2027-12-31"}}, Sources: []string{"a list"}, Overrides: 1, Version: "abc",
	}
	s := client.CalendarSession{Date: "2026-11-27", Open: now, Close: now.Add(3600e9), EarlyClose: true, Verified: true, Reason: new("Day after")}
	var out any
	switch what {
	case "GET /calendars":
		out = client.CalendarList{Items: []client.Calendar{c}}
	case "GET /calendars/XNYS":
		out = c
	case "GET /calendars/XNYS/sessions":
		out = client.CalendarSessions{Items: []client.CalendarSession{s}}
	case "GET /calendars/XNYS/overrides":
		out = client.CalendarOverrideList{Items: []client.CalendarOverride{
			{Date: "2026-12-24", Kind: "hours", Open: new("09:30"), Close: new("13:00"), Reason: new("early"), UpdatedBy: "ann", UpdatedAt: now},
		}}
	case "PUT /calendars/XNYS/overrides", "DELETE /calendars/XNYS/overrides":
		out = client.CalendarChange{Mic: "XNYS", Overrides: 2, Changes: []client.SessionChange{{Date: "2026-11-27", Old: &s}}, Fires: &client.FireChanges{
			Schedules: 2, Complete: true, Items: []client.FireChange{
				{ScheduleID: "sched_a", Schedule: "close \x1b[31mreport", Change: "moved", NominalAt: now, MovedTo: new(now.Add(-3600e9))},
				{ScheduleID: "sched_b", Schedule: "daily", Change: "removed", NominalAt: now, Reason: new("holiday"), Paused: true},
			},
		}}
	default:
		return false
	}
	_ = json.NewEncoder(w).Encode(out)
	return true
}

func TestCalendarGolden(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"calendar_help":         "calendar --help",
		"calendar_ls":           "calendar ls",
		"calendar_get":          "calendar get XNYS",
		"calendar_get_offline":  "calendar get TARGET --offline",
		"calendar_sessions":     "calendar sessions XNYS",
		"calendar_own_sessions": "calendar sessions XTKS --offline --from 2026-01-05 --to 2026-01-06",
		"calendar_own_json":     "calendar sessions XNYS --offline --from 2026-11-26 --to 2026-11-27 --json",
		"calendar_unknown":      "calendar get XXXX --offline",
		"calendar_bad_date":     "calendar sessions XNYS --offline --from 2026-02-30",
		"override_ls":           "calendar override ls XNYS",
		"override_set":          "calendar override set XNYS 2026-12-24 --hours 09:30-13:00",
		"override_fires":        "calendar override set XNYS 2026-12-24 --closed --fires",
		"override_set_what":     "calendar override set XNYS 2026-12-24",
		"override_rm_asks":      "calendar override rm XNYS 2026-12-24",
		"override_rm_all":       "calendar override rm XNYS",
		"override_rm":           "calendar override rm XNYS 2026-12-24 --yes",
		"schedule_help":         "schedule next --help",
		"schedule_every":        "schedule next --every 90m --count 2",
		"schedule_event":        "schedule next --event MARKET_CLOSE --offset -10m --calendar XNYS --from 2026-11-26T00:00:00Z --count 2",
		"schedule_nothing":      "schedule next",
		"schedule_bad_zone":     "schedule next --every 1h --timezone Mars/Olympus",
		"schedule_bad_calendar": "schedule next --every 1h --calendar XXXX",
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, args) })
	}
}

// TestScheduleNextIsOffline: there is no server, and none is looked for. Arguments
// with spaces are not in the golden files.
func TestScheduleNextIsOffline(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args      []string
		out, talk string
		code      int
	}{
		{
			[]string{"--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--from", "2026-03-28T12:00:00Z", "--count", "2"},
			"LOCAL                      UTC                   MARKS      SKIPPED\n" +
				"2026-03-29T03:00:00+02:00  2026-03-29T01:00:00Z  dst_moved  -\n2026-03-30T02:30:00+02:00  2026-03-30T00:30:00Z  -          -\n",
			"at 02:30 every day (Europe/Berlin)\n", exitOK,
		},
		{
			[]string{"--cron", "0 9 * * MON-FRI", "--timezone", "Asia/Seoul", "--count", "1", "--ko"},
			"LOCAL                      UTC                   MARKS  SKIPPED\n2026-02-02T09:00:00+09:00  2026-02-02T00:00:00Z  -      -\n",
			"매주 월요일부터 금요일까지 09:00 (Asia/Seoul)\n", exitOK,
		},
		{
			[]string{"--cron", "0 9 * * *", "--count", "1", "--json=nominal_at,skip"},
			"[\n  {\n    \"nominal_at\": \"2026-02-01T09:00:00Z\",\n    \"skip\": null\n  }\n]\n", "", exitOK,
		},
		{[]string{"--cron", "0 24 * * *"}, "", "runsheet: column 3: 24 is not an hour\nhint: write 0 for midnight\n", exitUsage},
		{
			[]string{"--cron", "0 0 30 2 *"},
			"",
			"runsheet: there is no time after 2026-01-31T12:00:00Z at which it fires\nhint: correct the trigger, or allow it with allow_never (--allow-never)\n", exitUsage,
		},
	} {
		var stdout, stderr bytes.Buffer
		none := func(string) (string, bool) { return "", false }
		code := Main(t.Context(), append([]string{"schedule", "next"}, c.args...), strings.NewReader(""), &stdout, &stderr, Options{Env: none, Clock: clocktest.New(now)})
		if stdout.String() != c.out || stderr.String() != c.talk || code != c.code {
			t.Errorf("%v: exit %d\n%s%s", c.args, code, stdout.String(), stderr.String())
		}
	}
}

// TestCalendarsWithoutServer: those of the program are shown, and it is said.
func TestCalendarsWithoutServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := func(name string) (string, bool) {
		if name == "RUNSHEET_DATA" {
			return dir, true
		}
		return "", false
	}
	var stdout, stderr bytes.Buffer
	code := Main(t.Context(), strings.Fields("calendar sessions XNYS --from 2026-11-27 --to 2026-11-27 -q"), strings.NewReader(""), &stdout, &stderr,
		Options{Env: env, Clock: clocktest.New(now)})
	if stdout.String() != "2026-11-27\n" || !strings.Contains(stderr.String(), "no server is there") || code != exitOK {
		t.Errorf("exit %d, %s%s", code, stdout.String(), stderr.String())
	}
}

// TestCalendarImportSends: the file as it is, with what it is.
func TestCalendarImportSends(t *testing.T) {
	t.Parallel()
	for body, query := range map[string]string{
		"date,kind\n2026-12-24,closed\n":             "merge=true",
		`[{"date":"2026-12-24","kind":"closed"}]`:    "merge=true",
		"\ufeffbegin:vcalendar\r\nend:vcalendar\r\n": "merge=true",
	} {
		file := filepath.Join(t.TempDir(), "dates")
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		f := serve(t, "FAILED")
		if _, talk, code := f.invoke(t.Context(), t, "", "calendar", "import", "XNYS", file); code != exitOK {
			t.Errorf("exit %d: %s", code, talk)
		}
		if f.bodies[0] != body || f.requests[0] != "PUT /api/calendars/XNYS/overrides?"+query {
			t.Errorf("%s with %q", f.requests[0], f.bodies[0])
		}
	}
	if got := mediaOf([]byte("\ufeffbegin:vcalendar")) + " " + mediaOf([]byte(" [")) + " " + mediaOf([]byte("date,kind")); got != "text/calendar application/json text/csv" {
		t.Error(got)
	}
}
