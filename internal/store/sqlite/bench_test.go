package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/store/storetest"
)

func openBench(b *testing.B) store.Store {
	b.Helper()
	s, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "runsheet.db")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Health.Close() })
	return s
}

func BenchmarkStore(b *testing.B) { storetest.Bench(b, openBench) }

func BenchmarkStep(b *testing.B) { storetest.BenchStep(b, openBench) }

// BenchmarkAdd compares group commit with a commit for each request: the same
// code, but never two requests at a time for the writer to join. Add counts the
// jobs ahead, so use a fixed and small number of rounds (-benchtime 600x).
func BenchmarkAdd(b *testing.B) {
	for _, clients := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("group/clients=%d", clients), func(b *testing.B) { storetest.BenchAdd(b, openBench(b), clients) })
		b.Run(fmt.Sprintf("alone/clients=%d", clients), func(b *testing.B) {
			s := openBench(b)
			s.Jobs = &oneByOne{Jobs: s.Jobs}
			storetest.BenchAdd(b, s, clients)
		})
	}
}

type oneByOne struct {
	store.Jobs
	mu sync.Mutex
}

func (o *oneByOne) Add(ctx context.Context, p store.AddJobs) ([]store.Added, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Jobs.Add(ctx, p)
}
