package postgres_test

import (
	"context"
	"os"
	"testing"

	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/storetest"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// migrated makes the tables once for all tests: that takes longer than most of them.
func migrated(url string) error {
	s, err := postgres.Open(context.Background(), postgres.Options{URL: url, AllowUnsafe: true})
	if err != nil {
		return err
	}
	return s.Health.Close()
}

func TestConformanceDirect(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, postgres.Options{URL: testsvc.PostgresLike(t, migrated)})
	})
}

func TestConformancePgBouncer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the same code as in the other suite of this engine; run without -short")
	}
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, postgres.Options{URL: testsvc.PgBouncerLike(t, migrated)})
	})
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
	storetest.RunModel(t, func(t *testing.T) store.Store {
		return open(t, postgres.Options{URL: testsvc.PostgresLike(t, migrated)})
	}, 60, nil)
}

func TestModelPgBouncer(t *testing.T) {
	if testing.Short() {
		t.Skip("the same code as in the other suite of this engine; run without -short")
	}
	storetest.RunModel(t, func(t *testing.T) store.Store {
		return open(t, postgres.Options{URL: testsvc.PgBouncerLike(t, migrated)})
	}, 20, nil)
}

// TestStartsAsShown: 1,000 jobs, 3,000 moves while they start, 10,000 in the
// long form.
func TestStartsAsShown(t *testing.T) {
	moves := 3_000
	if os.Getenv("RUNSHEET_CHAOS") == "full" {
		moves = 10_000
	}
	storetest.RunMoves(t, open(t, postgres.Options{URL: testsvc.PostgresLike(t, migrated)}), 1000, moves, true)
}

func TestHistories(t *testing.T) {
	storetest.RunHistories(t, open(t, postgres.Options{URL: testsvc.PostgresLike(t, migrated)}), 50)
}
