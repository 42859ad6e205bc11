package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

// This file writes the decisions of planners, all of a batch together: when many
// schedules are due at the same time, statements for single rows are what costs.

// ruling is a decision with what the store knows of it.
type ruling struct {
	store.Decided
	dropped, stopped []job.Job
	err              error // a conflict: nothing of it is done
	retry            bool  // the schedule is as it was, and is to be decided again
}

func (s schedules) Decide(ctx context.Context, items []store.Decided) ([]error, error) {
	var out []error
	lost := false
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out, lost = make([]error, len(items)), false
		all := make([]*ruling, len(items))
		for i, d := range items {
			all[i] = &ruling{Decided: d}
			if err := claimKey(ctx, tx, d.Key); err != nil {
				return err
			}
		}
		if err := s.hold(ctx, tx, all); err != nil {
			return err
		}
		taken := map[string]bool{}
		for _, v := range all {
			if v.err != nil { // its jobs stand in nobody's way
				continue
			}
			var err error
			if v.Decided, err = s.withoutEqual(ctx, tx, v.Decided, taken); err != nil {
				return err
			}
		}
		if err := s.moveOn(ctx, tx, all); err != nil {
			return err
		}
		for i, v := range all {
			out[i] = v.err
			if lost = v.err != nil && v.Key != nil; lost {
				return v.err // nothing must stay of the key either
			}
		}
		if err := release(ctx, tx, all); err != nil {
			return err
		}
		return s.finish(ctx, tx, slices.DeleteFunc(all, func(v *ruling) bool { return v.err != nil }))
	})
	if lost {
		return out, nil
	}
	return out, err
}

// finish does what is left to do of decisions that are not in conflict.
func (s schedules) finish(ctx context.Context, tx Tx, done []*ruling) error {
	if err := s.carryOut(ctx, tx, done); err != nil {
		return err
	}
	if err := await(ctx, tx, done); err != nil {
		return err
	}
	for _, v := range done {
		if err := storeKey(ctx, tx, v.Key, v.Decided); err != nil {
			return err
		}
		if err := record(ctx, tx, v.Audit); err != nil {
			return err
		}
	}
	return nil
}

// withoutEqual takes the jobs out of a decision that must not be there twice. taken
// are the keys of jobs that other decisions of the batch are going to add.
func (s schedules) withoutEqual(ctx context.Context, tx Tx, d store.Decided, taken map[string]bool) (store.Decided, error) {
	if len(d.Unique) == 0 {
		return d, nil
	}
	all := d.Jobs
	d.Jobs, d.Outcome.Decisions, d.Outcome.State.Skips = nil, slices.Clone(d.Outcome.Decisions), maps.Clone(d.Outcome.State.Skips)
	for i, x := range d.Outcome.Decisions {
		if !x.Fire || len(all) == 0 {
			continue
		}
		j := all[0]
		all = all[1:]
		equal, err := s.equal(ctx, tx, d, j)
		if err != nil {
			return d, err
		}
		if key := d.Tenant + " " + j.UniqueKey; equal == "" && !taken[key] {
			d.Jobs = append(d.Jobs, j)
			taken[key] = j.UniqueKey != ""
			continue
		}
		if x.Source == agenda.SourceManual {
			return d, fault.Newf(fault.NotUnique, "job %s does the same", equal).At("/unique", string(fault.NotUnique), equal)
		}
		d.Outcome.Refuse(i, agenda.ReasonUnique)
	}
	if n := len(d.Jobs); n > 0 && d.Outcome.State.Last.JobID == "" {
		d.Outcome.State.Last.JobID = d.Jobs[n-1].ID
	}
	return d, nil
}

// equal returns the id of a job that is equal to j and is not replaced by it. The
// key is locked: of two that come at once, one sees the other.
func (s schedules) equal(ctx context.Context, tx Tx, d store.Decided, j job.Job) (string, error) {
	u, is := d.Unique[j.ID]
	if !is || j.UniqueKey == "" {
		return "", nil
	}
	states := u.States
	if len(states) == 0 {
		states = []job.State{job.Queued, job.Running}
	}
	other, err := equalTo(ctx, tx, j, u.Since, states, d.Outcome.Supersede)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for an equal job: %w", err)
	}
	return other.ID, nil
}

