package portable

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// This file ends attempts, those that end at the same time in one transaction. It locks
// all jobs in the order of their ids, looks which of the attempts may still end, and
// only then writes, so that what is refused leaves nothing behind.

// closing is the end of one attempt.
type closing struct {
	store.Finish
	at    int      // its place among those that the caller gave
	last  *written // the last step of its run; nil = none
	stand standing
	left  *leftover
	told  *announcement
	// apart says that its end must lock more than its own rows, which only one that is
	// alone in its transaction may: two could wait for each other.
	apart bool
	// placed says that it goes back to the queue, and its place was given here.
	placed bool
}

// standing is what an end has to know of its run of a workflow.
type standing struct {
	there  bool
	seq    int64 // of the last step
	awaits bool  // there are waits
	turn   bool  // it has a place among the runs with its concurrency key
}

func (s jobs) Finish(ctx context.Context, items []store.Finish) []error {
	errs := make([]error, len(items))
	var together []*closing
	for i, it := range items {
		one, err := s.closing(i, it)
		switch {
		case err != nil:
			errs[i] = err
		case it.Job.After.GroupID != "" || one.last != nil && len(one.last.waits) > 0:
			// The end of a member may change others; who waits locks what it waits for
			// before its own job. With others in one transaction, two could wait for
			// each other.
			_ = s.end(ctx, []*closing{one}, errs) // it is in errs
		default:
			together = append(together, one)
		}
	}
	slices.SortFunc(together, func(a, b *closing) int { return strings.Compare(a.Job.Before.ID, b.Job.Before.ID) })
	err := s.end(ctx, together, errs)
	// One of them may have what the database refuses, which is not to keep the others
	// from their ends.
	refused := err != nil && len(together) > 1 && !fault.Is(err, fault.StorageUnavailable) && !fault.Is(err, fault.StorageFull) && ctx.Err() == nil
	for _, one := range together {
		if refused || err == nil && one.apart {
			_ = s.end(ctx, []*closing{one}, errs) // it is in errs
		}
	}
	return errs
}

// closing prepares the end of an attempt, outside of the transaction: on SQLite all of
// them wait for one another.
func (s jobs) closing(at int, it store.Finish) (*closing, error) {
	e := &closing{Finish: it, at: at}
	if it.Last == nil {
		return e, nil
	}
	w, err := s.written(*it.Last)
	if err != nil {
		return nil, err
	}
	if it.Job.After.State.Terminal() {
		w.status, w.endedAt = string(it.Job.After.State), it.Job.After.FinishedAt
	}
	if it.Job.Before.Crashes > 0 && w.progress() {
		e.Job.After.Crashes = 0
	}
	e.last = w
	return e, nil
}

// end ends attempts in one transaction, and sets what their callers learn. Its own
// result is why there was none, which they learn too.
func (s jobs) end(ctx context.Context, list []*closing, errs []error) error {
	if len(list) == 0 {
		return nil
	}
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		able, at, err := s.ableToEnd(ctx, tx, list, errs)
		if err != nil || len(able) == 0 {
			return err
		}
		if err := s.writeEnds(ctx, tx, able, at); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return nil
	})
	if err != nil {
		for _, one := range list {
			errs[one.at] = err
		}
	}
	return err
}

