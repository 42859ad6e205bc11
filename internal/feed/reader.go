package feed

import (
	"context"
	"fmt"
	"sync"

	"github.com/runsheet/runsheet/internal/event"
)

// Now is the position of a reader that wants only what is announced from now
// on.
const Now int64 = -1

// Reset is the error of a reader whose position has a gap behind it: events
// were removed, or the log ends before it, because it is another log (a restored
// backup). The reader continues at Seq; what it knows may be old.
type Reset struct {
	// Seq is the new position.
	Seq int64
	// Reason is ReasonAhead or ReasonGone.
	Reason string
}

// Reasons of a reset. They are part of the API.
const (
	ReasonAhead = "ahead" // the log ends before the position
	ReasonGone  = "gone"  // events behind the position were removed
)

// Error implements error.
func (r *Reset) Error() string {
	return fmt.Sprintf("the position does not fit the log (%s), continuing at %d", r.Reason, r.Seq)
}

// Reader goes through the events of one tenant, in order, without a gap. It is
// used by one goroutine.
type Reader struct {
	f     *Feed
	fo    *follower
	seq   int64
	reset *Reset // told by the next Take
	once  sync.Once
}

// Open returns a reader of the events behind seq; Now = of those to come. The
// caller closes it. It returns ErrClosed, or why the log cannot be read.
func (f *Feed) Open(ctx context.Context, tenant string, seq int64) (*Reader, error) {
	span, err := f.o.Events.Range(ctx)
	if err != nil {
		return nil, err
	}
	fo, err := f.join(tenant, span)
	if err != nil {
		return nil, err
	}
	r := &Reader{f: f, fo: fo, seq: seq}
	switch {
	case seq == Now:
		r.seq = span.Last
	case !span.Holds(seq):
		r.jump(span)
	}
	return r, nil
}

// jump goes to the end of the log.
func (r *Reader) jump(span event.Range) {
	reason := ReasonGone
	if r.seq > span.Last {
		reason = ReasonAhead
	}
	r.reset = &Reset{Seq: span.Last, Reason: reason}
	r.seq = span.Last
}

// Seq is the reader's position: it has passed all events up to it.
func (r *Reader) Seq() int64 { return r.seq }

// Take returns the next events, at most a few hundred. When there are none, more
// is closed as soon as there are. It never waits for events. A *Reset is told
// once, and the reader goes on; other errors are the store's, and the call can
// be repeated; ErrClosed is final.
func (r *Reader) Take(ctx context.Context) (evs []event.Event, more <-chan struct{}, err error) {
	if r.f.ctx.Err() != nil {
		return nil, nil, ErrClosed
	}
	if reset := r.reset; reset != nil {
		r.reset = nil
		return nil, nil, reset
	}
	for {
		evs, more, base := r.fo.after(r.seq)
		if more == nil {
			if evs, err = r.catchUp(ctx); err != nil {
				return nil, nil, err
			}
		}
		if len(evs) > 0 {
			r.seq = evs[len(evs)-1].Seq
		}
		if len(evs) > 0 || more != nil {
			return evs, more, nil
		}
		// All that the log has behind the position was numbered after base.
		r.seq = base
	}
}

// catchUp reads what memory has no longer.
func (r *Reader) catchUp(ctx context.Context) ([]event.Event, error) {
	select {
	case r.f.slots <- struct{}{}:
		defer func() { <-r.f.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.f.ctx.Done():
		return nil, ErrClosed
	}
	evs, err := r.f.o.Events.Since(ctx, r.fo.tenant, r.seq, batch)
	if err != nil {
		return nil, err
	}
	// Asked afterwards, so that what was removed meanwhile is noticed.
	span, err := r.f.o.Events.Range(ctx)
	if err != nil {
		return nil, err
	}
	if !span.Holds(r.seq) {
		r.jump(span)
		reset := r.reset
		r.reset = nil
		return nil, reset
	}
	return evs, nil
}

// Closing is closed when the feed ends: whoever waits calls Take, which says so.
func (r *Reader) Closing() <-chan struct{} { return r.f.ctx.Done() }

// Close gives the reader up. It may be called more than once.
func (r *Reader) Close() { r.once.Do(func() { r.f.leave(r.fo) }) }
