// Package command is the job type that runs a program.
//
// Params are an argument list, never a shell line. Which executables may run is
// the operator's decision (Options.Allow, see allow.go); without it the type is
// off. The program gets an almost empty environment, a private working folder and
// home, and a supervisor that ends everything it started (package process).
//
// How an attempt ends: exit code 0 is COMPLETED, or SKIPPED if the program said
// ::skip; 99 is SKIPPED; any other is FAILED with code exit_nonzero; a signal is
// FAILED with killed_by_signal. A program that cannot be started fails for good.
//
// While it runs a program may say things on stdout, one a line (line.go), and
// keep a checkpoint in a file (checkpoint.go). Afterwards its artifacts are
// collected (artifact.go), also when it failed.
package command

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/process"
	"github.com/runsheet/runsheet/internal/task"
)

// DefaultPath is where bare names are searched, and the PATH of commands.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// exitSkipped is the exit code by which a program says that there was nothing
// to do.
const exitSkipped = 99

// afterTime bounds what is done for an attempt that was stopped: its last
// checkpoint and its artifacts.
const afterTime = 5 * time.Second

// lostGrace is the grace of an attempt whose lease is lost. Other instances wait
// a few seconds more before they start the job again; by then nothing of it may
// be left.
const lostGrace = time.Second

// fullDelay is how long an attempt that finds the disk full is put off.
const fullDelay = 30 * time.Second

// diskFull reports whether err is about space.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || fault.Is(err, fault.StorageFull)
}

// Options configure the type.
type Options struct {
	// Allow lists the executables that may run: absolute paths, patterns of
	// absolute paths, or "*" for all. Empty switches the type off.
	Allow []string
	// Path is searched for bare names and is the PATH of commands; DefaultPath if
	// empty.
	Path string
	// Limits hold for every command; a job may tighten but not lift them. Zero
	// means no limit.
	Limits process.Limits
	// Clock paces the watch over checkpoint files; the system's if nil.
	Clock clock.Clock
}

// Task is the job type. Its methods are safe for concurrent use.
type Task struct {
	allow  allowList
	limits process.Limits
	clk    clock.Clock
}

var (
	_ task.Task       = (*Task)(nil)
	_ task.Privileged = (*Task)(nil)
)

//go:embed schema.json
var schema []byte

