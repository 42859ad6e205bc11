package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func keyChecks() []check {
	return []check{
		{"Keys/SixteenAtOnceOneEffect", keyRace},
		{"Keys/OfAddsAtOneTime", keysAtOneTime},
		{"Keys/ReplayGivesTheStoredAnswer", keyReplay},
		{"Keys/MismatchAndOwners", keyMismatch},
		{"Keys/InFlightUntilCompleted", keyInFlight},
		{"Keys/Expire", keyExpires},
		{"Keys/FailedRequestLeavesNoTrace", keyFailedRequest},
		{"Keys/RenderErrorRollsEverythingBack", keyRenderError},
		{"Keys/WorkOnEveryMethod", keyEverywhere},
	}
}

func key(text string) *store.Key {
	return &store.Key{
		Tenant: tenant, Owner: "me", Text: text, Hash: "h1", Now: base, Expires: base.Add(24 * time.Hour),
		Render: func(result any) (store.Reply, error) {
			r := store.Reply{Status: 201, Location: "/x", ETag: `"1"`}
			switch v := result.(type) {
			case []store.Added:
				r.Body = []byte(v[0].Job.ID)
			case job.Job:
				r.Body = []byte(v.State)
			case job.Template:
				r.Body = []byte(v.Name)
			case store.Settings:
				r.Body = fmt.Append(nil, v.Workers, v.Paused)
			default:
				return r, fmt.Errorf("unexpected result %T", v)
			}
			return r, nil
		},
	}
}

func keyRace(t *testing.T, s store.Store) {
	var mu sync.Mutex
	var ok int
	var first string
	replies := map[string]int{}
	together(16, func(int) {
		added, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Key: key("k")})
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			ok++
			first = added[0].Job.ID
			return
		}
		r, replayed := isReplay(err)
		if !replayed {
			t.Errorf("err = %v, want a replay", err)
			return
		}
		replies[string(r.Body)]++
	})
	if ok != 1 || len(replies) != 1 || replies[first] != 15 {
		t.Errorf("%d effects, replies %v of %s; want 1 effect and 15 equal replies", ok, replies, first)
	}
	same(t, "queue", []string{first}, queued(t, s))
}

// keysAtOneTime: adds that come at one time may share a transaction. Each has its own
// outcome: those with a known key get its answer, one that is expired or refused keeps
// no other from being added, and no position is that of another job.
func keysAtOneTime(t *testing.T, s store.Store) {
	const all, known = 60, 6
	old := map[string]string{} // the jobs that keys stand for
	for i := range known {
		k := key(fmt.Sprint("k", i))
		old[k.Text] = add1(t, s, k)
	}
	expired := key("expired")
	expired.Expires = base
	gone := add1(t, s, expired)
	failed := errors.New("no answer")
	var mu sync.Mutex
	made := map[string]int{} // job ids to positions
	together(all, func(i int) {
		k := key(fmt.Sprint("k", i))
		switch i {
		case known:
			k = nil
		case known + 1:
			k.Text = "expired"
			k.Now = base.Add(time.Hour)
		case known + 2:
			k.Render = func(any) (store.Reply, error) { return store.Reply{}, failed }
		case known + 3:
			k.Hash = "h2"
			k.Text = "k0"
		}
		added, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Key: k})
		r, replayed := isReplay(err)
		switch {
		case i < known:
			if !replayed || string(r.Body) != old[k.Text] {
				t.Errorf("add %d: %v, want the answer of its key", i, err)
			}
		case i == known+2:
			if !errors.Is(err, failed) {
				t.Errorf("an answer that cannot be made: %v", err)
			}
		case i == known+3:
			wantCode(t, err, fault.IdempotencyMismatch)
		case err != nil:
			t.Errorf("add %d: %v", i, err)
		default:
			mu.Lock()
			defer mu.Unlock()
			made[added[0].Job.ID] = added[0].Position
		}
	})
	if len(made) != all-known-2 {
		t.Errorf("%d jobs were made, want %d", len(made), all-known-2)
	}
	now := queued(t, s)
	if len(now) != len(made)+len(old)+1 || !slices.Contains(now, gone) {
		t.Errorf("%d jobs wait, want %d", len(now), len(made)+len(old)+1)
	}
	for i, id := range now {
		// All are of one zone and nothing left it, so a place is that of its transaction's end or lower.
		if at, is := made[id]; is && at > i {
			t.Errorf("job %s was told place %d and is at %d", id, at, i)
		}
	}
	for i := known + 4; i < all; i++ { // each key stands for the job that was made
		r, replayed := isReplay(s.Keys.Find(t.Context(), *key(fmt.Sprint("k", i))))
		if _, is := made[string(r.Body)]; !replayed || !is {
			t.Errorf("key %d stands for %q", i, r.Body)
		}
	}
}

