package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/store"
)

func placeChecks() []check {
	return []check{
		{"Add/AtAPlace", addPlaced},
		{"Add/PlacedJobsAreNoAnchors", addNoAnchors},
		{"Add/Unique", uniqueAdd},
		{"Add/UniqueRace", addUniqueRace},
		{"Order/SingleMoves", placeSingle},
		{"Order/BulkTakesTheSamePlaces", placeBulk},
		{"Order/BulkToAPlace", placeBulkAt},
		{"Order/IgnoresWhatStarted", placeIgnored},
		{"Order/Revision", placeRevision},
		{"Order/Refusals", placeRefusals},
		{"Order/HugePositionIsTheEnd", placeHuge},
		{"Order/ManyMovesBetweenTwo", placeShort},
		{"Order/RunningKeepsItsPlace", placeKept},
		{"Order/RunningGroupKeepsItsPlace", placeKeptGroup},
		{"Order/Restore", restore},
		{"Order/RestoreWherePlaceIsTaken", restoreTaken},
		{"Order/RestoreWhereAGroupIs", restoreAtGroup},
		{"Claim/EndsStartDeadlines", claimDeadline},
		{"Claim/AnnouncesWhatIsDue", claimDue},
		{"Queue/Rules", queueRules},
		{"Queue/Limits", queueLimits},
		{"Runs/Durations", durations},
	}
}

// place makes a move that must succeed, and checks every position afterwards.
func place(t testing.TB, s store.Store, to *store.Place, ids ...string) store.Placed {
	t.Helper()
	got, err := s.Order.Place(t.Context(), store.PlaceJobs{Tenant: tenant, IDs: ids, Place: to, At: base})
	if err != nil {
		t.Fatalf("place: %v", err)
	}
	wantPositions(t, s)
	return got
}

// wantPositions checks that the position of each waiting job is its number in
// the order that is shown, a group counting once.
func wantPositions(t testing.TB, s store.Store) {
	t.Helper()
	shown := list(t, s, store.ListJobs{States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 10_000}).Jobs
	want, n, group := map[string]int{}, -1, ""
	shown = slices.DeleteFunc(shown, func(j job.Job) bool { return j.GroupActive })
	for _, j := range shown {
		if j.GroupID == "" || j.GroupID != group {
			n++
		}
		group = j.GroupID
		want[j.ID] = n
	}
	sit, err := s.Jobs.Situation(t.Context(), shown)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "positions", want, sit.Positions)
	places, err := s.Order.Places(t.Context())
	if err != nil || places != n+1 {
		t.Errorf("%d places, want %d; %v", places, n+1, err)
	}
}

// letters adds jobs with the given names and returns their ids by name.
func letters(t testing.TB, s store.Store, names string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for n := range strings.FieldsSeq(names) {
		out[n] = add(t, s, newJob(named(n)))[0].ID
	}
	return out
}

// wantOrder checks the names of the waiting jobs in order.
func wantOrder(t testing.TB, s store.Store, want string) {
	t.Helper()
	p := list(t, s, store.ListJobs{States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 10_000})
	if got := strings.Join(names(p.Jobs), " "); got != want {
		t.Errorf("order %q, want %q", got, want)
	}
}

func addPlaced(t *testing.T, s store.Store) {
	l := letters(t, s, "a b c")
	n := 0
	put := func(p store.Place, count int, wantAt int, want string) {
		t.Helper()
		var js []job.Job
		for range count {
			n++
			js = append(js, newJob(named(fmt.Sprint(n))))
		}
		got, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: js, Place: &p})
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range got {
			if a.Position != wantAt+i {
				t.Errorf("job %d is said to be at %d, want %d", i, a.Position, wantAt+i)
			}
		}
		wantOrder(t, s, want)
		wantPositions(t, s)
	}
	put(store.Place{Before: l["b"]}, 1, 1, "a 1 b c")
	put(store.Place{After: l["b"]}, 2, 3, "a 1 b 2 3 c")
	put(store.Place{Top: true}, 1, 0, "4 a 1 b 2 3 c")
	put(store.Place{Bottom: true}, 1, 7, "4 a 1 b 2 3 c 5")
	put(store.Place{Position: 2}, 2, 2, "4 a 6 7 1 b 2 3 c 5")
	put(store.Place{Position: 99}, 1, 10, "4 a 6 7 1 b 2 3 c 5 8")
	rev, err := s.Queue.Settings(t.Context())
	if err != nil || rev.Revision != 1 {
		t.Errorf("inserts made revision %d, %v", rev.Revision, err)
	}
	for name, p := range map[fault.Code]store.Place{
		fault.NotFound:       {Before: id.New(id.Job, base)},
		fault.AlreadyStarted: {After: func() string { pool(t, s, 1); return claimOne(t, s).Job.ID }()},
	} {
		_, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Place: &p})
		wantCode(t, err, name)
	}
}

