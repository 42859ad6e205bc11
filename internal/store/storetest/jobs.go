package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func jobChecks() []check {
	return []check{
		{"Add/KeepsEveryField", addKeepsFields},
		{"Add/SetsMissingTimes", addSetsTimes},
		{"Add/RoundsTimesToUTCMilliseconds", addRoundsTimes},
		{"Add/IsBehindItsPriority", addIsBehind},
		{"Add/IsAllOrNone", addAllOrNone},
		{"Add/KeepsLargeParams", addLargeParams},
		{"Add/KeepsAcknowledgedOrderUnderConcurrency", addKeepsOrder},
		{"Add/KeepsBatchesInOrderUnderConcurrency", addBatches},
		{"Job/NotFound", jobNotFound},
		{"Move/ComparesVersions", moveCompares},
		{"Move/OnceAmongMany", moveOnce},
		{"Move/PriorityGoesBehind", movePriority},
		{"Move/NotFoundForOtherTenant", moveOtherTenant},
		{"Move/HoldAndRelease", moveHold},
		{"Position/CountsThoseBefore", positionCounts},
		{"Counts/ByState", countsByState},
		{"Attempts/TellWhoHasThemAndWhoAskedToStop", attemptsTell},
	}
}

func addKeepsFields(t *testing.T, s store.Store) {
	j := newJob(
		named(`Über "quoted" \ % _ 'job' 🚀`), locks("gpu:0", "model:qwen3:30b"), prio(2), at(base.Add(time.Hour)), held("a reason"),
		labelled(map[string]string{"a": "1", "ü": `"`}),
		func(j *job.Job) {
			j.Params = []byte(`{"x":"\u0000","n":1e400}`)
			j.TemplateID, j.TemplateVersion = "tmpl_x", 3
			j.Retry = job.Retry{MaxAttempts: 3, Backoff: job.Fixed, Initial: time.Second, Max: time.Minute, Jitter: 0.5, On: []string{"x"}}
			j.Timeout, j.OnCrash, j.Trigger, j.RetryOf = 90*time.Second, job.CrashAsk, job.TriggerRetry, "run_x"
		})
	got := add(t, s, j)[0]
	want := j
	want.State, want.Version, want.Rank = job.Queued, 1, got.Rank
	same(t, "added", want, got)
	same(t, "read", want, read(t, s, j.ID))
}

func addSetsTimes(t *testing.T, s store.Store) {
	j := newJob(func(j *job.Job) { j.CreatedAt, j.QueuedAt = time.Time{}, time.Time{} })
	got := add(t, s, j)[0]
	if got.CreatedAt.IsZero() || got.QueuedAt.IsZero() {
		t.Errorf("created %v, queued %v: want the time of the call", got.CreatedAt, got.QueuedAt)
	}
	same(t, "read", got, read(t, s, j.ID))
}

func addRoundsTimes(t *testing.T, s store.Store) {
	zone := time.FixedZone("east", 5*3600+1800)
	j := newJob(at(base.Add(time.Hour + 1999*time.Microsecond).In(zone)))
	j.CreatedAt = base.In(zone)
	got := add(t, s, j)[0]
	if want := base.Add(time.Hour + time.Millisecond); got.NotBefore != want || got.CreatedAt != base {
		t.Errorf("not before %v, created %v; want %v and %v", got.NotBefore, got.CreatedAt, want, base)
	}
	same(t, "read", got, read(t, s, j.ID))
}

func addIsBehind(t *testing.T, s store.Store) {
	normal := add(t, s, newJob(), newJob())
	high := add(t, s, newJob(prio(2)))
	added, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob(prio(2)), newJob()}})
	if err != nil {
		t.Fatal(err)
	}
	if added[0].Position != 1 || added[1].Position != 4 {
		t.Errorf("positions %d and %d, want 1 and 4", added[0].Position, added[1].Position)
	}
	same(t, "order", []string{high[0].ID, added[0].Job.ID, normal[0].ID, normal[1].ID, added[1].Job.ID}, queued(t, s))
}

