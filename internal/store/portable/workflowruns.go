package portable

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// This file reads runs of workflows, and adds them with their jobs.

type workflowRuns struct{ *db }

// workflowType is the job type whose jobs have a run of a workflow.
const workflowType = "workflow"

// workflowColumns leave out the state.
const workflowColumns = `run_id, tenant, job_id, workflow_id, version, hash, retry_of, status, seq, epoch, paused_by, created_ms, started_ms, ended_ms, updated_ms`

func scanWorkflowRun(rows Rows) (store.WorkflowRun, error) {
	r, _, err := scanWorkflowWith(rows.Scan)
	return r, err
}

// scanWorkflowWith reads workflowColumns, and what comes behind them into more. It
// also returns the status of one that has ended, "" otherwise.
func scanWorkflowWith(scan func(...any) error, more ...any) (r store.WorkflowRun, status string, err error) {
	var created, started, ended, updated int64
	to := []any{
		&r.ID, &r.Tenant, &r.JobID, &r.WorkflowID, &r.Version, &r.Hash, &r.RetryOf, &status, &r.Seq, &r.Epoch, &r.PausedBy,
		&created, &started, &ended, &updated,
	}
	err = scan(append(to, more...)...)
	r.CreatedAt, r.StartedAt = clock.FromMillis(created), clock.FromMillis(started)
	r.EndedAt, r.UpdatedAt = clock.FromMillis(ended), clock.FromMillis(updated)
	return r, status, err
}

// newWorkflowRun is what of a job's params says which run of a workflow it has.
type newWorkflowRun struct {
	WorkflowID string `json:"workflow_id"`
	Version    int    `json:"version"`
}

// insertWorkflowRuns adds the runs of those of the jobs that are of the type workflow.
// One whose params name no version is pinned to the one that is active now.
func insertWorkflowRuns(ctx context.Context, tx Tx, list []job.Job) error {
	r := newRows(17)
	var ids []string
	for _, j := range list {
		if j.Type != workflowType {
			continue
		}
		var n newWorkflowRun
		if err := json.Unmarshal(j.Params, &n); err != nil {
			return fault.Wrap(err, fault.InvalidInput, "the params of job "+j.ID+" name no workflow")
		}
		created := clock.Millis(j.CreatedAt)
		ids = append(ids, store.WorkflowRunID(j.ID))
		r.add(store.WorkflowRunID(j.ID), j.Tenant, j.ID, n.WorkflowID, n.Version, "", "", "", 0, 0, "", created, 0, 0, created, "", 0)
	}
	if len(r.args) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, `INSERT INTO workflow_runs (`+workflowColumns+`, rest, forgotten) VALUES `+r.String(), r.args...); err != nil {
		return fmt.Errorf("insert runs of workflows: %w", err)
	}
	marks, args := values(ids)
	if _, err := tx.Exec(ctx, `UPDATE workflow_runs SET version = v.version, hash = v.content_hash FROM workflow_versions v
		WHERE run_id IN (`+marks+`) AND v.tenant = workflow_runs.tenant AND v.workflow_id = workflow_runs.workflow_id
		AND v.version = CASE WHEN workflow_runs.version > 0 THEN workflow_runs.version ELSE (SELECT active FROM workflows w
			WHERE w.tenant = workflow_runs.tenant AND w.workflow_id = workflow_runs.workflow_id) END`, args...); err != nil {
		return fmt.Errorf("pin the versions of runs: %w", err)
	}
	return nil
}