// addNoAnchors: a new job goes behind those of its class, wherever a person put
// some of them.
func addNoAnchors(t *testing.T, s store.Store) {
	l := letters(t, s, "a b c")
	add(t, s, newJob(named("low"), prio(8)))
	place(t, s, &store.Place{Bottom: true}, l["a"])
	add(t, s, newJob(named("d")))
	add(t, s, newJob(named("s"), func(j *job.Job) { j.Trigger = job.TriggerSchedule }))
	add(t, s, newJob(named("e")))
	wantOrder(t, s, "b c d e s low a")
	wantPositions(t, s)
}

func unique(k string) func(*job.Job) { return func(j *job.Job) { j.UniqueKey = k } }

func uniqueAdd(t *testing.T, s store.Store) {
	pool(t, s, 1)
	try := func(k string, u store.Unique) error {
		_, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob(unique(k))}, Unique: &u})
		return err
	}
	if err := try("k", store.Unique{}); err != nil {
		t.Fatal(err)
	}
	first := queued(t, s)[0]
	err := try("k", store.Unique{})
	wantCode(t, err, fault.NotUnique)
	if err == nil || !strings.Contains(err.Error(), first) {
		t.Errorf("%v does not name %s", err, first)
	}
	if err := try("other", store.Unique{}); err != nil {
		t.Error(err)
	}
	wantCode(t, try("k", store.Unique{Since: base}), fault.NotUnique)
	if err := try("k", store.Unique{Since: base.Add(time.Millisecond)}); err != nil {
		t.Errorf("an older job stands in the way: %v", err)
	}
	c := claimOne(t, s)
	wantCode(t, try("k", store.Unique{}), fault.NotUnique)
	succeed(t, s, c)
	mustMove(t, s, read(t, s, queued(t, s)[1]), job.CancelAsked{At: base})
	if err := try("k", store.Unique{}); err != nil {
		t.Errorf("one that has ended stands in the way: %v", err)
	}
	mustMove(t, s, read(t, s, queued(t, s)[1]), job.CancelAsked{At: base})
	wantCode(t, try("k", store.Unique{States: []job.State{job.Completed}}), fault.NotUnique)
}

func addUniqueRace(t *testing.T, s store.Store) {
	var mu sync.Mutex
	won := map[string]int{}
	together(16, func(i int) {
		k := fmt.Sprint("k", i%2)
		_, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob(unique(k))}, Unique: &store.Unique{}})
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			won[k]++
		} else {
			wantCode(t, err, fault.NotUnique)
		}
	})
	same(t, "added", map[string]int{"k0": 1, "k1": 1}, won)
}

func placeSingle(t *testing.T, s store.Store) {
	l := letters(t, s, "a b c d e")
	for i, c := range []struct {
		to       store.Place
		job      string
		from, at int
		want     string
	}{
		{store.Place{Top: true}, "c", 2, 0, "c a b d e"},
		{store.Place{Bottom: true}, "c", 0, 4, "a b d e c"},
		{store.Place{Before: l["b"]}, "c", 4, 1, "a c b d e"},
		{store.Place{After: l["e"]}, "a", 0, 4, "c b d e a"},
		{store.Place{Position: 1}, "a", 4, 1, "c a b d e"},
		{store.Place{Position: 3}, "c", 0, 3, "a b d c e"},
		{store.Place{Position: 3}, "c", 3, 3, "a b d c e"},
		{store.Place{Position: 0}, "e", 4, 0, "e a b d c"},
		{store.Place{After: l["a"]}, "e", 0, 1, "a e b d c"},
		{store.Place{Before: l["d"]}, "e", 1, 2, "a b e d c"},
	} {
		got := place(t, s, &c.to, l[c.job])
		wantOrder(t, s, c.want)
		if got.OldPosition != c.from || got.NewPosition != c.at || got.Job.ID != l[c.job] || len(got.Ignored) != 0 {
			t.Errorf("move %d: %s went from %d to %d, want %d to %d", i, c.job, got.OldPosition, got.NewPosition, c.from, c.at)
		}
	}
	evs := since(t, s, 0)
	if e := evs[len(evs)-1]; e.Type != event.QueueReordered || e.JobID != l["e"] || e.Data["revision"] == "" {
		t.Errorf("announced %+v", e)
	}
}