func addAllOrNone(t *testing.T, s store.Store) {
	twin := newJob()
	if _, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob(), twin, twin}}); err == nil {
		t.Error("two jobs with one id were stored")
	}
	same(t, "queue", []string{}, queued(t, s))
	if evs := since(t, s, 0); len(evs) != 0 {
		t.Errorf("a failed Add left %d events", len(evs))
	}
}

func addLargeParams(t *testing.T, s store.Store) {
	big := []byte(`{"text":"` + strings.Repeat("ä", 1<<20) + `"}`)
	j := add(t, s, newJob(func(j *job.Job) { j.Params = big }))[0]
	if got := read(t, s, j.ID); !bytes.Equal(got.Params, big) {
		t.Errorf("%d bytes came back of %d", len(got.Params), len(big))
	}
}

// addKeepsOrder: a job that was acknowledged before another was sent is before
// it in the order.
func addKeepsOrder(t *testing.T, s store.Store) {
	var mu sync.Mutex
	var clients [8][]string
	together(len(clients), func(i int) {
		for n := range 10 {
			j := newJob(prio(n % 3))
			if _, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{j}}); err != nil {
				t.Errorf("add: %v", err)
				return
			}
			mu.Lock()
			clients[i] = append(clients[i], j.ID)
			mu.Unlock()
		}
	})
	place := map[string]int{}
	for i, jobID := range queued(t, s) {
		place[jobID] = i
	}
	if len(place) != 80 {
		t.Fatalf("%d jobs wait, want 80", len(place))
	}
	for i, own := range clients {
		for n := 3; n < len(own); n++ { // n and n-3 have one priority
			if place[own[n-3]] >= place[own[n]] {
				t.Errorf("client %d: job %d is not behind job %d", i, n, n-3)
			}
		}
	}
}

func addBatches(t *testing.T, s store.Store) {
	together(6, func(i int) {
		var js []job.Job
		for n := range 20 {
			js = append(js, newJob(named(fmt.Sprintf("%d-%02d", i, n))))
		}
		if _, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: js}); err != nil {
			t.Errorf("add: %v", err)
		}
	})
	p, err := s.Jobs.List(t.Context(), store.ListJobs{Tenant: tenant, Sort: store.SortQueue, Limit: 1000})
	if err != nil || len(p.Jobs) != 120 {
		t.Fatalf("%d jobs, %v", len(p.Jobs), err)
	}
	for i := 0; i < 120; i += 20 {
		batch := names(p.Jobs[i : i+20])
		if !slices.IsSorted(batch) || batch[0][0] != batch[19][0] {
			t.Errorf("a batch was torn or turned: %v", batch)
		}
	}
}

func jobNotFound(t *testing.T, s store.Store) {
	j := add(t, s, newJob())[0]
	_, err := s.Jobs.Job(t.Context(), tenant, id.New(id.Job, base))
	wantCode(t, err, fault.NotFound)
	_, err = s.Jobs.Job(t.Context(), "ten_other", j.ID)
	wantCode(t, err, fault.NotFound)
}

func moveCompares(t *testing.T, s store.Store) {
	j := add(t, s, newJob())[0]
	got := mustMove(t, s, j, job.CancelAsked{At: base.Add(1500 * time.Microsecond), By: "me"})
	if got.State != job.Cancelled || got.Version != 2 || got.CancelledBy != "me" {
		t.Errorf("got %+v", got)
	}
	same(t, "read", got, read(t, s, j.ID))
	_, err := move(t, s, j, job.Held{At: base, Reason: "late"})
	wantCode(t, err, fault.Conflict)
	same(t, "unchanged", got, read(t, s, j.ID))
}

func moveOnce(t *testing.T, s store.Store) {
	j := add(t, s, newJob())[0]
	var mu sync.Mutex
	won := 0
	together(12, func(i int) {
		_, err := move(t, s, j, job.Held{At: base, Reason: fmt.Sprint(i)})
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			won++
			return
		}
		wantCode(t, err, fault.Conflict)
	})
	if won != 1 {
		t.Errorf("%d changes of one version went through, want 1", won)
	}
	if got := read(t, s, j.ID); got.Version != 2 {
		t.Errorf("version %d, want 2", got.Version)
	}
}

