//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestSlowClients (T22, short form) lets hundreds of clients be slow at once:
// with heads, with bodies, with reading what they asked for, and with large
// bodies all at a time. Another client's requests all succeed meanwhile, the
// server's memory stays bounded, and afterwards nothing of the crowd is left.
func TestSlowClients(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the server's time limits")
	}
	s := newServer(t, "", "--allow-command", "/bin/sh", "--log-max-bytes", "67108864")
	s.start()
	// Its log is larger than what the sockets of a connection hold.
	job := s.must(http.MethodPost, "/api/jobs", inline("yes 0123456789abcdef | head -c 24000000; sleep 600"), http.StatusCreated)["job_id"]
	s.becomes(job, "RUNNING")
	run := text(s.all("/api/job-runs?job_id=" + text(job))[0]["run_id"])
	eventually(t, time.Minute, "the log is long", func() bool { return len(s.text("/api/job-runs/"+run+"/logs")) > 22<<20 })
	http.DefaultClient.CloseIdleConnections()
	var fds, goroutines int
	eventually(t, time.Minute, "the server is quiet", func() bool {
		fds, goroutines = s.files(), s.metric("go_goroutines")
		http.DefaultClient.CloseIdleConnections()
		return s.metric("runsheet_http_requests_in_flight") == 1
	})

	auth := "Authorization: Bearer " + adminToken + "\r\n"
	head := "Host: localhost\r\n"
	var crowd sync.WaitGroup
	var cut, posted, refused, other atomic.Int64
	for range 200 {
		crowd.Go(func() { s.drip("GET /api/jobs HTTP/1.1\r\n"+head+"X-Slow: ", &cut) })
		crowd.Go(func() {
			s.drip("POST /api/jobs HTTP/1.1\r\n"+head+auth+"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{", &cut)
		})
		crowd.Go(func() {
			switch code := s.large(); code {
			case http.StatusCreated:
				posted.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
			default:
				other.Add(1)
				t.Logf("a large post: %d", code)
			}
		})
	}
	for range 50 {
		crowd.Go(func() { s.deaf("GET /api/job-runs/"+run+"/logs?follow=true HTTP/1.1\r\n"+head+auth+"\r\n", &cut) })
	}
	gone := make(chan struct{})
	go func() {
		crowd.Wait()
		close(gone)
	}()

	good, ready := 0, false
	for over := false; !over; {
		select {
		case <-gone:
			over = true
		default:
		}
		s.must(http.MethodGet, "/api/jobs?limit=1", nil, http.StatusOK)
		s.must(http.MethodPost, "/api/jobs", map[string]any{"job_type": "command", "hold": true, "params": map[string]any{"argv": []string{"/bin/sh"}}}, http.StatusCreated)
		ready = s.readyOrSlow() || ready
		good++
	}
	t.Logf("%d rounds of another client; %d connections cut; large posts: %d stored, %d asked to come again; peak memory %d MiB",
		good, cut.Load(), posted.Load(), refused.Load(), s.memory("VmHWM")>>10)
	if good < 10 || !ready || cut.Load() != 450 || other.Load() != 0 || posted.Load() == 0 {
		t.Errorf("%d rounds, ready at all: %v, %d of 450 cut, %d large posts stored, %d with another answer", good, ready, cut.Load(), posted.Load(), other.Load())
	}
	if kb := s.memory("VmHWM"); kb > 500<<10 {
		t.Errorf("the server took %d kB, the limit is %d", kb, 500<<10)
	}
	http.DefaultClient.CloseIdleConnections()
	eventually(t, time.Minute, "nothing of the crowd is left", func() bool {
		f, g := s.files(), s.metric("go_goroutines")
		http.DefaultClient.CloseIdleConnections()
		ok := s.readyOrSlow() && f <= fds+8 && g <= goroutines+8
		if !ok {
			t.Logf("files %d (%d before), goroutines %d (%d before)", f, fds, g, goroutines)
		}
		return ok
	})
}

// readyOrSlow reports whether the server is ready. Where the disk is slow as well, the
// bodies before it may keep a check waiting for longer than it does; nothing else may be
// wrong.
func (s *server) readyOrSlow() bool {
	s.t.Helper()
	code, out := s.try(http.MethodGet, "/readyz", nil, nil)
	if code == http.StatusOK {
		return true
	}
	checks, _ := out["checks"].([]any)
	for _, c := range checks {
		c, _ := c.(map[string]any)
		slow := c["name"] == "database" && strings.Contains(fmt.Sprint(c["detail"]), "no answer within")
		if c["status"] == "failing" && !slow {
			checks = nil
			break
		}
	}
	if code != http.StatusServiceUnavailable || len(checks) == 0 {
		s.t.Fatalf("GET /readyz: got %d %v", code, out)
	}
	s.t.Logf("GET /readyz: got %d %v", code, out)
	return false
}

// dial connects to the server.
func (s *server) dial() net.Conn {
	u, err := url.Parse(s.url)
	if err != nil {
		s.t.Error(err)
		return nil
	}
	c, err := (&net.Dialer{Timeout: patience}).DialContext(context.Background(), "tcp", u.Host)
	if err != nil {
		s.t.Error(err)
		return nil
	}
	return c
}

// drip sends the beginning of a request and then a byte a second, until the
// server ends the connection.
func (s *server) drip(begin string, cut *atomic.Int64) {
	c := s.dial()
	if c == nil {
		return
	}
	defer c.Close()
	if _, err := io.WriteString(c, begin); err != nil {
		s.t.Error(err)
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, c) // ends with the connection, well or not
	}()
	for range 300 {
		select {
		case <-ended:
			cut.Add(1)
			return
		case <-time.After(time.Second):
			_, _ = io.WriteString(c, "x") // the reader notices the end
		}
	}
}

// deaf asks for something and never reads it. It notices the end of the
// connection by writing.
func (s *server) deaf(request string, cut *atomic.Int64) {
	c := s.dial()
	if c == nil {
		return
	}
	defer c.Close()
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		s.t.Error(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		s.t.Error(err)
		return
	}
	for range 300 {
		<-time.After(time.Second)
		if _, err := io.WriteString(c, "\r\n"); err != nil {
			cut.Add(1)
			return
		}
	}
}

// large adds a held job of almost 1 MiB.
func (s *server) large() int {
	b, err := json.Marshal(map[string]any{
		"job_type": "command", "hold": true,
		"params": map[string]any{"argv": []string{"/bin/sh"}, "stdin": strings.Repeat("0123456789abcde\n", 60_000)},
	})
	if err != nil {
		s.t.Error(err)
		return 0
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.url+"/api/jobs", bytes.NewReader(b))
	if err != nil {
		s.t.Error(err)
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Content-Type", "application/json")
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		s.t.Log(err)
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body) // the status counts
	return res.StatusCode
}

// metric reads one number without labels from /metrics, -1 if it is not there.
func (s *server) metric(name string) int {
	for line := range strings.Lines(s.text("/metrics")) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return int(f)
		}
	}
	return -1
}

// files is the number of open files of the server.
func (s *server) files() int {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(list)
}

// memory reads a field of the server's status, in kB.
func (s *server) memory(field string) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), field+":")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return kb
}
