package queue

import (
	"cmp"
	"slices"

	"github.com/runsheet/runsheet/internal/job"
)

// tracked is how many jobs that were not overtaken before a decision notes, and
// maxTracked how many are noted at all: those that are first in the order.
const (
	tracked    = 16
	maxTracked = 64
)

// lookAhead is how many jobs model affinity looks at for one whose model is
// loaded.
const lookAhead = 64

// Decide is the claim decision: what starts now. It does no I/O itself; the
// store calls it inside the serialised claim transaction, gives it the waiting
// jobs one after the other, and carries the decision out there.
//
// In this order: direct requests, first come first; members of groups that have
// their slot; then the waiting jobs in order, first runnable first, as long as
// there are free slots. A job that a lock or a limit blocks is passed over, at
// most Rules.MaxOvertakes times and for Rules.MaxOvertakeAge; then nothing
// behind it gets a lock that it needs.
//
// docs/explanation/order.md explains each rule with an example; the examples
// are tests of this function.
func Decide(s job.Snapshot) job.Decision {
	d := &decider{board: newBoard(s), room: s.Room}
	d.out.Overtaken = s.Overtaken
	if s.Paused {
		return d.out
	}
	d.direct()
	d.groups()
	d.queue()
	d.countOvertaken()
	return d.out
}

// decider is one decision on the way.
type decider struct {
	*board
	room int
	out  job.Decision
	// starts are the places of what starts from the order.
	starts []start
	// waiting are runnable jobs that stand back for model affinity.
	waiting []job.Candidate
	// stuck are the first members of groups that could not start.
	stuck []job.Candidate
}

// start is a job that starts from its place in the order.
type start struct {
	job.Candidate
	affine bool
}

// direct starts direct requests, and keeps slots and locks free for those that
// other instances will start.
func (d *decider) direct() {
	for _, r := range d.s.Direct {
		if slices.ContainsFunc(r.Locks, func(l string) bool { _, w := d.wanted[l]; return w || d.full(l) }) {
			d.want(r)
			continue
		}
		group := ""
		if d.free <= 0 {
			group = d.lender()
		}
		switch {
		case d.free <= 0 && group == "":
			d.want(r)
		case r.Instance != d.s.Self:
			if group == "" {
				d.free--
			}
			d.lend(group)
			d.want(r)
		case d.room <= 0:
			d.want(r)
		default:
			if group == "" {
				d.free--
			}
			d.lend(group)
			d.room--
			d.take(r.Needs(), job.Holder{RunID: r.RunID, Tenant: r.Tenant})
			d.out.Direct = append(d.out.Direct, job.Grant{RunID: r.RunID, Group: group})
		}
	}
}

// want keeps the locks of a direct request that waits from the jobs.
func (d *decider) want(r job.Direct) {
	for _, l := range r.Locks {
		if _, ok := d.wanted[l]; !ok {
			d.wanted[l] = r
		}
	}
}

// lender is a running group whose slot a direct request may use now: one of its
// members has ended and the next has not begun.
func (d *decider) lender() string {
	if d.s.Rules.DirectGroupPolicy != job.DirectNext {
		return ""
	}
	for _, g := range d.s.Groups {
		if !g.Lent && g.Running < atOnce(g.Group) && g.Running < g.Group.Total-g.Group.Ended() {
			return g.Group.ID
		}
	}
	return ""
}

func (d *decider) lend(group string) {
	for i := range d.s.Groups {
		if d.s.Groups[i].Group.ID == group {
			d.s.Groups = slices.Clone(d.s.Groups)
			d.s.Groups[i].Lent = true
		}
	}
}

// atOnce is how many members of a group run together.
func atOnce(g job.Group) int {
	if g.Mode == job.Sequential {
		return 1
	}
	return max(g.MaxParallel, 1)
}

// groups goes on with the groups that have their slot.
func (d *decider) groups() {
	for _, g := range d.s.Groups {
		if !g.Lent {
			d.members(g, g.Running, true)
		}
	}
}

// members starts those of a group that can start and returns how many did. The
// first gives a group that has not begun its slot.
func (d *decider) members(g job.GroupWork, running int, inside bool) int {
	if g.Blocked {
		return 0
	}
	n := 0
	for _, c := range g.Next {
		if running >= atOnce(g.Group) || d.room <= 0 {
			break
		}
		if _, blocked := d.obstacle(c.Needs, inside); blocked {
			if g.Group.Mode == job.Sequential {
				break
			}
			continue
		}
		claim := job.Claim{JobID: c.JobID}
		if n == 0 && !inside {
			claim.Group = g.Group.ID
		}
		d.start(c, claim)
		running++
		n++
	}
	return n
}