// moveOn writes the states and cursors of all whose schedule is as it was when they
// were decided. The others get a conflict.
func (d *db) moveOn(ctx context.Context, tx Tx, all []*ruling) error {
	waits := map[string]*ruling{}
	var list []*ruling
	for _, v := range all {
		if v.err != nil {
			continue
		}
		v.err = changedMeanwhile(v)
		if waits[v.ID] == nil { // of two for one schedule the first counts
			waits[v.ID] = v
			list = append(list, v)
		}
	}
	return inChunks(d, 8, list, func(part []*ruling) error {
		const text, number = "TEXT", "BIGINT"
		r := newRows(8, text, text, number, text, text, number, number, number)
		for _, v := range part {
			st := v.Outcome.State
			r.add(v.ID, v.Tenant, v.Epoch, string(st.Status), encode(st), clock.Millis(st.Cursor), clock.Millis(st.Next), flag(st.AwaitsEnd))
		}
		ids, err := texts(ctx, tx, `WITH v (v_id, v_tenant, v_epoch, v_status, v_state, v_cursor, v_next, v_awaits) AS (VALUES `+r.String()+`)
			UPDATE schedules SET status = v_status, state = v_state, cursor_ms = v_cursor, next_ms = v_next, awaits_end = v_awaits,
			claimed_by = '', claimed_until_ms = 0, claim_epoch = claim_epoch + 1
			FROM v WHERE schedule_id = v_id AND tenant = v_tenant AND claim_epoch = v_epoch AND deleted_ms = 0 RETURNING schedule_id`, r.args...)
		if err != nil {
			return fmt.Errorf("decide about schedules: %w", err)
		}
		for _, id := range ids {
			waits[id].err = nil
		}
		return nil
	})
}

// carryOut does what the decisions say, whose cursors are written.
func (s schedules) carryOut(ctx context.Context, tx Tx, done []*ruling) error {
	var ended []ending
	for _, v := range done {
		if v.On != nil {
			if _, err := tx.Exec(ctx, `UPDATE schedules SET on_event = $1, on_subject = $2, on_delay_ms = $3 WHERE schedule_id = $4`,
				string(v.On.Event), v.On.Subject, v.On.Delay.Milliseconds(), v.ID); err != nil {
				return fmt.Errorf("note what a schedule waits for: %w", err)
			}
		}
		for _, j := range v.dropped {
			if err := dropJob(ctx, tx, j, v.Now, string(agenda.ReasonSuperseded)); err != nil {
				return fmt.Errorf("replace a waiting run: %w", err)
			}
			ended = append(ended, ending{v.ID, agenda.Run{JobID: j.ID, Status: agenda.RunSkipped, Reason: agenda.ReasonSuperseded, EndedAt: v.Now}})
		}
		if err := stopJobs(ctx, tx, v.stopped, v.Decided); err != nil {
			return err
		}
		for _, r := range v.Outcome.Closed {
			ended = append(ended, ending{v.ID, r})
		}
		if v.Was != "" {
			if err := announceStatus(ctx, tx, plan{v.Tenant, v.ID, v.Name}, v.Was, v.Outcome.State, v.Now); err != nil {
				return err
			}
		}
		if v.By != "" { // planners look at the time themselves
			tx.Hint(store.Hint{Topic: store.HintPlans})
		}
	}
	if err := s.closeRuns(ctx, tx, ended); err != nil {
		return err
	}
	return s.record(ctx, tx, done)
}

// ending is the end of a schedule's run.
type ending struct {
	id  string
	run agenda.Run
}

func (d *db) closeRuns(ctx context.Context, tx Tx, list []ending) error {
	return inChunks(d, 6, list, func(part []ending) error {
		r := newRows(6, "TEXT", "TEXT", "TEXT", "TEXT", "BIGINT", "BIGINT")
		for _, e := range part {
			r.add(e.id, e.run.JobID, string(e.run.Status), string(e.run.Reason), clock.Millis(e.run.StartedAt), clock.Millis(e.run.EndedAt))
		}
		if _, err := tx.Exec(ctx, `WITH v (v_id, v_job, v_status, v_reason, v_started, v_ended) AS (VALUES `+r.String()+`)
			UPDATE schedule_runs SET open = 0, awaited = 0, status = v_status, reason = v_reason, started_ms = v_started, ended_ms = v_ended
			FROM v WHERE job_id = v_job AND schedule_id = v_id`, r.args...); err != nil {
			return fmt.Errorf("record the ends of runs: %w", err)
		}
		return nil
	})
}

// stopJobs asks jobs to stop. One that has ended meanwhile needs nothing.
func stopJobs(ctx context.Context, tx Tx, list []job.Job, d store.Decided) error {
	by := d.By
	if by == "" {
		by = "schedule " + d.ID
	}
	for _, j := range list {
		if j.State.Terminal() {
			continue
		}
		c, err := job.Apply(j, job.CancelAsked{At: d.Now, By: by})
		if err != nil {
			return err
		}
		if _, err := change(ctx, tx, c); err != nil { // its row is locked
			return err
		}
		if err := dropCheckpoint(ctx, tx, c.After); err != nil {
			return err
		}
	}
	return nil
}

// firing is a nominal that fires.
type firing struct {
	of    *ruling
	x     agenda.Decision
	job   job.Job
	again int
	fired bool
}

