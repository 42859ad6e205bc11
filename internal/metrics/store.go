package metrics

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// Store wraps a store so that everything which passes is counted and timed. The
// result behaves as s does.
func (m *Metrics) Store(s store.Store) store.Store {
	s = m.timed(s)
	s.Jobs, s.Queue = countedJobs{s.Jobs, m}, countedQueue{s.Queue, m}
	s.Direct = countedDirect{s.Direct, m}
	s.Schedules = countedSchedules{s.Schedules, m}
	return s
}

// begin starts the time of one operation. The returned function ends it.
func (m *Metrics) begin(role, method string) func(errs ...error) {
	start := m.clock.Now()
	return func(errs ...error) {
		m.storeSeconds.WithLabelValues(role, method).Observe(m.clock.Now().Sub(start).Seconds())
		for _, err := range errs {
			code := codeOf(err)
			if code == "" {
				continue
			}
			m.storeErrors.WithLabelValues(role, method, code).Inc()
			if code == string(fault.StaleLease) && (role == "runs" || role == "artifacts") { // and Finish, see countedJobs
				m.fenced.WithLabelValues(method).Inc()
			}
		}
	}
}

// codeOf is the label of an error, "" for what is none.
func codeOf(err error) string {
	var again *store.Replay
	switch {
	case err == nil, errors.As(err, &again): // the stored answer of an earlier request
		return ""
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline"
	}
	return string(fault.From(err).Code)
}

// countedJobs and countedQueue count what claims start and how attempts end.
type countedJobs struct {
	store.Jobs
	m *Metrics
}

type countedQueue struct {
	store.Queue
	m *Metrics
}

func (c countedJobs) Claim(ctx context.Context, p store.ClaimJobs) (store.Claims, error) {
	out, err := c.Jobs.Claim(ctx, p)
	c.m.countClaim(out, err)
	return out, err
}

func (c countedQueue) Await(ctx context.Context, p store.ClaimJobs, wait store.Waiting) (store.Claims, bool, error) {
	out, rode, err := c.Queue.Await(ctx, p, wait)
	if rode {
		c.m.countClaim(out, err)
	}
	return out, rode, err
}

func (m *Metrics) countClaim(out store.Claims, err error) {
	switch {
	case err != nil:
		m.claims.WithLabelValues("error").Inc()
	case len(out.Started)+len(out.Direct) == 0:
		m.claims.WithLabelValues("nothing").Inc()
	default:
		m.claims.WithLabelValues("started").Inc()
	}
	for _, s := range out.Started {
		kind := m.jobType(s.Job.Type)
		m.starts.WithLabelValues(kind).Inc()
		m.queueWait.WithLabelValues(kind).Observe(s.Run.QueueWait().Seconds())
	}
	for _, d := range out.Direct {
		kind := m.jobType(d.Run.JobType)
		m.starts.WithLabelValues(kind).Inc()
		m.queueWait.WithLabelValues(kind).Observe(d.Run.QueueWait().Seconds())
	}
}

func (c countedJobs) Finish(ctx context.Context, items []store.Finish) []error {
	errs := c.Jobs.Finish(ctx, items)
	for i, it := range items {
		switch {
		case errs[i] == nil:
			c.m.ended(it)
		case fault.Is(errs[i], fault.StaleLease) && !rescues(it):
			c.m.fenced.WithLabelValues("finish").Inc()
		}
	}
	return errs
}

// rescues reports whether an attempt is ended because its server was lost. Of
// several instances that try to, all but the first are refused: nobody's work is.
func rescues(f store.Finish) bool {
	if f.Run.After.State != run.Failed {
		return false
	}
	why := f.Run.After.Failure
	return f.Job.After.Crashes > f.Job.Before.Crashes || why.Message == job.InterruptedMessage || why.Code == job.CodeOutcomeUnknown
}

// ended counts one attempt whose end is stored.
func (m *Metrics) ended(f store.Finish) {
	before, after, r := f.Job.Before, f.Job.After, f.Run.After
	kind := m.jobType(before.Type)
	m.runs.WithLabelValues(kind, string(r.State)).Inc()
	m.runSeconds.WithLabelValues(kind, string(r.State)).Observe(r.Duration().Seconds())
	switch {
	case after.State.Terminal():
		m.finished.WithLabelValues(kind, string(after.State)).Inc()
	case after.Failures > before.Failures:
		m.retries.WithLabelValues(kind).Inc()
	}
	if r.State != run.Failed {
		return
	}
	switch {
	case rescues(f):
		m.interrupted.WithLabelValues(kind, "crash").Inc()
	case r.Failure.Code == job.CodeInterrupted:
		m.interrupted.WithLabelValues(kind, "stop").Inc()
	}
}

// countedDirect counts how direct requests start and end, as attempts are.
type countedDirect struct {
	store.Direct
	m *Metrics
}

func (c countedDirect) Finish(ctx context.Context, items []run.Change) []error {
	errs := c.Direct.Finish(ctx, items)
	for i, it := range items {
		if errs[i] != nil {
			continue
		}
		kind := c.m.jobType(it.After.JobType)
		c.m.runs.WithLabelValues(kind, string(it.After.State)).Inc()
		c.m.runSeconds.WithLabelValues(kind, string(it.After.State)).Observe(it.After.Duration().Seconds())
	}
	return errs
}

// Direct counts what became of a direct request; outcome is one of those that
// names.go lists.
func (m *Metrics) Direct(outcome string) { m.direct.WithLabelValues(outcome).Inc() }

// Batch counts one transaction of SQLite's writer.
func (m *Metrics) Batch(requests int) { m.batch.Observe(float64(requests)) }

// PutBlob is blob.Store's Put.
type PutBlob func(ctx context.Context, r io.Reader, reserve blob.Reserve) (sum string, size int64, err error)

// PutBlob wraps the storing of artifacts.
func (m *Metrics) PutBlob(put PutBlob) PutBlob {
	return func(ctx context.Context, r io.Reader, reserve blob.Reserve) (string, int64, error) {
		sum, size, err := put(ctx, r, reserve)
		if err != nil {
			m.puts.WithLabelValues("error").Inc()
			return sum, size, err
		}
		m.puts.WithLabelValues("ok").Inc()
		m.putBytes.Add(float64(size))
		return sum, size, nil
	}
}

// Begin counts a request that has arrived.
func (m *Metrics) Begin() { m.inFlight.Inc() }

// End counts a request that is over. route is the pattern that served it, "" =
// none did; status 0 means that the answer was broken off.
func (m *Metrics) End(route, method string, status int, sent int64, took time.Duration) {
	m.inFlight.Dec()
	if route == "" {
		route = "none"
	}
	method = methodLabel(method)
	m.requests.WithLabelValues(route, method, class(status)).Inc()
	m.requestSeconds.WithLabelValues(route, method).Observe(took.Seconds())
	m.sentBytes.Add(float64(sent))
}

// Refuse counts a request that was turned away; reason is one of those that
// names.go lists.
func (m *Metrics) Refuse(reason string) { m.refused.WithLabelValues(reason).Inc() }

func methodLabel(s string) string {
	switch s {
	case "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD":
		return s
	}
	return "other"
}

func class(status int) string {
	switch {
	case status >= 500:
		return "5xx"
	case status >= 400:
		return "4xx"
	case status >= 300:
		return "3xx"
	case status >= 100:
		return "2xx"
	}
	return "cut"
}
