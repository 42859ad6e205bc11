package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

type users struct{ *db }

const userColumns = `u.user_id, u.tenant, u.name, u.roles, u.password_hash, u.issuer, u.subject, u.disabled, u.created_by,
	u.version, u.created_ms, u.updated_ms, u.last_login_ms`

func scanUser(rows Rows) (access.User, error) { return scanUserWith(rows.Scan) }

func scanUserWith(scan func(...any) error, more ...any) (access.User, error) {
	var u access.User
	var roles string
	var created, updated, login int64
	if err := scan(append([]any{
		&u.ID, &u.Tenant, &u.Name, &roles, &u.PasswordHash, &u.Issuer, &u.Subject, &u.Disabled, &u.CreatedBy,
		&u.Version, &created, &updated, &login,
	}, more...)...); err != nil {
		return u, err
	}
	u.CreatedAt, u.UpdatedAt, u.LastLoginAt = clock.FromMillis(created), clock.FromMillis(updated), clock.FromMillis(login)
	return u, decode(roles, &u.Roles)
}

func isAdmin(u access.User) int { return flag(slices.Contains(u.Roles, access.Admin)) }

func userTaken(u access.User) error {
	return fault.Newf(fault.NameTaken, "a user named %q, or one with the same identity, exists", u.Name).At("/name", string(fault.NameTaken), "is taken")
}

func (s users) SetUp(ctx context.Context, p store.PutUser) (access.User, error) {
	return s.create(ctx, p, func(ctx context.Context, tx Tx) error {
		// Two set-ups at once meet here.
		if err := lockTenant(ctx, tx, p.User.Tenant); err != nil {
			return err
		}
		ok, err := administered(ctx, tx)
		if ok {
			return fault.New(fault.AlreadySetUp, "the first administrator was made before")
		}
		return err
	})
}

func (s users) Create(ctx context.Context, p store.PutUser) (access.User, error) {
	return s.create(ctx, p, func(context.Context, Tx) error { return nil })
}

