package portable

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

type tokens struct{ *db }

const tokenColumns = `t.token_id, t.tenant, t.name, t.hash, t.roles, t.scopes, t.templates, t.rate_per_minute, t.created_by,
	t.created_ms, t.expires_ms, t.revoked_ms, t.last_used_ms`

func scanToken(rows Rows) (access.Token, error) { return scanTokenWith(rows.Scan) }

func scanTokenWith(scan func(...any) error) (access.Token, error) {
	var t access.Token
	var hash, roles, scopes, templates string
	var created, expires, revoked, used int64
	if err := scan(&t.ID, &t.Tenant, &t.Name, &hash, &roles, &scopes, &templates, &t.RatePerMinute, &t.CreatedBy,
		&created, &expires, &revoked, &used); err != nil {
		return t, err
	}
	t.CreatedAt, t.ExpiresAt, t.RevokedAt, t.LastUsedAt = clock.FromMillis(created), clock.FromMillis(expires), clock.FromMillis(revoked), clock.FromMillis(used)
	return t, errors.Join(unhash(hash, &t.Hash), decode(roles, &t.Roles), decode(scopes, &t.Scopes), decode(templates, &t.Templates))
}

// hashText is how hashes of secrets are stored.
func hashText(h [sha256.Size]byte) string { return hex.EncodeToString(h[:]) }

func unhash(s string, h *[sha256.Size]byte) error {
	b, err := hex.DecodeString(s)
	if err != nil || copy(h[:], b) != sha256.Size {
		return fmt.Errorf("decode hash: %w", err)
	}
	return nil
}

func (s tokens) Create(ctx context.Context, p store.PutToken) (access.Token, error) {
	t := p.Token
	t.CreatedAt, t.ExpiresAt = millis(t.CreatedAt), millis(t.ExpiresAt)
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		// An expired token does not keep its name from a successor.
		if _, err := tx.Exec(ctx, `UPDATE tokens SET revoked_ms = $1 WHERE tenant = $2 AND name = $3 AND revoked_ms = 0 AND expires_ms <> 0 AND expires_ms <= $4`,
			clock.Millis(t.CreatedAt), t.Tenant, t.Name, clock.Millis(t.CreatedAt)); err != nil {
			return fmt.Errorf("retire expired token: %w", err)
		}
		n, err := tx.Exec(ctx, `INSERT INTO tokens (token_id, tenant, name, hash, roles, scopes, templates, rate_per_minute, created_by,
			created_ms, expires_ms, revoked_ms, last_used_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0)
			ON CONFLICT (tenant, name) WHERE revoked_ms = 0 DO NOTHING`,
			t.ID, t.Tenant, t.Name, hashText(t.Hash), encode(t.Roles), encode(t.Scopes), encode(t.Templates), t.RatePerMinute, t.CreatedBy,
			clock.Millis(t.CreatedAt), clock.Millis(t.ExpiresAt))
		if err != nil {
			return fmt.Errorf("insert token: %w", err)
		}
		if n == 0 {
			return fault.Newf(fault.NameTaken, "a valid token named %q exists", t.Name).At("/name", string(fault.NameTaken), "is taken")
		}
		if err := storeKey(ctx, tx, p.Key, t); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return t, err
}

func (s tokens) ByHash(ctx context.Context, hash [sha256.Size]byte) (access.Token, error) {
	return s.one(ctx, `SELECT `+tokenColumns+` FROM tokens t JOIN tenants n ON n.tenant_id = t.tenant WHERE t.hash = $1 AND n.disabled = 0`, hashText(hash))
}

func (s tokens) Token(ctx context.Context, tenant, id string) (access.Token, error) {
	return s.one(ctx, `SELECT `+tokenColumns+` FROM tokens t WHERE t.tenant = $1 AND t.token_id = $2`, tenant, id)
}

func (s tokens) one(ctx context.Context, query string, args ...any) (access.Token, error) {
	var t access.Token
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		t, err = scanTokenWith(tx.Row(ctx, query, args...).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.New(fault.NotFound, "no such token")
		}
		return err
	})
	return t, err
}

func (s tokens) List(ctx context.Context, p store.ListTokens) (store.TokenPage, error) {
	var w where
	w.add("t.tenant = %s", p.Tenant)
	if !p.Valid.IsZero() {
		w.add("t.revoked_ms = 0 AND (t.expires_ms = 0 OR t.expires_ms > %s)", clock.Millis(p.Valid))
	}
	if p.After != nil {
		at := clock.Millis(p.After.CreatedAt)
		w.add("(t.created_ms < %s OR t.created_ms = %s AND t.token_id < %s)", at, at, p.After.ID)
	}
	query := fmt.Sprintf(`SELECT %s FROM tokens t%s ORDER BY t.created_ms DESC, t.token_id DESC LIMIT %d`, tokenColumns, w.String(), p.Limit+1)
	var page store.TokenPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("list tokens: %w", err)
		}
		page.Tokens, err = collect(rows, scanToken)
		return err
	})
	if len(page.Tokens) > p.Limit {
		page.Tokens, page.More = page.Tokens[:p.Limit], true
	}
	return page, err
}

func (s tokens) Revoke(ctx context.Context, p store.RevokeToken) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, `UPDATE tokens SET revoked_ms = $1 WHERE token_id = $2 AND tenant = $3 AND revoked_ms = 0`,
			clock.Millis(p.At), p.ID, p.Tenant)
		if err != nil {
			return fmt.Errorf("revoke token: %w", err)
		}
		if n > 0 {
			return record(ctx, tx, p.Audit)
		}
		var known int
		if err := tx.Row(ctx, `SELECT count(*) FROM tokens WHERE token_id = $1 AND tenant = $2`, p.ID, p.Tenant).Scan(&known); err != nil {
			return fmt.Errorf("look for token: %w", err)
		}
		if known == 0 {
			return fault.Newf(fault.NotFound, "no token %s", p.ID)
		}
		return nil
	})
}

func (s tokens) Used(ctx context.Context, at map[string]time.Time) error {
	return s.touch(ctx, at, `UPDATE tokens SET last_used_ms = $1 WHERE token_id = $2 AND last_used_ms < $3`)
}

// touch raises times of rows by id, in the order of the ids, so that two
// instances do not wait for each other in a circle.
func (d *db) touch(ctx context.Context, at map[string]time.Time, query string) error {
	if len(at) == 0 {
		return nil
	}
	return d.Write(ctx, func(ctx context.Context, tx Tx) error {
		for _, id := range slices.Sorted(maps.Keys(at)) {
			ms := clock.Millis(at[id])
			if _, err := tx.Exec(ctx, query, ms, id, ms); err != nil {
				return fmt.Errorf("record use: %w", err)
			}
		}
		return nil
	})
}
