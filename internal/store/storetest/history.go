package storetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// register is what everybody must agree on about one job (test T05).
type jobRegister struct {
	version     int64
	state       job.State
	run         string
	asked, held bool
}

func registerOf(j job.Job) jobRegister {
	return jobRegister{j.Version, j.State, j.RunID, !j.CancelAskedAt.IsZero(), j.HeldReason != ""}
}

// call is an operation on one job: "read", "claim", "move", "change" (a person's
// event) or "finish" (an attempt's end, or its rescue).
type call struct {
	kind          string
	job           string
	before, after jobRegister // of changes
}

// answer is what the store said of it.
type answer struct {
	code fault.Code // "" = done
	now  jobRegister
}

// registers says which answers a store may give.
var registers = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		by := map[string][]porcupine.Operation{}
		for _, o := range all {
			c := o.Input.(call)
			by[c.job] = append(by[c.job], o)
		}
		var out [][]porcupine.Operation
		for _, ops := range by {
			out = append(out, ops)
		}
		return out
	},
	Init: func() any { return jobRegister{version: 1, state: job.Queued} },
	Step: func(state, input, output any) (bool, any) {
		s, c, a := state.(jobRegister), input.(call), output.(answer)
		mine := s.state == job.Running && s.run == c.before.run
		switch c.kind {
		case "read":
			return a.now == s, s
		case "claim":
			want := s
			want.version++
			want.state, want.run = job.Running, a.now.run
			return s.state == job.Queued && !s.held && s.run != a.now.run && a.now == want, a.now
		case "move":
			if a.code != "" { // ignored
				return s.state != job.Queued, s
			}
			want := s
			if a.now.version == s.version+1 {
				want.version++
			}
			return s.state == job.Queued && a.now == want, a.now
		}
		if a.code == "" {
			return s == c.before, c.after
		}
		if a.code == fault.StaleLease {
			return c.kind == "finish" && !mine, s
		}
		return s.version != c.before.version && (mine || c.kind == "change"), s
	},
}

// RunHistories lets 16 people and instances race for a few jobs, again and
// again, and checks that each history is linearizable: claims, ends, rescues,
// cancels, holds and moves of one job happened one after the other. n is the
// number of histories; RUNSHEET_CHAOS=full makes it 50 times as many.
func RunHistories(t *testing.T, s store.Store, n int) {
	if os.Getenv("RUNSHEET_CHAOS") == "full" {
		n *= 50
	}
	pool(t, s, 3)
	register(t, s, "b")
	for i := range n {
		h := &history{t: t, s: s}
		for range 5 {
			h.jobs = append(h.jobs, add(t, s, newJob(onCrash(job.CrashRetry), retries(3)))[0].ID)
		}
		together(16, func(k int) { h.work(rand.New(rand.NewPCG(uint64(i), uint64(k)))) }) //nolint:gosec // not a secret
		if result := porcupine.CheckOperationsTimeout(registers, h.ops, 2*time.Minute); result != porcupine.Ok {
			t.Fatalf("history %d is %s:\n%s", i, result, h)
		}
		h.clear()
	}
}

// history is one race.
type history struct {
	t    *testing.T
	s    store.Store
	jobs []string
	time atomic.Int64 // counts calls and answers

	mu       sync.Mutex
	ops      []porcupine.Operation
	attempts []store.Claimed // also those that have ended
}

// historyCalls is how many calls each of the 16 makes, about 200 in all.
const historyCalls = 13

func (h *history) work(r *rand.Rand) {
	for range historyCalls {
		name := h.jobs[r.IntN(len(h.jobs))]
		switch r.IntN(10) {
		case 0, 1:
			h.claim([]string{"a", "b"}[r.IntN(2)])
		case 2:
			h.move(name, r.IntN(5))
		case 3:
			h.change(name, func(job.Job) any { return job.CancelAsked{At: base, By: "me"} }, r.IntN(4) > 0)
		case 4, 5:
			h.change(name, func(j job.Job) any {
				if j.HeldReason != "" {
					return job.Released{At: base}
				}
				return job.Held{At: base, Reason: "x"}
			}, false)
		case 6:
			h.finish(r, job.Succeeded{At: base})
		case 7:
			h.finish(r, job.Returned{At: base})
		default:
			h.finish(r, job.Interrupted{At: base})
		}
	}
}

