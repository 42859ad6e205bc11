package portable

import (
	"sync"

	"github.com/runsheet/runsheet/internal/store"
)

// Watchers hand hints to whoever waits in this process. A slow watcher gets one
// HintAll in place of what it missed. Engines embed it.
type Watchers struct {
	mu  sync.Mutex
	all map[chan store.Hint]struct{}
}

// hintBuffer is how many hints wait for a slow watcher.
const hintBuffer = 64

// NewWatchers returns an empty set.
func NewWatchers() *Watchers { return &Watchers{all: map[chan store.Hint]struct{}{}} }

// Watch implements store.Events.
func (w *Watchers) Watch() (<-chan store.Hint, func()) {
	c := make(chan store.Hint, hintBuffer)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all[c] = struct{}{}
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, c)
	}
}

// Send gives hints to all watchers, each once. It never blocks.
func (w *Watchers) Send(hints []store.Hint) {
	if len(hints) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[store.Hint]bool{}
	for _, h := range hints {
		if seen[h] {
			continue
		}
		seen[h] = true
		for c := range w.all {
			push(c, h)
		}
	}
}

// push never blocks: when the buffer is full, its oldest hints make room for
// one that says "look at everything".
func push(c chan store.Hint, h store.Hint) {
	select {
	case c <- h:
		return
	default:
	}
	for {
		select {
		case <-c:
		default:
		}
		select {
		case c <- store.Hint{Topic: store.HintAll}:
			return
		default:
		}
	}
}
