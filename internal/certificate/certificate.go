// Package certificate keeps the server's TLS certificate fresh, and lets the
// command line of the same machine trust exactly that one.
//
//	pair, err := certificate.Load(certificate.Options{CertFile: c, KeyFile: k, Log: log})
//	srv.TLSConfig = pair.Config()
//
// The files may be replaced while the server runs, as certbot and its like do:
// at a handshake, but not more often than every ten seconds, their times are
// compared, and a pair that changed is read again. A new pair that does not work
// is logged and the old one goes on. No goroutine runs.
package certificate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
)

// checkEvery is the least time between two looks at the files.
const checkEvery = 10 * time.Second

// Options of a Pair. The files are required.
type Options struct {
	// CertFile holds the certificate, then those of its issuers, as PEM.
	CertFile string
	// KeyFile holds the private key as PEM.
	KeyFile string
	// Changed is called with the new fingerprint before the first handshake that
	// uses it; nil = nobody wants to know. It must not call the Pair.
	Changed func(fingerprint string)
	Clock   clock.Clock  // nil = the system's
	Log     *slog.Logger // nil = nothing is logged
}

// Pair is a certificate with its key. It is safe for concurrent use.
type Pair struct {
	o Options

	mu      sync.Mutex
	current *tls.Certificate
	files   state // as they were when they were last read
	looked  time.Time
}

// state tells whether files were changed.
type state struct {
	certAt, keyAt     time.Time
	certSize, keySize int64
}

// Load reads the files. The error is a fault with code invalid_input that names
// the file; it never holds a part of the key.
func Load(o Options) (*Pair, error) {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pair{o: o}
	files, err := p.stat()
	if err != nil {
		return nil, err
	}
	cert, err := p.read()
	if err != nil {
		return nil, err
	}
	p.current, p.files, p.looked = cert, files, o.Clock.Now()
	if p.looked.After(cert.Leaf.NotAfter) {
		o.Log.Warn("the TLS certificate has expired", "file", o.CertFile, "expired_at", cert.Leaf.NotAfter)
	}
	return p, nil
}

// Config is a server's TLS configuration: TLS 1.2 or newer, HTTP/2 and HTTP/1.1.
func (p *Pair) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.fresh(), nil },
	}
}

// Fingerprint is the SHA-256 of the certificate in use, in hex.
func (p *Pair) Fingerprint() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fingerprint(p.current.Leaf)
}

// Leaf is the certificate in use. It must not be changed.
func (p *Pair) Leaf() *x509.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current.Leaf
}

// fresh returns the certificate for a handshake.
func (p *Pair) fresh() *tls.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.o.Clock.Now()
	if since := now.Sub(p.looked); since >= 0 && since < checkEvery {
		return p.current
	}
	p.looked = now
	files, err := p.stat()
	if err != nil {
		p.o.Log.Warn("cannot look at the TLS certificate, the old one goes on", "error", err)
		return p.current
	}
	if files == p.files {
		return p.current
	}
	// Remembered also when the pair does not work: it is tried once, and again
	// when the other file of the pair arrives.
	p.files = files
	cert, err := p.read()
	if err == nil && now.After(cert.Leaf.NotAfter) {
		err = fmt.Errorf("it expired at %s", cert.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if err != nil {
		p.o.Log.Warn("the new TLS certificate does not work, the old one goes on", "error", err)
		return p.current
	}
	p.current = cert
	p.o.Log.Info("TLS certificate replaced", "expires_at", cert.Leaf.NotAfter)
	if p.o.Changed != nil {
		p.o.Changed(fingerprint(cert.Leaf))
	}
	return cert
}

func (p *Pair) stat() (state, error) {
	cert, err := os.Stat(p.o.CertFile)
	if err != nil {
		return state{}, fault.Wrap(err, fault.InvalidInput, "tls_cert: "+err.Error())
	}
	key, err := os.Stat(p.o.KeyFile)
	if err != nil {
		return state{}, fault.Wrap(err, fault.InvalidInput, "tls_key: "+err.Error())
	}
	return state{certAt: cert.ModTime(), keyAt: key.ModTime(), certSize: cert.Size(), keySize: key.Size()}, nil
}

func (p *Pair) read() (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(p.o.CertFile, p.o.KeyFile)
	if err == nil && cert.Leaf == nil {
		cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0])
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidInput, fmt.Sprintf("tls_cert %s and tls_key %s do not work together: %v", p.o.CertFile, p.o.KeyFile, err))
	}
	return &cert, nil
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// ErrOther says that a server showed another certificate than the expected one.
var ErrOther = errors.New("the server shows another certificate than the data folder says")

// Pinned is a client's TLS configuration that accepts exactly the certificate
// whose fingerprint want returns at the time of the handshake, whatever names it
// has and whoever issued it. Everything else fails with ErrOther.
func Pinned(want func() string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The comparison below is stricter than the one that is left out.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || fingerprint(s.PeerCertificates[0]) != want() {
				return ErrOther
			}
			return nil
		},
	}
}

// Trusting is a client's TLS configuration that accepts the certificates that
// the authorities in a PEM file have issued, and no others.
func Trusting(file string) (*tls.Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}
