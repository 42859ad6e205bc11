package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/store/storetest"
)

func TestConformanceFile(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the same code as in the other suite of this engine; run without -short")
	}
	storetest.Run(t, openFile)
}

func TestConformanceMemory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, openMemory)
}

func openFile(t *testing.T) store.Store {
	t.Helper()
	return closing(t)(sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "runsheet.db")}))
}

func openMemory(t *testing.T) store.Store {
	t.Helper()
	return closing(t)(sqlite.OpenMemory(t.Context(), clock.System{}))
}

func closing(t *testing.T) func(store.Store, error) store.Store {
	return func(s store.Store, err error) store.Store {
		t.Helper()
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
}

func TestModelMemory(t *testing.T) { storetest.RunModel(t, openMemory, 1400, nil) }

func TestModelFile(t *testing.T) { storetest.RunModel(t, openFile, 120, nil) }

// TestStartsAsShown: 1,000 jobs, 10,000 moves while they start.
func TestStartsAsShown(t *testing.T) { storetest.RunMoves(t, openFile(t), 1000, 10_000, false) }

func TestHistories(t *testing.T) { storetest.RunHistories(t, openMemory(t), 150) }
