package reserve

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// Wrap returns st with its writes under guard:
//   - new work (jobs, direct requests, templates) is refused with storage_full while the disk is
//     full, and nothing is claimed;
//   - what belongs to accepted work, and what people do to get out of the
//     trouble (cancel, move, restore, pause, scale, limit, log in), may use the
//     reserve;
//   - the rest, such as renewing a lease, takes what it finds.
//
// Reads pass.
func (g *Guard) Wrap(st store.Store) store.Store {
	st.Jobs = jobs{st.Jobs, st.Keys, g}
	st.Runs = runs{st.Runs, g}
	st.Templates = templates{st.Templates, st.Keys, g}
	st.Directives = directives{st.Directives, st.Keys, g}
	st.Workflows = workflows{st.Workflows, st.Keys, g}
	st.Schedules = schedules{st.Schedules, st.Keys, g}
	st.Calls = calls{st.Calls, g}
	st.Artifacts = artifacts{st.Artifacts, g}
	st.Tokens = tokens{st.Tokens, g}
	st.Leases = leases{st.Leases, g}
	st.Queue = queue{st.Queue, g}
	st.Order = order{st.Order, g}
	st.Groups = groups{st.Groups, st.Keys, g}
	st.Locks = locks{st.Locks, g}
	st.Direct = direct{st.Direct, st.Keys, g}
	st.Keys = keys{st.Keys, g}
	st.Retention = retention{st.Retention, g}
	st.Sessions = sessions{st.Sessions, g}
	st.Webhooks = webhooks{st.Webhooks, g}
	st.Outbox = outbox{st.Outbox, st.Keys, g}
	st.Secrets = secrets{st.Secrets, g}
	st.WorkflowRuns = workflowRuns{st.WorkflowRuns, g}
	st.WorkflowLog = workflowLog{st.WorkflowLog, g}
	st.Health = health{st.Health, g}
	return st
}

// fresh is for a write that brings new work. A request whose answer is stored
// already is answered also on a full disk.
func (g *Guard) fresh(ctx context.Context, known store.Keys, key *store.Key, f func() error) error {
	if err := g.Err(); err != nil {
		if key != nil {
			if answered := known.Find(ctx, *key); answered != nil {
				return answered
			}
		}
		return err
	}
	return g.note(f())
}

// note takes notice of a full disk.
func (g *Guard) note(err error) error {
	if fault.Is(err, fault.StorageFull) {
		g.refused()
	}
	return err
}

// need is for a write that should succeed also on a full disk. f is repeated
// only after it said storage_full, which means that nothing was written.
func (g *Guard) need(f func() error) error {
	for {
		generation := g.generation()
		err := f()
		if !fault.Is(err, fault.StorageFull) || !g.giveWay(generation) {
			return err
		}
	}
}

// needAll is need for a write of independent items with one error each: it
// repeats those that a full disk refused.
func needAll[T any](g *Guard, items []T, f func([]T) []error) []error {
	generation := g.generation()
	errs := f(items)
	var again []T
	var places []int
	for n, err := range errs {
		if fault.Is(err, fault.StorageFull) {
			again, places = append(again, items[n]), append(places, n)
		}
	}
	if len(again) == 0 || !g.giveWay(generation) {
		return errs
	}
	for n, err := range needAll(g, again, f) {
		errs[places[n]] = err
	}
	return errs
}

type jobs struct {
	store.Jobs
	keys store.Keys
	g    *Guard
}

func (j jobs) Add(ctx context.Context, p store.AddJobs) (added []store.Added, err error) {
	err = j.g.fresh(ctx, j.keys, p.Key, func() error {
		added, err = j.Jobs.Add(ctx, p)
		return err
	})
	return added, err
}

func (j jobs) Claim(ctx context.Context, p store.ClaimJobs) (store.Claims, error) {
	if j.g.Full() {
		return store.Claims{}, nil
	}
	c, err := j.Jobs.Claim(ctx, p)
	return c, j.g.note(err)
}

func (j jobs) Move(ctx context.Context, p store.MoveJob) (moved job.Job, err error) {
	err = j.g.need(func() error {
		moved, err = j.Jobs.Move(ctx, p)
		return err
	})
	return moved, err
}

func (j jobs) MoveEach(ctx context.Context, p store.MoveJobs) (moved []store.Moved, err error) {
	err = j.g.need(func() error {
		moved, err = j.Jobs.MoveEach(ctx, p)
		return err
	})
	return moved, err
}

func (j jobs) Finish(ctx context.Context, items []store.Finish) []error {
	return needAll(j.g, items, func(some []store.Finish) []error { return j.Jobs.Finish(ctx, some) })
}

type runs struct {
	store.Runs
	g *Guard
}

func (r runs) Report(ctx context.Context, items []store.Report) []error {
	return needAll(r.g, items, func(some []store.Report) []error { return r.Runs.Report(ctx, some) })
}

func (r runs) SaveCheckpoint(ctx context.Context, c store.Checkpoint) error {
	return r.g.need(func() error { return r.Runs.SaveCheckpoint(ctx, c) })
}

