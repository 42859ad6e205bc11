package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/secret"
	"github.com/runsheet/runsheet/internal/store"
)

type secrets struct{ *db }

const secretColumns = `tenant, name, description, grants, value_version, value_ms, version, created_by, created_ms, updated_by, updated_ms, used_ms`

func scanSecret(rows Rows) (secret.Secret, error) { return scanSecretWith(rows.Scan) }

func scanSecretWith(scan func(...any) error, more ...any) (secret.Secret, error) {
	var s secret.Secret
	var grants string
	var valued, created, updated, used int64
	if err := scan(append([]any{
		&s.Tenant, &s.Name, &s.Description, &grants, &s.ValueVersion, &valued, &s.Version, &s.CreatedBy, &created, &s.UpdatedBy, &updated, &used,
	}, more...)...); err != nil {
		return s, err
	}
	s.ValueAt, s.CreatedAt, s.UpdatedAt, s.LastUsedAt = clock.FromMillis(valued), clock.FromMillis(created), clock.FromMillis(updated), clock.FromMillis(used)
	return s, decode(grants, &s.Grants)
}

func noSecret(name string) error {
	return fault.Newf(fault.SecretNotFound, "there is no secret %s", name)
}

// keyCheck reads the check of the master key.
func keyCheck(ctx context.Context, tx Tx) (check string, err error) {
	err = tx.Row(ctx, `SELECT check_value FROM secret_key_check WHERE id = 1`).Scan(&check)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read check of the secrets key: %w", err)
	}
	return check, nil
}

// holdCheck makes sure that what is encrypted fits the master key of the database,
// until the transaction ends.
func holdCheck(ctx context.Context, tx Tx, check string) error {
	n, err := tx.Exec(ctx, `UPDATE secret_key_check SET id = id WHERE id = 1 AND check_value = $1`, check)
	if err != nil {
		return fmt.Errorf("compare check of the secrets key: %w", err)
	}
	if n == 0 {
		return fault.New(fault.SecretsKeyWrong, "the secrets in the database are encrypted with another master key")
	}
	return nil
}

func (s secrets) Put(ctx context.Context, p store.PutSecret) (secret.Secret, error) {
	c := p.Secret
	for _, t := range []*time.Time{&c.ValueAt, &c.CreatedAt, &c.UpdatedAt, &c.LastUsedAt} {
		*t = millis(*t)
	}
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if p.Sealed != nil {
			if err := holdCheck(ctx, tx, p.Check); err != nil {
				return err
			}
		}
		n, err := putSecret(ctx, tx, c, p.Sealed)
		if err != nil {
			return fmt.Errorf("put secret: %w", err)
		}
		if n == 0 {
			return secretMoved(ctx, tx, c.Tenant, c.Name)
		}
		return record(ctx, tx, p.Audit)
	})
	return c, err
}

func putSecret(ctx context.Context, tx Tx, c secret.Secret, v *store.SealedValue) (int64, error) {
	switch {
	case c.Version == 1 && v == nil:
		return 0, fault.New(fault.InvalidInput, "a new secret needs a value").At("/value", "required", "must be given")
	case c.Version == 1:
		return tx.Exec(ctx, `INSERT INTO secrets (`+secretColumns+`, data_key, ciphertext)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (tenant, name) DO NOTHING`,
			c.Tenant, c.Name, c.Description, encode(c.Grants), c.ValueVersion, clock.Millis(c.ValueAt), c.Version, c.CreatedBy, clock.Millis(c.CreatedAt),
			c.UpdatedBy, clock.Millis(c.UpdatedAt), clock.Millis(c.LastUsedAt), v.DataKey, v.Ciphertext)
	case v == nil:
		return tx.Exec(ctx, `UPDATE secrets SET description = $1, grants = $2, version = $3, updated_by = $4, updated_ms = $5
			WHERE tenant = $6 AND name = $7 AND version = $8`,
			c.Description, encode(c.Grants), c.Version, c.UpdatedBy, clock.Millis(c.UpdatedAt), c.Tenant, c.Name, c.Version-1)
	}
	return tx.Exec(ctx, `UPDATE secrets SET description = $1, grants = $2, version = $3, updated_by = $4, updated_ms = $5,
		value_version = $6, value_ms = $7, data_key = $8, ciphertext = $9 WHERE tenant = $10 AND name = $11 AND version = $12`,
		c.Description, encode(c.Grants), c.Version, c.UpdatedBy, clock.Millis(c.UpdatedAt),
		c.ValueVersion, clock.Millis(c.ValueAt), v.DataKey, v.Ciphertext, c.Tenant, c.Name, c.Version-1)
}

// secretMoved says why a write that expected a version found no row.
func secretMoved(ctx context.Context, tx Tx, tenant, name string) error {
	var version int64
	err := tx.Row(ctx, `SELECT version FROM secrets WHERE tenant = $1 AND name = $2`, tenant, name).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return noSecret(name)
	}
	if err != nil {
		return fmt.Errorf("read secret: %w", err)
	}
	return fault.Newf(fault.VersionMismatch, "the secret %s has version %d by now", name, version)
}

