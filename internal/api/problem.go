package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/fault"
)

// ownStatus is read-only: the codes that have a status of their own in HTTP.
var ownStatus = map[fault.Code]int{
	fault.MalformedBody:        http.StatusBadRequest,
	fault.DuplicateKey:         http.StatusBadRequest,
	fault.UnknownParameter:     http.StatusBadRequest,
	fault.InvalidParameter:     http.StatusBadRequest,
	fault.InvalidHeader:        http.StatusBadRequest,
	fault.WrongIDType:          http.StatusBadRequest,
	fault.CursorInvalid:        http.StatusBadRequest,
	fault.UnsupportedMediaType: http.StatusUnsupportedMediaType,
	fault.RangeNotSatisfiable:  http.StatusRequestedRangeNotSatisfiable,
	fault.MethodNotAllowed:     http.StatusMethodNotAllowed,
	fault.HostNotAllowed:       http.StatusMisdirectedRequest,
	fault.UpgradeRequired:      http.StatusUpgradeRequired,
	fault.StorageFull:          http.StatusInsufficientStorage,
	fault.DirectFailed:         http.StatusBadGateway,
	fault.DirectGone:           http.StatusGone,
}

// statusOf is the only place that turns a fault into an HTTP status. The kind
// decides, except for the codes in ownStatus.
func statusOf(c fault.Code) int {
	if s, ok := ownStatus[c]; ok {
		return s
	}
	switch c.Entry().Kind {
	case fault.Invalid:
		return http.StatusUnprocessableEntity
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.Missing:
		return http.StatusNotFound
	case fault.Conflicting:
		return http.StatusConflict
	case fault.Precondition:
		return http.StatusPreconditionFailed
	case fault.Oversized:
		return http.StatusRequestEntityTooLarge
	case fault.Limited:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// problemOf makes the answer for err. What an internal fault wraps stays in
// the log.
func problemOf(err error, requestID string) wire.Problem {
	f := fault.From(err)
	entry := f.Code.Entry()
	p := wire.Problem{
		Type: "/problems/" + string(f.Code), Title: entry.Title, Status: statusOf(f.Code), Detail: f.Detail,
		Instance: requestID, Code: string(f.Code), RequestID: requestID, Hint: f.Hint,
	}
	if entry.Kind == fault.Internal {
		p.Type, p.Code, p.Detail, p.Hint = "/problems/"+string(fault.InternalError), string(fault.InternalError), "internal error", ""
		return p
	}
	for _, x := range f.Fields {
		p.Errors = append(p.Errors, wire.Place{Pointer: x.Pointer, Code: x.Code, Detail: x.Detail})
	}
	return p
}

// stale is a refusal together with what is stored now.
type stale struct {
	error
	current any
	etag    string // "" = it has none
}

func (s *stale) Unwrap() error { return s.error }

// elsewhere is a refusal that says where what the caller wanted is already.
type elsewhere struct {
	error
	location string
}

func (e *elsewhere) Unwrap() error { return e.error }

// fail writes err as a problem document. It is called at most once for a
// request, before anything else was written.
func (s *service) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err, requestID(r.Context()))
	h := w.Header()
	if st, ok := asStale(err); ok {
		if b, err := json.Marshal(st.current); err == nil {
			p.Current = b
		}
		if st.etag != "" {
			h.Set("ETag", st.etag)
		}
	}
	if e, ok := errors.AsType[*elsewhere](err); ok {
		h.Set("Location", e.location)
	}
	if d := fault.From(err).RetryAfter; d > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10))
	}
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="runsheet"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if h.Get("Retry-After") == "" {
			h.Set("Retry-After", "1")
		}
	case http.StatusInsufficientStorage:
		h.Set("Retry-After", "10") // seconds; space does not come by waiting only
	}
	s.note(r.Context(), p, err)
	body, err := marshal(p)
	if err != nil {
		body = []byte(`{"type":"/problems/internal_error","status":500}` + "\n")
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone: nobody is left to tell
	}
}

// note logs what the caller cannot see: internal faults and storage trouble.
func (s *service) note(ctx context.Context, p wire.Problem, err error) {
	if p.Status >= http.StatusInternalServerError && ctx.Err() == nil {
		level := slog.LevelError
		if errors.Is(err, fault.New(fault.StorageFull, "")) {
			level = slog.LevelDebug // who watches the disk says it once, not for each request
		}
		s.log.Log(ctx, level, "request failed",
			slog.String("request_id", p.RequestID), slog.String("code", p.Code), slog.Any("error", err))
	}
}
