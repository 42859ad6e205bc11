//go:build linux

package e2e

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestArtifactsInABucket runs a job on a server with an S3 bucket and reads what
// it made, whole and in ranges, also after the S3 server was away.
func TestArtifactsInABucket(t *testing.T) {
	t.Parallel()
	store, bucket := testsvc.OwnS3(t)
	s := newServer(t, "", "--allow-command", "/bin/sh", "--blob-url", "s3://"+bucket+"/e2e?endpoint=http://"+store.Endpoint)
	if out, err := s.output(); err == nil || !strings.Contains(out, "RUNSHEET_BLOB_ACCESS_KEY") {
		t.Errorf("a start without keys: %v\n%s", err, out)
	}
	s.env = []string{"RUNSHEET_BLOB_ACCESS_KEY=" + store.AccessKey, "RUNSHEET_BLOB_SECRET_KEY=" + store.SecretKey + "x"}
	if out, err := s.output(); err == nil || !strings.Contains(out, "blob_secret_key") || strings.Contains(out, store.SecretKey) {
		t.Errorf("a start with a wrong key: %v\n%s", err, out)
	}
	s.env[1] = "RUNSHEET_BLOB_SECRET_KEY=" + store.SecretKey
	s.start()
	in := inline("seq 1 100000 >out.txt")
	in["params"].(map[string]any)["artifacts"] = []string{"out.txt"}
	job := s.finished(in)
	same(t, "job", job, map[string]any{"status": "COMPLETED"})
	items := s.all("/api/job-runs?job_id=" + text(job["job_id"]))
	run := s.must(http.MethodGet, "/api/job-runs/"+text(items[0]["run_id"]), nil, http.StatusOK)
	artifact, _ := run["artifacts"].(map[string]any)["out.txt"].(map[string]any)
	if artifact == nil {
		t.Fatalf("artifacts = %v", run["artifacts"])
	}
	path := "/api/artifacts/" + text(artifact["artifact_id"])
	whole := s.text(path)
	if !strings.HasPrefix(whole, "1\n2\n") || !strings.HasSuffix(whole, "99999\n100000\n") {
		t.Errorf("the artifact has %d bytes", len(whole))
	}
	sum := text(artifact["sha256"])
	if _, err := os.Stat(filepath.Join(store.Root, bucket, "e2e", sum[:2], sum[2:4], sum)); err != nil {
		t.Errorf("it is not in the bucket: %v", err)
	}
	for header, want := range map[string]string{"bytes=2-5": whole[2:6], "bytes=-7": whole[len(whole)-7:]} {
		if code, got := s.part(path, header); code != http.StatusPartialContent || got != want {
			t.Errorf("%s: %d %q, want %q", header, code, got, want)
		}
	}

	store.Stop(t)
	if code, out := s.try(http.MethodGet, path, nil, nil); code != http.StatusServiceUnavailable || out["code"] != "storage_unavailable" {
		t.Errorf("without the S3 server: %d %v", code, out)
	}
	store.Start(t)
	if got := s.text(path); got != whole {
		t.Errorf("afterwards it has %d bytes", len(got))
	}
	s.stop()
	if log := s.log.tail(1 << 20); strings.Contains(log, store.SecretKey) || strings.Contains(log, store.AccessKey) {
		t.Error("the server's log has a key")
	}
}

// part gets a range of bytes.
func (s *server) part(path, header string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Range", header)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}
