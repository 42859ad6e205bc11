package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func directiveChecks() []check {
	return []check{
		{"Directives/KeepEveryField", directiveFields},
		{"Directives/VersionsNeverChange", directiveVersions},
		{"Directives/NamesAreUnique", directiveNames},
		{"Directives/NameRaces", directiveNameRaces},
		{"Directives/UpdateOnceAmongMany", directiveUpdateRace},
		{"Directives/DeleteFreesTheName", directiveDelete},
		{"Directives/ListFiltersAndPages", directiveList},
		{"Directives/OtherTenantSeesNothing", directiveOtherTenant},
		{"Directives/KeyAndAuditAreOneWithTheChange", directiveKeys},
		{"Directives/JobsRunsAndTemplatesNameThem", directiveNamed},
	}
}

func newDirective(name string) directive.Directive {
	return directive.Directive{
		ID: id.New(id.Directive, base), Tenant: tenant, Version: 1, Name: name, CreatedBy: "tester", CreatedAt: base, UpdatedAt: base,
	}
}

func putDir(d directive.Directive) store.PutDirective {
	return store.PutDirective{Directive: d, By: "tester"}
}

func createDirective(t testing.TB, s store.Store, d directive.Directive) directive.Directive {
	t.Helper()
	got, err := s.Directives.Create(t.Context(), putDir(d))
	if err != nil {
		t.Fatalf("create directive: %v", err)
	}
	return got
}

func fullDirective(name string) directive.Directive {
	d, warm := newDirective(name), 0.7
	d.Description = "d\n"
	d.Content = directive.Content{
		System: "Be \"brief\".\n\u2028🚀", Server: "gpu", Model: "qwen3:30b", Temperature: &warm, ContextTokens: 8192,
		Allow:  directive.Allow{Files: []string{"/var/log/**"}, Hosts: []string{"*.example.org"}, Containers: []string{"web-*"}},
		Limits: directive.Limits{Tokens: 1 << 40, CallTokens: 7, TimeMS: 1500},
	}
	return d
}

func directiveFields(t *testing.T, s store.Store) {
	want := fullDirective(`Sorgfältig "x" \ 🚀`)
	want.Archived = true
	same(t, "created", want, createDirective(t, s, want))
	for _, by := range []string{want.ID, want.Name} {
		got, err := s.Directives.Directive(t.Context(), tenant, by)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "read by "+by, want, got)
	}
	cold := 0.0
	zero := newDirective("zero")
	zero.Content.Temperature = &cold // is not the same as none
	createDirective(t, s, zero)
	got, err := s.Directives.Version(t.Context(), tenant, zero.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a temperature of zero", zero, got)
}

func directiveVersions(t *testing.T, s store.Store) {
	one := createDirective(t, s, fullDirective("a"))
	two := one
	two.Version, two.Name, two.Content, two.Description, two.UpdatedAt = 2, "b", directive.Content{Model: "m"}, "", base.Add(time.Hour)
	got, err := s.Directives.Update(t.Context(), store.PutDirective{Directive: two, By: "other"})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "updated", two, got)
	v1, err := s.Directives.Version(t.Context(), tenant, one.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "version 1", one, v1)
	v2, err := s.Directives.Version(t.Context(), tenant, one.ID, 2)
	if err != nil {
		t.Fatal(err)
	}
	byOther := two
	byOther.CreatedBy = "other"
	same(t, "version 2 names who made it", byOther, v2)
	_, err = s.Directives.Version(t.Context(), tenant, one.ID, 3)
	wantCode(t, err, fault.NotFound)
	_, err = s.Directives.Directive(t.Context(), tenant, "a")
	wantCode(t, err, fault.NotFound)
	_, err = s.Directives.Update(t.Context(), putDir(two))
	wantCode(t, err, fault.VersionMismatch)
	stray := newDirective("stray")
	stray.Version = 2
	_, err = s.Directives.Update(t.Context(), putDir(stray))
	wantCode(t, err, fault.NotFound)
	for n := 3; n <= 5; n++ {
		two.Version = n
		if _, err := s.Directives.Update(t.Context(), putDir(two)); err != nil {
			t.Fatal(err)
		}
	}
	numbers := func(below, limit int) (out []int, more bool) {
		page, more, err := s.Directives.Versions(t.Context(), tenant, one.ID, below, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page {
			out = append(out, d.Version)
		}
		return out, more
	}
	all, more := numbers(0, 5)
	same(t, "all versions, newest first", []int{5, 4, 3, 2, 1}, all)
	same(t, "nothing follows", false, more)
	first, more := numbers(0, 2)
	same(t, "first page", []int{5, 4}, first)
	same(t, "more follow", true, more)
	last, more := numbers(2, 2)
	same(t, "last page", []int{1}, last)
	same(t, "nothing follows the last page", false, more)
	_, _, err = s.Directives.Versions(t.Context(), tenant, stray.ID, 0, 5)
	wantCode(t, err, fault.NotFound)
}

