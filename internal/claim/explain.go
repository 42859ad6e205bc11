package claim

import (
	"fmt"
	"slices"

	"github.com/runsheet/runsheet/internal/job"
)

// Explainer says why jobs wait. It is made once for each snapshot, from the same
// board that Decide claims by, and is safe for use by several goroutines.
type Explainer struct {
	d *decider
	// soon are the members of running groups that the next claim starts.
	soon map[string]bool
}

// NewExplainer plays the part of a decision that does not depend on the
// waiting jobs: what direct requests and running groups take first. It needs no
// Heads.
func NewExplainer(s job.Snapshot) *Explainer {
	// Nothing is given to direct requests here, but what they wait for counts.
	s.Self, s.Heads = "", nil
	e := &Explainer{d: newDecider(s)}
	if s.Paused {
		return e
	}
	e.d.direct()
	e.d.room = len(s.Groups) * job.MaxGroupMembers // some instance has room
	e.d.groups()
	for _, c := range e.d.out.Claims {
		if e.soon == nil {
			e.soon = map[string]bool{}
		}
		e.soon[c.JobID] = true
	}
	return e
}

// Explain is NewExplainer and Explainer.Explain for a single job.
func Explain(s job.Snapshot, j job.Job, ahead int) job.Waiting {
	return NewExplainer(s).Explain(j, ahead)
}

// Explain says why a job in state QUEUED waits. ahead is its position.
func (e *Explainer) Explain(j job.Job, ahead int) job.Waiting {
	d := e.d
	switch {
	case j.HeldReason != "":
		return job.Waiting{Code: job.WaitHeld, Detail: j.HeldReason, HeldBy: j.HeldBy, Reason: j.HoldReason()}
	case j.Parked != "":
		return job.Waiting{Code: job.WaitParked, For: j.Parked, Detail: parkedText(j.Parked), Until: j.NotBefore}
	case j.AwaitsApproval():
		return job.Waiting{Code: job.WaitApproval, Detail: "somebody must approve it first", Holder: j.ApprovalID, Until: j.ApprovalUntil}
	case j.NotBefore.After(d.s.Now) && j.Failures > 0:
		return job.Waiting{
			Code: job.WaitRetryDelay, Until: j.NotBefore,
			Detail: fmt.Sprintf("attempt %d failed (%s); the next one waits", j.Attempt, j.Failure.Code),
		}
	case j.NotBefore.After(d.s.Now):
		return job.Waiting{Code: job.WaitNotBefore, Detail: "its start time has not come", Until: j.NotBefore}
	case d.s.Paused:
		return job.Waiting{Code: job.WaitPaused, Detail: "the queue is paused: running jobs finish, none starts"}
	case j.GroupActive:
		return e.member(j)
	}
	c := j.Needs()
	if x := d.obstacle(c, j.Rank.Place(), nil); x.kind != nothing {
		w := d.reason(x, c)
		w.Detail += d.overtakenText(j.ID)
		return w
	}
	if ahead > 0 {
		w := job.Waiting{Code: job.WaitPosition, Detail: plural(ahead, "place is", "places are") + " ahead"}
		if d.free > 0 {
			w.Detail += "; a slot is free for the first that can start"
		}
		w.Detail += d.overtakenText(j.ID)
		return w
	}
	return e.next(j)
}

// parkedText says what a parked run waits for.
func parkedText(what string) string {
	switch what {
	case "approval":
		return "its run waits until somebody approves"
	case "timer":
		return "its run waits for a time"
	case "event":
		return "its run waits for an event"
	case "job":
		return "its run waits for another job"
	case "retry_delay":
		return "a step of its run failed; the next attempt waits"
	case "paused":
		return "its run is paused: it goes on when somebody resumes it"
	case "turn":
		return "its run waits until others of its workflow have ended"
	}
	return "its run has begun and waits"
}

// member explains a member of a group that has its slot.
func (e *Explainer) member(j job.Job) job.Waiting {
	i := slices.IndexFunc(e.d.s.Groups, func(g job.GroupWork) bool { return g.Group.ID == j.GroupID })
	w := job.Waiting{Code: job.WaitGroup, Holder: j.GroupID}
	if i < 0 {
		w.Detail = "its group is about to go on"
		return w
	}
	g := e.d.s.Groups[i]
	running, most := g.Running, atOnce(g.Group)
	for _, c := range g.Next {
		if e.soon[c.JobID] {
			running++
		}
	}
	switch {
	case g.Lent:
		return job.Waiting{Code: job.WaitDirectFirst, Detail: "a direct request uses the slot of its group"}
	case e.soon[j.ID]:
		w.Detail = "its group has a slot; it is about to start"
	case running >= most && g.Group.Mode == job.Sequential:
		w.Detail = "the members of its group run one after another"
	case running >= most:
		w.Detail = fmt.Sprintf("its group runs at most %s at a time", plural(most, "member", "members"))
	case g.Blocked:
		w.Detail = "the members of its group run one after another, and an earlier one is held or waits for its time"
	case g.Group.Mode == job.Sequential && (len(g.Next) == 0 || g.Next[0].JobID != j.ID):
		w.Detail = "the members of its group run one after another, and an earlier one has not ended"
	default:
		c := j.Needs()
		if x := e.d.obstacle(c, j.Rank.Place(), &g.Group); x.kind != nothing {
			return e.d.reason(x, c)
		}
		w.Detail = "its group lets earlier members go first"
	}
	return w
}

// next explains the first in order, which nothing but slots can keep from
// starting.
func (e *Explainer) next(j job.Job) job.Waiting {
	d := e.d
	n := slots(d.s)
	what := "next in order"
	if j.GroupID != "" {
		what = "its group is next in order"
	}
	switch {
	case n <= 0 && d.s.Workers > 0:
		return job.Waiting{Code: job.WaitLimit, Detail: "max_global is 0"}
	case n <= 0:
		return job.Waiting{Code: job.WaitNoSlot, Detail: "the worker count is 0"}
	case d.free <= 0 && d.seats > 0:
		return job.Waiting{Code: job.WaitDirectFirst, Detail: plural(d.seats, "direct request takes", "direct requests take") + " the next free slot"}
	case d.free <= 0 && n < d.s.Workers:
		return job.Waiting{Code: job.WaitLimit, Detail: fmt.Sprintf("max_global is %d: %s; all that may be used are busy", n, what)}
	case d.free <= 0 && n == 1:
		return job.Waiting{Code: job.WaitNoSlot, Detail: what + "; the only slot is busy"}
	case d.free <= 0:
		return job.Waiting{Code: job.WaitNoSlot, Detail: fmt.Sprintf("%s; all %d slots are busy", what, n)}
	case j.GroupID != "":
		return job.Waiting{Code: job.WaitGroup, Holder: j.GroupID, Detail: "its group is next in order, and a slot is free: the first members that can start do"}
	}
	if c := (job.Candidate{JobID: j.ID, Rank: j.Rank, Needs: j.Needs()}); d.standsBack(c) {
		return job.Waiting{Code: job.WaitPosition, Detail: fmt.Sprintf(
			"next in order; it needs a model that is not loaded, and lets %s go first whose model is, if there are any",
			plural(d.leeway(d.of(d.board, c)), "more job", "more jobs"))}
	}
	return job.Waiting{Code: job.WaitNoSlot, Detail: "next in order; a slot is free, it is about to start" + d.overtakenText(j.ID)}
}