type templates struct {
	store.Templates
	keys store.Keys
	g    *Guard
}

func (t templates) Create(ctx context.Context, p store.PutTemplate) (stored job.Template, err error) {
	err = t.g.fresh(ctx, t.keys, p.Key, func() error {
		stored, err = t.Templates.Create(ctx, p)
		return err
	})
	return stored, err
}

func (t templates) Update(ctx context.Context, p store.PutTemplate) (stored job.Template, err error) {
	err = t.g.fresh(ctx, t.keys, p.Key, func() error {
		stored, err = t.Templates.Update(ctx, p)
		return err
	})
	return stored, err
}

func (t templates) Delete(ctx context.Context, p store.DeleteTemplate) error {
	return t.g.need(func() error { return t.Templates.Delete(ctx, p) })
}

type directives struct {
	store.Directives
	known store.Keys
	g     *Guard
}

func (d directives) Create(ctx context.Context, p store.PutDirective) (stored directive.Directive, err error) {
	err = d.g.fresh(ctx, d.known, p.Key, func() error {
		stored, err = d.Directives.Create(ctx, p)
		return err
	})
	return stored, err
}

func (d directives) Update(ctx context.Context, p store.PutDirective) (stored directive.Directive, err error) {
	err = d.g.fresh(ctx, d.known, p.Key, func() error {
		stored, err = d.Directives.Update(ctx, p)
		return err
	})
	return stored, err
}

func (d directives) Delete(ctx context.Context, p store.DeleteDirective) error {
	return d.g.need(func() error { return d.Directives.Delete(ctx, p) })
}

type calls struct {
	store.Calls
	g *Guard
}

// Record belongs to accepted work.
func (c calls) Record(ctx context.Context, p store.RecordCall) error {
	return c.g.need(func() error { return c.Calls.Record(ctx, p) })
}

type artifacts struct {
	store.Artifacts
	g *Guard
}

func (a artifacts) Reserve(ctx context.Context, r store.Reservation) error {
	return a.g.need(func() error { return a.Artifacts.Reserve(ctx, r) })
}

func (a artifacts) Put(ctx context.Context, v run.Artifact, epoch int64, l store.ArtifactLimits) error {
	return a.g.need(func() error { return a.Artifacts.Put(ctx, v, epoch, l) })
}

type tokens struct {
	store.Tokens
	g *Guard
}

// Revoke must not wait for space: somebody has the token who should not.
func (t tokens) Revoke(ctx context.Context, p store.RevokeToken) error {
	return t.g.need(func() error { return t.Tokens.Revoke(ctx, p) })
}

type leases struct {
	store.Leases
	g *Guard
}

func (l leases) Register(ctx context.Context, i store.Instance, ttl time.Duration) error {
	return l.g.need(func() error { return l.Leases.Register(ctx, i, ttl) })
}

func (l leases) Extend(ctx context.Context, instanceID string, now time.Time, ttl time.Duration) error {
	return l.g.note(l.Leases.Extend(ctx, instanceID, now, ttl))
}

func (l leases) Condemn(ctx context.Context, p store.Condemn) error {
	return l.g.need(func() error { return l.Leases.Condemn(ctx, p) })
}

func (l leases) Release(ctx context.Context, instanceID string, now time.Time) error {
	return l.g.need(func() error { return l.Leases.Release(ctx, instanceID, now) })
}

type queue struct {
	store.Queue
	g *Guard
}

func (q queue) Await(ctx context.Context, p store.ClaimJobs, wait store.Waiting) (store.Claims, bool, error) {
	if q.g.Full() {
		wait(nil)
		return store.Claims{}, false, nil
	}
	c, rode, err := q.Queue.Await(ctx, p, wait)
	return c, rode, q.g.note(err)
}

func (q queue) Scale(ctx context.Context, p store.Scale) (set store.Settings, err error) {
	err = q.g.need(func() error {
		set, err = q.Queue.Scale(ctx, p)
		return err
	})
	return set, err
}

func (q queue) Pause(ctx context.Context, p store.Pause) (set store.Settings, err error) {
	err = q.g.need(func() error {
		set, err = q.Queue.Pause(ctx, p)
		return err
	})
	return set, err
}

func (q queue) SetRules(ctx context.Context, p store.SetRules) (set store.Settings, err error) {
	err = q.g.need(func() error {
		set, err = q.Queue.SetRules(ctx, p)
		return err
	})
	return set, err
}

type order struct {
	store.Order
	g *Guard
}

func (o order) Place(ctx context.Context, p store.PlaceJobs) (placed store.Placed, err error) {
	err = o.g.need(func() error {
		placed, err = o.Order.Place(ctx, p)
		return err
	})
	return placed, err
}

func (o order) Restore(ctx context.Context, p store.MoveJob) (restored job.Job, err error) {
	err = o.g.need(func() error {
		restored, err = o.Order.Restore(ctx, p)
		return err
	})
	return restored, err
}

type groups struct {
	store.Groups
	keys store.Keys
	g    *Guard
}