func directiveNames(t *testing.T, s store.Store) {
	createDirective(t, s, newDirective("ä"))
	for _, other := range []string{"Ä", "a", "a\u0308", "ä "} { // equal to nobody but itself
		createDirective(t, s, newDirective(other))
	}
	_, err := s.Directives.Create(t.Context(), putDir(newDirective("ä")))
	wantCode(t, err, fault.NameTaken)
	b := createDirective(t, s, newDirective("b"))
	b.Version, b.Name = 2, "ä"
	_, err = s.Directives.Update(t.Context(), putDir(b))
	wantCode(t, err, fault.NameTaken)
}

func directiveNameRaces(t *testing.T, s store.Store) {
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
		_, err := s.Directives.Create(t.Context(), putDir(newDirective("same")))
		count(err)
	})
	if ok != 1 {
		t.Errorf("%d directives got one name", ok)
	}
	var own []directive.Directive
	for i := range 6 {
		own = append(own, createDirective(t, s, newDirective(fmt.Sprint(i))))
	}
	ok = 0
	together(12, func(i int) {
		if i >= 6 {
			_, err := s.Directives.Create(t.Context(), putDir(newDirective("wanted")))
			count(err)
			return
		}
		next := own[i]
		next.Version, next.Name = 2, "wanted"
		_, err := s.Directives.Update(t.Context(), putDir(next))
		count(err)
	})
	if ok != 1 {
		t.Errorf("%d directives got one name by update", ok)
	}
}

func directiveUpdateRace(t *testing.T, s store.Store) {
	one := createDirective(t, s, newDirective("a"))
	var mu sync.Mutex
	won := []string{}
	together(8, func(i int) {
		next := one
		next.Version, next.Content.Model = 2, fmt.Sprint("m", i)
		_, err := s.Directives.Update(t.Context(), putDir(next))
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			won = append(won, next.Content.Model)
			return
		}
		wantCode(t, err, fault.VersionMismatch)
	})
	v2, err := s.Directives.Version(t.Context(), tenant, one.ID, 2)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "who went through", won, []string{v2.Content.Model})
}

func directiveDelete(t *testing.T, s store.Store) {
	one := createDirective(t, s, fullDirective("a"))
	gone := store.DeleteDirective{Tenant: tenant, ID: one.ID, At: base}
	if err := s.Directives.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Directives.Delete(t.Context(), gone), fault.NotFound)
	for _, by := range []string{one.ID, one.Name} {
		_, err := s.Directives.Directive(t.Context(), tenant, by)
		wantCode(t, err, fault.NotFound)
	}
	_, _, err := s.Directives.Versions(t.Context(), tenant, one.ID, 0, 5)
	wantCode(t, err, fault.NotFound)
	next := one
	next.Version = 2
	_, err = s.Directives.Update(t.Context(), putDir(next))
	wantCode(t, err, fault.NotFound)
	createDirective(t, s, newDirective("a"))
	v1, err := s.Directives.Version(t.Context(), tenant, one.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	one.Archived = true
	same(t, "the version stays and counts as archived", one, v1)
}

