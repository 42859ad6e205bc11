// Package checkpoint keeps what runs of workflows have reached where it is found
// quickly: in memory, then in Redis if there is one, then in the database.
//
//	t := checkpoint.New(checkpoint.Options{Runs: s.WorkflowRuns, Log: s.WorkflowLog, Cache: keep})
//	defer t.Close()
//	t.Save(snapshot)                            // after the step was committed
//	s, source, err := t.Latest(ctx, tenant, id) // "memory", "redis" or "database"
//
// The database is the truth. Each read asks it first which checkpoint there is, a
// row without its state, and uses what memory or Redis have only when id, seq and
// epoch agree with it. So a tier that is old, wrong, slow or gone costs time and
// never a step; and a read without the database is an error, not a guess.
//
// Save never waits: a goroutine writes to Redis, of each run only the newest.
package checkpoint

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

// Where a snapshot was found.
const (
	FromMemory   = "memory"
	FromRedis    = "redis"
	FromDatabase = "database"
)

// Runs is the part of store.WorkflowRuns that readers need.
type Runs interface {
	Run(ctx context.Context, tenant, id string) (store.WorkflowRun, error)
}

// Log is the part of store.WorkflowLog that readers need.
type Log interface {
	Checkpoints(ctx context.Context, p store.ListCheckpoints) (store.CheckpointPage, error)
	Checkpoint(ctx context.Context, tenant, runID, id string) (store.WorkflowCheckpoint, error)
}

// Cache holds values for a while, without a promise; it is a *redis.Keep.
type Cache interface {
	// Get returns a value; found is false when there is none.
	Get(ctx context.Context, key string) (value []byte, found bool, err error)
	// Put keeps a value for ttl.
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Raise keeps "seq value" for ttl, unless what is there has a greater seq.
	Raise(ctx context.Context, key string, seq int64, value string, ttl time.Duration) error
	// Health says whether it can be used now, and if not, why, for people.
	Health() (ok bool, detail string)
}

// Options are what New needs. Runs and Log must be given.
type Options struct {
	Runs  Runs
	Log   Log
	Cache Cache // nil = there is no Redis
	// Key is a secret of the installation: what others write into Redis is not taken
	// for ours.
	Key []byte
	// TTL is how long Redis keeps a checkpoint; 0 = 1 h.
	TTL time.Duration
	// MaxRuns and MaxBytes bound what is kept in memory; 0 = 256 runs, about 64 MiB.
	MaxRuns, MaxBytes int
	Clock             clock.Clock  // nil = the system's
	Logger            *slog.Logger // nil = nothing is logged
}

const (
	defaultTTL   = time.Hour
	defaultRuns  = 256
	defaultBytes = 64 << 20
	// maxEntry is the largest state that is kept in memory, in bytes.
	maxEntry = 4 << 20
	// readWait is how long a reader waits for Redis, writeWait how long a write may
	// take.
	readWait, writeWait = 100 * time.Millisecond, time.Second
	// maxPending is how many runs may wait to be written to Redis.
	maxPending = 1024
)

// Tiers are the places. They are safe for concurrent use.
type Tiers struct {
	o       Options
	stop    context.CancelFunc
	running sync.WaitGroup
	work    chan struct{} // there is something in pending

	mu     sync.Mutex
	memory memory
	// pending are snapshots that wait to be written to Redis, by run; order says
	// which is next.
	pending map[string]Snapshot
	order   []string
	writing bool
	idle    *sync.Cond
}

// New returns running tiers. Close ends them.
func New(o Options) *Tiers {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.TTL <= 0 {
		o.TTL = defaultTTL
	}
	if o.MaxRuns <= 0 {
		o.MaxRuns = defaultRuns
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultBytes
	}
	t := &Tiers{o: o, work: make(chan struct{}, 1), memory: newMemory(o.MaxRuns, o.MaxBytes), pending: map[string]Snapshot{}}
	t.idle = sync.NewCond(&t.mu)
	ctx, stop := context.WithCancel(context.Background())
	t.stop = stop
	if o.Cache != nil {
		t.running.Go(func() { t.write(ctx) })
	}
	return t
}

// Close ends the writing. What still waits for Redis is not written.
func (t *Tiers) Close() error {
	t.stop()
	t.running.Wait()
	return nil
}

// Health says whether all tiers can be used, and if not, why, for people. Nothing
// depends on it.
func (t *Tiers) Health() (ok bool, detail string) {
	if t.o.Cache == nil {
		return true, ""
	}
	return t.o.Cache.Health()
}

// Saved notes the state of a run after a step that is committed, as the store has
// it: an engine.Watcher. It is Save.
func (t *Tiers) Saved(r store.WorkflowRun, checkpointID string) {
	t.Save(Snapshot{
		ID: checkpointID, Tenant: r.Tenant, RunID: r.ID, WorkflowID: r.WorkflowID, Version: r.Version,
		Seq: r.Seq, Epoch: r.Epoch, At: r.UpdatedAt, State: r.State,
	})
}

