package queue

import (
	"fmt"
	"slices"

	"github.com/runsheet/runsheet/internal/job"
)

// Explain says why a queued job waits. ahead is its position. The answer comes
// from the same rules that Decide claims by: it asks the same board. It must
// only be called for jobs in state QUEUED.
func Explain(s job.Snapshot, j job.Job, ahead int) job.Waiting {
	switch {
	case j.HeldReason != "":
		return job.Waiting{Code: job.WaitHeld, Detail: j.HeldReason}
	case j.NotBefore.After(s.Now) && j.Failures > 0:
		return job.Waiting{
			Code: job.WaitRetryDelay, Until: j.NotBefore,
			Detail: fmt.Sprintf("attempt %d failed (%s); the next one waits", j.Attempt, j.Failure.Code),
		}
	case j.NotBefore.After(s.Now):
		return job.Waiting{Code: job.WaitNotBefore, Detail: "its start time has not come", Until: j.NotBefore}
	}
	d := &decider{board: newBoard(s)}
	if s.Paused {
		w, _ := d.obstacle(j.Needs(), false)
		return w
	}
	// Nothing is given to a direct request here, but what they wait for counts.
	d.s.Self = ""
	d.direct()
	if j.GroupActive {
		return d.explainMember(j)
	}
	d.pass(j.Rank)
	if w, blocked := d.obstacle(j.Needs(), false); blocked {
		return w
	}
	if ahead > 0 {
		detail := plural(ahead, "place is", "places are") + " ahead"
		if d.free > 0 {
			detail += "; a slot is free for the first that can start"
		}
		if o := d.standing(j); o > 0 {
			detail += fmt.Sprintf("; it stood back %s for jobs whose model was loaded", plural(o, "time", "times"))
		}
		return job.Waiting{Code: job.WaitPosition, Detail: detail}
	}
	return d.noSlot()
}

// standing is how often model affinity let others go before j.
func (d *decider) standing(j job.Job) int {
	for _, o := range d.s.Overtaken {
		if o.JobID == j.ID {
			return o.Affinity
		}
	}
	return 0
}

// explainMember explains a member of a group that has its slot.
func (d *decider) explainMember(j job.Job) job.Waiting {
	i := slices.IndexFunc(d.s.Groups, func(g job.GroupWork) bool { return g.Group.ID == j.GroupID })
	if i < 0 {
		return job.Waiting{Code: job.WaitGroup, Holder: j.GroupID, Detail: "its group is about to go on"}
	}
	g := d.s.Groups[i]
	w := job.Waiting{Code: job.WaitGroup, Holder: j.GroupID}
	switch {
	case g.Lent:
		return job.Waiting{Code: job.WaitDirectFirst, Detail: "a direct request uses the slot of its group"}
	case g.Running >= atOnce(g.Group) && g.Group.Mode == job.Sequential:
		w.Detail = "the members of its group run one after another"
	case g.Running >= atOnce(g.Group):
		w.Detail = fmt.Sprintf("its group runs at most %s at a time", plural(atOnce(g.Group), "member", "members"))
	case g.Group.Mode == job.Sequential && (len(g.Next) == 0 || g.Next[0].JobID != j.ID):
		w.Detail = "the members of its group run one after another, and an earlier one has not ended"
	default:
		if o, blocked := d.obstacle(j.Needs(), true); blocked {
			return o
		}
		w.Detail = "its group has a slot; it is about to start"
	}
	return w
}

// noSlot explains why the next in order does not start.
func (d *decider) noSlot() job.Waiting {
	n := slots(d.s)
	if len(d.s.Direct) > 0 && d.free <= 0 {
		return job.Waiting{Code: job.WaitDirectFirst, Detail: plural(len(d.s.Direct), "direct request takes", "direct requests take") + " the next free slot"}
	}
	switch {
	case n == 0 && d.s.Workers > 0:
		return job.Waiting{Code: job.WaitLimit, Detail: "max_global is 0"}
	case n == 0:
		return job.Waiting{Code: job.WaitNoSlot, Detail: "the worker count is 0"}
	case d.free > 0:
		return job.Waiting{Code: job.WaitNoSlot, Detail: "next in order; a slot is free, it is about to start"}
	case n < d.s.Workers:
		return job.Waiting{Code: job.WaitLimit, Detail: fmt.Sprintf("max_global: next in order; %s", plural(n, "job runs, as many as may", "jobs run, as many as may"))}
	}
	return job.Waiting{Code: job.WaitNoSlot, Detail: fmt.Sprintf("next in order; all %s busy", plural(n, "slot is", "slots are"))}
}
