//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestMigrateCrash (T01, migrated database) kills the server at random moments
// while eight clients add jobs, moves what it left to the other database, and
// starts there, to and fro. The witness judges as in TestCrash.
func TestMigrateCrash(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills a real server many times")
	}
	moves := 4
	if os.Getenv("RUNSHEET_CHAOS") == "full" {
		moves = 20
	}
	dir := t.TempDir()
	s := newServer(t, "", "--workers", "4", "--lease-ttl", "5s")
	s.start()
	l := &ledger{acked: map[string]bool{}, url: s.url}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() { addJobs(l, dir, c, stop) })
	}
	for k := range moves {
		pause(time.Duration(300+rand.IntN(1500)) * time.Millisecond)
		// One that is not repeated is at work, so that the kill interrupts it, or another one.
		eventually(t, time.Minute, "such a job runs", func() bool {
			running := s.must(http.MethodGet, "/api/jobs?status=RUNNING&limit=200", nil, http.StatusOK)["items"].([]any)
			return slices.ContainsFunc(running, func(j any) bool { return j.(map[string]any)["retry_on_restart"] == false })
		})
		s.kill()
		if s.db == "" {
			s.db = testsvc.DurablePostgres(t)
			s.says(0, "migrate", "--from", s.data, "--to", s.db)
		} else {
			from, files := s.db, s.data
			s.db, s.data = "", filepath.Join(t.TempDir(), "data")
			// The lease of the killed server has to be over.
			eventually(t, time.Minute, "the database can be moved", func() bool {
				out, talk, code := s.say("migrate", "--from", from, "--to", s.data, "--files-from", files)
				if code != 0 && !strings.Contains(talk, "a server uses the database") {
					t.Fatalf("migrate: exit %d\n%s%s", code, out, talk)
				}
				return code == 0
			})
		}
		s.start()
		t.Logf("move %d, to %q", k+1, s.db)
		l.mu.Lock()
		l.url = s.url
		l.mu.Unlock()
	}
	close(stop)
	clients.Wait()
	runDry(t, s)
	judge(t, s, l, dir)
}

// TestOldPlaceIsRefused: after a migration no server starts on the source by
// mistake, and it says why and what to do.
func TestOldPlaceIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, "")
	s.start()
	s.stop()
	db := testsvc.DurablePostgres(t)
	s.says(0, "migrate", "--from", s.data, "--to", db)
	out, err := s.output()
	if err == nil || !strings.Contains(out, "was migrated to") || !strings.Contains(out, "runsheet.db.moved") {
		t.Errorf("the server on the old place: %v\n%s", err, out)
	}
	if err := os.Remove(filepath.Join(s.data, "runsheet.db.moved")); err != nil {
		t.Fatal(err)
	}
	s.start() // as the hint says
	s.stop()
	s.says(5, "migrate", "--from", s.data, "--to", db)
}

// TestBackupAtWork makes backups of a server under load, and restores one on the
// same and on the other database: what was acknowledged before it is there.
func TestBackupAtWork(t *testing.T) {
	t.Parallel()
	for name, pg := range map[string]bool{"sqlite": false, "postgres": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := ""
			if pg {
				db = testsvc.DurablePostgres(t)
			}
			backupAtWork(t, db)
		})
	}
}

func backupAtWork(t *testing.T, db string) {
	dir := t.TempDir()
	s := newServer(t, db, "--workers", "4", "--allow-command", "/bin/sh,"+built.witness)
	s.start()
	first := s.must(http.MethodPost, "/api/jobs", map[string]any{
		"job_type": "command", "params": map[string]any{"argv": []string{"/bin/sh", "-c", "echo made >a.txt"}, "artifacts": []string{"*.txt"}},
	}, http.StatusCreated)["job_id"].(string)
	eventually(t, time.Minute, "the artifact is made", func() bool {
		return s.must(http.MethodGet, "/api/scheduler", nil, http.StatusOK)["jobs"].(map[string]any)["completed"] == 1.0
	})
	l := &ledger{acked: map[string]bool{}, url: s.url}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() { addJobs(l, dir, c, stop) })
	}
	pause(time.Second)
	l.mu.Lock()
	before := map[string]bool{}
	for id := range l.acked {
		before[id] = true
	}
	l.mu.Unlock()
	file := filepath.Join(dir, "backup.tar")
	s.says(0, "backup", "--out", file)
	close(stop)
	clients.Wait()
	s.says(2, "backup", "--out", file) // it is there already
	s.says(0, "backup", "verify", file)
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode of the backup: %v %v", st.Mode(), err)
	}
	search(t, s, file)
	for _, other := range []string{"", testsvc.DurablePostgres(t)} {
		r := newServer(t, other, "--workers", "4", "--allow-command", "/bin/sh,"+built.witness)
		args := []string{"restore", file, "--data", r.data}
		if other != "" {
			args = append(args, "--database-url", other)
		}
		if _, talk, code := r.say(args...); code != 0 || !strings.Contains(talk, "the queue is paused") {
			t.Fatalf("restore: exit %d, %s", code, talk)
		}
		r.says(5, args...) // not a second time
		r.start()
		if st := r.must(http.MethodGet, "/api/scheduler", nil, http.StatusOK); st["paused"] != true || st["running"] != 0.0 {
			t.Errorf("after the restore: %v", st)
		}
		there := map[string]bool{}
		for _, j := range r.all("/api/jobs?limit=200") {
			there[j["job_id"].(string)] = true
		}
		for id := range before {
			if !there[id] {
				t.Errorf("acknowledged job %s is not in the backup", id)
			}
		}
		if out := r.says(0, "run", "artifacts", r.says(0, "run", "ls", "-q", "--limit", "200", "--job", first), "--json"); !strings.Contains(out, "a.txt") {
			t.Errorf("the artifact is gone: %s", out)
		}
		r.stop()
	}
}

