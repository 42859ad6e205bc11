package portable

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

type views struct{ *db }

func (v views) RunsByTime(ctx context.Context, p store.RunsByTime) ([]store.RunBar, bool, error) {
	w := runsWhere(p.Filter)
	w.conds = append(w.conds, "started_ms > 0")
	bucket := max(p.Bucket, time.Second).Milliseconds()
	query := fmt.Sprintf(`SELECT started_ms / %d, state, count(*) FROM (SELECT started_ms, state FROM runs%s ORDER BY started_ms DESC, run_id DESC LIMIT %d) newest
		GROUP BY 1, 2 ORDER BY 1, 2`, bucket, w.String(), p.Most+1)
	var out []store.RunBar
	counted := 0
	err := v.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("count runs by time: %w", err)
		}
		counted = 0
		out, err = collect(rows, func(r Rows) (store.RunBar, error) {
			var b store.RunBar
			var at int64
			err := r.Scan(&at, &b.State, &b.Count)
			b.At = clock.FromMillis(at * bucket)
			counted += b.Count
			return b, err
		})
		return err
	})
	return out, counted <= p.Most, err
}

// each asks the same of several things in one statement: the parts come from one,
// which has a placeholder for the id, and each has its own order and limit.
func (w *where) each(ids []string, one func(mark string) string) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		w.args = append(w.args, id)
		parts[i] = fmt.Sprintf("SELECT * FROM (%s) part%d", one(fmt.Sprintf("$%d", len(w.args))), i)
	}
	return strings.Join(parts, " UNION ALL ")
}

// maxEach is how many things one statement asks about: SQLite takes no more parts.
const maxEach = 400

func (v views) WorkflowResults(ctx context.Context, p store.AskResults) (map[string][]store.WorkflowResult, error) {
	out := map[string][]store.WorkflowResult{}
	err := v.ask(ctx, p, func(w *where, ids []string) string {
		w.args = append(w.args, p.Tenant)
		return w.each(ids, func(mark string) string {
			return fmt.Sprintf(`SELECT workflow_id, run_id, version, status, started_ms, ended_ms FROM workflow_runs
				WHERE tenant = $1 AND workflow_id = %s ORDER BY run_id DESC LIMIT %d`, mark, p.Last)
		})
	}, func() { clear(out) }, func(r Rows) error {
		var x store.WorkflowResult
		var id string
		var started, ended int64
		err := r.Scan(&id, &x.RunID, &x.Version, &x.Status, &started, &ended)
		x.StartedAt, x.EndedAt = clock.FromMillis(started), clock.FromMillis(ended)
		out[id] = append(out[id], x)
		return err
	})
	return out, err
}

// ask runs the statements that query makes of the ids; begin is called before the
// first row.
func (v views) ask(ctx context.Context, p store.AskResults, query func(w *where, ids []string) string, begin func(), scan func(Rows) error) error {
	return v.Read(ctx, func(ctx context.Context, tx Tx) error {
		begin()
		for at := 0; at < len(p.IDs); at += maxEach {
			var w where
			text := query(&w, p.IDs[at:min(at+maxEach, len(p.IDs))])
			rows, err := tx.Query(ctx, text, w.args...)
			if err != nil {
				return fmt.Errorf("read results: %w", err)
			}
			if _, err := collect(rows, func(r Rows) (struct{}, error) { return struct{}{}, scan(r) }); err != nil {
				return err
			}
		}
		return nil
	})
}

