package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/store"
)

// frame is any frame of the server.
type frame struct {
	Type, Reason, Topic string
	Seq                 int64
	JobID               string         `json:"job_id"`
	Jobs                map[string]int `json:"jobs"`
	Queue               map[string]any `json:"queue"`
}

func dial(t *testing.T, url, token string, headers ...string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	h := http.Header{}
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	o := &websocket.DialOptions{HTTPHeader: h}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, res, err := websocket.Dial(ctx, strings.Replace(url, "http://", "ws://", 1), o)
	if c != nil {
		t.Cleanup(func() { _ = c.CloseNow() })
	}
	return c, res, err
}

func watch(t *testing.T, url, token string) *websocket.Conn {
	t.Helper()
	c, _, err := dial(t, url, token) //nolint:bodyclose // the connection has it
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func readFrame(t *testing.T, c *websocket.Conn) (frame, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var f frame
	_, text, err := c.Read(ctx)
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(text, &f)
}

func mustFrame(t *testing.T, c *websocket.Conn, typ string) frame {
	t.Helper()
	f, err := readFrame(t, c)
	if err != nil || f.Type != typ {
		t.Fatalf("frame %+v, %v; want %s", f, err, typ)
	}
	return f
}

// closes reads to the end of a connection and returns its close code.
func closes(t *testing.T, c *websocket.Conn) websocket.StatusCode {
	t.Helper()
	for {
		if _, err := readFrame(t, c); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

func TestSocket(t *testing.T) {
	t.Parallel()
	b := setup(t)
	srv := b.serve()
	url, token := srv.URL+"/api/events/ws", b.tokens[access.Viewer]
	j := b.addJob(echoJob)
	c := watch(t, url, token)
	snap := mustFrame(t, c, "snapshot")
	if snap.Seq != 1 || snap.Jobs["queued"] != 1 || snap.Queue["workers"] != float64(1) || snap.Queue["paused"] != false {
		t.Errorf("snapshot %+v", snap)
	}
	k := b.addJob(echoJob)
	if e := mustFrame(t, c, "job.queued"); e.JobID != k || e.Seq != 2 || e.Topic != "job" {
		t.Errorf("event %+v", e)
	}
	again := watch(t, srv.URL+"/api/v1/events/ws?since=0&topics=job", token)
	if s := mustFrame(t, again, "snapshot"); s.Jobs["queued"] != 2 {
		t.Errorf("snapshot %+v", s)
	}
	if e := mustFrame(t, again, "job.queued"); e.JobID != j {
		t.Errorf("the replay begins with %+v", e)
	}
	mustFrame(t, again, "job.queued")
	lost := watch(t, url+"?since=4711", token)
	mustFrame(t, lost, "snapshot")
	if r := mustFrame(t, lost, "reset"); r.Seq != 2 || r.Reason != "ahead" {
		t.Errorf("reset %+v", r)
	}
	// Wait until all connections rest: the limit of a frame that is being written
	// is a timer too, and must not be over by what comes now.
	for calm, before := 0, 0; calm < 50; calm++ {
		if now := b.clock.Timers(); now < 9 || now != before {
			calm, before = 0, now
		}
		time.Sleep(time.Millisecond)
	}
	b.clock.Advance(20 * time.Second)
	if p := mustFrame(t, lost, "ping"); p.Seq != 2 {
		t.Errorf("ping %+v", p)
	}
	if err := b.feed.Close(); err != nil {
		t.Error(err)
	}
}

func TestSocketDoor(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *api.Options) { o.MaxSockets = 2 })
	srv := b.serve()
	url, token := srv.URL+"/api/events/ws", b.tokens[access.Viewer]
	host := strings.TrimPrefix(srv.URL, "http://")
	for name, c := range map[string]struct {
		token   string
		headers []string
		status  int
	}{
		"nobody":         {"", nil, 401},
		"unknown token":  {access.NewToken(), nil, 401},
		"other origin":   {token, []string{"Origin", "http://evil.example"}, 403},
		"other port":     {token, []string{"Origin", "http://127.0.0.1:1"}, 403},
		"prefix":         {token, []string{"Origin", "http://" + host + ".evil.example"}, 403},
		"a sandbox":      {token, []string{"Origin", "null"}, 403},
		"empty":          {token, []string{"Origin", ""}, 403},
		"a file":         {token, []string{"Origin", "file://" + host}, 403},
		"with a user":    {token, []string{"Origin", "http://a@" + host}, 403},
		"own page":       {token, []string{"Origin", "http://" + host}, 101},
		"a program":      {token, nil, 101},
		"nobody, origin": {"", []string{"Origin", "http://evil.example"}, 401},
	} {
		conn, res, err := dial(t, url, c.token, c.headers...) //nolint:bodyclose // closed by the library
		if res == nil || res.StatusCode != c.status || (err == nil) != (c.status == 101) {
			t.Errorf("%s: %v, %v", name, res, err)
		}
		if conn != nil {
			_ = conn.Close(websocket.StatusNormalClosure, "")
		} else if ct := res.Header.Get("Content-Type"); ct != "application/problem+json" {
			t.Errorf("%s: content type %s", name, ct)
		}
	}
	upgrade := []string{"Connection", "keep-alive, Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13"}
	want(t, b.as(access.Viewer, "GET", "/api/events/ws", ""), 426, "upgrade_required")
	want(t, b.as(access.Viewer, "GET", "/api/events/ws", "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "8"), 426, "upgrade_required")
	want(t, b.as(access.Viewer, "GET", "/api/events/ws", "", append(upgrade, "Sec-WebSocket-Key", "x")...), 400, "invalid_header")
	want(t, b.as(access.Viewer, "POST", "/api/events/ws", ""), 405, "method_not_allowed")
}

func TestSocketsOfOneCaller(t *testing.T) {
	t.Parallel()
	b := setup(t)
	srv := b.serve()
	url := srv.URL + "/api/events/ws"
	var open []*websocket.Conn
	for range 5 {
		open = append(open, watch(t, url, b.tokens[access.Viewer]))
	}
	_, res, err := dial(t, url, b.tokens[access.Viewer]) //nolint:bodyclose // closed by the library
	if err == nil || res.StatusCode != 429 {
		t.Fatalf("the sixth: %v, %v", res, err)
	}
	watch(t, url, b.tokens[access.Operator]) // another caller is not concerned
	if err := open[0].Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	for end := time.After(time.Minute); ; {
		if c, _, err := dial(t, url, b.tokens[access.Viewer]); err == nil { //nolint:bodyclose // the connection has it
			mustFrame(t, c, "snapshot")
			return
		}
		select {
		case <-end:
			t.Fatal("a place was not given back")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestSocketEndsWithTheRight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	idle := b.clock.Timers()
	c := watch(t, b.serve().URL+"/api/events/ws", b.brief())
	mustFrame(t, c, "snapshot")
	b.wait(idle + 3)
	b.clock.Advance(2 * time.Minute)
	if code := closes(t, c); code != 4401 {
		t.Errorf("close code %d", code)
	}
}

// TestTicket: it opens one WebSocket, nothing else, and that one ends with the
// credential that it stands for.
func TestTicket(t *testing.T) {
	t.Parallel()
	b := setup(t)
	srv := b.serve()
	token, idle := b.brief(), b.clock.Timers()
	ticket := want(t, b.as("", "POST", "/api/session/ticket", "", "Authorization", "Bearer "+token), 201, "").text(t, "ticket")
	want(t, b.as("", "GET", "/api/jobs?ticket="+ticket, ""), 401, "unauthorized")
	c := watch(t, srv.URL+"/api/events/ws?ticket="+ticket, "")
	mustFrame(t, c, "snapshot")
	if _, res, err := dial(t, srv.URL+"/api/events/ws?ticket="+ticket, ""); err == nil || res.StatusCode != 401 { //nolint:bodyclose // closed by the library
		t.Errorf("a second time: %v, %v", res, err)
	}
	b.wait(idle + 3)
	b.clock.Advance(2 * time.Minute)
	if code := closes(t, c); code != 4401 {
		t.Errorf("close code %d", code)
	}
}

func TestSocketEndsWithTheServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := watch(t, b.serve().URL+"/api/events/ws", b.tokens[access.Viewer])
	mustFrame(t, c, "snapshot")
	code := make(chan websocket.StatusCode)
	go func() { code <- closes(t, c) }()
	if err := b.feed.Close(); err != nil {
		t.Error(err)
	}
	if got := <-code; got != websocket.StatusGoingAway {
		t.Errorf("close code %d", got)
	}
}

// TestHostileFrames: what a client sends means nothing, and too much of it ends
// the connection, not the server.
func TestHostileFrames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	srv := b.serve()
	url := srv.URL + "/api/events/ws"
	talk := func(n int, payload string) websocket.StatusCode {
		c := watch(t, url, b.tokens[access.Viewer])
		mustFrame(t, c, "snapshot")
		for range n {
			if err := c.Write(t.Context(), websocket.MessageText, []byte(payload)); err != nil {
				break
			}
		}
		return closes(t, c)
	}
	if code := talk(1, strings.Repeat("x", 64<<10+1)); code != websocket.StatusMessageTooBig {
		t.Errorf("a large frame: close code %d", code)
	}
	if code := talk(200, `{"type":"ping"}`); code != websocket.StatusPolicyViolation {
		t.Errorf("many frames: close code %d", code)
	}
	c := watch(t, url, b.tokens[access.Viewer])
	mustFrame(t, c, "snapshot")
	for _, payload := range []string{"", "null", `{"type":"subscribe","topics":["*"],"tenant":"other"}`, "\x00\xff", strings.Repeat("[", 60<<10)} {
		if err := c.Write(t.Context(), websocket.MessageBinary, []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	b.addJob(echoJob)
	mustFrame(t, c, "job.queued")
	// Not a WebSocket at all after the upgrade.
	raw, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_, err = raw.Write([]byte("GET /api/events/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer " + b.tokens[access.Viewer] + "\r\n\r\n" + strings.Repeat("\xff", 1000)))
	if err != nil {
		t.Fatal(err)
	}
	b.addJob(echoJob)
	mustFrame(t, c, "job.queued")
}

// TestNeverReadingClient is cut off within 10 seconds, while another client gets
// everything.
func TestNeverReadingClient(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *api.Options) { o.MaxSockets = 1 })
	srv := b.serve()
	small := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if tcp, ok := c.(*net.TCPConn); ok {
			err = errors.Join(err, tcp.SetReadBuffer(4<<10))
		}
		return c, err
	}}}
	_, _, err := websocket.Dial(t.Context(), srv.URL+"/api/events/ws?since=0", &websocket.DialOptions{ //nolint:bodyclose // the connection has it
		HTTPClient: small, HTTPHeader: http.Header{"Authorization": {"Bearer " + b.tokens[access.Viewer]}},
	})
	if err != nil {
		t.Fatal(err)
	}
	quick := watch(t, srv.URL+"/api/events/ws?since=0", b.tokens[access.Operator])
	mustFrame(t, quick, "snapshot")
	const events = 5000
	go func() {
		for range events {
			if _, err := b.store.Queue.Scale(t.Context(), store.Scale{Workers: 1, Tenant: access.DefaultTenant, At: start}); err != nil {
				t.Errorf("scale: %v", err)
				return
			}
		}
	}()
	for range events {
		mustFrame(t, quick, "workers.scaled")
	}
	for begin := time.Now(); ; { // its place is free when it is cut off
		c, res, err := dial(t, srv.URL+"/api/events/ws", b.tokens[access.Viewer]) //nolint:bodyclose // the connection has it
		if err == nil {
			mustFrame(t, c, "snapshot")
			return
		}
		if res == nil || res.StatusCode != 429 || time.Since(begin) > time.Minute { // ten seconds on a machine that has time
			t.Fatalf("the client that does not read is still there: %v, %v", res, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
