// Package order is the in-memory index of waiting jobs: a cache of the one
// total order that answers "which position has this job", "which job has this
// position" and "which jobs may start next" without reading a million rows.
//
// The store owns the truth. It loads the index with all waiting jobs and then
// feeds it with what each committed transaction changed (Apply). When a change
// does not fit to what the index knows, Apply fails and the store loads anew.
// The index decides nothing: a claim checks each job again in its transaction.
//
// Two things are kept. The places: a job's or, for all members of a group
// together, a group's. And the ready jobs by class: jobs of one class need the
// same resources (locks, limits), so that one that is blocked stands for all.
// A class is active, or parked under one resource that blocked it. A walk
// merges the active classes with those parked under resources that are free
// again, in the order of their first jobs. So a million jobs behind one lock
// cost one question.
//
// An Index does no I/O and is not safe for concurrent use: the caller locks.
package order

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/runsheet/runsheet/internal/rank"
)

// Spot is one job's place as the index sees it. The zero Spot means that the
// job is not in the queue, and so does any Spot without a rank. A rank belongs
// to one job at most.
type Spot struct {
	Rank   rank.Rank
	Class  string // jobs of one class are blocked by the same things
	Listed bool   // counts as (part of) a place in the order
	Ready  bool   // a claim may look at it
}

// Delta is what one committed change did to one job: its spot before and
// after. A new job has no Out, one that left the queue no In.
type Delta struct{ Out, In Spot }

// Index holds the order. Make it with New.
type Index struct {
	resources func(class string) []string

	places  set[place]
	members set[place] // listed ranks of groups' members
	shared  map[rank.Rank]struct{}
	jobs    int

	classes table
	active  set[*class]
	parking map[string]*resource // those with parked classes
	sources set[*resource]       // the same in the order of their heads
	emptied []*class             // during Apply
}

// place is a rank as an element of a set.
type place rank.Rank

func (p place) key() rank.Rank { return rank.Rank(p) }

// New returns an empty index. resources says what a class needs, for example
// "lock:gpu:0" and "type:command"; it must be pure, is
// asked each time that a walk reaches a job, and best names first what is most
// often taken.
func New(resources func(class string) []string) *Index {
	x := &Index{resources: resources}
	x.reset()
	return x
}

func (x *Index) reset() {
	*x = Index{
		resources: x.resources,
		shared:    make(map[rank.Rank]struct{}),
		classes:   newTable(),
		parking:   make(map[string]*resource),
	}
}

// Load replaces everything. Spots in rank order load faster. A rank that comes
// twice counts once.
func (x *Index) Load(seq iter.Seq[Spot]) {
	x.reset()
	var listed []place
	var heads []*class
	for s := range seq {
		if s.Rank == "" {
			continue
		}
		if s.Listed {
			listed = append(listed, place(s.Rank))
		}
		if !s.Ready {
			continue
		}
		switch c := x.classes.get(s.Class); {
		case c == nil:
			c = &class{name: s.Class, head: s.Rank}
			x.classes.put(c)
			heads = append(heads, c)
		case c.rest == nil:
			c.rest = &set[place]{small: []place{place(c.head), place(s.Rank)}}
		default:
			c.rest.small = append(c.rest.small, place(s.Rank))
		}
	}
	for _, c := range heads {
		if c.rest != nil {
			all := ascending(c.rest.small)
			c.head = rank.Rank(all[0])
			c.rest.fill(all[1:])
		}
	}
	byHead := func(a, b *class) int { return cmp.Compare(a.head, b.head) }
	if !slices.IsSortedFunc(heads, byHead) {
		slices.SortFunc(heads, byHead)
	}
	x.active.fill(heads)
	x.loadPlaces(ascending(listed))
}

func (x *Index) loadPlaces(listed []place) {
	x.jobs = len(listed)
	var members []place
	n := 0
	for _, r := range listed {
		p := place(r.key().Place())
		isMember := p != r
		if isMember {
			members = append(members, r)
		}
		if n > 0 && listed[n-1] == p {
			// A job and a group at one place: the job comes first.
			if prev := len(members) - 2; isMember && (prev < 0 || members[prev].key().Place() != p.key()) {
				x.shared[p.key()] = struct{}{}
			}
			continue
		}
		listed[n] = p
		n++
	}
	x.places.fill(listed[:n])
	x.members.fill(members)
}

