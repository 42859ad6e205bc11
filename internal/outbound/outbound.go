// Package outbound is the one way by which the server talks to addresses that
// its users name: http jobs, webhooks, LLM servers, registries.
//
// It keeps a user from reaching, through the server, what only the server can
// reach (server-side request forgery). A request goes to public addresses, and
// to others only where the operator's allow-list (Options.Allow, allow.go) says
// so. What counts is the address that is dialled, at the moment of dialling:
//
//   - The URL is read strictly (target.go): http and https, no user
//     information, no number in disguise of a name.
//   - A name is resolved once for each connection; one forbidden answer
//     condemns all; a checked address is dialled, not the name (dial.go). The
//     socket's Control hook looks again.
//   - A redirect is followed only if asked for, and is a new target like any
//     other (redirect.go).
//   - There is no proxy: neither HTTP_PROXY nor any other variable counts.
//
// Errors are faults with the codes target_*, redirect_not_allowed and
// response_too_large. They name host and reason, never path, query, header or
// body, because those hold secrets.
package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Defaults of Options.
const (
	DefaultMaxResponse    = 10 << 20
	DefaultMaxHeader      = 64 << 10
	DefaultResolveTimeout = 5 * time.Second
	DefaultConnectTimeout = 10 * time.Second
	DefaultTLSTimeout     = 10 * time.Second
)

// Resolver finds the addresses of a name. *net.Resolver is one.
type Resolver interface {
	// LookupNetIP returns the addresses of host; network is "ip".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options configure a Client. The zero value reaches public addresses only.
type Options struct {
	// Allow lists targets that are not public and may be reached all the same:
	// "host:port", see ParseAllow.
	Allow []string
	// LocalOnly refuses public addresses, whatever Allow says: what is sent must not
	// leave the operator's own network.
	LocalOnly bool
	// UserAgent is sent where a request has none of its own; "" = runsheet.
	UserAgent string
	// MaxResponse bounds a response's body, MaxHeader its header, in bytes; 0
	// means the defaults.
	MaxResponse, MaxHeader int64
	// ResolveTimeout, ConnectTimeout and TLSTimeout bound the phases before the
	// request is sent; 0 means the defaults. ConnectTimeout holds for all addresses
	// of a name together.
	ResolveTimeout, ConnectTimeout, TLSTimeout time.Duration
	// HeaderTimeout bounds the wait for the response's header; 0 leaves that to
	// the context, which bounds the whole exchange.
	HeaderTimeout time.Duration
	// Roots are the authorities to trust; nil means the system's.
	Roots *x509.CertPool
	// Resolver is net.DefaultResolver if nil.
	Resolver Resolver
}

// Client sends requests. It is safe for concurrent use.
type Client struct {
	o     Options
	allow allowList
	// connect opens a connection to an address that was checked. Tests replace it.
	connect   func(ctx context.Context, host, address string) (net.Conn, error)
	transport *http.Transport
}

// New returns a client, or a fault that names the entry of Allow which is wrong.
func New(o Options) (*Client, error) {
	if o.UserAgent == "" {
		o.UserAgent = "runsheet"
	}
	for p, d := range map[*int64]int64{&o.MaxResponse: DefaultMaxResponse, &o.MaxHeader: DefaultMaxHeader} {
		if *p == 0 {
			*p = d
		}
	}
	for p, d := range map[*time.Duration]time.Duration{
		&o.ResolveTimeout: DefaultResolveTimeout, &o.ConnectTimeout: DefaultConnectTimeout, &o.TLSTimeout: DefaultTLSTimeout,
	} {
		if *p == 0 {
			*p = d
		}
	}
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	c := &Client{o: o}
	var err error
	if c.allow, err = newAllowList(o.Allow); err != nil {
		return nil, err
	}
	c.connect = c.connectTCP
	// HTTP/2 would put requests of different users on one connection, for nothing
	// that a job or a webhook needs.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	c.transport = &http.Transport{
		Proxy:                  nil,
		DialContext:            c.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout:    o.TLSTimeout,
		ResponseHeaderTimeout:  o.HeaderTimeout,
		MaxResponseHeaderBytes: o.MaxHeader,
		DisableCompression:     true, // limits count the bytes that were sent
		DisableKeepAlives:      true, // each request is resolved and checked anew
		Protocols:              protocols,
	}
	return c, nil
}

