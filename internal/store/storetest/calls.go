package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func callChecks() []check {
	return []check{
		{"Calls/KeepEveryField", callFields},
		{"Calls/OnlyOfTheOwner", callFence},
		{"Calls/NumbersUnderConcurrency", callConcurrency},
		{"Calls/RepeatedAreNotCountedTwice", callRepeated},
		{"Calls/CountsOutliveACrash", callCrash},
		{"Calls/SumsByDay", callSums},
		{"Calls/RetentionKeepsTheSums", callRetention},
		{"Keys/OneBodyKey", bodyKey},
	}
}

func asked(model string, prompt, completion int64) run.Call {
	return run.Call{
		Server: "local", Model: model, Stage: "section", Outcome: run.CallOK, Prompt: &prompt, Completion: &completion,
		StartedAt: base, Total: time.Second,
	}
}

// claimedFor is a running attempt of a job of a template.
func claimedFor(t testing.TB, s store.Store, template string) store.Claimed {
	t.Helper()
	add(t, s, newJob(ofType("story"), func(j *job.Job) { j.TemplateID = template }))
	return claimOne(t, s)
}

func recordCall(t testing.TB, s store.Store, c store.Claimed, at time.Time, what run.Call) {
	t.Helper()
	if err := s.Calls.Record(t.Context(), store.RecordCall{RunID: c.Run.ID, Epoch: c.Run.Epoch, Call: what, At: at}); err != nil {
		t.Fatal(err)
	}
}

