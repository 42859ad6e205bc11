package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

type runs struct{ *db }

const runColumns = `run_id, tenant, job_id, state, job_name, job_type, template_id, template_version, params, labels,
	attempt, trigger_kind, created_by, retry_of, instance_id, epoch, pid, pid_start, created_ms, queued_ms, started_ms,
	finished_ms, failure_code, failure_message, reason, exit_code, outputs, tokens, stage, done, total, log_bytes, log_truncated,
	waited_for, group_id, directive`

func scanRun(rows Rows) (run.Run, error) { return scanRunWith(rows.Scan) }

func scanRunWith(scan func(...any) error) (run.Run, error) {
	var r run.Run
	var params, labels, outputs, tokens, waited, dir string
	var created, queued, started, finished int64
	var exit sql.NullInt64
	res := &r.Result
	if err := scan(&r.ID, &r.Tenant, &r.JobID, &r.State, &r.JobName, &r.JobType, &r.TemplateID, &r.TemplateVersion, &params, &labels,
		&r.Attempt, &r.Trigger, &r.CreatedBy, &r.RetryOf, &r.Instance, &r.Epoch, &r.Process.Pid, &r.Process.Start, &created, &queued, &started,
		&finished, &r.Failure.Code, &r.Failure.Message, &r.Reason, &exit, &outputs, &tokens, &res.Progress.Stage, &res.Progress.Done,
		&res.Progress.Total, &res.LogBytes, &res.LogTruncated, &waited, &r.GroupID, &dir); err != nil {
		return r, err
	}
	r.Params = []byte(params)
	if exit.Valid {
		code := int(exit.Int64)
		res.ExitCode = &code
	}
	r.CreatedAt, r.QueuedAt = clock.FromMillis(created), clock.FromMillis(queued)
	r.StartedAt, r.FinishedAt = clock.FromMillis(started), clock.FromMillis(finished)
	return r, errors.Join(decode(labels, &r.Labels), decode(outputs, &res.Outputs), decode(tokens, &res.Tokens), decode(waited, &r.WaitedFor),
		decode(dir, &r.Directive))
}

// runsTable is where runs begin. Without an exit code, which they do not have yet.
var runsTable = tableOf("runs", "", "run_id", "tenant", "job_id", "state", "job_name", "job_type", "template_id", "template_version#", "params", "labels",
	"attempt#", "trigger_kind", "created_by", "retry_of", "instance_id", "epoch#", "pid#", "pid_start", "created_ms#", "queued_ms#", "started_ms#",
	"finished_ms#", "failure_code", "failure_message", "reason", "outputs", "tokens", "stage", "done#", "total#", "log_bytes#", "log_truncated#",
	"waited_for", "group_id", "directive", "job_name_folded")

func runRow(r run.Run) []any {
	return []any{
		r.ID, r.Tenant, r.JobID, string(r.State), r.JobName, r.JobType, r.TemplateID, r.TemplateVersion, string(r.Params), encodeLabels(r.Labels),
		r.Attempt, r.Trigger, r.CreatedBy, r.RetryOf, r.Instance, r.Epoch, 0, "", clock.Millis(r.CreatedAt), clock.Millis(r.QueuedAt), clock.Millis(r.StartedAt),
		0, "", "", "", "", "", "", 0, 0, 0, 0,
		encode(r.WaitedFor), r.GroupID, encodeDirective(r.Directive), fold(r.JobName),
	}
}

func insertRun(ctx context.Context, tx Tx, r run.Run) error {
	one := newRows(len(runsTable.columns))
	one.add(runRow(r)...)
	if err := tx.Later(ctx, `INSERT INTO runs (`+namesOf(runsTable.columns)+`) VALUES `+one.String(), one.args...); err != nil {
		return fmt.Errorf("insert run: %w", err)
	}
	return nil
}

// insertRuns is insertRun of many.
func (d *db) insertRuns(ctx context.Context, tx Tx, list []run.Run) error {
	if len(list) == 1 {
		return insertRun(ctx, tx, list[0])
	}
	rows := make([][]any, len(list))
	for i, r := range list {
		rows[i] = runRow(r)
	}
	if err := d.insert(ctx, tx, runsTable, rows); err != nil {
		return fmt.Errorf("insert runs: %w", err)
	}
	return nil
}

