package api

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/guard"
	"github.com/runsheet/runsheet/internal/api/strict"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// DirectRoute is a route whose requests take the next free slot and are answered
// with the result.
type DirectRoute struct {
	// Kind is the type of a task.Direct.
	Kind string
	// ID, Path, Summary and Doc are those of the operation; the method is POST.
	ID, Path, Summary, Doc string
	// Body is a zero value of the request body's type. Its JSON is what the task
	// gets as params.
	Body any
	// Answer is a zero value of the answer's type, which has the fields of
	// wire.DirectAnswer and those that the task returns. It is for the document only.
	Answer any
}

// Lane does direct requests; a *queue.Engine is one.
type Lane interface {
	Direct(ctx context.Context, r queue.DirectRequest) (queue.DirectAnswer, error)
}

const directDoc = `Waits for the next free slot, before every queued job, and answers with the result. Nothing is interrupted for it.
With Accept: text/event-stream the answer is a stream of the events queued, started, token and result, or error with a problem as data. ` +
	`Neither the request nor its result is stored, but for the artifacts. A repetition with the same Idempotency-Key gets the status and run_id of the first ` +
	`and the text from its artifact.`

func (s *service) directRoutes() []operation {
	var out []operation
	for _, d := range s.Direct {
		out = append(out, operation{
			ID: d.ID, Method: http.MethodPost, Path: d.Path, Scope: access.JobsWrite, Tag: "direct", Summary: d.Summary,
			Doc: strings.TrimSpace(d.Doc + "\n\n" + directDoc), Body: d.Body, Private: true,
			Query: []param{enumParam("on_disconnect", "what becomes of running work when the caller goes; finish is what happens without it", "finish", "cancel")},
			Answers: []answer{{
				Status: http.StatusOK, Doc: "the result", Body: d.Answer, Media: []string{"text/event-stream"},
				Frames: []any{wire.DirectQueued{}, wire.DirectStarted{}, wire.DirectToken{}, d.Answer, wire.Problem{}},
			}},
			Faults: []fault.Code{
				fault.NotFound, fault.WrongIDType, fault.DirectiveArchived, fault.SourceNotAllowed, fault.BudgetSpent, fault.DirectLaneFull, fault.DirectWaitTimeout, fault.DirectFailed, fault.DirectGone, fault.ShuttingDown, fault.StorageFull,
			},
			Stream: func(w http.ResponseWriter, r *request) error { return s.direct(w, r, d.Kind) },
		})
	}
	return out
}

// isDirect reports whether a path, with or without a slash at its end, is that of a
// direct route.
func (s *service) isDirect(p string) bool {
	return slices.ContainsFunc(s.Direct, func(d DirectRoute) bool { return d.Path == strings.TrimSuffix(p, "/") })
}

// directTries is how often a request is begun anew whose key changes hands.
const directTries = 3

// direct answers one direct request.
func (s *service) direct(w http.ResponseWriter, r *request, name string) error {
	if err := r.principal.RequireTemplate(""); err != nil {
		return err
	}
	kind, err := s.Tasks.Direct(name)
	if err != nil {
		return err
	}
	if s.Lane == nil {
		return fault.New(fault.ShuttingDown, "this server does no work")
	}
	out := &directSender{s: s, w: w, r: r, sse: strings.Contains(r.Header.Get("Accept"), "text/event-stream")}
	for range directTries {
		if r.earlier != nil {
			// Before anything that may have changed since is looked at.
			done, err := s.repeatDirect(r, kind, out)
			if err != nil || done {
				return err
			}
		}
		req, err := s.directRequest(r, kind)
		if err != nil {
			return err
		}
		r.hold.Free()
		// It lasts: it has a bound of its own and must not use up that of requests.
		if err = guard.Last(r.Context()); err != nil {
			return err
		}
		err = s.directOnce(r, req, out)
		again, known := errors.AsType[*store.Replay](err)
		if !known {
			return err
		}
		r.earlier = again
	}
	return fault.New(fault.IdempotencyInFlight, "other requests with this Idempotency-Key come and go")
}

// directRequest checks the body as the task wants it.
func (s *service) directRequest(r *request, kind task.Direct) (queue.DirectRequest, error) {
	none := queue.DirectRequest{}
	doc, params, name, err := directParams(r, kind)
	if err != nil {
		return none, err
	}
	if err := s.schemas.params[kind.Type()].Check(doc, ""); err != nil {
		return none, err
	}
	if special, ok := kind.(task.Privileged); ok && !r.principal.May(access.TemplatesWrite) {
		given, _ := doc.(map[string]any)
		for _, name := range special.Privileged() {
			if _, set := given[name]; set {
				return none, fault.From(r.principal.Require(access.TemplatesWrite)).
					At("/"+name, "forbidden", "decides what runs or where data goes")
			}
		}
	}
	if err := mayCite(r.principal, kind, params, ""); err != nil {
		return none, err
	}
	var d directive.Directive
	if name != "" {
		if d, err = s.namedDirective(r, name, ""); err != nil {
			return none, err
		}
	}
	if params, err = guide(kind, params, d, ""); err != nil {
		return none, s.refused(r, err, kind.Type(), bound(d), true)
	}
	req := s.laneRequest(r, kind)
	req.Params, req.Directive = params, bound(d)
	return req, kind.Check(params)
}

