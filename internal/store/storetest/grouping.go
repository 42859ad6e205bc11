package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
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

func groupingChecks() []check {
	return []check{
		{"Groups/FormTakesTheFirstPlace", formPlace},
		{"Groups/FormRefuses", formRefuses},
		{"Groups/FormReplays", formReplays},
		{"Groups/FormedRunsAsAnyOther", formRuns},
		{"Groups/DissolveWhilePending", dissolvePending},
		{"Groups/DissolveWhileRunning", dissolveRunning},
		{"Groups/DissolveBetweenMembers", dissolveBetween},
		{"Groups/DissolveKeepsWhatEnded", dissolveEnded},
		{"Groups/FormAndDissolveOften", formOften},
		{"Groups/FormAndDissolveWhileJobsStart", formRace},
	}
}

// form makes a group of waiting jobs.
func form(t testing.TB, s store.Store, g job.Group, jobIDs ...string) store.GroupAdded {
	t.Helper()
	got, err := s.Groups.Form(t.Context(), store.FormGroup{Group: g, JobIDs: jobIDs})
	if err != nil {
		t.Fatalf("form: %v", err)
	}
	return got
}

func dissolve(t testing.TB, s store.Store, groupID string) store.GroupDissolved {
	t.Helper()
	got, err := s.Groups.Dissolve(t.Context(), store.DissolveGroup{Tenant: tenant, ID: groupID, At: base})
	if err != nil {
		t.Fatalf("dissolve: %v", err)
	}
	return got
}

func revision(t testing.TB, s store.Store) int64 {
	t.Helper()
	set, err := s.Queue.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return set.Revision
}

func formPlace(t *testing.T, s store.Store) {
	l := letters(t, s, "a b c d e f")
	mustMove(t, s, read(t, s, l["e"]), job.Held{At: base, Reason: "x"})
	before := revision(t, s)
	g := group(job.Sequential, job.FailureStop)
	g.Labels = map[string]string{"k": "v"}
	got := form(t, s, g, l["e"], l["b"], l["d"])
	wantOrder(t, s, "a e b d c f")
	wantPositions(t, s)
	if got.Position != 1 || got.Revision != before+1 || got.Revision != revision(t, s) {
		t.Errorf("at %d, revision %d after %d", got.Position, got.Revision, before)
	}
	stored := readGroup(t, s, g.ID)
	same(t, "group", stored, got.Group)
	if stored.State != job.GroupPending || stored.Total != 3 || stored.NextMember != 3 || stored.Labels["k"] != "v" {
		t.Errorf("stored %+v", stored)
	}
	for i, name := range []string{"e", "b", "d"} {
		j := read(t, s, l[name])
		same(t, "member", j, got.Jobs[i])
		if j.GroupID != g.ID || j.GroupActive || j.Trigger != job.TriggerAPI || (name == "e") != (j.HeldReason != "") {
			t.Errorf("member %s is %+v", name, j)
		}
	}
	var types []event.Type
	for _, e := range since(t, s, 0) {
		if e.Data["group_id"] == g.ID || e.Type == event.QueueReordered {
			types = append(types, e.Type)
		}
	}
	same(t, "announced", []event.Type{event.GroupCreated, event.QueueReordered}, types)
	// It is a group like any other: it moves, its members move inside, more come.
	place(t, s, &store.Place{Top: true}, g.ID)
	place(t, s, &store.Place{Top: true}, l["d"])
	if _, err := s.Groups.Add(t.Context(), store.AddMembers{Tenant: tenant, GroupID: g.ID, Jobs: []job.Job{newJob(named("m"))}}); err != nil {
		t.Fatal(err)
	}
	wantOrder(t, s, "d e b m a c f")
	wantPositions(t, s)
}

