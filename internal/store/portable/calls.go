package portable

import (
	"context"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

type calls struct{ *db }

func (s calls) Record(ctx context.Context, p store.RecordCall) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.Now(ctx, tx, p.At)
		if err != nil {
			return err
		}
		// The row is locked: two calls of one run do not take one number.
		update, args := `UPDATE runs SET epoch = epoch WHERE run_id = $1 AND epoch = $2 AND `+activeRun, []any{p.RunID, p.Epoch}
		if p.Tokens != nil {
			update = `UPDATE runs SET tokens = $1 WHERE run_id = $2 AND epoch = $3 AND ` + activeRun
			args = []any{encode(p.Tokens), p.RunID, p.Epoch}
		}
		n, err := tx.Exec(ctx, update, args...)
		if err != nil {
			return fmt.Errorf("lock run: %w", err)
		}
		if n == 0 {
			return staleRun(p.RunID)
		}
		var tenant, template, jobType string
		var seq int64
		if err := tx.Row(ctx, `SELECT tenant, template_id, job_type, (SELECT coalesce(max(seq), 0) + 1 FROM llm_calls WHERE run_id = $1)
			FROM runs WHERE run_id = $2`, p.RunID, p.RunID).Scan(&tenant, &template, &jobType, &seq); err != nil {
			return fmt.Errorf("read run: %w", err)
		}
		if p.Number > 0 {
			seq = p.Number
		}
		c := p.Call
		n, err = tx.Exec(ctx, `INSERT INTO llm_calls (run_id, seq, tenant, server, model, stage, outcome, prompt, completion,
			started_ms, load_ms, reading_ms, writing_ms, total_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
			ON CONFLICT (run_id, seq) DO NOTHING`,
			p.RunID, seq, tenant, c.Server, c.Model, c.Stage, c.Outcome, nullable(c.Prompt), nullable(c.Completion),
			clock.Millis(c.StartedAt), c.Load.Milliseconds(), c.Reading.Milliseconds(), c.Writing.Milliseconds(), c.Total.Milliseconds())
		if err != nil {
			return fmt.Errorf("insert call: %w", err)
		}
		if n == 0 {
			return nil // it is recorded and summed up already
		}
		u := store.TokenUsage{Day: store.Day(now), TemplateID: template, JobType: jobType, Model: c.Model, Calls: 1, Total: c.Total}
		if c.Prompt == nil || c.Completion == nil {
			u.Unknown = 1
		}
		u.Prompt, u.Completion = known(c.Prompt), known(c.Completion)
		return spend(ctx, tx, tenant, u)
	})
}

// spend adds to the sums of a day.
func spend(ctx context.Context, tx Tx, tenant string, u store.TokenUsage) error {
	if _, err := tx.Exec(ctx, `INSERT INTO llm_usage (tenant, day, template_id, job_type, model, calls, prompt, completion, unknown, total_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (tenant, day, template_id, job_type, model) DO UPDATE SET calls = llm_usage.calls + excluded.calls,
		prompt = llm_usage.prompt + excluded.prompt, completion = llm_usage.completion + excluded.completion,
		unknown = llm_usage.unknown + excluded.unknown, total_ms = llm_usage.total_ms + excluded.total_ms`,
		tenant, u.Day, u.TemplateID, u.JobType, u.Model, u.Calls, u.Prompt, u.Completion, u.Unknown, u.Total.Milliseconds()); err != nil {
		return fmt.Errorf("add to the usage of a day: %w", err)
	}
	return nil
}

func nullable(n *int64) any {
	if n == nil {
		return nil
	}
	return *n
}

func known(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

func (s calls) Of(ctx context.Context, tenant, runID string) ([]run.Call, error) {
	var out []run.Call
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, `SELECT server, model, stage, outcome, prompt, completion, started_ms, load_ms, reading_ms, writing_ms, total_ms
			FROM llm_calls WHERE run_id = $1 AND tenant = $2 ORDER BY seq`, runID, tenant)
		if err != nil {
			return fmt.Errorf("list calls: %w", err)
		}
		out, err = collect(rows, func(r Rows) (run.Call, error) {
			var c run.Call
			var started int64
			var ms [4]int64
			if err := r.Scan(&c.Server, &c.Model, &c.Stage, &c.Outcome, &c.Prompt, &c.Completion, &started, &ms[0], &ms[1], &ms[2], &ms[3]); err != nil {
				return c, err
			}
			c.StartedAt = clock.FromMillis(started)
			for i, d := range []*time.Duration{&c.Load, &c.Reading, &c.Writing, &c.Total} {
				*d = time.Duration(ms[i]) * time.Millisecond
			}
			return c, nil
		})
		return err
	})
	return out, err
}

func (s calls) Usage(ctx context.Context, p store.ListUsage) ([]store.TokenUsage, error) {
	var w where
	w.add("tenant = %s", p.Tenant)
	w.add("day >= %s", p.From)
	w.add("day <= %s", p.To)
	if p.TemplateID != "" {
		w.add("template_id = %s", p.TemplateID)
	}
	if len(p.After) == 4 {
		w.add("(day, template_id, job_type, model) > (%s, %s, %s, %s)", p.After[0], p.After[1], p.After[2], p.After[3])
	}
	query := fmt.Sprintf(`SELECT day, template_id, job_type, model, calls, prompt, completion, unknown, total_ms FROM llm_usage%s
		ORDER BY day, template_id, job_type, model LIMIT %d`, w.String(), p.Limit)
	var out []store.TokenUsage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("list usage: %w", err)
		}
		out, err = collect(rows, func(r Rows) (store.TokenUsage, error) {
			var u store.TokenUsage
			var total int64
			err := r.Scan(&u.Day, &u.TemplateID, &u.JobType, &u.Model, &u.Calls, &u.Prompt, &u.Completion, &u.Unknown, &total)
			u.Total = time.Duration(total) * time.Millisecond
			return u, err
		})
		return err
	})
	return out, err
}
