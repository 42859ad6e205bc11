package storetest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func retentionChecks() []check {
	return []check{
		{"Quota/OfTheRun", quotaRun},
		{"Quota/OfTheTenantUnderRaces", quotaTenant},
		{"Place/IsNamedOnce", placeNamed},
		{"Retention/DeletesFinishedJobsWithAllTheirs", retentionDeletes},
		{"Retention/KeepsWhatIsUnfinished", retentionKeeps},
		{"Retention/CutoffCountsFinishedRuns", retentionCutoff},
		{"Retention/OnceByManyAtOnce", retentionRace},
		{"Retention/EventsButTheNewest", retentionEvents},
		{"Retention/EventsThatTheOrderHasNotSeen", retentionUnseen},
		{"Removal/SparesWhatIsNamedOrReserved", removalSpares},
		{"Removal/AgainstReservationsAtOnce", removalRace},
		{"Turn/IsOneHolders", turnTaken},
	}
}

// claimNew adds one job and claims it at a time.
func claimNew(t testing.TB, s store.Store, at time.Time, edit ...func(*job.Job)) store.Claimed {
	t.Helper()
	add(t, s, newJob(edit...))
	got := claimAt(t, s, "a", 1, at).Started
	if len(got) != 1 {
		t.Fatalf("claimed %d jobs, want 1", len(got))
	}
	return got[0]
}

func endAt(t testing.TB, s store.Store, c store.Claimed, at time.Time) {
	t.Helper()
	if err := finishWith(t, s, c, job.Succeeded{At: at}); err != nil {
		t.Fatalf("finish: %v", err)
	}
}

func sized(c store.Claimed, name string, size int64, sum string) run.Artifact {
	a := newArtifact(c, name)
	a.Size, a.SHA256 = size, sum
	return a
}