func formRefuses(t *testing.T, s store.Store) {
	pool(t, s, 1)
	l := letters(t, s, "r e a b c u")
	running := claimOne(t, s)
	mustMove(t, s, read(t, s, l["e"]), job.CancelAsked{At: base})
	in := form(t, s, group(job.Parallel, job.FailureStop), l["c"]).Group
	flow := newJob(named("w"))
	flow.Trigger = job.TriggerWorkflow
	l["w"] = add(t, s, flow)[0].ID
	order := revision(t, s)
	events := len(since(t, s, 0))
	g := group(job.Parallel, job.FailureStop)
	for _, c := range []struct {
		why  string
		p    store.FormGroup
		code fault.Code
		at   string
	}{
		{"it runs", store.FormGroup{JobIDs: []string{l["a"], running.Job.ID}}, fault.AlreadyStarted, "/job_ids/1"},
		{"it has ended", store.FormGroup{JobIDs: []string{l["e"], l["a"]}}, fault.AlreadyFinished, "/job_ids/0"},
		{"it is in a group", store.FormGroup{JobIDs: []string{l["a"], l["b"], l["c"]}}, fault.NotGroupable, "/job_ids/2"},
		{"it is a workflow run's", store.FormGroup{JobIDs: []string{l["w"]}}, fault.NotGroupable, "/job_ids/0"},
		{"it is not there", store.FormGroup{JobIDs: []string{l["a"], id.New(id.Job, base)}}, fault.NotFound, "/job_ids/1"},
		{"the order has changed", store.FormGroup{JobIDs: []string{l["a"]}, IfRevision: order - 1}, fault.VersionMismatch, ""},
		{"the caller may not", store.FormGroup{JobIDs: []string{l["a"]}, Allow: func(job.Job) error {
			return fault.New(fault.ForbiddenScope, "no")
		}}, fault.ForbiddenScope, "/job_ids/0"},
	} {
		c.p.Group = g
		_, err := s.Groups.Form(t.Context(), c.p)
		f := fault.From(err)
		at := ""
		if err != nil && len(f.Fields) > 0 {
			at = f.Fields[0].Pointer
		}
		if !fault.Is(err, c.code) || at != c.at {
			t.Errorf("%s: %v at %q, want %s at %q", c.why, err, at, c.code, c.at)
		}
	}
	other := g
	other.Tenant = "ten_other"
	_, err := s.Groups.Form(t.Context(), store.FormGroup{Group: other, JobIDs: []string{l["a"]}})
	wantCode(t, err, fault.NotFound)
	_, err = s.Groups.Group(t.Context(), tenant, g.ID)
	wantCode(t, err, fault.NotFound)
	for _, p := range []struct {
		why  string
		p    store.DissolveGroup
		code fault.Code
	}{
		{"another tenant's", store.DissolveGroup{Tenant: "ten_other", ID: in.ID}, fault.NotFound},
		{"it is not there", store.DissolveGroup{Tenant: tenant, ID: g.ID}, fault.NotFound},
		{"the order has changed", store.DissolveGroup{Tenant: tenant, ID: in.ID, IfRevision: order - 1}, fault.VersionMismatch},
		{"the caller may not", store.DissolveGroup{Tenant: tenant, ID: in.ID, Allow: func(job.Job) error {
			return fault.New(fault.ForbiddenScope, "no")
		}}, fault.ForbiddenScope},
	} {
		p.p.At = base
		if _, err := s.Groups.Dissolve(t.Context(), p.p); !fault.Is(err, p.code) {
			t.Errorf("dissolve, %s: %v, want %s", p.why, err, p.code)
		}
	}
	wantOrder(t, s, "a b c u w")
	if revision(t, s) != order || len(since(t, s, 0)) != events {
		t.Error("what was refused has changed the order")
	}
}

