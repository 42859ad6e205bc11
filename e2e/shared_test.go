//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestSharedFolder and TestSharedBucket run two servers on one database.

func TestSharedFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	twoServers(t, "file://"+filepath.Join(dir, "one"), "file://"+filepath.Join(dir, "other"))
}

func TestSharedBucket(t *testing.T) {
	t.Parallel()
	s3, bucket := testsvc.S3(t)
	url := func(prefix string) string {
		return fmt.Sprintf("s3://%s/%s?endpoint=http://%s", bucket, prefix, s3.Endpoint)
	}
	twoServers(t, url("one"), url("other"), "RUNSHEET_BLOB_ACCESS_KEY="+s3.AccessKey, "RUNSHEET_BLOB_SECRET_KEY="+s3.SecretKey)
}

// pair is two servers on one database and in one place.
type pair struct {
	t    *testing.T
	a, b *server
	by   map[string]*server // by instance id
}

func twoServers(t *testing.T, place, elsewhere string, env ...string) {
	t.Helper()
	db := testsvc.DurablePostgres(t)
	one := func(args ...string) *server {
		s := newServer(t, db, append([]string{"--allow-command", "/bin/sh", "--lease-ttl", "5s", "--workers", "2"}, args...)...)
		s.env = env
		return s
	}
	p := &pair{t: t, a: one("--blob-url", place), b: one("--blob-url", place), by: map[string]*server{}}
	p.a.start()
	inside := one()
	inside.args = append(inside.args, "--blob-url", "file://"+filepath.Join(inside.data, "artifacts"))
	for _, c := range []struct {
		second *server
		want   string
	}{
		{one(), "start this one with the same blob_url"},
		{one("--blob-url", elsewhere), "in another place"},
		{inside, "outside of its data folder"},
	} {
		if out, err := c.second.output(); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("a second server with %q: %v, want %q\n%s", c.second.args, err, c.want, out)
		}
	}
	p.b.start()
	for _, s := range []*server{p.a, p.b} {
		p.by[text(s.must(http.MethodGet, "/api/scheduler", nil, http.StatusOK)["instance_id"])] = s
	}
	p.readEachOther()
	p.surviveADeath()
	p.a.stop()
	p.b.stop()
}

func (p *pair) other(s *server) *server {
	if s == p.a {
		return p.b
	}
	return p.a
}

// run waits for the run of a job, and tells which server makes it.
func (p *pair) run(job map[string]any) (string, *server) {
	p.t.Helper()
	var run map[string]any
	eventually(p.t, time.Minute, "the job has a run", func() bool {
		runs := p.a.all("/api/job-runs?job_id=" + text(job["job_id"]))
		if len(runs) > 0 {
			run = runs[0]
		}
		return len(runs) > 0
	})
	s := p.by[text(run["instance_id"])]
	if s == nil {
		p.t.Fatalf("run of an unknown instance: %v", run)
	}
	return "/api/job-runs/" + text(run["run_id"]), s
}

// readEachOther: both run jobs, and each shows what the other's left.
func (p *pair) readEachOther() {
	p.t.Helper()
	ran := map[*server]bool{}
	for n := 0; len(ran) < 2 && n < 100; n++ {
		body := inline(fmt.Sprintf("echo job %d; echo data %d >out.txt", n, n))
		body["params"].(map[string]any)["artifacts"] = []string{"out.txt"}
		path, s := p.run([]*server{p.a, p.b}[n%2].finished(body))
		if ran[s] {
			continue
		}
		ran[s] = true
		for _, reader := range []*server{s, p.other(s)} {
			if got, want := reader.text(path+"/logs"), fmt.Sprintf("job %d\n", n); got != want {
				p.t.Errorf("log = %q, want %q", got, want)
			}
			art := reader.must(http.MethodGet, path+"/artifacts", nil, http.StatusOK)["items"].([]any)[0].(map[string]any)
			if got, want := reader.text("/api/artifacts/"+text(art["artifact_id"])), fmt.Sprintf("data %d\n", n); got != want {
				p.t.Errorf("artifact = %q, want %q", got, want)
			}
		}
	}
	if len(ran) != 2 {
		p.t.Fatal("one server ran all jobs")
	}
}

// surviveADeath reads the log of a run while it is active, after its server was
// killed, and when that server is back.
func (p *pair) surviveADeath() {
	t := p.t
	t.Helper()
	path, victim := p.run(p.a.must(http.MethodPost, "/api/jobs",
		inline("echo begin; i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.1; done"), http.StatusCreated))
	reader, seen := p.other(victim), ""
	eventually(t, time.Minute, "the other server shows the log of the active run", func() bool {
		seen = reader.text(path + "/logs")
		return strings.Contains(seen, "tick 30\n")
	})
	victim.kill()
	eventually(t, 60*time.Second, "the job is rescued", func() bool {
		_, now := reader.try(http.MethodGet, path, nil, nil)
		return now["status"] == "FAILED"
	})
	dead := reader.text(path + "/logs?follow=true")
	if !strings.HasPrefix(dead, seen) || !strings.HasPrefix(dead, "begin\ntick 1\n") {
		t.Errorf("after the death of its server the log is %q, and before it was %q", dead, seen)
	}
	victim.start()
	eventually(t, time.Minute, "the logs have left the folder", func() bool {
		files, err := filepath.Glob(filepath.Join(victim.data, "logs", "*"))
		return err == nil && len(files) == 0
	})
	if got := reader.text(path + "/logs"); !strings.HasPrefix(got, dead) {
		t.Errorf("when its server is back the log is %q, and it was %q", got, dead)
	}
}
