package llm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/outbound"
)

// Bounds on what a server may send.
const (
	// maxText is the longest answer in bytes.
	maxText = 16 << 20
	// maxLine is the longest line of a stream. Ollama's last line of /api/generate
	// repeats the whole context as numbers.
	maxLine = 8 << 20
	// maxResponse bounds a stream in all: each token comes with 100 to 300 bytes of
	// wrapping.
	maxResponse = 1 << 30
	// maxKey bounds a key file.
	maxKey = 4 << 10
)

// Pool is the servers that may be asked. Its methods are safe for concurrent
// use. It needs no closing: connections last as long as a request.
type Pool struct {
	servers []*server
	clk     clock.Clock
	times   Timeouts
	observe func(Call)

	allowRemote bool
}

// server is one Server with its client.
type server struct {
	Server
	base   *url.URL
	client *outbound.Client
	last   probe
}

// New returns a pool, or a fault that names the server whose settings are wrong:
// llm_refused_remote for a public address, invalid_input for all else. Nothing is
// asked yet: what a host name leads to is checked when it is used.
func New(o Options) (*Pool, error) {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	for p, d := range map[*time.Duration]time.Duration{
		&o.Timeouts.Connect: DefaultConnect, &o.Timeouts.FirstToken: DefaultFirstToken, &o.Timeouts.Idle: DefaultIdle,
	} {
		if *p == 0 {
			*p = d
		}
	}
	if o.Observe == nil {
		o.Observe = func(Call) {}
	}
	p := &Pool{clk: o.Clock, times: o.Timeouts, observe: o.Observe, allowRemote: o.AllowRemote}
	for _, s := range o.Servers {
		made, err := newServer(s, o)
		if err != nil {
			return nil, err
		}
		if p.byName(s.Name) != nil {
			return nil, fault.Newf(fault.InvalidInput, "two LLM servers have the name %q", s.Name)
		}
		p.servers = append(p.servers, made)
	}
	return p, nil
}

// CheckServer says what is wrong with a server's settings; nil if nothing.
func CheckServer(s Server) error {
	_, err := newServer(s, Options{AllowRemote: true})
	return err
}

func newServer(s Server, o Options) (*server, error) {
	if s.Kind == "" {
		s.Kind = Ollama
	}
	bad := func(format string, args ...any) error {
		return fault.Newf(fault.InvalidInput, "LLM server %q: "+format, append([]any{s.Name}, args...)...)
	}
	switch {
	case !validName(s.Name):
		return nil, bad("a name has 1 to 40 letters, digits, - _ or .")
	case s.Kind != Ollama && s.Kind != OpenAI:
		return nil, bad("kind must be %s or %s", Ollama, OpenAI)
	}
	made := &server{Server: s}
	client, err := outbound.New(outbound.Options{
		Allow: allowed(s.URL), LocalOnly: !o.AllowRemote,
		MaxResponse: maxResponse, ResolveTimeout: o.Timeouts.Connect, ConnectTimeout: o.Timeouts.Connect, TLSTimeout: o.Timeouts.Connect,
		Resolver: o.resolver,
	})
	if err != nil { // about the entry that was made of the URL, so look at that
		if client, err = outbound.New(outbound.Options{}); err == nil {
			_, err = client.Check(s.URL)
		}
		return nil, bad("%s", fault.From(err).Detail)
	}
	base, err := client.Check(s.URL)
	switch {
	case base == nil:
		return nil, bad("%s", fault.From(err).Detail)
	case err != nil:
		return nil, made.explain(err)
	case base.RawQuery != "":
		return nil, bad("the URL must not have a query")
	}
	base.Path, base.RawPath = strings.TrimSuffix(strings.TrimSuffix(base.Path, "/"), "/v1"), ""
	made.base, made.client = base, client
	return made, nil
}

// allowed is the entry of the allow-list for a server: it is allowed because it
// was named.
func allowed(raw string) []string {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return nil // whoever checks the URL refuses it
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443"}[u.Scheme]
	}
	if port == "" {
		port = "80"
	}
	return []string{net.JoinHostPort(strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), port)}
}

