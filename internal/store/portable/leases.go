package portable

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

type leases struct{ *db }

func (s leases) Register(ctx context.Context, i store.Instance, ttl time.Duration) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		// One at a time: who registers later must see, and start later than, who
		// registered before.
		if err := s.LockQueue(ctx, tx); err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, i.StartedAt)
		if err != nil {
			return err
		}
		// Two in one millisecond, or a clock that was set back, must not change who
		// was first.
		started := clock.Millis(now)
		var last sql.NullInt64
		if err := tx.Row(ctx, `SELECT max(started_ms) FROM instances WHERE ended_ms = 0`).Scan(&last); err != nil {
			return fmt.Errorf("look for older instances: %w", err)
		}
		if last.Valid && last.Int64 >= started {
			started = last.Int64 + 1
		}
		if _, err := tx.Exec(ctx, `INSERT INTO instances (instance_id, host_id, hostname, pid, version, started_ms, lease_until_ms,
			ended_ms, lost, place) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, $8)`,
			i.ID, i.HostID, i.Hostname, i.Pid, i.Version, started, clock.Millis(now.Add(ttl)), i.Place); err != nil {
			return fmt.Errorf("register instance: %w", err)
		}
		return nil
	})
}

func (s leases) Extend(ctx context.Context, instanceID string, now time.Time, ttl time.Duration) error {
	at, ms := s.Clock(now, 1)
	return s.Set(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, `UPDATE instances SET lease_until_ms = `+at+` + $2 WHERE instance_id = $3 AND ended_ms = 0`,
			ms, ttl.Milliseconds(), instanceID)
		if err != nil {
			return fmt.Errorf("extend lease: %w", err)
		}
		if n == 0 {
			return fault.Newf(fault.StaleLease, "instance %s has no living lease", instanceID)
		}
		tx.Aside()
		return nil
	})
}

func (s leases) Condemn(ctx context.Context, p store.Condemn) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		// Claims check the lease under the same lock, so none slips in between.
		if err := s.LockQueue(ctx, tx); err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE instances SET ended_ms = $1, lost = 1 WHERE ended_ms = 0 AND instance_id <> $2
			AND (lease_until_ms < $3 OR ($4 <> '' AND host_id = $5))`,
			clock.Millis(now), p.Self, clock.Millis(now.Add(-p.Grace)), p.HostID, p.HostID)
		if err != nil {
			return fmt.Errorf("condemn instances: %w", err)
		}
		if n > 0 {
			tx.Hint(store.Hint{Topic: store.HintQueue})
		}
		return forsaken(ctx, tx)
	})
}

// ofEnded holds for what an ended instance runs. It looks up the few instances that run
// something, not what each instance of the past may have left.
func ofEnded(table string) string {
	return `EXISTS (SELECT 1 FROM instances i WHERE i.instance_id = ` + table + `.instance_id AND i.ended_ms <> 0)`
}

func (s leases) Lost(ctx context.Context, p store.Condemn) (bool, error) {
	at, ms := s.Clock(p.Now, 1)
	found, err := s.any(ctx, `SELECT EXISTS (SELECT 1 FROM instances WHERE ended_ms = 0 AND lease_until_ms < `+at+` - $2
			AND instance_id <> $3)
		OR EXISTS (SELECT 1 FROM direct_requests WHERE state = 'WAITING' AND `+ofEnded("direct_requests")+`)
		OR EXISTS (SELECT 1 FROM jobs WHERE state = 'RUNNING' AND `+ofEnded("jobs")+`)
		OR EXISTS (SELECT 1 FROM runs WHERE state = 'ACTIVE' AND job_id = '' AND `+ofEnded("runs")+`)`,
		ms, p.Grace.Milliseconds(), p.Self)
	if err != nil {
		return false, fmt.Errorf("look for lost instances: %w", err)
	}
	return found, nil
}

func (s leases) Leftovers(ctx context.Context) ([]store.Leftover, error) {
	var out []store.Leftover
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		out = nil
		left, err := running(ctx, tx, ofEnded("jobs"))
		if err != nil {
			return err
		}
		for _, c := range left {
			l := store.Leftover{Job: c.Job, Run: c.Run}
			if err := tx.Row(ctx, `SELECT host_id FROM instances WHERE instance_id = $1`, l.Job.Instance).Scan(&l.HostID); err != nil {
				return fmt.Errorf("read leftover instance: %w", err)
			}
			out = append(out, l)
		}
		rs, err := directRuns(ctx, tx, ofEnded("runs"))
		if err != nil {
			return err
		}
		for _, r := range rs {
			l := store.Leftover{Run: r}
			if err := tx.Row(ctx, `SELECT host_id FROM instances WHERE instance_id = $1`, r.Instance).Scan(&l.HostID); err != nil {
				return fmt.Errorf("read leftover instance: %w", err)
			}
			out = append(out, l)
		}
		return nil
	})
	return out, err
}

func (s leases) Release(ctx context.Context, instanceID string, now time.Time) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.Now(ctx, tx, now)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE instances SET ended_ms = $1 WHERE instance_id = $2 AND ended_ms = 0`,
			clock.Millis(now), instanceID); err != nil {
			return fmt.Errorf("release lease: %w", err)
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return forsaken(ctx, tx)
	})
}

func (s leases) Instances(ctx context.Context) ([]store.Instance, error) {
	var out []store.Instance
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, `SELECT instance_id, host_id, hostname, pid, version, started_ms, lease_until_ms, place FROM instances
			WHERE ended_ms = 0 ORDER BY started_ms, instance_id`)
		if err != nil {
			return fmt.Errorf("list instances: %w", err)
		}
		out, err = collect(rows, func(r Rows) (store.Instance, error) {
			var i store.Instance
			var started, until int64
			err := r.Scan(&i.ID, &i.HostID, &i.Hostname, &i.Pid, &i.Version, &started, &until, &i.Place)
			i.StartedAt, i.LeaseUntil = clock.FromMillis(started), clock.FromMillis(until)
			return i, err
		})
		return err
	})
	return out, err
}
