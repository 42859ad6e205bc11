// Package task is the one interface behind which every job type lives: command
// now, http, story, workflow and the others later. A type is one folder below
// this one.
//
// A Task is stateless and safe for concurrent use; everything that belongs to
// one attempt is in Attempt and Host. The queue validates params with Schema and
// Check when a job is accepted, takes Locks when it is claimed, and calls Run
// once for each attempt. What Run returns is the verdict:
//
//	return nil                         COMPLETED
//	return task.Skip("nothing new")    SKIPPED
//	return task.Fail(code, err)        FAILED, retried if the policy allows
//	return task.Fatal(code, err)       FAILED, never retried
//	return task.Retry(code, err, wait) FAILED, retried no sooner than wait
//	return task.Park(parking)          back to the queue without a slot: the run goes
//	                                   on when it is woken
//	return task.Postpone(err, wait)    back to the queue: nothing was done yet, and
//	                                   not for a reason of the job's
//
// When the context ends, Run stops its work, all of it, and returns; its error
// then does not matter, because the queue knows why it asked. context.Cause
// tells a task too: ErrCancelled, ErrTimeout, ErrShutdown, ErrLeaseLost. Run
// returns ErrLeaseLost by itself when its work was ended because Attempt.Until
// had come.
package task

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
)

// Task is a job type.
type Task interface {
	// Type is the name in job_type, lower snake_case.
	Type() string
	// Schema is the JSON Schema (2020-12) of params. It must refuse unknown keys.
	Schema() json.RawMessage
	// Check reports what is wrong with params beyond the schema, as a fault with
	// pointers into params, for example an executable that is not allowed.
	// Params may be a template's, then fields may be missing.
	Check(params json.RawMessage) error
	// Locks derives names of locks from params that met the schema.
	Locks(params json.RawMessage) []string
	// OnCrash is the type's crash policy, which a job may override.
	OnCrash() job.CrashPolicy
	// Run makes one attempt.
	Run(ctx context.Context, a Attempt, h Host) error
}

// Privileged is implemented by a job type some of whose params decide what code
// runs, or who gets what the template holds. Who may start a template but not write one may set such a param only
// where the template's params_schema has a property for it.
type Privileged interface {
	// Privileged names those params, at the top level.
	Privileged() []string
}

// Switched is implemented by a job type that the operator must switch on.
type Switched interface {
	// Disabled is the fault that its jobs are refused with, nil if they are not.
	Disabled() error
}

// Citing is implemented by a job type some of whose params name runs whose artifacts
// it reads. Who may not read runs cannot set them.
type Citing interface {
	// Cites names those params, at the top level.
	Cites() []string
}

// Guided is implemented by a job type that works under a directive. Jobs of other
// types have none.
type Guided interface {
	// Guide completes params that met the schema with what the directive, and then
	// the server, says where they say nothing (the model, so that its lock can be
	// derived). It is called when a job is accepted, before Check and Locks, and for each direct request.
	// d is nil where no directive is named. A source that the directive does not
	// allow is a fault with code source_not_allowed that names it; what can only be
	// known later (links, globs) is refused by Run.
	Guide(params json.RawMessage, d *directive.Snapshot) (json.RawMessage, error)
}

// Causes for which the context of Run ends.
var (
	ErrCancelled = errors.New("cancelled")
	ErrTimeout   = errors.New("timeout")
	ErrShutdown  = errors.New("server stops")
	ErrLeaseLost = errors.New("lease lost")
)

// Attempt is what a task is told. It must not be modified.
type Attempt struct {
	JobID, RunID, Tenant string
	JobName              string
	Number               int // from 1
	// Epoch is larger than that of every attempt claimed earlier, of whatever job:
	// a fencing token for what several holders of a lock write to, one after the
	// other.
	Epoch  int64
	Params json.RawMessage
	// IdempotencyKey is the same for all attempts of a job; a task hands it on to
	// the outside world so that a repeated effect can be recognised.
	IdempotencyKey string
	// Directive is what the attempt works under, nil = none was named.
	Directive *directive.Snapshot
	// Checkpoint is what an earlier attempt saved last, nil if nothing.
	Checkpoint []byte
	// Open returns the content of an artifact of a run of the tenant, which the
	// caller closes and bounds. runID "" means the job's own runs, the latest that
	// has it; a direct request has none. artifact_gone.
	Open func(ctx context.Context, runID, name string) (io.ReadCloser, error)
	// Dir is a private folder that is removed after the attempt. It is there, and
	// empty, for a Foldered type. A Durable type may make it; others have no use for it.
	Dir string
	// Grace is how long work that was asked to stop may take before it is killed.
	Grace   time.Duration
	Resumed bool
	// Locks are those that a durable type's run was parked with, which the queue has
	// taken for it. They are freed with Locks.Free of the store, or when the run leaves
	// its slot.
	Locks []string
	// Cancelled is closed when a person asks a durable type's run to end; nil for
	// others.
	Cancelled <-chan struct{}
	// Until is when work outside of the server must have ended by itself, should
	// the server fall silent: others may take the job over soon after. It moves on
	// while the server keeps its lease. nil, or a time of zero = never.
	Until func() time.Time
}

