//go:build unix

package testsvc

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// OIDCProvider is an OpenID provider on a free loopback port. It has one client,
// which may be called back at OIDCCallback on any port of 127.0.0.1 and must use
// PKCE, and signs with RS256.
type OIDCProvider struct {
	// Issuer is its URL, http://127.0.0.1:PORT.
	Issuer string
	// ClientID and ClientSecret are those of the client.
	ClientID, ClientSecret string

	bin, base string
}

// OIDCCallback is the path at which the provider's client may be called back.
const OIDCCallback = "/api/session/oidc/callback"

// OIDCPerson is somebody whom an OIDCProvider knows.
type OIDCPerson struct {
	Password string `json:"password"`
	Subject  string `json:"subject"`
	// IDToken are claims in the ID token, UserInfo those that only the userinfo
	// endpoint tells.
	IDToken  map[string]any `json:"id_token"`
	UserInfo map[string]any `json:"userinfo"`
}

// sharedOIDC is the provider of this test binary.
type sharedOIDC struct {
	once     sync.Once
	err      error
	provider *OIDCProvider
}

var openID sharedOIDC

// OIDC returns a provider that the tests of a binary share, so each should have
// people of its own.
func OIDC(t testing.TB) *OIDCProvider {
	t.Helper()
	openID.once.Do(func() { openID.provider, openID.err = startOIDC() })
	must(t, openID.err)
	return openID.provider
}

// OwnOIDC is OIDC for the test alone, which may stop it.
func OwnOIDC(t testing.TB) *OIDCProvider {
	t.Helper()
	p, err := startOIDC()
	must(t, err)
	t.Cleanup(func() { p.Stop(t) })
	return p
}

// Stop kills the provider. Its keys and people are gone.
func (p *OIDCProvider) Stop(t testing.TB) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(p.base, "pid"))
	if errors.Is(err, os.ErrNotExist) {
		return // stopped before
	}
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	must(t, err)
	// The guardian does not wait for its child before we end, so the number stays
	// the child's: at worst it is dead already.
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
	must(t, os.RemoveAll(p.base))
}

// Start starts a stopped provider again, at the same address, with new keys and
// without people.
func (p *OIDCProvider) Start(t testing.TB) {
	t.Helper()
	must(t, p.serve())
}

// Put adds or replaces a person, who logs in by name.
func (p *OIDCProvider) Put(t testing.TB, name string, who OIDCPerson) {
	t.Helper()
	must(t, p.put(t.Context(), name, who))
}

func (p *OIDCProvider) put(ctx context.Context, name string, who OIDCPerson) error {
	body, err := json.Marshal(who)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, p.Issuer+"/people/"+url.PathEscape(name), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+p.ClientSecret)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the provider answers %s", resp.Status)
	}
	return nil
}

func startOIDC() (*OIDCProvider, error) {
	bin, err := tool("oidcprovider")
	if err != nil {
		return nil, err
	}
	p := &OIDCProvider{bin: bin, ClientID: "runsheet-test", ClientSecret: rand.Text()}
	// Another process can take the free port before the provider does.
	for range 3 {
		var addr string
		if addr, err = freeAddr(); err != nil {
			return nil, err
		}
		p.Issuer = "http://" + addr
		if err = p.serve(); err == nil {
			return p, nil
		}
	}
	return nil, err
}

func (p *OIDCProvider) serve() (err error) {
	if p.base, err = s3Account.folder("oidc"); err != nil {
		return err
	}
	return s3Account.serve(p.base, syscall.SIGKILL, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return p.put(ctx, "nobody", OIDCPerson{Password: rand.Text(), Subject: "nobody"}) // only ours knows the secret
	}, p.bin, "--listen", strings.TrimPrefix(p.Issuer, "http://"), "--client", p.ClientID, "--secret", p.ClientSecret,
		"--redirect", "http://127.0.0.1"+OIDCCallback)
}
