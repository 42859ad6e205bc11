package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/clock"
)

// waitFlags are --wait and --follow.
type waitFlags struct {
	on     bool
	limit  time.Duration // 0 = for ever
	follow bool
}

// forever is the value of --wait without one.
const forever = "forever"

// String, Set and Type make --wait a flag.
func (w *waitFlags) String() string {
	if w.limit > 0 {
		return w.limit.String()
	}
	return ""
}

// Type names the value in help texts.
func (w *waitFlags) Type() string { return "duration" }

// Set reads the value.
func (w *waitFlags) Set(s string) error {
	w.on = true
	if s == forever {
		w.limit = 0
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return errors.New("must be a duration such as 30m")
	}
	w.limit = d
	return nil
}

func (w *waitFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.Var(w, "wait", "stay until the job has ended; --wait=30m gives up after that time")
	f.Lookup("wait").NoOptDefVal = forever
	f.BoolVarP(&w.follow, "follow", "f", false, "print the job's output too (implies --wait)")
}

// added shows a new job, and waits for it where that was asked.
func (a *app) added(ctx context.Context, cl *client.Client, j client.Job, w waitFlags) error {
	if !w.on && !w.follow {
		if a.json == nil {
			a.quiet = true // the id is all that a new job has to say
		}
		return printOne(a, a.jobView(), j)
	}
	a.talk("added %s", j.JobID)
	return a.wait(ctx, cl, j.JobID, w)
}

// wait stays with a job until it ends, and shows its way on stderr.
func (a *app) wait(ctx context.Context, cl *client.Client, jobID string, w waitFlags) error {
	wctx, stop := context.WithCancel(ctx)
	defer stop()
	if w.limit > 0 {
		wctx, stop = context.WithTimeout(ctx, w.limit)
		defer stop()
	}
	p := &progress{a: a, cl: cl, start: a.Clock.Now()}
	if w.follow {
		p.follow = newFollower(a, cl)
	}
	last, err := cl.WaitJob(wctx, jobID, func(j client.Job, err error) error {
		p.update(wctx, j, err)
		if w.limit == 0 && err == nil && awaitsApproval(j) {
			return &unapproved{job: j} // it may take for ever
		}
		return nil
	})
	if p.follow != nil {
		p.follow.finish(wctx, last, err == nil)
	}
	p.clear()
	switch {
	case ctx.Err() != nil:
		return &interrupted{jobID: jobID}
	case wctx.Err() != nil && awaitsApproval(last):
		return &unapproved{job: last}
	case wctx.Err() != nil:
		return &timedOut{job: last}
	case err != nil:
		return err
	}
	return a.showEnd(ctx, cl, last, p)
}

// awaitsApproval reports whether a job cannot start before somebody approves it.
func awaitsApproval(j client.Job) bool {
	return j.Status == "QUEUED" && j.Waiting != nil && j.Waiting.Code == "approval"
}

// showEnd prints the outcome: for people on stderr, for programs on stdout.
func (a *app) showEnd(ctx context.Context, cl *client.Client, j client.Job, p *progress) error {
	line := fmt.Sprintf("%s %s after %s", j.JobID, j.Status, short(a.Clock.Now().Sub(p.start)))
	if j.Error != nil {
		line += fmt.Sprintf(" (%s: %s)", j.Error.Code, j.Error.Message)
	}
	if j.RunID != nil && j.Status != "COMPLETED" {
		if r, err := cl.Run(ctx, *j.RunID); err == nil && r.Reason != nil {
			line += " (" + *r.Reason + ")"
		}
	}
	a.talk("%s", line)
	if j.Status == "FAILED" && p.follow == nil {
		a.talk("output: runsheet job logs %s", j.JobID)
	}
	if a.json != nil || a.quiet {
		if err := printOne(a, a.jobView(), j); err != nil {
			return err
		}
	}
	if exitOfJob(j.Status) != exitOK {
		return &ended{job: j}
	}
	return nil
}

// progress shows how a job gets on: a line that changes in place on a
// terminal, otherwise a new line at each change.
type progress struct {
	a      *app
	cl     *client.Client
	start  time.Time
	follow *follower
	last   string
	shown  bool
}

