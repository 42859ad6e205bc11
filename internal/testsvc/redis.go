//go:build unix

package testsvc

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// redisDatabases is how many tests of a binary may ask for Redis.
const redisDatabases = 10000

// redisServer is the Redis of this test binary. It listens on a free loopback
// port and wants a random password.
type redisServer struct {
	once           sync.Once
	err            error
	addr, password string
	serial         atomic.Int64
}

var redis redisServer

// Redis returns the URL of an empty Redis database of the test's own. Messages
// (PUBLISH) cross databases: a test that uses them chooses its own names.
func Redis(t testing.TB) string {
	t.Helper()
	redis.once.Do(func() { redis.err = redis.start() })
	must(t, redis.err)
	n := redis.serial.Add(1) - 1
	if n >= redisDatabases {
		t.Fatalf("more than %d tests asked for Redis", redisDatabases)
	}
	return fmt.Sprintf("redis://:%s@%s/%d", redis.password, redis.addr, n)
}

func (r *redisServer) start() error {
	bin, err := find("redis-server")
	if err != nil {
		return err
	}
	acc, err := serverAccount()
	if err != nil {
		return err
	}
	r.password = rand.Text()
	// Another process can take the free port before Redis does.
	for range 3 {
		if err = r.serveOnce(acc, bin); err == nil {
			return nil
		}
	}
	return err
}

func (r *redisServer) serveOnce(acc account, bin string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // only reserves a port number
	if err != nil {
		return err
	}
	r.addr = l.Addr().String()
	_, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	dir, err := acc.folder("redis")
	if err != nil {
		return err
	}
	return acc.serve(dir, syscall.SIGKILL, r.ping, bin, "--bind", "127.0.0.1", "--port", port,
		"--requirepass", r.password, "--databases", strconv.Itoa(redisDatabases),
		"--save", "", "--appendonly", "no", "--dir", dir, "--logfile", filepath.Join(dir, "redis.log"))
}

// ping asks the server for its name with our password: only ours answers PONG.
func (r *redisServer) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\nPING\r\n", r.password); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	for _, want := range []string{"+OK", "+PONG"} {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.TrimSpace(line) != want {
			return fmt.Errorf("redis says %q, not %q", line, want)
		}
	}
	return nil
}
