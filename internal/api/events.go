package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/guard"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/feed"
)

// Limits of live connections.
const (
	// pingEvery is how often a quiet connection gets a sign of life.
	pingEvery = 20 * time.Second
	// recheckEvery is how often a connection's right to exist is looked at again.
	recheckEvery = time.Minute
	// writeWait is how long a client may take to accept a frame. Who is slower
	// comes back and continues where it was.
	writeWait = 8 * time.Second
	// retryWait is what a client is told to wait before it comes back.
	retryWait = 2 * time.Second
	// maxStreams bounds the live connections of the whole server.
	maxStreams = 8192
)

func (s *service) eventRoutes() []operation {
	topics := listParam("topics", "only these: job, run, template, queue, workflow, or one object's, as in run:run_01jh0000000000000000000000")
	ofRun := textParam("workflow_run_id", "only what happens to this run of a workflow")
	since := param{Name: "since", Doc: "continue behind this seq; 0 = from the oldest event that is kept; without it, from now on", Schema: seqSchema()}
	return []operation{
		{
			ID: "stream_events", Method: http.MethodGet, Path: "/api/events", Scope: access.EventsRead, Tag: "events",
			Summary: "Follow events (Server-Sent Events)",
			Doc: "The id of each event is its seq, and Last-Event-ID or since continues behind one without a gap. An event named reset " +
				"says that the position does not fit the log any more: read what you show anew. A comment comes every 20 seconds.",
			Query: []param{topics, ofRun, since},
			Answers: []answer{{
				Status: http.StatusOK, Doc: "events until the client goes; data is an Event, or an EventReset in an event named reset",
				Media: []string{"text/event-stream"}, Frames: []any{wire.Event{}, wire.EventReset{}},
			}},
			Faults: []fault.Code{fault.InvalidHeader, fault.ShuttingDown}, Stream: s.streamEvents,
		},
		{
			ID: "watch_events", Method: http.MethodGet, Path: "/api/events/ws", Scope: access.EventsRead, Tag: "events",
			Summary: "Follow events (WebSocket)",
			Doc: "Text frames of JSON, told apart by type: first a snapshot, then the events behind since or, without it, behind the snapshot, " +
				"each as on /api/events, with a ping every 20 seconds and a reset where the position does not fit the log. The client sends nothing. " +
				"Close codes: 1013 too slow, come back with since; 4401 the right to watch has ended; 1001 the server stops; 1008 the client talks too much.",
			Query: []param{topics, ofRun, since, textParam("ticket", "of POST /api/session/ticket, in place of a token or a cookie")}, Ticket: true,
			Answers: []answer{{
				Status: http.StatusSwitchingProtocols, Doc: "the connection becomes a WebSocket",
				Media:  []string{"application/json"},
				Frames: []any{wire.EventSnapshot{}, wire.Event{}, wire.EventReset{}, wire.EventPing{}},
			}},
			Faults: []fault.Code{fault.CrossOrigin, fault.UpgradeRequired, fault.ShuttingDown}, Stream: s.watchEvents,
		},
	}
}

// errAccess ends a stream whose caller may not watch any longer.
var errAccess = errors.New("the right to watch has ended")

// stream is one live connection, whatever carries it.
type stream struct {
	s      *service
	r      *request
	reader *feed.Reader
	// match chooses the events that are sent.
	match func(event.Event) bool
	// thin leaves out, of events that wait to be sent, what a client can do without;
	// nil = nothing.
	thin func([]event.Event) []event.Event
}

// sink is how frames reach the client. Each method returns when the frame is on
// its way or the client is too slow.
type sink interface {
	event(e event.Event) error
	reset(r wire.EventReset) error
	ping(seq int64) error
}

// openStream reads what the request asks for and begins to follow.
func (s *service) openStream(r *request) (*stream, error) {
	if s.Feed == nil {
		return nil, fault.New(fault.NotFound, "this server has no live events")
	}
	filter, err := event.ParseFilter(r.query["topics"])
	if err != nil {
		return nil, fault.New(fault.InvalidParameter, "a query parameter has a value that cannot be used").At("query/topics", "unknown", err.Error())
	}
	seq := feed.Now
	if text := r.query.text("since"); text != "" {
		if seq, err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, err // parseQuery has checked it
		}
	}
	// A browser that comes back repeats the URL of the first time.
	if last := r.Header.Get("Last-Event-ID"); last != "" && r.op.ID == "stream_events" {
		if seq, err = strconv.ParseInt(last, 10, 64); err != nil || seq < 0 {
			return nil, fault.New(fault.InvalidHeader, "Last-Event-ID must be the id of an event").At("header/Last-Event-ID", "format", "must be a seq")
		}
	}
	// It lasts: it has a bound of its own and must not use up that of requests.
	if err := guard.Last(r.Context()); err != nil {
		return nil, err
	}
	reader, err := s.Feed.Open(r.Context(), r.tenant(), seq)
	if err != nil {
		if errors.Is(err, feed.ErrClosed) {
			err = fault.New(fault.ShuttingDown, "the server is stopping")
		}
		return nil, err
	}
	match := filter.Match
	if runID := r.query.text("workflow_run_id"); runID != "" {
		match = func(e event.Event) bool { return e.Data[event.WorkflowRunKey] == runID && filter.Match(e) }
	}
	return &stream{s: s, r: r, reader: reader, match: match}, nil
}

