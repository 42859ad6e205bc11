package action

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/exchange"
	"github.com/runsheet/runsheet/internal/outbound"
)

// headerKey carries the idempotency key of a request that changes something.
const headerKey = "Idempotency-Key"

// maxWhole is up to which size an artifact is sent with its length; larger ones go in
// chunks, of unknown length.
const maxWhole = 1 << 20

// APICall sends one HTTP request. It implements node.Node and node.Targeted. Its
// methods are safe for concurrent use.
type APICall struct{ exchange exchange.Exchange }

var (
	_ node.Node     = (*APICall)(nil)
	_ node.Targeted = (*APICall)(nil)
)

// NewAPICall returns the kind. Requests go through client; clk is the system's if nil.
func NewAPICall(client *outbound.Client, clk clock.Clock) *APICall {
	return &APICall{exchange.New(client, clk)}
}

// Target implements node.Targeted.
func (a *APICall) Target(config map[string]any) (string, error) {
	raw, err := exchange.String(config, "url")
	if err != nil {
		return "", err
	}
	return a.exchange.Target(raw)
}

// Run implements node.Node.
func (a *APICall) Run(ctx context.Context, c node.Call) (node.Result, error) {
	r, err := request(c.Config, c.IdempotencyKey)
	if err != nil {
		return node.Result{}, err
	}
	if from, err := exchange.String(c.Config, "body_from"); err != nil {
		return node.Result{}, err
	} else if from != "" {
		if len(r.Body) > 0 {
			return node.Result{}, exchange.Invalid("body and body_from exclude each other")
		}
		if err := attach(ctx, c.Host, from, &r); err != nil {
			return node.Result{}, err
		}
	}
	if r.Method == "" {
		if r.Method = http.MethodGet; len(r.Body) > 0 || r.Stream != nil {
			r.Method = http.MethodPost
		}
	}
	if r.Method == http.MethodHead && (len(r.Body) > 0 || r.Stream != nil) {
		if r.Stream != nil {
			_ = r.Stream.Close() // nothing was written
		}
		return node.Result{}, exchange.Invalid("a HEAD request has no body")
	}
	answer, err := a.exchange.Do(ctx, r, c.Host.Log())
	if err != nil {
		return node.Result{}, err
	}
	// The request has had its effect, whatever the answer is good for.
	body, _ := answer.Value()
	return node.Result{Value: map[string]any{
		"status": int64(answer.Status), "headers": answer.Headers, "body": body, "duration_ms": answer.Took.Milliseconds(),
	}}, nil
}

// request is what a config says, but for body_from.
func request(config map[string]any, key string) (r exchange.Request, err error) {
	if r.URL, err = exchange.String(config, "url"); err != nil {
		return r, err
	}
	if r.Method, err = exchange.String(config, "method"); err != nil {
		return r, err
	}
	known := r.Method == ""
	for _, m := range methods {
		known = known || m == r.Method
	}
	if !known {
		return r, exchange.Invalid("method is %.20q", r.Method)
	}
	if r.Header, err = exchange.Headers(config); err != nil {
		return r, err
	}
	if err = authorize(config["auth"], r.Header); err != nil {
		return r, err
	}
	if _, own := r.Header[headerKey]; !own && key != "" {
		r.Header.Set(headerKey, key)
	}
	if list, ok := config["expect"].([]any); ok {
		if r.Expect, err = exchange.ParseExpect(list); err != nil {
			return r, exchange.Invalid("expect: %w", err)
		}
	}
	if follow, _ := config["follow_redirects"].(bool); follow {
		r.Redirects = outbound.MaxRedirects
	}
	r.Body, err = body(config["body"], r.Header)
	return r, err
}

// authorize sets the header by which a request proves who sends it.
func authorize(v any, h http.Header) error {
	auth, ok := v.(map[string]any)
	if !ok {
		if v != nil {
			return exchange.Invalid("auth must be an object")
		}
		return nil
	}
	set := func(name, value string) error {
		if h.Get(name) != "" {
			return exchange.Invalid("auth and headers both set %s", http.CanonicalHeaderKey(name))
		}
		// CheckHeader repeats no value, and neither must this.
		if err := outbound.CheckHeader(name, value); err != nil {
			return exchange.Invalid("auth gives a header that cannot be sent")
		}
		h.Set(name, value)
		return nil
	}
	part := func(m map[string]any, name string) string {
		s, _ := exchange.Text(m[name])
		return s
	}
	count := 0
	for _, name := range []string{"bearer", "basic", "header"} {
		if auth[name] != nil {
			count++
		}
	}
	if count != 1 {
		return exchange.Invalid("auth must have one of bearer, basic and header")
	}
	if token := part(auth, "bearer"); token != "" {
		return set("Authorization", "Bearer "+token)
	}
	if m, ok := auth["basic"].(map[string]any); ok {
		req := http.Request{Header: http.Header{}}
		req.SetBasicAuth(part(m, "username"), part(m, "password"))
		return set("Authorization", req.Header.Get("Authorization"))
	}
	if m, ok := auth["header"].(map[string]any); ok {
		return set(part(m, "name"), part(m, "value"))
	}
	return exchange.Invalid("auth is empty")
}

// body is a value as it is sent: as JSON, unless Content-Type says that it is something
// else; then it must be text.
func body(v any, h http.Header) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	said := h.Get("Content-Type")
	if text, ok := v.(string); ok && said != "" && !exchange.IsJSON(said) {
		return []byte(text), nil
	}
	if said != "" && !exchange.IsJSON(said) {
		return nil, exchange.Invalid("the body must be a string, because Content-Type is not JSON")
	}
	if said == "" {
		h.Set("Content-Type", "application/json")
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the receiver is no browser
	if err := e.Encode(v); err != nil {
		return nil, exchange.Invalid("the body cannot be written as JSON")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// attach sends an artifact.
func attach(ctx context.Context, h node.Host, id string, r *exchange.Request) error {
	f, err := h.Open(ctx, id)
	if err != nil {
		return node.Fail("artifact_gone", "", fmt.Errorf("body_from: %w", err))
	}
	head, err := io.ReadAll(io.LimitReader(f, maxWhole+1))
	if err != nil {
		return node.Fail("artifact_error", "", errors.Join(fmt.Errorf("body_from: %w", err), f.Close()))
	}
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", http.DetectContentType(head))
	}
	if len(head) <= maxWhole {
		r.Body = head
		return f.Close()
	}
	r.Stream = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), f), f}
	return nil
}
