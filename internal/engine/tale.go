package engine

import (
	"io"
	"sync"
	"time"
)

// tale is the log of a run. What the engine says of states stays in memory until a node
// prints something or the run takes long: a file for each of many short runs costs
// more than the runs, and would say what their steps do. It is safe for concurrent use.
type tale struct {
	to   io.Writer
	from time.Time // when the turn began

	mu   sync.Mutex
	held []byte
	open bool
}

const (
	// maxHeld bounds what is held back, in bytes.
	maxHeld = 4 << 10
	// shortTurn is how long a turn may take whose log is held back.
	shortTurn = time.Second
)

// Write implements io.Writer, for what nodes print.
func (l *tale) Write(p []byte) (int, error) {
	l.release()
	return l.to.Write(p)
}

// tell adds what the engine says.
func (l *tale) tell(text string, now time.Time) {
	l.mu.Lock()
	l.held = append(l.held, text...)
	hold := !l.open && len(l.held) <= maxHeld && now.Sub(l.from) < shortTurn
	l.mu.Unlock()
	if !hold {
		l.release()
	}
}

// release writes what was held back.
func (l *tale) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = true
	if len(l.held) > 0 {
		_, _ = l.to.Write(l.held) // it never fails, see task.Host
		l.held = nil
	}
}
