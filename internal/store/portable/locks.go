package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

type locks struct{ *db }

const holderColumns = `h.name, h.token, h.tenant, h.job_id, h.run_id, h.holder, h.held_ms, h.expires_ms,
	CASE WHEN i.ended_ms <> 0 THEN 1 ELSE 0 END`

// holderTables join the server that runs the holder.
const holderTables = `lock_holders h LEFT JOIN runs r ON r.run_id = h.run_id LEFT JOIN instances i ON i.instance_id = r.instance_id`

func scanHolder(r Rows) (job.Holder, error) {
	var h job.Holder
	var held, expires int64
	err := r.Scan(&h.Lock, &h.Token, &h.Tenant, &h.JobID, &h.RunID, &h.Outside, &held, &expires, &h.Lost)
	h.HeldAt, h.ExpiresAt = clock.FromMillis(held), clock.FromMillis(expires)
	return h, err
}

// holders reads units that are taken at now: expired ones are not.
func holders(ctx context.Context, tx Tx, now time.Time, cond string, args ...any) ([]job.Holder, error) {
	args = append(args, clock.Millis(now))
	rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT %s FROM %s WHERE %s AND (h.expires_ms = 0 OR h.expires_ms > $%d) ORDER BY h.name, h.token`,
		holderColumns, holderTables, cond, len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("read locks: %w", err)
	}
	return collect(rows, scanHolder)
}

// capacities reads the locks that have more than one unit.
func capacities(ctx context.Context, tx Tx) (map[string]int, error) {
	rows, err := tx.Query(ctx, `SELECT name, capacity FROM lock_capacities`)
	if err != nil {
		return nil, fmt.Errorf("read capacities: %w", err)
	}
	out := map[string]int{}
	_, err = collect(rows, func(r Rows) (struct{}, error) {
		var name string
		var n int
		err := r.Scan(&name, &n)
		out[name] = n
		return struct{}{}, err
	})
	return out, err
}

func (s locks) List(ctx context.Context, p store.ListLocks) (store.LockPage, error) {
	var page store.LockPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		page = store.LockPage{}
		now, err := s.Now(ctx, tx, time.Time{})
		if err != nil {
			return err
		}
		names, err := texts(ctx, tx, `SELECT name FROM (SELECT name FROM lock_holders WHERE expires_ms = 0 OR expires_ms > $1
			UNION SELECT name FROM lock_capacities) AS known WHERE name > $2 ORDER BY name LIMIT $3`,
			clock.Millis(now), p.AfterName, p.Limit+1)
		if err != nil {
			return fmt.Errorf("list locks: %w", err)
		}
		if len(names) > p.Limit {
			names, page.More = names[:p.Limit], true
		}
		for _, name := range names {
			l, err := readLock(ctx, tx, now, name)
			if err != nil {
				return err
			}
			page.Locks = append(page.Locks, l)
		}
		return nil
	})
	return page, err
}

func (s locks) Lock(ctx context.Context, name string) (store.Lock, error) {
	var l store.Lock
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.Now(ctx, tx, time.Time{})
		if err != nil {
			return err
		}
		l, err = readLock(ctx, tx, now, name)
		return err
	})
	return l, err
}

func readLock(ctx context.Context, tx Tx, now time.Time, name string) (store.Lock, error) {
	l := store.Lock{Name: name, Capacity: 1}
	var updated int64
	err := tx.Row(ctx, `SELECT capacity, updated_ms FROM lock_capacities WHERE name = $1`, name).Scan(&l.Capacity, &updated)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return l, fmt.Errorf("read capacity: %w", err)
	}
	l.UpdatedAt = clock.FromMillis(updated)
	l.Holders, err = holders(ctx, tx, now, `h.name = $1`, name)
	return l, err
}

// nextEpoch is the fencing token of whatever is started or taken next.
func nextEpoch(ctx context.Context, tx Tx) (int64, error) { return nextEpochs(ctx, tx, 1) }

// nextEpochs takes n epochs and returns the last of them.
func nextEpochs(ctx context.Context, tx Tx, n int) (int64, error) {
	var epoch int64
	if err := tx.Row(ctx, takeEpochs, n).Scan(&epoch); err != nil {
		return 0, fmt.Errorf("next epoch: %w", err)
	}
	return epoch, nil
}

const takeEpochs = `UPDATE queue SET epoch = epoch + $1 WHERE id = 1 RETURNING epoch`

func (s locks) Acquire(ctx context.Context, p store.AcquireLock) (job.Holder, error) {
	var out job.Holder
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		if err := s.LockQueue(ctx, tx); err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		if err := s.expire(ctx, tx, now); err != nil {
			return err
		}
		l, err := readLock(ctx, tx, now, p.Name)
		if err != nil {
			return err
		}
		if len(l.Holders) >= l.Capacity {
			return lockHeld(l, p.Tenant)
		}
		if err := roomOutside(ctx, tx, p.Tenant); err != nil {
			return err
		}
		epoch, err := nextEpoch(ctx, tx)
		if err != nil {
			return err
		}
		out = job.Holder{
			Lock: p.Name, Token: epoch, Tenant: p.Tenant, Outside: p.Holder, HeldAt: clock.FromMillis(clock.Millis(now)),
			ExpiresAt: clock.FromMillis(clock.Millis(now.Add(p.TTL))),
		}
		if err := takeLock(ctx, tx, out); err != nil {
			return err
		}
		if err := announceLock(ctx, tx, event.LockAcquired, out, now); err != nil {
			return err
		}
		if err := record(ctx, tx, p.Audit); err != nil {
			return err
		}
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

// maxOutside is how many units the programs of a tenant hold at most. Every
// decision about the queue reads them all, so they must stay few.
const maxOutside = 1000

// roomOutside refuses one unit more than that.
func roomOutside(ctx context.Context, tx Tx, tenant string) error {
	var n int
	if err := tx.Row(ctx, `SELECT count(*) FROM lock_holders WHERE tenant = $1 AND holder <> ''`, tenant).Scan(&n); err != nil {
		return fmt.Errorf("count units of locks: %w", err)
	}
	if n >= maxOutside {
		return fault.Newf(fault.TooManyRequests, "the programs of this tenant hold %d units of locks, and more are not given", n).
			WithHint("release some, or use a shorter ttl")
	}
	return nil
}

// lockHeld names who is in the way, as far as the tenant may know.
func lockHeld(l store.Lock, tenant string) error {
	h := l.Holders[0]
	who := h.JobID + h.Outside
	if who == "" {
		who = h.RunID
	}
	if h.Tenant != tenant {
		who = "another tenant"
	}
	f := fault.Newf(fault.LockHeld, "lock %s is held by %s", l.Name, who).At("/holder", "held", who)
	if !h.ExpiresAt.IsZero() {
		f = f.WithHint("it expires at " + h.ExpiresAt.Format(time.RFC3339) + " unless it is renewed")
	}
	return f
}

func takeLock(ctx context.Context, tx Tx, h job.Holder) error {
	if _, err := tx.Exec(ctx, `INSERT INTO lock_holders (name, token, tenant, job_id, run_id, holder, held_ms, expires_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		h.Lock, h.Token, h.Tenant, h.JobID, h.RunID, h.Outside, clock.Millis(h.HeldAt), clock.Millis(h.ExpiresAt)); err != nil {
		return fmt.Errorf("take lock: %w", err)
	}
	return nil
}

