package portable

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/store"
)

// This file makes groups of jobs that wait, and takes waiting members out of
// their groups. Both change the order, so both hold the lock of the queue: no
// claim takes a job in between.

func (s groups) Form(ctx context.Context, p store.FormGroup) (store.GroupAdded, error) {
	var out store.GroupAdded
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = store.GroupAdded{}
		if err := s.beginOrder(ctx, tx, p.Key, p.IfRevision); err != nil {
			return err
		}
		if err := s.lockJobs(ctx, tx, p.JobIDs); err != nil {
			return err
		}
		js, err := groupables(ctx, tx, p)
		if err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, p.Group.CreatedAt)
		if err != nil {
			return err
		}
		g := p.Group
		g.State, g.Version, g.CreatedAt = job.GroupPending, 1, clock.FromMillis(clock.Millis(now))
		g.Total, g.NextMember = len(js), len(js)
		first := slices.MinFunc(js, func(a, b job.Job) int { return strings.Compare(string(a.Rank), string(b.Rank)) })
		g.Rank = first.Rank
		shifts := make([]shift, len(js))
		for i, j := range js {
			shifts[i] = shift{unit: unit{j.ID, j.Rank, false, []job.Job{j}}, to: rank.Member(g.Rank, i), enters: g.ID}
		}
		if err := s.with(ctx, tx, func(x *order.Index) error { // before anything is written
			out.Position = x.Position(g.Rank)
			return nil
		}); err != nil {
			return err
		}
		if err := insertGroup(ctx, tx, g); err != nil {
			return err
		}
		if err := saveGroup(ctx, tx, g); err != nil {
			return err
		}
		moved, err := carryOut(ctx, tx, shifts, g.CreatedAt)
		if err != nil {
			return err
		}
		if err := announce(ctx, tx, []event.Event{groupEvent(g, event.GroupCreated, g.CreatedAt)}); err != nil {
			return err
		}
		if out.Revision, err = bumpRevision(ctx, tx, g.Tenant, "", g.CreatedAt, moved); err != nil {
			return err
		}
		if err := record(ctx, tx, p.Audit); err != nil {
			return err
		}
		out.Group = g
		if out.Jobs, err = queryJobs(ctx, tx, `group_id = $1 AND group_id <> '' ORDER BY rank`, g.ID); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

// beginOrder begins a change of the order: claims and moves wait until it is
// done, and the order has the revision that the caller has seen.
func (d *db) beginOrder(ctx context.Context, tx Tx, k *store.Key, revision int64) error {
	if err := claimKey(ctx, tx, k); err != nil {
		return err
	}
	if err := d.LockQueue(ctx, tx); err != nil {
		return err
	}
	if revision == 0 {
		return nil
	}
	now, err := settings(ctx, tx)
	if err == nil && now.Revision != revision {
		err = fault.Newf(fault.VersionMismatch, "the order has revision %d by now", now.Revision)
	}
	return err
}

// lockJobs keeps others from changing jobs until the transaction ends.
func (d *db) lockJobs(ctx context.Context, tx Tx, ids []string) error {
	for _, jobID := range slices.Sorted(slices.Values(ids)) {
		if err := d.LockJob(ctx, tx, jobID); err != nil {
			return err
		}
	}
	return nil
}

// groupables reads the jobs that a group is made of, in its list order.
func groupables(ctx context.Context, tx Tx, p store.FormGroup) ([]job.Job, error) {
	var w where
	w.add("tenant = %s", p.Group.Tenant)
	in(&w, "job_id", p.JobIDs)
	rows, err := tx.Query(ctx, `SELECT `+leanColumns+` FROM jobs`+w.String(), w.args...)
	if err != nil {
		return nil, fmt.Errorf("read jobs to group: %w", err)
	}
	found, err := collect(rows, scanJob)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]job.Job, len(found))
	for _, j := range found {
		byID[j.ID] = j
	}
	out := make([]job.Job, len(p.JobIDs))
	for i, jobID := range p.JobIDs {
		j, known := byID[jobID]
		err := groupable(j, known, jobID)
		if err == nil && p.Allow != nil {
			err = p.Allow(j)
		}
		if err != nil {
			f := fault.From(err)
			return nil, f.At(fmt.Sprintf("/job_ids/%d", i), string(f.Code), f.Detail)
		}
		out[i] = j
	}
	return out, nil
}

// groupable says why a job cannot become a member of a group, nil if it can. It
// is the guard of job.Grouped in words.
func groupable(j job.Job, known bool, jobID string) error {
	switch {
	case !known:
		return fault.Newf(fault.NotFound, "no job %s", jobID)
	case j.State.Terminal():
		return fault.Newf(fault.AlreadyFinished, "job %s is %s", jobID, j.State)
	case j.State != job.Queued:
		return fault.Newf(fault.AlreadyStarted, "job %s is %s", jobID, j.State)
	case j.Parked != "" || j.Resuming:
		return fault.Newf(fault.AlreadyStarted, "job %s has begun, and its run goes on", jobID)
	case j.GroupID != "":
		return fault.Newf(fault.NotGroupable, "job %s is in group %s", jobID, j.GroupID)
	case j.AwaitsApproval():
		return fault.Newf(fault.NotGroupable, "job %s waits for approval %s", jobID, j.ApprovalID)
	case j.Trigger == job.TriggerWorkflow:
		return fault.Newf(fault.NotGroupable, "job %s belongs to a run of a workflow", jobID)
	}
	return nil
}

