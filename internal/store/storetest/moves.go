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
	var done, started atomic.Int64
	var wrong sync.Once
	var gate sync.RWMutex
	turns := make(chan struct{}, moves) // one start each
	var moving, claiming sync.WaitGroup
	for i := range movers {
		r := rand.New(rand.NewPCG(7, uint64(i))) //nolint:gosec // not a secret
		moving.Go(func() {
			for {
				n := done.Add(1)
				if n > int64(moves) {
					return
				}
				if n%int64(moves/jobs) == 0 {
					turns <- struct{}{}
				}
				p := randomMove(r, all)
				gate.RLock()
				_, err := s.Order.Place(t.Context(), p)
				gate.RUnlock()
				if err != nil && !fault.Is(err, fault.AlreadyStarted) {
					t.Errorf("move %+v: %v", p, err)
					return
				}
			}
		})
	}
	var mu sync.Mutex
	times := map[string]int{}
	for i := range claimers {
		claiming.Go(func() {
			for range turns {
				var shown []string
				look := func() {
					page, err := s.Jobs.List(t.Context(), store.ListJobs{Tenant: tenant, States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 1 + i})
					if err != nil {
						t.Errorf("list: %v", err)
					}
					shown = ids(page.Jobs)
				}
				if !inside {
					gate.Lock()
					look()
				}
				c, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{
					Instance: []string{"a", "b"}[i], Now: base, Room: 1 + i,
					Decide: func(snap job.Snapshot) job.Decision {
						if inside { // others that want to move or to claim wait for this claim
							look()
						}
						return firstRunnable(snap)
					},
				})
				if !inside {
					gate.Unlock()
				}
				if err != nil {
					t.Errorf("claim: %v", err)
					continue
				}
				if d := diff(shown, claimedIDs(c.Started)); d != "" {
					wrong.Do(func() {
						t.Errorf("after %d moves and %d starts (-shown +started):\n%s", done.Load(), started.Load(), d)
					})
				}
				var ends []store.Finish
				mu.Lock()
				for _, x := range c.Started {
					times[x.Job.ID]++
					ends = append(ends, ending(t, x, job.Succeeded{At: base}))
				}
				mu.Unlock()
				started.Add(int64(len(ends)))
				for _, err := range s.Jobs.Finish(t.Context(), ends) {
					if err != nil {
						t.Errorf("finish: %v", err)
					}
				}
			}
		})
	}
	moving.Wait()
	close(turns)
	claiming.Wait()
	wantPositions(t, s)
	shown := queued(t, s)
	var rest []string
	for range jobs {
		cs := claim(t, s, 10)
		if len(cs) == 0 {
			break
		}
		var ends []store.Finish
		for _, x := range cs {
			rest = append(rest, x.Job.ID)
			times[x.Job.ID]++
			ends = append(ends, ending(t, x, job.Succeeded{At: base}))
		}
		for _, err := range s.Jobs.Finish(t.Context(), ends) {
			if err != nil {
				t.Errorf("finish: %v", err)
			}
		}
	}
	same(t, "the rest starts as shown", shown, rest)
	for _, j := range all {
		if times[j] != 1 {
			t.Errorf("job %s started %d times", j, times[j])
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
