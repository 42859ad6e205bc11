package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/api/guard"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// legacyShow makes the answer to a new job.
type legacyShow func(snap job.Snapshot, j job.Job, position int) reply

// legacyAdd returns a handler that puts one job into the queue.
func (s *service) legacyAdd(status int, show legacyShow) func(*request) (reply, error) {
	return func(r *request) (reply, error) {
		var in wire.LegacyJobInput
		if err := r.decode(&in); err != nil {
			return reply{}, err
		}
		if in.GroupID != "" && in.Position != nil {
			return reply{}, fault.New(fault.InvalidInput, "a member of a group has no place of its own").
				At("/position", "one_of", "give either this or group_id").At("/group_id", "one_of", "give either this or position")
		}
		j, err := s.compose(r, in.Job())
		if err != nil {
			return reply{}, err
		}
		now := s.now()
		j.ID, j.CreatedAt, j.QueuedAt = id.New(id.Job, now), now, now
		sit, err := s.Store.Jobs.Situation(r.Context(), nil)
		if err != nil {
			return reply{}, err
		}
		s.foresee(r.Context())
		answer := func(j job.Job, position int) reply {
			out := show(sit.Snapshot, j, position)
			out.Status = status
			return out
		}
		if in.GroupID != "" {
			return s.legacyAddMember(r, j, in.GroupID, answer)
		}
		p := store.AddJobs{Jobs: []job.Job{j}}
		if in.Position != nil {
			p.Place = &store.Place{Position: *in.Position}
		}
		render := func(added []store.Added) reply { return answer(added[0].Job, added[0].Position) }
		p.Key = keyed(r, render)
		added, err := s.Store.Jobs.Add(r.Context(), p)
		if err != nil {
			return reply{}, err
		}
		return render(added), nil
	}
}

func (s *service) legacyAddMember(r *request, j job.Job, groupID string, answer func(job.Job, int) reply) (reply, error) {
	if err := id.Check(id.Group, groupID); err != nil {
		return reply{}, fault.From(err).At("/group_id", string(fault.WrongIDType), fault.From(err).Detail)
	}
	render := func(a store.GroupAdded) reply { return answer(a.Jobs[0], a.Position) }
	added, err := s.Store.Groups.Add(r.Context(), store.AddMembers{Tenant: r.tenant(), GroupID: groupID, Jobs: []job.Job{j}, Key: keyed(r, render)})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.GroupStarted) {
		f := fault.From(err)
		return reply{}, f.At("/group_id", string(f.Code), f.Detail)
	}
	if err != nil {
		return reply{}, err
	}
	return render(added), nil
}

// legacyQueued shows a new job as the endpoints under /queue do.
func (s *service) legacyQueued(snap job.Snapshot, j job.Job, position int) reply {
	return reply{Location: jobLocation(j), Body: wire.LegacyQueued{
		JobID: j.ID, Status: wire.LegacyJobState(j, s.Clock.Now()).Status, Position: position, EstimatedWait: s.queued(snap, j, position).EstimatedWait,
	}}
}