func (s secrets) Secret(ctx context.Context, tenant, name string) (store.SealedSecret, error) {
	var out store.SealedSecret
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		// One statement: key and check must be of the same moment.
		var check sql.NullString
		out.Secret, err = scanSecretWith(tx.Row(ctx, `SELECT `+secretColumns+`, data_key, ciphertext,
			(SELECT check_value FROM secret_key_check WHERE id = 1) FROM secrets WHERE tenant = $1 AND name = $2`, tenant, name).Scan,
			&out.Sealed.DataKey, &out.Sealed.Ciphertext, &check)
		if errors.Is(err, sql.ErrNoRows) {
			return noSecret(name)
		}
		out.Check = check.String
		return err
	})
	return out, err
}

func (s secrets) List(ctx context.Context, p store.ListSecrets) (store.SecretPage, error) {
	var w where
	w.add("tenant = %s", p.Tenant)
	if p.Text != "" {
		w.add("replace(name, %s, '') <> name", p.Text)
	}
	if p.AfterName != "" {
		w.add("name > %s", p.AfterName)
	}
	query := fmt.Sprintf(`SELECT %s FROM secrets%s ORDER BY name LIMIT %d`, secretColumns, w.String(), p.Limit+1)
	var page store.SecretPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("list secrets: %w", err)
		}
		page.Secrets, err = collect(rows, scanSecret)
		return err
	})
	if len(page.Secrets) > p.Limit {
		page.Secrets, page.More = page.Secrets[:p.Limit], true
	}
	return page, err
}

func (s secrets) Delete(ctx context.Context, p store.DeleteSecret) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM secrets WHERE tenant = $1 AND name = $2 AND ($3 = 0 OR version = $4)`, p.Tenant, p.Name, p.Version, p.Version)
		if err != nil {
			return fmt.Errorf("delete secret: %w", err)
		}
		if n == 0 {
			return secretMoved(ctx, tx, p.Tenant, p.Name)
		}
		return record(ctx, tx, p.Audit)
	})
}

func (s secrets) Used(ctx context.Context, tenant, name string, at time.Time) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE secrets SET used_ms = $1 WHERE tenant = $2 AND name = $3 AND used_ms < $4`,
			clock.Millis(at), tenant, name, clock.Millis(at)); err != nil {
			return fmt.Errorf("note use of a secret: %w", err)
		}
		return nil
	})
}

func (s secrets) Check(ctx context.Context) (check string, err error) {
	err = s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		check, err = keyCheck(ctx, tx)
		return err
	})
	return check, err
}

func (s secrets) FirstCheck(ctx context.Context, candidate string, at time.Time) (check string, err error) {
	err = s.Write(ctx, func(ctx context.Context, tx Tx) (err error) {
		if _, err = tx.Exec(ctx, `INSERT INTO secret_key_check (id, check_value, set_ms) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING`,
			candidate, clock.Millis(at)); err != nil {
			return fmt.Errorf("store check of the secrets key: %w", err)
		}
		check, err = keyCheck(ctx, tx)
		return err
	})
	return check, err
}

func (s secrets) DataKey(ctx context.Context, p store.DataKey) (key string, err error) {
	read := func(ctx context.Context, tx Tx) error {
		err := tx.Row(ctx, `SELECT data_key FROM secret_data_keys WHERE tenant = $1`, p.Tenant).Scan(&key)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read data key: %w", err)
		}
		return nil
	}
	if p.Candidate == "" {
		err = s.Read(ctx, read)
		return key, err
	}
	err = s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := holdCheck(ctx, tx, p.Check); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO secret_data_keys (tenant, data_key, created_ms) VALUES ($1, $2, $3) ON CONFLICT (tenant) DO NOTHING`,
			p.Tenant, p.Candidate, clock.Millis(p.At)); err != nil {
			return fmt.Errorf("store data key: %w", err)
		}
		return read(ctx, tx)
	})
	return key, err
}

func (s secrets) Rewrap(ctx context.Context, p store.Rewrap) (int, error) {
	count := 0
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		count = 0 // a transaction may be tried again
		if err := holdCheck(ctx, tx, p.Old); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT tenant, name, value_version, data_key FROM secrets
			UNION ALL SELECT tenant, '', 0, data_key FROM secret_data_keys`)
		if err != nil {
			return fmt.Errorf("read data keys: %w", err)
		}
		keys, err := collect(rows, func(r Rows) (k store.WrappedKey, err error) {
			return k, r.Scan(&k.Tenant, &k.Name, &k.ValueVersion, &k.DataKey)
		})
		if err != nil {
			return err
		}
		for _, k := range keys {
			wrapped, err := p.Wrap(k)
			if err != nil {
				return err
			}
			if k.Name == "" {
				_, err = tx.Exec(ctx, `UPDATE secret_data_keys SET data_key = $1 WHERE tenant = $2`, wrapped, k.Tenant)
			} else {
				_, err = tx.Exec(ctx, `UPDATE secrets SET data_key = $1 WHERE tenant = $2 AND name = $3`, wrapped, k.Tenant, k.Name)
			}
			if err != nil {
				return fmt.Errorf("replace data key: %w", err)
			}
			count++
		}
		if _, err := tx.Exec(ctx, `UPDATE secret_key_check SET check_value = $1, set_ms = $2 WHERE id = 1`, p.New, clock.Millis(p.At)); err != nil {
			return fmt.Errorf("replace check of the secrets key: %w", err)
		}
		return record(ctx, tx, p.Audit)
	})
	return count, err
}
