package vault_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/secret"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/vault"
)

const (
	tenant = access.DefaultTenant
	value  = "canary-value-of-a-secret"
)

var base = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type bundle struct {
	t     *testing.T
	st    store.Store
	clock *clocktest.Manual
	file  string
	log   bytes.Buffer
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{t: t, clock: clocktest.New(base), file: filepath.Join(t.TempDir(), "secrets.key")}
	st, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "v.db"), Clock: b.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	b.st = st
	return b
}

func (b *bundle) vault(edit ...func(*vault.Options)) *vault.Vault {
	o := vault.Options{Store: b.st.Secrets, File: b.file, Create: true, Clock: b.clock, Logger: slog.New(slog.NewTextHandler(&b.log, nil))}
	for _, e := range edit {
		e(&o)
	}
	return vault.New(o)
}

func given(k *vault.Key) func(*vault.Options) {
	return func(o *vault.Options) { o.Key, o.File = k.Text(), "" }
}

func anywhere() []secret.Grant {
	return []secret.Grant{{WorkflowID: "*", Kinds: []string{"*"}, Hosts: []string{"*"}}}
}

var use = secret.Use{WorkflowID: "w", Kind: "action/api_call", Host: "api.example.com:443"}

func (b *bundle) put(v *vault.Vault, name, value string, version int64) error {
	_, err := v.Put(b.t.Context(), vault.Put{Value: &value, Secret: secret.Secret{
		Tenant: tenant, Name: name, Grants: anywhere(), Version: version, ValueVersion: version, CreatedAt: base, UpdatedAt: base, ValueAt: base,
	}})
	return err
}

func (b *bundle) mustPut(v *vault.Vault, name, value string, version int64) {
	b.t.Helper()
	if err := b.put(v, name, value, version); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) want(v *vault.Vault, name, want string) {
	b.t.Helper()
	if got, err := v.Value(b.t.Context(), tenant, name, use); err != nil || got != want {
		b.t.Errorf("%s is %q, %v", name, got, err)
	}
}

func wantCode(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("got %v, want %s", err, code)
	}
	if err != nil && strings.Contains(fmt.Sprintf("%+v %#v", err, err), value) {
		t.Errorf("the error shows the value")
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := b.vault()
	if err := v.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(b.file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key was made before it is needed: %v", err)
	}
	b.mustPut(v, "A", value, 1)
	info, err := os.Stat(b.file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	b.want(v, "A", value)
	b.want(b.vault(), "A", value)
	b.mustPut(v, "A", "another", 2)
	b.want(v, "A", "another")
	_, err = v.Value(t.Context(), tenant, "B", use)
	wantCode(t, err, fault.SecretNotFound)
	_, err = v.Value(t.Context(), "other", "A", use)
	wantCode(t, err, fault.SecretNotFound)
	if err := v.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if s := fmt.Sprintf("%v %#v", vault.NewKey(), vault.NewKey()); strings.Trim(s, "* ") != "" {
		t.Errorf("a key shows as %s", s)
	}
}

func TestGrants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := b.vault()
	text := value
	s := secret.Secret{Tenant: tenant, Name: "A", Version: 1, ValueVersion: 1, CreatedAt: base}
	if _, err := v.Put(t.Context(), vault.Put{Secret: s, Value: &text}); err != nil {
		t.Fatal(err)
	}
	_, err := v.Value(t.Context(), tenant, "A", use)
	wantCode(t, err, fault.SecretNotGranted)
	s.Version, s.Grants = 2, []secret.Grant{{WorkflowID: "w", Kinds: []string{"action/*"}, Hosts: []string{"api.example.com"}}}
	if _, err := v.Put(t.Context(), vault.Put{Secret: s}); err != nil {
		t.Fatal(err)
	}
	b.want(v, "A", value)
	for _, u := range []secret.Use{{WorkflowID: "x", Kind: use.Kind, Host: use.Host}, {WorkflowID: "w", Kind: "data/http", Host: use.Host}, {WorkflowID: "w", Kind: use.Kind, Host: "evil.net:443"}, {WorkflowID: "w", Kind: use.Kind}} {
		_, err := v.Value(t.Context(), tenant, "A", u)
		wantCode(t, err, fault.SecretNotGranted)
	}
}

func TestLastUse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := b.vault()
	b.mustPut(v, "A", value, 1)
	for _, c := range []struct{ step, want time.Duration }{{0, 0}, {59 * time.Second, 0}, {time.Second, time.Minute}, {time.Hour, time.Hour + time.Minute}} {
		b.clock.Advance(c.step)
		b.want(v, "A", value)
		s, err := b.st.Secrets.Secret(t.Context(), tenant, "A")
		if err != nil || !s.Secret.LastUsedAt.Equal(base.Add(c.want)) {
			t.Errorf("after %v: used %v, %v", c.step, s.Secret.LastUsedAt, err)
		}
	}
}

