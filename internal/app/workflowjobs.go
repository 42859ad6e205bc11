package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/node/rollback"
	"github.com/runsheet/runsheet/internal/store"
)

// nodeKeyLife is how long it is remembered which job a node has added: an attempt that
// a crash repeats finds it.
const nodeKeyLife = 180 * 24 * time.Hour

func newJobID(at time.Time) string { return id.New(id.Job, at) }

// runOf is the id of the run of a workflow that a job is, jobOf that of the job.
func runOf(jobID string) string {
	return string(id.WorkflowRun) + strings.TrimPrefix(jobID, string(id.Job))
}

func jobOf(jobOrRun string) string {
	if body, is := strings.CutPrefix(jobOrRun, string(id.WorkflowRun)+"_"); is {
		return string(id.Job) + "_" + body
	}
	return jobOrRun
}

// cancelTries is how often a cancel is tried while the job changes.
const cancelTries = 20

// cancelJob asks a job to end, because the node that waits for it will not.
func (a *App) cancelJob(ctx context.Context, tenant, jobID, reason string) error {
	for range cancelTries {
		j, err := a.store.Jobs.Job(ctx, tenant, jobOf(jobID))
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		c, err := job.Apply(j, job.CancelAsked{At: a.o.Clock.Now(), By: reason})
		if fault.Is(err, fault.AlreadyFinished) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = a.store.Jobs.Move(ctx, store.MoveJob{Change: c})
		if err == nil || fault.Is(err, fault.AlreadyFinished) {
			return nil
		}
		if !fault.Is(err, fault.Conflict) {
			return err
		}
		if err := clock.Sleep(ctx, a.o.Clock, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return fault.Newf(fault.Conflict, "job %s changes all the time", jobID)
}

// IsTradingDay implements expression.Calendars.
func (d tradingDays) IsTradingDay(name string, t time.Time) (bool, error) {
	c, err := d.calendar(name)
	if err != nil {
		return false, err
	}
	return c.IsSession(calendar.DateOf(t)), nil
}

// NextSession implements expression.Calendars.
func (d tradingDays) NextSession(name string, t time.Time) (time.Time, error) {
	c, err := d.calendar(name)
	if err != nil {
		return time.Time{}, err
	}
	s, ok := c.SessionAfter(t)
	if !ok {
		return time.Time{}, fmt.Errorf("the calendar %s has no session after %s", name, t.Format(time.RFC3339))
	}
	return s.Open, nil
}

// rollbackGuard is how long after a rollback by a node another one is refused.
const rollbackGuard = time.Hour

// rollbacks implements rollback.Rollbacks.
type rollbacks struct{ a *App }

// Rollback implements rollback.Rollbacks. What the starter of the run may do was looked
// at when the workflow was applied: a document with such a node needs the scope.
func (r rollbacks) Rollback(ctx context.Context, q rollback.Request) (rollback.Done, error) {
	if err := starter(q.Tenant, q.By).Require(access.WorkflowRollback); err != nil {
		return rollback.Done{}, err
	}
	if q.FailedVersion == q.Version {
		return rollback.Done{}, fault.Newf(fault.RollbackLoop, "version %d of the workflow %s is the one that failed", q.Version, q.WorkflowID)
	}
	now := r.a.o.Clock.Now()
	moved, err := r.a.store.Workflows.Activate(ctx, store.ActivateWorkflow{
		Tenant: q.Tenant, ID: q.WorkflowID, Version: q.Version, Source: store.ActivatedByNode, By: q.By, Reason: q.Reason, At: now, Guard: rollbackGuard,
		Key: &store.Key{
			Tenant: q.Tenant, Owner: "workflow", Text: q.Key, Hash: "rollback", Now: now, Expires: now.Add(nodeKeyLife),
			Render: func(any) (store.Reply, error) { return store.Reply{Status: http.StatusOK}, nil },
		},
		Audit: &audit.Entry{
			Tenant: q.Tenant, At: now, Actor: audit.Actor{Name: q.By}, Action: audit.WorkflowRolledBack, Object: q.WorkflowID, ObjectName: q.WorkflowID,
			Detail: map[string]string{"workflow_run_id": q.RunID, "node_id": q.NodeID, "reason": q.Reason},
		},
	})
	if _, again := errors.AsType[*store.Replay](err); again {
		return rollback.Done{}, nil
	}
	if err != nil {
		return rollback.Done{}, err
	}
	return rollback.Done{From: moved.From}, nil
}
