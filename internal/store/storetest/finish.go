package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func finishChecks() []check {
	return []check{
		{"Finish/EndsJobAndRun", finishEnds},
		{"Finish/RetryWaitsAtItsPlace", finishRetry},
		{"Finish/ItemsAreIndependent", finishItems},
		{"Finish/OneThatFailsHoldsNoneUp", finishTwice},
		{"Finish/ReturnedKeepTheirOrder", finishReturned},
		{"Finish/StaleAfterTakeover", finishStale},
		{"Finish/AgainstCancel", finishCancel},
		{"Finish/AgainstRescue", finishRescue},
		{"Finish/BatchesInOppositeOrder", finishOpposite},
		{"Finish/NotFound", finishNotFound},
	}
}

func finishEnds(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob(locks("l")))
	c := claimOne(t, s)
	three, code, used := base.Add(3*time.Second), 7, int64(12)
	f := ending(t, c, job.Broke{At: three, Failure: job.Failure{Code: "exit_nonzero", Message: "exit 7"}})
	f.Run.After.Result = run.Result{
		ExitCode: &code, Outputs: map[string]string{"k": "ü\n"}, Progress: run.Progress{Stage: "s", Done: 3, Total: 9},
		Tokens:   &run.Tokens{Prompt: &used, ByModel: map[string]run.ModelTokens{"m": {Completion: &used}}},
		LogBytes: 5, LogTruncated: true,
	}
	if err := s.Jobs.Finish(t.Context(), []store.Finish{f})[0]; err != nil {
		t.Fatal(err)
	}
	same(t, "job", f.Job.After, read(t, s, c.Job.ID))
	r, err := s.Runs.Run(t.Context(), tenant, c.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "run", f.Run.After, r)
	evs := since(t, s, 0)
	last := evs[len(evs)-1]
	if last.Type != event.JobRunFailed || last.RunID != c.Run.ID || last.Data["code"] != "exit_nonzero" {
		t.Errorf("announced %+v", last)
	}
	wantCode(t, s.Jobs.Finish(t.Context(), []store.Finish{f})[0], fault.StaleLease)
}

func finishRetry(t *testing.T, s store.Store) {
	pool(t, s, 1)
	js := add(t, s, newJob(func(j *job.Job) { j.Retry = job.Retry{MaxAttempts: 2, Initial: time.Minute} }), newJob())
	c := claimOne(t, s)
	if err := finishWith(t, s, c, job.Broke{At: base, Failure: job.Failure{Code: "x"}}); err != nil {
		t.Fatal(err)
	}
	same(t, "order", ids(js), queued(t, s))
	other := claimOne(t, s)
	same(t, "while it waits", js[1].ID, other.Job.ID)
	succeed(t, s, other)
	cs := claimAt(t, s, "a", 1, base.Add(time.Minute))
	if len(cs.Started) != 1 || cs.Started[0].Job.Attempt != 2 || cs.Started[0].Job.Epoch <= c.Job.Epoch {
		t.Fatalf("second attempt %+v", cs)
	}
	p, err := s.Runs.List(t.Context(), store.ListRuns{Tenant: tenant, JobID: js[0].ID, Limit: 5, Ascending: true})
	if err != nil || len(p.Runs) != 2 || p.Runs[0].State != run.Failed || p.Runs[1].State != run.Active {
		t.Errorf("runs %+v, %v", p.Runs, err)
	}
}

func finishItems(t *testing.T, s store.Store) {
	pool(t, s, 3)
	add(t, s, newJob(), newJob(), newJob())
	cs := claim(t, s, 3)
	succeed(t, s, cs[1])
	var items []store.Finish
	for _, c := range cs {
		items = append(items, ending(t, c, job.Passed{At: base, Reason: "nothing to do"}))
	}
	errs := s.Jobs.Finish(t.Context(), items)
	if len(errs) != 3 || errs[0] != nil || errs[2] != nil {
		t.Fatalf("errs %v", errs)
	}
	wantCode(t, errs[1], fault.StaleLease)
	for i, want := range []job.State{job.Skipped, job.Completed, job.Skipped} {
		if got := read(t, s, cs[i].Job.ID).State; got != want {
			t.Errorf("job %d is %s, want %s", i, got, want)
		}
	}
	if errs := s.Jobs.Finish(t.Context(), nil); len(errs) != 0 {
		t.Errorf("no items gave %v", errs)
	}
}

