//go:build linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLogsDiskFull: a full disk under the logs costs output, which is said in the
// log, and nothing else.
func TestLogsDiskFull(t *testing.T) {
	t.Parallel()
	s := newServer(t, "", "--workers", "4", "--allow-command", "/bin/sh")
	d := newDisk(t, filepath.Join(s.data, "logs"), 8)
	s.start()
	gate := filepath.Join(t.TempDir(), "gate")
	wait := func(n int) string { return fmt.Sprintf("while [ ! -e %s%d ]; do sleep 0.05; done; ", gate, n) }
	open := func(n int) {
		if err := os.WriteFile(fmt.Sprintf("%s%d", gate, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	id := s.add(inline("echo before; " + wait(1) + "seq 1 200000; echo ::output said=1; " + wait(2) + "echo after; exit 0"))
	eventually(t, time.Minute, "the job has begun its log", func() bool {
		code, _ := s.try(http.MethodGet, "/api/job-runs?job_id="+id, nil, nil)
		b, _ := filepath.Glob(filepath.Join(s.data, "logs", "*.log"))
		return code == http.StatusOK && len(b) == 1
	})
	d.fill()
	open(1)
	run := "/api/job-runs/" + s.runOf(id)
	eventually(t, time.Minute, "the job has said much", func() bool {
		out, _ := s.must(http.MethodGet, run, nil, http.StatusOK)["outputs"].(map[string]any)
		return out["said"] == "1"
	})
	same(t, "a job with nothing to say", s.finished(inline("exit 0")), map[string]any{"status": "COMPLETED"})
	s.must(http.MethodGet, "/readyz", nil, http.StatusOK)
	d.free()
	open(2)
	s.becomes(id, "COMPLETED")
	same(t, "run", s.must(http.MethodGet, run, nil, http.StatusOK), map[string]any{"status": "COMPLETED", "log_truncated": true})
	log := s.text(run + "/logs")
	if !strings.Contains(log, "bytes of output were lost because they could not be written to disk") || !strings.HasSuffix(log, "after\n") {
		t.Errorf("the log ends with %q", log[max(0, len(log)-300):])
	}
	same(t, "later", s.finished(inline("echo fine")), map[string]any{"status": "COMPLETED"})
}

// TestWorkDiskFull: when no working folder can be made, attempts wait for space
// and lose nothing.
func TestWorkDiskFull(t *testing.T) {
	t.Parallel()
	s := newServer(t, "", "--workers", "4", "--allow-command", "/bin/sh")
	d := mount(t, filepath.Join(s.data, "work"), "size=4m,nr_inodes=64,mode=0700")
	s.start()
	same(t, "a job", s.finished(inline("echo x >file")), map[string]any{"status": "COMPLETED"})
	for n := 0; ; n++ { // a tmpfs has no space for names when its inodes are used up
		name := filepath.Join(d.dir, fmt.Sprint("taken-", n))
		err := os.WriteFile(name, nil, 0o600)
		if n < 1000 && err == nil {
			continue
		}
		if n == 1000 || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("after %d files: %v", n, err)
		}
		break
	}
	var ids []string
	for range 4 {
		ids = append(ids, s.add(inline("echo x >file")))
	}
	eventually(t, time.Minute, "the attempts wait for space", func() bool { return strings.Contains(s.log.tail(8000), "cannot prepare an attempt") })
	s.must(http.MethodGet, "/readyz", nil, http.StatusOK)
	// All at once: with room for its folder alone an attempt begins, and is postponed.
	if err := syscall.Mount("runsheet-test", d.dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_NOSUID|syscall.MS_NODEV, "size=4m,nr_inodes=4096,mode=0700"); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if j := s.becomes(id, "COMPLETED"); j["attempt"] != 1.0 {
			t.Errorf("attempt %v, want 1", j["attempt"])
		}
	}
}

// TestStartOnFullDisk: a server that was killed on a full disk starts again, or
// says that the disk is full, also when there is no reserve left; with space it
// starts and has lost nothing.
func TestStartOnFullDisk(t *testing.T) {
	t.Parallel()
	for _, reserve := range []bool{true, false} {
		t.Run(fmt.Sprintf("reserve=%v", reserve), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d := newDisk(t, filepath.Join(dir, "disk"), 64)
			s := newServer(t, "", "--allow-command", "/bin/sh")
			s.data = filepath.Join(d.dir, "data")
			s.start()
			running := inline("sleep 600")
			running["retry_on_restart"] = true
			id := s.add(running)
			s.becomes(id, "RUNNING")
			big := inline("echo " + strings.Repeat("x", 100_000))
			big["hold"] = true
			var held []string
			for range 20 { // so that the log of the database has something in it
				held = append(held, s.add(big))
			}
			s.kill()
			if !reserve {
				if err := os.Remove(filepath.Join(s.data, "reserve")); err != nil {
					t.Fatal(err)
				}
			}
			d.fill()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			said := &syncBuffer{}
			cmd := s.command(ctx)
			cmd.Stdout, cmd.Stderr = said, said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = cmd.Wait()
			}()
			over := func() bool {
				select {
				case <-ended:
					return true
				default:
					return false
				}
			}
			eventually(t, time.Minute, "it starts or says why not", func() bool {
				return over() || strings.Contains(said.tail(8000), "runsheet listening on")
			})
			switch {
			case !over():
				t.Log("it starts on a full disk")
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				<-ended
			case reserve:
				t.Errorf("it does not start although there was a reserve:\n%s", said.tail(4000))
			case !strings.Contains(said.tail(8000), "full") && !strings.Contains(said.tail(8000), "no space left"):
				t.Errorf("it does not say that the disk is full:\n%s", said.tail(4000))
			default:
				t.Logf("it says: %s", said.tail(400))
			}
			d.free()
			s.start()
			s.becomes(id, "RUNNING")
			for _, h := range held {
				s.job(h)
			}
		})
	}
}