func placeBulk(t *testing.T, s store.Store) {
	l := letters(t, s, "a b c d e f")
	mustMove(t, s, read(t, s, l["d"]), job.Held{At: base, Reason: "x"})
	got := place(t, s, nil, l["e"], l["a"], l["d"])
	wantOrder(t, s, "e b c a d f")
	same(t, "moved", []string{l["e"], l["a"], l["d"]}, got.Moved)
	place(t, s, nil, l["f"], l["e"], l["d"], l["c"], l["b"], l["a"])
	wantOrder(t, s, "f e d c b a")
	again := place(t, s, nil, l["f"], l["e"], l["d"], l["c"], l["b"], l["a"])
	if again.Revision != got.Revision+1 {
		t.Errorf("an order that was so already made revision %d of %d", again.Revision, got.Revision+1)
	}
}

func placeBulkAt(t *testing.T, s store.Store) {
	l := letters(t, s, "a b c d e f")
	place(t, s, &store.Place{Top: true}, l["e"], l["c"])
	wantOrder(t, s, "e c a b d f")
	place(t, s, &store.Place{After: l["d"]}, l["c"], l["a"], l["f"])
	wantOrder(t, s, "e b d c a f")
	got := place(t, s, &store.Place{Position: 1}, l["f"], l["e"])
	wantOrder(t, s, "b f e d c a")
	if got.OldPosition != 5 || got.NewPosition != 1 {
		t.Errorf("from %d to %d", got.OldPosition, got.NewPosition)
	}
	place(t, s, &store.Place{Bottom: true}, l["b"], l["d"])
	wantOrder(t, s, "f e c a b d")
	place(t, s, &store.Place{Before: l["f"]}, l["d"], l["e"], l["b"])
	wantOrder(t, s, "d e b f c a")
}

func placeIgnored(t *testing.T, s store.Store) {
	pool(t, s, 1)
	l := letters(t, s, "a b c d")
	started := claimOne(t, s).Job.ID
	gone := id.New(id.Job, base)
	got := place(t, s, nil, l["d"], started, gone, l["b"])
	wantOrder(t, s, "d c b")
	same(t, "ignored", []string{started, gone}, got.Ignored)
	same(t, "moved", []string{l["d"], l["b"]}, got.Moved)
	alone := place(t, s, &store.Place{Top: true}, started)
	if len(alone.Moved) != 0 || len(alone.Ignored) != 1 || alone.Revision != got.Revision {
		t.Errorf("a move of what has started: %+v", alone)
	}
}

func placeRevision(t *testing.T, s store.Store) {
	l := letters(t, s, "a b c")
	first := place(t, s, &store.Place{Top: true}, l["c"])
	if first.Revision != 2 {
		t.Errorf("revision %d", first.Revision)
	}
	pool(t, s, 1)
	add(t, s, newJob(named("d")))
	claimOne(t, s)
	two := 2
	mustMove(t, s, read(t, s, l["b"]), job.Edited{At: base, Priority: &two})
	_, err := s.Order.Place(t.Context(), store.PlaceJobs{Tenant: tenant, IDs: []string{l["a"]}, Place: &store.Place{Bottom: true}, IfRevision: 2, At: base})
	wantCode(t, err, fault.VersionMismatch)
	wantOrder(t, s, "b a d")
	var mu sync.Mutex
	won := 0
	together(8, func(int) {
		_, err := s.Order.Place(t.Context(), store.PlaceJobs{Tenant: tenant, IDs: []string{l["a"]}, Place: &store.Place{Bottom: true}, IfRevision: 3, At: base})
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			won++
		} else {
			wantCode(t, err, fault.VersionMismatch)
		}
	})
	if won != 1 {
		t.Errorf("%d moves of one revision went through", won)
	}
}