// finishTwice: an end that is given twice in one call cannot be written twice, and the
// others of the call end all the same.
func finishTwice(t *testing.T, s store.Store) {
	const n = 5
	pool(t, s, n)
	for i := range n {
		add(t, s, newJob(locks(fmt.Sprint("l", i))))
	}
	var items []store.Finish
	for _, c := range claim(t, s, n) {
		items = append(items, ending(t, c, job.Succeeded{At: base}))
	}
	items = append(items, items[1])
	errs := s.Jobs.Finish(t.Context(), items)
	wantCode(t, errs[n], fault.StaleLease)
	ended := 0
	for i := range n {
		if errs[i] != nil {
			t.Errorf("end %d: %v", i, errs[i])
		}
		if j := read(t, s, items[i].Job.Before.ID); j.State != job.Completed {
			t.Errorf("job %d is %s", i, j.State)
		}
	}
	for _, e := range since(t, s, 0) {
		if e.Type == event.JobRunCompleted {
			ended++
		}
	}
	if ended != n {
		t.Errorf("%d ends are told of, want %d", ended, n)
	}
	sit, err := s.Jobs.Situation(t.Context(), nil)
	if err != nil || len(sit.Snapshot.Held) != 0 {
		t.Errorf("locks are held by %+v, %v", sit.Snapshot.Held, err)
	}
}

// finishReturned: jobs that go back to the queue in one call, without a place of their
// own, get theirs in the order of the call.
func finishReturned(t *testing.T, s store.Store) {
	const n = 4
	pool(t, s, n)
	for range n {
		add(t, s, newJob())
	}
	behind := add(t, s, newJob())[0]
	var items []store.Finish
	var want []string
	for _, c := range claim(t, s, n) {
		f := ending(t, c, job.Returned{At: base})
		f.Job.After.Rank = ""
		items = append([]store.Finish{f}, items...)
		want = append([]string{c.Job.ID}, want...)
	}
	for i, err := range s.Jobs.Finish(t.Context(), items) {
		if err != nil {
			t.Errorf("end %d: %v", i, err)
		}
	}
	same(t, "order", append([]string{behind.ID}, want...), queued(t, s))
}

// finishStale lets an attempt be taken over and then speak up.
func finishStale(t *testing.T, s store.Store) {
	pool(t, s, 1)
	register(t, s, "b")
	add(t, s, newJob(locks("l"), onCrash(job.CrashRetry)))
	old := claimOne(t, s)
	if err := finishWith(t, s, old, job.Interrupted{At: base}); err != nil { // what a rescue does
		t.Fatal(err)
	}
	now := claimAt(t, s, "b", 1, base).Started[0]
	wantCode(t, finishWith(t, s, old, job.Succeeded{At: base}), fault.StaleLease)
	same(t, "the new attempt runs on", now.Job, read(t, s, now.Job.ID))
	sit, err := s.Jobs.Situation(t.Context(), []job.Job{now.Job})
	if held := sit.Snapshot.Held["l"]; err != nil || len(held) != 1 || held[0].Token != now.Job.Epoch {
		t.Errorf("the lock is held by %+v, %v", held, err)
	}
}

func finishCancel(t *testing.T, s store.Store) {
	const n = 20
	pool(t, s, n)
	for range n {
		add(t, s, newJob())
	}
	cs := claim(t, s, n)
	finished, asked := make([]error, n), make([]error, n)
	together(2*n, func(i int) {
		c := cs[i/2]
		if i%2 == 0 {
			finished[i/2] = finishWith(t, s, c, job.Succeeded{At: base})
			return
		}
		_, asked[i/2] = move(t, s, c.Job, job.CancelAsked{At: base, By: "me"})
	})
	for i, c := range cs {
		if (finished[i] == nil) == (asked[i] == nil) {
			t.Fatalf("finish: %v, cancel: %v; want one to win", finished[i], asked[i])
		}
		if finished[i] == nil {
			wantCode(t, asked[i], fault.Conflict)
			continue
		}
		wantCode(t, finished[i], fault.Conflict)
		// The loser reads again and applies its event to what is there.
		c.Job = read(t, s, c.Job.ID)
		if err := finishWith(t, s, c, job.Broke{At: base, Failure: job.Failure{Code: job.CodeCancelled}}); err != nil {
			t.Error(err)
		}
		if got := read(t, s, c.Job.ID); got.State != job.Cancelled || got.CancelledBy != "me" {
			t.Errorf("job is %s by %q", got.State, got.CancelledBy)
		}
	}
}

