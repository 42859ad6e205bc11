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

func twoServers(t *testing.T, place, elsewhere string, env ...string) {
	t.Helper()
	db := testsvc.DurablePostgres(t)
	make := func(args ...string) *server {
		s := newServer(t, db, append([]string{"--allow-command", "/bin/sh", "--lease-ttl", "5s", "--workers", "2"}, args...)...)
		s.env = env
		return s
	}
	a, b := make("--blob-url", place), make("--blob-url", place)
	a.start()
	for want, second := range map[string]*server{
		"start this one with the same blob_url": make(),
		"in another place":                      make("--blob-url", elsewhere),
	} {
		if out, err := second.output(); err == nil || !strings.Contains(out, want) {
			t.Errorf("a second server with %q: %v\n%s", second.args, err, out)
		}
	}
	inside := make()
	inside.args = append(inside.args, "--blob-url", "file://"+filepath.Join(inside.data, "artifacts"))
	if out, err := inside.output(); err == nil || !strings.Contains(out, "outside of its data folder") {
		t.Errorf("a place inside the data folder: %v\n%s", err, out)
	}
	b.start()
	by := map[string]*server{}
	for _, s := range []*server{a, b} {
		by[text(s.must(http.MethodGet, "/api/scheduler", nil, http.StatusOK)["instance_id"])] = s
	}
	other := func(s *server) *server {
		if s == a {
			return b
		}
		return a
	}
	runOf := func(job map[string]any) (map[string]any, *server) {
		t.Helper()
		var run map[string]any
		eventually(t, 30*time.Second, "the job has a run", func() bool {
			runs := a.all("/api/job-runs?job_id=" + text(job["job_id"]))
			if len(runs) > 0 {
				run = runs[0]
			}
			return len(runs) > 0
		})
		s := by[text(run["instance_id"])]
		if s == nil {
			t.Fatalf("run of an unknown instance: %v", run)
		}
		return run, s
	}

	// Both run jobs, and each shows what the other's left.
	ran := map[*server]bool{}
	for n := 0; len(ran) < 2 && n < 100; n++ {
		body := inline(fmt.Sprintf("echo job %d; echo data %d >out.txt", n, n))
		body["params"].(map[string]any)["artifacts"] = []string{"out.txt"}
		run, s := runOf([]*server{a, b}[n%2].finished(body))
		if ran[s] {
			continue
		}
		ran[s] = true
		for _, reader := range []*server{s, other(s)} {
			if got, want := reader.text("/api/job-runs/"+text(run["run_id"])+"/logs"), fmt.Sprintf("job %d\n", n); got != want {
				t.Errorf("log = %q, want %q", got, want)
			}
			art := reader.must(http.MethodGet, "/api/job-runs/"+text(run["run_id"])+"/artifacts", nil, http.StatusOK)["items"].([]any)[0].(map[string]any)
			if got, want := reader.text("/api/artifacts/"+text(art["artifact_id"])), fmt.Sprintf("data %d\n", n); got != want {
				t.Errorf("artifact = %q, want %q", got, want)
			}
		}
	}
	if len(ran) != 2 {
		t.Fatal("one server ran all jobs")
	}

	// While a run is active, and after its server was killed.
	job := a.must(http.MethodPost, "/api/jobs", inline("echo begin; i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.1; done"), http.StatusCreated)
	run, victim := runOf(job)
	reader, path := other(victim), "/api/job-runs/"+text(run["run_id"])
	seen := ""
	eventually(t, 30*time.Second, "the other server shows the log of the active run", func() bool {
		if code, _ := reader.try(http.MethodGet, path+"/logs", nil, nil); code != http.StatusOK {
			return false
		}
		seen = reader.text(path + "/logs")
		return strings.Contains(seen, "tick 30\n")
	})
	victim.kill()
	eventually(t, 60*time.Second, "the job is rescued", func() bool {
		_, now := reader.try(http.MethodGet, path, nil, nil)
		return now["status"] == "FAILED"
	})
	if got := reader.text(path + "/logs?follow=true"); !strings.HasPrefix(got, seen) || !strings.HasPrefix(got, "begin\ntick 1\n") {
		t.Errorf("after the death of its server the log is %q, and before it was %q", got, seen)
	}
	// What it had not shared yet comes when it is back.
	victim.start()
	eventually(t, 30*time.Second, "the rest of the log", func() bool {
		return len(reader.text(path+"/logs")) >= len(seen)
	})
	if files, err := filepath.Glob(filepath.Join(victim.data, "logs", "*.log")); err != nil || len(files) > 1 {
		t.Errorf("logs stay in the folder: %v, %v", files, err)
	}
	a.stop()
	b.stop()
}
