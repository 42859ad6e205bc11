package portable

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// This file writes the steps of runs. What can be made before the transaction is:
// on SQLite all transactions wait for one another.

// Attempt is what a step has to know of the job of its run.
type Attempt struct {
	Tenant, State  string
	Epoch, Crashes int64
	CancelAsked    int64 // Unix milliseconds, 0 = nobody did
	CancelledBy    string
}

// AttemptColumns are the columns of jobs that ScanAttempt reads.
const AttemptColumns = `tenant, state, epoch, crashes, cancel_asked_ms, cancelled_by`

// ScanAttempt reads AttemptColumns of a row.
func ScanAttempt(scan func(...any) error) (a Attempt, err error) {
	err = scan(&a.Tenant, &a.State, &a.Epoch, &a.Crashes, &a.CancelAsked, &a.CancelledBy)
	return a, err
}

// Begun is what a step has to know of its run, besides of the job's attempt.
type Begun struct {
	Attempt
	Seq    int64 // of the last step
	Paused string
	Awaits bool      // there are waits
	Wanted bool      // some webhook of the tenant may want events
	Now    time.Time // the authority's, zero where that is what a caller gives
}

// BegunQuery reads Begun. now is the SQL of the authority's clock in Unix milliseconds,
// lock what follows the query.
func BegunQuery(now, lock string) string {
	return `SELECT j.tenant, j.state, j.epoch, j.crashes, j.cancel_asked_ms, j.cancelled_by, w.seq, w.paused_by,
		EXISTS (SELECT 1 FROM workflow_waits x WHERE x.run_id = w.run_id), EXISTS (SELECT 1 FROM webhook_subscriptions h WHERE h.tenant = j.tenant),
		` + now + ` FROM jobs j JOIN workflow_runs w ON w.job_id = j.job_id WHERE w.run_id = $1 AND j.job_id = $2` + lock
}

// ScanBegun reads the row of a BegunQuery.
func ScanBegun(row Row) (b Begun, err error) {
	var now int64
	err = row.Scan(&b.Tenant, &b.State, &b.Epoch, &b.Crashes, &b.CancelAsked, &b.CancelledBy, &b.Seq, &b.Paused, &b.Awaits, &b.Wanted, &now)
	b.Now = clock.FromMillis(now)
	return b, err
}

// written is a step as it goes into the tables, with those that are written with it.
type written struct {
	store.WorkflowStep
	all    []store.WorkflowStep
	rest   string
	deltas []string // of all
	events []event.Event
	// Rows of the tables of these names.
	nodeRows, mapRows, attemptRows [][]any
	// gone are nodes whose maps are taken away.
	gone []string
	// waits are the nodes that wait after the step; others are those of the step that
	// do not.
	waits  []waitRow
	others map[string]bool
	// status is that of a run that ends with the step, else zero.
	status  string
	endedAt time.Time
	// when is when the step is written.
	when time.Time
}

type waitRow struct {
	node string
	workflow.Wait
	woke int64
	data string
}

var (
	// A row with out_seq -1 leaves the outputs as they are, one without a state the
	// state.
	nodesTable = tableOf("workflow_nodes", ` ON CONFLICT (run_id, node_id) DO UPDATE SET
		outputs = CASE WHEN excluded.out_seq < 0 THEN workflow_nodes.outputs ELSE excluded.outputs END,
		out_seq = CASE WHEN excluded.out_seq < 0 THEN workflow_nodes.out_seq ELSE excluded.out_seq END,
		state = CASE WHEN excluded.state = '' THEN workflow_nodes.state ELSE excluded.state END`,
		"run_id", "node_id", "state", "outputs", "out_seq#")
	mapsTable = tableOf("workflow_maps", ` ON CONFLICT (run_id, node_id) DO UPDATE SET state = excluded.state`, "run_id", "node_id", "state")
	// What was lost stays so: what is said of it later is how it ended, not when or where.
	attemptsTable = tableOf("workflow_attempts", ` ON CONFLICT (run_id, node_id, number) DO UPDATE SET
		epoch = CASE WHEN workflow_attempts.lost = '' THEN excluded.epoch ELSE workflow_attempts.epoch END, started_ms = excluded.started_ms,
		ended_ms = CASE WHEN workflow_attempts.lost = '' THEN excluded.ended_ms ELSE workflow_attempts.ended_ms END,
		status = excluded.status, outcome = excluded.outcome, error = excluded.error,
		instance_id = CASE WHEN workflow_attempts.lost = '' AND excluded.instance_id <> '' THEN excluded.instance_id ELSE workflow_attempts.instance_id END,
		lost = CASE WHEN workflow_attempts.lost = '' THEN excluded.lost ELSE workflow_attempts.lost END`,
		"run_id", "node_id", "number#", "epoch#", "started_ms#", "ended_ms#", "status", "outcome", "error", "instance_id", "lost")
	stepsTable = tableOf("workflow_checkpoints", "", "run_id", "seq#", "checkpoint_id", "node_id", "item#", "epoch#", "at_ms#", "delta")
)

