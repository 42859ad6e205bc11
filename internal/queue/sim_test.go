package queue_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/task"
)

// TestSimulation lets three nodes work off a queue on one database while they
// crash, hang, lose answers and hints, and have wrong clocks (test T06). Time is
// that of a synctest bubble. A seed repeats the faults; the order in which
// goroutines run is still Go's. RUNSHEET_SIM_SEEDS is the number of seeds, 10 if
// it is not set; RUNSHEET_SIM_SEED runs one.
func TestSimulation(t *testing.T) {
	first, n := 1, 10
	if v, err := strconv.Atoi(os.Getenv("RUNSHEET_SIM_SEEDS")); err == nil {
		n = v
	}
	if v, err := strconv.Atoi(os.Getenv("RUNSHEET_SIM_SEED")); err == nil {
		first, n = v, 1
	}
	if testing.Short() {
		n = min(n, 2)
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { newSim(t, uint64(seed), dir).run() }) //nolint:gosec // small
		})
	}
}

// sim is one simulated installation.
type sim struct {
	t     *testing.T
	store store.Store
	dir   string

	mu    sync.Mutex
	rand  *rand.Rand
	jobs  map[string]job.Job
	live  map[string]string // job -> run
	locks map[string]string // lock -> job
	nodes []*node
	calm  bool // no answer is lost any more
}

// node is one server process, from its start to its death.
type node struct {
	s    *sim
	host string
	// skew is how wrong its clock is. One that is ahead would look for delayed jobs
	// all the time, which takes long to simulate.
	skew time.Duration
	// frozen is closed when the node can go on; nil = it can. dead is closed with
	// its death.
	frozen chan struct{}
	dead   chan struct{}
	away   bool // calls fail at once
	deaf   bool // no hints arrive
	stop   context.CancelFunc
	done   chan error
}

const simJobs = 200

