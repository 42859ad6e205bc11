package app_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/app"
	"github.com/runsheet/runsheet/internal/certificate"
	"github.com/runsheet/runsheet/internal/certificate/certificatetest"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/config"
)

// shifted is the system's clock, set forward.
type shifted struct {
	clock.System
	by *atomic.Int64
}

func (s shifted) Now() time.Time { return s.System.Now().Add(time.Duration(s.by.Load())) }

func TestHTTPS(t *testing.T) {
	t.Parallel()
	c, dir := settings(t), t.TempDir()
	f := certificatetest.Write(t, dir, time.Now().Add(time.Hour))
	c.AdminToken = config.Secret(strings.Repeat("a", 32))
	// No worker: a job would start this test as its supervisor.
	c.TLSCert, c.TLSKey, c.Listen, c.Demo, c.Workers = f.Cert, f.Key, "0.0.0.0:0", true, 0
	clk := shifted{by: &atomic.Int64{}}
	a := app.New(app.Options{Config: c, Clock: clk})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	}()
	local := func() config.Local {
		l, err := config.ReadLocal(c.Data)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	old := local()
	if !strings.HasPrefix(a.URL(), "https://") || !strings.HasPrefix(old.URL, "https://127.0.0.1:") || len(old.Certificate) != 64 {
		t.Fatalf("URL %s, local %s %s", a.URL(), old.URL, old.Certificate)
	}
	get := func(url string, trust *tls.Config) error {
		h := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true, ForceAttemptHTTP2: true}}
		res, err := h.Get(url + "/livez")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		return nil
	}
	pin := func(want string) *tls.Config { return certificate.Pinned(func() string { return want }) }
	if err := get(old.URL, pin(old.Certificate)); err != nil {
		t.Error(err)
	}
	if err := get(old.URL, nil); err == nil {
		t.Error("the system trusts a self-signed certificate")
	}
	if err := get(strings.Replace(old.URL, "https", "http", 1), nil); err == nil {
		t.Error("the server speaks plain HTTP")
	}

	certificatetest.Write(t, dir, time.Now().Add(2*time.Hour))
	for _, path := range []string{f.Cert, f.Key} {
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	clk.by.Store(int64(time.Minute))
	if err := get(old.URL, pin(old.Certificate)); !errors.Is(err, certificate.ErrOther) {
		t.Errorf("with the old certificate: %v", err)
	}
	if now := local(); now.Certificate == old.Certificate || now.Token != old.Token {
		t.Error("the local command line does not learn of the new certificate")
	} else if err := get(now.URL, pin(now.Certificate)); err != nil {
		t.Error(err)
	}
}

func TestStartRefusesAWrongCertificate(t *testing.T) {
	t.Parallel()
	c := settings(t)
	c.TLSCert, c.TLSKey = "/no/such.pem", "/no/such.key"
	if err := app.New(app.Options{Config: c}).Start(t.Context()); err == nil || !strings.Contains(err.Error(), "tls_cert") {
		t.Errorf("err = %v", err)
	}
}