func directiveList(t *testing.T, s store.Store) {
	all := []string{"Zebra", "apfel", "Äpfel", "10", "9", "B", "b", "🚀", "Birne"}
	for i, n := range all {
		d := newDirective(n)
		d.Archived = i%3 == 0
		createDirective(t, s, d)
	}
	gone := createDirective(t, s, newDirective("gone"))
	if err := s.Directives.Delete(t.Context(), store.DeleteDirective{Tenant: tenant, ID: gone.ID, At: base}); err != nil {
		t.Fatal(err)
	}
	list := func(p store.ListDirectives) (out []string, more bool) {
		p.Tenant = tenant
		if p.Limit == 0 {
			p.Limit = 100
		}
		page, err := s.Directives.List(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Directives {
			out = append(out, d.Name)
		}
		return out, page.More
	}
	got, _ := list(store.ListDirectives{})
	same(t, "by the bytes of the name", slices.Sorted(slices.Values(all)), got)
	var paged []string
	for p := (store.ListDirectives{Limit: 2}); ; {
		page, more := list(p)
		paged = append(paged, page...)
		if !more {
			break
		}
		p.AfterName = paged[len(paged)-1]
	}
	same(t, "paged", slices.Sorted(slices.Values(all)), paged)
	yes, no := true, false
	got, _ = list(store.ListDirectives{Archived: &yes})
	same(t, "archived", []string{"10", "Zebra", "b"}, got)
	got, _ = list(store.ListDirectives{Archived: &no})
	same(t, "living", 6, len(got))
	got, _ = list(store.ListDirectives{Text: "PFEL"})
	same(t, "text", []string{"apfel", "Äpfel"}, got)
}

func directiveOtherTenant(t *testing.T, s store.Store) {
	one := createDirective(t, s, newDirective("a"))
	for _, by := range []string{one.ID, "a"} {
		_, err := s.Directives.Directive(t.Context(), "ten_other", by)
		wantCode(t, err, fault.NotFound)
	}
	_, err := s.Directives.Version(t.Context(), "ten_other", one.ID, 1)
	wantCode(t, err, fault.NotFound)
	_, _, err = s.Directives.Versions(t.Context(), "ten_other", one.ID, 0, 5)
	wantCode(t, err, fault.NotFound)
	wantCode(t, s.Directives.Delete(t.Context(), store.DeleteDirective{Tenant: "ten_other", ID: one.ID, At: base}), fault.NotFound)
	next := one
	next.Version, next.Tenant = 2, "ten_other"
	_, err = s.Directives.Update(t.Context(), putDir(next))
	wantCode(t, err, fault.NotFound)
	p, err := s.Directives.List(t.Context(), store.ListDirectives{Tenant: "ten_other", Limit: 5})
	if err != nil || len(p.Directives) != 0 {
		t.Errorf("another tenant lists %d directives, %v", len(p.Directives), err)
	}
}

func directiveKeys(t *testing.T, s store.Store) {
	keyed := func(d directive.Directive, text string) store.PutDirective {
		k := key(text)
		k.Render = func(result any) (store.Reply, error) {
			made, ok := result.(directive.Directive)
			if !ok {
				t.Errorf("rendered a %T", result)
			}
			return store.Reply{Status: 201, Body: []byte(made.ID)}, nil
		}
		p := putDir(d)
		p.Key = k
		p.Audit = &audit.Entry{Tenant: tenant, At: base, Action: audit.DirectiveCreate, Object: d.ID, Actor: audit.Actor{Name: "tester"}}
		return p
	}
	one := newDirective("a")
	if _, err := s.Directives.Create(t.Context(), keyed(one, "k")); err != nil {
		t.Fatal(err)
	}
	_, err := s.Directives.Create(t.Context(), keyed(newDirective("b"), "k"))
	r, ok := isReplay(err)
	if !ok || string(r.Body) != one.ID {
		t.Errorf("the repetition got %v, %v", r, err)
	}
	_, err = s.Directives.Create(t.Context(), keyed(newDirective("a"), "k2"))
	wantCode(t, err, fault.NameTaken)
	if err := s.Keys.Find(t.Context(), *key("k2")); err != nil {
		t.Errorf("a refused request left its key: %v", err)
	}
	page, err := s.Audit.List(t.Context(), store.ListAudit{Tenant: tenant, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var about []string
	for _, e := range page.Entries {
		about = append(about, e.Object)
	}
	same(t, "entries: one for each change", []string{one.ID}, about)
}

func directiveNamed(t *testing.T, s store.Store) {
	pool(t, s, 1)
	tmpl := newTemplate("t")
	tmpl.DirectiveID = id.New(id.Directive, base)
	same(t, "template", tmpl, create(t, s, tmpl))
	got, err := s.Templates.Version(t.Context(), tenant, tmpl.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "template's version", tmpl, got)
	under := run.Directive{ID: tmpl.DirectiveID, Name: `"ä"`, Version: 7}
	j := add(t, s, newJob(func(j *job.Job) { j.Directive = under }))[0]
	same(t, "job", under, read(t, s, j.ID).Directive)
	c := claimOne(t, s)
	same(t, "claimed run", under, c.Run.Directive)
	succeed(t, s, c)
	v, err := s.Runs.Run(t.Context(), tenant, c.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "run", under, v.Directive)
}
