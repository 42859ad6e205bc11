package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/outbound"
)

// Bounds of params.
const (
	defaultTimeout = 30 * time.Second
	maxTimeout     = time.Hour
)

// params is what a job says. The zero value of each field means that it was not
// given.
type params struct {
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	Expect    []int             `json:"expect"`
	Timeout   string            `json:"timeout"`
	Redirects int               `json:"redirects"`
}

func decode(raw json.RawMessage) (params, error) {
	var p params
	if len(raw) == 0 {
		return p, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fault.FromJSON(err, "params do not fit the schema of http")
	}
	if p.Method == "" {
		p.Method = http.MethodGet
	}
	return p, nil
}

// check finds all that is wrong with p by itself.
func (p params) check() error {
	bad := fault.New(fault.InvalidInput, "params of http are not valid")
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(p.Headers)) {
		at := "/headers/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		if err := outbound.CheckHeader(name, p.Headers[name]); err != nil {
			bad = bad.At(at, "bad_header", fault.From(err).Detail)
		}
		canonical := http.CanonicalHeaderKey(name)
		if other, twice := seen[canonical]; twice {
			bad = bad.At(at, "duplicate", "is the same header as "+other)
		}
		seen[canonical] = name
	}
	if len(p.Expect) == 2 && p.Expect[0] > p.Expect[1] {
		bad = bad.At("/expect", "bad_range", "the first status must not be above the second; it is a range, not a list")
	}
	if _, err := p.timeout(); err != nil {
		bad = bad.At("/timeout", "bad_duration", err.Error())
	}
	if len(p.body()) > 0 && p.Method == http.MethodHead {
		bad = bad.At("/body", "not_allowed", "a HEAD request has no body")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

func (p params) timeout() (time.Duration, error) {
	if p.Timeout == "" {
		return defaultTimeout, nil
	}
	d, err := clock.ParseDuration(p.Timeout)
	if err == nil && (d < time.Millisecond || d > maxTimeout) {
		err = errors.New("must be from 1ms to 1h")
	}
	return d, err
}

// expected is the range of statuses that count as success.
func (p params) expected() (low, high int) {
	switch len(p.Expect) {
	case 0:
		return 200, 299
	case 1:
		return p.Expect[0], p.Expect[0]
	}
	return p.Expect[0], p.Expect[1]
}

// body is what is sent: the text of a string, else the JSON itself.
func (p params) body() []byte {
	if len(p.Body) == 0 || string(p.Body) == "null" {
		return nil
	}
	if text, ok := p.text(); ok {
		return []byte(text)
	}
	return p.Body
}

func (p params) text() (string, bool) {
	var s string
	if p.Body[0] != '"' || json.Unmarshal(p.Body, &s) != nil {
		return "", false
	}
	return s, true
}

// header are the headers to send. key is the attempt's idempotency key.
func (p params) header(key string) http.Header {
	h := http.Header{}
	for name, value := range p.Headers {
		h.Set(name, value)
	}
	if len(p.body()) > 0 && h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
		if _, text := p.text(); text {
			h.Set("Content-Type", "text/plain; charset=utf-8")
		}
	}
	// A request that changes nothing may be repeated without a key.
	switch p.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		if _, own := h["Idempotency-Key"]; !own && key != "" {
			h.Set("Idempotency-Key", key)
		}
	}
	return h
}
