package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

type directives struct{ *db }

// directiveBody is what a version of a directive holds. It is stored as JSON:
// fields may be added, never renamed.
type directiveBody struct {
	Description string            `json:"description,omitempty"`
	Content     directive.Content `json:"content"`
}

const directiveColumns = `directive_id, tenant, name, version, archived, body, created_by, created_ms, updated_ms`

func scanDirective(rows Rows) (directive.Directive, error) { return scanDirectiveWith(rows.Scan) }

func scanDirectiveWith(scan func(...any) error) (directive.Directive, error) {
	var d directive.Directive
	var body string
	var created, updated int64
	if err := scan(&d.ID, &d.Tenant, &d.Name, &d.Version, &d.Archived, &body, &d.CreatedBy, &created, &updated); err != nil {
		return d, err
	}
	var b directiveBody
	if err := decode(body, &b); err != nil {
		return d, err
	}
	d.Description, d.Content = b.Description, b.Content
	d.CreatedAt, d.UpdatedAt = clock.FromMillis(created), clock.FromMillis(updated)
	return d, nil
}

func directiveBodyOf(d directive.Directive) string {
	return encode(directiveBody{d.Description, d.Content})
}

func storedDirective(d directive.Directive) directive.Directive {
	d.CreatedAt, d.UpdatedAt = clock.FromMillis(clock.Millis(d.CreatedAt)), clock.FromMillis(clock.Millis(d.UpdatedAt))
	return d
}

