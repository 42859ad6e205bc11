package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

// plan stores a schedule in Eastern time.
func (b *bundle) plan(tenant, name, timing string, edit ...func(*agenda.Schedule)) {
	b.t.Helper()
	n := agenda.Schedule{ID: id.New(id.Schedule, start), Tenant: tenant, CreatedAt: start, UpdatedAt: start}
	n.Name, n.Zone, n.Mode, n.Trigger, n.UsesCalendar = name, "America/New_York", agenda.ModeAuto, []byte(timing), true
	n.Target, n.Policy, n.State = agenda.Target{TemplateID: "tmpl_x"}, agenda.NewPolicy(), agenda.State{}.Begin(start)
	for _, e := range edit {
		e(&n)
	}
	if _, err := b.store.Schedules.Create(b.t.Context(), store.PutSchedule{Schedule: n, By: "ann"}); err != nil {
		b.t.Fatal(err)
	}
}

// TestOverrideFires closes Monday, 6 July 2026, and lets the 7th close at 13:00.
func TestOverrideFires(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const daily = `{"trigger":{"type":"CRON","expression":"0 10 * * MON-FRI"},"calendar":%s}`
	b.plan(access.DefaultTenant, "a daily", fmt.Sprintf(daily, `"NYSE"`))
	b.plan(access.DefaultTenant, "b close", `{"trigger":{"type":"EVENT","event":"MARKET_CLOSE","offset":"-PT10M"},"calendar":"XNYS"}`, func(s *agenda.Schedule) {
		s.State.Status = agenda.Paused
	})
	b.plan(access.DefaultTenant, "c days off", fmt.Sprintf(daily, `{"not":"XNYS"}`))
	b.plan(access.DefaultTenant, "d moved", `{"trigger":{"type":"CRON","expression":"0 9 * * MON"},"calendar":"XNYS","on_non_session":"next_session"}`)
	b.plan(access.DefaultTenant, "e Toronto", fmt.Sprintf(daily, `"XTSE"`))
	b.plan(access.DefaultTenant, "f broken", fmt.Sprintf(daily, `"XXXX"`))
	b.plan(access.DefaultTenant, "g none", `{"trigger":{"type":"CRON","expression":"0 10 * * *"}}`, func(s *agenda.Schedule) { s.UsesCalendar = false })
	b.plan(access.DefaultTenant, "h finished", fmt.Sprintf(daily, `"XNYS"`), func(s *agenda.Schedule) { s.State.Status = agenda.Finished })
	other := id.New(id.Tenant, start)
	if _, err := b.store.Tenants.Create(t.Context(), store.PutTenant{Tenant: access.Tenant{ID: other, Name: "other", CreatedAt: start, UpdatedAt: start}}); err != nil {
		t.Fatal(err)
	}
	b.plan(other, "i foreign", fmt.Sprintf(daily, `"XNYS"`))
	const path = "/api/calendars/XNYS/overrides"
	const body = `[{"date":"2026-07-06","kind":"closed"},{"date":"2026-07-07","kind":"hours","open":"09:30","close":"13:00"}]`
	dry := want(t, b.as(access.Author, "PUT", path+"?dry_run=true", body), 200, "").json(t)
	fires, ok := dry["fires"].(map[string]any)
	if !ok {
		t.Fatalf("no fires: %v", dry)
	}
	var got []string
	for _, x := range fires["items"].([]any) {
		f := x.(map[string]any)
		line := fmt.Sprint(f["schedule"], " ", f["change"], " ", f["local"])
		for _, key := range []string{"moved_to", "reason"} {
			if f[key] != nil {
				line += " " + f[key].(string)
			}
		}
		if f["paused"] == true {
			line += " paused"
		}
		got = append(got, line)
		if f["schedule_id"] == "" || f["nominal_at"] == "" {
			t.Errorf("%v", f)
		}
	}
	if diff := cmp.Diff([]string{
		"a daily removed 2026-07-06T10:00:00-04:00 holiday",
		"b close removed 2026-07-06T15:50:00-04:00 paused",
		"b close moved 2026-07-07T15:50:00-04:00 2026-07-07T16:50:00Z paused",
		"c days off added 2026-07-06T10:00:00-04:00",
		"d moved moved 2026-07-06T09:00:00-04:00 2026-07-07T13:00:00Z",
	}, got); diff != "" || fires["schedules"] != 4.0 || fires["complete"] != true {
		t.Errorf("%v schedules, complete %v (-want +got)\n%s", fires["schedules"], fires["complete"], diff)
	}
	if done := want(t, b.as(access.Author, "PUT", path, body), 200, "").json(t); done["fires"] != nil {
		t.Errorf("a change that is made has the fires %v", done["fires"])
	}
	// Back again: the same fires the other way.
	dry = want(t, b.as(access.Author, "DELETE", path+"?dry_run=true&date=2026-07-06", ""), 200, "").json(t)
	if text := fmt.Sprint(dry["fires"]); strings.Count(text, "change:added") != 2 || strings.Count(text, "change:removed") != 1 || strings.Count(text, "change:moved") != 1 {
		t.Errorf("%s", text)
	}
	// What has passed does not count.
	dry = want(t, b.as(access.Author, "PUT", path+"?dry_run=true&merge=true", `[{"date":"2026-01-05","kind":"closed"}]`), 200, "").json(t)
	if f := dry["fires"].(map[string]any); len(f["items"].([]any)) != 0 || len(dry["changes"].([]any)) != 1 {
		t.Errorf("%v", dry)
	}
}

// TestOverrideFiresBound has more fires than are listed.
func TestOverrideFiresBound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.plan(access.DefaultTenant, "minutely", `{"trigger":{"type":"CRON","expression":"* * * * *"},"calendar":"XNYS"}`)
	dry := want(t, b.as(access.Author, "PUT", "/api/calendars/XNYS/overrides?dry_run=true", `[{"date":"2026-07-06","kind":"closed"}]`), 200, "").json(t)
	if f := dry["fires"].(map[string]any); f["complete"] != false || len(f["items"].([]any)) != 1000 || f["schedules"] != 1.0 {
		t.Errorf("%v fires of %v schedules, complete %v", len(f["items"].([]any)), f["schedules"], f["complete"])
	}
}