func announceLock(ctx context.Context, tx Tx, t event.Type, h job.Holder, at time.Time) error {
	return announce(ctx, tx, []event.Event{{Tenant: h.Tenant, Type: t, At: at, Data: map[string]string{"lock": h.Lock}}})
}

// expire removes what programs outside have let expire.
func (d *db) expire(ctx context.Context, tx Tx, now time.Time) error {
	rows, err := tx.Query(ctx, `DELETE FROM lock_holders WHERE expires_ms > 0 AND expires_ms <= $1 RETURNING name, tenant`, clock.Millis(now))
	if err != nil {
		return fmt.Errorf("expire locks: %w", err)
	}
	gone, err := collect(rows, func(r Rows) (h job.Holder, err error) { return h, r.Scan(&h.Lock, &h.Tenant) })
	if err != nil {
		return fmt.Errorf("expire locks: %w", err)
	}
	for _, h := range gone {
		if err := announceLock(ctx, tx, event.LockReleased, h, now); err != nil {
			return err
		}
	}
	return nil
}

func notHeld(name string, token int64) error {
	return fault.Newf(fault.LockNotHeld, "lock %s is not held with token %d", name, token)
}

func (s locks) Renew(ctx context.Context, p store.RenewLock) (job.Holder, error) {
	var out job.Holder
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		// An expired unit may have been given to another already.
		n, err := tx.Exec(ctx, `UPDATE lock_holders SET expires_ms = $1 WHERE name = $2 AND token = $3 AND tenant = $4 AND holder <> ''
			AND expires_ms > $5`, clock.Millis(now.Add(p.TTL)), p.Name, p.Token, p.Tenant, clock.Millis(now))
		if err != nil {
			return fmt.Errorf("renew lock: %w", err)
		}
		if n == 0 {
			return notHeld(p.Name, p.Token)
		}
		hs, err := holders(ctx, tx, now, `h.name = $1 AND h.token = $2`, p.Name, p.Token)
		if err != nil {
			return err
		}
		if len(hs) != 1 {
			return notHeld(p.Name, p.Token)
		}
		out = hs[0]
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

func (s locks) Release(ctx context.Context, p store.ReleaseLock) (job.Holder, error) {
	var out job.Holder
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		hs, err := holders(ctx, tx, now, `h.name = $1 AND h.token = $2`, p.Name, p.Token)
		if err != nil {
			return err
		}
		if len(hs) == 0 || !p.Force && (hs[0].Outside == "" || hs[0].Tenant != p.Tenant) {
			return notHeld(p.Name, p.Token)
		}
		out = hs[0]
		n, err := tx.Exec(ctx, `DELETE FROM lock_holders WHERE name = $1 AND token = $2`, p.Name, p.Token)
		if err != nil {
			return fmt.Errorf("release lock: %w", err)
		}
		if n == 0 {
			return notHeld(p.Name, p.Token)
		}
		if err := announceLock(ctx, tx, event.LockReleased, out, now); err != nil {
			return err
		}
		if err := record(ctx, tx, p.Audit); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

func (s locks) SetCapacity(ctx context.Context, p store.SetCapacity) (store.Lock, error) {
	var out store.Lock
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := s.LockQueue(ctx, tx); err != nil {
			return err
		}
		var err error
		if p.Capacity == 1 {
			_, err = tx.Exec(ctx, `DELETE FROM lock_capacities WHERE name = $1`, p.Name)
		} else {
			_, err = tx.Exec(ctx, `INSERT INTO lock_capacities (name, capacity, updated_ms) VALUES ($1, $2, $3)
				ON CONFLICT (name) DO UPDATE SET capacity = excluded.capacity, updated_ms = excluded.updated_ms`,
				p.Name, p.Capacity, clock.Millis(p.At))
		}
		if err != nil {
			return fmt.Errorf("set capacity: %w", err)
		}
		now, err := s.Now(ctx, tx, time.Time{})
		if err != nil {
			return err
		}
		if out, err = readLock(ctx, tx, now, p.Name); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return record(ctx, tx, p.Audit)
	})
	return out, err
}

