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
	get := func(path string) (status int, location, text string) {
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
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("Location"), string(b)
	}
	if status, _, text := get("/readyz"); status != http.StatusOK || !strings.Contains(text, "degraded") || !strings.Contains(text, "oidc") {
		t.Errorf("readyz: %d %s", status, text)
	}
	if status, _, text := get("/api/session"); status != http.StatusOK {
		t.Errorf("a token: %d %s", status, text)
	}
	if status, to, _ := get("/api/session/oidc"); status != http.StatusSeeOther || to != "/ui/login#error=oidc_unavailable" {
		t.Errorf("login: %d %s", status, to)
	}
	p.Start(t)
	// The provider is left alone for a second after it failed.
	for deadline := (clock.System{}).Now().Add(time.Minute); ; {
		if _, to, _ := get("/api/session/oidc"); strings.HasPrefix(to, p.Issuer+"/authorize?") {
			return
		}
		if (clock.System{}).Now().After(deadline) {
			t.Fatal("the login does not come back")
		}
	}
}
