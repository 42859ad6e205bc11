package queue

import (
	"fmt"
	"strconv"

	"github.com/runsheet/runsheet/internal/job"
)

// Decide is the claim decision: which of the waiting jobs start now, and why
// each other one does not. It is pure; the store calls it inside the serialised
// claim transaction and carries the decision out there.
//
// Jobs start in order, first runnable first: a job whose lock is taken is
// passed over, and a lock that a job takes in this decision is taken for those
// after it. Heads must be in order and hold, for each class, as many jobs as
// there are free slots, or all.
func Decide(s job.Snapshot) job.Decision {
	d := job.Decision{Waiting: map[string]job.Waiting{}}
	free := min(s.Workers-s.Running, s.Room)
	taken := map[string]job.Holder{}
	for _, c := range s.Heads {
		if w, blocked := obstacle(s, taken, c.Tenant, c.Locks); blocked {
			d.Waiting[c.JobID] = w
			continue
		}
		if free <= 0 {
			d.Waiting[c.JobID] = noSlot(s)
			continue
		}
		free--
		d.Claims = append(d.Claims, c.JobID)
		for _, l := range c.Locks {
			taken[l] = job.Holder{Lock: l, JobID: c.JobID, Tenant: c.Tenant}
		}
	}
	return d
}

// obstacle returns the first thing, other than a missing slot or earlier jobs,
// that keeps a job of a tenant with the given locks from starting. A job of
// another tenant stays nameless.
func obstacle(s job.Snapshot, taken map[string]job.Holder, tenant string, locks []string) (job.Waiting, bool) {
	if s.Paused {
		return job.Waiting{Code: job.WaitPaused, Detail: "the queue is paused: running jobs finish, none starts"}, true
	}
	for _, l := range locks {
		h, held := s.Held[l]
		if !held {
			h, held = taken[l]
		}
		if held && h.Tenant != tenant {
			return job.Waiting{Code: job.WaitLock, Detail: fmt.Sprintf("lock %s is held by a job of another tenant", l)}, true
		}
		if held {
			return job.Waiting{Code: job.WaitLock, Detail: fmt.Sprintf("lock %s is held by %s", l, h.JobID), Holder: h.JobID}, true
		}
	}
	return job.Waiting{}, false
}

func noSlot(s job.Snapshot) job.Waiting {
	if s.Workers == 0 {
		return job.Waiting{Code: job.WaitNoSlot, Detail: "the worker count is 0"}
	}
	if s.Running < s.Workers {
		return job.Waiting{Code: job.WaitNoSlot, Detail: "next in order; a slot is free, it is about to start"}
	}
	return job.Waiting{Code: job.WaitNoSlot, Detail: fmt.Sprintf("next in order; all %s busy", plural(s.Workers, "slot is", "slots are"))}
}

// Explain says why a queued job waits. ahead is its position. The answer comes
// from the same rules that Decide claims by. It must only be called for jobs
// in state QUEUED.
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
	if w, blocked := obstacle(s, nil, j.Tenant, j.Locks); blocked {
		return w
	}
	if ahead > 0 {
		detail := plural(ahead, "job is", "jobs are") + " ahead"
		if s.Running < s.Workers {
			detail += "; a slot is free for the first that can start"
		}
		return job.Waiting{Code: job.WaitPosition, Detail: detail}
	}
	return noSlot(s)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
