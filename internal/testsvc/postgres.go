//go:build unix

package testsvc

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/runsheet/runsheet/internal/clock"
)

// cluster is one PostgreSQL server of this test binary. It listens on a Unix
// socket in its private folder and nowhere else.
type cluster struct {
	durable bool
	once    sync.Once
	err     error
	dir     string
	serial  atomic.Int64
	// preparing makes the template of PostgresLike.
	preparing  sync.Once
	unprepared error
}

// The servers are shared by the tests of a binary, which have no common owner
// that could hold them.
var (
	fast    cluster
	durable = cluster{durable: true}
	bouncer pooler
)

// Postgres returns the URL of a fresh, empty database, which is dropped when
// the test ends. The server does not sync to disk. Its default collation is
// linguistic and its time zone is not UTC, so that code which relies on either
// shows it.
func Postgres(t testing.TB) string {
	t.Helper()
	return fast.database(t, emptyDatabase)
}

// PostgresLike is Postgres with what prepare has made of an empty database. It is
// called once in a test binary, and must be the same for all; each database is a copy.
func PostgresLike(t testing.TB, prepare func(url string) error) string {
	t.Helper()
	return fast.database(t, fast.prepared(t, prepare))
}

// ServePostgres is DurablePostgres for a program that is no test, because a server
// outside of tests refuses one that does not sync: the database goes with it when the program ends. "go run ./internal/testsvc/pg" prints its URL.
func ServePostgres() (string, error) {
	durable.once.Do(func() { durable.err = durable.start() })
	if durable.err != nil {
		return "", durable.err
	}
	name := "t" + strconv.FormatInt(durable.serial.Add(1), 10)
	return socketURL(durable.dir, name), durable.exec("create database " + name + " template template0")
}

// DurablePostgres is Postgres on a server that syncs to disk as a production
// server does. It is slower; use it where durability is the subject.
func DurablePostgres(t testing.TB) string {
	t.Helper()
	return durable.database(t, emptyDatabase)
}

// PgBouncer is Postgres through a PgBouncer in transaction mode: consecutive
// transactions of a connection may meet different server sessions, so prepared
// statements, LISTEN and session settings do not work on it.
func PgBouncer(t testing.TB) string {
	t.Helper()
	return bounced(t, emptyDatabase)
}

// PgBouncerLike is PgBouncer as PostgresLike is Postgres.
func PgBouncerLike(t testing.TB, prepare func(url string) error) string {
	t.Helper()
	return bounced(t, fast.prepared(t, prepare))
}

func bounced(t testing.TB, template string) string {
	t.Helper()
	direct := fast.database(t, template)
	bouncer.once.Do(func() { bouncer.err = bouncer.start(fast.dir) })
	must(t, bouncer.err)
	u, err := url.Parse(direct)
	must(t, err)
	return socketURL(bouncer.dir, u.Path[1:])
}

// emptyDatabase is PostgreSQL's own template.
const emptyDatabase = "template0"

// prepared returns the name of the database that prepare has made.
func (c *cluster) prepared(t testing.TB, prepare func(url string) error) string {
	t.Helper()
	const name = "prepared"
	c.once.Do(func() { c.err = c.start() })
	must(t, c.err)
	c.preparing.Do(func() {
		if c.unprepared = c.exec("create database " + name + " template " + emptyDatabase); c.unprepared == nil {
			c.unprepared = prepare(socketURL(c.dir, name))
		}
	})
	must(t, c.unprepared)
	return name
}

func (c *cluster) database(t testing.TB, template string) string {
	t.Helper()
	c.once.Do(func() { c.err = c.start() })
	must(t, c.err)
	name := "t" + strconv.FormatInt(c.serial.Add(1), 10)
	must(t, c.exec("create database "+name+" template "+template))
	t.Cleanup(func() {
		if err := c.drop(name); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return socketURL(c.dir, name)
}

// start initialises a data folder and serves it.
func (c *cluster) start() error {
	initdb, err := find("initdb", "/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return err
	}
	acc, err := serverAccount()
	if err != nil {
		return err
	}
	if c.dir, err = acc.folder("pg"); err != nil {
		return err
	}
	data := filepath.Join(c.dir, "data")
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	out, err := acc.command(ctx, c.dir, initdb, "-D", data, "-U", "runsheet", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions",
		"--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en").CombinedOutput()
	if err != nil {
		_ = os.RemoveAll(c.dir)
		return fmt.Errorf("initdb: %w\n%s", err, tail(string(out), 2000))
	}
	sync := "off"
	if c.durable {
		sync = "on"
	}
	argv := []string{filepath.Join(filepath.Dir(initdb), "postgres"), "-D", data}
	for _, set := range []string{
		"listen_addresses=", "unix_socket_directories=" + c.dir, "max_connections=300", "shared_buffers=64MB",
		"fsync=" + sync, "full_page_writes=" + sync, "synchronous_commit=" + sync,
		"timezone=America/New_York", "log_timezone=UTC", "autovacuum_naptime=5s",
	} {
		argv = append(argv, "-c", set)
	}
	// SIGQUIT is PostgreSQL's immediate shutdown: nobody wants the data.
	return acc.serve(c.dir, syscall.SIGQUIT, func(context.Context) error { return c.exec("select 1") }, argv...)
}

// exec runs one statement in the maintenance database.
func (c *cluster) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, socketURL(c.dir, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	return err
}

// drop removes a database. That needs a checkpoint, which fails while another
// test keeps a tablespace of the cluster full: it waits for that to end.
func (c *cluster) drop(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		err := c.exec("drop database if exists " + name + " with (force)")
		if err == nil || !strings.Contains(err.Error(), "checkpoint request failed") {
			return err
		}
		if clock.Sleep(ctx, clock.System{}, 200*time.Millisecond) != nil {
			return err
		}
	}
}

// pooler is the PgBouncer of this test binary.
type pooler struct {
	once sync.Once
	err  error
	dir  string
}

func (p *pooler) start(backend string) error {
	bin, err := find("pgbouncer", "/usr/sbin/pgbouncer")
	if err != nil {
		return err
	}
	acc, err := serverAccount()
	if err != nil {
		return err
	}
	if p.dir, err = acc.folder("pgb"); err != nil {
		return err
	}
	config := filepath.Join(p.dir, "pgbouncer.ini")
	text := fmt.Sprintf(`[databases]
* = host=%s port=5432 user=runsheet
[pgbouncer]
listen_addr =
listen_port = 5432
unix_socket_dir = %s
auth_type = any
pool_mode = transaction
max_client_conn = 500
default_pool_size = 10
server_idle_timeout = 5
`, backend, p.dir)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil { // the account, not we, reads it; it holds no secret
		return err
	}
	ready := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, socketURL(p.dir, "postgres"))
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	}
	return acc.serve(p.dir, syscall.SIGKILL, ready, bin, config)
}

func socketURL(dir, database string) string {
	return "postgres://runsheet@/" + database + "?host=" + url.QueryEscape(dir) + "&sslmode=disable"
}