func movePriority(t *testing.T, s store.Store) {
	js := add(t, s, newJob(), newJob(prio(2)), newJob(prio(2)))
	two := 2
	got := mustMove(t, s, js[0], job.Edited{At: base, Priority: &two})
	same(t, "order", []string{js[1].ID, js[2].ID, js[0].ID}, queued(t, s))
	if got.Rank <= js[2].Rank {
		t.Errorf("rank %s, want one behind %s", got.Rank, js[2].Rank)
	}
	relabelled := mustMove(t, s, got, job.Edited{At: base, Labels: map[string]string{"k": "v"}})
	if relabelled.Rank != got.Rank {
		t.Error("a change of labels moved the job")
	}
	same(t, "labels", map[string]string{"k": "v"}, read(t, s, js[0].ID).Labels)
}

func moveOtherTenant(t *testing.T, s store.Store) {
	j := add(t, s, newJob())[0]
	foreign := j
	foreign.Tenant = "ten_other"
	_, err := move(t, s, foreign, job.CancelAsked{At: base})
	wantCode(t, err, fault.NotFound)
	_, err = move(t, s, func() job.Job { n := newJob(); n.State = job.Queued; return n }(), job.CancelAsked{At: base})
	wantCode(t, err, fault.NotFound)
	same(t, "unchanged", j, read(t, s, j.ID))
}

func moveHold(t *testing.T, s store.Store) {
	pool(t, s, 1)
	j := add(t, s, newJob())[0]
	j = mustMove(t, s, j, job.Held{At: base, Reason: "wait"})
	if got := claim(t, s, 1); len(got) != 0 {
		t.Fatalf("a held job was claimed: %v", claimedIDs(got))
	}
	same(t, "held jobs stay in the order", []string{j.ID}, queued(t, s))
	mustMove(t, s, j, job.Released{At: base})
	if got := claimOne(t, s); got.Job.ID != j.ID {
		t.Errorf("claimed %s", got.Job.ID)
	}
}

func positionCounts(t *testing.T, s store.Store) {
	js := add(t, s, newJob(), newJob(prio(2)), newJob(held("x")), newJob())
	got, err := s.Jobs.Situation(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "positions", map[string]int{js[0].ID: 1, js[1].ID: 0, js[2].ID: 2, js[3].ID: 3}, got.Positions)
}

func countsByState(t *testing.T, s store.Store) {
	pool(t, s, 1)
	js := add(t, s, newJob(), newJob(), newJob())
	claimOne(t, s)
	mustMove(t, s, js[1], job.CancelAsked{At: base})
	got, err := s.Jobs.Counts(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "counts", map[job.State]int{job.Queued: 1, job.Running: 1, job.Cancelled: 1}, got)
	other, err := s.Jobs.Counts(t.Context(), "ten_other")
	if err != nil || len(other) != 0 {
		t.Errorf("another tenant counts %v, %v", other, err)
	}
}

func attemptsTell(t *testing.T, s store.Store) {
	pool(t, s, 2)
	js := add(t, s, newJob(), newJob(), newJob())
	claim(t, s, 2)
	stopped := mustMove(t, s, read(t, s, js[1].ID), job.CancelAsked{At: base.Add(time.Second), By: "ann"})
	ids := []string{js[0].ID, js[1].ID, js[2].ID}
	for range 1200 { // more than a statement takes
		ids = append(ids, id.New(id.Job, base))
	}
	got, err := s.Jobs.Attempts(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "attempts", map[string]store.Attempt{
		js[0].ID: {State: job.Running, Epoch: read(t, s, js[0].ID).Epoch},
		js[1].ID: {State: job.Running, Epoch: stopped.Epoch, CancelAskedAt: base.Add(time.Second)},
		js[2].ID: {State: job.Queued},
	}, got)
	if got[js[0].ID].Epoch == 0 || got[js[0].ID].Epoch == got[js[1].ID].Epoch {
		t.Errorf("the attempts have the epochs %d and %d", got[js[0].ID].Epoch, got[js[1].ID].Epoch)
	}
	if none, err := s.Jobs.Attempts(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("no ids give %v, %v", none, err)
	}
}
