package queue_test

import (
	"testing"

	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/store/storetest"
)

// TestDecideModel runs the model of the queue with the real decision.
func TestDecideModel(t *testing.T) {
	checks := 400
	if testing.Short() {
		checks = 40
	}
	storetest.RunModel(t, func(t *testing.T) store.Store {
		t.Helper()
		st, err := sqlite.OpenMemory(t.Context(), clock.System{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := st.Health.Close(); err != nil {
				t.Error(err)
			}
		})
		return st
	}, checks, claim.Decide)
}
