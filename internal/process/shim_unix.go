//go:build unix

package process

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/runsheet/runsheet/internal/clock"
)

const (
	controlFd = 3
	statusFd  = 4

	// leftoverGrace is how long processes that the command left behind may take
	// between TERM and KILL.
	leftoverGrace = 2 * time.Second
	killEvery     = 20 * time.Millisecond
	// lookEvery is how often at least the shim looks whether its time has come: a
	// timer stands still while the machine sleeps.
	lookEvery = time.Second
	// lapseGrace is for an order that lies in the pipe when shim and server were
	// both stopped and go on together.
	lapseGrace = 100 * time.Millisecond
)

// tree is the server's handle on what the shim supervises. The shim does it all
// here; see spawn_windows.go for the system where it does not.
type tree struct{}

func (*tree) mainExited() {}
func (*tree) kill()       {}
func (*tree) finish()     {}

// startShim starts cmd in a session of its own, so that no signal of the
// server's terminal reaches it.
func startShim(cmd *exec.Cmd, control, status *os.File) (*tree, error) {
	cmd.ExtraFiles = []*os.File{control, status}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return &tree{}, cmd.Start()
}

// wake continues a shim that something stopped.
func wake(p *os.Process) { _ = p.Signal(unix.SIGCONT) }

func rootDir() string { return "/" }

// shim is the supervisor.
type shim struct {
	orders  chan order // closed when the server is gone
	report  *json.Encoder
	exits   chan exit // of children, adopted ones too; closed when none is left
	command int       // pid
	// until is when the tree ends without a word from the server, see order; 0 =
	// never. lapsed says that this happened.
	until  int64
	lapsed bool
}

type exit struct {
	pid int
	ws  unix.WaitStatus
}

// superviseMain is the life of a shim.
func superviseMain([]string) {
	if !isPipe(controlFd) || !isPipe(statusFd) {
		fmt.Fprintln(os.Stderr, "runsheet: this argument is for internal use")
		return
	}
	// The command gets a KILL when the thread that forked it ends (see
	// startCommand), so that thread must live as long as the shim.
	runtime.LockOSThread()
	unix.CloseOnExec(controlFd)
	unix.CloseOnExec(statusFd)
	// Caught, not ignored: an ignored signal would stay ignored in the command.
	// Only the server, or its death, ends a shim.
	signal.Notify(make(chan os.Signal, 1), unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2)
	s := &shim{
		orders: make(chan order),
		report: json.NewEncoder(os.NewFile(statusFd, "status")),
		exits:  make(chan exit),
	}
	go s.listen()
	sp, ok := s.await()
	if !ok {
		return
	}
	if s.left() <= 0 {
		_ = s.report.Encode(status{Event: evFailed, Error: ErrLapsed.Error(), Lapsed: true})
		return
	}
	if st := s.startCommand(sp); st.Event == evFailed {
		s.drain()
		_ = s.report.Encode(st)
		return
	} else if s.report.Encode(st) != nil {
		killTree(s.command) // and the closed pipe does the rest below
	}
	s.watch()
	_ = s.report.Encode(status{Event: evGone})
	syscall.Exit(0) // nothing to clean up, and the server waits
}

func isPipe(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO
}

func (s *shim) listen() {
	defer close(s.orders)
	for d := json.NewDecoder(os.NewFile(controlFd, "control")); ; {
		var o order
		if d.Decode(&o) != nil {
			return
		}
		s.orders <- o
	}
}

// await returns the command once it may start, or false if it never may.
func (s *shim) await() (spec, bool) {
	var sp *spec
	for o := range s.orders {
		s.hear(o)
		switch {
		case o.Spec != nil:
			sp = o.Spec
		case o.Do == doGo && sp != nil:
			return *sp, true
		case o.Do == "": // only the time
		default:
			return spec{}, false
		}
	}
	return spec{}, false
}

// hear notes how long the tree may live.
func (s *shim) hear(o order) {
	if o.Until > 0 {
		s.until = o.Until
	}
}