// Request is what Do sends.
type Request struct {
	// Method is GET if empty.
	Method string
	URL    string
	// Header must not have fields that belong to the connection; see
	// CheckHeader. It is not modified.
	Header http.Header
	Body   []byte
	// Stream is sent instead of Body, in chunks; nil = Body is sent. It is closed, also
	// when Do fails, but maybe a moment after that.
	Stream io.ReadCloser
	// Redirects is how many redirects are followed, at most MaxRedirects; with 0
	// the redirect itself is the response.
	Redirects int
}

// Do sends r and returns the response. The caller closes its Body, whose Read
// returns faults too, response_too_large beyond Options.MaxResponse. When ctx
// is cancelled the error is its cause; when its deadline passes, target_timeout.
func (c *Client) Do(ctx context.Context, r Request) (*http.Response, error) {
	req, u, err := c.first(ctx, r)
	if err != nil {
		if r.Stream != nil {
			_ = r.Stream.Close() // nothing of it was read
		}
		return nil, err
	}
	for followed := 0; ; followed++ {
		resp, err := c.transport.RoundTrip(req)
		if err != nil {
			return nil, explain(ctx, u.Hostname(), err)
		}
		location := resp.Header.Get("Location")
		if r.Redirects <= 0 || location == "" || !redirects(resp.StatusCode) {
			return c.limited(ctx, req, resp)
		}
		resp.Body.Close()
		if followed >= min(r.Redirects, MaxRedirects) {
			return nil, fault.Newf(fault.RedirectNotAllowed, "%s answers with another redirect after %d", host(u), followed)
		}
		from := u
		if r, u, err = c.follow(r, from, location, resp.StatusCode); err != nil {
			return nil, err
		}
		if req, err = c.request(ctx, r, u); err != nil {
			return nil, err
		}
	}
}

// first makes the first request.
func (c *Client) first(ctx context.Context, r Request) (*http.Request, *url.URL, error) {
	u, err := c.Check(r.URL)
	if err != nil {
		return nil, nil, err
	}
	for name, values := range r.Header {
		for _, v := range values {
			if err := CheckHeader(name, v); err != nil {
				return nil, nil, err
			}
		}
	}
	req, err := c.request(ctx, r, u)
	return req, u, err
}

// request makes the request of one hop.
func (c *Client) request(ctx context.Context, r Request, u *url.URL) (*http.Request, error) {
	var body io.Reader
	switch {
	case r.Stream != nil:
		body = r.Stream
	case len(r.Body) > 0:
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil { // its text holds the URL
		return nil, fault.New(fault.InvalidInput, "the method is not valid")
	}
	for name, values := range r.Header {
		for _, v := range values {
			req.Header.Add(name, v)
		}
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", c.o.UserAgent)
	}
	return req, nil
}

// limited bounds the body of a final response.
func (c *Client) limited(ctx context.Context, req *http.Request, resp *http.Response) (*http.Response, error) {
	if req.Method != http.MethodHead && resp.ContentLength > c.o.MaxResponse {
		resp.Body.Close()
		return nil, c.tooLarge(req.URL.Hostname())
	}
	resp.Body = &body{ctx: ctx, c: c, host: req.URL.Hostname(), rc: resp.Body, left: c.o.MaxResponse}
	return resp, nil
}

func (c *Client) tooLarge(host string) error {
	return fault.Newf(fault.ResponseTooLarge, "the response of %s has more than %d bytes", host, c.o.MaxResponse)
}

// body ends a response at the limit and explains its errors.
type body struct {
	ctx  context.Context
	c    *Client
	host string
	rc   io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	// One byte more than the limit tells a body that fits from one that does not.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.rc.Read(p)
	if int64(n) > b.left {
		return int(b.left), b.c.tooLarge(b.host)
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = explain(b.ctx, b.host, err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error { return b.rc.Close() }