const (
	upsertWaits = `INSERT INTO workflow_waits (run_id, node_id, tenant, kind, ref, event, matches, until_ms, woke_ms, data) VALUES `
	onWait      = ` ON CONFLICT (run_id, node_id) DO UPDATE SET kind = excluded.kind, ref = excluded.ref, event = excluded.event,
		matches = excluded.matches, until_ms = excluded.until_ms, woke_ms = excluded.woke_ms, data = excluded.data`
)

// written prepares a step.
func (d *db) written(p store.WorkflowStep) (*written, error) {
	w := &written{WorkflowStep: p, all: p.All(), others: map[string]bool{}}
	var nodes nodeRows
	for i := range w.all {
		one := &w.all[i]
		rest, err := json.Marshal(one.Delta.Rest)
		if err != nil {
			return nil, unstorable(err)
		}
		w.rest = string(rest)
		var text bytes.Buffer
		text.Grow(len(rest) + 512*len(one.Delta.Nodes) + 64)
		text.WriteString(`{"rest":`)
		text.Write(rest)
		if err := w.nodes(one, &nodes, &text); err != nil {
			return nil, err
		}
		if err := w.maps(one, &text); err != nil {
			return nil, err
		}
		for _, list := range []struct {
			name  string
			nodes []string
		}{{"no_outputs", one.Delta.NoOutputs}, {"no_maps", one.Delta.NoMaps}} {
			if len(list.nodes) > 0 {
				fmt.Fprintf(&text, `,%q:%s`, list.name, encode(list.nodes))
			}
		}
		text.WriteByte('}')
		w.deltas = append(w.deltas, text.String())
		// A step of an item whose delta is more than its map is needed for what comes later.
		one.Item = one.Item && len(one.Delta.Nodes) == 0 && len(one.Delta.NoOutputs) == 0 && len(one.Delta.NoMaps) == 0
		w.events = append(w.events, one.Events...)
	}
	w.Item = w.all[len(w.all)-1].Item
	w.nodeRows = nodes.list
	w.attempts()
	return w, nil
}

// progress reports whether a step has the end of something: of an attempt, a wait or an
// item. One that only begins does not show that its run does not end the server.
func (w *written) progress() bool {
	for _, one := range w.all {
		for _, n := range one.Delta.Nodes {
			if n.Status.Terminal() || n.Status == workflow.NodeWaiting {
				return true
			}
		}
		if len(one.Delta.Maps) > 0 {
			return true
		}
	}
	return false
}

// writtenAt sets when the step is written: now, unless the caller gave a time.
func (w *written) writtenAt(now time.Time) {
	if w.when = w.At; w.At.IsZero() {
		w.when = now
	}
}

func unstorable(err error) error {
	return fault.Wrap(err, fault.InvalidInput, "the step has a value that cannot be stored")
}

// nodeRows are rows of nodes, one a node.
type nodeRows struct {
	list [][]any
	at   map[string]int
}

