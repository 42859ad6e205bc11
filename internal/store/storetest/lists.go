package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func listChecks() []check {
	return []check{
		{"List/Filters", listFilters},
		{"List/TextInAnyCase", listText},
		{"List/HostileLabels", listLabels},
		{"List/TimeBoundsAreExclusive", listTimes},
		{"List/PagesBySort", listPages},
		{"List/PagesWhileInserting", listWhileInserting},
		{"List/OtherTenantSeesNothing", listOtherTenant},
	}
}

func list(t testing.TB, s store.Store, p store.ListJobs) store.JobPage {
	t.Helper()
	p.Tenant = tenant
	if p.Limit == 0 {
		p.Limit = 1000
	}
	page, err := s.Jobs.List(t.Context(), p)
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	return page
}

func listFilters(t *testing.T, s store.Store) {
	js := add(t, s, newJob(named("one")), newJob(named("two"), ofType("http"), func(j *job.Job) { j.RetryOf = "run_1" }),
		newJob(named("three"), func(j *job.Job) { j.TemplateID = "tmpl_1" }))
	mustMove(t, s, js[0], job.CancelAsked{At: base})
	for _, c := range []struct {
		what string
		p    store.ListJobs
		want []string
	}{
		{"all", store.ListJobs{Sort: store.SortQueue}, []string{"one", "two", "three"}},
		{"state", store.ListJobs{States: []job.State{job.Cancelled}}, []string{"one"}},
		{"states", store.ListJobs{States: []job.State{job.Cancelled, job.Queued}, Sort: store.SortQueue}, []string{"one", "two", "three"}},
		{"queued in order", store.ListJobs{States: []job.State{job.Queued}, Sort: store.SortQueue}, []string{"two", "three"}},
		{"type", store.ListJobs{Types: []string{"http", "none"}}, []string{"two"}},
		{"template", store.ListJobs{TemplateIDs: []string{"tmpl_1"}}, []string{"three"}},
		{"retry of", store.ListJobs{RetryOf: "run_1"}, []string{"two"}},
		{"retry of another", store.ListJobs{RetryOf: "run_2"}, nil},
		{"and", store.ListJobs{Types: []string{"http"}, TemplateIDs: []string{"tmpl_1"}}, nil},
	} {
		same(t, c.what, c.want, names(list(t, s, c.p).Jobs))
	}
}

func listText(t *testing.T, s store.Store) {
	all := []string{"Über-Nacht", "ÜBER", "train 50% a_b", `back\slash "q" 'q'`, "ΣΊΣΥΦΟΣ", "Rocket 🚀", "plain"}
	for _, n := range all {
		add(t, s, newJob(named(n)))
	}
	for text, want := range map[string][]string{
		"über": all[:2], "ÜB": all[:2], "NACHT": all[:1], "50%": all[2:3], "0%a": nil, "a_b": all[2:3], "a-b": nil,
		`k\s`: all[3:4], `"q"`: all[3:4], "'": all[3:4], "σίσυφος": all[4:5], "🚀": all[5:6], "%": all[2:3], "_": all[2:3], "zzz": nil,
	} {
		got := names(list(t, s, store.ListJobs{Text: text}).Jobs)
		slices.Sort(got)
		want = slices.Sorted(slices.Values(want))
		same(t, fmt.Sprintf("text %q", text), want, got)
	}
}