// Save notes a snapshot whose step is committed. It neither blocks nor fails, and
// a snapshot that is older than what is known changes nothing. The caller may go on
// changing the state, as workflow.State's methods do.
func (t *Tiers) Save(s Snapshot) {
	s.State = s.State.Clone()
	for id := range s.Ephemeral {
		delete(s.State.Outputs, id)
	}
	s.Ephemeral = nil
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.memory.put(s) || t.o.Cache == nil {
		return
	}
	if p, waits := t.pending[s.RunID]; waits && p.Seq > s.Seq {
		return
	} else if !waits {
		if len(t.order) >= maxPending {
			return // the next step of the run comes, or the database is read
		}
		t.order = append(t.order, s.RunID)
	}
	t.pending[s.RunID] = s
	select {
	case t.work <- struct{}{}:
	default:
	}
}

// Forget drops a run from memory: it ended.
func (t *Tiers) Forget(runID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.memory.drop(runID)
}

// Flush waits until nothing waits to be written to Redis.
func (t *Tiers) Flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.order) > 0 || t.writing {
		t.idle.Wait()
	}
}

// Latest returns the newest checkpoint of a run, and where it was found; not_found
// when there is no such run or it has none, and whatever the database says.
func (t *Tiers) Latest(ctx context.Context, tenant, runID string) (Snapshot, string, error) {
	head, err := t.head(ctx, store.ListCheckpoints{Tenant: tenant, RunID: runID, Limit: 1})
	if err != nil {
		return Snapshot{}, "", err
	}
	if head.ID == "" {
		return Snapshot{}, "", fault.New(fault.NotFound, "the run has no checkpoint")
	}
	return t.find(ctx, tenant, runID, head)
}

// ByID returns a checkpoint of a run, and where it was found; errors as Latest.
func (t *Tiers) ByID(ctx context.Context, tenant, runID, id string) (Snapshot, string, error) {
	s, source := t.quick(ctx, runID, id)
	if source != "" && s.Tenant == tenant {
		head, err := t.head(ctx, store.ListCheckpoints{Tenant: tenant, RunID: runID, BeforeSeq: s.Seq + 1, Limit: 1})
		if err != nil {
			return Snapshot{}, "", err
		}
		if s.is(head) {
			return s, source, nil
		}
	}
	return t.read(ctx, tenant, runID, id)
}

// head returns the first row of a page, the zero one when there is none.
func (t *Tiers) head(ctx context.Context, p store.ListCheckpoints) (store.WorkflowCheckpoint, error) {
	page, err := t.o.Log.Checkpoints(ctx, p)
	if err != nil || len(page.Checkpoints) == 0 {
		return store.WorkflowCheckpoint{}, err
	}
	return page.Checkpoints[0], nil
}

// find returns the checkpoint that head describes, from the first tier that has
// exactly that.
func (t *Tiers) find(ctx context.Context, tenant, runID string, head store.WorkflowCheckpoint) (Snapshot, string, error) {
	if s, source := t.quick(ctx, runID, head.ID); source != "" && s.Tenant == tenant && s.is(head) {
		return s, source, nil
	}
	return t.read(ctx, tenant, runID, head.ID)
}

// is reports whether the database means the same step.
func (s Snapshot) is(row store.WorkflowCheckpoint) bool {
	return s.ID == row.ID && s.Seq == row.Seq && s.Epoch == row.Epoch
}

// quick looks where the database need not be asked. source is "" when nothing was
// found.
func (t *Tiers) quick(ctx context.Context, runID, id string) (s Snapshot, source string) {
	t.mu.Lock()
	s, ok := t.memory.get(runID, id)
	t.mu.Unlock()
	if ok {
		s.State = s.State.Clone() // what is kept must not change
		return s, FromMemory
	}
	if t.o.Cache == nil {
		return Snapshot{}, ""
	}
	ctx, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	text, found, err := t.o.Cache.Get(ctx, key(runID, id))
	if err != nil || !found {
		return Snapshot{}, ""
	}
	s, err = decode(text, t.o.Key)
	if err != nil || s.ID != id || s.RunID != runID {
		t.o.Logger.DebugContext(ctx, "a checkpoint in Redis is not used", "checkpoint_id", id, "error", err)
		return Snapshot{}, ""
	}
	return s, FromRedis
}

// read asks the database.
func (t *Tiers) read(ctx context.Context, tenant, runID, id string) (Snapshot, string, error) {
	c, err := t.o.Log.Checkpoint(ctx, tenant, runID, id)
	if err != nil {
		return Snapshot{}, "", err
	}
	r, err := t.o.Runs.Run(ctx, tenant, runID)
	if err != nil {
		return Snapshot{}, "", err
	}
	return Snapshot{
		ID: c.ID, Tenant: tenant, RunID: runID, WorkflowID: r.WorkflowID, Version: r.Version, NodeID: c.NodeID,
		Seq: c.Seq, Epoch: c.Epoch, At: c.At, State: c.State,
	}, FromDatabase, nil
}