func add1(t *testing.T, s store.Store, k *store.Key) string {
	t.Helper()
	added, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Key: k})
	if err != nil {
		t.Fatal(err)
	}
	return added[0].Job.ID
}

func keyReplay(t *testing.T, s store.Store) {
	k := key("k")
	if err := s.Keys.Find(t.Context(), *k); err != nil {
		t.Fatalf("a new key: %v", err)
	}
	added, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Key: k})
	if err != nil {
		t.Fatal(err)
	}
	want := store.Reply{Status: 201, Location: "/x", ETag: `"1"`, Body: []byte(added[0].Job.ID)}
	got, ok := isReplay(s.Keys.Find(t.Context(), *k))
	if !ok {
		t.Fatal("Find gave no replay")
	}
	same(t, "found", want, got)
	_, err = s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Key: k})
	got, ok = isReplay(err)
	if !ok {
		t.Fatalf("err = %v, want a replay", err)
	}
	same(t, "replayed", want, got)
}

func keyMismatch(t *testing.T, s store.Store) {
	put := func(edit func(*store.Key)) error {
		k := key("k")
		edit(k)
		_, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Key: k})
		return err
	}
	if err := put(func(*store.Key) {}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, put(func(k *store.Key) { k.Hash = "h2" }), fault.IdempotencyMismatch)
	for what, edit := range map[string]func(*store.Key){
		"owner": func(k *store.Key) { k.Owner = "you" }, "tenant": func(k *store.Key) { k.Tenant = "ten_other" },
		"case": func(k *store.Key) { k.Text = "K" },
	} {
		if err := put(edit); err != nil {
			t.Errorf("same key, other %s: %v", what, err)
		}
	}
	other := key("k")
	other.Hash = "h2"
	wantCode(t, s.Keys.Find(t.Context(), *other), fault.IdempotencyMismatch)
}

func keyInFlight(t *testing.T, s store.Store) {
	k := key("k")
	k.InFlightUntil = base.Add(time.Minute)
	if _, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Key: k}); err != nil {
		t.Fatal(err)
	}
	again := *k
	wantCode(t, s.Keys.Find(t.Context(), again), fault.IdempotencyInFlight)
	_, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Key: &again})
	wantCode(t, err, fault.IdempotencyInFlight)
	later := again
	later.Now = base.Add(time.Minute)
	if r, ok := isReplay(s.Keys.Find(t.Context(), later)); !ok || r.Status != 201 {
		t.Errorf("after its time: %+v, %v; want the provisional answer", r, ok)
	}
	final := store.Reply{Status: 200, Body: []byte("done")}
	if err := s.Keys.Complete(t.Context(), again, final); err != nil {
		t.Fatal(err)
	}
	r, ok := isReplay(s.Keys.Find(t.Context(), again))
	if !ok {
		t.Fatal("a completed key gives no replay")
	}
	same(t, "completed", final, r)
}

func keyExpires(t *testing.T, s store.Store) {
	if _, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Key: key("k")}); err != nil {
		t.Fatal(err)
	}
	late := key("k")
	late.Hash, late.Now, late.Expires = "h2", base.Add(24*time.Hour), base.Add(48*time.Hour)
	if err := s.Keys.Find(t.Context(), *late); err != nil {
		t.Errorf("an expired key: %v", err)
	}
	// Several repeat it at the moment when it expires.
	var mu sync.Mutex
	ok := 0
	together(8, func(int) {
		_, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Key: late})
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			ok++
		} else if _, replayed := isReplay(err); !replayed {
			t.Errorf("err = %v, want a replay", err)
		}
	})
	if ok != 1 {
		t.Errorf("%d effects, want 1", ok)
	}
	for when, want := range map[time.Time]int{base.Add(48*time.Hour - time.Millisecond): 0} {
		if n, err := s.Keys.Purge(t.Context(), when); err != nil || n != want {
			t.Errorf("purged %d, %v; want %d", n, err, want)
		}
	}
	if n, err := s.Keys.Purge(t.Context(), base.Add(48*time.Hour)); err != nil || n != 1 {
		t.Errorf("purged %d, %v; want 1", n, err)
	}
}

