package outbound

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/fault"
)

func TestDo(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%s %s %s %s %s %s", r.Method, r.Host, r.URL, r.Header.Get("X-A"), r.UserAgent(), b)
	})
	for name, c := range map[string]*Client{
		"up.test":     client(t, Options{Allow: []string{"up.test:" + s.port}, Resolver: resolver("up.test", "127.0.0.1"), UserAgent: "me"}),
		"127.0.0.1":   client(t, Options{Allow: []string{"127.0.0.0/8:" + s.port}, UserAgent: "me"}),
		"localhost":   client(t, Options{Allow: []string{"localhost:*"}, Resolver: resolver("localhost", "127.0.0.1"), UserAgent: "me"}),
		"mapped.test": client(t, Options{Allow: []string{"mapped.test:" + s.port}, Resolver: resolver("mapped.test", "::ffff:127.0.0.1"), UserAgent: "me"}),
		// The first address refuses the connection, the second takes it.
		"two.test": client(t, Options{Allow: []string{"two.test:" + s.port}, Resolver: resolver("two.test", "127.9.9.9 127.0.0.1"), UserAgent: "me"}),
	} {
		header := http.Header{"X-A": {"a"}}
		resp, err := c.Do(deadline(t), Request{Method: "PUT", URL: "http://" + name + ":" + s.port + "/p?q=1#f", Header: header, Body: []byte("hello")})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		want := "PUT " + name + ":" + s.port + " /p?q=1 a me hello"
		if err != nil || string(b) != want {
			t.Errorf("%s: %q, %v, want %q", name, b, err, want)
		}
		if diff := cmp.Diff(http.Header{"X-A": {"a"}}, header); diff != "" {
			t.Errorf("the header was changed: %s", diff)
		}
	}
}

// TestNoProxy is not parallel, because it sets the environment.
func TestNoProxy(t *testing.T) {
	proxy := serve(t, func(http.ResponseWriter, *http.Request) {})
	for _, v := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(v, proxy.URL)
	}
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	// The host must not be loopback, for which the standard library uses no proxy.
	c := client(t, Options{Allow: []string{"up.test:" + s.port}, Resolver: resolver("up.test", "127.0.0.1")})
	if got, err := code(t, c, Request{URL: "http://up.test:" + s.port}); got != "" || proxy.connections.Load() != 0 {
		t.Errorf("%v; %d connections to the proxy", err, proxy.connections.Load())
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	c := client(t, Options{Allow: []string{"127.0.0.1:*"}})
	for name, value := range map[string]string{
		"X-A": "a\r\nX-B: b", "X-B": "a\nb", "X-C": "a\rb", "X-D": "a\x00b", "X-E": "a\x7fb", "X-F": strings.Repeat("a", 9000),
		"X-A\r\nX-B": "b", "X A": "b", "X:A": "b", "": "b", "X-Ä": "b", "(x)": "b", strings.Repeat("a", 129): "b",
		"Host": "127.0.0.1", "host": "127.0.0.1", "Content-Length": "5", "transfer-encoding": "chunked", "Connection": "X-A",
		"Upgrade": "websocket", "Proxy-Authorization": "x", "proxy-connection": "x", "TE": "trailers", "Trailer": "x", "Expect": "100-continue", "Keep-Alive": "1",
	} {
		got, err := code(t, c, Request{URL: s.URL, Header: http.Header{name: {"fine", value}}})
		if got != fault.InvalidInput {
			t.Errorf("%q: %q (%v)", name, got, err)
		}
		if strings.Contains(fmt.Sprint(err), value) && len(value) > 3 {
			t.Errorf("%q: the value shows: %v", name, err)
		}
	}
	if got, err := code(t, c, Request{URL: s.URL, Method: "GET /x HTTP/1.1\r\nX: y"}); got != fault.InvalidInput {
		t.Errorf("method: %v", err)
	}
	if n := s.connections.Load(); n > 0 {
		t.Errorf("%d connections arrived", n)
	}
}