func (s *service) legacyAddGroup(r *request) (reply, error) {
	var in wire.LegacyGroupInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	now := s.now()
	g := job.Group{
		ID: id.New(id.Group, now), Tenant: r.tenant(), Name: in.Name, Mode: job.Parallel, OnFailure: job.FailureContinue,
		MaxParallel: min(len(in.Jobs), job.DefaultMaxParallel), CreatedBy: r.principal.Name, CreatedAt: now,
	}
	if in.Mode == string(job.Sequential) {
		g.Mode, g.OnFailure, g.MaxParallel = job.Sequential, job.FailureStop, 1
	}
	p := store.AddGroup{Group: g, Priority: job.PriorityNormal}
	for i, one := range in.Jobs {
		j, err := s.compose(r, wire.JobInput{JobType: one.JobType, Params: one.Params})
		if err != nil {
			return reply{}, within(err, "/jobs/"+strconv.Itoa(i))
		}
		j.ID, j.CreatedAt, j.QueuedAt = id.New(id.Job, now), now, now
		p.Jobs = append(p.Jobs, j)
	}
	p.Key = keyed(r, legacyGroupQueued)
	added, err := s.Store.Groups.Create(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	return legacyGroupQueued(added), nil
}

// legacyGroupQueued shows a new group.
func legacyGroupQueued(a store.GroupAdded) reply {
	out := wire.LegacyGroupQueued{GroupID: a.Group.ID, JobIDs: []string{}, Status: wire.LegacyStateOf(string(a.Group.State)).Status, Position: a.Position}
	for _, j := range a.Jobs {
		out.JobIDs = append(out.JobIDs, j.ID)
	}
	return reply{Status: http.StatusCreated, Location: groupLocation(a.Group.ID), Body: out}
}

// legacyPlace changes the order, as PUT /api/queue/order does.
func (s *service) legacyPlace(r *request, p store.PlaceJobs) (store.Placed, error) {
	var err error
	if p.Allow, err = s.maySteerAll(r, p.IDs); err != nil {
		return store.Placed{}, err
	}
	p.Tenant = r.tenant()
	if p.Audit, err = s.record(r, moveChange(p)); err != nil {
		return store.Placed{}, err
	}
	return again(func() (store.Placed, error) {
		p.At = s.now()
		return s.Store.Order.Place(r.Context(), p)
	})
}

// legacyMoveTo moves one job or group to a position, or says why it cannot move.
func (s *service) legacyMoveTo(r *request, what string, position int) (store.Placed, error) {
	done, err := s.legacyPlace(r, store.PlaceJobs{IDs: []string{what}, Place: &store.Place{Position: position}})
	if err != nil || len(done.Moved) > 0 {
		return done, err
	}
	if id.Check(id.Job, what) == nil {
		j, err := s.Store.Jobs.Job(r.Context(), r.tenant(), what)
		if err == nil && j.State.Terminal() {
			return done, fault.Newf(fault.AlreadyFinished, "job %s is %s", j.ID, wire.LegacyStateOf(string(j.State)).Status)
		}
	}
	return done, fault.Newf(fault.AlreadyStarted, "%s has started", what)
}

func (s *service) legacyReorder(r *request) (reply, error) {
	var in wire.LegacyMove
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if err := checkPlaced(in.JobID, "/job_id"); err != nil {
		return reply{}, err
	}
	done, err := s.legacyMoveTo(r, in.JobID, in.NewPosition)
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, Body: wire.LegacyMoved{JobID: in.JobID, OldPosition: done.OldPosition, NewPosition: done.NewPosition}}, nil
}

func (s *service) legacyReorderBulk(r *request) (reply, error) {
	var in wire.LegacyOrder
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	for i, one := range in.Order {
		if err := checkPlaced(one, "/order/"+strconv.Itoa(i)); err != nil {
			return reply{}, err
		}
	}
	done, err := s.legacyPlace(r, store.PlaceJobs{IDs: in.Order})
	if len(in.Order) == 1 && fault.Is(err, fault.NotFound) { // as in a longer list
		done, err = store.Placed{Ignored: in.Order}, nil
	}
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, Body: wire.LegacyOrdered{Reordered: len(done.Moved), Ignored: append([]string{}, done.Ignored...)}}, nil
}

// legacyPage is how many waiting jobs /queue/status shows.
const legacyPage = 1000

func (s *service) legacyQueue(r *request) (reply, error) {
	out := wire.LegacyQueue{Queued: wire.LegacyWaiting{Jobs: []wire.LegacyPlace{}}, PendingDirect: []wire.LegacyDirect{}}
	page, err := s.Store.Jobs.List(r.Context(), store.ListJobs{
		Tenant: r.tenant(), States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: legacyPage,
	})
	if err != nil {
		return reply{}, err
	}
	sit, err := s.Store.Jobs.Situation(r.Context(), page.Jobs)
	if err != nil {
		return reply{}, err
	}
	for _, j := range page.Jobs {
		one := wire.LegacyPlace{JobID: j.ID, JobType: j.Type}
		if at, ok := sit.Positions[j.ID]; ok && !j.GroupActive {
			one.Position = &at
		}
		out.Queued.Jobs = append(out.Queued.Jobs, one)
	}
	for i, d := range sit.Snapshot.Direct {
		if d.Tenant == r.tenant() {
			out.PendingDirect = append(out.PendingDirect, wire.LegacyDirect{RunID: d.RunID, Type: d.Kind, Position: i})
		}
	}
	if out.Running, err = s.legacyRunning(r); err != nil {
		return reply{}, err
	}
	numbers, err := s.statistics(r)
	out.Statistics = wire.LegacyNumbersOf(numbers)
	// The numbers may be some seconds old; a list that is complete is exact.
	if out.Queued.Total = len(page.Jobs); page.More {
		out.Queued.Total = max(numbers.Queued, len(page.Jobs)+1)
	}
	return reply{Status: http.StatusOK, Body: out}, err
}

func (s *service) legacyRunning(r *request) (wire.LegacyRunning, error) {
	out := wire.LegacyRunning{Jobs: []wire.LegacyRunningJob{}, Groups: []wire.LegacyGroup{}}
	runs, err := s.Store.Runs.List(r.Context(), store.ListRuns{
		Tenant: r.tenant(), States: []run.State{run.Active}, InWork: true, Ascending: true, Limit: maxRunning,
	})
	if err != nil {
		return out, err
	}
	for _, v := range runs.Runs {
		if v.JobID == "" { // a direct request, which is no job
			continue
		}
		one := wire.LegacyRunOf(v, nil)
		out.Jobs = append(out.Jobs, wire.LegacyRunningJob{JobID: v.JobID, JobType: v.JobType, StartedAt: one.StartedAt, Progress: one.Progress})
	}
	groups, err := s.Store.Groups.List(r.Context(), store.ListGroups{Tenant: r.tenant(), States: []job.GroupState{job.GroupRunning}, Limit: maxRunning})
	for _, g := range groups.Groups {
		out.Groups = append(out.Groups, wire.LegacyGroupOf(g))
	}
	return out, err
}