func keyFailedRequest(t *testing.T, s store.Store) {
	k := key("k")
	_, err := s.Queue.Scale(t.Context(), store.Scale{Workers: 3, IfVersion: 99, Tenant: tenant, At: base, Key: k})
	wantCode(t, err, fault.VersionMismatch)
	if err := s.Keys.Find(t.Context(), *k); err != nil {
		t.Errorf("the key of a refused request is known: %v", err)
	}
}

// keyRenderError ends a transaction after all its writes and before its commit,
// as a crash would.
func keyRenderError(t *testing.T, s store.Store) {
	j := add(t, s, newJob())[0]
	boom := errors.New("boom")
	bad := key("k")
	bad.Render = func(any) (store.Reply, error) { return store.Reply{}, boom }
	seq := lastSeq(t, s)
	set, err := s.Queue.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := job.Apply(j, job.CancelAsked{At: base})
	if err != nil {
		t.Fatal(err)
	}
	_, addErr := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Key: bad})
	_, moveErr := s.Jobs.Move(t.Context(), store.MoveJob{Change: c, Key: bad})
	_, createErr := s.Templates.Create(t.Context(), store.PutTemplate{Template: newTemplate("x"), Key: bad})
	_, scaleErr := s.Queue.Scale(t.Context(), store.Scale{Workers: 9, Tenant: tenant, At: base, Key: bad})
	_, pauseErr := s.Queue.Pause(t.Context(), store.Pause{Paused: true, Tenant: tenant, At: base, Key: bad})
	for i, err := range []error{addErr, moveErr, createErr, scaleErr, pauseErr} {
		if !errors.Is(err, boom) {
			t.Errorf("method %d: err = %v, want the render's error", i, err)
		}
	}
	same(t, "queue", []string{j.ID}, queued(t, s))
	same(t, "job", j, read(t, s, j.ID))
	now, err := s.Queue.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "settings", set, now)
	_, err = s.Templates.Template(t.Context(), tenant, "x")
	wantCode(t, err, fault.NotFound)
	if evs := since(t, s, seq); len(evs) != 0 {
		t.Errorf("%d events of what did not happen", len(evs))
	}
	if err := s.Keys.Find(t.Context(), *key("k")); err != nil {
		t.Errorf("the key is known: %v", err)
	}
}

func keyEverywhere(t *testing.T, s store.Store) {
	j := add(t, s, newJob())[0]
	c, err := job.Apply(j, job.CancelAsked{At: base})
	if err != nil {
		t.Fatal(err)
	}
	tmpl := newTemplate("x")
	next := tmpl
	next.Version = 2
	calls := []struct {
		body string
		do   func(k *store.Key) error
	}{
		{"CANCELLED", func(k *store.Key) error {
			_, err := s.Jobs.Move(t.Context(), store.MoveJob{Change: c, Key: k})
			return err
		}},
		{"x", func(k *store.Key) error {
			_, err := s.Templates.Create(t.Context(), store.PutTemplate{Template: tmpl, Key: k})
			return err
		}},
		{"x", func(k *store.Key) error {
			_, err := s.Templates.Update(t.Context(), store.PutTemplate{Template: next, Key: k})
			return err
		}},
		{"3 false", func(k *store.Key) error {
			_, err := s.Queue.Scale(t.Context(), store.Scale{Workers: 3, Tenant: tenant, At: base, Key: k})
			return err
		}},
		{"3 true", func(k *store.Key) error {
			_, err := s.Queue.Pause(t.Context(), store.Pause{Paused: true, Tenant: tenant, At: base, Key: k})
			return err
		}},
	}
	for i, call := range calls {
		if err := call.do(key(fmt.Sprint(i))); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		r, ok := isReplay(call.do(key(fmt.Sprint(i))))
		if !ok || string(r.Body) != call.body {
			t.Errorf("call %d: replay %v %q, want %q", i, ok, r.Body, call.body)
		}
	}
}