// validName keeps names fit for metrics, tables and URLs.
func validName(s string) bool {
	return s != "" && len(s) <= 40 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}

// Servers lists the servers in their order, with Kind filled in.
func (p *Pool) Servers() []Server {
	out := make([]Server, len(p.servers))
	for i, s := range p.servers {
		out[i] = s.Server
	}
	return out
}

func (p *Pool) byName(name string) *server {
	for _, s := range p.servers {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// named is the server with a name, the first for "".
func (p *Pool) named(name string) (*server, error) {
	if len(p.servers) == 0 {
		return nil, fault.New(fault.LLMServerUnknown, "no LLM server is configured")
	}
	if name == "" {
		return p.servers[0], nil
	}
	if s := p.byName(name); s != nil {
		return s, nil
	}
	known := make([]string, len(p.servers))
	for i, s := range p.servers {
		known[i] = s.Name
	}
	return nil, fault.Newf(fault.LLMServerUnknown, "no LLM server has this name; there are: %s", strings.Join(known, ", "))
}

// choose finds the server for a request. Other servers are asked only if there is
// a choice.
func (p *Pool) choose(ctx context.Context, r Request) (*server, error) {
	if r.Server != "" || len(p.servers) <= 1 {
		return p.named(r.Server)
	}
	for _, h := range p.Health(ctx) {
		if slices.ContainsFunc(h.Models, func(m Model) bool { return SameModel(m.Name, r.Model) }) {
			return p.byName(h.Name), nil
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return p.servers[0], nil
}

// SameModel reports whether two names mean one model: to Ollama "qwen3" is
// "qwen3:latest", and case does not count.
func SameModel(a, b string) bool { return strings.EqualFold(tagged(a), tagged(b)) }

func tagged(name string) string {
	if strings.Contains(name[strings.LastIndexByte(name, '/')+1:], ":") {
		return name
	}
	return name + ":latest"
}

// send makes one request to the API below path and returns the response, whatever
// its status.
func (s *server) send(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	header := http.Header{}
	if body != nil {
		header.Set("Content-Type", "application/json")
	}
	if s.KeyFile != "" {
		key, err := s.key()
		if err != nil {
			return nil, err
		}
		header.Set("Authorization", "Bearer "+key)
	}
	resp, err := s.client.Do(ctx, outbound.Request{Method: method, URL: s.base.String() + path, Header: header, Body: body})
	if err != nil {
		return nil, s.explain(err)
	}
	return resp, nil
}

// key reads the key file. Its name may be told, its content not.
func (s *server) key() (string, error) {
	b, err := os.ReadFile(s.KeyFile)
	text := strings.TrimSpace(string(b))
	switch {
	case err != nil:
		return "", fault.Wrap(err, fault.InvalidInput, fmt.Sprintf("the key file of LLM server %s cannot be read", s.Name))
	case text == "" || len(text) > maxKey || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "", fault.Newf(fault.InvalidInput, "the key file of LLM server %s must hold one key of at most %d characters", s.Name, maxKey)
	}
	return text, nil
}

// explain turns the faults of outbound into ours. Both name hosts and reasons
// only.
func (s *server) explain(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err // the cause of a cancelled context
	}
	if f.Code == fault.TargetNotAllowed {
		return fault.Newf(fault.LLMRefusedRemote, "LLM server %s is not asked: its address is not loopback or private", s.Name)
	}
	code, ours := map[fault.Code]fault.Code{
		fault.TargetUnreachable: fault.LLMUnreachable, fault.TargetUntrusted: fault.LLMUnreachable, fault.TargetTimeout: fault.LLMTimeout,
		fault.TargetBroken: fault.LLMBrokenStream, fault.ResponseTooLarge: fault.LLMBadAnswer,
	}[f.Code]
	if !ours {
		return f
	}
	return fault.Newf(code, "LLM server %s: %s", s.Name, f.Detail)
}

// retryAfter is the server's own word in seconds, else ours.
func retryAfter(h http.Header) time.Duration {
	if n, err := strconv.ParseUint(strings.TrimSpace(h.Get("Retry-After")), 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	return defaultRetryAfter
}