func formReplays(t *testing.T, s store.Store) {
	l := letters(t, s, "a b c")
	key := func(text string) *store.Key {
		return &store.Key{
			Tenant: tenant, Owner: "o", Text: text, Hash: "h", Now: base, Expires: base.Add(time.Hour),
			Render: func(result any) (store.Reply, error) {
				return store.Reply{Status: 200, Body: fmt.Append(nil, result)}, nil
			},
		}
	}
	g := group(job.Parallel, job.FailureStop)
	p := store.FormGroup{Group: g, JobIDs: []string{l["b"], l["c"]}, Key: key("form")}
	if _, err := s.Groups.Form(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	_, err := s.Groups.Form(t.Context(), p)
	if _, again := isReplay(err); !again {
		t.Errorf("form again: %v", err)
	}
	d := store.DissolveGroup{Tenant: tenant, ID: g.ID, At: base, Key: key("dissolve")}
	if _, err := s.Groups.Dissolve(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	_, err = s.Groups.Dissolve(t.Context(), d)
	if _, again := isReplay(err); !again {
		t.Errorf("dissolve again: %v", err)
	}
	wantOrder(t, s, "a b c")
}

// formRuns: the members run in list order in one slot, and the group ends.
func formRuns(t *testing.T, s store.Store) {
	pool(t, s, 2)
	l := letters(t, s, "a b c d")
	g := form(t, s, group(job.Sequential, job.FailureStop), l["d"], l["b"]).Group
	first := claim(t, s, 10)
	same(t, "started", []string{l["a"], l["d"]}, claimedIDs(first))
	if first[1].Run.GroupID != g.ID || !first[1].Job.GroupActive {
		t.Errorf("member %+v", first[1])
	}
	if len(claim(t, s, 10)) != 0 {
		t.Error("more started than one at a time in its slot")
	}
	succeed(t, s, first[1])
	next := claim(t, s, 10)
	same(t, "next member", []string{l["b"]}, claimedIDs(next))
	mustFinish(t, s, next[0], broke())
	wantGroup(t, s, g.ID, job.GroupPartial, 1, 1, 0, 0)
	same(t, "then", []string{l["c"]}, claimedIDs(claim(t, s, 10)))
	wantPositions(t, s)
}

func dissolvePending(t *testing.T, s store.Store) {
	l := letters(t, s, "a b c d e")
	place(t, s, &store.Place{After: l["a"]}, l["d"]) // made ranks too
	g := form(t, s, group(job.Parallel, job.FailureStop), l["b"], l["e"], l["d"]).Group
	wantOrder(t, s, "a b e d c")
	before := revision(t, s)
	got := dissolve(t, s, g.ID)
	wantOrder(t, s, "a b e d c")
	wantPositions(t, s)
	same(t, "left", []string{l["b"], l["e"], l["d"]}, got.JobIDs)
	if !got.Deleted || got.Position != 1 || got.Revision != before+1 || got.Revision != revision(t, s) {
		t.Errorf("dissolved %+v after revision %d", got, before)
	}
	_, err := s.Groups.Group(t.Context(), tenant, g.ID)
	wantCode(t, err, fault.NotFound)
	for _, name := range []string{"b", "e", "d"} {
		if j := read(t, s, l[name]); j.GroupID != "" || j.GroupActive || j.State != job.Queued || j.Rank != j.Rank.Place() {
			t.Errorf("%s is %+v", name, j)
		}
	}
	evs := since(t, s, 0)
	last := evs[len(evs)-2:]
	if last[0].Type != event.GroupDissolved || last[0].Data["group_id"] != g.ID || last[0].Data["status"] != "" || last[1].Type != event.QueueReordered {
		t.Errorf("announced %+v", last)
	}
	// They are ordinary jobs: they move alone, can be grouped again, and what comes
	// later goes behind them.
	place(t, s, &store.Place{Top: true}, l["d"])
	letters(t, s, "f")
	form(t, s, group(job.Sequential, job.FailureStop), l["c"], l["e"])
	wantOrder(t, s, "d a b c e f")
	wantPositions(t, s)
}

// dissolveRunning: what runs stays, what waits is free to start in another slot,
// and the group ends with what it has.
func dissolveRunning(t *testing.T, s store.Store) {
	pool(t, s, 1)
	l := letters(t, s, "a b c d e")
	g := form(t, s, group(job.Sequential, job.FailureStop), l["a"], l["b"], l["c"]).Group
	succeed(t, s, claimOne(t, s))
	runs := claimOne(t, s)
	same(t, "runs", l["b"], runs.Job.ID)
	got := dissolve(t, s, g.ID)
	wantOrder(t, s, "c d e")
	wantPositions(t, s)
	same(t, "left", []string{l["c"]}, got.JobIDs)
	if got.Deleted || got.Group.Total != 2 || got.Group.State != job.GroupRunning || got.Position != 0 {
		t.Errorf("dissolved %+v", got)
	}
	if j := read(t, s, l["c"]); j.GroupID != "" || j.GroupActive || !j.Ready() {
		t.Errorf("what left is %+v", j)
	}
	_, err := s.Groups.Dissolve(t.Context(), store.DissolveGroup{Tenant: tenant, ID: g.ID, At: base})
	wantCode(t, err, fault.AlreadyStarted)
	scale(t, s, 2)
	next := claim(t, s, 10)
	same(t, "starts beside it", []string{l["c"]}, claimedIDs(next))
	// A failure of it is nothing to the group any more, and the other way round.
	mustFinish(t, s, next[0], broke())
	wantGroup(t, s, g.ID, job.GroupRunning, 1, 0, 0, 0)
	succeed(t, s, runs)
	wantGroup(t, s, g.ID, job.GroupCompleted, 2, 0, 0, 0)
	_, err = s.Groups.Dissolve(t.Context(), store.DissolveGroup{Tenant: tenant, ID: g.ID, At: base})
	wantCode(t, err, fault.AlreadyFinished)
	same(t, "the slot is free", []string{l["d"], l["e"]}, claimedIDs(claim(t, s, 10)))
}

// dissolveBetween: no member runs, so the group ends with those that have ended,
// and its slot is free.
func dissolveBetween(t *testing.T, s store.Store) {
	pool(t, s, 1)
	l := letters(t, s, "a b c d")
	g := form(t, s, group(job.Sequential, job.FailureContinue), l["a"], l["b"], l["c"]).Group
	mustFinish(t, s, claimOne(t, s), broke())
	got := dissolve(t, s, g.ID)
	if got.Deleted || got.Group.Total != 1 || got.Group.State != job.GroupPartial {
		t.Errorf("dissolved %+v", got)
	}
	same(t, "stored", readGroup(t, s, g.ID), got.Group)
	wantGroup(t, s, g.ID, job.GroupPartial, 0, 1, 0, 0)
	wantOrder(t, s, "b c d")
	wantPositions(t, s)
	var ends []string
	for _, e := range since(t, s, 0) {
		if e.Type == event.GroupFinished || e.Type == event.GroupDissolved {
			ends = append(ends, string(e.Type)+" "+e.Data["status"])
		}
	}
	same(t, "announced", []string{"group.dissolved PARTIAL", "group.finished PARTIAL"}, ends)
	same(t, "next", l["b"], claimOne(t, s).Job.ID)
}

// dissolveEnded: a member that comes back for another attempt leaves, one that is
// cancelled stays, and one that runs comes back to its old place, before all that
// left.
func dissolveEnded(t *testing.T, s store.Store) {
	pool(t, s, 1)
	letters(t, s, "x")
	js := add(t, s, newJob(named("a"), retries(2)), newJob(named("b"), retries(2)), newJob(named("c")), newJob(named("d")))
	letters(t, s, "y")
	succeed(t, s, claimOne(t, s))
	g := form(t, s, group(job.Parallel, job.FailureContinue), ids(js)...).Group
	cs := claim(t, s, 10) // a and b
	mustMove(t, s, read(t, s, js[2].ID), job.CancelAsked{At: base})
	mustFinish(t, s, cs[1], broke())
	got := dissolve(t, s, g.ID)
	same(t, "left", []string{js[1].ID, js[3].ID}, got.JobIDs)
	wantOrder(t, s, "b d y")
	wantPositions(t, s)
	wantGroup(t, s, g.ID, job.GroupRunning, 0, 0, 0, 1)
	mustFinish(t, s, cs[0], broke())
	wantOrder(t, s, "a b d y")
	wantPositions(t, s)
	if j := read(t, s, js[0].ID); j.GroupID != g.ID || !j.GroupActive {
		t.Errorf("what came back is %+v", j)
	}
	got = dissolve(t, s, g.ID) // it waits: it may leave now
	same(t, "left", []string{js[0].ID}, got.JobIDs)
	wantOrder(t, s, "a b d y")
	wantPositions(t, s)
	wantGroup(t, s, g.ID, job.GroupPartial, 0, 0, 0, 1)
}

// formOften: ranks stay short.
func formOften(t *testing.T, s store.Store) {
	l := letters(t, s, "a b c d e")
	for i := range 150 {
		pair := []string{l["b"], l["c"]}
		if i%2 == 1 {
			pair = []string{l["c"], l["d"]}
		}
		dissolve(t, s, form(t, s, group(job.Parallel, job.FailureStop), pair...).Group.ID)
		wantOrder(t, s, "a b c d e")
		dissolve(t, s, form(t, s, group(job.Parallel, job.FailureStop), l["d"], l["b"]).Group.ID)
		wantOrder(t, s, "a d b c e")
		place(t, s, &store.Place{Before: l["e"]}, l["d"])
	}
	for _, j := range list(t, s, store.ListJobs{States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 100}).Jobs {
		if len(j.Rank) > rank.MaxLen {
			t.Errorf("%s has rank %q", j.Name, j.Rank)
		}
	}
	wantPositions(t, s)
}

// formRace groups and dissolves while jobs start, move and are cancelled: every
// job ends once, no group stays, members stand together, and all agree on the
// order.
func formRace(t *testing.T, s store.Store) {
	pool(t, s, 4)
	const jobs, people = 60, 3
	var js []job.Job
	for i := range jobs {
		js = append(js, newJob(prio(i%10)))
	}
	all := ids(add(t, s, js...))
	var working sync.WaitGroup
	for i := range people {
		random := rand.New(rand.NewPCG(11, uint64(i))) //nolint:gosec // not a secret
		working.Go(func() {
			for n := range 25 {
				if err := regroup(t, s, random, all, n); err != nil {
					t.Errorf("person %d: %v", i, err)
				}
			}
		})
	}
	times := map[string]int{}
	working.Go(func() {
		for range 30 {
			for _, c := range claim(t, s, 2) {
				times[c.Job.ID]++
				succeed(t, s, c)
			}
		}
	})
	working.Wait()
	wantTogether(t, s)
	wantPositions(t, s)
	for range jobs {
		for _, c := range claim(t, s, 10) {
			times[c.Job.ID]++
			succeed(t, s, c)
		}
	}
	for _, j := range all {
		got := read(t, s, j)
		want := 1
		if got.State == job.Cancelled {
			want = 0
		}
		if !got.State.Terminal() || times[j] != want {
			t.Errorf("job %s is %s and started %d times", j, got.State, times[j])
		}
	}
	page, err := s.Groups.List(t.Context(), store.ListGroups{Tenant: tenant, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range page.Groups {
		members, err := s.Groups.Members(t.Context(), tenant, g.ID, "", 1000)
		if err != nil || !g.Terminal() || len(members) != g.Total || g.Ended() != g.Total || g.Total == 0 {
			t.Errorf("group %s is %s: %d of %d ended, %d members, %v", g.ID, g.State, g.Ended(), g.Total, len(members), err)
		}
	}
}

// regroup does one thing that a person does to the order.
func regroup(t *testing.T, s store.Store, random *rand.Rand, all []string, n int) error {
	some := make([]string, 0, 4)
	for _, i := range random.Perm(len(all))[:4] {
		some = append(some, all[i])
	}
	var err error
	switch n % 5 {
	case 0, 1, 2:
		_, err = s.Groups.Form(t.Context(), store.FormGroup{Group: group(job.GroupMode([]job.GroupMode{job.Parallel, job.Sequential}[n%2]), job.FailureContinue), JobIDs: some[:1+n%3]})
	case 3:
		page, listed := s.Groups.List(t.Context(), store.ListGroups{Tenant: tenant, States: []job.GroupState{job.GroupPending, job.GroupRunning}, Limit: 100})
		if listed != nil || len(page.Groups) == 0 {
			return listed
		}
		g := page.Groups[random.IntN(len(page.Groups))]
		_, err = s.Groups.Dissolve(t.Context(), store.DissolveGroup{Tenant: tenant, ID: g.ID, At: base})
	default:
		j := read(t, s, some[0])
		if j.State != job.Queued { // one that runs would be asked to stop, and its end told so
			return nil
		}
		var c job.Change
		if c, err = job.Apply(j, job.CancelAsked{At: base}); err == nil {
			_, err = s.Jobs.Move(t.Context(), store.MoveJob{Change: c})
		}
		if err == nil {
			_, err = s.Order.Place(t.Context(), store.PlaceJobs{Tenant: tenant, IDs: some[1:2], Place: &store.Place{Top: true}, At: base})
		}
	}
	lost := []fault.Code{fault.AlreadyStarted, fault.AlreadyFinished, fault.NotGroupable, fault.NotFound, fault.Conflict}
	if err != nil && !slices.ContainsFunc(lost, func(c fault.Code) bool { return fault.Is(err, c) }) {
		return err
	}
	return nil
}

// wantTogether checks that the members of a group have places side by side, inside
// of the place of their group.
func wantTogether(t *testing.T, s store.Store) {
	t.Helper()
	seen := map[string]bool{}
	last := ""
	for _, j := range list(t, s, store.ListJobs{States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 10_000}).Jobs {
		if j.GroupID != last && j.GroupID != "" {
			if seen[j.GroupID] {
				t.Errorf("something stands between the members of group %s", j.GroupID)
			}
			seen[j.GroupID] = true
			if at := readGroup(t, s, j.GroupID).Rank; at != j.Rank.Place() {
				t.Errorf("member %s is at %q, its group at %q", j.ID, j.Rank, at)
			}
		}
		last = j.GroupID
	}
}