// add takes a row, of which the same holds as of one that the database has: see onNode.
func (l *nodeRows) add(id string, row []any) {
	i, there := l.at[id]
	if !there {
		if l.at == nil {
			l.at = map[string]int{}
		}
		l.at[id] = len(l.list)
		l.list = append(l.list, row)
		return
	}
	if old := l.list[i]; row[4] == int64(-1) {
		row[3], row[4] = old[3], old[4]
	}
	if row[2] == "" {
		row[2] = l.list[i][2]
	}
	l.list[i] = row
}

// nodes makes the rows of nodes and adds their states to the delta.
func (w *written) nodes(one *store.WorkflowStep, list *nodeRows, text *bytes.Buffer) error {
	var states nameList
	for _, id := range slices.Sorted(maps.Keys(one.Delta.Nodes)) {
		n := one.Delta.Nodes[id]
		state, err := json.Marshal(n)
		if err != nil {
			return unstorable(err)
		}
		states.add(text, "nodes", id, state)
		if n.Status == workflow.NodeWaiting && n.Wait != nil {
			w.waits = append(w.waits, waitRow{node: id, Wait: *n.Wait})
			delete(w.others, id)
		} else {
			w.others[id] = true
		}
		o, set := one.Delta.Outputs[id]
		if !set && !slices.Contains(one.Delta.NoOutputs, id) {
			list.add(id, []any{w.RunID, id, string(state), "", int64(-1)})
			continue
		}
		r, err := outputsRow(w.RunID, one.Seq, id, string(state), o)
		if err != nil {
			return err
		}
		list.add(id, r)
	}
	states.end(text)
	// Outputs of nodes whose state is as it was.
	for _, id := range slices.Sorted(maps.Keys(one.Delta.Outputs)) {
		if _, done := one.Delta.Nodes[id]; !done {
			r, err := outputsRow(w.RunID, one.Seq, id, "", one.Delta.Outputs[id])
			if err != nil {
				return err
			}
			list.add(id, r)
		}
	}
	for _, id := range one.Delta.NoOutputs {
		if _, done := one.Delta.Nodes[id]; !done {
			list.add(id, []any{w.RunID, id, "", "", one.Seq})
		}
	}
	return nil
}

func outputsRow(runID string, seq int64, id, state string, o map[string]any) ([]any, error) {
	if o == nil {
		return []any{runID, id, state, "", seq}, nil
	}
	b, err := json.Marshal(o)
	if err != nil {
		return nil, unstorable(err)
	}
	return []any{runID, id, state, string(b), seq}, nil
}

func (w *written) maps(one *store.WorkflowStep, text *bytes.Buffer) error {
	if len(one.Delta.Maps) == 0 && len(one.Delta.NoMaps) == 0 {
		return nil
	}
	var states nameList
	for _, id := range slices.Sorted(maps.Keys(one.Delta.Maps)) {
		state, err := json.Marshal(one.Delta.Maps[id])
		if err != nil {
			return unstorable(err)
		}
		states.add(text, "maps", id, state)
		w.setMap(id, []any{w.RunID, id, string(state)})
	}
	states.end(text)
	for _, id := range one.Delta.NoMaps {
		w.setMap(id, nil)
	}
	return nil
}

// setMap notes the row of a map, or that there is none any more. The later step counts.
func (w *written) setMap(id string, row []any) {
	w.mapRows = slices.DeleteFunc(w.mapRows, func(old []any) bool { return old[1] == id })
	w.gone = slices.DeleteFunc(w.gone, func(old string) bool { return old == id })
	if row == nil {
		w.gone = append(w.gone, id)
	} else {
		w.mapRows = append(w.mapRows, row)
	}
}

// attempts makes the rows of attempts; of one that comes twice the later counts.
func (w *written) attempts() {
	type key struct {
		node   string
		number int
	}
	at := map[key]int{}
	for _, one := range w.all {
		for _, a := range one.Attempts {
			failure := ""
			if a.Error != nil {
				failure = encode(a.Error)
			}
			row := []any{w.RunID, a.NodeID, a.Number, a.Epoch, clock.Millis(a.StartedAt), clock.Millis(a.EndedAt), string(a.Status), a.Outcome, failure, a.Instance, string(a.Lost)}
			if i, there := at[key{a.NodeID, a.Number}]; there {
				w.attemptRows[i] = row
				continue
			}
			at[key{a.NodeID, a.Number}] = len(w.attemptRows)
			w.attemptRows = append(w.attemptRows, row)
		}
	}
}

