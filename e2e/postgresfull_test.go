//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestPostgresDiskFull fills the disk of a PostgreSQL database (a tablespace on a
// small tmpfs): new work is refused with 507, and accepted again when there is
// space. Nothing that was acknowledged is lost.
func TestPostgresDiskFull(t *testing.T) {
	t.Parallel()
	as, err := user.Lookup("postgres")
	if err != nil {
		t.Skip("SKIPPED, PostgreSQL on a full disk is not tested: no user postgres here")
	}
	admin := testsvc.DurablePostgres(t)
	exec := func(sql string) { t.Helper(); perform(t, admin, sql) }
	dir := filepath.Join(t.TempDir(), "space")
	for up := filepath.Dir(dir); up != filepath.Clean(os.TempDir()) && up != "/"; up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o711); err != nil { // PostgreSQL's account has to get through
			t.Fatal(err)
		}
	}
	d := mount(t, dir, "size=40m,mode=0700,uid="+as.Uid+",gid="+as.Gid)
	exec("create tablespace small location '" + dir + "'")
	exec("create database small tablespace small template template0")
	at, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	at.Path = "/small"
	s := newServer(t, at.String(), "--allow-command", "/bin/sh")
	s.start()
	defer func() {
		d.free()
		s.kill()
		exec("drop database small with (force)")
		exec("drop tablespace small")
	}()
	big := inline("echo " + noise(60_000))
	big["hold"] = true
	var acked []string
	acked = append(acked, s.add(big))
	d.fill()
	full := false
	for n := 0; n < 500 && !full; n++ {
		code, header, out := answer(s.url, big, "")
		switch code {
		case http.StatusCreated:
			acked = append(acked, text(out["job_id"]))
		case http.StatusInsufficientStorage:
			full = true
			if out["code"] != "storage_full" || header.Get("Retry-After") == "" {
				t.Errorf("507 with %v %v", header, out)
			}
		default:
			t.Fatalf("on a full disk: %d %v", code, out)
		}
	}
	if !full {
		t.Fatalf("%d jobs fit on a full disk", len(acked))
	}
	s.must(http.MethodGet, "/api/jobs", nil, http.StatusOK)
	eventually(t, recovery, "readiness says why", func() bool { // a check is believed for a second
		code, out := s.try(http.MethodGet, "/readyz", nil, nil)
		return code == http.StatusServiceUnavailable && strings.Contains(fmt.Sprint(out), "no space left")
	})
	d.free()
	eventually(t, recovery, "work is accepted again", func() bool {
		code, _, out := answer(s.url, big, "")
		if code == http.StatusCreated {
			acked = append(acked, text(out["job_id"]))
		}
		return code == http.StatusCreated
	})
	eventually(t, recovery, "readiness is back", func() bool {
		code, _ := s.try(http.MethodGet, "/readyz", nil, nil)
		return code == http.StatusOK
	})
	for _, id := range acked {
		s.job(id)
	}
	t.Logf("%d jobs acknowledged", len(acked))
}

// perform executes a statement.
func perform(t *testing.T, db, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }() // nothing is lost with it
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// noise is text that does not compress well.
func noise(n int) string {
	var b strings.Builder
	for x := uint64(88172645463325252); b.Len() < n; {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		fmt.Fprintf(&b, "%016x", x)
	}
	return b.String()
}
