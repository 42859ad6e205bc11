package client

import (
	"context"
	"errors"
	"sync"
	"time"
)

// patience is how many times in a row WaitJob bears that a server does not
// answer, for example because it starts again: about a minute.
const patience = 30

// WaitJob asks in these intervals, as long as no event says that something has
// changed: often in the beginning, while the stream of events is not yet there,
// and while the job runs, because its progress is no event.
const (
	askSoon   = 500 * time.Millisecond
	askSeldom = 4 * time.Second
)

// WaitJob returns the job when it has ended. It follows the job's events, asks
// every few seconds beside, and calls each, unless it is nil, with every answer;
// each may return an error to stop. Without the right to read events, or on a
// server without them, it asks twice a second. A server that goes away is waited
// for, for about a minute; meanwhile each gets the last answer with the error.
func (c *Client) WaitJob(ctx context.Context, jobID string, each func(Job, error) error) (Job, error) {
	var last Job
	var events jobEvents
	defer events.close()
	for silent, asked := 0, 0; ; asked++ {
		job, err := c.Job(ctx, jobID)
		var un *Unreachable
		switch {
		case err == nil:
			last, silent = job, 0
		case errors.As(err, &un) && silent < patience:
			silent++
		default:
			return last, err
		}
		if each != nil {
			if err := each(last, err); err != nil {
				return last, err
			}
		}
		if err == nil && job.Ended() {
			return job, nil
		}
		wait := askSoon
		if err == nil {
			events.open(ctx, c, jobID)
			if asked > 3 && job.Status == "QUEUED" && events.alive() {
				wait = askSeldom
			}
		}
		if !events.wait(ctx, wait) {
			return last, ctx.Err()
		}
	}
}

// jobEvents tells that something has happened to a job. The zero value is not
// open, and never tells.
type jobEvents struct {
	changed chan struct{}
	ended   chan struct{} // closed when no more events come
	stop    context.CancelFunc
	reader  sync.WaitGroup
}

// open begins to follow, unless that was done before.
func (e *jobEvents) open(ctx context.Context, c *Client, jobID string) {
	if e.stop != nil {
		return
	}
	e.changed, e.ended = make(chan struct{}, 1), make(chan struct{})
	ctx, e.stop = context.WithCancel(ctx)
	e.reader.Go(func() {
		defer close(e.ended)
		for _, err := range c.Events(ctx, EventFilter{Topics: []string{"job:" + jobID}}) {
			if err != nil {
				return // asking goes on
			}
			select {
			case e.changed <- struct{}{}:
			default:
			}
		}
	})
}

// alive reports whether events may still come.
func (e *jobEvents) alive() bool {
	select {
	case <-e.ended:
		return false
	default:
		return true
	}
}

// wait returns after d, or as soon as something has happened; false when ctx is
// over.
func (e *jobEvents) wait(ctx context.Context, d time.Duration) bool {
	timer, stop := context.WithTimeout(ctx, d)
	defer stop()
	select {
	case <-e.changed:
	case <-timer.Done():
	}
	return ctx.Err() == nil
}

func (e *jobEvents) close() {
	if e.stop != nil {
		e.stop()
	}
	e.reader.Wait()
}
