package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func startChecks() []check {
	return []check{
		{"Jobs/UniqueRefusesAnEqual", uniqueRefuses},
		{"Jobs/UniqueReturnsTheEqual", uniqueReturns},
		{"Jobs/UniqueRace", uniqueRace},
		{"Jobs/KeepsWhatItWasGiven", jobKeeps},
		{"Claim/StartDeadline", startDeadline},
		{"Claim/StartDeadlineOnlyBeforeTheFirstStart", startDeadlineOnce},
		{"Finish/RetryKeepsThePlaceAmongMoves", retryPlace},
		{"Finish/NeverMoreThanThreeAttempts", threeAttempts},
	}
}

func keyed(key string) func(*job.Job) { return func(j *job.Job) { j.UniqueKey = key } }

func addUnique(t testing.TB, s store.Store, j job.Job, u store.Unique) (store.Added, error) {
	t.Helper()
	out, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{j}, Unique: &u})
	if err != nil {
		return store.Added{}, err
	}
	return out[0], nil
}

func uniqueRefuses(t *testing.T, s store.Store) {
	pool(t, s, 1)
	addTenant(t, s, "other")
	first := add(t, s, newJob(keyed("k")))[0]
	_, err := addUnique(t, s, newJob(keyed("k")), store.Unique{})
	wantCode(t, err, fault.NotUnique)
	if f := fault.From(err).Fields; len(f) != 1 || f[0].Detail != first.ID {
		t.Errorf("fields %+v, want the id %s", f, first.ID)
	}
	for name, j := range map[string]job.Job{"another key": newJob(keyed("l")), "no key": newJob()} {
		if _, err := addUnique(t, s, j, store.Unique{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	done := claimOne(t, s)
	_, err = addUnique(t, s, newJob(keyed("k")), store.Unique{})
	wantCode(t, err, fault.NotUnique) // it runs
	succeed(t, s, done)
	_, err = addUnique(t, s, newJob(keyed("k")), store.Unique{States: []job.State{job.Completed}})
	wantCode(t, err, fault.NotUnique)
	_, err = addUnique(t, s, newJob(keyed("k")), store.Unique{States: []job.State{job.Completed}, Since: base})
	wantCode(t, err, fault.NotUnique)
	if _, err = addUnique(t, s, newJob(keyed("k")), store.Unique{States: []job.State{job.Completed}, Since: base.Add(time.Millisecond)}); err != nil {
		t.Errorf("an equal job of before the period: %v", err)
	}
	n := len(queued(t, s))
	if _, err = s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob(), newJob(keyed("k"))}, Unique: &store.Unique{}}); err == nil {
		t.Error("a list with an equal job was added")
	}
	if got := len(queued(t, s)); got != n {
		t.Errorf("%d jobs wait after a refusal, want %d", got, n)
	}
}

func uniqueReturns(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob())
	first := add(t, s, newJob(keyed("k")))[0]
	key := key("again")
	out, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob(keyed("k"))}, Unique: &store.Unique{Return: true}, Key: key})
	if err != nil || len(out) != 1 || !out[0].Existing || out[0].Job.ID != first.ID || out[0].Position != 1 {
		t.Fatalf("got %+v, %v", out, err)
	}
	_, err = s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob(keyed("k"))}, Unique: &store.Unique{Return: true}, Key: key})
	if rep, ok := isReplay(err); !ok || string(rep.Body) != first.ID {
		t.Errorf("the repetition gave %v", err)
	}
	same(t, "waiting", 2, len(queued(t, s)))
	// One that is not done yet goes before one that is.
	claimAt(t, s, "a", 1, base)
	mustMove(t, s, first, job.CancelAsked{At: base})
	second := add(t, s, newJob(keyed("k"), func(j *job.Job) { j.CreatedAt = base.Add(-time.Hour) }))[0]
	got, err := addUnique(t, s, newJob(keyed("k")), store.Unique{Return: true, States: job.States()})
	if err != nil || got.Job.ID != second.ID {
		t.Errorf("got %s, want %s; %v", got.Job.ID, second.ID, err)
	}
}