func (p *progress) update(ctx context.Context, j client.Job, err error) {
	text := ""
	switch {
	case err != nil:
		text = "the server does not answer, still trying"
	case j.Status == "QUEUED":
		text = "queued"
		if deref(j.Position) > 0 && (j.Waiting == nil || j.Waiting.Code != "position") {
			text += fmt.Sprintf(", %d before it", *j.Position)
		}
		if j.Waiting != nil {
			text += ": " + j.Waiting.Detail
		}
	case j.Status == "RUNNING":
		text = p.running(ctx, j)
	default:
		return
	}
	if p.follow != nil && p.follow.watch(ctx, j) && err == nil {
		p.clear() // the output itself shows that it runs
		return
	}
	if p.a.errTTY {
		elapsed := short(p.a.Clock.Now().Sub(p.start))
		line := fmt.Sprintf("%s  %s", elapsed, clean(text))
		if r := []rune(line); len(r) >= p.a.width {
			line = string(r[:p.a.width-1])
		}
		fmt.Fprintf(p.a.err, "\r\x1b[K%s", line) // nobody is left to tell
		p.shown = true
		return
	}
	if text != p.last {
		p.a.talk("%s", text)
		p.last = text
	}
}

func (p *progress) running(ctx context.Context, j client.Job) string {
	text := "running"
	if j.Attempt > 1 {
		text += fmt.Sprintf(", attempt %d", j.Attempt)
	}
	if j.CancelRequestedAt != nil {
		text += ", asked to stop"
	}
	if j.RunID == nil {
		return text
	}
	r, err := p.cl.Run(ctx, *j.RunID)
	if err != nil || r.Progress == nil {
		return text // the next round tells more
	}
	return text + " " + progressText(r.Progress)
}

// progressText is how far a run says it is: "3/10 loading".
func progressText(p *client.Progress) string {
	if p == nil {
		return ""
	}
	var words []string
	switch {
	case p.Total != nil:
		words = append(words, fmt.Sprintf("%d/%d", p.Done, *p.Total))
	case p.Done > 0:
		words = append(words, fmt.Sprintf("%d", p.Done))
	}
	if p.Stage != "" {
		words = append(words, p.Stage)
	}
	return strings.Join(words, " ")
}

// clear removes the line that changes in place.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.a.err, "\r\x1b[K") // nobody is left to tell
		p.shown = false
	}
}

// follower prints the output of a job's runs, one after the other.
type follower struct {
	a  *app
	cl *client.Client

	mu      sync.Mutex
	current string
	busy    chan struct{} // closed when the current run's output is printed
}

func newFollower(a *app, cl *client.Client) *follower { return &follower{a: a, cl: cl} }

// watch begins to print the run that the job is in. It reports whether a run
// has begun.
func (f *follower) watch(ctx context.Context, j client.Job) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j.RunID == nil || j.Status != "RUNNING" {
		return false
	}
	if *j.RunID == f.current {
		return true
	}
	before, done := f.busy, make(chan struct{})
	f.current, f.busy = *j.RunID, done
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		f.print(ctx, *j.RunID)
	}()
	return true
}

// print copies a log to the end. A connection that breaks is made anew, and
// what was printed already is skipped.
func (f *follower) print(ctx context.Context, runID string) {
	var printed int64
	for range 60 {
		n, err := f.a.copyLog(ctx, f.cl, runID, client.LogOptions{Follow: true}, printed)
		printed += n
		if err == nil || ctx.Err() != nil {
			return
		}
		if clock.Sleep(ctx, f.a.Clock, time.Second) != nil {
			return
		}
	}
}

// finish waits until all output of the ended job is printed; a job that was too
// quick to be seen running is printed whole.
func (f *follower) finish(ctx context.Context, j client.Job, ended bool) {
	f.mu.Lock()
	busy, current := f.busy, f.current
	f.mu.Unlock()
	if !ended {
		return
	}
	if busy != nil {
		select {
		case <-busy:
		case <-ctx.Done():
		}
	}
	if j.RunID != nil && *j.RunID != current {
		if _, err := f.a.copyLog(ctx, f.cl, *j.RunID, client.LogOptions{}, 0); err != nil {
			f.a.talk("the output cannot be read: %v", err)
		}
	}
}

// copyLog prints a log from a place on and returns how many bytes it printed.
func (a *app) copyLog(ctx context.Context, cl *client.Client, runID string, o client.LogOptions, skip int64) (int64, error) {
	r, err := cl.RunLog(ctx, runID, o)
	if err != nil {
		return 0, err
	}
	defer r.Close() // only read
	if _, err := io.CopyN(io.Discard, r, skip); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	return io.Copy(a.out, r)
}
