package api

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// This file shows the queue as a whole.

func (s *service) queueStateRoutes() []operation {
	status := []answer{{Status: http.StatusOK, Doc: "the state", Body: wire.Scheduler{}}}
	return []operation{
		{
			ID: "get_queue", Method: http.MethodGet, Path: "/api/queue", Scope: access.JobsRead, Tag: "queue", Summary: "Show the queue",
			Doc: "What runs, which direct requests wait, one page of the waiting jobs in the order in which they start, and numbers. The ETag " +
				"is that of the order: it changes only when a person changes the order, so it says nothing of the rest of the answer.",
			Query: pageParams(), Faults: []fault.Code{fault.CursorInvalid},
			Answers: []answer{{Status: http.StatusOK, Doc: "the queue", Body: wire.QueueState{}}}, Handle: s.getQueue,
		},
		{
			ID: "pause_queue", Method: http.MethodPost, Path: "/api/queue/pause", Scope: access.WorkersWrite, Tag: "queue",
			Summary: "Finish what runs, start nothing", Doc: "The same as POST /api/scheduler/pause.",
			Body: wire.Reason{}, BodyOptional: true, Answers: status, Handle: s.pauseScheduler,
		},
		{
			ID: "resume_queue", Method: http.MethodPost, Path: "/api/queue/resume", Scope: access.WorkersWrite, Tag: "queue",
			Summary: "Start jobs again", Doc: "The same as POST /api/scheduler/resume.", Answers: status, Handle: s.resumeScheduler,
		},
	}
}

func (s *service) getQueue(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	v, err := s.queueState(r, c.jobMark(), r.query.limit())
	return reply{Status: http.StatusOK, ETag: etag(v.Revision), Body: v}, err
}

// maxRunning bounds what is shown as running: all slots, with the members of
// groups that share one.
const maxRunning = 8 * store.MaxWorkers

// queueState reads the queue with one page of the waiting jobs.
func (s *service) queueState(r *request, after *store.JobMark, limit int) (wire.QueueState, error) {
	out := wire.QueueState{Running: []wire.RunningJob{}, Direct: []wire.WaitingDirect{}, Groups: []wire.QueueGroup{}}
	seq, err := s.seq(r.Context())
	if err != nil {
		return out, err
	}
	out.Seq = seq
	page, sit, err := s.queuePage(r, after, limit)
	if err != nil {
		return out, err
	}
	if len(page.Jobs) > 0 || len(sit.Snapshot.Running) > 0 {
		s.foresee(r.Context())
	}
	out.Queued.Items = make([]wire.Job, 0, len(page.Jobs))
	why := claim.NewExplainer(sit.Snapshot)
	for _, j := range page.Jobs {
		out.Queued.Items = append(out.Queued.Items, s.explained(why, j, sit.Positions[j.ID]))
	}
	if n := len(page.Jobs); n > 0 {
		last := page.Jobs[n-1]
		out.Queued.NextCursor = r.next(page.More, cursor{ID: last.ID, Rank: string(last.Rank), AtMs: clock.Millis(last.CreatedAt)})
	}
	set := sit.Settings
	out.Revision, out.Workers, out.Paused = set.Revision, set.Workers, set.Paused
	var pause wire.Scheduler
	showPause(r, &pause, set)
	out.PausedBy, out.PausedReason = pause.PausedBy, pause.PausedReason
	for i, d := range sit.Snapshot.Direct {
		if d.Tenant == r.tenant() {
			out.Direct = append(out.Direct, waitingDirect(d, i, sit.Snapshot.Rules))
		}
	}
	running, err := s.runningJobs(r, &out)
	if err != nil {
		return out, err
	}
	s.detail(&out, sit.Snapshot)
	if err := s.drained(r, &out); err != nil {
		return out, err
	}
	if err := s.groupsOf(r, &out, slices.Concat(running, page.Jobs), sit.Positions); err != nil {
		return out, err
	}
	numbers, err := s.statistics(r)
	out.Statistics = wire.QueueStatisticsOf(numbers)
	return out, err
}

