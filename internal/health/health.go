// Package health says whether a server is ready: a list of named checks, each
// bounded in time and run at most once a second however many ask.
//
//	m := health.New(health.Options{Checks: []health.Check{{Name: "database", Run: ping}}})
//	defer m.Close()
//	report := m.Report(ctx)
//
// A check that returns an error is failing, and so is the server; one that
// returns Degrade(err) is degraded: the server serves, but not everything works
// as it should. The package knows nothing of HTTP.
package health

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

// Status is how a check, or the server, stands.
type Status string

// The statuses, from good to bad.
const (
	OK       Status = "ok"
	Degraded Status = "degraded" // it serves, but not everything works as it should
	Failing  Status = "failing"  // it cannot take work
)

// Defaults of Check.
const (
	DefaultEvery   = time.Second
	DefaultTimeout = 3 * time.Second
)

// Check is one thing to look at. Names are public and constant.
type Check struct {
	Name string
	// Every is how long a result is used; 0 = DefaultEvery.
	Every time.Duration
	// Timeout is how long the check may take before it counts as failing, or as
	// degraded if it is Mild; 0 = DefaultTimeout.
	Timeout time.Duration
	// Mild: what it looks at never keeps the server from taking work.
	Mild bool
	// Run looks. The note is for everybody: a word such as "paused", without names,
	// paths or hosts; the error is shown to those who may see details. It is
	// called by one goroutine at a time, and not again before it has returned.
	Run func(context.Context) (note string, err error)
}

// Degrade marks the error of a check as one with which the server still
// serves. nil stays nil.
func Degrade(err error) error {
	if err == nil {
		return nil
	}
	return &degraded{err}
}

type degraded struct{ error }

func (d *degraded) Unwrap() error { return d.error }

// Result is how one check stood when it was last looked at.
type Result struct {
	Name   string
	Status Status
	Note   string // public, may be empty
	// Detail is the error's text: not for strangers.
	Detail string
	At     time.Time // when the look ended; zero = it never did
}

// Report is all results in the order of the checks, and the worst of them.
type Report struct {
	Status Status
	Checks []Result
}

// Options of New.
type Options struct {
	Checks []Check
	Clock  clock.Clock  // nil = the system's
	Logger *slog.Logger // told when a check changes; nil = nobody is
}

// Monitor runs checks when somebody asks. It is safe for concurrent use.
type Monitor struct {
	clock  clock.Clock
	log    *slog.Logger
	probes []*probe
	base   context.Context // ends the checks with the monitor
	end    context.CancelFunc
	busy   sync.WaitGroup
}

// probe is one check with its last result.
type probe struct {
	Check
	mu      sync.Mutex
	last    Result
	running bool          // Run has not returned
	fresh   chan struct{} // closed when the look under way has a result; nil = none is
}

// New returns a monitor that has looked at nothing yet.
func New(o Options) *Monitor {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Monitor{clock: o.Clock, log: o.Logger}
	m.base, m.end = context.WithCancel(context.Background())
	for _, c := range o.Checks {
		if c.Every <= 0 {
			c.Every = DefaultEvery
		}
		if c.Timeout <= 0 {
			c.Timeout = DefaultTimeout
		}
		m.probes = append(m.probes, &probe{Check: c, last: Result{Name: c.Name}})
	}
	return m
}

// Close ends the checks under way and waits for them. Later reports repeat the
// last results.
func (m *Monitor) Close() {
	m.end()
	// Under the probes' locks no look can begin any more.
	for _, p := range m.probes {
		p.mu.Lock()
		p.mu.Unlock() //nolint:staticcheck // SA2001: waits for a start under way
	}
	m.busy.Wait()
}

// Report looks at everything whose last result is old and returns all results.
// It waits at most for the longest timeout, and not longer than ctx.
func (m *Monitor) Report(ctx context.Context) Report {
	var wait []<-chan struct{}
	for _, p := range m.probes {
		if c := m.look(p); c != nil {
			wait = append(wait, c)
		}
	}
	for _, c := range wait {
		select {
		case <-c:
		case <-ctx.Done():
		}
	}
	return m.Last()
}

// Last returns the last results without looking. What was never looked at is
// failing.
func (m *Monitor) Last() Report {
	out := Report{Status: OK}
	for _, p := range m.probes {
		p.mu.Lock()
		r := p.last
		p.mu.Unlock()
		if r.Status == "" {
			r.Status, r.Detail = Failing, "not looked at yet"
		}
		if worse(r.Status, out.Status) {
			out.Status = r.Status
		}
		out.Checks = append(out.Checks, r)
	}
	return out
}

func worse(a, b Status) bool { return rank(a) > rank(b) }

func rank(s Status) int {
	switch s {
	case OK:
		return 0
	case Degraded:
		return 1
	case Failing:
		return 2
	}
	return 2
}

// look returns a channel that is closed when there is a new result, nil when
// the last one will do.
func (m *Monitor) look(p *probe) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fresh != nil {
		return p.fresh
	}
	if p.running || m.base.Err() != nil || !p.last.At.IsZero() && m.clock.Now().Sub(p.last.At) < p.Every {
		return nil
	}
	fresh := make(chan struct{})
	p.fresh, p.running = fresh, true
	m.busy.Go(func() { m.run(p, fresh) })
	return fresh
}

// run carries one look out. When it takes too long, whoever waits is told so,
// and the check stays as it is then until Run returns and is called again.
func (m *Monitor) run(p *probe, fresh chan struct{}) {
	ctx, cancel := context.WithTimeout(m.base, p.Timeout)
	defer cancel()
	done := make(chan struct{})
	var note string
	var err error
	m.busy.Go(func() {
		note, err = p.Run(ctx)
		p.mu.Lock()
		p.running = false
		p.mu.Unlock()
		close(done)
	})
	select {
	case <-done:
		m.settle(p, fresh, note, err)
	case <-ctx.Done():
		late := errors.New("no answer within " + p.Timeout.String())
		if p.Mild {
			late = Degrade(late)
		}
		m.settle(p, fresh, "", late)
	}
}

func (m *Monitor) settle(p *probe, fresh chan struct{}, note string, err error) {
	r := Result{Name: p.Name, Status: OK, Note: note, At: m.clock.Now()}
	if err != nil {
		r.Status, r.Detail = Failing, err.Error()
		if _, ok := errors.AsType[*degraded](err); ok {
			r.Status = Degraded
		}
	}
	p.mu.Lock()
	before := p.last
	p.last, p.fresh = r, nil
	p.mu.Unlock()
	close(fresh)
	switch {
	case before.Status == r.Status || before.Status == "" && r.Status == OK:
	case r.Status == OK:
		m.log.Info("check is good again", "check", p.Name)
	default:
		m.log.Warn("check is not good", "check", p.Name, "status", string(r.Status), "error", err)
	}
}
