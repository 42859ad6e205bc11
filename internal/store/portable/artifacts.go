package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

type artifacts struct{ *db }

const artifactColumns = `artifact_id, tenant, run_id, name, size_bytes, sha256, media_type, created_ms`

func scanArtifact(rows Rows) (run.Artifact, error) { return scanArtifactWith(rows.Scan) }

func scanArtifactWith(scan func(...any) error) (run.Artifact, error) {
	var a run.Artifact
	var created int64
	err := scan(&a.ID, &a.Tenant, &a.RunID, &a.Name, &a.Size, &a.SHA256, &a.MediaType, &created)
	a.CreatedAt = clock.FromMillis(created)
	return a, err
}

func (s artifacts) Reserve(ctx context.Context, r store.Reservation) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := s.LockContent(ctx, tx, r.SHA256); err != nil {
			return err
		}
		var removing int
		if err := tx.Row(ctx, `SELECT count(*) FROM blob_removals WHERE sha256 = $1`, r.SHA256).Scan(&removing); err != nil {
			return fmt.Errorf("look for a removal: %w", err)
		}
		if removing > 0 {
			return fault.Newf(fault.StorageBusy, "the content %s is being removed at this moment", r.SHA256)
		}
		if _, err := fits(ctx, tx, run.Artifact{Tenant: r.Tenant, RunID: r.RunID, Name: r.Name, Size: r.Size}, r.Limits); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO artifact_reservations (artifact_id, sha256, until_ms) VALUES ($1, $2, $3)
			ON CONFLICT (artifact_id) DO UPDATE SET until_ms = excluded.until_ms`, r.ArtifactID, r.SHA256, clock.Millis(r.Until))
		if err != nil {
			return fmt.Errorf("reserve content: %w", err)
		}
		return nil
	})
}

func (s artifacts) Put(ctx context.Context, a run.Artifact, epoch int64, l store.ArtifactLimits) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		var jobID string
		err := tx.Row(ctx, `SELECT job_id FROM runs WHERE run_id = $1 AND tenant = $2`, a.RunID, a.Tenant).Scan(&jobID)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.Newf(fault.NotFound, "no run %s", a.RunID)
		}
		if err != nil {
			return fmt.Errorf("find run of artifact: %w", err)
		}
		if jobID == "" {
			err = lockDirect(ctx, tx, a.RunID)
		} else {
			err = s.LockJob(ctx, tx, jobID)
		}
		if err != nil {
			return err
		}
		alive, err := active(ctx, tx, a.RunID, epoch)
		if err != nil {
			return err
		}
		if !alive {
			return staleRun(a.RunID)
		}
		// First the tenant's row, which others wait for, then the comparison.
		if err := use(ctx, tx, a.Tenant, 0, 0); err != nil {
			return err
		}
		old, err := fits(ctx, tx, a, l)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `DELETE FROM artifacts WHERE run_id = $1 AND name = $2`, a.RunID, a.Name)
		if err != nil {
			return fmt.Errorf("replace artifact: %w", err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO artifacts (`+artifactColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			a.ID, a.Tenant, a.RunID, a.Name, a.Size, a.SHA256, a.MediaType, clock.Millis(a.CreatedAt)); err != nil {
			return fmt.Errorf("insert artifact: %w", err)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM artifact_reservations WHERE artifact_id = $1`, a.ID); err != nil {
			return fmt.Errorf("end reservation: %w", err)
		}
		return use(ctx, tx, a.Tenant, a.Size-old, 1-n)
	})
}

// use changes the usage of a tenant and keeps others from changing it until the
// transaction ends.
func use(ctx context.Context, tx Tx, tenant string, size, count int64) error {
	if _, err := tx.Exec(ctx, `INSERT INTO artifact_usage (tenant, size_bytes, count) VALUES ($1, $2, $3)
		ON CONFLICT (tenant) DO UPDATE SET size_bytes = artifact_usage.size_bytes + excluded.size_bytes,
		count = artifact_usage.count + excluded.count`, tenant, size, count); err != nil {
		return fmt.Errorf("count artifacts: %w", err)
	}
	return nil
}

// fits returns a fault when an artifact goes over the limits, and the size of
// the one that it replaces.
func fits(ctx context.Context, tx Tx, a run.Artifact, l store.ArtifactLimits) (old int64, err error) {
	var ofRun int64
	if err := tx.Row(ctx, `SELECT CAST(COALESCE(sum(size_bytes), 0) AS BIGINT), CAST(COALESCE(sum(CASE WHEN name = $1 THEN size_bytes ELSE 0 END), 0) AS BIGINT)
		FROM artifacts WHERE run_id = $2`, a.Name, a.RunID).Scan(&ofRun, &old); err != nil {
		return 0, fmt.Errorf("add up artifacts: %w", err)
	}
	if l.Run > 0 && ofRun-old+a.Size > l.Run {
		return 0, fault.Newf(fault.QuotaExceeded, "with %q of %d bytes the artifacts of the run would take %d bytes, and %d are allowed",
			a.Name, a.Size, ofRun-old+a.Size, l.Run)
	}
	if l.Tenant == 0 {
		return old, nil
	}
	u, err := usage(ctx, tx, a.Tenant)
	if err == nil && u.Bytes-old+a.Size > l.Tenant {
		return 0, fault.Newf(fault.QuotaExceeded, "with %q of %d bytes the artifacts of the tenant would take %d bytes, and %d are allowed",
			a.Name, a.Size, u.Bytes-old+a.Size, l.Tenant)
	}
	return old, err
}

func usage(ctx context.Context, tx Tx, tenant string) (store.Usage, error) {
	var u store.Usage
	err := tx.Row(ctx, `SELECT size_bytes, count FROM artifact_usage WHERE tenant = $1`, tenant).Scan(&u.Bytes, &u.Count)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return u, fmt.Errorf("read usage: %w", err)
	}
	return u, nil
}

func (s artifacts) Usage(ctx context.Context, tenant string) (store.Usage, error) {
	var u store.Usage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		u, err = usage(ctx, tx, tenant)
		return err
	})
	return u, err
}

func (s artifacts) Place(ctx context.Context, candidate string) (string, error) {
	var id string
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO blob_place (id, place_id) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`, candidate); err != nil {
			return fmt.Errorf("name the place of artifacts: %w", err)
		}
		return tx.Row(ctx, `SELECT place_id FROM blob_place WHERE id = 1`).Scan(&id)
	})
	return id, err
}

