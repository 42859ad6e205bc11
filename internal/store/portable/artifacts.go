package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/run"
)

type artifacts struct{ *db }

const artifactColumns = `artifact_id, tenant, run_id, name, size_bytes, sha256, media_type, created_ms`

func scanArtifact(rows *sql.Rows) (run.Artifact, error) { return scanArtifactWith(rows.Scan) }

func scanArtifactWith(scan func(...any) error) (run.Artifact, error) {
	var a run.Artifact
	var created int64
	err := scan(&a.ID, &a.Tenant, &a.RunID, &a.Name, &a.Size, &a.SHA256, &a.MediaType, &created)
	a.CreatedAt = clock.FromMillis(created)
	return a, err
}

func (s artifacts) Put(ctx context.Context, a run.Artifact, epoch int64) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		var jobID string
		err := tx.Row(ctx, `SELECT job_id FROM runs WHERE run_id = $1 AND tenant = $2`, a.RunID, a.Tenant).Scan(&jobID)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.Newf(fault.NotFound, "no run %s", a.RunID)
		}
		if err != nil {
			return fmt.Errorf("find run of artifact: %w", err)
		}
		if err := s.LockJob(ctx, tx, jobID); err != nil {
			return err
		}
		alive, err := active(ctx, tx, a.RunID, epoch)
		if err != nil {
			return err
		}
		if !alive {
			return staleRun(a.RunID)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM artifacts WHERE run_id = $1 AND name = $2`, a.RunID, a.Name); err != nil {
			return fmt.Errorf("replace artifact: %w", err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO artifacts (`+artifactColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			a.ID, a.Tenant, a.RunID, a.Name, a.Size, a.SHA256, a.MediaType, clock.Millis(a.CreatedAt)); err != nil {
			return fmt.Errorf("insert artifact: %w", err)
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