// legacyPatience is how long a DELETE of a running job waits for its end: the
// time that a process has between the request to stop and the kill, and a little
// for the end to be recorded.
const legacyPatience = queue.DefaultGrace + 2*time.Second

// legacyCancel cancels the job that the path names and waits, a while, for the end
// of one that runs. It returns the job before and after.
func (s *service) legacyCancel(r *request) (before, after job.Job, err error) {
	after, err = s.move(r, func(j job.Job, now time.Time) (any, error) {
		before = j
		return job.CancelAsked{At: now, By: r.principal.Name}, nil
	}, always(http.StatusOK))
	if err != nil || after.State.Terminal() {
		return before, after, err
	}
	if guard.Last(r.Context()) == nil { // otherwise too many wait; the job was asked to stop all the same
		after, err = s.await(r.Context(), after, legacyPatience)
	}
	if r.Context().Err() != nil {
		err = nil // the caller has gone, or the server stops: tell what is known
	}
	return before, after, err
}

func (s *service) legacyDeleteQueued(r *request) (reply, error) {
	before, after, err := s.legacyCancel(r)
	if err != nil {
		return reply{}, err
	}
	now := s.Clock.Now()
	return reply{Status: http.StatusOK, Body: wire.LegacyCancelled{
		JobID: after.ID, PreviousStatus: wire.LegacyJobState(before, now).Status, NewStatus: wire.LegacyJobState(after, now).Status,
	}}, nil
}

func (s *service) legacyStart(r *request) (reply, error) { return s.legacyPause(r, false) }

func (s *service) legacyStop(r *request) (reply, error) { return s.legacyPause(r, true) }

func (s *service) legacyPause(r *request, stop bool) (reply, error) {
	p := store.Pause{Paused: stop, Tenant: r.tenant(), At: s.Clock.Now()}
	done := change{Action: audit.QueueResumed}
	if stop {
		p.By, p.Reason = r.principal.Name, "POST "+r.op.Path
		done = change{Action: audit.QueuePaused, Detail: map[string]string{"reason": p.Reason}}
	}
	counts, err := s.Store.Jobs.Counts(r.Context(), r.tenant())
	if err != nil {
		return reply{}, err
	}
	if p.Audit, err = s.record(r, done); err != nil {
		return reply{}, err
	}
	render := func(set store.Settings) reply { return reply{Status: http.StatusOK, Body: legacyState(set, counts)} }
	p.Key = keyed(r, render)
	set, err := s.Store.Queue.Pause(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	return render(set), nil
}

func legacyState(set store.Settings, counts map[job.State]int) wire.LegacyScheduler {
	out := wire.LegacyScheduler{
		State: "running", Workers: set.Workers, RunningJobs: counts[job.Running], QueuedJobs: counts[job.Queued], Statistics: wire.LegacyTotalsOf(counts),
	}
	if set.Paused {
		out.State = "stopped"
	}
	return out
}

// legacyNow reads the state of the scheduler.
func (s *service) legacyNow(r *request) (wire.LegacyScheduler, error) {
	set, err := s.Store.Queue.Settings(r.Context())
	if err != nil {
		return wire.LegacyScheduler{}, err
	}
	counts, err := s.Store.Jobs.Counts(r.Context(), r.tenant())
	return legacyState(set, counts), err
}

func (s *service) legacyScheduler(r *request) (reply, error) {
	v, err := s.legacyNow(r)
	return reply{Status: http.StatusOK, Body: v}, err
}

func (s *service) legacyMetrics(r *request) (reply, error) {
	v, err := s.legacyNow(r)
	if err != nil {
		return reply{}, err
	}
	numbers, err := s.statistics(r)
	today := wire.LegacyNumbersOf(numbers)
	return reply{Status: http.StatusOK, Body: wire.LegacyMetrics{
		State: v.State, Workers: v.Workers, RunningJobs: v.RunningJobs, QueuedJobs: v.QueuedJobs, Statistics: v.Statistics,
		CompletedToday: today.CompletedToday, FailedToday: today.FailedToday, AvgWaitTime: today.AvgWaitTime,
		StartedAt: s.started.UTC().Truncate(time.Millisecond), UptimeSeconds: int64(s.Clock.Now().Sub(s.started) / time.Second),
	}}, err
}
