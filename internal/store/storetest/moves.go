package storetest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// RunMoves starts jobs one after the other while several people move them, and
// checks that each start takes the first of the order that is shown at that
// moment. inside says that a reader sees, while a claim is under way, exactly
// what was done before the claim. On SQLite it does not, because moves share a
// commit with the claim: moves then wait while the order is read and claimed.
func RunMoves(t *testing.T, s store.Store, jobs, moves int, inside bool) {
	pool(t, s, 10)
	register(t, s, "b")
	var all []string
	for range jobs / 100 { // in all priorities
		var js []job.Job
		for i := range 100 {
			js = append(js, newJob(prio(i%10)))
		}
		all = append(all, ids(add(t, s, js...))...)
	}
	const movers, claimers = 3, 2
	r := &race{t: t, s: s, inside: inside, times: map[string]int{}}
	turns := make(chan struct{}, moves) // one start each
	var moving, claiming sync.WaitGroup
	for i := range movers {
		random := rand.New(rand.NewPCG(7, uint64(i))) //nolint:gosec // not a secret
		moving.Go(func() {
			for {
				n := r.done.Add(1)
				if n > int64(moves) {
					return
				}
				if n%int64(moves/jobs) == 0 {
					turns <- struct{}{}
				}
				p := randomMove(random, all)
				r.gate.RLock()
				_, err := s.Order.Place(t.Context(), p)
				r.gate.RUnlock()
				if err != nil && !fault.Is(err, fault.AlreadyStarted) {
					t.Errorf("move %+v: %v", p, err)
					return
				}
			}
		})
	}
	for i := range claimers {
		claiming.Go(func() {
			for range turns {
				r.turn(i)
			}
		})
	}
	moving.Wait()
	close(turns)
	claiming.Wait()
	startRest(t, s, r.times)
	for _, j := range all {
		if r.times[j] != 1 {
			t.Errorf("job %s started %d times", j, r.times[j])
		}
	}
}

// startRest starts all that waits, which must be in the order that is shown.
func startRest(t *testing.T, s store.Store, times map[string]int) {
	t.Helper()
	wantPositions(t, s)
	shown := queued(t, s)
	var rest []string
	for cs := claim(t, s, 10); len(cs) > 0; cs = claim(t, s, 10) {
		var ends []store.Finish
		for _, x := range cs {
			rest = append(rest, x.Job.ID)
			times[x.Job.ID]++
			ends = append(ends, ending(t, x, job.Succeeded{At: base}))
		}
		for _, err := range s.Jobs.Finish(t.Context(), ends) {
			if err != nil {
				t.Fatalf("finish: %v", err)
			}
		}
	}
	same(t, "the rest starts as shown", shown, rest)
}

// race is what movers and claimers share.
type race struct {
	t             *testing.T
	s             store.Store
	inside        bool
	done, started atomic.Int64 // moves and starts
	wrong         sync.Once
	gate          sync.RWMutex // see RunMoves

	mu    sync.Mutex
	times map[string]int // starts by job
}

// turn claims one or two jobs, compares them with the order, and ends them.
func (r *race) turn(i int) {
	var shown []string
	look := func() {
		page, err := r.s.Jobs.List(r.t.Context(), store.ListJobs{Tenant: tenant, States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 1 + i})
		if err != nil {
			r.t.Errorf("list: %v", err)
		}
		shown = ids(page.Jobs)
	}
	if !r.inside {
		r.gate.Lock()
		look()
	}
	c, err := r.s.Jobs.Claim(r.t.Context(), store.ClaimJobs{
		Instance: []string{"a", "b"}[i], Now: base, Room: 1 + i,
		Decide: func(snap job.Snapshot) job.Decision {
			if r.inside { // others that want to move or to claim wait for this claim
				look()
			}
			return firstRunnable(snap)
		},
	})
	if !r.inside {
		r.gate.Unlock()
	}
	if err != nil {
		r.t.Errorf("claim: %v", err)
		return
	}
	if d := diff(shown, claimedIDs(c.Started)); d != "" {
		r.wrong.Do(func() {
			r.t.Errorf("after %d moves and %d starts (-shown +started):\n%s", r.done.Load(), r.started.Load(), d)
		})
	}
	var ends []store.Finish
	r.mu.Lock()
	for _, x := range c.Started {
		r.times[x.Job.ID]++
		ends = append(ends, ending(r.t, x, job.Succeeded{At: base}))
	}
	r.mu.Unlock()
	r.started.Add(int64(len(ends)))
	for _, err := range r.s.Jobs.Finish(r.t.Context(), ends) {
		if err != nil {
			r.t.Errorf("finish: %v", err)
		}
	}
}

func randomMove(r *rand.Rand, all []string) store.PlaceJobs {
	p := store.PlaceJobs{Tenant: tenant, At: base}
	n := 1
	if r.IntN(3) == 0 {
		n = 2 + r.IntN(5)
	}
	for len(p.IDs) < n {
		if j := all[r.IntN(len(all))]; !slices.Contains(p.IDs, j) {
			p.IDs = append(p.IDs, j)
		}
	}
	other := all[r.IntN(len(all))]
	for slices.Contains(p.IDs, other) {
		other = all[r.IntN(len(all))]
	}
	kind := r.IntN(6)
	if n == 1 {
		kind = r.IntN(5) // the last kind needs several
	}
	switch kind {
	case 0:
		p.Place = &store.Place{Top: true}
	case 1:
		p.Place = &store.Place{Bottom: true}
	case 2:
		p.Place = &store.Place{Position: r.IntN(40)}
	case 3:
		p.Place = &store.Place{Before: other}
	case 4:
		p.Place = &store.Place{After: other}
	}
	return p
}