func (s artifacts) MovePlace(ctx context.Context, from, to string) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, `UPDATE blob_place SET place_id = $1 WHERE id = 1 AND place_id = $2`, to, from)
		if err != nil {
			return fmt.Errorf("name the place of artifacts: %w", err)
		}
		if n == 0 {
			return fault.New(fault.Conflict, "the place of artifacts was changed by another instance")
		}
		return nil
	})
}

func (s artifacts) Of(ctx context.Context, tenant string, runIDs ...string) (map[string][]run.Artifact, error) {
	out := map[string][]run.Artifact{}
	if len(runIDs) == 0 {
		return out, nil
	}
	var w where
	w.add("tenant = %s", tenant)
	in(&w, "run_id", runIDs)
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+artifactColumns+` FROM artifacts`+w.String()+` ORDER BY run_id, name`, w.args...)
		if err != nil {
			return fmt.Errorf("list artifacts: %w", err)
		}
		list, err := collect(rows, scanArtifact)
		clear(out)
		for _, a := range list {
			out[a.RunID] = append(out[a.RunID], a)
		}
		return err
	})
	return out, err
}

func (s artifacts) Artifact(ctx context.Context, tenant, id string) (run.Artifact, error) {
	var a run.Artifact
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		a, err = scanArtifactWith(tx.Row(ctx, `SELECT `+artifactColumns+` FROM artifacts WHERE artifact_id = $1 AND tenant = $2`, id, tenant).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.Newf(fault.NotFound, "no artifact %s", id)
		}
		return err
	})
	return a, err
}
