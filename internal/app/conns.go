package app

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// maxConns bounds the open connections, whatever the limit on files is.
const maxConns = 4096

// conns is a listener that keeps the number of open connections bounded, so that
// no crowd of clients uses up the files that the database, the logs and the jobs
// need. When it is full, the connection that has been idle longest makes room;
// when none is idle, new ones wait until one ends. Those that have asked nothing
// end soon by the server's time limits. It also counts connections for metrics.
type conns struct {
	net.Listener
	slots chan struct{}
	done  chan struct{} // closed by Close

	mu      sync.Mutex
	closed  bool
	waiting bool // an accepted connection needs a slot
	all     map[net.Conn]*tracked
	idle    *list.List // of net.Conn, longest idle first
}

type tracked struct {
	state string
	place *list.Element // in idle; nil = not idle
}

func newConns(l net.Listener, limit int) *conns {
	return &conns{
		Listener: l, slots: make(chan struct{}, limit), done: make(chan struct{}),
		all: map[net.Conn]*tracked{}, idle: list.New(),
	}
}

// Accept implements net.Listener.
func (c *conns) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	select {
	case c.slots <- struct{}{}:
	default:
		c.evict()
		select {
		case c.slots <- struct{}{}:
		case <-c.done:
			_ = conn.Close() // nobody will use it
			return nil, net.ErrClosed
		}
	}
	c.mu.Lock()
	c.waiting = false
	c.mu.Unlock()
	return &counted{Conn: conn, c: c}, nil
}

// Close implements net.Listener.
func (c *conns) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.done)
	}
	c.mu.Unlock()
	return c.Listener.Close()
}

// evict closes the connection that has been idle longest, or else the next that
// becomes idle. A request that is on its way on it at this moment fails before it
// was read, and clients repeat those.
func (c *conns) evict() {
	c.mu.Lock()
	victim := c.oldest()
	c.waiting = victim == nil
	c.mu.Unlock()
	if victim != nil {
		_ = victim.Close() // the server notices and forgets it
	}
}

// oldest takes the connection that has been idle longest out of the list.
func (c *conns) oldest() net.Conn {
	e := c.idle.Front()
	if e == nil {
		return nil
	}
	victim, _ := c.idle.Remove(e).(net.Conn)
	c.all[victim].place = nil
	return victim
}

// note is the server's ConnState. With TLS the server knows a connection by
// another name than the one that is closed in the end.
func (c *conns) note(conn net.Conn, s http.ConnState) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	c.mu.Lock()
	c.change(conn, s)
	var victim net.Conn
	if c.waiting {
		if victim = c.oldest(); victim != nil {
			c.waiting = false
		}
	}
	c.mu.Unlock()
	if victim != nil {
		_ = victim.Close() // as in evict
	}
}

func (c *conns) change(conn net.Conn, s http.ConnState) {
	t := c.all[conn]
	if t == nil {
		t = &tracked{}
		c.all[conn] = t
	}
	if t.place != nil {
		c.idle.Remove(t.place)
		t.place = nil
	}
	switch s {
	case http.StateNew:
		t.state = "new"
	case http.StateActive, http.StateHijacked:
		t.state = "active"
	case http.StateIdle:
		t.state = "idle"
		t.place = c.idle.PushBack(conn)
	case http.StateClosed:
		delete(c.all, conn)
	}
}

// count returns the open connections by state.
func (c *conns) count() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]int{"new": 0, "active": 0, "idle": 0}
	for _, t := range c.all {
		out[t.state]++
	}
	return out
}

// counted is a connection that gives its slot back. A hijacked one is forgotten
// when it closes, because the server says nothing more about it.
type counted struct {
	net.Conn
	c    *conns
	once sync.Once
}

// SetWriteBuffer is that of the connection, if it has one.
func (k *counted) SetWriteBuffer(bytes int) error {
	if b, ok := k.Conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		return b.SetWriteBuffer(bytes)
	}
	return nil
}

// Close implements net.Conn.
func (k *counted) Close() error {
	err := k.Conn.Close()
	k.once.Do(func() {
		k.c.note(k, http.StateClosed)
		<-k.c.slots
	})
	return err
}
