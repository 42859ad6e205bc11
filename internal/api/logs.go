package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/guard"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/runlog"
)

func (s *service) logRoutes() []operation {
	return []operation{{
		ID: "get_run_logs", Method: http.MethodGet, Path: "/api/job-runs/{run_id}/logs", Scope: access.JobsRead, Tag: "job-runs",
		Summary: "Read a run's log",
		Doc: "Plain text without terminal control sequences. With follow=true the answer ends when the run does; " +
			"with Accept: text/event-stream it is a stream of log events and an end event. The id of a log event is an offset that Last-Event-ID " +
			"continues from; with tail there is none. The header Runsheet-Log-From says at which place of the log the answer begins, in bytes: " +
			"with tail=1000, and then with before, a program reads a huge log from its end.",
		Query: []param{
			numberParam("tail", "only the last N lines", 0, 100000),
			{Name: "before", Doc: "only what comes before this place, in bytes of the log: the Runsheet-Log-From of an answer, to read on towards the beginning. Not with follow", Schema: seqSchema()},
			flagParam("follow", "keep sending until the run has ended"),
			flagParam("raw", "keep terminal control sequences"),
		},
		Answers: []answer{{Status: http.StatusOK, Doc: "the log", Media: []string{"text/plain", "text/event-stream"}}},
		Faults:  []fault.Code{fault.LogGone}, Stream: s.getLogs,
	}}
}

func (s *service) getLogs(w http.ResponseWriter, r *request) error {
	v, err := s.run(r)
	if err != nil {
		return err
	}
	if r.query.flag("follow") {
		if r.query.text("before") != "" {
			return fault.New(fault.InvalidParameter, "what comes before a place does not go on").At("query/before", "not_allowed", "not with follow")
		}
		if err := guard.Last(r.Context()); err != nil {
			return err
		}
	}
	out := &logSender{w: w, sse: strings.Contains(r.Header.Get("Accept"), "text/event-stream")}
	lines := r.query.number("tail", runlog.All)
	var skip int64
	if last := r.Header.Get("Last-Event-ID"); out.sse && last != "" {
		lines = runlog.All
		if skip, err = strconv.ParseInt(last, 10, 64); err != nil || skip < 0 {
			return fault.New(fault.InvalidHeader, "Last-Event-ID must be the id of a log event").At("header/Last-Event-ID", "format", "must be an offset")
		}
	}
	out.numbered = lines == runlog.All
	log, done, err := s.openLog(r, v, lines)
	if err != nil {
		return err
	}
	defer done()
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Runsheet-Log-From", strconv.FormatInt(log.from, 10))
	if out.sse {
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	// The head is out: what fails from here on can only end the stream.
	if err := s.sendLog(r, log.Reader, out, skip); err != nil && r.Context().Err() == nil {
		s.log.WarnContext(r.Context(), "log stream ended early", "run_id", v.ID, "error", err)
		panic(http.ErrAbortHandler) // what was sent must not look complete
	}
	return nil
}

// openLog opens the log of a run, from its last lines on, and follows it while
// the run executes if the request asks for that. done frees what it took.
func (s *service) openLog(r *request, v run.Run, lines int) (log placedLog, done func(), err error) {
	if s.Logs == nil {
		return log, nil, fault.Newf(fault.LogGone, "the log of %s is not on this server", v.ID)
	}
	done = func() {}
	var open io.ReadCloser
	if r.query.flag("follow") && !v.State.Terminal() {
		ctx, cut := context.WithCancel(r.Context())
		ended, stop := s.watchEnd(ctx, r, v, cut)
		done = func() {
			cut()
			stop()
		}
		open, err = s.Logs.Follow(ctx, v.ID, runlog.FollowOptions{Lines: lines, Done: ended})
	} else {
		if before := r.query.text("before"); before != "" {
			place, parseErr := strconv.ParseInt(before, 10, 64)
			if parseErr != nil {
				return log, nil, parseErr // parseQuery has checked it
			}
			open, err = s.Logs.ReadBefore(r.Context(), v.ID, lines, place)
		} else {
			open, err = s.Logs.Read(r.Context(), v.ID, lines)
		}
		if fault.Is(err, fault.LogGone) && (!v.State.Terminal() || v.Result.LogBytes == 0) {
			open, err = io.NopCloser(strings.NewReader("")), nil // nothing was written, so nothing is gone
		}
	}
	if err != nil {
		done()
		return log, nil, err
	}
	if p, ok := open.(interface{ From() int64 }); ok {
		log.from = p.From()
	}
	stop := done
	done = func() {
		stop()
		_ = open.Close() // opened for reading: nothing can be lost
	}
	if r.query.flag("raw") {
		log.Reader = open
		return log, done, nil
	}
	log.Reader = runlog.StripReader(open)
	return log, done, nil
}

// placedLog is a log from a place on.
type placedLog struct {
	io.Reader
	from int64 // in bytes of the whole log
}

// watchEnd returns a channel that is closed when the run has ended, and a
// function that ends the watching and waits for it. It calls cut when the caller
// may not follow any longer.
func (s *service) watchEnd(ctx context.Context, r *request, v run.Run, cut func()) (<-chan struct{}, func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		hints, unwatch := s.Store.Events.Watch()
		defer unwatch()
		checked := s.Clock.Now()
		for {
			if at := s.Clock.Now(); at.Sub(checked) >= recheckEvery {
				if checked = at; s.recheck(r) != nil {
					cut()
					return
				}
			}
			now, err := s.Store.Runs.Run(ctx, v.Tenant, v.ID)
			if err == nil && now.State.Terminal() || fault.Is(err, fault.NotFound) {
				close(ended)
				return
			}
			// Any other error passes: the next look may succeed.
			if more, err := s.pause(ctx, hints, v.JobID, nil, pollEvery); err != nil || !more {
				return
			}
		}
	}()
	return ended, func() {
		cancel()
		<-gone
	}
}

