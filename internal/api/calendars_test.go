package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

func TestCalendars(t *testing.T) {
	t.Parallel()
	b := setup(t)
	found := map[string]map[string]any{}
	for _, c := range list(t, b.as(access.Viewer, "GET", "/api/calendars", "")) {
		found[c["mic"].(string)] = c
	}
	for code := range strings.FieldsSeq("XNYS XNAS XKRX XTKS XLON 24/7 24/5 weekdays US KR") {
		if found[strings.ToUpper(code)] == nil && found[code] == nil {
			t.Errorf("there is no %s", code)
		}
	}
	c := want(t, b.call("GET", "/api/calendars/nyse", ""), 200, "").json(t)
	if c["mic"] != "XNYS" || c["timezone"] != "America/New_York" || c["valid_through"] == nil || len(c["verified"].([]any)) == 0 || len(c["sources"].([]any)) == 0 {
		t.Errorf("%v", c)
	}
	for _, path := range []string{"24-7", "24%2F7", "24%2f7"} {
		if got := want(t, b.call("GET", "/api/calendars/"+path, ""), 200, "").json(t); got["mic"] != "24/7" || got["timezone"] != nil && got["timezone"] != "UTC" {
			t.Errorf("%s is %v", path, got)
		}
	}
	want(t, b.call("GET", "/api/calendars/XXXX", ""), 404, "not_found")
	want(t, b.call("GET", "/api/calendars/XXXX/sessions", ""), 404, "not_found")
}

func TestSessions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	items := list(t, b.as(access.Viewer, "GET", "/api/calendars/XNYS/sessions?from=2026-11-25&to=2026-11-28", ""))
	expect := []map[string]any{
		{
			"date": "2026-11-25", "open": "2026-11-25T14:30:00Z", "close": "2026-11-25T21:00:00Z", "break_start": nil, "break_end": nil,
			"early_close": false, "late_open": false, "verified": true, "overridden": false, "reason": nil,
		},
		{
			"date": "2026-11-27", "open": "2026-11-27T14:30:00Z", "close": "2026-11-27T18:00:00Z", "break_start": nil, "break_end": nil,
			"early_close": true, "late_open": false, "verified": true, "overridden": false, "reason": items[1]["reason"],
		},
	}
	if diff := cmp.Diff(expect, items); diff != "" || items[1]["reason"] == nil {
		t.Error(diff)
	}
	tokyo := list(t, b.call("GET", "/api/calendars/XTKS/sessions?from=2026-01-05&to=2026-01-05", ""))
	if len(tokyo) != 1 || tokyo[0]["break_start"] != "2026-01-05T02:30:00Z" || tokyo[0]["break_end"] != "2026-01-05T03:30:00Z" {
		t.Errorf("%v", tokyo)
	}
	if n := len(list(t, b.call("GET", "/api/calendars/XNYS/sessions?from=2020-01-01&to=2027-12-31", ""))); n < 2000 || n > 2020 {
		t.Errorf("%d sessions in 8 years", n)
	}
	seoul := list(t, b.call("GET", "/api/calendars/KR/sessions?from=2026-01-05&to=2026-01-05&timezone=Asia/Seoul", ""))
	if len(seoul) != 1 || seoul[0]["open"] != "2026-01-04T15:00:00Z" {
		t.Errorf("%v", seoul)
	}
	for query, code := range map[string]string{
		"from=2026-13-01": "invalid_parameter", "from=2026-01-02&to=2026-01-01": "invalid_parameter", "from=1990-01-01&to=2026-01-01": "invalid_parameter",
		"form=2026-01-01": "unknown_parameter", "from=": "invalid_parameter",
	} {
		want(t, b.call("GET", "/api/calendars/XNYS/sessions?"+query, ""), 400, code)
	}
	want(t, b.call("GET", "/api/calendars/XNYS/sessions?timezone=Nowhere", ""), 422, "zone_unknown")
}

const julyPreview = `{"trigger":{"type":"CRON","expression":"0 10 * * MON-FRI"},"timezone":"America/New_York","calendar":"XNYS","from":"2026-07-06T00:00:00Z","count":2}`