func ascending(list []place) []place {
	if !slices.IsSorted(list) {
		slices.Sort(list)
	}
	return slices.Compact(list)
}

// Apply takes committed changes over: first all Outs, then all Ins, because a
// new order of some jobs permutes their ranks. An Out that is not there or an
// In that is there already is an error; the index is then worthless until the
// next Load.
func (x *Index) Apply(ds []Delta) error {
	for _, d := range ds {
		if err := x.out(d.Out); err != nil {
			return err
		}
	}
	for _, d := range ds {
		if err := x.in(d.In); err != nil {
			return err
		}
	}
	for _, c := range x.emptied {
		x.forget(c)
	}
	x.emptied = x.emptied[:0]
	return nil
}

func (x *Index) out(s Spot) error {
	if s.Rank == "" {
		return nil
	}
	if s.Listed && !x.unlist(s.Rank) {
		return fmt.Errorf("order: no job is at rank %q", string(s.Rank))
	}
	if s.Ready && !x.unready(s.Class, s.Rank) {
		return fmt.Errorf("order: no ready job of class %q is at rank %q", s.Class, string(s.Rank))
	}
	return nil
}

func (x *Index) in(s Spot) error {
	if s.Rank == "" {
		return nil
	}
	if s.Listed && !x.list(s.Rank) {
		return fmt.Errorf("order: a job is already at rank %q", string(s.Rank))
	}
	if s.Ready && !x.ready(s.Class, s.Rank) {
		return fmt.Errorf("order: a ready job is already at rank %q", string(s.Rank))
	}
	return nil
}

// list adds a listed job. A place exists for a job that has it alone, for a
// group with listed members, or for both; only the last is noted in shared.
func (x *Index) list(r rank.Rank) bool {
	p := r.Place()
	switch isMember := p != r; {
	case isMember:
		led := x.hasMembers(p)
		if !x.members.insert(place(r)) {
			return false
		}
		if !led && !x.places.insert(place(p)) {
			x.shared[p] = struct{}{}
		}
	case !x.places.insert(place(p)):
		if _, both := x.shared[p]; both || !x.hasMembers(p) {
			return false
		}
		x.shared[p] = struct{}{}
	}
	x.jobs++
	return true
}

func (x *Index) unlist(r rank.Rank) bool {
	p := r.Place()
	_, both := x.shared[p]
	switch isMember := p != r; {
	case isMember:
		if !x.members.remove(r) {
			return false
		}
		if x.hasMembers(p) {
			break
		}
		if both {
			delete(x.shared, p)
		} else {
			x.places.remove(p)
		}
	case both:
		delete(x.shared, p)
	case x.members.len() > 0 && x.hasMembers(p) || !x.places.remove(p):
		return false
	}
	x.jobs--
	return true
}

// hasMembers tells whether a group with listed members is at a place.
func (x *Index) hasMembers(p rank.Rank) bool {
	if x.members.len() == 0 {
		return false
	}
	// Nothing else is between a place and its members.
	i, _ := x.members.before(p)
	return i < x.members.len() && x.members.at(i).key().Place() == p
}

// Places returns the number of places. The members of a group share one, which
// is there as long as one of them is listed.
func (x *Index) Places() int { return x.places.len() }

// Jobs returns the number of listed jobs.
func (x *Index) Jobs() int { return x.jobs }

// Position returns the number of places before that of r, a job's or a
// member's rank, whether or not somebody has that place.
func (x *Index) Position(r rank.Rank) int {
	i, _ := x.places.before(r.Place())
	return i
}

// At returns the place at position i, counted from 0; false if there is none.
func (x *Index) At(i int) (rank.Rank, bool) {
	if i < 0 || i >= x.places.len() {
		return "", false
	}
	return x.places.at(i).key(), true
}
