package portable

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store"
)

type legacyCalls struct{ *db }

// dayOf is the beginning of a time's UTC day.
func dayOf(t time.Time) int64 { return clock.Millis(t.UTC().Truncate(24 * time.Hour)) }

func (s legacyCalls) Add(ctx context.Context, calls []store.LegacyCalled) error {
	if len(calls) == 0 {
		return nil
	}
	// In the order of the key, so that two instances do not wait for each other in a circle.
	calls = slices.Clone(calls)
	slices.SortFunc(calls, func(a, b store.LegacyCalled) int {
		return cmp.Or(cmp.Compare(dayOf(a.LastAt), dayOf(b.LastAt)), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Client, b.Client), cmp.Compare(a.Operation, b.Operation))
	})
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		for _, c := range calls {
			if err := tx.Later(ctx, `INSERT INTO legacy_calls (day_ms, tenant, client, operation, count, last_ms) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (day_ms, tenant, client, operation) DO UPDATE SET count = legacy_calls.count + excluded.count,
				last_ms = CASE WHEN excluded.last_ms > legacy_calls.last_ms THEN excluded.last_ms ELSE legacy_calls.last_ms END`,
				dayOf(c.LastAt), c.Tenant, c.Client, c.Operation, c.Count, clock.Millis(c.LastAt)); err != nil {
				return fmt.Errorf("add legacy calls: %w", err)
			}
		}
		return nil
	})
}

func (s legacyCalls) Usage(ctx context.Context, p store.AskLegacyUsage) (store.LegacyUsage, error) {
	var w where
	w.add("day_ms >= %s", dayOf(p.Since))
	if p.Tenant != "" {
		w.add("tenant = %s", p.Tenant)
	}
	query := fmt.Sprintf(`SELECT tenant, client, operation, CAST(sum(count) AS BIGINT) AS total, max(last_ms) FROM legacy_calls%s
		GROUP BY tenant, client, operation ORDER BY total DESC, tenant, client, operation LIMIT %d`, w.String(), p.Limit+1)
	var out store.LegacyUsage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("read legacy calls: %w", err)
		}
		out.Calls, err = collect(rows, func(r Rows) (c store.LegacyCalled, err error) {
			var last int64
			err = r.Scan(&c.Tenant, &c.Client, &c.Operation, &c.Count, &last)
			c.LastAt = clock.FromMillis(last)
			return c, err
		})
		return err
	})
	if out.More = len(out.Calls) > p.Limit; out.More {
		out.Calls = out.Calls[:p.Limit]
	}
	return out, err
}

func (s legacyCalls) Expire(ctx context.Context, before time.Time) (int, error) {
	var n int64
	err := s.Write(ctx, func(ctx context.Context, tx Tx) (err error) {
		n, err = tx.Exec(ctx, `DELETE FROM legacy_calls WHERE day_ms = (SELECT min(day_ms) FROM legacy_calls) AND day_ms < $1`, dayOf(before))
		if err != nil {
			return fmt.Errorf("delete old legacy calls: %w", err)
		}
		return nil
	})
	return int(n), err
}
