package dump

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

// DB is an open database. Packages above the store hand it from one function of
// the store to the next, and say nothing to it themselves.
type DB = sql.DB

// Tx is a transaction of a DB, to be handed on likewise.
type Tx = sql.Tx

// EndInstances says of every instance that it is lost: whoever ran jobs there
// does not here. The first server then treats running jobs as after a crash.
func EndInstances(ctx context.Context, tx Querier) error {
	_, err := tx.ExecContext(ctx, `UPDATE instances SET ended_ms = CASE WHEN started_ms > 0 THEN started_ms ELSE 1 END, lost = 1 WHERE ended_ms = 0`)
	if err != nil {
		return fmt.Errorf("end instances: %w", err)
	}
	return nil
}

// ForgetHosts takes the hosts from all instances. The server of a backup may go on
// on this very machine: the processes of its jobs are not for a copy to end.
func ForgetHosts(ctx context.Context, tx Querier) error {
	if _, err := tx.ExecContext(ctx, `UPDATE instances SET host_id = ''`); err != nil {
		return fmt.Errorf("forget hosts: %w", err)
	}
	return nil
}

// Pause stops the queue, with a reason, unless it is paused already.
func Pause(ctx context.Context, tx Querier, reason string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE queue SET paused = 1, paused_by = $1, paused_reason = $2, version = version + 1, updated_ms = $3
		WHERE id = 1 AND paused = 0`, "restore", reason, clock.Millis(now))
	if err != nil {
		return fmt.Errorf("pause the queue: %w", err)
	}
	return nil
}

// ForgetPlace empties the Local tables of a store whose files lie somewhere else
// from now on.
func (s *Schema) ForgetPlace(ctx context.Context, tx Querier) error {
	for _, t := range s.Tables {
		if _, local := Local[t.Name]; !local {
			continue
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+t.Name); err != nil {
			return fmt.Errorf("empty table %s: %w", t.Name, err)
		}
	}
	return nil
}
