package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/guard"
	"github.com/runsheet/runsheet/internal/api/strict"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

// MaxBody is the largest request body, in bytes.
const MaxBody = 1 << 20

// request is what a handler gets: everything in it was checked.
type request struct {
	*http.Request
	principal access.Principal
	redeemed  access.Credential // what a ticket stood for
	op        *operation
	query     query
	// body is the JSON text of the request, nil when there was none.
	body []byte
	// media is the content type of a body that is not JSON, "" otherwise.
	media string
	// key is nil without an Idempotency-Key.
	key *store.Key
	// earlier is what is known of an earlier request with the key, if the operation
	// is private; nil = there was none.
	earlier *store.Replay
	// wait is how long the caller wants to wait for a job's end; 0 = not at all.
	wait time.Duration
	// ifMatch is the set of ETags that the caller insists on; nil = none.
	ifMatch []string
	hold    guard.Hold
}

func (r *request) tenant() string { return r.principal.Tenant }

// id returns the path parameter, which must be an id of kind k.
func (r *request) id(name string, k id.Kind) (string, error) {
	v := r.PathValue(name)
	if err := id.Check(k, v); err != nil {
		return "", fault.From(err).At("path/"+name, string(fault.WrongIDType), fault.From(err).Detail)
	}
	return v, nil
}

// decode reads the body into v, which must be a pointer to the operation's
// body type. The body met the schema, so what fails here is finer than that.
func (r *request) decode(v any) error {
	if r.body == nil {
		return nil
	}
	return strict.Decode(r.body, v)
}

// reply is a finished answer.
type reply struct {
	Status   int
	Location string
	ETag     string
	Body     any
	// Cookie is set in the caller's browser; nil = none.
	Cookie *http.Cookie
	// Waited is set when a Prefer: wait was honoured.
	Waited bool
}

// call runs one operation: who asks, whether they may, what they ask, whether
// they asked before, and then the handler.
func (s *service) call(w http.ResponseWriter, hr *http.Request, op *operation) {
	r := &request{Request: hr, op: op}
	defer r.hold.Free()
	deprecate(w.Header(), r)
	if err := s.admit(w, r); err != nil {
		s.finish(w, r, reply{}, err)
		return
	}
	if op.Stream != nil {
		if err := op.Stream(w, r); err != nil {
			s.fail(w, hr, err)
		}
		return
	}
	out, err := op.Handle(r)
	s.finish(w, r, out, err)
}

func (s *service) admit(w http.ResponseWriter, r *request) error {
	var err error
	if !r.op.Public {
		if err = s.redeem(r); err != nil {
			return err
		}
		if r.principal, err = s.caller(r); err != nil {
			return err
		}
		if r.op.Tag == legacyTag {
			s.Tally.Count(r.tenant(), r.principal.Name, r.op.ID)
		}
		if err = r.principal.Require(r.op.Scope); err != nil {
			return err
		}
		w.Header().Set("Cache-Control", "no-store")
		if r.query, err = parseQuery(r.URL.RawQuery, r.op.Query); err != nil {
			return err
		}
	}
	if r.op.Public && r.Method == http.MethodPost { // log in, set up
		w.Header().Set("Cache-Control", "no-store")
		if _, err = parseQuery(r.URL.RawQuery, nil); err != nil {
			return err
		}
	}
	if err = s.headers(r); err != nil {
		return err
	}
	if r.body, err = s.readBody(w, r); err != nil {
		return err
	}
	if err = s.beginKey(r); err != nil {
		return err
	}
	if r.wait > 0 {
		return guard.Last(r.Context())
	}
	return nil
}

// finish writes what the handler returned.
func (s *service) finish(w http.ResponseWriter, r *request, out reply, err error) {
	if again, ok := errors.AsType[*store.Replay](err); ok {
		w.Header().Set("Idempotency-Replayed", "true")
		s.send(w, r.Request, again.Reply)
		return
	}
	if err != nil {
		s.fail(w, r.Request, err)
		return
	}
	if out.Waited {
		w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(r.wait/time.Second)))
	}
	enc, err := encode(out)
	if err != nil {
		s.fail(w, r.Request, err)
		return
	}
	if out.Cookie != nil {
		http.SetCookie(w, out.Cookie)
	}
	s.send(w, r.Request, enc)
}

func (s *service) send(w http.ResponseWriter, r *http.Request, out store.Reply) {
	h := w.Header()
	if out.Location != "" {
		h.Set("Location", out.Location)
	}
	if out.ETag != "" {
		h.Set("ETag", out.ETag)
	}
	if len(out.Body) > 0 {
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", strconv.Itoa(len(out.Body)))
	}
	w.WriteHeader(out.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(out.Body) // the client is gone: nobody is left to tell
	}
}

// encode makes the bytes of an answer, which are also what a repetition gets.
func encode(out reply) (store.Reply, error) {
	e := store.Reply{Status: out.Status, Location: out.Location, ETag: out.ETag}
	if out.Body == nil {
		return e, nil
	}
	var err error
	e.Body, err = marshal(out.Body)
	return e, err
}

// marshal writes JSON as people expect it, with < and & as they are: no answer
// is ever read as HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// redeem exchanges the ticket in the URL of an operation that takes one for the
// credential that it stands for. That happens once for a request.
func (s *service) redeem(r *request) (err error) {
	if ticket := r.URL.Query().Get("ticket"); r.op.Ticket && ticket != "" {
		r.redeemed, err = s.Identity.Redeem(ticket)
	}
	return err
}