// ableToEnd locks the jobs, sets what the callers of those learn that must not end, and
// returns the others, and the time.
func (s jobs) ableToEnd(ctx context.Context, tx Tx, list []*closing, errs []error) (able []*closing, at time.Time, err error) {
	var jobIDs, runIDs []string
	for _, one := range list {
		jobIDs, one.stand, one.apart = append(jobIDs, one.Job.Before.ID), standing{}, false
		if w := one.last; w != nil {
			runIDs = append(runIDs, w.RunID)
			if err := s.lockAwaited(ctx, tx, w.waits); err != nil {
				return nil, at, err
			}
		}
	}
	type row struct {
		tenant, state  string
		version, epoch int64
		awaited        bool // by nodes of workflows
	}
	now := map[string]row{}
	cond, args := s.OneOf("job_id", 1, jobIDs)
	if err := tx.Ask(ctx, func(rows Rows) error {
		for rows.Next() {
			var id string
			var r row
			if err := rows.Scan(&id, &r.tenant, &r.state, &r.version, &r.epoch, &r.awaited); err != nil {
				return err
			}
			now[id] = r
		}
		return rows.Err()
	}, `SELECT job_id, tenant, state, version, epoch, EXISTS (SELECT 1 FROM workflow_waits x WHERE x.ref = jobs.job_id AND x.ref <> '' AND x.kind = 'job')
		FROM jobs WHERE `+cond+` ORDER BY job_id`+s.ForUpdate(), args...); err != nil {
		return nil, at, fmt.Errorf("lock jobs to end: %w", err)
	}
	if len(runIDs) > 0 {
		if err := s.NowLater(ctx, tx, time.Time{}, &at); err != nil {
			return nil, at, err
		}
		if err := s.askStanding(ctx, tx, runIDs, list); err != nil {
			return nil, at, err
		}
	}
	if err := tx.Flush(ctx); err != nil {
		return nil, at, fmt.Errorf("lock jobs to end: %w", err)
	}
	for _, one := range list {
		b := one.Job.Before
		r, there := now[b.ID]
		switch {
		case !there || r.tenant != b.Tenant:
			errs[one.at] = fault.Newf(fault.NotFound, "no job %s", b.ID)
		case r.epoch != b.Epoch || r.state != string(b.State):
			errs[one.at] = fault.Newf(fault.StaleLease, "attempt %d of job %s was taken over or has ended", b.Attempt, b.ID)
		case one.last != nil && one.last.Epoch != r.epoch:
			errs[one.at] = staleStep(b.ID)
		case one.last != nil && !one.stand.there:
			errs[one.at] = noWorkflowRun(one.last.RunID)
		case one.last != nil && one.stand.seq != one.last.all[0].Seq-1:
			errs[one.at] = fault.Newf(fault.InvalidInput, "run %s is at step %d, and the last step, %d, does not follow", one.last.RunID, one.stand.seq, one.last.all[0].Seq)
		case r.version != b.Version:
			errs[one.at] = fault.Newf(fault.Conflict, "job %s changed meanwhile", b.ID)
		case len(list) > 1 && one.Job.After.State.Terminal() && (r.awaited || one.mayHaveTurn()):
			one.apart = true
		default:
			errs[one.at] = nil
			able = append(able, one)
		}
	}
	return able, at, nil
}

// mayHaveTurn reports whether the end may let another run of a workflow begin.
func (e *closing) mayHaveTurn() bool {
	return e.stand.turn || e.last == nil && e.Job.Before.Type == workflowType
}

// askStanding reads the standing of runs whose last steps are written, and locks them.
func (s jobs) askStanding(ctx context.Context, tx Tx, runIDs []string, list []*closing) error {
	cond, args := s.OneOf("run_id", 1, runIDs)
	return tx.Ask(ctx, func(rows Rows) error {
		for rows.Next() {
			var id string
			st := standing{there: true}
			if err := rows.Scan(&id, &st.seq, &st.awaits, &st.turn); err != nil {
				return err
			}
			for _, one := range list {
				if one.last != nil && one.last.RunID == id {
					one.stand = st
				}
			}
		}
		return rows.Err()
	}, `SELECT run_id, seq, EXISTS (SELECT 1 FROM workflow_waits x WHERE x.run_id = workflow_runs.run_id),
		EXISTS (SELECT 1 FROM workflow_turns t WHERE t.run_id = workflow_runs.run_id) FROM workflow_runs WHERE `+cond+` ORDER BY run_id`+s.ForUpdate(), args...)
}

