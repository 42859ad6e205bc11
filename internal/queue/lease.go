package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// lease is the right to claim jobs under an instance id.
type lease struct {
	id      string
	trusted time.Time // the end of the trust in it, see trustUntil
}

// register takes a lease under a fresh id. Nothing uses it before use.
func (e *Engine) register(ctx context.Context) (lease, error) {
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "unknown" // shown to people only
	}
	asked := e.o.Clock.Now()
	i := store.Instance{
		ID: id.New(id.Instance, asked), HostID: e.o.HostID, Hostname: hostname, Pid: os.Getpid(), Version: e.o.Version, Place: e.o.Place,
	}
	if err := e.o.Store.Leases.Register(ctx, i, e.o.LeaseTTL); err != nil {
		return lease{}, fmt.Errorf("register instance: %w", err)
	}
	return lease{i.ID, e.trustUntil(asked)}, nil
}

func (e *Engine) use(l lease) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.instance, e.trusted = l.id, l.trusted
}

// regain takes a lease in place of a lost one, unless another instance that
// must be alone has come meanwhile.
func (e *Engine) regain(ctx context.Context) error {
	// Looked at before too: it may take long, and each registration leaves a row.
	if err := e.checkAlone(ctx, ""); err != nil {
		return err
	}
	l, err := e.register(ctx)
	if err != nil {
		return err
	}
	if err := e.checkAlone(ctx, l.id); err != nil {
		return errors.Join(err, e.release(ctx, l.id))
	}
	e.use(l)
	return nil
}

// checkAlone returns an error while an instance lives that is older than self
// (any, if self is "") and keeps files elsewhere, if this one must be alone. It
// runs after register, so of two that start at once one gives way.
func (e *Engine) checkAlone(ctx context.Context, self string) error {
	if !e.o.Alone {
		return nil
	}
	all, err := e.o.Store.Leases.Instances(ctx)
	if err != nil {
		return fmt.Errorf("look for other instances: %w", err)
	}
	for _, i := range all {
		if i.ID == self {
			return nil // the list is oldest first
		}
		if i.HostID == e.o.HostID {
			continue // this process, under a lease of which it did not hear: the folder is locked
		}
		if e.o.Place != "" && i.Place == e.o.Place {
			continue
		}
		// recover has condemned the dead by the database's clock; ours may differ.
		who := fmt.Sprintf("instance %s on %s (pid %d) uses this database", i.ID, i.Hostname, i.Pid)
		until := i.LeaseUntil.Add(takeoverGrace).Format(time.RFC3339)
		switch {
		case e.o.Place == "" && i.Place == "":
			return fault.Newf(fault.OtherInstance, "%s, and logs and artifacts of this installation are in one data folder", who).
				WithHint("set blob_url of both (--blob-url) to one shared folder or bucket; or stop the other one, or wait until " + until + " if it is dead")
		case e.o.Place == "":
			return fault.Newf(fault.OtherInstance, "%s and keeps logs and artifacts in a shared place, and this one in its data folder", who).
				WithHint("start this one with the same blob_url (--blob-url), outside of its data folder")
		case i.Place == "":
			return fault.Newf(fault.OtherInstance, "%s and keeps logs and artifacts in its data folder", who).
				WithHint("start that one with the same blob_url (--blob-url); or stop it, or wait until " + until + " if it is dead")
		}
		return fault.Newf(fault.OtherInstance, "%s and keeps logs and artifacts in another place than this one", who).
			WithHint("give both the same blob_url (--blob-url), and make sure that it leads to the same folder on both machines")
	}
	return nil
}

// trustUntil is the end of the trust in a lease that was asked for at asked.
// It is computed from before the request, so it ends before the database's
// view of the lease does.
func (e *Engine) trustUntil(asked time.Time) time.Time { return asked.Add(e.o.LeaseTTL - leaseMargin) }

// workUntil is Attempt.Until of an attempt: the end of its lease. It is computed
// from before the renewal was asked for, so others respect the lease for
// takeoverGrace more.
func (e *Engine) workUntil(a *attempt) func() time.Time {
	if e.o.Exclusive {
		return nil // nobody can take over
	}
	return func() time.Time {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.instance == a.run.Instance {
			a.until = e.trusted.Add(leaseMargin)
		}
		return a.until
	}
}

// holds reports whether the lease under which an attempt was claimed can still
// be trusted.
func (e *Engine) holds(a *attempt) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.instance == a.run.Instance && (e.o.Exclusive || e.o.Clock.Now().Before(e.trusted))
}

func (e *Engine) release(ctx context.Context, instanceID string) error {
	ctx, cancel := context.WithTimeout(ctx, e.o.LeaseTTL)
	defer cancel()
	if err := e.o.Store.Leases.Release(ctx, instanceID, time.Time{}); err != nil {
		return fmt.Errorf("release lease: %w", err)
	}
	return nil
}

// keepLease renews the lease until ctx ends. When that fails for too long, or
// when others have condemned the lease, all work of this process is stopped,
// because it may be started elsewhere; then a new lease is taken.
func (e *Engine) keepLease(ctx context.Context) {
	wait := e.o.LeaseTTL / 6
	for clock.Pulse(ctx, e.o.Clock, wait) == nil {
		wait = e.o.LeaseTTL / 6
		if self := e.InstanceID(); self != "" {
			err := e.renew(ctx, self)
			switch {
			case err == nil || ctx.Err() != nil:
				continue
			case fault.Is(err, fault.StaleLease):
				e.log.Error("lease lost: another instance condemned it", "instance", self)
			case e.o.Exclusive || e.o.Clock.Now().Before(e.trustEnd()):
				if n, ok := e.quiet.due("renew"); ok {
					e.log.Warn("cannot renew the lease", "error", err, "left_out", n)
				}
				wait = min(wait, backoff)
				continue
			default:
				e.log.Error("lease lost: it could not be renewed in time", "instance", self, "error", err)
			}
			e.loseLease()
		}
		if err := e.regain(ctx); err != nil {
			if n, ok := e.quiet.due("regain"); ok {
				e.log.Error("cannot take a new lease", "error", err, "left_out", n)
			}
			if !fault.Is(err, fault.OtherInstance) {
				wait = min(wait, backoff)
			}
			continue
		}
		e.kick()
	}
}

// loseLease gives the lease up and stops all work under it. Afterwards nothing
// extends that lease any more: the stopped attempts are left to a rescue, which
// comes only when their instance is condemned.
func (e *Engine) loseLease() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.instance = ""
	for _, a := range e.active {
		a.cancel(task.ErrLeaseLost)
	}
	for _, c := range e.calls { // their places were under that lease, too
		if c.entered {
			e.loseLocked(c)
		}
	}
}

func (e *Engine) trustEnd() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.trusted
}

func (e *Engine) renew(ctx context.Context, self string) error {
	asked := e.o.Clock.Now()
	// A call that hangs must not outlive the trust in the lease, nor take the time
	// for another try. The store may notice the end of ctx late, so it is not
	// waited for.
	limit := min(max(e.trustEnd().Sub(asked), backoff), e.o.LeaseTTL/3)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- e.o.Store.Leases.Extend(ctx, self, time.Time{}, e.o.LeaseTTL) }()
	select {
	case err := <-done:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.trusted = e.trustUntil(asked)
	return nil
}
