package storetest

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func queueChecks() []check {
	return []check{
		{"Queue/ScaleAndItsBounds", queueScale},
		{"Queue/ScaleIfVersion", queueIfVersion},
		{"Queue/PauseAndResume", queuePause},
	}
}

func healthChecks() []check {
	return []check{
		{"Health/PingVersionClose", health},
		{"Health/Survey", survey},
	}
}

func queueScale(t *testing.T, s store.Store) {
	first, err := s.Queue.Settings(t.Context())
	if err != nil || first.Workers != 1 || first.Paused || first.Version == 0 {
		t.Fatalf("an empty store has settings %+v, %v", first, err)
	}
	for _, n := range []int{-1, store.MaxWorkers + 1} {
		_, err := s.Queue.Scale(t.Context(), store.Scale{Workers: n, Tenant: tenant, At: base})
		wantCode(t, err, fault.InvalidInput)
	}
	for i, n := range []int{0, store.MaxWorkers, 2} {
		got := scale(t, s, n)
		want := store.Settings{Workers: n, Rules: job.DefaultRules(), Revision: 1, Version: first.Version + int64(i) + 1, UpdatedAt: base}
		same(t, "scaled", want, got)
		now, err := s.Queue.Settings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		same(t, "read", want, now)
	}
	evs := since(t, s, 0)
	if len(evs) != 3 || evs[2].Type != event.WorkersScaled || evs[2].Data["workers"] != "2" {
		t.Errorf("announced %+v", evs)
	}
}

func queueIfVersion(t *testing.T, s store.Store) {
	v := scale(t, s, 2).Version
	var mu sync.Mutex
	ok := 0
	together(8, func(i int) {
		_, err := s.Queue.Scale(t.Context(), store.Scale{Workers: 3 + i, IfVersion: v, Tenant: tenant, At: base})
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			ok++
			return
		}
		wantCode(t, err, fault.VersionMismatch)
	})
	if ok != 1 {
		t.Errorf("%d changes of one version went through", ok)
	}
}

