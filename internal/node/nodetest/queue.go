package nodetest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/node"
)

// Queue is a node.Queue in memory, whose jobs end when a test says so. The zero value
// is ready. It is safe for concurrent use.
type Queue struct {
	mu        sync.Mutex
	submitted []node.Submission
	byKey     map[string]string
	jobs      map[string]node.Child
	cancelled []string
}

var _ node.Queue = (*Queue)(nil)

// Submit implements node.Queue.
func (q *Queue) Submit(_ context.Context, s node.Submission) (node.Child, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if which, known := q.byKey[s.Key]; known {
		return q.jobs[which], nil
	}
	if q.jobs == nil {
		q.jobs, q.byKey = map[string]node.Child{}, map[string]string{}
	}
	which := fmt.Sprintf("job_%d", len(q.jobs)+1)
	q.submitted = append(q.submitted, s)
	q.byKey[s.Key], q.jobs[which] = which, node.Child{JobID: which, State: job.Queued}
	return q.jobs[which], nil
}

// Submitted are the different submissions.
func (q *Queue) Submitted() []node.Submission {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.submitted)
}

// Put sets a job.
func (q *Queue) Put(c node.Child) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.jobs == nil {
		q.jobs, q.byKey = map[string]node.Child{}, map[string]string{}
	}
	q.jobs[c.JobID] = c
}

// Child implements node.Queue.
func (q *Queue) Child(_ context.Context, _, which string) (node.Child, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c, ok := q.jobs[which]
	if !ok {
		return c, fault.Newf(fault.NotFound, "no job %s", which)
	}
	return c, nil
}

// Cancel implements node.Queue.
func (q *Queue) Cancel(_ context.Context, _, which, _ string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.cancelled = append(q.cancelled, which)
	return nil
}

// Cancelled are the jobs that were asked to end.
func (q *Queue) Cancelled() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.cancelled)
}
