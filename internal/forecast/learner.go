package forecast

import (
	"container/list"
	"time"
)

const (
	// remembered is how many durations of each kind count: enough for a P90, few
	// enough to follow a change within days.
	remembered = 50
	// defaultKinds bounds the kinds of a Learner, at most about 600 bytes each.
	defaultKinds = 2000
)

// Learner remembers the last 50 durations of each kind of job: of each template,
// of each job type, and of the whole installation. It holds a bounded number of
// kinds and forgets the one that has not been fed for longest.
//
// A Learner is not safe for concurrent use: Span sorts what Add has put in, so
// both need the same mutex. Rebuild it at a start by adding the durations of the
// latest runs, oldest first.
type Learner struct {
	limit int
	kinds map[kind]*list.Element // of *history
	order *list.List             // fed last in front
	all   history
}

// kind is a template or a job type.
type kind struct {
	template bool
	name     string
}

// NewLearner returns an empty Learner for at most so many templates and job
// types together; zero or less: 2000.
func NewLearner(kinds int) *Learner {
	if kinds <= 0 {
		kinds = defaultKinds
	}
	return &Learner{limit: kinds, kinds: map[kind]*list.Element{}, order: list.New()}
}

// Add takes in how long a finished run occupied its slot. An empty template or
// job type is left out. Leave out runs that were cancelled or interrupted:
// these tell nothing of how long the work takes.
func (l *Learner) Add(template, jobType string, d time.Duration) {
	l.all.add(d)
	if jobType != "" {
		l.history(kind{name: jobType}).add(d)
	}
	if template != "" {
		l.history(kind{template: true, name: template}).add(d)
	}
}

// Span tells what is known of a kind: of the template if it has ever run, else
// of the job type, else of everything. The zero Span: nothing has ever run.
func (l *Learner) Span(template, jobType string) Span {
	for _, k := range [...]kind{{template: true, name: template}, {name: jobType}} {
		if e, ok := l.kinds[k]; ok {
			return e.Value.(*history).span()
		}
	}
	return l.all.span()
}

// history returns that of a kind, as the one fed last.
func (l *Learner) history(k kind) *history {
	if e, ok := l.kinds[k]; ok {
		l.order.MoveToFront(e)
		return e.Value.(*history)
	}
	if len(l.kinds) >= l.limit {
		oldest := l.order.Back()
		delete(l.kinds, oldest.Value.(*history).of)
		l.order.Remove(oldest)
	}
	h := &history{of: k}
	l.kinds[k] = l.order.PushFront(h)
	return h
}

// history is a ring of durations and what was learned from them.
type history struct {
	of        kind
	durations []time.Duration
	next      int
	learned   Span
	stale     bool
}

func (h *history) add(d time.Duration) {
	h.stale = true
	if len(h.durations) < remembered {
		h.durations = append(h.durations, d)
		return
	}
	h.durations[h.next] = d
	h.next = (h.next + 1) % remembered
}

// span sorts only when asked: runs may end by the ten thousand a second, while
// estimates are wanted a few times.
func (h *history) span() Span {
	if h.stale {
		h.learned, h.stale = Learn(h.durations), false
	}
	return h.learned
}
