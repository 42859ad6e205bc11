package app

import (
	"context"
	"net"
	"net/http"

	"github.com/runsheet/runsheet/internal/certificate"
	"github.com/runsheet/runsheet/internal/config"
)

// loadCertificate reads the certificate, if there is one, so that a wrong one
// stops the start early.
func (a *App) loadCertificate(context.Context) (err error) {
	if !a.o.Config.TLS() {
		return nil
	}
	a.pair, err = certificate.Load(certificate.Options{
		CertFile: a.o.Config.TLSCert, KeyFile: a.o.Config.TLSKey, Clock: a.o.Clock, Log: a.log,
		Changed: func(fingerprint string) {
			// Before anybody sees the new certificate, so that the command line that
			// meets it finds it in the folder.
			if err := a.writeLocal(fingerprint); err != nil {
				a.log.Warn("the local command line cannot learn the new certificate", "error", err)
			}
		},
	})
	return err
}

// writeLocal tells the command line of this machine how to reach the server.
func (a *App) writeLocal(fingerprint string) error {
	return config.WriteLocal(a.o.Config.Data, config.Local{URL: a.localURL(), Token: a.local, Certificate: fingerprint})
}

func (a *App) fingerprint() string {
	if a.pair == nil {
		return ""
	}
	return a.pair.Fingerprint()
}

func (a *App) scheme() string {
	if a.pair != nil {
		return "https://"
	}
	return "http://"
}

// localURL is URL for programs on this machine: a server that listens on all
// addresses is reached by loopback's.
func (a *App) localURL() string {
	addr, ok := a.listener.Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsUnspecified() {
		return a.URL()
	}
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return a.URL()
	}
	// The listener of all IPv6 addresses takes IPv4's too, except where IPv4 is
	// off; one of all IPv4 addresses takes only those.
	return a.scheme() + net.JoinHostPort("127.0.0.1", port)
}

// localClient reaches this server from inside.
func (a *App) localClient() *http.Client {
	t := &http.Transport{}
	if a.pair != nil {
		t.TLSClientConfig = certificate.Pinned(a.pair.Fingerprint)
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer serves requests until the server is closed.
func (a *App) answer(srv *http.Server) error {
	if a.pair == nil {
		return srv.Serve(a.listener)
	}
	srv.TLSConfig = a.pair.Config()
	return srv.ServeTLS(a.listener, "", "")
}