// directParams are the body without the directive that it may name, as a document
// and as text, and what it names that directive by; "" = it names none.
func directParams(r *request, kind task.Direct) (any, json.RawMessage, string, error) {
	doc, err := strict.Parse(r.body)
	if err != nil {
		return nil, nil, "", err
	}
	given, object := doc.(map[string]any)
	named, there := given["directive_id"]
	if _, guided := kind.(task.Guided); !object || !guided || !there {
		return doc, r.body, "", nil
	}
	name, ok := named.(string)
	if !ok || name == "" || utf8.RuneCountInString(name) > maxDirectiveRef {
		return nil, nil, "", fault.New(fault.InvalidInput, "directive_id is the id or the name of a directive").
			At(directivePointer, "wrong_type", "must be a text of 1 to 100 characters")
	}
	delete(given, "directive_id")
	params, err := marshal(given)
	return given, bytes.TrimSpace(params), name, err
}

// maxDirectiveRef bounds what names a directive, in characters.
const maxDirectiveRef = 100

func (s *service) laneRequest(r *request, kind task.Direct) queue.DirectRequest {
	mac := s.keyed()
	_, _ = fmt.Fprintf(mac, "run\x00%s\x00%s\x00", r.tenant(), kind.Type()) // a hash takes everything
	mac.Write(r.body)
	req := queue.DirectRequest{
		Tenant: r.tenant(), Kind: kind.Type(), By: r.principal.Name,
		Digest:             fmt.Appendf(nil, `{"request":"hmac-sha256:%s"}`, hex.EncodeToString(mac.Sum(nil))),
		CancelOnDisconnect: r.query.text("on_disconnect") == "cancel",
	}
	if r.key != nil {
		req.Key = func(runID string) (*store.Key, string) {
			k, location := *r.key, runURL(runID)
			k.Render = func(any) (store.Reply, error) { return store.Reply{Status: http.StatusOK, Location: location}, nil }
			return &k, location
		}
	}
	return req
}

func runURL(runID string) string { return "/api/job-runs/" + runID }

// directOnce does the work and sends its answer.
func (s *service) directOnce(r *request, req queue.DirectRequest, out *directSender) error {
	got, err := out.lane(req)
	if err != nil {
		return out.failed(err)
	}
	// What follows is about work that is done: the caller may have gone.
	ctx := withoutCancel(r.Context())
	body, failure := s.directAnswer(ctx, got.Run, got.Result)
	if r.key != nil {
		status := http.StatusOK
		if failure != nil {
			status = statusOf(fault.From(failure).Code)
		}
		// The body says that the run has ended; its content is nobody's.
		done := store.Reply{Status: status, Location: runURL(got.Run.ID), Body: []byte(`{"run_id":"` + got.Run.ID + `"}`)}
		if err := s.Store.Keys.Complete(ctx, *r.key, done); err != nil {
			s.log.WarnContext(ctx, "cannot store the answer's status of a direct request", "run_id", got.Run.ID, "error", err)
		}
	}
	if failure != nil {
		return out.failed(failure)
	}
	return out.result(body)
}

// directAnswer is what the caller gets for a run that has ended: the answer, or
// the fault that the work ended with.
func (s *service) directAnswer(ctx context.Context, v run.Run, fields json.RawMessage) (map[string]any, error) {
	if v.State == run.Failed {
		return nil, directFault(v)
	}
	arts, err := s.Store.Artifacts.Of(ctx, v.Tenant, v.ID)
	if err != nil {
		return nil, err
	}
	own := map[string]json.RawMessage{}
	if len(fields) > 0 {
		if err := json.Unmarshal(fields, &own); err != nil {
			return nil, errors.New("the fields of an answer are no JSON object") // not with what they are
		}
	}
	out := map[string]any{}
	for k, x := range own {
		out[k] = x
	}
	w := wire.RunOf(v, arts[v.ID])
	if v.State == run.Skipped {
		out["reason"] = v.Reason
	}
	out["success"], out["run_id"], out["artifacts"], out["tokens"] = v.State == run.Completed, v.ID, w.Artifacts, w.Tokens
	out["queue_wait_ms"], out["waited_for"], out["interrupted_jobs"] = w.QueueWaitMs, w.WaitedFor, w.WaitedFor
	return out, nil
}