// left is how long the tree may live, and no longer than until the next look.
func (s *shim) left() time.Duration {
	up, ok := uptime()
	if s.until == 0 || !ok {
		return lookEvery
	}
	return min(time.Duration(s.until)-up, lookEvery)
}

// startCommand starts stage 2 and waits until it has become the command. All
// forks happen on this goroutine's thread.
func (s *shim) startCommand(sp spec) status {
	failed := func(what string, err error) status {
		return status{Event: evFailed, Error: what + ": " + err.Error()}
	}
	if err := adoptOrphans(); err != nil {
		return failed("adopt orphans", err)
	}
	specR, specW, err := os.Pipe()
	if err != nil {
		return failed("pipe", err)
	}
	okR, okW, err := os.Pipe()
	if err != nil {
		return failed("pipe", err)
	}
	env := append(os.Environ(), "GOGC=off")
	// ForkExec, not os.StartProcess: wait4(-1) below must be the only waiter.
	s.command, err = syscall.ForkExec(selfPath(), []string{"runsheet", ExecArg}, &syscall.ProcAttr{
		Env: env, Dir: "/",
		Files: []uintptr{0, 1, 2, specR.Fd(), okW.Fd()},
		Sys:   commandAttr(),
	})
	_ = specR.Close()
	_ = okW.Close()
	if err != nil {
		close(s.exits)
		return failed("fork", err)
	}
	go s.reap()
	_ = json.NewEncoder(specW).Encode(sp)
	_ = specW.Close()
	said, _ := io.ReadAll(okR)
	_ = okR.Close()
	rest, ready := bytes.CutPrefix(said, []byte(execReady))
	if ready && len(rest) == 0 {
		return status{Event: evStarted}
	}
	var st status
	if json.Unmarshal(rest, &st) != nil {
		st.Error = "the command's process died before it began"
	}
	st.Event = evFailed
	return st
}

// reap collects every child, adopted ones included, until there is none.
func (s *shim) reap() {
	defer close(s.exits)
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch err {
		case nil:
			s.exits <- exit{pid, ws}
		case unix.EINTR:
		default: // ECHILD: no descendant exists, because orphans come to us
			for groupLeft(s.command) {
				pause(killEvery)
			}
			return
		}
	}
}

func pause(d time.Duration) { <-clock.System{}.NewTimer(d).C() }

func (s *shim) drain() {
	for range s.exits {
	}
}

// watch returns when no process of the tree is left.
func (s *shim) watch() {
	var timer <-chan time.Time // the next kill
	soon := func(d time.Duration) { timer = clock.System{}.NewTimer(d).C() }
	orders := s.orders
	var look <-chan time.Time // the next look whether the time has come
	lookIn := func(d time.Duration) { look = clock.System{}.NewTimer(d).C() }
	if s.until != 0 {
		lookIn(max(0, s.left()))
	}
	due := false
	for {
		select {
		case e, ok := <-s.exits:
			if !ok {
				return
			}
			if e.pid != s.command {
				continue
			}
			st := exitStatus(e.ws)
			st.Lapsed = s.lapsed
			_ = s.report.Encode(st)
			// What the command left behind does not outlive it.
			signalTree(s.command, unix.SIGTERM)
			if timer == nil {
				soon(leftoverGrace)
			}
		case <-look:
			switch left := s.left(); {
			case left > 0:
				due = false
				lookIn(left)
			case !due:
				due = true
				lookIn(lapseGrace)
			default:
				look, s.lapsed = nil, true
				killTree(s.command)
				soon(killEvery)
			}
		case o, ok := <-orders:
			s.hear(o)
			switch {
			case !ok: // the server is gone
				orders = nil
				killTree(s.command)
				soon(killEvery)
			case o.Do == doTerm:
				signalTree(s.command, unix.SIGTERM)
			case o.Do == doKill:
				killTree(s.command)
				soon(killEvery)
			}
		case <-timer:
			killTree(s.command)
			soon(killEvery)
		}
	}
}

func exitStatus(ws unix.WaitStatus) status {
	if ws.Signaled() {
		return status{Event: evExited, Code: -1, Signal: unix.SignalName(ws.Signal())}
	}
	return status{Event: evExited, Code: ws.ExitStatus()}
}
