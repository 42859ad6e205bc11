package outbound

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/fault"
)

// corpus has URLs that must not be requested. {port} is the port of a server on
// the loopback addresses, {host} a name that leads there.
var corpus = map[string]struct {
	want fault.Code
	urls []string
}{
	"loopback": {fault.TargetNotAllowed, []string{
		"http://127.0.0.1:{port}/", "http://127.0.0.1:{port}", "http://127.0.0.2:{port}/", "http://127.255.255.254:{port}/",
		"http://[::1]:{port}/", "http://[0:0:0:0:0:0:0:1]:{port}/", "http://[0000::0001]:{port}/",
		"http://localhost:{port}/", "http://LOCALHOST:{port}/", "http://localhost.:{port}/", "http://x.localhost:{port}/",
		"https://127.0.0.1:{port}/", "HTTP://127.0.0.1:{port}/",
	}},
	"not four decimal numbers": {fault.InvalidInput, []string{
		"http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://0X7F000001:{port}/", "http://017700000001:{port}/",
		"http://127.1:{port}/", "http://127.0.1:{port}/", "http://0:{port}/", "http://0x7f.1:{port}/", "http://0x7f.0.0.0x1:{port}/",
		"http://0177.0.0.1:{port}/", "http://127.0.0.01:{port}/", "http://0300.0250.0.1:{port}/", "http://127.0.0.1.:{port}/", "http://127.0.0.0x:{port}/",
		"http://4294967297:{port}/", "http://256.256.256.256:{port}/", "http://127.0.0.1.1:{port}/",
		"http://0x0000000000000000007f000001:{port}/", "http://1.1.1.1.nip.0x7f000001:{port}/",
	}},
	"this host, everywhere, nowhere": {fault.TargetNotAllowed, []string{
		"http://0.0.0.0:{port}/", "http://0.1.2.3:{port}/", "http://[::]:{port}/", "http://255.255.255.255:{port}/",
		"http://224.0.0.1:{port}/", "http://239.255.255.250:{port}/", "http://240.0.0.1:{port}/",
		"http://[ff02::1]:{port}/", "http://[ff0e::1]:{port}/", "http://[fec0::1]:{port}/", "http://[100::1]:{port}/",
	}},
	"private": {fault.TargetNotAllowed, []string{
		"http://10.0.0.1/", "http://10.255.255.255/", "http://172.16.0.1/", "http://172.31.255.254/", "http://192.168.0.1/",
		"http://100.64.0.1/", "http://100.127.255.254/", "http://198.18.0.1/", "http://192.0.0.8/", "http://192.0.2.1/",
		"http://198.51.100.1/", "http://203.0.113.1/", "http://[fc00::1]/", "http://[fd12:3456::1]/", "http://[2001:db8::1]/",
	}},
	"link-local and metadata": {fault.TargetNotAllowed, []string{
		"http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/", "http://169.254.0.1/", "http://[fe80::1]/",
		"http://[febf::1]/", "http://100.100.100.200/", "http://168.63.129.16/", "http://192.0.0.192/", "http://[fd00:ec2::254]/",
		"http://[fd20:ce::254]/",
	}},
	"an address in an address": {fault.TargetNotAllowed, []string{
		"http://[::ffff:127.0.0.1]:{port}/", "http://[::ffff:7f00:1]:{port}/", "http://[0:0:0:0:0:ffff:7f00:0001]:{port}/",
		"http://[::ffff:169.254.169.254]/", "http://[::ffff:8.8.8.8]/", "http://[::127.0.0.1]:{port}/", "http://[::7f00:1]:{port}/",
		"http://[::ffff:0:127.0.0.1]:{port}/", "http://[64:ff9b::7f00:1]:{port}/", "http://[64:ff9b::127.0.0.1]:{port}/",
		"http://[64:ff9b:1::7f00:1]:{port}/", "http://[2002:7f00:1::]:{port}/", "http://[2002:a9fe:a9fe::1]/",
		"http://[2001:0:7f00:1::]:{port}/", "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
		"http://[2620:0:1::5efe:7f00:1]:{port}/", "http://[2620:0:1::200:5efe:127.0.0.1]:{port}/", "http://[fe80::5efe:7f00:1]:{port}/",
	}},
	"zones and brackets": {fault.InvalidInput, []string{
		"http://[::1%25lo]:{port}/", "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[127.0.0.1]:{port}/", "http://[localhost]:{port}/",
		"http://[]:{port}/", "http://[::1:{port}/", "http://::1:{port}/", "http://[::1]x:{port}/", "http://[v1.x]/",
	}},
	"user information": {fault.InvalidInput, []string{
		"http://example.com@127.0.0.1:{port}/", "http://example.com:80@127.0.0.1:{port}/", "http://127.0.0.1:{port}@example.com/",
		"http://a:b@c:d@127.0.0.1:{port}/", "http://@127.0.0.1:{port}/", "http://example.com%40127.0.0.1:{port}/", "http://:@{host}/",
		"http://user@{host}:{port}/", "http://example.com#@127.0.0.1:{port}/\\", "http://127.0.0.1:{port}\\@example.com/",
	}},
	"readers that disagree": {fault.InvalidInput, []string{
		"http:\\\\127.0.0.1:{port}\\", "http://127.0.0.1\\.example.com/", "http:127.0.0.1:{port}/", "http:/127.0.0.1:{port}/", "http:///127.0.0.1:{port}/",
		"//127.0.0.1:{port}/", "127.0.0.1:{port}", "", " ", "http://", "http://:{port}/", "http://./", "http://../",
		" http://127.0.0.1:{port}/", "http://127.0.0.1:{port}/ x", "http://127.0.0.1 :{port}/", "http://exa\tmple.com/", "http://example.com\r\n/",
		"http://example.com/\r\nX-Evil: 1", "http://example.com/%0d%0a/\x00", "http://127.0.0.1%00.example.com/", "http://127.0.0.1%2f@example.com/",
		"http://%31%32%37.0.0.1:{port}/", "http://127.0.0.1%0a:{port}/", "http://a..b/", "http://.a/", "http://-a.b/", "http://a-/", "http://a*b/", "http://a_b..c/",
		"http://" + strings.Repeat("a", 64) + ".com/", "http://" + strings.Repeat("a.", 130) + "com/", "http://example.com/" + strings.Repeat("x", 9000),
	}},
	"letters that become others": {fault.InvalidInput, []string{
		"http://１２７.０.０.１:{port}/", "http://①②⑦.⓪.⓪.①:{port}/", "http://127。0。0。1:{port}/", "http://ⓛocalhost:{port}/", "http://localhoſt:{port}/",
		"http://localhost\u200b:{port}/", "http://exämple.com/", "http://example．com/", "http://127.0.0.1\u00ad:{port}/", "http://\u212a.example/",
	}},
	"schemes": {fault.InvalidInput, []string{
		"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:{port}/_x", "dict://127.0.0.1:{port}/", "ldap://127.0.0.1/", "unix:///run/x.sock",
		"data:text/plain,x", "javascript:alert(1)", "jar:http://127.0.0.1!/", "ws://127.0.0.1:{port}/", "h2c://127.0.0.1:{port}/", "httpx://127.0.0.1/",
		"http+unix://%2frun%2fx.sock/", "about:blank", "tftp://127.0.0.1/",
	}},
	"ports": {fault.InvalidInput, []string{
		"http://example.com:0/", "http://example.com:65536/", "http://example.com:99999999999/", "http://example.com:-1/", "http://example.com:80x/",
		"http://example.com:{port}:80/", "http://example.com: 80/", "http://example.com:８０/", "http://example.com:http/",
	}},
	"names that lead inside": {fault.TargetNotAllowed, []string{
		"http://{host}:{port}/", "http://{HOST}.:{port}/", "http://six.test:{port}/", "http://mapped.test:{port}/", "http://both.test:{port}/",
		"http://last.test:{port}/", "http://metadata.google.internal/", "http://zero.test:{port}/", "http://nat64.test:{port}/", "http://zone.test:{port}/",
		"https://{host}:{port}/", "http://xn--80ak6aa92e.test:{port}/", "http://{host}:{port}/#@example.com/", "http://{host}:{port}?@example.com/",
		"http://127.0.0.1.nip.test:{port}/", "http://cgnat.test/",
	}},
}