var (
	runEnd  = columnsOf("state", "finished_ms#", "failure_code", "failure_message", "reason", "exit_code#?", "outputs", "tokens", "stage", "done#", "total#", "log_bytes#", "log_truncated#")
	runSeen = columnsOf("run_id", "epoch#")

	endRuns = update{
		updateOne("runs", runEnd, runSeen) + ` AND state = 'ACTIVE' RETURNING run_id`,
		updateMany("runs", runEnd, runSeen) + ` AND runs.state = 'ACTIVE' RETURNING runs.run_id`, slices.Concat(runEnd, runSeen),
	}
)

func runEndRow(r run.Run) []any {
	res := r.Result
	var exit any
	if res.ExitCode != nil {
		exit = *res.ExitCode
	}
	return []any{
		string(r.State), clock.Millis(r.FinishedAt), r.Failure.Code, r.Failure.Message, r.Reason,
		exit, encode(res.Outputs), encode(res.Tokens), res.Progress.Stage, res.Progress.Done, res.Progress.Total,
		res.LogBytes, flag(res.LogTruncated), r.ID, r.Epoch,
	}
}

// endRun writes the end of a run, under its epoch.
func endRun(ctx context.Context, tx Tx, r run.Run) error {
	if err := tx.Ask(ctx, stillActive(r), endRuns.one, runEndRow(r)...); err != nil {
		return fmt.Errorf("end run: %w", err)
	}
	return nil
}

// endEach is endRun of many.
func (d *db) endEach(ctx context.Context, tx Tx, list []run.Run) error {
	rows, ids := make([][]any, len(list)), make([]string, len(list))
	for i, r := range list {
		rows[i], ids[i] = runEndRow(r), r.ID
	}
	if err := d.askUpdates(ctx, tx, endRuns, rows, ids); err != nil {
		return fmt.Errorf("end runs: %w", err)
	}
	return nil
}

// stillActive sees to it that a change has found the run.
func stillActive(r run.Run) func(Rows) error {
	return func(rows Rows) error {
		if !rows.Next() {
			return errOr(rows.Err(), fault.Newf(fault.InternalError, "run %s is not active although its job is running", r.ID))
		}
		return nil
	}
}

// activeRun are the runs that an attempt works on: those of jobs whose run goes on
// later are active too, but nobody may write into them.
const activeRun = `state = 'ACTIVE' AND instance_id <> ''`

// leaveRun writes what a run has left so far and takes it from its instance.
func leaveRun(ctx context.Context, tx Tx, r run.Run) error {
	res := r.Result
	var exit any
	if res.ExitCode != nil {
		exit = *res.ExitCode
	}
	err := tx.Ask(ctx, stillActive(r), `UPDATE runs SET instance_id = '', pid = 0, pid_start = '',
		exit_code = $1, outputs = $2, tokens = $3, stage = $4, done = $5, total = $6, log_bytes = $7, log_truncated = $8
		WHERE run_id = $9 AND epoch = $10 AND `+activeRun+` RETURNING 1`,
		exit, encode(res.Outputs), encode(res.Tokens), res.Progress.Stage, res.Progress.Done, res.Progress.Total,
		res.LogBytes, flag(res.LogTruncated), r.ID, r.Epoch)
	if err != nil {
		return fmt.Errorf("suspend run: %w", err)
	}
	return nil
}

// resumeRun gives the run of a job that has been claimed again to the new instance.
func resumeRun(ctx context.Context, tx Tx, j job.Job) (run.Run, error) {
	n, err := tx.Exec(ctx, `UPDATE runs SET instance_id = $1, epoch = $2 WHERE run_id = $3 AND job_id = $4 AND state = 'ACTIVE' AND instance_id = ''`,
		j.Instance, j.Epoch, j.RunID, j.ID)
	if err != nil {
		return run.Run{}, fmt.Errorf("resume run: %w", err)
	}
	if n == 0 {
		return run.Run{}, fault.Newf(fault.InternalError, "run %s cannot go on although its job waits for that", j.RunID)
	}
	r, err := scanRunWith(tx.Row(ctx, `SELECT `+runColumns+` FROM runs WHERE run_id = $1`, j.RunID).Scan)
	if err != nil {
		return r, fmt.Errorf("read run to resume: %w", err)
	}
	return r, nil
}