// hop is what a redirect's target has seen.
type hop struct {
	Method, Body string
	Headers      string
}

func seen(r *http.Request) hop {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return hop{Method: err.Error()}
	}
	var names []string
	for _, n := range []string{"Accept", "Authorization", "Content-Type", "Cookie", "Idempotency-Key", "Referer", "X-Api-Key"} {
		if r.Header.Get(n) != "" {
			names = append(names, n)
		}
	}
	return hop{r.Method, string(b), strings.Join(names, " ")}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var got []hop
	other := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = append(got, seen(r)) })
	var first *server
	first = serve(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		var where string
		if _, err := fmt.Sscanf(r.URL.Path, "/%d/%s", &status, &where); err != nil { // the end
			got = append(got, seen(r))
			return
		}
		w.Header().Set("Location", map[string]string{
			"same": "/end", "other": other.URL + "/end", "again": r.URL.Path, "https": "https://127.0.0.1:" + first.port + "/end",
			"bounce": other.URL + "/302/same", "broken": "http://%zz/?geheim", "user": "http://u:geheim@127.0.0.1/",
		}[where])
		w.WriteHeader(status)
	})
	c := client(t, Options{Allow: []string{"127.0.0.1:*"}})
	all := "Accept Authorization Content-Type Cookie Idempotency-Key X-Api-Key"
	for _, tc := range []struct {
		method, path string
		redirects    int
		want         fault.Code
		end          hop
	}{
		{"GET", "/302/same", 1, "", hop{"GET", "", all}},
		{"GET", "/301/other", 1, "", hop{"GET", "", "Accept"}},
		{"HEAD", "/303/other", 1, "", hop{"HEAD", "", "Accept"}},
		{"POST", "/302/same", 1, "", hop{"GET", "", "Accept Authorization Cookie X-Api-Key"}},
		{"POST", "/303/other", 1, "", hop{"GET", "", "Accept"}},
		{"POST", "/307/same", 1, "", hop{"POST", "body", all}},
		{"PUT", "/308/same", 1, "", hop{"PUT", "body", all}},
		{"POST", "/307/other", 1, fault.RedirectNotAllowed, hop{}},
		{"DELETE", "/302/other", 1, fault.RedirectNotAllowed, hop{}},
		{"GET", "/302/again", 3, fault.RedirectNotAllowed, hop{}},
		{"GET", "/302/again", 100, fault.RedirectNotAllowed, hop{}},
		{"GET", "/302/https", 3, fault.RedirectNotAllowed, hop{}},
		{"GET", "/302/broken", 3, fault.RedirectNotAllowed, hop{}},
		{"GET", "/302/user", 3, fault.RedirectNotAllowed, hop{}},
	} {
		got = nil
		r := Request{Method: tc.method, URL: first.URL + tc.path, Redirects: tc.redirects, Header: http.Header{
			"Accept": {"x"}, "Authorization": {"x"}, "Content-Type": {"x"}, "Cookie": {"x"}, "Idempotency-Key": {"x"}, "X-Api-Key": {"x"},
		}}
		if tc.method == "POST" || tc.method == "PUT" {
			r.Body = []byte("body")
		}
		before := first.connections.Load()
		have, err := code(t, c, r)
		if have != tc.want || strings.Contains(fmt.Sprint(err), "geheim") {
			t.Errorf("%s %s: %q (%v), want %q", tc.method, tc.path, have, err, tc.want)
		}
		if n := first.connections.Load() - before; n > 1+MaxRedirects {
			t.Errorf("%s %s: %d requests", tc.method, tc.path, n)
		}
		var want []hop
		if tc.want == "" {
			want = []hop{tc.end}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %s: %s", tc.method, tc.path, diff)
		}
	}
}

