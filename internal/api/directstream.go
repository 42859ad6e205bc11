package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/run"
)

// maxBehind is how much text a caller may be behind, in bytes. Who is slower is
// cut off; the work goes on or not, as on_disconnect says.
const maxBehind = 1 << 20

// stages keep what a direct request's caller has not been sent yet. They take
// what comes, at whatever speed, and hand it on when the connection is ready.
type stages struct {
	wake chan struct{} // has a token when there is something

	mu      sync.Mutex
	ahead   int
	moved   bool // ahead was not sent yet
	run     *run.Run
	text    []byte
	behind  bool // too much was not sent
	running bool
}

var _ queue.Caller = (*stages)(nil)

func newStages() *stages { return &stages{wake: make(chan struct{}, 1)} }

func (g *stages) change(f func()) {
	g.mu.Lock()
	f()
	g.mu.Unlock()
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// Queued implements queue.Caller.
func (g *stages) Queued(ahead int) {
	g.change(func() { g.ahead, g.moved = ahead, !g.running })
}

// Started implements queue.Caller.
func (g *stages) Started(r run.Run) {
	g.change(func() { g.run, g.running = &r, true })
}

// Token implements task.Sink.
func (g *stages) Token(text string) {
	g.change(func() {
		if g.behind = g.behind || len(g.text)+len(text) > maxBehind; g.behind {
			g.text = nil
			return
		}
		g.text = append(g.text, text...)
	})
}

// take returns what there is, and forgets it. A place that was not told before the
// start is told still: a caller sees each stage.
func (g *stages) take() (ahead int, moved bool, started *run.Run, text string, behind bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	ahead, moved, started, behind = g.ahead, g.moved, g.run, g.behind
	whole := len(g.text) - unfinished(g.text)
	text = string(g.text[:whole])
	g.moved, g.run, g.text = false, nil, append([]byte(nil), g.text[whole:]...)
	return ahead, moved, started, text, behind
}

// directSender sends the answer to one direct request, at once or as a stream.
type directSender struct {
	s   *service
	w   http.ResponseWriter
	r   *request
	sse bool
	// begun says that the head of a stream is out: what fails from then on is an
	// event.
	begun bool
	// broken says why nothing more can be sent: what was sent must not look
	// complete. nil = it can.
	broken error
}

// lane makes the request and sends its stages until it has ended.
func (o *directSender) lane(req queue.DirectRequest) (got queue.DirectAnswer, err error) {
	if !o.sse {
		got, err = o.s.Lane.Direct(o.r.Context(), req)
		if o.r.Context().Err() != nil && errors.Is(err, context.Canceled) {
			panic(http.ErrAbortHandler) // the caller is gone: nobody is left to tell
		}
		return got, err
	}
	g := newStages()
	req.Caller = g
	ctx, cut := context.WithCancel(o.r.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		got, err = o.s.Lane.Direct(ctx, req)
	}()
	// The work outlives the connection if that is wanted, and so does this handler:
	// its number is that of the slots.
	o.broken = o.follow(g, done)
	cut()
	<-done
	if o.broken != nil {
		o.s.log.DebugContext(ctx, "stream of a direct request ended early", "request_id", requestID(ctx), "error", o.broken)
	}
	return got, err
}

// follow sends stages until done. The error says why the rest cannot be sent.
func (o *directSender) follow(g *stages, done <-chan struct{}) error {
	ping, recheck := o.s.Clock.NewTimer(pingEvery), o.s.Clock.NewTimer(recheckEvery)
	defer func() {
		ping.Stop()
		recheck.Stop()
	}()
	for {
		var err error
		select {
		case <-g.wake:
			err = o.stages(g)
		case <-done:
			return o.stages(g)
		case <-ping.C():
			ping = o.s.Clock.NewTimer(pingEvery)
			if o.begun {
				err = (&eventSender{o.w}).send(": ping\n\n")
			}
		case <-recheck.C():
			recheck = o.s.Clock.NewTimer(recheckEvery)
			err = o.s.recheck(o.r)
		case <-o.r.Context().Done():
			if fault.Is(context.Cause(o.r.Context()), fault.ShuttingDown) {
				<-done // running work gets its grace, and its caller the answer
				return o.stages(g)
			}
			return o.r.Context().Err()
		}
		if err != nil {
			return err
		}
	}
}

func (o *directSender) stages(g *stages) error {
	ahead, moved, started, text, behind := g.take()
	if behind {
		return fmt.Errorf("the caller is more than %d bytes behind", maxBehind)
	}
	if moved {
		if err := o.event("queued", wire.DirectQueued{Position: ahead, ETA: o.s.eta(o.r.Context(), ahead)}); err != nil {
			return err
		}
	}
	if started != nil {
		w := wire.RunOf(*started, nil)
		if err := o.event("started", wire.DirectStarted{RunID: w.RunID, QueueWaitMs: w.QueueWaitMs, WaitedFor: w.WaitedFor}); err != nil {
			return err
		}
	}
	if text == "" {
		return nil
	}
	return o.event("token", wire.DirectToken{Text: text})
}

// result sends the answer.
func (o *directSender) result(body map[string]any) error {
	if o.sse {
		if o.event("result", body) != nil {
			panic(http.ErrAbortHandler) // the caller is gone, and must not think that it got all
		}
		return nil
	}
	enc, err := encode(reply{Status: http.StatusOK, Body: body})
	if err != nil {
		return errors.New("the answer of a direct request cannot be written") // not with what it is
	}
	o.s.send(o.w, o.r.Request, enc)
	return nil
}

// failed sends a problem as the last event. Before the head of a stream is out, it
// returns err, which becomes the answer.
func (o *directSender) failed(err error) error {
	if !o.begun && o.broken == nil {
		return err
	}
	p := problemOf(err, requestID(o.r.Context()))
	o.s.note(o.r.Context(), p, err)
	if o.event("error", p) != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

func (o *directSender) event(name string, data any) error {
	if o.broken != nil {
		return o.broken
	}
	if !o.begun {
		o.begun = true
		h := o.w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("X-Accel-Buffering", "no") // nginx
		o.w.WriteHeader(http.StatusOK)
	}
	text, err := marshal(data) // ends with a line feed
	if err != nil {
		return err
	}
	return (&eventSender{o.w}).send(fmt.Sprintf("event: %s\ndata: %s\n", name, text))
}
