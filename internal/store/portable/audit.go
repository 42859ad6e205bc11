package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

type auditLog struct{ *db }

const auditColumns = `tenant, seq, at_ms, actor, actor_id, remote, request_id, action, object, object_name,
	before_hash, after_hash, detail, prev, hash`

func scanEntry(rows Rows) (audit.Entry, error) { return scanEntryWith(rows.Scan) }

func scanEntryWith(scan func(...any) error) (audit.Entry, error) {
	var e audit.Entry
	var at int64
	var detail string
	if err := scan(&e.Tenant, &e.Seq, &at, &e.Actor.Name, &e.Actor.ID, &e.Actor.Remote, &e.Actor.RequestID, &e.Action,
		&e.Object, &e.ObjectName, &e.Before, &e.After, &detail, &e.Prev, &e.Hash); err != nil {
		return e, err
	}
	e.At = clock.FromMillis(at)
	return e, decode(detail, &e.Detail)
}

// lockTenant keeps other changes that lock the tenant out until the transaction
// ends. Foreign keys that point to it do not wait.
func lockTenant(ctx context.Context, tx Tx, tenant string) error {
	n, err := tx.Exec(ctx, `UPDATE tenants SET version = version WHERE tenant_id = $1`, tenant)
	if err != nil {
		return fmt.Errorf("lock tenant: %w", err)
	}
	if n == 0 {
		return fault.Newf(fault.NotFound, "no tenant %s", tenant)
	}
	return nil
}

// record appends e to its tenant's chain. It is the last statement of a
// transaction, because it makes the others of the tenant wait.
func record(ctx context.Context, tx Tx, e *audit.Entry) error {
	if e == nil {
		return nil
	}
	_, err := appendEntry(ctx, tx, *e)
	return err
}

func appendEntry(ctx context.Context, tx Tx, e audit.Entry) (audit.Entry, error) {
	if err := lockTenant(ctx, tx, e.Tenant); err != nil {
		return e, err
	}
	last, err := headOf(ctx, tx, e.Tenant)
	if err != nil {
		return e, err
	}
	if len(e.Detail) == 0 {
		e.Detail = nil
	}
	e = audit.Link(e, last.Seq, last.Hash)
	if _, err := tx.Exec(ctx, `INSERT INTO audit (`+auditColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		e.Tenant, e.Seq, clock.Millis(e.At), e.Actor.Name, e.Actor.ID, e.Actor.Remote, e.Actor.RequestID, string(e.Action),
		e.Object, e.ObjectName, e.Before, e.After, encode(e.Detail), e.Prev, e.Hash); err != nil {
		return e, fmt.Errorf("append audit entry: %w", err)
	}
	return e, nil
}

func headOf(ctx context.Context, tx Tx, tenant string) (audit.Entry, error) {
	e, err := scanEntryWith(tx.Row(ctx, `SELECT `+auditColumns+` FROM audit WHERE tenant = $1 ORDER BY seq DESC LIMIT 1`, tenant).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return audit.Entry{}, nil
	}
	if err != nil {
		return e, fmt.Errorf("read head of audit: %w", err)
	}
	return e, nil
}

func (s auditLog) Append(ctx context.Context, e audit.Entry) (audit.Entry, error) {
	var out audit.Entry
	err := s.Write(ctx, func(ctx context.Context, tx Tx) (err error) {
		out, err = appendEntry(ctx, tx, e)
		return err
	})
	return out, err
}

func (s auditLog) Head(ctx context.Context, tenant string) (audit.Entry, error) {
	var out audit.Entry
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		out, err = headOf(ctx, tx, tenant)
		return err
	})
	return out, err
}

func (s auditLog) List(ctx context.Context, p store.ListAudit) (store.AuditPage, error) {
	var w where
	w.add("tenant = %s", p.Tenant)
	in(&w, "action", p.Actions)
	if p.Actor != "" {
		w.add("(actor = %s OR actor_id = %s)", p.Actor, p.Actor)
	}
	if p.Object != "" {
		w.add("(object = %s OR object_name = %s)", p.Object, p.Object)
	}
	w.between("at_ms", p.After, p.Before)
	order, beyond := "seq", "seq > %s"
	if p.Newest {
		order, beyond = "seq DESC", "seq < %s"
	}
	if p.Seq != 0 {
		w.add(beyond, p.Seq)
	}
	query := fmt.Sprintf(`SELECT %s FROM audit%s ORDER BY %s LIMIT %d`, auditColumns, w.String(), order, p.Limit+1)
	var page store.AuditPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("list audit: %w", err)
		}
		page.Entries, err = collect(rows, scanEntry)
		return err
	})
	if len(page.Entries) > p.Limit {
		page.Entries, page.More = page.Entries[:p.Limit], true
	}
	return page, err
}

// millis returns t as it will be read back.
func millis(t time.Time) time.Time { return clock.FromMillis(clock.Millis(t)) }
