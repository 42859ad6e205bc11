// Package exchange is one HTTP request of a workflow's node and its answer: what is
// sent, what an answer is worth to the run, and which kind of failure it is.
//
// Everything goes through package outbound, so nodes reach what http jobs reach.
package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/outbound"
)

// MaxBody is the largest answer that is read, in bytes.
const MaxBody = 10 << 20

// maxQuoted is how much of an answer an error repeats, in characters.
const maxQuoted = 200

// classRefused is the class of answers that ask for another request.
const classRefused = "http_4xx"

// Exchange sends requests. It is safe for concurrent use.
type Exchange struct {
	client *outbound.Client
	clk    clock.Clock
}

// New returns an Exchange. clk is the system's if nil; a missing client is an error of
// the programmer and panics.
func New(client *outbound.Client, clk clock.Clock) Exchange {
	if client == nil {
		panic("exchange: a client must be given")
	}
	if clk == nil {
		clk = clock.System{}
	}
	return Exchange{client, clk}
}

// Request is what Do sends.
type Request struct {
	Method, URL string
	Header      http.Header
	Body        []byte
	// Stream is sent instead of Body and closed when Do returns; nil = Body is sent.
	Stream    io.ReadCloser
	Redirects int
	// Expect are the statuses of success; empty = 200 to 299.
	Expect Expect
}

// Answer is a whole answer with an expected status.
type Answer struct {
	Status int
	// Headers have lower-case names and no credentials, see outbound.Shown.
	Headers map[string]any
	// MediaType is what the answer says of its body, "" = nothing.
	MediaType string
	Content   []byte
	Took      time.Duration
}

// Do sends a request and reads the answer. The error is the cause of ctx if that was
// cancelled, and a *node.Failure otherwise.
func (x Exchange) Do(ctx context.Context, r Request, log io.Writer) (Answer, error) {
	began := x.clk.Now()
	if r.Stream != nil {
		s := &stream{ReadCloser: r.Stream, closed: make(chan struct{})}
		r.Stream = s
		// Reading goes on for a moment after an early answer.
		defer func() { <-s.closed }()
	}
	out := outbound.Request{Method: r.Method, URL: r.URL, Header: r.Header, Body: r.Body, Stream: r.Stream, Redirects: r.Redirects}
	if u, err := x.client.Check(r.URL); err == nil {
		fmt.Fprintf(log, "%s %s\n", r.Method, outbound.Origin(u))
	}
	resp, err := x.client.Do(ctx, out)
	if err != nil {
		return Answer{}, failed(ctx, err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	a := Answer{Status: resp.StatusCode, MediaType: resp.Header.Get("Content-Type"), Content: content, Took: x.clk.Now().Sub(began)}
	fmt.Fprintf(log, "%s, %d bytes in %d ms\n", outbound.Status(a.Status), len(content), a.Took.Milliseconds())
	secrets := outbound.Credentials(r.Header)
	// A refusal is one even if its explanation does not arrive.
	if !r.Expect.fits(a.Status) {
		return a, x.refused(resp, a, r, secrets)
	}
	switch {
	case err != nil:
		return a, failed(ctx, err)
	case len(content) > MaxBody:
		return a, node.Fatal(string(fault.ResponseTooLarge), fmt.Errorf("the response has more than %d bytes", MaxBody))
	}
	a.Headers = map[string]any{}
	for name, value := range outbound.Shown(resp.Header, secrets) {
		a.Headers[name] = value
	}
	return a, nil
}

// stream tells when it was closed, which may happen twice.
type stream struct {
	io.ReadCloser
	once   sync.Once
	closed chan struct{}
}

// Close implements io.Closer.
func (s *stream) Close() (err error) {
	s.once.Do(func() {
		err = s.ReadCloser.Close()
		close(s.closed)
	})
	return err
}

// failed is the failure of a request without a whole answer. Those that may pass are
// of the class timeout: no answer came.
func failed(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	f := fault.From(err)
	text := f.Detail
	if len(f.Fields) > 0 && f.Fields[0].Detail != text {
		text += ": " + f.Fields[0].Detail
	}
	switch f.Kind() {
	case fault.Unavailable, fault.Internal:
		return node.Fail(string(f.Code), node.ClassTimeout, errors.New(text))
	case fault.Invalid, fault.Unauthenticated, fault.Forbidden, fault.Missing, fault.Conflicting,
		fault.Precondition, fault.Oversized, fault.Limited:
	}
	// A name may lead elsewhere next time, but that is what an attacker hopes for.
	return node.Fatal(string(f.Code), errors.New(text))
}

// refused is the failure of an answer with another status than expected.
func (x Exchange) refused(resp *http.Response, a Answer, r Request, secrets []string) error {
	text := fmt.Sprintf("status %s, expected %s", outbound.Status(a.Status), r.Expect)
	if a.Status >= 300 && a.Status < 400 && r.Redirects == 0 {
		text += "; redirects are followed only with follow_redirects"
	}
	if said := quote(a.Content, secrets); said != "" {
		text += ": " + said
	}
	f := node.Fail(fmt.Sprintf("http_%d", a.Status), "", errors.New(text))
	f.After = outbound.RetryAfter(resp.Header.Get("Retry-After"), x.clk.Now())
	switch s := a.Status; {
	case s == http.StatusTooManyRequests:
		f.Class = node.ClassRateLimited
	case s >= 500:
		f.Class = node.ClassServerError
	case s == http.StatusRequestTimeout:
		f.Class = node.ClassTimeout
	case s == http.StatusTooEarly, s == http.StatusConflict, s == http.StatusLocked, s == http.StatusNotFound:
		f.Class = classRefused // what is asked for may come to be
	default:
		f.Class, f.Final = fmt.Sprintf("http_%dxx", s/100), true
	}
	return f
}

// quote is the beginning of an answer as one line, "" if it is no text.
func quote(content []byte, secrets []string) string {
	content = content[:min(len(content), 4*maxQuoted*4)]
	if bytes.IndexByte(content, 0) >= 0 {
		return ""
	}
	s := strings.Join(strings.Fields(strings.ToValidUTF8(string(content), "")), " ")
	for _, secret := range secrets {
		s = strings.ReplaceAll(s, secret, outbound.Masked)
	}
	if utf8.RuneCountInString(s) > maxQuoted {
		s = string([]rune(s)[:maxQuoted]) + "..."
	}
	return s
}

// Target is the host, with its port, to which a URL leads.
func (x Exchange) Target(raw string) (string, error) {
	u, err := x.client.Check(raw)
	if err != nil {
		return "", err
	}
	return HostPort(u), nil
}
