package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// recover deals with what earlier servers on this data folder left behind. The
// folder's lock proves that they are dead, so nothing is waited for. What cannot
// be rescued now keeps its slot and its locks, and rescueOthers tries again: one
// process that does not die must not keep the whole queue from starting.
func (e *Engine) recover(ctx context.Context) error {
	hosts := []string{e.o.HostID}
	if e.o.Exclusive {
		// Nobody else can live, whatever a restored or a lost host id says, and
		// however far in the future a wrong clock has put the end of a lease.
		all, err := e.o.Store.Leases.Instances(ctx)
		if err != nil {
			return fmt.Errorf("list instances: %w", err)
		}
		for _, i := range all {
			hosts = append(hosts, i.HostID)
		}
	}
	slices.Sort(hosts)
	for _, h := range slices.Compact(hosts) {
		if err := e.o.Store.Leases.Condemn(ctx, store.Condemn{Self: e.InstanceID(), HostID: h, Grace: takeoverGrace}); err != nil {
			return fmt.Errorf("condemn dead instances: %w", err)
		}
	}
	left, err := e.o.Store.Leases.Leftovers(ctx)
	if err != nil {
		return fmt.Errorf("list leftovers: %w", err)
	}
	if err := e.rescue(ctx, left); err != nil {
		if ctx.Err() != nil {
			return err
		}
		e.log.Error("cannot rescue jobs of earlier servers, trying again later", "error", err)
		return nil // their folders may still be in use
	}
	return e.clearWork()
}

// clearWork removes the private folders of dead attempts.
func (e *Engine) clearWork() error {
	dirs, err := os.ReadDir(e.o.WorkDir)
	if err != nil {
		return fmt.Errorf("list work folders: %w", err)
	}
	for _, d := range dirs {
		if id.Check(id.Run, d.Name()) != nil {
			continue // not ours
		}
		if err := os.RemoveAll(filepath.Join(e.o.WorkDir, d.Name())); err != nil {
			e.log.Warn("cannot remove work folder", "dir", d.Name(), "error", err)
		}
	}
	return nil
}

// rescueOthers takes over from instances whose lease is over, earlier ones of
// this process among them.
func (e *Engine) rescueOthers(ctx context.Context) {
	for clock.Pulse(ctx, e.o.Clock, rescueEvery) == nil {
		if err := e.takeOver(ctx); err != nil && ctx.Err() == nil {
			if n, ok := e.quiet.due("rescue"); ok {
				e.log.Error("cannot rescue jobs of lost instances", "error", err, "left_out", n)
			}
		}
	}
}

func (e *Engine) takeOver(ctx context.Context) error {
	others := store.Condemn{Self: e.InstanceID(), Grace: takeoverGrace}
	// Condemn would wait for claims, and they for it.
	if some, err := e.o.Store.Leases.Lost(ctx, others); err != nil || !some {
		return err
	}
	if err := e.o.Store.Leases.Condemn(ctx, others); err != nil {
		return fmt.Errorf("condemn lost instances: %w", err)
	}
	left, err := e.o.Store.Leases.Leftovers(ctx)
	if err != nil {
		return fmt.Errorf("list leftovers: %w", err)
	}
	return e.rescue(ctx, left)
}

// rescue ends the attempts of lost instances: first what is left of their
// processes on this host, then their records, and with these their locks.
func (e *Engine) rescue(ctx context.Context, left []store.Leftover) error {
	var here []store.Leftover
	for _, l := range left {
		if mayBeHere(l) && !e.runsHere(l) {
			here = append(here, l)
		}
	}
	// What cannot be rescued now must not keep the rest from it.
	alive, errs := e.sweep(ctx, here)
	for _, l := range left {
		if e.runsHere(l) {
			continue // this process lost its lease; it stops the attempt first
		}
		if alive[l.Run.ID] {
			continue // its locks are not free before its processes are gone
		}
		err := e.interrupt(ctx, l)
		switch {
		case fault.Is(err, fault.StaleLease):
			continue // ended by itself, or rescued by another instance
		case err != nil:
			errs = append(errs, fmt.Errorf("interrupt run %s: %w", l.Run.ID, err))
			continue
		}
		e.log.Warn("attempt interrupted", "job_id", l.Job.ID, "run_id", l.Run.ID, "attempt", l.Run.Attempt, "instance", l.Run.Instance)
	}
	return errors.Join(errs...)
}

