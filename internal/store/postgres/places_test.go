package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/portable"
	"github.com/runsheet/runsheet/internal/testsvc"
)

func newStores(t *testing.T, n int) []store.Store {
	t.Helper()
	url := testsvc.Postgres(t)
	var out []store.Store
	for range n {
		out = append(out, openAt(t, url))
	}
	return out
}

// newStoreAt is a store, and where its database is.
func newStoreAt(t *testing.T) (s store.Store, url string) {
	t.Helper()
	url = testsvc.Postgres(t)
	return openAt(t, url), url
}

func openAt(t *testing.T, url string) store.Store {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: url, AllowUnsafe: true, MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func addJob(t *testing.T, s store.Store, p *store.Place) store.Added {
	t.Helper()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	j := job.Job{
		ID: id.New(id.Job, now), Tenant: "default", Name: "j", Type: "command", Params: []byte(`{}`), Priority: 5,
		OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedAt: now, QueuedAt: now,
	}
	a, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{j}, Place: p})
	if err != nil {
		t.Fatal(err)
	}
	return a[0]
}

// TestTwoStoresFollowEachOther: each index follows what the other store does,
// with events numbered now and then, and one that is made anew sees the same.
func TestTwoStoresFollowEachOther(t *testing.T) {
	t.Parallel()
	ss := newStores(t, 3)
	var js []job.Job
	for i := range 60 {
		var p *store.Place
		if i%4 == 3 {
			p = &store.Place{Position: i / 2}
		}
		js = append(js, addJob(t, ss[i%2], p).Job)
		if i%5 == 4 {
			k := js[i/3]
			if _, err := ss[(i+1)%2].Order.Place(t.Context(), store.PlaceJobs{Tenant: "default", IDs: []string{k.ID}, Place: &store.Place{Position: i % 7}, At: k.CreatedAt}); err != nil {
				t.Fatal(err)
			}
		}
		if i%9 == 8 {
			if _, err := ss[0].Events.Since(t.Context(), "default", 0, 1000); err != nil { // numbers them
				t.Fatal(err)
			}
		}
	}
	page, err := ss[0].Jobs.List(t.Context(), store.ListJobs{Tenant: "default", States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 100})
	if err != nil || len(page.Jobs) != 60 {
		t.Fatalf("%d jobs, %v", len(page.Jobs), err)
	}
	for k, s := range ss { // the third one reads everything only now
		sit, err := s.Jobs.Situation(t.Context(), page.Jobs)
		if err != nil {
			t.Fatal(err)
		}
		for i, j := range page.Jobs {
			if sit.Positions[j.ID] != i {
				t.Errorf("store %d: %s is at %d, want %d", k, j.ID, sit.Positions[j.ID], i)
			}
		}
	}
}

// TestAnOldReaderDoesNotSetTheIndexBack: a snapshot from before what was
// followed changes nothing of how far the index has come.
func TestAnOldReaderDoesNotSetTheIndexBack(t *testing.T) {
	t.Parallel()
	s := newStores(t, 1)[0]
	addJob(t, s, nil)
	e, ok := s.Snapshots.(*engine)
	if !ok {
		t.Skip("the engine is wrapped")
	}
	var now portable.Mark
	if err := e.Read(t.Context(), func(ctx context.Context, old portable.Tx) error {
		if _, err := e.LoadPlaces(ctx, old, func(order.Spot) {}); err != nil { // takes the snapshot
			return err
		}
		addJob(t, s, nil)
		if _, err := s.Events.Since(t.Context(), "default", 0, 10); err != nil { // numbers both
			return err
		}
		addJob(t, s, nil) // has no number
		if err := e.Read(t.Context(), func(ctx context.Context, tx portable.Tx) (err error) {
			now, err = e.LoadPlaces(ctx, tx, func(order.Spot) {})
			return err
		}); err != nil {
			return err
		}
		moved, next, _, err := e.MovedSince(ctx, old, now, 100)
		if err != nil {
			return err
		}
		if len(moved) != 0 || next.Seq != now.Seq || len(next.Loose) != 1 {
			t.Errorf("followed %q and came to %+v from %+v", moved, next, now)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
