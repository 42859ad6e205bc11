package powerloss

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

const (
	tenant   = "default"
	instance = "inst_powerloss"
)

// client does operations one after the other and notes the answers.
type client struct {
	w   *world
	n   int
	rng *rand.Rand
	// added are ids of jobs that this client added, running its attempts.
	added   []string
	running []store.Claimed
	ours    []job.Template
}

// work does ops operations, fewer when the power goes.
func (c *client) work(ctx context.Context, ops int) error {
	for range ops {
		if c.w.disk.Off() {
			return nil
		}
		if err := c.step(ctx); err != nil {
			return fmt.Errorf("client %d: %w", c.n, err)
		}
	}
	return nil
}

func (c *client) step(ctx context.Context) error {
	switch k := c.rng.IntN(20); {
	case k < 7:
		return c.add(ctx)
	case k < 11:
		return c.claim(ctx)
	case k < 14 && len(c.running) > 0:
		return c.finish(ctx)
	case k < 16 && len(c.running) > 0:
		return c.save(ctx)
	case k < 18 && len(c.added) > 0:
		return c.cancel(ctx)
	default:
		return c.template(ctx)
	}
}

// tell sorts an error: nil was acknowledged, a fault of the storage means
// unknown, anything else is a bug. With ackEarly, unknown counts as
// acknowledged.
func (c *client) tell(err error) (acked bool, bug error) {
	switch {
	case err == nil:
		return true, nil
	case unknown(err):
		c.w.refused(err)
		return c.w.ackEarly, nil
	}
	return false, err
}

// unknown reports whether err leaves open what happened.
func unknown(err error) bool {
	return fault.Is(err, fault.StorageUnavailable) || fault.Is(err, fault.StorageFull)
}

func (c *client) key() *store.Key {
	return &store.Key{
		Tenant: tenant, Owner: "tester", Text: id.New(id.Request, c.w.clock.Now()), Hash: "h", Now: c.w.clock.Now(),
		Expires: c.w.clock.Now().Add(dayLong), Render: func(any) (store.Reply, error) { return store.Reply{Status: 201, Body: []byte("{}")}, nil },
	}
}

func (c *client) add(ctx context.Context) error {
	now := c.w.clock.Now()
	a := &addition{}
	for range 1 + c.rng.IntN(3) {
		j := job.Job{
			ID: id.New(id.Job, now), Tenant: tenant, Name: "load", Type: "command", Params: []byte(`{"argv":["true"]}`), OnCrash: job.CrashRetry,
			Trigger: job.TriggerAPI, CreatedBy: "tester", Priority: job.PriorityNormal, CreatedAt: now, QueuedAt: now,
			Retry: job.Retry{MaxAttempts: 1 + c.rng.IntN(2)},
		}
		if c.rng.IntN(3) == 0 {
			j.Locks = []string{fmt.Sprintf("lock-%d", c.rng.IntN(4))}
		}
		a.params.Jobs = append(a.params.Jobs, j)
	}
	if c.rng.IntN(2) == 0 {
		a.params.Key = c.key()
	}
	added, err := c.w.store.Jobs.Add(ctx, a.params)
	acked, bug := c.tell(err)
	if bug != nil {
		return fmt.Errorf("add: %w", bug)
	}
	c.w.ledger.answer(acked, func() { c.w.ledger.sawAddition(a, added, acked) })
	if err == nil {
		for _, ad := range added {
			c.added = append(c.added, ad.Job.ID)
		}
	}
	return nil
}

// sawAddition notes an answer to Jobs.Add.
func (l *ledger) sawAddition(a *addition, added []store.Added, acked bool) {
	a.acked = acked
	l.adds = append(l.adds, a)
	for _, j := range a.params.Jobs {
		l.note(j.ID)
	}
	for _, ad := range added {
		if acked {
			l.sawJob(ad.Job)
		}
	}
}

func (c *client) claim(ctx context.Context) error {
	got, err := c.w.store.Jobs.Claim(ctx, store.ClaimJobs{Instance: instance, Room: 1 + c.rng.IntN(3), Decide: claim.Decide})
	if fault.Is(err, fault.StaleLease) {
		c.w.meet(finding{lost, "the instance is gone"})
		return nil
	}
	acked, bug := c.tell(err)
	if bug != nil {
		return fmt.Errorf("claim: %w", bug)
	}
	c.w.ledger.answer(acked, func() {
		if err != nil {
			c.w.ledger.claims++
		}
		for _, s := range got.Started {
			c.w.ledger.sawJob(s.Job)
			c.w.ledger.sawRun(s.Run)
		}
	})
	c.running = append(c.running, got.Started...)
	return nil
}