// record writes the history and the jobs.
func (s schedules) record(ctx context.Context, tx Tx, done []*ruling) error {
	var all []*firing
	var skips []skipped
	for _, v := range done {
		jobs := v.Jobs
		for _, x := range v.Outcome.Decisions {
			if !x.Fire {
				skips = append(skips, skipped{v, x})
				continue
			}
			if len(jobs) == 0 {
				return fmt.Errorf("schedule %s fires without a job", v.ID)
			}
			all = append(all, &firing{of: v, x: x, job: jobs[0]})
			jobs = jobs[1:]
		}
	}
	if err := s.recordSkips(ctx, tx, skips); err != nil {
		return err
	}
	if err := s.recordRuns(ctx, tx, all); err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(f *firing) bool { return !f.fired })
	news := make([]notice, 0, len(skips)+len(all))
	for _, x := range skips {
		news = append(news, notice{Event: skippedEvent(x.of.Decided, x.x)})
	}
	for _, f := range all {
		news = append(news, notice{Event: firedEvent(f.of.Decided, f.x, f.job.ID)})
	}
	if err := s.announceMany(ctx, tx, news); err != nil || len(all) == 0 {
		return err
	}
	jobs := make([]job.Job, len(all))
	var requests []approval.Request
	for i, f := range all {
		jobs[i] = waiting(f.job, f.of.Now)
		if r := requestAbout(f.of.Approvals, f.job.ID); r != nil {
			jobs[i].ApprovalID, jobs[i].ApprovalUntil = r.ID, clock.FromMillis(clock.Millis(r.ExpiresAt))
			requests = append(requests, storedApproval(*r))
		}
	}
	if err := s.addJobs(ctx, tx, jobs); err != nil {
		return err
	}
	for _, r := range requests {
		if err := ask(ctx, tx, r); err != nil {
			return err
		}
	}
	return nil
}

// skipped is a stretch of nominals that do not fire.
type skipped struct {
	of *ruling
	x  agenda.Decision
}

func (d *db) recordSkips(ctx context.Context, tx Tx, list []skipped) error {
	// No statement may touch a row twice.
	type key struct {
		id, reason string
		nominal    int64
	}
	seen := make(map[key]bool, len(list))
	var again []skipped
	list = slices.DeleteFunc(slices.Clone(list), func(s skipped) bool {
		k := key{s.of.ID, string(s.x.Reason), clock.Millis(s.x.Nominal)}
		if seen[k] {
			again = append(again, s)
			return true
		}
		seen[k] = true
		return false
	})
	if err := d.insertSkips(ctx, tx, list); err != nil || len(again) == 0 {
		return err
	}
	return d.recordSkips(ctx, tx, again)
}