// nameList writes a member of a JSON object that is an object itself.
type nameList struct{ begun bool }

func (l *nameList) add(b *bytes.Buffer, member, name string, value []byte) {
	if !l.begun {
		fmt.Fprintf(b, `,%q:{`, member)
	} else {
		b.WriteByte(',')
	}
	l.begun = true
	b.WriteString(encode(name))
	b.WriteByte(':')
	b.Write(value)
}

func (l *nameList) end(b *bytes.Buffer) {
	if l.begun {
		b.WriteByte('}')
	}
}

func (s workflowRuns) Step(ctx context.Context, p store.WorkflowStep) (store.WorkflowSignals, error) {
	w, err := s.written(p)
	if err != nil {
		return store.WorkflowSignals{}, err
	}
	var out store.WorkflowSignals
	err = s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out, err = s.step(ctx, tx, w)
		return err
	})
	return out, err
}

func (s workflowRuns) step(ctx context.Context, tx Tx, w *written) (store.WorkflowSignals, error) {
	var out store.WorkflowSignals
	// What is waited for is locked before the run's own job, as those go who end it.
	if err := s.lockAwaited(ctx, tx, w.waits); err != nil {
		return out, err
	}
	b, err := s.LockStep(ctx, tx, w.RunID, w.JobID)
	if errors.Is(err, sql.ErrNoRows) {
		return out, s.refuseStep(ctx, tx, w)
	}
	if err != nil {
		return out, fmt.Errorf("begin step: %w", err)
	}
	if b.State != "RUNNING" || b.Epoch != w.Epoch {
		return out, staleStep(w.JobID)
	}
	if b.Seq != w.all[0].Seq-1 {
		return out, fault.Newf(fault.Conflict, "run %s is at step %d, and %d does not follow", w.RunID, b.Seq, w.all[0].Seq)
	}
	w.writtenAt(b.Now)
	// The rows are locked, so from here on nothing is asked that may refuse.
	if err := advanceRun(ctx, tx, w); err != nil {
		return out, err
	}
	if b.Crashes > 0 && w.progress() {
		if err := tx.Later(ctx, `UPDATE jobs SET crashes = 0, version = version + 1 WHERE job_id = $1`, w.JobID); err != nil {
			return out, fmt.Errorf("clear crashes: %w", err)
		}
	}
	if err := s.writeSteps(ctx, tx, []*written{w}); err != nil {
		return out, err
	}
	if err := s.writeWaits(ctx, tx, w, b.Tenant); err != nil {
		return out, err
	}
	if err := s.announceStep(ctx, tx, w.events, b.Wanted); err != nil {
		return out, err
	}
	out = store.WorkflowSignals{Paused: b.Paused != "", CancelAskedAt: clock.FromMillis(b.CancelAsked), CancelledBy: b.CancelledBy}
	if b.Awaits || len(w.waits) > 0 {
		out.Woken, err = s.settleWaits(ctx, tx, w)
	}
	return out, err
}

// advanceRun writes how far a run has come.
func advanceRun(ctx context.Context, tx Tx, w *written) error {
	ms := clock.Millis(w.when)
	q, args := `UPDATE workflow_runs SET seq = $1, epoch = $2, rest = $3, updated_ms = $4,
		started_ms = CASE WHEN started_ms = 0 THEN $5 ELSE started_ms END`, []any{w.Seq, w.Epoch, w.rest, ms, ms}
	if w.status == "" {
		q += ` WHERE run_id = $6`
	} else { // an index holds the status: it is named only where it changes
		q, args = q+`, status = $6, ended_ms = $7 WHERE run_id = $8`, append(args, w.status, clock.Millis(w.endedAt))
	}
	if err := tx.Later(ctx, q, append(args, w.RunID)...); err != nil {
		return fmt.Errorf("advance a run: %w", err)
	}
	return nil
}

