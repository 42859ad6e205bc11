package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/app"
)

// call makes a request and returns the status and the body.
func call(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() // only read
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// TestFirstStartOffersALink, by which the first administrator is made, once.
func TestFirstStartOffersALink(t *testing.T) {
	t.Parallel()
	c := settings(t)
	file := filepath.Join(c.Data, "keys", "setup_link")
	start := func(said *bytes.Buffer) *app.App {
		t.Helper()
		a := app.New(app.Options{Config: c, Announce: said})
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		return a
	}
	var said bytes.Buffer
	a := start(&said)
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	link := strings.TrimSpace(string(written))
	page, code, found := strings.Cut(link, "#setup=")
	if !found || page != a.URL()+"/ui/setup" || !strings.Contains(said.String(), link) {
		t.Errorf("link %q, said %q", link, said.String())
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if status, body := call(t, "GET", page, ""); status != 200 || !strings.Contains(body, `id="root"`) {
		t.Errorf("page: %d %s", status, body)
	}
	body := fmt.Sprintf(`{"code":%q,"name":"ann","password":"correct horse battery"}`, code)
	if status, answer := call(t, "POST", a.URL()+"/api/setup", body); status != 201 {
		t.Errorf("set up: %d %s", status, answer)
	}
	if status, _ := call(t, "POST", a.URL()+"/api/setup", body); status != 404 {
		t.Errorf("set up again: %d", status)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the link is still there: %v", err)
	}
	said.Reset()
	a = start(&said)
	defer func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) || strings.Contains(said.String(), "setup=") {
		t.Errorf("a second link: %v, said %q", err, said.String())
	}
}