// seedWorkflows gives new runs the states with which they begin.
func (d *db) seedWorkflows(ctx context.Context, tx Tx, seeds []store.WorkflowSeed, at time.Time) error {
	for _, s := range seeds {
		delta := workflow.Difference(workflow.State{}, s.State, nil)
		w, err := d.written(store.WorkflowStep{RunID: store.WorkflowRunID(s.JobID), Delta: delta, At: at})
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE workflow_runs SET retry_of = $1, rest = $2 WHERE run_id = $3 AND seq = 0`, s.RetryOf, w.rest, w.RunID)
		if err != nil {
			return fmt.Errorf("seed a run: %w", err)
		}
		if n == 0 {
			return fault.Newf(fault.InvalidInput, "job %s has no run of a workflow to begin with a state", s.JobID)
		}
		w.writtenAt(at)
		if err := d.writeSteps(ctx, tx, []*written{w}); err != nil {
			return err
		}
	}
	return nil
}

func (s workflowRuns) Run(ctx context.Context, tenant, id string) (store.WorkflowRun, error) {
	var out store.WorkflowRun
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		if out, err = workflowByID(ctx, tx, id); err != nil {
			return err
		}
		if out.Tenant != tenant {
			return noWorkflowRun(id)
		}
		out.Job, err = jobByID(ctx, tx, tenant, out.JobID)
		return err
	})
	return out, err
}

func noWorkflowRun(id string) error { return fault.Newf(fault.NotFound, "no run %s of a workflow", id) }

// workflowByID reads a run with its state.
func workflowByID(ctx context.Context, tx Tx, id string) (store.WorkflowRun, error) {
	var rest string
	r, _, err := scanWorkflowWith(tx.Row(ctx, `SELECT `+workflowColumns+`, rest FROM workflow_runs WHERE run_id = $1`, id).Scan, &rest)
	if errors.Is(err, sql.ErrNoRows) {
		return r, noWorkflowRun(id)
	}
	if err != nil || rest == "" {
		r.State = workflow.Begin()
		return r, err
	}
	var d workflow.Delta
	if err := decode(rest, &d.Rest); err != nil {
		return r, err
	}
	if d.Nodes, d.Outputs, err = readNodes(ctx, tx, id); err != nil {
		return r, err
	}
	if d.Maps, err = readMaps(ctx, tx, id); err != nil {
		return r, err
	}
	r.State = workflow.State{}.Apply(d)
	return r, nil
}

func readNodes(ctx context.Context, tx Tx, id string) (map[string]workflow.NodeState, map[string]map[string]any, error) {
	nodes, outputs := map[string]workflow.NodeState{}, map[string]map[string]any{}
	rows, err := tx.Query(ctx, `SELECT node_id, state, outputs FROM workflow_nodes WHERE run_id = $1`, id)
	if err != nil {
		return nil, nil, fmt.Errorf("read nodes: %w", err)
	}
	_, err = collect(rows, func(r Rows) (struct{}, error) {
		var node, state, out string
		if err := r.Scan(&node, &state, &out); err != nil {
			return struct{}{}, err
		}
		if state != "" { // a node whose outputs came alone has none
			var n workflow.NodeState
			if err := decode(state, &n); err != nil {
				return struct{}{}, err
			}
			nodes[node] = n
		}
		if out == "" {
			return struct{}{}, nil
		}
		var o map[string]any
		err := decode(out, &o)
		outputs[node] = o
		return struct{}{}, err
	})
	return nodes, outputs, err
}

func readMaps(ctx context.Context, tx Tx, id string) (map[string]workflow.MapState, error) {
	maps := map[string]workflow.MapState{}
	rows, err := tx.Query(ctx, `SELECT node_id, state FROM workflow_maps WHERE run_id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("read maps: %w", err)
	}
	_, err = collect(rows, func(r Rows) (struct{}, error) {
		var node, state string
		if err := r.Scan(&node, &state); err != nil {
			return struct{}{}, err
		}
		var m workflow.MapState
		err := decode(state, &m)
		maps[node] = m
		return struct{}{}, err
	})
	return maps, err
}

func (s workflowRuns) Load(ctx context.Context, jobID string, epoch int64) (store.WorkflowRun, store.WorkflowSignals, error) {
	var out store.WorkflowRun
	var sig store.WorkflowSignals
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		// The run's rows come with the job, in one round trip.
		var j job.Job
		found := false
		err := tx.Ask(ctx, func(rows Rows) (err error) {
			if found = rows.Next(); found {
				j, err = scanJob(rows)
			}
			return err
		}, `SELECT `+jobColumns+` FROM jobs WHERE job_id = $1 AND state = 'RUNNING' AND epoch = $2`, jobID, epoch)
		if err != nil {
			return fmt.Errorf("read the job of a run: %w", err)
		}
		out, err = workflowByID(ctx, tx, store.WorkflowRunID(jobID))
		if !found && (err == nil || fault.Is(err, fault.NotFound)) {
			return staleStep(jobID)
		}
		if err != nil {
			return err
		}
		out.Job = j
		sig = store.WorkflowSignals{Paused: out.PausedBy != "", CancelAskedAt: j.CancelAskedAt, CancelledBy: j.CancelledBy}
		if out.Seq > 0 { // one that has not begun waits for nothing
			sig.Woken, _, err = readWaits(ctx, tx, out.ID)
		}
		return err
	})
	return out, sig, err
}

func staleStep(jobID string) error {
	return fault.Newf(fault.StaleLease, "the attempt of job %s was taken over or has ended", jobID)
}

