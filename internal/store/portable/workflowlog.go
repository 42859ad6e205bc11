package portable

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

type workflowLog struct{ *db }

// logged is the delta of a checkpoint. Rest stays text: only the last one counts.
type logged struct {
	Rest   json.RawMessage               `json:"rest"`
	Nodes  map[string]workflow.NodeState `json:"nodes,omitempty"`
	Maps   map[string]workflow.MapState  `json:"maps,omitempty"`
	NoMaps []string                      `json:"no_maps,omitempty"`
}

// fold adds the delta of a later step.
func (l *logged) fold(text string) error {
	var next logged
	if err := decode(text, &next); err != nil {
		return err
	}
	if l.Nodes == nil {
		l.Nodes, l.Maps = map[string]workflow.NodeState{}, map[string]workflow.MapState{}
	}
	l.Rest = next.Rest
	maps.Copy(l.Nodes, next.Nodes)
	maps.Copy(l.Maps, next.Maps)
	for _, id := range next.NoMaps {
		delete(l.Maps, id)
	}
	return nil
}

const checkpointColumns = `checkpoint_id, run_id, node_id, seq, epoch, at_ms`

func scanWorkflowCheckpoint(scan func(...any) error, more ...any) (c store.WorkflowCheckpoint, err error) {
	var at int64
	err = scan(append([]any{&c.ID, &c.RunID, &c.NodeID, &c.Seq, &c.Epoch, &at}, more...)...)
	c.At = clock.FromMillis(at)
	return c, err
}

// ofTenant refuses runs of other tenants.
func ofTenant(ctx context.Context, tx Tx, tenant, runID string) error {
	var one int
	err := tx.Row(ctx, `SELECT 1 FROM workflow_runs WHERE run_id = $1 AND tenant = $2`, runID, tenant).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return noWorkflowRun(runID)
	}
	return err
}

func (s workflowLog) Checkpoints(ctx context.Context, p store.ListCheckpoints) (store.CheckpointPage, error) {
	var page store.CheckpointPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		if err := ofTenant(ctx, tx, p.Tenant, p.RunID); err != nil {
			return err
		}
		var w where
		w.add("run_id = %s", p.RunID)
		w.conds = append(w.conds, "seq > 0")
		if p.BeforeSeq > 0 {
			w.add("seq < %s", p.BeforeSeq)
		}
		rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT %s FROM workflow_checkpoints%s ORDER BY seq DESC LIMIT %d`, checkpointColumns, w.String(), p.Limit+1), w.args...)
		if err != nil {
			return fmt.Errorf("list checkpoints: %w", err)
		}
		page.Checkpoints, err = collect(rows, func(r Rows) (store.WorkflowCheckpoint, error) { return scanWorkflowCheckpoint(r.Scan) })
		return err
	})
	if len(page.Checkpoints) > p.Limit {
		page.Checkpoints, page.More = page.Checkpoints[:p.Limit], true
	}
	return page, err
}

func (s workflowLog) Checkpoint(ctx context.Context, tenant, runID, id string) (store.WorkflowCheckpoint, error) {
	var out store.WorkflowCheckpoint
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		if err := ofTenant(ctx, tx, tenant, runID); err != nil {
			return err
		}
		var err error
		out, err = scanWorkflowCheckpoint(tx.Row(ctx, `SELECT `+checkpointColumns+` FROM workflow_checkpoints
			WHERE run_id = $1 AND seq > 0 AND ($2 = '' OR checkpoint_id = $3) ORDER BY seq DESC LIMIT 1`, runID, id, id).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.Newf(fault.NotFound, "no checkpoint %s of run %s", id, runID)
		}
		if err != nil {
			return fmt.Errorf("read checkpoint: %w", err)
		}
		rows, err := tx.Query(ctx, `SELECT delta FROM workflow_checkpoints WHERE run_id = $1 AND seq <= $2 ORDER BY seq`, runID, out.Seq)
		if err != nil {
			return fmt.Errorf("read steps: %w", err)
		}
		var all logged
		if _, err := collect(rows, func(r Rows) (struct{}, error) {
			var text string
			if err := r.Scan(&text); err != nil {
				return struct{}{}, err
			}
			return struct{}{}, all.fold(text)
		}); err != nil {
			return err
		}
		d := workflow.Delta{Nodes: all.Nodes, Maps: all.Maps}
		if err := decode(string(all.Rest), &d.Rest); err != nil {
			return err
		}
		if d.Outputs, err = outputsAt(ctx, tx, runID, out.Seq); err != nil {
			return err
		}
		out.State = workflow.State{}.Apply(d)
		return nil
	})
	return out, err
}

// outputsAt returns the outputs that nodes had at a step and still have.
func outputsAt(ctx context.Context, tx Tx, runID string, seq int64) (map[string]map[string]any, error) {
	rows, err := tx.Query(ctx, `SELECT node_id, outputs FROM workflow_nodes WHERE run_id = $1 AND out_seq <= $2 AND outputs <> ''`, runID, seq)
	if err != nil {
		return nil, fmt.Errorf("read outputs: %w", err)
	}
	out := map[string]map[string]any{}
	_, err = collect(rows, func(r Rows) (struct{}, error) {
		var node, text string
		if err := r.Scan(&node, &text); err != nil {
			return struct{}{}, err
		}
		var o map[string]any
		err := decode(text, &o)
		out[node] = o
		return struct{}{}, err
	})
	return out, err
}

func (s workflowLog) Attempts(ctx context.Context, tenant, runID, nodeID string, limit int) ([]store.NodeAttempt, error) {
	var out []store.NodeAttempt
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		if err := ofTenant(ctx, tx, tenant, runID); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT run_id, node_id, number, epoch, started_ms, ended_ms, status, outcome, error, instance_id, lost FROM workflow_attempts
			WHERE run_id = $1 AND ($2 = '' OR node_id = $3) ORDER BY started_ms, node_id, number LIMIT $4`, runID, nodeID, nodeID, limit)
		if err != nil {
			return fmt.Errorf("list attempts: %w", err)
		}
		out, err = collect(rows, func(r Rows) (a store.NodeAttempt, err error) {
			var started, ended int64
			var failure string
			if err := r.Scan(&a.RunID, &a.NodeID, &a.Number, &a.Epoch, &started, &ended, &a.Status, &a.Outcome, &failure, &a.Instance, &a.Lost); err != nil {
				return a, err
			}
			a.StartedAt, a.EndedAt = clock.FromMillis(started), clock.FromMillis(ended)
			return a, decode(failure, &a.Error)
		})
		return err
	})
	return out, err
}

