package store

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/secret"
)

// Secrets keeps secrets, whose values it knows only encrypted. Package vault holds
// the master key and is the only one that calls it for values. A check is a text
// that shows which master key was used and nothing more.
type Secrets interface {
	// Put stores p.Secret, whose Version must be one above the stored one, 1 for a
	// new one; version_mismatch, secret_not_found. A nil p.Sealed keeps the value.
	// Otherwise p.Check must be the one that is stored: secrets_key_wrong.
	Put(ctx context.Context, p PutSecret) (secret.Secret, error)
	// Secret returns one; secret_not_found.
	Secret(ctx context.Context, tenant, name string) (SealedSecret, error)
	// List returns a page ordered by name, without values.
	List(ctx context.Context, p ListSecrets) (SecretPage, error)
	// Delete removes a secret and its value; secret_not_found. With p.Version it must
	// have that version; version_mismatch.
	Delete(ctx context.Context, p DeleteSecret) error
	// Used records that a secret was used, unless the same or a later time stands
	// there. A secret that is gone is no error.
	Used(ctx context.Context, tenant, name string, at time.Time) error
	// Check returns the check of the master key, "" if no key was used yet.
	Check(ctx context.Context) (string, error)
	// FirstCheck stores a check unless there is one, and returns the stored one.
	FirstCheck(ctx context.Context, candidate string, at time.Time) (string, error)
	// DataKey returns the tenant's own data key, encrypted. If there is none, the
	// candidate becomes it when it is not empty. p.Check is as in Put.
	DataKey(ctx context.Context, p DataKey) (string, error)
	// Rewrap replaces all data keys, of all tenants, and the check, in one
	// transaction, and returns how many keys it replaced. p.Old must be the stored
	// check: secrets_key_wrong.
	Rewrap(ctx context.Context, p Rewrap) (int, error)
}

// SealedValue is a value as it is kept. Both texts are encrypted.
type SealedValue struct{ DataKey, Ciphertext string }

// PutSecret are the parameters of Secrets.Put.
type PutSecret struct {
	Secret secret.Secret
	Sealed *SealedValue
	Check  string
	Audit  *audit.Entry
}

// SealedSecret is a secret with its value as it is kept, and the check of the
// master key at that time.
type SealedSecret struct {
	Secret secret.Secret
	Sealed SealedValue
	Check  string
}

// ListSecrets are the parameters of Secrets.List. Empty fields do not filter.
type ListSecrets struct {
	Tenant string
	Text   string // substring of the name
	// AfterName continues behind a name; "" = from the start.
	AfterName string
	Limit     int // at least 1
}

// SecretPage is one page. More says that secrets follow.
type SecretPage struct {
	Secrets []secret.Secret
	More    bool
}

// DeleteSecret are the parameters of Secrets.Delete. Version 0 = any.
type DeleteSecret struct {
	Tenant, Name string
	Version      int64
	Audit        *audit.Entry
}

// DataKey are the parameters of Secrets.DataKey.
type DataKey struct {
	Tenant, Candidate, Check string
	At                       time.Time
}

// WrappedKey is a data key, encrypted, with what it belongs to.
type WrappedKey struct {
	Tenant string
	// Name and ValueVersion are those of the secret; "" = the tenant's own key.
	Name         string
	ValueVersion int64
	DataKey      string
}

// Rewrap are the parameters of Secrets.Rewrap. Wrap encrypts a key anew; its error
// undoes everything.
type Rewrap struct {
	Old, New string
	Wrap     func(WrappedKey) (string, error)
	At       time.Time
	Audit    *audit.Entry
}