func (c *client) finish(ctx context.Context) error {
	n := c.rng.IntN(len(c.running))
	att := c.running[n]
	c.running = slices.Delete(c.running, n, n+1)
	now := c.w.clock.Now()
	var jobEvent, runEvent any = job.Succeeded{At: now}, run.Succeeded{At: now}
	if c.rng.IntN(3) == 0 {
		why := job.Failure{Code: "exit_nonzero", Message: "exit status 1"}
		jobEvent, runEvent = job.Broke{At: now, Failure: why}, run.Broke{At: now, Failure: why}
	}
	jc, err := job.Apply(att.Job, jobEvent)
	if err != nil {
		return err
	}
	rc, err := run.Apply(att.Run, runEvent)
	if err != nil {
		return err
	}
	err = c.w.store.Jobs.Finish(ctx, []store.Finish{{Job: jc, Run: rc}})[0]
	if fault.Is(err, fault.Conflict) {
		return nil // a cancel came in between; the attempt stays running
	}
	acked, bug := c.tell(err)
	if bug != nil {
		return fmt.Errorf("finish: %w", bug)
	}
	c.w.ledger.answer(acked, func() {
		if !acked {
			c.w.ledger.note(att.Job.ID).maybe++
			return
		}
		c.w.ledger.sawJob(jc.After)
		c.w.ledger.sawRun(rc.After)
	})
	return nil
}

func (c *client) save(ctx context.Context) error {
	att := c.running[c.rng.IntN(len(c.running))]
	data := make([]byte, 1+c.rng.IntN(6000)) // small ones and ones that need overflow pages
	for i := range data {
		data[i] = byte(c.rng.Uint32())
	}
	err := c.w.store.Runs.SaveCheckpoint(ctx, store.Checkpoint{
		JobID: att.Job.ID, RunID: att.Run.ID, Epoch: att.Run.Epoch, Data: data, At: c.w.clock.Now(),
	})
	acked, bug := c.tell(err)
	if bug != nil {
		return fmt.Errorf("save checkpoint: %w", bug)
	}
	c.w.ledger.answer(acked, func() {
		if n := c.w.ledger.checkpoint(att.Job.ID); acked {
			n.acked, n.maybe = data, nil
		} else {
			n.maybe = append(n.maybe, data)
		}
	})
	return nil
}

// cancel asks for the end of a job that this client added, whatever its state.
func (c *client) cancel(ctx context.Context) error {
	n := c.rng.IntN(len(c.added))
	jobID := c.added[n]
	c.added = slices.Delete(c.added, n, n+1)
	j, err := c.w.store.Jobs.Job(ctx, tenant, jobID)
	if err != nil {
		_, bug := c.tell(err)
		return bug
	}
	if j.State.Terminal() {
		return nil
	}
	change, err := job.Apply(j, job.CancelAsked{At: c.w.clock.Now(), By: "tester"})
	if err != nil {
		return err
	}
	after, err := c.w.store.Jobs.Move(ctx, store.MoveJob{Change: change})
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	acked, bug := c.tell(err)
	if bug != nil {
		return fmt.Errorf("cancel: %w", bug)
	}
	c.w.ledger.answer(acked, func() {
		if err == nil {
			c.w.ledger.sawJob(after)
		} else if acked {
			c.w.ledger.sawJob(change.After)
		} else {
			c.w.ledger.note(jobID).maybe++
		}
	})
	return nil
}

// template creates a template or stores a new version of one of its own.
func (c *client) template(ctx context.Context) error {
	now := c.w.clock.Now()
	t := job.Template{
		ID: id.New(id.Template, now), Tenant: tenant, Type: "command", Params: []byte(`{}`), Priority: job.PriorityNormal,
		CreatedBy: "tester", CreatedAt: now, UpdatedAt: now,
	}
	t.Name = t.ID
	put := c.w.store.Templates.Create
	if len(c.ours) > 0 && c.rng.IntN(2) == 0 {
		n := c.rng.IntN(len(c.ours))
		t = c.ours[n]
		c.ours = slices.Delete(c.ours, n, n+1)
		t.Version++
		t.Description = fmt.Sprintf("version %d", t.Version)
		put = c.w.store.Templates.Update
	}
	p := store.PutTemplate{Template: t}
	if c.rng.IntN(2) == 0 {
		p.Key = c.key()
	}
	stored, err := put(ctx, p)
	acked, bug := c.tell(err)
	if bug != nil {
		return fmt.Errorf("put template: %w", bug)
	}
	c.w.ledger.answer(acked, func() {
		if n := c.w.ledger.template(t.ID); acked {
			n.acked = stored
		} else {
			n.maybe++
		}
	})
	if err == nil {
		c.ours = append(c.ours, stored)
	}
	return nil
}
