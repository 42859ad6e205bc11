package portable

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

type sessions struct{ *db }

const sessionColumns = `s.session_id, s.hash, s.user_id, s.tenant, s.remote, s.agent, s.created_ms, s.seen_ms, s.expires_ms`

// sessionFields are where a row of sessionColumns is scanned to; the function
// completes the session afterwards.
func sessionFields(v *access.Session) ([]any, func() error) {
	var hash string
	var created, seen, expires int64
	return []any{&v.ID, &hash, &v.UserID, &v.Tenant, &v.Remote, &v.Agent, &created, &seen, &expires}, func() error {
		v.CreatedAt, v.SeenAt, v.ExpiresAt = clock.FromMillis(created), clock.FromMillis(seen), clock.FromMillis(expires)
		return unhash(hash, &v.Hash)
	}
}

func (s sessions) Create(ctx context.Context, p store.PutSession) error {
	v := p.Session
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, `UPDATE users SET last_login_ms = $1 WHERE user_id = $2 AND tenant = $3 AND disabled = 0
			AND ($4 = 0 OR version = $5)`, clock.Millis(v.CreatedAt), v.UserID, v.Tenant, p.UserVersion, p.UserVersion)
		if err != nil {
			return fmt.Errorf("record login: %w", err)
		}
		if n == 0 {
			return fault.New(fault.NotFound, "the user is gone")
		}
		if p.Replaces != "" {
			if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE session_id = $1 AND user_id = $2`, p.Replaces, v.UserID); err != nil {
				return fmt.Errorf("replace session: %w", err)
			}
		}
		if _, err := tx.Exec(ctx, `INSERT INTO sessions (session_id, hash, user_id, tenant, remote, agent, created_ms, seen_ms, expires_ms)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, v.ID, hashText(v.Hash), v.UserID, v.Tenant, v.Remote, v.Agent,
			clock.Millis(v.CreatedAt), clock.Millis(v.SeenAt), clock.Millis(v.ExpiresAt)); err != nil {
			return fmt.Errorf("insert session: %w", err)
		}
		return record(ctx, tx, p.Audit)
	})
}

func (s sessions) ByHash(ctx context.Context, hash [sha256.Size]byte) (access.Session, access.User, error) {
	var v access.Session
	var u access.User
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		fields, done := sessionFields(&v)
		u, err = scanUserWith(tx.Row(ctx, `SELECT `+userColumns+`, `+sessionColumns+` FROM sessions s
			JOIN users u ON u.user_id = s.user_id JOIN tenants n ON n.tenant_id = u.tenant
			WHERE s.hash = $1 AND u.disabled = 0 AND n.disabled = 0`, hashText(hash)).Scan, fields...)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.New(fault.NotFound, "no such session")
		}
		return errors.Join(err, done())
	})
	return v, u, err
}

func (s sessions) Of(ctx context.Context, userID string) ([]access.Session, error) {
	var out []access.Session
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+sessionColumns+` FROM sessions s WHERE s.user_id = $1 ORDER BY s.created_ms DESC, s.session_id DESC`, userID)
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		out, err = collect(rows, func(rows Rows) (access.Session, error) {
			var v access.Session
			fields, done := sessionFields(&v)
			if err := rows.Scan(fields...); err != nil {
				return v, err
			}
			return v, done()
		})
		return err
	})
	return out, err
}

func (s sessions) End(ctx context.Context, p store.EndSession) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM sessions WHERE session_id = $1 AND user_id = $2`, p.ID, p.UserID)
		if err != nil {
			return fmt.Errorf("end session: %w", err)
		}
		if n == 0 {
			return fault.Newf(fault.NotFound, "no session %s", p.ID)
		}
		return record(ctx, tx, p.Audit)
	})
}

func (s sessions) Seen(ctx context.Context, at map[string]time.Time) error {
	return s.touch(ctx, at, `UPDATE sessions SET seen_ms = $1 WHERE session_id = $2 AND seen_ms < $3`)
}

func (s sessions) Purge(ctx context.Context, now time.Time) (int, error) {
	var n int64
	err := s.Write(ctx, func(ctx context.Context, tx Tx) (err error) {
		n, err = tx.Exec(ctx, `DELETE FROM sessions WHERE expires_ms <= $1 OR seen_ms <= $2`, clock.Millis(now), clock.Millis(now.Add(-access.SessionIdle)))
		return err
	})
	return int(n), err
}