func (s directives) Create(ctx context.Context, p store.PutDirective) (directive.Directive, error) {
	d := storedDirective(p.Directive)
	d.Version, d.CreatedBy = 1, p.By
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO directives (directive_id, tenant, name, version, archived, body, created_by, created_ms,
			updated_ms, deleted_ms, name_folded) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10)
			ON CONFLICT (tenant, name) WHERE deleted_ms = 0 DO NOTHING`,
			d.ID, d.Tenant, d.Name, d.Version, flag(d.Archived), directiveBodyOf(d),
			d.CreatedBy, clock.Millis(d.CreatedAt), clock.Millis(d.UpdatedAt), fold(d.Name))
		if err != nil {
			return fmt.Errorf("insert directive: %w", err)
		}
		if n == 0 {
			return directiveTaken(d.Name)
		}
		if err := keepDirective(ctx, tx, d, p.By); err != nil {
			return err
		}
		if err := storeKey(ctx, tx, p.Key, d); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return d, err
}

func directiveTaken(name string) error {
	return fault.Newf(fault.NameTaken, "a directive named %q exists", name).At("/name", string(fault.NameTaken), "is taken")
}

func keepDirective(ctx context.Context, tx Tx, d directive.Directive, by string) error {
	if _, err := tx.Exec(ctx, `INSERT INTO directive_versions (directive_id, version, name, body, created_by, created_ms)
		VALUES ($1, $2, $3, $4, $5, $6)`, d.ID, d.Version, d.Name, directiveBodyOf(d), by, clock.Millis(d.UpdatedAt)); err != nil {
		return fmt.Errorf("insert directive version: %w", err)
	}
	return nil
}

// directiveBy asks by id and then by name, as templateBy does.
func directiveBy(ctx context.Context, tx Tx, tenant, idOrName string) (directive.Directive, error) {
	for _, column := range []string{"directive_id", "name"} {
		d, err := scanDirectiveWith(tx.Row(ctx, `SELECT `+directiveColumns+` FROM directives WHERE tenant = $1 AND `+column+` = $2 AND deleted_ms = 0`,
			tenant, idOrName).Scan)
		if !errors.Is(err, sql.ErrNoRows) {
			return d, err
		}
	}
	return directive.Directive{}, fault.Newf(fault.NotFound, "no directive %s", idOrName)
}

func (s directives) Directive(ctx context.Context, tenant, idOrName string) (directive.Directive, error) {
	var d directive.Directive
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		d, err = directiveBy(ctx, tx, tenant, idOrName)
		return err
	})
	return d, err
}

const directiveVersions = `SELECT v.directive_id, d.tenant, v.name, v.version, CASE WHEN d.deleted_ms > 0 THEN 1 ELSE d.archived END,
	v.body, v.created_by, d.created_ms, v.created_ms FROM directive_versions v JOIN directives d ON d.directive_id = v.directive_id
	WHERE v.directive_id = $1 AND d.tenant = $2 AND `

func (s directives) Version(ctx context.Context, tenant, id string, version int) (directive.Directive, error) {
	var d directive.Directive
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		d, err = scanDirectiveWith(tx.Row(ctx, directiveVersions+`v.version = $3`, id, tenant, version).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.Newf(fault.NotFound, "no version %d of directive %s", version, id)
		}
		return err
	})
	return d, err
}

func (s directives) Versions(ctx context.Context, tenant, id string, below, limit int) ([]directive.Directive, bool, error) {
	cond, args := `v.version > $3`, []any{id, tenant, 0}
	if below > 0 {
		cond, args = `v.version < $3`, []any{id, tenant, below}
	}
	var page []directive.Directive
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		if _, err := directiveBy(ctx, tx, tenant, id); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, fmt.Sprintf(`%s%s ORDER BY v.version DESC LIMIT %d`, directiveVersions, cond, limit+1), args...)
		if err != nil {
			return fmt.Errorf("list versions of a directive: %w", err)
		}
		page, err = collect(rows, scanDirective)
		return err
	})
	if len(page) > limit {
		return page[:limit], true, err
	}
	return page, false, err
}

func (s directives) List(ctx context.Context, p store.ListDirectives) (store.DirectivePage, error) {
	var w where
	w.add("tenant = %s", p.Tenant)
	w.conds = append(w.conds, "deleted_ms = 0")
	w.contains("name_folded", p.Text)
	if p.Archived != nil {
		w.add("archived = %s", flag(*p.Archived))
	}
	if p.AfterName != "" {
		w.add("name > %s", p.AfterName)
	}
	query := fmt.Sprintf(`SELECT %s FROM directives%s ORDER BY name LIMIT %d`, directiveColumns, w.String(), p.Limit+1)
	var page store.DirectivePage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("list directives: %w", err)
		}
		page.Directives, err = collect(rows, scanDirective)
		return err
	})
	if len(page.Directives) > p.Limit {
		page.Directives, page.More = page.Directives[:p.Limit], true
	}
	return page, err
}

func (s directives) Update(ctx context.Context, p store.PutDirective) (directive.Directive, error) {
	d := storedDirective(p.Directive)
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		var taken int
		if err := tx.Row(ctx, `SELECT count(*) FROM directives WHERE tenant = $1 AND name = $2 AND deleted_ms = 0 AND directive_id <> $3`,
			d.Tenant, d.Name, d.ID).Scan(&taken); err != nil {
			return fmt.Errorf("check directive name: %w", err)
		}
		if taken > 0 {
			return directiveTaken(d.Name)
		}
		n, err := tx.Exec(ctx, `UPDATE directives SET name = $1, version = $2, archived = $3, body = $4, updated_ms = $5, name_folded = $6
			WHERE directive_id = $7 AND tenant = $8 AND version = $9 AND deleted_ms = 0`,
			d.Name, d.Version, flag(d.Archived), directiveBodyOf(d), clock.Millis(d.UpdatedAt), fold(d.Name), d.ID, d.Tenant, d.Version-1)
		if err != nil {
			return fmt.Errorf("update directive: %w", err)
		}
		if n == 0 {
			now, err := directiveBy(ctx, tx, d.Tenant, d.ID)
			if err != nil {
				return err
			}
			return fault.Newf(fault.VersionMismatch, "directive %s has version %d by now", d.ID, now.Version)
		}
		if err := keepDirective(ctx, tx, d, p.By); err != nil {
			return err
		}
		if err := storeKey(ctx, tx, p.Key, d); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return d, err
}

func (s directives) Delete(ctx context.Context, p store.DeleteDirective) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, `UPDATE directives SET deleted_ms = $1 WHERE directive_id = $2 AND tenant = $3 AND deleted_ms = 0`,
			clock.Millis(p.At), p.ID, p.Tenant)
		if err != nil {
			return fmt.Errorf("delete directive: %w", err)
		}
		if n == 0 {
			return fault.Newf(fault.NotFound, "no directive %s", p.ID)
		}
		return record(ctx, tx, p.Audit)
	})
}
