// Package http is the job type that sends one HTTP request.
//
// The request goes through package outbound, so it reaches public addresses and
// those that the operator allows. The status decides how the attempt ends: in
// the expected range COMPLETED, else FAILED with code http_status. Whether a
// failure is final depends on whether a repetition can help: a server's error, a
// broken connection or a timeout may pass, a refusal does not. Retry-After is
// honoured.
//
// What stays of a response are the outputs status, headers (masked), origin
// and body_bytes, and the artifact response with the first 64 KiB of the body. The
// log has host, status and sizes only: paths, queries, headers and bodies hold
// secrets.
package http

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
)

// codeStatus is the failure code of a status that was not expected.
const codeStatus = "http_status"

// afterTime bounds what is done for an attempt that was stopped: what it has of
// the response is recorded.
const afterTime = 5 * time.Second

// Options configure the type.
type Options struct {
	// Client sends the requests; it must be given.
	Client *outbound.Client
	// Clock tells the time to which a date in Retry-After is compared; the
	// system's if nil.
	Clock clock.Clock
}

// Task is the job type. Its methods are safe for concurrent use.
type Task struct {
	client *outbound.Client
	clk    clock.Clock
}

var (
	_ task.Task       = (*Task)(nil)
	_ task.Privileged = (*Task)(nil)
)

//go:embed schema.json
var schema []byte

// New returns the job type. A missing client is an error of the programmer and
// panics.
func New(o Options) *Task {
	if o.Client == nil {
		panic("http: Client must be given")
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	return &Task{client: o.Client, clk: o.Clock}
}

// Type is "http".
func (*Task) Type() string { return "http" }

// Schema is the JSON Schema of params.
func (*Task) Schema() json.RawMessage { return schema }

// Locks returns none: a request derives no locks.
func (*Task) Locks(json.RawMessage) []string { return nil }

// Privileged are the params that decide who gets the template's headers and
// body, and what is asked with them.
func (*Task) Privileged() []string {
	return []string{"method", "url", "headers", "body", "redirects"}
}

// OnCrash is ask: nobody knows whether the request arrived.
func (*Task) OnCrash() job.CrashPolicy { return job.CrashAsk }

// Check refuses a URL that can never be reached and headers that cannot be
// sent. Missing fields are no fault.
func (t *Task) Check(raw json.RawMessage) error {
	p, err := decode(raw)
	if err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	if p.URL == "" {
		return nil
	}
	if _, err := t.client.Check(p.URL); err != nil {
		f := fault.From(err)
		return f.At("/url", string(f.Code), f.Detail)
	}
	return nil
}

// Run makes one attempt.
func (t *Task) Run(ctx context.Context, a task.Attempt, h task.Host) error {
	// The allow-list may have changed since the job was accepted.
	if err := t.Check(a.Params); err != nil {
		return task.Fatal(string(fault.From(err).Code), told(err))
	}
	p, err := decode(a.Params)
	if err != nil || p.URL == "" {
		return task.Fatal(string(fault.InvalidInput), errors.Join(errors.New("url is missing"), err))
	}
	timeout, err := p.timeout()
	if err != nil {
		return task.Fatal(string(fault.InvalidInput), err)
	}
	u, err := t.client.Check(p.URL)
	if err != nil {
		return task.Fatal(string(fault.From(err).Code), told(err))
	}
	fmt.Fprintf(h.Log(), "%s %s\n", p.Method, outbound.Origin(u))
	h.Progress(run.Progress{Stage: "waiting for " + u.Hostname()})

	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := t.client.Do(limited, outbound.Request{
		Method: p.Method, URL: p.URL, Header: p.header(a.IdempotencyKey), Body: p.body(), Redirects: p.Redirects,
	})
	if err != nil {
		return t.failed(ctx, h, err, timeout)
	}
	defer resp.Body.Close()
	fmt.Fprintf(h.Log(), "%s\n", outbound.Status(resp.StatusCode))
	h.Progress(run.Progress{Stage: "reading the response"})
	kept, err := read(resp)
	if err := t.record(ctx, h, p, resp, kept); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return task.Unstored(err)
	}
	if err != nil {
		return t.failed(ctx, h, err, timeout)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return t.verdict(p, resp)
}

// failed is the verdict on a request without a whole response.
func (t *Task) failed(ctx context.Context, h task.Host, err error, timeout time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f := fault.From(err)
	why := told(f)
	if f.Code == fault.TargetTimeout {
		why = fmt.Errorf("%w (timeout %s)", why, timeout)
	}
	fmt.Fprintf(h.Log(), "%s\n", why)
	switch f.Kind() {
	case fault.Unavailable, fault.Internal:
		return task.Fail(string(f.Code), why)
	case fault.Invalid, fault.Unauthenticated, fault.Forbidden, fault.Missing, fault.Conflicting,
		fault.Precondition, fault.Oversized, fault.Limited:
	}
	// A name may lead elsewhere next time, but that is what an attacker hopes for.
	return task.Fatal(string(f.Code), why)
}

// told is the part of a fault that a person reads; its code stands beside it.
func told(err error) error {
	f := fault.From(err)
	text := f.Detail
	if len(f.Fields) > 0 && f.Fields[0].Detail != text {
		text += ": " + f.Fields[0].Pointer + ": " + f.Fields[0].Detail
	}
	return errors.New(text)
}

// verdict judges the status.
func (t *Task) verdict(p params, resp *http.Response) error {
	low, high := p.expected()
	if resp.StatusCode >= low && resp.StatusCode <= high {
		return nil
	}
	want := strconv.Itoa(low)
	if low != high {
		want += " to " + strconv.Itoa(high)
	}
	err := fmt.Errorf("status %s, expected %s", outbound.Status(resp.StatusCode), want)
	switch c := resp.StatusCode; {
	case c == http.StatusRequestTimeout, c == http.StatusTooEarly, c == http.StatusTooManyRequests, c >= 500:
		return task.Retry(codeStatus, err, outbound.RetryAfter(resp.Header.Get("Retry-After"), t.clk.Now()))
	case c >= 300 && c < 400 && p.Redirects == 0:
		return task.Fatal(codeStatus, fmt.Errorf("%w; redirects are followed only if the job says redirects", err))
	}
	return task.Fatal(codeStatus, err)
}