// finishRescue: of an attempt's own end and two rescues of it, one wins.
func finishRescue(t *testing.T, s store.Store) {
	const n = 20
	pool(t, s, n)
	register(t, s, "b")
	var js []job.Job
	for i := range n {
		js = append(js, newJob(onCrash(job.CrashRetry), locks(fmt.Sprint("l", i))))
	}
	add(t, s, js...)
	claim(t, s, n)
	if err := s.Leases.Condemn(t.Context(), store.Condemn{Self: "b", HostID: "host-a", Now: base}); err != nil {
		t.Fatal(err)
	}
	left, err := s.Leases.Leftovers(t.Context())
	if err != nil || len(left) != n {
		t.Fatalf("%d leftovers, %v", len(left), err)
	}
	var mu sync.Mutex
	wins := map[string]int{}
	together(3, func(i int) {
		var ev any = job.Interrupted{At: base}
		if i == 0 {
			ev = job.Succeeded{At: base}
		}
		var items []store.Finish
		for k := range left {
			l := left[(k+i*7)%n] // each in another order
			items = append(items, ending(t, store.Claimed{Job: l.Job, Run: l.Run}, ev))
		}
		for k, err := range s.Jobs.Finish(t.Context(), items) {
			if err != nil {
				wantCode(t, err, fault.StaleLease)
				continue
			}
			mu.Lock()
			wins[items[k].Job.Before.ID]++
			mu.Unlock()
		}
	})
	for _, l := range left {
		if wins[l.Job.ID] != 1 {
			t.Errorf("attempt of %s ended %d times", l.Job.ID, wins[l.Job.ID])
		}
	}
}

// finishOpposite reports on and ends attempts in batches that name them in
// opposite orders: nobody may fail because of that.
func finishOpposite(t *testing.T, s store.Store) {
	const n = 16
	pool(t, s, n)
	for range n {
		add(t, s, newJob())
	}
	cs := claim(t, s, n)
	bytes := int64(1)
	together(6, func(i int) {
		for range 5 {
			var items []store.Report
			for k := range cs {
				if i%2 == 1 {
					k = n - 1 - k
				}
				items = append(items, store.Report{RunID: cs[k].Run.ID, Epoch: cs[k].Run.Epoch, LogBytes: &bytes})
			}
			for _, err := range s.Runs.Report(t.Context(), items) {
				if err != nil {
					t.Errorf("report: %v", err)
				}
			}
		}
	})
	won := make([]int, n)
	var mu sync.Mutex
	together(4, func(i int) {
		var items []store.Finish
		for k := range cs {
			if i%2 == 1 {
				k = n - 1 - k
			}
			items = append(items, ending(t, cs[k], job.Succeeded{At: base}))
		}
		for k, err := range s.Jobs.Finish(t.Context(), items) {
			if err != nil {
				wantCode(t, err, fault.StaleLease)
				continue
			}
			if i%2 == 1 {
				k = n - 1 - k
			}
			mu.Lock()
			won[k]++
			mu.Unlock()
		}
	})
	for k, w := range won {
		if w != 1 {
			t.Errorf("attempt %d ended %d times", k, w)
		}
	}
}

func finishNotFound(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob())
	f := ending(t, claimOne(t, s), job.Succeeded{At: base})
	f.Job.Before.Tenant = "ten_other"
	wantCode(t, s.Jobs.Finish(t.Context(), []store.Finish{f})[0], fault.NotFound)
}
