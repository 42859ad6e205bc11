package app

import (
	"context"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/health"
	"github.com/runsheet/runsheet/internal/store"
)

// TestJudgeStorage: each thing that lets a database grow degrades the server from its
// bound on, and says which it is; it never makes it refuse work.
func TestJudgeStorage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		note   string
		survey store.Survey
	}{
		{"", store.Survey{}},
		{"", store.Survey{LogBytes: largeLog, Held: longHeld, NotifyUsed: usedQueue}},
		{"log", store.Survey{LogBytes: largeLog + 1}},
		{"transaction", store.Survey{Held: longHeld + time.Second}},
		{"notifications", store.Survey{NotifyUsed: 0.51}},
	} {
		note, err := judgeStorage(c.survey)
		m := health.New(health.Options{Checks: []health.Check{{Name: "storage", Run: func(context.Context) (string, error) { return note, err }}}})
		r := m.Report(t.Context())
		m.Close()
		if want := map[bool]health.Status{true: health.OK, false: health.Degraded}[c.note == ""]; r.Status != want || r.Checks[0].Note != c.note {
			t.Errorf("%+v: %+v, want %q", c.survey, r, c.note)
		}
	}
}
