// Package docker reads the logs of containers from a Docker Engine, or what
// speaks its API (Podman), over the Unix socket. It can do nothing else: two GET
// requests, so that no container is ever changed.
//
// The API's version is the one that the engine names at /_ping, because engines
// drop old versions; both requests have been the same since 1.12.
package docker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Socket is where an engine listens if nothing else is said.
const Socket = "/var/run/docker.sock"

// Bounds of what an engine may say.
const (
	maxInspect  = 4 << 20 // bytes
	dialTime    = 5 * time.Second
	inspectTime = 30 * time.Second
)

// Errors by which callers tell why a log cannot be read.
var (
	ErrUnreachable = errors.New("the container engine cannot be reached")
	ErrNotFound    = errors.New("there is no such container")
	ErrBroken      = errors.New("the container engine broke off or does not keep to its protocol")
	ErrRefused     = errors.New("the container engine refuses")
)

// Client speaks to one engine. It is safe for concurrent use.
type Client struct {
	http *http.Client
}

// New returns a client of the engine at a Unix socket; "" = Socket. Nothing is
// opened, and nothing stays open between requests.
func New(socket string) *Client {
	if socket == "" {
		socket = Socket
	}
	d := &net.Dialer{Timeout: dialTime}
	return &Client{http: &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return d.DialContext(ctx, "unix", socket)
			},
			DisableKeepAlives: true, DisableCompression: true, ResponseHeaderTimeout: inspectTime,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Container is what is known of one.
type Container struct {
	// ID never changes; Name has no leading slash.
	ID, Name string
	// TTY says that its output is one stream without frames.
	TTY bool
	api string
}

var apiVersion = regexp.MustCompile(`^[1-9]\.[0-9]{1,3}$`)

// Find looks a container up by its name, or by its id or the beginning of one, as
// the engine does: look at Name to know which it is. Errors: ErrUnreachable,
// ErrNotFound, ErrBroken, ErrRefused, or ctx's.
func (c *Client) Find(ctx context.Context, name string) (Container, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectTime)
	defer cancel()
	ping, err := c.get(ctx, "/_ping", nil)
	if err != nil {
		return Container{}, err
	}
	ping.Body.Close()
	api := ""
	if v := ping.Header.Get("Api-Version"); apiVersion.MatchString(v) {
		api = "/v" + v
	}
	resp, err := c.get(ctx, api+"/containers/"+url.PathEscape(name)+"/json", nil)
	if err != nil {
		return Container{}, err
	}
	defer resp.Body.Close()
	var found struct {
		ID     string `json:"Id"`
		Name   string
		Config struct{ Tty bool }
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxInspect)).Decode(&found); err != nil || found.ID == "" {
		return Container{}, broken(ctx)
	}
	return Container{ID: found.ID, Name: strings.TrimPrefix(found.Name, "/"), TTY: found.Config.Tty, api: api}, nil
}

// Options say what of a log is wanted.
type Options struct {
	// Since and Until bound the time, zero = no bound.
	Since, Until time.Time
	// Tail is how many of the last lines; 0 = all.
	Tail int
}

// Logs opens the log of a container, standard output and error as one text in
// which each line begins with its time in RFC 3339 and a space. The caller closes
// it. Errors are those of Find; those of Read have ErrBroken in them if the log
// ended in the middle.
func (c *Client) Logs(ctx context.Context, of Container, o Options) (io.ReadCloser, error) {
	q := url.Values{"stdout": {"1"}, "stderr": {"1"}, "timestamps": {"1"}, "tail": {"all"}}
	if o.Tail > 0 {
		q.Set("tail", strconv.Itoa(o.Tail))
	}
	for name, at := range map[string]time.Time{"since": o.Since, "until": o.Until} {
		if !at.IsZero() {
			q.Set(name, fmt.Sprintf("%d.%09d", at.Unix(), at.Nanosecond()))
		}
	}
	resp, err := c.get(ctx, of.api+"/containers/"+url.PathEscape(of.ID)+"/logs", q)
	if err != nil {
		return nil, err
	}
	if of.TTY {
		return resp.Body, nil
	}
	return &demultiplexer{src: bufio.NewReaderSize(resp.Body, 64<<10), body: resp.Body}, nil
}

// get sends a request and judges the status. The caller closes the body.
func (c *Client) get(ctx context.Context, path string, q url.Values) (*http.Response, error) {
	// The host is never looked up; engines only want one.
	target := "http://docker" + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: the name of the container", ErrRefused)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return nil, fmt.Errorf("%w: %w", ErrUnreachable, op.Err)
		}
		return nil, ErrBroken
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return nil, ErrNotFound
	}
	return nil, fmt.Errorf("%w with status %d", ErrRefused, resp.StatusCode)
}

func broken(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return ErrBroken
}
