// Package guard is what every HTTP request passes before it reaches a route:
// a request id, one place that recovers from panics, a bound on requests under
// way, the names that the server answers for (against DNS rebinding), the
// refusal of other origins' pages, security headers, compression, a time limit on
// clients that do not read, and an access log without bodies, queries or tokens.
package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
)

// Options are what New needs.
type Options struct {
	Next http.Handler
	// Fail writes an error.
	Fail  func(http.ResponseWriter, *http.Request, error)
	Clock clock.Clock
	Log   *slog.Logger
	// Hosts are accepted beside loopback's names; "*" accepts every name.
	Hosts []string
	// MaxInFlight bounds the requests under way; 0 = 1024. Health checks are
	// never refused.
	MaxInFlight int
	// MaxLasting bounds the requests that stream or wait (see Last), which do not
	// count against MaxInFlight; 0 = 1024.
	MaxLasting int
	// Meter is told about requests; nil = nobody is.
	Meter Meter
	// WithRequestID puts the request id where Fail finds it.
	WithRequestID func(context.Context, string) context.Context
}

const inFlight = 1024

type guard struct {
	Options
	slots, lasting chan struct{}
	gzips          chan struct{} // one token for each compressor at work
	origin         *http.CrossOriginProtection
}

// New returns the handler around o.Next.
func New(o Options) http.Handler {
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = inFlight
	}
	if o.MaxLasting <= 0 {
		o.MaxLasting = inFlight
	}
	if o.Meter == nil {
		o.Meter = noMeter{}
	}
	return &guard{
		Options: o, slots: make(chan struct{}, o.MaxInFlight), lasting: make(chan struct{}, o.MaxLasting),
		gzips: make(chan struct{}, maxGzips), origin: http.NewCrossOriginProtection(),
	}
}

// ServeHTTP implements http.Handler.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := g.Clock.Now()
	reqID := id.New(id.Request, start)
	v := &visit{g: g}
	r = r.WithContext(context.WithValue(g.WithRequestID(r.Context(), reqID), visitKey{}, v))
	secure(w.Header(), reqID)
	z := newCompressor(w, r, g.gzips)
	v.out = z
	g.Meter.Begin()
	defer func() {
		p := recover()
		cut := p != nil && !g.recovered(z, r, reqID, p)
		if !cut {
			if err := z.close(); err != nil && r.Context().Err() == nil {
				g.Log.DebugContext(r.Context(), "answer not sent", "request_id", reqID, "error", err)
			}
		}
		v.end()
		took, status := g.Clock.Now().Sub(start), z.status
		if cut {
			status = 0
		} else if status == 0 {
			status = http.StatusOK // net/http says so
		}
		g.Meter.End(v.route, r.Method, status, z.sent, took)
		g.Log.DebugContext(r.Context(), "request", "request_id", reqID, "method", r.Method, "path", r.URL.Path,
			"status", z.status, "bytes", z.sent, "duration_ms", took.Milliseconds())
		if cut {
			// net/http closes the connection: nothing else tells the caller that
			// what came so far is not the whole answer.
			panic(http.ErrAbortHandler)
		}
	}()
	g.admit(z, r, v)
}

// errPanicked is all that the answer and its log line say about a panic.
var errPanicked = errors.New("the handler panicked")

// recovered logs what panicked and answers 500. It returns false when it is too
// late for that, or when the handler wants the answer to be cut off.
func (g *guard) recovered(z *compressor, r *http.Request, reqID string, p any) bool {
	if p == http.ErrAbortHandler { //nolint:errorlint // a sentinel that is compared by identity
		return false
	}
	g.Log.ErrorContext(r.Context(), "request panicked", "request_id", reqID, "method", r.Method, "path", r.URL.Path,
		"panic", describe(p), "stack", string(debug.Stack()))
	if z.status != 0 {
		return false
	}
	// What the handler had prepared belongs to another answer.
	clear(z.Header())
	secure(z.Header(), reqID)
	g.Fail(z, r, errPanicked)
	return true
}

// describe says what a panic was about. Only the text of the runtime's own errors
// is free of what the request contained, such as a password or a prompt; of all
// others the type must do, and the stack.
func describe(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", p)
}

func (g *guard) admit(w http.ResponseWriter, r *http.Request, v *visit) {
	if !g.knows(r.Host) {
		g.Meter.Refuse("host")
		g.Fail(w, r, fault.New(fault.HostNotAllowed, "the server does not answer for this host name").
			At("header/Host", "not_allowed", "is neither a loopback name nor configured"))
		return
	}
	if err := g.origin.Check(r); err != nil {
		g.Meter.Refuse("origin")
		g.Fail(w, r, fault.Wrap(err, fault.CrossOrigin, "a page of another origin must not do this"))
		return
	}
	if r.URL.Path != "/livez" && r.URL.Path != "/readyz" {
		select {
		case g.slots <- struct{}{}:
			v.admitted = true
		default:
			g.Meter.Refuse("busy")
			g.Fail(w, r, fault.Newf(fault.TooManyRequests, "%d requests are under way", g.MaxInFlight))
			return
		}
	}
	g.Next.ServeHTTP(w, r)
}

// knows reports whether host, with or without port, is a name to answer for.
func (g *guard) knows(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if host == "localhost" || slices.Contains(g.Hosts, "*") {
		return true
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return true
	}
	return slices.ContainsFunc(g.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

func secure(h http.Header, reqID string) {
	h.Set("X-Request-Id", reqID)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
