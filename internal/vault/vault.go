// Package vault encrypts secrets and alone can decrypt them.
//
// Each value is encrypted with a data key of its own, each data key with the master
// key (envelope encryption, AES-256-GCM both). The master key is never in the
// database: it comes from the operator or from a file. The database has a check, by
// which a vault with another key refuses to work instead of writing what nobody else
// can read. What is encrypted is bound to its tenant, its name and its version, so
// that rows cannot be exchanged.
//
//	v := vault.New(vault.Options{Store: st.Secrets, File: ".../secrets.key", Create: true})
//	token, err := v.Value(ctx, tenant, "BLOG_TOKEN", secret.Use{WorkflowID: "blog", Kind: "action/api_call", Host: "blog.example.com:443"})
//
// It starts nothing, keeps no value, and does not read the key before it is needed.
package vault

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/secret"
	"github.com/runsheet/runsheet/internal/store"
)

// Options of New. Store must be given.
type Options struct {
	Store store.Secrets
	// Key is the master key as the operator gave it, as ParseKey reads it; "" = it is
	// in File.
	Key string
	// File is the path of the key file; "" = there is none.
	File string
	// Create: the file is made when the first secret is. Only where no other instance
	// can use the same database.
	Create bool
	Clock  clock.Clock  // nil = the system's
	Logger *slog.Logger // nil = discard
}

// Vault opens secrets. It is safe for concurrent use.
type Vault struct {
	o Options

	mu      sync.Mutex
	current *Key                // the last that was used
	tenants map[string][]byte   // data keys of tenants, decrypted
	used    map[[2]string]noted // when the use of a tenant's secret was recorded
}

// noted is when something was recorded last.
type noted time.Time

// usedEvery is how exact the last use of a secret is.
const usedEvery = time.Minute

// New returns a vault. It reads nothing yet.
func New(o Options) *Vault {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Vault{o: o, tenants: map[string][]byte{}, used: map[[2]string]noted{}}
}

// Value returns the value of a secret for a use that one of its grants allows, and
// records the use. secret_not_found, secret_not_granted, secrets_key_missing,
// secrets_key_wrong; secret_unreadable when what is stored was tampered with.
func (v *Vault) Value(ctx context.Context, tenant, name string, use secret.Use) (string, error) {
	s, err := v.o.Store.Secret(ctx, tenant, name)
	if err != nil {
		return "", err
	}
	if !s.Secret.Allows(use) {
		return "", notGranted(name, use)
	}
	value, err := v.open(ctx, s)
	if err != nil {
		return "", err
	}
	v.noteUse(ctx, tenant, name)
	return value, nil
}

func notGranted(name string, use secret.Use) error {
	if use.Host == "" {
		return fault.Newf(fault.SecretNotGranted, "the secret %s is not granted to the workflow %s for %s, which has no target host", name, use.WorkflowID, use.Kind)
	}
	return fault.Newf(fault.SecretNotGranted, "the secret %s is not granted to the workflow %s for %s to %s", name, use.WorkflowID, use.Kind, use.Host)
}

func (v *Vault) open(ctx context.Context, s store.SealedSecret) (string, error) {
	master, err := v.master(ctx, s.Check)
	if err != nil {
		return "", err
	}
	c := s.Secret
	dataKey, err := unseal(master.bytes[:], s.Sealed.DataKey, keyPlace(c.Tenant, c.Name, c.ValueVersion))
	if err == nil {
		var plain []byte
		if plain, err = unseal(dataKey, s.Sealed.Ciphertext, valuePlace(c.Tenant, c.Name, c.ValueVersion)); err == nil {
			return string(plain), nil
		}
	}
	return "", fault.Newf(fault.SecretUnreadable, "the stored value of the secret %s cannot be decrypted", c.Name)
}

// noteUse records the use of a secret, at most once in usedEvery. That it cannot be
// recorded does not keep anybody from the secret.
func (v *Vault) noteUse(ctx context.Context, tenant, name string) {
	now, who := v.o.Clock.Now(), [2]string{tenant, name}
	v.mu.Lock()
	last, known := v.used[who]
	due := !known || now.Sub(time.Time(last)) >= usedEvery
	if due {
		v.used[who] = noted(now)
	}
	v.mu.Unlock()
	if !due {
		return
	}
	if err := v.o.Store.Used(ctx, tenant, name, now); err != nil && ctx.Err() == nil {
		v.o.Logger.Warn("cannot record the use of a secret", "secret", name, "error", err)
	}
}

