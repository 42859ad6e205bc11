package cli

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/certificate"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
)

// defaultURL is where a server listens that nobody told anything.
const defaultURL = "http://127.0.0.1:8420"

// connect returns a client for the server that the flags, the environment or
// the data folder name. It does not talk to it.
func (a *app) connect(c *cobra.Command) (*client.Client, error) { return a.connectWith(c, 3) }

// connectLocal is connect for the server of the data folder, whatever URL is set.
func (a *app) connectLocal(c *cobra.Command, retries int) (*client.Client, error) {
	local, data, err := a.local(c)
	if err != nil {
		return nil, err
	}
	return client.New(client.Options{URL: local.URL, UserAgent: "runsheet-cli/" + a.Version, Retries: retries, HTTPClient: localClient(data, local, true)})
}

// connectWith is connect with a number of retries, negative = none.
func (a *app) connectWith(c *cobra.Command, retries int) (*client.Client, error) {
	target, token := a.url, ""
	if target == "" {
		target, _ = a.Env("RUNSHEET_URL")
	}
	if a.tokenFile != "" {
		b, err := os.ReadFile(a.tokenFile)
		if err != nil {
			return nil, usagef("read the token: %v", err)
		}
		token = strings.TrimSpace(string(b))
	} else {
		token, _ = a.Env("RUNSHEET_TOKEN")
	}
	var transport *http.Client
	if target == "" {
		local, data, err := a.local(c)
		switch {
		case err == nil:
			target, transport = local.URL, localClient(data, local, token == "")
		case token != "" && fault.Is(err, fault.NotFound):
			target = defaultURL
		default:
			return nil, err
		}
	}
	if transport == nil {
		var err error
		if transport, err = a.remoteClient(); err != nil {
			return nil, err
		}
	}
	cl, err := client.New(client.Options{URL: target, Token: token, UserAgent: "runsheet-cli/" + a.Version, Retries: retries, HTTPClient: transport})
	if err != nil {
		return nil, usagef("%v", err)
	}
	return cl, nil
}

// remoteClient trusts the authorities of the system, or the one that was named
// instead.
func (a *app) remoteClient() (*http.Client, error) {
	file := a.caFile
	if file == "" {
		file, _ = a.Env("RUNSHEET_CA_FILE")
	}
	if file == "" {
		return plainClient(nil), nil
	}
	trust, err := certificate.Trusting(file)
	if err != nil {
		return nil, usagef("read the authority's certificate: %v", err)
	}
	return plainClient(trust), nil
}

func plainClient(trust *tls.Config) *http.Client {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, ForceAttemptHTTP2: true}
	return &http.Client{Transport: t, CheckRedirect: noRedirect}
}

// noRedirect: the API makes none, and a token must not follow one.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (a *app) local(c *cobra.Command) (local config.Local, data string, err error) {
	data, err = config.DataFolder(config.Sources{Flags: c.Flags(), Env: a.Env})
	if err != nil {
		return config.Local{}, "", err
	}
	local, err = config.ReadLocal(data)
	if fault.Is(err, fault.NotFound) {
		err = &absent{err: err, data: data}
	}
	return local, data, err
}

// absent says that no server of this data folder is known.
type absent struct {
	err  error
	data string
}

func (e *absent) Error() string {
	return "no server runs with the data folder " + e.data
}
func (e *absent) Unwrap() error { return e.err }

// localTransport talks to the server of a data folder. A server that starts
// again has a new token and perhaps a new port, one that got a new certificate
// shows it: the transport then reads the folder's file again, so that whoever
// waits for a job does not notice.
type localTransport struct {
	data string
	next http.RoundTripper
	// token says that requests carry the folder's token, not one of their own.
	token bool

	mu  sync.Mutex
	now config.Local
}

// localClient talks to the server of a data folder, which over HTTPS has to show
// exactly the certificate that the folder names: it may be self-signed and for
// other names.
func localClient(data string, now config.Local, token bool) *http.Client {
	l := &localTransport{data: data, token: token, now: now}
	l.next = &http.Transport{TLSClientConfig: certificate.Pinned(func() string { return l.current().Certificate }), ForceAttemptHTTP2: true}
	return &http.Client{Transport: l, CheckRedirect: noRedirect}
}

func (l *localTransport) current() config.Local {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// RoundTrip implements http.RoundTripper.
func (l *localTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	at := l.current()
	res, err := l.send(r, at)
	// Only what certainly did not take effect is sent again here.
	op, dial := errors.AsType[*net.OpError](err)
	lost := dial && op.Op == "dial" || errors.Is(err, certificate.ErrOther)
	refused := err == nil && res.StatusCode == http.StatusUnauthorized
	if !lost && !refused || r.Body != nil && r.GetBody == nil {
		return res, err
	}
	again, readErr := config.ReadLocal(l.data)
	if readErr != nil || again == at {
		return res, err
	}
	l.mu.Lock()
	l.now = again
	l.mu.Unlock()
	if refused {
		_ = res.Body.Close() // the answer is not needed
	}
	return l.send(r, again)
}

func (l *localTransport) send(r *http.Request, at config.Local) (*http.Response, error) {
	base, err := url.Parse(at.URL)
	if err != nil {
		return nil, err
	}
	c := r.Clone(r.Context())
	c.URL.Scheme, c.URL.Host, c.Host = base.Scheme, base.Host, base.Host
	if l.token {
		c.Header.Set("Authorization", "Bearer "+at.Token)
	}
	if r.GetBody != nil {
		if c.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	return l.next.RoundTrip(c)
}