func hostile(s *server) *strings.Replacer {
	return strings.NewReplacer("{port}", s.port, "{host}", "inside.test", "{HOST}", "INSIDE.test")
}

func insideNames() *names {
	return resolver("inside.test", "127.0.0.1", "six.test", "::1", "mapped.test", "::ffff:127.0.0.1", "both.test", "127.0.0.1 93.184.215.14",
		"last.test", "93.184.215.14 2606:2800:21f::1 127.0.0.1", "metadata.google.internal", "169.254.169.254", "zero.test", "0.0.0.0",
		"nat64.test", "64:ff9b::7f00:1", "zone.test", "fe80::1%lo", "xn--80ak6aa92e.test", "127.0.0.1", "127.0.0.1.nip.test", "127.0.0.1", "cgnat.test", "100.64.0.1")
}

// TestCorpus asserts on the listener: nothing reaches it.
func TestCorpus(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	c := client(t, Options{Resolver: insideNames()})
	var dialled []string
	c.connect = func(ctx context.Context, host, address string) (net.Conn, error) {
		dialled = append(dialled, address)
		return c.connectTCP(ctx, host, address)
	}
	for kind, group := range corpus {
		for _, u := range group.urls {
			u = hostile(s).Replace(u)
			// What can be known without a name server is refused when a job is added.
			if _, err := c.Check(u); kind != "names that lead inside" && !fault.Is(err, group.want) {
				t.Errorf("%s: Check(%q): %v, want %q", kind, u, err, group.want)
			}
			if got, err := code(t, c, Request{URL: u}); got != group.want {
				t.Errorf("%s: %q: %q (%v), want %q", kind, u, got, err, group.want)
			}
		}
	}
	if n := s.connections.Load(); n > 0 {
		t.Errorf("%d connections arrived", n)
	}
	if len(dialled) > 0 {
		t.Errorf("dialled %v", dialled)
	}
}

