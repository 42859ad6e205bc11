package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// housekeeping is how many delayed jobs and deadlines one claim deals with.
// Each may have a megabyte of params.
const housekeeping = 50

func (s jobs) Claim(ctx context.Context, p store.ClaimJobs) (store.Claims, error) {
	var out store.Claims
	err := s.work.unless(s, func() (found bool, err error) {
		if _, sole := s.Commits(); p.Poll && !sole { // who is alone knows that it has found nothing
			if found, err = s.anything(ctx); err != nil || !found {
				return found, err
			}
		}
		for again := true; again; {
			if out, again, found, err = s.claim(ctx, p); err != nil {
				return true, err
			}
		}
		return found, nil
	})
	return out, err
}

// anything tells whether a claim could start or tidy up anything.
func (s jobs) anything(ctx context.Context) (found bool, err error) {
	found, err = s.any(ctx, `SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'QUEUED') OR EXISTS (SELECT 1 FROM direct_requests)
		OR EXISTS (SELECT 1 FROM job_groups WHERE state = 'RUNNING') OR EXISTS (SELECT 1 FROM overtaken)
		OR EXISTS (SELECT 1 FROM lock_holders WHERE expires_ms > 0)`)
	if err != nil {
		return false, fmt.Errorf("look for waiting jobs: %w", err)
	}
	return found, nil
}

// claim is one transaction. When it found something to tidy up, that is all it
// does, and it must be called again. It tells whether there is anything to start, now or
// at any time.
func (s jobs) claim(ctx context.Context, p store.ClaimJobs) (out store.Claims, again, found bool, err error) {
	var c claimed
	if err = s.Write(ctx, s.claiming(p, &c)); err != nil {
		return store.Claims{}, false, true, err
	}
	return c.out, c.again, c.found, nil
}

func (s queue) Await(ctx context.Context, p store.ClaimJobs, wait store.Waiting) (store.Claims, bool, error) {
	var c claimed
	j := jobs(s)
	rode, err := j.Along(ctx, j.claiming(p, &c), wait)
	switch {
	case !rode || err != nil:
		return store.Claims{}, rode, err
	case c.again:
		out, err := j.Claim(ctx, p)
		return out, true, err
	}
	return c.out, true, nil
}

// claimed is the outcome of a claim's transaction.
type claimed struct {
	out          store.Claims
	again, found bool // see jobs.claim
}

// claiming is the transaction of a claim.
func (s jobs) claiming(p store.ClaimJobs, res *claimed) func(context.Context, Tx) error {
	return func(ctx context.Context, tx Tx) error {
		*res = claimed{found: true}
		out := &res.out
		if err := s.LockQueue(ctx, tx); err != nil {
			return err
		}
		var now time.Time
		if err := s.NowLater(ctx, tx, p.Now, &now); err != nil {
			return err
		}
		// Of what is tidied up, the transaction sees nothing: it is done then.
		c, err := askScene(ctx, tx)
		if err != nil {
			return err
		}
		next, changed, err := s.tidy(ctx, tx, p.Instance, &now)
		if err != nil {
			return err
		}
		out.NextAt = next
		if changed {
			// What was written is not in the index yet, see places.
			res.again = true
			return nil
		}
		snap, err := c.snapshot(ctx, tx, now)
		if err != nil {
			return err
		}
		if err := forgetOvertaken(ctx, tx, snap.Overtaken, c.noted); err != nil {
			return err
		}
		snap.Room, snap.Self = p.Room, p.Instance
		if snap.Paused || p.Room <= 0 {
			return nil
		}
		var d job.Decision
		if err := s.with(ctx, tx, func(x *order.Index) error {
			// Members of running groups have no places of their own.
			res.found = x.Jobs() > 0 || len(snap.Groups) > 0 || len(snap.Direct) > 0 || !next.IsZero()
			h := &heads{ctx: ctx, tx: tx, index: x, ahead: s.together(min(p.Room, snap.Workers-len(snap.Running)))}
			snap.Heads = h
			d = p.Decide(snap)
			return h.err
		}); err != nil {
			return err
		}
		// A job may have been added or approved since the time was read, and must not have
		// started before.
		switch {
		case len(d.Direct) > 0 || slices.ContainsFunc(d.Claims, func(c job.Claim) bool { return c.Group != "" }):
			snap.Now, err = s.Now(ctx, tx, p.Now)
		case len(d.Claims) > 0: // it is there when the jobs are
			err = s.NowLater(ctx, tx, p.Now, &snap.Now)
		}
		if err != nil {
			return err
		}
		if err := s.carryOutDecision(ctx, tx, &snap, d, out); err != nil {
			return err
		}
		out.Settled = d.Settled && len(out.Started) == len(d.Claims) && len(out.Direct) == len(d.Direct)
		return nil
	}
}

