//go:build linux

package e2e

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestContainerRoot runs the server in a root that holds only what the Dockerfile
// copies into its last stage, as the Dockerfile's user.
func TestContainerRoot(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: chroot needs root")
	}
	docker, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"COPY --from=build /out/root/ /", "USER 10001:10001", `CMD ["/usr/local/bin/runsheet", "health", "-q"]`, "FROM scratch"} {
		if !strings.Contains(string(docker), line) {
			t.Fatalf("the Dockerfile has no line %q any more: adapt this test", line)
		}
	}
	root, err := os.MkdirTemp("", "runsheet-root-") //nolint:usetesting // user 10001 must reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	for dir, mode := range map[string]os.FileMode{"usr/local/bin": 0o755, "tmp": 0o777 | os.ModeSticky, "data": 0o700, "etc/ssl/certs": 0o755} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(root, dir), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(root, "data"), 10001, 10001); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(built.runsheet)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "usr/local/bin/runsheet"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	inside := func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "/usr/local/bin/runsheet", args...)
		cmd.Dir = "/data"
		cmd.Env = []string{
			"RUNSHEET_DATA=/data", "HOME=/data", "RUNSHEET_LISTEN=0.0.0.0:0", "RUNSHEET_BEHIND_PROXY=true",
			"RUNSHEET_ADMIN_TOKEN=" + adminToken, "RUNSHEET_OUTBOUND_ALLOW=127.0.0.1:*",
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 10001, Gid: 10001}}
		return cmd
	}
	s := newServer(t, "")
	s.make = inside
	s.start()
	s.url = "http://127.0.0.1" + s.url[strings.LastIndex(s.url, ":"):]
	if out, err := inside(t.Context(), "health").CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "ok ") {
		t.Errorf("health: %v %s", err, out)
	}
	if out, err := inside(t.Context(), "doctor").CombinedOutput(); err != nil {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	job := s.must(http.MethodPost, "/api/jobs", map[string]any{
		"job_type": "http", "params": map[string]any{"url": s.url + "/livez", "method": "GET"},
	}, http.StatusCreated)
	path := "/api/jobs/" + job["job_id"].(string)
	eventually(t, 60e9, "the job ends", func() bool {
		st := s.must(http.MethodGet, path, nil, http.StatusOK)["status"]
		if st == "FAILED" {
			t.Fatalf("%v", s.must(http.MethodGet, path, nil, http.StatusOK))
		}
		return st == "COMPLETED"
	})
	s.stop()
	if out, err := inside(t.Context(), "health").CombinedOutput(); err == nil {
		t.Errorf("a stopped server is healthy: %s", out)
	}
}
