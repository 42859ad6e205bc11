package certificate_test

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/certificate"
	"github.com/runsheet/runsheet/internal/certificate/certificatetest"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
)

var now = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

type bundle struct {
	dir     string
	files   certificatetest.Files
	clock   *clocktest.Manual
	pair    *certificate.Pair
	changed []string
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{dir: t.TempDir(), clock: clocktest.New(now)}
	b.files = certificatetest.Write(t, b.dir, now.Add(time.Hour))
	var err error
	b.pair, err = certificate.Load(certificate.Options{
		CertFile: b.files.Cert, KeyFile: b.files.Key, Clock: b.clock,
		Changed: func(f string) { b.changed = append(b.changed, f) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// shake makes a handshake with a client that expects a fingerprint.
func (b *bundle) shake(t *testing.T, client *tls.Config) error {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	defer func() { <-done }()
	defer l.Close()
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_ = tls.Server(conn, b.pair.Config()).Handshake() // the client's verdict counts
		_ = conn.Close()
	}()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return tls.Client(conn, client).Handshake()
}

func pin(f string) *tls.Config { return certificate.Pinned(func() string { return f }) }

// later makes the files look changed, however coarse the file system's times
// are.
func (b *bundle) later(t *testing.T, n int) {
	t.Helper()
	for _, f := range []string{b.files.Cert, b.files.Key} {
		if err := os.Chtimes(f, time.Time{}, now.Add(time.Duration(n)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReplacedFilesAreUsedWithoutARestart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.pair.Fingerprint()
	if err := b.shake(t, pin(old)); err != nil {
		t.Fatal(err)
	}
	certificatetest.Write(t, b.dir, now.Add(time.Hour))
	b.later(t, 1)
	b.clock.Advance(9 * time.Second)
	if err := b.shake(t, pin(old)); err != nil {
		t.Error("looked at the files too soon:", err)
	}
	b.clock.Advance(time.Second)
	if err := b.shake(t, pin(old)); !errors.Is(err, certificate.ErrOther) {
		t.Errorf("the old certificate goes on: %v", err)
	}
	if len(b.changed) != 1 || b.changed[0] != b.pair.Fingerprint() || b.changed[0] == old {
		t.Fatalf("changed %q", b.changed)
	}
	if err := b.shake(t, pin(b.changed[0])); err != nil {
		t.Error(err)
	}
}

func TestABrokenNewPairKeepsTheOldOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.pair.Fingerprint()
	other := certificatetest.Write(t, t.TempDir(), now.Add(time.Hour))
	expired := t.TempDir()
	certificatetest.Write(t, expired, now.Add(-time.Hour))
	for i, spoil := range []func() error{
		func() error { return os.WriteFile(b.files.Cert, []byte("nonsense"), 0o600) },
		func() error { return copyFile(other.Cert, b.files.Cert) }, // the key of another
		func() error { return os.Remove(b.files.Key) },
		func() error {
			return errors.Join(copyFile(filepath.Join(expired, "tls.crt"), b.files.Cert), copyFile(filepath.Join(expired, "tls.key"), b.files.Key))
		},
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(b.files.Key); err == nil {
			b.later(t, i+1)
		}
		b.clock.Advance(10 * time.Second)
		if err := b.shake(t, pin(old)); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	// The second file of a new pair arrives later than the first.
	if err := copyFile(other.Cert, b.files.Cert); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(other.Key, b.files.Key); err != nil {
		t.Fatal(err)
	}
	b.later(t, 30)
	b.clock.Advance(10 * time.Second)
	if err := b.shake(t, pin(old)); !errors.Is(err, certificate.ErrOther) || len(b.changed) != 1 {
		t.Errorf("the good pair is not used: %v", err)
	}
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

func TestLoadSaysWhichFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := certificatetest.Write(t, dir, now)
	other := certificatetest.Write(t, t.TempDir(), now)
	for want, o := range map[string]certificate.Options{
		"tls_cert":             {CertFile: filepath.Join(dir, "none"), KeyFile: f.Key},
		"tls_key":              {CertFile: f.Cert, KeyFile: filepath.Join(dir, "none")},
		"do not work together": {CertFile: f.Cert, KeyFile: other.Key},
	} {
		if _, err := certificate.Load(o); !fault.Is(err, fault.InvalidInput) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestTrustingAndOldVersions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	trust, err := certificate.Trusting(b.files.Cert)
	if err != nil {
		t.Fatal(err)
	}
	trust.Time = b.clock.Now
	trust.ServerName = "localhost"
	if err := b.shake(t, trust.Clone()); err != nil {
		t.Error(err)
	}
	trust.ServerName = "example.org"
	if err := b.shake(t, trust.Clone()); err == nil {
		t.Error("a certificate for another name is trusted")
	}
	other := certificatetest.Write(t, t.TempDir(), now.Add(time.Hour))
	if trust, err = certificate.Trusting(other.Cert); err != nil {
		t.Fatal(err)
	}
	trust.Time, trust.ServerName = b.clock.Now, "localhost"
	if err := b.shake(t, trust); err == nil {
		t.Error("a certificate of nobody is trusted")
	}
	old := pin(b.pair.Fingerprint())
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if err := b.shake(t, old); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if _, err := certificate.Trusting(b.files.Key); err == nil {
		t.Error("a key is an authority")
	}
}
