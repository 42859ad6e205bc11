package outbound

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/runsheet/runsheet/internal/fault"
)

// maxAddresses is how many addresses of a name are tried.
const maxAddresses = 8

// dial opens a connection for the transport. address is host:port of a URL that
// parseTarget has read.
func (c *Client) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := split(address)
	if err != nil {
		return nil, err
	}
	answers, err := c.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	// All are looked at before any is dialled: whoever mixes a forbidden address
	// under others wants that one to be tried.
	for _, ip := range answers {
		if err := c.permit(host, netip.AddrPortFrom(ip, port)); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.ConnectTimeout)
	defer cancel()
	var first error
	for i, ip := range answers[:min(len(answers), maxAddresses)] {
		conn, err := c.dialOne(ctx, host, netip.AddrPortFrom(ip, port), len(answers)-i)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// dialOne gives an address its share of what is left of the time.
func (c *Client) dialOne(ctx context.Context, host string, at netip.AddrPort, left int) (net.Conn, error) {
	if left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.o.ConnectTimeout/2)
		defer cancel()
	}
	return c.connect(ctx, host, at.String())
}

func (c *Client) connectTCP(ctx context.Context, host, address string) (net.Conn, error) {
	d := net.Dialer{ControlContext: c.control(host)}
	return d.DialContext(ctx, "tcp", address)
}

// control is called when the socket exists and its peer is certain. It is the
// last word: whatever lies before it may be wrong, this is the address that the
// kernel connects to.
func (c *Client) control(host string) func(ctx context.Context, network, address string, _ syscall.RawConn) error {
	return func(_ context.Context, network, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || network != "tcp4" && network != "tcp6" {
			return fault.Newf(fault.TargetNotAllowed, "%s must not be reached by %s", host, network)
		}
		return c.permit(host, at)
	}
}

// resolve returns the addresses of a host, at least one.
func (c *Client) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.ResolveTimeout)
	defer cancel()
	found, err := c.o.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	out := make([]netip.Addr, len(found))
	for i, ip := range found {
		out[i] = ip.Unmap() // a resolver may give IPv4 addresses in either form
	}
	return out, nil
}

func split(address string) (string, uint16, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return "", 0, errors.New("port out of range")
	}
	return host, uint16(port), nil
}