// tidy ends what is over at now: delays, start deadlines, locks from outside. It
// returns when something is over next and whether it changed anything. As checkLease,
// it refuses an instance that must not start anything. now may be there only after the
// next statement.
func (s jobs) tidy(ctx context.Context, tx Tx, instance string, given *time.Time) (next time.Time, changed bool, err error) {
	var at struct{ due, late, lock, until, ended sql.NullInt64 }
	if err := tx.Row(ctx, `SELECT
		(SELECT lease_until_ms FROM instances WHERE instance_id = $1), (SELECT ended_ms FROM instances WHERE instance_id = $2),
		(SELECT min(not_before_ms) FROM jobs WHERE state = 'QUEUED' AND ready = 0 AND held_reason = '' AND not_before_ms > 0),
		(SELECT min(start_deadline_ms) FROM jobs WHERE state = 'QUEUED' AND attempt = 0 AND start_deadline_ms > 0),
		(SELECT min(expires_ms) FROM lock_holders WHERE expires_ms > 0)`, instance, instance).Scan(&at.until, &at.ended, &at.due, &at.late, &at.lock); err != nil {
		return next, false, fmt.Errorf("look for the next delay: %w", err)
	}
	now := *given
	ms := clock.Millis(now)
	if at.ended.Int64 != 0 || at.until.Int64 <= ms {
		return next, false, noLease(instance)
	}
	over := func(t sql.NullInt64) bool { return t.Valid && t.Int64 <= ms }
	switch {
	case over(at.late):
		late, err := queryJobs(ctx, tx, `state = 'QUEUED' AND attempt = 0 AND start_deadline_ms > 0 AND start_deadline_ms <= $1
			ORDER BY start_deadline_ms LIMIT $2`, ms, housekeeping)
		if err != nil {
			return next, false, err
		}
		for _, j := range late {
			if err := dropJob(ctx, tx, j, now, job.ReasonDeadline); err != nil && !fault.Is(err, fault.Conflict) {
				return next, false, err
			}
		}
		if len(late) > 0 { // on PostgreSQL, another one may have ended it meanwhile
			return now, true, nil
		}
	case over(at.due):
		due, err := queryJobs(ctx, tx, `state = 'QUEUED' AND ready = 0 AND held_reason = '' AND not_before_ms > 0 AND not_before_ms <= $1
			ORDER BY not_before_ms LIMIT $2`, ms, housekeeping)
		if err != nil {
			return next, false, err
		}
		for _, j := range due {
			c, err := job.Apply(j, job.Due{At: now})
			if err != nil {
				return next, false, err
			}
			// One that a person changes at this moment is looked at again.
			if _, err := change(ctx, tx, c); err != nil {
				return next, false, err
			}
		}
		if len(due) > 0 {
			return now, true, nil
		}
	case over(at.lock):
		if err := s.expire(ctx, tx, now); err != nil {
			return next, false, err
		}
		return now, true, nil
	}
	for _, a := range []sql.NullInt64{at.due, at.late, at.lock} {
		if t := clock.FromMillis(a.Int64); a.Valid && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next, false, nil
}

// checkLease refuses an instance that was condemned or released, or whose
// lease is over: it must not start anything.
func checkLease(ctx context.Context, tx Tx, instance string, now time.Time) error {
	var until, ended int64
	err := tx.Row(ctx, `SELECT lease_until_ms, ended_ms FROM instances WHERE instance_id = $1`, instance).Scan(&until, &ended)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (ended != 0 || until <= clock.Millis(now)) {
		return noLease(instance)
	}
	return err
}

func noLease(instance string) error {
	return fault.Newf(fault.StaleLease, "instance %s has no living lease", instance)
}

// together is how many of n rows are worth one statement.
func (d *db) together(n int) int {
	if !d.Columnwise() {
		return 1
	}
	return min(n, maxRows)
}

// carryOutDecision writes what was decided. snap.Now may be there only after the next
// statement.
func (s jobs) carryOutDecision(ctx context.Context, tx Tx, snap *job.Snapshot, d job.Decision, out *store.Claims) error {
	var models []string
	for _, g := range d.Direct {
		r, started, err := startDirect(ctx, tx, g, snap.Now)
		if err != nil {
			return err
		}
		if started {
			out.Direct = append(out.Direct, store.DirectStarted{Run: r})
			models = append(models, modelsOf(snap.Direct, r.ID)...)
		}
	}
	var claims []job.Claim
	for _, c := range d.Claims {
		if c.Group != "" {
			if there, err := startGroup(ctx, tx, c.Group, snap.Now); err != nil {
				return err
			} else if !there {
				continue
			}
		}
		claims = append(claims, c)
	}
	started, err := s.start(ctx, tx, claims, snap.Self, &snap.Now)
	if err != nil {
		return err
	}
	out.Started = started
	for _, s := range started {
		models = append(models, job.ModelLocks(s.Job.Needs().Locks)...)
	}
	if len(models) > 0 {
		slices.Sort(models)
		if err := setLoaded(ctx, tx, slices.Compact(models)); err != nil {
			return err
		}
	}
	return saveOvertaken(ctx, tx, snap.Overtaken, d.Overtaken)
}

// modelsOf are the model locks of a direct request.
func modelsOf(all []job.Direct, runID string) []string {
	for _, d := range all {
		if d.RunID == runID {
			return job.ModelLocks(d.Locks)
		}
	}
	return nil
}

// start carries claims out: epoch, job, run, locks. The run of a resuming job goes
// on. It leaves out a job that a person cancelled or held since it was read, or that
// needs something else by now: those changes do not wait for claims. The slot stays free
// until the next claim, which the change's hint brings about. given is the time, which
// may be there only after the next statement.
func (s jobs) start(ctx context.Context, tx Tx, claims []job.Claim, instance string, given *time.Time) ([]store.Claimed, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	ids := make([]string, len(claims))
	for i, c := range claims {
		ids[i] = c.JobID
	}
	// Epochs that are not used leave a gap, which does not matter.
	var last int64
	if err := tx.Ask(ctx, single(&last), takeEpochs, len(ids)); err != nil {
		return nil, fmt.Errorf("next epochs: %w", err)
	}
	// In the order of their ids, so that two which lock several do not wait for each other.
	cond, args := s.OneOf("job_id", 1, ids)
	js, err := queryJobs(ctx, tx, cond+` ORDER BY job_id`+s.ForUpdate(), args...)
	if err != nil {
		return nil, fmt.Errorf("read jobs to claim: %w", err)
	}
	now := *given
	js = slices.DeleteFunc(js, func(j job.Job) bool {
		if j.Needs().String() != claims[slices.Index(ids, j.ID)].Needs.String() {
			return true
		}
		return j.State != job.Queued || j.HeldReason != "" || j.Parked != "" || j.AwaitsApproval() || !j.NotBefore.IsZero()
	})
	if len(js) == 0 {
		return nil, nil
	}
	// In the order of the decision, and so are the epochs.
	slices.SortFunc(js, func(a, b job.Job) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
	changes := make([]job.Change, len(js))
	for i, j := range js {
		epoch := last - int64(len(js)-1-i)
		// Before's epoch is the old one, and is compared.
		if changes[i], err = job.Apply(j, job.Claimed{At: now, RunID: id.New(id.Run, now), Instance: instance, Epoch: epoch}); err != nil {
			return nil, err
		}
	}
	return s.writeClaims(ctx, tx, changes, now)
}

// writeClaims writes claimed jobs, their runs and locks, and announces them.
func (s jobs) writeClaims(ctx context.Context, tx Tx, changes []job.Change, now time.Time) (out []store.Claimed, err error) {
	var begun []run.Run
	var told []*announcement
	var rows [][]any
	heard := map[string]*listeners{}
	for _, ch := range changes {
		c := store.Claimed{Job: ch.After}
		if ch.Before.Resuming {
			if c.Run, err = resumeRun(ctx, tx, ch.After); err != nil {
				return nil, err
			}
		} else {
			c.Run = runOf(ch.After)
			begun = append(begun, c.Run)
		}
		if heard[c.Job.Tenant] == nil {
			heard[c.Job.Tenant] = &listeners{}
		}
		var a *announcement
		a, rows = announceTo(heard[c.Job.Tenant], ch, rows)
		told = append(told, a)
		out = append(out, c)
	}
	if err := s.askRows(ctx, tx, changes); err != nil {
		return nil, err
	}
	if err := s.insertRuns(ctx, tx, begun); err != nil {
		return nil, err
	}
	if err := s.insert(ctx, tx, eventsTable, rows); err != nil {
		return nil, fmt.Errorf("announce claims: %w", err)
	}
	for _, tenant := range slices.Sorted(maps.Keys(heard)) {
		if err := s.askListeners(ctx, tx, tenant, nil, heard[tenant]); err != nil {
			return nil, err
		}
	}
	for i, ch := range changes {
		if err := takeLocks(ctx, tx, ch.Before.Needs().Locks, ch.Before.ID, out[i].Run, now); err != nil {
			return nil, err
		}
	}
	if err := tx.Flush(ctx); err != nil {
		return nil, fmt.Errorf("claim jobs: %w", err)
	}
	for _, a := range told {
		if err := a.act(ctx, tx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// takeLocks takes a unit of each lock for an attempt or a direct request.
func takeLocks(ctx context.Context, tx Tx, names []string, jobID string, r run.Run, now time.Time) error {
	for _, l := range names {
		if err := takeLock(ctx, tx, job.Holder{Lock: l, Token: r.Epoch, Tenant: r.Tenant, JobID: jobID, RunID: r.ID, HeldAt: now}); err != nil {
			return err
		}
		// The decision found a free unit in this very transaction.
		var held, most int
		if err := tx.Row(ctx, `SELECT (SELECT count(*) FROM lock_holders WHERE name = $1),
			coalesce((SELECT capacity FROM lock_capacities WHERE name = $2), 1)`, l, l).Scan(&held, &most); err != nil {
			return fmt.Errorf("count holders: %w", err)
		}
		if held > most {
			return fault.Newf(fault.InternalError, "lock %s has no free unit although the decision found one", l)
		}
	}
	return nil
}

// startGroup gives a group its slot: its members wait inside of it from now on. It
// reports false when the last member was cancelled since the group was read: that
// does not wait for claims.
func startGroup(ctx context.Context, tx Tx, groupID string, now time.Time) (started bool, err error) {
	members, err := leanJobs(ctx, tx, `group_id = $1 AND group_id <> '' AND state = 'QUEUED' ORDER BY rank`, groupID)
	if err != nil {
		return false, err
	}
	var moved strings.Builder
	for _, j := range members {
		c, err := job.Apply(j, job.GroupBegan{At: now})
		if err != nil {
			return false, err
		}
		text, done, err := changeRow(ctx, tx, c)
		if err != nil {
			return false, err
		}
		if !done {
			// A person changed it at this moment; on PostgreSQL the update has waited
			// for that.
			return false, meanwhile(j.ID)
		}
		moved.WriteString(text)
	}
	// Jobs first, then the group, as at the end of a member: what the members that
	// have just been cancelled did to its counters is there now.
	if _, err := tx.Exec(ctx, `UPDATE job_groups SET version = version WHERE group_id = $1`, groupID); err != nil {
		return false, fmt.Errorf("lock group: %w", err)
	}
	g, err := scanGroupWith(tx.Row(ctx, `SELECT `+groupColumns+` FROM job_groups WHERE group_id = $1`, groupID).Scan)
	if err != nil {
		return false, fmt.Errorf("read group to start: %w", err)
	}
	if g.Terminal() {
		return false, nil // no member waited, so nothing was changed
	}
	g.State, g.StartedAt, g.Version = job.GroupRunning, now, g.Version+1
	if err := saveGroup(ctx, tx, g); err != nil {
		return false, err
	}
	return true, announceMoved(ctx, tx, []event.Event{groupEvent(g, event.GroupStarted, now)}, moved.String())
}

func runOf(j job.Job) run.Run {
	return run.Run{
		ID: j.RunID, Tenant: j.Tenant, JobID: j.ID, State: run.Active,
		JobName: j.Name, JobType: j.Type, TemplateID: j.TemplateID, TemplateVersion: j.TemplateVersion,
		Params: j.Params, Labels: j.Labels, Attempt: j.Attempt, Trigger: string(j.Trigger), CreatedBy: j.CreatedBy,
		RetryOf: j.RetryOf, GroupID: j.GroupID, Directive: j.Directive, Instance: j.Instance, Epoch: j.Epoch,
		CreatedAt: j.CreatedAt, QueuedAt: j.QueuedAt, StartedAt: j.StartedAt,
	}
}

func (s jobs) Running(ctx context.Context, instanceID string) ([]store.Claimed, error) {
	var out []store.Claimed
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		out, err = running(ctx, tx, `instance_id = $1`, instanceID)
		return err
	})
	return out, err
}

// running returns the running attempts that meet a condition, in claim order.
func running(ctx context.Context, tx Tx, cond string, args ...any) ([]store.Claimed, error) {
	rows, err := tx.Query(ctx, `SELECT `+jobColumns+` FROM jobs WHERE state = 'RUNNING' AND `+cond+` ORDER BY epoch`, args...)
	if err != nil {
		return nil, fmt.Errorf("list running jobs: %w", err)
	}
	js, err := collect(rows, scanJob)
	if err != nil {
		return nil, err
	}
	var out []store.Claimed
	for _, j := range js {
		r, err := scanRunWith(tx.Row(ctx, `SELECT `+runColumns+` FROM runs WHERE run_id = $1`, j.RunID).Scan)
		if err != nil {
			return nil, fmt.Errorf("read active run: %w", err)
		}
		out = append(out, store.Claimed{Job: j, Run: r})
	}
	return out, nil
}

func (s jobs) Situation(ctx context.Context, js []job.Job) (store.Situation, error) {
	if out, ok := s.remembered(js); ok {
		now, err := s.Now(ctx, nil, time.Time{}) // only an engine that asks nobody remembers
		out.Snapshot.Now = now
		return out, err
	}
	var out store.Situation
	at, sole := s.Commits()
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		out = store.Situation{}
		now, err := s.Now(ctx, tx, time.Time{})
		if err != nil {
			return err
		}
		if out.Snapshot, err = snapshot(ctx, tx, now); err != nil {
			return err
		}
		if out.Settings, err = settings(ctx, tx); err != nil {
			return err
		}
		return s.with(ctx, tx, func(x *order.Index) error {
			out.Positions = positions(x, js)
			return nil
		})
	})
	if err == nil && sole {
		s.remember(at, out)
	}
	return out, err
}

// dropCheckpoint removes what was saved for attempts that will not come.
func dropCheckpoint(ctx context.Context, tx Tx, j job.Job) error {
	if !j.State.Terminal() {
		return nil
	}
	if err := tx.Later(ctx, `DELETE FROM checkpoints WHERE job_id = $1`, j.ID); err != nil {
		return fmt.Errorf("drop checkpoint: %w", err)
	}
	return nil
}
