package api

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/feed"
)

// Limits of WebSockets.
const (
	// maxSockets is how many one caller may have open, unless Options say
	// otherwise.
	maxSockets = 5
	// slowFrame is how long one frame may take before the client counts as slow.
	slowFrame = 4 * time.Second
	// pongWait is how long a client may take to answer a ping.
	pongWait = 10 * time.Second
	// maxFrame is the largest frame that a client may send, in bytes.
	maxFrame = 64 << 10
	// maxTalk is how many frames a client may send between two pings. There is
	// nothing to say; a few are borne with.
	maxTalk = 100
	// sendBuffer is how much the system holds back for a client that does not
	// read, in bytes. Its own choice would be megabytes for each.
	sendBuffer = 64 << 10
)

// closeAccess is the close code for a right that has ended, beside HTTP's 401.
const closeAccess websocket.StatusCode = 4401

// errSlow ends a WebSocket whose client does not keep up.
var errSlow = errors.New("too slow: come back with since")

// errTalk ends a WebSocket whose client sends too much.
var errTalk = errors.New("send nothing here")

func (s *service) watchEvents(w http.ResponseWriter, r *request) error {
	return s.watch(w, r, func(st *stream) (live, error) {
		first, err := s.snapshot(r, st.reader.Seq())
		return live{first: first, out: func(k *socket) sink { return k }}, err
	})
}

// live is what a WebSocket shows.
type live struct {
	// first is its first frame.
	first any
	// out writes all others.
	out func(k *socket) sink
}

// watch is the life of a WebSocket. begin is called when the position in the log
// was taken, so that what changes meanwhile comes as an event.
func (s *service) watch(w http.ResponseWriter, r *request, begin func(*stream) (live, error)) error {
	if err := checkUpgrade(r.Request); err != nil {
		if fault.Is(err, fault.UpgradeRequired) {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
		}
		return err
	}
	if err := checkOrigin(r.Request); err != nil {
		return err
	}
	owner := socketOwner(r)
	if !s.streams.enter(owner, s.MaxSockets) {
		return fault.Newf(fault.TooManyRequests, "%d WebSockets of this caller are open", s.MaxSockets)
	}
	defer s.streams.leave(owner)
	st, err := s.openStream(r)
	if err != nil {
		return err
	}
	// The last to go: the server waits for readers, and so for this function.
	defer st.close()
	l, err := begin(st)
	if err != nil {
		return err
	}
	conn, err := websocket.Accept(&bounded{w}, r.Request, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		s.log.DebugContext(r.Context(), "websocket not accepted", "request_id", requestID(r.Context()), "error", err)
		return nil // Accept has answered
	}
	s.serveSocket(r, st, conn, l)
	return nil
}

// serveSocket sends frames until something ends the connection, and then says
// why.
func (s *service) serveSocket(r *request, st *stream, conn *websocket.Conn, l live) {
	ctx, end := context.WithCancelCause(r.Context())
	conn.SetReadLimit(maxFrame)
	sock := &socket{conn: conn, ctx: ctx, s: s}
	var others sync.WaitGroup
	others.Go(func() { end(sock.listen()) })
	others.Go(func() { end(sock.keepAlive()) })
	err := sock.send(l.first)
	if err == nil {
		err = st.run(ctx, l.out(sock))
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, errAccess) && !errors.Is(err, errSlow) {
		err = cause
	}
	switch {
	case errors.Is(err, errAccess):
		_ = conn.Close(closeAccess, errAccess.Error())
	case errors.Is(err, errSlow):
		_ = conn.Close(websocket.StatusTryAgainLater, errSlow.Error())
	case errors.Is(err, errTalk):
		_ = conn.Close(websocket.StatusPolicyViolation, errTalk.Error())
	case errors.Is(err, feed.ErrClosed) || r.Context().Err() != nil:
		_ = conn.Close(websocket.StatusGoingAway, "the server stops")
	case websocket.CloseStatus(err) != -1:
		// The client has gone, and the library has answered.
	default:
		_ = conn.Close(websocket.StatusInternalError, "the events cannot be read now, come back with since")
	}
	end(nil)
	_ = conn.CloseNow() // frees the goroutines
	others.Wait()
	s.log.DebugContext(r.Context(), "websocket ended", "request_id", requestID(r.Context()), "reason", err)
}

// snapshot is what a client needs to begin with.
func (s *service) snapshot(r *request, seq int64) (wire.EventSnapshot, error) {
	counts, err := s.Store.Jobs.Counts(r.Context(), r.tenant())
	if err != nil {
		return wire.EventSnapshot{}, err
	}
	set, err := s.Store.Queue.Settings(r.Context())
	if err != nil {
		return wire.EventSnapshot{}, err
	}
	return wire.EventSnapshot{
		Type: "snapshot", Seq: seq, Time: s.Clock.Now().UTC().Truncate(time.Millisecond),
		Jobs: wire.CountsOf(counts), Queue: wire.SettingsOf(set),
	}, nil
}