// writeEnds writes ends of which nothing is refused any more.
func (s jobs) writeEnds(ctx context.Context, tx Tx, list []*closing, at time.Time) error {
	if err := s.placeReturned(ctx, tx, list); err != nil {
		return err
	}
	if err := s.writeLastSteps(ctx, tx, list, at); err != nil {
		return err
	}
	var changes []job.Change
	var over []run.Run
	for _, one := range list {
		changes = append(changes, one.Job)
		// It may have been taken over from a server that lives.
		if b := one.Job.Before; one.Job.After.Crashes > b.Crashes || one.Run.After.Failure == job.CrashFailure(b) {
			tx.Hint(store.Hint{Topic: store.HintStop, ID: one.Job.After.ID})
		}
		if !one.Job.After.Resuming {
			over = append(over, one.Run.After)
		} else if err := leaveRun(ctx, tx, one.Run.After); err != nil {
			return err
		}
		if err := s.endWorkflow(ctx, tx, one); err != nil {
			return err
		}
	}
	if err := s.askRows(ctx, tx, changes); err != nil {
		return err
	}
	if err := s.endEach(ctx, tx, over); err != nil {
		return err
	}
	if err := s.clearBehind(ctx, tx, list); err != nil {
		return err
	}
	heard, err := s.announceEnds(ctx, tx, list)
	if err != nil {
		return err
	}
	if err := tx.Flush(ctx); err != nil {
		return fmt.Errorf("end attempts: %w", err)
	}
	// First those that have been parked, so that what the others wake is as it is stored.
	for _, one := range list {
		if err := wakeMissed(ctx, tx, one.Job.After); err != nil {
			return err
		}
	}
	for _, one := range list {
		if one.last != nil {
			if err := heard[one.Job.After.Tenant].noteSteps(ctx, tx, one.last.events); err != nil {
				return err
			}
		}
		if err := one.told.act(ctx, tx); err != nil {
			return err
		}
		if err := one.left.clear(ctx, tx, one.Job.After); err != nil {
			return err
		}
		if err := memberChanged(ctx, tx, one.Job, stopRest); err != nil {
			return err
		}
	}
	return nil
}

// placeReturned gives jobs that go back to the queue their places, in the order in which
// the caller gave them.
func (s jobs) placeReturned(ctx context.Context, tx Tx, list []*closing) error {
	var back []*closing
	for _, one := range list {
		if one.Job.After.Rank == "" || one.placed {
			back = append(back, one)
		}
	}
	if len(back) == 0 {
		return nil
	}
	slices.SortFunc(back, func(a, b *closing) int { return a.at - b.at })
	seq, err := s.NextSeq(ctx, tx, len(back))
	if err != nil {
		return err
	}
	for i, one := range back {
		one.placed = true // the transaction may be repeated
		one.Job.After.Rank = rank.Natural(one.Job.After.Zone(), seq+int64(i))
	}
	return nil
}

// writeLastSteps writes the last steps of runs.
func (s jobs) writeLastSteps(ctx context.Context, tx Tx, list []*closing, now time.Time) error {
	var steps []*written
	for _, one := range list {
		if w := one.last; w != nil {
			w.writtenAt(now)
			steps = append(steps, w)
			if err := advanceRun(ctx, tx, w); err != nil {
				return err
			}
		}
	}
	if err := s.writeSteps(ctx, tx, steps); err != nil {
		return err
	}
	for _, one := range list {
		w := one.last
		if w == nil {
			continue
		}
		if err := s.writeWaits(ctx, tx, w, one.Job.Before.Tenant); err != nil {
			return err
		}
		if one.stand.awaits || len(w.waits) > 0 {
			if _, err := s.settleWaits(ctx, tx, w); err != nil {
				return err
			}
		}
	}
	return nil
}