// search looks for what must never be in a backup.
func search(t *testing.T, s *server, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	local, err := os.ReadFile(filepath.Join(s.data, "keys", "local.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ Token string }
	if err := json.Unmarshal(local, &v); err != nil || len(v.Token) < 20 {
		t.Fatalf("local token: %v", err)
	}
	for _, secret := range []string{adminToken, v.Token} {
		for i := range 3 {
			enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", i) + secret))
			if bytes.Contains(b, []byte(enc[4:len(enc)-4])) {
				t.Errorf("the backup contains a token in base64")
			}
		}
		if bytes.Contains(b, []byte(secret)) || bytes.Contains(b, []byte(hex.EncodeToString([]byte(secret)))) {
			t.Errorf("the backup contains a token")
		}
	}
}

// TestEncryptedBackup: with a recipient, nothing readable reaches the disk.
func TestEncryptedBackup(t *testing.T) {
	t.Parallel()
	s := newServer(t, "")
	s.start()
	dir := t.TempDir()
	file, key := filepath.Join(dir, "b.tar.age"), filepath.Join(dir, "key.txt")
	pair, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, []byte(pair.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.says(2, "backup", "--encrypt-to", "nobody", "--out", file)
	s.says(0, "backup", "--encrypt-to", pair.Recipient().String(), "--out", file)
	b, err := os.ReadFile(file)
	if err != nil || bytes.Contains(b, []byte("runsheet-backup")) {
		t.Errorf("the file is readable: %v", err)
	}
	s.says(2, "backup", "verify", file)
	s.says(0, "backup", "verify", file, "--identity", key)
	r := newServer(t, "")
	r.says(0, "restore", file, "--identity", key, "--data", r.data, "--resume")
	r.start()
	if st := r.must(http.MethodGet, "/api/scheduler", nil, http.StatusOK); st["paused"] != false {
		t.Errorf("paused in spite of --resume: %v", st)
	}
	b[len(b)-10] ^= 1
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, code := s.say("backup", "verify", file, "--identity", key); code == 0 {
		t.Error("a damaged encrypted backup passes")
	}
}

// TestRestoreKilled kills restore at random moments: a server then refuses the
// folder, or finds nothing, or everything.
func TestRestoreKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills a real process many times")
	}
	s := newServer(t, "")
	s.start()
	s.must(http.MethodPost, "/api/scheduler/pause", nil, http.StatusOK)
	const jobs = 300
	for i := range jobs {
		s.must(http.MethodPost, "/api/jobs", map[string]any{
			"job_type": "command", "params": map[string]any{"argv": []string{built.witness, strings.Repeat("x", 2000)}}, "name": fmt.Sprint(i),
		}, http.StatusCreated)
	}
	file := filepath.Join(t.TempDir(), "b.tar")
	s.says(0, "backup", "--out", file)
	s.stop()
	seen := map[string]int{}
	for k := 0; k < 12 || seen["refused"] == 0 && k < 40; k++ {
		r := newServer(t, "")
		cmd := exec.CommandContext(context.Background(), built.runsheet, "restore", file, "--data", r.data)
		cmd.Env = []string{"HOME=" + r.data}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if k%2 == 1 { // when it has begun, which takes a loaded machine longer than any fixed time
			eventually(t, time.Minute, "the restore begins", func() bool {
				_, marked := os.Lstat(filepath.Join(r.data, "restore-unfinished"))
				_, db := os.Lstat(filepath.Join(r.data, "runsheet.db"))
				return marked == nil || db == nil
			})
			pause(time.Duration(rand.IntN(5*k)) * time.Millisecond)
		} else {
			pause(time.Duration(20*k+rand.IntN(20)) * time.Millisecond)
		}
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // killed, as a rule
		_, marked := os.Lstat(filepath.Join(r.data, "restore-unfinished"))
		_, db := os.Lstat(filepath.Join(r.data, "runsheet.db"))
		switch {
		case marked == nil:
			seen["refused"]++
			if out, err := r.output(); err == nil || !strings.Contains(out, "--force") {
				t.Errorf("a server on half a restore: %v\n%s", err, out)
			}
			r.says(0, "restore", file, "--data", r.data, "--force")
		case db == nil:
			seen["whole"]++
		default:
			seen["nothing"]++
			r.says(0, "restore", file, "--data", r.data)
		}
		r.start()
		if n := len(r.all("/api/jobs?limit=200")); n != jobs {
			t.Errorf("kill %d: %d jobs of %d", k, n, jobs)
		}
		r.stop()
	}
	t.Logf("%v", seen)
	if seen["refused"] == 0 {
		t.Error("no restore was interrupted in the middle: the test tested little")
	}
}
