package client

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// The type Problem is generated; this file makes it an error. Its Code is
// stable and meant for programs:
//
//	var p *client.Problem
//	if errors.As(err, &p) && p.Code == "not_found" { ... }

// Error implements error.
func (p *Problem) Error() string {
	s := p.Code
	if s == "" {
		s = strconv.Itoa(p.Status)
	}
	if p.Detail != "" {
		s += ": " + p.Detail
	} else if p.Title != "" {
		s += ": " + p.Title
	}
	for _, e := range p.Errors {
		s += fmt.Sprintf("; %s: %s", e.Pointer, e.Detail)
	}
	return s
}

// Limited is a Problem of status 429, and when to come again.
type Limited struct {
	// After is how long the server wants to be left alone, in whole seconds.
	After time.Duration
	// Problem is the answer; errors.As finds it too.
	Problem *Problem
}

// Error implements error.
func (l *Limited) Error() string {
	return l.Problem.Error() + "; come again in " + l.After.String()
}

// Unwrap returns the problem.
func (l *Limited) Unwrap() error { return l.Problem }

// Unreachable says that no whole answer came. Whether the request took effect
// is unknown, unless it was one that only reads.
type Unreachable struct {
	// URL is the server's base.
	URL string
	// Err is what went wrong.
	Err error
}

// Error implements error.
func (u *Unreachable) Error() string { return fmt.Sprintf("no answer from %s: %v", u.URL, u.Err) }

// Unwrap returns the cause.
func (u *Unreachable) Unwrap() error { return u.Err }

// maxProblem bounds an error answer in bytes.
const maxProblem = 2 << 20

// problemOf reads the problem document of an answer, or makes one when
// something else than the server answered, for example a proxy. It also returns
// how long the server wants to be left alone.
func problemOf(res *http.Response) (*Problem, time.Duration) {
	p := &Problem{}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxProblem))
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || media != "application/problem+json" || json.Unmarshal(data, p) != nil {
		*p = Problem{Title: http.StatusText(res.StatusCode), Detail: "the answer has status " + res.Status + " and no problem document; is this a Runsheet server?"}
	}
	p.Status = res.StatusCode
	after, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil || after < 0 || after > 86400 {
		after = 0
	}
	return p, time.Duration(after) * time.Second
}