// caller finds who makes the request, or, later, who holds it open.
func (s *service) caller(r *request) (access.Principal, error) {
	if r.redeemed != (access.Credential{}) {
		return s.Identity.Authenticate(r.Context(), r.redeemed)
	}
	return s.authenticate(r.Request)
}

// authenticate finds who makes the request: the holder of a bearer token, or of
// a session's cookie.
func (s *service) authenticate(r *http.Request) (access.Principal, error) {
	given := r.Header.Values("Authorization")
	if len(given) == 0 {
		return s.bySession(r)
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || len(given) > 1 {
		return access.Principal{}, fault.New(fault.Unauthorized, "the Authorization header must be: Bearer <token>")
	}
	return s.Identity.Authenticate(r.Context(), access.Credential{Token: strings.TrimSpace(token)})
}

// maxWait bounds Prefer: wait.
const maxWait = 300 * time.Second

func (s *service) headers(r *request) error {
	if r.op.Waits {
		for _, v := range r.Header.Values("Prefer") {
			for pref := range strings.SplitSeq(v, ",") {
				name, value, _ := strings.Cut(strings.TrimSpace(pref), "=")
				if !strings.EqualFold(strings.TrimSpace(name), "wait") {
					continue // RFC 7240: an unknown preference is ignored
				}
				n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
				if err != nil {
					return fault.New(fault.InvalidHeader, "Prefer: wait needs a whole number of seconds").
						At("header/Prefer", "wrong_type", "must be wait=N, N in seconds")
				}
				r.wait = min(time.Duration(n)*time.Second, maxWait)
			}
		}
	}
	if r.op.Matches {
		for _, v := range r.Header.Values("If-Match") {
			for tag := range strings.SplitSeq(v, ",") {
				r.ifMatch = append(r.ifMatch, strings.TrimSpace(tag))
			}
		}
	}
	return nil
}

// readBody reads and checks the body: type, size, form, and, unless it is a
// patch, the schema.
func (s *service) readBody(w http.ResponseWriter, r *request) ([]byte, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodDelete {
		return nil, nil
	}
	tooLarge := fault.Newf(fault.BodyTooLarge, "a body may have at most %d bytes", MaxBody)
	if r.ContentLength > MaxBody {
		w.Header().Set("Connection", "close")
		return nil, tooLarge
	}
	b, err := s.bodies.Read(r.Context(), &r.hold, http.MaxBytesReader(w, r.Request.Body, MaxBody), r.ContentLength)
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge
	case fault.Is(err, fault.TooManyRequests):
		w.Header().Set("Connection", "close")
		return nil, err
	case err != nil:
		return nil, fault.Wrap(err, fault.MalformedBody, "the body ended early")
	case len(b) == 0 && (r.op.Body == nil || r.op.BodyOptional):
		return nil, nil
	}
	if err := checkMedia(r); err != nil {
		return nil, err
	}
	if r.media != "" {
		return b, nil
	}
	doc, err := strict.Parse(b)
	if err != nil {
		return nil, err
	}
	if r.op.Patch {
		if _, ok := doc.(map[string]any); !ok {
			return nil, fault.New(fault.InvalidInput, "a merge patch must be an object").At("", "wrong_type", "must be an object")
		}
		return b, nil
	}
	if list, ok := doc.([]any); ok && r.op.Many > 0 {
		return b, r.op.advise(s.schemas.checkEach(r.op, list))
	}
	return b, r.op.advise(s.schemas.check(r.op.Body, doc))
}

// advise adds the operation's hint to a fault of a body with an unknown field.
func (op *operation) advise(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || op.Hint == "" || !slices.ContainsFunc(f.Fields, func(x fault.Field) bool { return x.Code == "unknown" }) {
		return err
	}
	return f.WithHint(op.Hint)
}

func checkMedia(r *request) error {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	if err == nil && slices.Contains(r.op.Media, media) && (charset == "" || strings.EqualFold(charset, "utf-8")) && len(r.Header.Values("Content-Encoding")) == 0 {
		r.media = media
		return nil
	}
	ok := err == nil && (media == "application/json" || r.op.Patch && media == "application/merge-patch+json") &&
		(charset == "" || strings.EqualFold(charset, "utf-8"))
	if !ok || len(r.Header.Values("Content-Encoding")) > 0 {
		return fault.Newf(fault.UnsupportedMediaType, "the body must be application/json in UTF-8, not %q", clip(r.Header.Get("Content-Type"))).
			At("header/Content-Type", "unsupported", "must be application/json")
	}
	return nil
}

// match returns nil when the caller's If-Match, if any, names etag.
func (r *request) match(etag string, current any) error {
	if r.ifMatch == nil {
		return nil
	}
	for _, tag := range r.ifMatch {
		if tag == "*" || tag == etag {
			return nil
		}
	}
	return &stale{
		error:   fault.Newf(fault.VersionMismatch, "the object has the ETag %s now", etag).At("header/If-Match", "mismatch", "is not the current ETag"),
		current: current, etag: etag,
	}
}

func asStale(err error) (*stale, bool) {
	var st *stale
	ok := errors.As(err, &st)
	return st, ok
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

type contextKey int

const requestIDKey contextKey = iota

func requestID(ctx context.Context) string {
	s, _ := ctx.Value(requestIDKey).(string)
	return s
}
