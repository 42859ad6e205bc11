package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

// next is the file of the key that a rotation is about to use.
const next = ".new"

// Verify returns nil when no secret was kept yet or the vault has the key of the
// database; otherwise secrets_key_missing or secrets_key_wrong.
func (v *Vault) Verify(ctx context.Context) error {
	check, err := v.o.Store.Check(ctx)
	if err != nil || check == "" {
		return err
	}
	_, err = v.master(ctx, check)
	return err
}

// master returns the key that a check is of.
func (v *Vault) master(_ context.Context, check string) (*Key, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.current != nil && v.current.Check() == check {
		return v.current, nil
	}
	// It may have been rotated: the file is read again.
	given, err := v.given()
	if err != nil {
		return nil, err
	}
	for _, k := range given {
		if k.Check() == check {
			v.current = k
			return k, nil
		}
	}
	if len(given) == 0 {
		return nil, v.missing()
	}
	return nil, fault.New(fault.SecretsKeyWrong, "the secrets in the database are encrypted with another master key than the one that this server was given").
		WithHint("give it the right one; nothing was overwritten")
}

// writing returns the key with which something new is encrypted, and says so in the
// database if it is the first.
func (v *Vault) writing(ctx context.Context) (*Key, error) {
	check, err := v.o.Store.Check(ctx)
	if err != nil {
		return nil, err
	}
	if check == "" {
		k, err := v.first()
		if err != nil {
			return nil, err
		}
		if check, err = v.o.Store.FirstCheck(ctx, k.Check(), v.o.Clock.Now()); err != nil {
			return nil, err
		}
	}
	return v.master(ctx, check)
}

// first returns the key that will be the first of the database. The file is durable
// before anything is encrypted with it.
func (v *Vault) first() (*Key, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	given, err := v.given()
	if err != nil {
		return nil, err
	}
	if len(given) > 0 {
		return given[0], nil
	}
	if !v.o.Create || v.o.File == "" {
		return nil, v.missing()
	}
	k := NewKey()
	if err := WriteKey(v.o.File, k); err != nil {
		return nil, fault.Wrap(err, fault.SecretsKeyMissing, "the key file cannot be made")
	}
	v.o.Logger.Info("made the key of secrets; keep a copy of it apart from backups", "file", v.o.File)
	return k, nil
}

// given are the keys that the vault was given, the usual one first. Its errors are
// faults.
func (v *Vault) given() ([]*Key, error) {
	if v.o.Key != "" {
		k, err := ParseKey(v.o.Key)
		if err != nil {
			return nil, fault.Wrap(err, fault.SecretsKeyWrong, "the key that the server was given cannot be read")
		}
		return []*Key{k}, nil
	}
	if v.o.File == "" {
		return nil, nil
	}
	var out []*Key
	// A rotation that was interrupted may have left the key in the second one.
	for _, path := range []string{v.o.File, v.o.File + next} {
		k, err := ReadKey(path)
		if err != nil {
			return nil, fault.Wrap(err, fault.SecretsKeyMissing, "the key file cannot be read")
		}
		if k != nil {
			out = append(out, k)
		}
	}
	return out, nil
}

func (v *Vault) missing() error {
	f := fault.New(fault.SecretsKeyMissing, "this server has no key for secrets")
	if v.o.File == "" {
		return f.WithHint("give it one in RUNSHEET_SECRETS_KEY")
	}
	return f.WithHint("give it the key in RUNSHEET_SECRETS_KEY or in the file " + v.o.File)
}

// Rotate are the parameters of Vault.Rotate.
type Rotate struct {
	// Next is the new key.
	Next *Key
	// File, if not "", is where the new key is wanted. What is there stays beside it,
	// see Rotated.
	File  string
	At    time.Time
	Audit *audit.Entry
}

// Rotated is what Rotate did.
type Rotated struct {
	// Keys is how many data keys were encrypted anew.
	Keys int
	// Kept is the path of the old key, which backups made before still need; "" = it
	// was in no file.
	Kept string
}

// Rotate encrypts all data keys with another master key. It may be interrupted at any
// point: the key that the database needs is then in the file or in the file with
// ".new" behind its name, and a vault finds it in both.
func (v *Vault) Rotate(ctx context.Context, p Rotate) (Rotated, error) {
	old, err := v.writing(ctx)
	if err != nil {
		return Rotated{}, err
	}
	if old.Check() == p.Next.Check() {
		return Rotated{}, fault.New(fault.InvalidInput, "the new key is the one that is in use")
	}
	if p.File != "" {
		// An interrupted rotation may have left the key that is in use there.
		if err := v.settle(p.File, old); err != nil {
			return Rotated{}, err
		}
		if err := WriteKey(p.File+next, p.Next); err != nil {
			return Rotated{}, err
		}
	}
	var out Rotated
	out.Keys, err = v.o.Store.Rewrap(ctx, store.Rewrap{Old: old.Check(), New: p.Next.Check(), At: p.At, Audit: p.Audit, Wrap: func(k store.WrappedKey) (string, error) {
		where := place("tenant key", k.Tenant)
		if k.Name != "" {
			where = keyPlace(k.Tenant, k.Name, k.ValueVersion)
		}
		plain, err := unseal(old.bytes[:], k.DataKey, where)
		if err != nil {
			return "", fault.Newf(fault.SecretUnreadable, "the data key of %q of the tenant %s cannot be decrypted", k.Name, k.Tenant).
				WithHint("set that secret again, or delete it, then rotate")
		}
		return seal(p.Next.bytes[:], plain, where), nil
	}})
	if err != nil {
		return Rotated{}, err
	}
	if p.File != "" {
		if out.Kept, err = replaceKey(p.File); err != nil {
			return out, err
		}
	}
	return out, nil
}

// settle makes a key file hold the key that is in use.
func (v *Vault) settle(path string, inUse *Key) error {
	now, err := ReadKey(path)
	if err != nil {
		return err
	}
	left, err := ReadKey(path + next)
	if err != nil {
		return err
	}
	if left == nil || left.Check() != inUse.Check() || now != nil && now.Check() == inUse.Check() {
		return nil
	}
	_, err = replaceKey(path)
	return err
}

// replaceKey puts the next key in the place of the present one, which it keeps under
// the beginning of its check.
func replaceKey(path string) (kept string, err error) {
	old, err := ReadKey(path)
	if err != nil {
		return "", err
	}
	if old != nil {
		kept = path + "." + old.Check()[len(format):len(format)+8]
		if err := WriteKey(kept, old); err != nil {
			return "", err
		}
	}
	if err := os.Rename(path+next, path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return kept, fmt.Errorf("replace the key of secrets: %w", err)
	}
	syncFolder(filepath.Dir(path))
	return kept, nil
}
