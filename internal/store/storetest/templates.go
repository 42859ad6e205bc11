package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func templateChecks() []check {
	return []check{
		{"Templates/KeepEveryField", templateFields},
		{"Templates/VersionsStay", templateVersions},
		{"Templates/NamesAreUnique", templateNames},
		{"Templates/NameRaces", templateNameRaces},
		{"Templates/UpdateOnceAmongMany", templateUpdateRace},
		{"Templates/DeleteFreesTheName", templateDelete},
		{"Templates/ListFiltersAndPages", templateList},
		{"Templates/OtherTenantSeesNothing", templateOtherTenant},
	}
}

func newTemplate(name string) job.Template {
	return job.Template{
		ID: id.New(id.Template, base), Tenant: tenant, Version: 1, Name: name, Type: "command", Params: []byte(`{}`),
		Priority: job.PriorityNormal, CreatedBy: "tester", CreatedAt: base, UpdatedAt: base,
	}
}

func create(t testing.TB, s store.Store, tmpl job.Template) job.Template {
	t.Helper()
	got, err := s.Templates.Create(t.Context(), store.PutTemplate{Template: tmpl})
	if err != nil {
		t.Fatalf("create template: %v", err)
	}
	return got
}

func templateFields(t *testing.T, s store.Store) {
	want := newTemplate(`Nächtlich "x" \ 🚀`)
	want.Description, want.Params, want.ParamsSchema = "d\n", []byte(`{"a":"\u0000"}`), []byte(`{"type":"object"}`)
	want.Retry = job.Retry{MaxAttempts: 2, On: []string{"x"}}
	want.Timeout, want.Priority, want.Locks = 1500*time.Millisecond, 2, []string{"gpu:0"}
	want.OnCrash, want.Labels, want.Archived = job.CrashRetry, map[string]string{"k": "v"}, true
	want.Limits = job.Limits{MaxRunning: 3, KeyParams: []string{"/user"}, MaxPerKey: 2}
	want.Unique = &job.Unique{By: []string{"/user"}, Period: time.Hour, States: []job.State{job.Completed}, Return: true}
	want.StartDeadline = 2 * time.Hour
	want.Webhook = job.Webhook{URL: "https://x.example/?a=b", Events: []string{"job.run.failed"}}
	got := create(t, s, want)
	same(t, "created", want, got)
	for _, by := range []string{want.ID, want.Name} {
		got, err := s.Templates.Template(t.Context(), tenant, by)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "read by "+by, want, got)
	}
}

func templateVersions(t *testing.T, s store.Store) {
	one := create(t, s, newTemplate("a"))
	two := one
	two.Version, two.Name, two.Priority, two.UpdatedAt = 2, "b", 8, base.Add(time.Hour)
	got, err := s.Templates.Update(t.Context(), store.PutTemplate{Template: two})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "updated", two, got)
	v1, err := s.Templates.Version(t.Context(), tenant, one.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "version 1", one, v1)
	_, err = s.Templates.Version(t.Context(), tenant, one.ID, 3)
	wantCode(t, err, fault.NotFound)
	_, err = s.Templates.Template(t.Context(), tenant, "a")
	wantCode(t, err, fault.NotFound)
	_, err = s.Templates.Update(t.Context(), store.PutTemplate{Template: two})
	wantCode(t, err, fault.VersionMismatch)
	stray := newTemplate("stray")
	stray.Version = 2
	_, err = s.Templates.Update(t.Context(), store.PutTemplate{Template: stray})
	wantCode(t, err, fault.NotFound)
}

func templateNames(t *testing.T, s store.Store) {
	create(t, s, newTemplate("ä"))
	for _, other := range []string{"Ä", "a", "a\u0308", "ä "} { // equal to nobody but itself
		create(t, s, newTemplate(other))
	}
	_, err := s.Templates.Create(t.Context(), store.PutTemplate{Template: newTemplate("ä")})
	wantCode(t, err, fault.NameTaken)
	b := create(t, s, newTemplate("b"))
	b.Version, b.Name = 2, "ä"
	_, err = s.Templates.Update(t.Context(), store.PutTemplate{Template: b})
	wantCode(t, err, fault.NameTaken)
}

func templateNameRaces(t *testing.T, s store.Store) {
	var mu sync.Mutex
	ok := 0
	count := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			ok++
			return
		}
		wantCode(t, err, fault.NameTaken)
	}
	together(8, func(int) {
		_, err := s.Templates.Create(t.Context(), store.PutTemplate{Template: newTemplate("same")})
		count(err)
	})
	if ok != 1 {
		t.Errorf("%d templates got one name", ok)
	}
	var own []job.Template
	for i := range 6 {
		own = append(own, create(t, s, newTemplate(fmt.Sprint(i))))
	}
	ok = 0
	together(12, func(i int) {
		if i >= 6 {
			_, err := s.Templates.Create(t.Context(), store.PutTemplate{Template: newTemplate("wanted")})
			count(err)
			return
		}
		next := own[i]
		next.Version, next.Name = 2, "wanted"
		_, err := s.Templates.Update(t.Context(), store.PutTemplate{Template: next})
		count(err)
	})
	if ok != 1 {
		t.Errorf("%d templates got one name by update", ok)
	}
}