func (s runs) Run(ctx context.Context, tenant, id string) (run.Run, error) {
	var r run.Run
	err := s.Look(ctx, func(ctx context.Context, tx Tx) (err error) {
		r, err = scanRunWith(tx.Row(ctx, `SELECT `+runColumns+` FROM runs WHERE run_id = $1 AND tenant = $2`, id, tenant).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.Newf(fault.NotFound, "no run %s", id)
		}
		return err
	})
	return r, err
}

// runsWhere is what a list of runs is restricted to.
func runsWhere(p store.ListRuns) where {
	var w where
	if slices.Equal(p.States, []run.State{run.Active}) && p.JobID == "" {
		// The planner needs the literal to use the index of what runs, and must not
		// take the one that begins with the tenant instead.
		w.conds = append(w.conds, "state = 'ACTIVE'")
		w.add("tenant || '' = %s", p.Tenant)
	} else {
		w.add("tenant = %s", p.Tenant)
		in(&w, "state", p.States)
	}
	if p.JobID != "" {
		w.add("job_id = %s", p.JobID)
	}
	if p.InWork {
		w.conds = append(w.conds, "instance_id <> ''")
	}
	in(&w, "job_type", p.Types)
	in(&w, "template_id", p.TemplateIDs)
	w.madeBy(p.ScheduleID)
	if p.WorkflowID != "" {
		w.add("job_id IN (SELECT f.job_id FROM workflow_runs f WHERE f.tenant = %s AND f.workflow_id = %s)", p.Tenant, p.WorkflowID)
	}
	w.labels("labels", p.Labels)
	w.contains("job_name_folded", p.Text)
	w.between("started_ms", p.StartedAfter, p.StartedBefore)
	return w
}

func (s runs) List(ctx context.Context, p store.ListRuns) (store.RunPage, error) {
	w := runsWhere(p)
	order, beyond := "started_ms DESC, run_id DESC", "(started_ms, run_id) < (%s, %s)"
	if p.Ascending {
		order, beyond = "started_ms, run_id", "(started_ms, run_id) > (%s, %s)"
	}
	if p.After != nil {
		w.add(beyond, p.After.StartedAt.UnixMilli(), p.After.ID)
	}
	query := fmt.Sprintf(`SELECT %s FROM runs%s ORDER BY %s LIMIT %d`, runColumns, w.String(), order, p.Limit+1)
	var page store.RunPage
	err := s.Look(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("list runs: %w", err)
		}
		page.Runs, err = collect(rows, scanRun)
		return err
	})
	if len(page.Runs) > p.Limit {
		page.Runs, page.More = page.Runs[:p.Limit], true
	}
	return page, err
}

func (s runs) Report(ctx context.Context, items []store.Report) []error {
	errs := make([]error, len(items))
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		clear(errs)
		for _, i := range inOrder(items, func(r store.Report) string { return r.RunID }) {
			verdict, err := report(ctx, tx, items[i])
			if err != nil {
				return err
			}
			errs[i] = verdict
		}
		return nil
	})
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

// inOrder returns the indexes of items sorted by key. Batches that meet lock
// their rows in one order, so they wait for each other instead of deadlocking.
func inOrder[T any](items []T, key func(T) string) []int {
	out := make([]int, len(items))
	for i := range items {
		out[i] = i
	}
	slices.SortStableFunc(out, func(a, b int) int { return strings.Compare(key(items[a]), key(items[b])) })
	return out
}

