package postgres_test

import (
	"os"
	"testing"

	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/storetest"
	"github.com/runsheet/runsheet/internal/testsvc"
)

func TestConformanceDirect(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, postgres.Options{URL: testsvc.Postgres(t)}) })
}

func TestConformancePgBouncer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the same code as in the other suite of this engine; run without -short")
	}
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, postgres.Options{URL: testsvc.PgBouncer(t)}) })
}

// open opens a store on a throwaway server.
func open(t *testing.T, o postgres.Options) store.Store {
	t.Helper()
	o.AllowUnsafe = true
	if o.MaxConns == 0 {
		o.MaxConns = 8
	}
	s, err := postgres.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Health.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestModelDirect(t *testing.T) {
	storetest.RunModel(t, func(t *testing.T) store.Store { return open(t, postgres.Options{URL: testsvc.Postgres(t)}) }, 60, nil)
}

func TestModelPgBouncer(t *testing.T) {
	if testing.Short() {
		t.Skip("the same code as in the other suite of this engine; run without -short")
	}
	storetest.RunModel(t, func(t *testing.T) store.Store { return open(t, postgres.Options{URL: testsvc.PgBouncer(t)}) }, 20, nil)
}

// TestStartsAsShown: 1,000 jobs, 3,000 moves while they start, 10,000 in the
// long form.
func TestStartsAsShown(t *testing.T) {
	moves := 3_000
	if os.Getenv("RUNSHEET_CHAOS") == "full" {
		moves = 10_000
	}
	storetest.RunMoves(t, open(t, postgres.Options{URL: testsvc.Postgres(t)}), 1000, moves, true)
}

func TestHistories(t *testing.T) {
	storetest.RunHistories(t, open(t, postgres.Options{URL: testsvc.Postgres(t)}), 50)
}