func uniqueRace(t *testing.T, s store.Store) {
	const n = 16
	var mu sync.Mutex
	added := map[string]int{}
	together(n, func(i int) {
		u := store.Unique{Return: i%2 == 0}
		a, err := addUnique(t, s, newJob(keyed("k")), u)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil && !a.Existing:
			added["new"]++
		case err == nil && u.Return:
			added["returned"]++
		case fault.Is(err, fault.NotUnique) && !u.Return:
			added["refused"]++
		default:
			t.Errorf("%+v, %v", a, err)
		}
	})
	if added["new"] != 1 || len(queued(t, s)) != 1 {
		t.Errorf("%v, %d wait", added, len(queued(t, s)))
	}
}

func jobKeeps(t *testing.T, s store.Store) {
	j := newJob(keyed("k"), locks("a", "b"), func(j *job.Job) {
		j.Limits = job.Limits{MaxRunning: 2, KeyParams: []string{"/x"}, Key: "abc", MaxPerKey: 3}
		j.StartDeadline, j.Timeout = base.Add(time.Hour), time.Minute
		j.Webhook = job.Webhook{URL: "https://example.com", Events: []string{"failed"}}
	})
	got := add(t, s, j)[0]
	same(t, "stored", got, read(t, s, j.ID))
	same(t, "limits", j.Limits, got.Limits)
	same(t, "webhook", j.Webhook, got.Webhook)
	name, limit := "Größe", 2*time.Minute
	late := base.Add(2 * time.Hour)
	got = mustMove(t, s, got, job.Edited{At: base, Name: &name, Timeout: &limit, NotBefore: &late, StartDeadline: &time.Time{}})
	same(t, "edited", got, read(t, s, j.ID))
	if got.Name != name || got.Timeout != limit || !got.NotBefore.Equal(late) || !got.StartDeadline.IsZero() {
		t.Errorf("edited: %+v", got)
	}
	if p, err := s.Jobs.List(t.Context(), store.ListJobs{Tenant: tenant, Text: "GRÖ", Limit: 5}); err != nil || len(p.Jobs) != 1 {
		t.Errorf("the new name is not found: %v, %v", names(p.Jobs), err)
	}
}

func by(when time.Time) func(*job.Job) { return func(j *job.Job) { j.StartDeadline = when } }

func startDeadline(t *testing.T, s store.Store) {
	pool(t, s, 1)
	soon := base.Add(time.Minute)
	js := add(t, s, newJob(by(soon), held("by hand")), newJob(by(soon.Add(time.Second))), newJob(by(soon), at(base.Add(time.Hour))))
	c := claimAt(t, s, "a", 0, base)
	if !c.NextAt.Equal(soon) {
		t.Errorf("next at %v, want the first deadline %v", c.NextAt, soon)
	}
	same(t, "before", ids(js), queued(t, s))
	cs := claimAt(t, s, "a", 5, soon).Started
	same(t, "claimed", []string{js[1].ID}, claimedIDs(cs))
	for _, i := range []int{0, 2} {
		j := read(t, s, js[i].ID)
		if j.State != job.Skipped || j.Attempt != 0 || j.RunID == "" || !j.FinishedAt.Equal(soon) || !j.StartedAt.IsZero() {
			t.Errorf("late job %+v", j)
		}
		r, err := s.Runs.Run(t.Context(), tenant, j.RunID)
		if err != nil {
			t.Fatal(err)
		}
		if r.State != run.Skipped || r.Reason != job.ReasonDeadline || r.Started() || r.QueueWait() != time.Minute || r.Instance != "" {
			t.Errorf("its run %+v", r)
		}
	}
	same(t, "order", []string{}, queued(t, s))
}

