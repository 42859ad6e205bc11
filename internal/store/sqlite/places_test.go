package sqlite_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// TestTheOrderAfterAFailedBatch: requests of a batch see what earlier ones in it
// wrote; when the disk refuses the batch, the index must forget that.
func TestTheOrderAfterAFailedBatch(t *testing.T) {
	t.Parallel()
	spy, d := newSpy(t)
	s := closing(t)(sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "a.db"), Driver: d}))
	if err := addOne(t, s, nil); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		spy.failCommit.Store(1)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { _ = addOne(t, s, nil) }) // some fail with their batch
		}
		wg.Wait()
		spy.failCommit.Store(0)
		n, err := s.Order.Places(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := count(t, s); n != want {
			t.Fatalf("%d places, %d jobs wait", n, want)
		}
		a, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}})
		if err != nil {
			t.Fatal(err)
		}
		if a[0].Position != n {
			t.Errorf("the next job is at %d, want %d", a[0].Position, n)
		}
	}
}