func templateUpdateRace(t *testing.T, s store.Store) {
	one := create(t, s, newTemplate("a"))
	var mu sync.Mutex
	ok := 0
	together(8, func(i int) {
		next := one
		next.Version, next.Priority = 2, i
		_, err := s.Templates.Update(t.Context(), store.PutTemplate{Template: next})
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			ok++
			return
		}
		wantCode(t, err, fault.VersionMismatch)
	})
	if ok != 1 {
		t.Errorf("%d updates of one version went through", ok)
	}
}

func templateDelete(t *testing.T, s store.Store) {
	one := create(t, s, newTemplate("a"))
	if err := s.Templates.Delete(t.Context(), store.DeleteTemplate{Tenant: tenant, ID: one.ID, At: base}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Templates.Delete(t.Context(), store.DeleteTemplate{Tenant: tenant, ID: one.ID, At: base}), fault.NotFound)
	_, err := s.Templates.Template(t.Context(), tenant, one.ID)
	wantCode(t, err, fault.NotFound)
	next := one
	next.Version = 2
	_, err = s.Templates.Update(t.Context(), store.PutTemplate{Template: next})
	wantCode(t, err, fault.NotFound)
	create(t, s, newTemplate("a"))
	v1, err := s.Templates.Version(t.Context(), tenant, one.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the version stays", one, v1)
}

func templateList(t *testing.T, s store.Store) {
	all := []string{"Zebra", "apfel", "Äpfel", "10", "9", "B", "b", "🚀", "Birne"}
	for i, n := range all {
		tmpl := newTemplate(n)
		tmpl.Archived = i%3 == 0
		tmpl.Type = []string{"command", "http"}[i%2]
		tmpl.Labels = map[string]string{"i": fmt.Sprint(i % 4)}
		create(t, s, tmpl)
	}
	list := func(p store.ListTemplates) store.TemplatePage {
		p.Tenant = tenant
		if p.Limit == 0 {
			p.Limit = 100
		}
		page, err := s.Templates.List(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	names := func(p store.TemplatePage) []string {
		out := []string{}
		for _, x := range p.Templates {
			out = append(out, x.Name)
		}
		return out
	}
	same(t, "by the bytes of the name", slices.Sorted(slices.Values(all)), names(list(store.ListTemplates{})))
	var paged []string
	for p := (store.ListTemplates{Limit: 2}); ; {
		page := list(p)
		paged = append(paged, names(page)...)
		if !page.More {
			break
		}
		p.AfterName = paged[len(paged)-1]
	}
	same(t, "paged", slices.Sorted(slices.Values(all)), paged)
	yes, no := true, false
	same(t, "archived", []string{"10", "Zebra", "b"}, names(list(store.ListTemplates{Archived: &yes})))
	same(t, "living", 6, len(list(store.ListTemplates{Archived: &no}).Templates))
	same(t, "text", []string{"apfel", "Äpfel"}, names(list(store.ListTemplates{Text: "PFEL"})))
	same(t, "type and label", []string{"10"}, names(list(store.ListTemplates{Types: []string{"http"}, Labels: map[string]string{"i": "3"}, Text: "1"})))
}

func templateOtherTenant(t *testing.T, s store.Store) {
	one := create(t, s, newTemplate("a"))
	_, err := s.Templates.Template(t.Context(), "ten_other", one.ID)
	wantCode(t, err, fault.NotFound)
	_, err = s.Templates.Template(t.Context(), "ten_other", "a")
	wantCode(t, err, fault.NotFound)
	_, err = s.Templates.Version(t.Context(), "ten_other", one.ID, 1)
	wantCode(t, err, fault.NotFound)
	wantCode(t, s.Templates.Delete(t.Context(), store.DeleteTemplate{Tenant: "ten_other", ID: one.ID, At: base}), fault.NotFound)
	next := one
	next.Version, next.Tenant = 2, "ten_other"
	_, err = s.Templates.Update(t.Context(), store.PutTemplate{Template: next})
	wantCode(t, err, fault.NotFound)
	p, err := s.Templates.List(t.Context(), store.ListTemplates{Tenant: "ten_other", Limit: 5})
	if err != nil || len(p.Templates) != 0 {
		t.Errorf("another tenant lists %d templates, %v", len(p.Templates), err)
	}
}
