package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/config"
)

// TestRestore: what a server backs up comes back into another folder, with the
// content of artifacts, and a server that starts there owns it.
func TestRestore(t *testing.T) {
	t.Parallel()
	a := openOnly(t, nil)
	a.register(t)
	c := a.attempt(t)
	art := a.keep(t, c, "a", "content")
	a.end(t, c, clock.System{}.Now())
	b, err := a.backup(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := b.WriteTo(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir() // whose database was moved away
	mark := filepath.Join(to, "artifacts", placeName)
	if err := errors.Join(os.Mkdir(filepath.Dir(mark), 0o700), os.WriteFile(mark, []byte("place_gone\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(context.Background(), config.Config{Data: to, Workers: 4}, RestoreOptions{
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file.Bytes())), nil },
	}); err != nil {
		t.Fatal(err)
	}
	back := openOnly(t, func(c *config.Config) { c.Data = to })
	if !back.has(t, art.SHA256) || !back.owned {
		t.Errorf("restored: content %t, owned %t", back.has(t, art.SHA256), back.owned)
	}
}
