package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/bench/report"
	"github.com/runsheet/runsheet/internal/clock"
)

// start measures a server in a process of its own, on an empty database: how soon it
// listens, and then what it takes while nobody asks it anything.
func (b *bench) start(ctx context.Context) error {
	if len(b.Server) == 0 {
		return errors.New("it is not known how to start a server")
	}
	return b.each(ctx, func() (err error) {
		if err := b.startLimits(ctx); err != nil {
			return err
		}
		s, err := b.place(ctx, 1)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.remove(context.WithoutCancel(ctx))) }()
		return s.process(ctx)
	})
}

// process starts a server and ends it.
func (s *server) process(ctx context.Context) (err error) {
	b := s.b
	cmd := exec.Command(b.Server[0], b.Server[1:]...) //nolint:noctx // it is asked to end, not killed
	cmd.Env = []string{"HOME=" + s.data, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	for _, one := range os.Environ() { // how to reach PostgreSQL, as in this process
		if strings.HasPrefix(one, "PG") {
			cmd.Env = append(cmd.Env, one)
		}
	}
	if home, err := os.UserHomeDir(); err == nil && os.Getenv("PGPASSFILE") == "" {
		cmd.Env = append(cmd.Env, "PGPASSFILE="+filepath.Join(home, ".pgpass"))
	}
	for name, value := range s.environment() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	talk := &strings.Builder{}
	cmd.Stderr = talk
	began := clock.System{}.Now()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a server: %w", err)
	}
	lines := bufio.NewReader(out)
	defer func() {
		// Whoever cannot be asked, as on Windows, is killed.
		if cmd.Process.Signal(os.Interrupt) != nil {
			_ = cmd.Process.Kill()
		}
		_, _ = io.Copy(io.Discard, lines)
		if ended := cmd.Wait(); err == nil && ended != nil && os.PathSeparator == '/' {
			err = fmt.Errorf("the server ends badly: %w: %.500s", ended, talk)
		}
	}()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(os.Interrupt) })
	defer stop()
	line, err := lines.ReadString('\n')
	took := since(began)
	if err != nil || !strings.Contains(line, "listening on") {
		return fmt.Errorf("the server does not start: %.500q, %w", line, errors.Join(err, ctx.Err()))
	}
	b.note(report.ColdStart, "process starts -> it listens, empty database", 1, ms(took))
	return s.idle(ctx, cmd.Process.Pid)
}

// idle measures what a process takes that has nothing to do, where the system tells.
func (s *server) idle(ctx context.Context, pid int) error {
	b := s.b
	if _, err := os.Stat(taskFolder(pid)); errors.Is(err, os.ErrNotExist) {
		return nil // not Linux
	}
	if err := clock.Sleep(ctx, clock.System{}, b.Settle); err != nil {
		return err
	}
	before, err := cpu(pid)
	if err != nil {
		return err
	}
	began := clock.System{}.Now()
	if err := clock.Sleep(ctx, clock.System{}, b.Idle); err != nil {
		return err
	}
	after, err := cpu(pid)
	if err != nil {
		return err
	}
	b.note(report.IdleCPU, "processor time of an idle server, of one core", 1, 100*float64(after-before)/float64(since(began)))
	kb, _, _ := strings.Cut(field(fmt.Sprintf("/proc/%d/status", pid), "VmRSS"), " ")
	rss, err := strconv.ParseInt(kb, 10, 64)
	if err != nil {
		return fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	b.note(report.IdleRSS, "memory of an idle server (resident)", 1, float64(rss<<10))
	return nil
}

func taskFolder(pid int) string { return fmt.Sprintf("/proc/%d/task", pid) }

// cpu is the processor time of all threads of a process so far. The time of threads
// that have ended is not in it; an idle server ends none.
func cpu(pid int) (time.Duration, error) {
	files, err := filepath.Glob(taskFolder(pid) + "/*/schedstat")
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("the system does not tell the processor time of process %d", pid)
	}
	sum := time.Duration(0)
	for _, file := range files {
		ns, _, _ := strings.Cut(text(file), " ")
		n, err := strconv.ParseInt(ns, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", file, err)
		}
		sum += time.Duration(n)
	}
	return sum, nil
}
