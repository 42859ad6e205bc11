// Package node is the one interface behind which every kind of workflow node
// works: one folder below this one has the kinds of one type. Package engine calls
// them; what the language says of them is their workflow.Kind.
//
// A Node is stateless and safe for concurrent use. Run makes one attempt and says
// how it ended:
//
//	return node.Result{Outcome: "success", Value: v}, nil   COMPLETED
//	return node.Result{}, node.Wait(...)                    WAITING, without a slot
//	return node.Result{}, node.Fail(code, class, err)       the retry policy decides
//
// When the context ends, Run stops its work, all of it, and returns.
package node

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
)

// Node is a kind of node.
type Node interface {
	// Kind is what the language knows of it.
	Kind() workflow.Kind
	// Run makes an attempt.
	Run(ctx context.Context, c Call) (Result, error)
}

// Resuming is implemented by kinds that wait. Resume says what the end of the wait
// means: how the node ends, or that it waits again, or goes to work.
type Resuming interface {
	Resume(ctx context.Context, c Call, woke Woke) (Result, error)
}

// Targeted is implemented by kinds that send to somewhere outside: Target is the host,
// with its port, that a computed config leads to. Secrets in the config must have been
// granted for it.
type Targeted interface {
	Target(config map[string]any) (string, error)
}

// Abandoning is implemented by kinds whose wait has something of its own outside of
// the run: an approval, a job. Abandon ends it when the node will not be resumed: the
// run was cancelled, failed or was rewound. It may be called again.
type Abandoning interface {
	Abandon(ctx context.Context, c Call, w workflow.Wait) error
}

// Woke is why a wait ended.
type Woke struct {
	For workflow.WaitFor
	// Wait is the wait that ended, as the node asked for it.
	Wait workflow.Wait
	// TimedOut: its time came before what it waited for.
	TimedOut bool
	// Data is what the event, the decision or the job brought, a value of JSON.
	Data any
}

// Call is one attempt. It must not be modified.
type Call struct {
	// RunID is the run of the workflow, JobID its job, TaskRunID that job's run, which
	// has the log and the artifacts.
	RunID, JobID, TaskRunID, WorkflowID, Tenant string
	Version                                     int
	// CreatedBy is who started the run.
	CreatedBy string
	// Directive is what the run works under, nil = none was named.
	Directive *directive.Snapshot
	// Depth is how many workflows are around this one, 0 = none.
	Depth int
	// Rewinds is how often the node was put back to its beginning.
	Rewinds int
	Step    *workflow.Step
	Attempt int
	// Item is the index within a map, -1 outside of one.
	Item int
	// Config is the node's config with everything computed.
	Config map[string]any
	// Env is what expressions see that the kind evaluates itself.
	Env expression.Env
	// IdempotencyKey is the same for all attempts.
	IdempotencyKey string
	// Reveals reports whether a text has a secret of the run in it, so that it must not
	// be stored; nil = none has.
	Reveals func(text string) bool
	Host    Host
}

// Host is what a node may ask of the engine.
type Host interface {
	// Log is the run's log, with the node's name before each line.
	Log() io.Writer
	// Artifact stores a result of the run under a name.
	Artifact(ctx context.Context, name, mediaType string, r io.Reader) (run.Artifact, error)
	// Open returns the content of an artifact of the run by its id, which the caller
	// closes.
	Open(ctx context.Context, artifactID string) (io.ReadCloser, error)
	// Call records a question to a language model. It is durable when it returns.
	Call(ctx context.Context, c run.Call) error
	// Process records a process of the node before it works. It is durable when it
	// returns.
	Process(ctx context.Context, p run.Process) error
	// Dir is an empty private folder that is removed after the attempt.
	Dir() string
	// Until is when a process of the node must have ended by itself, see task.Attempt.
	Until() time.Time
	// Grace is how long a process that was asked to end may take.
	Grace() time.Duration
}

// Result is how an attempt ended well.
type Result struct {
	// Outcome is one of the kind's; "" = its first.
	Outcome string
	// Value is the result, a value of JSON.
	Value any
	// Ephemeral values stay in memory: what a language model said. Durable is the part
	// of Value that may be stored nevertheless; nil = nothing.
	Ephemeral bool
	Durable   any
	// Rewind puts the run back to a node that comes before this one, with all that
	// follows it, this one too; "" = not. Outcome and Value do not count then.
	Rewind string
	// End ends the run: a stop node.
	End    workflow.Result
	Reason string
}

// Classes of failures, which retry.on names.
const (
	ClassTimeout     = "timeout"
	ClassServerError = "http_5xx"
	ClassRateLimited = "http_429"
	ClassExit        = "exit_nonzero"
	ClassLock        = "lock_timeout"
)

// Failure is the error of an attempt that failed.
type Failure struct {
	Code, Class string
	// Final forbids further attempts, whatever the policy says.
	Final bool
	// After is the least delay before the next attempt, as a server may ask for.
	After time.Duration
	err   error
}

// Error implements error.
func (f *Failure) Error() string { return f.err.Error() }

// Unwrap returns the underlying error.
func (f *Failure) Unwrap() error { return f.err }

// Fail is a failure with a code and a class; class "" is retried only by policies
// that name none.
func Fail(code, class string, err error) *Failure {
	return &Failure{Code: code, Class: class, err: err}
}

// Fatal is a failure that no attempt can help.
func Fatal(code string, err error) *Failure { return &Failure{Code: code, Final: true, err: err} }

// FromFault is a failure with the code and the words of a fault. Faults that may pass
// are worth another attempt; the others are final. Another error keeps its text to
// itself: the code is internal_error.
func FromFault(err error) *Failure {
	f := fault.From(err)
	if f.Code == fault.InternalError {
		return &Failure{Code: string(f.Code), err: unsaid{err}}
	}
	text := f.Detail
	if text == "" {
		text = f.Code.Entry().Title
	}
	out := &Failure{Code: string(f.Code), Final: true, After: f.RetryAfter, err: errors.New(text)}
	switch f.Kind() {
	case fault.Unavailable:
		out.Class, out.Final = ClassServerError, false
	case fault.Limited:
		out.Class, out.Final = ClassRateLimited, false
	case fault.Internal:
		out.Final = false
	case fault.Invalid, fault.Unauthenticated, fault.Forbidden, fault.Missing, fault.Conflicting, fault.Precondition, fault.Oversized:
	}
	return out
}

// unsaid is an error whose text is for nobody's eyes.
type unsaid struct{ cause error }

func (unsaid) Error() string   { return "something went wrong inside of the server" }
func (u unsaid) Unwrap() error { return u.cause }

// FailureOf returns the failure in err's chain; another error is one with the code
// internal_error.
func FailureOf(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	return &Failure{Code: "internal_error", err: err}
}

// Waiting is the error of an attempt that waits.
type Waiting struct{ Wait workflow.Wait }

// Error implements error.
func (w *Waiting) Error() string { return "the node waits for " + string(w.Wait.For) }

// Wait ends the attempt: the node waits.
func Wait(w workflow.Wait) error { return &Waiting{w} }