// startDeadlineOnce: a job that has started once is not skipped while it waits for
// its next attempt.
func startDeadlineOnce(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob(by(base.Add(time.Minute)), func(j *job.Job) { j.Retry = job.Retry{MaxAttempts: 2, Initial: time.Hour, Max: time.Hour} }))
	c := claimOne(t, s)
	if err := finishWith(t, s, c, job.Broke{At: base, Failure: job.Failure{Code: "x"}}); err != nil {
		t.Fatal(err)
	}
	if got := claimAt(t, s, "a", 1, base.Add(59*time.Minute)); len(got.Started) != 0 || !got.NextAt.Equal(base.Add(time.Hour)) {
		t.Errorf("claimed %+v", got)
	}
	same(t, "state", job.Queued, read(t, s, c.Job.ID).State)
}

// retryPlace: what waits for its next attempt stands where it stood, whatever was
// added and moved meanwhile.
func retryPlace(t *testing.T, s store.Store) {
	pool(t, s, 1)
	js := add(t, s, newJob(func(j *job.Job) { j.Retry = job.Retry{MaxAttempts: 3, Backoff: job.Fixed, Initial: time.Minute} }), newJob(), newJob())
	top := func(id string) {
		t.Helper()
		if _, err := s.Order.Place(t.Context(), store.PlaceJobs{Tenant: tenant, IDs: []string{id}, Place: &store.Place{Position: 0}, At: base}); err != nil {
			t.Fatal(err)
		}
	}
	c := claimOne(t, s)
	same(t, "first", js[0].ID, c.Job.ID)
	late := add(t, s, newJob(), newJob(prio(2)))
	top(js[2].ID)
	if err := finishWith(t, s, c, job.Broke{At: base, Failure: job.Failure{Code: "x"}}); err != nil {
		t.Fatal(err)
	}
	want := []string{js[2].ID, late[1].ID, js[0].ID, js[1].ID, late[0].ID}
	same(t, "order while it waits", want, queued(t, s))
	top(late[0].ID)
	same(t, "order after another move", append([]string{late[0].ID}, want[:4]...), queued(t, s))
}

// threeAttempts: whatever a stored policy says.
func threeAttempts(t *testing.T, s store.Store) {
	pool(t, s, 1)
	j := add(t, s, newJob(func(j *job.Job) { j.Retry = job.Retry{MaxAttempts: 99, Backoff: job.Fixed, Initial: time.Second} }))[0]
	now := base
	for attempt := 1; attempt <= job.MaxAttempts; attempt++ {
		cs := claimAt(t, s, "a", 1, now).Started
		if len(cs) != 1 || cs[0].Run.Attempt != attempt {
			t.Fatalf("attempt %d: %+v", attempt, cs)
		}
		if err := finishWith(t, s, cs[0], job.Broke{At: now, Failure: job.Failure{Code: "x"}}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	if got := read(t, s, j.ID); got.State != job.Failed || got.Attempt != 3 {
		t.Errorf("after three attempts: %+v", got)
	}
}

func durations(t *testing.T, s store.Store) {
	pool(t, s, 10)
	fromTemplate := func(j *job.Job) { j.TemplateID = "tmpl_x" }
	for i := range 4 {
		add(t, s, newJob(), newJob(ofType("http"), fromTemplate))
		for _, c := range claim(t, s, 10) {
			ev := any(job.Succeeded{At: base.Add(time.Duration(i+1) * time.Second)})
			if i == 2 {
				ev = job.Broke{At: base, Failure: job.Failure{Code: "x"}}
			}
			if err := finishWith(t, s, c, ev); err != nil {
				t.Fatal(err)
			}
		}
	}
	command, templ := store.Kind{JobType: "command"}, store.Kind{JobType: "http", TemplateID: "tmpl_x"}
	got, err := s.Runs.Durations(t.Context(), store.Durations{Kinds: []store.Kind{command, templ, {JobType: "none"}}, Last: 2})
	if err != nil {
		t.Fatal(err)
	}
	by := map[store.Kind][]time.Duration{}
	for _, d := range got {
		by[d.Kind] = append(by[d.Kind], d.Took)
	}
	two := []time.Duration{4 * time.Second, 2 * time.Second}
	same(t, "durations", map[store.Kind][]time.Duration{command: two, templ: two}, by)
}