func listLabels(t *testing.T, s store.Store) {
	sets := []map[string]string{
		0: {"b": "y"},
		1: {`x"b`: "y"},
		2: {"a": `","b":"y`},
		3: {"a": "foo,", ":": "v"},
		4: {"k%": "_", `\`: `\\`, "q": `"`},
		5: {"b": "y", "z": "1"},
		6: {"": ""},
		7: {"b": "Y"},
		8: {"emoji 🚀": "<&>'"},
	}
	for i, l := range sets {
		add(t, s, newJob(named(fmt.Sprint(i)), labelled(l)))
	}
	for _, c := range []struct {
		labels map[string]string
		want   []string
	}{
		{map[string]string{"b": "y"}, []string{"0", "5"}},
		{map[string]string{"b": "y", "z": "1"}, []string{"5"}},
		{map[string]string{`x"b`: "y"}, []string{"1"}},
		{map[string]string{",": ":"}, nil},
		{map[string]string{":": "v"}, []string{"3"}},
		{map[string]string{"k%": "_", `\`: `\\`, "q": `"`}, []string{"4"}},
		{map[string]string{"k_": "_"}, nil},
		{map[string]string{`\`: `\`}, nil},
		{map[string]string{"": ""}, []string{"6"}},
		{map[string]string{"b": "Y"}, []string{"7"}},
		{map[string]string{"emoji 🚀": "<&>'"}, []string{"8"}},
		{map[string]string{"b": "' OR 1=1 --"}, nil},
	} {
		got := names(list(t, s, store.ListJobs{Labels: c.labels, Sort: store.SortQueue}).Jobs)
		same(t, fmt.Sprintf("labels %q", c.labels), c.want, got)
	}
	for i, j := range list(t, s, store.ListJobs{Sort: store.SortQueue}).Jobs {
		same(t, "round trip", sets[i], j.Labels)
	}
}

func created(n int) func(*job.Job) {
	return func(j *job.Job) { j.CreatedAt = base.Add(time.Duration(n) * time.Millisecond) }
}

func listTimes(t *testing.T, s store.Store) {
	for i := range 4 {
		add(t, s, newJob(named(fmt.Sprint(i)), created(i)))
	}
	zone := time.FixedZone("west", -8*3600)
	got := list(t, s, store.ListJobs{
		CreatedAfter: base.In(zone), CreatedBefore: base.Add(3 * time.Millisecond).In(zone), Sort: store.SortCreated,
	})
	same(t, "between", []string{"1", "2"}, names(got.Jobs))
}

func mark(j job.Job) *store.JobMark {
	return &store.JobMark{Rank: j.Rank, CreatedAt: j.CreatedAt, ID: j.ID}
}

func listPages(t *testing.T, s store.Store) {
	var js []job.Job
	for i := range 25 { // several jobs share a time
		js = append(js, newJob(named(fmt.Sprint(i)), created(i/4), prio(i%3)))
	}
	add(t, s, js...)
	for _, sort := range []store.Sort{store.SortQueue, store.SortCreated, store.SortNewest, ""} {
		whole := ids(list(t, s, store.ListJobs{Sort: sort}).Jobs)
		var paged []string
		p := store.ListJobs{Sort: sort, Limit: 7}
		for {
			page := list(t, s, p)
			if len(page.Jobs) > 7 {
				t.Fatalf("a page of %d", len(page.Jobs))
			}
			paged = append(paged, ids(page.Jobs)...)
			if !page.More {
				break
			}
			p.After = mark(page.Jobs[len(page.Jobs)-1])
		}
		same(t, "sort "+string(sort), whole, paged)
		if len(paged) != 25 {
			t.Errorf("sort %s: %d jobs", sort, len(paged))
		}
	}
	full := list(t, s, store.ListJobs{Limit: 25})
	if full.More {
		t.Error("a page that holds everything says that more follow")
	}
	newest := list(t, s, store.ListJobs{Limit: 1})
	if newest.Jobs[0].CreatedAt != base.Add(6*time.Millisecond) || !newest.More {
		t.Errorf("the first of the newest was created %v", newest.Jobs[0].CreatedAt)
	}
}

// listWhileInserting reads the newest first while older and newer jobs arrive:
// what was there at the start is seen exactly once.
func listWhileInserting(t *testing.T, s store.Store) {
	want := map[string]int{}
	for i := range 40 {
		want[add(t, s, newJob(created(2*i)))[0].ID] = 0
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob(created(i%160-40), prio(i%9))}}); err != nil {
				t.Errorf("add: %v", err)
				return
			}
		}
	})
	p := store.ListJobs{Limit: 3}
	for {
		page := list(t, s, p)
		for _, j := range page.Jobs {
			if _, known := want[j.ID]; known {
				want[j.ID]++
			}
		}
		last := page.Jobs[len(page.Jobs)-1]
		if !page.More || last.CreatedAt.Before(base) {
			break
		}
		p.After = mark(last)
	}
	close(stop)
	wg.Wait()
	for jobID, n := range want {
		if n != 1 {
			t.Errorf("job %s was seen %d times", jobID, n)
		}
	}
}

func listOtherTenant(t *testing.T, s store.Store) {
	add(t, s, newJob())
	for _, sort := range []store.Sort{store.SortQueue, store.SortCreated, store.SortNewest} {
		p, err := s.Jobs.List(t.Context(), store.ListJobs{Tenant: "ten_other", Sort: sort, Limit: 5, States: []job.State{job.Queued}})
		if err != nil || len(p.Jobs) != 0 {
			t.Errorf("sort %s: another tenant sees %v, %v", sort, names(p.Jobs), err)
		}
	}
}