// TestOverridesChangePreviews: for the tenant that made them, at once, and for no
// other.
func TestOverridesChangePreviews(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		b.tokens["foreign"] = foreignAdmin(t, b)
		preview := func(role access.Role) string {
			t.Helper()
			return shown(t, want(t, b.as(role, "POST", "/api/schedules/preview", julyPreview), 200, "").body)
		}
		const path = "/api/calendars/XNYS/overrides"
		const plain = "2026-07-06T14:00:00Z 2026-07-07T14:00:00Z"
		if got := preview(access.Viewer); got != plain {
			t.Error(got)
		}
		body := `[{"date":"2026-07-06","kind":"closed","reason":"storm"},{"date":"2026-07-03","kind":"open"},{"date":"2026-07-07","kind":"hours","open":"09:30","close":"13:00","break_start":null}]`
		want(t, b.as(access.Viewer, "PUT", path, body), 403, "forbidden")
		dry := want(t, b.as(access.Author, "PUT", path+"?dry_run=true", body), 200, "").json(t)
		if got := preview(access.Viewer); got != plain || dry["dry_run"] != true || len(dry["changes"].([]any)) != 3 {
			t.Errorf("%s after a dry run %v", got, dry)
		}
		done := want(t, b.as(access.Author, "PUT", path, body), 200, "").json(t)
		change := done["changes"].([]any)[1].(map[string]any)
		if done["dry_run"] != false || done["overrides"] != 3.0 || change["date"] != "2026-07-06" || change["new"] != nil || change["old"] == nil {
			t.Errorf("%v", done)
		}
		const changed = "2026-07-06T14:00:00Z!holiday 2026-07-07T14:00:00Z+early_close"
		if got := preview(access.Viewer); got != changed {
			t.Error(got)
		}
		if got := preview("foreign"); got != plain {
			t.Errorf("another tenant sees %s", got)
		}
		if n := len(list(t, b.as("foreign", "GET", path, ""))); n != 0 {
			t.Errorf("another tenant sees %d overrides", n)
		}
		want(t, b.as("foreign", "DELETE", path, ""), 404, "not_found")
		stored := list(t, b.as(access.Viewer, "GET", path, ""))
		if len(stored) != 3 || stored[1]["reason"] != "storm" || stored[1]["updated_by"] != "author" || stored[1]["source"] != "json" || stored[2]["close"] != "13:00" {
			t.Errorf("%v", stored)
		}
		// Files, merged with what is there.
		csv := "date,kind,reason\n2026-07-08,closed,flood\n"
		merged := want(t, b.as(access.Author, "PUT", path+"?merge=true", csv, "Content-Type", "text/csv"), 200, "").json(t)
		if merged["overrides"] != 4.0 || len(merged["changes"].([]any)) != 1 {
			t.Errorf("%v", merged)
		}
		ical := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;VALUE=DATE:20260709\r\nSUMMARY:party\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
		want(t, b.as(access.Author, "PUT", path+"?merge=true", ical, "Content-Type", "text/calendar; charset=utf-8"), 200, "")
		gone := want(t, b.as(access.Author, "DELETE", path+"?date=2026-07-06,2026-07-07", ""), 200, "").json(t)
		if gone["overrides"] != 3.0 || len(gone["changes"].([]any)) != 2 {
			t.Errorf("%v", gone)
		}
		if got := preview(access.Viewer); got != plain {
			t.Error(got)
		}
		replaced := want(t, b.as(access.Author, "PUT", path, `{"date":"2026-07-10","kind":"closed"}`), 200, "").json(t)
		if replaced["overrides"] != 1.0 || len(replaced["changes"].([]any)) != 4 {
			t.Errorf("%v", replaced)
		}
		want(t, b.as(access.Author, "DELETE", path, ""), 200, "")
		want(t, b.as(access.Author, "DELETE", path, ""), 404, "not_found")
		page, err := b.store.Audit.List(t.Context(), store.ListAudit{Tenant: access.DefaultTenant, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, e := range page.Entries {
			if e.Action == audit.CalendarOverride {
				n++
			}
		}
		if n != 6 {
			t.Errorf("%d entries in the record", n)
		}
	})
}

