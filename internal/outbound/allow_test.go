package outbound

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/fault"
)

func TestAllow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		allow, host, at string
		want            bool
	}{
		{"", "x.test", "10.0.0.5:80", false},
		{"x.test:80", "x.test", "10.0.0.5:80", true},
		{"X.Test.:80", "x.test", "[fd00::1]:80", true},
		{"x.test:80", "x.test", "10.0.0.5:81", false},
		{"x.test:80", "y.test", "10.0.0.5:80", false},
		{"x.test:80", "a.x.test", "10.0.0.5:80", false},
		{"x.test:*", "x.test", "127.0.0.1:65535", true},
		{"x.test:80", "x.test", "100.64.0.1:80", true},
		// A name is in the hand of whoever runs its name server.
		{"x.test:80", "x.test", "169.254.169.254:80", false},
		{"x.test:80", "x.test", "100.100.100.200:80", false},
		{"x.test:80", "x.test", "[fe80::1]:80", false},
		{"x.test:80", "x.test", "0.0.0.0:80", false},
		{"x.test:80", "x.test", "224.0.0.1:80", false},
		{"x.test:80", "x.test", "[64:ff9b::a00:5]:80", false},
		{"x.test:80", "x.test", "[::1%lo]:80", false},
		{"10.0.0.5:80", "x.test", "10.0.0.5:80", true},
		{"10.0.0.5:80", "10.0.0.5", "10.0.0.5:80", true},
		{"10.0.0.5:80", "10.0.0.5", "10.0.0.6:80", false},
		{"10.0.0.0/8:80", "x.test", "10.9.9.9:80", true},
		{"10.0.0.0/8:80", "x.test", "11.9.9.9:80", true}, // public
		{"10.0.0.0/8:80", "x.test", "172.16.0.1:80", false},
		{"10.0.0.0/8:80", "x.test", "10.9.9.9:443", false},
		{"[fd00::/8]:443", "x.test", "[fd01::1]:443", true},
		{"[::1]:443", "x.test", "[::1]:443", true},
		{"[::1]:443", "x.test", "127.0.0.1:443", false},
		// Only the very address opens a metadata service, no network around it.
		{"169.254.169.254:80", "x.test", "169.254.169.254:80", true},
		{"169.254.0.0/16:80", "x.test", "169.254.169.254:80", false},
		{"0.0.0.0/0:*", "x.test", "169.254.169.254:80", false},
		{"0.0.0.0/0:*", "x.test", "0.0.0.0:80", false},
		{"0.0.0.0/0:*", "x.test", "192.168.1.1:80", true},
		{"[::/0]:*", "x.test", "[::ffff:127.0.0.1]:80", false},
		{"[::/0]:*", "x.test", "[2002:7f00:1::]:80", false},
	} {
		a, err := newAllowList([]string{"", " ", c.allow})
		if err != nil {
			t.Fatalf("%s: %v", c.allow, err)
		}
		if err := a.permit(c.host, netip.MustParseAddrPort(c.at)); (err == nil) != c.want {
			t.Errorf("allow %q: %s at %s: %v", c.allow, c.host, c.at, err)
		}
	}
}

func TestAllowIsStrict(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"x.test": "host:port", "10.0.0.1": "host:port", "[::1]": "host:port", ":80": "empty", "x.test:": "port", "x.test:0": "port", "x.test:65536": "port",
		"x.test:080": "port", "x.test:http": "port", "http://x.test:80": "name", "x.test:80/path": "port", "10.0.0.1/8:80": "10.0.0.0/8", "10.0.0.0/33:80": "name",
		"::1:80": "brackets", "[10.0.0.1]:80": "brackets", "[::1:80": "bracket", "[x.test]:80": "IPv6", "[fe80::1%lo]:80": "IPv6", "*:80": "name", "*.x.test:80": "name",
		"127.1:80": "number", "2130706433:80": "number", "0x7f000001:80": "number", "exämple.test:80": "xn--", "\u212a.test:80": "xn--", "0.0.0.0:80": "never", "[::ffff:127.0.0.1]:80": "never",
		"224.0.0.1:80": "never", "[64:ff9b::7f00:1]:80": "never",
	} {
		if err := CheckAllow(entry); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", entry, err, want)
		}
		if _, err := New(Options{Allow: []string{entry}}); !fault.Is(err, fault.InvalidInput) || !strings.Contains(err.Error(), "outbound.allow") {
			t.Errorf("%s: %v", entry, err)
		}
	}
}