// TestWrongKey: an instance with another key, or none, refuses and changes nothing.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	right := vault.NewKey()
	v := b.vault(given(right))
	b.mustPut(v, "A", value, 1)
	sealed, err := v.Seal(t.Context(), tenant, "x", []byte("input"))
	if err != nil {
		t.Fatal(err)
	}
	for code, other := range map[fault.Code]*vault.Vault{
		fault.SecretsKeyWrong:   b.vault(given(vault.NewKey())),
		fault.SecretsKeyMissing: b.vault(),
	} {
		wantCode(t, other.Verify(t.Context()), code)
		_, err := other.Value(t.Context(), tenant, "A", use)
		wantCode(t, err, code)
		wantCode(t, b.put(other, "B", "other", 1), code)
		wantCode(t, b.put(other, "A", "other", 2), code)
		_, err = other.Seal(t.Context(), tenant, "x", nil)
		wantCode(t, err, code)
		_, err = other.Open(t.Context(), tenant, "x", sealed)
		wantCode(t, err, code)
	}
	if _, err := os.Stat(b.file); !errors.Is(err, os.ErrNotExist) {
		t.Error("a second key was made for a database that has one")
	}
	b.want(v, "A", value)
	nobody := b.vault(func(o *vault.Options) { o.Create = false; o.File = b.file + ".none" })
	wantCode(t, nobody.Verify(t.Context()), fault.SecretsKeyMissing)
	empty := setup(t)
	wantCode(t, empty.put(empty.vault(func(o *vault.Options) { o.Create = false }), "A", value, 1), fault.SecretsKeyMissing)
	wantCode(t, empty.put(empty.vault(func(o *vault.Options) { o.Key = "short" }), "A", value, 1), fault.SecretsKeyWrong)
}

// TestFirstKeyOnce: of several instances with different keys one sets the key.
func TestFirstKeyOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		v := b.vault(given(vault.NewKey()))
		wg.Go(func() { errs[i] = b.put(v, fmt.Sprint("S", i), value, 1) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantCode(t, err, fault.SecretsKeyWrong)
	}
	if won != 1 {
		t.Errorf("%d keys are in use", won)
	}
}

// TestBound: ciphertexts cannot be exchanged between rows, versions or tenants, nor
// changed.
func TestBound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := b.vault()
	b.mustPut(v, "A", value, 1)
	b.mustPut(v, "B", "value of b", 1)
	a, err := b.st.Secrets.Secret(t.Context(), tenant, "A")
	if err != nil {
		t.Fatal(err)
	}
	version := int64(1)
	plant := func(s store.SealedValue, valueVersion int64) {
		t.Helper()
		version++
		c := a.Secret
		c.Name, c.Version, c.ValueVersion = "B", version, valueVersion
		if _, err := b.st.Secrets.Put(t.Context(), store.PutSecret{Secret: c, Sealed: &s, Check: a.Check}); err != nil {
			t.Fatal(err)
		}
		_, err := v.Value(t.Context(), tenant, "B", use)
		wantCode(t, err, fault.SecretUnreadable)
	}
	other, err := b.st.Secrets.Secret(t.Context(), tenant, "B")
	if err != nil {
		t.Fatal(err)
	}
	plant(a.Sealed, 1)
	plant(store.SealedValue{DataKey: other.Sealed.DataKey, Ciphertext: a.Sealed.Ciphertext}, 1)
	plant(other.Sealed, 2)
	for i := range len(other.Sealed.Ciphertext) {
		if i%9 == 0 {
			c := []byte(other.Sealed.Ciphertext)
			c[i] ^= 1
			plant(store.SealedValue{DataKey: other.Sealed.DataKey, Ciphertext: string(c)}, 1)
		}
	}
	plant(store.SealedValue{}, 1)
}

func TestSeal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := b.vault()
	_, err := v.Open(t.Context(), tenant, "run_1", "1.xx")
	wantCode(t, err, fault.SecretUnreadable)
	sealed, err := v.Seal(t.Context(), tenant, "run_1", []byte(value))
	if err != nil || strings.Contains(sealed, value) {
		t.Fatal(sealed, err)
	}
	again, err := v.Seal(t.Context(), tenant, "run_1", []byte(value))
	if err != nil || again == sealed {
		t.Error("the same text is encrypted the same", err)
	}
	for _, reader := range []*vault.Vault{v, b.vault()} {
		if got, err := reader.Open(t.Context(), tenant, "run_1", sealed); err != nil || string(got) != value {
			t.Errorf("got %q, %v", got, err)
		}
		for _, bad := range []string{"", "1.", sealed[2:], sealed + "A", sealed[:len(sealed)-2]} {
			_, err := reader.Open(t.Context(), tenant, "run_1", bad)
			wantCode(t, err, fault.SecretUnreadable)
		}
		_, err = reader.Open(t.Context(), tenant, "run_2", sealed)
		wantCode(t, err, fault.SecretUnreadable)
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	k := vault.NewKey()
	raw, err := vault.ParseKey(" " + strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(k.Text()), "=") + "\n")
	if err != nil || raw.Check() != k.Check() {
		t.Error(err)
	}
	if h, err := vault.ParseKey(hex.EncodeToString(bytes.Repeat([]byte{7}, 32))); err != nil || h.Check() == k.Check() {
		t.Error(err)
	}
	for _, bad := range []string{"", "canary", strings.Repeat("A", 42), strings.Repeat("A", 44), strings.Repeat("0", 62), strings.Repeat("ä", 43)} {
		if _, err := vault.ParseKey(bad); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
