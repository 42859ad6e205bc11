package outbound

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names is a resolver. Each lookup of a name takes the next of its answers; the
// last one stays.
type names struct {
	mu      sync.Mutex
	answers map[string][]string // each a list of addresses, separated by spaces
	asked   map[string]int
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.answers[host]
	if len(list) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if n.asked == nil {
		n.asked = map[string]int{}
	}
	answer := list[min(n.asked[host], len(list)-1)]
	n.asked[host]++
	var out []netip.Addr
	for s := range strings.FieldsSeq(answer) {
		out = append(out, netip.MustParseAddr(s))
	}
	return out, nil
}

func resolver(pairs ...string) *names {
	n := &names{answers: map[string][]string{}}
	for i := 0; i < len(pairs); i += 2 {
		n.answers[pairs[i]] = append(n.answers[pairs[i]], pairs[i+1])
	}
	return n
}

// server counts the connections that are made to it.
type server struct {
	*httptest.Server
	port        string
	connections atomic.Int64
}

func serve(t *testing.T, h http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.port = u.Port()
	return s
}

func client(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// deadline keeps a test from hanging.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// code does a request to its end and returns the fault's code, "" for success.
func code(t *testing.T, c *Client, r Request) (fault.Code, error) {
	t.Helper()
	resp, err := c.Do(deadline(t), r)
	if err == nil {
		resp.Body.Close()
		return "", nil
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatalf("%s: %v is no fault", r.URL, err)
	}
	return f.Code, err
}
