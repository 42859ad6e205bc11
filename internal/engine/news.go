package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store"
)

// newsRest is the least time between two questions for news.
const newsRest = 20 * time.Millisecond

// news asks, for all turns of an engine at once, what has happened to their runs: when
// the store hints that something has, and each lookEvery anyway. It works only while
// there are turns.
type news struct {
	o     *Options
	mu    sync.Mutex
	turns map[string]chan store.WorkflowSignals
	stop  context.CancelFunc
}

// follow returns a channel with what has happened to a run, the latest only, and a
// function that ends it.
func (n *news) follow(runID string) (<-chan store.WorkflowSignals, func()) {
	if _, rehearsed := n.o.Clock.(Stage); rehearsed {
		return nil, func() {} // nothing happens unseen there
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.turns == nil {
		n.turns = map[string]chan store.WorkflowSignals{}
	}
	c := make(chan store.WorkflowSignals, 1)
	n.turns[runID] = c
	if n.stop == nil {
		ctx, stop := context.WithCancel(context.Background())
		n.stop = stop
		go n.ask(ctx)
	}
	return c, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.turns[runID] == c {
			delete(n.turns, runID)
		}
		if len(n.turns) == 0 && n.stop != nil {
			n.stop()
			n.stop = nil
		}
	}
}

func (n *news) ask(ctx context.Context) {
	var hints <-chan store.Hint
	if n.o.Hints != nil {
		c, end := n.o.Hints()
		defer end()
		hints = c
	}
	for {
		timer := n.o.Clock.NewTimer(lookEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-hints:
			timer.Stop()
		case <-timer.C():
		}
		n.tell(ctx)
		if clock.Sleep(ctx, n.o.Clock, newsRest) != nil {
			return
		}
	}
}

// tell asks once and passes on what it hears.
func (n *news) tell(ctx context.Context) {
	n.mu.Lock()
	ids := make([]string, 0, len(n.turns))
	for id := range n.turns {
		ids = append(ids, id)
	}
	n.mu.Unlock()
	slices.Sort(ids)
	got, err := n.o.Runs.Signals(ctx, ids)
	if err != nil {
		if ctx.Err() == nil {
			n.o.Logger.Warn("cannot read what happened to runs of workflows", "error", err)
		}
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, s := range got {
		c := n.turns[id]
		if c == nil {
			continue
		}
		select {
		case <-c: // it was not read, and is old now
		default:
		}
		c <- s
	}
}