// writeSteps writes steps of different runs, but for what their nodes wait for, and adds
// them to the log. Of the steps of items the latest are kept: each new one pushes the
// oldest out.
func (d *db) writeSteps(ctx context.Context, tx Tx, list []*written) error {
	var nodes, maps, attempts, steps [][]any
	for _, w := range list {
		nodes, maps, attempts = append(nodes, w.nodeRows...), append(maps, w.mapRows...), append(attempts, w.attemptRows...)
		for i, one := range w.all {
			steps = append(steps, []any{w.RunID, one.Seq, one.CheckpointID, one.NodeID, flag(one.Item), w.Epoch, clock.Millis(w.when), w.deltas[i]})
		}
	}
	for _, x := range []struct {
		table
		rows [][]any
	}{{nodesTable, nodes}, {mapsTable, maps}, {attemptsTable, attempts}, {stepsTable, steps}} {
		if err := d.insert(ctx, tx, x.table, x.rows); err != nil {
			return fmt.Errorf("write steps to %s: %w", x.name, err)
		}
	}
	for _, w := range list {
		if len(w.gone) > 0 {
			cond, args := d.OneOf("node_id", 2, w.gone)
			if err := tx.Later(ctx, `DELETE FROM workflow_maps WHERE run_id = $1 AND `+cond, append([]any{w.RunID}, args...)...); err != nil {
				return fmt.Errorf("take maps away: %w", err)
			}
		}
		if !w.Item {
			continue
		}
		if err := tx.Later(ctx, `DELETE FROM workflow_checkpoints WHERE run_id = $1 AND seq = (SELECT seq FROM workflow_checkpoints
			WHERE run_id = $2 AND node_id = $3 AND item = 1 ORDER BY seq DESC LIMIT 1 OFFSET $4)`,
			w.RunID, w.RunID, w.NodeID, store.KeepItems); err != nil {
			return fmt.Errorf("shorten the log of items: %w", err)
		}
	}
	return nil
}

// fence locks the job of a run, and refuses who does not have its active attempt.
func (d *db) fence(ctx context.Context, tx Tx, jobID string, epoch int64) (Attempt, error) {
	a, err := d.LockAttempt(ctx, tx, jobID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (a.State != "RUNNING" || a.Epoch != epoch) {
		return a, staleStep(jobID)
	}
	if err != nil {
		return a, fmt.Errorf("check attempt: %w", err)
	}
	return a, nil
}

// refuseStep says why a job has no step of the run.
func (d *db) refuseStep(ctx context.Context, tx Tx, w *written) error {
	if _, err := d.fence(ctx, tx, w.JobID, w.Epoch); err != nil {
		return err
	}
	return noWorkflowRun(w.RunID)
}

// eventsTable is where events are announced. places is what happened to the order.
var eventsTable = tableOf("events", "", "tenant", "type", "at_ms#", "job_id", "run_id", "template_id", "data", "places")

func eventRow(e event.Event, places string) []any {
	return []any{e.Tenant, string(e.Type), clock.Millis(e.At), e.JobID, e.RunID, e.TemplateID, encode(e.Data), places}
}

// announceStep announces the events of a step, and asks who wants them if somebody may.
// They set off no schedule, and say nothing of the job that HintJob is for, which would
// be read anew at each step.
func (d *db) announceStep(ctx context.Context, tx Tx, evs []event.Event, ask bool) error {
	rows := make([][]any, len(evs))
	for i, e := range evs {
		rows[i] = eventRow(e, "")
		tx.Hint(store.Hint{Topic: store.HintEvents, ID: e.Tenant})
	}
	if err := d.insert(ctx, tx, eventsTable, rows); err != nil {
		return fmt.Errorf("announce a step: %w", err)
	}
	if !ask || len(evs) == 0 {
		return nil
	}
	var l listeners
	if err := d.askListeners(ctx, tx, evs[0].Tenant, nil, &l); err != nil {
		return err
	}
	if err := tx.Flush(ctx); err != nil {
		return fmt.Errorf("announce a step: %w", err)
	}
	return l.noteSteps(ctx, tx, evs)
}