func (s workflowRuns) List(ctx context.Context, p store.ListWorkflowRuns) (store.WorkflowRunPage, error) {
	var page store.WorkflowRunPage
	statuses := p.Statuses
	if len(statuses) == 0 {
		statuses = []string{""}
	}
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		page = store.WorkflowRunPage{}
		// One query for each status, because each has its part of an index in order.
		for _, status := range statuses {
			part, err := listWorkflowRuns(ctx, tx, p, status)
			if err != nil {
				return err
			}
			page.Runs = append(page.Runs, part...)
		}
		slices.SortFunc(page.Runs, func(a, b store.WorkflowRun) int { return cmp.Compare(b.ID, a.ID) })
		page.Runs = slices.CompactFunc(page.Runs, func(a, b store.WorkflowRun) bool { return a.ID == b.ID })
		if len(page.Runs) > p.Limit {
			page.Runs, page.More = page.Runs[:p.Limit], true
		}
		return addJobsOf(ctx, tx, page.Runs)
	})
	return page, err
}

// listWorkflowRuns reads the newest runs with one status, "" = any, and one more
// than the limit.
func listWorkflowRuns(ctx context.Context, tx Tx, p store.ListWorkflowRuns, status string) ([]store.WorkflowRun, error) {
	var w where
	w.add("tenant = %s", p.Tenant)
	if p.WorkflowID != "" {
		w.add("workflow_id = %s", p.WorkflowID)
	}
	if p.Version != 0 {
		w.add("version = %s", p.Version)
	}
	if p.Before != "" {
		w.add("run_id < %s", p.Before)
	}
	job := func(cond string) {
		w.conds = append(w.conds, "status = ''", "EXISTS (SELECT 1 FROM jobs j WHERE j.job_id = workflow_runs.job_id AND "+cond+")")
	}
	switch status {
	case "":
	case store.WorkflowPending:
		w.conds = append(w.conds, "seq = 0")
		job("j.state = 'QUEUED'")
	case store.WorkflowWaiting:
		w.conds = append(w.conds, "seq > 0")
		job("j.state = 'QUEUED'")
	case store.WorkflowRunning:
		job("j.state = 'RUNNING'")
	default:
		w.add("status = %s", status)
	}
	rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT %s FROM workflow_runs%s ORDER BY run_id DESC LIMIT %d`, workflowColumns, w.String(), p.Limit+1), w.args...)
	if err != nil {
		return nil, fmt.Errorf("list runs of workflows: %w", err)
	}
	return collect(rows, scanWorkflowRun)
}

// addJobsOf fills in the jobs of runs, without their params.
func addJobsOf(ctx context.Context, tx Tx, list []store.WorkflowRun) error {
	if len(list) == 0 {
		return nil
	}
	at := map[string]int{}
	ids := make([]string, len(list))
	for i, r := range list {
		at[r.JobID], ids[i] = i, r.JobID
	}
	marks, args := values(ids)
	js, err := leanJobs(ctx, tx, `job_id IN (`+marks+`)`, args...)
	for _, j := range js {
		list[at[j.ID]].Job = j
	}
	return err
}

func (s workflowRuns) Signals(ctx context.Context, runIDs []string) (map[string]store.WorkflowSignals, error) {
	out := make(map[string]store.WorkflowSignals, len(runIDs))
	if len(runIDs) == 0 {
		return out, nil
	}
	marks, args := values(runIDs)
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		clear(out)
		rows, err := tx.Query(ctx, `SELECT w.run_id, w.paused_by, j.cancel_asked_ms, j.cancelled_by
			FROM workflow_runs w JOIN jobs j ON j.job_id = w.job_id WHERE w.run_id IN (`+marks+`)`, args...)
		if err != nil {
			return fmt.Errorf("read signals: %w", err)
		}
		if _, err := collect(rows, func(r Rows) (struct{}, error) {
			var id, paused string
			var asked int64
			var sig store.WorkflowSignals
			err := r.Scan(&id, &paused, &asked, &sig.CancelledBy)
			sig.Paused, sig.CancelAskedAt = paused != "", clock.FromMillis(asked)
			out[id] = sig
			return struct{}{}, err
		}); err != nil {
			return err
		}
		rows, err = tx.Query(ctx, `SELECT run_id, node_id, kind, woke_ms, data FROM workflow_waits
			WHERE woke_ms > 0 AND run_id IN (`+marks+`) ORDER BY woke_ms, node_id`, args...)
		if err != nil {
			return fmt.Errorf("read what woke: %w", err)
		}
		_, err = collect(rows, func(r Rows) (struct{}, error) {
			var id string
			n, err := scanWoken(func(to ...any) error { return r.Scan(append([]any{&id}, to...)...) })
			sig := out[id]
			sig.Woken = append(sig.Woken, n)
			out[id] = sig
			return struct{}{}, err
		})
		return err
	})
	return out, err
}

func scanWoken(scan func(...any) error) (store.WokenNode, error) {
	var n store.WokenNode
	var at int64
	var data string
	err := scan(&n.NodeID, &n.For, &at, &data)
	n.At = clock.FromMillis(at)
	if data != "" {
		n.Data = json.RawMessage(data)
	}
	return n, err
}