func report(ctx context.Context, tx Tx, p store.Report) (verdict, err error) {
	var sets []string
	var args []any
	set := func(column string, v any) {
		args = append(args, v)
		sets = append(sets, fmt.Sprintf("%s = $%d", column, len(args)))
	}
	if p.Process != nil {
		set("pid", p.Process.Pid)
		set("pid_start", p.Process.Start)
	}
	if p.Progress != nil {
		set("stage", p.Progress.Stage)
		set("done", p.Progress.Done)
		set("total", p.Progress.Total)
	}
	if p.Tokens != nil {
		set("tokens", encode(p.Tokens))
	}
	if p.Outputs != nil {
		set("outputs", encode(p.Outputs))
	}
	if p.LogBytes != nil {
		set("log_bytes", *p.LogBytes)
	}
	if len(sets) == 0 {
		return nil, nil
	}
	args = append(args, p.RunID, p.Epoch)
	var jobID string
	err = tx.Row(ctx, fmt.Sprintf(`UPDATE runs SET %s WHERE run_id = $%d AND epoch = $%d AND %s RETURNING job_id`,
		strings.Join(sets, ", "), len(args)-1, len(args), activeRun), args...).Scan(&jobID)
	if errors.Is(err, sql.ErrNoRows) {
		return staleRun(p.RunID), nil
	}
	if err != nil {
		return nil, fmt.Errorf("report run: %w", err)
	}
	tx.Hint(store.Hint{Topic: store.HintJob, ID: jobID})
	return nil, nil
}

func staleRun(id string) error {
	return fault.Newf(fault.StaleLease, "run %s was taken over or has ended", id)
}

func (s runs) SaveCheckpoint(ctx context.Context, c store.Checkpoint) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := s.LockJob(ctx, tx, c.JobID); err != nil {
			return err
		}
		active, err := active(ctx, tx, c.RunID, c.Epoch)
		if err != nil {
			return err
		}
		if !active {
			return staleRun(c.RunID)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO checkpoints (job_id, run_id, epoch, data, updated_ms) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (job_id) DO UPDATE SET run_id = excluded.run_id, epoch = excluded.epoch, data = excluded.data,
			updated_ms = excluded.updated_ms`, c.JobID, c.RunID, c.Epoch, c.Data, clock.Millis(c.At)); err != nil {
			return fmt.Errorf("save checkpoint: %w", err)
		}
		if _, err := tx.Exec(ctx, `UPDATE jobs SET crashes = 0, version = version + 1 WHERE job_id = $1 AND epoch = $2 AND crashes > 0`,
			c.JobID, c.Epoch); err != nil {
			return fmt.Errorf("clear crashes: %w", err)
		}
		return nil
	})
}

// active reports whether a run is the active attempt under epoch.
func active(ctx context.Context, tx Tx, runID string, epoch int64) (bool, error) {
	var one int
	err := tx.Row(ctx, `SELECT 1 FROM runs WHERE run_id = $1 AND epoch = $2 AND `+activeRun, runID, epoch).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("check attempt: %w", err)
	}
	return true, nil
}

func (s runs) Checkpoint(ctx context.Context, jobID string) ([]byte, error) {
	var data []byte
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		err := tx.Row(ctx, `SELECT data FROM checkpoints WHERE job_id = $1`, jobID).Scan(&data)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return data, err
}

func (s runs) Durations(ctx context.Context, p store.Durations) ([]store.Duration, error) {
	var out []store.Duration
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		out = nil
		for _, k := range p.Kinds {
			query, args := `SELECT started_ms, finished_ms FROM runs WHERE state = 'COMPLETED' AND job_type = $1 AND template_id = $2
				ORDER BY finished_ms DESC LIMIT $3`, []any{k.JobType, k.TemplateID, p.Last}
			if k.TemplateID == "" {
				query, args = `SELECT started_ms, finished_ms FROM runs WHERE state = 'COMPLETED' AND job_type = $1
					ORDER BY finished_ms DESC LIMIT $2`, []any{k.JobType, p.Last}
			}
			rows, err := tx.Query(ctx, query, args...)
			if err != nil {
				return fmt.Errorf("read durations: %w", err)
			}
			took, err := collect(rows, func(r Rows) (store.Duration, error) {
				var from, to int64
				err := r.Scan(&from, &to)
				return store.Duration{Kind: k, Took: max(0, time.Duration(to-from)*time.Millisecond)}, err
			})
			if err != nil {
				return err
			}
			out = append(out, took...)
		}
		return nil
	})
	return out, err
}