func (s users) create(ctx context.Context, p store.PutUser, check func(context.Context, Tx) error) (access.User, error) {
	u := p.User
	u.Version, u.CreatedAt, u.UpdatedAt = 1, millis(u.CreatedAt), millis(u.UpdatedAt)
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		if err := check(ctx, tx); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO users (user_id, tenant, name, roles, admin, password_hash, issuer, subject, disabled, created_by,
			version, created_ms, updated_ms, last_login_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $12, 0)
			ON CONFLICT DO NOTHING`,
			u.ID, u.Tenant, u.Name, encode(u.Roles), isAdmin(u), u.PasswordHash, u.Issuer, u.Subject, flag(u.Disabled), u.CreatedBy,
			clock.Millis(u.CreatedAt), clock.Millis(u.UpdatedAt))
		if err != nil {
			return fmt.Errorf("insert user: %w", err)
		}
		if n == 0 {
			return userTaken(u)
		}
		if err := storeKey(ctx, tx, p.Key, u); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return u, err
}

func userBy(ctx context.Context, tx Tx, tenant, idOrName string) (access.User, error) {
	u, err := scanUserWith(tx.Row(ctx, `SELECT `+userColumns+` FROM users u WHERE (u.user_id = $1 OR u.name = $2) AND ($3 = '' OR u.tenant = $4)
		ORDER BY CASE WHEN u.user_id = $5 THEN 0 ELSE 1 END LIMIT 1`, idOrName, idOrName, tenant, tenant, idOrName).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return u, fault.Newf(fault.NotFound, "no user %s", idOrName)
	}
	return u, err
}

func (s users) User(ctx context.Context, tenant, idOrName string) (access.User, error) {
	var u access.User
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		u, err = userBy(ctx, tx, tenant, idOrName)
		return err
	})
	return u, err
}

func (s users) ByIdentity(ctx context.Context, issuer, subject string) (access.User, error) {
	var u access.User
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		u, err = scanUserWith(tx.Row(ctx, `SELECT `+userColumns+` FROM users u WHERE u.issuer = $1 AND u.subject = $2 AND u.subject <> ''`,
			issuer, subject).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.New(fault.NotFound, "no user with this identity")
		}
		return err
	})
	return u, err
}

func (s users) List(ctx context.Context, p store.ListUsers) (store.UserPage, error) {
	var w where
	if p.Tenant != "" {
		w.add("u.tenant = %s", p.Tenant)
	}
	w.contains("u.name", p.Text)
	if p.AfterName != "" {
		w.add("u.name > %s", p.AfterName)
	}
	query := fmt.Sprintf(`SELECT %s FROM users u%s ORDER BY u.name LIMIT %d`, userColumns, w.String(), p.Limit+1)
	var page store.UserPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("list users: %w", err)
		}
		page.Users, err = collect(rows, scanUser)
		return err
	})
	if len(page.Users) > p.Limit {
		page.Users, page.More = page.Users[:p.Limit], true
	}
	return page, err
}

func (s users) Update(ctx context.Context, p store.PutUser) (access.User, error) {
	u := p.User
	u.UpdatedAt = millis(u.UpdatedAt)
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := lockTenant(ctx, tx, access.DefaultTenant); err != nil {
			return err
		}
		var taken int
		if err := tx.Row(ctx, `SELECT count(*) FROM users WHERE (name = $1 OR subject <> '' AND subject = $2 AND issuer = $3) AND user_id <> $4`,
			u.Name, u.Subject, u.Issuer, u.ID).Scan(&taken); err != nil {
			return fmt.Errorf("check user name: %w", err)
		}
		if taken > 0 {
			return userTaken(u)
		}
		before, err := userBy(ctx, tx, u.Tenant, u.ID)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE users SET name = $1, roles = $2, admin = $3, password_hash = $4, issuer = $5, subject = $6, disabled = $7,
			version = $8, updated_ms = $9 WHERE user_id = $10 AND tenant = $11 AND version = $12`,
			u.Name, encode(u.Roles), isAdmin(u), u.PasswordHash, u.Issuer, u.Subject, flag(u.Disabled), u.Version, clock.Millis(u.UpdatedAt),
			u.ID, u.Tenant, u.Version-1)
		if err != nil {
			return fmt.Errorf("update user: %w", err)
		}
		if n == 0 {
			return fault.Newf(fault.VersionMismatch, "user %s has version %d by now", u.ID, before.Version)
		}
		u.CreatedBy, u.CreatedAt, u.LastLoginAt = before.CreatedBy, before.CreatedAt, before.LastLoginAt
		if !p.KeepSessions {
			if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE user_id = $1`, u.ID); err != nil {
				return fmt.Errorf("end sessions: %w", err)
			}
		}
		if err := keepAdmin(ctx, tx, before); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return u, err
}

// keepAdmin refuses what was done to a user if it left the installation without
// an administrator. Who calls it has locked the default tenant, so two cannot
// each remove the other's last one.
func keepAdmin(ctx context.Context, tx Tx, before access.User) error {
	if before.Tenant != access.DefaultTenant || isAdmin(before) == 0 || before.Disabled {
		return nil
	}
	ok, err := administered(ctx, tx)
	if err != nil || ok {
		return err
	}
	return fault.New(fault.LastAdmin, "this user is the last enabled administrator")
}

func administered(ctx context.Context, tx Tx) (bool, error) {
	var n int
	if err := tx.Row(ctx, `SELECT count(*) FROM users WHERE tenant = $1 AND admin = 1 AND disabled = 0`, access.DefaultTenant).Scan(&n); err != nil {
		return false, fmt.Errorf("count administrators: %w", err)
	}
	return n > 0, nil
}

func (s users) Delete(ctx context.Context, p store.DeleteUser) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := lockTenant(ctx, tx, access.DefaultTenant); err != nil {
			return err
		}
		u, err := userBy(ctx, tx, p.Tenant, p.ID)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM users WHERE user_id = $1`, u.ID); err != nil {
			return fmt.Errorf("delete user: %w", err)
		}
		// The sessions go with it: ON DELETE CASCADE.
		if err := keepAdmin(ctx, tx, u); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
}

func (s users) Administered(ctx context.Context) (bool, error) {
	var ok bool
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		ok, err = administered(ctx, tx)
		return err
	})
	return ok, err
}
