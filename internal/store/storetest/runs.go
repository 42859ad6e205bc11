package storetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func runChecks() []check {
	return []check{
		{"Runs/NotFound", runNotFound},
		{"Runs/ListFiltersAndPages", runList},
		{"Runs/ReportChangesWhatIsGiven", runReport},
		{"Runs/ReportIsFenced", runReportFenced},
		{"Checkpoint/KeepsTheLastOne", checkpointKeeps},
		{"Checkpoint/IsFenced", checkpointFenced},
		{"Checkpoint/ClearsCrashes", checkpointCrashes},
		{"Checkpoint/AgainstTakeover", checkpointRace},
	}
}

func runNotFound(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob())
	c := claimOne(t, s)
	_, err := s.Runs.Run(t.Context(), tenant, id.New(id.Run, base))
	wantCode(t, err, fault.NotFound)
	_, err = s.Runs.Run(t.Context(), "ten_other", c.Run.ID)
	wantCode(t, err, fault.NotFound)
}

func runList(t *testing.T, s store.Store) {
	pool(t, s, 20)
	var all []string // ids, oldest first
	for i := range 9 {
		add(t, s, newJob(named(fmt.Sprintf("Übung %d", i)), ofType([]string{"x", "y"}[i%2]), labelled(map[string]string{"k": fmt.Sprint(i % 3)})))
		c := claimAt(t, s, "a", 1, base.Add(time.Duration(i/2)*time.Second)).Started[0]
		all = append(all, c.Run.ID)
		if i == 0 {
			succeed(t, s, c)
		}
	}
	get := func(p store.ListRuns) store.RunPage {
		p.Tenant = tenant
		if p.Limit == 0 {
			p.Limit = 100
		}
		page, err := s.Runs.List(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	idsOf := func(rs []run.Run) (out []string) {
		for _, r := range rs {
			out = append(out, r.ID)
		}
		return out
	}
	up, down := idsOf(get(store.ListRuns{Ascending: true}).Runs), idsOf(get(store.ListRuns{}).Runs)
	if len(up) != 9 || up[0] != down[8] || up[8] != down[0] {
		t.Errorf("up %v, down %v", up, down)
	}
	for _, ascending := range []bool{true, false} {
		var paged []string
		for p := (store.ListRuns{Limit: 2, Ascending: ascending}); ; {
			page := get(p)
			paged = append(paged, idsOf(page.Runs)...)
			if !page.More {
				break
			}
			last := page.Runs[len(page.Runs)-1]
			p.After = &store.RunMark{StartedAt: last.StartedAt, ID: last.ID}
		}
		want := down
		if ascending {
			want = up
		}
		same(t, "paged", want, paged)
	}
	same(t, "state", all[:1], idsOf(get(store.ListRuns{States: []run.State{run.Completed}}).Runs))
	same(t, "type", 4, len(get(store.ListRuns{Types: []string{"y"}}).Runs))
	same(t, "label", 3, len(get(store.ListRuns{Labels: map[string]string{"k": "1"}}).Runs))
	same(t, "text", []string{all[7]}, idsOf(get(store.ListRuns{Text: "üBUNG 7"}).Runs))
	same(t, "times", 2, len(get(store.ListRuns{StartedAfter: base, StartedBefore: base.Add(2 * time.Second)}).Runs))
	p, err := s.Runs.List(t.Context(), store.ListRuns{Tenant: "ten_other", Limit: 5})
	if err != nil || len(p.Runs) != 0 {
		t.Errorf("another tenant lists %d runs, %v", len(p.Runs), err)
	}
}

func runReport(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob())
	c := claimOne(t, s)
	want := c.Run
	used, logged := int64(3), int64(99)
	for _, step := range []struct {
		r    store.Report
		edit func()
	}{
		{store.Report{Process: &run.Process{Pid: 12, Start: "s1"}}, func() { want.Process = run.Process{Pid: 12, Start: "s1"} }},
		{store.Report{Progress: &run.Progress{Stage: "Ω", Done: 1, Total: 2}}, func() { want.Result.Progress = run.Progress{Stage: "Ω", Done: 1, Total: 2} }},
		{store.Report{Tokens: &run.Tokens{Prompt: &used}, LogBytes: &logged}, func() { want.Result.Tokens, want.Result.LogBytes = &run.Tokens{Prompt: &used}, 99 }},
		{store.Report{Outputs: map[string]string{"a": "1"}}, func() { want.Result.Outputs = map[string]string{"a": "1"} }},
		{store.Report{Outputs: map[string]string{"b": "2"}}, func() { want.Result.Outputs = map[string]string{"b": "2"} }},
		{store.Report{}, func() {}},
	} {
		step.r.RunID, step.r.Epoch = c.Run.ID, c.Run.Epoch
		if err := s.Runs.Report(t.Context(), []store.Report{step.r})[0]; err != nil {
			t.Fatal(err)
		}
		step.edit()
		got, err := s.Runs.Run(t.Context(), tenant, c.Run.ID)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "run", want, got)
	}
}

