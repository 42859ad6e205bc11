package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

type groups struct{ *db }

const groupColumns = `group_id, tenant, name, mode, max_parallel, on_failure, state, version, rank, total, succeeded, failed,
	skipped, cancelled, next_member, labels, created_by, created_ms, started_ms, finished_ms`

func scanGroup(rows Rows) (job.Group, error) { return scanGroupWith(rows.Scan) }

func scanGroupWith(scan func(...any) error) (job.Group, error) {
	var g job.Group
	var labels string
	var created, started, finished int64
	err := scan(&g.ID, &g.Tenant, &g.Name, &g.Mode, &g.MaxParallel, &g.OnFailure, &g.State, &g.Version, &g.Rank, &g.Total, &g.Succeeded,
		&g.Failed, &g.Skipped, &g.Cancelled, &g.NextMember, &labels, &g.CreatedBy, &created, &started, &finished)
	if err != nil {
		return g, err
	}
	g.CreatedAt, g.StartedAt, g.FinishedAt = clock.FromMillis(created), clock.FromMillis(started), clock.FromMillis(finished)
	return g, decode(labels, &g.Labels)
}

func groupByID(ctx context.Context, tx Tx, tenant, groupID string) (job.Group, error) {
	g, err := scanGroupWith(tx.Row(ctx, `SELECT `+groupColumns+` FROM job_groups WHERE group_id = $1 AND tenant = $2`, groupID, tenant).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return g, fault.Newf(fault.NotFound, "no group %s", groupID)
	}
	return g, err
}

// lockGroup reads a group and keeps others from changing it until the
// transaction ends.
func lockGroup(ctx context.Context, tx Tx, _ *db, tenant, groupID string) (job.Group, error) {
	// An update that changes nothing is a row lock that both engines understand.
	if _, err := tx.Exec(ctx, `UPDATE job_groups SET version = version WHERE group_id = $1`, groupID); err != nil {
		return job.Group{}, fmt.Errorf("lock group: %w", err)
	}
	return groupByID(ctx, tx, tenant, groupID)
}

func saveGroup(ctx context.Context, tx Tx, g job.Group) error {
	if _, err := tx.Exec(ctx, `UPDATE job_groups SET state = $1, version = $2, total = $3, succeeded = $4, failed = $5, skipped = $6,
		cancelled = $7, next_member = $8, started_ms = $9, finished_ms = $10 WHERE group_id = $11`,
		string(g.State), g.Version, g.Total, g.Succeeded, g.Failed, g.Skipped, g.Cancelled, g.NextMember,
		clock.Millis(g.StartedAt), clock.Millis(g.FinishedAt), g.ID); err != nil {
		return fmt.Errorf("change group: %w", err)
	}
	return nil
}

// insertGroup writes a new group without members.
func insertGroup(ctx context.Context, tx Tx, g job.Group) error {
	if _, err := tx.Exec(ctx, `INSERT INTO job_groups (`+groupColumns+`, name_folded) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,
		0, 0, 0, 0, 0, 0, $10, $11, $12, 0, 0, $13)`,
		g.ID, g.Tenant, g.Name, string(g.Mode), g.MaxParallel, string(g.OnFailure), string(g.State), g.Version, string(g.Rank),
		encodeLabels(g.Labels), g.CreatedBy, clock.Millis(g.CreatedAt), fold(g.Name)); err != nil {
		return fmt.Errorf("insert group: %w", err)
	}
	return nil
}

func groupEvent(g job.Group, t event.Type, at time.Time) event.Event {
	e := event.Event{Tenant: g.Tenant, Type: t, At: at, Data: map[string]string{"group_id": g.ID}}
	if g.Terminal() {
		e.Data["status"] = string(g.State)
	}
	return e
}

func (s groups) Create(ctx context.Context, p store.AddGroup) (store.GroupAdded, error) {
	var out store.GroupAdded
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = store.GroupAdded{}
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		var kept []rank.Rank
		if p.Place != nil {
			err := s.LockQueue(ctx, tx)
			if err == nil {
				kept, err = reserved(ctx, tx)
			}
			if err != nil {
				return err
			}
		}
		seq, err := s.NextSeq(ctx, tx, 1)
		if err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, p.Group.CreatedAt)
		if err != nil {
			return err
		}
		g := p.Group
		g.State, g.Version, g.CreatedAt = job.GroupPending, 1, clock.FromMillis(clock.Millis(now))
		zone := job.Job{Priority: p.Priority, Trigger: job.TriggerGroup}.Zone()
		at := []rank.Rank{rank.Natural(zone, seq)}
		if err := s.with(ctx, tx, func(x *order.Index) error {
			if p.Place != nil {
				if at, err = s.ranksAt(ctx, tx, x, wish{g.Tenant, *p.Place, at, nil, kept}); err != nil {
					return err
				}
			}
			out.Position = x.Position(at[0])
			return nil
		}); err != nil {
			return err
		}
		g.Rank = at[0]
		if err := insertGroup(ctx, tx, g); err != nil {
			return err
		}
		if err := announce(ctx, tx, []event.Event{groupEvent(g, event.GroupCreated, g.CreatedAt)}); err != nil {
			return err
		}
		if out.Group, out.Jobs, err = addMembers(ctx, tx, g, p.Jobs, now); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

