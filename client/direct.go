package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Listener hears how a direct request gets on. Fields may be nil. Its functions are
// called one after another, before the answer is returned.
type Listener struct {
	// Queued says that the request waits, and how many are before it.
	Queued func(DirectQueued)
	// Started says that it has its slot.
	Started func(DirectStarted)
	// Token is the next piece of the text.
	Token func(text string)
}

// Story asks for a story and waits for it. With a listener the answer is streamed.
func (c *Client) Story(ctx context.Context, in StoryRequest, l *Listener, call Call) (StoryAnswer, error) {
	var out StoryAnswer
	err := c.direct(ctx, "/story/generate", in, l, call, &out)
	return out, err
}

// Research asks for research and waits for it. With a listener the answer is
// streamed.
func (c *Client) Research(ctx context.Context, in ResearchRequest, l *Listener, call Call) (ResearchAnswer, error) {
	var out ResearchAnswer
	err := c.direct(ctx, "/research/run", in, l, call, &out)
	return out, err
}

func (c *Client) direct(ctx context.Context, path string, in any, l *Listener, call Call, out any) error {
	if l == nil {
		return c.post(ctx, path, in, call, out)
	}
	b, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	// A stream that breaks is not repeated: its text has been handed on.
	res, err := c.stream(ctx, request{
		method: http.MethodPost, path: path, body: b, media: "application/json", accept: "text/event-stream", call: call,
		plain: call.IdempotencyKey == "",
	})
	if err != nil {
		return err
	}
	defer res.Body.Close() // only read
	body := bufio.NewReader(res.Body)
	for {
		m, err := readMessage(body, nil)
		if errors.Is(err, io.EOF) {
			return c.unreachable(ctx, errors.New("the stream ended before the result"))
		}
		if err != nil {
			return c.unreachable(ctx, err)
		}
		if done, err := l.hear(m, out); done || err != nil {
			return err
		}
	}
}

// hear hands a message on and reports whether it was the last.
func (l *Listener) hear(m message, out any) (bool, error) {
	read := func(v any) error {
		if err := json.Unmarshal([]byte(m.data), v); err != nil {
			return fmt.Errorf("client: the event %s is not the expected JSON: %w", m.name, err)
		}
		return nil
	}
	switch m.name {
	case "queued":
		var q DirectQueued
		if err := read(&q); err != nil || l.Queued == nil {
			return false, err
		}
		l.Queued(q)
	case "started":
		var s DirectStarted
		if err := read(&s); err != nil || l.Started == nil {
			return false, err
		}
		l.Started(s)
	case "token":
		var t DirectToken
		if err := read(&t); err != nil || l.Token == nil {
			return false, err
		}
		l.Token(t.Text)
	case "result":
		return true, read(out)
	case "error":
		p := &Problem{}
		if err := read(p); err != nil {
			return true, err
		}
		return true, p
	}
	return false, nil
}
