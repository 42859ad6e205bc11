package vault_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/vault"
)

func (b *bundle) rotate(v *vault.Vault, file string) (vault.Rotated, error) {
	return v.Rotate(b.t.Context(), vault.Rotate{Next: vault.NewKey(), File: file, At: base})
}

func TestRotateFile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := b.vault()
	b.mustPut(v, "A", value, 1)
	sealed, err := v.Seal(t.Context(), tenant, "x", []byte("input"))
	if err != nil {
		t.Fatal(err)
	}
	before, err := vault.ReadKey(b.file)
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.rotate(b.vault(), b.file)
	if err != nil || out.Keys != 2 {
		t.Fatal(out, err)
	}
	if kept, err := vault.ReadKey(out.Kept); err != nil || kept.Check() != before.Check() {
		t.Errorf("the old key is not kept: %v", err)
	}
	for _, path := range []string{b.file, out.Kept} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if left, err := filepath.Glob(b.file + ".*"); err != nil || len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
	// A vault that lives on finds the new key by itself.
	for _, reader := range []*vault.Vault{v, b.vault()} {
		b.want(reader, "A", value)
		if got, err := reader.Open(t.Context(), tenant, "x", sealed); err != nil || string(got) != "input" {
			t.Errorf("sealed is %q, %v", got, err)
		}
	}
	b.mustPut(v, "A", "another", 2)
	b.want(b.vault(), "A", "another")
	_, err = b.vault(given(before)).Value(t.Context(), tenant, "A", use)
	wantCode(t, err, fault.SecretsKeyWrong)
}

func TestRotateGiven(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old, fresh := vault.NewKey(), vault.NewKey()
	v := b.vault(given(old))
	b.mustPut(v, "A", value, 1)
	_, err := v.Rotate(t.Context(), vault.Rotate{Next: old, At: base})
	wantCode(t, err, fault.InvalidInput)
	if out, err := v.Rotate(t.Context(), vault.Rotate{Next: fresh, At: base}); err != nil || out.Keys != 1 || out.Kept != "" {
		t.Fatal(out, err)
	}
	wantCode(t, b.put(v, "B", value, 1), fault.SecretsKeyWrong)
	b.want(b.vault(given(fresh)), "A", value)
}

// breaking fails before or after a rewrap, as a crash does.
type breaking struct {
	store.Secrets
	after bool
}

var errCrash = errors.New("crash")

func (s breaking) Rewrap(ctx context.Context, p store.Rewrap) (int, error) {
	if s.after {
		if n, err := s.Secrets.Rewrap(ctx, p); err != nil {
			return n, err
		}
	}
	return 0, errCrash
}

// TestRotateInterrupted: whenever a rotation is interrupted, the secrets can be read,
// and the next one succeeds.
func TestRotateInterrupted(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		b := setup(t)
		b.mustPut(b.vault(), "A", value, 1)
		broken := b.vault(func(o *vault.Options) { o.Store = breaking{b.st.Secrets, after} })
		if _, err := b.rotate(broken, b.file); !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		b.want(b.vault(), "A", value)
		b.mustPut(b.vault(), "B", "value of b", 1)
		if _, err := b.rotate(b.vault(), b.file); err != nil {
			t.Fatal(err)
		}
		b.want(b.vault(), "A", value)
		b.want(b.vault(), "B", "value of b")
		if _, err := os.Stat(b.file + ".new"); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
}