// New returns the job type, or an error that names the entry of Allow which is
// neither "*", an absolute path nor a pattern of one.
func New(o Options) (*Task, error) {
	if o.Path == "" {
		o.Path = DefaultPath
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	a, err := newAllowList(o.Allow, o.Path)
	if err != nil {
		return nil, err
	}
	return &Task{allow: a, limits: o.Limits, clk: o.Clock}, nil
}

// Type is "command".
func (*Task) Type() string { return "command" }

// Schema is the JSON Schema of params.
func (*Task) Schema() json.RawMessage { return schema }

// Locks returns none: a command derives no locks.
func (*Task) Locks(json.RawMessage) []string { return nil }

// Privileged are the params that can make an allowed program run other code.
func (*Task) Privileged() []string { return []string{"argv", "env", "stdin"} }

// OnCrash is fail: nobody knows what a program had done already.
func (*Task) OnCrash() job.CrashPolicy { return job.CrashFail }

// Foldered implements task.Foldered: the program runs in it.
func (*Task) Foldered() {}

// Disabled implements task.Switched.
func (t *Task) Disabled() error {
	if t.allow.empty() {
		return t.allow.disabled()
	}
	return nil
}

// Check refuses what cannot run here: an executable that is not allowed, a
// variable that is not the job's to set, a pattern that leaves the working
// folder. Missing fields are no fault.
func (t *Task) Check(raw json.RawMessage) error {
	if err := t.Disabled(); err != nil {
		return err
	}
	p, err := decode(raw)
	if err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	if len(p.Argv) == 0 {
		return nil
	}
	_, err = t.allow.resolve(p.Argv[0])
	return err
}

// Part is a command that is one of several of a run, such as the node of a workflow.
// The zero value is the only one.
type Part struct {
	// ID is different for all commands of all runs; "" = the run has no other.
	ID string
	// Env is added to the command's environment, as KEY=value.
	Env []string
	// Stdout also gets what the command writes there; nil = nobody. It is used by one
	// goroutine, and must neither fail nor block.
	Stdout io.Writer
}

// attempt is one Run.
type attempt struct {
	task.Attempt
	part   Part
	host   task.Host
	params params
	clk    clock.Clock
	dir    *os.Root // everything of the attempt
	work   *os.Root // the command's working folder, opened before it could be replaced
	log    *logger
	out    *stream // stdout
	err    *stream // stderr
	keeper *keeper

	mu      sync.Mutex
	skipped bool
	reason  string
}

// Run makes one attempt.
func (t *Task) Run(ctx context.Context, ta task.Attempt, h task.Host) error {
	return t.RunPart(ctx, ta, h, Part{})
}

// RunPart is Run for a command that is a part of a run. It has no checkpoint.
func (t *Task) RunPart(ctx context.Context, ta task.Attempt, h task.Host, part Part) error {
	// The allow-list and the file system may have changed since the job was
	// accepted, so everything is checked again.
	if err := t.Check(ta.Params); err != nil {
		return task.Fatal(string(fault.From(err).Code), err)
	}
	p, err := decode(ta.Params)
	if err != nil || len(p.Argv) == 0 {
		return task.Fatal("not_startable", errors.Join(errors.New("argv is empty"), err))
	}
	exe, err := t.allow.resolve(p.Argv[0])
	if err != nil {
		return task.Fatal(string(fault.From(err).Code), err)
	}
	a := &attempt{Attempt: ta, part: part, host: h, params: p, clk: t.clk}
	if err := a.prepare(); diskFull(err) {
		return task.Postpone(fmt.Errorf("there is no space for the working folder: %w", err), fullDelay)
	} else if err != nil {
		return task.Fail("work_folder", err)
	}
	defer a.close()
	return a.run(ctx, t, exe)
}

// Names below Attempt.Dir. The working folder is one of them, so that patterns
// of artifacts never see the others.
const (
	workName       = "work"
	homeName       = "home"
	checkpointName = "checkpoint"
)

// prepare lays out the private folder.
func (a *attempt) prepare() (err error) {
	if a.Dir, err = filepath.Abs(a.Dir); err != nil {
		return err
	}
	if a.dir, err = os.OpenRoot(a.Dir); err != nil {
		return err
	}
	for _, name := range []string{workName, homeName} {
		if err := a.dir.Mkdir(name, 0o700); err != nil {
			return errors.Join(err, a.dir.Close())
		}
	}
	if a.work, err = a.dir.OpenRoot(workName); err != nil {
		return errors.Join(err, a.dir.Close())
	}
	if err := a.dir.WriteFile(checkpointName, a.Checkpoint, 0o600); err != nil {
		a.close()
		return err
	}
	a.log = &logger{w: a.host.Log()}
	a.keeper = newKeeper(a.host, a.dir, a.log, a.Checkpoint)
	a.out = &stream{log: a.log, line: a.hear, tee: a.part.Stdout}
	a.err = &stream{log: a.log}
	return nil
}

func (a *attempt) close() {
	_ = a.work.Close()
	_ = a.dir.Close()
}

func (a *attempt) run(ctx context.Context, t *Task, exe string) error {
	p, err := process.Start(ctx, process.Options{
		Path: exe, Argv: a.params.Argv, Env: a.environment(t.allow.path),
		Dir: filepath.Join(a.Dir, workName), Stdin: []byte(a.params.Stdin),
		Stdout: a.out, Stderr: a.err,
		Limits: tighter(t.limits, a.params.Limits), Grace: a.Grace, GraceFor: a.grace,
		RunID: a.RunID, Part: a.part.ID, Record: a.host.Process, Until: a.Until, Clock: t.clk,
	})
	switch {
	case errors.Is(err, process.ErrNotStartable):
		return task.Fatal("not_startable", err)
	case errors.Is(err, process.ErrLapsed):
		return task.ErrLeaseLost
	case err != nil:
		return task.Fail("start_failed", err)
	}

	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { a.keeper.watch(ctx, t.clk, stop, a.out, a.err) })
	result, lost := p.Wait()
	close(stop)
	watch.Wait()
	a.out.end()
	a.err.end()

	if errors.Is(lost, process.ErrLapsed) {
		return task.ErrLeaseLost
	}
	verdict := a.verdict(result, lost)
	if lost == nil && result.Signal == "" {
		a.host.ExitCode(result.ExitCode)
	}
	after := ctx
	if ctx.Err() != nil {
		if errors.Is(context.Cause(ctx), task.ErrLeaseLost) {
			return task.ErrLeaseLost
		}
		var cancel context.CancelFunc
		after, cancel = context.WithTimeout(context.WithoutCancel(ctx), afterTime)
		defer cancel()
	}
	a.keeper.last(after)
	if err := a.collect(after); err != nil {
		a.log.note("artifacts: %v", err)
		if v := task.VerdictOf(verdict); v == nil || v.Skipped {
			verdict = task.Unstored(err)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return verdict
}

func (a *attempt) grace(cause error) time.Duration {
	if errors.Is(cause, task.ErrLeaseLost) {
		return min(a.Grace, lostGrace)
	}
	return a.Grace
}

// environment is all that the command gets.
func (a *attempt) environment(path string) []string {
	env := []string{"PATH=" + path}
	if _, own := a.params.Env["HOME"]; !own {
		env = append(env, "HOME="+filepath.Join(a.Dir, homeName))
	}
	for _, k := range a.params.names() {
		env = append(env, k+"="+a.params.Env[k])
	}
	env = append(env, // RUNSHEET_RUN_ID comes from package process
		"RUNSHEET_JOB_ID="+a.JobID,
		"RUNSHEET_ATTEMPT="+strconv.Itoa(a.Number),
	)
	key := "RUNSHEET_IDEMPOTENCY_KEY=" + a.IdempotencyKey
	if a.part.ID != "" {
		return append(append(env, key), a.part.Env...)
	}
	return append(env,
		"RUNSHEET_EPOCH="+strconv.FormatInt(a.Epoch, 10), key,
		"RUNSHEET_CHECKPOINT="+filepath.Join(a.Dir, checkpointName),
	)
}

// hear obeys a line of stdout.
func (a *attempt) hear(line []byte) {
	m, ok := parseLine(line)
	if !ok {
		return
	}
	switch m.verb {
	case verbProgress:
		a.host.Progress(m.progress)
	case verbOutput:
		a.host.Output(m.key, m.value)
	case verbCheckpoint:
		a.keeper.offer([]byte(m.value))
	case verbSkip:
		a.mu.Lock()
		a.skipped, a.reason = true, m.value
		a.mu.Unlock()
	}
}

func (a *attempt) verdict(r process.Result, lost error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case lost != nil:
		return task.Fail("supervisor_lost", lost)
	case r.Signal != "":
		return task.Fail("killed_by_signal", errors.New("killed by "+r.Signal+signalHint(r.Signal)))
	case r.ExitCode == exitSkipped || r.ExitCode == 0 && a.skipped:
		if a.reason == "" {
			return task.Skip(fmt.Sprintf("exit code %d", r.ExitCode))
		}
		return task.Skip(a.reason)
	case r.ExitCode != 0:
		return task.Fail("exit_nonzero", fmt.Errorf("exit code %d", r.ExitCode))
	}
	return nil
}

func signalHint(name string) string {
	switch name {
	case "SIGXCPU":
		return " (limit cpu_seconds)"
	case "SIGXFSZ":
		return " (limit file_size_bytes)"
	}
	return ""
}

// tighter returns the smaller of each limit, zero counting as none.
func tighter(a, b process.Limits) process.Limits {
	least := func(x, y uint64) uint64 {
		if x == 0 || y == 0 {
			return max(x, y)
		}
		return min(x, y)
	}
	return process.Limits{
		CPUSeconds:    least(a.CPUSeconds, b.CPUSeconds),
		MemoryBytes:   least(a.MemoryBytes, b.MemoryBytes),
		OpenFiles:     least(a.OpenFiles, b.OpenFiles),
		Processes:     least(a.Processes, b.Processes),
		FileSizeBytes: least(a.FileSizeBytes, b.FileSizeBytes),
	}
}