// TestRedirectCorpus is the same, by way of a permitted server that redirects.
func TestRedirectCorpus(t *testing.T) {
	t.Parallel()
	inside := serve(t, func(http.ResponseWriter, *http.Request) {})
	outside := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Location"] = []string{r.Header.Get("Accept")} // as it is, without cleaning
		w.WriteHeader(http.StatusFound)
	})
	c := client(t, Options{Allow: []string{"outside.test:" + outside.port}, Resolver: insideNames()})
	c.o.Resolver.(*names).answers["outside.test"] = []string{"127.0.0.1"}
	asked := int64(0)
	for kind, group := range corpus {
		for _, u := range group.urls {
			u = hostile(inside).Replace(u)
			if CheckHeader("Accept", u) != nil || strings.TrimSpace(u) != u || u == "" {
				continue // cannot be a header's value
			}
			asked++
			got, err := code(t, c, Request{URL: "http://outside.test:" + outside.port, Header: http.Header{"Accept": {u}}, Redirects: 3})
			if got != fault.RedirectNotAllowed && got != fault.TargetNotAllowed {
				// What is no URL may be read as a path of the same server, which redirects
				// there again until the limit is reached; that is refused as well.
				t.Errorf("%s: %q: %q (%v)", kind, u, got, err)
			}
		}
	}
	if n := inside.connections.Load(); n > 0 {
		t.Errorf("%d connections arrived", n)
	}
	if n := outside.connections.Load(); n < asked {
		t.Errorf("only %d of %d requests were made", n, asked)
	}
}