func (s groups) Dissolve(ctx context.Context, p store.DissolveGroup) (store.GroupDissolved, error) {
	var out store.GroupDissolved
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = store.GroupDissolved{}
		if err := s.beginOrder(ctx, tx, p.Key, p.IfRevision); err != nil {
			return err
		}
		// Jobs first, then the group: the order in which the end of a member locks.
		ids, err := texts(ctx, tx, `SELECT job_id FROM jobs WHERE group_id = $1 AND group_id <> '' AND state = 'QUEUED'`, p.ID)
		if err != nil {
			return fmt.Errorf("list members: %w", err)
		}
		if err := s.lockJobs(ctx, tx, ids); err != nil {
			return err
		}
		g, err := lockGroup(ctx, tx, s.db, p.Tenant, p.ID)
		if err != nil {
			return err
		}
		if g.Terminal() {
			return fault.Newf(fault.AlreadyFinished, "group %s is %s", g.ID, g.State)
		}
		leaving, err := s.leaving(ctx, tx, g, p)
		if err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, p.At)
		if err != nil {
			return err
		}
		now = clock.FromMillis(clock.Millis(now))
		if g.Total -= len(leaving); g.Total == g.Ended() {
			g.State, g.FinishedAt = g.Outcome(), now
		}
		g.Version++
		shifts, at, err := s.apart(ctx, tx, g, leaving)
		if err != nil {
			return err
		}
		moved, err := carryOut(ctx, tx, shifts, now)
		if err != nil {
			return err
		}
		if out.Deleted = g.Total == 0; out.Deleted {
			_, err = tx.Exec(ctx, `DELETE FROM job_groups WHERE group_id = $1`, g.ID)
		} else {
			err = saveGroup(ctx, tx, g)
		}
		if err != nil {
			return fmt.Errorf("dissolve group: %w", err)
		}
		if err := announceDissolved(ctx, tx, g, now); err != nil {
			return err
		}
		if out.Revision, err = bumpRevision(ctx, tx, g.Tenant, "", now, moved); err != nil {
			return err
		}
		if err := record(ctx, tx, p.Audit); err != nil {
			return err
		}
		for _, j := range leaving {
			out.JobIDs = append(out.JobIDs, j.ID)
		}
		out.Group, out.Position = g, at
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

// leaving are the members that leave a group when it is dissolved, in list order:
// all that wait and have no run that goes on.
func (s groups) leaving(ctx context.Context, tx Tx, g job.Group, p store.DissolveGroup) ([]job.Job, error) {
	js, err := leanJobs(ctx, tx, `group_id = $1 AND group_id <> '' AND state = 'QUEUED' AND resuming = 0 AND parked = '' ORDER BY rank`, g.ID)
	if err != nil {
		return nil, err
	}
	for _, j := range js {
		if p.Allow != nil {
			if err := p.Allow(j); err != nil {
				return nil, err
			}
		}
	}
	if len(js) == 0 {
		return nil, fault.Newf(fault.AlreadyStarted, "all that is left of group %s has begun", g.ID)
	}
	return js, nil
}

// apart gives the jobs that leave g places of their own, one behind the other, and
// returns the position of the first. The group's place is the first one's, unless
// what is left of the group may still come back to it.
func (s groups) apart(ctx context.Context, tx Tx, g job.Group, leaving []job.Job) ([]shift, int, error) {
	kept, err := reserved(ctx, tx)
	if err != nil {
		return nil, 0, err
	}
	var shifts []shift
	var at int
	err = s.with(ctx, tx, func(x *order.Index) error {
		i := x.Position(g.Rank)
		// A group that has begun is not in the index: then somebody else has this place.
		free := g.Terminal()
		if r, ok := x.At(i); ok && r == g.Rank {
			i++
			free = free && g.StartedAt.IsZero()
		}
		hi, _ := x.At(i)
		for _, r := range kept {
			if r > g.Rank && (hi == "" || r < hi) {
				hi = r
			}
		}
		to := make([]rank.Rank, 0, len(leaving))
		if free {
			to = append(to, g.Rank)
		}
		if n := len(leaving) - len(to); n > 0 {
			last := rank.After(g.Rank, hi)
			to = append(append(to, rank.Spread(g.Rank, last, n-1)...), last)
		}
		for k, j := range leaving {
			shifts = append(shifts, shift{unit: unit{j.ID, g.Rank, false, []job.Job{j}}, to: to[k], leaves: true})
		}
		at = x.Position(to[0])
		var err error
		shifts, err = orders(s).shorten(ctx, tx, x, shifts, kept)
		return err
	})
	return shifts, at, err
}

// announceDissolved tells that g was dissolved, and of its end if that is what it
// came to.
func announceDissolved(ctx context.Context, tx Tx, g job.Group, at time.Time) error {
	if g.Total == 0 {
		return announce(ctx, tx, []event.Event{groupEvent(job.Group{ID: g.ID, Tenant: g.Tenant}, event.GroupDissolved, at)})
	}
	evs := []event.Event{groupEvent(g, event.GroupDissolved, at)}
	if g.Terminal() {
		evs = append(evs, groupEvent(g, event.GroupFinished, at))
	}
	return announce(ctx, tx, evs)
}