func placeRefusals(t *testing.T, s store.Store) {
	l := letters(t, s, "a b c")
	g := addGroup(t, s, group(job.Parallel, job.FailureStop), newJob(named("m")), newJob(named("n")))
	try := func(p store.PlaceJobs) error {
		p.Tenant, p.At = tenant, base
		_, err := s.Order.Place(t.Context(), p)
		return err
	}
	wantCode(t, try(store.PlaceJobs{IDs: []string{id.New(id.Job, base)}, Place: &store.Place{Top: true}}), fault.NotFound)
	wantCode(t, try(store.PlaceJobs{IDs: []string{l["a"]}, Place: &store.Place{Before: id.New(id.Job, base)}}), fault.NotFound)
	wantCode(t, try(store.PlaceJobs{IDs: []string{l["a"]}, Place: &store.Place{Before: l["a"]}}), fault.InvalidInput)
	wantCode(t, try(store.PlaceJobs{IDs: []string{l["a"], l["b"], l["a"]}}), fault.InvalidInput)
	wantCode(t, try(store.PlaceJobs{IDs: []string{l["a"], g.Jobs[0].ID}}), fault.WrongGroup)
	wantCode(t, try(store.PlaceJobs{IDs: []string{g.Jobs[0].ID}, Place: &store.Place{Before: l["a"]}}), fault.WrongGroup)
	mine := fault.New(fault.ForbiddenScope, "not yours")
	err := try(store.PlaceJobs{IDs: []string{l["c"], l["b"]}, Allow: func(j job.Job) error {
		if j.ID == l["b"] {
			return mine
		}
		return nil
	}})
	wantCode(t, err, fault.ForbiddenScope)
	_, err = s.Order.Place(t.Context(), store.PlaceJobs{Tenant: "ten_other", IDs: []string{l["c"]}, Place: &store.Place{Top: true}, At: base})
	wantCode(t, err, fault.NotFound)
	wantOrder(t, s, "a b c m n")
	if set, err := s.Queue.Settings(t.Context()); err != nil || set.Revision != 1 {
		t.Errorf("refused moves made revision %d, %v", set.Revision, err)
	}
}

func placeHuge(t *testing.T, s store.Store) {
	l := letters(t, s, "a b c")
	place(t, s, &store.Place{Position: 1 << 62}, l["a"])
	wantOrder(t, s, "b c a")
	place(t, s, &store.Place{Position: -1}, l["a"])
	wantOrder(t, s, "a b c")
}

// placeShort moves jobs between the same two again and again.
func placeShort(t *testing.T, s store.Store) {
	l := letters(t, s, "a b x y")
	want := ""
	for i := range 300 {
		// x and y leave each other less and less room.
		who, other := "x", "y"
		if i%2 == 1 {
			who, other = other, who
		}
		to, shown := store.Place{After: other}, "a "+other+" "+who+" b"
		if i%3 > 0 {
			to, shown = store.Place{Before: other}, "a "+who+" "+other+" b"
		}
		to.Before, to.After = l[to.Before], l[to.After]
		if i == 0 {
			place(t, s, &store.Place{After: l["a"]}, l["y"])
		}
		if _, err := s.Order.Place(t.Context(), store.PlaceJobs{Tenant: tenant, IDs: []string{l[who]}, Place: &to, At: base}); err != nil {
			t.Fatal(err)
		}
		want = shown
	}
	wantOrder(t, s, want)
	wantPositions(t, s)
	page := list(t, s, store.ListJobs{States: []job.State{job.Queued}, Limit: 10})
	for _, j := range page.Jobs {
		if len(j.Rank) > rank.MaxLen {
			t.Errorf("%s has rank %s of %d bytes", j.Name, j.Rank, len(j.Rank))
		}
	}
}