// queuePage reads waiting jobs and what is known around them. Its revision is not
// newer than the page, so that a change that relies on it cannot rely on an order
// that nobody has seen.
func (s *service) queuePage(r *request, after *store.JobMark, limit int) (store.JobPage, store.Situation, error) {
	set, err := s.Store.Queue.Settings(r.Context())
	if err != nil {
		return store.JobPage{}, store.Situation{}, err
	}
	for i := 1; ; i++ {
		page, err := s.Store.Jobs.List(r.Context(), store.ListJobs{
			Tenant: r.tenant(), States: []job.State{job.Queued}, Sort: store.SortQueue, After: after, Limit: limit,
		})
		if err != nil {
			return page, store.Situation{}, err
		}
		sit, err := s.Store.Jobs.Situation(r.Context(), page.Jobs)
		if err != nil || sit.Settings.Revision == set.Revision {
			return page, sit, err
		}
		if i == tries {
			sit.Settings.Revision = set.Revision
			return page, sit, nil
		}
		set = sit.Settings
	}
}

// runningJobs writes into out what runs, and returns its jobs.
func (s *service) runningJobs(r *request, out *wire.QueueState) ([]job.Job, error) {
	runs, err := s.Store.Runs.List(r.Context(), store.ListRuns{
		Tenant: r.tenant(), States: []run.State{run.Active}, InWork: true, Ascending: true, Limit: maxRunning,
	})
	if err != nil || len(runs.Runs) == 0 {
		return nil, err
	}
	jobs, err := s.Store.Jobs.List(r.Context(), store.ListJobs{
		Tenant: r.tenant(), States: []job.State{job.Running}, Sort: store.SortCreated, Limit: maxRunning,
	})
	if err != nil {
		return nil, err
	}
	by := map[string]job.Job{}
	for _, j := range jobs.Jobs {
		by[j.ID] = j
	}
	for _, v := range runs.Runs {
		out.Running = append(out.Running, wire.RunningJobOf(v, by[v.JobID]))
	}
	return jobs.Jobs, nil
}

// groupsOf writes into out the groups of jobs, in the order in which they come.
func (s *service) groupsOf(r *request, out *wire.QueueState, jobs []job.Job, positions map[string]int) error {
	seen := map[string]bool{"": true}
	for _, j := range jobs {
		if seen[j.GroupID] {
			continue
		}
		seen[j.GroupID] = true
		g, err := s.Store.Groups.Group(r.Context(), r.tenant(), j.GroupID)
		if fault.Is(err, fault.NotFound) {
			continue // removed at this moment
		}
		if err != nil {
			return err
		}
		var at *int
		if n, ok := positions[j.ID]; ok {
			at = &n
		}
		out.Groups = append(out.Groups, wire.QueueGroupOf(g, at))
	}
	return nil
}

// numbers keeps statistics of each tenant for as long as they are worth: they
// are made anew when twenty times what that takes has passed, so that a small
// queue's are always fresh and a huge one's cost little.
type numbers struct {
	mu sync.Mutex
	of map[string]kept
}

type kept struct {
	store.Statistics
	day   time.Time
	until time.Time
	// made: somebody makes them anew.
	made bool
}

const (
	keepFactor = 20
	keepMost   = time.Minute
	// latestStarts is how many starts the average wait is made of.
	latestStarts = 100
)

// statistics are those of the caller's tenant, for today in the installation's
// time zone. While one request makes them anew, others get the old ones.
func (s *service) statistics(r *request) (store.Statistics, error) {
	now := s.Clock.Now()
	local := now.In(s.Zone)
	day := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, s.Zone)
	old, fresh := s.numbers.look(r.tenant(), day, now)
	if fresh {
		return old, nil
	}
	made := false
	defer func() {
		if !made {
			s.numbers.drop(r.tenant())
		}
	}()
	v, err := s.Store.Jobs.Statistics(r.Context(), store.AskStatistics{Tenant: r.tenant(), Since: day, Starts: latestStarts})
	if err != nil {
		return v, err
	}
	after := s.Clock.Now()
	s.numbers.keep(r.tenant(), kept{Statistics: v, day: day, until: after.Add(min(keepFactor*after.Sub(now), keepMost))})
	made = true
	return v, nil
}