func (d *decider) start(c job.Candidate, claim job.Claim) {
	d.room--
	d.take(c.Needs, job.Holder{JobID: c.JobID, Tenant: c.Needs.Tenant})
	d.out.Claims = append(d.out.Claims, claim)
}

// queue starts waiting jobs in order.
func (d *decider) queue() {
	if d.free <= 0 || d.room <= 0 || d.s.Heads == nil {
		return
	}
	seen := 0
	// An error of the walk is the store's, which gives the whole claim up.
	_ = d.s.Heads.Walk(d.blocked, func(c job.Candidate, g *job.GroupWork) bool {
		d.pass(c.Rank)
		if d.wall != nil {
			return false
		}
		if len(d.waiting) > 0 {
			if seen++; seen > lookAhead {
				return false
			}
		}
		if g != nil {
			switch {
			case len(d.waiting) > 0: // model affinity lets single jobs go first only
			case d.members(*g, 0, false) > 0:
				d.starts = append(d.starts, start{Candidate: c})
				d.free--
			case g.Blocked: // held or delayed, so nobody overtakes it
			default:
				d.stuck = append(d.stuck, c)
			}
			return d.free > 0 && d.room > 0
		}
		if _, blocked := d.obstacle(c.Needs, false); blocked {
			return true
		}
		if d.standsBack(c) || len(d.waiting) > 0 && !d.affine(c) {
			d.waiting = append(d.waiting, c)
			return true
		}
		d.fromOrder(c, len(d.waiting) > 0)
		return d.free > 0 && d.room > 0
	})
	for _, c := range d.waiting {
		if d.free <= 0 || d.room <= 0 {
			break
		}
		if _, blocked := d.obstacle(c.Needs, false); !blocked {
			d.fromOrder(c, false)
		}
	}
}

func (d *decider) fromOrder(c job.Candidate, affine bool) {
	d.free--
	d.starts = append(d.starts, start{c, affine})
	d.start(c, job.Claim{JobID: c.JobID})
}

// affine reports whether c needs a model that is loaded.
func (d *decider) affine(c job.Candidate) bool {
	return slices.ContainsFunc(job.ModelLocks(c.Needs.Locks), func(l string) bool { return slices.Contains(d.s.Loaded, l) })
}

// standsBack reports whether c, which could start, lets jobs go first whose
// model is loaded: it needs another model and has not stood back too often.
func (d *decider) standsBack(c job.Candidate) bool {
	if d.s.Rules.ModelAffinity <= 0 || len(d.s.Loaded) == 0 || d.affine(c) || len(job.ModelLocks(c.Needs.Locks)) == 0 {
		return false
	}
	for _, o := range d.s.Overtaken {
		if o.JobID == c.JobID {
			return o.Affinity < d.s.Rules.ModelAffinity && o.Starts < d.s.Rules.MaxOvertakes
		}
	}
	return true
}

// countOvertaken notes which waiting jobs were overtaken by what starts.
func (d *decider) countOvertaken() {
	if len(d.starts) == 0 {
		return
	}
	list := slices.Clone(d.out.Overtaken)
	note := func(c job.Candidate) {
		if !slices.ContainsFunc(list, func(o job.Overtaken) bool { return o.JobID == c.JobID }) {
			list = append(list, job.Overtaken{JobID: c.JobID, Rank: c.Rank, Needs: c.Needs, Since: d.s.Now})
		}
	}
	// Blocked now is blocked by what ran before or by what starts with this decision.
	if heads, err := d.s.Heads.Blocked(d.blocked, tracked); err == nil {
		for _, c := range heads {
			note(c)
		}
	}
	for _, c := range slices.Concat(d.waiting, d.stuck) {
		note(c)
	}
	kept := list[:0]
	for _, o := range list {
		if slices.ContainsFunc(d.starts, func(s start) bool { return s.JobID == o.JobID }) {
			continue
		}
		for _, s := range d.starts {
			if s.Rank <= o.Rank {
				continue
			}
			o.Starts++
			if s.affine {
				o.Affinity++
			}
		}
		if o.Starts > 0 {
			kept = append(kept, o)
		}
	}
	slices.SortFunc(kept, func(a, b job.Overtaken) int { return cmp.Compare(a.Rank, b.Rank) })
	d.out.Overtaken = kept[:min(len(kept), maxTracked)]
}