func retries(n int) func(*job.Job) {
	return func(j *job.Job) { j.Retry = job.Retry{MaxAttempts: n, Backoff: job.Fixed, Initial: time.Second} }
}

// placeKept: what goes where a running job had been does not take its place, so
// that it can come back.
func placeKept(t *testing.T, s store.Store) {
	pool(t, s, 1)
	l := letters(t, s, "a b c")
	r := add(t, s, newJob(named("r"), retries(3)))[0]
	for _, to := range []store.Place{{Top: true}, {Before: l["b"]}, {After: l["b"]}, {Bottom: true}, {Position: 1}} {
		place(t, s, &store.Place{Top: true}, r.ID)
		before := to
		place(t, s, &before, r.ID)
		place(t, s, &store.Place{Top: true}, l["c"])
		for _, other := range []string{"a", "c"} {
			mustMove(t, s, read(t, s, l[other]), job.Held{At: base, Reason: "x"})
		}
		mustMove(t, s, read(t, s, l["b"]), job.Held{At: base, Reason: "x"})
		c := claimOne(t, s)
		if c.Job.ID != r.ID {
			t.Fatalf("%s started", c.Job.Name)
		}
		place(t, s, &to, l["c"])
		added, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob(named("n"))}, Place: &to})
		if err != nil {
			t.Fatal(err)
		}
		if err := finishWith(t, s, c, job.Returned{At: base}); err != nil {
			t.Fatalf("it cannot come back: %v", err)
		}
		wantPositions(t, s)
		mustMove(t, s, read(t, s, added[0].Job.ID), job.CancelAsked{At: base})
		for _, other := range []string{"a", "b", "c"} {
			mustMove(t, s, read(t, s, l[other]), job.Released{At: base})
		}
	}
}

func placeKeptGroup(t *testing.T, s store.Store) {
	pool(t, s, 1)
	l := letters(t, s, "a b")
	g := addGroup(t, s, group(job.Sequential, job.FailureContinue), newJob(named("m"), retries(2)), newJob(named("n")))
	place(t, s, &store.Place{Top: true}, g.Group.ID)
	wantOrder(t, s, "m n a b")
	c := claimOne(t, s)
	place(t, s, &store.Place{Top: true}, l["b"])
	wantOrder(t, s, "n b a") // n waits inside the group's slot
	if err := finishWith(t, s, c, job.Broke{At: base, Failure: job.Failure{Code: "x"}}); err != nil {
		t.Fatal(err)
	}
	wantOrder(t, s, "m n b a")
	wantPositions(t, s)
}

func restore(t *testing.T, s store.Store) {
	pool(t, s, 1)
	l := letters(t, s, "a b c d")
	back := func(j job.Job) (job.Job, error) {
		c, err := job.Apply(j, job.Restored{At: base})
		if err != nil {
			t.Fatal(err)
		}
		return s.Order.Restore(t.Context(), store.MoveJob{Change: c})
	}
	gone := mustMove(t, s, read(t, s, l["b"]), job.CancelAsked{At: base, By: "me"})
	wantOrder(t, s, "a c d")
	got, err := back(gone)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "restored", read(t, s, l["b"]), got)
	if got.State != job.Queued || got.CancelledBy != "" || !got.FinishedAt.IsZero() {
		t.Errorf("restored %+v", got)
	}
	wantOrder(t, s, "a b c d")
	wantPositions(t, s)
	_, err = back(gone)
	wantCode(t, err, fault.Conflict)
	same(t, "started", []string{l["a"]}, claimedIDs(claim(t, s, 1)))
}

