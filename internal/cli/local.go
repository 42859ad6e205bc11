package cli

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"

	"github.com/runsheet/runsheet/internal/config"
)

// localTransport talks to the server of a data folder. A server that starts
// again has a new token and perhaps a new port: the transport then reads the
// folder's file again, so that whoever waits for a job does not notice.
type localTransport struct {
	data string
	next http.RoundTripper

	mu  sync.Mutex
	now config.Local
}

// RoundTrip implements http.RoundTripper.
func (l *localTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	at := l.now
	l.mu.Unlock()
	res, err := l.send(r, at)
	// Only what certainly did not take effect is sent again here.
	op, dial := errors.AsType[*net.OpError](err)
	lost := dial && op.Op == "dial"
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
	c.Header.Set("Authorization", "Bearer "+at.Token)
	if r.GetBody != nil {
		if c.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	return l.next.RoundTrip(c)
}
