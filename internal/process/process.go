// Package process runs one command as a supervised tree of processes, and ends
// what is left of trees whose server died.
//
// Between the server and the command stands a small supervisor, the shim: this
// same binary, started again with a hidden first argument. It holds one end of a
// pipe whose other end only the server has. When the server dies, by kill -9 or
// by a power cut of its container, the pipe closes and the shim kills everything
// below it at once. On Linux the shim adopts orphans (PR_SET_CHILD_SUBREAPER), so
// that a double fork or a setsid does not escape it, and it ends only after the
// kernel says that it has no child left.
//
// The start has two phases. The shim is started and recorded durably (Record);
// only then is it told to start the command. A restarted server therefore knows
// every process that can have had an effect, and Sweep ends those that outlived
// the shim too.
//
// A program that uses this package calls Main first thing in main, and a test
// binary in TestMain:
//
//	if process.Main(os.Args[1:]) {
//		return
//	}
//
// A server that is frozen, or that has lost its lease without noticing, closes no
// pipe. Where others may take its work over, Options.Until tells the shim how
// long it may go on without a word; then it kills the tree as well. So nothing
// of an attempt is left on a machine that runs when its locks are passed on.
//
// Nothing here uses a shell. What remains outside: a process that first kills its
// shim and then clears its own environment is not found any more. On systems
// other than Linux the tree is a process group (macOS) or a job object (Windows).
package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/run"
)

// MarkerVariable is the environment variable that every process of a tree
// inherits. Its value is the run id; Sweep finds processes by it.
const MarkerVariable = "RUNSHEET_RUN_ID"

// PartVariable marks the processes of one tree of a run that has several.
const PartVariable = "RUNSHEET_RUN_PART"

const (
	defaultGrace = 10 * time.Second
	// drainTime bounds the wait for the end of the output after the tree is gone.
	// Only a file descriptor that was handed to a process outside the tree can
	// make it pass.
	drainTime = 2 * time.Second
	// nudgeEvery is how often the shim is continued, in case its command stopped
	// it: a stopped shim neither reports nor obeys.
	nudgeEvery = time.Second
)

// ErrNotStartable says that the system refused the command itself: it does not
// exist, is not executable, its arguments are too long. Trying again is useless.
var ErrNotStartable = errors.New("command cannot be started")

// ErrLost says that the supervisor died before it could tell how the command
// ended. The tree is gone all the same.
var ErrLost = errors.New("supervisor was killed")

// ErrLapsed says that the supervisor ended the tree because Options.Until had
// come: the server was frozen, or did not get its lease renewed.
var ErrLapsed = errors.New("the server was silent for longer than its lease")

// Limits bound a command's use of the machine. Zero means no limit. They hold
// for each process, except Processes.
type Limits struct {
	// CPUSeconds of processor time; then SIGXCPU, five seconds later SIGKILL.
	CPUSeconds uint64 `json:"cpu_seconds,omitempty"`
	// MemoryBytes of address space.
	MemoryBytes uint64 `json:"memory_bytes,omitempty"`
	// OpenFiles is the number of file descriptors.
	OpenFiles uint64 `json:"open_files,omitempty"`
	// Processes counts all processes and threads of the server's user, not only
	// the command's. The kernel does not apply it to root.
	Processes uint64 `json:"processes,omitempty"`
	// FileSizeBytes of any one file that is written.
	FileSizeBytes uint64 `json:"file_size_bytes,omitempty"`
}