func (h *history) begin() int64 { return h.time.Add(1) }

func (h *history) note(start int64, c call, a answer) {
	end := h.time.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: len(h.ops), Input: c, Call: start, Output: a, Return: end})
}

func (h *history) read(name string) (job.Job, bool) {
	start := h.begin()
	j, err := h.s.Jobs.Job(h.t.Context(), tenant, name)
	if err != nil {
		h.t.Errorf("read: %v", err)
		return j, false
	}
	h.note(start, call{kind: "read", job: name}, answer{now: registerOf(j)})
	return j, true
}

func (h *history) claim(instance string) {
	start := h.begin()
	c, err := h.s.Jobs.Claim(h.t.Context(), store.ClaimJobs{Instance: instance, Now: base, Poll: true, Room: 2, Decide: firstRunnable})
	if err != nil {
		h.t.Errorf("claim: %v", err)
	}
	for _, x := range c.Started {
		h.note(start, call{kind: "claim", job: x.Job.ID}, answer{now: registerOf(x.Job)})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.attempts = append(h.attempts, c.Started...)
}

func (h *history) move(name string, to int) {
	start := h.begin()
	p, err := h.s.Order.Place(h.t.Context(), store.PlaceJobs{Tenant: tenant, IDs: []string{name}, Place: &store.Place{Position: to}, At: base})
	if err != nil {
		h.t.Errorf("move: %v", err)
		return
	}
	a := answer{now: registerOf(p.Job)}
	if len(p.Ignored) > 0 {
		a = answer{code: "ignored"}
	}
	h.note(start, call{kind: "move", job: name}, a)
}

// change reads a job and changes it, if nobody was faster. skip leaves waiting
// jobs alone, so that not all are cancelled at once.
func (h *history) change(name string, event func(job.Job) any, skip bool) {
	j, ok := h.read(name)
	if !ok || skip && j.State == job.Queued {
		return
	}
	ch, err := job.Apply(j, event(j))
	if err != nil {
		return // it has ended
	}
	start := h.begin()
	_, err = h.s.Jobs.Move(h.t.Context(), store.MoveJob{Change: ch})
	h.changed(start, call{kind: "change", job: name}, ch, err)
}

func (h *history) changed(start int64, c call, ch job.Change, err error) {
	c.before, c.after = registerOf(ch.Before), registerOf(ch.After)
	var a answer
	switch {
	case err == nil:
	case fault.Is(err, fault.Conflict):
		a.code = fault.Conflict
	case fault.Is(err, fault.StaleLease):
		a.code = fault.StaleLease
	default:
		h.t.Errorf("%s: %v", c.kind, err)
		return
	}
	h.note(start, c, a)
}

// finish ends an attempt as it was claimed, or as somebody reads it now. Most
// have ended already.
func (h *history) finish(r *rand.Rand, ev any) {
	h.mu.Lock()
	if len(h.attempts) == 0 {
		h.mu.Unlock()
		return
	}
	x := h.attempts[max(0, len(h.attempts)-1-r.IntN(5))]
	h.mu.Unlock()
	if r.IntN(2) == 0 {
		j, ok := h.read(x.Job.ID)
		if !ok || j.State != job.Running || j.RunID != x.Run.ID {
			return
		}
		x.Job = j
	}
	f := ending(h.t, x, ev)
	start := h.begin()
	err := h.s.Jobs.Finish(h.t.Context(), []store.Finish{f})[0]
	h.changed(start, call{kind: "finish", job: x.Job.ID}, f.Job, err)
}

// clear ends all jobs, so that the next history has the slots.
func (h *history) clear() {
	for _, name := range h.jobs {
		j := read(h.t, h.s, name)
		if !j.State.Terminal() {
			j = mustMove(h.t, h.s, j, job.CancelAsked{At: base})
		}
		if j.State == job.Running {
			r, err := h.s.Runs.Run(h.t.Context(), tenant, j.RunID)
			if err != nil {
				h.t.Fatal(err)
			}
			mustFinish(h.t, h.s, store.Claimed{Job: j, Run: r}, broke())
		}
	}
}

func (h *history) String() string {
	var out strings.Builder
	for _, o := range h.ops {
		fmt.Fprintf(&out, "%d-%d %+v -> %+v\n", o.Call, o.Return, o.Input, o.Output)
	}
	return out.String()
}
