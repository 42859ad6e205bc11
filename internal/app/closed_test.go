package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/llm"
)

// TestOwnPlacesAreClosed: no directive lets work read the server's secrets.
func TestOwnPlacesAreClosed(t *testing.T) {
	t.Parallel()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(root, name) }
	for _, dir := range []string{"data/keys", "data/logs", "shared", "etc", "books"} {
		if err := os.MkdirAll(at(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"data/keys/local.json", "data/logs/x.log", "shared/blob", "etc/runsheet.yaml", "etc/gpu.key", "etc/tls.key", "etc/hosts", "books/a.md", "data.md"} {
		if err := os.WriteFile(at(file), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(at("data"), at("link")); err != nil {
		t.Fatal(err)
	}
	a := &App{o: Options{Config: config.Config{
		Data: at("link"), File: at("etc/runsheet.yaml"), TLSKey: at("etc/tls.key"), BlobURL: "file://" + at("shared"),
		LLM: config.LLM{Servers: []llm.Server{{Name: "gpu", KeyFile: at("etc/gpu.key")}}},
	}}}
	closed, err := a.closed()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"data": true, "data/keys": true, "data/keys/local.json": true, "data/logs/x.log": true, "data/keys/not-there": true, "shared/blob": true,
		"etc/runsheet.yaml": true, "etc/gpu.key": true, "etc/tls.key": true, "etc/hosts": false, "etc": false, "books/a.md": false, "data.md": false,
		"": false,
	} {
		if got := closed(at(name)); got != want {
			t.Errorf("%s: closed = %v", name, got)
		}
	}
	if _, err := os.Stat("/proc/self/environ"); err == nil && !closed("/proc/self/environ") {
		t.Error("the environment of the server can be read")
	}
}