// Options say what to run.
type Options struct {
	// Path is the absolute path of the executable.
	Path string
	// Argv is what the command sees as its arguments, Argv[0] its name.
	Argv []string
	// Env is the whole environment, "KEY=value". RUNSHEET_RUN_ID is added.
	Env []string
	// Dir is the working folder, absolute. It must exist.
	Dir string
	// Stdin is what the command reads; empty gives it the null device.
	Stdin []byte
	// Stdout and Stderr receive the output, each from one goroutine, in pieces of
	// any size. A writer that blocks holds the command up. Nil discards.
	Stdout, Stderr io.Writer
	Limits         Limits
	// Grace is the time between TERM and KILL, 10 s if zero.
	Grace time.Duration
	// GraceFor says how long the grace is for the cause for which the context
	// ended; nil means Grace for all.
	GraceFor func(cause error) time.Duration
	// RunID marks every process of the tree. Required.
	RunID string
	// Part tells this tree from others of the same run, so that when it loses its
	// supervisor the others live on. It is different for all trees of all runs; "" =
	// the run has only this tree.
	Part string
	// Record makes the supervisor's identity durable before the command may
	// begin; its error prevents the start. Nil records nothing.
	Record func(context.Context, run.Process) error
	// Until is when the tree must be gone unless a later time is told. It is asked
	// about once a second, from one goroutine at a time. A time of zero, and a nil
	// Until, set no limit. On Windows it has no effect.
	Until func() time.Time
	// Clock measures the grace, and what is left until Until; the system's if nil.
	Clock clock.Clock
}

// marks are the variables by which the processes of the tree are found.
func (o Options) marks() []string {
	out := []string{MarkerVariable + "=" + o.RunID}
	if o.Part != "" {
		out = append(out, PartVariable+"="+o.Part)
	}
	return out
}

// Result is how a command ended.
type Result struct {
	// ExitCode is -1 if a signal ended the command.
	ExitCode int
	// Signal is the name of the signal that ended the command, such as SIGKILL,
	// "" if it exited by itself.
	Signal string
}

// Process is a running command with everything below it. Its methods are safe
// for concurrent use.
type Process struct {
	opts    Options
	clk     clock.Clock
	cmd     *exec.Cmd // the shim
	tree    *tree
	ident   run.Process
	control *os.File
	telling sync.Mutex
	orders  *json.Encoder
	status  <-chan status
	pipes   *pipes
	nudges  sync.WaitGroup
	reaped  chan struct{} // closed when the shim is gone

	done   chan struct{}
	result Result
	err    error
}

// errNoMain ends what would go on for ever: a program that was started to
// supervise and, because it does not call Main, starts commands instead.
var errNoMain = errors.New("process: the program must call process.Main before anything else")

// Start starts a command. When ctx ends the tree is asked to stop with TERM, and
// killed after the grace.
//
// The error is ErrNotStartable in the chain when the command is at fault, what
// Record returned, the cause of ctx, ErrLapsed, or an error of the system. Nothing
// is left running after an error.
func Start(ctx context.Context, o Options) (*Process, error) {
	if o.RunID == "" || o.Path == "" || len(o.Argv) == 0 {
		return nil, errors.New("process: RunID, Path and Argv are required")
	}
	if len(os.Args) > 1 && (os.Args[1] == ShimArg || os.Args[1] == ExecArg) {
		return nil, errNoMain
	}
	p := &Process{opts: o, clk: o.Clock, reaped: make(chan struct{}), done: make(chan struct{})}
	if p.clk == nil {
		p.clk = clock.System{}
	}
	if p.opts.Grace <= 0 {
		p.opts.Grace = defaultGrace
	}
	if err := p.launch(); err != nil {
		return nil, fmt.Errorf("start supervisor: %w", err)
	}
	if err := p.begin(ctx); err != nil {
		p.abandon()
		return nil, err
	}
	go p.supervise(ctx)
	return p, nil
}

// Identity is the supervisor's, as it was recorded.
func (p *Process) Identity() run.Process { return p.ident }

// Wait returns when no process of the tree exists any more and all its output
// was written. The error is ErrLost, ErrLapsed or nil.
func (p *Process) Wait() (Result, error) {
	<-p.done
	return p.result, p.err
}

// launch starts the shim, which waits for orders.
func (p *Process) launch() error {
	pp, err := newPipes(p.opts)
	if err != nil {
		return err
	}
	p.pipes = pp
	defer pp.closeRemote()
	p.cmd = &exec.Cmd{
		Path: selfPath(), Args: []string{"runsheet", ShimArg},
		Env:   append(p.opts.marks(), "GOMAXPROCS=1", "GOTRACEBACK=none"),
		Dir:   rootDir(),
		Stdin: pp.stdin.remote, Stdout: pp.stdout.remote, Stderr: pp.stderr.remote,
	}
	p.tree, err = startShim(p.cmd, pp.control.remote, pp.status.remote)
	if err != nil {
		pp.closeLocal()
		return err
	}
	p.control = pp.control.local
	p.orders = json.NewEncoder(p.control)
	ch := make(chan status, 4)
	p.status = ch
	go readStatus(pp.status.local, ch)
	p.nudges.Go(p.nudge)
	return nil
}

