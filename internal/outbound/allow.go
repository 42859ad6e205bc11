package outbound

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
)

// allowList decides which addresses that are not public may be reached.
//
//   - A name as an entry (ollama.lan:11434) allows the URLs with exactly this
//     host, whatever private address it resolves to. It does not allow to reach
//     link-local addresses or a metadata service.
//   - An address or a network (10.0.0.5:80, 10.0.0.0/8:443, [fd00::1]:80,
//     [fd00::/8]:443) allows to reach it, under any name.
//   - A port is one number, or * for all.
type allowList []entry

// entry is one line of the allow-list: a name or a network, not both.
type entry struct {
	name string
	net  netip.Prefix
	port uint16 // 0 = all
}

func newAllowList(entries []string) (allowList, error) {
	var out allowList
	for _, s := range entries {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		e, err := parseEntry(s)
		if err != nil {
			return nil, fault.Newf(fault.InvalidInput, "outbound.allow: %q %v", s, err)
		}
		out = append(out, e)
	}
	return out, nil
}

// CheckAllow says what is wrong with an entry of Options.Allow; nil if nothing.
// An entry is host:port. The host is a name, an address, or a network in CIDR
// notation, IPv6 in brackets; the port is a number, or * for all.
func CheckAllow(s string) error {
	if _, err := parseEntry(s); err != nil {
		return fmt.Errorf("%q %w", s, err)
	}
	return nil
}

func parseEntry(s string) (entry, error) {
	var e entry
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return e, errors.New("must be host:port, or host:* for all ports")
	}
	host, port := s[:i], s[i+1:]
	if port != "*" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return e, errors.New("must end with a port from 1 to 65535, or with :*")
		}
		e.port = uint16(n)
	}
	inner, bracketed := strings.CutPrefix(host, "[")
	if bracketed {
		var closed bool
		if inner, closed = strings.CutSuffix(inner, "]"); !closed {
			return e, errors.New("has a bracket that is not closed")
		}
	}
	network, err := netip.ParsePrefix(inner)
	if err != nil {
		if ip, err := netip.ParseAddr(inner); err == nil && ip.Zone() == "" {
			network = netip.PrefixFrom(ip, ip.BitLen())
		}
	}
	switch {
	case !network.IsValid() && bracketed:
		return e, errors.New("has no IPv6 address in its brackets")
	case !network.IsValid():
		e.name = lower(strings.TrimSuffix(host, "."))
		return e, checkName(e.name)
	case network.Addr().Is6() != bracketed:
		return e, errors.New("must have an IPv6 address in brackets, and only that")
	case network.Masked() != network:
		return e, fmt.Errorf("has bits behind the prefix; the network is %s", network.Masked())
	}
	if c, why := classify(network.Addr()); c == never && network.IsSingleIP() {
		return e, fmt.Errorf("can never be reached: it is %s", why)
	}
	e.net = network
	return e, nil
}

// permit refuses, with a reason that follows "is", an address that must not be
// dialled for a URL whose host is host.
func (a allowList) permit(host string, at netip.AddrPort) error {
	c, why := classify(at.Addr())
	switch c {
	case public:
		return nil
	case never:
		return errors.New(why)
	case private, guarded:
		for _, e := range a {
			if e.port != 0 && e.port != at.Port() {
				continue
			}
			byName := e.name != "" && e.name == host && c == private
			byNet := e.net.IsValid() && e.net.Contains(at.Addr()) && (c == private || e.net.IsSingleIP())
			if byName || byNet {
				return nil
			}
		}
	}
	return errors.New(why)
}

// names reports whether an entry has this name and port.
func (a allowList) names(host string, port uint16) bool {
	for _, e := range a {
		if e.name == host && (e.port == 0 || e.port == port) {
			return true
		}
	}
	return false
}
