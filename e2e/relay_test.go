//go:build linux

package e2e

import (
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
)

// relay stands between a server and its database. While it is cut, everything is
// swallowed and nothing is refused, as by a network that lost its way; what was
// on the way arrives when it is healed.
type relay struct {
	url  string // of the database, through the relay
	gate sync.RWMutex
}

// newRelay returns a relay to a database that listens on a Unix socket.
func newRelay(t *testing.T, db string) *relay {
	t.Helper()
	u, err := url.Parse(db)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	const name = ".s.PGSQL.5432"
	target, dir := filepath.Join(q.Get("host"), name), t.TempDir()
	q.Set("host", dir)
	u.RawQuery = q.Encode()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{url: u.String()}
	var work sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		work.Wait()
	})
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { r.serve(c, target) })
		}
	})
	return r
}

// serve ends when either side does.
func (r *relay) serve(c net.Conn, target string) {
	defer c.Close()
	d, err := net.Dial("unix", target)
	if err != nil {
		return
	}
	defer d.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.pass(d, c)
		_ = d.Close()
	}()
	r.pass(c, d)
	_ = c.Close()
	<-done
}

func (r *relay) pass(to io.Writer, from io.Reader) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		r.gate.RLock() // waits while it is cut
		_, werr := to.Write(buf[:n])
		r.gate.RUnlock()
		if err != nil || werr != nil {
			return
		}
	}
}

// cut lets nothing pass until heal is called.
func (r *relay) cut() (heal func()) {
	r.gate.Lock()
	return r.gate.Unlock
}