// TestRebinding has a name server that answers with a public address first and
// a private one afterwards.
func TestRebinding(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	for i, answers := range [][]string{
		{"93.184.215.14", "127.0.0.1"},
		{"93.184.215.14", "93.184.215.14 127.0.0.1"},
		{"93.184.215.14", "::1"},
	} {
		n := &names{answers: map[string][]string{"rebind.test": answers}}
		c := client(t, Options{Resolver: n})
		var dialled []string
		c.connect = func(_ context.Context, _, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			return nil, &net.OpError{Op: "dial", Err: fmt.Errorf("test")}
		}
		u := "http://rebind.test:" + s.port
		if got, err := code(t, c, Request{URL: u}); got != fault.TargetUnreachable {
			t.Errorf("%d: first: %q, %v", i, got, err)
		}
		if want := "93.184.215.14:" + s.port; len(dialled) != 1 || dialled[0] != want {
			t.Errorf("%d: dialled %v, want the checked address %s", i, dialled, want)
		}
		if n.asked["rebind.test"] != 1 {
			t.Errorf("%d: the name was resolved %d times for one connection", i, n.asked["rebind.test"])
		}
		if got, err := code(t, c, Request{URL: u}); got != fault.TargetNotAllowed {
			t.Errorf("%d: second: %q, %v", i, got, err)
		}
		if len(dialled) != 1 {
			t.Errorf("%d: dialled %v", i, dialled)
		}
	}
	if n := s.connections.Load(); n > 0 {
		t.Errorf("%d connections arrived", n)
	}
}

// TestControlIsTheLastWord skips every check before the socket.
func TestControlIsTheLastWord(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	c := client(t, Options{Allow: []string{"good.test:" + s.port}})
	for _, address := range []string{"127.0.0.1:" + s.port, "[::1]:" + s.port, "[::ffff:127.0.0.1]:" + s.port, "0.0.0.0:" + s.port, "[::]:" + s.port} {
		conn, err := c.connectTCP(deadline(t), "bad.test", address)
		if err == nil {
			conn.Close()
		}
		if !fault.Is(err, fault.TargetNotAllowed) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if n := s.connections.Load(); n > 0 {
		t.Errorf("%d connections arrived", n)
	}
	conn, err := c.connectTCP(deadline(t), "good.test", "127.0.0.1:"+s.port)
	if err != nil {
		t.Fatalf("allowed: %v", err)
	}
	conn.Close()
	for network, address := range map[string]string{"udp4": "8.8.8.8:53", "unix": "/run/x.sock", "tcp4": "nonsense"} {
		if err := c.control("x")(t.Context(), network, address, nil); !fault.Is(err, fault.TargetNotAllowed) {
			t.Errorf("%s %s: %v", network, address, err)
		}
	}
}

func TestPublicIsPublic(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"8.8.8.8", "93.184.215.14", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "11.0.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1"} {
		if c, why := classify(netip.MustParseAddr(s)); c != public {
			t.Errorf("%s is %s", s, why)
		}
	}
	if c, _ := classify(netip.Addr{}); c != never {
		t.Error("the zero address may be reached")
	}
}

func TestCheckGivesThePlainForm(t *testing.T) {
	t.Parallel()
	c := client(t, Options{})
	for in, want := range map[string]string{
		"https://Example.COM./a%20b?q=1#secret": "https://example.com/a%20b?q=1",
		"http://example.com:80":                 "http://example.com:80",
		"http://example.com:080/":               "http://example.com:80/",
		"http://example.com:/x":                 "http://example.com/x",
		"https://[2606:4700:0:0::1111]:443/":    "https://[2606:4700::1111]:443/",
		"http://xn--exmple-cua.com/":            "http://xn--exmple-cua.com/",
		"http://a_b.example.com/":               "http://a_b.example.com/",
		"http://0x7f.example.com/":              "http://0x7f.example.com/",
		"http://x0.1a/":                         "http://x0.1a/",
		"http://example.com/a@b/../c;d":         "http://example.com/a@b/../c;d",
	} {
		if u, err := c.Check(in); err != nil || u.String() != want {
			t.Errorf("%s: %v, %v, want %s", in, u, err, want)
		}
	}
}
