package claim

import (
	"strings"

	"github.com/runsheet/runsheet/internal/job"
)

// Bounds answers how much of everything there is, for who plays the queue
// forward.
type Bounds struct{ b *board }

// NewBounds returns the bounds that hold in a snapshot.
func NewBounds(s job.Snapshot) Bounds { return Bounds{newBoard(s)} }

// Slots is the number of slots: the worker count, or max_global if that is less.
func (x Bounds) Slots() int { return slots(x.b.s) }

// Units is how many holders a lock may have.
func (x Bounds) Units(lock string) int { return x.b.capacity(lock) }

// Takes names what something takes while it runs, without the bounds that
// templates set: these are among what Note finds.
func Takes(c job.Class) []string {
	var out []string
	limits(c, func(what counted, _ int) bool {
		out = append(out, what.kind+what.name)
		return true
	})
	for _, l := range c.Locks {
		out = append(out, job.ResourceLock+l)
	}
	return out
}

// Note puts the bounds of resources (see job.Class.Resources) into known, by the
// names that Takes gives, the smallest of each. Locks with one unit and resources
// without a bound are left out.
func (x Bounds) Note(known map[string]int, resources []string) {
	for _, r := range resources {
		if l, ok := strings.CutPrefix(r, job.ResourceLock); ok {
			if n := x.b.capacity(l); n != 1 {
				known[r] = n
			}
			continue
		}
		what, own, ok := parseCounted(r)
		if !ok {
			continue
		}
		most, base := x.b.most(what, own), what.kind+what.name
		if was, ok := known[base]; most >= 0 && (!ok || most < was) {
			known[base] = most
		}
	}
}
