package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

func calendarChecks() []check {
	return []check{
		{"Calendars/KeepEveryField", calendarFields},
		{"Calendars/ReplaceAndMerge", calendarReplace},
		{"Calendars/DeleteSomeAndAll", calendarDelete},
		{"Calendars/RefuseTooMany", calendarBound},
		{"Calendars/EachChangeHasItsVersion", calendarRace},
		{"Calendars/OtherTenantSeesNothing", calendarOtherTenant},
	}
}

func day(n int) calendar.Date { return calendar.NewDate(2026, time.March, n) }

func closedOn(days ...int) (out []calendar.Override) {
	for _, d := range days {
		out = append(out, calendar.Override{Date: day(d), Kind: calendar.OverrideClosed})
	}
	return out
}

func putOverrides(t *testing.T, s store.Store, p store.PutOverrides) int64 {
	t.Helper()
	if p.Tenant == "" {
		p.Tenant = tenant
	}
	v, err := s.Calendars.Put(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func overrides(t *testing.T, s store.Store, of string) store.Overrides {
	t.Helper()
	out, err := s.Calendars.Overrides(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// dates are the overridden dates with their calendars.
func dates(o store.Overrides) (out []string) {
	for _, x := range o.List {
		out = append(out, x.Calendar+" "+x.Date.String())
	}
	return out
}

func calendarFields(t *testing.T, s store.Store) {
	if v, err := s.Calendars.Version(t.Context(), tenant); err != nil || v != 0 {
		t.Errorf("the version begins with %d, %v", v, err)
	}
	full := calendar.Override{
		Date: day(2), Kind: calendar.OverrideHours, Open: "09:30", Close: "14:00", BreakStart: "12:00", BreakEnd: "12:30", Reason: "früher Schluss",
	}
	entry := &audit.Entry{Tenant: tenant, At: base, Action: audit.CalendarOverride, Object: "XNYS"}
	v := putOverrides(t, s, store.PutOverrides{Calendar: "XNYS", List: []calendar.Override{full}, Source: "list.csv", By: "ann", At: base, Audit: entry})
	same(t, "overrides", store.Overrides{Version: v, List: []store.Override{
		{Calendar: "XNYS", Override: full, Source: "list.csv", UpdatedBy: "ann", UpdatedAt: base},
	}}, overrides(t, s, tenant))
	page, err := s.Audit.List(t.Context(), store.ListAudit{Tenant: tenant, Limit: 10})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Action != audit.CalendarOverride {
		t.Errorf("the record has %v, %v", page.Entries, err)
	}
}

func calendarReplace(t *testing.T, s store.Store) {
	first := putOverrides(t, s, store.PutOverrides{Calendar: "XNYS", List: closedOn(2, 3), By: "a"})
	putOverrides(t, s, store.PutOverrides{Calendar: "XTKS", List: closedOn(9), By: "a"})
	putOverrides(t, s, store.PutOverrides{Calendar: "XNYS", List: closedOn(3, 4), By: "b"})
	got := overrides(t, s, tenant)
	same(t, "merged", []string{"XNYS 2026-03-02", "XNYS 2026-03-03", "XNYS 2026-03-04", "XTKS 2026-03-09"}, dates(got))
	if got.List[1].UpdatedBy != "b" || got.Version != first+2 {
		t.Errorf("the second put left %+v", got)
	}
	putOverrides(t, s, store.PutOverrides{Calendar: "XNYS", List: closedOn(5), Replace: true, By: "c"})
	same(t, "replaced", []string{"XNYS 2026-03-05", "XTKS 2026-03-09"}, dates(overrides(t, s, tenant)))
}

func calendarDelete(t *testing.T, s store.Store) {
	putOverrides(t, s, store.PutOverrides{Calendar: "XNYS", List: closedOn(2, 3, 4), By: "a"})
	v := putOverrides(t, s, store.PutOverrides{Calendar: "XTKS", List: closedOn(2), By: "a"})
	entry := &audit.Entry{Tenant: tenant, At: base, Action: audit.CalendarOverride, Object: "XNYS"}
	_, err := s.Calendars.Delete(t.Context(), store.DeleteOverrides{Tenant: tenant, Calendar: "XNYS", Dates: []calendar.Date{day(9)}, Audit: entry})
	wantCode(t, err, fault.NotFound)
	if now, err := s.Calendars.Version(t.Context(), tenant); err != nil || now != v {
		t.Errorf("a refused delete made version %d of %d, %v", now, v, err)
	}
	if _, err := s.Calendars.Delete(t.Context(), store.DeleteOverrides{Tenant: tenant, Calendar: "XNYS", Dates: []calendar.Date{day(3), day(9)}, Audit: entry}); err != nil {
		t.Fatal(err)
	}
	same(t, "after one", []string{"XNYS 2026-03-02", "XNYS 2026-03-04", "XTKS 2026-03-02"}, dates(overrides(t, s, tenant)))
	if got, err := s.Calendars.Delete(t.Context(), store.DeleteOverrides{Tenant: tenant, Calendar: "XNYS"}); err != nil || got != v+2 {
		t.Errorf("version %d, %v", got, err)
	}
	same(t, "after all", []string{"XTKS 2026-03-02"}, dates(overrides(t, s, tenant)))
	_, err = s.Calendars.Delete(t.Context(), store.DeleteOverrides{Tenant: tenant, Calendar: "XNYS"})
	wantCode(t, err, fault.NotFound)
}

func calendarBound(t *testing.T, s store.Store) {
	var many []calendar.Override
	for i := range calendar.MaxOverrides {
		many = append(many, calendar.Override{Date: day(1) + calendar.Date(i), Kind: calendar.OverrideClosed})
	}
	v := putOverrides(t, s, store.PutOverrides{Calendar: "XNYS", List: many, By: "a"})
	_, err := s.Calendars.Put(t.Context(), store.PutOverrides{
		Tenant: tenant, Calendar: "XNYS", List: []calendar.Override{{Date: day(1) - 1, Kind: calendar.OverrideClosed}}, By: "a",
	})
	wantCode(t, err, fault.InvalidInput)
	if got := overrides(t, s, tenant); len(got.List) != calendar.MaxOverrides || got.Version != v {
		t.Errorf("a refused put left %d overrides and version %d", len(got.List), got.Version)
	}
}

func calendarRace(t *testing.T, s store.Store) {
	const n = 20
	versions := make([]int64, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			v, err := s.Calendars.Put(t.Context(), store.PutOverrides{Tenant: tenant, Calendar: fmt.Sprint("X", i%3), List: closedOn(i + 1), By: "a"})
			if err != nil {
				t.Error(err)
			}
			versions[i] = v
		})
	}
	all.Wait()
	seen := map[int64]bool{}
	for _, v := range versions {
		if v < 1 || v > n || seen[v] {
			t.Errorf("versions %v", versions)
			break
		}
		seen[v] = true
	}
	if got := overrides(t, s, tenant); len(got.List) != n || got.Version != n {
		t.Errorf("%d overrides, version %d", len(got.List), got.Version)
	}
}

func calendarOtherTenant(t *testing.T, s store.Store) {
	red := otherTenant(t, s)
	putOverrides(t, s, store.PutOverrides{Calendar: "XNYS", List: closedOn(2), By: "a"})
	putOverrides(t, s, store.PutOverrides{Tenant: red, Calendar: "XNYS", List: closedOn(3), By: "a"})
	same(t, "red", []string{"XNYS 2026-03-03"}, dates(overrides(t, s, red)))
	_, err := s.Calendars.Delete(t.Context(), store.DeleteOverrides{Tenant: red, Calendar: "XNYS", Dates: []calendar.Date{day(2)}})
	wantCode(t, err, fault.NotFound)
	putOverrides(t, s, store.PutOverrides{Tenant: red, Calendar: "XNYS", Replace: true, By: "a"})
	same(t, "ours", []string{"XNYS 2026-03-02"}, dates(overrides(t, s, tenant)))
}

// otherTenant makes a second tenant.
func otherTenant(t *testing.T, s store.Store) string {
	t.Helper()
	other := id.New(id.Tenant, base)
	if _, err := s.Tenants.Create(t.Context(), store.PutTenant{Tenant: access.Tenant{ID: other, Name: "red", CreatedAt: base, UpdatedAt: base}}); err != nil {
		t.Fatal(err)
	}
	return other
}