// directFault is how a run that failed is answered, the first time and each time
// after.
func directFault(v run.Run) error {
	code := fault.Code(v.Failure.Code)
	if code.Entry().Kind == fault.Internal {
		code = fault.DirectFailed
	}
	return fault.Newf(code, "run %s ended with %s: %s", v.ID, v.Failure.Code, v.Failure.Message).WithHint("see " + runURL(v.ID))
}

// repeatDirect answers a repetition. It reports false when nothing was done for
// the first request, so that this one is the first.
func (s *service) repeatDirect(r *request, kind task.Direct, out *directSender) (done bool, err error) {
	first := r.earlier.Reply
	runID := path.Base(first.Location)
	v, err := s.Store.Runs.Run(r.Context(), r.tenant(), runID)
	inFlight := fault.New(fault.IdempotencyInFlight, "the first request with this Idempotency-Key has not been answered yet").WithHint("see " + runURL(runID))
	switch {
	case err == nil && !v.State.Terminal():
		return false, inFlight
	case err == nil:
		return true, s.recallDirect(r, kind, v, out)
	case !fault.Is(err, fault.NotFound):
		return false, err
	case len(first.Body) > 0:
		return false, fault.Newf(fault.DirectGone, "run %s has been removed", runID)
	}
	waiting, err := s.Store.Direct.Waiting(r.Context())
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(waiting, func(d job.Direct) bool { return d.RunID == runID }) {
		return false, inFlight
	}
	// Its server died before the work began.
	_, err = s.Store.Direct.Leave(r.Context(), store.LeaveDirect{RunID: runID, Key: r.key, Location: first.Location})
	return false, err
}

// maxRecalled bounds what an artifact may have to be answered again, in bytes.
const maxRecalled = 16 << 20

func (s *service) recallDirect(r *request, kind task.Direct, v run.Run, out *directSender) error {
	out.w.Header().Set("Idempotency-Replayed", "true")
	var fields json.RawMessage
	if v.State == run.Completed {
		arts, err := s.Store.Artifacts.Of(r.Context(), v.Tenant, v.ID)
		if err != nil {
			return err
		}
		fields, err = kind.Recall(r.Context(), func(name string) (io.ReadCloser, error) { return s.openArtifact(r.Context(), arts[v.ID], name) })
		if fault.Is(err, fault.ArtifactGone) {
			return fault.Wrap(err, fault.DirectGone, "the text of run "+v.ID+" has been removed")
		}
		if err != nil {
			return err
		}
	}
	body, err := s.directAnswer(r.Context(), v, fields)
	if err != nil {
		return err
	}
	return out.result(body)
}

func (s *service) openArtifact(ctx context.Context, arts []run.Artifact, name string) (io.ReadCloser, error) {
	n := slices.IndexFunc(arts, func(a run.Artifact) bool { return a.Name == name })
	if n < 0 || s.Blobs == nil {
		return nil, fault.Newf(fault.ArtifactGone, "there is no artifact %s", name)
	}
	if arts[n].Size > maxRecalled {
		return nil, fault.Newf(fault.ArtifactGone, "artifact %s has %d bytes, too many to be answered again: download it", name, arts[n].Size)
	}
	f, _, err := s.Blobs.Open(ctx, arts[n].SHA256)
	return f, err
}

// keyed returns a hash that tells nothing to those who have not the key.
func (s *service) keyed() hash.Hash { return hmac.New(sha256.New, s.BodyKey) }

// eta is when a direct request behind ahead others may start; nil = unknown. Without
// it a place can be told, too.
func (s *service) eta(ctx context.Context, ahead int) *time.Time {
	e, err := s.forecast.Direct(ctx, ahead)
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "cannot estimate when a direct request starts", "error", err)
	}
	if !e.Known {
		return nil
	}
	at := e.Start.UTC().Truncate(time.Millisecond)
	return &at
}

// DirectRoutes are the routes of direct requests that Runsheet has. They are
// outside of /api, where programs of an earlier time look for them.
func DirectRoutes() []DirectRoute {
	return []DirectRoute{
		{
			Kind: "story", ID: "generate_story", Path: "/story/generate", Summary: "Write a story now",
			Doc:  "With a stream, the tokens are the text of the story as it is written.",
			Body: wire.StoryRequest{}, Answer: wire.StoryAnswer{},
		},
		{
			Kind: "research", ID: "run_research", Path: "/research/run", Summary: "Do research now",
			Doc:  "Sources are read only if the directive allows them.",
			Body: wire.ResearchRequest{}, Answer: wire.ResearchAnswer{},
		},
	}
}
