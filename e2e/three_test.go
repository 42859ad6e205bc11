//go:build linux

package e2e

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestThreeInstances does with scripts/three-instances.sh what the guide says.
func TestThreeInstances(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a database of its own")
	}
	testsvc.DurablePostgres(t) // skips where there is none
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "../scripts/three-instances.sh")
	cmd.Env = append(os.Environ(), "FIRST_PORT=0", "RUNSHEET_BIN="+built.runsheet, "RUNSHEET_ADMIN_TOKEN="+adminToken)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches the group
	ctrlC := syscall.SIGINT
	if signal.Ignored(ctrlC) { // as in the background of a shell: then the script cannot hear it
		ctrlC = syscall.SIGTERM
	}
	// When the time is over it ends as by Ctrl-C: killed, it would leave its servers, and what
	// holds its output, so that Wait would not return.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, ctrlC) }
	cmd.WaitDelay = 30 * time.Second
	said := &syncBuffer{}
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	t.Cleanup(func() {
		if !ended {
			_ = syscall.Kill(-cmd.Process.Pid, ctrlC)
			_ = cmd.Wait()
		}
	})
	line := regexp.MustCompile(`^  [123]  (http://\S+)  pid (\d+)$`)
	var urls, pids []string
	folder := ""
	for sc := bufio.NewScanner(out); sc.Scan(); {
		if m := line.FindStringSubmatch(sc.Text()); m != nil {
			urls, pids = append(urls, m[1]), append(pids, m[2])
		}
		if _, rest, ok := strings.Cut(sc.Text(), "removes "); ok {
			folder = strings.TrimSuffix(rest, ".")
			break
		}
	}
	if len(urls) != 3 || folder == "" {
		t.Fatalf("the script says nothing of three servers:\n%s", said.tail(4000))
	}
	// What one takes, each shows, and one of them runs.
	code, job := request(urls[0], http.MethodPost, "/api/jobs", command("/bin/echo", "hello"), map[string]string{"Prefer": "wait=60"})
	if code != http.StatusCreated || job["status"] != "COMPLETED" {
		t.Fatalf("a job at the first server: %d %v", code, job)
	}
	for _, url := range urls {
		code, got := request(url, http.MethodGet, "/api/jobs/"+text(job["job_id"]), nil, nil)
		if code != http.StatusOK || got["status"] != "COMPLETED" {
			t.Errorf("%s says %d %v", url, code, got)
		}
	}
	if code, _ := request(urls[1], http.MethodGet, "/readyz", nil, nil); code != http.StatusOK {
		t.Errorf("/readyz: %d", code)
	}
	_ = syscall.Kill(-cmd.Process.Pid, ctrlC)
	err = cmd.Wait()
	ended = true
	if err != nil {
		t.Errorf("the script ends with %v:\n%s", err, said.tail(4000))
	}
	for _, pid := range pids {
		if _, err := os.Stat("/proc/" + pid); err == nil {
			t.Errorf("server %s outlived the script", pid)
		}
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", folder, err)
	}
}