// TestOverridesAreChecked: nothing is stored of what is wrong.
func TestOverridesAreChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const path = "/api/calendars/XNYS/overrides"
	many := `[` + strings.Repeat(`{"date":"2026-07-06","kind":"closed"},`, 5000) + `{"date":"2026-07-06","kind":"closed"}]`
	for _, c := range []struct{ media, body, pointer string }{
		{"application/json", `[{"date":"2026-07-06","kind":"closed"},{"date":"2026-07-06","kind":"open"}]`, "/1"},
		{"application/json", `[{"date":"2026-07-06","kind":"closed","open":"09:30"}]`, "/0"},
		{"application/json", `[{"date":"2026-07-06","kind":"hours","open":"25:00","close":"26:00"}]`, "/0"},
		{"application/json", `[{"date":"2026-02-30","kind":"closed"}]`, "/0/date"},
		{"application/json", `{"date":"tomorrow","kind":"closed"}`, "/date"},
		{"application/json", `[{"date":"2026-07-06","kind":"shut"}]`, "/0/kind"},
		{"application/json", many, ""},
		{"text/csv", "date;kind\n2026-07-06;closed\n", ""},
		{"text/csv", "BEGIN:VCALENDAR\nEND:VCALENDAR\n", "header/Content-Type"},
		{"text/calendar", "date,kind\n2026-07-06,closed\n", "header/Content-Type"},
	} {
		a := want(t, b.call("PUT", path, c.body, "Content-Type", c.media), 422, "invalid_input")
		if at := firstPointer(t, a); at != c.pointer {
			t.Errorf("%s: pointer %q, want %q: %s", c.body[:min(len(c.body), 120)], at, c.pointer, a.body)
		}
	}
	want(t, b.call("PUT", path, "x", "Content-Type", "text/plain"), 415, "unsupported_media_type")
	want(t, b.call("PUT", path, "x", "Content-Type", "text/csv; charset=latin1"), 415, "unsupported_media_type")
	want(t, b.call("PUT", "/api/calendars/nope/overrides", `[{"date":"2026-07-06","kind":"closed"}]`), 404, "not_found")
	want(t, b.call("DELETE", path+"?date=2026-02-30", ""), 400, "invalid_parameter")
	if n := len(list(t, b.call("GET", path, ""))); n != 0 {
		t.Errorf("%d overrides are stored", n)
	}
	var full strings.Builder
	full.WriteString("date,kind\n")
	for i := range 5000 {
		fmt.Fprintf(&full, "%s,closed\n", start.AddDate(0, 0, i).Format(time.DateOnly))
	}
	want(t, b.call("PUT", path, full.String(), "Content-Type", "text/csv"), 200, "")
	want(t, b.call("PUT", path+"?merge=true", "date,kind\n1999-01-04,closed\n", "Content-Type", "text/csv"), 422, "invalid_input")
}

// foreignAdmin makes another tenant and returns the token of an admin of it.
func foreignAdmin(t *testing.T, b *bundle) string {
	t.Helper()
	other := id.New(id.Tenant, start)
	if _, err := b.store.Tenants.Create(t.Context(), store.PutTenant{Tenant: access.Tenant{ID: other, Name: "other", CreatedAt: start, UpdatedAt: start}}); err != nil {
		t.Fatal(err)
	}
	text := access.NewToken()
	if _, err := b.store.Tokens.Create(t.Context(), store.PutToken{Token: access.Token{
		ID: id.New(id.Token, start), Tenant: other, Name: "other", Hash: access.HashToken(text), Roles: []access.Role{access.Admin},
		CreatedBy: "test", CreatedAt: start, ExpiresAt: start.Add(time.Hour),
	}}); err != nil {
		t.Fatal(err)
	}
	return text
}
