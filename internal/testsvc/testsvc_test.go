//go:build unix

package testsvc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/minio/minio-go/v7"
)

func TestPostgresGivesEachTestItsOwnDatabase(t *testing.T) {
	t.Parallel()
	one, two := Postgres(t), Postgres(t)
	query(t, one, "create table x (a text)")
	if got := query(t, two, "select to_regclass('x') is null"); got != true {
		t.Errorf("the table of one database shows in another: %v", got)
	}
	if got := query(t, one, "show fsync"); got != "off" {
		t.Errorf("fsync = %v, want off", got)
	}
	// The traps that the doc comment promises.
	if got := query(t, one, "select 'a' < 'B'"); got != true {
		t.Errorf("'a' < 'B' = %v: the default collation is not linguistic", got)
	}
	if got := query(t, one, "show timezone"); got == "UTC" {
		t.Error("the server's time zone is UTC")
	}
}

func TestDurablePostgresSyncs(t *testing.T) {
	t.Parallel()
	dsn := DurablePostgres(t)
	for _, name := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		if got := query(t, dsn, "show "+name); got != "on" {
			t.Errorf("%s = %v, want on", name, got)
		}
	}
}

func TestPgBouncerPoolsTransactions(t *testing.T) {
	t.Parallel()
	dsn := PgBouncer(t)
	one, two := connect(t, dsn), connect(t, dsn)
	// Two clients that are idle between transactions share one server session:
	// that is what transaction mode means.
	var a, b int
	if err := one.QueryRow(t.Context(), "select pg_backend_pid()").Scan(&a); err != nil {
		t.Fatal(err)
	}
	if err := two.QueryRow(t.Context(), "select pg_backend_pid()").Scan(&b); err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Errorf("server sessions %d and %d, want one", a, b)
	}
}

func TestRedisAnswers(t *testing.T) {
	t.Parallel()
	one, two := Redis(t), Redis(t)
	if one == two {
		t.Fatalf("both tests got %s", one)
	}
	u, err := url.Parse(one)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "-NOAUTH") {
		t.Errorf("PING without a password: %q, %v; want -NOAUTH", line, err)
	}
}

// TestServersDieWithTheTestBinary starts a server in a child of ours, kills the
// child, and looks for the server and its folder.
func TestServersDieWithTheTestBinary(t *testing.T) {
	const flag = "RUNSHEET_TESTSVC_VICTIM"
	if os.Getenv(flag) != "" {
		Redis(t)
		_, _ = os.Stdout.WriteString("\nADDR " + redis.addr + "\n")
		select {} // until killed
	}
	if _, err := find("redis-server"); err != nil {
		must(t, err)
	}
	t.Parallel()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServersDieWithTheTestBinary$")
	c.Env = append(os.Environ(), flag+"=1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var addr string
	for lines := bufio.NewScanner(out); addr == "" && lines.Scan(); {
		addr, _ = strings.CutPrefix(lines.Text(), "ADDR ")
		if addr == lines.Text() {
			addr = ""
		}
	}
	if addr == "" {
		t.Fatal("the child started no server")
	}
	if err := c.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	deadline := time.Now().Add(time.Minute)
	for {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if err == nil {
			_ = conn.Close()
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server at %s outlives its test binary: %v", addr, err)
		}
		time.Sleep(20 * time.Millisecond) // another process: there is no signal to wait for
	}
}

func query(t *testing.T, dsn, sql string) any {
	t.Helper()
	rows, err := connect(t, dsn).Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var v any
	if rows.Next() {
		vals, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		v = vals[0]
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return v
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // transaction pooling knows no prepared statements
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func TestS3KeepsObjectsOverARestart(t *testing.T) {
	t.Parallel()
	s, bucket := OwnS3(t)
	c, err := s.client()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutObject(t.Context(), bucket, "a/b", strings.NewReader("text"), 4, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(s.Root, bucket, "a", "b")); err != nil || string(got) != "text" {
		t.Errorf("the file has %q, %v", got, err)
	}
	s.Stop(t)
	if _, err := c.StatObject(t.Context(), bucket, "a/b", minio.StatObjectOptions{}); err == nil {
		t.Error("a stopped server answers")
	}
	s.Start(t)
	if st, err := c.StatObject(t.Context(), bucket, "a/b", minio.StatObjectOptions{}); err != nil || st.Size != 4 {
		t.Errorf("after the restart: %+v, %v", st, err)
	}
}

func TestS3GivesEachTestItsOwnBucket(t *testing.T) {
	t.Parallel()
	one, a := S3(t)
	two, b := S3(t)
	if one != two || a == b {
		t.Errorf("servers %s and %s, buckets %s and %s", one.Endpoint, two.Endpoint, a, b)
	}
}

func TestOIDCDescribesItself(t *testing.T) {
	t.Parallel()
	p := OwnOIDC(t)
	get := func() (string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Issuer+"/.well-known/openid-configuration", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	if text, err := get(); err != nil || !strings.Contains(text, p.Issuer) {
		t.Errorf("%q, %v", text, err)
	}
	p.Stop(t)
	if text, err := get(); err == nil {
		t.Errorf("it answers after it was stopped: %q", text)
	}
	p.Start(t)
	if _, err := get(); err != nil {
		t.Error(err)
	}
}
