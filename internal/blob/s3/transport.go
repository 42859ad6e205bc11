package s3

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

// transport connects to the server. No number of seconds fits requests of 20
// bytes and of 20 GB, so what is limited is silence: a connection on which
// nothing moves for the time of stall is broken.
func transport(stall time.Duration) *http.Transport {
	dialer := &net.Dialer{Timeout: min(stall, 10*time.Second), KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &impatient{Conn: conn, clock: clock.System{}, stall: stall}, nil
		},
		TLSHandshakeTimeout: min(stall, 10*time.Second),
		// Slow readers of artifacts hold connections: a limit of all would let
		// them stop the others.
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     stall / 2,
		DisableCompression:  true,
	}
}

// impatient is a connection that breaks when neither direction moves. Each call
// moves the deadline of both, because one side waits while the other is busy.
type impatient struct {
	net.Conn
	clock clock.System // deadlines of the network are real time
	stall time.Duration
}

// Read implements net.Conn.
func (c *impatient) Read(p []byte) (int, error) {
	if err := c.SetDeadline(c.clock.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write implements net.Conn.
func (c *impatient) Write(p []byte) (int, error) {
	if err := c.SetDeadline(c.clock.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
