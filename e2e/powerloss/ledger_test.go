package powerloss

import (
	"sync"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// ledger is what the clients were told. It lives outside the disk.
type ledger struct {
	mu        sync.Mutex
	adds      []*addition
	jobs      map[string]*jobNote
	runs      map[string]run.Run // as last acknowledged
	saved     map[string]*checkpointNote
	templates map[string]*templateNote
	// claims is the number of claims without an answer: each may have started
	// any waiting job.
	claims     int
	registered bool
	// acked and unknown count answers, to prove that the test tests something.
	acked, unknown int
}

// addition is one Jobs.Add.
type addition struct {
	params store.AddJobs
	acked  bool
}

// jobNote is a job as acknowledged last, and how many further changes of it
// got no answer.
type jobNote struct {
	job   job.Job
	maybe int
}

// checkpointNote is a job's checkpoint; maybe are those without an answer.
type checkpointNote struct {
	acked []byte
	maybe [][]byte
}

type templateNote struct {
	acked job.Template // Version 0 = nothing was acknowledged
	maybe int
}

func newLedger() *ledger {
	return &ledger{
		jobs: map[string]*jobNote{}, runs: map[string]run.Run{},
		saved: map[string]*checkpointNote{}, templates: map[string]*templateNote{},
	}
}

// answer counts an answer and holds the ledger while f notes what it means.
func (l *ledger) answer(acked bool, f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if acked {
		l.acked++
	} else {
		l.unknown++
	}
	f()
}

func (l *ledger) note(id string) *jobNote {
	n := l.jobs[id]
	if n == nil {
		n = &jobNote{}
		l.jobs[id] = n
	}
	return n
}

// sawJob notes an acknowledged state. Answers of several clients may come in
// any order.
func (l *ledger) sawJob(j job.Job) {
	if n := l.note(j.ID); j.Version > n.job.Version {
		n.job = j
	}
}

func (l *ledger) sawRun(r run.Run) {
	if old, ok := l.runs[r.ID]; !ok || !old.State.Terminal() {
		l.runs[r.ID] = r
	}
}

func (l *ledger) checkpoint(jobID string) *checkpointNote {
	n := l.saved[jobID]
	if n == nil {
		n = &checkpointNote{}
		l.saved[jobID] = n
	}
	return n
}

func (l *ledger) template(id string) *templateNote {
	n := l.templates[id]
	if n == nil {
		n = &templateNote{}
		l.templates[id] = n
	}
	return n
}