// tell gives the shim an order, and how long it may go on after it.
func (p *Process) tell(o order) error {
	o.Until = p.until()
	p.telling.Lock()
	defer p.telling.Unlock()
	return p.orders.Encode(o)
}

// until is Options.Until by a clock that server and shim share.
func (p *Process) until() int64 {
	if p.opts.Until == nil {
		return 0
	}
	// First, so that a freeze between the two readings makes the time earlier.
	up, ok := uptime()
	end := p.opts.Until()
	if !ok || end.IsZero() {
		return 0
	}
	return max(1, int64(up+end.Sub(p.clk.Now())))
}

// nudge keeps the shim going until it is gone. It is real time that counts here,
// whatever clock measures the grace.
func (p *Process) nudge() {
	for {
		t := clock.System{}.NewTimer(nudgeEvery)
		select {
		case <-t.C():
			wake(p.cmd.Process)
			if p.until() != 0 {
				_ = p.tell(order{}) // a dead shim shows as silence
			}
		case <-p.reaped:
			t.Stop()
			return
		}
	}
}

func readStatus(f *os.File, ch chan<- status) {
	defer close(ch)
	defer func() { _ = f.Close() }()
	for d := json.NewDecoder(f); ; {
		var s status
		if d.Decode(&s) != nil {
			return
		}
		ch <- s
	}
}

