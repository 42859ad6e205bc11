package outbound

import (
	"net/netip"

	"code.dny.dev/ssrf"
)

// class says who may reach an address.
type class int

const (
	// public: everybody.
	public class = iota
	// private: needs an entry of the allow-list, by name, address or network.
	private
	// guarded: link-local and metadata services of clouds, which hand out
	// credentials. Needs an entry that is exactly this address.
	guarded
	// never: not even with an entry. It names no host (multicast, "this host"), or
	// has another address inside that a gateway may unpack.
	never
)

// prefixes are read-only after they were made; parsing is cheap enough to do
// it where they are used once.
func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// nowhere are addresses of no single host, or with another one inside.
var nowhere = prefixes(
	"0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", // this network, multicast, reserved with broadcast
	"192.88.99.0/24",                 // 6to4 relay
	"ff00::/8",                       // multicast
	"::/96",                          // unspecified, IPv4-compatible; loopback is taken out before
	"::ffff:0:0/96",                  // IPv4-mapped (RFC 4291)
	"::ffff:0:0:0/96",                // IPv4-translated (RFC 2765)
	"64:ff9b::/96", "64:ff9b:1::/48", // NAT64 (RFC 6052, RFC 8215)
	"2001::/32", "2001:2::/48", // Teredo (RFC 4380), benchmarking
	"2001:10::/28", "2001:20::/28", // ORCHID
	"2002::/16", // 6to4 (RFC 3056)
	"fec0::/10", // site-local, deprecated
	"100::/64",  // discard
)

// metadata are services of clouds that are not link-local.
var metadata = prefixes(
	"100.100.100.200/32", // Alibaba
	"168.63.129.16/32",   // Azure
	"192.0.0.192/32",     // Oracle
	"fd00:ec2::/32",      // Amazon
	"fd20:ce::/32",       // Google
)

// registry knows what IANA has set aside for special purposes.
var registry = ssrf.New(ssrf.WithAnyPort())

func within(list []netip.Prefix, ip netip.Addr) bool {
	for _, p := range list {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// classify returns ip's class and a word for it. An address from a resolver is
// unmapped before; in a URL an IPv4-mapped one is a disguise.
func classify(ip netip.Addr) (class, string) {
	switch {
	case !ip.IsValid():
		return never, "not valid"
	case ip.Zone() != "":
		return never, "bound to a zone"
	case ip.IsLoopback() && !ip.Is4In6():
		return private, "loopback"
	case within(nowhere, ip):
		return never, "not the address of one host"
	case isatap(ip):
		return never, "a tunnel (ISATAP)"
	case within(metadata, ip):
		return guarded, "a metadata service"
	case ip.IsLinkLocalUnicast():
		return guarded, "link-local"
	case ip.IsPrivate():
		return private, "private"
	case registry.SafeAddr(ip) != nil:
		return private, "for special purposes"
	}
	return public, "public"
}

// isatap reports whether the lower half of ip has an IPv4 address inside (RFC
// 5214).
func isatap(ip netip.Addr) bool {
	if !ip.Is6() {
		return false
	}
	b := ip.As16()
	return b[8]&^3 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}
