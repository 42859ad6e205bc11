// Package fault is the one kind of error that crosses a package border with a
// meaning.
//
// A fault has a Code (stable for ever, flat snake_case, registered once in
// codes.go with its Kind, title and remedy) and a Detail for a person. The API
// maps the Kind to an HTTP status and the CLI to an exit code; nothing else
// decides either. A plain error is internal: it is logged with its cause and
// shown as "internal error".
//
//	return fault.Newf(fault.NotFound, "no job %s", id)
//	if fault.Is(err, fault.Conflict) { ... }
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the class of a fault. The set is closed.
type Kind string

// The ten kinds.
const (
	Invalid         Kind = "invalid"
	Unauthenticated Kind = "unauthenticated"
	Forbidden       Kind = "forbidden"
	Missing         Kind = "not_found"
	Conflicting     Kind = "conflict"
	Precondition    Kind = "precondition"
	Oversized       Kind = "too_large"
	Limited         Kind = "limited"
	Unavailable     Kind = "unavailable"
	Internal        Kind = "internal"
)

// Field is one place in the input that is wrong.
type Field struct {
	// Pointer is a JSON pointer (RFC 6901) into the body, or "query/name",
	// "header/Name", "path/name" for the other parts of a request.
	Pointer string
	Code    string
	Detail  string
}

// Error is a fault. Values are immutable after they were returned.
type Error struct {
	Code   Code
	Detail string
	Fields []Field
	// Hint says what to do about it in this very case. The code's Remedy is
	// the general advice.
	Hint string
	// RetryAfter is when a repetition may succeed; 0 = nobody knows.
	RetryAfter time.Duration
	cause      error
}

// New returns a fault without a cause.
func New(code Code, detail string) *Error { return &Error{Code: code, Detail: detail} }

// Newf is New with a format.
func Newf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Wrap returns a fault that keeps cause for the log; people see only detail.
func Wrap(cause error, code Code, detail string) *Error {
	return &Error{Code: code, Detail: detail, cause: cause}
}

// At returns a copy of e with one more wrong place in the input.
func (e *Error) At(pointer, code, detail string) *Error {
	c := *e
	c.Fields = append(append([]Field(nil), e.Fields...), Field{pointer, code, detail})
	return &c
}

// WithHint returns a copy of e that advises hint.
func (e *Error) WithHint(hint string) *Error {
	c := *e
	c.Hint = hint
	return &c
}

// WithRetryAfter returns a copy of e that says when to repeat.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Kind is the class of e's code.
func (e *Error) Kind() Kind { return e.Code.Entry().Kind }

// Error implements error: code, detail, cause.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is(err, &Error{Code: c}) compare codes.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code
}

// From returns the fault in err's chain. A plain error becomes an internal
// fault with err as its cause; nil stays nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: InternalError, Detail: "internal error", cause: err}
}

// Is reports whether err is a fault with the given code.
func Is(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}
