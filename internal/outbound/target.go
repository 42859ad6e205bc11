package outbound

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
)

// maxURL bounds a URL in bytes.
const maxURL = 8 << 10

// allowHint says who can change a refusal.
const allowHint = "The server reaches other than public addresses only where --allow-outbound (RUNSHEET_OUTBOUND_ALLOW, outbound.allow) says so; see docs/http-jobs.md."

// Check reads a URL as Do would and returns it in its plain form: lower-case
// host without a final dot, no fragment. It refuses, with invalid_input, what is
// no proper http or https URL, and with target_not_allowed an address that must
// not be reached. Names are not resolved: what they lead to is known only when a
// connection is made.
func (c *Client) Check(raw string) (*url.URL, error) {
	u, h, port, err := parseTarget(raw)
	if err != nil {
		return nil, err
	}
	if ip, err := netip.ParseAddr(h); err == nil {
		return u, c.permit(h, netip.AddrPortFrom(ip, port))
	}
	if (h == "localhost" || strings.HasSuffix(h, ".localhost")) && !c.allow.names(h, port) && !c.reachesLoopback(port) {
		return nil, refused(h, port, errors.New("loopback"))
	}
	return u, nil
}

// reachesLoopback reports whether an entry by address covers a loopback address,
// so that the name localhost may lead there.
func (c *Client) reachesLoopback(port uint16) bool {
	for _, ip := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		if c.allow.permit("", netip.AddrPortFrom(ip, port)) == nil {
			return true
		}
	}
	return false
}

// permit is allowList.permit with a fault.
func (c *Client) permit(host string, at netip.AddrPort) error {
	if kind, why := classify(at.Addr()); c.o.LocalOnly && kind == public {
		return refused(host, at.Port(), errors.New(why))
	}
	if why := c.allow.permit(host, at); why != nil {
		return refused(host, at.Port(), why)
	}
	return nil
}

// refused names the host as the user wrote it. Which address a name has inside
// is not told, only what kind it is.
func refused(host string, port uint16, why error) error {
	at := net.JoinHostPort(host, strconv.Itoa(int(port)))
	if _, err := netip.ParseAddr(host); err == nil {
		return fault.Newf(fault.TargetNotAllowed, "%s must not be reached: the address is %v", at, why).WithHint(allowHint)
	}
	return fault.Newf(fault.TargetNotAllowed, "%s must not be reached: its address is %v", at, why).WithHint(allowHint)
}

// parseTarget reads a URL strictly. Everything that two readers of URLs could
// understand differently is refused rather than interpreted.
func parseTarget(raw string) (u *url.URL, host string, port uint16, err error) {
	bad := func(why string) (*url.URL, string, uint16, error) {
		return nil, "", 0, fault.New(fault.InvalidInput, "the URL "+why)
	}
	if len(raw) > maxURL {
		return bad("is longer than " + strconv.Itoa(maxURL) + " bytes")
	}
	if strings.ContainsFunc(raw, ambiguous) {
		return bad("contains a space, a backslash or a control character; write it percent-encoded")
	}
	u, err = url.Parse(raw)
	if err != nil { // the parser's text repeats the URL
		return bad("is not well formed")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return bad("must begin with http:// or https://")
	case u.Opaque != "" || u.Host == "":
		return bad("has no host")
	case u.User != nil || strings.Contains(u.Host, "@"):
		return bad("must not have a user name or password; send them in a header")
	}
	host = lower(u.Hostname())
	literal := strings.HasPrefix(u.Host, "[")
	ip, notIP := netip.ParseAddr(host)
	switch {
	case literal && (notIP != nil || !ip.Is6()):
		return bad("has no IPv6 address in its brackets")
	case notIP == nil && ip.Zone() != "":
		return bad("has an IPv6 address with a zone, which means something on one machine only")
	case notIP != nil:
		host = strings.TrimSuffix(host, ".")
		if err := checkName(host); err != nil {
			return bad("has a host that " + err.Error())
		}
	}
	text := u.Port()
	plain := host
	if literal {
		plain = "[" + ip.String() + "]"
		host = ip.String()
	}
	switch n, err := strconv.ParseUint(text, 10, 16); {
	case text == "" && u.Scheme == "http":
		port = 80
	case text == "":
		port = 443
	case err != nil || n == 0:
		return bad("must have a port from 1 to 65535")
	default:
		port = uint16(n)
		plain += ":" + strconv.Itoa(int(port))
	}
	u.Host = plain
	u.Fragment, u.RawFragment = "", ""
	return u, host, port, nil
}

// ambiguous reports whether readers of URLs disagree about what r means.
func ambiguous(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }

// lower lowers A to Z. strings.ToLower would also turn letters outside ASCII into
// ASCII ones, the Kelvin sign into k.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// checkName refuses what is no plain host name, with a reason that follows "a
// host that". A last label which is a number makes some readers see an IPv4
// address (127.1, 0x7f000001, 2130706433), so no name may end in one.
func checkName(s string) error {
	if s == "" || len(s) > 253 {
		return errors.New("is empty or too long for a name")
	}
	label := ""
	for label = range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return errors.New("is not a well-formed name")
		}
		for _, r := range label {
			if r > 0x7f {
				return errors.New("has letters outside ASCII; write it in its xn-- form")
			}
			if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' {
				return errors.New("has characters which no name has")
			}
		}
	}
	hex, isHex := strings.CutPrefix(label, "0x")
	if strings.Trim(label, "0123456789") == "" || isHex && strings.Trim(hex, "0123456789abcdef") == "" {
		return errors.New("is a number; write an IPv4 address as four decimal numbers")
	}
	return nil
}

// origin is scheme, host and port.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port)
}

// host is what an error may say of a URL.
func host(u *url.URL) string { return u.Hostname() }

// Origin returns scheme and host of a URL for a log: the rest may hold secrets.
func Origin(u *url.URL) string { return u.Scheme + "://" + u.Host }
