// Package run is the domain of execution attempts: what one attempt of a job
// did, how it ended and what it left behind.
//
// Everything here is pure. A run is changed only by Apply; the store carries
// the change out under the attempt's fencing epoch.
package run

import (
	"maps"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Failure is why a run ended badly. The zero value means that it did not.
type Failure struct {
	Code    string
	Message string
}

// Progress is what an attempt says of itself. Total 0 means that the end is
// not known; the zero value means that nothing was said.
type Progress struct {
	Stage       string
	Done, Total int64
}

// Tokens are counts of LLM tokens. A nil pointer means unknown, which is not
// zero.
type Tokens struct {
	Prompt, Completion *int64
	ByModel            map[string]ModelTokens
}

// ModelTokens are the counts of one model.
type ModelTokens struct{ Prompt, Completion *int64 }

// Call is one question to a language model: what it cost, never what was said.
type Call struct {
	Server, Model string
	// Stage is the part of the work that it was for, "section".
	Stage string
	// Outcome is "ok" or the code of the fault that it ended with.
	Outcome string
	// Prompt and Completion are counts of tokens; nil = unknown, which is not zero.
	// A call that never reached a model has zeros.
	Prompt, Completion *int64
	StartedAt          time.Time
	// Load is how long the server took to load the model, Reading how long to read
	// the prompt, Writing how long to make the text, Total how long the caller
	// waited. 0 = unknown.
	Load, Reading, Writing, Total time.Duration
}

// CallOK is the outcome of a call that was answered.
const CallOK = "ok"

// Directive names the version of a directive that a job is bound to. The zero
// value is none.
type Directive struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version int    `json:"version"`
}

// Process identifies the operating system's process of an attempt. Start is
// the kernel's start time of that pid, in an opaque unit that is only compared
// for equality, so that a reused pid is never mistaken for it. The zero value
// means that no process was started.
type Process struct {
	Pid   int
	Start string
}

// Result is what an attempt leaves beside its verdict.
type Result struct {
	ExitCode *int
	Outputs  map[string]string
	Tokens   *Tokens
	Progress Progress
	LogBytes int64
	// LogTruncated says that the log reached its cap and lost its middle.
	LogTruncated bool
}

// Run is one execution attempt.
type Run struct {
	ID     string
	Tenant string
	JobID  string
	State  State

	JobName         string
	JobType         string
	TemplateID      string
	TemplateVersion int
	Params          []byte // snapshot, JSON object
	Labels          map[string]string
	Attempt         int
	Trigger         string
	CreatedBy       string
	RetryOf         string // run id, "" unless the job is a retry
	GroupID         string // of the job, "" = none
	// Directive is what it works under; its content is that version's for ever.
	Directive Directive
	// WaitedFor are the ids of the jobs and direct runs that ran when a direct
	// request arrived.
	WaitedFor []string

	Instance string
	Epoch    int64
	Process  Process

	CreatedAt  time.Time // of the job
	QueuedAt   time.Time
	StartedAt  time.Time
	FinishedAt time.Time

	Failure Failure
	Reason  string // why it was skipped
	Result  Result
}

// Started reports whether the run ever executed. One that did not is the record
// of a job that was skipped while it waited; its StartedAt is when that was.
func (r Run) Started() bool { return r.Epoch != 0 }

// QueueWait is the time from entering the queue to the start, or to when the job
// was skipped.
func (r Run) QueueWait() time.Duration { return max(0, r.StartedAt.Sub(r.QueuedAt)) }

// Duration is the time from start to end, 0 while the run is active. A clock
// step cannot make it negative.
func (r Run) Duration() time.Duration {
	if r.FinishedAt.IsZero() {
		return 0
	}
	return max(0, r.FinishedAt.Sub(r.StartedAt))
}

// Artifact is a file that a run produced. Its content lives in the blob
// store under its SHA-256; the row is what binds a name of a run to it.
type Artifact struct {
	ID        string
	Tenant    string
	RunID     string
	Name      string // relative, slash-separated, clean
	Size      int64  // bytes
	SHA256    string // lower-case hex
	MediaType string
	CreatedAt time.Time
}

// Change is what an event does to a run.
type Change struct {
	Before, After Run
}

// Apply turns an event into a change, or into a fault with code conflict when
// the run has ended already. It is pure and leaves r alone.
func Apply(r Run, ev any) (Change, error) {
	to, c, err := Table.Apply(r, ev)
	if err != nil {
		return Change{}, fault.Newf(fault.Conflict, "run %s is %s", r.ID, r.State)
	}
	c.Before = r
	c.After.State = to
	return c, nil
}

func end(r Run, at time.Time, res Result) Run {
	r.FinishedAt = at
	return with(r, res)
}

// with is r with what it has left so far.
func with(r Run, res Result) Run {
	if res.Progress == (Progress{}) {
		res.Progress = r.Result.Progress
	}
	r.Result = res
	return r
}

func succeed(r Run, e Succeeded, c *Change) { c.After = end(r, e.At, e.Result) }

func pass(r Run, e Passed, c *Change) {
	c.After = end(r, e.At, e.Result)
	c.After.Reason = e.Reason
}

func leave(r Run, e Left, c *Change) {
	c.After = with(r, e.Result)
	c.After.Instance, c.After.Process = "", Process{}
}

func fail(r Run, e Broke, c *Change) {
	c.After = end(r, e.At, e.Result)
	c.After.Failure = e.Failure
}

// With adds what a call cost. A count that is unknown in one call is unknown in
// the sum, because a sum of what is known would be taken for the whole. t may be
// nil and is left alone.
func (t *Tokens) With(c Call) *Tokens {
	out := &Tokens{ByModel: map[string]ModelTokens{}}
	if t == nil {
		zero := int64(0)
		out.Prompt, out.Completion = &zero, &zero
	} else {
		out.Prompt, out.Completion = t.Prompt, t.Completion
		maps.Copy(out.ByModel, t.ByModel)
	}
	out.Prompt, out.Completion = plus(out.Prompt, c.Prompt), plus(out.Completion, c.Completion)
	m, known := out.ByModel[c.Model]
	if !known {
		zero := int64(0)
		m = ModelTokens{Prompt: &zero, Completion: &zero}
	}
	out.ByModel[c.Model] = ModelTokens{plus(m.Prompt, c.Prompt), plus(m.Completion, c.Completion)}
	return out
}

func plus(a, b *int64) *int64 {
	if a == nil || b == nil {
		return nil
	}
	n := *a + *b
	return &n
}