// restoreTaken gives the old place to others: one that waits, one that runs.
func restoreTaken(t *testing.T, s store.Store) {
	pool(t, s, 1)
	l := letters(t, s, "a b c")
	place(t, s, &store.Place{Top: true}, l["c"])
	gone := mustMove(t, s, read(t, s, l["c"]), job.CancelAsked{At: base})
	place(t, s, &store.Place{Top: true}, l["b"])
	taken := read(t, s, l["b"])
	c, err := job.Apply(gone, job.Restored{At: base})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Order.Restore(t.Context(), store.MoveJob{Change: c})
	if err != nil {
		t.Fatal(err)
	}
	if got.Rank == taken.Rank {
		t.Error("two jobs have one place")
	}
	wantOrder(t, s, "c b a")
	wantPositions(t, s)
	gone = mustMove(t, s, read(t, s, l["c"]), job.CancelAsked{At: base})
	place(t, s, &store.Place{Top: true}, l["b"])
	runs := claimOne(t, s)
	if c, err = job.Apply(gone, job.Restored{At: base}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Order.Restore(t.Context(), store.MoveJob{Change: c}); err != nil {
		t.Fatal(err)
	}
	if err := finishWith(t, s, runs, job.Returned{At: base}); err != nil {
		t.Fatalf("the one that ran cannot come back: %v", err)
	}
	wantPositions(t, s)
}

// restoreAtGroup gives the old place to a group.
func restoreAtGroup(t *testing.T, s store.Store) {
	l := letters(t, s, "a c")
	place(t, s, &store.Place{Top: true}, l["c"])
	gone := mustMove(t, s, read(t, s, l["c"]), job.CancelAsked{At: base})
	g := addGroup(t, s, group(job.Parallel, job.FailureStop), newJob(named("m")))
	place(t, s, &store.Place{Top: true}, g.Group.ID)
	c, err := job.Apply(gone, job.Restored{At: base})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Order.Restore(t.Context(), store.MoveJob{Change: c}); err != nil {
		t.Fatal(err)
	}
	wantOrder(t, s, "c m a")
	wantPositions(t, s)
}

func claimDeadline(t *testing.T, s store.Store) {
	pool(t, s, 5)
	by := func(at time.Time) func(*job.Job) { return func(j *job.Job) { j.StartDeadline = at } }
	late := base.Add(time.Minute)
	js := add(t, s, newJob(by(late), held("x")), newJob(by(late.Add(time.Second)), at(base.Add(time.Hour))), newJob(by(late.Add(time.Hour))), newJob(by(late), retries(2)))
	c := claimAt(t, s, "a", 5, base)
	same(t, "in time", []string{js[2].ID, js[3].ID}, claimedIDs(c.Started))
	if c.NextAt != late {
		t.Errorf("next at %v, want %v", c.NextAt, late)
	}
	if err := finishWith(t, s, c.Started[1], job.Broke{At: base, Failure: job.Failure{Code: "x"}}); err != nil {
		t.Fatal(err)
	}
	again := claimAt(t, s, "a", 5, late)
	same(t, "a second attempt has no deadline", []string{js[3].ID}, claimedIDs(again.Started))
	got := read(t, s, js[0].ID)
	if got.State != job.Skipped || got.FinishedAt != late || got.RunID == "" {
		t.Errorf("job %+v", got)
	}
	r, err := s.Runs.Run(t.Context(), tenant, got.RunID)
	if err != nil || r.State != "SKIPPED" || r.Reason != job.ReasonDeadline {
		t.Errorf("run %+v, %v", r, err)
	}
	if read(t, s, js[1].ID).State != job.Queued {
		t.Error("a job was skipped before its deadline")
	}
	evs := since(t, s, 0)
	if !slices.ContainsFunc(evs, func(e event.Event) bool {
		return e.Type == event.JobRunSkipped && e.JobID == js[0].ID && e.Data["reason"] == job.ReasonDeadline
	}) {
		t.Error("nothing tells of it")
	}
	wantPositions(t, s)
}

func claimDue(t *testing.T, s store.Store) {
	pool(t, s, 0)
	j := add(t, s, newJob(at(base.Add(time.Second))), newJob(at(base.Add(time.Second)), held("x")))[0]
	claimAt(t, s, "a", 1, base.Add(time.Second))
	got := read(t, s, j.ID)
	if !got.NotBefore.IsZero() || !got.Ready() {
		t.Errorf("job %+v", got)
	}
	evs := since(t, s, 0)
	if e := evs[len(evs)-1]; e.Type != event.JobDue || e.JobID != j.ID {
		t.Errorf("announced %+v", e)
	}
	before := len(evs)
	claimAt(t, s, "a", 1, base.Add(2*time.Second))
	if n := len(since(t, s, 0)); n != before {
		t.Errorf("%d more events", n-before)
	}
}
