package task

import (
	"context"
	"encoding/json"
	"io"

	"github.com/runsheet/runsheet/internal/fault"
)

// Direct is a job type that also answers callers who wait for the result: a
// direct request takes the next free slot and makes no job.
//
// What a caller sends and what it gets back is never stored: not the params, not
// the text of an error, not an output. The only text that outlives the call is
// what Answer itself puts into artifacts. That is the privacy law of LLM work,
// and it holds for everything direct.
type Direct interface {
	Task
	// Answer does the work of one request, once: there is no second attempt.
	// a.JobID is empty and a.Params are the request's body, which met Schema and
	// Check and lives in memory only. What is worth keeping goes to h.Artifact,
	// counts to h.Tokens, numbers to h.Progress and h.Output; h.Checkpoint keeps
	// nothing. out takes the text as it comes.
	//
	// It returns the fields of the answer, a JSON object; the run's own fields (see
	// Reserved) are added. An error is a verdict, as in Run, with these
	// differences: a verdict whose code is a registered fault's is answered as that
	// fault, and Retry and Postpone count as Fail, because nobody repeats it. An
	// error's text is stored with the run and must not quote the request or the result.
	//
	// ctx ends as that of Run does; ErrCancelled then means that the caller has
	// gone and wanted the work to end with that.
	Answer(ctx context.Context, a Attempt, h Host, out Sink) (json.RawMessage, error)
	// Recall makes the fields of an earlier request's answer again, from the
	// artifacts that it left. open returns the content of one of them, which Recall
	// closes; its error, a fault with code artifact_gone, is handed on.
	Recall(ctx context.Context, open func(name string) (io.ReadCloser, error)) (json.RawMessage, error)
}

// Sink takes what a direct request makes, while it makes it. It is safe for
// concurrent use.
type Sink interface {
	// Token hands on a piece of text. It never blocks and never fails: a caller who
	// is gone or too slow loses the rest of the stream, and the work goes on. Text
	// that comes quickly may reach the caller in larger pieces.
	Token(text string)
}

// Direct returns the task that answers direct requests of a kind, or a fault with
// code job_type_unknown.
func (r *Registry) Direct(kind string) (Direct, error) {
	t, err := r.Find(kind)
	if err != nil {
		return nil, err
	}
	d, ok := t.(Direct)
	if !ok {
		return nil, fault.Newf(fault.JobTypeUnknown, "jobs of type %s cannot be asked for directly", kind)
	}
	return d, nil
}
