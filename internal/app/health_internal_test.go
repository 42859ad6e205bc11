package app

import (
	"testing"
	"time"

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
		if note != c.note || (err != nil) != (c.note != "") {
			t.Errorf("%+v: %q, %v, want %q", c.survey, note, err, c.note)
		}
	}
}