// checkUpgrade makes sure that Accept has nothing to object to: its answers are
// not problem documents.
func checkUpgrade(r *http.Request) error {
	key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key"))
	switch {
	case r.ProtoMajor != 1 || r.Method != http.MethodGet || !names(r.Header, "Connection", "upgrade") || !names(r.Header, "Upgrade", "websocket"):
		return fault.New(fault.UpgradeRequired, "this is a WebSocket; GET /api/events is the same as a stream of Server-Sent Events")
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return fault.New(fault.UpgradeRequired, "the version of the WebSocket protocol must be 13").At("header/Sec-WebSocket-Version", "unsupported", "must be 13")
	case err != nil || len(key) != 16 || len(r.Header.Values("Sec-WebSocket-Key")) != 1:
		return fault.New(fault.InvalidHeader, "the key of the WebSocket is not valid").At("header/Sec-WebSocket-Key", "format", "must be 16 bytes in base64")
	}
	return nil
}

// names reports whether a header that is a list has a word.
func names(h http.Header, name, word string) bool {
	for _, v := range h.Values(name) {
		for part := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(part), word) {
				return true
			}
		}
	}
	return false
}

// checkOrigin refuses pages of other origins: a browser opens a WebSocket for
// any page, and sends cookies with it. Programs send no Origin.
func checkOrigin(r *http.Request) error {
	all := r.Header.Values("Origin")
	if len(all) == 0 {
		return nil
	}
	u, err := url.Parse(all[0])
	if err != nil || len(all) > 1 || u.Scheme != "https" && (u.Scheme != "http" || r.TLS != nil) || u.User != nil || !strings.EqualFold(u.Host, r.Host) {
		return fault.New(fault.CrossOrigin, "a page of another origin must not watch").At("header/Origin", "not_allowed", "is not this server")
	}
	return nil
}

// socketOwner is whose WebSockets are counted together: one caller with one
// token or session.
func socketOwner(r *request) string {
	p := r.principal
	return strings.Join([]string{p.Tenant, p.Name, p.TokenID, p.SessionID}, "\x00")
}

// socket writes frames to a WebSocket.
type socket struct {
	conn *websocket.Conn
	ctx  context.Context // ends when the connection is to end
	s    *service
}

func (k *socket) event(e event.Event) error     { return k.send(wire.EventOf(e)) }
func (k *socket) reset(r wire.EventReset) error { return k.send(r) }
func (k *socket) ping(seq int64) error          { return k.send(wire.EventPing{Type: "ping", Seq: seq}) }

// send writes one frame. A client that takes too long for it is told so, when
// the frame got through; one that takes nothing at all is cut off.
func (k *socket) send(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return k.write(text)
}

func (k *socket) write(text []byte) error {
	ctx, cancel := context.WithTimeout(k.ctx, writeWait)
	defer cancel()
	start := k.s.Clock.Now()
	if err := k.conn.Write(ctx, websocket.MessageText, text); err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return errSlow
		}
		return err
	}
	if k.s.Clock.Now().Sub(start) > slowFrame {
		return errSlow
	}
	return nil
}

// listen reads, because that is how pongs and the client's end arrive. Frames of
// the client mean nothing.
func (k *socket) listen() error {
	talk, since := 0, k.s.Clock.Now()
	for {
		if _, _, err := k.conn.Read(k.ctx); err != nil {
			return err
		}
		if now := k.s.Clock.Now(); now.Sub(since) > pingEvery {
			talk, since = 0, now
		}
		if talk++; talk > maxTalk {
			return errTalk
		}
	}
}

// keepAlive finds out that a client is gone without a word, such as a sleeping
// laptop: its place is needed for when it comes back.
func (k *socket) keepAlive() error {
	for {
		t := k.s.Clock.NewTimer(pingEvery)
		select {
		case <-t.C():
		case <-k.ctx.Done():
			t.Stop()
			return k.ctx.Err()
		}
		ctx, cancel := context.WithTimeout(k.ctx, pongWait)
		err := k.conn.Ping(ctx)
		cancel()
		if err != nil {
			return err
		}
	}
}

// bounded gives a WebSocket a connection that does not buffer megabytes.
type bounded struct{ http.ResponseWriter }

// Unwrap lets http.ResponseController reach the rest.
func (b *bounded) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// Hijack implements http.Hijacker.
func (b *bounded) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(b.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	raw := c
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	// Not only *net.TCPConn: the server may count connections.
	if b, ok := raw.(interface{ SetWriteBuffer(bytes int) error }); ok {
		if err := b.SetWriteBuffer(sendBuffer); err != nil {
			_ = c.Close() // it is broken
			return nil, nil, err
		}
	}
	return c, rw, nil
}