func (d *db) insertSkips(ctx context.Context, tx Tx, list []skipped) error {
	return inChunks(d, 7, list, func(part []skipped) error {
		r := newRows(7)
		for _, s := range part {
			r.add(s.of.ID, clock.Millis(s.x.Nominal), string(s.x.Reason), clock.Millis(s.x.Last), s.x.Count, clock.Millis(s.of.Now), s.of.Version)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO schedule_skips (schedule_id, nominal_ms, reason, last_ms, nominals, decided_ms, version)
			VALUES `+r.String()+`
			ON CONFLICT (schedule_id, nominal_ms, reason) DO UPDATE SET last_ms = excluded.last_ms,
			nominals = schedule_skips.nominals + excluded.nominals, decided_ms = excluded.decided_ms`, r.args...); err != nil {
			return fmt.Errorf("record skipped nominals: %w", err)
		}
		return nil
	})
}

// fireKey is what keeps a nominal from firing twice.
type fireKey struct {
	id      string
	nominal int64
	again   int
}

func (f *firing) key() fireKey { return fireKey{f.of.ID, clock.Millis(f.x.Nominal), f.again} }

// recordRuns takes the fire keys, and notes which of them were free.
func (d *db) recordRuns(ctx context.Context, tx Tx, all []*firing) error {
	var plain, others []*firing
	for _, f := range all {
		if f.x.Source == agenda.SourceManual || f.x.Source == agenda.SourceBackfill && f.x.Again {
			others = append(others, f)
		} else {
			plain = append(plain, f)
		}
	}
	if err := inChunks(d, runParams, plain, func(part []*firing) error { return takeKeys(ctx, tx, part) }); err != nil {
		return err
	}
	for _, f := range others { // one after the other: each is numbered behind the one before
		if err := tx.Row(ctx, `SELECT coalesce(max(again), 0) + 1 FROM schedule_runs WHERE schedule_id = $1 AND nominal_ms = $2`,
			f.of.ID, clock.Millis(f.x.Nominal)).Scan(&f.again); err != nil {
			return fmt.Errorf("number a run: %w", err)
		}
		if err := takeKeys(ctx, tx, []*firing{f}); err != nil {
			return err
		}
	}
	return nil
}

// runParams is the number of parameters that takeKeys takes for a run.
const runParams = 17

func takeKeys(ctx context.Context, tx Tx, part []*firing) error {
	r := newRows(runParams)
	wanted := make(map[fireKey]*firing, len(part))
	for _, f := range part {
		planned := f.x.Due
		if f.x.Source == agenda.SourceCatchUp {
			planned = f.of.Now
		}
		if !f.x.NotBefore.IsZero() {
			planned = f.x.NotBefore
		}
		r.add(f.of.ID, clock.Millis(f.x.Nominal), f.again, clock.Millis(f.x.Previous), clock.Millis(f.x.Due), clock.Millis(planned),
			clock.Millis(f.of.Now), string(f.x.Source), f.of.Version, f.of.Outcome.State.Calendars, f.job.ID, 1, "", "", 0, 0, flag(f.of.Outcome.State.AwaitsEnd))
		if wanted[f.key()] == nil { // the first row of a key is the one that is stored
			wanted[f.key()] = f
		}
	}
	found, err := tx.Query(ctx, `INSERT INTO schedule_runs (schedule_id, nominal_ms, again, previous_ms, due_ms, planned_ms, decided_ms, source,
		version, calendar_version, job_id, open, status, reason, started_ms, ended_ms, awaited) VALUES `+r.String()+`
		ON CONFLICT (schedule_id, nominal_ms, again) DO NOTHING RETURNING schedule_id, nominal_ms, again`, r.args...)
	if err != nil {
		return fmt.Errorf("record runs: %w", err)
	}
	keys, err := collect(found, func(rows Rows) (k fireKey, err error) { return k, rows.Scan(&k.id, &k.nominal, &k.again) })
	if err != nil {
		return fmt.Errorf("record runs: %w", err)
	}
	for _, k := range keys {
		wanted[k].fired = true
	}
	return nil
}

// addJobs writes and announces new jobs that come at the end of the order, each as
// waiting returned it.
func (d *db) addJobs(ctx context.Context, tx Tx, list []job.Job) error {
	for part := range slices.Chunk(list, maxPlaces) {
		first, err := d.NextSeq(ctx, tx, len(part))
		if err != nil {
			return err
		}
		for i := range part {
			part[i].Rank = rank.Natural(part[i].Zone(), first+int64(i))
		}
	}
	tx.Hint(store.Hint{Topic: store.HintQueue})
	return d.writeNew(ctx, tx, list)
}

// writeNew writes and announces new jobs that have their ranks. Nobody can be waiting for
// one of them, so there are no hints about single jobs: so many would make each watcher
// look at everything.
func (d *db) writeNew(ctx context.Context, tx Tx, list []job.Job) error {
	if err := d.insertJobs(ctx, tx, list); err != nil {
		return err
	}
	news := make([]notice, len(list))
	for i, j := range list {
		news[i] = notice{event.Event{Tenant: j.Tenant, Type: event.JobQueued, At: j.QueuedAt, JobID: j.ID}, deltaText(order.Spot{}, j.Spot()), webhook.Subject{Job: &list[i]}}
	}
	return d.announceMany(ctx, tx, news)
}

// maxPlaces is how many places addJobs reserves at once.
const maxPlaces = 10_000

// notice is an event with what announceAbout is told of it.
type notice struct {
	event.Event
	moved string
	about webhook.Subject
}

// announceMany is announceAbout for many events that set off no schedule, without
// hints about their jobs.
func (d *db) announceMany(ctx context.Context, tx Tx, list []notice) error {
	type topic struct {
		tenant string
		of     event.Type
	}
	wanted := map[topic]bool{}
	for _, e := range list {
		t := topic{e.Tenant, e.Type}
		if _, known := wanted[t]; known {
			continue
		}
		var wants bool
		if err := tx.Row(ctx, `SELECT EXISTS (SELECT 1 FROM webhook_subscriptions w WHERE w.tenant = $1 AND w.type IN ($2, '*'))`,
			e.Tenant, string(e.Type)).Scan(&wants); err != nil {
			return fmt.Errorf("ask who wants %s: %w", e.Type, err)
		}
		wanted[t] = wants
		tx.Hint(store.Hint{Topic: store.HintEvents, ID: e.Tenant})
	}
	rows := make([][]any, len(list))
	for i, e := range list {
		rows[i] = eventRow(e.Event, e.moved)
	}
	if err := d.insert(ctx, tx, eventsTable, rows); err != nil {
		return fmt.Errorf("announce %d events: %w", len(list), err)
	}
	for _, e := range list {
		if wanted[topic{e.Tenant, e.Type}] || wantedByJob(e.about.Job, e.Event) {
			if err := note(ctx, tx, e.Event, e.about); err != nil {
				return err
			}
		}
	}
	return nil
}
