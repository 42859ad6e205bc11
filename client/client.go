package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Options of a Client.
type Options struct {
	// URL is the server's base, for example http://127.0.0.1:8420. Required.
	URL string
	// Token is sent as bearer token; "" sends none.
	Token string
	// HTTPClient makes the requests; nil = a client of its own without a time
	// limit (contexts limit requests). Redirects should stay off: the API makes
	// none, and a token must not follow one.
	HTTPClient *http.Client
	// Retries is how often a request is repeated after the first attempt;
	// 0 = 4, negative = never.
	Retries int
	// UserAgent names the program; "" = "runsheet-client".
	UserAgent string
}

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	base    string
	token   string
	http    *http.Client
	retries int
	agent   string
}

// Call modifies one request. The zero value is ready.
type Call struct {
	// IdempotencyKey makes a POST repeatable for 24 hours across processes: a
	// second request with the same key and body gets the first one's answer.
	// "" = a random key for this call.
	IdempotencyKey string
	// Wait asks the server to answer only when the job has ended, or after this
	// time (whole seconds, 300 s at most). 0 = at once.
	Wait time.Duration
	// IfMatch is an ETag: the change is refused with version_mismatch when the
	// object has another one. "" = whatever it has.
	IfMatch string
}

// New returns a client. It does not connect.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("client: %q is not the URL of a server, such as http://127.0.0.1:8420", o.URL)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("client: the URL of a server has no user, query or fragment")
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, errors.New("client: the token contains control characters")
	}
	c := &Client{base: strings.TrimSuffix(o.URL, "/"), token: o.Token, http: o.HTTPClient, retries: o.Retries, agent: o.UserAgent}
	if c.http == nil {
		c.http = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if c.retries == 0 {
		c.retries = 4
	}
	if c.agent == "" {
		c.agent = "runsheet-client"
	}
	return c, nil
}

// URL is the server's base without a slash at the end.
func (c *Client) URL() string { return c.base }

// maxAnswer bounds a JSON answer in bytes.
const maxAnswer = 64 << 20

// request is one operation, ready to be sent more than once.
type request struct {
	method string
	path   string
	query  url.Values
	body   []byte
	media  string
	accept string
	call   Call
	// plain: a POST without an idempotency key, because it is about a secret. It is
	// repeated only if nothing of it arrived.
	plain bool
}

// send carries r out and decodes the answer into out, unless out is nil.
func (c *Client) send(ctx context.Context, r request, out any) error {
	if r.method == http.MethodPost && !r.plain && r.call.IdempotencyKey == "" {
		r.call.IdempotencyKey = rand.Text()
	}
	return c.retry(ctx, r, func() (time.Duration, error) {
		res, after, err := c.once(ctx, r)
		if err != nil {
			return after, err
		}
		data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
		if err = errors.Join(err, res.Body.Close()); err != nil {
			return 0, c.unreachable(ctx, err)
		}
		if len(data) > maxAnswer {
			return 0, fmt.Errorf("client: the answer of %s is larger than %d bytes", r.path, maxAnswer)
		}
		if out == nil {
			return 0, nil
		}
		if err := json.Unmarshal(data, out); err != nil {
			return 0, fmt.Errorf("client: the answer of %s is not the expected JSON: %w", r.path, err)
		}
		return 0, nil
	})
}

// stream carries r out and returns the open body.
func (c *Client) stream(ctx context.Context, r request) (*http.Response, error) {
	var res *http.Response
	err := c.retry(ctx, r, func() (after time.Duration, err error) {
		res, after, err = c.once(ctx, r) //nolint:bodyclose // the caller closes it
		return after, err
	})
	return res, err
}

