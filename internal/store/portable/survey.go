package portable

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store"
)

// surveyDepth is how many places of each insertion class a survey looks at for
// the job that waits longest.
const surveyDepth = 64

func (h health) Survey(ctx context.Context) (store.Survey, error) {
	var out store.Survey
	err := h.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		out = store.Survey{}
		if out.At, err = h.Now(ctx, tx, time.Time{}); err != nil {
			return err
		}
		if out.Settings, err = settings(ctx, tx); err != nil {
			return err
		}
		// Each condition is word for word that of a partial index.
		for _, c := range []struct {
			n     *int
			where string
		}{
			{&out.Queued, `state = 'QUEUED'`},
			{&out.Ready, `state = 'QUEUED' AND ready = 1`},
			{&out.Delayed, `state = 'QUEUED' AND ready = 0 AND held_reason = ''`},
			{&out.Running, `state = 'RUNNING'`},
		} {
			if err := tx.Row(ctx, `SELECT count(*) FROM jobs WHERE `+c.where).Scan(c.n); err != nil {
				return fmt.Errorf("count jobs: %w", err)
			}
		}
		var parked int // which are not ready, and not delayed either
		if err := tx.Row(ctx, `SELECT count(*) FROM jobs WHERE parked <> '' AND held_reason = ''`).Scan(&parked); err != nil {
			return fmt.Errorf("count parked jobs: %w", err)
		}
		out.Delayed = max(0, out.Delayed-parked)
		if err := tx.Row(ctx, `SELECT count(*) FROM instances WHERE ended_ms = 0`).Scan(&out.Instances); err != nil {
			return fmt.Errorf("count instances: %w", err)
		}
		if out.Schedules, err = countSchedules(ctx, tx); err != nil {
			return err
		}
		if out.Ready > 0 {
			if out.OldestReadyAt, err = oldestReady(ctx, tx); err != nil {
				return err
			}
		}
		return h.db.Measure(ctx, tx, &out)
	})
	return out, err
}

func (h health) Measure(ctx context.Context) (store.Survey, error) {
	var out store.Survey
	err := h.Read(ctx, func(ctx context.Context, tx Tx) error {
		out = store.Survey{}
		return h.db.Measure(ctx, tx, &out)
	})
	return out, err
}

func countSchedules(ctx context.Context, tx Tx) (map[agenda.Status]int, error) {
	rows, err := tx.Query(ctx, `SELECT status, count(*) FROM schedules WHERE deleted_ms = 0 GROUP BY status`)
	if err != nil {
		return nil, fmt.Errorf("count schedules: %w", err)
	}
	out := map[agenda.Status]int{}
	_, err = collect(rows, func(r Rows) (struct{}, error) {
		var status agenda.Status
		var n int
		err := r.Scan(&status, &n)
		out[status] = n
		return struct{}{}, err
	})
	return out, err
}

// oldestReady looks at the first places of each insertion class: within one, jobs
// stand in the order in which they came, unless a person moved them.
func oldestReady(ctx context.Context, tx Tx) (time.Time, error) {
	var oldest time.Time
	for zone := range 26 {
		var at sql.NullInt64
		from, to := string(rune('a'+zone)), string(rune('a'+zone+1))
		if err := tx.Row(ctx, `SELECT min(queued_ms) FROM (SELECT queued_ms, ready FROM jobs
			WHERE state = 'QUEUED' AND rank >= $1 AND rank < $2 ORDER BY rank LIMIT $3) AS head WHERE ready = 1`, from, to, surveyDepth).Scan(&at); err != nil {
			return oldest, fmt.Errorf("look for the oldest job: %w", err)
		}
		if t := clock.FromMillis(at.Int64); at.Valid && (oldest.IsZero() || t.Before(oldest)) {
			oldest = t
		}
	}
	return oldest, nil
}