func usageOf(t testing.TB, s store.Store) store.Usage {
	t.Helper()
	u, err := s.Artifacts.Usage(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func expire(t testing.TB, s store.Store, before time.Time, limit int) store.Expired {
	t.Helper()
	x, err := s.Retention.ExpireJobs(t.Context(), before, limit)
	if err != nil {
		t.Fatalf("expire: %v", err)
	}
	slices.Sort(x.RunIDs)
	slices.Sort(x.Sums)
	return x
}

func quotaRun(t *testing.T, s store.Store) {
	pool(t, s, 1)
	c := claimNew(t, s, base)
	l := store.ArtifactLimits{Run: 10}
	bind := func(name string, size int64) error {
		return s.Artifacts.Put(t.Context(), sized(c, name, size, "aa"), c.Run.Epoch, l)
	}
	if err := bind("a", 6); err != nil {
		t.Fatal(err)
	}
	wantCode(t, bind("b", 5), fault.QuotaExceeded)
	if err := bind("a", 10); err != nil { // in place of the 6
		t.Errorf("a replacement that fits: %v", err)
	}
	wantCode(t, bind("a", 11), fault.QuotaExceeded)
	same(t, "usage", store.Usage{Bytes: 10, Count: 1}, usageOf(t, s))
	r := store.Reservation{ArtifactID: id.New(id.Artifact, base), Tenant: tenant, RunID: c.Run.ID, Name: "b", SHA256: "bb", Size: 1, Until: base.Add(time.Hour), Limits: l}
	wantCode(t, s.Artifacts.Reserve(t.Context(), r), fault.QuotaExceeded)
}

func quotaTenant(t *testing.T, s store.Store) {
	const n = 12
	pool(t, s, n)
	var cs []store.Claimed
	for range n {
		cs = append(cs, claimNew(t, s, base))
	}
	var over atomic.Int64
	together(n, func(i int) {
		err := s.Artifacts.Put(t.Context(), sized(cs[i], "x", 10, fmt.Sprint(i)), cs[i].Run.Epoch, store.ArtifactLimits{Tenant: 75})
		switch {
		case fault.Is(err, fault.QuotaExceeded):
			over.Add(1)
		case err != nil:
			t.Errorf("put: %v", err)
		}
	})
	same(t, "usage", store.Usage{Bytes: 70, Count: 7}, usageOf(t, s))
	if over.Load() != n-7 {
		t.Errorf("%d were refused, want %d", over.Load(), n-7)
	}
	if u, err := s.Artifacts.Usage(t.Context(), "ten_other"); err != nil || u != (store.Usage{}) {
		t.Errorf("of another tenant: %+v, %v", u, err)
	}
}

func placeNamed(t *testing.T, s store.Store) {
	got := make([]string, 6)
	together(len(got), func(i int) {
		var err error
		if got[i], err = s.Artifacts.Place(t.Context(), fmt.Sprint("place", i)); err != nil {
			t.Error(err)
		}
	})
	if len(slices.Compact(slices.Sorted(slices.Values(got)))) != 1 || got[0] == "" {
		t.Errorf("the place has several names: %q", got)
	}
	wantCode(t, s.Artifacts.MovePlace(t.Context(), "other", "new"), fault.Conflict)
	if err := s.Artifacts.MovePlace(t.Context(), got[0], "new"); err != nil {
		t.Fatal(err)
	}
	if now, err := s.Artifacts.Place(t.Context(), "x"); err != nil || now != "new" {
		t.Errorf("the place is %q, %v", now, err)
	}
}

func retentionDeletes(t *testing.T, s store.Store) {
	pool(t, s, 10)
	old, young := claimNew(t, s, base, locks("gpu:0")), claimNew(t, s, base)
	put(t, s, old, sized(old, "a", 3, "aa"))
	put(t, s, old, sized(old, "b", 4, "bb"))
	put(t, s, young, sized(young, "a", 5, "aa"))
	if err := s.Runs.SaveCheckpoint(t.Context(), store.Checkpoint{JobID: old.Job.ID, RunID: old.Run.ID, Epoch: old.Run.Epoch, Data: []byte("x"), At: base}); err != nil {
		t.Fatal(err)
	}
	endAt(t, s, old, base.Add(time.Hour))
	endAt(t, s, young, base.Add(3*time.Hour))
	if x := expire(t, s, base.Add(time.Hour), 10); x.Jobs != 0 {
		t.Errorf("a job that finished at that time was deleted: %+v", x)
	}
	same(t, "expired", store.Expired{Jobs: 1, RunIDs: []string{old.Run.ID}, Sums: []string{"aa", "bb"}, Bytes: 7}, expire(t, s, base.Add(2*time.Hour), 10))
	same(t, "usage", store.Usage{Bytes: 5, Count: 1}, usageOf(t, s))
	_, err := s.Jobs.Job(t.Context(), tenant, old.Job.ID)
	wantCode(t, err, fault.NotFound)
	_, err = s.Runs.Run(t.Context(), tenant, old.Run.ID)
	wantCode(t, err, fault.NotFound)
	if data, err := s.Runs.Checkpoint(t.Context(), old.Job.ID); err != nil || data != nil {
		t.Errorf("checkpoint: %q, %v", data, err)
	}
	known, err := s.Retention.Known(t.Context(), []string{old.Run.ID, young.Run.ID})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "known runs", []string{young.Run.ID}, known)
	read(t, s, young.Job.ID)
}

func retentionKeeps(t *testing.T, s store.Store) {
	pool(t, s, 10)
	add(t, s, newJob(named("waits"), held("h")))
	running, retried, done := claimNew(t, s, base, named("runs")), claimNew(t, s, base), claimNew(t, s, base)
	endAt(t, s, retried, base)
	endAt(t, s, done, base)
	again := add(t, s, newJob(func(j *job.Job) { j.RetryOf = retried.Run.ID; j.HeldReason = "h" }))[0]
	later := base.Add(1000 * time.Hour)
	same(t, "expired", []string{done.Run.ID}, expire(t, s, later, 10).RunIDs)
	read(t, s, running.Job.ID)
	read(t, s, retried.Job.ID)
	mustMove(t, s, again, job.CancelAsked{At: base, By: "ann"})
	x := expire(t, s, later, 1)
	x.Jobs += expire(t, s, later, 1).Jobs
	if x.Jobs != 2 {
		t.Errorf("%d jobs expired after the retry was withdrawn, want it and the retried one", x.Jobs)
	}
	same(t, "still waiting", 1, len(queued(t, s)))
}

func retentionCutoff(t *testing.T, s store.Store) {
	pool(t, s, 10)
	for i := range 5 {
		endAt(t, s, claimNew(t, s, base), base.Add(time.Duration(i)*time.Minute))
	}
	claimNew(t, s, base) // runs
	for keep, want := range map[int]time.Time{6: {}, 5: {}, 4: base.Add(time.Minute), 1: base.Add(4 * time.Minute)} {
		got, err := s.Retention.Cutoff(t.Context(), keep)
		if err != nil || !got.Equal(want) {
			t.Errorf("cutoff of %d: %v, %v; want %v", keep, got, err, want)
		}
	}
}

func retentionRace(t *testing.T, s store.Store) {
	const n = 20
	pool(t, s, n)
	for i := range n {
		c := claimNew(t, s, base)
		put(t, s, c, sized(c, "x", 10, fmt.Sprint(i)))
		endAt(t, s, c, base)
	}
	var mu sync.Mutex
	var runs []string
	together(4, func(int) {
		for range 10 {
			x, err := s.Retention.ExpireJobs(t.Context(), base.Add(time.Hour), 3)
			if err != nil {
				t.Errorf("expire: %v", err)
				return
			}
			mu.Lock()
			runs = append(runs, x.RunIDs...)
			mu.Unlock()
		}
	})
	if len(runs) != n || len(slices.Compact(slices.Sorted(slices.Values(runs)))) != n {
		t.Errorf("%d deletions were told, want each of %d once", len(runs), n)
	}
	same(t, "usage", store.Usage{}, usageOf(t, s))
}

func retentionEvents(t *testing.T, s store.Store) {
	for i := range 6 {
		add(t, s, newJob(func(j *job.Job) { j.CreatedAt = base.Add(time.Duration(i) * time.Hour); j.QueuedAt = j.CreatedAt }))
	}
	events := func() []event.Event {
		evs, err := s.Events.Since(t.Context(), tenant, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		return evs
	}
	before := events()
	drop := func(when time.Time, keep, limit int) int {
		n, err := s.Retention.ExpireEvents(t.Context(), when, keep, limit)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := drop(base.Add(150*time.Minute), 2, 2); n != 2 {
		t.Errorf("%d events went, want 2 by the limit", n)
	}
	if n := drop(base.Add(150*time.Minute), 2, 100); n != 1 {
		t.Errorf("%d events went, want 1 by the time", n)
	}
	if n := drop(base.Add(1000*time.Hour), 2, 100); n != 1 {
		t.Errorf("%d events went, want all but the 2 newest", n)
	}
	same(t, "events left", before[4:], events())
	if n := drop(base.Add(1000*time.Hour), 0, 100); n != 2 {
		t.Errorf("%d events went, want the rest", n)
	}
	add(t, s, newJob())
	if now := events(); len(now) != 1 || now[0].Seq <= before[5].Seq {
		t.Errorf("events %v came after number %d", now, before[5].Seq)
	}
}

// retentionUnseen deletes events from which the positions would have been
// learned: those of an instance that did nothing for days.
func retentionUnseen(t *testing.T, s store.Store) {
	for _, keep := range []int{0, 1} { // nothing is left of the log, or its end
		js := add(t, s, newJob(), newJob(), newJob(), newJob())
		wantPositions(t, s)
		mustMove(t, s, js[0], job.CancelAsked{At: base})
		mustMove(t, s, js[2], job.CancelAsked{At: base})
		if n, err := s.Retention.ExpireEvents(t.Context(), base.Add(time.Hour), keep, 1000); err != nil || n == 0 {
			t.Fatalf("%d events went, %v", n, err)
		}
		wantPositions(t, s)
	}
}

func reservation(sum string) store.Reservation {
	return store.Reservation{ArtifactID: id.New(id.Artifact, base), Tenant: tenant, RunID: "run_x", Name: "x", SHA256: sum, Size: 1, Until: base.Add(time.Hour)}
}

func removalSpares(t *testing.T, s store.Store) {
	pool(t, s, 1)
	c := claimNew(t, s, base)
	put(t, s, c, sized(c, "x", 1, "named"))
	r := reservation("reserved")
	if err := s.Artifacts.Reserve(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	begin := func(now time.Time) []string {
		got, err := s.Retention.BeginRemoval(t.Context(), []string{"reserved", "named", "loose", "loose"}, now)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	same(t, "to remove", []string{"loose"}, begin(base))
	wantCode(t, s.Artifacts.Reserve(t.Context(), reservation("loose")), fault.StorageBusy)
	left, err := s.Retention.Unended(t.Context(), base.Add(time.Minute), 10)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "unended", []string{"loose"}, left)
	if err := s.Retention.EndRemoval(t.Context(), []string{"loose"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Artifacts.Reserve(t.Context(), reservation("loose")); err != nil {
		t.Errorf("after the removal: %v", err)
	}
	same(t, "to remove when the reservations are over", []string{"loose", "reserved"}, begin(base.Add(2*time.Hour)))
}

// removalRace: of a removal and a reservation of one content, one wins.
func removalRace(t *testing.T, s store.Store) {
	for i := range 30 {
		sum := fmt.Sprint("sum", i)
		var reserved, removed atomic.Bool
		together(2, func(i int) {
			if i == 0 {
				got, err := s.Retention.BeginRemoval(t.Context(), []string{sum}, base)
				if err != nil {
					t.Error(err)
				}
				removed.Store(len(got) == 1)
				return
			}
			err := s.Artifacts.Reserve(t.Context(), reservation(sum))
			if err != nil && !fault.Is(err, fault.StorageBusy) {
				t.Error(err)
			}
			reserved.Store(err == nil)
		})
		if reserved.Load() == removed.Load() {
			t.Fatalf("reserved = %v, being removed = %v", reserved.Load(), removed.Load())
		}
	}
}

func turnTaken(t *testing.T, s store.Store) {
	turn := func(holder string, now time.Time) bool {
		mine, err := s.Retention.Turn(t.Context(), "x", holder, now, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return mine
	}
	if !turn("a", base) || turn("b", base) || !turn("a", base.Add(time.Second)) {
		t.Error("a turn is not its holder's")
	}
	if turn("b", base.Add(time.Minute)) || !turn("b", base.Add(2*time.Minute)) {
		t.Error("a turn does not end when its time is over")
	}
}
