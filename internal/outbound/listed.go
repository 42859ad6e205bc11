package outbound

import (
	"net/netip"
	"net/url"

	"github.com/runsheet/runsheet/internal/fault"
)

// CheckSecure is Check for messages that must not be read on the way: it also
// refuses, with target_not_allowed, http, unless the operator's allow-list names
// the target. An entry by network counts for URLs with an address only, because
// what a name leads to is not known yet.
func (c *Client) CheckSecure(raw string) (*url.URL, error) {
	u, err := c.Check(raw)
	if err != nil || u.Scheme == "https" {
		return u, err
	}
	_, host, port, err := parseTarget(raw)
	if err != nil {
		return nil, err
	}
	if c.listed(host, port) {
		return u, nil
	}
	return nil, fault.Newf(fault.TargetNotAllowed, "%s must be reached by https: http is only for targets in the allow-list", host).WithHint(allowHint)
}

// listed reports whether an entry of the allow-list is about a host.
func (c *Client) listed(host string, port uint16) bool {
	if c.allow.names(host, port) || host == "localhost" && c.reachesLoopback(port) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, e := range c.allow {
		if (e.port == 0 || e.port == port) && e.net.IsValid() && e.net.Contains(ip) {
			return true
		}
	}
	return false
}
