package postgres_test

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestHeld: a transaction that keeps old rows is told until it ends, one that keeps none
// is not, and neither are the store's own.
func TestHeld(t *testing.T) {
	t.Parallel()
	url := testsvc.Postgres(t)
	s := open(t, postgres.Options{URL: url})
	held := func() time.Duration {
		t.Helper()
		v, err := s.Health.Survey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if v.NotifyUsed < 0 || v.NotifyUsed > 1 {
			t.Errorf("%v of the notifications' queue is used", v.NotifyUsed)
		}
		return v.Held
	}
	// Others that are at work for a moment may be seen; nobody stays.
	until := func(what string, ok func(time.Duration) bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !ok(held()); {
			if time.Now().After(end) {
				t.Fatalf("%s: %v", what, held())
			}
			_ = clock.Sleep(t.Context(), clock.System{}, 10*time.Millisecond)
		}
	}
	idle, err := connect(t, url).Begin(t.Context()) // it has looked at nothing
	if err != nil {
		t.Fatal(err)
	}
	until("an idle transaction without a snapshot", func(d time.Duration) bool { return d == 0 })
	for name, first := range map[string]string{
		"a snapshot": `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM jobs`,
		"a change":   `UPDATE queue SET id = id WHERE false; SELECT pg_current_xact_id()`,
	} {
		tx, err := connect(t, url).Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		until(name, func(d time.Duration) bool { return d >= 300*time.Millisecond })
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		until(name+" that has ended", func(d time.Duration) bool { return d == 0 })
	}
	if err := idle.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}
