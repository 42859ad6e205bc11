package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/app"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// noop is a job type that does nothing, and remembers that it was asked to.
type noop struct {
	mu sync.Mutex
	// ran is how often each job ran, by its id.
	ran map[string]int
	// began is when a job's attempt began, by its name; nil = nobody wants to know.
	began map[string]time.Time
}

const noopType = "noop"

func (*noop) Type() string { return noopType }

func (*noop) Schema() json.RawMessage {
	return json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{}}`)
}

func (*noop) Check(json.RawMessage) error    { return nil }
func (*noop) Locks(json.RawMessage) []string { return nil }
func (*noop) OnCrash() job.CrashPolicy       { return job.CrashFail }

// Run implements task.Task.
func (n *noop) Run(_ context.Context, a task.Attempt, _ task.Host) error {
	at := clock.System{}.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ran[a.JobID]++
	if n.began != nil {
		n.began[a.JobName] = at
	}
	return nil
}

// watch makes it remember when attempts begin, of about so many jobs.
func (n *noop) watch(jobs int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.began = make(map[string]time.Time, jobs)
}

func (n *noop) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.ran)
}

// forget makes it forget which jobs ran.
func (n *noop) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.ran)
}

// once returns an error unless exactly these jobs ran, each once.
func (n *noop) once(ids []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, one := range ids {
		if n.ran[one] != 1 {
			return fmt.Errorf("job %s ran %d times", one, n.ran[one])
		}
	}
	if len(n.ran) != len(ids) {
		return fmt.Errorf("%d jobs ran, of %d", len(n.ran), len(ids))
	}
	return nil
}

// server is a throwaway server in this process.
type server struct {
	b       *bench
	workers int
	data    string
	url     string // of its PostgreSQL database, "" = SQLite
	noop    *noop
	app     *app.App
	store   store.Store
	local   config.Local
	api     *client.Client
}

// with starts a server on a new database, calls f, stops the server and removes the
// database.
func (b *bench) with(ctx context.Context, workers int, f func(*server) error) (err error) {
	s, err := b.place(ctx, workers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.remove(context.WithoutCancel(ctx))) }()
	if err := s.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	return f(s)
}

// place is where a server will be: an empty folder, and an empty database.
func (b *bench) place(ctx context.Context, workers int) (*server, error) {
	dir, err := os.MkdirTemp(b.dir, "data-")
	if err != nil {
		return nil, err
	}
	s := &server{b: b, workers: workers, data: dir, noop: &noop{ran: map[string]int{}}}
	if b.admin != nil {
		if s.url, err = b.admin.Create(ctx); err != nil {
			return nil, errors.Join(err, s.remove(context.WithoutCancel(ctx)))
		}
	}
	return s, nil
}

func (s *server) remove(ctx context.Context) error {
	err := os.RemoveAll(s.data)
	if s.b.admin != nil {
		err = errors.Join(err, s.b.admin.Drop(ctx))
	}
	return err
}

// environment is the configuration of the server: the product's own, but for its place.
func (s *server) environment() map[string]string {
	env := map[string]string{
		"RUNSHEET_DATA": s.data, "RUNSHEET_LISTEN": "127.0.0.1:0", "RUNSHEET_WORKERS": strconv.Itoa(s.workers),
	}
	if s.url != "" {
		env["RUNSHEET_DATABASE_URL"] = s.url
	}
	return env
}

// start starts the server, again on the same place if it was stopped.
func (s *server) start(ctx context.Context) error {
	env := s.environment()
	cfg, err := config.Load(config.Sources{Env: func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}})
	if err != nil {
		return err
	}
	a := app.New(app.Options{Config: cfg, Version: s.b.Version, Tasks: []task.Task{s.noop}})
	if err := a.Start(ctx); err != nil {
		return err
	}
	s.app, s.store = a, a.Store()
	if err := s.meet(ctx); err != nil {
		return errors.Join(err, s.stop())
	}
	return nil
}

// meet finds out what it can be reached by, and what it runs on.
func (s *server) meet(ctx context.Context) (err error) {
	if s.local, err = config.ReadLocal(s.data); err != nil {
		return err
	}
	if s.api, err = client.New(client.Options{URL: s.local.URL, Token: s.local.Token}); err != nil {
		return err
	}
	version, err := s.store.Health.Version(ctx)
	if err != nil {
		return err
	}
	durability, err := s.store.Health.Durability(ctx)
	if err != nil {
		return err
	}
	if was := s.b.report.Durability; was != "" && was != durability {
		return fmt.Errorf("durability was %s and is %s now", was, durability)
	}
	s.b.report.Versions.Database, s.b.report.Durability = version, durability
	return nil
}

// stop may be called more than once.
func (s *server) stop() error {
	if s.app == nil {
		return nil
	}
	a := s.app
	s.app = nil
	return a.Stop()
}

// pause stops the queue from starting jobs, or lets it go on.
func (s *server) pause(ctx context.Context, paused bool) error {
	_, err := s.store.Queue.Pause(ctx, store.Pause{Paused: paused, By: "bench", Tenant: access.DefaultTenant, At: clock.System{}.Now()})
	return err
}

// bulk is how many jobs are added in one transaction.
const bulk = 1000

// add adds n jobs that do nothing, through the store, and returns their ids.
func (s *server) add(ctx context.Context, n int) ([]string, error) {
	return s.addJobs(ctx, n, func(*job.Job) {})
}

// addJobs is add of jobs that change makes others.
func (s *server) addJobs(ctx context.Context, n int, change func(*job.Job)) ([]string, error) {
	ids := make([]string, 0, n)
	for len(ids) < n {
		now := clock.System{}.Now()
		list := make([]job.Job, min(bulk, n-len(ids)))
		for i := range list {
			list[i] = job.Job{
				ID: id.New(id.Job, now), Tenant: access.DefaultTenant, Name: "bench", Type: noopType, Params: json.RawMessage(`{}`),
				State: job.Queued, Priority: job.PriorityNormal, OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedBy: "bench", CreatedAt: now, QueuedAt: now,
			}
			change(&list[i])
			ids = append(ids, list[i].ID)
		}
		if _, err := s.store.Jobs.Add(ctx, store.AddJobs{Jobs: list}); err != nil {
			return nil, fmt.Errorf("add jobs: %w", err)
		}
	}
	return ids, nil
}

// counted returns an error unless exactly n jobs are in a state, and none in others.
func (s *server) counted(ctx context.Context, state job.State, n int) error {
	counts, err := s.store.Jobs.Counts(ctx, "")
	if err != nil {
		return err
	}
	all := 0
	for _, c := range counts {
		all += c
	}
	if counts[state] != n || all != n {
		return fmt.Errorf("jobs by state are %v, want %d %s", counts, n, state)
	}
	return nil
}

// none reports whether no job is in any of the states.
func (s *server) none(ctx context.Context, states ...job.State) (bool, error) {
	for _, state := range states {
		page, err := s.store.Jobs.List(ctx, store.ListJobs{Tenant: access.DefaultTenant, States: []job.State{state}, Limit: 1})
		if err != nil || len(page.Jobs) > 0 {
			return false, err
		}
	}
	return true, nil
}
