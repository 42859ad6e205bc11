package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

// tagsOf returns the tags of each version of a workflow, sorted.
func tagsOf(ctx context.Context, tx Tx, tenant, id string) (map[int][]string, error) {
	rows, err := tx.Query(ctx, `SELECT version, tag FROM workflow_tags WHERE tenant = $1 AND workflow_id = $2 ORDER BY tag`, tenant, id)
	if err != nil {
		return nil, fmt.Errorf("read tags of a workflow: %w", err)
	}
	out := map[int][]string{}
	_, err = collect(rows, func(rows Rows) (struct{}, error) {
		var version int
		var tag string
		err := rows.Scan(&version, &tag)
		out[version] = append(out[version], tag)
		return struct{}{}, err
	})
	return out, err
}

// taggedVersion returns the version that a tag names, 0 = there is no such tag.
func taggedVersion(ctx context.Context, tx Tx, tenant, id, tag string) (int, error) {
	var n int
	err := tx.Row(ctx, `SELECT version FROM workflow_tags WHERE tenant = $1 AND workflow_id = $2 AND tag = $3`, tenant, id, tag).Scan(&n)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read a tag: %w", err)
	}
	return n, nil
}

func (s workflows) Tagged(ctx context.Context, tenant, id, tag string) (int, error) {
	var n int
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		if _, err := workflowBy(ctx, tx, tenant, id); err != nil {
			return err
		}
		var err error
		if n, err = taggedVersion(ctx, tx, tenant, id, tag); err == nil && n == 0 {
			err = fault.Newf(fault.VersionNotFound, "workflow %s has no tag %s", id, tag)
		}
		return err
	})
	return n, err
}

func (s workflows) Tag(ctx context.Context, p store.TagWorkflow) (store.TaggedWorkflow, error) {
	var out store.TaggedWorkflow
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = store.TaggedWorkflow{}
		w, err := lockWorkflow(ctx, tx, p.Tenant, p.ID, p.IfRevision)
		if err != nil {
			return err
		}
		if out.From, err = taggedVersion(ctx, tx, p.Tenant, p.ID, p.Tag); err != nil {
			return err
		}
		if out.Workflow = w; p.Version != 0 && out.From == p.Version {
			return nil
		}
		if err := setTag(ctx, tx, w, out.From, p); err != nil {
			return err
		}
		w.UpdatedAt = clock.FromMillis(clock.Millis(p.At))
		if err := show(ctx, tx, &w); err != nil {
			return err
		}
		out.Workflow = w
		e := event.Event{Tenant: p.Tenant, Type: event.WorkflowTagged, At: p.At, Data: map[string]string{"workflow_id": p.ID, "tag": p.Tag}}
		if p.Version == 0 {
			e.Type = event.WorkflowUntagged
		} else {
			e.Data["version"] = strconv.Itoa(p.Version)
		}
		if out.From != 0 {
			e.Data["from_version"] = strconv.Itoa(out.From)
		}
		if err := announce(ctx, tx, []event.Event{e}); err != nil || p.Audit == nil {
			return err
		}
		entry := *p.Audit
		if entry.Detail = maps.Clone(entry.Detail); entry.Detail == nil {
			entry.Detail = map[string]string{}
		}
		entry.Detail["from_version"] = strconv.Itoa(out.From)
		return record(ctx, tx, &entry)
	})
	return out, err
}

// setTag writes the row of a tag that named the version from, 0 = none.
func setTag(ctx context.Context, tx Tx, w store.Workflow, from int, p store.TagWorkflow) error {
	if p.Version == 0 {
		if from == 0 {
			return fault.Newf(fault.NotFound, "workflow %s has no tag %s", p.ID, p.Tag)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM workflow_tags WHERE tenant = $1 AND workflow_id = $2 AND tag = $3`, p.Tenant, p.ID, p.Tag); err != nil {
			return fmt.Errorf("delete a tag: %w", err)
		}
		return nil
	}
	if !w.ArchivedAt.IsZero() {
		return fault.Newf(fault.WorkflowArchived, "workflow %s is archived", p.ID)
	}
	if p.Version < 1 || p.Version > w.Newest {
		return noVersion(p.ID, p.Version)
	}
	if from == 0 {
		var n int
		if err := tx.Row(ctx, `SELECT count(*) FROM workflow_tags WHERE tenant = $1 AND workflow_id = $2`, p.Tenant, p.ID).Scan(&n); err != nil {
			return fmt.Errorf("count tags: %w", err)
		}
		if n >= store.MaxTags {
			return fault.Newf(fault.TooManyTags, "workflow %s has %d tags, and may have no more", p.ID, n)
		}
	}
	if _, err := tx.Exec(ctx, `INSERT INTO workflow_tags (tenant, workflow_id, tag, version, set_by, set_ms) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (tenant, workflow_id, tag) DO UPDATE SET version = excluded.version, set_by = excluded.set_by, set_ms = excluded.set_ms`,
		p.Tenant, p.ID, p.Tag, p.Version, p.By, clock.Millis(p.At)); err != nil {
		return fmt.Errorf("set a tag: %w", err)
	}
	return nil
}