func (v views) VersionResults(ctx context.Context, tenant, workflowID string, most int) (map[int]store.VersionTally, error) {
	out := map[int]store.VersionTally{}
	err := v.Read(ctx, func(ctx context.Context, tx Tx) error {
		clear(out)
		rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT version, status, count(*), max(created_ms) FROM (SELECT version, status, created_ms FROM workflow_runs
			WHERE tenant = $1 AND workflow_id = $2 ORDER BY run_id DESC LIMIT %d) newest GROUP BY version, status`, most), tenant, workflowID)
		if err != nil {
			return fmt.Errorf("count runs of versions: %w", err)
		}
		_, err = collect(rows, func(r Rows) (struct{}, error) {
			var version, n int
			var status string
			var last int64
			err := r.Scan(&version, &status, &n, &last)
			t := out[version]
			t.Runs += n
			switch status {
			case store.WorkflowCompleted:
				t.Completed += n
			case store.WorkflowFailed:
				t.Failed += n
			case store.WorkflowCancelled:
				t.Cancelled += n
			case store.WorkflowSkipped:
				t.Skipped += n
			}
			if at := clock.FromMillis(last); at.After(t.LastAt) {
				t.LastAt = at
			}
			out[version] = t
			return struct{}{}, err
		})
		return err
	})
	return out, err
}

func (v views) ScheduleResults(ctx context.Context, p store.AskResults) (map[string][]store.HistoryEntry, error) {
	out := map[string][]store.HistoryEntry{}
	err := v.ask(ctx, p, func(w *where, ids []string) string {
		w.args = append(w.args, p.Tenant)
		return w.each(ids, func(mark string) string {
			return fmt.Sprintf(`%s WHERE r.schedule_id = %s AND EXISTS (SELECT 1 FROM schedules s WHERE s.schedule_id = r.schedule_id AND s.tenant = $1)
				ORDER BY r.nominal_ms DESC, r.again DESC LIMIT %d`, runQuery, mark, p.Last)
		})
	}, func() { clear(out) }, func(r Rows) error {
		id, e, err := scanRunEntry(r.Scan)
		out[id] = append(out[id], e)
		return err
	})
	return out, err
}

func (v views) WaitingApprovals(ctx context.Context, tenant string) (map[string]int, error) {
	out := map[string]int{}
	err := v.Read(ctx, func(ctx context.Context, tx Tx) error {
		clear(out)
		// The subject of a node is the id of the run, a slash and the node.
		rows, err := tx.Query(ctx, `SELECT r.workflow_id, count(*) FROM approvals a JOIN workflow_runs r ON r.run_id = substr(a.subject_id, 1, 32)
			WHERE a.tenant = $1 AND a.status = 'PENDING' AND a.subject_type = $2 AND r.tenant = $3 GROUP BY r.workflow_id`,
			tenant, string(approval.SubjectWorkflowNode), tenant)
		if err != nil {
			return fmt.Errorf("count approvals of workflows: %w", err)
		}
		_, err = collect(rows, func(r Rows) (struct{}, error) {
			var id string
			var n int
			err := r.Scan(&id, &n)
			out[id] = n
			return struct{}{}, err
		})
		return err
	})
	return out, err
}

func (v views) PendingApprovals(ctx context.Context, tenant string) (int, error) {
	n := 0
	err := v.Read(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Row(ctx, `SELECT count(*) FROM approvals WHERE tenant = $1 AND status = 'PENDING'`, tenant).Scan(&n); err != nil {
			return fmt.Errorf("count approvals: %w", err)
		}
		return nil
	})
	return n, err
}

func (v views) QueuedBefore(ctx context.Context, tenant string, at time.Time, most int) (int, error) {
	n := 0
	err := v.Read(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Row(ctx, fmt.Sprintf(`SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 'QUEUED' AND tenant = $1 AND created_ms < $2 LIMIT %d) waiting`, most),
			tenant, clock.Millis(at)).Scan(&n); err != nil {
			return fmt.Errorf("count jobs from before: %w", err)
		}
		return nil
	})
	return n, err
}

func (v views) JobEvents(ctx context.Context, p store.ListJobEvents) (store.EventPage, error) {
	var page store.EventPage
	err := v.Read(ctx, func(ctx context.Context, tx Tx) error {
		// An event that is not numbered yet has no seq, and no reader sees it.
		rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT seq, tenant, type, at_ms, job_id, run_id, template_id, data FROM events
			WHERE job_id = $1 AND type >= 'job.' AND type < 'job/' AND seq > $2 AND tenant || '' = $3 ORDER BY seq LIMIT %d`, p.Limit+1), p.JobID, p.After, p.Tenant)
		if err != nil {
			return fmt.Errorf("read events of a job: %w", err)
		}
		page.Events, err = collect(rows, scanEvent)
		return err
	})
	if len(page.Events) > p.Limit {
		page.Events, page.More = page.Events[:p.Limit], true
	}
	return page, err
}

func scanEvent(rows Rows) (event.Event, error) {
	var e event.Event
	var at int64
	var data string
	if err := rows.Scan(&e.Seq, &e.Tenant, &e.Type, &at, &e.JobID, &e.RunID, &e.TemplateID, &data); err != nil {
		return e, err
	}
	e.At = clock.FromMillis(at)
	return e, decode(data, &e.Data)
}

// named are the things that Views.Names knows.
var named = []struct {
	kind            id.Kind
	from, key, name string
}{
	{id.Job, "jobs t", "t.job_id", "t.name"},
	{id.Template, "templates t", "t.template_id", "t.name"},
	{id.WorkflowRun, "workflow_runs t JOIN jobs j ON j.job_id = t.job_id", "t.run_id", "j.name"},
}

func (v views) Names(ctx context.Context, tenant string, ids []string) (map[string]string, error) {
	out := map[string]string{}
	err := v.Read(ctx, func(ctx context.Context, tx Tx) error {
		clear(out)
		for _, n := range named {
			some := slices.DeleteFunc(slices.Clone(ids), func(x string) bool { return !strings.HasPrefix(x, string(n.kind)+"_") })
			for chunk := range slices.Chunk(some, maxEach) {
				var w where
				w.add("t.tenant || '' = %s", tenant) // the ids are the index
				in(&w, n.key, chunk)
				rows, err := tx.Query(ctx, "SELECT "+n.key+", "+n.name+" FROM "+n.from+w.String(), w.args...)
				if err != nil {
					return fmt.Errorf("read names: %w", err)
				}
				if _, err := collect(rows, func(r Rows) (struct{}, error) {
					var key, name string
					err := r.Scan(&key, &name)
					out[key] = name
					return struct{}{}, err
				}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return out, err
}

func (v views) DeliveryResults(ctx context.Context, p store.AskResults) (map[string]store.DeliveryTally, error) {
	out := map[string]store.DeliveryTally{}
	err := v.ask(ctx, p, func(w *where, ids []string) string {
		w.args = append(w.args, p.Tenant)
		return w.each(ids, func(mark string) string {
			return fmt.Sprintf(`SELECT webhook_id, status FROM webhook_deliveries WHERE webhook_id = %s AND tenant || '' = $1
				ORDER BY created_ms DESC, delivery_id DESC LIMIT %d`, mark, p.Last)
		})
	}, func() { clear(out) }, func(r Rows) error {
		var id string
		var status webhook.Status
		err := r.Scan(&id, &status)
		t := out[id]
		switch status {
		case webhook.Delivered:
			t.Delivered++
		case webhook.Failed:
			t.Failed++
		case webhook.Dead:
			t.Dead++
		case webhook.Pending:
			t.Pending++
		}
		out[id] = t
		return err
	})
	return out, err
}
