package app

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// keyOf starts as much of a server as has a body key, and stops it.
func keyOf(t *testing.T, c config.Config) []byte {
	t.Helper()
	a := New(Options{Config: c})
	for _, step := range []func(context.Context) error{a.lockData, a.openReserve, a.openStore} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	key, err := a.bodyKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	return key
}

// TestServersOfOneDatabaseShareTheBodyKey: a repetition is recognised whichever of
// them it reaches. The first keeps the key that its data folder came with.
func TestServersOfOneDatabaseShareTheBodyKey(t *testing.T) {
	t.Parallel()
	url := config.Secret(testsvc.DurablePostgres(t))
	one, two := config.Config{Data: t.TempDir(), Workers: 1, DatabaseURL: url}, config.Config{Data: t.TempDir(), Workers: 1, DatabaseURL: url}
	brought := bytes.Repeat([]byte{7}, bodyKeyBytes)
	if err := os.MkdirAll(filepath.Join(one.Data, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(one.Data, "keys", "body_key")
	if err := os.WriteFile(file, []byte(hex.EncodeToString(brought)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, second, again := keyOf(t, one), keyOf(t, two), keyOf(t, two)
	if !bytes.Equal(first, brought) || !bytes.Equal(second, brought) || !bytes.Equal(again, brought) {
		t.Errorf("keys %x, %x and %x", first, second, again)
	}
	if err := os.WriteFile(file, []byte("too short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := New(Options{Config: one})
	if _, err := a.bodyKey(t.Context()); err == nil {
		t.Error("a broken file counts as a key")
	}
}

// TestOwnDataFolderHasTheBodyKey: there the database alone tells nothing.
func TestOwnDataFolderHasTheBodyKey(t *testing.T) {
	t.Parallel()
	c := config.Config{Data: t.TempDir(), Workers: 1}
	first, second := keyOf(t, c), keyOf(t, c)
	if len(first) != bodyKeyBytes || !bytes.Equal(first, second) {
		t.Errorf("keys %x and %x", first, second)
	}
	for _, name := range []string{"runsheet.db", "runsheet.db-wal"} {
		b, err := os.ReadFile(filepath.Join(c.Data, name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(hex.EncodeToString(first))) || bytes.Contains(b, first) {
			t.Errorf("%s holds the key", name)
		}
	}
}