func TestRedirectsAreOffByDefault(t *testing.T) {
	t.Parallel()
	inside := serve(t, func(http.ResponseWriter, *http.Request) {})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inside.URL, http.StatusFound) })
	c := client(t, Options{Allow: []string{"127.0.0.1:*"}})
	resp, err := c.Do(deadline(t), Request{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusFound || inside.connections.Load() != 0 {
		t.Errorf("status %d, %d connections", resp.StatusCode, inside.connections.Load())
	}
}

func TestCredentialsStayAwayAfterABounce(t *testing.T) {
	t.Parallel()
	var a, b *server
	var end hop
	a = serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			end = seen(r)
			return
		}
		http.Redirect(w, r, b.URL, http.StatusFound)
	})
	b = serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, a.URL+"/end", http.StatusFound) })
	c := client(t, Options{Allow: []string{"127.0.0.1:*"}})
	if got, err := code(t, c, Request{URL: a.URL, Redirects: 3, Header: http.Header{"Authorization": {"x"}, "X-Key": {"x"}}}); got != "" {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hop{Method: "GET"}, end); diff != "" {
		t.Error(diff)
	}
}

func TestResponseLimits(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/exact":
			fmt.Fprint(w, strings.Repeat("x", 1000))
		case "/declared":
			w.Header().Set("Content-Length", "1001")
			fmt.Fprint(w, strings.Repeat("x", 1001))
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := fmt.Fprint(w, strings.Repeat("x", 4096)); err != nil {
					return
				}
			}
		case "/head":
			w.Header().Set("Content-Length", "5000")
		case "/header":
			for i := range 100 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 1000))
			}
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, "not unpacked")
		}
	})
	c := client(t, Options{Allow: []string{"127.0.0.1:*"}, MaxResponse: 1000, MaxHeader: 8000})
	for path, want := range map[string]fault.Code{
		"/exact": "", "/declared": fault.ResponseTooLarge, "/endless": fault.ResponseTooLarge, "/header": fault.TargetBroken, "/gzip": "",
	} {
		n, err := fetch(t, c, s.URL+path)
		if want == "" && err != nil || want != "" && !fault.Is(err, want) || n > 1000 {
			t.Errorf("%s: %d bytes, %v, want %q", path, n, err, want)
		}
	}
	if got, err := code(t, c, Request{Method: "HEAD", URL: s.URL + "/head"}); got != "" {
		t.Errorf("HEAD: %v", err)
	}
}

func fetch(t *testing.T, c *Client, u string) (int64, error) {
	t.Helper()
	resp, err := c.Do(deadline(t), Request{URL: u})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return io.Copy(io.Discard, resp.Body)
}

// raw answers each connection with text and keeps it open until the test ends,
// if hold is set.
func raw(t *testing.T, text string, hold bool) (port string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
				fmt.Fprint(conn, text)
			}
			if hold {
				<-over
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		close(over)
		l.Close()
		<-done
	})
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestFailuresNameTheReasonAndNoSecret(t *testing.T) {
	t.Parallel()
	refused := serve(t, func(http.ResponseWriter, *http.Request) {})
	refused.Close()
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	names := resolver("down.test", "127.0.0.1", "private.test", "10.1.2.3")
	for _, tc := range []struct {
		name, url string
		want      fault.Code
		say       string
	}{
		{"refused", "http://down.test:" + refused.port, fault.TargetUnreachable, "connection refused"},
		{"no name", "http://missing.test", fault.TargetUnreachable, "missing.test has no address"},
		{"private", "http://private.test", fault.TargetNotAllowed, "private.test:80 must not be reached: its address is private"},
		{"not TLS", "https://127.0.0.1:" + plain.port, fault.TargetUntrusted, "TLS"},
		{"not HTTP", "http://127.0.0.1:" + raw(t, "geheim geheim\r\n\r\n", false), fault.TargetBroken, "not HTTP"},
		{"nothing", "http://127.0.0.1:" + raw(t, "", false), fault.TargetBroken, "broke"},
		{"cut off", "http://127.0.0.1:" + raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ngeheim", false), fault.TargetBroken, "broke"},
		{"smuggled", "http://127.0.0.1:" + raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\ngeheim", false), fault.TargetBroken, "broke"},
	} {
		c := client(t, Options{Allow: []string{"127.0.0.0/8:*"}, Resolver: names})
		_, err := fetch(t, c, tc.url+"/geheim?token=geheim")
		if !fault.Is(err, tc.want) || !strings.Contains(err.Error(), tc.say) {
			t.Errorf("%s: %v, want %s and %q", tc.name, err, tc.want, tc.say)
		}
		if err != nil && (strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "10.1.2.3")) {
			t.Errorf("%s: too much is told: %v", tc.name, err)
		}
	}
}

// slow is a resolver that never answers.
type slow struct{}

func (slow) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, &net.DNSError{Err: "timeout", Name: host, IsTimeout: true}
}

