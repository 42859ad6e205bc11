package claim

import (
	"slices"

	"github.com/runsheet/runsheet/internal/job"
)

// Take decides whether work that has its slot may have more locks, as if it stood at
// the end of the lane of resumed runs: behind direct requests that wait for one of
// them, and behind the runs of that lane that wait for one and could have it now or
// must not be overtaken any more. waiting are the ready jobs of the lane. It returns
// the first lock that is not to be had, "" if there is none. It is pure.
func Take(s job.Snapshot, waiting []job.Candidate, names []string) (blocked string) {
	b := newBoard(s)
	for _, l := range names {
		if b.full(l) || b.asked(l, waiting) {
			return l
		}
	}
	return ""
}

// asked reports whether somebody comes first who waits for a lock.
func (b *board) asked(lock string, waiting []job.Candidate) bool {
	if slices.ContainsFunc(b.s.Direct, func(d job.Direct) bool { return slices.Contains(d.Locks, lock) }) {
		return true
	}
	return slices.ContainsFunc(waiting, func(c job.Candidate) bool {
		if !slices.Contains(c.Needs.Locks, lock) || b.shut(c.Needs) {
			return false
		}
		barrier := slices.ContainsFunc(b.barriers, func(o job.Overtaken) bool { return o.JobID == c.JobID })
		return barrier || !slices.ContainsFunc(c.Needs.Locks, b.full)
	})
}
