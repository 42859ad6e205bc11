package queue

import (
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

// quietFor is how often the engine says at most that the same thing fails again.
// While the database is away or the disk is full, each of up to a few hundred
// attempts tries once a second, and a log that grows by all of that makes a
// full disk worse.
const quietFor = 30 * time.Second

// quiet decides which repeated complaints are logged.
type quiet struct {
	clock clock.Clock
	mu    sync.Mutex
	last  map[string]time.Time
	left  map[string]int
}

// due reports whether a complaint is logged now, and how many of its kind were
// left out since the last. kind is one of a few constants.
func (q *quiet) due(kind string) (leftOut int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	if last, known := q.last[kind]; known && now.Sub(last) < quietFor && !now.Before(last) {
		q.left[kind]++
		return 0, false
	}
	if q.last == nil {
		q.last, q.left = map[string]time.Time{}, map[string]int{}
	}
	leftOut = q.left[kind]
	q.last[kind], q.left[kind] = now, 0
	return leftOut, true
}
