package outbound

import (
	"net/netip"
	"testing"
)

// FuzzCheck: what is accepted is a public address or a plain name, means the same
// when it is read again, and has no place for credentials.
func FuzzCheck(f *testing.F) {
	for _, group := range corpus {
		for _, u := range group.urls {
			f.Add(u)
		}
	}
	f.Add("https://example.com:8443/a?b=c#d")
	f.Add("https://[2606:4700::1111]/")
	c, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := c.Check(raw)
		if err != nil {
			return
		}
		if u.User != nil || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
			t.Errorf("%q became %q", raw, u)
		}
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
			if c, why := classify(ip); c != public {
				t.Errorf("%q is %s", raw, why)
			}
		} else if err := checkName(u.Hostname()); err != nil {
			t.Errorf("%q: host %q %v", raw, u.Hostname(), err)
		}
		again, err := c.Check(u.String())
		if err != nil || again.String() != u.String() {
			t.Errorf("%q became %q, and that %v (%v)", raw, u, again, err)
		}
	})
}
