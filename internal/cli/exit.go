package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/fault"
)

// The exit codes. They are part of the product: scripts rely on them.
const (
	exitOK          = 0
	exitFailed      = 1 // the job failed, or the server did
	exitUsage       = 2
	exitNotFound    = 3
	exitAuth        = 4
	exitConflict    = 5
	exitTimeout     = 6 // --wait
	exitUnreachable = 7
	exitApproval    = 8 // --wait: the job waits for an approval
	exitCancelled   = 9 // the job was cancelled or skipped
	exitInterrupted = 130
)

// ended is the error of a job that did not complete.
type ended struct{ job client.Job }

func (e *ended) Error() string { return "job " + e.job.JobID + " is " + e.job.Status }

// timedOut is the error of a --wait that was over before the job.
type timedOut struct{ job client.Job }

func (e *timedOut) Error() string {
	return "job " + e.job.JobID + " has not ended in time; it goes on and is " + e.job.Status + " now"
}

// unapproved is the error of a --wait for a job that waits for an approval.
type unapproved struct{ job client.Job }

func (e *unapproved) Error() string {
	return "job " + e.job.JobID + " waits for an approval"
}

// interrupted is the error of a wait that a person ended.
type interrupted struct{ jobID string }

func (e *interrupted) Error() string {
	return "interrupted; the job goes on. See: runsheet job watch " + e.jobID
}

// exitOfJob is the code for a job that has ended.
func exitOfJob(status string) int {
	switch status {
	case "COMPLETED":
		return exitOK
	case "SKIPPED", "CANCELLED":
		return exitCancelled
	}
	return exitFailed
}

// exitOfStatus is the code for a problem document.
func exitOfStatus(status int) int {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitAuth
	case http.StatusNotFound, http.StatusGone:
		return exitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return exitConflict
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout, http.StatusInsufficientStorage:
		return exitUnreachable
	}
	if status >= 400 && status < 500 {
		return exitUsage
	}
	return exitFailed
}

// exitOfKind is the code for a fault of this program itself.
func exitOfKind(k fault.Kind) int {
	switch k {
	case fault.Invalid, fault.Oversized:
		return exitUsage
	case fault.Missing:
		return exitNotFound
	case fault.Unauthenticated, fault.Forbidden:
		return exitAuth
	case fault.Conflicting, fault.Precondition:
		return exitConflict
	case fault.Unavailable, fault.Limited:
		return exitUnreachable
	case fault.Internal:
		return exitFailed
	}
	return exitFailed
}

// exitCode is the only place that turns an error into an exit code.
func (a *app) exitCode(ctx context.Context, err error) int {
	var (
		job  *ended
		late *timedOut
		open *unapproved
		stop *interrupted
		p    *client.Problem
		un   *client.Unreachable
		none *absent
		f    *fault.Error
		cmd  *exited
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &stop), ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	case isUsage(err):
		return exitUsage
	case lostLock(err):
		return exitConflict
	case errors.As(err, &cmd):
		return cmd.code
	case errors.As(err, &job):
		return exitOfJob(job.job.Status)
	case errors.As(err, &late):
		return exitTimeout
	case errors.As(err, &open):
		return exitApproval
	case errors.As(err, &p):
		if p.Code == string(fault.DirectFailed) {
			return exitFailed // the work, not the server
		}
		return exitOfStatus(p.Status)
	case errors.As(err, &un), errors.As(err, &none):
		return exitUnreachable
	case errors.As(err, &f):
		return exitOfKind(f.Kind())
	case !a.started:
		return exitUsage // cobra did not understand the arguments
	}
	return exitFailed
}

// explain tells a person what went wrong.
func (a *app) explain(err error, code int) {
	var (
		job *ended
		cmd *exited
	)
	// The job's end was shown already, and a command has spoken for itself.
	if err == nil || errors.As(err, &job) || errors.As(err, &cmd) && !lostLock(err) {
		return
	}
	text, hint := err.Error(), ""
	var (
		u    *usage
		p    *client.Problem
		un   *client.Unreachable
		none *absent
		f    *fault.Error
		stop *interrupted
		late *timedOut
		open *unapproved
	)
	var places []string
	switch {
	case errors.As(err, &stop):
	case errors.As(err, &late):
		hint = "see: runsheet job watch " + late.job.JobID
	case errors.As(err, &open):
		hint = "see: runsheet approval ls"
		if id := open.job.ApprovalID; id != nil {
			hint = "see: runsheet approval show " + *id
		}
	case code == exitInterrupted:
		text = "interrupted"
	case lostLock(err):
		hint = "the command was stopped; see who has the lock: runsheet lock ls"
	case errors.As(err, &u):
		hint = u.hint
	case errors.As(err, &p):
		text, hint = p.Detail, p.Hint
		if text == "" {
			text = p.Title
		}
		places = placesOf(p, text)
		if busy, ok := errors.AsType[*client.Limited](err); ok {
			text += "; come again in " + busy.After.String()
		}
		if p.Status == http.StatusUnauthorized {
			hint = "set RUNSHEET_TOKEN or --token-file; without --url and RUNSHEET_URL the server of this user needs none"
		}
		if p.RequestID != "" && p.Status >= http.StatusInternalServerError {
			text += " (request " + p.RequestID + ")"
		}
	case errors.As(err, &un), errors.As(err, &none):
		hint = "start a server with: runsheet serve; or name a running one with --url or RUNSHEET_URL"
	case errors.As(err, &f):
		text, hint = f.Detail, f.Hint
	case code == exitUsage:
		hint = "see: runsheet --help"
	}
	a.talk("runsheet: %s", text)
	for _, s := range places {
		a.talk("  at %s", s)
	}
	if hint != "" {
		a.talk("hint: %s", hint)
	}
}

// placesOf lists where a request was wrong, except what text says already and
// what a person who typed a command cannot find, such as a part of the path.
func placesOf(p *client.Problem, text string) (out []string) {
	for _, e := range p.Errors {
		switch {
		case strings.Contains(text, e.Pointer+": "+e.Detail), e.Detail == text && !strings.HasPrefix(e.Pointer, "/"):
		case e.Detail == text:
			out = append(out, e.Pointer)
		default:
			out = append(out, e.Pointer+": "+e.Detail)
		}
	}
	return out
}

// talk writes one line for a person. What a server or a user wrote is in args.
func (a *app) talk(format string, args ...any) {
	fmt.Fprintln(a.err, clean(fmt.Sprintf(format, args...))) // nobody is left to tell
}

func usagef(format string, args ...any) *usage { return &usage{text: fmt.Sprintf(format, args...)} }