// look returns what is kept of a tenant. fresh is false when the caller has to
// make it anew, and then to call keep or drop.
func (n *numbers) look(tenant string, day, now time.Time) (v store.Statistics, fresh bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	k, ok := n.of[tenant]
	if ok && k.day.Equal(day) && (k.made || now.Before(k.until)) {
		return k.Statistics, true
	}
	k.made = ok && k.day.Equal(day) // without old numbers nobody can wait with those
	n.of[tenant] = k
	return v, false
}

func (n *numbers) keep(tenant string, k kept) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.of[tenant] = k
}

func (n *numbers) drop(tenant string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.of, tenant)
}

// seq is a position in the log of events that is not newer than what is read from
// now on: who follows events since it misses nothing.
func (s *service) seq(ctx context.Context) (int64, error) {
	r, err := s.Store.Events.Range(ctx)
	return r.Last, err
}

// waitingDirect shows a direct request that waits behind ahead others.
func waitingDirect(d job.Direct, ahead int, rules job.Rules) wire.WaitingDirect {
	out := wire.WaitingDirect{
		RunID: d.RunID, Kind: d.Kind, Position: ahead, Locks: append([]string{}, d.Locks...), CreatedBy: d.CreatedBy, WaitingSince: d.Since.UTC(),
	}
	if rules.DirectTimeout > 0 && !d.Since.IsZero() {
		out.Deadline = new(d.Since.Add(rules.DirectTimeout).UTC())
	}
	return out
}

// detail adds to what runs which locks it holds and how long such runs take.
func (s *service) detail(out *wire.QueueState, snap job.Snapshot) {
	held := map[string][]string{}
	for name, holders := range snap.Held {
		for _, h := range holders {
			if h.RunID != "" {
				held[h.RunID] = append(held[h.RunID], name)
			}
		}
	}
	for i := range out.Running {
		v := &out.Running[i]
		v.Locks = union(held[v.RunID])
		if v.Locks == nil {
			v.Locks = []string{}
		}
		template := ""
		if v.TemplateID != nil {
			template = *v.TemplateID
		}
		if span := s.forecast.Typical(v.JobType, template); span.Count > 0 {
			v.TypicalMs = new(span.Median.Milliseconds())
		}
	}
}

// drained estimates when the last waiting job starts: when one would that was added
// now. What other tenants have in the queue counts.
func (s *service) drained(r *request, out *wire.QueueState) error {
	// Held jobs do not count; behind a whole page of them there may be others.
	if out.Queued.NextCursor == nil && !slices.ContainsFunc(out.Queued.Items, func(j wire.Job) bool { return !j.Hold }) {
		return nil
	}
	places, err := s.Store.Order.Places(r.Context())
	if err != nil {
		return err
	}
	e := s.forecast.Of(job.Job{}, places)
	if !e.Known {
		return nil
	}
	out.DrainedAt, out.Drained = new(e.Start.UTC()), &wire.StartRange{From: e.From.UTC(), To: e.To.UTC()}
	return nil
}

// overviewCap bounds how many restored jobs are counted.
const overviewCap = 10_000

// getOverview is one answer for the frame of every page.
func (s *service) getOverview(r *request) (reply, error) {
	seq, err := s.seq(r.Context())
	if err != nil {
		return reply{}, err
	}
	set, err := s.Store.Queue.Settings(r.Context())
	if err != nil {
		return reply{}, err
	}
	numbers, err := s.statistics(r)
	if err != nil {
		return reply{}, err
	}
	var pause wire.Scheduler
	showPause(r, &pause, set)
	out := wire.Overview{
		Seq: seq, Time: s.Clock.Now().UTC().Truncate(time.Millisecond), Version: s.Version, StartedAt: s.started.UTC().Truncate(time.Millisecond),
		Paused: set.Paused, PausedBy: pause.PausedBy, PausedReason: pause.PausedReason, Workers: set.Workers,
		Queued: numbers.Queued, Running: numbers.Running, FailedToday: numbers.Failed,
	}
	return s.overviewOf(r, out)
}
