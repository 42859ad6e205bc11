package app_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/app"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestOpenIDProviderIsDown: the server starts, answers tokens, and says that it is
// degraded.
func TestOpenIDProviderIsDown(t *testing.T) {
	t.Parallel()
	p := testsvc.OwnOIDC(t)
	p.Stop(t)
	c := settings(t)
	c.OIDC = config.OIDC{
		Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: config.Secret(p.ClientSecret), Scopes: []string{"openid"}, DefaultRole: "viewer", Tenant: "default",
	}
	a := app.New(app.Options{Config: c})
	if err := a.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	local, err := config.ReadLocal(c.Data)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(path string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+local.Token)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(text)
	}
	if resp, text := get("/readyz"); resp.StatusCode != http.StatusOK || !strings.Contains(text, "degraded") || !strings.Contains(text, "oidc") {
		t.Errorf("readyz: %s %s", resp.Status, text)
	}
	if resp, text := get("/api/session"); resp.StatusCode != http.StatusOK {
		t.Errorf("a token: %s %s", resp.Status, text)
	}
	if resp, _ := get("/api/session/oidc"); resp.Header.Get("Location") != "/ui/account/#error=oidc_unavailable" {
		t.Errorf("login: %s %s", resp.Status, resp.Header.Get("Location"))
	}
	p.Start(t)
	// The provider is left alone for a second after it failed.
	for deadline := (clock.System{}).Now().Add(20 * time.Second); ; {
		if resp, _ := get("/api/session/oidc"); strings.HasPrefix(resp.Header.Get("Location"), p.Issuer+"/authorize?") {
			return
		}
		if (clock.System{}).Now().After(deadline) {
			t.Fatal("the login does not come back")
		}
	}
}