// retry repeats attempt while that is safe and promising.
func (c *Client) retry(ctx context.Context, r request, attempt func() (time.Duration, error)) error {
	wait := 100 * time.Millisecond
	for n := 0; ; n++ {
		after, err := attempt()
		if err == nil {
			return nil
		}
		var p *Problem
		if n > 0 && r.method == http.MethodDelete && errors.As(err, &p) && p.Status == http.StatusNotFound {
			return nil // an attempt whose answer was lost has done it
		}
		if n >= c.retries || after > maxRetryAfter || !r.again(err) {
			return err
		}
		if !sleep(ctx, max(after, jitter(wait))) {
			return err
		}
		wait = min(2*wait, 2*time.Second)
	}
}

// maxRetryAfter bounds what a server may ask a client to wait before a retry.
const maxRetryAfter = 10 * time.Second

// again reports whether a request that ended with err is worth repeating.
func (r request) again(err error) bool {
	// A merge patch has no key: it is repeated only if nothing of it arrived.
	repeatable := r.method != http.MethodPatch && !r.plain
	if un, ok := errors.AsType[*Unreachable](err); ok {
		var op *net.OpError
		return repeatable || errors.As(un.Err, &op) && op.Op == "dial"
	}
	var p *Problem
	if !errors.As(err, &p) {
		return false
	}
	switch p.Status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return repeatable
	}
	return p.Code == "idempotency_in_flight"
}

// once makes one attempt. A nil error comes with an open body of a success.
func (c *Client) once(ctx context.Context, r request) (*http.Response, time.Duration, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, 0, fmt.Errorf("client: %w", err)
	}
	set := func(name, value string) {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	set("User-Agent", c.agent)
	set("Accept", r.accept)
	set("If-Match", r.call.IfMatch)
	if c.token != "" {
		set("Authorization", "Bearer "+c.token)
	}
	if r.body != nil {
		set("Content-Type", r.media)
	}
	if r.method == http.MethodPost && !r.plain {
		set("Idempotency-Key", r.call.IdempotencyKey)
	}
	if s := int(r.call.Wait.Round(time.Second) / time.Second); s > 0 {
		set("Prefer", "wait="+strconv.Itoa(s))
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, 0, c.unreachable(ctx, err)
	}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return res, 0, nil
	}
	defer res.Body.Close() // only read
	p, after := problemOf(res)
	if p.Status == http.StatusTooManyRequests && after > 0 {
		return nil, after, &Limited{After: after, Problem: p}
	}
	return nil, after, p
}

func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return &Unreachable{URL: c.base, Err: err}
}

func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.send(ctx, request{method: http.MethodGet, path: path, query: query, accept: "application/json"}, out)
}

func (c *Client) post(ctx context.Context, path string, in any, call Call, out any) error {
	return c.postBody(ctx, request{path: path, call: call}, in, out)
}

// postSecret is post for operations that take no idempotency key: those with secrets,
// and those that may be repeated as they are.
func (c *Client) postSecret(ctx context.Context, path string, in, out any) error {
	return c.postBody(ctx, request{path: path, plain: true}, in, out)
}

func (c *Client) postBody(ctx context.Context, r request, in, out any) error {
	r.method, r.media, r.accept = http.MethodPost, "application/json", "application/json"
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("client: %w", err)
		}
		r.body = b
	}
	return c.send(ctx, r, out)
}

func (c *Client) patch(ctx context.Context, path string, in any, call Call, out any) error {
	return c.patchAt(ctx, path, nil, in, call, out)
}

func (c *Client) patchAt(ctx context.Context, path string, query url.Values, in any, call Call, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return c.send(ctx, request{
		method: http.MethodPatch, path: path, query: query, body: b, media: "application/merge-patch+json",
		accept: "application/json", call: call,
	}, out)
}

// sleep waits for d; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer, stop := context.WithTimeout(ctx, d)
	defer stop()
	<-timer.Done()
	return ctx.Err() == nil
}

// jitter spreads d over [d/2, d], so that clients of a server that comes back
// do not arrive together.
func jitter(d time.Duration) time.Duration {
	var b [1]byte
	if _, err := rand.Read(b[:]); err != nil {
		return d
	}
	return d/2 + d/2*time.Duration(b[0])/255
}
