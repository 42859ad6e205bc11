package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func eventChecks() []check {
	return []check{
		{"Events/TellAJobsLife", eventLife},
		{"Events/PagesAndTenants", eventPages},
		{"Events/CompleteUnderConcurrentWriters", eventsComplete},
		{"Events/Range", eventRange},
		{"Events/RangeCountsWhatIsCommitted", eventRangeComplete},
		{"Events/WatchHints", eventHints},
		{"Events/SlowWatcherGetsAll", eventSlowWatcher},
	}
}

func since(t testing.TB, s store.Store, seq int64) []event.Event {
	t.Helper()
	evs, err := s.Events.Since(t.Context(), tenant, seq, 10000)
	if err != nil {
		t.Fatalf("since: %v", err)
	}
	return evs
}

func lastSeq(t testing.TB, s store.Store) int64 {
	t.Helper()
	evs := since(t, s, 0)
	if len(evs) == 0 {
		return 0
	}
	return evs[len(evs)-1].Seq
}

func eventLife(t *testing.T, s store.Store) {
	pool(t, s, 1)
	from := lastSeq(t, s)
	j := add(t, s, newJob(held("x")))[0]
	mustMove(t, s, j, job.Released{At: base.Add(time.Second)})
	c := claimOne(t, s)
	succeed(t, s, c)
	evs := since(t, s, from)
	for i := range evs {
		if evs[i].Seq <= from {
			t.Errorf("seq %d is not behind %d", evs[i].Seq, from)
		}
		from, evs[i].Seq = evs[i].Seq, 0
	}
	same(t, "events", []event.Event{
		{Tenant: tenant, Type: event.JobQueued, At: base, JobID: j.ID},
		{Tenant: tenant, Type: event.JobReleased, At: base.Add(time.Second), JobID: j.ID},
		{Tenant: tenant, Type: event.JobStarted, At: base, JobID: j.ID, RunID: c.Run.ID, Data: map[string]string{"attempt": "1"}},
		{Tenant: tenant, Type: event.JobRunCompleted, At: base.Add(time.Second), JobID: j.ID, RunID: c.Run.ID},
	}, evs)
}

func eventPages(t *testing.T, s store.Store) {
	for range 7 {
		add(t, s, newJob())
	}
	whole := since(t, s, 0)
	var paged []event.Event
	for seq := int64(0); ; {
		evs, err := s.Events.Since(t.Context(), tenant, seq, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(evs) > 3 {
			t.Fatalf("%d events on a page of 3", len(evs))
		}
		if len(evs) == 0 {
			break
		}
		paged = append(paged, evs...)
		seq = evs[len(evs)-1].Seq
	}
	same(t, "paged", whole, paged)
	if other, err := s.Events.Since(t.Context(), "ten_other", 0, 10); err != nil || len(other) != 0 {
		t.Errorf("another tenant sees %d events, %v", len(other), err)
	}
}

// eventsComplete lets readers follow the log while writers commit transactions
// of different length. No reader may miss an event or see one out of order.
func eventsComplete(t *testing.T, s store.Store) {
	const writers, rounds = 6, 12
	var want sync.Map
	stop := make(chan struct{})
	logs := make([][]event.Event, 3)
	var readers sync.WaitGroup
	for r := range logs {
		readers.Go(func() {
			seq, final := int64(0), false
			for {
				evs, err := s.Events.Since(t.Context(), tenant, seq, 5)
				if err != nil {
					t.Errorf("since: %v", err)
					return
				}
				logs[r] = append(logs[r], evs...)
				if len(evs) > 0 {
					seq = evs[len(evs)-1].Seq
					continue
				}
				if final {
					return
				}
				select {
				case <-stop:
					final = true
				default:
				}
			}
		})
	}
	together(writers, func(i int) {
		for n := range rounds {
			js := make([]job.Job, 1+(i*7+n)%9)
			for k := range js {
				js[k] = newJob(named(fmt.Sprint(i)))
			}
			added, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: js})
			if err != nil {
				t.Errorf("add: %v", err)
				return
			}
			if _, err := move(t, s, added[0].Job, job.CancelAsked{At: base}); err != nil {
				t.Errorf("cancel: %v", err)
			}
			for k, a := range added {
				events := 1
				if k == 0 {
					events = 2
				}
				want.Store(a.Job.ID, events)
			}
		}
	})
	close(stop)
	readers.Wait()
	for r, log := range logs {
		seen := map[string]int{}
		last := int64(0)
		for _, e := range log {
			if e.Seq <= last {
				t.Fatalf("reader %d: seq %d after %d", r, e.Seq, last)
			}
			last = e.Seq
			if e.Type == event.JobCancelled && seen[e.JobID] == 0 {
				t.Errorf("reader %d: job %s was cancelled before it was queued", r, e.JobID)
			}
			seen[e.JobID]++
		}
		want.Range(func(jobID, n any) bool {
			if seen[jobID.(string)] != n {
				t.Errorf("reader %d: %d events of job %s, want %d", r, seen[jobID.(string)], jobID, n)
			}
			return true
		})
	}
}

