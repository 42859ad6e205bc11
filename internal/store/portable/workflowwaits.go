package portable

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// This file keeps what nodes wait for, and ends their waits.
//
// Locks are taken in this order, so that nobody waits in a circle: what is waited
// for (an approval, a job), then the job of the run that waits, then its rows.

// lockAwaited locks what the nodes of a step wait for.
func (d *db) lockAwaited(ctx context.Context, tx Tx, waits []waitRow) error {
	var jobs, approvals []string
	for _, w := range waits {
		switch w.For {
		case workflow.WaitJob:
			jobs = append(jobs, store.WorkflowJobID(w.Ref))
		case workflow.WaitApproval:
			approvals = append(approvals, w.Ref)
		case workflow.WaitRetry, workflow.WaitTimer, workflow.WaitEvent, workflow.WaitPerson, workflow.WaitLock:
		}
	}
	slices.Sort(approvals)
	for _, id := range approvals {
		if _, err := tx.Exec(ctx, `UPDATE approvals SET version = version WHERE approval_id = $1`, id); err != nil {
			return fmt.Errorf("lock approval: %w", err)
		}
	}
	// Sorted, as those go who end several: else two could wait for each other.
	slices.Sort(jobs)
	for _, id := range slices.Compact(jobs) {
		if err := d.LockJob(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}

// writeWaits stores what the nodes of a step wait for. What has ended already wakes
// them at once.
func (d *db) writeWaits(ctx context.Context, tx Tx, w *written, tenant string) error {
	waits := slices.Clone(w.waits) // the transaction may be repeated
	for i := range waits {
		data, err := awaitedEnd(ctx, tx, tenant, &waits[i].Wait)
		if err != nil {
			return err
		}
		if data != "" {
			waits[i].woke, waits[i].data = clock.Millis(w.when), data
		}
	}
	return inChunks(d, 10, waits, func(part []waitRow) error {
		r := newRows(10)
		for _, x := range part {
			r.add(w.RunID, x.node, tenant, string(x.For), x.Ref, x.Event, x.Match, clock.Millis(x.Until), x.woke, x.data)
		}
		if _, err := tx.Exec(ctx, upsertWaits+r.String()+onWait, r.args...); err != nil {
			return fmt.Errorf("write waits: %w", err)
		}
		return nil
	})
}

// awaitedEnd is what an approval or a job that is waited for has to say if it has
// ended, "" otherwise. An approval that was replaced is followed.
func awaitedEnd(ctx context.Context, tx Tx, tenant string, w *workflow.Wait) (string, error) {
	switch w.For {
	case workflow.WaitApproval:
		for {
			r, err := approvalByID(ctx, tx, tenant, w.Ref)
			switch {
			case fault.Is(err, fault.NotFound):
				return encode(map[string]any{"status": "NOT_FOUND"}), nil
			case err != nil || !r.Status.Terminal():
				return "", err
			case r.ReplacedBy == "":
				return approvalData(r), nil
			}
			w.Ref = r.ReplacedBy
			if _, err := tx.Exec(ctx, `UPDATE approvals SET version = version WHERE approval_id = $1`, w.Ref); err != nil {
				return "", fmt.Errorf("lock approval: %w", err)
			}
		}
	case workflow.WaitJob:
		w.Ref = store.WorkflowJobID(w.Ref)
		js, err := leanJobs(ctx, tx, `job_id = $1 AND tenant = $2`, w.Ref, tenant)
		switch {
		case err != nil:
			return "", err
		case len(js) == 0:
			return encode(jobData{JobID: w.Ref, Status: "NOT_FOUND", Error: &workflow.Failure{Code: string(fault.NotFound), Message: "no job " + w.Ref}}), nil
		case !js[0].State.Terminal():
			return "", nil
		}
		return jobEndData(ctx, tx, js[0])
	case workflow.WaitRetry, workflow.WaitTimer, workflow.WaitEvent, workflow.WaitPerson, workflow.WaitLock:
	}
	return "", nil
}

// readWaits returns the nodes of a run whose wait has ended, and all that have one.
func readWaits(ctx context.Context, tx Tx, runID string) (woken []store.WokenNode, all []string, err error) {
	rows, err := tx.Query(ctx, `SELECT node_id, kind, woke_ms, CASE WHEN woke_ms > 0 THEN data ELSE '' END FROM workflow_waits WHERE run_id = $1`, runID)
	if err != nil {
		return nil, nil, fmt.Errorf("read waits: %w", err)
	}
	list, err := collect(rows, func(r Rows) (store.WokenNode, error) { return scanWoken(r.Scan) })
	for _, n := range list {
		all = append(all, n.NodeID)
		if !n.At.IsZero() {
			woken = append(woken, n)
		}
	}
	slices.SortStableFunc(woken, func(a, b store.WokenNode) int { return a.At.Compare(b.At) })
	return woken, all, err
}

// settleWaits removes the waits of nodes that wait no more and returns what woke of
// the others.
func (d *db) settleWaits(ctx context.Context, tx Tx, w *written) ([]store.WokenNode, error) {
	woken, all, err := readWaits(ctx, tx, w.RunID)
	if err != nil {
		return nil, err
	}
	over := slices.DeleteFunc(all, func(id string) bool { return !w.others[id] })
	if len(over) == 0 {
		return woken, nil
	}
	if err := inChunks(d, 1, over, func(part []string) error {
		marks, args := values(append([]string{w.RunID}, part...))
		if _, err := tx.Exec(ctx, `DELETE FROM workflow_waits WHERE run_id = $1 AND node_id IN (`+marks[len("$1, "):]+`)`, args...); err != nil {
			return fmt.Errorf("end waits: %w", err)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(woken, func(n store.WokenNode) bool { return w.others[n.NodeID] }), nil
}

// sleeper is a node that waits for something that has come.
type sleeper struct{ run, node string }

func sleepers(ctx context.Context, tx Tx, tenant, ref string, kind workflow.WaitFor) ([]sleeper, error) {
	rows, err := tx.Query(ctx, `SELECT run_id, node_id FROM workflow_waits WHERE ref = $1 AND kind = $2 AND tenant = $3 AND ref <> '' AND woke_ms = 0
		ORDER BY run_id, node_id`, ref, string(kind), tenant)
	if err != nil {
		return nil, fmt.Errorf("look for waits: %w", err)
	}
	return collect(rows, func(r Rows) (s sleeper, err error) { return s, r.Scan(&s.run, &s.node) })
}

// wakeAll ends the waits for something, and the parking of their runs.
func wakeAll(ctx context.Context, tx Tx, list []sleeper, ref, data string, at time.Time) error {
	for _, s := range list {
		if err := lockJobRow(ctx, tx, store.WorkflowJobID(s.run)); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE workflow_waits SET woke_ms = $1, data = $2 WHERE run_id = $3 AND node_id = $4 AND ref = $5 AND woke_ms = 0`,
			clock.Millis(at), data, s.run, s.node, ref)
		if err != nil {
			return fmt.Errorf("wake a node: %w", err)
		}
		if n == 0 {
			continue
		}
		if err := wakeRun(ctx, tx, s.run, at); err != nil {
			return err
		}
	}
	return nil
}

// lockJobRow is Hot.LockJob for those that have no engine at hand. It writes the row,
// so it is for what is rare.
func lockJobRow(ctx context.Context, tx Tx, id string) error {
	if _, err := tx.Exec(ctx, `UPDATE jobs SET version = version WHERE job_id = $1`, id); err != nil {
		return fmt.Errorf("lock job: %w", err)
	}
	return nil
}

// approvalEnded tells the runs that wait for a request how it ended. Those of one
// that was replaced wait for the next one.
func approvalEnded(ctx context.Context, tx Tx, r approval.Request) error {
	if !r.Status.Terminal() {
		return nil
	}
	list, err := sleepers(ctx, tx, r.Tenant, r.ID, workflow.WaitApproval)
	if err != nil || len(list) == 0 {
		return err
	}
	if r.ReplacedBy == "" {
		return wakeAll(ctx, tx, list, r.ID, approvalData(r), r.DecidedAt)
	}
	for _, s := range list {
		if err := lockJobRow(ctx, tx, store.WorkflowJobID(s.run)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE workflow_waits SET ref = $1 WHERE run_id = $2 AND node_id = $3 AND ref = $4 AND woke_ms = 0`,
			r.ReplacedBy, s.run, s.node, r.ID); err != nil {
			return fmt.Errorf("wait for the next approval: %w", err)
		}
	}
	return nil
}

// approvalData is what the end of a request brings to a node.
func approvalData(r approval.Request) string {
	data := map[string]any{"approval_id": r.ID, "status": string(r.Status), "reason": r.Reason, "decision": "", "comment": "", "by": "", "decisions": r.Decisions}
	switch r.Status {
	case approval.Approved:
		data["decision"] = "approved"
	case approval.Rejected:
		data["decision"] = "rejected"
	case approval.Pending, approval.Expired, approval.Superseded:
	}
	if n := len(r.Decisions); n > 0 {
		last := r.Decisions[n-1]
		data["comment"], data["by"] = last.Comment, last.By.Name
	}
	return encode(data)
}

// jobData is what the end of a job brings to a node.
type jobData struct {
	JobID   string            `json:"job_id"`
	RunID   string            `json:"run_id"`
	Status  string            `json:"status"`
	Reason  string            `json:"reason,omitempty"`
	Outputs map[string]string `json:"outputs"`
	// Truncated says that some outputs were left out.
	Truncated bool              `json:"outputs_truncated,omitempty"`
	Error     *workflow.Failure `json:"error,omitempty"`
}

// maxWakeOutputs bounds the outputs of a job that a node is given, in bytes.
const maxWakeOutputs = 256 << 10

func jobEndData(ctx context.Context, tx Tx, j job.Job) (string, error) {
	d := jobData{JobID: j.ID, RunID: j.RunID, Status: string(j.State), Outputs: map[string]string{}}
	var outputs string
	err := tx.Row(ctx, `SELECT outputs, reason FROM runs WHERE run_id = $1`, j.RunID).Scan(&outputs, &d.Reason)
	if err != nil && !errors.Is(err, sql.ErrNoRows) { // one that never started has none
		return "", fmt.Errorf("read the outputs of a job: %w", err)
	}
	all := map[string]string{}
	if err := decode(outputs, &all); err != nil {
		return "", err
	}
	left := maxWakeOutputs
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if left -= len(k) + len(all[k]); left < 0 {
			d.Truncated = true
			break
		}
		d.Outputs[k] = all[k]
	}
	if j.Failure.Code != "" {
		d.Error = &workflow.Failure{Code: j.Failure.Code, Message: j.Failure.Message}
	}
	return encode(d), nil
}

// jobEnded wakes the nodes that wait for a job. Whether there are any comes back with
// the announcement of its end, so that other jobs pay nothing.
func jobEnded(ctx context.Context, tx Tx, j job.Job) error {
	list, err := sleepers(ctx, tx, j.Tenant, j.ID, workflow.WaitJob)
	if err != nil || len(list) == 0 {
		return err
	}
	data, err := jobEndData(ctx, tx, j)
	if err != nil {
		return err
	}
	return wakeAll(ctx, tx, list, j.ID, data, j.FinishedAt)
}

// workflowChanged does what the end of a job means for its own run of a workflow.
func workflowChanged(ctx context.Context, tx Tx, c job.Change) (*leftover, error) {
	j, over := c.After, c.After.State.Terminal()
	if j.Type != workflowType || over == c.Before.State.Terminal() {
		return nil, nil //nolint:nilnil // nothing is left
	}
	status, id := "", store.WorkflowRunID(j.ID)
	if over {
		status = string(j.State)
	}
	// The last step of a run that ends with its job has said so already.
	if err := tx.Later(ctx, `UPDATE workflow_runs SET status = $1, ended_ms = $2 WHERE run_id = $3 AND status <> $4`, status, clock.Millis(j.FinishedAt), id, status); err != nil {
		return nil, fmt.Errorf("end a run: %w", err)
	}
	if !over {
		return nil, nil //nolint:nilnil // nothing is left
	}
	if err := tx.Later(ctx, `DELETE FROM workflow_waits WHERE run_id = $1`, id); err != nil {
		return nil, fmt.Errorf("end the waits of a run: %w", err)
	}
	var l leftover
	err := tx.Ask(ctx, single(&l.sealed, &l.turn), `SELECT params LIKE '%"sealed"%', EXISTS (SELECT 1 FROM workflow_turns t WHERE t.run_id = $1)
		FROM jobs WHERE job_id = $2`, id, j.ID)
	if err != nil {
		return nil, fmt.Errorf("look for what a run has left: %w", err)
	}
	return &l, nil
}

// leftover is what a run that has ended may have left, to be read by the next statement.
type leftover struct{ sealed, turn bool }

// clear takes away what a run has left.
func (l *leftover) clear(ctx context.Context, tx Tx, j job.Job) error {
	if l == nil {
		return nil
	}
	if l.sealed {
		if err := unseal(ctx, tx, j.ID); err != nil {
			return err
		}
	}
	if l.turn {
		return leaveTurn(ctx, tx, store.WorkflowRunID(j.ID), j.FinishedAt)
	}
	return nil
}

// unseal removes the secret inputs of a run that has ended.
func unseal(ctx context.Context, tx Tx, jobID string) error {
	const sealed = "sealed"
	var params string
	if err := tx.Row(ctx, `SELECT params FROM jobs WHERE job_id = $1`, jobID).Scan(&params); err != nil {
		return fmt.Errorf("look for secret inputs: %w", err)
	}
	var keys map[string]json.RawMessage
	if err := decode(params, &keys); err != nil {
		return err
	}
	if _, is := keys[sealed]; !is {
		return nil
	}
	delete(keys, sealed)
	params = encode(keys)
	for _, table := range []string{"jobs", "runs"} {
		if err := tx.Later(ctx, `UPDATE `+table+` SET params = $1 WHERE job_id = $2`, params, jobID); err != nil {
			return fmt.Errorf("remove secret inputs: %w", err)
		}
	}
	return nil
}

// wakeRun ends the parking of a run whose job is locked. One that is paused sleeps
// until it may go on, and one that works hears of it.
func wakeRun(ctx context.Context, tx Tx, runID string, at time.Time) error {
	jobID := store.WorkflowJobID(runID)
	tx.Hint(store.Hint{Topic: store.HintJob, ID: jobID})
	var paused string
	err := tx.Row(ctx, `SELECT paused_by FROM workflow_runs WHERE run_id = $1`, runID).Scan(&paused)
	if errors.Is(err, sql.ErrNoRows) || paused != "" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look whether a run is paused: %w", err)
	}
	j, err := scanJobWith(tx.Row(ctx, `SELECT `+jobColumns+` FROM jobs WHERE job_id = $1`, jobID).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read job to wake: %w", err)
	}
	return wake(ctx, tx, j, at)
}

func (s workflowRuns) Wake(ctx context.Context, p store.WakeNode) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		if err := s.lockRun(ctx, tx, p.Tenant, p.RunID); err != nil {
			return err
		}
		at, err := s.Now(ctx, tx, p.At)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE workflow_waits SET woke_ms = $1, data = $2 WHERE run_id = $3 AND node_id = $4 AND kind = $5
			AND woke_ms = 0 AND ($6 = '' OR ref = $7)`,
			clock.Millis(at), string(p.Data), p.RunID, p.NodeID, string(p.For), p.Ref, p.Ref)
		if err != nil {
			return fmt.Errorf("wake a node: %w", err)
		}
		if n == 0 {
			return fault.Newf(fault.Conflict, "node %s of run %s does not wait for that", p.NodeID, p.RunID)
		}
		if err := wakeRun(ctx, tx, p.RunID, at); err != nil {
			return err
		}
		if err := record(ctx, tx, p.Audit); err != nil {
			return err
		}
		return storeKey(ctx, tx, p.Key, p)
	})
}

// lockRun locks the job of a run of a tenant.
func (d *db) lockRun(ctx context.Context, tx Tx, tenant, id string) error {
	if err := d.LockJob(ctx, tx, store.WorkflowJobID(id)); err != nil {
		return err
	}
	var one int
	err := tx.Row(ctx, `SELECT 1 FROM workflow_runs WHERE run_id = $1 AND tenant = $2`, id, tenant).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return noWorkflowRun(id)
	}
	return err
}

func (s workflowRuns) Waiting(ctx context.Context, p store.ListWaiting) ([]store.WaitingNode, error) {
	var out []store.WaitingNode
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, `SELECT x.run_id, x.node_id, w.workflow_id, w.version, x.kind, x.ref, x.event, x.matches, x.until_ms
			FROM workflow_waits x JOIN workflow_runs w ON w.run_id = x.run_id
			WHERE x.tenant = $1 AND x.event = $2 AND x.event <> '' AND x.woke_ms = 0 AND (x.run_id, x.node_id) > ($3, $4)
			ORDER BY x.run_id, x.node_id LIMIT $5`, p.Tenant, p.Event, p.AfterRun, p.AfterNodeID, p.Limit)
		if err != nil {
			return fmt.Errorf("list waits: %w", err)
		}
		out, err = collect(rows, func(r Rows) (n store.WaitingNode, err error) {
			var until int64
			err = r.Scan(&n.RunID, &n.NodeID, &n.WorkflowID, &n.Version, &n.Wait.For, &n.Wait.Ref, &n.Wait.Event, &n.Wait.Match, &until)
			n.Wait.Until = clock.FromMillis(until)
			return n, err
		})
		return err
	})
	return out, err
}

func (s workflowRuns) Pause(ctx context.Context, p store.PauseWorkflow) (store.WorkflowRun, error) {
	var out store.WorkflowRun
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		if err := s.lockRun(ctx, tx, p.Tenant, p.ID); err != nil {
			return err
		}
		at, err := s.Now(ctx, tx, p.At)
		if err != nil {
			return err
		}
		jobID, by := store.WorkflowJobID(p.ID), ""
		j, err := jobByID(ctx, tx, p.Tenant, jobID)
		if err != nil {
			return err
		}
		if j.State.Terminal() {
			return fault.Newf(fault.AlreadyFinished, "run %s is %s", p.ID, j.State)
		}
		if p.Paused {
			if by = p.By; by == "" {
				by = "runsheet"
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE workflow_runs SET paused_by = $1, updated_ms = $2 WHERE run_id = $3`, by, clock.Millis(at), p.ID); err != nil {
			return fmt.Errorf("pause a run: %w", err)
		}
		tx.Hint(store.Hint{Topic: store.HintJob, ID: jobID})
		if !p.Paused {
			if err := s.wakeJob(ctx, tx, jobID, at); err != nil {
				return err
			}
		}
		if out, err = workflowByID(ctx, tx, p.ID); err != nil {
			return err
		}
		if out.Job, err = jobByID(ctx, tx, p.Tenant, jobID); err != nil {
			return err
		}
		if err := record(ctx, tx, p.Audit); err != nil {
			return err
		}
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}