func (st *stream) close() { st.reader.Close() }

// run sends events until the client, the server or the right to watch ends. The
// error says which.
func (st *stream) run(ctx context.Context, out sink) error {
	ping, recheck := st.s.Clock.NewTimer(pingEvery), st.s.Clock.NewTimer(recheckEvery)
	defer func() {
		ping.Stop()
		recheck.Stop()
	}()
	for {
		// A stream that always has something to send is looked at, too.
		select {
		case <-recheck.C():
			if err := st.s.recheck(st.r); err != nil {
				return err
			}
			recheck = st.s.Clock.NewTimer(recheckEvery)
		default:
		}
		more, err := st.forward(ctx, out)
		if err != nil {
			return err
		}
		if more == nil {
			continue
		}
		select {
		case <-more:
		case <-ping.C():
			if err := out.ping(st.reader.Seq()); err != nil {
				return err
			}
			ping = st.s.Clock.NewTimer(pingEvery)
		case <-recheck.C():
			if err := st.s.recheck(st.r); err != nil {
				return err
			}
			recheck = st.s.Clock.NewTimer(recheckEvery)
		case <-st.reader.Closing():
			return feed.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// forward sends what there is. It returns a channel to wait for when that was
// nothing, and nil when there may be more.
func (st *stream) forward(ctx context.Context, out sink) (<-chan struct{}, error) {
	evs, more, err := st.reader.Take(ctx)
	if reset, ok := errors.AsType[*feed.Reset](err); ok {
		return nil, out.reset(wire.EventReset{Type: "reset", Seq: reset.Seq, Reason: reset.Reason})
	}
	if err != nil {
		return nil, err
	}
	var wanted []event.Event
	for _, e := range evs {
		if st.match(e) {
			wanted = append(wanted, e)
		}
	}
	if st.thin != nil {
		wanted = st.thin(wanted)
	}
	for _, e := range wanted {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := out.event(e); err != nil {
			return nil, err
		}
	}
	if len(evs) > 0 {
		return nil, nil //nolint:nilnil // nothing to wait for
	}
	return more, nil
}

// recheck asks anew who holds the request open: a token may have been revoked, a
// role taken away. While the database does not answer there is nothing to see
// either, and the next time will tell. A rate that others use up is no end of a
// right.
func (s *service) recheck(r *request) error {
	p, err := s.caller(r)
	if err != nil && fault.From(err).Code.Entry().Kind == fault.Unavailable {
		return nil
	}
	if err != nil && !fault.Is(err, fault.TooManyRequests) || p.Tenant != r.principal.Tenant || p.Require(r.op.Scope) != nil {
		return errAccess
	}
	return nil
}

func (s *service) streamEvents(w http.ResponseWriter, r *request) error {
	st, err := s.openStream(r)
	if err != nil {
		return err
	}
	defer st.close()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // nginx
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	out := &eventSender{w}
	if err := out.begin(st.reader.Seq()); err != nil {
		return nil // the client is gone: nobody is left to tell
	}
	err = st.run(r.Context(), out)
	s.log.DebugContext(r.Context(), "event stream ended", "request_id", requestID(r.Context()), "reason", err)
	return nil
}

// eventSender writes Server-Sent Events.
type eventSender struct{ w http.ResponseWriter }

// begin sends the position at once, so that a client that loses the connection
// before the first event misses nothing.
func (o *eventSender) begin(seq int64) error {
	return o.send(fmt.Sprintf("retry: %d\nid: %d\n\n", retryWait.Milliseconds(), seq))
}

func (o *eventSender) event(e event.Event) error { return o.frame("", e.Seq, wire.EventOf(e)) }

func (o *eventSender) reset(r wire.EventReset) error { return o.frame("reset", r.Seq, r) }

// ping is a comment. The id without data moves the client's position past what
// its filter left out.
func (o *eventSender) ping(seq int64) error { return o.send(fmt.Sprintf(": ping\nid: %d\n\n", seq)) }

func (o *eventSender) frame(name string, seq int64, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var b strings.Builder
	if name != "" {
		b.WriteString("event: " + name + "\n")
	}
	fmt.Fprintf(&b, "id: %d\ndata: %s\n\n", seq, text)
	return o.send(b.String())
}

func (o *eventSender) send(text string) error {
	c := http.NewResponseController(o.w)
	// The network goes by the true time, whatever the server's clock shows.
	limit, cancel := context.WithTimeout(context.Background(), writeWait)
	defer cancel()
	deadline, _ := limit.Deadline()
	if err := c.SetWriteDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := o.w.Write([]byte(text)); err != nil {
		return err
	}
	return c.Flush()
}