func queuePause(t *testing.T, s store.Store) {
	later := base.Add(time.Minute)
	pause := func(p store.Pause) store.Settings {
		t.Helper()
		p.Tenant, p.At = tenant, later
		got, err := s.Queue.Pause(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	v := scale(t, s, 2).Version
	want := store.Settings{Workers: 2, Rules: job.DefaultRules(), Revision: 1, Paused: true, PausedBy: "me", PausedReason: "update", Version: v + 1, UpdatedAt: later}
	same(t, "paused", want, pause(store.Pause{Paused: true, By: "me", Reason: "update"}))
	same(t, "paused twice", want, pause(store.Pause{Paused: true, By: "you"}))
	same(t, "resumed", store.Settings{Workers: 2, Rules: job.DefaultRules(), Revision: 1, Version: v + 2, UpdatedAt: later}, pause(store.Pause{}))
	var types []event.Type
	for _, e := range since(t, s, 0) {
		types = append(types, e.Type)
	}
	same(t, "announced", []event.Type{event.WorkersScaled, event.QueuePaused, event.QueueResumed}, types)
}

func health(t *testing.T, s store.Store) {
	if err := s.Health.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if v, err := s.Health.Version(t.Context()); err != nil || !strings.Contains(v, " ") {
		t.Errorf("version %q, %v", v, err)
	}
	if d, err := s.Health.Durability(t.Context()); err != nil || !strings.Contains(d, "synchronous") || strings.HasSuffix(d, "=") {
		t.Errorf("durability %q, %v", d, err)
	}
	if err := s.Health.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Health.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	wantCode(t, s.Health.Ping(t.Context()), fault.StorageUnavailable)
	_, err := s.Queue.Settings(t.Context())
	wantCode(t, err, fault.StorageUnavailable)
}

// survey counts over all tenants, and takes the longest wait from the jobs that
// could start.
func survey(t *testing.T, s store.Store) {
	pool(t, s, 2)
	add(t, s,
		newJob(func(j *job.Job) { j.QueuedAt = base.Add(-time.Hour) }, held("by a person")),
		newJob(func(j *job.Job) { j.QueuedAt = base.Add(-time.Minute) }, at(base.Add(1000*time.Hour))),
		newJob(prio(9), func(j *job.Job) { j.QueuedAt = base.Add(-time.Second) }),
		newJob(),
		newJob(),
	)
	if got := claim(t, s, 1); len(got) != 1 {
		t.Fatalf("%d claimed", len(got))
	}
	v, err := s.Health.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v.Queued != 4 || v.Ready != 2 || v.Delayed != 1 || v.Running != 1 || v.Settings.Workers != 2 {
		t.Errorf("counted %+v", v)
	}
	if want := base.Add(-time.Second); !v.OldestReadyAt.Equal(want) || v.At.IsZero() {
		t.Errorf("the longest waiting job came %v, want %v; at %v", v.OldestReadyAt, want, v.At)
	}
	events := int64(len(since(t, s, 0))) // numbers them, where that is needed
	if v.LastEvent+int64(v.Unnumbered) < events {
		t.Errorf("last event %d and %d without number, want %d", v.LastEvent, v.Unnumbered, events)
	}
	if v, err = s.Health.Survey(t.Context()); err != nil || v.LastEvent < events || v.Unnumbered != 0 {
		t.Errorf("after a reader: last event %d, %d without number, want %d; %v", v.LastEvent, v.Unnumbered, events, err)
	}
	m, err := s.Health.Measure(t.Context())
	if err != nil || m.LastEvent != v.LastEvent || m.Queued != 0 {
		t.Errorf("measured %+v, %v, want last event %d and no counts", m, err, v.LastEvent)
	}
}

func setRules(t testing.TB, s store.Store, r job.Rules) store.Settings {
	t.Helper()
	got, err := s.Queue.SetRules(t.Context(), store.SetRules{Rules: r, Tenant: tenant, At: base})
	if err != nil {
		t.Fatalf("set rules: %v", err)
	}
	return got
}

func queueRules(t *testing.T, s store.Store) {
	two := 2
	r := job.DefaultRules()
	r.MaxGlobal, r.MaxPerJob, r.StrictOrder = &two, map[string]int{"command": 0}, true
	first, err := s.Queue.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := setRules(t, s, r)
	same(t, "rules", r, got.Rules)
	if got.Version != first.Version+1 {
		t.Errorf("version %d after %d", got.Version, first.Version)
	}
	if again := setRules(t, s, r); again.Version != got.Version {
		t.Error("the same rules made a new version")
	}
	_, err = s.Queue.SetRules(t.Context(), store.SetRules{Rules: job.DefaultRules(), IfVersion: first.Version, Tenant: tenant, At: base})
	wantCode(t, err, fault.VersionMismatch)
	now, err := s.Queue.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "read", got, now)
	evs := since(t, s, 0)
	if len(evs) != 1 || evs[0].Type != event.RulesChanged {
		t.Errorf("announced %+v", evs)
	}
}

// queueLimits: the decision sees the limits of the rules, of the template and
// of the concurrency key.
func queueLimits(t *testing.T, s store.Store) {
	pool(t, s, 10)
	limited := func(max int, key string, perKey int) func(*job.Job) {
		return func(j *job.Job) {
			j.TemplateID, j.Limits = "tmpl_x", job.Limits{MaxRunning: max, Key: key, MaxPerKey: perKey}
		}
	}
	r := job.DefaultRules()
	r.MaxPerJob = map[string]int{"http": 1}
	setRules(t, s, r)
	js := add(t, s, newJob(ofType("http")), newJob(ofType("http")), newJob(limited(2, "", 0)), newJob(limited(2, "", 0)), newJob(limited(2, "", 0)))
	cs := claim(t, s, 10)
	same(t, "type and template", []string{js[0].ID, js[2].ID, js[3].ID}, claimedIDs(cs))
	for _, c := range cs {
		succeed(t, s, c)
	}
	for _, c := range claim(t, s, 10) {
		succeed(t, s, c)
	}
	key := func(k string, n int) func(*job.Job) {
		return func(j *job.Job) { j.Limits = job.Limits{KeyParams: []string{"/k"}, Key: k, MaxPerKey: n} }
	}
	js = add(t, s, newJob(key("a@b", 2)), newJob(key("a@b", 2)), newJob(key("a@b", 2)), newJob(key("c", 0)), newJob(key("c", 0)))
	same(t, "read", js[0].Limits, read(t, s, js[0].ID).Limits)
	same(t, "key", []string{js[0].ID, js[1].ID, js[3].ID}, claimedIDs(claim(t, s, 10)))
	one := 1
	r.MaxGlobal = &one
	setRules(t, s, r)
	add(t, s, newJob())
	if got := claim(t, s, 10); len(got) != 0 {
		t.Errorf("%d started above the global limit", len(got))
	}
}

func loadedChecks() []check {
	return []check{
		{"Queue/NotesLoadedModels", loadedModels},
		{"Queue/ClaimsFindWhatComes", claimsAfterNothing},
		{"Queue/PlacesAreThoseOfNow", placesAfterNothing},
	}
}

// loadedModels: what is started, and what the servers say, is what the next claim
// takes for loaded; what something holds is loaded whatever the servers say.
func loadedModels(t *testing.T, s store.Store) {
	pool(t, s, 5)
	seen := func() []string {
		t.Helper()
		var out []string
		if _, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Now: base, Room: 1, Decide: func(snap job.Snapshot) job.Decision {
			out = snap.Loaded
			return job.Decision{}
		}}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	set := func(models ...string) {
		t.Helper()
		if err := s.Queue.SetLoaded(t.Context(), models); err != nil {
			t.Fatal(err)
		}
	}
	set("model:a", "model:b")
	same(t, "told", []string{"model:a", "model:b"}, seen())
	add(t, s, newJob(locks("gpu:0", "model:c")), newJob(locks("gpu:0"))) // the second waits: there is something to decide
	claimOne(t, s)
	same(t, "started", []string{"model:c"}, seen())
	set()
	same(t, "held", []string{"model:c"}, seen())
	set("model:b")
	same(t, "held and told", []string{"model:b", "model:c"}, seen())
}

// claimsAfterNothing: however often nothing was found, what comes then is.
func claimsAfterNothing(t *testing.T, s store.Store) {
	pool(t, s, 2)
	for range 3 {
		for range 3 {
			if got := claim(t, s, 2); len(got) != 0 {
				t.Fatalf("%d started and nothing waits", len(got))
			}
		}
		add(t, s, newJob())
		cs := claim(t, s, 2)
		if len(cs) != 1 {
			t.Fatalf("%d started", len(cs))
		}
		if got := claim(t, s, 2); len(got) != 0 {
			t.Fatalf("%d started twice", len(got))
		}
		succeed(t, s, cs[0])
	}
}

// placesAfterNothing: what a situation says is never older than the question, also when
// nothing had changed between earlier questions.
func placesAfterNothing(t *testing.T, s store.Store) {
	pool(t, s, 1)
	var all []job.Job // in the order in which they should start
	check := func() {
		t.Helper()
		for range 3 { // the second and third may be answered from memory
			var js []job.Job
			for _, j := range all {
				js = append(js, read(t, s, j.ID))
			}
			sit, err := s.Jobs.Situation(t.Context(), js)
			if err != nil || sit.Snapshot.Now.IsZero() {
				t.Fatalf("it is %s, %v", sit.Snapshot.Now, err)
			}
			for i, j := range js {
				if got := sit.Positions[j.ID]; got != i {
					t.Errorf("job %s is at %d, want %d", j.ID, got, i)
				}
			}
		}
	}
	all = add(t, s, newJob())
	check()
	all = append(all, add(t, s, newJob())...)
	check()
	place(t, s, &store.Place{Bottom: true}, all[0].ID)
	slices.Reverse(all)
	check()
	cs := claim(t, s, 1)
	if len(cs) != 1 {
		t.Fatalf("%d started", len(cs))
	}
	sit, err := s.Jobs.Situation(t.Context(), nil)
	if err != nil || len(sit.Snapshot.Running) != 1 {
		t.Errorf("%d run, %v", len(sit.Snapshot.Running), err)
	}
	succeed(t, s, cs[0])
	if sit, err = s.Jobs.Situation(t.Context(), nil); err != nil || len(sit.Snapshot.Running) != 0 {
		t.Errorf("%d run after the end, %v", len(sit.Snapshot.Running), err)
	}
	if err := s.Health.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Jobs.Situation(t.Context(), nil); err == nil {
		t.Error("a closed store knows what runs")
	}
}