func logRange(t testing.TB, s store.Store) event.Range {
	t.Helper()
	r, err := s.Events.Range(t.Context())
	if err != nil {
		t.Fatalf("range: %v", err)
	}
	return r
}

func eventRange(t *testing.T, s store.Store) {
	same(t, "of an empty log", event.Range{}, logRange(t, s))
	add(t, s, newJob(), newJob())
	// Nobody has read, so PostgreSQL has numbered nothing yet.
	r := logRange(t, s)
	evs := since(t, s, 0)
	same(t, "range", event.Range{Floor: evs[0].Seq - 1, Last: evs[1].Seq}, r)
	if !r.Holds(0) || !r.Holds(evs[1].Seq) || r.Holds(evs[1].Seq+1) {
		t.Errorf("%+v: nothing was removed, and nothing comes after the last", r)
	}
	add(t, s, newJob())
	if next := logRange(t, s); next.Last <= r.Last || next.Floor != r.Floor {
		t.Errorf("after one more: %+v, before %+v", next, r)
	}
}

// eventRangeComplete: an event of a call that has returned is never behind the
// end of the log, whoever writes and numbers at the same time.
func eventRangeComplete(t *testing.T, s store.Store) {
	together(6, func(i int) {
		for range 8 {
			added, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob(named(fmt.Sprint(i)))}})
			if err != nil {
				t.Errorf("add: %v", err)
				return
			}
			r, err := s.Events.Range(t.Context())
			if err != nil {
				t.Errorf("range: %v", err)
				return
			}
			evs, err := s.Events.Since(t.Context(), tenant, r.Last, 1000)
			if err != nil {
				t.Errorf("since: %v", err)
				return
			}
			for _, e := range evs {
				if e.JobID == added[0].Job.ID {
					t.Errorf("event %d of a finished call is behind the end %d", e.Seq, r.Last)
				}
			}
		}
	})
}

func eventHints(t *testing.T, s store.Store) {
	hints, end := s.Events.Watch()
	defer end()
	j := add(t, s, newJob())[0]
	want := map[store.Hint]bool{
		{Topic: store.HintQueue}: true, {Topic: store.HintJob, ID: j.ID}: true, {Topic: store.HintEvents, ID: tenant}: true,
	}
	timeout := time.After(time.Minute)
	for len(want) > 0 {
		select {
		case h := <-hints:
			delete(want, h)
		case <-timeout:
			t.Fatalf("hints that did not come: %v", want)
		}
	}
	end()
	bad := key("k")
	bad.Render = func(any) (store.Reply, error) { return store.Reply{}, fmt.Errorf("boom") }
	again, endAgain := s.Events.Watch()
	defer endAgain()
	failed := newJob()
	if _, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{failed}, Key: bad}); err == nil {
		t.Fatal("no error")
	}
	add(t, s, newJob())
	for {
		select {
		case h := <-again:
			if h.ID == failed.ID {
				t.Error("a hint of what did not happen")
			}
			if h.Topic == store.HintJob {
				return
			}
		case <-timeout:
			t.Fatal("no hint came")
		}
	}
}

func eventSlowWatcher(t *testing.T, s store.Store) {
	hints, end := s.Events.Watch()
	defer end()
	for range 400 {
		add(t, s, newJob())
	}
	timeout := time.After(time.Minute)
	for {
		select {
		case h := <-hints:
			if h.Topic == store.HintAll {
				return
			}
		case <-timeout:
			t.Fatal("a watcher that fell behind was not told to look at everything")
		}
	}
}