// logSender writes a log as text or as events.
type logSender struct {
	w   http.ResponseWriter
	sse bool
	at  int64 // offset behind what was sent
	// numbered events have an id. It counts from the beginning of the log, so a
	// stream that began elsewhere has none.
	numbered bool
	// rest is the beginning of a character whose end was not read yet: JSON has
	// no halves of characters.
	rest []byte
}

func (s *service) sendLog(r *request, log io.Reader, out *logSender, skip int64) error {
	if err := out.flush(); err != nil {
		return err
	}
	if skip > 0 {
		n, err := io.CopyN(io.Discard, log, skip)
		out.at = n
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := log.Read(buf)
		if n > 0 {
			if err := out.send(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read log: %w", err)
		}
	}
	if !out.sse {
		return nil
	}
	v, err := s.run(r)
	if err != nil {
		return err
	}
	return out.end(v)
}

func (l *logSender) send(b []byte) error {
	if !l.sse {
		if _, err := l.w.Write(b); err != nil {
			return err
		}
		return l.flush()
	}
	b = append(l.rest, b...)
	whole := len(b) - unfinished(b)
	l.rest = bytes.Clone(b[whole:])
	return l.event(b[:whole])
}

// unfinished is the length of the character at the end of b if it is not whole.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if end := b[len(b)-n:]; utf8.RuneStart(end[0]) {
			if utf8.FullRune(end) {
				return 0
			}
			return n
		}
	}
	return 0
}

func (l *logSender) event(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	l.at += int64(len(b))
	text, err := json.Marshal(map[string]string{"text": string(b)})
	if err != nil {
		return err
	}
	if l.numbered {
		if _, err := fmt.Fprintf(l.w, "id: %d\n", l.at); err != nil {
			return err
		}
	}
	if _, err = fmt.Fprintf(l.w, "event: log\ndata: %s\n\n", text); err != nil {
		return err
	}
	return l.flush()
}

func (l *logSender) end(v run.Run) error {
	if err := l.event(l.rest); err != nil {
		return err
	}
	status := "null"
	if v.State.Terminal() {
		status = strconv.Quote(string(v.State))
	}
	_, err := fmt.Fprintf(l.w, "event: end\ndata: {\"status\":%s}\n\n", status)
	return err
}

func (l *logSender) flush() error { return http.NewResponseController(l.w).Flush() }