// Host is what a task may ask of the queue during an attempt. All methods are
// safe for concurrent use. A method that writes returns ErrLeaseLost when the
// attempt has been taken over; the context ends then too.
type Host interface {
	// Log is where the attempt's output goes. It is capped, never full, and never
	// returns an error: a full disk costs log lines, not the job.
	Log() io.Writer
	// Process records the operating system's process before it does any work, so
	// that a restart finds and ends it. It is durable when it returns.
	Process(ctx context.Context, p run.Process) error
	// Progress shows how far the attempt is. It is cheap: calls are coalesced.
	Progress(p run.Progress)
	// Output sets a named result, at most 64 KiB each and 256 of them.
	Output(key, value string)
	// ExitCode records the process's exit code.
	ExitCode(code int)
	// Tokens records token counts so far. A task that records its calls need not.
	Tokens(t run.Tokens)
	// Call records a question to a language model and adds it to the run's token
	// counts. It is durable when it returns.
	Call(ctx context.Context, c run.Call) error
	// Refused writes into the audit log that the attempt asked for a source that its
	// directive does not allow. It is durable when it returns.
	Refused(ctx context.Context, source string) error
	// Checkpoint makes data durable for the next attempt, at most 1 MiB.
	Checkpoint(ctx context.Context, data []byte) error
	// Artifact stores the content of r under name. The artifact is durable and
	// listed when it returns. A second artifact of the same name replaces the first.
	Artifact(ctx context.Context, name, mediaType string, r io.Reader) (run.Artifact, error)
}

// Pinned is implemented by a job type whose params name something that changes, and
// that the job must keep as it is now.
type Pinned interface {
	// Pin completes params that met the schema when a job is accepted: it writes down
	// the version that is meant, checks what that version demands, and encrypts what
	// is secret. It also names the job, where nobody does. Faults have pointers into
	// params.
	Pin(ctx context.Context, tenant string, params json.RawMessage) (Pin, error)
}

// Pin is what Pinned.Pin answers.
type Pin struct {
	Params json.RawMessage
	Name   string
}

// Foldered is implemented by a job type whose attempts work in Attempt.Dir. To make and
// remove a folder takes longer than everything else that a short attempt does.
type Foldered interface {
	// Foldered marks the type.
	Foldered()
}

// Durable is implemented by a job type that keeps its own state in the store: its run
// goes on after a park, a crash or a restart of the server, as the same attempt, and
// it ends by itself after a cancel. The context of Run does not end by a cancel then;
// Attempt.Cancelled does.
type Durable interface {
	// Durable marks the type.
	Durable()
}

// Parking is why, and until when, a run waits without a slot.
type Parking struct {
	// For is what it waits for: a workflow.WaitFor, "paused" or "turn".
	For string
	// Until is when it goes on by itself; zero = when it is woken.
	Until time.Time
	// Locks are those that it needs to go on: the queue takes them when it starts it
	// again, and it waits for nothing else then. A run that is parked with locks is
	// not parked in the queue's eyes but waits for them like other jobs.
	Locks []string
	// CancelSeen says that the run knows that its end was asked for, and parks while it
	// ends. Without it, a cancel that was asked makes the run go on at once.
	CancelSeen bool
}

// Park ends the turn of a durable type's run, which is not an end of its attempt.
func Park(p Parking) error {
	return &Verdict{Code: "parked", Parking: &p, err: errors.New("it waits for " + p.For)}
}

// Verdict is the error by which Run says how an attempt ended.
type Verdict struct {
	Code    string
	Skipped bool
	Final   bool
	// Postponed says that the attempt does not count.
	Postponed bool
	// Parking is set when the run waits without a slot.
	Parking *Parking
	After   time.Duration
	err     error
}

// Error implements error: the message that a person reads on the run.
func (v *Verdict) Error() string { return v.err.Error() }

// Unwrap returns the underlying error.
func (v *Verdict) Unwrap() error { return v.err }

// Skip ends the attempt SKIPPED with a reason.
func Skip(reason string) error {
	return &Verdict{Code: "skipped", Skipped: true, err: errors.New(reason)}
}

// Fail ends the attempt FAILED; the retry policy decides what follows.
func Fail(code string, err error) error { return &Verdict{Code: code, err: err} }

// Fatal ends the attempt FAILED and forbids further attempts.
func Fatal(code string, err error) error { return &Verdict{Code: code, Final: true, err: err} }

// Retry ends the attempt FAILED; the next one starts no sooner than after.
func Retry(code string, err error, after time.Duration) error {
	return &Verdict{Code: code, After: after, err: err}
}

// Postpone gives the attempt back before it has done anything that others could
// notice, because this server cannot make it now, for example with a full disk.
// The job goes back to the queue for at least after, and no attempt is used up.
func Postpone(err error, after time.Duration) error {
	return &Verdict{Code: "postponed", Postponed: true, After: after, err: err}
}

// Unstored ends the attempt FAILED because an artifact could not be stored, with
// the code artifact_too_large or quota_exceeded if that is why, and
// artifact_error otherwise.
func Unstored(err error) error {
	for _, code := range []fault.Code{fault.ArtifactTooLarge, fault.QuotaExceeded} {
		if fault.Is(err, code) {
			return Fail(string(code), err)
		}
	}
	return Fail("artifact_error", err)
}

// VerdictOf reads the verdict in err's chain. A plain error counts as Fail
// with code task_error; nil gives nil.
func VerdictOf(err error) *Verdict {
	if err == nil {
		return nil
	}
	if v, ok := errors.AsType[*Verdict](err); ok {
		return v
	}
	return &Verdict{Code: "task_error", err: err}
}
