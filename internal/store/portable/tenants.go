package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

type tenants struct{ *db }

const tenantColumns = `tenant_id, name, disabled, version, created_ms, updated_ms`

func scanTenant(rows Rows) (access.Tenant, error) { return scanTenantWith(rows.Scan) }

func scanTenantWith(scan func(...any) error) (access.Tenant, error) {
	var t access.Tenant
	var created, updated int64
	err := scan(&t.ID, &t.Name, &t.Disabled, &t.Version, &created, &updated)
	t.CreatedAt, t.UpdatedAt = clock.FromMillis(created), clock.FromMillis(updated)
	return t, err
}

func tenantBy(ctx context.Context, tx Tx, idOrName string) (access.Tenant, error) {
	t, err := scanTenantWith(tx.Row(ctx, `SELECT `+tenantColumns+` FROM tenants WHERE tenant_id = $1 OR name = $2
		ORDER BY CASE WHEN tenant_id = $3 THEN 0 ELSE 1 END LIMIT 1`, idOrName, idOrName, idOrName).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return t, fault.Newf(fault.NotFound, "no tenant %s", idOrName)
	}
	return t, err
}

func tenantTaken(name string) error {
	return fault.Newf(fault.NameTaken, "a tenant named %q exists", name).At("/name", string(fault.NameTaken), "is taken")
}

func (s tenants) Create(ctx context.Context, p store.PutTenant) (access.Tenant, error) {
	t := p.Tenant
	t.Version, t.CreatedAt, t.UpdatedAt = 1, millis(t.CreatedAt), millis(t.UpdatedAt)
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO tenants (tenant_id, name, disabled, version, created_ms, updated_ms)
			VALUES ($1, $2, $3, 1, $4, $5) ON CONFLICT (name) DO NOTHING`,
			t.ID, t.Name, flag(t.Disabled), clock.Millis(t.CreatedAt), clock.Millis(t.UpdatedAt))
		if err != nil {
			return fmt.Errorf("insert tenant: %w", err)
		}
		if n == 0 {
			return tenantTaken(t.Name)
		}
		if err := storeKey(ctx, tx, p.Key, t); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return t, err
}

func (s tenants) Tenant(ctx context.Context, idOrName string) (access.Tenant, error) {
	var t access.Tenant
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		t, err = tenantBy(ctx, tx, idOrName)
		return err
	})
	return t, err
}

func (s tenants) List(ctx context.Context, afterName string, limit int) (store.TenantPage, error) {
	var page store.TenantPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT %s FROM tenants WHERE name > $1 ORDER BY name LIMIT %d`, tenantColumns, limit+1), afterName)
		if err != nil {
			return fmt.Errorf("list tenants: %w", err)
		}
		page.Tenants, err = collect(rows, scanTenant)
		return err
	})
	if len(page.Tenants) > limit {
		page.Tenants, page.More = page.Tenants[:limit], true
	}
	return page, err
}

func (s tenants) Update(ctx context.Context, p store.PutTenant) (access.Tenant, error) {
	t := p.Tenant
	t.UpdatedAt = millis(t.UpdatedAt)
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		var taken int
		if err := tx.Row(ctx, `SELECT count(*) FROM tenants WHERE name = $1 AND tenant_id <> $2`, t.Name, t.ID).Scan(&taken); err != nil {
			return fmt.Errorf("check tenant name: %w", err)
		}
		if taken > 0 {
			return tenantTaken(t.Name)
		}
		n, err := tx.Exec(ctx, `UPDATE tenants SET name = $1, disabled = $2, version = $3, updated_ms = $4 WHERE tenant_id = $5 AND version = $6`,
			t.Name, flag(t.Disabled), t.Version, clock.Millis(t.UpdatedAt), t.ID, t.Version-1)
		if err != nil {
			return fmt.Errorf("update tenant: %w", err)
		}
		now, err := tenantBy(ctx, tx, t.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.Newf(fault.VersionMismatch, "tenant %s has version %d by now", t.ID, now.Version)
		}
		t.CreatedAt = now.CreatedAt
		return record(ctx, tx, p.Audit)
	})
	return t, err
}
