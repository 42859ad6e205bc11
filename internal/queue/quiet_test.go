package queue

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/clock/clocktest"
)

func TestQuietSaysTheSameThingSeldom(t *testing.T) {
	t.Parallel()
	c := clocktest.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	q := quiet{clock: c}
	said := 0
	for range 100 {
		if _, ok := q.due("a"); ok {
			said++
		}
	}
	if _, ok := q.due("b"); !ok {
		t.Error("another complaint was swallowed")
	}
	if said != 1 {
		t.Errorf("said %d times, want once", said)
	}
	c.Advance(quietFor)
	if n, ok := q.due("a"); !ok || n != 99 {
		t.Errorf("later: %d left out, said %v; want 99, true", n, ok)
	}
}
