package api_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/access"
)

// previewCase is one line of testdata/previews.txt: the fields of the body, and
// the times that are expected, each with its marks after + and its reason to be
// skipped after !.
type previewCase struct {
	line int
	body string
	want []string
}

// previewCases reads the table. A line is BODY => TIME TIME ..., where BODY is the
// inside of a JSON object; count is the number of times.
func previewCases(t *testing.T) []previewCase {
	t.Helper()
	b, err := os.ReadFile("testdata/previews.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []previewCase
	for i, line := range strings.Split(string(b), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		body, want, ok := strings.Cut(line, " => ")
		if !ok {
			t.Fatalf("line %d: %q", i+1, line)
		}
		c := previewCase{line: i + 1, want: strings.Fields(want)}
		c.body = fmt.Sprintf(`{"count":%d,%s}`, max(len(c.want), 1), body)
		out = append(out, c)
	}
	return out
}

// shown writes the items of an answer as the table does.
func shown(t *testing.T, raw []byte) string {
	t.Helper()
	var p struct {
		Items []struct {
			NominalAt string `json:"nominal_at"`
			Local     string
			Marks     []string
			Skip      *string
		}
	}
	if err := json.Unmarshal(raw, &p); err != nil || p.Items == nil {
		t.Fatalf("%v: %s", err, raw)
	}
	var out []string
	for _, i := range p.Items {
		if i.Marks == nil || i.Local == "" {
			t.Errorf("incomplete: %s", raw)
		}
		text := i.NominalAt
		for _, m := range i.Marks {
			text += "+" + m
		}
		if i.Skip != nil {
			text += "!" + *i.Skip
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestPreviewTable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cases := previewCases(t)
	if len(cases) < 60 {
		t.Errorf("%d cases", len(cases))
	}
	for _, c := range cases {
		a := want(t, b.as(access.Viewer, "POST", "/api/schedules/preview", c.body), 200, "")
		if got := shown(t, a.body); got != strings.Join(c.want, " ") {
			t.Errorf("line %d: %s\n got %s\nwant %s", c.line, c.body, got, strings.Join(c.want, " "))
		}
	}
}

func TestPreviewShape(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := want(t, b.call("POST", "/api/schedules/preview", `{"trigger":{"type":"CRON","expression":"0 9 * * MON-FRI","dialect":"standard"},"timezone":"Asia/Seoul",
		"from":"2026-01-10T12:34:56Z","count":1,"calendar":null,"allow_never":false}`), 200, "")
	if got := strings.TrimSpace(string(a.body)); got != `{"items":[{"nominal_at":"2026-01-12T00:00:00Z","local":"2026-01-12T09:00:00+09:00","marks":[],"skip":null}]}` {
		t.Error(got)
	}
	a = want(t, b.call("POST", "/api/schedules/preview", `[{"trigger":{"type":"CRON","expression":"@daily"},"count":1},{"trigger":{"type":"ON","event":"job.run.completed"}}]`), 200, "")
	if got := strings.TrimSpace(string(a.body)); got != `[{"items":[{"nominal_at":"2026-02-01T00:00:00Z","local":"2026-02-01T00:00:00+00:00","marks":[],"skip":null}]},{"items":[]}]` {
		t.Error(got)
	}
	if n := strings.Count(string(want(t, b.call("POST", "/api/schedules/preview", `{"trigger":{"type":"CRON","expression":"* * * * *"},"count":1000}`), 200, "").body), "nominal_at"); n != 1000 {
		t.Errorf("%d items of 1000", n)
	}
}

// TestPreviewRefuses: each mistake is answered with its place.
func TestPreviewRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	deep := strings.Repeat(`{"not":`, 12) + `"XNYS"` + strings.Repeat(`}`, 12)
	wide := `{"any_of":["XNYS"` + strings.Repeat(`,"XNYS"`, 40) + `]}`
	for _, c := range []struct{ body, code, pointer, says string }{
		{`{"trigger":{"type":"CRON","expression":"0 24 * * *"}}`, "cron_invalid", "/trigger/expression", "column 3"},
		{`{"trigger":{"type":"CRON","expression":"*/90 * * * *"}}`, "cron_invalid", "/trigger/expression", "column 3"},
		{`{"trigger":{"type":"CRON","expression":"0 9 * *"}}`, "cron_invalid", "/trigger/expression", "column 8"},
		{`{"trigger":{"type":"CRON","expression":"0 0 * * MONDAY"}}`, "cron_invalid", "/trigger/expression", "column 9"},
		{`{"trigger":{"type":"CRON","expressions":["@daily","x"]}}`, "cron_invalid", "/trigger/expressions/1", "column 2"},
		{`{"trigger":{"type":"CRON","expression":"` + strings.Repeat("1,", 1500) + `1 * * * *"}}`, "cron_invalid", "/trigger/expression", "column"},
		{`{"trigger":{"type":"CRON","expression":"\u0001 * * * *"}}`, "cron_invalid", "/trigger/expression", "column"},
		{`{"trigger":{"type":"CRON","expressions":["@daily",""]}}`, "cron_invalid", "/trigger/expressions/1", "column 1"},
		{`{"trigger":{"type":"CRON","expression":"CRON_TZ=Asia/Seoul 0 99 * * *"}}`, "cron_invalid", "/trigger/expression", "column 22: 99"},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"from":"1969-12-31T23:59:59Z"}`, "invalid_input", "/from", "1970"},
		{`{"trigger":{"type":"CRON"}}`, "trigger_invalid", "/trigger/expression", "needs an expression"},
		{`{"trigger":{"type":"CRON","expression":"0 0 30 2 *"}}`, "never_fires", "/trigger/expression", ""},
		{`{"trigger":{"type":"CRON","expression":"@daily","event":"open"}}`, "trigger_invalid", "/trigger/event", "EVENT"},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"timezone":"Mars/Olympus"}`, "zone_unknown", "/timezone", ""},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"timezone":"Local"}`, "zone_unknown", "/timezone", ""},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"timezone":"../../etc/passwd"}`, "zone_unknown", "/timezone", ""},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"calendar":"XXXX"}`, "invalid_input", "/calendar", "XXXX"},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"calendar":7}`, "invalid_input", "/calendar", ""},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"calendar":` + deep + `}`, "invalid_input", "/calendar", "nested"},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"calendar":` + wide + `}`, "invalid_input", "/calendar/any_of/31", "32"},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"calendar":{"all_of":["XNYS",{"neither":"XKRX"}]}}`, "invalid_input", "/calendar/all_of/1/neither", ""},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"exclude":{"calendars":["nope"]}}`, "invalid_input", "/exclude/calendars/0", ""},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"exclude":{"dates":["2026-02-30"]}}`, "invalid_input", "/exclude/dates/0", ""},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"exclude":{"cron":["60 * * * *"]}}`, "cron_invalid", "/exclude/cron/0", "column 1"},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"only_in":"session"}`, "trigger_invalid", "/only_in", "calendar"},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"on_non_session":"next_session"}`, "trigger_invalid", "/on_non_session", "calendar"},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"count":0}`, "invalid_input", "/count", ""},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"count":1001}`, "invalid_input", "/count", ""},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"from":"yesterday"}`, "invalid_input", "/from", ""},
		{`{"trigger":{"type":"INTERVAL"}}`, "trigger_invalid", "/trigger/interval", "at least a second"},
		{`{"trigger":{"type":"INTERVAL","interval":"PT0.5S"}}`, "trigger_invalid", "/trigger/interval", "at least a second"},
		{`{"trigger":{"type":"INTERVAL","interval":"PT5M","interval_minutes":5}}`, "trigger_invalid", "/trigger/interval", ""},
		{`{"trigger":{"type":"AT"}}`, "trigger_invalid", "/trigger/at", ""},
		{`{"trigger":{"type":"AT","at":["2026-13-01T00:00"]}}`, "trigger_invalid", "/trigger/at/0", ""},
		{`{"trigger":{"type":"AT","at":["2020-01-01T00:00:00Z"]}}`, "never_fires", "/trigger/at", ""},
		{`{"trigger":{"type":"EVENT","event":"MARKET_OPEN"}}`, "trigger_invalid", "/calendar", "calendar"},
		{`{"trigger":{"type":"EVENT","event":"LUNCH"},"calendar":"XNYS"}`, "trigger_invalid", "/trigger/event", "lunch"},
		{`{"trigger":{"type":"EVENT","event":"MARKET_OPEN","offset":"P500D"},"calendar":"XNYS"}`, "trigger_invalid", "/trigger/offset", ""},
		{`{"trigger":{"type":"EVENT","event":"MARKET_CLOSE","every":"PT5M"},"calendar":"XNYS"}`, "trigger_invalid", "/trigger/every", ""},
		{`{"trigger":{"type":"SOMETIMES"}}`, "invalid_input", "/trigger/type", ""},
		{`{"trigger":{"type":"CRON","expression":"@daily"},"timeZone":"UTC"}`, "unknown_field", "/timeZone", ""},
		{`{"cron":"0 9 * * *","timezone":"Asia/Seoul"}`, "invalid_input", "/cron", "canonical form"},
		{`[]`, "invalid_input", "", "1 to 100"},
		{`[{"trigger":{"type":"CRON","expression":"@daily"}},{"trigger":{"type":"CRON","expression":"61 * * * *"}}]`, "cron_invalid", "/1/trigger/expression", "column 1"},
		{`[{"trigger":{"type":"CRON","expression":"@daily"},"count":5000}]`, "invalid_input", "/0/count", ""},
	} {
		a := want(t, b.call("POST", "/api/schedules/preview", c.body), 422, c.code)
		if at := firstPointer(t, a); at != c.pointer || !strings.Contains(string(a.body), c.says) {
			t.Errorf("%s: pointer %q, want %q with %q: %s", c.body[:min(len(c.body), 200)], at, c.pointer, c.says, a.body)
		}
	}
	many := `[{"trigger":{"type":"ON","event":"x"}}` + strings.Repeat(`,{"trigger":{"type":"ON","event":"x"}}`, 100) + `]`
	want(t, b.call("POST", "/api/schedules/preview", many), 422, "invalid_input")
	if got := shown(t, want(t, b.call("POST", "/api/schedules/preview", `{"trigger":{"type":"CRON","expression":"0 0 30 2 *"},"allow_never":true}`), 200, "").body); got != "" {
		t.Error(got)
	}
}
