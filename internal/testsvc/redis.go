//go:build unix

package testsvc

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
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
	dir            string
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

// RedisProcess is a Redis server of one test, which may do to it what it likes.
type RedisProcess struct {
	t   testing.TB
	srv redisServer
	acc account
	bin string
	pid int
}

// OwnRedis starts a server for this test alone.
func OwnRedis(t testing.TB) *RedisProcess {
	t.Helper()
	p := &RedisProcess{t: t}
	must(t, p.srv.start())
	var err error
	p.bin, err = find("redis-server")
	must(t, err)
	p.acc, err = serverAccount()
	must(t, err)
	p.findPid()
	t.Cleanup(func() { p.signal(syscall.SIGKILL) })
	return p
}

// URL is where it listens, the same after a restart.
func (p *RedisProcess) URL() string {
	return fmt.Sprintf("redis://:%s@%s/0", p.srv.password, p.srv.addr)
}

// Stop freezes the server (SIGSTOP): connections stay, nothing answers.
func (p *RedisProcess) Stop() { p.signal(syscall.SIGSTOP) }

// Continue ends Stop.
func (p *RedisProcess) Continue() { p.signal(syscall.SIGCONT) }

// Kill ends the server as a crash would.
func (p *RedisProcess) Kill() {
	p.signal(syscall.SIGKILL)
	p.pid = 0
}

// Restart starts an empty server at the same address after Kill.
func (p *RedisProcess) Restart() {
	p.t.Helper()
	must(p.t, p.srv.serveAt(p.acc, p.bin))
	p.findPid()
}

// Do sends one command and returns the first line of the answer.
func (p *RedisProcess) Do(words ...string) string {
	p.t.Helper()
	line, err := p.srv.do(p.t.Context(), words...)
	must(p.t, err)
	return line
}

func (p *RedisProcess) signal(s syscall.Signal) {
	if p.pid != 0 {
		_ = syscall.Kill(p.pid, s) // it may be gone
	}
}

func (p *RedisProcess) findPid() {
	p.t.Helper()
	b, err := os.ReadFile(filepath.Join(p.srv.dir, "pid"))
	must(p.t, err)
	p.pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
	must(p.t, err)
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
	var err error
	if r.addr, err = freeAddr(); err != nil {
		return err
	}
	return r.serveAt(acc, bin)
}

// serveAt starts a server at r.addr.
func (r *redisServer) serveAt(acc account, bin string) error {
	_, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		return err
	}
	dir, err := acc.folder("redis")
	if err != nil {
		return err
	}
	r.dir = dir
	return acc.serve(dir, syscall.SIGKILL, r.ping, bin, "--bind", "127.0.0.1", "--port", port,
		"--requirepass", r.password, "--databases", strconv.Itoa(redisDatabases),
		"--save", "", "--appendonly", "no", "--dir", dir, "--logfile", filepath.Join(dir, "redis.log"))
}

// ping asks the server for its name with our password: only ours answers PONG.
func (r *redisServer) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	line, err := r.do(ctx, "PING")
	if err == nil && line != "+PONG" {
		err = fmt.Errorf("redis says %q, not +PONG", line)
	}
	return err
}

// do sends one command on a connection of its own and returns the first line of
// the answer.
func (r *redisServer) do(ctx context.Context, words ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\n*%d\r\n", r.password, len(words)); err != nil {
		return "", err
	}
	for _, w := range words {
		if _, err := fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(w), w); err != nil {
			return "", err
		}
	}
	in := bufio.NewReader(conn)
	var line string
	for range 2 {
		if line, err = in.ReadString('\n'); err != nil {
			return "", err
		}
	}
	return strings.TrimSpace(line), nil
}