func TestEachPhaseHasAnEnd(t *testing.T) {
	t.Parallel()
	const brief = 30 * time.Millisecond
	silent := "127.0.0.1:" + raw(t, "", true)
	allow := []string{"127.0.0.1:*"}
	stuck := client(t, Options{ConnectTimeout: brief, Resolver: resolver("stuck.test", "93.184.215.14")})
	stuck.connect = func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Err: ctx.Err()}
	}
	for name, tc := range map[string]struct {
		c   *Client
		url string
	}{
		"resolve": {client(t, Options{ResolveTimeout: brief, Resolver: slow{}}), "http://slow.test"},
		"connect": {stuck, "http://stuck.test"},
		"tls":     {client(t, Options{TLSTimeout: brief, Allow: allow}), "https://" + silent},
		"header":  {client(t, Options{HeaderTimeout: brief, Allow: allow}), "http://127.0.0.1:" + raw(t, "HTTP/1.1 200 OK\r\n", true)},
	} {
		ctx := deadline(t)
		resp, err := tc.c.Do(ctx, Request{URL: tc.url})
		if err == nil {
			resp.Body.Close()
		}
		if !fault.Is(err, fault.TargetTimeout) || ctx.Err() != nil {
			t.Errorf("%s: %v; ended by the test's own limit: %v", name, err, ctx.Err() != nil)
		}
	}
	c := client(t, Options{Allow: allow})
	ctx, cancel := context.WithTimeout(t.Context(), brief)
	defer cancel()
	resp, err := c.Do(ctx, Request{URL: "http://127.0.0.1:" + raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", true)})
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if !fault.Is(err, fault.TargetTimeout) {
		t.Errorf("body: %v", err)
	}
}

func TestCancelGivesItsCause(t *testing.T) {
	t.Parallel()
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(why)
		<-r.Context().Done() // the connection is given up
	})
	resp, err := client(t, Options{Allow: []string{"127.0.0.1:*"}}).Do(ctx, Request{URL: s.URL})
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, why) {
		t.Errorf("err = %v", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	start := func(newest uint16) (*httptest.Server, *x509.CertPool) {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: newest}
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		pool := x509.NewCertPool()
		pool.AddCert(s.Certificate())
		return s, pool
	}
	good, pool := start(tls.VersionTLS13)
	old, oldPool := start(tls.VersionTLS11)
	_, port, err := net.SplitHostPort(good.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	names := resolver("example.com", "127.0.0.1", "wrong.test", "127.0.0.1")
	for _, tc := range []struct {
		url  string
		pool *x509.CertPool
		want fault.Code
		say  string
	}{
		{good.URL, pool, "", ""},
		{"https://example.com.:" + port, pool, "", ""}, // the certificate is for example.com
		{"https://wrong.test:" + port, pool, fault.TargetUntrusted, "another name"},
		{good.URL, nil, fault.TargetUntrusted, "unknown authority"},
		{old.URL, oldPool, fault.TargetUntrusted, "refused TLS"},
	} {
		c := client(t, Options{Allow: []string{"127.0.0.1:*"}, Resolver: names, Roots: tc.pool})
		got, err := code(t, c, Request{URL: tc.url})
		if got != tc.want || err != nil && !strings.Contains(err.Error(), tc.say) {
			t.Errorf("%s: %q (%v), want %q %s", tc.url, got, err, tc.want, tc.say)
		}
	}
}
