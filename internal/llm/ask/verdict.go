package ask

import (
	"errors"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/task"
)

// How a call that broke is repeated. The client itself repeats a call to a server
// that is starting or busy within some two seconds.
const (
	maxTries = 3
	// firstWait is before the second try; it doubles.
	firstWait = time.Second
	// maxWait is how long an attempt keeps its slot for a server that says when to
	// come back. Beyond that the job goes back to the queue.
	maxWait = 20 * time.Second
	// retryAfter is the delay of the next attempt where the server says nothing.
	retryAfter = 15 * time.Second
)

// again says whether a call that ended with err is worth another try and when.
func again(err error, try int) (time.Duration, bool) {
	f := fault.From(err)
	// An answer that takes too long takes too long again.
	if !slices.Contains([]fault.Code{fault.LLMBusy, fault.LLMUnreachable, fault.LLMBrokenStream, fault.LLMServerFailed}, f.Code) {
		return 0, false
	}
	wait := max(firstWait<<(try-1), f.RetryAfter)
	return wait, try < maxTries && wait <= maxWait
}

// verdict is how an attempt ends whose call failed for good.
func verdict(err error) error {
	f := fault.From(err)
	why := &told{text: f.Detail, cause: err}
	if f.Code == fault.InternalError {
		why.text = "the language model could not be asked" // and the cause may hold anything
		return task.Fail(string(f.Code), why)
	}
	if why.text == "" {
		why.text = f.Code.Entry().Title
	}
	if f.Hint != "" { // a run has no other place for it
		why.text += ". " + f.Hint
	}
	switch f.Kind() {
	case fault.Unavailable, fault.Limited:
		return task.Retry(string(f.Code), why, max(retryAfter, f.RetryAfter))
	case fault.Internal:
		return task.Fail(string(f.Code), why)
	case fault.Invalid, fault.Unauthenticated, fault.Forbidden, fault.Missing, fault.Conflicting,
		fault.Precondition, fault.Oversized:
	}
	return task.Fatal(string(f.Code), why)
}

// told is the part of a fault that a person reads; its code stands beside it.
type told struct {
	text  string
	cause error
}

func (t *told) Error() string { return t.text }
func (t *told) Unwrap() error { return t.cause }

// Limited reports whether err says that the directive allows no more.
func Limited(err error) bool { return errors.Is(err, ErrLimit) }