func addMembers(ctx context.Context, tx Tx, g job.Group, js []job.Job, now time.Time) (job.Group, []job.Job, error) {
	if g.Total+len(js) > job.MaxGroupMembers {
		return g, nil, fault.Newf(fault.InvalidInput, "a group has at most %d members", job.MaxGroupMembers).At("/jobs", "too_long", "too many members")
	}
	var out []job.Job
	for _, j := range js {
		j.GroupID, j.Rank = g.ID, rank.Member(g.Rank, g.NextMember)
		g.NextMember++
		g.Total++
		j, err := addJob(ctx, tx, j, now)
		if err != nil {
			return g, nil, err
		}
		out = append(out, j)
	}
	g.Version++
	return g, out, saveGroup(ctx, tx, g)
}

func (s groups) Add(ctx context.Context, p store.AddMembers) (store.GroupAdded, error) {
	var out store.GroupAdded
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = store.GroupAdded{}
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		// A claim must not start the group meanwhile.
		if err := s.LockQueue(ctx, tx); err != nil {
			return err
		}
		g, err := lockGroup(ctx, tx, s.db, p.Tenant, p.GroupID)
		if err != nil {
			return err
		}
		if g.State != job.GroupPending {
			return fault.Newf(fault.GroupStarted, "group %s is %s", g.ID, g.State)
		}
		now, err := s.Now(ctx, tx, time.Time{})
		if err != nil {
			return err
		}
		if err := s.with(ctx, tx, func(x *order.Index) error {
			out.Position = x.Position(g.Rank)
			return nil
		}); err != nil {
			return err
		}
		if out.Group, out.Jobs, err = addMembers(ctx, tx, g, p.Jobs, now); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

func (s groups) Group(ctx context.Context, tenant, groupID string) (job.Group, error) {
	var g job.Group
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		g, err = groupByID(ctx, tx, tenant, groupID)
		return err
	})
	return g, err
}

func (s groups) Members(ctx context.Context, tenant, groupID string, after rank.Rank, limit int) ([]job.Job, error) {
	var out []job.Job
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		out, err = queryJobs(ctx, tx, `group_id = $1 AND group_id <> '' AND tenant = $2 AND rank > $3 ORDER BY rank LIMIT $4`,
			groupID, tenant, string(after), limit)
		return err
	})
	return out, err
}