// endWorkflow does what the end of a job means for its own run of a workflow.
func (s jobs) endWorkflow(ctx context.Context, tx Tx, one *closing) (err error) {
	one.left = nil
	if one.last == nil || one.last.status == "" {
		one.left, err = workflowChanged(ctx, tx, one.Job)
		return err
	}
	// The last step has said how the run ended.
	one.left = &leftover{sealed: bytes.Contains(one.Job.Before.Params, []byte(`"sealed"`)), turn: one.stand.turn}
	if !one.stand.awaits && len(one.last.waits) == 0 {
		return nil
	}
	if err := tx.Later(ctx, `DELETE FROM workflow_waits WHERE run_id = $1`, one.last.RunID); err != nil {
		return fmt.Errorf("end the waits of a run: %w", err)
	}
	return nil
}

// clearBehind takes away what attempts had, and what was saved for others that will not
// come.
func (s jobs) clearBehind(ctx context.Context, tx Tx, list []*closing) error {
	var runIDs, over []string
	for _, one := range list {
		runIDs = append(runIDs, one.Job.Before.RunID)
		if one.Job.After.State.Terminal() {
			over = append(over, one.Job.After.ID)
		}
	}
	// Their jobs are locked, and the attempts are the latest, so no other one has a lock.
	cond, args := s.OneOf("run_id", 1, runIDs)
	if err := tx.Later(ctx, `DELETE FROM lock_holders WHERE `+cond, args...); err != nil {
		return fmt.Errorf("free locks: %w", err)
	}
	if len(over) == 0 {
		return nil
	}
	cond, args = s.OneOf("job_id", 1, over)
	if err := tx.Later(ctx, `DELETE FROM checkpoints WHERE `+cond, args...); err != nil {
		return fmt.Errorf("drop checkpoints: %w", err)
	}
	return noteAwaited(ctx, tx, s.db, list)
}

// noteAwaited is endAwaited of many.
func noteAwaited(ctx context.Context, tx Tx, d *db, list []*closing) error {
	var ids []string
	for _, one := range list {
		if mayBeAwaited(one.Job) {
			ids = append(ids, one.Job.After.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	cond, args := d.OneOf("job_id", 1, ids)
	if err := tx.Ask(ctx, func(rows Rows) error {
		if rows.Next() {
			tx.Hint(store.Hint{Topic: store.HintPlans})
		}
		return rows.Err()
	}, `UPDATE schedule_runs SET awaited = 2 WHERE `+cond+` AND awaited = 1 RETURNING 1`, args...); err != nil {
		return fmt.Errorf("note the end of runs: %w", err)
	}
	return nil
}

// announceEnds announces the last steps and the ends, and asks who listens, by tenant.
func (s jobs) announceEnds(ctx context.Context, tx Tx, list []*closing) (map[string]*listeners, error) {
	var rows [][]any
	heard := map[string]*listeners{}
	over := map[string][]string{}
	for _, one := range list {
		j := one.Job.After
		if one.last != nil {
			for _, e := range one.last.events {
				rows = append(rows, eventRow(e, ""))
				tx.Hint(store.Hint{Topic: store.HintEvents, ID: e.Tenant})
			}
		}
		if len(one.Job.Emit) == 0 && deltaText(one.Job.Before.Spot(), j.Spot()) != "" {
			return nil, fmt.Errorf("job %s changed its place, and nothing tells of it", j.ID)
		}
		if heard[j.Tenant] == nil {
			heard[j.Tenant] = &listeners{}
		}
		if j.State.Terminal() {
			over[j.Tenant] = append(over[j.Tenant], j.ID)
		}
		one.told, rows = announceTo(heard[j.Tenant], one.Job, rows)
	}
	if err := s.insert(ctx, tx, eventsTable, rows); err != nil {
		return nil, fmt.Errorf("announce ends: %w", err)
	}
	for _, tenant := range slices.Sorted(maps.Keys(heard)) {
		if err := s.askListeners(ctx, tx, tenant, over[tenant], heard[tenant]); err != nil {
			return nil, err
		}
	}
	return heard, nil
}
