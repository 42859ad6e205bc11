package portable

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

type workflows struct{ *db }

const definitionColumns = `tenant, workflow_id, name, description, labels, newest, newest_hash, active, active_hash, revision,
	created_by, created_ms, updated_ms, archived_ms`

func scanWorkflow(rows Rows) (store.Workflow, error) { return scanDefinitionWith(rows.Scan) }

func scanDefinitionWith(scan func(...any) error) (store.Workflow, error) {
	var w store.Workflow
	var labels string
	var created, updated, archived int64
	if err := scan(&w.Tenant, &w.ID, &w.Name, &w.Description, &labels, &w.Newest, &w.NewestHash, &w.Active, &w.ActiveHash, &w.Revision,
		&w.CreatedBy, &created, &updated, &archived); err != nil {
		return w, err
	}
	w.CreatedAt, w.UpdatedAt, w.ArchivedAt = clock.FromMillis(created), clock.FromMillis(updated), clock.FromMillis(archived)
	return w, decode(labels, &w.Labels)
}

func noWorkflow(id string) error { return fault.Newf(fault.NotFound, "no workflow %s", id) }

func noVersion(id string, version int) error {
	return fault.Newf(fault.VersionNotFound, "workflow %s has no version %d", id, version).
		At("/version", "not_found", "there is no such version")
}