// begin records the shim, lets it start the command and hears whether that
// worked.
func (p *Process) begin(ctx context.Context) error {
	var ok bool
	if p.ident, ok = Identity(p.cmd.Process.Pid); !ok {
		return errors.New("the supervisor has no readable identity (is /proc mounted?)")
	}
	o := p.opts
	sp := spec{Path: o.Path, Argv: o.Argv, Env: o.Env, Dir: o.Dir, Limits: o.Limits}
	sp.Env = append(append([]string(nil), sp.Env...), o.marks()...)
	if err := p.tell(order{Spec: &sp}); err != nil {
		return fmt.Errorf("instruct supervisor: %w", err)
	}
	if o.Record != nil {
		if err := o.Record(ctx, p.ident); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := p.tell(order{Do: doGo}); err != nil {
		return fmt.Errorf("instruct supervisor: %w", err)
	}
	select {
	case s, ok := <-p.status:
		switch {
		case !ok:
			// The command may have been quick to kill its supervisor, so it may have
			// begun: Wait says ErrLost.
			return nil
		case s.Event == evFailed && s.Lapsed:
			return ErrLapsed
		case s.Event == evFailed && s.Permanent:
			return fmt.Errorf("%w: %s", ErrNotStartable, s.Error)
		case s.Event == evFailed:
			return errors.New(s.Error)
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// abandon ends a shim that did not come to run a command. If the command was
// begun meanwhile, the closed pipe makes the shim kill it.
func (p *Process) abandon() {
	_ = p.control.Close()
	var gone bool
	for s := range p.status {
		gone = gone || s.Event == evGone || s.Event == evFailed
	}
	p.reap(gone)
	p.pipes.closeLocal()
}

// reap waits for the shim's own end and for a tree that lost its shim.
func (p *Process) reap(gone bool) {
	p.tree.finish()
	_ = p.cmd.Wait() // the shim's exit code says nothing
	close(p.reaped)
	p.nudges.Wait()
	_ = p.control.Close()
	for !gone {
		// The promise is that nothing is left, so there is no giving up here: a
		// process that even KILL cannot end keeps its slot.
		_, err := Sweep(context.Background(), p.clk, []Survivor{{RunID: p.opts.RunID, Part: p.opts.Part, Process: p.ident}})
		gone = err == nil
	}
}

// supervise follows the shim to its end.
func (p *Process) supervise(ctx context.Context) {
	defer close(p.done)
	copies := p.pipes.copy(p.opts)
	p.result, p.err = Result{ExitCode: -1}, ErrLost
	p.reap(p.follow(ctx))

	t := p.clk.NewTimer(drainTime)
	defer t.Stop()
	select {
	case <-copies:
	case <-t.C():
	}
	p.pipes.closeLocal()
	<-copies
}

// follow passes on the end of ctx and hears the shim until it is silent. It
// reports whether the shim said that the tree is gone.
func (p *Process) follow(ctx context.Context) (gone bool) {
	var graceOver <-chan time.Time
	ended := ctx.Done()
	for {
		select {
		case s, ok := <-p.status:
			if !ok {
				return gone
			}
			switch s.Event {
			case evExited:
				p.result, p.err = Result{ExitCode: s.Code, Signal: s.Signal}, nil
				if s.Lapsed {
					p.err = ErrLapsed
				}
				p.tree.mainExited()
			case evGone:
				gone = true
			}
		case <-ended:
			ended = nil
			_ = p.tell(order{Do: doTerm}) // a dead shim shows as silence
			wake(p.cmd.Process)
			grace := p.clk.NewTimer(p.graceFor(context.Cause(ctx)))
			defer grace.Stop()
			graceOver = grace.C()
		case <-graceOver:
			_ = p.tell(order{Do: doKill})
			wake(p.cmd.Process)
			p.tree.kill()
		}
	}
}

func (p *Process) graceFor(cause error) time.Duration {
	if p.opts.GraceFor != nil {
		return p.opts.GraceFor(cause)
	}
	return p.opts.Grace
}

// pipe is one channel to the shim: the end that stays here and the end that the
// shim gets.
type pipe struct{ local, remote *os.File }

type pipes struct {
	stdin, stdout, stderr, control, status pipe

	closing sync.Once
}

func newPipes(o Options) (_ *pipes, err error) {
	p := &pipes{}
	defer func() {
		if err != nil {
			p.closeRemote()
			p.closeLocal()
		}
	}()
	if len(o.Stdin) == 0 {
		if p.stdin.remote, err = os.Open(os.DevNull); err != nil {
			return nil, err
		}
	} else if p.stdin.remote, p.stdin.local, err = os.Pipe(); err != nil {
		return nil, err
	}
	for _, q := range []*pipe{&p.stdout, &p.stderr, &p.status} {
		if q.local, q.remote, err = os.Pipe(); err != nil {
			return nil, err
		}
	}
	p.control.remote, p.control.local, err = os.Pipe()
	return p, err
}

func (p *pipes) closeRemote() {
	for _, q := range []*pipe{&p.stdin, &p.stdout, &p.stderr, &p.control, &p.status} {
		if q.remote != nil {
			_ = q.remote.Close()
		}
	}
}

// closeLocal closes the data pipes, and the others if they were not handed on.
// It may be called more than once.
func (p *pipes) closeLocal() {
	p.closing.Do(func() {
		for _, q := range []*pipe{&p.stdin, &p.stdout, &p.stderr, &p.control, &p.status} {
			if q.local != nil {
				_ = q.local.Close() // a second close of a file is harmless
			}
		}
	})
}

// copy moves stdin, stdout and stderr until they end. The channel closes when
// both outputs have ended.
func (p *pipes) copy(o Options) <-chan struct{} {
	if p.stdin.local != nil {
		go func() {
			_, _ = p.stdin.local.Write(o.Stdin) // a command need not read it
			_ = p.stdin.local.Close()
		}()
	}
	var wg sync.WaitGroup
	for _, c := range []struct {
		w io.Writer
		r *os.File
	}{{o.Stdout, p.stdout.local}, {o.Stderr, p.stderr.local}} {
		if c.w == nil {
			c.w = io.Discard
		}
		wg.Go(func() { forward(c.w, c.r) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	return done
}

// forward copies until r ends. An error of w does not stop it, because a command
// whose output nobody takes would hang.
func forward(w io.Writer, r io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			_, _ = w.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}