func runReportFenced(t *testing.T, s store.Store) {
	pool(t, s, 2)
	add(t, s, newJob(), newJob())
	cs := claim(t, s, 2)
	n := int64(1)
	report := func(c store.Claimed, epoch int64) store.Report {
		return store.Report{RunID: c.Run.ID, Epoch: epoch, LogBytes: &n}
	}
	errs := s.Runs.Report(t.Context(), []store.Report{report(cs[0], cs[0].Run.Epoch-1), report(cs[1], cs[1].Run.Epoch), {RunID: "run_none", LogBytes: &n}})
	wantCode(t, errs[0], fault.StaleLease)
	if errs[1] != nil {
		t.Errorf("the good item: %v", errs[1])
	}
	wantCode(t, errs[2], fault.StaleLease)
	succeed(t, s, cs[1])
	wantCode(t, s.Runs.Report(t.Context(), []store.Report{report(cs[1], cs[1].Run.Epoch)})[0], fault.StaleLease)
}

func save(t testing.TB, s store.Store, c store.Claimed, data string) error {
	t.Helper()
	return s.Runs.SaveCheckpoint(t.Context(), store.Checkpoint{
		JobID: c.Job.ID, RunID: c.Run.ID, Epoch: c.Run.Epoch, Data: []byte(data), At: base,
	})
}

func checkpointKeeps(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob(onCrash(job.CrashRetry)))
	c := claimOne(t, s)
	if got, err := s.Runs.Checkpoint(t.Context(), c.Job.ID); got != nil || err != nil {
		t.Errorf("before: %q, %v", got, err)
	}
	for _, data := range []string{"one", "\x00\xff binary", string(bytes.Repeat([]byte{7}, 1<<20))} {
		if err := save(t, s, c, data); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Runs.Checkpoint(t.Context(), c.Job.ID); string(got) != data || err != nil {
			t.Errorf("%d bytes came back of %d, %v", len(got), len(data), err)
		}
	}
	if err := finishWith(t, s, c, job.Interrupted{At: base}); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Runs.Checkpoint(t.Context(), c.Job.ID); len(got) != 1<<20 {
		t.Error("a requeued job lost its checkpoint")
	}
	succeed(t, s, claimOne(t, s))
	if got, err := s.Runs.Checkpoint(t.Context(), c.Job.ID); got != nil || err != nil {
		t.Errorf("a finished job keeps a checkpoint of %d bytes, %v", len(got), err)
	}
}

func checkpointFenced(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob(onCrash(job.CrashRetry)))
	old := claimOne(t, s)
	if err := finishWith(t, s, old, job.Interrupted{At: base}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, save(t, s, old, "late"), fault.StaleLease)
	now := claimOne(t, s)
	if err := save(t, s, now, "new"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, save(t, s, old, "late"), fault.StaleLease)
	forged := now
	forged.Run.Epoch--
	wantCode(t, save(t, s, forged, "forged"), fault.StaleLease)
	if got, _ := s.Runs.Checkpoint(t.Context(), now.Job.ID); string(got) != "new" {
		t.Errorf("checkpoint %q", got)
	}
}

func checkpointCrashes(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob(onCrash(job.CrashRetry)))
	if err := finishWith(t, s, claimOne(t, s), job.Interrupted{At: base}); err != nil {
		t.Fatal(err)
	}
	c := claimOne(t, s)
	if c.Job.Crashes != 1 {
		t.Fatalf("crashes %d", c.Job.Crashes)
	}
	if err := save(t, s, c, "x"); err != nil {
		t.Fatal(err)
	}
	now := read(t, s, c.Job.ID)
	if now.Crashes != 0 || now.Version != c.Job.Version+1 {
		t.Errorf("crashes %d, version %d after %d", now.Crashes, now.Version, c.Job.Version)
	}
	wantCode(t, finishWith(t, s, c, job.Succeeded{At: base}), fault.Conflict)
	c.Job = now
	succeed(t, s, c)
}

// checkpointRace: whatever was saved when an attempt is taken over, nothing of
// it is saved afterwards.
func checkpointRace(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob(onCrash(job.CrashRetry)))
	for round := range 8 {
		old := claimOne(t, s)
		var after []byte
		together(3, func(i int) {
			if i > 0 {
				for n := range 6 {
					if err := save(t, s, old, fmt.Sprint(round, i, n)); err != nil {
						wantCode(t, err, fault.StaleLease)
						return
					}
				}
				return
			}
			for { // a checkpoint may change the job's version
				j := read(t, s, old.Job.ID)
				j.HeldReason = ""
				err := finishWith(t, s, store.Claimed{Job: j, Run: old.Run}, job.Interrupted{At: base})
				if err == nil {
					break
				}
				if !fault.Is(err, fault.Conflict) {
					t.Errorf("rescue: %v", err)
					return
				}
			}
			var err error
			if after, err = s.Runs.Checkpoint(t.Context(), old.Job.ID); err != nil {
				t.Error(err)
			}
		})
		if got, _ := s.Runs.Checkpoint(t.Context(), old.Job.ID); !bytes.Equal(got, after) {
			t.Errorf("round %d: %q at the takeover, %q later", round, after, got)
		}
		if j := read(t, s, old.Job.ID); j.HeldReason != "" {
			mustMove(t, s, j, job.Released{At: base})
		}
	}
}