// laneDepth is how many runs of the lane of resumed runs Take looks at for those that
// come first.
const laneDepth = 256

func (s locks) Take(ctx context.Context, p store.TakeLocks) (store.TakenLocks, error) {
	var out store.TakenLocks
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = store.TakenLocks{}
		// As a claim does: the decision and what it gives away are one.
		if err := s.LockQueue(ctx, tx); err != nil {
			return err
		}
		r, err := s.lockAttempt(ctx, tx, p.JobID, p.RunID, p.Epoch)
		if err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		if err := s.expire(ctx, tx, now); err != nil {
			return err
		}
		snap, err := snapshot(ctx, tx, now)
		if err != nil {
			return err
		}
		names := slices.DeleteFunc(distinct(p.Names), func(l string) bool {
			return slices.ContainsFunc(snap.Held[l], func(h job.Holder) bool { return h.RunID == r.ID })
		})
		js, err := leanJobs(ctx, tx, `state = 'QUEUED' AND resuming = 1 AND ready = 1 ORDER BY rank LIMIT $1`, laneDepth)
		if err != nil {
			return err
		}
		waiting := make([]job.Candidate, len(js))
		for i, j := range js {
			waiting[i] = candidate(j)
		}
		if out.Blocked = claim.Take(snap, waiting, names); out.Blocked != "" {
			return nil
		}
		out.Granted = true
		return takeLocks(ctx, tx, names, p.JobID, r, now)
	})
	return out, err
}

func (s locks) Free(ctx context.Context, p store.FreeLocks) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if _, err := s.lockAttempt(ctx, tx, p.JobID, p.RunID, p.Epoch); err != nil {
			return err
		}
		for _, l := range distinct(p.Names) {
			if _, err := tx.Exec(ctx, `DELETE FROM lock_holders WHERE name = $1 AND token = $2 AND run_id = $3`, l, p.Epoch, p.RunID); err != nil {
				return fmt.Errorf("free a lock: %w", err)
			}
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return nil
	})
}

// lockAttempt keeps the end of an attempt out until the transaction ends, and reads
// its run; stale_lease when it is over.
func (d *db) lockAttempt(ctx context.Context, tx Tx, jobID, runID string, epoch int64) (run.Run, error) {
	if err := d.LockJob(ctx, tx, jobID); err != nil {
		return run.Run{}, err
	}
	alive, err := active(ctx, tx, runID, epoch)
	if err != nil {
		return run.Run{}, err
	}
	if !alive {
		return run.Run{}, staleRun(runID)
	}
	r, err := scanRunWith(tx.Row(ctx, `SELECT `+runColumns+` FROM runs WHERE run_id = $1 AND job_id = $2`, runID, jobID).Scan)
	if err != nil {
		return r, fmt.Errorf("read run: %w", err)
	}
	return r, nil
}
