package claim

import (
	"slices"

	"github.com/runsheet/runsheet/internal/job"
)

// lookAhead is how many jobs model affinity looks at for one whose model is
// loaded.
const lookAhead = 64

// usesLoaded reports whether one of the locks is a model that is loaded.
func (b *board) usesLoaded(locks []string) bool {
	return slices.ContainsFunc(locks, func(l string) bool { return job.IsModelLock(l) && slices.Contains(b.s.Loaded, l) })
}

// swaps reports whether a job with these locks would have another model loaded.
func (b *board) swaps(locks []string) bool {
	return len(b.s.Loaded) > 0 && slices.ContainsFunc(locks, job.IsModelLock) && !b.usesLoaded(locks)
}

// leeway is how many more jobs may overtake o because their model is loaded.
func (b *board) leeway(o job.Overtaken) int {
	if len(b.s.Loaded) == 0 || b.isBarrier(o) {
		return 0
	}
	return b.s.Rules.ModelAffinity - o.Affinity
}

// standsBack reports whether c, which could start, lets jobs go first whose
// model is loaded: it needs another model and has not stood back too often.
func (d *decider) standsBack(c job.Candidate) bool {
	return !d.settled && d.swaps(c.Needs.Locks) && d.leeway(d.of(d.board, c)) > 0
}

// patience is how many more jobs all that stand aside let go first.
func (d *decider) patience() int {
	n := d.s.Rules.ModelAffinity
	for _, w := range d.aside {
		n = min(n, d.leeway(d.of(d.board, w.Candidate)))
	}
	return n
}

// settle starts what stands aside, in order, as far as there is room. What was
// started instead may keep some from it.
func (d *decider) settle() {
	if len(d.aside) == 0 {
		return
	}
	aside := d.aside
	d.aside, d.settled = nil, true
	for _, w := range aside {
		if !d.open() || w.group == nil && d.obstacle(w.Needs, w.Rank, nil).kind != nothing {
			d.left = append(d.left, w.Candidate)
			continue
		}
		d.begin(w, false)
	}
}
