package app

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/config"
)

// TestPprof: profiles are for administrators, and nobody else sees one.
func TestPprof(t *testing.T) {
	t.Parallel()
	a := New(Options{Config: config.Config{
		Listen: "127.0.0.1:0", Pprof: "127.0.0.1:0", Data: t.TempDir(), Workers: 1, StopGrace: time.Second, LeaseTTL: 30 * time.Second, LogMaxBytes: 1 << 20,
	}})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	cl, err := client.New(client.Options{URL: a.URL(), Token: a.local})
	if err != nil {
		t.Fatal(err)
	}
	operator, err := cl.CreateToken(t.Context(), client.TokenInput{Name: "operator", Roles: []string{"operator"}})
	if err != nil {
		t.Fatal(err)
	}
	get := func(path, token string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.pprof+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if _ = res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap?debug=1", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline", "/debug/pprof/profile?seconds=1"} {
		for token, want := range map[string]int{"": http.StatusUnauthorized, "rst_wrong": http.StatusUnauthorized, operator.Token: http.StatusForbidden, a.local: http.StatusOK} {
			if status, body := get(path, token); status != want || body == "" {
				t.Errorf("%s: %d, want %d: %.80q", path, status, want, body)
			}
		}
	}
	if _, body := get("/debug/pprof/goroutine?debug=1", a.local); !strings.Contains(body, "startPprof") {
		t.Errorf("the goroutines are not this server's: %.200q", body)
	}
	if status, _ := get("/api/jobs", a.local); status != http.StatusNotFound {
		t.Errorf("the port of profiles answers for the API: %d", status)
	}
}

// TestPprofIsOffUnlessWanted: the API's port has no profiles.
func TestPprofIsOffUnlessWanted(t *testing.T) {
	t.Parallel()
	a := New(Options{Config: config.Config{
		Listen: "127.0.0.1:0", Data: t.TempDir(), Workers: 1, StopGrace: time.Second, LeaseTTL: 30 * time.Second, LogMaxBytes: 1 << 20,
	}})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	if a.pprof != "" {
		t.Errorf("profiles are at %s", a.pprof)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL()+"/debug/pprof/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+a.local)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _ = res.Body.Close(); res.StatusCode != http.StatusNotFound {
		t.Errorf("the API's port answers %d", res.StatusCode)
	}
}
