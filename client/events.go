package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// EventFilter chooses events. The zero value is all that happens from now on.
type EventFilter struct {
	// Topics are job, run, template, queue, or one object's, such as run:run_...
	// Empty = all.
	Topics []string
	// Since continues behind a position: the Seq of the last event that was dealt
	// with, or 0 for the oldest that is kept. nil = from now on.
	Since *int64
}

// EventTypeReset is the Type of a made-up event that says: the position does not
// fit the server's log any more, so what the program knows may be old. Its Seq is
// where the events go on, and Data["reason"] why.
const EventTypeReset = "reset"

// eventSilence is how long a connection may be silent before it counts as dead.
// The server says something every 20 seconds.
const eventSilence = time.Minute

// Events follows what happens, in order, until ctx ends or the caller stops.
// When the connection is lost it is made anew, and no event is missed or seen
// twice. An error ends it: ctx's, or a *Problem that coming back would not
// change.
//
//	for e, err := range c.Events(ctx, client.EventFilter{Topics: []string{"run"}}) { ... }
func (c *Client) Events(ctx context.Context, f EventFilter) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		last := ""
		if f.Since != nil {
			last = strconv.FormatInt(*f.Since, 10)
		}
		wait := 100 * time.Millisecond
		for {
			before := last
			goOn, err := c.followEvents(ctx, f, &last, yield)
			if !goOn {
				return
			}
			if ctx.Err() != nil {
				yield(Event{}, ctx.Err())
				return
			}
			if p, ok := errors.AsType[*Problem](err); ok && p.Status < 500 && p.Status != http.StatusTooManyRequests {
				yield(Event{}, err)
				return
			}
			if last != before {
				wait = 100 * time.Millisecond
			}
			if !sleep(ctx, jitter(wait)) {
				yield(Event{}, ctx.Err())
				return
			}
			wait = min(2*wait, 5*time.Second)
		}
	}
}

// followEvents is the life of one connection. goOn is false when the caller has
// had enough. It keeps the position in last.
func (c *Client) followEvents(ctx context.Context, f EventFilter, last *string, yield func(Event, error) bool) (goOn bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, _, err := c.once(ctx, request{
		method: http.MethodGet, path: "/api/events", query: values{}.list("topics", f.Topics).text("since", *last).url(), accept: "text/event-stream",
	})
	if err != nil {
		return true, err
	}
	defer res.Body.Close() // only read
	if media := res.Header.Get("Content-Type"); !strings.HasPrefix(media, "text/event-stream") {
		return true, fmt.Errorf("client: the answer of /api/events is %q, not a stream of events", media)
	}
	// A connection whose other end vanished says nothing: reading it is given up.
	heard := make(chan struct{}, 1)
	var watch sync.WaitGroup
	watch.Go(func() {
		watchSilence(ctx, heard)
		cancel()
	})
	defer watch.Wait()
	defer cancel()
	in := bufio.NewReaderSize(res.Body, 64<<10)
	for {
		m, err := readMessage(in, heard)
		if err != nil {
			return true, err
		}
		if m.data != "" {
			e, err := m.event()
			if err != nil {
				return true, err
			}
			if !yield(e, nil) {
				return false, nil
			}
		}
		if m.id != "" {
			*last = m.id
		}
	}
}

// watchSilence returns when nothing was heard for too long, or when ctx ends.
func watchSilence(ctx context.Context, heard <-chan struct{}) {
	for again := true; again; {
		quiet, stop := context.WithTimeout(ctx, eventSilence)
		select {
		case <-heard:
		case <-quiet.Done():
			again = false
		}
		stop()
	}
}

// message is one block of a stream of Server-Sent Events.
type message struct{ name, id, data string }

// readMessage reads up to the next empty line.
func readMessage(in *bufio.Reader, heard chan<- struct{}) (message, error) {
	var m message
	for size := 0; ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return m, err
		}
		select {
		case heard <- struct{}{}:
		default:
		}
		if size += len(line); size > maxAnswer {
			return m, errors.New("client: an event is too large")
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			return m, nil
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			m.name = value
		case "id":
			m.id = value
		case "data":
			m.data += value
		}
	}
}

func (m message) event() (Event, error) {
	if m.name == EventTypeReset {
		var r EventReset
		if err := json.Unmarshal([]byte(m.data), &r); err != nil {
			return Event{}, fmt.Errorf("client: a reset is not the expected JSON: %w", err)
		}
		return Event{Seq: r.Seq, Type: EventTypeReset, Data: map[string]string{"reason": r.Reason}}, nil
	}
	var e Event
	if err := json.Unmarshal([]byte(m.data), &e); err != nil {
		return Event{}, fmt.Errorf("client: an event is not the expected JSON: %w", err)
	}
	return e, nil
}