// forgetRuns bounds the runs that one call looks at.
const forgetRuns = 50

func (s workflowLog) Forget(ctx context.Context, p store.ForgetCheckpoints) (int, error) {
	p.Keep = max(p.Keep, 1)
	total := 0
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		total = 0
		ids, err := texts(ctx, tx, `SELECT run_id FROM workflow_runs WHERE ended_ms > 0 AND ended_ms < $1 AND forgotten = 0
			ORDER BY ended_ms, run_id LIMIT $2`, clock.Millis(p.Before), forgetRuns)
		if err != nil {
			return fmt.Errorf("look for long logs: %w", err)
		}
		for _, id := range ids {
			n, all, err := shorten(ctx, tx, id, p.Keep, p.Limit-total)
			if err != nil {
				return err
			}
			total += n
			if !all {
				return nil
			}
			if _, err := tx.Exec(ctx, `UPDATE workflow_runs SET forgotten = 1 WHERE run_id = $1`, id); err != nil {
				return fmt.Errorf("note a short log: %w", err)
			}
		}
		return nil
	})
	return total, err
}

// shorten deletes the oldest checkpoints of a run, at most limit. The first one that
// stays takes up what they said. all reports that no more are to be deleted.
func shorten(ctx context.Context, tx Tx, runID string, keep, limit int) (deleted int, all bool, err error) {
	var count int
	if err := tx.Row(ctx, `SELECT count(*) FROM workflow_checkpoints WHERE run_id = $1`, runID).Scan(&count); err != nil {
		return 0, false, fmt.Errorf("count checkpoints: %w", err)
	}
	n := min(count-keep, limit)
	if n <= 0 {
		return 0, count <= keep, nil
	}
	rows, err := tx.Query(ctx, `SELECT seq, delta FROM workflow_checkpoints WHERE run_id = $1 ORDER BY seq LIMIT $2`, runID, n+1)
	if err != nil {
		return 0, false, fmt.Errorf("read steps: %w", err)
	}
	var sum logged
	seqs, err := collect(rows, func(r Rows) (seq int64, err error) {
		var text string
		if err := r.Scan(&seq, &text); err != nil {
			return 0, err
		}
		return seq, sum.fold(text)
	})
	if err != nil {
		return 0, false, err
	}
	first := seqs[len(seqs)-1]
	if _, err := tx.Exec(ctx, `DELETE FROM workflow_checkpoints WHERE run_id = $1 AND seq < $2`, runID, first); err != nil {
		return 0, false, fmt.Errorf("delete checkpoints: %w", err)
	}
	if _, err := tx.Exec(ctx, `UPDATE workflow_checkpoints SET delta = $1 WHERE run_id = $2 AND seq = $3`, encode(sum), runID, first); err != nil {
		return 0, false, fmt.Errorf("sum steps up: %w", err)
	}
	return n, n == count-keep, nil
}

// workflowTables are those with rows of runs, in the order in which they are deleted.
func workflowTables() []string {
	return []string{"workflow_nodes", "workflow_maps", "workflow_waits", "workflow_checkpoints", "workflow_attempts", "workflow_turns", "workflow_runs"}
}

// expireWorkflows deletes the runs of workflows that belong to jobs.
func expireWorkflows(ctx context.Context, tx Tx, jobIDs []string) error {
	ids := make([]string, len(jobIDs))
	for i, id := range jobIDs {
		ids[i] = store.WorkflowRunID(id)
	}
	list, args := values(ids)
	there, err := texts(ctx, tx, `SELECT run_id FROM workflow_runs WHERE run_id IN (`+list+`)`, args...)
	if err != nil || len(there) == 0 {
		return err
	}
	slices.Sort(there)
	list, args = values(there)
	for _, table := range workflowTables() {
		if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE run_id IN (`+list+`)`, args...); err != nil {
			return fmt.Errorf("delete from %s: %w", table, err)
		}
	}
	return nil
}