func newSim(t *testing.T, seed uint64, dir string) *sim {
	st, err := sqlite.OpenMemory(t.Context(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	return &sim{
		t: t, store: st, dir: dir, rand: rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // not a secret
		jobs: map[string]job.Job{}, live: map[string]string{}, locks: map[string]string{},
	}
}

// draw is a random number in [0,n).
func (s *sim) draw(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.IntN(n)
}

func (s *sim) run() {
	defer func() {
		if err := s.store.Health.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	if _, err := s.store.Queue.Scale(s.t.Context(), store.Scale{Workers: 6, Tenant: tenant, At: time.Now()}); err != nil {
		s.t.Fatal(err)
	}
	s.fill()
	for i := range 3 {
		s.nodes = append(s.nodes, s.boot(fmt.Sprint("host", i)))
	}
	for range 10 {
		s.wait(time.Duration(1+s.draw(8)) * time.Second)
		s.fate(s.draw(3))
	}
	s.mu.Lock()
	s.calm = true
	s.mu.Unlock()
	for i, n := range s.nodes {
		s.thaw(n)
		select {
		case <-n.done: //nolint:errcheck // it could not start, and is started again
			s.nodes[i] = s.boot(n.host)
		default:
		}
	}
	s.finishAll()
	for _, n := range s.nodes {
		n.stop()
		if err := <-n.done; err != nil {
			s.t.Errorf("%s: %v", n.host, err)
		}
	}
	s.judge()
}

func (s *sim) wait(d time.Duration) { _ = clock.Sleep(s.t.Context(), clock.System{}, d) } // ends with the test

// fill adds jobs, some with locks, some in groups.
func (s *sim) fill() {
	add := func(js []job.Job, err error) {
		if err != nil {
			s.t.Fatal(err)
		}
		for _, j := range js {
			s.jobs[j.ID] = j
		}
	}
	for len(s.jobs) < simJobs {
		now := time.Now()
		draft := func() job.Job {
			j := job.Job{
				ID: id.New(id.Job, now), Tenant: tenant, Type: "scripted", Params: []byte("{}"), Priority: []int{2, 5, 8}[s.draw(3)],
				OnCrash: job.CrashRetry, Trigger: job.TriggerAPI, Retry: job.Retry{MaxAttempts: 3, Backoff: job.Fixed, Initial: time.Second},
				CreatedAt: now, QueuedAt: now,
			}
			if s.draw(5) == 0 {
				j.OnCrash = job.CrashFail
			}
			if n := s.draw(8); n < 4 {
				j.Locks = [][]string{{"a"}, {"b"}, {"a", "b"}, {"c"}}[n]
			}
			return j
		}
		if s.draw(10) > 0 {
			a, err := s.store.Jobs.Add(s.t.Context(), store.AddJobs{Jobs: []job.Job{draft()}})
			if err != nil {
				s.t.Fatal(err)
			}
			add([]job.Job{a[0].Job}, nil)
			continue
		}
		g := job.Group{
			ID: id.New(id.Group, now), Tenant: tenant, Mode: []job.GroupMode{job.Parallel, job.Sequential}[s.draw(2)], MaxParallel: 2,
			OnFailure: job.FailureContinue, CreatedAt: now,
		}
		a, err := s.store.Groups.Create(s.t.Context(), store.AddGroup{Group: g, Priority: 5, Jobs: []job.Job{draft(), draft(), draft()}})
		add(a.Jobs, err)
	}
}

// boot starts a node on a host.
func (s *sim) boot(host string) *node {
	n := &node{
		s: s, host: host, skew: -time.Duration(s.draw(3600)) * time.Second, deaf: s.draw(3) == 0,
		dead: make(chan struct{}), done: make(chan error, 1),
	}
	st := s.store
	st.Jobs, st.Runs, st.Leases, st.Events = simJobsRole{st.Jobs, n}, simRuns{st.Runs, n}, simLeases{st.Leases, n}, simEvents{st.Events, n}
	st.Queue = simQueue{st.Queue}
	e := queue.New(queue.Options{
		Store: st, Tasks: task.NewRegistry(scripted{n.work}), WorkDir: s.dir + "/" + host, HostID: host, Clock: n,
		OpenLog: func(string) (queue.Log, error) { return &memLog{}, nil },
	})
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	go func() { n.done <- e.Run(ctx) }()
	return n
}

// Now and NewTimer make a node its own clock, which is wrong by its skew.
func (n *node) Now() time.Time                       { return time.Now().Add(n.skew) }
func (n *node) NewTimer(d time.Duration) clock.Timer { return clock.System{}.NewTimer(d) }

// fate does something bad to a node.
func (s *sim) fate(i int) {
	n := s.nodes[i]
	switch s.draw(4) {
	case 0: // it dies, its processes with it; later the host is back
		s.thaw(n)
		close(n.dead)
		n.stop()
		<-n.done //nolint:errcheck // it was killed: however it ends is right
		s.wait(time.Duration(s.draw(40)) * time.Second)
		s.nodes[i] = s.boot(n.host)
	case 1: // it hangs, perhaps for longer than its lease
		s.mu.Lock()
		if n.frozen == nil {
			n.frozen = make(chan struct{})
		}
		s.mu.Unlock()
		s.wait(time.Duration(s.draw(60)) * time.Second)
		s.thaw(n)
	case 2: // the network is down
		s.mu.Lock()
		n.away = true
		s.mu.Unlock()
		s.wait(time.Duration(s.draw(60)) * time.Second)
		s.thaw(n)
	case 3: // nothing
	}
}

func (s *sim) thaw(n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.frozen != nil {
		close(n.frozen)
		n.frozen = nil
	}
	n.away = false
}

// reach is the way to the database: it returns an error when the call does not
// get there, or waits.
func (n *node) reach(ctx context.Context) error {
	for {
		n.s.mu.Lock()
		frozen, away := n.frozen, n.away
		n.s.mu.Unlock()
		select {
		case <-n.dead:
			return errAway
		default:
		}
		if away {
			return errAway
		}
		if frozen == nil {
			return nil
		}
		select {
		case <-frozen:
		case <-n.dead:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// back is the way of the answer, which is lost now and then, and with a death.
func (n *node) back() error {
	select {
	case <-n.dead:
		return errAway
	default:
	}
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	if !n.s.calm && n.s.rand.IntN(60) == 0 {
		return errAway
	}
	return nil
}

// work is what jobs do: nothing, for a while. It notes what must exclude each
// other.
func (n *node) work(ctx context.Context, a task.Attempt, _ task.Host) error {
	s := n.s
	j := s.jobs[a.JobID]
	s.mu.Lock()
	if other := s.live[a.JobID]; other != "" {
		s.t.Errorf("job %s lives twice: %s and %s", a.JobID, other, a.RunID)
	}
	s.live[a.JobID] = a.RunID
	for _, l := range j.Locks {
		if other := s.locks[l]; other != "" {
			s.t.Errorf("jobs %s and %s hold %s", other, a.JobID, l)
		}
		s.locks[l] = a.JobID
	}
	d := time.Duration(100+s.rand.IntN(4000)) * time.Millisecond
	if s.rand.IntN(20) == 0 {
		d *= 10
	}
	fails := s.rand.IntN(8) == 0
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.live, a.JobID)
		for _, l := range j.Locks {
			delete(s.locks, l)
		}
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-n.dead:
	case <-ctx.Done():
	}
	if fails {
		return task.Fail("scripted", errors.New("it failed"))
	}
	return ctx.Err()
}

// finishAll waits until everything ended; jobs that crashed too often are
// released.
func (s *sim) finishAll() {
	for range 400 {
		s.wait(10 * time.Second)
		page, err := s.store.Jobs.List(s.t.Context(), store.ListJobs{Tenant: tenant, States: []job.State{job.Queued, job.Running}, Limit: 1000})
		if err != nil {
			s.t.Fatal(err)
		}
		if len(page.Jobs) == 0 {
			return
		}
		for _, j := range page.Jobs {
			if j.HeldReason == "" {
				continue
			}
			c, err := job.Apply(j, job.Released{At: time.Now()})
			if err != nil {
				s.t.Fatal(err)
			}
			if _, err := s.store.Jobs.Move(s.t.Context(), store.MoveJob{Change: c}); err != nil {
				s.t.Error(err)
			}
		}
	}
	s.t.Error("not everything ended within an hour after the last fault")
}

// judge looks at what is left in the database.
func (s *sim) judge() {
	ctx := context.Background()
	if n, err := s.store.Order.Places(ctx); err != nil || n != 0 {
		s.t.Errorf("%d places, %v", n, err)
	}
	if l, err := s.store.Locks.List(ctx, store.ListLocks{Limit: 10}); err != nil || len(l.Locks) != 0 {
		s.t.Errorf("locks %+v, %v", l.Locks, err)
	}
	groups, err := s.store.Groups.List(ctx, store.ListGroups{Tenant: tenant, Limit: 1000})
	if err != nil {
		s.t.Error(err)
	}
	for _, g := range groups.Groups {
		if !g.Terminal() || g.Ended() != 3 {
			s.t.Errorf("group %+v", g)
		}
	}
	page, err := s.store.Runs.List(ctx, store.ListRuns{Tenant: tenant, Limit: 10_000})
	if err != nil {
		s.t.Fatal(err)
	}
	var starts []run.Run
	completed := map[string]int{}
	for _, r := range page.Runs {
		if !r.State.Terminal() {
			s.t.Errorf("run %s of %s is %s", r.ID, r.JobID, r.State)
		}
		if r.State == run.Completed {
			completed[r.JobID]++
		}
		if r.Attempt == 1 {
			starts = append(starts, r)
		}
	}
	slices.SortFunc(starts, func(a, b run.Run) int { return cmp.Compare(a.Epoch, b.Epoch) })
	var free []job.Job
	sequence := map[string]job.Job{}
	for _, r := range starts {
		j := s.jobs[r.JobID]
		if j.GroupID == "" && len(j.Locks) == 0 {
			free = append(free, j) // nothing but the order decides when these start
		}
		if last, ok := sequence[j.GroupID]; ok && j.GroupID != "" && s.sequential(groups.Groups, j.GroupID) && last.Rank > j.Rank {
			s.t.Errorf("members of group %s started out of order", j.GroupID)
		}
		sequence[j.GroupID] = j
	}
	if !slices.IsSortedFunc(free, func(a, b job.Job) int { return cmp.Compare(a.Rank, b.Rank) }) {
		s.t.Error("jobs without locks did not start in order")
	}
	for _, j := range s.jobs {
		now, err := s.store.Jobs.Job(ctx, tenant, j.ID)
		if err != nil || !now.State.Terminal() || completed[j.ID] > 1 || (now.State == job.Completed) != (completed[j.ID] == 1) {
			s.t.Errorf("job %s is %s with %d completed runs, %v", j.ID, now.State, completed[j.ID], err)
		}
	}
}

func (s *sim) sequential(gs []job.Group, groupID string) bool {
	return slices.ContainsFunc(gs, func(g job.Group) bool { return g.ID == groupID && g.Mode == job.Sequential })
}