// sweep ends the processes of dead attempts and returns the ids of those runs
// of which some may be alive.
func (e *Engine) sweep(ctx context.Context, dead []store.Leftover) (alive map[string]bool, errs []error) {
	alive = map[string]bool{}
	if len(dead) == 0 || e.o.Sweep == nil || e.o.Sweep(ctx, dead) == nil {
		return alive, nil
	}
	for _, l := range dead { // whose is it?
		if err := e.o.Sweep(ctx, []store.Leftover{l}); err != nil {
			alive[l.Run.ID] = true
			errs = append(errs, fmt.Errorf("end processes of run %s: %w", l.Run.ID, err))
		}
	}
	return alive, errs
}

// mayBeHere reports whether what is left of the leftover's processes may be on
// this machine. A host id is that of a data folder, and there may be several on
// one machine, so all are looked for. A restored leftover has no host: its
// processes may be those of a server that lives on another database.
func mayBeHere(l store.Leftover) bool { return l.HostID != "" }

// runsHere reports whether the leftover is an attempt of this very process.
func (e *Engine) runsHere(l store.Leftover) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.active[l.Run.ID] != nil
}

func (e *Engine) interrupt(ctx context.Context, l store.Leftover) error {
	if l.Job.ID == "" {
		err := e.interruptDirect(ctx, l.Run)
		if err == nil {
			e.countInterrupted(l.Run, job.Failed)
		}
		return err
	}
	ends := interrupted(e.o.Clock.Now(), l.Run.Result)
	var became job.State
	err := e.conclude(ctx, l.Job, l.Run, nil, func(j job.Job) (any, any) {
		forJob, forRun := ends(j)
		if c, err := job.Apply(j, forJob); err == nil {
			became = c.After.State
		}
		return forJob, forRun
	})
	if err == nil {
		e.countInterrupted(l.Run, became)
	}
	return err
}

// lossGap parts one loss of instances from the next: what is taken over longer than
// this after the last is counted anew.
const lossGap = 15 * time.Minute

// Interruptions counts what ran on instances that died, and that this process took
// over, by what became of it. It is about the latest loss only.
type Interruptions struct {
	// Failed ended by it, direct requests among them; Requeued wait or go on. Jobs that
	// had been asked to stop are in neither.
	Failed, Requeued int
	// JobID is the first of those requeued.
	JobID string
	// RunID is the run of those that failed that started first, Since when it started.
	RunID string
	Since time.Time
	// Until is when the latest of all was taken over.
	Until time.Time
}

// with counts one more, taken over at a time.
func (n Interruptions) with(r run.Run, became job.State, at time.Time) Interruptions {
	if became != job.Queued && became != job.Failed {
		return n // it was to stop
	}
	if at.Sub(n.Until) > lossGap {
		n = Interruptions{}
	}
	n.Until = at
	if became == job.Queued {
		n.Requeued++
		if n.JobID == "" {
			n.JobID = r.JobID
		}
		return n
	}
	n.Failed++
	if n.RunID == "" || r.StartedAt.Before(n.Since) {
		n.RunID, n.Since = r.ID, r.StartedAt
	}
	return n
}

// Interruptions are those of a tenant since the start.
func (e *Engine) Interruptions(tenant string) Interruptions {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.interrupted[tenant]
}

func (e *Engine) countInterrupted(r run.Run, became job.State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.interrupted[r.Tenant] = e.interrupted[r.Tenant].with(r, became, e.o.Clock.Now())
}

// conclude ends an attempt. events makes the job's and the run's event from
// the job as it is: when the job changed meanwhile, it is read again and asked
// again. stale_lease means that the attempt is no longer the caller's. last is the last
// step of a workflow run, see store.Finish.
func (e *Engine) conclude(ctx context.Context, j job.Job, r run.Run, last *store.WorkflowStep, events func(job.Job) (forJob, forRun any)) error {
	for {
		forJob, forRun := events(j)
		jc, err := job.Apply(j, forJob)
		if err != nil {
			return err
		}
		rc, err := run.Apply(r, forRun)
		if err != nil {
			return err
		}
		err = e.ends.finish(ctx, store.Finish{Job: jc, Run: rc, Last: last})
		if !fault.Is(err, fault.Conflict) {
			return err
		}
		now, err := e.o.Store.Jobs.Job(ctx, j.Tenant, j.ID)
		if err != nil {
			return err
		}
		if now.Epoch != j.Epoch || now.State != job.Running {
			return fault.Newf(fault.StaleLease, "attempt %d of job %s was taken over or has ended", j.Attempt, j.ID)
		}
		j = now
	}
}
