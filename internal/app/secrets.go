package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/vault"
)

// vaultOptions are those of the configuration. The key file is made only where no
// other instance can have made another one.
func (a *App) vaultOptions(c config.Config) vault.Options {
	return vault.Options{
		Store: a.store.Secrets, Key: c.Secrets.Key.Reveal(), File: c.SecretsKeyFile(), Create: a.exclusive(), Clock: a.o.Clock, Logger: a.log,
	}
}

// openVault makes what opens secrets. A server without the right key starts all the
// same: most of its work needs no secret, and what does is told.
func (a *App) openVault(ctx context.Context) error {
	a.vault = vault.New(a.vaultOptions(a.o.Config))
	if err := a.vault.Verify(ctx); err != nil {
		if !fault.Is(err, fault.SecretsKeyMissing) && !fault.Is(err, fault.SecretsKeyWrong) {
			return fmt.Errorf("check the key of secrets: %w", err)
		}
		a.log.Error("secrets cannot be used", "error", err, "hint", fault.From(err).Hint)
	}
	return nil
}

// RotateKeyOptions are what the command line says about a rotation.
type RotateKeyOptions struct {
	// OldKeyFile has the present key; "" = the configuration says where it is.
	OldKeyFile string
	// NewKeyFile has the new key, or gets one; "" = a new one in the place of the
	// present key file.
	NewKeyFile string
}

// RotatedKey is what a rotation did.
type RotatedKey struct {
	Keys          int
	KeyFile, Kept string
}

// RotateKey encrypts all data keys of the store that c names with another master key.
// With SQLite no server may use it.
func RotateKey(ctx context.Context, c config.Config, o RotateKeyOptions) (out RotatedKey, err error) {
	a := New(Options{Config: c})
	defer func() { err = errors.Join(err, a.Stop()) }()
	if err := a.openOffline(ctx); err != nil {
		return out, err
	}
	old := a.vaultOptions(c)
	old.Create = false
	if o.OldKeyFile != "" {
		old.Key, old.File = "", o.OldKeyFile
	}
	p := vault.Rotate{
		Next: vault.NewKey(), At: a.o.Clock.Now(),
		Audit: &audit.Entry{Tenant: access.DefaultTenant, At: a.o.Clock.Now(), Action: audit.SecretsKeyRotated, Actor: audit.Actor{Name: "command line"}},
	}
	if o.NewKeyFile != "" {
		if p.Next, err = keyIn(o.NewKeyFile); err != nil {
			return out, err
		}
	}
	out.KeyFile = o.NewKeyFile
	if c.Secrets.Key == "" {
		p.File = c.SecretsKeyFile() // where servers look for it
		out.KeyFile = p.File
	} else if o.NewKeyFile == "" {
		return out, fault.New(fault.InvalidInput, "the present key is in the configuration, so the new one needs a file").WithHint("give --new-key-file FILE")
	}
	done, err := vault.New(old).Rotate(ctx, p)
	out.Keys, out.Kept = done.Keys, done.Kept
	return out, err
}

// keyIn reads a key file, or makes it.
func keyIn(path string) (*vault.Key, error) {
	k, err := vault.ReadKey(path)
	if err != nil || k != nil {
		return k, err
	}
	k = vault.NewKey()
	return k, vault.WriteKey(path, k)
}

// openOffline opens the store alone, which must exist.
func (a *App) openOffline(ctx context.Context) (err error) {
	if !a.exclusive() {
		if a.store, err = postgres.Open(ctx, postgres.Options{URL: a.o.Config.DatabaseURL.Reveal(), Clock: a.o.Clock, Log: a.log}); err != nil {
			return err
		}
		a.onStop("store", a.store.Health.Close)
		return nil
	}
	path := filepath.Join(a.o.Config.Data, "runsheet.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fault.Newf(fault.NotFound, "there is no database in %s", a.o.Config.Data).WithHint("name the data folder with --data")
	}
	if err := a.lockData(ctx); err != nil {
		return err
	}
	if a.store, err = sqlite.Open(ctx, sqlite.Options{Path: path, Clock: a.o.Clock}); err != nil {
		return err
	}
	a.onStop("store", a.store.Health.Close)
	return nil
}