func callsOf(t testing.TB, s store.Store, runID string) []run.Call {
	t.Helper()
	got, err := s.Calls.Of(t.Context(), tenant, runID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func callFields(t *testing.T, s store.Store) {
	pool(t, s, 1)
	c := claimedFor(t, s, "")
	full := asked("qwen3:30b", 12, 0)
	full.Load, full.Reading, full.Writing, full.Total = 1500*time.Millisecond, 20*time.Millisecond, 3*time.Second, 5*time.Second
	unknown := run.Call{Server: "ü", Model: "m", Stage: "s", Outcome: "llm_timeout", StartedAt: base.Add(time.Second)}
	for _, one := range []run.Call{full, unknown} {
		recordCall(t, s, c, base, one)
	}
	same(t, "calls in order, unknown is not zero", []run.Call{full, unknown}, callsOf(t, s, c.Run.ID))
	other, err := s.Calls.Of(t.Context(), "ten_other", c.Run.ID)
	if err != nil || len(other) != 0 {
		t.Errorf("another tenant sees %d calls, %v", len(other), err)
	}
}

func callFence(t *testing.T, s store.Store) {
	pool(t, s, 1)
	c := claimedFor(t, s, "")
	stale := store.RecordCall{RunID: c.Run.ID, Epoch: c.Run.Epoch - 1, Call: asked("m", 1, 1), At: base}
	wantCode(t, s.Calls.Record(t.Context(), stale), fault.StaleLease)
	succeed(t, s, c)
	late := store.RecordCall{RunID: c.Run.ID, Epoch: c.Run.Epoch, Call: asked("m", 1, 1), At: base}
	wantCode(t, s.Calls.Record(t.Context(), late), fault.StaleLease)
	if n := len(callsOf(t, s, c.Run.ID)); n != 0 {
		t.Errorf("%d calls of those who must not write", n)
	}
	usage, err := s.Calls.Usage(t.Context(), store.ListUsage{Tenant: tenant, From: store.Day(base), To: store.Day(base), Limit: 10})
	if err != nil || len(usage) != 0 {
		t.Errorf("they count: %v, %v", usage, err)
	}
}

func callConcurrency(t *testing.T, s store.Store) {
	pool(t, s, 2)
	add(t, s, newJob(ofType("story")), newJob(ofType("story")))
	both := claim(t, s, 2)
	if len(both) != 2 {
		t.Fatalf("claimed %d", len(both))
	}
	var mu sync.Mutex
	together(16, func(i int) {
		c := both[i%2]
		err := s.Calls.Record(t.Context(), store.RecordCall{RunID: c.Run.ID, Epoch: c.Run.Epoch, Call: asked("m", 10, 1), At: base})
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			t.Error(err)
		}
	})
	for _, c := range both {
		if n := len(callsOf(t, s, c.Run.ID)); n != 8 {
			t.Errorf("run %s has %d calls, want 8", c.Run.ID, n)
		}
	}
	usage, err := s.Calls.Usage(t.Context(), store.ListUsage{Tenant: tenant, From: store.Day(base), To: store.Day(base), Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "sum", []store.TokenUsage{{
		Day: store.Day(base), JobType: "story", Model: "m", Calls: 16, Prompt: 160, Completion: 16, Total: 16 * time.Second,
	}}, usage)
}

// callRepeated: the answer to a commit may get lost, and then the caller repeats.
func callRepeated(t *testing.T, s store.Store) {
	pool(t, s, 1)
	c := claimedFor(t, s, "")
	for _, n := range []int64{2, 1, 2, 1, 2} {
		p := store.RecordCall{RunID: c.Run.ID, Epoch: c.Run.Epoch, Number: n, Call: asked("m", n, 10*n), At: base}
		if err := s.Calls.Record(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "calls", []run.Call{asked("m", 1, 10), asked("m", 2, 20)}, callsOf(t, s, c.Run.ID))
	usage, err := s.Calls.Usage(t.Context(), store.ListUsage{Tenant: tenant, From: store.Day(base), To: store.Day(base), Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "sum", []store.TokenUsage{{
		Day: store.Day(base), JobType: "story", Model: "m", Calls: 2, Prompt: 3, Completion: 30, Total: 2 * time.Second,
	}}, usage)
}

// callCrash: what a run has used is with the run as soon as its calls are, for its
// server may be killed right after.
func callCrash(t *testing.T, s store.Store) {
	pool(t, s, 1)
	c := claimedFor(t, s, "")
	var sum *run.Tokens
	for n := range int64(3) {
		one := asked("m", 4, 5)
		sum = sum.With(one)
		p := store.RecordCall{RunID: c.Run.ID, Epoch: c.Run.Epoch, Number: n + 1, Call: one, Tokens: sum, At: base}
		if err := s.Calls.Record(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.Runs.Run(t.Context(), tenant, c.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "tokens", sum, r.Result.Tokens)
}

func callSums(t *testing.T, s store.Store) {
	pool(t, s, 2)
	a, b := claimedFor(t, s, "tmpl_a"), claimedFor(t, s, "tmpl_b")
	today, tomorrow := base, base.Add(12*time.Hour) // base is noon
	half := asked("m", 5, 0)
	half.Completion = nil
	recordCall(t, s, a, today, asked("m", 10, 1))
	recordCall(t, s, a, today, half)
	recordCall(t, s, a, today, asked("n", 1, 1))
	recordCall(t, s, a, tomorrow.Add(-time.Millisecond), asked("n", 1, 1))
	recordCall(t, s, a, tomorrow, asked("m", 100, 100))
	recordCall(t, s, b, tomorrow, asked("m", 7, 7))
	usage := func(p store.ListUsage) []store.TokenUsage {
		p.Tenant = tenant
		if p.Limit == 0 {
			p.Limit = 100
		}
		got, err := s.Calls.Usage(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	row := func(at time.Time, template, model string, calls, prompt, completion, unknown int64) store.TokenUsage {
		return store.TokenUsage{
			Day: store.Day(at), TemplateID: template, JobType: "story", Model: model, Calls: calls, Prompt: prompt, Completion: completion,
			Unknown: unknown, Total: time.Duration(calls) * time.Second,
		}
	}
	all := []store.TokenUsage{
		row(today, "tmpl_a", "m", 2, 15, 1, 1), row(today, "tmpl_a", "n", 2, 2, 2, 0),
		row(tomorrow, "tmpl_a", "m", 1, 100, 100, 0), row(tomorrow, "tmpl_b", "m", 1, 7, 7, 0),
	}
	same(t, "both days", all, usage(store.ListUsage{From: store.Day(today), To: store.Day(tomorrow)}))
	same(t, "at most so many", all[:1], usage(store.ListUsage{From: store.Day(today), To: store.Day(tomorrow), Limit: 1}))
	same(t, "one day", all[:2], usage(store.ListUsage{From: store.Day(today), To: store.Day(today)}))
	same(t, "one template", all[3:], usage(store.ListUsage{From: store.Day(today), To: store.Day(tomorrow), TemplateID: "tmpl_b"}))
	other, err := s.Calls.Usage(t.Context(), store.ListUsage{Tenant: "ten_other", From: store.Day(today), To: store.Day(tomorrow), Limit: 5})
	if err != nil || len(other) != 0 {
		t.Errorf("another tenant sees %v, %v", other, err)
	}
}

// The calls of a run go with it; what they cost is remembered.
func callRetention(t *testing.T, s store.Store) {
	pool(t, s, 1)
	c := claimedFor(t, s, "")
	recordCall(t, s, c, base, asked("m", 3, 4))
	succeed(t, s, c)
	if _, err := s.Retention.ExpireJobs(t.Context(), base.Add(time.Hour), 10); err != nil {
		t.Fatal(err)
	}
	_, err := s.Runs.Run(t.Context(), tenant, c.Run.ID)
	wantCode(t, err, fault.NotFound)
	if n := len(callsOf(t, s, c.Run.ID)); n != 0 {
		t.Errorf("%d calls of a run that is gone", n)
	}
	usage, err := s.Calls.Usage(t.Context(), store.ListUsage{Tenant: tenant, From: store.Day(base), To: store.Day(base), Limit: 10})
	if err != nil || len(usage) != 1 || usage[0].Prompt != 3 || usage[0].Completion != 4 {
		t.Errorf("what is left of the sums: %v, %v", usage, err)
	}
}

func bodyKey(t *testing.T, s store.Store) {
	var mu sync.Mutex
	got := map[string]int{}
	together(8, func(i int) {
		key, err := s.Keys.BodyKey(t.Context(), fmt.Sprint("secret ", i))
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Error(err)
		}
		got[key]++
	})
	if len(got) != 1 {
		t.Errorf("eight servers got %d keys", len(got))
	}
	for first := range got {
		if again, err := s.Keys.BodyKey(t.Context(), "late"); err != nil || again != first {
			t.Errorf("later it is %q, %v, want %q", again, err, first)
		}
	}
}
