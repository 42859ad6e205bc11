package order

import (
	"container/heap"

	"github.com/runsheet/runsheet/internal/rank"
)

// Head is the first ready job of a class that is blocked, and the first of the
// class's resources that blocks it.
type Head struct {
	Rank            rank.Rank
	Class, Resource string
}

// Walk yields the ready jobs, in rank order, of all classes none of whose
// resources is blocked. blocked is asked again for each job, because the
// consumer takes resources as it goes; during one walk a resource may become
// blocked but not free again (what became free counts from the next walk on).
// yield returning false ends the walk. Neither function may call the index.
//
// A walk costs one question for each blocked resource that has parked classes
// in front of the last job it yields, and O(log n) for each job it yields. A
// class that is found blocked for the first time costs O(log n) once.
func (x *Index) Walk(blocked func(resource string) bool, yield func(r rank.Rank, class string) bool) {
	m := x.merge()
	type move struct {
		class *class
		to    string
	}
	var moves []move
	for {
		t, ok := m.next(blocked)
		if !ok {
			break
		}
		if by, isBlocked := x.blocker(t.class, blocked); isBlocked {
			// The classes of a set do not change under its cursor: they are
			// parked below.
			if t.rank == t.class.head && (t.class.parked == nil || t.class.parked.name != by) {
				moves = append(moves, move{t.class, by})
			}
			continue
		}
		if !yield(t.rank, t.class.name) {
			break
		}
		m.follow(t)
	}
	for _, v := range moves {
		x.detach(v.class)
		v.class.parked = x.resource(v.to)
		x.attach(v.class)
	}
}

// Blocked returns, in rank order, at most n heads (first ready job) of classes
// that are blocked now. It looks at the first limit classes only.
func (x *Index) Blocked(blocked func(resource string) bool, n, limit int) []Head {
	var heads []Head
	m := x.merge()
	for ; len(heads) < n && limit > 0; limit-- {
		t, ok := m.next(nil)
		if !ok {
			break
		}
		if by, isBlocked := x.blocker(t.class, blocked); isBlocked {
			heads = append(heads, Head{Rank: t.rank, Class: t.class.name, Resource: by})
		}
	}
	return heads
}

// blocker returns the first resource of a class that is blocked.
func (x *Index) blocker(c *class, blocked func(string) bool) (string, bool) {
	for _, r := range x.resources(c.name) {
		if blocked(r) {
			return r, true
		}
	}
	return "", false
}

// turn is what comes next in one of the merged sequences: a class by its
// first job or, if it was yielded before, by one of the rest.
type turn struct {
	rank   rank.Rank
	class  *class
	source *resource      // set: the class is one of those parked here
	parked cursor[*class] // the other classes of source
	rest   cursor[place]  // the other jobs of class
}

// merge goes over classes in the order of their ranks. The sequences of the
// resources are opened when their first class is reached: those behind the end
// of a walk cost nothing.
type merge struct {
	active  cursor[*class]
	sources cursor[*resource]
	open    turns
}

func (x *Index) merge() *merge {
	return &merge{active: cursor[*class]{set: &x.active}, sources: cursor[*resource]{set: &x.sources}}
}

// next returns the smallest turn. Without blocked it returns the first job of
// every class; with it, none of the classes parked under a blocked resource.
func (m *merge) next(blocked func(string) bool) (turn, bool) {
	for {
		c, isClass := m.active.peek()
		r, isSource := m.sources.peek()
		if isClass && isSource && r.head < c.head {
			isClass = false
		}
		isSource = isSource && !isClass
		var first rank.Rank
		switch {
		case isClass:
			first = c.head
		case isSource:
			first = r.head
		}
		switch {
		case len(m.open) > 0 && (first == "" || m.open[0].rank < first):
			if t, ok := m.pop(blocked); ok {
				return t, true
			}
		case isClass:
			m.active.skip()
			return turn{rank: c.head, class: c}, true
		case isSource:
			m.sources.skip()
			if blocked != nil && blocked(r.name) {
				continue
			}
			heap.Push(&m.open, &turn{rank: r.head, source: r, parked: cursor[*class]{set: &r.parked}})
		default:
			return turn{}, false
		}
	}
}

// pop takes the first of the open sequences on; false if it was of a resource
// that has become blocked.
func (m *merge) pop(blocked func(string) bool) (turn, bool) {
	t := m.open[0]
	if t.source == nil {
		heap.Pop(&m.open)
		return *t, true
	}
	if blocked != nil && blocked(t.source.name) {
		heap.Pop(&m.open)
		return turn{}, false
	}
	c, _ := t.parked.peek()
	t.parked.skip()
	if next, ok := t.parked.peek(); ok {
		t.rank = next.head
		heap.Fix(&m.open, 0)
	} else {
		heap.Pop(&m.open)
	}
	return turn{rank: c.head, class: c}, true
}

// follow puts the next job of a class behind the one that was yielded.
func (m *merge) follow(t turn) {
	if t.rank == t.class.head {
		t.rest = cursor[place]{set: t.class.rest}
	} else {
		t.rest.skip()
	}
	if next, ok := t.rest.peek(); ok {
		t.rank = next.key()
		heap.Push(&m.open, &t)
	}
}

// turns is a heap by rank.
type turns []*turn

func (h turns) Len() int           { return len(h) }
func (h turns) Less(i, j int) bool { return h[i].rank < h[j].rank }
func (h turns) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *turns) Push(v any)        { *h = append(*h, v.(*turn)) }

func (h *turns) Pop() any {
	old := *h
	last := len(old) - 1
	t := old[last]
	old[last] = nil
	*h = old[:last]
	return t
}
