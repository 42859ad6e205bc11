package portable

import (
	"bytes"
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

const (
	jobHead = `job_id, tenant, state, version, name, job_type,`
	jobTail = `template_id, template_version,
	retry, timeout_ms, locks, on_crash, labels, trigger_kind, created_by, retry_of, priority, rank,
	not_before_ms, held_reason, attempt, failures, crashes, run_id, instance_id, epoch, cancel_asked_ms,
	cancelled_by, failure_code, failure_message, created_ms, queued_ms, started_ms, finished_ms,
	group_id, group_active, limits, unique_key, start_deadline_ms, webhook, directive, approval_id, approval_until_ms,
	resuming, parked, resume_locks, held_by`
	jobColumns = jobHead + ` params, ` + jobTail
	// leanColumns leave out what may be large and is not needed in order to decide
	// about a job or to move it.
	leanColumns = jobHead + ` '{}', ` + jobTail
	// headColumns are what a claim must know of a job before it decides: whether it is
	// ready, and what it needs. Each column costs, most of all in SQLite's driver.
	headColumns = `job_id, tenant, state, job_type, template_id, locks, rank, not_before_ms, held_reason, group_id, group_active, limits,
	approval_until_ms, parked, resume_locks`
)

func scanHead(rows Rows) (j job.Job, err error) {
	var locks, limits, resume string
	var notBefore, approval int64
	if err := rows.Scan(&j.ID, &j.Tenant, &j.State, &j.Type, &j.TemplateID, &locks, &j.Rank, &notBefore, &j.HeldReason, &j.GroupID, &j.GroupActive, &limits,
		&approval, &j.Parked, &resume); err != nil {
		return j, err
	}
	j.NotBefore, j.ApprovalUntil = clock.FromMillis(notBefore), clock.FromMillis(approval)
	return j, errors.Join(decode(locks, &j.Locks), decode(limits, &j.Limits), decode(resume, &j.ResumeLocks))
}

func scanJob(rows Rows) (job.Job, error) { return scanJobWith(rows.Scan) }

func scanJobWith(scan func(...any) error) (job.Job, error) {
	var j job.Job
	var params, retry, locks, labels, limits, hook, dir, resume string
	var timeout, notBefore, cancelAsked, created, queued, started, finished, deadline, approval int64
	if err := scan(&j.ID, &j.Tenant, &j.State, &j.Version, &j.Name, &j.Type, &params, &j.TemplateID, &j.TemplateVersion,
		&retry, &timeout, &locks, &j.OnCrash, &labels, &j.Trigger, &j.CreatedBy, &j.RetryOf, &j.Priority, &j.Rank,
		&notBefore, &j.HeldReason, &j.Attempt, &j.Failures, &j.Crashes, &j.RunID, &j.Instance, &j.Epoch, &cancelAsked,
		&j.CancelledBy, &j.Failure.Code, &j.Failure.Message, &created, &queued, &started, &finished,
		&j.GroupID, &j.GroupActive, &limits, &j.UniqueKey, &deadline, &hook, &dir, &j.ApprovalID, &approval,
		&j.Resuming, &j.Parked, &resume, &j.HeldBy); err != nil {
		return j, err
	}
	j.Params = []byte(params)
	j.Timeout = time.Duration(timeout) * time.Millisecond
	j.NotBefore, j.CancelAskedAt = clock.FromMillis(notBefore), clock.FromMillis(cancelAsked)
	j.CreatedAt, j.QueuedAt = clock.FromMillis(created), clock.FromMillis(queued)
	j.StartedAt, j.FinishedAt = clock.FromMillis(started), clock.FromMillis(finished)
	j.StartDeadline, j.ApprovalUntil = clock.FromMillis(deadline), clock.FromMillis(approval)
	return j, errors.Join(decode(retry, &j.Retry), decode(locks, &j.Locks), decode(labels, &j.Labels), decode(limits, &j.Limits), decode(hook, &j.Webhook),
		decode(dir, &j.Directive), decode(resume, &j.ResumeLocks))
}

func encodeLimits(l job.Limits) string {
	if l.MaxRunning == 0 && l.Key == "" && len(l.KeyParams) == 0 {
		return ""
	}
	return encode(l)
}

func encodeDirective(d run.Directive) string {
	if d.ID == "" {
		return ""
	}
	return encode(d)
}

func encodeWebhook(w job.Webhook) string {
	if w.URL == "" {
		return ""
	}
	return encode(w)
}

// stored returns j as it will be read back: times in UTC and in milliseconds.
func stored(j job.Job) job.Job {
	j.Timeout = j.Timeout.Truncate(time.Millisecond)
	for _, t := range []*time.Time{&j.NotBefore, &j.CancelAskedAt, &j.CreatedAt, &j.QueuedAt, &j.StartedAt, &j.FinishedAt, &j.StartDeadline, &j.ApprovalUntil} {
		*t = clock.FromMillis(clock.Millis(*t))
	}
	return j
}

// jobsTable is where jobs begin.
var jobsTable = tableOf("jobs", "", "job_id", "tenant", "state", "version#", "name", "job_type", "params", "template_id", "template_version#",
	"retry", "timeout_ms#", "locks", "on_crash", "labels", "trigger_kind", "created_by", "retry_of", "priority#", "rank", "not_before_ms#", "held_reason",
	"attempt#", "failures#", "crashes#", "run_id", "instance_id", "epoch#", "cancel_asked_ms#", "cancelled_by", "failure_code", "failure_message",
	"created_ms#", "queued_ms#", "started_ms#", "finished_ms#", "group_id", "group_active#", "limits", "unique_key", "start_deadline_ms#", "webhook", "directive",
	"approval_id", "approval_until_ms#", "resuming#", "parked", "resume_locks", "held_by", "class", "ready#", "name_folded")

func jobRow(j job.Job) []any {
	return []any{
		j.ID, j.Tenant, string(j.State), j.Version, j.Name, j.Type, string(j.Params), j.TemplateID, j.TemplateVersion,
		encode(j.Retry), j.Timeout.Milliseconds(), encode(j.Locks), string(j.OnCrash), encodeLabels(j.Labels), string(j.Trigger),
		j.CreatedBy, j.RetryOf, j.Priority, string(j.Rank), clock.Millis(j.NotBefore), j.HeldReason, j.Attempt, j.Failures, j.Crashes,
		j.RunID, j.Instance, j.Epoch, clock.Millis(j.CancelAskedAt), j.CancelledBy, j.Failure.Code, j.Failure.Message,
		clock.Millis(j.CreatedAt), clock.Millis(j.QueuedAt), clock.Millis(j.StartedAt), clock.Millis(j.FinishedAt),
		j.GroupID, flag(j.GroupActive), encodeLimits(j.Limits), j.UniqueKey, clock.Millis(j.StartDeadline), encodeWebhook(j.Webhook), encodeDirective(j.Directive),
		j.ApprovalID, clock.Millis(j.ApprovalUntil), flag(j.Resuming), j.Parked, encode(j.ResumeLocks), j.HeldBy, j.Class().String(), flag(j.Ready()), fold(j.Name),
	}
}

// insertJob writes a new job. addJob announces it.
func insertJob(ctx context.Context, tx Tx, j job.Job) error {
	one := newRows(len(jobsTable.columns))
	one.add(jobRow(j)...)
	if _, err := tx.Exec(ctx, `INSERT INTO jobs (`+namesOf(jobsTable.columns)+`) VALUES `+one.String(), one.args...); err != nil {
		return fmt.Errorf("insert job: %w", err)
	}
	return insertWorkflowRuns(ctx, tx, []job.Job{j})
}

// insertJobs is insertJob of many. writeNew announces them.
func (d *db) insertJobs(ctx context.Context, tx Tx, list []job.Job) error {
	rows := make([][]any, len(list))
	for i, j := range list {
		rows[i] = jobRow(j)
	}
	if err := d.insert(ctx, tx, jobsTable, rows); err != nil {
		return fmt.Errorf("insert jobs: %w", err)
	}
	for part := range slices.Chunk(list, maxRows) {
		if err := insertWorkflowRuns(ctx, tx, part); err != nil {
			return err
		}
	}
	return nil
}

// change writes what a change made of a job, if the row is still as the change
// saw it, announces it, and counts the end of a group's member. It reports
// whether the row was.
func change(ctx context.Context, tx Tx, c job.Change) (bool, error) {
	return changeMember(ctx, tx, c, stopRest)
}

// changeMember is change for one that knows what the end of a member means for
// the others of its group.
func changeMember(ctx context.Context, tx Tx, c job.Change, rest restOfGroup) (bool, error) {
	moved, done, err := changeRow(ctx, tx, c)
	if err != nil || !done {
		return false, err
	}
	return true, announceChange(ctx, tx, c, moved, rest)
}

// announceChange announces a change that changeRow has written, and counts the end
// of a group's member.
func announceChange(ctx context.Context, tx Tx, c job.Change, moved string, rest restOfGroup) error {
	if moved != "" && len(c.Emit) == 0 {
		return fmt.Errorf("job %s changed its place, and nothing tells of it", c.Before.ID)
	}
	left, err := workflowChanged(ctx, tx, c)
	if err != nil {
		return err
	}
	if err := announceOf(ctx, tx, c.Emit, moved, &c.After); err != nil { // and asks what is left
		return err
	}
	if err := left.clear(ctx, tx, c.After); err != nil {
		return err
	}
	return memberChanged(ctx, tx, c, rest)
}

// changeRow is change without announcing. The caller puts moved, what the
// change did to the order, with an event.
func changeRow(ctx context.Context, tx Tx, c job.Change) (moved string, done bool, err error) {
	b, a := c.Before, c.After
	n, err := tx.Exec(ctx, updateJob, jobChange(c)...)
	if err != nil {
		return "", false, fmt.Errorf("change job: %w", err)
	}
	if n == 0 {
		return "", false, nil
	}
	if b.State == job.Running && (a.State != job.Running || !a.CancelAskedAt.Equal(b.CancelAskedAt)) {
		tx.Hint(store.Hint{Topic: store.HintStop, ID: a.ID})
	}
	if err := rework(ctx, tx, b, a); err != nil {
		return "", false, err
	}
	if b.GroupID != a.GroupID { // rare, too
		if _, err := tx.Exec(ctx, `UPDATE jobs SET group_id = $1 WHERE job_id = $2`, a.GroupID, a.ID); err != nil {
			return "", false, fmt.Errorf("change a job's group: %w", err)
		}
	}
	if err := endAwaited(ctx, tx, c); err != nil {
		return "", false, err
	}
	if b.AwaitsApproval() && a.State.Terminal() {
		if err := withdrawApproval(ctx, tx, a); err != nil {
			return "", false, err
		}
	}
	return deltaText(b.Spot(), a.Spot()), true, nil
}

var (
	// changed are the columns that changes of jobs write, seen those of the row as the
	// change saw it.
	changed = columnsOf("state", "version#", "labels", "priority#", "rank", "not_before_ms#", "held_reason", "ready#", "attempt#",
		"failures#", "crashes#", "run_id", "instance_id", "epoch#", "cancel_asked_ms#", "cancelled_by", "failure_code",
		"failure_message", "queued_ms#", "started_ms#", "finished_ms#", "group_active#", "start_deadline_ms#",
		"name", "name_folded", "timeout_ms#", "approval_id", "approval_until_ms#", "resuming#", "parked", "resume_locks", "held_by", "class")
	seen = columnsOf("job_id", "tenant", "version#", "state", "epoch#")

	updateJob  = updateOne("jobs", changed, seen)
	changeJobs = update{updateJob + ` RETURNING job_id`, updateMany("jobs", changed, seen) + ` RETURNING jobs.job_id`, slices.Concat(changed, seen)}
)

// update is a change of a row, and of many that come column by column. Both return the
// id of a row that they have found.
type update struct {
	one, many string
	columns   []column
}

// updateOne is the statement that changes a row: its parameters are the new values, then
// those that tell the row.
func updateOne(table string, set, where []column) string {
	var b strings.Builder
	b.WriteString(`UPDATE ` + table)
	for i, c := range set {
		fmt.Fprintf(&b, "%s%s = $%d", sep(i, " SET ", ", "), c.name, i+1)
	}
	for i, c := range where {
		fmt.Fprintf(&b, "%s%s = $%d", sep(i, " WHERE ", " AND "), c.name, len(set)+i+1)
	}
	return b.String()
}

// updateMany is updateOne for many rows, that come column by column.
func updateMany(table string, set, where []column) string {
	var b strings.Builder
	b.WriteString(`UPDATE ` + table)
	for i, c := range set {
		fmt.Fprintf(&b, "%s%s = v.set_%s", sep(i, " SET ", ", "), c.name, c.name)
	}
	b.WriteString(` FROM ` + unnest(slices.Concat(set, where)) + ` AS v (`)
	for i, c := range set {
		fmt.Fprintf(&b, "%sset_%s", sep(i, "", ", "), c.name)
	}
	for _, c := range where {
		b.WriteString(", was_" + c.name)
	}
	b.WriteByte(')')
	for i, c := range where {
		fmt.Fprintf(&b, "%s%s.%s = v.was_%s", sep(i, " WHERE ", " AND "), table, c.name, c.name)
	}
	return b.String()
}

func sep(i int, first, next string) string {
	if i == 0 {
		return first
	}
	return next
}

// jobChange are the parameters of updateJob.
func jobChange(c job.Change) []any {
	b, a := c.Before, c.After
	return []any{
		string(a.State), a.Version, encodeLabels(a.Labels), a.Priority, string(a.Rank),
		clock.Millis(a.NotBefore), a.HeldReason, flag(a.Ready()), a.Attempt, a.Failures, a.Crashes, a.RunID,
		a.Instance, a.Epoch, clock.Millis(a.CancelAskedAt), a.CancelledBy, a.Failure.Code,
		a.Failure.Message, clock.Millis(a.QueuedAt), clock.Millis(a.StartedAt), clock.Millis(a.FinishedAt),
		flag(a.GroupActive), clock.Millis(a.StartDeadline), a.Name, fold(a.Name), a.Timeout.Milliseconds(),
		a.ApprovalID, clock.Millis(a.ApprovalUntil), flag(a.Resuming), a.Parked, encode(a.ResumeLocks), a.HeldBy, a.Class().String(), b.ID, b.Tenant, b.Version, string(b.State), b.Epoch,
	}
}

// askRows is changeRow of jobs that are claimed, or end, with the next statement: it
// changes nothing but the rows, which the transaction has locked.
func (d *db) askRows(ctx context.Context, tx Tx, list []job.Change) error {
	rows, ids := make([][]any, len(list)), make([]string, len(list))
	for i, c := range list {
		rows[i], ids[i] = jobChange(c), c.Before.ID
	}
	if err := d.askUpdates(ctx, tx, changeJobs, rows, ids); err != nil {
		return fmt.Errorf("change jobs: %w", err)
	}
	return nil
}

// askUpdates changes rows with the next statements, which return the ids of those that
// they have found; all must be.
func (d *db) askUpdates(ctx context.Context, tx Tx, u update, rows [][]any, ids []string) error {
	left := map[string]bool{}
	for _, id := range ids {
		if left[id] {
			return fault.Newf(fault.InternalError, "%s is to change twice in one transaction", id)
		}
		left[id] = true
	}
	found := func(answer Rows) error {
		for answer.Next() {
			var id string
			if err := answer.Scan(&id); err != nil {
				return err
			}
			delete(left, id)
		}
		return answer.Err()
	}
	// The last answer tells whether all are there.
	last := func(answer Rows) error {
		if err := found(answer); err != nil {
			return err
		}
		for id := range left {
			return fault.Newf(fault.InternalError, "%s is not as it was although it is locked", id)
		}
		return nil
	}
	scan := func(more bool) func(Rows) error {
		if more {
			return found
		}
		return last
	}
	if len(rows) == 1 || !d.Columnwise() {
		for i, values := range rows {
			if err := tx.Ask(ctx, scan(i < len(rows)-1), u.one, values...); err != nil {
				return err
			}
		}
		return nil
	}
	done := 0
	return inParts(rows, func(part [][]any) error {
		done += len(part)
		return tx.Ask(ctx, scan(done < len(rows)), u.many, columnwise(u.columns, part)...)
	})
}

// rework writes what a job is to do, which a person has changed. It is rare, and long.
func rework(ctx context.Context, tx Tx, b, a job.Job) error {
	if bytes.Equal(b.Params, a.Params) && slices.Equal(b.Locks, a.Locks) && encodeLimits(b.Limits) == encodeLimits(a.Limits) && b.UniqueKey == a.UniqueKey {
		return nil
	}
	if _, err := tx.Exec(ctx, `UPDATE jobs SET params = $1, locks = $2, limits = $3, unique_key = $4 WHERE job_id = $5`,
		string(a.Params), encode(a.Locks), encodeLimits(a.Limits), a.UniqueKey, a.ID); err != nil {
		return fmt.Errorf("change what a job does: %w", err)
	}
	return nil
}

func jobByID(ctx context.Context, tx Tx, tenant, id string) (job.Job, error) {
	j, err := scanJobWith(tx.Row(ctx, `SELECT `+jobColumns+` FROM jobs WHERE job_id = $1 AND tenant = $2`, id, tenant).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return j, fault.Newf(fault.NotFound, "no job %s", id)
	}
	return j, err
}
