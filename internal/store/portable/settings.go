package portable

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

type queue struct{ *db }

func settings(ctx context.Context, tx Tx) (store.Settings, error) {
	var s store.Settings
	var updated int64
	var rules string
	err := tx.Row(ctx, `SELECT workers, paused, paused_by, paused_reason, version, updated_ms, revision, rules FROM queue WHERE id = 1`).
		Scan(&s.Workers, &s.Paused, &s.PausedBy, &s.PausedReason, &s.Version, &updated, &s.Revision, &rules)
	if err == nil {
		s.Rules = job.DefaultRules()
		err = decode(rules, &s.Rules)
	}
	s.UpdatedAt = clock.FromMillis(updated)
	if err != nil {
		return s, fmt.Errorf("read queue settings: %w", err)
	}
	return s, nil
}

func (s queue) Settings(ctx context.Context) (store.Settings, error) {
	var out store.Settings
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		out, err = settings(ctx, tx)
		return err
	})
	return out, err
}

func (s queue) Scale(ctx context.Context, p store.Scale) (store.Settings, error) {
	if p.Workers < 0 || p.Workers > store.MaxWorkers {
		return store.Settings{}, fault.Newf(fault.InvalidInput, "the worker count must be between 0 and %d", store.MaxWorkers).
			At("/count", "out_of_range", fmt.Sprintf("must be between 0 and %d", store.MaxWorkers))
	}
	return s.update(ctx, p.Key, p.Audit, func(ctx context.Context, tx Tx, now store.Settings) error {
		if p.IfVersion != 0 && p.IfVersion != now.Version {
			return fault.Newf(fault.VersionMismatch, "the settings have version %d by now", now.Version)
		}
		if _, err := tx.Exec(ctx, `UPDATE queue SET workers = $1, version = version + 1, updated_ms = $2 WHERE id = 1`,
			p.Workers, clock.Millis(p.At)); err != nil {
			return fmt.Errorf("scale workers: %w", err)
		}
		return announce(ctx, tx, []event.Event{{
			Tenant: p.Tenant, Type: event.WorkersScaled, At: p.At,
			Data: map[string]string{"workers": strconv.Itoa(p.Workers)},
		}})
	})
}

func (s queue) Pause(ctx context.Context, p store.Pause) (store.Settings, error) {
	return s.update(ctx, p.Key, p.Audit, func(ctx context.Context, tx Tx, now store.Settings) error {
		if now.Paused == p.Paused {
			return nil
		}
		by, reason := p.By, p.Reason
		if !p.Paused {
			by, reason = "", ""
		}
		what := event.QueueResumed
		if p.Paused {
			what = event.QueuePaused
		}
		if _, err := tx.Exec(ctx, `UPDATE queue SET paused = $1, paused_by = $2, paused_reason = $3, version = version + 1,
			updated_ms = $4 WHERE id = 1`, flag(p.Paused), by, reason, clock.Millis(p.At)); err != nil {
			return fmt.Errorf("pause queue: %w", err)
		}
		return announce(ctx, tx, []event.Event{{Tenant: p.Tenant, Type: what, At: p.At}})
	})
}

func (s queue) SetRules(ctx context.Context, p store.SetRules) (store.Settings, error) {
	return s.update(ctx, p.Key, p.Audit, func(ctx context.Context, tx Tx, now store.Settings) error {
		if p.IfVersion != 0 && p.IfVersion != now.Version {
			return fault.Newf(fault.VersionMismatch, "the settings have version %d by now", now.Version)
		}
		if encode(now.Rules) == encode(p.Rules) {
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE queue SET rules = $1, version = version + 1, updated_ms = $2 WHERE id = 1`,
			encode(p.Rules), clock.Millis(p.At)); err != nil {
			return fmt.Errorf("set rules: %w", err)
		}
		return announce(ctx, tx, []event.Event{{Tenant: p.Tenant, Type: event.RulesChanged, At: p.At}})
	})
}

// update changes the settings under the queue's lock and returns what they
// became.
func (s queue) update(ctx context.Context, k *store.Key, entry *audit.Entry,
	f func(context.Context, Tx, store.Settings) error,
) (store.Settings, error) {
	var out store.Settings
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, k); err != nil {
			return err
		}
		if err := s.LockQueue(ctx, tx); err != nil {
			return err
		}
		now, err := settings(ctx, tx)
		if err != nil {
			return err
		}
		if err := f(ctx, tx, now); err != nil {
			return err
		}
		if out, err = settings(ctx, tx); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		if err := storeKey(ctx, tx, k, out); err != nil {
			return err
		}
		if out.Version == now.Version {
			return nil // nothing changed
		}
		return record(ctx, tx, entry)
	})
	return out, err
}

func (s queue) SetLoaded(ctx context.Context, models []string) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		// What a claim starts at this moment is held when it is looked at.
		if err := s.LockQueue(ctx, tx); err != nil {
			return err
		}
		held, err := texts(ctx, tx, `SELECT DISTINCT name FROM lock_holders WHERE name LIKE 'model:%'`)
		if err != nil {
			return fmt.Errorf("read models in use: %w", err)
		}
		all := slices.Concat(held, models)
		slices.Sort(all)
		return setLoaded(ctx, tx, slices.Compact(all))
	})
}

// setLoaded writes only what differs: whoever looks often must not write often.
func setLoaded(ctx context.Context, tx Tx, models []string) error {
	text := encode(models)
	if _, err := tx.Exec(ctx, `UPDATE queue SET loaded = $1 WHERE id = 1 AND loaded <> $2`, text, text); err != nil {
		return fmt.Errorf("note loaded models: %w", err)
	}
	return nil
}