func (s groups) List(ctx context.Context, p store.ListGroups) (store.GroupPage, error) {
	var w where
	w.add("tenant = %s", p.Tenant)
	in(&w, "state", p.States)
	w.contains("name_folded", p.Text)
	if p.After != nil {
		w.add("(created_ms, group_id) < (%s, %s)", p.After.CreatedAt.UnixMilli(), p.After.ID)
	}
	var page store.GroupPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT %s FROM job_groups%s ORDER BY created_ms DESC, group_id DESC LIMIT %d`,
			groupColumns, w.String(), p.Limit+1), w.args...)
		if err != nil {
			return fmt.Errorf("list groups: %w", err)
		}
		page.Groups, err = collect(rows, scanGroup)
		return err
	})
	if len(page.Groups) > p.Limit {
		page.Groups, page.More = page.Groups[:p.Limit], true
	}
	return page, err
}

func (s groups) Cancel(ctx context.Context, p store.CancelGroup) (job.Group, error) {
	var out job.Group
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		// Without claims in between, its members are either cancelled or asked.
		if err := s.LockQueue(ctx, tx); err != nil {
			return err
		}
		// Jobs first, then the group: the order in which the end of a member locks.
		ids, err := texts(ctx, tx, `SELECT job_id FROM jobs WHERE group_id = $1 AND group_id <> '' AND state IN ('QUEUED', 'RUNNING') ORDER BY job_id`, p.ID)
		if err != nil {
			return fmt.Errorf("list members: %w", err)
		}
		for _, jobID := range ids {
			if err := s.LockJob(ctx, tx, jobID); err != nil {
				return err
			}
		}
		g, err := lockGroup(ctx, tx, s.db, p.Tenant, p.ID)
		if err != nil {
			return err
		}
		if g.Terminal() {
			return fault.Newf(fault.AlreadyFinished, "group %s is %s", g.ID, g.State)
		}
		for _, jobID := range ids {
			if err := cancelMember(ctx, tx, jobID, p); err != nil {
				return err
			}
		}
		if out, err = groupByID(ctx, tx, p.Tenant, p.ID); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

// cancelMember cancels one member of a group, whose row is locked. The others
// are cancelled too, not skipped because of this one.
func cancelMember(ctx context.Context, tx Tx, jobID string, p store.CancelGroup) error {
	j, err := jobByID(ctx, tx, p.Tenant, jobID)
	if err != nil || j.State.Terminal() {
		return err
	}
	c, err := job.Apply(j, job.CancelAsked{At: p.At, By: p.By})
	if err != nil {
		return err
	}
	done, err := changeMember(ctx, tx, c, leaveRest)
	if err != nil {
		return err
	}
	if !done {
		return fault.Newf(fault.Conflict, "job %s changed meanwhile", j.ID)
	}
	return dropCheckpoint(ctx, tx, c.After)
}

// restOfGroup says what becomes of the waiting members of a group when one of
// them does not succeed.
type restOfGroup bool

const (
	stopRest  restOfGroup = true  // what the group's OnFailure says
	leaveRest restOfGroup = false // nothing
)

// memberChanged counts the end of a group's member, stops the rest if its
// failure asks for that, and ends the group with its last member.
func memberChanged(ctx context.Context, tx Tx, c job.Change, stop restOfGroup) error {
	if c.After.GroupID != "" && c.Before.State == job.Running && c.After.State == job.Queued {
		return memberReturned(ctx, tx, c.After)
	}
	if c.After.GroupID == "" || !c.After.State.Terminal() || c.Before.State.Terminal() {
		return nil
	}
	g, err := lockGroup(ctx, tx, nil, c.After.Tenant, c.After.GroupID)
	if err != nil {
		return err
	}
	at := c.After.FinishedAt
	g = g.Member(c.After.State, at)
	if err := saveGroup(ctx, tx, g); err != nil {
		return err
	}
	if g.Terminal() {
		return announce(ctx, tx, []event.Event{groupEvent(g, event.GroupFinished, at)})
	}
	if stop == leaveRest || g.State != job.GroupRunning || !g.Stops(c.After.State) {
		return nil
	}
	return skipRest(ctx, tx, g.ID, at)
}

// memberReturned skips a member that comes back to wait for another attempt
// after its group was stopped: it ran while the others were skipped. One whose run
// goes on has begun and ends by itself.
func memberReturned(ctx context.Context, tx Tx, j job.Job) error {
	g, err := lockGroup(ctx, tx, nil, j.Tenant, j.GroupID)
	if err != nil {
		return err
	}
	if j.Resuming || g.State != job.GroupRunning || g.OnFailure != job.FailureStop || g.Failed+g.Cancelled == 0 {
		return nil
	}
	return dropJob(ctx, tx, j, j.QueuedAt, job.ReasonGroupStopped)
}

// skipRest skips the waiting members of a group. One that a person changes at
// this moment is read again: the update has waited for that change.
func skipRest(ctx context.Context, tx Tx, groupID string, at time.Time) error {
	for tries := 0; tries < stopTries; {
		rest, err := queryJobs(ctx, tx, `group_id = $1 AND group_id <> '' AND state = 'QUEUED' AND resuming = 0 ORDER BY rank LIMIT $2`, groupID, housekeeping)
		if err != nil || len(rest) == 0 {
			return err
		}
		skipped := 0
		for _, j := range rest {
			switch err := dropJob(ctx, tx, j, at, job.ReasonGroupStopped); {
			case err == nil:
				skipped++
			case !fault.Is(err, fault.Conflict):
				return err
			}
		}
		if skipped == 0 {
			tries++
		}
	}
	return fault.Newf(fault.StorageBusy, "members of group %s change at this moment", groupID)
}

// stopTries bounds how often skipRest looks again.
const stopTries = 20

// dropJob ends a waiting job without an attempt and leaves a run that says why.
func dropJob(ctx context.Context, tx Tx, j job.Job, at time.Time, reason string) error {
	c, err := job.Apply(j, job.Dropped{At: at, Reason: reason, RunID: id.New(id.Run, at)})
	if err != nil {
		return err
	}
	moved, done, err := changeRow(ctx, tx, c)
	if err != nil {
		return err
	}
	if !done {
		return fault.Newf(fault.Conflict, "job %s changed meanwhile", j.ID)
	}
	r := runOf(c.After)
	// It is no attempt of the job's: the history shows it under the next number.
	r.Attempt, r.Epoch, r.Instance, r.StartedAt = r.Attempt+1, 0, "", at
	if err := insertRun(ctx, tx, r); err != nil {
		return err
	}
	rc, err := run.Apply(r, run.Passed{At: at, Reason: reason})
	if err != nil {
		return err
	}
	if err := endRun(ctx, tx, rc.After); err != nil {
		return err
	}
	// Webhooks are told of the run, so it must be there.
	if err := announceChange(ctx, tx, c, moved, stopRest); err != nil {
		return err
	}
	return dropCheckpoint(ctx, tx, c.After)
}