// Put are the parameters of Vault.Put.
type Put struct {
	// Secret as it becomes. Its Version is one above the stored one; with a Value, its
	// ValueVersion is too.
	Secret secret.Secret
	Value  *string // nil = stays
	Audit  *audit.Entry
}

// Put stores a secret, with the errors of store.Secrets.Put and of the master key.
func (v *Vault) Put(ctx context.Context, p Put) (secret.Secret, error) {
	if p.Value == nil {
		return v.o.Store.Put(ctx, store.PutSecret{Secret: p.Secret, Audit: p.Audit})
	}
	if err := secret.CheckValue(*p.Value); err != nil {
		return secret.Secret{}, err
	}
	master, err := v.writing(ctx)
	if err != nil {
		return secret.Secret{}, err
	}
	c, dataKey := p.Secret, newDataKey()
	return v.o.Store.Put(ctx, store.PutSecret{
		Secret: c, Check: master.Check(), Audit: p.Audit,
		Sealed: &store.SealedValue{
			DataKey:    seal(master.bytes[:], dataKey, keyPlace(c.Tenant, c.Name, c.ValueVersion)),
			Ciphertext: seal(dataKey, []byte(*p.Value), valuePlace(c.Tenant, c.Name, c.ValueVersion)),
		},
	})
}

// Seal encrypts something small of a tenant that is kept elsewhere. Open needs the
// same aad, which says what it is and where it belongs. It stays readable when the
// master key is rotated.
func (v *Vault) Seal(ctx context.Context, tenant, aad string, plain []byte) (string, error) {
	key, err := v.tenantKey(ctx, tenant, true)
	if err != nil {
		return "", err
	}
	return seal(key, plain, place("sealed", tenant, aad)), nil
}

// Open returns what Seal encrypted; secret_unreadable when that was tampered with,
// belongs to another tenant, or was sealed with another aad.
func (v *Vault) Open(ctx context.Context, tenant, aad, sealed string) ([]byte, error) {
	key, err := v.tenantKey(ctx, tenant, false)
	if err != nil {
		return nil, err
	}
	plain, err := unseal(key, sealed, place("sealed", tenant, aad))
	if err != nil {
		return nil, fault.New(fault.SecretUnreadable, "what was encrypted cannot be decrypted")
	}
	return plain, nil
}

// tenantKey is the data key of a tenant, which stays the same for ever.
func (v *Vault) tenantKey(ctx context.Context, tenant string, make bool) ([]byte, error) {
	v.mu.Lock()
	key := v.tenants[tenant]
	v.mu.Unlock()
	if key != nil {
		return key, nil
	}
	// The check first: whoever rotates changes both at once, and then the key cannot
	// be decrypted, which the next attempt can.
	check, err := v.o.Store.Check(ctx)
	if err != nil {
		return nil, err
	}
	stored, err := v.o.Store.DataKey(ctx, store.DataKey{Tenant: tenant})
	if err != nil {
		return nil, err
	}
	var master *Key
	switch {
	case stored != "":
		master, err = v.master(ctx, check)
	case !make:
		return nil, fault.New(fault.SecretUnreadable, "nothing of this tenant was encrypted")
	default:
		if master, err = v.writing(ctx); err == nil {
			stored, err = v.o.Store.DataKey(ctx, store.DataKey{
				Tenant: tenant, Candidate: seal(master.bytes[:], newDataKey(), place("tenant key", tenant)), Check: master.Check(), At: v.o.Clock.Now(),
			})
		}
	}
	if err != nil {
		return nil, err
	}
	if key, err = unseal(master.bytes[:], stored, place("tenant key", tenant)); err != nil {
		return nil, fault.New(fault.SecretUnreadable, "the tenant's data key cannot be decrypted")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tenants[tenant] = key
	return key, nil
}

func newDataKey() []byte {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails
	return key
}

// The places to which ciphertexts are bound.
func keyPlace(tenant, name string, version int64) []byte {
	return place("secret key", tenant, name, strconv.FormatInt(version, 10))
}

func valuePlace(tenant, name string, version int64) []byte {
	return place("secret value", tenant, name, strconv.FormatInt(version, 10))
}
