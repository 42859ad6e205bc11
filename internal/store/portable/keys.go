package portable

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

type keys struct{ *db }

// claimKey makes k this transaction's own, or returns what is known of it: a
// *store.Replay or a fault. Two transactions with one key meet at the unique
// row, so the second waits for the first and then sees its answer.
func claimKey(ctx context.Context, tx Tx, k *store.Key) error {
	if k == nil {
		return nil
	}
	if _, err := tx.Exec(ctx, `DELETE FROM idempotency_keys WHERE tenant = $1 AND owner = $2 AND key = $3 AND expires_ms <= $4`,
		k.Tenant, k.Owner, k.Text, clock.Millis(k.Now)); err != nil {
		return fmt.Errorf("drop expired key: %w", err)
	}
	n, err := tx.Exec(ctx, `INSERT INTO idempotency_keys (tenant, owner, key, hash, status, location, etag, body,
		in_flight_until_ms, expires_ms) VALUES ($1, $2, $3, $4, 0, '', '', $5, $6, $7) ON CONFLICT (tenant, owner, key) DO NOTHING`,
		k.Tenant, k.Owner, k.Text, k.Hash, []byte{}, clock.Millis(k.InFlightUntil), clock.Millis(k.Expires))
	if err != nil {
		return fmt.Errorf("claim key: %w", err)
	}
	if n == 1 {
		return nil
	}
	known, err := findKey(ctx, tx, *k)
	if err != nil {
		return err
	}
	if known == nil {
		return fault.New(fault.StorageBusy, "the idempotency key vanished meanwhile")
	}
	return known
}

// storeKey writes the answer of a key that claimKey made this transaction's own.
func storeKey(ctx context.Context, tx Tx, k *store.Key, result any) error {
	if k == nil {
		return nil
	}
	r, err := k.Render(result)
	if err != nil {
		return fmt.Errorf("render answer: %w", err)
	}
	return putReply(ctx, tx, *k, r, k.InFlightUntil)
}

// storeKeys makes the keys of several requests this transaction's own, with their answers.
// It returns errKnown when one of them is there. It is for an engine that is Columnwise.
func storeKeys(ctx context.Context, tx Tx, list []adding, results []store.Added) error {
	var rows [][]any
	for i, a := range list {
		k := a.p.Key
		if k == nil {
			continue
		}
		r, err := k.Render(results[i : i+1 : i+1])
		if err != nil {
			return fmt.Errorf("render answer: %w", err)
		}
		rows = append(rows, []any{
			k.Tenant, k.Owner, k.Text, k.Hash, int64(r.Status), r.Location, r.ETag, hex.EncodeToString(r.Body), clock.Millis(k.InFlightUntil), clock.Millis(k.Expires),
		})
	}
	if len(rows) == 0 {
		return nil
	}
	// Two transactions that have some of the same keys meet at them in one order.
	slices.SortFunc(rows, func(a, b []any) int {
		return cmp.Or(cmp.Compare(a[0].(string), b[0].(string)), cmp.Compare(a[1].(string), b[1].(string)), cmp.Compare(a[2].(string), b[2].(string)))
	})
	return inParts(rows, func(part [][]any) error {
		n, err := tx.Exec(ctx, insertKeys, columnwise(keyColumns, part)...)
		if err != nil {
			return fmt.Errorf("claim keys: %w", err)
		}
		if n != int64(len(part)) {
			return errKnown
		}
		return nil
	})
}

var (
	keyColumns = columnsOf("tenant", "owner", "key", "hash", "status#", "location", "etag", "body", "in_flight_until_ms#", "expires_ms#")
	insertKeys = `INSERT INTO idempotency_keys (` + namesOf(keyColumns) + `)
		SELECT tenant, owner, key, hash, status, location, etag, decode(body, 'hex'), in_flight_until_ms, expires_ms
		FROM ` + unnest(keyColumns) + ` AS added (` + namesOf(keyColumns) + `) ON CONFLICT (tenant, owner, key) DO NOTHING`
)

func putReply(ctx context.Context, tx Tx, k store.Key, r store.Reply, inFlight time.Time) error {
	body := r.Body
	if body == nil {
		body = []byte{}
	}
	if _, err := tx.Exec(ctx, `UPDATE idempotency_keys SET status = $1, location = $2, etag = $3, body = $4, in_flight_until_ms = $5
		WHERE tenant = $6 AND owner = $7 AND key = $8 AND hash = $9`,
		r.Status, r.Location, r.ETag, body, clock.Millis(inFlight), k.Tenant, k.Owner, k.Text, k.Hash); err != nil {
		return fmt.Errorf("store answer: %w", err)
	}
	return nil
}

// findKey returns what is known of a key as a *store.Replay or a fault in its
// first result, nil if nothing is.
func findKey(ctx context.Context, tx Tx, k store.Key) (known, err error) {
	var r store.Reply
	var hash string
	var inFlight int64
	err = tx.Row(ctx, `SELECT hash, status, location, etag, body, in_flight_until_ms FROM idempotency_keys
		WHERE tenant = $1 AND owner = $2 AND key = $3 AND expires_ms > $4`,
		k.Tenant, k.Owner, k.Text, clock.Millis(k.Now)).Scan(&hash, &r.Status, &r.Location, &r.ETag, &r.Body, &inFlight)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("find key: %w", err)
	case hash != k.Hash:
		return fault.New(fault.IdempotencyMismatch, "this Idempotency-Key was used for a different request"), nil
	case inFlight > clock.Millis(k.Now):
		return fault.New(fault.IdempotencyInFlight, "the first request with this Idempotency-Key has not been answered yet"), nil
	}
	return &store.Replay{Reply: r}, nil
}

func (s keys) Find(ctx context.Context, k store.Key) error {
	var known error
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		known, err = findKey(ctx, tx, k)
		return err
	})
	if err != nil {
		return err
	}
	return known
}

func (s keys) Begin(ctx context.Context, k store.Key) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, &k); err != nil {
			return err
		}
		return storeKey(ctx, tx, &k, nil)
	})
}

func (s keys) Complete(ctx context.Context, k store.Key, r store.Reply) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		return putReply(ctx, tx, k, r, time.Time{})
	})
}

func (s keys) BodyKey(ctx context.Context, candidate string) (string, error) {
	var key string
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO body_key (id, secret) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`, candidate); err != nil {
			return fmt.Errorf("store the key of bodies: %w", err)
		}
		return tx.Row(ctx, `SELECT secret FROM body_key WHERE id = 1`).Scan(&key)
	})
	return key, err
}

func (s keys) Purge(ctx context.Context, now time.Time) (int, error) {
	var n int64
	err := s.Write(ctx, func(ctx context.Context, tx Tx) (err error) {
		n, err = tx.Exec(ctx, `DELETE FROM idempotency_keys WHERE expires_ms <= $1`, clock.Millis(now))
		return err
	})
	return int(n), err
}
