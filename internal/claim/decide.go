// Package claim is the claim decision: which of the waiting jobs start now, and
// why each other one does not. Decide and Explain ask the same board, so the
// reason that a person reads is the rule that the claim went by.
//
// It is pure: a job.Snapshot goes in, a job.Decision comes out. The store reads
// the snapshot and carries the decision out in one serialised transaction;
// package queue calls it. docs/explanation/order.md tells users the rules, with
// examples that are tests of this package.
package claim

import (
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/job"
)

// maxStuck is how many groups that cannot start a decision looks at. It reads
// the members of each.
const maxStuck = 64

// Decide is the claim decision: what starts now. It does no I/O itself; the
// store calls it inside the serialised claim transaction, gives it the waiting
// jobs one after the other, and carries the decision out there.
//
// In this order: direct requests, first come first; members of groups that have
// their slot; then the waiting jobs in order, first runnable first, as long as
// there are free slots. A job that a lock or a limit blocks is passed over, at
// most Rules.MaxOvertakes times and for Rules.MaxOvertakeAge; then nothing
// behind it gets what it needs.
//
// docs/explanation/order.md explains each rule with an example; the examples
// are tests of this function.
func Decide(s job.Snapshot) job.Decision {
	d := newDecider(s)
	if s.Paused {
		return job.Decision{Overtaken: s.Overtaken, Settled: true}
	}
	d.direct()
	d.groups()
	d.queue()
	d.out.Overtaken = d.count()
	d.out.Settled = d.settles(s)
	return d.out
}

// settles reports whether the decision has taken all that can start, because no slot is
// left. While one is, what starts may let others start for which something was kept free;
// groups have a slot already, and direct requests may borrow one.
func (d *decider) settles(s job.Snapshot) bool {
	groups := len(s.Groups) > 0 || slices.ContainsFunc(d.out.Claims, func(c job.Claim) bool { return c.Group != "" })
	return !d.open() && !groups && len(s.Direct) == 0
}

// decider is one decision on the way.
type decider struct {
	*board
	tally
	room int
	out  job.Decision
	// aside are runnable jobs that stand back for model affinity, in order;
	// settled says that none does any more in this decision.
	aside   []work
	settled bool
	// left are jobs, and first members of groups, that could not start when it was
	// their turn; stuck is how many groups there are among them.
	left  []job.Candidate
	stuck int
	// checkAt is the number of starts at which jobs that nobody noted yet may have
	// been overtaken too often.
	checkAt int
}

// work is what stands at one place: a job, or a group with its first member.
type work struct {
	job.Candidate
	group *job.GroupWork
}

func newDecider(s job.Snapshot) *decider {
	return &decider{board: newBoard(s), tally: tally{list: s.Overtaken}, room: s.Room, checkAt: s.Rules.MaxOvertakes}
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
			if group = d.lender(); group == "" {
				d.seats++
				d.want(r)
				continue
			}
		}
		own := r.Instance == d.s.Self
		if own && d.room <= 0 {
			d.want(r)
			continue
		}
		if group == "" {
			d.free--
			d.seats++
		}
		d.lend(group)
		d.take(r.Needs(), job.Holder{RunID: r.RunID, Tenant: r.Tenant})
		if !own { // its instance starts it
			continue
		}
		d.room--
		d.out.Direct = append(d.out.Direct, job.Grant{RunID: r.RunID, Group: group})
	}
}

// want keeps the locks of a direct request that waits from the jobs.
func (d *decider) want(r job.Direct) {
	for _, l := range r.Locks {
		if _, ok := d.wanted[l]; ok {
			continue
		}
		if d.wanted == nil {
			d.wanted = map[string]job.Direct{}
		}
		d.wanted[l] = r
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
	var in *job.Group
	if inside {
		in = &g.Group
	}
	n := 0
	for _, c := range g.Next {
		if running >= atOnce(g.Group) || d.room <= 0 {
			break
		}
		if d.obstacle(c.Needs, c.Rank.Place(), in).kind != nothing {
			if g.Group.Mode == job.Sequential {
				break
			}
			continue
		}
		claim := job.Claim{JobID: c.JobID, Needs: c.Needs}
		if n == 0 && !inside {
			claim.Group = g.Group.ID
		}
		d.start(c, claim)
		if inside {
			d.note(d.board, c, false)
		}
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

// open reports whether anything from the order may still start.
func (d *decider) open() bool { return d.free > 0 && d.room > 0 }

// queue starts waiting jobs in order.
func (d *decider) queue() {
	if d.s.Heads == nil {
		return
	}
	for d.open() && d.walk() {
		// Many slots got free at once: whoever was overtaken by what has just started
		// may be a barrier now.
		for _, w := range d.aside {
			d.left = append(d.left, w.Candidate)
		}
		d.look(d.board, d.s.Heads, d.left)
		d.aside, d.left, d.stuck = nil, nil, 0
		d.checkAt = len(d.starts) + max(d.s.Rules.MaxOvertakes, 1)
	}
	d.settle()
}

// walk goes through the order once and reports whether it has to be done again,
// because the jobs that were overtaken have to be looked at first.
func (d *decider) walk() (again bool) {
	d.pass("")
	seen := 0
	// An error of the walk is the store's, which gives the whole claim up.
	_ = d.s.Heads.Walk(d.passedOver, func(c job.Candidate, g *job.GroupWork) bool {
		if d.hasStarted(c.Rank) {
			return true
		}
		if len(d.starts) >= d.checkAt {
			again = true
			return false
		}
		d.pass(c.Rank.Place())
		if d.s.Rules.StrictOrder && d.passed > 0 {
			return false
		}
		w := work{c, g}
		switch {
		case g == nil && d.obstacle(c.Needs, c.Rank, nil).kind != nothing:
		case len(d.aside) > 0 && g == nil && d.usesLoaded(c.Needs.Locks):
			d.begin(w, true)
			if d.patience() <= 0 {
				d.settle()
			}
		case len(d.aside) > 0:
			d.aside = append(d.aside, w)
			// Beyond that, nothing is looked for that those aside could wait for.
			if seen++; seen > lookAhead || d.patience() <= 0 {
				d.settle()
			}
		case g == nil && d.standsBack(c):
			d.aside = append(d.aside, w)
		default:
			d.begin(w, false)
		}
		return d.open()
	})
	return again
}

// passedOver is what the walk leaves out.
func (d *decider) passedOver(resource string) bool {
	return d.stuck >= maxStuck && strings.HasPrefix(resource, job.ResourceGroup) || d.blocked(resource)
}

// begin starts what stands at one place in a slot of its own, if it can.
func (d *decider) begin(w work, affine bool) {
	switch {
	case w.group == nil:
		d.start(w.Candidate, job.Claim{JobID: w.JobID, Needs: w.Needs})
	case d.members(*w.group, 0, false) == 0:
		// One that a person holds, that has to wait for its time, or that may not start
		// today, keeps nothing free, and does not count: many of them must not keep the
		// groups behind them from being looked at.
		if !w.group.Blocked && !d.shut(w.Needs) {
			d.left = append(d.left, w.Candidate)
			d.stuck++
		}
		return
	}
	d.free--
	d.note(d.board, w.Candidate, affine)
}

// count is the list of the overtaken after the decision.
func (d *decider) count() []job.Overtaken {
	if len(d.starts) == 0 && !d.owned {
		return d.s.Overtaken
	}
	d.pass("\xff") // behind everything: what barriers keep is blocked
	d.look(d.board, d.s.Heads, d.left)
	return d.result(d.board)
}