func workflowBy(ctx context.Context, tx Tx, tenant, id string) (store.Workflow, error) {
	w, err := scanDefinitionWith(tx.Row(ctx, `SELECT `+definitionColumns+` FROM workflows WHERE tenant = $1 AND workflow_id = $2`, tenant, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return w, noWorkflow(id)
	}
	return w, err
}

// lockWorkflow reads a workflow and keeps other changes of it out until the
// transaction ends. revision is what the caller saw, 0 = it does not matter.
func lockWorkflow(ctx context.Context, tx Tx, tenant, id string, revision int64) (store.Workflow, error) {
	if _, err := tx.Exec(ctx, `UPDATE workflows SET revision = revision WHERE tenant = $1 AND workflow_id = $2`, tenant, id); err != nil {
		return store.Workflow{}, fmt.Errorf("lock workflow: %w", err)
	}
	w, err := workflowBy(ctx, tx, tenant, id)
	if err == nil && revision != 0 && w.Revision != revision {
		err = fault.Newf(fault.VersionMismatch, "workflow %s was changed meanwhile", id)
	}
	return w, err
}

// show lets the workflow show what its active, or else its newest, version says.
func show(ctx context.Context, tx Tx, w *store.Workflow) error {
	n := w.Active
	if n == 0 {
		n = w.Newest
	}
	var labels string
	if err := tx.Row(ctx, `SELECT name, description, labels FROM workflow_versions WHERE tenant = $1 AND workflow_id = $2 AND version = $3`,
		w.Tenant, w.ID, n).Scan(&w.Name, &w.Description, &labels); err != nil {
		return fmt.Errorf("read the shown version: %w", err)
	}
	w.Labels = nil
	if err := decode(labels, &w.Labels); err != nil {
		return err
	}
	if w.ActiveHash = ""; w.Active > 0 {
		if err := tx.Row(ctx, `SELECT content_hash FROM workflow_versions WHERE tenant = $1 AND workflow_id = $2 AND version = $3`,
			w.Tenant, w.ID, w.Active).Scan(&w.ActiveHash); err != nil {
			return fmt.Errorf("read the active version: %w", err)
		}
	}
	w.Revision++
	if _, err := tx.Exec(ctx, `UPDATE workflows SET name = $1, name_folded = $2, description = $3, labels = $4, newest = $5, newest_hash = $6,
		active = $7, active_hash = $8, revision = $9, updated_ms = $10, archived_ms = $11 WHERE tenant = $12 AND workflow_id = $13`,
		w.Name, fold(w.Name), w.Description, encodeLabels(w.Labels), w.Newest, w.NewestHash, w.Active, w.ActiveHash, w.Revision,
		clock.Millis(w.UpdatedAt), clock.Millis(w.ArchivedAt), w.Tenant, w.ID); err != nil {
		return fmt.Errorf("update workflow: %w", err)
	}
	return nil
}

func (s workflows) Apply(ctx context.Context, p store.ApplyWorkflow) (store.AppliedWorkflow, error) {
	var out store.AppliedWorkflow
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = store.AppliedWorkflow{}
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		at := clock.Millis(p.At)
		if _, err := tx.Exec(ctx, `INSERT INTO workflows (`+definitionColumns+`, name_folded)
			VALUES ($1, $2, '', '', '', 0, '', 0, '', 0, $3, $4, $5, 0, '') ON CONFLICT (tenant, workflow_id) DO NOTHING`,
			p.Tenant, p.ID, p.By, at, at); err != nil {
			return fmt.Errorf("insert workflow: %w", err)
		}
		w, err := lockWorkflow(ctx, tx, p.Tenant, p.ID, p.IfRevision)
		if err != nil {
			return err
		}
		out.From = w.Active
		changed := !w.ArchivedAt.IsZero()
		if w.NewestHash != p.Hash {
			if err := insertVersion(ctx, tx, p, w.Newest+1); err != nil {
				return err
			}
			w.Newest, w.NewestHash, out.Created, changed = w.Newest+1, p.Hash, true, true
		}
		w.ArchivedAt = clock.FromMillis(0)
		if p.Activate && w.Active != w.Newest {
			line := store.WorkflowActivation{Version: w.Newest, From: w.Active, Source: store.ActivatedByApply, By: p.By, At: p.At, Reason: p.Message}
			if err := logActivation(ctx, tx, w, line); err != nil {
				return err
			}
			w.Active, out.Activated, changed = w.Newest, true, true
		}
		if changed {
			w.UpdatedAt = clock.FromMillis(at)
			if err := show(ctx, tx, &w); err != nil {
				return err
			}
			if err := record(ctx, tx, withVersion(p.Audit, w.Newest, w.Active)); err != nil {
				return err
			}
		}
		out.Workflow = w
		if out.Version, err = versionOf(ctx, tx, p.Tenant, p.ID, w.Newest); err != nil {
			return err
		}
		out.Version.Definition = nil
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

// withVersion is e with the versions in its detail.
func withVersion(e *audit.Entry, version, active int) *audit.Entry {
	if e == nil {
		return nil
	}
	c := *e
	if c.Detail = maps.Clone(e.Detail); c.Detail == nil {
		c.Detail = map[string]string{}
	}
	c.Detail["version"], c.Detail["active"] = strconv.Itoa(version), strconv.Itoa(active)
	return &c
}

func insertVersion(ctx context.Context, tx Tx, p store.ApplyWorkflow, version int) error {
	if _, err := tx.Exec(ctx, `INSERT INTO workflow_versions (version_id, tenant, workflow_id, version, definition, content_hash, name,
		description, labels, created_by, created_ms, message) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		p.VersionID, p.Tenant, p.ID, version, string(p.Definition), p.Hash, p.Name, p.Description, encodeLabels(p.Labels), p.By,
		clock.Millis(p.At), p.Message); err != nil {
		return fmt.Errorf("insert version of a workflow: %w", err)
	}
	return nil
}

func logActivation(ctx context.Context, tx Tx, w store.Workflow, a store.WorkflowActivation) error {
	if _, err := tx.Exec(ctx, `INSERT INTO workflow_activations (tenant, workflow_id, seq, version, from_version, source, activated_by, at_ms, reason)
		SELECT $1, $2, count(*) + 1, CAST($3 AS BIGINT), CAST($4 AS BIGINT), $5, $6, CAST($7 AS BIGINT), $8 FROM workflow_activations WHERE tenant = $9 AND workflow_id = $10`,
		w.Tenant, w.ID, a.Version, a.From, a.Source, a.By, clock.Millis(a.At), a.Reason, w.Tenant, w.ID); err != nil {
		return fmt.Errorf("log activation: %w", err)
	}
	return nil
}

func (s workflows) Workflow(ctx context.Context, tenant, id string) (store.Workflow, error) {
	var w store.Workflow
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		w, err = workflowBy(ctx, tx, tenant, id)
		return err
	})
	return w, err
}

const versionColumns = `v.version_id, v.tenant, v.workflow_id, v.version, v.content_hash, v.created_by, v.created_ms, v.message,
	CASE WHEN w.archived_ms > 0 THEN 1 ELSE 0 END, CASE WHEN w.active = v.version THEN 1 ELSE 0 END`

const versionTables = ` FROM workflow_versions v JOIN workflows w ON w.tenant = v.tenant AND w.workflow_id = v.workflow_id
	WHERE v.tenant = $1 AND v.workflow_id = $2`

func scanVersion(rows Rows) (store.WorkflowVersion, error) { return scanVersionWith(rows.Scan) }

func scanVersionWith(scan func(...any) error, more ...any) (store.WorkflowVersion, error) {
	var v store.WorkflowVersion
	var created int64
	err := scan(append([]any{&v.VersionID, &v.Tenant, &v.WorkflowID, &v.Version, &v.Hash, &v.CreatedBy, &created, &v.Message, &v.Archived, &v.Active}, more...)...)
	v.CreatedAt = clock.FromMillis(created)
	return v, err
}

func versionOf(ctx context.Context, tx Tx, tenant, id string, version int) (store.WorkflowVersion, error) {
	var definition string
	v, err := scanVersionWith(tx.Row(ctx, `SELECT `+versionColumns+`, v.definition`+versionTables+` AND v.version = $3`, tenant, id, version).Scan, &definition)
	if errors.Is(err, sql.ErrNoRows) {
		return v, noVersion(id, version)
	}
	v.Definition = json.RawMessage(definition)
	return v, err
}

func (s workflows) Version(ctx context.Context, tenant, id string, version int) (store.WorkflowVersion, error) {
	var v store.WorkflowVersion
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		w, err := workflowBy(ctx, tx, tenant, id)
		if err != nil {
			return err
		}
		n := version
		if n == 0 {
			if n = w.Active; n == 0 {
				return fault.Newf(fault.NoActiveVersion, "workflow %s has no active version", id)
			}
		}
		if v, err = versionOf(ctx, tx, tenant, id, n); err != nil {
			return err
		}
		tags, err := tagsOf(ctx, tx, tenant, id)
		v.Tags = tags[n]
		return err
	})
	return v, err
}

func (s workflows) List(ctx context.Context, p store.ListWorkflows) (store.WorkflowPage, error) {
	var w where
	w.add("tenant = %s", p.Tenant)
	if p.Text != "" {
		text := fold(p.Text)
		w.add("(replace(name_folded, %s, '') <> name_folded OR replace(workflow_id, %s, '') <> workflow_id)", text, text)
	}
	w.labels("labels", p.Labels)
	archived := "archived_ms = 0"
	if p.Archived != nil && *p.Archived {
		archived = "archived_ms > 0"
	}
	w.conds = append(w.conds, archived)
	if p.AfterID != "" {
		w.add("workflow_id > %s", p.AfterID)
	}
	query := fmt.Sprintf(`SELECT %s FROM workflows%s ORDER BY workflow_id LIMIT %d`, definitionColumns, w.String(), p.Limit+1)
	var page store.WorkflowPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("list workflows: %w", err)
		}
		page.Workflows, err = collect(rows, scanWorkflow)
		return err
	})
	if len(page.Workflows) > p.Limit {
		page.Workflows, page.More = page.Workflows[:p.Limit], true
	}
	return page, err
}

func (s workflows) Versions(ctx context.Context, p store.ListWorkflowVersions) (store.WorkflowVersionPage, error) {
	query, args := `SELECT `+versionColumns+versionTables, []any{p.Tenant, p.ID}
	if p.Below > 0 {
		query, args = query+` AND v.version < $3`, append(args, p.Below)
	}
	var page store.WorkflowVersionPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		if _, err := workflowBy(ctx, tx, p.Tenant, p.ID); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, fmt.Sprintf(`%s ORDER BY v.version DESC LIMIT %d`, query, p.Limit+1), args...)
		if err != nil {
			return fmt.Errorf("list versions of a workflow: %w", err)
		}
		if page.Versions, err = collect(rows, scanVersion); err != nil {
			return err
		}
		tags, err := tagsOf(ctx, tx, p.Tenant, p.ID)
		for i, v := range page.Versions {
			page.Versions[i].Tags = tags[v.Version]
		}
		return err
	})
	if len(page.Versions) > p.Limit {
		page.Versions, page.More = page.Versions[:p.Limit], true
	}
	return page, err
}

func (s workflows) Activate(ctx context.Context, p store.ActivateWorkflow) (store.MovedWorkflow, error) {
	var out store.MovedWorkflow
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = store.MovedWorkflow{}
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		w, err := lockWorkflow(ctx, tx, p.Tenant, p.ID, p.IfRevision)
		if err != nil {
			return err
		}
		if p.Version < 1 || p.Version > w.Newest {
			return noVersion(p.ID, p.Version)
		}
		if p.Source == store.ActivatedByRollback && p.Version > w.Active {
			return fault.Newf(fault.Conflict, "version %d of workflow %s is not older than the active one", p.Version, p.ID).
				WithHint("A rollback goes back. Activate that version instead.")
		}
		if err := guardRollback(ctx, tx, p); err != nil {
			return err
		}
		if out.From = w.Active; w.Active != p.Version {
			line := store.WorkflowActivation{Version: p.Version, From: w.Active, Source: p.Source, By: p.By, At: p.At, Reason: p.Reason}
			if err := logActivation(ctx, tx, w, line); err != nil {
				return err
			}
			w.Active, out.Moved, w.UpdatedAt = p.Version, true, clock.FromMillis(clock.Millis(p.At))
			if err := show(ctx, tx, &w); err != nil {
				return err
			}
			if err := record(ctx, tx, withVersion(p.Audit, p.Version, p.Version)); err != nil {
				return err
			}
		}
		out.Workflow = w
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

func guardRollback(ctx context.Context, tx Tx, p store.ActivateWorkflow) error {
	if p.Guard <= 0 {
		return nil
	}
	var n int
	if err := tx.Row(ctx, `SELECT count(*) FROM workflow_activations WHERE tenant = $1 AND workflow_id = $2 AND source = $3 AND at_ms > $4`,
		p.Tenant, p.ID, store.ActivatedByNode, clock.Millis(p.At.Add(-p.Guard))).Scan(&n); err != nil {
		return fmt.Errorf("look for rollbacks: %w", err)
	}
	if n > 0 {
		return fault.Newf(fault.RollbackLoop, "workflow %s was rolled back by a node less than %s ago", p.ID, p.Guard)
	}
	return nil
}

func (s workflows) Activations(ctx context.Context, p store.ListActivations) (store.ActivationPage, error) {
	query := `SELECT tenant, workflow_id, seq, version, from_version, source, activated_by, at_ms, reason FROM workflow_activations
		WHERE tenant = $1 AND workflow_id = $2`
	args := []any{p.Tenant, p.ID}
	if p.Below > 0 {
		query, args = query+` AND seq < $3`, append(args, p.Below)
	}
	var page store.ActivationPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		if _, err := workflowBy(ctx, tx, p.Tenant, p.ID); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, fmt.Sprintf(`%s ORDER BY seq DESC LIMIT %d`, query, p.Limit+1), args...)
		if err != nil {
			return fmt.Errorf("list activations: %w", err)
		}
		page.Activations, err = collect(rows, func(rows Rows) (store.WorkflowActivation, error) {
			var a store.WorkflowActivation
			var at int64
			err := rows.Scan(&a.Tenant, &a.WorkflowID, &a.Seq, &a.Version, &a.From, &a.Source, &a.By, &at, &a.Reason)
			a.At = clock.FromMillis(at)
			return a, err
		})
		return err
	})
	if len(page.Activations) > p.Limit {
		page.Activations, page.More = page.Activations[:p.Limit], true
	}
	return page, err
}

func (s workflows) Archive(ctx context.Context, p store.ArchiveWorkflow) (store.Workflow, error) {
	var w store.Workflow
	err := s.Write(ctx, func(ctx context.Context, tx Tx) (err error) {
		if w, err = lockWorkflow(ctx, tx, p.Tenant, p.ID, p.IfRevision); err != nil {
			return err
		}
		if !w.ArchivedAt.IsZero() {
			return nil
		}
		w.ArchivedAt = clock.FromMillis(clock.Millis(p.At))
		w.UpdatedAt = w.ArchivedAt
		if err := show(ctx, tx, &w); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return w, err
}
