//go:build linux

package e2e

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// readmeBlocks are the sh blocks of the README between two marks.
func readmeBlocks(t *testing.T, mark string) []string {
	t.Helper()
	b, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(b), "<!-- "+mark+" -->")
	part, _, found := strings.Cut(part, "<!-- /"+mark+" -->")
	if !found {
		t.Fatalf("README.md has no part between the marks of %q", mark)
	}
	var out []string
	for _, s := range strings.Split(part, "```sh\n")[1:] {
		s, _, _ = strings.Cut(s, "```")
		out = append(out, s)
	}
	return out
}

// TestReadmeLLM does what the README's part on language models says, with an Ollama
// that has the model already. The port of Runsheet is another, because people use
// the usual one, and so is Ollama's where that is taken.
func TestReadmeLLM(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a model server of its own")
	}
	blocks := readmeBlocks(t, "llm quickstart")
	if len(blocks) != 2 {
		t.Fatalf("%d blocks", len(blocks))
	}
	_, model, _ := strings.Cut(blocks[0], "ollama pull ")
	model, _, _ = strings.Cut(model, "\n")
	dir := t.TempDir()
	env := append(os.Environ(), "RUNSHEET_DATA="+filepath.Join(dir, "data"), "PATH="+dir+"/tools:"+os.Getenv("PATH"))
	var o *testsvc.OllamaServer
	if l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:11434"); err == nil {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		o = testsvc.StockOllama(t)
	} else {
		t.Log("an Ollama of somebody else is at the usual place")
		o = testsvc.OwnOllama(t)
		env = append(env, "RUNSHEET_LLM_URL="+o.URL)
	}
	o.Alias(t, model, testsvc.OllamaTiny)
	addr := testsvc.FreeAddr(t)
	env = append(env, "RUNSHEET_LISTEN="+addr)
	for path, content := range map[string]string{"tools/ollama": "#!/bin/sh\n[ $# = 2 ] && [ $1 = pull ]\n", "bin/.keep": ""} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	if err := os.Symlink(built.runsheet, filepath.Join(dir, "bin", "runsheet")); err != nil {
		t.Fatal(err)
	}
	shell := func(script string) *exec.Cmd {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		t.Cleanup(cancel)
		cmd := exec.CommandContext(ctx, "bash", "-euc", script)
		cmd.Dir, cmd.Env = dir, env
		return cmd
	}
	first, log := shell(blocks[0]), &syncBuffer{}
	first.Stdout, first.Stderr = log, log
	first.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-first.Process.Pid, syscall.SIGTERM)
		_ = first.Wait()
	})
	eventually(t, time.Minute, "the server is ready", func() bool {
		code, _ := request("http://"+addr, http.MethodGet, "/readyz", nil, nil)
		return code == http.StatusOK
	})
	out, err := shell(strings.ReplaceAll(blocks[1], "127.0.0.1:8420", addr)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\nserver:\n%s", err, out, log.tail(4000))
	}
	for _, part := range []string{"robot", "event: queued", "event: token", "event: result", `"success":true`} {
		if !strings.Contains(string(out), part) {
			t.Errorf("no %s in:\n%s", part, out)
		}
	}
}
