package portable

import (
	"context"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

type budgets struct{ *db }

// readBudgets reads budgets with what is spent of them on the day of now.
func readBudgets(ctx context.Context, tx Tx, now time.Time, cond string, args ...any) ([]job.Budget, error) {
	args = append([]any{store.Day(now)}, args...)
	rows, err := tx.Query(ctx, `SELECT b.tenant, b.template_id, b.tokens, b.updated_by, b.updated_ms,
		CAST((SELECT coalesce(sum(u.prompt + u.completion), 0) FROM llm_usage u WHERE u.tenant = b.tenant AND u.day = $1
			AND (b.template_id = '' OR u.template_id = b.template_id)) AS BIGINT)
		FROM llm_budgets b WHERE `+cond+` ORDER BY b.tenant, b.template_id`, args...)
	if err != nil {
		return nil, fmt.Errorf("read budgets: %w", err)
	}
	return collect(rows, func(r Rows) (job.Budget, error) {
		var b job.Budget
		var updated int64
		err := r.Scan(&b.Tenant, &b.TemplateID, &b.Tokens, &b.UpdatedBy, &updated, &b.Spent)
		b.UpdatedAt = clock.FromMillis(updated)
		return b, err
	})
}

func (s budgets) List(ctx context.Context, tenant string, now time.Time) ([]job.Budget, error) {
	var out []job.Budget
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.Now(ctx, tx, now)
		if err != nil {
			return err
		}
		out, err = readBudgets(ctx, tx, now, `b.tenant = $2`, tenant)
		return err
	})
	return out, err
}

func (s budgets) Put(ctx context.Context, p store.PutBudget) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		b := p.Budget
		if _, err := tx.Exec(ctx, `INSERT INTO llm_budgets (tenant, template_id, tokens, updated_by, updated_ms) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant, template_id) DO UPDATE SET tokens = excluded.tokens, updated_by = excluded.updated_by,
			updated_ms = excluded.updated_ms`, b.Tenant, b.TemplateID, b.Tokens, b.UpdatedBy, clock.Millis(b.UpdatedAt)); err != nil {
			return fmt.Errorf("put budget: %w", err)
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return record(ctx, tx, p.Audit)
	})
}

func (s budgets) Delete(ctx context.Context, p store.PutBudget) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM llm_budgets WHERE tenant = $1 AND template_id = $2`, p.Budget.Tenant, p.Budget.TemplateID)
		if err != nil {
			return fmt.Errorf("delete budget: %w", err)
		}
		if n == 0 {
			return fault.New(fault.NotFound, "there is no such budget")
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return record(ctx, tx, p.Audit)
	})
}