func (s groups) Create(ctx context.Context, p store.AddGroup) (added store.GroupAdded, err error) {
	err = s.g.fresh(ctx, s.keys, p.Key, func() error {
		added, err = s.Groups.Create(ctx, p)
		return err
	})
	return added, err
}

func (s groups) Add(ctx context.Context, p store.AddMembers) (added store.GroupAdded, err error) {
	err = s.g.fresh(ctx, s.keys, p.Key, func() error {
		added, err = s.Groups.Add(ctx, p)
		return err
	})
	return added, err
}

func (s groups) Cancel(ctx context.Context, p store.CancelGroup) (g job.Group, err error) {
	err = s.g.need(func() error {
		g, err = s.Groups.Cancel(ctx, p)
		return err
	})
	return g, err
}

// locks lets programs outside go on and end in good order. Taking a lock takes
// what it finds: whoever is refused has not begun.
type locks struct {
	store.Locks
	g *Guard
}

func (l locks) Renew(ctx context.Context, p store.RenewLock) (h job.Holder, err error) {
	err = l.g.need(func() error {
		h, err = l.Locks.Renew(ctx, p)
		return err
	})
	return h, err
}

func (l locks) Take(ctx context.Context, p store.TakeLocks) (t store.TakenLocks, err error) {
	err = l.g.need(func() error {
		t, err = l.Locks.Take(ctx, p)
		return err
	})
	return t, err
}

func (l locks) Free(ctx context.Context, p store.FreeLocks) error {
	return l.g.need(func() error { return l.Locks.Free(ctx, p) })
}

func (l locks) Release(ctx context.Context, p store.ReleaseLock) (h job.Holder, err error) {
	err = l.g.need(func() error {
		h, err = l.Locks.Release(ctx, p)
		return err
	})
	return h, err
}

// direct takes requests only while there is room for what they make. Beat takes
// what it finds, as a lease does.
type direct struct {
	store.Direct
	keys store.Keys
	g    *Guard
}

func (d direct) Enter(ctx context.Context, p store.EnterDirect) (in store.Entered, err error) {
	err = d.g.fresh(ctx, d.keys, p.Key, func() error {
		in, err = d.Direct.Enter(ctx, p)
		return err
	})
	return in, err
}

func (d direct) Beat(ctx context.Context, instance string, ttl time.Duration) ([]store.DirectState, error) {
	states, err := d.Direct.Beat(ctx, instance, ttl)
	return states, d.g.note(err)
}

func (d direct) Leave(ctx context.Context, p store.LeaveDirect) (left bool, err error) {
	err = d.g.need(func() error {
		left, err = d.Direct.Leave(ctx, p)
		return err
	})
	return left, err
}

func (d direct) Finish(ctx context.Context, items []run.Change) []error {
	return needAll(d.g, items, func(some []run.Change) []error { return d.Direct.Finish(ctx, some) })
}

type keys struct {
	store.Keys
	g *Guard
}

func (k keys) Complete(ctx context.Context, key store.Key, r store.Reply) error {
	return k.g.need(func() error { return k.Keys.Complete(ctx, key, r) })
}

func (k keys) BodyKey(ctx context.Context, candidate string) (key string, err error) {
	err = k.g.need(func() error {
		key, err = k.Keys.BodyKey(ctx, candidate)
		return err
	})
	return key, err
}

func (k keys) Purge(ctx context.Context, now time.Time) (n int, err error) {
	err = k.g.need(func() error {
		n, err = k.Keys.Purge(ctx, now)
		return err
	})
	return n, err
}

// sessions lets people in who come to help.
type sessions struct {
	store.Sessions
	g *Guard
}

func (s sessions) Create(ctx context.Context, p store.PutSession) error {
	return s.g.need(func() error { return s.Sessions.Create(ctx, p) })
}

func (s sessions) End(ctx context.Context, p store.EndSession) error {
	return s.g.need(func() error { return s.Sessions.End(ctx, p) })
}

type health struct {
	store.Health
	g *Guard
}

func (h health) Ping(ctx context.Context) error {
	if err := h.g.Err(); err != nil {
		return err
	}
	return h.g.note(h.Health.Ping(ctx))
}

// retention frees space, so it gets some.
type retention struct {
	store.Retention
	g *Guard
}

func (r retention) ExpireJobs(ctx context.Context, before time.Time, limit int) (out store.Expired, err error) {
	err = r.g.need(func() error {
		out, err = r.Retention.ExpireJobs(ctx, before, limit)
		return err
	})
	return out, err
}

func (r retention) ExpireEvents(ctx context.Context, before time.Time, keep, limit int) (n int, err error) {
	err = r.g.need(func() error {
		n, err = r.Retention.ExpireEvents(ctx, before, keep, limit)
		return err
	})
	return n, err
}

func (r retention) BeginRemoval(ctx context.Context, sums []string, now time.Time) (free []string, err error) {
	err = r.g.need(func() error {
		free, err = r.Retention.BeginRemoval(ctx, sums, now)
		return err
	})
	return free, err
}

func (r retention) EndRemoval(ctx context.Context, sums []string) error {
	return r.g.need(func() error { return r.Retention.EndRemoval(ctx, sums) })
}
